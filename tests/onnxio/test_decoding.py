"""Weights of types with a table of levels, as they stand in a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from inspector.onnxio.opset import opset_of
from inspector.quant.kernels import fake_quantize
from inspector.quant.qparams import weight_qparams
from inspector.quant.spec import QuantSpec

Build = Callable[..., ModelProto]
Quantize = Callable[..., Any]
Run = Callable[..., list[np.ndarray]]

DECODED = {"binary": 1, "ternary": 2, "log2": 2, "log3": 4, "log4": 4, "log5": 8, "log8": 8}


def _gemm(build: Build, rows: int = 5, columns: int = 7, opset: int = 13) -> ModelProto:
    """The product of x and w: with the identity for x, y is the weight."""
    rng = np.random.default_rng(rows)
    weight = (rng.standard_normal((rows, columns)) * np.exp(rng.standard_normal(columns))).astype(
        np.float32
    )
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "product")]
    return build(nodes, {"x": [rows, rows]}, ["y"], {"w": weight}, opset=opset)


def _weight(proto: ModelProto) -> np.ndarray:
    return numpy_helper.to_array(proto.graph.initializer[0])


def _stored(proto: ModelProto) -> dict[str, TensorProto]:
    return {tensor.name: tensor for tensor in proto.graph.initializer}


@pytest.mark.parametrize("granularity", ["tensor", "channel"])
@pytest.mark.parametrize("dtype", DECODED)
def test_decoded_weights_are_those_of_the_arithmetic(
    build: Build, quantized: Quantize, run: Run, dtype: str, granularity: str
) -> None:
    """Bit for bit, in onnxruntime with and without its optimizations, and in the reference."""
    proto = _gemm(build)
    made = quantized(proto, f"{dtype}:{granularity}", "float")
    spec = QuantSpec.parse(f"{dtype}:{granularity}").filled("weights")
    expected = fake_quantize(_weight(proto), weight_qparams(_weight(proto), spec, 1))
    feeds = {"x": np.eye(5, dtype=np.float32)}
    data = made.proto.SerializeToString()
    assert np.array_equal(run(data, feeds)[0], expected)
    assert np.array_equal(run(data, feeds, optimize=True)[0], expected)
    assert np.array_equal(ReferenceEvaluator(made.proto).run(None, feeds)[0], expected)
    assert opset_of(made.written) == 13
    assert "w" not in _stored(made.proto)


@pytest.mark.parametrize(("dtype", "bits"), DECODED.items())
def test_codes_are_packed(build: Build, quantized: Quantize, dtype: str, bits: int) -> None:
    """So many bits a code, also where the last byte is not full."""
    for rows, columns in ((5, 7), (8, 8)):
        made = quantized(_gemm(build, rows, columns), dtype, "float")
        onnx.checker.check_model(onnx.shape_inference.infer_shapes(made.proto), full_check=True)
        codes = _stored(made.proto)["w_codes"]
        assert codes.data_type == TensorProto.UINT8
        assert len(numpy_helper.to_array(codes).reshape(-1)) == -(-rows * columns * bits // 8)


@pytest.mark.parametrize("kind", [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2])
def test_float8_weights_are_numbers_of_that_type(
    build: Build, quantized: Quantize, run: Run, kind: Any
) -> None:
    """ml_dtypes reads the same numbers from the bytes as the arithmetic gives."""
    dtype = {"float8_e4m3fn": "fp8e4m3", "float8_e5m2": "fp8e5m2"}[np.dtype(kind).name]
    proto = _gemm(build, 9, 6)
    made = quantized(proto, dtype, "float")
    assert opset_of(made.written) == 19
    stored = _stored(made.proto)
    bytes_ = np.frombuffer(stored["w_quantized"].raw_data, np.uint8).reshape(9, 6)
    scale = numpy_helper.to_array(stored["w_scale"])
    grid = weight_qparams(_weight(proto), QuantSpec(dtype).filled("weights"), 1)
    expected = fake_quantize(_weight(proto), grid)
    assert np.array_equal(scale, grid.scale)
    assert np.array_equal(bytes_.view(kind).astype(np.float32) * scale, expected)
    assert np.abs(bytes_.view(kind).astype(np.float32)).max() == np.float32(
        ml_dtypes.finfo(kind).max
    )
    feeds = {"x": np.eye(9, dtype=np.float32)}
    for optimize in (False, True):
        found = run(made.proto.SerializeToString(), feeds, optimize=optimize)[0]
        assert np.array_equal(found, expected)


def test_a_shared_weight_is_decoded_once(build: Build, quantized: Quantize) -> None:
    """Two layers of one spec read one decoded tensor."""
    weight = np.random.default_rng(1).standard_normal((4, 4)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "one"),
        helper.make_node("MatMul", ["a", "w"], ["y"], "two"),
    ]
    made = quantized(build(nodes, {"x": [2, 4]}, ["y"], {"w": weight}), "log4", "float")
    assert sum(node.op_type == "Gather" for node in made.proto.graph.node) == 1
