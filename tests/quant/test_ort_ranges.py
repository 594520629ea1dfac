"""Ranges that onnxruntime's own calibrators choose, from its own code."""

from __future__ import annotations

import numpy as np
import pytest
from onnxruntime.quantization.calibrate import HistogramCollector

from inspector.quant.distribution import ExactDistribution, Histogram
from inspector.quant.ort_ranges import BINS
from inspector.quant.ranges import choose_range
from inspector.quant.spec import QuantSpec

SAMPLES = 4


def _values(seed: int) -> np.ndarray:
    """Samples of different size: of both signs, of one, with zeros, and a spike."""
    rng = np.random.default_rng(seed)
    values = rng.standard_t(3, (SAMPLES, 3000)) * np.exp(rng.standard_normal((SAMPLES, 1)))
    if seed % 4 == 1:
        values = np.maximum(values, 0)
    if seed % 4 == 2:
        values = np.abs(values) + 0.5
    if seed % 4 == 3:
        values = -np.abs(values)
    return values.astype(np.float32)


def _sketch(values: np.ndarray) -> Histogram:
    found = Histogram.empty()
    for number, sample in enumerate(values):
        found = found.merge(Histogram.of(sample, batch=number))
    return found


def _theirs(
    values: np.ndarray, method: str, symmetric: bool, percentile: float
) -> tuple[float, float]:
    """What quantize_static gets: all samples are collected at once."""
    bins = BINS if method == "percentile" else 128
    collector = HistogramCollector(method, symmetric, bins, 128, percentile, "same")
    collector.collect({"x": list(values)})
    low, high = collector.compute_collection_result()["x"][:2]
    return float(low), float(high)


def _ours(dist: ExactDistribution | Histogram, text: str) -> tuple[float, float]:
    found = choose_range(dist, QuantSpec.parse(f"uint8:tensor:{text}").filled("activations"))
    return float(found.lo[0]), float(found.hi[0])


def _with_zero(ends: tuple[float, float]) -> tuple[float, float]:
    return min(ends[0], 0.0), max(ends[1], 0.0)


@pytest.mark.parametrize("percentile", [90.0, 99.0, 99.9, 99.999])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_percentile(seed: int, symmetric: bool, percentile: float) -> None:
    """Exact from the values, to one of the 2048 bins from a sketch."""
    values = _values(seed)
    low, high = _with_zero(_theirs(values, "percentile", symmetric, percentile))
    text = f"ort-percentile{percentile}:{'sym' if symmetric else 'asym'}"
    exact = _ours(ExactDistribution.of(values), text)
    assert exact == pytest.approx((low, high), rel=1e-6, abs=1e-7)
    bin_width = 2 * float(np.abs(values).max()) / BINS
    assert _ours(_sketch(values), text) == pytest.approx((low, high), abs=1.01 * bin_width)


@pytest.mark.parametrize("seed", range(4))
def test_entropy(seed: int) -> None:
    """It has one candidate: the whole range."""
    values = _values(seed)
    expected = _with_zero(_theirs(values, "entropy", False, 0.0))
    assert _ours(_sketch(values), "ort-entropy") == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_minmax_and_its_mean(seed: int) -> None:
    """Nanmin and nanmax over samples, or nanmean of them, as in MinMaxCalibrater.compute_data."""
    values = _values(seed)
    ends = values.min(axis=1), values.max(axis=1)
    expected = _with_zero((float(np.nanmin(ends[0])), float(np.nanmax(ends[1]))))
    assert _ours(_sketch(values), "ort-minmax") == pytest.approx(expected)
    mean = _with_zero((float(np.nanmean(ends[0])), float(np.nanmean(ends[1]))))
    assert _ours(_sketch(values), "meanminmax") == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_single_value_and_none(symmetric: bool) -> None:
    """Where there is no bin to look for."""
    text = f"ort-percentile99:{'sym' if symmetric else 'asym'}"
    values = np.full((2, 3), 2.0, np.float32)
    expected = _with_zero(_theirs(values, "percentile", symmetric, 99.0))
    assert _ours(ExactDistribution.of(values), text) == pytest.approx(expected)
    assert _ours(_sketch(values), text) == pytest.approx(expected)
    assert _ours(ExactDistribution.of(np.zeros(0, np.float32)), text) == (0.0, 0.0)
