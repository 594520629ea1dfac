"""What lies between the levels of a grid, from sorted values: exact, and for many rows at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import UnsupportedError
from inspector.quant.distribution import Distribution, ExactDistribution
from inspector.quant.qparams import QParams
from inspector.quant.tables import LevelTable

Floats = NDArray[np.float64]

_CHUNK = 1 << 15
"""Thresholds looked up together: the scratch arrays of so many stay in a core's cache."""
_FIRST_ABOVE_ZERO = np.nextafter(np.float32(0), np.float32(1))


@dataclass(frozen=True, slots=True, eq=False)
class LevelSums:
    """What a grid makes of the rows of a distribution.

    Attributes:
        error: (rows,) sum of the squared errors.
        power: (rows,) sum of the squares of the values.
        clipped: (rows,) how many values lie beyond the outermost thresholds.
        zeroed: (rows,) how many values that are not zero become zero.
        counts: (levels,) how many values each level gets, over all rows.
        faint: (rows,) where the error is so small that rounding of the sums may show in it.
    """

    error: Floats
    power: Floats
    clipped: Floats
    zeroed: Floats
    counts: Floats
    faint: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class RowGrids:
    """The grid of each row of a distribution.

    Attributes:
        scale: (rows,) scales.
        zero_point: (rows,) zero points.
        qmin: the lowest code.
        qmax: the highest code.
        table: the levels of a type whose levels are not evenly spaced.
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int32]
    qmin: int
    qmax: int
    table: LevelTable | None = None

    @classmethod
    def of(cls, dist: Distribution, qp: QParams) -> RowGrids:
        """The grids of the rows of a distribution.

        Raises:
            UnsupportedError: ``qp`` has another number of scales than one, or one a row.
        """
        if qp.rows not in (1, dist.rows):
            raise UnsupportedError(f"{qp.rows} scales do not fit {dist.rows} rows of values.")
        shape = (dist.rows,)
        scale, zero_point = qp.scale.reshape(-1), qp.zero_point.reshape(-1)
        return cls(
            np.broadcast_to(scale, shape),
            np.broadcast_to(zero_point, shape),
            qp.qmin,
            qp.qmax,
            qp.table,
        )

    @property
    def levels(self) -> int:
        """How many levels a grid has."""
        return self.qmax - self.qmin + 1

    @property
    def same(self) -> bool:
        """Whether all rows have one grid."""
        scale, zero_point = self.scale, self.zero_point
        return bool((scale == scale[:1]).all() and (zero_point == zero_point[:1]).all())

    def take(self, rows: slice | NDArray[np.intp]) -> RowGrids:
        """Those of some of the rows."""
        scale, zero_point = self.scale[rows], self.zero_point[rows]
        return RowGrids(scale, zero_point, self.qmin, self.qmax, self.table)

    def steps(self) -> NDArray[np.float32]:
        """(rows, levels) the levels in units of the scale."""
        if self.table is not None:
            return np.broadcast_to(self.table.steps, (self.scale.size, self.levels))
        codes = np.arange(self.qmin, self.qmax + 1)
        return (codes - self.zero_point[:, None]).astype(np.float32)

    def thresholds(self) -> NDArray[np.float32]:
        """(rows, levels + 1) the smallest float32 number on each level, and the first beyond."""
        if self.table is not None:
            middles = np.broadcast_to(self.table.middles, (self.scale.size, self.levels + 1))
            return first_at(middles, self.table.upwards, self.scale[:, None])
        codes, zero = np.arange(self.qmin, self.qmax + 2), self.zero_point
        if (zero == zero[:1]).all():  # as of all symmetric grids: the steps are the same
            zero = zero[:1]
        return boundaries(codes - zero[:, None], self.scale[:, None])

    def zero_places(self) -> NDArray[np.intp] | None:
        """(rows,) which level is zero; None where there is no such level."""
        if self.table is None:
            return (self.zero_point - self.qmin).astype(np.intp)
        place = self.table.zero_place
        return None if place is None else np.full(self.scale.size, place, np.intp)


def boundaries(
    steps: NDArray[np.integer[Any]], scale: np.float32 | NDArray[np.float32]
) -> NDArray[np.float32]:
    """The smallest float32 x with round_half_even(x / scale) >= step, for every step.

    With h = step - 0.5, x / scale must reach h where step is even, and exceed it where it is odd.

    Args:
        steps: whole numbers below 2^22.
        scale: positive normal numbers that can be broadcast with ``steps``.
    """
    return first_at(np.asarray(steps - 0.5, np.float32), np.asarray(steps) % 2 == 0, scale)


def first_at(
    quotient: NDArray[np.float32],
    reached: NDArray[np.bool_],
    scale: np.float32 | NDArray[np.float32],
) -> NDArray[np.float32]:
    """The smallest float32 x whose float32 quotient x / scale reaches a number, or exceeds it.

    The quotient is rounded, so what counts is the middle between the number h and the float32 next
    to it; h has fewer than 24 bits, so the tie there goes to h. That middle has 25 bits, so its
    product with the scale is exact in float64, and one conversion gives x.

    Args:
        quotient: float32 numbers of fewer than 24 bits.
        reached: whether x / scale has to reach the number; else it has to exceed it.
        scale: positive normal numbers that can be broadcast with ``quotient``.
    """
    beside = np.nextafter(quotient, np.where(reached, np.float32(-np.inf), np.float32(np.inf)))
    middle = (quotient.astype(np.float64) + beside) * 0.5
    with np.errstate(over="ignore", under="ignore"):
        exact = middle * np.asarray(scale, np.float64)
        x = np.asarray(exact, np.float32)
        short = np.where(reached, x < exact, x <= exact)
        return np.nextafter(x, np.float32(np.inf), out=x, where=short)


def sums_by_level(dist: ExactDistribution, grids: RowGrids) -> LevelSums:
    """Everything that one look-up of the thresholds tells, for all rows.

    With levels v_0 < ... < v_k, thresholds t_j between v_{j-1} and v_j, the counts F0 and the sums
    F1 of the values below a threshold, summation by parts gives

        sum (x - Q(x))^2 = sum x^2 - 2 [v_k F1(inf) - sum_j (v_j - v_{j-1}) F1(t_j)]
                                   +   [v_k^2 F0(inf) - sum_j (v_j^2 - v_{j-1}^2) F0(t_j)],

    one sum looked up for each threshold. O(rows * levels * log n).

    Args:
        dist: the sorted values.
        grids: one for each row.
    """
    rows, levels = dist.rows, grids.levels
    error, power, clipped, zeroed, top = np.zeros((5, rows))
    counts = np.zeros(levels)
    lines = max(1, _CHUNK // (levels + 1))
    shared = grids.same
    own = grids.take(slice(0, 1))
    steps, edges, zero = own.steps(), own.thresholds(), own.zero_places()
    for begin in range(0, rows, lines):
        part = slice(begin, min(begin + lines, rows))
        if not shared:
            own = grids.take(part)
            steps, edges, zero = own.steps(), own.thresholds(), own.zero_places()
        place, zeros = _places(dist, part, edges)
        n = dist.count[part]
        clipped[part] = place[:, 0] + n - place[:, -1]
        place[:, 0], place[:, -1] = 0, n
        line = np.arange(len(place))
        if zero is not None:
            zeroed[part] = place[line, zero + 1] - place[line, zero] - zeros
        counts += np.diff(place.sum(axis=0))
        level = (steps * own.scale[:, None]).astype(np.float64)
        power[part] = dist.sum2[begin + line, n]
        error[part] = power[part] + _moved(dist.sum1[part], place, level)
        top[part] = np.square(level[:, [0, -1]]).max(axis=1) * n
    return LevelSums(
        error=np.maximum(error, 0.0),
        power=power,
        clipped=clipped,
        zeroed=zeroed,
        counts=counts,
        faint=(error < 1e-7 * power) | (error < 1e-11 * top),
    )


def _places(
    dist: ExactDistribution, part: slice, edges: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many values of each row lie below each threshold, and how many are exactly zero."""
    count, width = dist.count[part].tolist(), dist.values.shape[1]
    keys = np.empty((len(edges), edges.shape[1] + 2), np.float32)
    keys[:, :-2] = edges
    keys[:, -2], keys[:, -1] = 0.0, _FIRST_ABOVE_ZERO
    place = np.empty((len(count), keys.shape[1]), np.int64)
    # There may be thousands of short rows: what is done for each is most of the cost.
    for line, (values, n, own) in enumerate(
        zip(dist.values[part], count, cycle(keys), strict=False)
    ):
        place[line] = (values if n == width else values[:n]).searchsorted(own)
    return place[:, :-2], place[:, -1] - place[:, -2]


def _moved(sum1: Floats, place: NDArray[np.int64], level: Floats) -> Floats:
    """(rows,) what is to be added to the power for the squared error."""
    inner = place[:, 1:-1]
    first = np.take_along_axis(sum1, inner, axis=1)
    step = np.diff(level, axis=1)
    square = step * (level[:, 1:] + level[:, :-1])
    last, n = level[:, -1], place[:, -1]
    total = sum1[np.arange(len(sum1)), n]
    # Not by a matrix product: linear algebra libraries start threads of their own for it.
    below1 = np.einsum("ij,ij->i", first, np.broadcast_to(step, first.shape))
    below0 = np.einsum("ij,ij->i", inner.astype(np.float64), np.broadcast_to(square, first.shape))
    return np.asarray(last * last * n - below0 - 2.0 * (last * total - below1))
