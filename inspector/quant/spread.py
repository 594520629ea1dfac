"""How values and errors are spread: over the channels, and around zero."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.errors import UnsupportedError
from inspector.quant.curves import Pause, go_on
from inspector.quant.distribution import Distribution, ExactDistribution, Histogram
from inspector.quant.qparams import QParams
from inspector.quant.tables import LevelTable

Floats = NDArray[np.float64]

_CHUNK = 1 << 16
_MOST_VALUES = 1 << 21
"""Of more values, evenly spaced ones among the sorted stand for all."""
_INSIDE = 32
"""Places looked at inside each bin of a sketch."""
_REACH = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The values of each channel in five numbers.

    Attributes:
        order: (rows,) numbers of the channels, from the narrowest to the widest.
        lo: (rows,) the smallest value of each, in that order; so are all below.
        low: (rows,) the value that 1 % of the values do not exceed.
        middle: (rows,) the median.
        high: (rows,) the value that 99 % of the values do not exceed.
        hi: (rows,) the largest value.
    """

    order: NDArray[np.intp]
    lo: Floats
    low: Floats
    middle: Floats
    high: Floats
    hi: Floats


def channel_boxes(dist: ExactDistribution) -> Boxes:
    """Five numbers for each row, sorted by range, each of them a value that occurs.

    Args:
        dist: the sorted values.
    """
    order = np.argsort(dist.hi - dist.lo, kind="stable")
    count = dist.count[order]

    def quantile(share: float) -> Floats:
        if not dist.values.shape[1]:
            return np.zeros(dist.rows)
        place = np.rint(share * np.maximum(count - 1, 0)).astype(np.intp)
        found = dist.values[order, place].astype(np.float64)
        return np.asarray(np.where(count > 0, found, 0.0))

    return Boxes(
        order, dist.lo[order], quantile(0.01), quantile(0.5), quantile(0.99), dist.hi[order]
    )


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """How many values of each channel lie in each bin.

    Attributes:
        edges: (bins + 1,) edges of the bins, shared by all channels.
        counts: (lines, bins) counts: of one channel a line, or the largest of a few neighbours.
        per_line: channels in a line.
        rows: channels in all.
    """

    edges: Floats
    counts: NDArray[np.float32]
    per_line: int
    rows: int


def channel_heat(
    dist: ExactDistribution, bins: int = 128, most: int = 256, pause: Pause = go_on
) -> Heat:
    """Counts of every channel over the range of all of them. O(rows * bins * log n).

    Args:
        dist: the sorted values.
        bins: of equal width.
        most: lines at most.
        pause: called between lines.
    """
    lo = float(dist.lo.min(initial=0.0)) if dist.rows else 0.0
    hi = float(dist.hi.max(initial=0.0)) if dist.rows else 0.0
    room = 0.0 if hi > lo else 0.5
    edges = np.linspace(lo - room, hi + room, bins + 1)
    inner = edges[1:-1].astype(np.float32)
    per_line = max(1, -(-dist.rows // most))
    counts = np.zeros((-(-dist.rows // per_line), bins), np.float32)
    for row in range(dist.rows):
        if row % 64 == 0:
            pause()
        n = int(dist.count[row])
        below = dist.values[row, :n].searchsorted(inner)
        own = np.diff(below, prepend=0, append=n)
        line = counts[row // per_line]
        np.maximum(line, own, out=line)
    return Heat(edges, counts, per_line, dist.rows)


@dataclass(frozen=True, slots=True, eq=False)
class ErrorHistogram:
    """The errors of quantization in steps of each value's own grid.

    Where levels are not evenly spaced, a step is the gap between the two levels around the value.

    Attributes:
        edges: (bins + 1,) edges in steps, from -1.5 to 1.5.
        counts: (bins,) values in each bin.
        beyond: the part of the values with an error of more than 1.5 steps.
        rms: root mean square of the error, in steps.
        mean: its mean, in steps.
        exact: whether every value was looked at.
    """

    edges: Floats
    counts: Floats
    beyond: float
    rms: float
    mean: float
    exact: bool


def error_histogram(
    dist: Distribution, qp: QParams, bins: int = 91, pause: Pause = go_on
) -> ErrorHistogram:
    """How often each error (quantized minus real) occurs.

    Args:
        dist: what is known of the tensor.
        qp: one scale per row of ``dist``, or one for all.
        bins: of equal width.
        pause: called between parts.

    Raises:
        UnsupportedError: the number of scales does not fit.
    """
    if qp.rows not in (1, dist.rows):
        raise UnsupportedError(f"{qp.rows} scales do not fit {dist.rows} rows of values.")
    tally = _Tally(qp, bins)
    if isinstance(dist, Histogram):
        edges, counts, whole = dist.edges(), dist.counts.astype(np.float64), slice(0, 1)
        if dist.zeros:
            counts[-dist.start] -= dist.zeros
            tally.add(np.zeros((1, 1), np.float32), whole, np.array([[float(dist.zeros)]]))
        parts = (np.arange(_INSIDE) + 0.5) / _INSIDE
        places = edges[:-1, None] + np.diff(edges)[:, None] * parts
        weights = np.repeat(counts / _INSIDE, _INSIDE)
        tally.add(places.reshape(1, -1).astype(np.float32), whole, weights[None])
        return tally.result(exact=False)
    if not isinstance(dist, ExactDistribution):
        raise UnsupportedError(f"A {type(dist).__name__} has no known errors.")
    every = max(1, math.ceil(dist.total / _MOST_VALUES))
    values = dist.values[:, every // 2 :: every]
    lines = max(1, _CHUNK // max(values.shape[1], 1))
    for row in range(0, dist.rows, lines):
        part = slice(row, row + lines)
        for column in range(0, values.shape[1], _CHUNK):
            pause()
            cut = values[part, column : column + _CHUNK]
            tally.add(cut, part, np.isfinite(cut).astype(np.float64))
    return tally.result(exact=every == 1)


class _Tally:
    """Errors counted so far."""

    def __init__(self, qp: QParams, bins: int) -> None:
        self._qp, self._bins = qp, bins
        self._scale, self._zero = qp.scale.reshape(-1), qp.zero_point.reshape(-1)
        self._counts = np.zeros(bins + 2)
        self._sum = self._squares = self._total = 0.0

    def add(self, values: NDArray[np.float32], rows: slice, weights: Floats) -> None:
        """Count the errors of (rows, n) values on their rows' grids, in steps."""
        rows = rows if self._scale.size > 1 else slice(0, 1)
        zero = self._zero[rows, None].astype(np.float32)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            steps = values / self._scale[rows, None]
            if self._qp.table is not None:
                error = _error_in_gaps(steps, self._qp.table)
            else:
                error = np.clip(np.rint(steps), self._qp.qmin - zero, self._qp.qmax - zero) - steps
        error = np.nan_to_num(error.astype(np.float64), posinf=0.0, neginf=0.0)
        place = np.floor((error + _REACH) * (self._bins / (2 * _REACH))) + 1
        index = np.clip(place, 0, self._bins + 1).astype(np.intp)
        self._counts += np.bincount(index.reshape(-1), weights.reshape(-1), self._bins + 2)
        self._total += float(weights.sum())
        self._sum += float((weights * error).sum())
        self._squares += float((weights * error * error).sum())

    def result(self, *, exact: bool) -> ErrorHistogram:
        """All that was counted."""
        total = max(self._total, 1.0)
        return ErrorHistogram(
            np.linspace(-_REACH, _REACH, self._bins + 1),
            self._counts[1:-1],
            float(self._counts[0] + self._counts[-1]) / total,
            math.sqrt(self._squares / total),
            self._sum / total,
            exact,
        )


def _error_in_gaps(quotients: NDArray[np.float32], table: LevelTable) -> Floats:
    """Errors in units of the gap between the two levels that a value lies between."""
    levels = table.steps.astype(np.float64)
    below = np.clip(levels.searchsorted(quotients, side="right") - 1, 0, levels.size - 2)
    error = levels[table.places(quotients)] - quotients
    return np.asarray(error / (levels[below + 1] - levels[below]))
