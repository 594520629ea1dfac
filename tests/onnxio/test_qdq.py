"""What stands in a written QDQ file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from inspector.errors import UnsupportedError
from inspector.onnxio.loading import Model
from inspector.onnxio.opset import opset_of
from inspector.onnxio.writers import qdq
from inspector.onnxio.writers.qdq import QdqOptions, check_types, saturating_layers, write_qdq

Build = Callable[..., ModelProto]
Quantize = Callable[..., Any]

_rng = np.random.default_rng(7)


def _values(*shape: int) -> np.ndarray:
    return _rng.standard_normal(shape).astype(np.float32)


def _residual(build: Build, opset: int = 17) -> ModelProto:
    """X -> Conv -> Relu -> (Conv -> Relu6, Conv) -> Add -> MaxPool -> Conv -> y; r is an output."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], "c1", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("Conv", ["r", "w2"], ["c"], "c2", pads=[1] * 4),
        helper.make_node("Clip", ["c", "low", "high"], ["d"], "relu6"),
        helper.make_node("Conv", ["r", "w3"], ["e"], "c3"),
        helper.make_node("Add", ["d", "e"], ["s"], "add"),
        helper.make_node("MaxPool", ["s"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p", "w4", "b4"], ["y"], "c4"),
    ]
    constants = {
        "w1": _values(6, 3, 3, 3), "b1": _values(6), "w2": _values(6, 6, 3, 3),
        "w3": _values(6, 6, 1, 1), "w4": _values(4, 6, 1, 1), "b4": _values(4),
        "low": np.float32(0), "high": np.float32(6),
    }  # fmt: skip
    return build(nodes, {"x": [1, 3, 8, 8]}, ["y", "r"], constants, opset=opset)


def _by_op(proto: ModelProto, op: str) -> list[NodeProto]:
    return [node for node in proto.graph.node if node.op_type == op]


def _check(proto: ModelProto) -> None:
    """The checker wants to know the shapes of outputs, which these models leave open."""
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(proto), full_check=True)


def _constants(proto: ModelProto) -> dict[str, TensorProto]:
    return {tensor.name: tensor for tensor in proto.graph.initializer}


def _producers(proto: ModelProto) -> dict[str, NodeProto]:
    return {name: node for node in proto.graph.node for name in node.output}


def test_integer_layers_have_integer_weights_and_biases(build: Build, quantized: Quantize) -> None:
    """Codes and DequantizeLinear, the bias int32 at scale_x * scale_w; the floats are gone."""
    made = quantized(_residual(build), "int8", "uint8")
    _check(made.proto)
    constants, producers = _constants(made.proto), _producers(made.proto)
    for node in _by_op(made.proto, "Conv"):
        source, weight, *bias = (producers[name] for name in node.input)
        assert {source.op_type, weight.op_type} == {"DequantizeLinear"}
        assert constants[weight.input[0]].data_type == TensorProto.UINT8
        if bias:
            assert constants[bias[0].input[0]].data_type == TensorProto.INT32
            scales = [
                numpy_helper.to_array(constants[n.input[1]]) for n in (source, weight, bias[0])
            ]
            np.testing.assert_allclose(scales[2], scales[0] * scales[1], rtol=1e-6)
    assert not {"w1", "b1", "w2", "w3", "w4", "b4"} & set(constants)


def test_signed_codes_where_kernels_do_not_saturate(build: Build, quantized: Quantize) -> None:
    """For other targets than ort-cpu the types are those that were asked for."""
    made = quantized(_residual(build), "int8", "int8", unsigned=False)
    constants, producers = _constants(made.proto), _producers(made.proto)
    for node in _by_op(made.proto, "Conv"):
        assert constants[producers[node.input[1]].input[0]].data_type == TensorProto.INT8
    for node in _by_op(made.proto, "QuantizeLinear"):
        assert constants[node.input[2]].data_type == TensorProto.INT8
    assert set(saturating_layers(made.placement.graph.layers, made.grids)) == {
        "c1", "c2", "c3", "c4",
    }  # fmt: skip


def test_activations_fold_into_ranges_and_pools_share_them(
    build: Build, quantized: Quantize
) -> None:
    """Relu and Relu6 are gone, MaxPool has one grid on both sides, nothing is quantized twice."""
    made = quantized(_residual(build), "int8", "uint8:minmax")
    ops = Counter(node.op_type for node in made.proto.graph.node)
    assert ops["Relu"] == 0
    assert ops["Clip"] == 0
    # x, r, d, e, s, p and y: each tensor once.
    assert ops["QuantizeLinear"] == 7
    grids = {
        node.input[0].removesuffix("_float"): tuple(node.input[1:])
        for node in _by_op(made.proto, "QuantizeLinear")
    }
    constants = _constants(made.proto)
    pool = [
        [numpy_helper.to_array(constants[name]) for name in grids[tensor]] for tensor in ("s", "p")
    ]
    assert pool[0] == pool[1]
    sources = Counter(node.input[0] for node in _by_op(made.proto, "QuantizeLinear"))
    assert max(sources.values()) == 1


def test_inputs_and_outputs_stay_what_they_are(build: Build, quantized: Quantize) -> None:
    """Names, order, types and shapes; also of an output whose producer writes integers."""
    proto = _residual(build)
    made = quantized(proto, "int8", "uint8")
    for side in ("input", "output"):
        before, after = getattr(proto.graph, side), getattr(made.proto.graph, side)
        assert [value.name for value in after] == [value.name for value in before]
        assert {v.type.tensor_type.elem_type for v in after} == {TensorProto.FLOAT}
    assert _producers(made.proto)["r"].op_type == "DequantizeLinear"


def test_a_float_layer_is_left_alone(build: Build, quantized: Quantize) -> None:
    """Its weight is what it was; the others are quantized."""
    float_one = {name: "float" if name == "c3" else "int8" for name in ("c1", "c2", "c3", "c4")}
    acts = {n: "float" if w == "float" else "uint8" for n, w in float_one.items()}
    proto = _residual(build)
    made = quantized(proto, float_one, acts)
    node = next(node for node in made.proto.graph.node if node.name == "c3")
    assert node.input[1] == "w3"
    kept = numpy_helper.to_array(_constants(made.proto)["w3"])
    np.testing.assert_array_equal(kept, numpy_helper.to_array(_constants(proto)["w3"]))


@pytest.mark.parametrize(
    ("weights", "activations", "opset"),
    [
        ("int8", "uint8", 17), ("int4", "uint8", 21), ("int8", "uint16", 21),
        ("int4:block2", "float", 21), ("int2", "float", 25), ("int12", "float", 21),
        ("float", "uint8", 17), ("int3", "uint5", 21),
    ],
)  # fmt: skip
def test_the_opset_follows_from_the_types(
    build: Build, quantized: Quantize, weights: str, activations: str, opset: int
) -> None:
    """It is raised where the types need it, and only there."""
    made = quantized(_residual(build), weights, activations)
    assert made.proto.opset_import[0].version == opset
    _check(made.proto)


def test_wide_types_without_their_opset_come_from_the_runtimes_domain(
    build: Build, quantized: Quantize, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that cannot be converted up gets com.microsoft's quantizers, which run."""
    blocked = quantized(_residual(build), "int4:block2", "float")
    narrow = quantized(_residual(build), "int2", "float")

    def refuse(model: Model, version: int) -> Model:
        if opset_of(model) < version:
            raise UnsupportedError("It cannot be converted.", "Export it anew.")
        return model

    monkeypatch.setattr(qdq, "raise_opset", refuse)
    made = quantized(_residual(build), "int4", "uint16")
    domains = {o.domain: o.version for o in made.proto.opset_import}
    assert domains == {"": 17, "com.microsoft": 1}
    assert {node.domain for node in _by_op(made.proto, "QuantizeLinear")} == {"com.microsoft"}
    for a, b in zip(made.predicted(), made.measured(optimize=True), strict=True):
        np.testing.assert_allclose(b["y"], a["y"], rtol=1e-3, atol=1e-3)
    # Blocks and 2 bits are only in ONNX's own domain.
    for other, hint in ((blocked, "no blocks"), (narrow, "3 bits")):
        with pytest.raises(UnsupportedError, match="cannot be converted") as caught:
            check_types(other.model, other.plan)
        assert hint in caught.value.hint
        with pytest.raises(UnsupportedError, match="cannot be converted"):
            write_qdq(other.model, other.placement, other.grids)


def test_metadata_is_added_to_what_was_there(build: Build, quantized: Quantize) -> None:
    """An entry of the same key is replaced."""
    proto = _residual(build)
    helper.set_model_props(proto, {"author": "somebody", "key": "old"})
    made = quantized(proto)
    written = write_qdq(made.model, made.placement, made.grids, QdqOptions(metadata={"key": "new"}))
    found = {entry.key: entry.value for entry in written.proto.metadata_props}
    assert found == {"author": "somebody", "key": "new"}


def test_the_model_that_was_given_stays_as_it_is(build: Build, quantized: Quantize) -> None:
    """Writing changes a copy."""
    made = quantized(_residual(build), "int4", "uint16")
    before = made.model.proto.SerializeToString(deterministic=True)
    write_qdq(made.model, made.placement, made.grids)
    assert made.model.proto.SerializeToString(deterministic=True) == before


def test_a_shared_weight_is_stored_once(build: Build, quantized: Quantize) -> None:
    """Two layers with the same choice read the same codes; with two choices there are two."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "m1"),
        helper.make_node("MatMul", ["a", "w"], ["y"], "m2"),
    ]
    proto = build(nodes, {"x": [2, 4]}, ["y"], {"w": _values(4, 4)})
    same = quantized(proto, "int8", "uint8")
    assert len({node.input[1] for node in _by_op(same.proto, "MatMul")}) == 1
    other = quantized(proto, {"m1": "int8", "m2": "int6"}, "uint8")
    assert len({node.input[1] for node in _by_op(other.proto, "MatMul")}) == 2


def _branch(name: str, op: str) -> onnx.GraphProto:
    value = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    return helper.make_graph([helper.make_node(op, ["a"], [name])], name, [], [value])


@pytest.mark.parametrize(("weights", "activations"), [("int8", "uint8"), ("int2", "int4")])
def test_subgraphs_read_what_they_read_before(
    build: Build, quantized: Quantize, weights: str, activations: str
) -> None:
    """An If whose branches read the output of an integer kernel."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "c1"),
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["test"]),
        helper.make_node(
            "If", ["test"], ["b"], then_branch=_branch("t", "Abs"), else_branch=_branch("e", "Neg")
        ),
        helper.make_node("Conv", ["b", "v"], ["y"], "c2"),
        helper.make_node("Conv", ["a", "v"], ["z"], "c3"),
    ]
    constants = {"w": _values(4, 4, 3, 3), "v": _values(4, 4, 3, 3), "zero": np.float32(0)}
    proto = build(nodes, {"x": [1, 4, 6, 6]}, ["y", "z"], constants)
    made = quantized(proto, weights, activations, samples=4)
    for optimize in (False, True):
        for a, b in zip(made.predicted(), made.measured(optimize=optimize), strict=True):
            for name, values in a.items():
                np.testing.assert_allclose(b[name], values, rtol=1e-4, atol=1e-4)


def test_names_that_are_taken_are_not_taken_again(build: Build, quantized: Quantize) -> None:
    """A model may call its own tensors as the writer would."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "c1"),
        helper.make_node("Sigmoid", ["x"], ["a_float"], "a_QuantizeLinear"),
        helper.make_node("Sigmoid", ["a"], ["x_quantized"], "s2"),
        helper.make_node("Conv", ["a", "w"], ["w_quantized"], "c2"),
    ]
    outputs = ["a_float", "x_quantized", "w_quantized"]
    proto = build(nodes, {"x": [1, 4, 5, 5]}, outputs, {"w": _values(4, 4, 1, 1)})
    made = quantized(proto)
    _check(made.proto)
    for a, b in zip(made.predicted(), made.measured(optimize=True), strict=True):
        for name, values in a.items():
            np.testing.assert_allclose(b[name], values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rank", [2, 3, 4])
@pytest.mark.parametrize("op", ["Conv", "Gemm", "MatMul"])
def test_large_biases_survive_sixteen_bits(
    build: Build, quantized: Quantize, op: str, rank: int
) -> None:
    """Onnxruntime rounds float biases to int32 steps of scale_x * scale_w, where these overflow."""
    bias = _values(4) * 30 + 50
    if op == "MatMul":
        nodes = [
            helper.make_node("MatMul", ["x", "w"], ["a"], "m1"),
            helper.make_node("Add", ["a", "b"], ["c"], "add"),
            helper.make_node("MatMul", ["c", "v"], ["y"], "m2"),
        ]
        shape, weight = [2, 2, 3, 4][-rank:], _values(4, 4) / 10
    elif op == "Gemm" and rank == 2:
        nodes = [
            helper.make_node("Gemm", ["x", "w", "b"], ["a"], "m1"),
            helper.make_node("Gemm", ["a", "v"], ["y"], "m2"),
        ]
        shape, weight = [3, 4], _values(4, 4) / 10
    elif op == "Conv" and rank > 2:
        nodes = [
            helper.make_node("Conv", ["x", "w", "b"], ["a"], "m1"),
            helper.make_node("ConvTranspose", ["a", "v"], ["y"], "m2"),
        ]
        shape, weight = [1, 4, 6, 6][:rank], _values(4, 4, *[1] * (rank - 2)) / 10
    else:
        pytest.skip("no such layer")
    constants = {"w": weight, "b": bias, "v": _values(*weight.shape)}
    made = quantized(build(nodes, {"x": shape}, ["y"], constants), "int16", "uint16")
    for a, b in zip(made.predicted(), made.measured(optimize=True), strict=True):
        np.testing.assert_allclose(b["y"], a["y"], rtol=1e-3, atol=1e-2)


def test_dead_channels_keep_their_bias(build: Build, quantized: Quantize) -> None:
    """A channel of zeros or nearly so has no scale of its own to speak of."""
    weight = _values(4, 3, 1, 1)
    weight[1], weight[2] = 0.0, weight[2] * 1e-12
    bias = np.float32([1.0, 70.0, -55.0, 0.0])
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], "c1")]
    proto = build(nodes, {"x": [1, 3, 4, 4]}, ["y"], {"w": weight, "b": bias})
    made = quantized(proto, "int8", "uint8:minmax")
    for optimize in (False, True):
        for values in made.measured(optimize=optimize):
            step = float(made.grids.points[-1].scale)
            for channel in (1, 2):
                error = np.abs(values["y"][0, channel] - bias[channel]).max()
                assert error <= step


@pytest.mark.parametrize("activations", ["float", "uint8", "int16", "uint4", "uint2"])
@pytest.mark.parametrize(
    "weights", ["int2", "uint2:tensor", "int8", "int8:channel@0", "int8:block3"]
)
@pytest.mark.parametrize("op", ["Gemm", "MatMul"])
def test_products_are_not_rewritten_into_something_else(
    build: Build, quantized: Quantize, op: str, weights: str, activations: str
) -> None:
    """Where onnxruntime would make a kernel that computes otherwise, it is kept from it."""
    nodes = [
        helper.make_node(op, ["x", "w"], ["a"], "m1"),
        helper.make_node(op, ["a", "v"], ["y"], "m2"),
    ]
    constants = {"w": _values(12, 6), "v": _values(6, 6)}
    made = quantized(build(nodes, {"x": [3, 12]}, ["y"], constants), weights, activations)
    for a, b in zip(made.predicted(), made.measured(optimize=True), strict=True):
        np.testing.assert_allclose(b["y"], a["y"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "activations", ["int2", "uint2:minmax", "int3", "int4", "uint4:minmax", "fp8e4m3", "fp8e5m2"]
)
@pytest.mark.parametrize("op", ["MaxPool", "Reshape", "Transpose", "Relu", "Clip", "Slice"])
def test_narrow_quantizers_stay_where_they_are(
    build: Build, quantized: Quantize, op: str, activations: str
) -> None:
    """Onnxruntime has no kernels of 2 and 4 bits for what is before them, nor for float8."""
    more: dict[str, Any] = {
        "MaxPool": {"kernel_shape": [1, 1]},
        "Transpose": {"perm": [0, 1, 3, 2]},
    }
    inputs = {"Reshape": ["shape"], "Clip": ["low"], "Slice": ["one", "four", "axis"]}.get(op, [])
    nodes = [
        helper.make_node("Add", ["x", "x"], ["a"], "add"),
        helper.make_node(op, ["a", *inputs], ["b"], "op", **more.get(op, {})),
        helper.make_node("Conv", ["b", "w"], ["y"], "conv"),
    ]
    constants = {
        "shape": np.array([1, 4, 4, 4]), "low": np.float32(0), "one": np.array([0]),
        "four": np.array([4]), "axis": np.array([1]), "w": _values(4, 4, 1, 1),
    }  # fmt: skip
    proto = build(nodes, {"x": [1, 4, 4, 4]}, ["y"], constants)
    made = quantized(proto, "int8", activations)
    for a, b in zip(made.predicted(), made.measured(optimize=True), strict=True):
        np.testing.assert_allclose(b["y"], a["y"], rtol=1e-3, atol=1e-3)
