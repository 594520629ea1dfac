"""The range of a tensor that only an activation function reads, judged behind that function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.quant.distribution import Histogram
from inspector.quant.grid import RealRange, with_zero
from inspector.quant.qparams import QParams, qparams_from_range
from inspector.quant.spec import QuantSpec

Floats = NDArray[np.float64]

_BINS = 2048
_COARSE = 8
_REFINEMENTS = 3


@dataclass(frozen=True, slots=True)
class Behind:
    """Grids before and behind an activation function.

    Attributes:
        before: the range of the function's input.
        shared: whether its output is best kept on the very same grid.
    """

    before: RealRange
    shared: bool


def range_behind(
    dist: Histogram,
    spec: QuantSpec,
    function: Callable[[Floats], Floats],
    output: QParams | None,
    start: RealRange,
    *,
    may_share: bool,
) -> Behind:
    """The range with the least mean squared error behind an activation function.

    Where a function is flat, errors of its input vanish: LeakyRelu with a slope of 0.1 makes those
    of negative values ten times smaller, so they are worth less of the grid. And where it changes
    nothing, as LeakyRelu does to positive values, an output on the input's own grid is not rounded
    a second time.

    Args:
        dist: the function's input.
        spec: of the input's grid; affine, with `symmetric` set.
        function: applied element by element.
        output: the grid of the function's output; None where it stays float.
        start: a range to start from; the result is no worse than it.
        may_share: whether the output can take the input's grid.

    Cost: about a hundred candidates, each a few passes over 2048 bins: some 10 ms.
    """
    search = _Search(dist, spec, function, output, may_share)
    search.attempt(start)
    lo, hi = min(float(dist.lo[0]), 0.0), max(float(dist.hi[0]), 0.0)
    for low in np.linspace(0.0, lo, _COARSE + 1):
        for high in np.linspace(0.0, hi, _COARSE + 1)[1:]:
            search.attempt(with_zero([low], [high]))
    step_low, step_high = lo / _COARSE, hi / _COARSE
    for _ in range(_REFINEMENTS):
        step_low, step_high = step_low / 2, step_high / 2
        low, high = search.ends()
        for a in (-1, 0, 1):
            for b in (-1, 0, 1):
                search.attempt(with_zero([min(low + a * step_low, 0)], [high + b * step_high]))
    assert search.best is not None
    return search.best


class _Search:
    def __init__(
        self,
        dist: Histogram,
        spec: QuantSpec,
        function: Callable[[Floats], Floats],
        output: QParams | None,
        may_share: bool,
    ) -> None:
        edges, self._counts = dist.density(_BINS)
        self._values = (edges[:-1] + edges[1:]) / 2
        self._wanted = function(self._values)
        self._spec = spec
        self._function = function
        self._output = output
        self._may_share = may_share
        self._least = np.inf
        self.best: Behind | None = None

    def ends(self) -> tuple[float, float]:
        """The ends of the best range so far."""
        assert self.best is not None
        return float(self.best.before.lo[0]), float(self.best.before.hi[0])

    def attempt(self, candidate: RealRange) -> None:
        """Keeps a range if it does better than all before, with or without sharing its grid."""
        grid = qparams_from_range(candidate, self._spec)
        found = self._function(_on_grid(self._values, grid))
        ways: list[tuple[QParams | None, bool]] = [(self._output, False)]
        if self._may_share:
            ways.append((grid, True))
        for output, shared in ways:
            behind = found if output is None else _on_grid(found, output)
            error = float(self._counts @ np.square(behind - self._wanted))
            if error < self._least:
                self._least, self.best = error, Behind(candidate, shared)


def _on_grid(values: Floats, grid: QParams) -> Floats:
    scale, zero = float(grid.scale), float(grid.zero_point)
    if grid.table is not None:
        places = grid.table.places((values / scale).astype(np.float32))
        return np.asarray(grid.table.steps[places].astype(np.float64) * scale)
    steps = np.clip(np.rint(values / scale), grid.qmin - zero, grid.qmax - zero)
    return np.asarray(steps * scale)
