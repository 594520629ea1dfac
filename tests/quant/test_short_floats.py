"""float16 and bfloat16 weights: tables with the scale 1, against numpy and ml_dtypes."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inspector.errors import SpecError, UnsupportedError
from inspector.quant.curves import sqnr_by_bits, tradeoff
from inspector.quant.distribution import ExactDistribution
from inspector.quant.kernels import fake_quantize
from inspector.quant.metrics import sqnr_db
from inspector.quant.profile import error_profile
from inspector.quant.qparams import weight_qparams
from inspector.quant.spec import CASTS, QuantSpec, RangeMethod
from inspector.quant.tables import table_of

TYPES = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(ml_dtypes.bfloat16)}


@pytest.mark.parametrize("dtype", CASTS)
def test_levels_are_all_finite_numbers_of_the_type(dtype: str) -> None:
    """Each once, and both zeros as one."""
    table = table_of(dtype)
    assert table is not None
    every = np.arange(1 << 16, dtype=np.uint16).view(TYPES[dtype]).astype(np.float32)
    assert np.array_equal(table.steps, np.unique(every[np.isfinite(every)] + 0))


@pytest.mark.parametrize("dtype", CASTS)
@given(values=arrays(np.float32, st.integers(1, 40), elements=st.floats(-65504, 65504, width=32)))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_rounding_is_that_of_a_cast(dtype: str, values: np.ndarray) -> None:
    """Also at every tie, subnormal numbers included."""
    grid = weight_qparams(values, QuantSpec(dtype).filled("weights"), None, "w")
    assert grid.scale == 1.0
    halves = (np.arange(2, 12, dtype=np.float32) * np.float32(2.0**-25)).astype(np.float32)
    for some in (values, halves):
        wanted = some.astype(TYPES[dtype]).astype(np.float32) + np.float32(0)
        np.testing.assert_array_equal(fake_quantize(some, grid), wanted)


@pytest.mark.parametrize("dtype", CASTS)
def test_profile_and_curves(dtype: str) -> None:
    """What plots ask for is there, and the error is that of the tensor."""
    values = np.random.default_rng(3).standard_normal((6, 700)).astype(np.float32)
    spec = QuantSpec(dtype).filled("weights")
    grid = weight_qparams(values, spec, 0, "w")
    dist = ExactDistribution.of(values)
    direct = sqnr_db(values, values.astype(TYPES[dtype]).astype(np.float32))
    assert error_profile(dist, grid).total_sqnr_db == pytest.approx(direct, abs=0.01)
    assert np.isfinite(sqnr_by_bits(dist, spec, RangeMethod("minmax"), (4, 8))).all()
    assert tradeoff(dist, spec, steps=5) is not None


@pytest.mark.parametrize("dtype", CASTS)
def test_the_text_form_is_the_type_alone(dtype: str) -> None:
    """There is no scale to say anything of, and no operator that rounds activations."""
    spec = QuantSpec.parse(dtype)
    assert str(spec) == str(spec.filled("weights")) == dtype
    assert QuantSpec.parse(str(spec.filled("weights"))) == spec
    assert spec.bits == 16
    spec.require_computable("weights")
    for part in ("channel", "minmax", "sym", "pow2"):
        with pytest.raises(SpecError, match="has no scale"):
            QuantSpec.parse(f"{dtype}:{part}")
    with pytest.raises(UnsupportedError, match="Activations cannot be"):
        spec.require_computable("activations")
