"""Codes and offsets in different conventions stand for the same numbers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from inspector.errors import DataError
from inspector.quant.conventions import Offsets, to_signed, to_unsigned, unified_codes
from inspector.quant.kernels import dequantize, quantize
from inspector.quant.qparams import QParams, weight_qparams
from inspector.quant.spec import QuantSpec


@pytest.mark.parametrize("bits", [2, 4, 7, 8, 12, 16])
def test_signed_and_unsigned_codes_are_inverse(bits: int) -> None:
    """Every code there and back; the two's complement of 8 bits with its top bit turned."""
    half = 1 << (bits - 1)
    signed = np.arange(-half, half)
    unsigned = to_unsigned(signed, bits)
    assert np.array_equal(unsigned, np.arange(2 * half))
    assert np.array_equal(to_signed(unsigned, bits), signed)
    if bits == 8:
        turned = np.arange(-128, 128).astype(np.int8).view(np.uint8) ^ 0x80
        assert np.array_equal(unsigned, turned)
        assert (unsigned.dtype, to_signed(unsigned).dtype) == (np.uint8, np.int8)


def test_codes_that_do_not_fit_are_refused() -> None:
    """Also those of the other kind."""
    for codes, move in (([-1], to_signed), ([256], to_signed), ([128], to_unsigned)):
        with pytest.raises(DataError, match="8-bit codes"):
            move(codes)
    assert to_signed(np.zeros(0, np.uint8)).size == 0


@given(
    arrays(np.float32, st.integers(1, 30), elements=st.floats(-50, 50, width=32)),
    st.sampled_from(["int8", "uint8", "int5", "uint4", "int16"]),
    st.sampled_from(["sym", "asym"]),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_convention_gives_the_same_real_values(
    values: np.ndarray, dtype: str, flag: str
) -> None:
    """Each by its own formula: AMCT's, AIMET's and that of TFLite Micro."""
    spec = QuantSpec.parse(f"{dtype}:tensor:percentile90:{flag}").filled("weights")
    grid = weight_qparams(values, spec)
    codes, scale = quantize(values, grid).astype(np.int64), np.float64(grid.scale)
    expected = (codes - int(grid.zero_point)) * scale
    offsets = Offsets.of(grid.zero_point, spec.bits, signed=spec.signed)
    unsigned = to_unsigned(codes, spec.bits) if spec.signed else codes
    signed = codes if spec.signed else to_signed(codes, spec.bits)
    assert np.array_equal((unsigned.astype(np.int64) + offsets.subtracted) * scale, expected)
    assert np.array_equal((signed.astype(np.int64) - offsets.signed) * scale, expected)
    assert np.array_equal((signed.astype(np.int64) + offsets.input_offset) * scale, expected)


@given(
    arrays(np.float32, st.integers(1, 30), elements=st.floats(-300, 300, width=32)),
    st.floats(0.015625, 2.0, width=32),
    st.integers(0, 255),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_unified_form_is_quantize_linear(values: np.ndarray, scale: float, offset: int) -> None:
    """AMCT's asymmetric uint8, moved to int8 by 128, is ONNX's int8 with the zero point moved."""
    codes = unified_codes(values, scale, offset, 0, 255)
    assert np.array_equal(codes, _by_onnx(values, scale, np.uint8(offset)))
    moved = unified_codes(values, scale, offset - 128, -128, 127)
    assert np.array_equal(to_signed(codes), moved)
    assert np.array_equal(moved, _by_onnx(values, scale, np.int8(offset - 128)))
    grid = QParams(np.asarray(scale, np.float32), np.asarray(offset, np.int32), 0, 255)
    other = QParams(grid.scale, np.asarray(offset - 128, np.int32), -128, 127)
    assert np.array_equal(dequantize(codes, grid), dequantize(moved, other))


def _by_onnx(values: np.ndarray, scale: float, zero_point: np.generic) -> np.ndarray:
    node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])
    kind = helper.np_dtype_to_tensor_dtype(zero_point.dtype)
    graph = helper.make_graph(
        [node],
        "quantize",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", kind, ["n"])],
        [
            numpy_helper.from_array(np.asarray(scale, np.float32), "s"),
            numpy_helper.from_array(np.asarray(zero_point), "z"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    found: np.ndarray = ReferenceEvaluator(model).run(None, {"x": values})[0]
    return found
