"""Big files are read in parts: the same model as when read at once, and clear words on change."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, helper

from inspector.errors import ModelError
from inspector.onnxio import late, loading, wire
from inspector.onnxio.loading import STUB_BYTES, load_model
from inspector.onnxio.saving import save_model
from inspector.onnxio.wire import InMemory, WireError, split_weights

node = helper.make_node
WEIGHT = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)


@pytest.fixture
def file(build, tmp_path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as big; its second weight fits no window."""
    monkeypatch.setattr(loading, "LATE_BYTES", 1)
    monkeypatch.setattr(late, "_WINDOW", 20)
    nodes = [node("MatMul", ["x", "w"], ["m"], "fc"), node("MatMul", ["m", "v"], ["y"], "fc2")]
    proto = build(nodes, {"x": ("N", 64)}, ["y"], {"w": WEIGHT, "v": WEIGHT + 1})
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_a_file_read_in_parts_is_the_same_model(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, proto and key."""
    late_model = load_model(file)
    monkeypatch.setattr(loading, "LATE_BYTES", 1 << 30)
    model = load_model(file)
    assert late_model.proto == model.proto
    assert late_model.size_bytes == model.size_bytes
    np.testing.assert_array_equal(late_model.constant("v"), WEIGHT + 1)
    assert late_model.key == model.key
    assert not late_model.constant("w").flags.writeable


def test_no_weight_is_read_before_it_is_asked_for(file: Path) -> None:
    """Opening a model that lies on a slow disk takes no longer for its weights."""
    model = load_model(file)
    source = model.sources["w"]
    assert isinstance(source, late.LateSource)
    assert source.file._data is None
    model.constant("w")
    assert len(source.file._data or b"") == file.stat().st_size


def test_a_file_that_changes_before_it_is_read_is_told(file: Path) -> None:
    """Cut short, or written anew in place."""
    for change in (lambda: os.truncate(file, 100), lambda: os.utime(file, ns=(1, 1))):
        whole = file.read_bytes()
        model = load_model(file)
        change()
        with pytest.raises(ModelError, match="has changed since it was opened"):
            model.constant("w")
        file.write_bytes(whole)


def test_a_file_that_is_replaced_or_removed_is_still_there(file: Path) -> None:
    """What was opened is what was there then."""
    model, other = load_model(file), load_model(file)
    save_model(model, file)
    file.unlink()
    np.testing.assert_array_equal(other.constant("w"), WEIGHT)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at /proc")
def test_files_are_closed(file: Path) -> None:
    """After the first weight was read, or when nobody needs the model any more."""

    def is_open() -> bool:
        links = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
        return str(file) in {os.readlink(link) for link in links if os.path.lexists(link)}

    model = load_model(file)
    assert is_open()
    model.constant("w")
    assert not is_open()
    other = load_model(file)
    assert is_open()
    del other
    gc.collect()
    assert not is_open()


def test_a_file_cut_short_is_told_when_it_is_opened(file: Path) -> None:
    """Although its end is not read."""
    os.truncate(file, file.stat().st_size - 1000)
    with pytest.raises(ModelError, match="cut short"):
        load_model(file)


@dataclass(frozen=True)
class _Narrow(InMemory):
    """A store that shows only a few bytes at a time."""

    width: int = 20

    def window(self, start: int) -> tuple[bytes, int]:
        """The next few."""
        return self.data[start : start + self.width], start


@given(st.lists(st.tuples(st.integers(0, 3 * STUB_BYTES), st.booleans()), max_size=6), st.data())
def test_windows_make_no_difference(sizes: list[tuple[int, bool]], data: st.DataObject) -> None:
    """However little of a file is seen at once, the same is cut out; damage is damage."""
    proto = ModelProto(ir_version=8, producer_name="p" * data.draw(st.integers(0, 300)))
    for number, (size, doc) in enumerate(sizes):
        tensor = proto.graph.initializer.add(name=f"t{number}", data_type=2, dims=[size])
        tensor.raw_data = bytes(size)
        tensor.doc_string = "d" * 200 if doc else ""
        proto.graph.node.add(op_type="Relu", input=[f"t{number}"], output=[f"r{number}"])
    whole = proto.SerializeToString()
    whole = whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole
    width = data.draw(st.integers(20, 100))
    try:
        expected = split_weights(InMemory(whole), STUB_BYTES)
    except WireError:
        with pytest.raises(WireError):
            split_weights(_Narrow(whole, width), STUB_BYTES)
        return
    assert split_weights(_Narrow(whole, width), STUB_BYTES) == expected
    back = ModelProto()
    for piece in expected.pieces:
        back.MergeFromString(piece)
    assert sum(len(t.raw_data) for t in back.graph.initializer) == sum(
        len(t.raw_data) for t in back.graph.initializer if len(t.raw_data) < STUB_BYTES
    )


@pytest.mark.parametrize("length", [1, 40, 1000, 1 << 20])
def test_a_graph_in_pieces_is_the_same_graph(
    monkeypatch: pytest.MonkeyPatch, sample_models: Path, length: int
) -> None:
    """However often a message is cut between its fields, merging the pieces makes it whole."""
    monkeypatch.setattr(wire, "_PIECE", length)
    for path in sample_models.glob("*.onnx"):
        whole = path.read_bytes()
        split = split_weights(InMemory(whole), 1 << 30)
        back = ModelProto()
        for piece in split.pieces:
            back.MergeFromString(piece)
        assert back == onnx.load_model_from_string(whole)
        assert len(split.pieces) > 1 or length > 40
