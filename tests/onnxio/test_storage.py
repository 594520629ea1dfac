"""The types that codes are stored in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from onnx import TensorProto, helper, numpy_helper

from inspector.onnxio.storage import as_unsigned, exact_codes, storage_of, stored_codes
from inspector.quant.kernels import dequantize, quantize
from inspector.quant.qparams import weight_qparams
from inspector.quant.spec import QuantSpec

_TYPES = {
    **dict.fromkeys((2,), (2, 25)),
    **dict.fromkeys((3, 4), (4, 21)),
    **dict.fromkeys(range(5, 9), (8, 13)),
    **dict.fromkeys(range(9, 17), (16, 21)),
}


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", range(2, 17))
def test_every_width_has_the_next_wider_type(bits: int, signed: bool, symmetric: bool) -> None:
    """Each code survives in it, also through a TensorProto."""
    values = np.random.default_rng(bits).standard_normal((6, 7)).astype(np.float32)
    name = f"{'' if signed else 'u'}int{bits}:tensor:{'sym' if symmetric else 'asym'}"
    grid = weight_qparams(values, QuantSpec.parse(name).filled("weights"))
    storage = storage_of(grid)
    assert (storage.bits, storage.opset) == _TYPES[bits]
    assert storage.signed == signed
    assert storage.lowest <= grid.qmin
    assert grid.qmax <= storage.highest
    full = not (signed and symmetric)
    assert storage.holds_exactly(grid) == (bits == storage.bits and full)
    tensor = TensorProto(
        dims=values.shape,
        data_type=helper.np_dtype_to_tensor_dtype(storage.dtype),
        raw_data=stored_codes(values, grid, storage).tobytes(),
    )
    stored = numpy_helper.to_array(tensor)
    np.testing.assert_array_equal(stored.astype(np.int32), quantize(values, grid))


@pytest.mark.parametrize("spec", ["int8", "int8:asym", "int6:tensor", "int5:asym"])
def test_unsigned_codes_are_the_same_grid(spec: str) -> None:
    """The real values of all codes stay what they are, bit for bit."""
    values = np.random.default_rng(1).standard_normal((5, 9)).astype(np.float32) * 3
    grid = weight_qparams(values, QuantSpec.parse(spec).filled("weights"), 0)
    moved = as_unsigned(grid)
    assert (storage_of(moved).bits, storage_of(moved).signed) == (8, False)
    before, after = quantize(values, grid), quantize(values, moved)
    np.testing.assert_array_equal(dequantize(before, grid), dequantize(after, moved))
    np.testing.assert_array_equal(before.astype(int) + 128, after)


@given(
    npst.arrays(
        np.float32,
        st.integers(1, 20),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
)
def test_a_vector_survives_as_int32_bit_for_bit(values: np.ndarray) -> None:
    """Any bias of normal numbers: dequantized in float32, as ONNX defines it."""
    stored, scale = exact_codes(values)
    assert stored.dtype == np.int32
    assert (scale > 0).all()
    with np.errstate(under="ignore"):
        restored = stored.astype(np.float32) * scale
    tiny = np.abs(values) < 2.0**-102  # the scale cannot be smaller than a normal float32
    np.testing.assert_array_equal(restored[~tiny], values[~tiny])
    assert np.abs(restored - values).max() <= 2.0**-126


def test_other_shapes_survive_to_31_bits() -> None:
    """A scalar and a matrix share one scale."""
    for values in (np.float32(0.3), np.float32([[1e-3, 200.0], [0.0, -7.5]]), np.zeros((2, 2))):
        stored, scale = exact_codes(np.asarray(values))
        assert scale.shape == ()
        error = np.abs(stored.astype(np.float64) * scale - values).max()
        assert error <= np.abs(values).max() * 2.0**-30
