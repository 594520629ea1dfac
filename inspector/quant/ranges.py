"""Scale selection: from what is known of a tensor to the real range that its grid covers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.errors import UnsupportedError
from inspector.quant.distribution import Distribution, ExactDistribution, Histogram
from inspector.quant.grid import Floats, RealRange, grid_parameters, with_zero
from inspector.quant.kl import kl_range
from inspector.quant.mse import mse_range
from inspector.quant.ort_ranges import ort_percentile_range
from inspector.quant.pin import Pin, full_range
from inspector.quant.spec import QuantSpec, RangeMethod
from inspector.quant.squared_error import cost_of
from inspector.quant.tables import table_of

__all__ = ["MOVAVG_MOMENTUM", "RealRange", "choose_range", "given_range"]

MOVAVG_MOMENTUM = 0.9


def choose_range(dist: Distribution, spec: QuantSpec) -> RealRange:
    """The real range to keep, widened to hold zero.

    Args:
        dist: what is known of the tensor.
        spec: filled; its range method decides.

    Returns:
        One range per row of ``dist``.

    Raises:
        UnsupportedError: the spec has no grid, or its method does not go with its type.
    """
    spec.require_computable()
    method = spec.range or RangeMethod("minmax")
    found = _range_of(dist, spec, method)
    return _nearer_power(dist, spec, found) if spec.pow2 and method.kind in _CLIPPING else found


def _range_of(dist: Distribution, spec: QuantSpec, method: RangeMethod) -> RealRange:
    match method.kind:
        case "range":
            return given_range(method, dist.rows)
        case "pinned":
            return pinned_range(dist, method.pin)
        case "movavg":
            return movavg_range(dist, method.momentum or MOVAVG_MOMENTUM)
        case "meanminmax":
            return mean_range(dist, method.batch or 1)
        case "percentile" if method.percentile is None:
            return between_percentiles(dist, method.lo or 0.0, method.hi or 100.0)
        case "percentile":
            return percentile_range(dist, method.percentile or 100.0, bool(spec.symmetric))
        case "ort-percentile":
            return ort_percentile_range(dist, method.percentile or 100.0, bool(spec.symmetric))
        case "kl":
            return kl_range(dist, spec)
        case "mse":
            return mse_range(dist, spec)
        case _:  # onnxruntime's MinMax too, and its Entropy: see `inspector.quant.ort_ranges`
            return with_zero(dist.lo, dist.hi)


_CLIPPING = ("percentile", "ort-percentile", "kl")
"""Methods that give up the outermost values: their power of two need not reach farther."""


def _nearer_power(dist: Distribution, spec: QuantSpec, found: RealRange) -> RealRange:
    """The range, or half of it where that power of two has the smaller squared error.

    A power-of-two scale is the one at or above what a range asks for, up to twice as coarse. Where
    a method clips anyway, the one below may serve better; the method `mse` tries them all.
    """
    cost = cost_of(dist, *spec.code_range(), spec.table)
    factors = np.array([1.0, 0.5])
    lo, hi = found.lo[:, None] * factors, found.hi[:, None] * factors
    errors = cost(*grid_parameters(lo, hi, spec))
    half = errors[:, 1] < errors[:, 0]
    return RealRange(np.where(half, lo[:, 1], found.lo), np.where(half, hi[:, 1], found.hi))


def given_range(method: RangeMethod, rows: int) -> RealRange:
    """The range set by hand, for every row."""
    return with_zero(np.full(rows, method.lo or 0.0), np.full(rows, method.hi or 0.0))


def pinned_range(dist: Distribution, pin: Pin | None) -> RealRange:
    """The real range of a grid that is given, for a spec of another type or form than its own.

    Where it has other rows, each gets the widest ends; without a grid the ends of the values serve.
    """
    if pin is None:
        return with_zero(dist.lo, dist.hi)
    table = table_of(pin.dtype)
    low, high = (table.steps[0], table.top) if table is not None else full_range(pin.dtype)
    zero, scale = pin.zero_point.astype(np.float64), pin.scale.astype(np.float64)
    lo, hi = ((low - zero) * scale).reshape(-1), ((high - zero) * scale).reshape(-1)
    if lo.size != dist.rows:
        lo, hi = np.full(dist.rows, lo.min()), np.full(dist.rows, hi.max())
    return with_zero(lo, hi)


def movavg_range(dist: Distribution, momentum: float = MOVAVG_MOMENTUM) -> RealRange:
    """The exponential moving average of the minima and maxima of batches, in their order.

    a_0 = m_0, a_t = momentum * a_{t-1} + (1 - momentum) * m_t, as in Jacob et al. 2018
    (arXiv:1712.05877), section 3.1, and TensorFlow's FakeQuant training ops; their momentum is
    0.999, for thousands of training steps, while calibration sees tens of batches. onnxruntime's
    ``moving_average`` is a plain mean over the batches instead: `mean_range`.

    Weights are one batch: their moving average is minmax.
    """
    if not isinstance(dist, Histogram) or not len(dist.batches):
        return with_zero(dist.lo, dist.hi)
    average = dist.batches[0, 1:]
    for batch in dist.batches[1:, 1:]:
        average = momentum * average + (1.0 - momentum) * batch
    return with_zero(average[:1], average[1:])


def mean_range(dist: Distribution, size: int = 1) -> RealRange:
    """The mean over batches of their minima and of their maxima.

    With batches of one sample this is onnxruntime's MinMax calibrator with its option
    ``CalibMovingAverage``. Weights are one batch: their mean is minmax.

    Args:
        dist: what is known of the tensor.
        size: samples that make up a batch; the last one may have fewer.
    """
    if not isinstance(dist, Histogram) or not len(dist.batches):
        return with_zero(dist.lo, dist.hi)
    starts = np.arange(0, len(dist.batches), size)
    lo = np.minimum.reduceat(dist.batches[:, 1], starts).mean()
    hi = np.maximum.reduceat(dist.batches[:, 2], starts).mean()
    return with_zero([lo], [hi])


def between_percentiles(dist: Distribution, low: float, high: float) -> RealRange:
    """The range between two quantiles, each given in %; see `percentile_range`.

    With 0 for the lower one only the upper end is cut, and the other way round.
    """
    return with_zero(_quantile(dist, low / 100.0), _quantile(dist, high / 100.0))


def percentile_range(dist: Distribution, percentile: float, symmetric: bool) -> RealRange:
    """The range that keeps ``percentile`` % of the values.

    Symmetric: the quantile of |x|, on both sides. Asymmetric: (100 - percentile) / 2 % is cut at
    each end. Quantiles are interpolated linearly: between the order statistics of an
    `ExactDistribution` (numpy's "linear"), within a bin of a `Histogram`.

    onnxruntime's Percentile calibrator agrees on what is cut, but takes the left edge of the bin in
    which the quantile lies, of 2048 bins.

    Args:
        dist: what is known of the tensor.
        percentile: 50 < percentile <= 100.
        symmetric: whether both sides share one threshold.
    """
    kept = percentile / 100.0
    if symmetric:
        reach = _magnitude_quantile(dist, kept)
        return with_zero(np.maximum(dist.lo, -reach), np.minimum(dist.hi, reach))
    cut = (1.0 - kept) / 2.0
    return with_zero(_quantile(dist, cut), _quantile(dist, 1.0 - cut))


def _quantile(dist: Distribution, q: float) -> Floats:
    """(rows,) the q-quantile of the values."""
    if isinstance(dist, Histogram):
        edges, below = dist.edges(), np.concatenate(([0], np.cumsum(dist.counts)))
        return np.array([np.interp(q * dist.total, below, edges)])
    if isinstance(dist, ExactDistribution):
        return _order_statistic(dist.values, dist.count, q)
    raise UnsupportedError(f"A {type(dist).__name__} has no known quantiles.")


def _magnitude_quantile(dist: Distribution, q: float) -> Floats:
    """(rows,) the q-quantile of the magnitudes."""
    if isinstance(dist, Histogram):
        edges = dist.edges()
        below = np.concatenate(([0.0], np.cumsum(dist.counts)))
        reach = np.unique(np.abs(edges))
        inside = np.interp(reach, edges, below) - np.interp(-reach, edges, below)
        if edges[0] == edges[-1]:
            return np.array([reach[-1]])
        return np.array([np.interp(q * dist.total, inside, reach)])
    if isinstance(dist, ExactDistribution):
        return _order_statistic_of_magnitudes(dist.values, dist.count, q)
    raise UnsupportedError(f"A {type(dist).__name__} has no known quantiles.")


def _order_statistic(values: NDArray[np.float32], count: NDArray[np.int64], q: float) -> Floats:
    """(rows,) quantiles of sorted rows, of which the first ``count`` values are real."""
    if not values.shape[1]:
        return np.zeros(len(values))
    row = np.arange(len(values))
    last = np.maximum(count - 1, 0)
    place = q * last
    floor = place.astype(np.int64)
    low = values[row, floor].astype(np.float64)
    high = values[row, np.minimum(floor + 1, last)].astype(np.float64)
    return np.asarray(low + (high - low) * (place - floor))


def _order_statistic_of_magnitudes(
    values: NDArray[np.float32], count: NDArray[np.int64], q: float
) -> Floats:
    """(rows,) quantiles of the magnitudes of sorted rows, without sorting these.

    The magnitudes of the negative values, read backwards, and the others are two sorted lists.
    Cost: a look-up for each halving of a row.
    """
    if not values.shape[1]:
        return np.zeros(len(values))
    place = q * np.maximum(count - 1, 0)
    floor = place.astype(np.int64)
    low = _magnitude_at(values, count, floor)
    high = _magnitude_at(values, count, np.minimum(floor + 1, np.maximum(count - 1, 0)))
    return np.asarray(low + (high - low) * (place - floor))


def _magnitude_at(
    values: NDArray[np.float32], count: NDArray[np.int64], rank: NDArray[np.int64]
) -> Floats:
    """(rows,) the magnitude of a rank, from 0, in each sorted row.

    Of the rank + 1 smallest magnitudes some number are of negative values: the least for which the
    next negative value would be no smaller than the last of the others.
    """
    row = np.arange(len(values))
    # -0.0 counts among the others: searching for 0 finds the first of both zeros.
    zero = np.float32(0.0)
    below = np.array(
        [line[:n].searchsorted(zero) for line, n in zip(values, count, strict=True)], np.int64
    )

    def negative(at: NDArray[np.int64]) -> Floats:
        """The magnitude of the negative value number `at`, from zero outwards; else infinite."""
        known = -values[row, np.clip(below - 1 - at, 0, None)].astype(np.float64)
        return np.where(at < below, known, np.inf)

    def other(at: NDArray[np.int64]) -> Floats:
        """The value number `at` of those from zero on; -infinite before, infinite behind them."""
        place = np.clip(below + at, 0, values.shape[1] - 1)
        known = np.where(below + at < count, values[row, place].astype(np.float64), np.inf)
        return np.where(at < 0, -np.inf, known)

    low = np.maximum(rank + 1 - (count - below), 0)
    high = np.minimum(rank + 1, below)
    while (low < high).any():
        middle = (low + high) // 2
        enough = negative(middle) >= other(rank - middle)
        high = np.where(enough, middle, high)
        low = np.where(enough, low, np.minimum(middle + 1, high))
    last = np.where(low > 0, negative(low - 1), -np.inf)
    return np.maximum(last, other(rank - low))
