"""MatMul and Add become Gemm where that is the same function."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from inspector.evaluate.runtime import open_session
from inspector.onnxio.loading import model_of
from inspector.onnxio.passes.fuse_gemm import fuse_gemm
from inspector.onnxio.runnable import runnable


def _product(
    x_shape: list[int | str],
    bias_shape: tuple[int, ...],
    *,
    swap: bool = False,
    expose: bool = False,
) -> ModelProto:
    """X @ W + b, as exporters write it."""
    rng = np.random.default_rng(3)
    weight = rng.normal(size=(5, 4)).astype(np.float32)
    bias = rng.normal(size=bias_shape).astype(np.float32)
    operands = ["b", "xw"] if swap else ["xw", "b"]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["xw"], "fc"),
        helper.make_node("Add", operands, ["y"], "bias"),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    if expose:
        outputs.append(helper.make_tensor_value_info("xw", TensorProto.FLOAT, None))
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x_shape)],
        outputs,
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("bias_shape", [(4,), (1, 4)])
@pytest.mark.parametrize("swap", [False, True])
def test_a_matrix_product_with_bias_becomes_gemm(swap: bool, bias_shape: tuple[int, ...]) -> None:
    """One node is left, with the product's name, and the output is the same."""
    proto = _product(["N", 5], bias_shape, swap=swap)
    model, report = fuse_gemm(model_of(proto))
    assert report.changed == 1
    assert [(n.op_type, n.name) for n in model.proto.graph.node] == [("Gemm", "fc")]
    x = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": x})[0]
    found = open_session(runnable(model)).run({"x": x})["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "proto",
    [
        _product([2, 3, 5], (4,)),
        _product(["N", 5], (1,)),
        _product(["N", 5], (4,), expose=True),
    ],
    ids=["batched", "one bias for all", "product is an output"],
)
def test_what_is_no_gemm_is_left(proto: ModelProto) -> None:
    """The model comes back as it was."""
    model = model_of(proto)
    found, report = fuse_gemm(model)
    assert found is model
    assert report.changed == 0
