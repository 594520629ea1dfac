"""Ranges as onnxruntime's calibrators choose them, to compare with and to reproduce its files.

- MinMax: the smallest and the largest value; the same as ``minmax``.
- Entropy: quantize_static counts in 128 bins over plus and minus the largest magnitude and merges
  them to 128 levels. There is one candidate, the whole range, so the result is that of MinMax.
- Percentile: the left edge of a bin of 2048, see `ort_percentile_range`.

Source: onnxruntime 1.31, onnxruntime/quantization/calibrate.py, HistogramCollector.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.errors import UnsupportedError
from inspector.quant.distribution import Distribution, ExactDistribution, Histogram
from inspector.quant.grid import Floats, RealRange, with_zero

BINS = 2048


def ort_percentile_range(dist: Distribution, percentile: float, symmetric: bool) -> RealRange:
    """The range of onnxruntime's Percentile calibrator.

    Symmetric: 2048 bins of |x| from its minimum to its maximum; the threshold is the left edge of
    the first bin with which the share is reached. Asymmetric: 2048 bins from minus to plus the
    largest magnitude; (100 - percentile) / 2 % is cut at each end, and each end is the left edge of
    the bin in which the cut lies. Both are cut to the observed range.

    Exact for an `ExactDistribution`. A `Histogram` shares its finer bins in proportion, so that the
    bin may be the one next to it; the smallest magnitude of values of both signs counts as zero.

    Args:
        dist: what is known of the tensor.
        percentile: of the values that are kept, in %.
        symmetric: whether both sides share one threshold.
    """
    kept = percentile / 100.0
    lo, hi = dist.lo.astype(np.float64), dist.hi.astype(np.float64)
    reach = np.maximum(-lo, hi)
    low, high = np.empty_like(lo), np.empty_like(hi)
    for row in range(dist.rows):
        if symmetric:
            edges = _edges(_least_magnitude(dist, row), reach[row])
            inside = _below(dist, row, edges) - _below(dist, row, -edges, included=True)
            inside[0] = 0.0  # no magnitude lies below the smallest
            high[row] = edges[_first(inside, dist, row, kept)]
            low[row] = -high[row]
        else:
            edges, cut = _edges(-reach[row], reach[row]), (100.0 - percentile) / 200.0
            below = _below(dist, row, edges)
            low[row] = edges[_first(below, dist, row, cut)]
            high[row] = edges[_first(below, dist, row, 1.0 - cut)]
    return with_zero(np.maximum(low, lo), np.minimum(high, hi))


def _edges(low: float, high: float) -> NDArray[np.float32]:
    """As numpy's histograms of float32 values have them."""
    return np.linspace(np.float32(low), np.float32(high), BINS + 1, dtype=np.float32)


def _first(below: Floats, dist: Distribution, row: int, wanted: float) -> int:
    """The first bin with which the share is reached.

    The shares of the bins are added up one by one, as there: where the share is a whole number of
    values, its rounding decides.

    Args:
        below: counts below each edge.
        dist: the values.
        row: of them.
        wanted: the share.
    """
    count = int(dist.count[row])
    below[-1] = count  # the last bin has its right edge
    shares = np.cumsum(np.diff(below) / max(count, 1))
    return min(int(np.searchsorted(shares, wanted)), BINS - 1)


def _least_magnitude(dist: Distribution, row: int) -> float:
    if isinstance(dist, ExactDistribution):
        values = dist.values[row, : int(dist.count[row])]
        return float(np.abs(values).min(initial=np.inf)) if values.size else 0.0
    return max(float(dist.lo[row]), -float(dist.hi[row]), 0.0)


def _below(
    dist: Distribution, row: int, edges: NDArray[np.float32], *, included: bool = False
) -> Floats:
    """How many values lie below each edge, or also on it."""
    if isinstance(dist, Histogram):
        if dist.counts.size == 1:  # a step, which interpolation cannot see
            return np.where(edges > dist.lo[0], float(dist.count[row]), 0.0)
        counted = np.concatenate(([0.0], np.cumsum(dist.counts)))
        return np.asarray(np.interp(edges, dist.edges(), counted), np.float64)
    if not isinstance(dist, ExactDistribution):
        raise UnsupportedError(f"A {type(dist).__name__} has no known quantiles.")
    values = dist.values[row, : int(dist.count[row])]
    return values.searchsorted(edges, "right" if included else "left").astype(np.float64)
