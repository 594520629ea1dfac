"""MatMulNBits nodes in onnxruntime, against the simulation and onnxruntime's own quantizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper
from onnxruntime.capi import _pybind_state as ort_native

from inspector.evaluate.runtime import open_session
from inspector.onnxio.draft import whole_proto
from inspector.onnxio.runnable import runnable
from inspector.onnxio.writers.matmul_nbits import write_matmul_nbits
from inspector.onnxio.writers.qdq import write_qdq
from inspector.quant.kernels import fake_quantize
from inspector.quant.qparams import weight_qparams
from inspector.quant.spec import QuantSpec

Build = Callable[..., ModelProto]
Quantize = Callable[..., Any]

_rng = np.random.default_rng(3)


def _values(*shape: int) -> np.ndarray:
    return _rng.standard_normal(shape).astype(np.float32)


def _model(build: Build, depth: int = 70) -> ModelProto:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "matmul"),
        helper.make_node("Gemm", ["a", "v", "b"], ["c"], "gemm", transB=1),
        helper.make_node("Gemm", ["c", "u"], ["y"], "plain"),
    ]
    constants = {
        "w": _values(depth, 48), "v": _values(33, 48), "b": _values(33), "u": _values(33, 5),
    }  # fmt: skip
    return build(nodes, {"x": [3, depth]}, ["y"], constants)


def _written(made: Any) -> Any:
    model, grids = write_matmul_nbits(made.model, made.placement.graph, made.grids)
    return write_qdq(model, made.placement, grids)


@pytest.mark.parametrize(
    "spec",
    [
        "int4:block32", "uint4:block16:asym", "int8:block64", "uint8", "int8:tensor", "int4",
        "int2:block16:mse", "uint2:asym", "int3:block128:asym", "int6",
    ],
)  # fmt: skip
def test_it_does_what_was_predicted(build: Build, quantized: Quantize, spec: str) -> None:
    """All three layers are such nodes, and compute in float32 what the simulation computes."""
    made = quantized(_model(build), spec, "float")
    written = _written(made)
    ops = [node.op_type for node in written.proto.graph.node]
    assert ops == ["MatMulNBits"] * 3
    assert written.proto.opset_import[0].version == 17  # needs none of the newer types
    for optimize in (False, True):
        session = open_session(runnable(written), threads=1, optimize=optimize)
        for feeds, predicted in zip(made.feeds, made.predicted(), strict=True):
            np.testing.assert_allclose(
                session.run(feeds)["y"], predicted["y"], rtol=1e-4, atol=2e-3
            )


@pytest.mark.parametrize("spec", ["int4:block48", "int4:block32@1", "int12", "int4:channel@0"])
def test_what_it_does_not_take_is_dequantized(build: Build, quantized: Quantize, spec: str) -> None:
    """Odd blocks, other axes, and widths without a kernel."""
    chosen = {"matmul": spec, "gemm": "int4", "plain": "int4"}
    made = quantized(_model(build), chosen, "float")
    written = _written(made)
    ops = [node.op_type for node in written.proto.graph.node]
    assert ops.count("MatMulNBits") == 2
    assert "DequantizeLinear" in ops
    session = open_session(runnable(written), threads=1)
    for feeds, predicted in zip(made.feeds, made.predicted(), strict=True):
        np.testing.assert_allclose(session.run(feeds)["y"], predicted["y"], rtol=1e-3, atol=1e-2)


def test_quantized_activations_and_odd_products_are_left_alone(
    build: Build, quantized: Quantize
) -> None:
    """A left operand, a bias that is no vector, and integer kernels."""
    nodes = [
        helper.make_node("MatMul", ["l", "x"], ["a"], "left"),
        helper.make_node("Gemm", ["a", "w", "whole"], ["b"], "whole_bias"),
        helper.make_node("MatMul", ["b", "v"], ["y"], "integer"),
    ]
    constants = {
        "l": _values(4, 3), "w": _values(20, 6), "whole": _values(4, 6), "v": _values(6, 2),
    }  # fmt: skip
    proto = build(nodes, {"x": [3, 20]}, ["y"], constants)
    acts = {"left": "float", "whole_bias": "float", "integer": "uint8"}
    made = quantized(proto, "int8", acts)
    model, grids = write_matmul_nbits(made.model, made.placement.graph, made.grids)
    assert model is made.model
    assert grids is made.grids


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("block", [32, 128])
def test_errors_are_no_larger_than_those_of_onnxruntimes_quantizer(
    block: int, symmetric: bool
) -> None:
    """4 bits, the same blocks, whichever of its two kinds of numbers.

    Its symmetric ones use all 16 levels by scales of either sign; ours do so by a zero point.
    """
    weight = _values(256, 64)
    blocks = 256 // block
    packed = np.zeros((64, blocks, block // 2), np.uint8)
    scales, zeros = np.zeros(64 * blocks, np.float32), np.zeros((64, (blocks + 1) // 2), np.uint8)
    ort_native.quantize_matmul_4bits(packed, weight, scales, zeros, block, 64, 256, symmetric)
    codes = np.stack([packed & 15, packed >> 4], -1).reshape(64, blocks, block).astype(np.float32)
    middle = np.full((64, blocks), 8.0)
    if not symmetric:
        middle = np.stack([zeros & 15, zeros >> 4], -1).reshape(64, -1)[:, :blocks]
    theirs = ((codes - middle[..., None]) * scales.reshape(64, blocks, 1)).reshape(64, 256).T
    spec = QuantSpec.parse(f"int4:block{block}:mse:asym").filled("weights")
    ours = fake_quantize(weight, weight_qparams(weight, spec, 1))
    assert np.square(ours - weight).sum() <= np.square(theirs - weight).sum()


def test_the_file_is_valid(build: Build, quantized: Quantize) -> None:
    """Onnx's checker takes it, and inference finds the shapes of all that follows."""
    made = quantized(_model(build), "int4:block32", "float")
    proto = whole_proto(_written(made))
    shape = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 5])
    proto.graph.output[0].CopyFrom(shape)
    onnx.checker.check_model(proto, full_check=True)
