"""What is plotted, against the arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.gui.plots.shapes import (
    MOST_POINTS,
    channel_bars,
    coarse,
    error_curve,
    level_bins,
    levels,
    quantized_bins,
    quantized_steps,
)
from inspector.quant.distribution import ExactDistribution
from inspector.quant.kernels import fake_quantize
from inspector.quant.profile import level_counts
from inspector.quant.qparams import weight_qparams
from inspector.quant.spec import QuantSpec
from inspector.report.units import bytes_text, decibel_text, percent_text


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 6), st.booleans(), st.integers(0, 10_000))
def test_the_error_curve_is_the_error(bits: int, symmetric: bool, seed: int) -> None:
    """Interpolated between its corners, the curve gives the error of any value."""
    values = np.random.default_rng(seed).normal(size=400).astype(np.float32)
    flag = "sym" if symmetric else "asym"
    spec = QuantSpec.parse(f"int{bits}:tensor:percentile95:{flag}")
    grid = weight_qparams(values, spec, None, "w")
    x, error = error_curve(grid, 0, float(values.min()), float(values.max()))
    assert len(x) <= MOST_POINTS
    assert np.all(np.diff(x) >= 0)
    step = float(grid.scale)
    inside = np.abs((values / step) % 1.0 - 0.5) > 1e-3  # away from the jumps
    expected = fake_quantize(values, grid) - values
    found = np.interp(values.astype(np.float64), x, error)
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-5 + 1e-5 * step)


@pytest.mark.parametrize("dtype", ["fp8e4m3", "fp8e5m2", "log3", "log8", "binary", "ternary"])
def test_the_error_curve_of_uneven_levels_is_the_error(dtype: str) -> None:
    """Every tooth is there, each as high as half its gap."""
    values = np.random.default_rng(3).standard_t(3, 900).astype(np.float32)
    spec = QuantSpec.parse(f"{dtype}:tensor:percentile95").filled("weights")
    grid = weight_qparams(values, spec, None, "w")
    x, error = error_curve(grid, 0, float(values.min()), float(values.max()))
    assert np.all(np.diff(x) >= 0)
    found = np.interp(values.astype(np.float64), x, error)
    expected = fake_quantize(values, grid).astype(np.float64) - values
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_uneven_levels_are_counted_in_the_bins_of_the_original() -> None:
    """What is quantized lies in the bin of its level, and nothing is lost."""
    values = np.random.default_rng(4).normal(size=5000).astype(np.float32)
    dist = ExactDistribution.of(values)
    edges, counts = dist.density(128)
    spec = QuantSpec.parse("log4:tensor:range[-1,1]").filled("weights")
    grid = weight_qparams(values, spec, None, "w")
    found = level_bins(levels(grid, 0), level_counts(dist, grid), edges)
    assert found.sum() == counts.sum()
    expected = np.histogram(fake_quantize(values, grid), edges)[0]
    assert np.array_equal(found, expected)


def test_fine_grids_are_an_outline() -> None:
    """Teeth that cannot be told apart are drawn as the band they fill."""
    values = np.linspace(-1, 1, 999, dtype=np.float32)
    grid = weight_qparams(values, QuantSpec.parse("int8:tensor:minmax:sym"), None, "w")
    _, error = error_curve(grid, 0, -1.0, 1.0)
    assert len(error) < 20
    assert np.nanmax(error) == pytest.approx(float(grid.scale) / 2)


def test_the_quantized_histogram_has_the_area_of_the_other() -> None:
    """Heights are on one scale: both hold the same number of values."""
    values = np.random.default_rng(1).normal(size=20_000).astype(np.float32)
    dist = ExactDistribution.of(values)
    edges, counts = dist.density(256)
    grid = weight_qparams(values, QuantSpec.parse("int4:tensor:minmax:sym"), None, "w")
    width = float(edges[1] - edges[0])
    steps, heights = quantized_steps(grid, 0, level_counts(dist, grid), width)
    assert len(steps) == len(levels(grid, 0)) + 1
    area = float((heights * np.diff(steps)).sum())
    assert area == pytest.approx(counts.sum() * width, rel=1e-5)


def test_quantized_bins_count_the_quantized_values() -> None:
    """Per channel: the histogram of what fake-quantization gives."""
    values = np.random.default_rng(2).normal(size=(8, 300)).astype(np.float32)
    dist = ExactDistribution.of(values, axis=0)
    edges, _ = dist.density(64)
    grid = weight_qparams(values, QuantSpec.parse("int3:channel:minmax:sym"), 0, "w")
    expected = np.histogram(fake_quantize(values, grid), edges)[0]
    found = quantized_bins(dist, grid, edges)
    # A level may lie on an edge between two bins to within float32.
    assert np.abs(np.cumsum(found) - np.cumsum(expected)).max() <= 300
    assert found.sum() == pytest.approx(expected.sum(), abs=16)


def test_coarse_keeps_every_value() -> None:
    """Few values get few bins, and none is lost."""
    edges, counts = np.linspace(0, 1, 257), np.ones(256)
    wide, joined = coarse(edges, counts)
    assert len(joined) == 32
    assert len(wide) == 33
    assert joined.sum() == counts.sum()


def test_many_channels_are_sorted() -> None:
    """More than can be drawn: their distribution is shown instead."""
    _, heights, joined = channel_bars(np.random.default_rng(3).normal(40, 5, 5000))
    assert joined
    assert len(heights) == MOST_POINTS
    assert np.all(np.diff(heights) >= 0)


def test_numbers_as_text() -> None:
    """Units, signs, and shares that are neither all nor nothing."""
    assert bytes_text(78_783) == "78.8 kB"
    assert bytes_text(4_954_530) == "4.95 MB"
    assert decibel_text(float("inf")) == "∞ dB"
    assert decibel_text(None) == "–"
    assert decibel_text(-3.14) == "−3.1 dB"
    assert percent_text(0.0) == "0 %"
    assert percent_text(1e-6) == "<0.01 %"
    assert percent_text(0.99999) == ">99.99 %"
