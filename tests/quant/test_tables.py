"""Types with a table of levels: against ml_dtypes, the papers, and the tensor itself."""

from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inspector.errors import UnsupportedError
from inspector.quant.behind import range_behind
from inspector.quant.curves import sqnr_by_bits, tradeoff
from inspector.quant.distribution import ExactDistribution, Histogram
from inspector.quant.kernels import dequantize, fake_quantize, outside, quantize
from inspector.quant.metrics import sqnr_db
from inspector.quant.profile import error_profile, level_counts
from inspector.quant.qparams import QParams, choose_qparams, weight_qparams
from inspector.quant.ranges import choose_range
from inspector.quant.spec import CASTS, DTYPES, QuantSpec, RangeMethod
from inspector.quant.spread import error_histogram
from inspector.quant.tables import LevelTable, table_of

FLOAT8 = {"fp8e4m3": ml_dtypes.float8_e4m3fn, "fp8e5m2": ml_dtypes.float8_e5m2}
TABLES = [d for d in DTYPES if QuantSpec(d).table is not None and d not in CASTS]
numbers = arrays(
    np.float32, st.integers(1, 40), elements=st.floats(-(2.0**100), 2.0**100, width=32)
)


def _table(dtype: str) -> LevelTable:
    table = table_of(dtype)
    assert table is not None
    return table


def _grid(dtype: str, scale: float | np.ndarray = 1.0, axis: int | None = None) -> QParams:
    table = _table(dtype)
    found = np.asarray(scale, np.float32)
    zero = np.zeros(found.shape, np.int32)
    return QParams(found, zero, table.lowest, table.highest, axis, table=table)


def _rows(seed: int = 0, shape: tuple[int, int] = (5, 4000)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.standard_t(4, shape) * np.exp(2 * rng.standard_normal((shape[0], 1)))
    return np.where(rng.random(shape) < 0.05, 0.0, values).astype(np.float32)


def test_every_type_with_a_table_has_one() -> None:
    """Every type with a scale but integers, and no other."""
    logs = [f"log{bits}" for bits in range(2, 9)]
    assert ["fp8e4m3", "fp8e5m2", *logs, "binary", "ternary"] == TABLES
    for dtype in TABLES:
        table = _table(dtype)
        assert (np.diff(table.steps) > 0).all()
        assert np.array_equal(table.steps, -table.steps[::-1])
        assert len(table.steps) <= 1 << QuantSpec(dtype).bits


@pytest.mark.parametrize("dtype", FLOAT8)
def test_float8_levels_are_those_of_ml_dtypes(dtype: str) -> None:
    """All finite numbers of the type, each once."""
    every = np.arange(256, dtype=np.uint8).view(FLOAT8[dtype]).astype(np.float32)
    assert np.array_equal(_table(dtype).steps, np.unique(every[np.isfinite(every)] + 0))


@pytest.mark.parametrize("dtype", FLOAT8)
@given(values=numbers)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_float8_rounds_as_ml_dtypes_do_and_saturates(dtype: str, values: np.ndarray) -> None:
    """Also at every threshold and beside it, where it is a tie."""
    table = _table(dtype)
    middles = table.middles
    beside = [np.nextafter(middles, np.float32(end)) for end in (-np.inf, np.inf)]
    values = np.concatenate([values, values / np.float32(2.0**93), middles, *beside, table.steps])
    expected = np.clip(values, -table.top, table.top).astype(FLOAT8[dtype]).astype(np.float32)
    assert np.array_equal(fake_quantize(values, _grid(dtype)), expected)


def test_logarithmic_levels_are_powers_of_two() -> None:
    """Zero, and both signs of 2^0 down to 2^-(2^(b-1) - 2)."""
    for bits in range(2, 9):
        least = (1 << (bits - 1)) - 2
        powers = [Fraction(1, 1 << k) for k in range(least + 1)]
        expected = sorted([-p for p in powers] + [Fraction(0)] + powers)
        assert [Fraction(float(level)) for level in _table(f"log{bits}").steps] == expected


def test_the_scale_of_a_logarithmic_type_is_that_of_the_paper() -> None:
    """Zhou et al. 2017, equation 2: n1 = floor(log2(4 s / 3)), in exact arithmetic."""
    for reach in (0.75, 0.7499999, 1.0, 1.4999999, 1.5, 3.1, 1e-20, 7e30):
        spec = QuantSpec.parse("log4:tensor:minmax").filled("weights")
        found = weight_qparams(np.array([reach, -reach / 3], np.float32), spec)
        exact = Fraction(4, 3) * Fraction(float(np.float32(reach)))
        n1 = Fraction(float(found.scale))
        assert n1 <= exact < 2 * n1


@pytest.mark.parametrize("dtype", ["int2", "ternary"])
def test_ternary_is_a_grid_of_three_even_levels(dtype: str) -> None:
    """With one scale, ternary and symmetric int2 do the same."""
    values = _rows()
    spec = QuantSpec.parse(f"{dtype}:channel:range[-1.5,1.5]:sym").filled("weights")
    even = QuantSpec.parse("int2:channel:range[-1.5,1.5]:sym").filled("weights")
    found = fake_quantize(values, weight_qparams(values, spec, 0))
    assert np.array_equal(found, fake_quantize(values, weight_qparams(values, even, 0)))


def test_binary_is_the_sign_times_the_mean_magnitude() -> None:
    """Rastegari et al. 2016, equation 6; zero counts as positive."""
    values = _rows(1)
    grid = weight_qparams(values, QuantSpec("binary").filled("weights"), 0)
    mean = np.abs(values.astype(np.float64)).mean(axis=1).astype(np.float32)
    assert grid.scale == pytest.approx(mean, rel=1e-6)
    expected = np.where(values >= 0, 1, -1).astype(np.float32) * grid.scale[:, None]
    assert np.array_equal(fake_quantize(values, grid), expected)
    assert set(np.unique(quantize(values, grid))) == {0, 1}


def test_ternary_is_no_worse_than_the_rule_of_the_paper() -> None:
    """Li et al. 2016: the least error of all thresholds, so not above that of 0.7 mean |w|."""
    for seed in range(5):
        values = _rows(seed, (3, 500)).astype(np.float64)
        grid = weight_qparams(values, QuantSpec("ternary").filled("weights"), 0)
        found = np.square(values - fake_quantize(values, grid)).sum(axis=1)
        for row, errors in zip(values, found, strict=True):
            assert errors <= _least_ternary_error(row) * (1 + 1e-5)
            kept = np.abs(row) > 0.7 * np.abs(row).mean()
            scale = np.abs(row)[kept].mean()
            assert errors <= np.square(row - scale * np.sign(row) * kept).sum()


def _least_ternary_error(row: np.ndarray) -> float:
    """Every threshold tried one by one, each with the best scale for it."""
    errors = []
    for threshold in np.abs(row):
        kept = np.abs(row) >= threshold
        scale = np.abs(row)[kept].mean()
        errors.append(np.square(row - scale * np.sign(row) * kept).sum())
    return float(min(errors))


@pytest.mark.parametrize("dtype", TABLES)
def test_codes_and_levels_are_inverse(dtype: str) -> None:
    """Every level has its own code, and rounding a level changes nothing."""
    table = _table(dtype)
    grid = _grid(dtype, 0.37)
    codes = np.arange(table.lowest, table.highest + 1)
    levels = dequantize(codes, grid)
    distinct = np.concatenate(([True], np.diff(levels) > 0))
    assert np.array_equal(quantize(levels[distinct], grid), codes[distinct])
    assert levels[-1] == grid.hi
    assert levels[0] == grid.lo
    assert np.array_equal(fake_quantize(levels, grid), levels)


@pytest.mark.parametrize("dtype", TABLES)
@given(values=numbers, exponent=st.integers(-60, 60))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_rounding_finds_the_nearest_level(dtype: str, values: np.ndarray, exponent: int) -> None:
    """By trying them all; the codes say the same."""
    grid = _grid(dtype, 2.0**exponent)
    found = fake_quantize(values, grid)
    levels = _table(dtype).steps.astype(np.float64) * 2.0**exponent
    least = np.abs(values.astype(np.float64)[:, None] - levels).min(axis=1)
    assert np.array_equal(np.abs(values.astype(np.float64) - found), least)
    assert np.array_equal(dequantize(quantize(values, grid), grid), found)


def test_what_is_no_number_stays_none() -> None:
    """NaN has no code, infinity saturates."""
    values = np.array([np.nan, np.inf, -np.inf], np.float32)
    found = fake_quantize(values, _grid("fp8e4m3", 2.0))
    assert np.isnan(found[0])
    assert found[1:].tolist() == [896.0, -896.0]
    assert np.isnan(fake_quantize(np.float32(np.nan), _grid("log4")))


@pytest.mark.parametrize("shape", [(5, 4000), (40, 30)])
@pytest.mark.parametrize("dtype", TABLES)
def test_the_profile_is_that_of_the_tensor(dtype: str, shape: tuple[int, int]) -> None:
    """Looked up level by level, or value by value for short rows."""
    values = _rows(2, shape)
    dist = ExactDistribution.of(values, axis=0)
    spec = QuantSpec.parse(f"{dtype}:channel:percentile90").filled("weights")
    grid = choose_qparams(dist, spec, axis=0)
    found, fake = error_profile(dist, grid), fake_quantize(values, grid)
    wrong = np.square(values.astype(np.float64) - fake).mean(axis=1)
    assert found.mse == pytest.approx(wrong, rel=1e-6)
    assert found.clipped == pytest.approx(outside(values, grid).mean(axis=1))
    assert found.zeroed == pytest.approx(((fake == 0) & (values != 0)).mean(axis=1))
    assert found.total_sqnr_db == pytest.approx(sqnr_db(values, fake), abs=1e-4)
    places = quantize(values, grid).astype(int) - grid.qmin
    expected = np.bincount(places.reshape(-1), minlength=grid.qmax - grid.qmin + 1)
    assert np.array_equal(level_counts(dist, grid), expected)


def test_rows_of_different_lengths_count_only_what_is_there() -> None:
    """The last block of a row is shorter, and binary has no level for the room behind it."""
    values = np.linspace(-1, 1, 10, dtype=np.float32)[None]
    dist = ExactDistribution.of(values, axis=1, block=4)
    grid = _grid("binary", np.array([[0.5, 0.5, 0.5]]), 1)
    found = error_profile(dist, grid)
    exact = np.square(np.abs(values[0]) - 0.5)
    assert found.mse == pytest.approx([exact[:4].mean(), exact[4:8].mean(), exact[8:].mean()])
    best = choose_range(dist, QuantSpec.parse("binary:tensor:mse:pow2").filled("weights"))
    assert np.isfinite(best.hi).all()


@pytest.mark.parametrize("dtype", ["fp8e4m3", "fp8e5m2", "log4", "ternary"])
def test_the_estimate_of_a_sketch_is_near(dtype: str) -> None:
    """A histogram knows the error to a small part."""
    values = _rows(3, (1, 60_000))
    dist = Histogram.of(values)
    grid = choose_qparams(dist, QuantSpec.parse(f"{dtype}:tensor:minmax").filled("weights"))
    exact = error_profile(ExactDistribution.of(values), grid)
    found = error_profile(dist, grid)
    assert found.total_sqnr_db == pytest.approx(exact.total_sqnr_db, abs=0.05)
    assert found.zeroed[0] == pytest.approx(exact.zeroed[0], abs=1e-3)
    counts = level_counts(dist, grid)
    assert counts.sum() == pytest.approx(values.size)
    assert counts == pytest.approx(level_counts(ExactDistribution.of(values), grid), abs=100)


@pytest.mark.parametrize("sketch", [False, True])
@pytest.mark.parametrize("dtype", TABLES)
def test_mse_is_never_worse_than_minmax(dtype: str, sketch: bool) -> None:
    """And near the best of a thousand scales."""
    values = _rows(4, (1, 3000))
    dist = Histogram.of(values) if sketch else ExactDistribution.of(values)

    def error(text: str) -> float:
        spec = QuantSpec.parse(f"{dtype}:tensor:{text}").filled("weights")
        return float(np.square(values - fake_quantize(values, choose_qparams(dist, spec))).sum())

    best = error("mse")
    slack = 1.01 if sketch else 1 + 1e-9
    assert best <= error("minmax") * slack
    reach = np.abs(values).max() * np.exp2(-np.linspace(0, 6, 300))
    assert best <= min(error(f"range[{-end},{end}]") for end in reach) * 1.02


@pytest.mark.parametrize("dtype", TABLES)
def test_power_of_two_scales(dtype: str) -> None:
    """The flag is kept, and nothing that the range keeps is clipped but by rounding."""
    values = _rows(5)
    spec = QuantSpec.parse(f"{dtype}:channel:minmax:pow2").filled("weights")
    grid = weight_qparams(values, spec, 0)
    assert (np.frexp(grid.scale)[0] == 0.5).all()
    assert not outside(values, grid).any()


@pytest.mark.parametrize("dtype", TABLES)
@pytest.mark.parametrize("value", [0.0, 1e-45, 1e-38, 3.4e38])
def test_extreme_weights_give_valid_grids(dtype: str, value: float) -> None:
    """Positive normal scales, finite levels."""
    for method in ("minmax", "mse"):
        values = np.array([value, -value / 2], np.float32)
        spec = QuantSpec.parse(f"{dtype}:tensor:{method}").filled("weights")
        grid = weight_qparams(values, spec)
        assert grid.scale >= np.finfo(np.float32).tiny
        assert np.isfinite([grid.lo, grid.hi]).all()
        assert np.isfinite(fake_quantize(values, grid)).all()


def test_errors_are_told_in_gaps_between_levels() -> None:
    """Within the table no error is more than half the gap that a value lies in."""
    values = np.linspace(-1, 1, 5001, dtype=np.float32)
    found = error_histogram(ExactDistribution.of(values), _grid("log4"))
    inside = np.abs(found.edges[:-1] + np.diff(found.edges) / 2) <= 0.51
    assert found.counts[inside].sum() == values.size
    assert found.beyond == 0


def test_curves_of_other_choices() -> None:
    """What a range would cost is what it costs; widths are compared with integers."""
    values = ExactDistribution.of(_rows(6, (1, 4000)))
    spec = QuantSpec.parse("fp8e4m3:tensor:minmax").filled("weights")
    found = tradeoff(values, spec, steps=5)
    for low, high, total in zip(found.lo, found.hi, found.total, strict=True):
        method = RangeMethod("range", lo=low, hi=high)
        hand = QuantSpec("fp8e4m3", range=method).filled("activations")
        error = error_profile(values, choose_qparams(values, hand))
        assert total == pytest.approx(error.mse[0], rel=1e-5)
    eight = QuantSpec.parse("int8:tensor:minmax:sym")
    expected = error_profile(values, choose_qparams(values, eight)).total_sqnr_db
    assert sqnr_by_bits(values, spec, RangeMethod("minmax"), (8,))[0] == pytest.approx(expected)


def test_a_range_behind_an_activation_can_be_float8() -> None:
    """No worse than where the search starts."""
    values = Histogram.of(_rows(7, (1, 5000)))
    spec = QuantSpec.parse("fp8e4m3:tensor:mse").filled("activations")
    start = choose_range(values, spec)
    found = range_behind(values, spec, lambda x: np.maximum(x, 0.0), None, start, may_share=False)
    assert np.isfinite(found.before.hi).all()


@pytest.mark.parametrize("text", ["fp8e4m3:kl", "log4:asym", "binary:block32", "float"])
def test_what_means_nothing_is_refused_with_what_would(text: str) -> None:
    """The hint is a spec that can be computed."""
    with pytest.raises(UnsupportedError) as caught:
        QuantSpec.parse(text).require_computable()
    if "'" in caught.value.hint:
        QuantSpec.parse(caught.value.hint.split("'")[1]).require_computable()


@pytest.mark.parametrize("dtype", ["log4", "binary", "ternary"])
def test_activations_have_no_decoded_types(dtype: str) -> None:
    """Float8 they may have."""
    QuantSpec("fp8e5m2").require_computable("activations")
    QuantSpec(dtype).require_computable("weights")
    with pytest.raises(UnsupportedError, match=dtype):
        QuantSpec(dtype).require_computable("activations")
