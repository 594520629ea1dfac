"""The graph in two steps: what the file says, then what inference adds; together the whole."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from inspector import offload
from inspector.errors import ModelError
from inspector.graph.model import Graph
from inspector.onnxio import inference
from inspector.onnxio.extract import extract_graph, extract_structure, with_shapes
from inspector.onnxio.functions import function_graphs
from inspector.onnxio.inference import forget_types, infer_types, value_type
from inspector.onnxio.loading import Model, load_model, model_of
from inspector.onnxio.passes import prepare

node = helper.make_node
NAMES = ["a", "新", "x\ny", "n" * 300, "<script>", " "]


def _declared(graph: onnx.GraphProto) -> dict[str, Any]:
    """What a graph says of its tensors, read in the plainest way."""
    values = [*graph.value_info, *graph.output, *graph.input]
    return {value.name: value_type(value.type) for value in values}


def _inferred(model: Model) -> dict[str, Any]:
    """The same after onnx's inference, called here and not by the program."""
    try:
        return _declared(onnx.shape_inference.infer_shapes(model.proto, data_prop=True).graph)
    except (onnx.shape_inference.InferenceError, RuntimeError):
        return _declared(model.proto.graph)


def _same(one: Graph, other: Graph, *, shapes: bool = True) -> None:
    """Nodes, names, order and neighbours are the same; tensors too where shapes are compared."""
    assert one.nodes == other.nodes
    assert list(one.tensors) == list(other.tensors)
    assert (one.name, one.inputs, one.outputs) == (other.name, other.inputs, other.outputs)
    assert (one.opset, one.opsets) == (other.opset, other.opsets)
    for name, tensor in one.tensors.items():
        found = other.tensors[name]
        assert (tensor.producer, tensor.consumers) == (found.producer, found.consumers)
        assert tensor.constant == found.constant
        if shapes:
            assert tensor == found
    for mine, theirs in zip(one.nodes, other.nodes, strict=True):
        assert list(mine.attributes) == list(theirs.attributes)
        for name, value in mine.subgraphs.items():
            _same(value, theirs.subgraphs[name], shapes=shapes)


def _check(model: Model) -> None:
    """All that holds between the two steps."""
    structure = extract_structure(model)
    assert structure.layers == ()
    whole = with_shapes(structure, infer_types(model))
    _same(structure, whole, shapes=False)
    shared = [a is b for a, b in zip(structure.nodes, whole.nodes, strict=True)]
    assert all(same or node.subgraphs for same, node in zip(shared, whole.nodes, strict=True))
    oracle = _inferred(model)
    for name, tensor in whole.tensors.items():
        early = structure.tensors[name]
        if not tensor.constant and name in oracle:
            assert (tensor.dtype, tensor.shape) == oracle[name]
        if early.constant:
            assert (early.dtype, early.shape) == (tensor.dtype, tensor.shape)
            assert (early.dtype, early.shape) == tuple(model.constants[name])
    declared = _declared(model.proto.graph)
    for name, kind in declared.items():
        if name in structure.tensors and not structure.tensors[name].constant:
            assert (structure.tensors[name].dtype, structure.tensors[name].shape) == kind
    again = extract_graph(model)
    _same(whole, again)
    assert whole.layers == again.layers


@st.composite
def _models(draw: st.DrawFn) -> ModelProto:
    """Small graphs: some nodes in the wrong order, some without a name, with subgraphs."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    tensors = ["x"]
    nodes: list[NodeProto] = []
    for number in range(draw(st.integers(1, 12))):
        output = f"{rng.choice(NAMES)}{number}"
        name = rng.choice(["", "", "same", f"node {number}"])
        kind = rng.choice(["Relu", "Add", "MatMul", "Constant", "If", "Mystery", "Identity"])
        read = [rng.choice(tensors) for _ in range(2)]
        if kind == "Constant":
            value = numpy_helper.from_array(np.ones((4, 4), np.float32))
            nodes.append(node(kind, [], [output], name, value=value))
        elif kind == "If":
            branches = [_branch(read[0], rng.choice(["Relu", "Neg"])) for _ in range(2)]
            nodes.append(
                node(kind, ["c"], [output], name, then_branch=branches[0], else_branch=branches[1])
            )
        elif kind == "MatMul":
            nodes.append(node(kind, [read[0], "w"], [output], name))
        else:
            count = 2 if kind in {"Add", "Mystery"} else 1
            nodes.append(node(kind, read[:count], [output], name))
        tensors.append(output)
    last = tensors[-1]
    rng.shuffle(nodes)
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in [last]]
    graph = helper.make_graph(
        nodes,
        "random",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 4]),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
        ],
        values,
        [numpy_helper.from_array(np.ones((4, 4), np.float32), "w")],
    )
    for name in tensors[1:-1]:
        if rng.random() < 0.3:
            graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, 4]))
    imports = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def _branch(read: str, op: str, width: int = 4) -> onnx.GraphProto:
    value = helper.make_tensor_value_info("inner y", TensorProto.FLOAT, None)
    scale = numpy_helper.from_array(np.ones(width, np.float32), "scale")
    nodes = [node("Mul", [read, "scale"], ["inner m"]), node(op, ["inner m"], ["inner y"])]
    return helper.make_graph(nodes, "branch", [], [value], [scale])


@settings(max_examples=60, deadline=None)
@given(_models())
def test_the_two_steps_give_the_whole(proto: ModelProto) -> None:
    """Whatever the graph: same nodes, same order, the types that onnx infers."""
    _check(model_of(proto))


def test_the_two_steps_give_the_whole_for_real_models(shared_models: Path) -> None:
    """Float, quantized and odd ones, as far as they can be read at all."""
    checked = 0
    for path in sorted(shared_models.glob("*/*.onnx")):
        try:
            model = load_model(path)
        except ModelError:
            continue
        _check(model)
        checked += 1
    assert checked > 30


def test_tensors_in_subgraphs_get_their_types_too(build) -> None:
    """Own tensors, and those of the graph around, which only inference knows."""
    nodes = [
        node("MatMul", ["x", "w"], ["m"], "fc"),
        node("If", ["c"], ["y"], "if", then_branch=_branch("m", "Relu", 5),
             else_branch=_branch("m", "Neg", 5)),
    ]  # fmt: skip
    constants = {"w": np.ones((4, 5), np.float32), "c": np.array(True)}
    model = model_of(build(nodes, {"x": (3, 4)}, ["y"], constants))
    early = extract_structure(model).node("if").subgraphs["then_branch"]
    assert (early.tensor("m").shape, early.tensor("inner y").shape) == (None, None)
    assert early.tensor("scale").shape == (5,)
    whole = extract_graph(model)
    then = whole.node("if").subgraphs["then_branch"]
    assert then.tensor("m").shape == whole.tensor("m").shape == (3, 5)
    assert then.tensor("inner y").shape == (3, 5)
    assert then.tensor("scale").shape == (5,)
    assert then.tensor("m").producer is None


def test_broken_graphs_are_refused_before_anything_is_inferred(build, monkeypatch) -> None:
    """A cycle, a tensor that nothing gives, one that two nodes give."""

    def never(*_: object) -> None:
        raise AssertionError("inferred")

    monkeypatch.setattr(inference, "flat_types", never)
    broken = [
        [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])],
        [node("Add", ["x", "nowhere"], ["y"])],
        [node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["y"])],
        [node("Relu", ["x"], ["z"])],
    ]
    for nodes in broken:
        with pytest.raises(ModelError):
            extract_structure(model_of(build(nodes, {"x": (2,)}, ["y"])))


def test_attributes_are_a_mapping(build) -> None:
    """Decoded late or not, they look the same."""
    nodes = [node("Conv", ["x", "w"], ["y"], "c", pads=[1, 1, 1, 1], auto_pad="NOTSET")]
    constants = {"w": np.ones((4, 3, 3, 3), np.float32)}
    (conv,) = extract_structure(model_of(build(nodes, {"x": (1, 3, 8, 8)}, ["y"], constants))).nodes
    assert isinstance(conv.attributes, Mapping)
    assert len(conv.attributes) == 2
    assert dict(conv.attributes) == {"pads": (1, 1, 1, 1), "auto_pad": "NOTSET"}
    assert conv.attributes.get("strides") is None
    assert "pads" in conv.attributes
    assert "NOTSET" in repr(conv.attributes)


def test_types_are_inferred_once(build, monkeypatch) -> None:
    """And again only when they were let go of."""
    calls: list[bool] = []
    usual = inference.flat_types

    def count(data: bytes, declared: bool) -> Any:
        calls.append(declared)
        return usual(data, declared)

    monkeypatch.setattr(inference, "flat_types", count)
    model = model_of(build([node("Relu", ["x"], ["y"])], {"x": (2,)}, ["y"]))
    inference.begin_to_infer(model)
    assert infer_types(model).values["y"] == ("float32", (2,))
    assert infer_types(model, declared=False) is infer_types(model)
    assert calls == [True]
    forget_types(model)
    infer_types(model)
    assert calls == [True, True]


def test_types_from_another_process_are_the_same(shared_models: Path, monkeypatch) -> None:
    """Types travel as they are."""
    monkeypatch.setattr(offload, "SMALL", 0)
    paths = [shared_models / "odd" / "ort_if_mul.onnx", shared_models / "float" / "charlm.onnx"]
    models = [load_model(path) for path in paths]
    here = [infer_types(model) for model in models]
    for model in models:
        forget_types(model)
    offload.start()
    try:
        assert [infer_types(model) for model in models] == here
    finally:
        offload.stop()
    assert here[0].inner


def test_functions_are_graphs(build) -> None:
    """Their nodes, and the attributes that are those of the call."""
    relu = node("LeakyRelu", ["a"], ["b"], alpha=0.0)
    relu.attribute[0].Clear()
    relu.attribute[0].name = "alpha"
    relu.attribute[0].type = onnx.AttributeProto.FLOAT
    relu.attribute[0].ref_attr_name = "slope"
    imports = [helper.make_opsetid("", 17)]
    function = helper.make_function("own", "F", ["a"], ["b"], [relu], imports, ["slope"])
    broken = helper.make_function("own", "G", ["a"], ["b"], [node("Relu", ["?"], ["b"])], imports)
    proto = build([node("F", ["x"], ["y"], "call", domain="own", slope=0.5)], {"x": (2,)}, ["y"])
    proto.opset_import.append(helper.make_opsetid("own", 1))
    proto.functions.extend([function, broken])
    model = model_of(proto)
    graphs = function_graphs(model)
    assert list(graphs) == [("own", "F", "")]
    (body,) = graphs.values()
    assert (body.name, body.inputs, body.outputs, body.opset) == ("F", ("a",), ("b",), 17)
    assert body.nodes[0].attributes["alpha"] == "@slope"
    assert extract_graph(model).node("call").domain == "own"


def test_functions_of_a_real_model(shared_models: Path) -> None:
    """A file that onnxruntime's tests use."""
    model = load_model(shared_models / "odd" / "ort_function_with_variadics.onnx")
    graphs = function_graphs(model)
    assert len(graphs) == len(model.proto.functions) > 0
    assert all(graph.nodes for graph in graphs.values())


def test_what_is_known_before_the_passes_holds_after_them(shared_models: Path) -> None:
    """Types that were taken over from the source are those that inference would find anew."""
    changed = 0
    for path in sorted(shared_models.glob("float/*.onnx")):
        model = load_model(path)
        infer_types(model)
        prepared, _ = prepare(model)
        kept = extract_graph(prepared)
        forget_types(prepared)
        anew = extract_graph(prepared)
        _same(kept, anew)
        assert kept.layers == anew.layers
        changed += prepared is not model
    assert changed > 10
