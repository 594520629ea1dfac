"""What operators mean."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, defs, helper

from inspector.graph import operators
from inspector.graph.operators import category, data_inputs, passes_through


def test_every_onnx_operator_of_a_set_exists() -> None:
    """Spelling: each name is an operator of ONNX or one of a few known elsewhere."""
    known = {schema.name for schema in defs.get_all_schemas()}
    for names in (
        operators.LAYERS, operators.PASS_THROUGH, operators.ELEMENTWISE,
        operators.RECURRENT - {"DynamicQuantizeLSTM"},
        operators.ACTIVATIONS - {"FastGelu", "QuickGelu"}, operators.POOLS, operators.CONTROL,
        operators.REDUCTIONS, operators.SHAPES - {"Crop"},
        operators.TENSORS - {"GatherBlockQuantized"}, {"Attention", "RotaryEmbedding"},
    ):  # fmt: skip
        assert names <= known


def test_operators_have_a_colour() -> None:
    """Operators have a colour."""
    assert category("Conv") == "layer"
    assert category("Gemm") == "layer"
    assert category("MatMul") == "matmul"
    assert category("GroupQueryAttention") == "attention"
    assert category("QAttention") == "quantization"
    assert category("Relu") == "activation"
    assert category("Clip") == "activation"
    assert category("MaxPool") == "pool"
    assert category("Reshape") == "shape"
    assert category("Resize") == "shape"
    assert category("Concat") == "tensor"
    assert category("Transpose") == "tensor"
    assert category("Identity") == "other"
    assert category("Add") == "elementwise"
    assert category("QuantizeLinear") == "quantization"
    assert category("If") == "control"
    assert category("Unheard") == "other"


def test_an_operator_is_of_one_kind() -> None:
    """What sorts operators for the eye overlaps only where an order decides."""
    kinds = [
        operators.MATMULS, operators.OTHER_LAYERS, operators.ATTENTION, operators.QUANTIZATION,
        operators.NORMALIZATIONS, operators.REDUCTIONS, operators.RECURRENT, operators.CONTROL,
        operators.SHAPES, operators.TENSORS - {"GatherBlockQuantized"}, operators.POOLS,
        operators.ACTIVATIONS,
    ]  # fmt: skip
    names = [name for kind in kinds for name in kind if name != "DynamicQuantizeLSTM"]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("op", "attributes", "expected"),
    [
        ("Reshape", {}, True),
        ("Pad", {}, True),
        ("Pad", {"mode": "reflect"}, True),
        ("Pad", {"value": 1.0}, False),
        ("Pad", {"value": 0.0}, True),
        ("Add", {}, False),
        ("AveragePool", {}, False),
    ],
)
def test_what_passes_through(op, attributes, expected) -> None:
    """What passes through."""
    assert passes_through(op, attributes) == expected
    assert not passes_through(op, attributes, domain="other")


def test_data_inputs_leave_out_indices_and_shapes() -> None:
    """Data inputs leave out indices and shapes."""
    assert list(data_inputs("Concat", 3)) == [0, 1, 2]
    assert list(data_inputs("Gather", 2)) == [0]
    assert list(data_inputs("Split", 0)) == []


MOVES = {
    "MaxPool": ((1, 2, 4, 4), {"kernel_shape": [2, 2]}, ()),
    "Transpose": ((1, 2, 3, 4), {"perm": [3, 0, 1, 2]}, ()),
    "DepthToSpace": ((1, 4, 2, 2), {"blocksize": 2}, ()),
    "SpaceToDepth": ((1, 1, 4, 4), {"blocksize": 2}, ()),
    "Flatten": ((2, 3, 4), {}, ()),
    "Squeeze": ((1, 3, 1), {}, ()),
    "Tile": ((2, 3), {}, ([2, 2],)),
    "Expand": ((2, 3), {}, ([4, 2, 3],)),
    "Gather": ((3, 3), {"axis": 1}, ([0, 2],)),
    "Slice": ((4, 4), {}, ([1], [3], [0])),
    "Unsqueeze": ((4,), {}, ([0],)),
    "Reshape": ((4, 3), {}, ([3, 4],)),
}


@pytest.mark.parametrize("op", MOVES)
def test_pass_through_operators_make_no_new_values(op) -> None:
    """As onnxruntime runs them, every output element is one of the input."""
    shape, attributes, extra = MOVES[op]
    names = [f"i{index}" for index in range(len(extra))]
    graph = helper.make_graph(
        [helper.make_node(op, ["x", *names], ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_empty_tensor_value_info("y")],
        [
            helper.make_tensor(name, TensorProto.INT64, [len(values)], values)
            for name, values in zip(names, extra, strict=True)
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert passes_through(op)
    assert set(session.run(None, {"x": values})[0].ravel()) <= set(values.ravel())
