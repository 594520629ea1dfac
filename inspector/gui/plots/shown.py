"""What the plots show of one tensor: from its facts to shapes. Pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from inspector.gui.plots.shapes import (
    Floats,
    HistogramShape,
    coarse,
    level_bins,
    levels,
    quantized_bins,
    quantized_steps,
)
from inspector.quant.distribution import Distribution, ExactDistribution
from inspector.quant.grid import grid_parameters, with_zero
from inspector.quant.profile import ErrorProfile, level_counts, profile_and_counts
from inspector.quant.qparams import QParams
from inspector.quant.spec import QuantSpec, RangeMethod, Role
from inspector.report.units import percent_text
from inspector.session.facts import TensorFacts
from inspector.session.levels import MAX_LEVELS

WING_ROOM = 0.12
"""How much of the grid's width the error plot shows beyond either end."""
_FRAME_NS = 3e6
"""What the figures of one frame of a drag may cost."""
_LOOK_UP_NS, _ROUND_NS = 90.0, 9.0
"""For each level of each row, and for each value where rows are short."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A tensor that the plots show.

    Attributes:
        role: whether it is the weights or the activations of the layer.
        layer: its name.
        facts: what is known under the present spec.
        values: the distribution behind them; None while it is not known.
        row: the channel or block that was picked; None for all.
    """

    role: Role
    layer: str
    facts: TensorFacts
    values: Distribution | None
    row: int | None = None

    @property
    def what(self) -> str:
        """What one row is called."""
        qp = self.facts.qparams
        return "block" if qp is not None and qp.block else "channel"

    @property
    def worst(self) -> int:
        """The row that is looked at: the picked one, else that of the lowest SQNR."""
        if self.row is not None or self.facts.profile is None:
            return self.row or 0
        return int(np.argmin(self.facts.profile.sqnr_db))

    @property
    def seen(self) -> Distribution | None:
        """The values of the picked row, or all."""
        if self.row is None or not isinstance(self.values, ExactDistribution):
            return self.values
        return self.values.take(slice(self.row, self.row + 1))


def same_grid(qp: QParams) -> bool:
    """Whether all rows have one grid."""
    scale, zero = qp.scale.reshape(-1), qp.zero_point.reshape(-1)
    return bool((scale == scale[0]).all() and (zero == zero[0]).all())


def histogram_shape(subject: Subject) -> HistogramShape:
    """The histogram of a tensor, or of the row that was picked."""
    qp = subject.facts.qparams
    if qp is None or qp.rows == 1 or (subject.row is None and same_grid(qp)):
        return _on_one_grid(subject)
    return _on_many_grids(subject)


def _on_one_grid(subject: Subject) -> HistogramShape:
    facts = subject.facts
    qp, profile = facts.qparams, facts.profile
    edges, counts = coarse(facts.edges, facts.counts)
    if qp is None or profile is None:
        return HistogramShape(edges, counts, note="left in float")
    places = levels(qp, 0)
    low, high = float(places[0]), float(places[-1])
    note = note_of(profile, exact=facts.exact)
    even = bool(facts.spec.symmetric)
    steps: tuple[Floats | None, Floats | None] = (None, None)
    if facts.levels is not None:
        steps = _quantized(qp, 0, facts.levels, edges)
    grid = _grid(qp, 0, places)
    return HistogramShape(edges, counts, *steps, *grid[:2], low, high, even, note, grid[2])


def _quantized(qp: QParams, row: int, counts: Floats, edges: Floats) -> tuple[Floats, Floats]:
    """The quantized histogram: in steps of an even grid, else in the bins of the original."""
    if qp.table is None:
        return quantized_steps(qp, row, counts, float(edges[1] - edges[0]))
    return edges, level_bins(levels(qp, row), counts, edges)


def _grid(qp: QParams, row: int, places: Floats) -> tuple[float, int, Floats | None]:
    """The step, how many levels there are, and where they are if they are not evenly spaced."""
    even = qp.table is None
    step = float(qp.scale.reshape(-1)[row]) if even else 0.0
    return step, len(places), None if even else places


def _on_many_grids(subject: Subject) -> HistogramShape:
    """With a scale for each row: all of them, or the one that was picked."""
    facts, values, row = subject.facts, subject.values, subject.row
    qp, profile = facts.qparams, facts.profile
    assert qp is not None
    assert profile is not None
    even = bool(facts.spec.symmetric)
    low, high = float(qp.lo.min()), float(qp.hi.max())
    edges, counts = coarse(facts.edges, facts.counts)
    if not isinstance(values, ExactDistribution) or row is None:
        bins: tuple[Floats | None, Floats | None] = (None, None)
        if isinstance(values, ExactDistribution):
            bins = edges, quantized_bins(values, qp, edges)
        note = note_of(profile, exact=facts.exact)
        return HistogramShape(edges, counts, *bins, 0.0, 0, low, high, even, note)
    edges, counts = coarse(*values.density(len(facts.counts), row))
    steps = _quantized(qp, row, level_counts(values, qp, row), edges)
    places = levels(qp, row)
    grid, ends = _grid(qp, row, places), (float(places[0]), float(places[-1]))
    note = f"{subject.what} {row}: {note_of(profile, row, exact=facts.exact)}"
    return HistogramShape(edges, counts, *steps, *grid[:2], *ends, even, note, grid[2])


def note_of(profile: ErrorProfile, row: int | None = None, *, exact: bool = True) -> str:
    """The shares that are clipped and become zero, in words."""
    chosen = slice(None) if row is None else slice(row, row + 1)
    clipped = percent_text(float(profile.clipped[chosen].mean()))
    zeroed = percent_text(float(profile.zeroed[chosen].mean()))
    return f"{'' if exact else '≈ '}{clipped} clipped, {zeroed} to zero"


def error_span(subject: Subject) -> tuple[float, float]:
    """All values of a row and its whole grid, with room for the wings of clipping."""
    facts, values, row = subject.facts, subject.values, subject.worst
    assert facts.qparams is not None
    low, high = facts.lo, facts.hi
    if facts.qparams.rows > 1 and values is not None:
        low, high = float(values.lo[row]), float(values.hi[row])
    low = min(low, float(facts.qparams.lo.reshape(-1)[row]))
    high = max(high, float(facts.qparams.hi.reshape(-1)[row]))
    room = WING_ROOM * (high - low) or 0.5
    return low - room, high + room


# While a range is dragged


def rows_apart(subject: Subject) -> int:
    """Of how many rows one is looked at in each frame of a drag, so that it keeps up; 1 is all."""
    values, qp = subject.values, subject.facts.qparams
    if not isinstance(values, ExactDistribution) or qp is None:
        return 1
    count, width = qp.qmax - qp.qmin + 1, values.values.shape[1]
    short = width <= 6 * count
    cost = values.rows * (width * _ROUND_NS if short else count * _LOOK_UP_NS)
    return min(max(1, math.ceil(cost / _FRAME_NS)), max(values.rows, 1))


def with_range(spec: QuantSpec, low: float, high: float) -> QuantSpec:
    """The spec with a range set by hand."""
    return replace(spec, range=RangeMethod("range", lo=low, hi=high))


def preview(subject: Subject, low: float, high: float, every: int = 1) -> Subject:
    """The subject under a range set by hand, as exact as before where every row is looked at.

    Rows that are not looked at get the figures of the one before that is.

    Args:
        subject: with values, and on a grid.
        low: lower end of the range.
        high: upper end.
        every: of how many rows one is looked at.
    """
    facts, values = subject.facts, subject.values
    assert values is not None
    assert facts.qparams is not None
    qp, spec = facts.qparams, with_range(facts.spec, low, high)
    ends = with_zero(np.array([low]), np.array([high]))
    scale, zero = grid_parameters(ends.lo, ends.hi, spec)
    one = QParams(scale.reshape(()), zero.reshape(()), qp.qmin, qp.qmax, table=qp.table)
    part = values
    if every > 1 and isinstance(values, ExactDistribution):
        part = values.take(slice(None, None, every))
    found, counts = profile_and_counts(part, one, MAX_LEVELS)

    def for_all(some: Floats) -> Floats:
        return np.repeat(some, every)[: values.rows]

    profile = ErrorProfile(
        for_all(found.mse),
        for_all(found.sqnr_db),
        for_all(found.clipped),
        for_all(found.zeroed),
        found.total_sqnr_db,
    )
    grid = replace(
        qp, scale=np.full_like(qp.scale, scale[0]), zero_point=np.full_like(qp.zero_point, zero[0])
    )
    return replace(
        subject,
        facts=replace(
            facts,
            spec=spec,
            qparams=grid,
            profile=profile,
            levels=None if counts is None else counts * (values.total / max(part.total, 1)),
            exact=every == 1 and isinstance(values, ExactDistribution),
        ),
    )
