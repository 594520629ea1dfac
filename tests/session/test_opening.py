"""Opening in two stages: what is drawn first is what is there in the end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector import offload
from inspector.errors import InspectorError, ModelError
from inspector.onnxio import inference
from inspector.session.opening import OpenModel, open_model, read_structure


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A convolution with a normalization that is folded, and a product in which nothing changes."""
    weights = {
        "w": np.ones((4, 3, 3, 3), np.float32),
        **{name: np.ones(4, np.float32) for name in ("scale", "bias", "mean", "var")},
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
        helper.make_node("BatchNormalization", ["c", *list(weights)[1:]], ["n"], "bn"),
        helper.make_node("Relu", ["n"], ["y"], "relu"),
    ]
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    imports = [helper.make_opsetid("", 17)]
    file = tmp_path / "two.onnx"
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), file)
    return file


def test_the_sketch_has_the_nodes_that_are_shown(path: Path) -> None:
    """Same objects, in the same order; only types are new."""
    sketch = read_structure(path)
    opened = open_model(sketch)
    assert opened.source is sketch.source
    assert sketch.path == opened.path == path
    assert [node.name for node in sketch.graph.nodes] == ["conv", "bn", "relu"]
    pairs = zip(sketch.graph.nodes, opened.shown.nodes, strict=True)
    assert all(one is other for one, other in pairs)
    assert sketch.graph.tensor("c").shape is None
    assert opened.shown.tensor("c").shape == ("N", 4, 6, 6)
    assert [node.name for node in opened.graph.nodes] == ["conv", "relu"]
    assert [layer.name for layer in opened.graph.layers] == ["conv"]


def test_a_path_and_its_sketch_are_opened_alike(path: Path) -> None:
    """The command line makes no sketch."""

    def told(opened: OpenModel) -> tuple[object, ...]:
        graphs = [(g.nodes, dict(g.tensors), g.layers) for g in (opened.graph, opened.shown)]
        return (*graphs, opened.passes, opened.prepared.key)

    assert told(open_model(path)) == told(open_model(read_structure(path)))


def test_a_model_that_needs_no_preparing_has_one_graph(sample_models: Path, path: Path) -> None:
    """Half of the memory and of the time of large models."""
    prepared = onnx.load(path)
    del prepared.graph.node[1]
    prepared.graph.node[1].input[0] = "c"
    onnx.save(prepared, path)
    opened = open_model(path)
    assert opened.prepared is opened.source
    assert opened.shown is opened.graph
    assert opened.functions == {}


def test_shapes_are_inferred_as_seldom_as_can_be(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once where the passes change nothing that inference could find out more about."""
    calls: list[bool] = []
    usual = inference.flat_types

    def count(data: bytes, declared: bool) -> object:
        calls.append(declared)
        return usual(data, declared)

    monkeypatch.setattr(inference, "flat_types", count)
    open_model(path)
    assert calls == [True]


def _broken(change: Callable[[onnx.ModelProto], object]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        proto = onnx.load(path)
        change(proto)
        path.write_bytes(proto.SerializeToString())

    return write


@pytest.mark.parametrize(
    "write",
    [
        _broken(lambda p: p.graph.node[0].input.__setitem__(0, "y")),
        _broken(lambda p: p.graph.node[0].input.__setitem__(0, "nowhere")),
        _broken(lambda p: p.graph.output[0].__setattr__("name", "nowhere")),
        lambda path: path.write_bytes(path.read_bytes()[:-50]),
        lambda path: path.write_bytes(b"hello"),
    ],
)
def test_what_cannot_be_opened_has_no_sketch(path: Path, write: Callable[[Path], None]) -> None:
    """Cycles, tensors that nothing gives, damaged files: refused before anything is drawn."""
    write(path)
    with pytest.raises(ModelError):
        read_structure(path)


def test_a_crash_of_inference_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library ends its process: the program goes on and says so."""
    monkeypatch.setattr(offload, "SMALL", 0)
    monkeypatch.setattr(offload, "WARM", ())
    usual = offload.ask
    monkeypatch.setattr(offload, "ask", lambda *_, size: usual(os._exit, 9, size=size))
    offload.start()
    try:
        with pytest.raises(InspectorError, match="exit code 9"):
            open_model(path)
    finally:
        offload.stop()
