"""Folded constants are what onnxruntime computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.onnxio.draft import whole_proto
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import model_of
from inspector.onnxio.passes import prepare
from inspector.onnxio.passes.fold_constants import FOLDED, MAX_BYTES, fold_constants

node = helper.make_node
RNG = np.random.default_rng(5)
FLOATS = RNG.normal(size=(2, 3, 4)).astype(np.float32)
UNIT = np.clip(FLOATS / 4, -0.99, 0.99)
INTS = RNG.integers(-9, 9, (2, 3, 4))
ODDS = INTS | 1
BOOLS = INTS > 0


def ints(*values: int) -> np.ndarray:
    """An int64 vector."""
    return np.array(values, np.int64)


CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    *((op, [FLOATS], {}) for op in (
        "Abs", "Ceil", "Cos", "Exp", "Floor", "Neg", "Reciprocal", "Round", "Sign", "Sin",
        "Atan", "Asinh", "Cosh", "Sinh", "Tan", "IsNaN", "IsInf", "Erf", "Relu", "Sigmoid",
        "Softmax", "Tanh",
    )),
    *((op, [UNIT], {}) for op in ("Acos", "Asin", "Atanh")),
    *((op, [np.abs(FLOATS) + 1], {}) for op in ("Log", "Sqrt", "Acosh")),
    *((op, [FLOATS, FLOATS[:1] + 3], {}) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min")),
    *((op, [INTS, ODDS], {}) for op in ("Add", "Sub", "Mul", "Div", "Mod", "Max", "Min")),
    *((op, [FLOATS, FLOATS.T.copy().T], {}) for op in ("Mean", "Sum")),
    *((op, [INTS, ODDS], {}) for op in ("Equal", "Greater", "GreaterOrEqual", "Less")),
    *((op, [FLOATS, FLOATS + 0], {}) for op in ("Equal", "LessOrEqual")),
    *((op, [BOOLS, ~BOOLS[:, :1]], {}) for op in ("And", "Or", "Xor")),
    ("Not", [BOOLS], {}),
    ("Pow", [np.abs(FLOATS), np.float32(1.5)], {}),
    ("Pow", [INTS, ints(2)], {}),
    ("Mod", [FLOATS, FLOATS + 5], {"fmod": 1}),
    ("BitShift", [np.arange(8, dtype=np.uint8), np.uint8(2)], {"direction": "LEFT"}),
    ("BitwiseAnd", [INTS, ODDS], {}),
    ("BitwiseOr", [INTS, ODDS], {}),
    ("BitwiseXor", [INTS, ODDS], {}),
    ("BitwiseNot", [INTS], {}),
    ("Where", [BOOLS, FLOATS, np.float32(0)], {}),
    ("Clip", [FLOATS, np.float32(-0.5), np.float32(0.5)], {}),
    *(("Cast", [FLOATS * 3], {"to": to}) for to in (
        TensorProto.INT64, TensorProto.INT8, TensorProto.FLOAT16, TensorProto.DOUBLE,
        TensorProto.BOOL,
    )),
    ("CastLike", [INTS, FLOATS], {}),
    ("Concat", [FLOATS, FLOATS], {"axis": -1}),
    ("DepthToSpace", [FLOATS.reshape(1, 4, 2, 3)], {"blocksize": 2, "mode": "CRD"}),
    ("SpaceToDepth", [FLOATS.reshape(1, 1, 4, 6)], {"blocksize": 2}),
    ("Expand", [FLOATS, ints(3, 1, 1, 1)], {}),
    ("Flatten", [FLOATS], {"axis": 2}),
    ("Gather", [FLOATS, ints(1, -1)], {"axis": 2}),
    ("GatherND", [FLOATS, ints(0, 2).reshape(1, 2)], {}),
    *(("Pad", [FLOATS, ints(0, 1, 0, 1, 0, 2)], {"mode": mode}) for mode in (
        "constant", "reflect", "edge", "wrap",
    )),
    ("Pad", [FLOATS, ints(0, 1, 0, 1, 0, 2), np.float32(7)], {}),
    ("Reshape", [FLOATS, ints(0, -1)], {}),
    ("Reshape", [FLOATS[:0], ints(0, 5)], {"allowzero": 1}),
    ("Slice", [FLOATS, ints(-1, 0), ints(-100, 2), ints(2, 1), ints(-2, 1)], {}),
    ("Split", [FLOATS, ints(1, 3)], {"axis": 2}),
    ("Squeeze", [FLOATS[None], ints(0)], {}),
    ("Unsqueeze", [FLOATS, ints(0, -1)], {}),
    ("Tile", [FLOATS, ints(1, 2, 3)], {}),
    ("Transpose", [FLOATS], {"perm": [2, 0, 1]}),
    *((op, [FLOATS, ints(-1)], {"keepdims": 0}) for op in (
        "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
        "ReduceProd", "ReduceSum", "ReduceSumSquare",
    )),
    ("ReduceLogSum", [np.abs(FLOATS), ints(1)], {}),
    ("ReduceSum", [INTS], {}),
    ("ReduceMean", [FLOATS], {"noop_with_empty_axes": 1}),
    ("ArgMax", [FLOATS], {"axis": 1}),
    ("ArgMin", [INTS], {"axis": 1, "select_last_index": 1}),
    ("CumSum", [FLOATS, np.int64(1)], {"reverse": 1, "exclusive": 1}),
    ("MatMul", [FLOATS, FLOATS.transpose(0, 2, 1).copy()], {}),
    ("ConstantOfShape", [ints(2, 3)], {"value": numpy_helper.from_array(ints(7))}),
    ("ConstantOfShape", [ints()], {}),
    ("EyeLike", [FLOATS[0]], {"k": 1}),
    ("NonZero", [np.maximum(INTS, 0)], {}),
    ("OneHot", [ints(0, 2, -1), np.int64(4), np.array([-1, 5], np.float32)], {}),
    ("Range", [np.int64(-3), np.int64(9), np.int64(4)], {}),
    ("ScatterElements", [FLOATS, ints(1).reshape(1, 1, 1), FLOATS[:1, :1, :1]], {"axis": 1}),
    ("ScatterND", [FLOATS, ints(0, 1).reshape(1, 2), FLOATS[1, :1]], {}),
    ("Trilu", [FLOATS, np.int64(1)], {"upper": 0}),
    ("Shape", [FLOATS], {"start": 1}),
    ("Size", [FLOATS], {}),
]  # fmt: skip


def constant_model(
    op: str, arrays: list[Any], attributes: dict[str, Any], *, outputs: int = 1, opset: int = 18
):
    """A model that is one node on constants."""
    names = [f"c{index}" for index in range(len(arrays))]
    results = [f"y{index}" for index in range(outputs)]
    graph = helper.make_graph(
        [node(op, names, results, "n", **attributes)],
        "constant",
        [],
        [helper.make_empty_tensor_value_info(name) for name in results],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in zip(names, arrays, strict=True)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.mark.parametrize(
    ("op", "arrays", "attributes"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_an_operator_is_folded_to_what_the_runtime_computes(run, op, arrays, attributes) -> None:
    """An operator is folded to what the runtime computes."""
    before = constant_model(op, arrays, attributes, outputs=2 if op == "Split" else 1)
    folded, report = fold_constants(model_of(before))
    assert not folded.proto.graph.node, report.left
    for index, expected in enumerate(run(before.SerializeToString(), {})):
        actual = folded.constant(f"y{index}")
        assert actual.dtype == expected.dtype
        assert actual.shape == expected.shape
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_every_folded_operator_is_tested() -> None:
    """Every folded operator is tested."""
    assert {case[0] for case in CASES} == FOLDED


def test_the_other_name_of_onnx_own_domain() -> None:
    """Some files write ONNX's own domain out."""
    before = constant_model("Neg", [FLOATS], {})
    before.opset_import[0].domain = "ai.onnx"
    before.graph.node[0].domain = "ai.onnx"
    folded, report = fold_constants(model_of(before))
    assert report.changed == 1, report.left
    np.testing.assert_array_equal(folded.constant("y0"), -FLOATS)


@pytest.mark.parametrize("opset", [7, 9, 11, 13])
def test_older_opsets_fold_by_their_own_rules(run, opset) -> None:
    """Squeeze, Slice and Clip took attributes once."""
    cases: list[tuple[str, dict[str, Any]]] = [("ReduceSum", {"axes": [1], "keepdims": 0})]
    if opset < 13:
        cases.append(("Unsqueeze", {"axes": [0]}))
    if opset < 10:
        cases.append(("Slice", {"starts": [1], "ends": [9], "axes": [2]}))
    if opset < 11:
        cases.append(("Clip", {"min": -0.25, "max": 0.5}))
    if opset == 13:
        cases = [("Softmax", {"axis": 1})]
    for op, attributes in cases:
        before = constant_model(op, [FLOATS], attributes, opset=opset)
        before.ir_version = 4
        folded, report = fold_constants(model_of(before))
        assert report.changed == 1, report.left
        expected = run(before.SerializeToString(), {})[0]
        np.testing.assert_allclose(folded.constant("y0"), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("op", "arrays", "attributes"),
    [
        ("RandomNormalLike", [FLOATS], {}),
        ("DequantizeLinear", [np.arange(4, dtype=np.int8), np.float32(0.5)], {}),
        ("ConstantOfShape", [ints(1 << 20, 1 << 10)], {}),
        ("Expand", [FLOATS, ints(1 << 20, 1, 1, 1)], {}),
        ("Tile", [FLOATS, ints(1 << 20, 1, 1)], {}),
        ("Range", [np.int64(0), np.int64(1 << 40), np.int64(1)], {}),
        ("Reshape", [FLOATS, ints(5, 5)], {}),
        ("StringNormalizer", [np.array(["a"], object)], {}),
    ],
)
def test_what_is_random_large_or_wrong_stays(op, arrays, attributes) -> None:
    """What is random, large, quantized or wrong stays."""
    model = model_of(constant_model(op, arrays, attributes))
    folded, report = fold_constants(model)
    assert [item.op_type for item in folded.proto.graph.node] == [op]
    assert report.changed == 0
    if op != "DequantizeLinear":
        assert op in report.left[0]
    assert folded.size_bytes < MAX_BYTES


def test_shapes_that_are_known_are_folded(build, run) -> None:
    """Channels and sizes of an image are known, its batch is not."""
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Shape", ["r"], ["shape"]),
        node("Gather", ["shape", "zero"], ["batch"]),
        node("Gather", ["shape", "one"], ["channels"]),
        node("Slice", ["shape", "from", "to"], ["area"]),
        node("ReduceProd", ["area"], ["pixels"], keepdims=1),
        node("Unsqueeze", ["batch", "axis"], ["first"]),
        node("Unsqueeze", ["channels", "axis"], ["second"]),
        node("Concat", ["first", "second", "pixels"], ["target"], axis=0),
        node("Reshape", ["r", "target"], ["y"]),
    ]
    constants = {"zero": 0, "one": 1, "from": ints(2), "to": ints(4), "axis": ints(0)}
    before = build(nodes, {"x": ("N", 3, 4, 5)}, ["y"], constants)
    prepared, _ = prepare(model_of(before))
    left = [item.op_type for item in prepared.proto.graph.node]
    assert left == ["Relu", "Shape", "Gather", "Unsqueeze", "Concat", "Reshape"]
    feeds = {"x": RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)}
    after = run(whole_proto(prepared).SerializeToString(), feeds)
    np.testing.assert_array_equal(after[0], run(before.SerializeToString(), feeds)[0])


def test_what_a_file_says_of_inner_shapes_is_not_believed(build, run) -> None:
    """A batch size made dynamic by an editor leaves value_info behind that is wrong."""
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Shape", ["r"], ["shape"]),
        node("ConstantOfShape", ["shape"], ["zeros"]),
        node("Add", ["r", "zeros"], ["y"]),
    ]
    before = build(nodes, {"x": ("N", 3)}, ["y"])
    before.graph.value_info.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, [1, 3]))
    prepared, _ = prepare(model_of(before))
    assert len(prepared.proto.graph.node) == 4


def test_weights_that_were_computed_become_layers_weights(build, run) -> None:
    """Transposed and cast weights are weights."""
    weight = RNG.normal(size=(5, 3)).astype(np.float16)
    nodes = [
        node("Cast", ["w"], ["wide"], to=TensorProto.FLOAT),
        node("Transpose", ["wide"], ["turned"]),
        node("MatMul", ["x", "turned"], ["y"], "fc"),
    ]
    before = build(nodes, {"x": (2, 3)}, ["y"], {"w": weight})
    prepared, _ = prepare(model_of(before))
    (layer,) = extract_graph(prepared).layers
    assert (layer.weight, layer.weight_shape) == ("turned", (3, 5))
    feeds = {"x": RNG.normal(size=(2, 3)).astype(np.float32)}
    np.testing.assert_array_equal(
        run(whole_proto(prepared).SerializeToString(), feeds)[0],
        run(before.SerializeToString(), feeds)[0],
    )
