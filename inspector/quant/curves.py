"""What other choices would cost, from a distribution alone: the numbers behind the plots.

Functions that take a while call `pause` between their parts, which may raise to end them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inspector.errors import UnsupportedError
from inspector.quant.distribution import Distribution, ExactDistribution, Histogram
from inspector.quant.grid import RealRange, grid_parameters, with_zero
from inspector.quant.metrics import decibels
from inspector.quant.profile import error_profile
from inspector.quant.qparams import QParams
from inspector.quant.ranges import choose_range
from inspector.quant.spec import MAX_BITS, MIN_BITS, QuantSpec, RangeMethod
from inspector.quant.squared_error import WIDE_GRID, Moments, SortedRow, cost_of

Floats = NDArray[np.float64]
Pause = Callable[[], None]

BITS = tuple(range(MIN_BITS, MAX_BITS + 1))
_SHARE = 8
"""Rows whose candidates are judged between two pauses."""


def go_on() -> None:
    """The pause of those who need none."""


def methods_of(spec: QuantSpec) -> tuple[RangeMethod, ...]:
    """The methods worth comparing: the usual four, and the one that is in use.

    A percentage that is in use takes the place of the usual one.
    """
    chosen = spec.range
    share = 99.99
    if chosen is not None and chosen.kind == "percentile" and chosen.percentile is not None:
        share = chosen.percentile
    usual: tuple[RangeMethod, ...] = (
        RangeMethod("minmax"),
        RangeMethod("percentile", percentile=share),
        RangeMethod("kl"),
        RangeMethod("mse"),
    )
    if not spec.is_affine:
        usual = tuple(method for method in usual if method.kind != "kl")
    if chosen is None or chosen.kind == "range" or chosen in usual:
        return usual
    return (*usual, chosen)


def some_rows(dist: Distribution, most: int, *, widest: bool = False) -> Distribution:
    """Rows that stand for all: those of the largest reach, or spread evenly from small to large.

    Args:
        dist: what is known of the tensor.
        most: rows at most; a distribution of no more is given back as it is.
        widest: take the rows of the largest reach.
    """
    if dist.rows <= most or not isinstance(dist, ExactDistribution):
        return dist
    return dist.take(chosen_rows(dist, most, widest=widest))


def chosen_rows(dist: Distribution, most: int, *, widest: bool = False) -> NDArray[np.intp]:
    """The numbers of the rows that `some_rows` takes."""
    if dist.rows <= most:
        return np.arange(dist.rows)
    order = np.argsort(np.maximum(-dist.lo, dist.hi), kind="stable")
    if widest:
        return np.asarray(order[-most:])
    return np.asarray(order[np.linspace(0, dist.rows - 1, most).astype(np.intp)])


def range_of_method(
    dist: Distribution, spec: QuantSpec, method: RangeMethod, pause: Pause = go_on
) -> tuple[float, float]:
    """The ends of the widest range that a method gives any row.

    Args:
        dist: what is known of the tensor.
        spec: filled and affine; its own range does not matter.
        method: the method.
        pause: called between parts of the rows.

    Raises:
        UnsupportedError: the spec is not affine.
    """
    ends = [choose_range(part, replace(spec, range=method)) for part in _parts(dist, pause)]
    return min(float(r.lo.min()) for r in ends), max(float(r.hi.max()) for r in ends)


def sqnr_by_bits(
    dist: Distribution,
    spec: QuantSpec,
    method: RangeMethod,
    bits: Sequence[int] = BITS,
    pause: Pause = go_on,
) -> Floats:
    """SQNR in dB over all rows for each bit-width, all else being as in the spec.

    Exact up to 12 bits for an `ExactDistribution`; beyond, rounding noise is S^2 / 12.

    Args:
        dist: what is known of the tensor.
        spec: filled and affine; its type says only whether codes are signed.
        method: how the range is chosen.
        bits: the widths.
        pause: called between parts.

    Raises:
        UnsupportedError: the spec is not affine.
    """
    sign = "int" if spec.signed else "uint"
    specs = [replace(spec, dtype=f"{sign}{width}", range=method) for width in bits]
    error, power = np.zeros(len(specs)), 0.0
    for part in _parts(dist, pause):
        power += float(powers(part).sum())
        # Only these two look at the grid before they choose a range.
        looks = method.kind in ("kl", "mse") or spec.pow2
        fixed = None if looks else choose_range(part, specs[0])
        for number, wanted in enumerate(specs):
            pause()
            error[number] += _error_within(part, wanted, fixed or choose_range(part, wanted))
    return decibels(power, error)


def _error_within(dist: Distribution, spec: QuantSpec, chosen: RealRange) -> float:
    """The squared error of all rows."""
    scale, zero = grid_parameters(chosen.lo, chosen.hi, spec)
    low, high = spec.code_range()
    if high - low + 1 > WIDE_GRID:
        return float(cost_of(dist, low, high)(scale[:, None], zero[:, None]).sum())
    profile = error_profile(dist, QParams(scale, zero, low, high, 0, table=spec.table))
    return float((profile.mse * dist.count).sum())


def powers(dist: Distribution) -> Floats:
    """(rows,) sums of the squares of the values."""
    if isinstance(dist, Histogram):
        return np.array([Moments(dist).totals[1]])
    if not isinstance(dist, ExactDistribution):
        raise UnsupportedError(f"A {type(dist).__name__} has no known power.")
    return np.asarray(dist.sum2[np.arange(dist.rows), dist.count])


@dataclass(frozen=True, slots=True, eq=False)
class Tradeoff:
    """Clipping against rounding, for one range that all rows share.

    Attributes:
        threshold: (k,) the larger of both ends' magnitudes, ascending.
        lo: (k,) lower ends of the range.
        hi: (k,) upper ends.
        clipping: (k,) mean squared error of the values beyond the ends of the grid.
        rounding: (k,) that of the others, spread over all values.
        power: mean square of the values.
    """

    threshold: Floats
    lo: Floats
    hi: Floats
    clipping: Floats
    rounding: Floats
    power: float

    @property
    def total(self) -> Floats:
        """(k,) mean squared error."""
        return self.clipping + self.rounding


def tradeoff(
    dist: Distribution, spec: QuantSpec, steps: int = 73, octaves: float = 8.0, pause: Pause = go_on
) -> Tradeoff:
    """The error of ranges from the whole one (and a little more) down to a small part of it.

    Args:
        dist: what is known of the tensor.
        spec: filled and affine; its own range does not matter.
        steps: how many ranges, spaced evenly on a logarithmic scale.
        octaves: how many times the smallest is halved.
        pause: called between parts of the rows.

    Raises:
        UnsupportedError: the spec is not affine.
    """
    whole = with_zero(dist.lo, dist.hi)
    lo, hi = float(whole.lo.min()), float(whole.hi.max())
    factors = np.exp2(np.linspace(-octaves, 0.25, steps))
    low, high = spec.code_range()
    scale, zero = grid_parameters(lo * factors, hi * factors, spec)
    grids = QParams(scale, zero, low, high, 0, table=spec.table)
    ends = [np.asarray(end, np.float64) for end in (grids.lo, grids.hi)]
    total, clipping = np.zeros(steps), np.zeros(steps)
    for part in _parts(dist, pause):
        shape = (part.rows, steps)
        cost = cost_of(part, low, high, spec.table)
        total += cost(np.broadcast_to(scale, shape), np.broadcast_to(zero, shape)).sum(axis=0)
        for sums in _sums(part):
            clipping += _beyond(sums, ends[0], ends[1])
    count = max(dist.total, 1)
    clipping = np.minimum(clipping, total)
    return Tradeoff(
        threshold=max(-lo, hi) * factors,
        lo=lo * factors,
        hi=hi * factors,
        clipping=clipping / count,
        rounding=(total - clipping) / count,
        power=float(powers(dist).sum()) / count,
    )


def _beyond(sums: SortedRow | Moments, bottom: Floats, top: Floats) -> Floats:
    """The squared error of the values below `bottom` and above `top`."""
    low0, low1 = sums.below(bottom)
    high0, high1 = sums.below(top)
    total1, total2 = sums.totals
    under = sums.squares_below(bottom) - 2.0 * bottom * low1 + bottom * bottom * low0
    over = total2 - sums.squares_below(top)
    over = over - 2.0 * top * (total1 - high1) + top * top * (sums.count - high0)
    return np.maximum(under, 0.0) + np.maximum(over, 0.0)


def _sums(dist: Distribution) -> list[SortedRow | Moments]:
    if isinstance(dist, Histogram):
        return [Moments(dist)]
    if not isinstance(dist, ExactDistribution):
        raise UnsupportedError(f"A {type(dist).__name__} has no known sums.")
    return [SortedRow(dist, row) for row in range(dist.rows)]


def _parts(dist: Distribution, pause: Pause) -> Iterator[Distribution]:
    """The rows a few at a time, with a pause before each part."""
    if dist.rows <= _SHARE or not isinstance(dist, ExactDistribution):
        pause()
        yield dist
        return
    for start in range(0, dist.rows, _SHARE):
        pause()
        yield dist.take(slice(start, start + _SHARE))
