"""The range with the least mean squared error, among hundreds of candidates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.quant.distribution import Distribution, ExactDistribution
from inspector.quant.grid import Floats, RealRange, grid_parameters, with_zero
from inspector.quant.spec import QuantSpec
from inspector.quant.squared_error import cost_of

_COARSE = np.exp2(-np.arange(0, 41) / 4.0)
"""Ends from the whole range down to a thousandth of it, a sixth apart."""

_SMALL_BITS = 4


def _around(steps: int, per_octave: float) -> Floats:
    """Factors to both sides of 1."""
    return np.exp2(np.concatenate((np.arange(-steps, 0), np.arange(1, steps + 1))) / per_octave)


def mse_range(dist: Distribution, spec: QuantSpec) -> RealRange:
    """Minimize the mean squared error of rounding and clipping together.

    Every candidate is judged as the grid that it really becomes (float32 scale, whole zero point),
    by `inspector.quant.squared_error`. One threshold for both ends is searched from the whole range
    down to 2^-10 of it, and then refined to 0.5 %; for asymmetric grids the two ends are then moved
    in turn (coordinate descent), and up to 4 bits neighbouring zero points are tried. The whole
    range is the first candidate, so that the result is never worse than minmax. The objective is
    that of Banner et al. 2019 (arXiv:1810.05723, section 3) and Nagel et al. 2021
    (arXiv:2106.08295, equation 11), with the observed distribution in place of a fitted one.

    Two types have a closed form, which is taken where any scale will do: see `few_levels_range`.

    Args:
        dist: what is known of the tensor.
        spec: with ``symmetric`` set.
    """
    closed = spec.dtype in ("binary", "ternary") and not spec.pow2
    if closed and isinstance(dist, ExactDistribution):
        return few_levels_range(dist, spec.dtype)
    search = _Search(dist, spec)
    search.thresholds(_COARSE)
    if spec.symmetric:
        search.thresholds(_around(7, 32.0), relative=True)
        search.thresholds(_around(3, 128.0), relative=True)
        return search.best()
    for steps, per_octave in ((6, 12.0), (4, 24.0), (4, 96.0)):
        factors = _around(steps, per_octave)
        if (search.whole.hi > 0).any():
            search.ends(np.ones(1), factors)
        if (search.whole.lo < 0).any():
            search.ends(factors, np.ones(1))
    if spec.is_affine and spec.bits <= _SMALL_BITS:
        search.zero_points(_around(2, 24.0))
    return search.best()


def few_levels_range(dist: ExactDistribution, dtype: str) -> RealRange:
    """The scales of the least squared error for the levels -1, 1 and -1, 0, 1, exactly.

    - binary: the mean of |w| (Rastegari et al. 2016, arXiv:1603.05279, equation 6).
    - ternary: with S_k the sum of the k largest |w|, the least error of keeping k of them is the
      power less S_k^2 / k, at the scale S_k / k (Li et al. 2016, arXiv:1605.04711, equations 3 to
      5). Every k is tried, where the paper approximates the threshold as 0.7 times the mean of |w|.
      At the best k the threshold is half the scale: rounding to the nearest level keeps just these.

    Args:
        dist: sorted values.
        dtype: ``binary`` or ``ternary``.
    """
    scale = np.zeros(dist.rows)
    for row in range(dist.rows):
        values = np.abs(dist.values[row, : int(dist.count[row])].astype(np.float64))
        if not values.size:
            continue
        if dtype == "binary":
            scale[row] = values.mean()
            continue
        sums, kept = np.cumsum(np.sort(values)[::-1]), np.arange(1, values.size + 1)
        best = int(np.argmax(sums * sums / kept))
        scale[row] = sums[best] / kept[best]
    return RealRange(-scale, scale)


class _Search:
    """The best range of every row so far."""

    def __init__(self, dist: Distribution, spec: QuantSpec) -> None:
        self._spec = spec
        self._qmin, self._qmax = spec.code_range()
        self._cost = cost_of(dist, self._qmin, self._qmax, spec.table)
        self.whole = with_zero(dist.lo, dist.hi)
        self._lo, self._hi = self.whole.lo.copy(), self.whole.hi.copy()
        self._least = np.full(self._lo.shape, np.inf)
        self._try(self._lo[:, None], self._hi[:, None])

    def best(self) -> RealRange:
        return RealRange(self._lo, self._hi)

    def _try(self, lo: Floats, hi: Floats) -> None:
        """Judge (rows, k) candidates; keep the first best of each row if it beats what there is."""
        lo, hi = np.broadcast_arrays(lo, hi)
        scale, zero_point = grid_parameters(lo, hi, self._spec)
        cost = self._cost(scale, zero_point)
        row = np.arange(cost.shape[0])
        pick: NDArray[np.intp] = cost.argmin(axis=1)
        better = cost[row, pick] < self._least
        self._least = np.where(better, cost[row, pick], self._least)
        self._lo = np.where(better, lo[row, pick], self._lo)
        self._hi = np.where(better, hi[row, pick], self._hi)

    def _inside(self, lo: Floats, hi: Floats) -> None:
        """Try candidates, cut to the observed range."""
        self._try(np.maximum(lo, self.whole.lo[:, None]), np.minimum(hi, self.whole.hi[:, None]))

    def thresholds(self, factors: Floats, relative: bool = False) -> None:
        """Ranges [-T, T], with T a factor of the best one's reach, or of the whole range's."""
        lo, hi = (self._lo, self._hi) if relative else (self.whole.lo, self.whole.hi)
        reach = np.maximum(-lo, hi)[:, None] * factors
        self._inside(-reach, reach)

    def ends(self, low: Floats, high: Floats) -> None:
        """Move the ends of the best range by factors."""
        self._inside(self._lo[:, None] * low, self._hi[:, None] * high)

    def zero_points(self, factors: Floats) -> None:
        """Neighbouring zero points at neighbouring scales: on a small grid a code more matters."""
        scale, zero_point = grid_parameters(self._lo, self._hi, self._spec)
        shifts = np.repeat(np.arange(-2, 3), factors.size + 1)
        steps = scale[:, None].astype(np.float64) * np.tile(np.append(factors, 1.0), 5)
        zero = np.clip(zero_point[:, None] + shifts, self._qmin, self._qmax)
        self._try((self._qmin - zero) * steps, (self._qmax - zero) * steps)
