"""The target is complete or untouched, whatever goes wrong."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from inspector.errors import SaveError
from inspector.onnxio import saving
from inspector.onnxio.loading import load_model, model_of
from inspector.onnxio.passes import prepare
from inspector.onnxio.saving import save_model
from inspector.onnxio.tensors import FileSource

node = helper.make_node
WEIGHT = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
FEEDS = {"x": np.ones((1, 64), np.float32)}


@pytest.fixture
def proto(build) -> onnx.ModelProto:
    """A model with one big weight and one small one."""
    nodes = [node("MatMul", ["x", "w"], ["m"], "fc"), node("Add", ["m", "b"], ["y"], "add")]
    proto = build(nodes, {"x": ("N", 64)}, ["y"], {"w": WEIGHT, "b": np.ones(64, np.float32)})
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("N", 64))
    proto.graph.output[0].CopyFrom(result)
    return proto


def run_file(run, path: Path) -> np.ndarray:
    """The output of a saved model, opened by its path as onnxruntime users do."""
    whole = onnx.load(path)
    onnx.checker.check_model(path, full_check=True)
    return run(whole.SerializeToString(), FEEDS)[0]


@pytest.mark.parametrize("external", [False, True, None])
def test_a_saved_model_is_the_model(proto, tmp_path, run, external) -> None:
    """A saved model is the model."""
    path = tmp_path / "out.onnx"
    save_model(model_of(proto), path, external=external)
    np.testing.assert_array_equal(run_file(run, path), run(proto.SerializeToString(), FEEDS)[0])
    again = load_model(path)
    np.testing.assert_array_equal(again.constant("w"), WEIGHT)
    names = sorted(item.name for item in tmp_path.iterdir())
    assert len(names) == (2 if external else 1)
    if external:
        assert isinstance(again.sources["w"], FileSource)
        assert names[1].startswith("out.onnx.")
        assert names[1].endswith(".data")


def test_a_proto_is_saved_too(proto, tmp_path) -> None:
    """A proto is saved too, and not changed."""
    before = proto.SerializeToString(deterministic=True)
    save_model(proto, tmp_path / "out.onnx", external=True)
    assert proto.SerializeToString(deterministic=True) == before
    assert load_model(tmp_path / "out.onnx").key == model_of(proto).key


def test_external_data_of_a_mapped_model(proto, tmp_path, run) -> None:
    """A model with external data can be saved over itself while it is mapped."""
    path = tmp_path / "out.onnx"
    save_model(proto, path, external=True)
    prepared, _ = prepare(load_model(path))
    expected = run(proto.SerializeToString(), FEEDS)[0]
    for _ in range(2):
        save_model(prepared, path, external=True)
        np.testing.assert_array_equal(run_file(run, path), expected)
        assert len(list(tmp_path.iterdir())) == 2
    np.testing.assert_array_equal(prepared.constant("b"), np.ones(64))


def test_data_of_an_older_save_is_removed_with_it(proto, tmp_path) -> None:
    """Data of an older save is removed with it, other files are not."""
    path = tmp_path / "out.onnx"
    other = tmp_path / "out.onnx.data"
    other.write_bytes(b"not ours")
    save_model(proto, path, external=True)
    first = set(tmp_path.iterdir())
    proto.graph.initializer[0].raw_data = (WEIGHT + 1).tobytes()
    save_model(proto, path, external=True)
    second = set(tmp_path.iterdir())
    assert len(first) == len(second) == 3
    assert first != second
    assert other.read_bytes() == b"not ours"


def test_large_models_go_to_external_data_by_themselves(proto, tmp_path, monkeypatch) -> None:
    """Large models go to external data by themselves."""
    monkeypatch.setattr(saving, "MAX_PROTO", 10_000)
    save_model(proto, tmp_path / "out.onnx")
    assert len(list(tmp_path.iterdir())) == 2


def test_targets_that_cannot_be(proto, tmp_path) -> None:
    """No folder, a folder, an existing file, a pipe."""
    (tmp_path / "there.onnx").write_bytes(b"old")
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "no" / "out.onnx", "no folder"),
        (tmp_path / "there.onnx" / "out.onnx", "no folder"),
        (tmp_path, "is a folder"),
        (tmp_path / "there.onnx", "exists already"),
        (tmp_path / "pipe", "not a regular file"),
    ):
        with pytest.raises(SaveError, match=words) as error:
            save_model(proto, path, overwrite=False)
        assert error.value.hint
    assert (tmp_path / "there.onnx").read_bytes() == b"old"
    save_model(proto, tmp_path / "there.onnx")
    assert load_model(tmp_path / "there.onnx").key == model_of(proto).key


FAILURES = {
    errno.ENOSPC: "disk is full",
    errno.EDQUOT: "disk is full",
    errno.EACCES: "no permission",
    errno.EROFS: "no permission",
    errno.EIO: "cannot be written",
}


@pytest.mark.parametrize("number", FAILURES)
@pytest.mark.parametrize("step", ["fsync", "replace", "open"])
@pytest.mark.parametrize("external", [False, True])
def test_a_failure_leaves_what_was_there(
    proto, tmp_path, monkeypatch, number, step, external
) -> None:
    """Whatever step fails: one clear error, the old file, and nothing else."""
    path = tmp_path / "out.onnx"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    if step == "fsync":
        monkeypatch.setattr("os.fsync", fail)
    else:
        monkeypatch.setattr(Path, step, fail)
    with pytest.raises(SaveError, match=FAILURES[number]) as error:
        save_model(proto, path, external=external)
    assert "out.onnx" in error.value.message
    assert error.value.hint
    monkeypatch.undo()
    assert [item.name for item in tmp_path.iterdir()] == ["out.onnx"]
    assert path.read_bytes() == b"old"


def test_external_data_goes_when_the_model_fails(proto, tmp_path, monkeypatch) -> None:
    """The data file was written; the model itself then fails."""
    path = tmp_path / "out.onnx"
    path.write_bytes(b"old")

    def fail(target: Path, _data: bytes) -> None:
        raise SaveError(f"{target} failed", "Try again.")

    monkeypatch.setattr(saving, "write_atomically", fail)
    with pytest.raises(SaveError):
        save_model(proto, path, external=True)
    assert [item.name for item in tmp_path.iterdir()] == ["out.onnx"]
