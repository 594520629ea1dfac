"""The squared error of many candidate grids at once, from a distribution alone.

With levels v_j = (j - Z) S, decision thresholds t_j halfway between them, and the sums
F0(t) = #{x < t}, F1(t) = sum of the x < t, the error of rounding to the nearest level telescopes to

    sum (x - Q(x))^2 = sum (x - v_top)^2 + 2 S sum_j [F1(t_j) - t_j F0(t_j)]

(from sum (x - v_j)^2 over [t_{j-1}, t_j), with v_{j+1} - v_j = S and v_{j+1}^2 - v_j^2 = 2 S t_j):
one look-up of every threshold, whatever the number of values. Where levels are not evenly spaced,
v_{j+1} - v_j takes the place of S.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inspector.errors import UnsupportedError
from inspector.quant.distribution import Distribution, ExactDistribution, Histogram
from inspector.quant.tables import LevelTable

Floats = NDArray[np.float64]
Cost = Callable[[NDArray[np.float32], NDArray[np.int32]], Floats]
"""(rows, k) scales and zero points of k candidate grids per row -> (rows, k) squared errors."""

WIDE_GRID = 1 << 12
"""From more levels than this, rounding noise is taken as S^2 / 12 (Widrow and Kollar 2008)."""

_CHUNK = 1 << 15


def cost_of(dist: Distribution, qmin: int, qmax: int, table: LevelTable | None = None) -> Cost:
    """The squared error of a distribution as a function of the grid.

    Exact for an `ExactDistribution` up to `WIDE_GRID` levels (to about 1e-14 of its power); a
    `Histogram` counts as uniform within each of its bins, but for exact zeros, which no grid moves.
    """
    wide = qmax - qmin + 1 > WIDE_GRID
    if isinstance(dist, Histogram):
        moments = Moments(dist)
        if table is not None:
            return lambda scale, _: _over_table(moments, scale, table)
        return lambda scale, zero: _telescoped(moments, scale, zero, qmin, qmax, wide)
    if not isinstance(dist, ExactDistribution):
        raise UnsupportedError(f"A {type(dist).__name__} has no known error.")
    if not wide and dist.values.shape[1] <= 6 * (qmax - qmin + 1):
        return lambda scale, zero: _direct(dist, scale, zero, qmin, qmax, table)
    lines = [SortedRow(dist, row) for row in range(dist.rows)]

    def by_row(scale: NDArray[np.float32], zero: NDArray[np.int32]) -> Floats:
        parts = [
            _telescoped(line, scale[row : row + 1], zero[row : row + 1], qmin, qmax, wide)
            if table is None
            else _over_table(line, scale[row : row + 1], table)
            for row, line in enumerate(lines)
        ]
        return np.concatenate(parts)

    return by_row


class SortedRow:
    """F0 and F1 of one row of an exact distribution."""

    def __init__(self, dist: ExactDistribution, row: int) -> None:
        n = int(dist.count[row])
        self._values = dist.values[row, :n]
        self._sum1, self._sum2 = dist.sum1[row], dist.sum2[row]
        self.count = float(n)
        self.totals = float(self._sum1[n]), float(self._sum2[n])

    def below(self, t: Floats) -> tuple[Floats, Floats]:
        """F0 and F1 at every t."""
        with np.errstate(over="ignore"):
            place = np.searchsorted(self._values, t.astype(np.float32))
        return place.astype(np.float64), self._sum1[place]

    def squares_below(self, t: Floats) -> Floats:
        """The sum of the squares of the values below every t."""
        with np.errstate(over="ignore"):
            place = np.searchsorted(self._values, t.astype(np.float32))
        return np.asarray(self._sum2[place])


class Moments:
    """F0 and F1 of a histogram whose bins are uniform inside; exact zeros are left out."""

    def __init__(self, dist: Histogram) -> None:
        self._edges = dist.edges()
        self._inverse = math.ldexp(1.0, -dist.exponent)
        self._start = dist.start
        counts = dist.counts.astype(np.float64)
        if dist.zeros:
            counts[-dist.start] -= dist.zeros
        self._counts = counts
        low, width = self._edges[:-1], np.diff(self._edges)
        self._width = width
        self._c0 = _from_zero(counts)
        self._c1 = _from_zero(counts * (low + width / 2))
        self._c2 = _from_zero(counts * (low * low + low * width + width * width / 3))
        self.count = float(self._c0[-1])
        self.totals = float(self._c1[-1]), float(self._c2[-1])

    def _place(self, t: Floats) -> tuple[NDArray[np.intp], Floats]:
        """The bin of every t, and the part of that bin that lies below it."""
        bins = np.clip(t * self._inverse - self._start, 0, self._counts.size - 1).astype(np.intp)
        width = self._width[bins]
        flat = width <= 0.0
        part = (t - self._edges[bins]) / np.where(flat, 1.0, width)
        if flat.any():
            part = np.where(flat, t > self._edges[bins], part)
        return bins, np.clip(part, 0.0, 1.0)

    def below(self, t: Floats) -> tuple[Floats, Floats]:
        """F0 and F1 at every t."""
        bins, part = self._place(t)
        here = self._counts[bins] * part
        middle = self._edges[bins] + self._width[bins] * part * 0.5
        return self._c0[bins] + here, self._c1[bins] + here * middle

    def squares_below(self, t: Floats) -> Floats:
        """The sum of the squares of the values below every t."""
        bins, part = self._place(t)
        low, step = self._edges[bins], self._width[bins] * part
        square = low * low + low * step + step * step / 3
        return np.asarray(self._c2[bins] + self._counts[bins] * part * square)


def _from_zero(values: Floats) -> Floats:
    return np.concatenate(([0.0], np.cumsum(values)))


def _telescoped(
    sums: SortedRow | Moments,
    scale: NDArray[np.float32],
    zero: NDArray[np.int32],
    qmin: int,
    qmax: int,
    wide: bool,
) -> Floats:
    """(1, k) squared errors of the (1, k) grids."""
    step = scale[0].astype(np.float64)
    top = (qmax - zero[0]) * step
    if wide:
        return _wide(sums, step, (qmin - zero[0]) * step, top)[None]
    codes = np.arange(qmin, qmax) + 0.5
    thresholds = (codes - zero[0][:, None]) * step[:, None]
    f0, f1 = sums.below(thresholds)
    np.multiply(f0, thresholds, out=f0)
    np.subtract(f1, f0, out=f1)
    total1, total2 = sums.totals
    whole = total2 - 2.0 * top * total1 + top * top * sums.count
    # Rounding may leave a tiny negative number where there is no error.
    result: Floats = np.maximum(whole + 2.0 * step * f1.sum(axis=1), 0.0)
    return result[None]


def _over_table(sums: SortedRow | Moments, scale: NDArray[np.float32], table: LevelTable) -> Floats:
    """(1, k) squared errors of the grids that a table makes with (1, k) scales."""
    step = scale[0].astype(np.float64)[:, None]
    thresholds = step * table.middles[1:-1]
    f0, f1 = sums.below(thresholds)
    gaps = step * np.diff(table.steps.astype(np.float64))
    total1, total2 = sums.totals
    top = step[:, 0] * table.top
    whole = total2 - 2.0 * top * total1 + top * top * sums.count
    result = np.maximum(whole + 2.0 * (gaps * (f1 - thresholds * f0)).sum(axis=1), 0.0)
    return np.asarray(result[None])


def _wide(sums: SortedRow | Moments, step: Floats, bottom: Floats, top: Floats) -> Floats:
    """Rounding noise within the grid, and what is cut off on both sides of it."""
    low0, low1 = sums.below(bottom)
    high0, high1 = sums.below(top)
    total1, total2 = sums.totals
    above = sums.count - high0
    low2, high2 = sums.squares_below(bottom), sums.squares_below(top)
    under = low2 - 2.0 * bottom * low1 + bottom * bottom * low0
    over = (total2 - high2) - 2.0 * top * (total1 - high1) + top * top * above
    # Values all within half a step of zero cannot lose more than they hold.
    inside = np.minimum((high0 - low0) * step * step / 12.0, np.maximum(high2 - low2, 0.0))
    return np.asarray(np.maximum(under, 0.0) + np.maximum(over, 0.0) + inside)


def _direct(
    dist: ExactDistribution,
    scale: NDArray[np.float32],
    zero: NDArray[np.int32],
    qmin: int,
    qmax: int,
    table: LevelTable | None,
) -> Floats:
    """The same by rounding every value: cheaper for rows shorter than their grid is wide."""
    rows, n = dist.values.shape
    result = np.zeros(scale.shape)
    lines = max(1, _CHUNK // max(n, 1))
    # numpy is fast along the last axis: short rows go down the first one.
    axis = 1 if n > lines else 0
    for begin in range(0, rows, lines):
        part = slice(begin, begin + lines)
        cut = dist.values[part] if axis else dist.values[part].T
        values = np.where(np.isfinite(cut), cut, np.float32(0))
        scratch = np.empty_like(values), np.empty_like(values)
        step, zeros = scale[part].astype(np.float64), zero[part]
        for k in range(scale.shape[1]):
            ends = (qmin - zeros[:, k], qmax - zeros[:, k])
            low, high = (np.expand_dims(end.astype(np.float32), axis) for end in ends)
            inverse = np.expand_dims((1.0 / step[:, k]).astype(np.float32), axis)
            if table is None:
                found = _squares(values, inverse, (low, high), axis, scratch)
            else:
                found = _squares_over(values * inverse, table, axis, np.isfinite(cut))
            result[part, k] = found * step[:, k] ** 2
    return result


def _squares(
    values: NDArray[np.float32],
    inverse: NDArray[np.float32],
    ends: tuple[NDArray[np.float32], NDArray[np.float32]],
    axis: int,
    scratch: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> Floats:
    """(rows,) squared errors in units of squared steps, along ``axis``.

    In steps the error is of the order of 1 for any scale, so float32 is enough for it.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.multiply(values, inverse, out=scratch[0])
        error = np.rint(steps, out=scratch[1])
        np.maximum(error, ends[0], out=error)
        np.minimum(error, ends[1], out=error)
        np.subtract(steps, error, out=error)
        np.multiply(error, error, out=error)
        total = np.add.reduce(error, axis=axis)
    return np.where(np.isfinite(total), total, np.inf).astype(np.float64)


def _squares_over(
    steps: NDArray[np.float32], table: LevelTable, axis: int, real: NDArray[np.bool_]
) -> Floats:
    """The same over a table of levels, of which none need be zero."""
    error = (steps - table.steps[table.places(steps)]).astype(np.float64)
    return np.asarray(np.square(error).sum(axis=axis, where=real))
