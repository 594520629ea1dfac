"""What calibration found out, in memory and as a file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import DataError
from inspector.evaluate.arrays import ArraySource, open_arrays
from inspector.files import write_atomically
from inspector.quant.distribution import BINS_PER_SIDE, Histogram

VERSION = 1
_FORMAT = "quant-inspector statistics"
_AGAIN = "Run the calibration again."
_MAX_HEADER = 1 << 26
_PARTS = ("count", "lo", "hi", "grid", "counts", "batches")
"""The arrays of `Histogram.to_arrays`."""
_LENGTHS = "/lengths"
_FIELDS = {"model_key": str, "source": str, "samples": int, "random": bool, "tensors": list}


@dataclass(frozen=True, slots=True)
class Calibration:
    """The distribution of every activation asked for, over some samples.

    Attributes:
        model_key: `Model.key` of the model that ran.
        source: where the samples came from, for the user.
        samples: how many there were.
        random: they were random numbers, which everything made from this has to say.
        seed: of the random numbers.
        tensors: by tensor name.
    """

    model_key: str
    source: str
    samples: int
    random: bool
    seed: int | None
    tensors: Mapping[str, Histogram]

    def merge(self, other: Calibration) -> Calibration:
        """Join two parts of one calibration; the samples of `other` count as the later ones.

        Raises:
            DataError: they are of different models or tensors.
        """
        if self.model_key != other.model_key or self.tensors.keys() != other.tensors.keys():
            raise DataError(
                f"The statistics of '{self.source}' and '{other.source}' do not belong together: "
                "they are of different models or of different tensors.",
                _AGAIN,
            )
        sources = dict.fromkeys((self.source, other.source))
        return Calibration(
            self.model_key,
            " + ".join(sources),
            self.samples + other.samples,
            self.random or other.random,
            self.seed if self.seed == other.seed else None,
            {
                name: histogram.merge(_later(other.tensors[name], self.samples))
                for name, histogram in self.tensors.items()
            },
        )


def _later(histogram: Histogram, samples: int) -> Histogram:
    return replace(histogram, batches=np.add(histogram.batches, (samples, 0.0, 0.0)))


def save_calibration(c: Calibration, path: str | Path) -> None:
    """Write a calibration to a file: an .npz archive without pickled objects.

    Raises:
        SaveError: it could not be written; what was there before is untouched.
    """
    header = {
        "format": _FORMAT,
        "version": VERSION,
        "model_key": c.model_key,
        "source": c.source,
        "samples": c.samples,
        "random": c.random,
        "seed": c.seed,
        "tensors": list(c.tensors),
    }
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    arrays: dict[str, NDArray[Any]] = {"header": text}
    parts = [histogram.to_arrays() for histogram in c.tensors.values()]
    for key in _PARTS:
        # One array for all tensors: thousands of members make an archive slow.
        own = [part[key] for part in parts]
        arrays[key] = np.concatenate(own) if own else np.zeros(0)
        arrays[key + _LENGTHS] = np.array([len(values) for values in own], np.int64)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomically(Path(path), buffer.getvalue())


def is_statistics(path: Path) -> bool:
    """Whether a file looks like what `save_calibration` writes; False if it cannot be read."""
    try:
        if not path.is_file():  # a device or a pipe may never end
            return False
        with zipfile.ZipFile(path) as archive:
            return "header.npy" in archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def load_calibration(path: str | Path) -> Calibration:
    """Read what `save_calibration` wrote. Whose model it is of is for the caller to compare.

    Raises:
        DataError: the file is missing, damaged, of a newer version, or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise DataError(f"{path} {what}.", "Check the path.")
    arrays = dict(open_arrays(path))
    header = _read_header(path, arrays)
    names = header["tensors"]
    columns = {key: _read_column(path, key, arrays, len(names), header) for key in _PARTS}
    tensors: dict[str, Histogram] = {}
    for number, name in enumerate(names):
        try:
            own = {key: column[number] for key, column in columns.items()}
            tensors[name] = Histogram.from_arrays(own, name)
        except DataError as error:
            raise DataError(f"{path}: {error.message}", error.hint) from error
    return Calibration(
        header["model_key"],
        header["source"],
        header["samples"],
        header["random"],
        header["seed"],
        tensors,
    )


def _read_header(path: Path, arrays: Mapping[str, ArraySource]) -> dict[str, Any]:
    text = arrays.get("header")
    if text is None or text.dtype != np.uint8 or not 0 < np.prod(text.shape) < _MAX_HEADER:
        raise DataError(f"{path} does not hold calibration statistics.", _AGAIN)
    try:
        header = json.loads(text.read_all().tobytes().decode())
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: the header is damaged.", _AGAIN) from error
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise DataError(f"{path} does not hold calibration statistics.", _AGAIN)
    version = header.get("version")
    if version != VERSION:
        raise DataError(
            f"{path} is of version {version!r}; this program reads version {VERSION}.",
            f"Update the program. Or: {_AGAIN.lower()}",
        )
    wrong = [k for k, kind in _FIELDS.items() if type(header.get(k)) is not kind]
    wrong += [] if type(header.get("seed", "")) in (int, type(None)) else ["seed"]
    wrong += [] if wrong or header["samples"] > 0 else ["samples"]
    names = header.get("tensors", [])
    if wrong or not all(isinstance(n, str) for n in names) or len(set(names)) < len(names):
        raise DataError(
            f"{path}: {', '.join(wrong or ['tensors'])} in the header is wrong.", _AGAIN
        )
    return header


def _read_column(
    path: Path, key: str, arrays: Mapping[str, ArraySource], count: int, header: Mapping[str, Any]
) -> list[NDArray[Any]]:
    """Read one kind of array for all tensors.

    The file may claim any size: nothing is read that no calibration can have written.
    """
    values, lengths = arrays.get(key), arrays.get(key + _LENGTHS)
    most = {"counts": 2 * BINS_PER_SIDE + 1, "batches": header["samples"]}.get(key, 3)
    damaged = DataError(f"{path}: the statistics are damaged ({key}).", _AGAIN)
    if values is None or lengths is None or lengths.shape != (count,) or not values.shape:
        raise damaged
    if lengths.dtype != np.int64 or values.shape[0] > most * count or len(values.shape) > 2:
        raise damaged
    if int(np.prod(values.shape[1:], dtype=object)) > 3:
        raise damaged
    sizes = lengths.read_all()
    if ((sizes < 0) | (sizes > most)).any() or sizes.sum() != values.shape[0]:
        raise damaged
    return np.split(values.read_all(), np.cumsum(sizes)[:-1]) if count else []
