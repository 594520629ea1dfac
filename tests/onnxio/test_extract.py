"""The graph as the program sees it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from inspector.errors import ModelError
from inspector.graph.model import Graph
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import model_of

node = helper.make_node


def weight(*shape: int, dtype: str = "float32") -> np.ndarray:
    """A constant of that shape."""
    return np.ones(shape, dtype)


def one_layer(build, op: str, inputs: list[str], shapes, constants=None, **attributes):
    """The layer of a model that is one node; None if it has none."""
    model = model_of(build([node(op, inputs, ["y"], "n", **attributes)], shapes, ["y"], constants))
    layers = extract_graph(model).layers
    return layers[0] if layers else None


def test_tensors_know_their_neighbours_and_shapes(build) -> None:
    """Tensors know their neighbours and shapes."""
    nodes = [
        node("Conv", ["x", "w"], ["c"], "conv", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["r"], "relu"),
        node("Add", ["r", "c"], ["y"], "add"),
    ]
    graph = extract_graph(
        model_of(build(nodes, {"x": ("N", 3, 8, 8)}, ["y"], {"w": weight(4, 3, 3, 3)}))
    )
    assert [item.name for item in graph.nodes] == ["conv", "relu", "add"]
    conv = graph.tensor("c")
    assert (conv.dtype, conv.shape) == ("float32", ("N", 4, 8, 8))
    assert (conv.producer, conv.consumers) == ("conv", ("relu", "add"))
    assert graph.tensor("x").shape == ("N", 3, 8, 8)
    assert (graph.inputs, graph.outputs) == (("x",), ("y",))
    assert graph.tensor("w").constant
    assert graph.tensor("w").size == 108
    assert graph.producer("r") is graph.node("relu")
    assert graph.producer("x") is None
    assert graph.consumers("c") == (graph.node("relu"), graph.node("add"))
    assert (graph.opset, dict(graph.opsets)) == (17, {"": 17})
    with pytest.raises(dataclasses.FrozenInstanceError):
        graph.name = "other"
    with pytest.raises(TypeError):
        graph.tensors["new"] = conv


def test_convolutions_are_layers(build) -> None:
    """Convolutions are layers, with their groups and costs."""
    shapes = {"x": ("N", 6, 8, 8)}
    constants = {"w": weight(4, 3, 3, 3), "b": weight(4)}
    layer = one_layer(build, "Conv", ["x", "w", "b"], shapes, constants, group=2)
    assert (layer.weight, layer.bias, layer.activations, layer.output) == ("w", "b", ("x",), "y")
    assert (layer.weight_shape, layer.channel_axis, layer.group) == ((4, 3, 3, 3), 0, 2)
    assert (layer.weight_slot, layer.activation_slots) == (1, (0,))
    assert layer.parameters == 4 * 27 + 4
    assert layer.macs == 4 * 6 * 6 * 27
    constants = {"w": weight(6, 2, 2, 2)}
    layer = one_layer(build, "ConvTranspose", ["x", "w"], shapes, constants, strides=[2, 2])
    assert (layer.channel_axis, layer.bias, layer.parameters) == (1, None, 48)
    assert layer.macs == 6 * 64 * 8


@pytest.mark.parametrize(("trans", "axis"), [(0, 1), (1, 0)])
def test_gemm_is_a_layer_on_either_side(build, trans, axis) -> None:
    """Gemm is a layer with its weight on the right or the left."""
    shape = (5, 3) if trans else (3, 5)
    layer = one_layer(
        build, "Gemm", ["x", "w"], {"x": ("N", 3)}, {"w": weight(*shape)}, transB=trans
    )
    assert (layer.weight, layer.channel_axis, layer.weight_slot, layer.macs) == ("w", axis, 1, 15)
    layer = one_layer(
        build, "Gemm", ["w", "x"], {"x": (3, 7)}, {"w": weight(*shape[::-1])}, transA=1 - axis
    )
    assert (layer.weight_slot, layer.activation_slots, layer.activations) == (0, (1,), ("x",))


@pytest.mark.parametrize(
    ("inputs", "shape", "axis", "slots"),
    [
        (["x", "w"], (4, 5), 1, (1, (0,))),
        (["w", "x"], (5, 3), 0, (0, (1,))),
        (["x", "w"], (2, 4, 5), 2, (1, (0,))),
        (["w", "x"], (2, 5, 3), 1, (0, (1,))),
        (["x", "w"], (4,), None, (1, (0,))),
    ],
)
def test_matmul_is_a_layer_with_a_weight(build, inputs, shape, axis, slots) -> None:
    """MatMul is a layer with a weight on the right or the left."""
    layer = one_layer(build, "MatMul", inputs, {"x": (2, 3, 4)}, {"w": weight(*shape)})
    assert (layer.weight, layer.weight_shape, layer.channel_axis) == ("w", shape, axis)
    assert (layer.weight_slot, layer.activation_slots) == slots


def test_matmul_of_two_activations_is_a_layer_without_weight(build) -> None:
    """MatMul of two activations is a layer without weight."""
    layer = one_layer(build, "MatMul", ["x", "z"], {"x": ("N", 3, 4), "z": ("N", 4, 5)})
    assert (layer.weight, layer.weight_shape, layer.channel_axis) == (None, None, None)
    assert (layer.activations, layer.activation_slots) == (("x", "z"), (0, 1))
    assert (layer.parameters, layer.macs) == (0, 60)


def test_what_is_no_layer(build) -> None:
    """Integers, computed filters, constants alone, what is quantized, other domains."""
    shape = {"x": (2, 4)}
    assert one_layer(build, "Conv", ["x", "z"], {"x": (1, 3, 8, 8), "z": (4, 3, 3, 3)}) is None
    assert one_layer(build, "MatMul", ["w", "w"], {}, {"w": weight(4, 4)}) is None
    assert one_layer(build, "MatMul", ["i", "i"], shape, {"i": weight(4, 4, dtype="int64")}) is None
    nodes = [
        node("Cast", ["x"], ["i"], to=TensorProto.INT64),
        node("MatMul", ["i", "i"], ["p"]),
        node("MatMul", ["i", "c"], ["q"]),
        node("DequantizeLinear", ["w8", "s"], ["w"]),
        node("MatMul", ["x", "w"], ["y"]),
    ]
    constants = {
        "c": weight(4, 4, dtype="int64"), "w8": weight(4, 4, dtype="int8"), "s": np.float32(1),
    }  # fmt: skip
    assert not extract_graph(model_of(build(nodes, {"x": (4, 4)}, ["y"], constants))).layers
    foreign = build(
        [node("MatMul", ["x", "w"], ["y"], domain="other")], shape, ["y"], {"w": weight(4, 4)}
    )
    foreign.opset_import.append(helper.make_opsetid("other", 1))
    assert not extract_graph(model_of(foreign)).layers


def test_half_precision_is_a_layer(build) -> None:
    """Half precision is a layer."""
    proto = build(
        [node("MatMul", ["x", "w"], ["y"])],
        {"x": (2, 4)},
        ["y"],
        {"w": weight(4, 4, dtype="float16")},
    )
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    assert extract_graph(model_of(proto)).layers[0].weight == "w"


def test_weights_in_constant_nodes_are_weights(build) -> None:
    """Weights in Constant nodes are weights, also before anything is folded."""
    nodes = [
        node("Constant", [], ["w"], value=numpy_helper.from_array(weight(4, 5))),
        node("MatMul", ["x", "w"], ["y"]),
    ]
    graph = extract_graph(model_of(build(nodes, {"x": (2, 4)}, ["y"])))
    assert graph.layers[0].weight == "w"
    assert graph.tensor("w").constant
    assert graph.tensor("w").producer == "Constant_w"


def test_attributes_of_every_kind(build) -> None:
    """Attributes of every kind become plain values."""
    small = numpy_helper.from_array(np.arange(3))
    large = numpy_helper.from_array(np.zeros((200, 200), np.float32))
    broken = TensorProto(dims=[3], data_type=TensorProto.FLOAT, raw_data=b"1")
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(1, np.float32)), numpy_helper.from_array(np.array([1])), [9]
    )
    shape = helper.make_tensor_type_proto(TensorProto.FLOAT, [1])
    item = node(
        "Odd", ["x"], ["y"], "odd", domain="other", i=3, f=0.5, s="text", raw=b"\xff\xfe",
        ints=[1, 2], floats=[0.5], strings=["a", "b"], small=small, large=large, broken=broken,
        sparse=sparse, tensors=[small], kind=shape,
    )  # fmt: skip
    proto = build([item], {"x": (2, 4)}, ["y"])
    proto.opset_import.append(helper.make_opsetid("other", 1))
    odd = extract_graph(model_of(proto)).node("odd")
    values = dict(odd.attributes)
    np.testing.assert_array_equal(values.pop("small"), np.arange(3))
    np.testing.assert_array_equal(values.pop("tensors")[0], np.arange(3))
    assert values == {
        "i": 3, "f": 0.5, "s": "text", "raw": b"\xff\xfe", "ints": (1, 2), "floats": (0.5,),
        "strings": ("a", "b"), "large": "float32[200, 200]", "broken": "float32[3]",
        "sparse": "sparse float32[9]", "kind": "type_proto",
    }  # fmt: skip
    assert odd.domain == "other"
    assert odd.input(0) == "x"
    assert odd.input(5) == ""
    assert not odd.subgraphs


def test_subgraphs_are_graphs(build) -> None:
    """Subgraphs are graphs that know what they read from outside."""

    def branch(op: str, *inputs: str) -> object:
        out = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
        return helper.make_graph([node(op, inputs, ["o"])], op, [], [out])

    nodes = [
        node("Relu", ["x"], ["r"], "relu"),
        node("If", ["t"], ["y"], "if", then_branch=branch("MatMul", "r", "w"),
             else_branch=branch("Neg", "x")),
    ]  # fmt: skip
    constants = {"w": weight(4, 4), "t": np.bool_(True)}
    graph = extract_graph(model_of(build(nodes, {"x": (4, 4)}, ["y"], constants)))
    choice = graph.node("if")
    assert choice.outer_inputs == ("x", "r", "w") or set(choice.outer_inputs) == {"x", "r", "w"}
    assert graph.tensor("r").consumers == ("if",)
    assert graph.tensor("x").consumers == ("relu", "if")
    inner = choice.subgraphs["then_branch"]
    assert isinstance(inner, Graph)
    assert [item.op_type for item in inner.nodes] == ["MatMul"]
    assert inner.tensor("w").constant
    assert inner.tensor("r").producer is None
    assert inner.tensor("r").consumers == ("MatMul_o",)
    assert inner.tensor("o").shape == (4, 4)
    assert inner.layers == graph.layers == ()


def test_functions_stay_calls(build) -> None:
    """A call of a function that the model defines stays one node."""
    function = helper.make_function(
        "mine",
        "Twice",
        ["a"],
        ["b"],
        [node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    proto = build([node("Twice", ["x"], ["y"], "call", domain="mine")], {"x": (2, 4)}, ["y"])
    proto.functions.append(function)
    proto.opset_import.append(helper.make_opsetid("mine", 1))
    graph = extract_graph(model_of(proto))
    assert (graph.node("call").op_type, graph.node("call").domain) == ("Twice", "mine")
    assert graph.tensor("y").shape == (2, 4)


def test_contradictions_leave_shapes_unknown(build) -> None:
    """Shape inference that fails is no error."""
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Unheard", ["m"], ["y"], domain="")]
    graph = extract_graph(model_of(build(nodes, {"x": (2, 4)}, ["y"], {"w": weight(5, 3)})))
    assert graph.tensor("y").shape is None
    assert graph.tensor("y").size is None


def test_an_output_that_nothing_computes(build) -> None:
    """An output that nothing computes."""
    with pytest.raises(ModelError, match="output 'z'"):
        extract_graph(model_of(build([node("Relu", ["x"], ["y"])], {"x": (2,)}, ["z"])))


def test_long_chains_do_not_recurse(build) -> None:
    """Long chains do not recurse."""
    nodes = [node("Relu", [f"t{i}"], [f"t{i + 1}"]) for i in reversed(range(5000))]
    graph = extract_graph(model_of(build(nodes, {"t0": (2,)}, ["t5000"])))
    assert len(graph.nodes) == 5000
    assert graph.nodes[0].outputs == ("t1",)


def test_a_step_that_would_crash_shape_inference(build) -> None:
    """The values of this Slice, propagated by onnx, would end the process."""
    constants = {
        name: np.array([value])
        for name, value in (("from", -2), ("to", 2**63 - 1), ("axis", 0), ("step", 0xED000001))
    }
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Slice", ["shape", "from", "to", "axis", "step"], ["some"]),
        node("Cast", ["some"], ["y"], to=TensorProto.FLOAT),
    ]
    graph = extract_graph(model_of(build(nodes, {"x": ("N", 3, 4)}, ["y"], constants)))
    assert len(graph.nodes) == 3


def test_damaged_names_are_refused(build) -> None:
    """A name that is not UTF-8 would compare with no other name."""
    data = build([node("Relu", ["x"], ["yyyy"])], {"x": (2,)}, ["yyyy"]).SerializeToString()
    proto = ModelProto.FromString(data.replace(b"yyyy", b"\xff\xfe\xfd\xfc"))
    with pytest.raises(ModelError, match="not text"):
        model_of(proto)
