"""Statistics files: what is saved is loaded, and nothing else."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspector.errors import DataError, SaveError
from inspector.evaluate.statistics import (
    Calibration,
    is_statistics,
    load_calibration,
    save_calibration,
)
from inspector.quant.distribution import Histogram


def histogram(seed: int, batches: int = 3) -> Histogram:
    """Count some random numbers."""
    rng = np.random.default_rng(abs(seed))
    merged = Histogram.empty()
    for batch in range(batches):
        values = (rng.standard_normal(500) * 2.0**seed).astype(np.float32)
        merged = merged.merge(Histogram.of(values, batch=batch))
    return merged


@pytest.fixture
def calibration() -> Calibration:
    """Two tensors, one with an odd name, and one without values."""
    tensors = {"/a/Relu:0": histogram(1), "ünïcode [x]": histogram(-20), "none": Histogram.empty()}
    return Calibration("key", "random inputs (seed 3)", 3, True, 3, tensors)


def test_round_trip(calibration: Calibration, tmp_path: Path) -> None:
    """All that was saved comes back, in order, without pickle."""
    path = tmp_path / "stats.npz"
    for wanted in (calibration, replace(calibration, random=False, seed=None, tensors={})):
        save_calibration(wanted, path)
        found = load_calibration(path)
        assert found == wanted
        assert list(found.tensors) == list(wanted.tensors)
    with np.load(path, allow_pickle=False) as arrays:
        assert json.loads(arrays["header"].tobytes())["version"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["stats.npz"]


def test_parts_are_joined(calibration: Calibration) -> None:
    """Samples of the second part come after those of the first."""
    other = replace(calibration, source="more.npz", random=False, seed=None)
    both = calibration.merge(other)
    assert both.samples == 6
    assert both.random
    assert both.seed is None
    assert both.source == "random inputs (seed 3) + more.npz"
    joined = both.tensors["/a/Relu:0"]
    assert joined.total == 3000
    assert joined.batches[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    for wrong in (replace(other, model_key="another"), replace(other, tensors={})):
        with pytest.raises(DataError, match="do not belong together"):
            calibration.merge(wrong)


def test_failing_to_save_leaves_the_old_file(calibration: Calibration, tmp_path: Path) -> None:
    """A folder that is missing, or a target that is a folder, is told."""
    with pytest.raises(SaveError):
        save_calibration(calibration, tmp_path / "gone" / "stats.npz")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SaveError):
        save_calibration(calibration, tmp_path / "folder")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def repacked(path: Path, change: Callable[[dict[str, np.ndarray]], Any]) -> None:
    """Change the arrays of a file."""
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(path, **arrays)  # type: ignore[arg-type]


def without(field: str) -> Callable[[dict[str, np.ndarray]], None]:
    """Leave a field of the header out."""

    def change(arrays: dict[str, np.ndarray]) -> None:
        fields = json.loads(arrays["header"].tobytes())
        del fields[field]
        arrays["header"] = np.frombuffer(json.dumps(fields).encode(), np.uint8)

    return change


def header(**changes: Any) -> Callable[[dict[str, np.ndarray]], None]:
    """Change fields of the header."""

    def change(arrays: dict[str, np.ndarray]) -> None:
        fields = json.loads(arrays["header"].tobytes()) | changes
        arrays["header"] = np.frombuffer(json.dumps(fields).encode(), np.uint8)

    return change


def array(name: str, values: Any) -> Callable[[dict[str, np.ndarray]], None]:
    """Replace an array."""
    return lambda arrays: arrays.update({name: np.asarray(values)})


DAMAGE = {
    "no header": lambda arrays: arrays.pop("header"),
    "header of floats": array("header", [1.0, 2.0]),
    "header of noise": array("header", np.full(50, 200, np.uint8)),
    "header is a list": array("header", np.frombuffer(b"[1]", np.uint8)),
    "other format": header(format="else"),
    "newer": header(version=2),
    "no key": header(model_key=None),
    "samples text": header(samples="3"),
    "samples true": header(samples=True),
    "no samples": header(samples=0),
    "random text": header(random="no"),
    "seed text": header(seed="3"),
    "seed missing": without("seed"),
    "tensors missing": without("tensors"),
    "version missing": without("version"),
    "source number": header(source=3),
    "tensors number": header(tensors=7),
    "tensors of numbers": header(tensors=[1, 2, 3]),
    "tensors twice": header(tensors=["a", "a"]),
    "one tensor more": header(tensors=["a", "b", "c", "d"]),
    "array missing": lambda arrays: arrays.pop("counts"),
    "lengths missing": lambda arrays: arrays.pop("counts/lengths"),
    "negative counts": lambda arrays: arrays.update(counts=-arrays["counts"]),
    "counts of floats": lambda arrays: arrays.update(counts=arrays["counts"] + 0.5),
    "counts too long": array("counts", np.ones(1_000_000, np.int64)),
    "counts too short": array("counts", np.ones(10, np.int64)),
    "counts of many axes": array("counts", np.ones((5, 5, 5), np.int64)),
    "counts without axes": array("counts", 5),
    "counts too wide": array("counts", np.ones((5, 1000), np.int64)),
    "counts do not add up": array("count", [7, 7, 7]),
    "lengths negative": array("lo/lengths", [3, -1, 1]),
    "lengths too large": array("lo/lengths", [1 << 62, 1 << 62, 1 << 62]),
    "lengths of floats": array("lo/lengths", [1.0, 1.0, 1.0]),
    "range upside down": array("lo", [1e9, 1e9, 1e9]),
    "range not a number": array("hi", [np.nan, 0, 0]),
    "batches too long": array("batches", np.zeros((50, 3))),
    "grid short": array("grid", np.zeros(2, np.int64)),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_told(calibration: Calibration, tmp_path: Path, case: str) -> None:
    """Nothing wrong is loaded, and the file is named."""
    path = tmp_path / "stats.npz"
    save_calibration(calibration, path)
    repacked(path, DAMAGE[case])
    with pytest.raises(DataError) as caught:
        load_calibration(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_files_that_are_no_statistics(calibration: Calibration, tmp_path: Path) -> None:
    """Missing, cut, empty or other files are told."""
    path = tmp_path / "stats.npz"
    save_calibration(calibration, path)
    whole = path.read_bytes()
    other = io.BytesIO()
    np.savez(other, image=np.zeros(3))
    text = io.BytesIO()
    with zipfile.ZipFile(text, "w") as archive:
        archive.writestr("a.txt", "text")
    for content in (whole[:500], whole[: len(whole) // 2], b"", other.getvalue(), text.getvalue()):
        path.write_bytes(content)
        with pytest.raises(DataError, match="stats"):
            load_calibration(path)
    with pytest.raises(DataError, match="does not exist"):
        load_calibration(tmp_path / "gone.npz")
    with pytest.raises(DataError, match="not a file"):
        load_calibration(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_what_may_never_end_is_not_read(tmp_path: Path) -> None:
    """A pipe that nobody writes to, and a device."""
    os.mkfifo(tmp_path / "pipe.npz")
    assert not is_statistics(tmp_path / "pipe.npz")
    assert not is_statistics(Path("/dev/zero"))
    assert not is_statistics(Path("nul\0.npz"))
