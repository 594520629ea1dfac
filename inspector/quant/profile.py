"""What a grid does to a tensor, from its distribution alone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from inspector.errors import UnsupportedError
from inspector.quant.distribution import Distribution, ExactDistribution, Histogram
from inspector.quant.levels import RowGrids, sums_by_level
from inspector.quant.metrics import decibels
from inspector.quant.qparams import QParams
from inspector.quant.squared_error import WIDE_GRID, Moments

Floats = NDArray[np.float64]

_CHUNK = 1 << 15
_MOST_COUNTS = 1 << 18
"""Counts of rows and levels that are held at a time where only their sum is wanted."""

_SHORT_ROW = 6
"""Rows of up to so many values a level are rounded value by value: looking up costs more then."""


@dataclass(frozen=True, slots=True)
class ErrorProfile:
    """The error of rounding and clipping to a grid.

    Attributes:
        mse: (rows,) mean squared error; 0 for a row without values.
        sqnr_db: (rows,) signal to quantization noise ratio in dB; +inf without any error.
        clipped: (rows,) the fraction of values whose code lies outside the grid before clamping.
        zeroed: (rows,) the fraction of values that are not zero but become zero.
        total_sqnr_db: the ratio over all rows together.
    """

    mse: Floats
    sqnr_db: Floats
    clipped: Floats
    zeroed: Floats
    total_sqnr_db: float


@dataclass(frozen=True, slots=True)
class _Sums:
    """Per row: squared error, signal power, how many values are clipped, and become zero."""

    error: Floats
    power: Floats
    clipped: Floats
    zeroed: Floats


def error_profile(dist: Distribution, qp: QParams) -> ErrorProfile:
    """The error that ``qp`` makes on the values, without touching the tensor.

    Of an `ExactDistribution`: what `fake_quantize` does, level by level (the decision thresholds
    are the float32 numbers at which its division rounds over), with float64 sums; for short
    rows, for grids of more than 4096 levels and beyond 80 dB, value by value. Of a
    `Histogram`: an estimate, with the values uniform inside each bin.

    Args:
        dist: what is known of the tensor.
        qp: one scale per row of ``dist``, or one for all.

    Raises:
        UnsupportedError: ``qp`` has another number of scales.
    """
    return _profile(dist, qp)[0]


def profile_and_counts(
    dist: Distribution, qp: QParams, most: int
) -> tuple[ErrorProfile, Floats | None]:
    """`error_profile` and `level_counts` over all rows, for little more than the former alone.

    Args:
        dist: what is known of the tensor.
        qp: one scale per row of ``dist``, or one for all.
        most: levels up to which counts are wanted; for finer grids they are None.

    Raises:
        UnsupportedError: ``qp`` has another number of scales.
    """
    profile, counts = _profile(dist, qp)
    if qp.qmax - qp.qmin >= most:
        return profile, None
    return profile, level_counts(dist, qp) if counts is None else counts


def _profile(dist: Distribution, qp: QParams) -> tuple[ErrorProfile, Floats | None]:
    """The profile, and the counts where they fall off."""
    grids = RowGrids.of(dist, qp)
    counts = None
    if isinstance(dist, Histogram):
        sums = _estimated(dist, grids)
    elif not isinstance(dist, ExactDistribution):
        raise UnsupportedError(f"A {type(dist).__name__} has no known error.")
    elif _by_value(dist, grids):
        sums = _value_by_value(dist, grids)
    else:
        sums, counts = _level_by_level(dist, grids)
    count = np.maximum(dist.count, 1)
    profile = ErrorProfile(
        mse=sums.error / count,
        sqnr_db=decibels(sums.power, sums.error),
        clipped=sums.clipped / count,
        zeroed=sums.zeroed / count,
        total_sqnr_db=float(decibels(sums.power.sum(), sums.error.sum())),
    )
    return profile, counts


def level_counts(dist: Distribution, qp: QParams, row: int | None = None) -> Floats:
    """How many values each code qmin..qmax gets: the histogram of the quantized tensor.

    Args:
        dist: what is known of the tensor.
        qp: one scale per row of ``dist``, or one for all.
        row: one row, or None for the sum over all.

    Returns:
        (qmax - qmin + 1,) counts: whole numbers from an `ExactDistribution`, estimates from a
        `Histogram`.
    """
    grids = RowGrids.of(dist, qp)
    if isinstance(dist, Histogram):
        moments = Moments(dist)
        inner = _middles(grids)[1:-1]
        below = np.concatenate(([0.0], moments.below(inner)[0], [moments.count]))
        counts = np.diff(below)
        counts[_place_of_zero(grids)] += dist.zeros
        return counts
    if not isinstance(dist, ExactDistribution):
        raise UnsupportedError(f"A {type(dist).__name__} has no known counts.")
    rows = np.arange(dist.rows) if row is None else np.array([row])
    total = np.zeros(grids.levels)
    lines = max(1, _MOST_COUNTS // max(grids.levels, 1))
    for start in range(0, rows.size, lines):
        total += row_counts(dist, qp, rows[start : start + lines]).sum(axis=0)
    return total


def row_counts(dist: ExactDistribution, qp: QParams, rows: NDArray[np.intp]) -> Floats:
    """How many values of each of some rows each code qmin..qmax gets.

    Args:
        dist: the sorted values.
        qp: one scale per row of ``dist``, or one for all.
        rows: numbers of rows.

    Returns:
        (len(rows), qmax - qmin + 1) whole numbers.
    """
    grids = RowGrids.of(dist, qp)
    found = np.zeros((rows.size, grids.levels))
    by_value = _by_value(dist, grids)
    each = dist.values.shape[1] if by_value else grids.levels
    lines = max(1, _CHUNK // max(each, 1))
    for start in range(0, rows.size, lines):
        part = slice(start, start + lines)
        count = _counts_by_value if by_value else _counts_by_level
        found[part] = count(dist, rows[part], grids.take(rows[part]))
    return found


def _counts_by_value(dist: ExactDistribution, rows: NDArray[np.intp], own: RowGrids) -> Floats:
    """Rounds every value: for rows shorter than the grid is wide."""
    steps, _ = _rounded(dist.values[rows], own)
    if own.table is None:
        places = (steps + (own.zero_point[:, None] - own.qmin)).astype(np.int64)
    else:
        places = own.table.steps.searchsorted(steps)
    places += own.levels * np.arange(rows.size)[:, None]
    real = np.arange(dist.values.shape[1]) < dist.count[rows, None]
    counts = np.bincount(places[real], minlength=rows.size * own.levels)
    return counts.reshape(rows.size, own.levels).astype(np.float64)


def _counts_by_level(dist: ExactDistribution, rows: NDArray[np.intp], own: RowGrids) -> Floats:
    """Looks up where each level begins among the sorted values of each row."""
    place = np.zeros((rows.size, own.levels + 1))
    edges = own.thresholds()[:, 1:-1]
    for line, row in enumerate(rows.tolist()):
        values = dist.values[row, : dist.count[row]]
        place[line, 1:-1] = values.searchsorted(edges[line])
    place[:, -1] = dist.count[rows]
    return np.diff(place, axis=1)


def _by_value(dist: ExactDistribution, grids: RowGrids) -> bool:
    return grids.levels > WIDE_GRID or dist.values.shape[1] <= _SHORT_ROW * grids.levels


def _level_by_level(dist: ExactDistribution, grids: RowGrids) -> tuple[_Sums, Floats]:
    """The sums of every row, and the values on each level over all rows."""
    found = sums_by_level(dist, grids)
    error, faint = found.error, np.flatnonzero(found.faint)
    if faint.size:
        error[faint] = _value_by_value(dist.take(faint), grids.take(faint)).error
    return _Sums(error, found.power, found.clipped, found.zeroed), found.counts


def _rounded(
    values: NDArray[np.float32], grids: RowGrids
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The level that each of (rows, n) values gets, in units of its scale; whether it was clipped.

    Levels of integer grids are whole steps from real zero.
    """
    with np.errstate(over="ignore", under="ignore"):
        steps = values / grids.scale[:, None]
    if grids.table is not None:
        ends = grids.table.firsts[[0, -1]]
        beyond = (steps < ends[0]) | (steps >= ends[1])
        return grids.table.steps[grids.table.places(steps)], beyond
    low = (grids.qmin - grids.zero_point[:, None]).astype(np.float32)
    high = (grids.qmax - grids.zero_point[:, None]).astype(np.float32)
    np.rint(steps, out=steps)
    beyond = (steps < low) | (steps > high)
    np.clip(steps, low, high, out=steps)
    return steps, beyond


def _value_by_value(dist: ExactDistribution, grids: RowGrids) -> _Sums:
    rows, n = dist.values.shape
    error, clipped, zeroed, power = np.zeros((4, rows))
    lines = max(1, _CHUNK // max(n, 1))
    for begin, column in product(range(0, rows, lines), range(0, n, _CHUNK)):
        part = slice(begin, begin + lines)
        cut = dist.values[part, column : column + _CHUNK]
        values = np.nan_to_num(cut, copy=True, posinf=0.0)
        own = grids.take(part)
        steps, beyond = _rounded(values, own)
        clipped[part] += beyond.sum(axis=1)
        zeroed[part] += ((steps == 0) & (values != 0)).sum(axis=1)
        wrong = values.astype(np.float64) - (steps * own.scale[:, None])
        if own.zero_places() is None:
            wrong[np.isinf(cut)] = 0.0  # the end of a shorter row, which no level of zero hides
        error[part] += np.einsum("ij,ij->i", wrong, wrong)
        power[part] += np.square(values, dtype=np.float64).sum(axis=1)
    return _Sums(error, power, clipped, zeroed)


def _middles(grids: RowGrids) -> Floats:
    """(levels + 1,) the thresholds of the one grid of a histogram, in real units."""
    scale = float(grids.scale[0])
    if grids.table is not None:
        return np.asarray(grids.table.middles * np.float64(scale))
    steps = np.arange(grids.qmin, grids.qmax + 2) - int(grids.zero_point[0])
    return np.asarray((steps.astype(np.float64) - 0.5) * scale)


def _place_of_zero(grids: RowGrids) -> int:
    """Which level real zero gets on the one grid of a histogram."""
    if grids.table is not None:
        return int(grids.table.places(np.zeros((), np.float32)))
    return int(grids.zero_point[0]) - grids.qmin


def _estimated(dist: Histogram, grids: RowGrids) -> _Sums:
    moments = Moments(dist)
    edges = _middles(grids)
    f0, f1 = moments.below(edges)
    f2 = moments.squares_below(edges)
    clipped = f0[0] + moments.count - f0[-1]
    total1, power = moments.totals
    f0[0] = f1[0] = f2[0] = 0.0
    f0[-1], f1[-1], f2[-1] = moments.count, total1, power
    level = grids.steps()[0] * np.float64(grids.scale[0])
    within = np.diff(f2) - level * (2.0 * np.diff(f1) - level * np.diff(f0))
    zero = _place_of_zero(grids)
    moved = level[zero] ** 2 * dist.zeros
    zeroed = 0.0 if level[zero] else f0[zero + 1] - f0[zero]
    # Level by level, differences that are all rounding must not add up to less than nothing.
    error = float(np.maximum(within, 0.0).sum()) + moved
    return _Sums(*(np.array([value]) for value in (error, power, clipped, zeroed)))
