"""The error of a grid from the distribution alone, against the tensor itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inspector.errors import UnsupportedError
from inspector.quant.distribution import ExactDistribution, Histogram
from inspector.quant.kernels import fake_quantize, outside, quantize
from inspector.quant.levels import boundaries
from inspector.quant.metrics import sqnr_db
from inspector.quant.profile import error_profile, level_counts, profile_and_counts, row_counts
from inspector.quant.qparams import QParams, weight_qparams
from inspector.quant.spec import QuantSpec

finite = st.floats(-(2.0**100), 2.0**100, width=32)


def _rows(array: np.ndarray, axis: int | None) -> np.ndarray:
    if axis is None:
        return array.reshape(1, -1)
    return np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)


def _check(values: np.ndarray, qp: QParams, dist: ExactDistribution) -> None:
    """The profile against the direct sums."""
    found = error_profile(dist, qp)
    fake = fake_quantize(values, qp)
    wrong = _rows((values.astype(np.float64) - fake) ** 2, qp.axis).mean(axis=1)
    assert found.mse == pytest.approx(wrong, rel=1e-6, abs=1e-30)
    assert found.clipped == pytest.approx(_rows(outside(values, qp), qp.axis).mean(axis=1))
    zeroed = (fake == 0) & (values != 0)
    assert found.zeroed == pytest.approx(_rows(zeroed, qp.axis).mean(axis=1))
    expected = sqnr_db(values, fake)
    assert found.total_sqnr_db == pytest.approx(expected, abs=1e-4)


def _heavy(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Values with a heavy tail, some exact zeros and channels of different size."""
    rng = np.random.default_rng(seed)
    values = rng.standard_t(3, shape) * np.exp(rng.standard_normal((shape[0], 1)))
    return np.where(rng.random(shape) < 0.1, 0.0, values).astype(np.float32)


@pytest.mark.parametrize("flag", ["sym", "asym"])
@pytest.mark.parametrize("method", ["minmax", "percentile99"])
@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8, 10, 12, 13, 16])
def test_the_profile_is_that_of_the_tensor(bits: int, method: str, flag: str) -> None:
    """The profile is that of the tensor."""
    values = _heavy((6, 20_000))
    for text, axis in (("tensor", None), ("channel", 0)):
        spec = QuantSpec.parse(f"int{bits}:{text}:{method}:{flag}").filled("weights")
        qp = weight_qparams(values, spec, 0)
        _check(values, qp, ExactDistribution.of(values, axis=axis))


@pytest.mark.parametrize("bits", [2, 8, 16])
def test_short_rows_and_blocks(bits: int) -> None:
    """Short rows and blocks."""
    values = _heavy((7, 50))
    spec = QuantSpec.parse(f"int{bits}:block8@1:percentile90").filled("weights")
    qp = weight_qparams(values, spec)
    found = error_profile(ExactDistribution.of(values, axis=1, block=8), qp)
    assert found.mse.shape == (49,)
    assert found.total_sqnr_db == pytest.approx(sqnr_db(values, fake_quantize(values, qp)))


@pytest.mark.parametrize("bits", [2, 4, 8, 12])
def test_level_counts_are_those_of_the_codes(bits: int) -> None:
    """Level counts are those of the codes."""
    rng = np.random.default_rng(2)
    step = np.float32(0.0371)
    ties = ((rng.integers(-300, 300, 40_000) + 0.5) * step).astype(np.float32)
    values = np.concatenate((ties, rng.standard_normal(40_000).astype(np.float32)))
    qp = QParams(np.asarray(step), np.asarray(1, np.int32), -(1 << bits - 1), (1 << bits - 1) - 1)
    expected = np.bincount(quantize(values, qp).astype(int) - qp.qmin, minlength=1 << bits)
    assert np.array_equal(level_counts(ExactDistribution.of(values), qp), expected)
    estimate = level_counts(Histogram.of(values), qp)
    assert estimate.sum() == pytest.approx(values.size)


def test_level_counts_by_row() -> None:
    """Level counts by row."""
    values = _heavy((4, 3000))
    for text in ("int4", "int10"):
        qp = weight_qparams(values, QuantSpec.parse(text).filled("weights"), 0)
        dist = ExactDistribution.of(values, axis=0)
        codes = quantize(values, qp).astype(int) - qp.qmin
        levels = qp.qmax - qp.qmin + 1
        for row in range(4):
            expected = np.bincount(codes[row], minlength=levels)
            assert np.array_equal(level_counts(dist, qp, row), expected)
        assert np.array_equal(
            level_counts(dist, qp), np.bincount(codes.reshape(-1), minlength=levels)
        )
        two = [np.bincount(codes[row], minlength=levels) for row in (3, 1)]
        assert np.array_equal(row_counts(dist, qp, np.array([3, 1])), two)


@given(
    arrays(np.float32, st.integers(1, 30), elements=finite),
    st.sampled_from(["int2", "uint3:asym", "int8", "uint8:asym", "uint12"]),
)
@settings(deadline=None, max_examples=60)
def test_any_values(values: np.ndarray, text: str) -> None:
    """Any values."""
    spec = QuantSpec.parse(f"{text}:tensor").filled("weights")
    # Many copies, so that the levels are fewer than the values.
    for array in (values, np.tile(values, 1 + 9000 // values.size)):
        _check(array, weight_qparams(array, spec), ExactDistribution.of(array))


@given(st.floats(2.0**-120, 2.0**120, width=32), st.integers(-40000, 40000))
@settings(deadline=None)
def test_a_boundary_is_the_first_number_that_rounds_up(scale: float, step: int) -> None:
    """A boundary is the first number that rounds up."""
    step32 = np.float32(scale)
    with np.errstate(over="ignore"):
        edge = boundaries(np.array([step]), step32)
        below = np.nextafter(edge, np.float32(-np.inf))
        if np.isfinite(edge[0]):
            assert np.rint(edge / step32) >= step
        if np.isfinite(below[0]):
            assert np.rint(below / step32) < step


@pytest.mark.parametrize("bits", [2, 4, 6, 8, 10, 16])
@pytest.mark.parametrize("relu", [False, True])
def test_a_histogram_estimates_the_profile(bits: int, relu: bool) -> None:
    """A histogram estimates the profile."""
    rng = np.random.default_rng(5)
    values = rng.standard_normal(200_000).astype(np.float32)
    values[::20_001] *= 20
    if relu:
        values = np.maximum(values, 0)
    for method in ("minmax", "percentile99.9"):
        spec = QuantSpec.parse(f"uint{bits}:tensor:{method}:asym")
        qp = weight_qparams(values, spec)
        exact = error_profile(ExactDistribution.of(values), qp)
        found = error_profile(Histogram.of(values), qp)
        assert found.total_sqnr_db == pytest.approx(exact.total_sqnr_db, abs=0.05)
        assert found.clipped[0] == pytest.approx(exact.clipped[0], abs=1e-3)
        assert found.zeroed[0] == pytest.approx(exact.zeroed[0], abs=5e-3)


def test_a_constant_has_no_error_in_a_histogram_either() -> None:
    """A constant has no error in a histogram either."""
    for value in (0.0, 3.0, -2.0):
        values = np.full(100, value, np.float32)
        qp = weight_qparams(values, QuantSpec.parse("uint8:tensor:minmax:asym"))
        found = error_profile(Histogram.of(values), qp)
        assert found.mse[0] == pytest.approx(0.0, abs=1e-10)
        assert found.total_sqnr_db > 100


def test_no_values_no_error() -> None:
    """No values no error."""
    qp = QParams(np.asarray(np.float32(1)), np.asarray(0, np.int32), -8, 7)
    for dist in (ExactDistribution.of(np.zeros(0)), Histogram.empty()):
        found = error_profile(dist, qp)
        assert found.mse.tolist() == [0.0]
        assert found.total_sqnr_db == np.inf


def test_one_grid_may_serve_every_row_but_not_a_few_of_them() -> None:
    """One grid may serve every row but not a few of them."""
    values = _heavy((4, 100))
    dist = ExactDistribution.of(values, axis=0)
    whole = weight_qparams(values, QuantSpec.parse("int8:tensor").filled("weights"))
    expected = sqnr_db(values, fake_quantize(values, whole), 0)
    assert error_profile(dist, whole).sqnr_db == pytest.approx(expected)
    few = QParams(np.ones(3, np.float32), np.zeros(3, np.int32), -8, 7, 0)
    with pytest.raises(UnsupportedError):
        error_profile(dist, few)


@pytest.mark.parametrize("text", ["int4", "uint6:minmax:asym", "int8:range[-1,1]", "int8:tensor"])
def test_profile_and_counts_come_together(text: str) -> None:
    """Both are what they are alone, whether rows share one grid or not."""
    values = _heavy((5, 6000))
    spec = QuantSpec.parse(text).filled("weights")
    qp = weight_qparams(values, spec, 0)
    dist = ExactDistribution.of(values, axis=qp.axis)
    profile, counts = profile_and_counts(dist, qp, 512)
    _check(values, qp, dist)
    assert profile.total_sqnr_db == error_profile(dist, qp).total_sqnr_db
    codes = quantize(values, qp).astype(int) - qp.qmin
    assert counts is not None
    assert np.array_equal(counts, np.bincount(codes.reshape(-1), minlength=counts.size))
    assert profile_and_counts(dist, qp, 4)[1] is None


def test_values_on_the_grid_have_no_error_under_far_levels() -> None:
    """Sums of a grid far wider than the values do not pass rounding off as error."""
    step = np.float32(0.125)
    values = np.random.default_rng(7).integers(-2, 3, (3, 9000)).astype(np.float32) * step
    zero = np.zeros(3, np.int32)
    qp = QParams(np.full(3, step), zero, -128, 127, 0)
    assert (error_profile(ExactDistribution.of(values, axis=0), qp).mse == 0.0).all()


@pytest.mark.parametrize("shape", [(3, 0), (0, 3)])
def test_no_values_have_no_error_and_no_level(shape: tuple[int, int]) -> None:
    """Rows without values, and no rows."""
    values = np.zeros(shape, np.float32)
    dist = ExactDistribution.of(values, axis=0)
    qp = weight_qparams(values, QuantSpec.parse("int4").filled("weights"), 0)
    profile, counts = profile_and_counts(dist, qp, 512)
    assert profile.mse.tolist() == [0.0] * shape[0]
    assert counts is not None
    assert counts.sum() == 0
