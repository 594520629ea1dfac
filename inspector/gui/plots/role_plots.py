"""The plots that weights and activations both have: histogram, errors, widths, trade-off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inspector.gui.plots.curve_plots import BitsPlot, Present, TradeoffPlot
from inspector.gui.plots.error_plot import ErrorHistogramPlot
from inspector.gui.plots.histogram_plot import HistogramPlot
from inspector.gui.plots.plot_pages import Entry, Late, there
from inspector.gui.plots.plot_wishes import (
    SOME,
    bits_wishes,
    can_compare,
    channels_wish,
    errors_wish,
    present_of_some,
    sample_of,
    tick_wish,
    tradeoff_wish,
)
from inspector.gui.plots.plot_work import Wish
from inspector.gui.plots.range_edits import RangeEdits
from inspector.gui.plots.range_ticks import RangeTick
from inspector.gui.plots.shown import Subject, histogram_shape
from inspector.quant.curves import Tradeoff
from inspector.quant.distribution import Distribution, ExactDistribution
from inspector.quant.spec import RangeMethod
from inspector.quant.spread import Boxes, ErrorHistogram, Heat
from inspector.report.units import decibel_text

Floats = NDArray[np.float64]

_FLOAT = "Left in float: no error"
_WAIT = "Computing…"


class RolePlots:
    """Draws one subject on its plots, and knows what they wait for.

    Args:
        edits: turns gestures into changes.
        histogram: values with the grid.
        errors: how often each error is.
        bits: SQNR against the width.
        tradeoff: clipping against rounding.
    """

    def __init__(
        self,
        edits: RangeEdits,
        histogram: HistogramPlot,
        errors: Late[ErrorHistogramPlot],
        bits: Late[BitsPlot],
        tradeoff: Late[TradeoffPlot],
    ) -> None:
        self.edits = edits
        self.histogram, self.errors, self.bits, self.tradeoff = histogram, errors, bits, tradeoff
        self._subject: Subject | None = None
        self._curves: dict[RangeMethod, Floats] = {}
        self._tradeoff: Tradeoff | None = None
        self._sample: tuple[Distribution, tuple[NDArray[np.intp], Floats]] | None = None
        self._empty = ""
        """What was said last where there is nothing to plot."""
        histogram.range_moved.connect(edits.move)
        histogram.range_rested.connect(edits.rest)
        for late in (errors, bits, tradeoff):
            late.then(lambda plot: plot.show_empty(self._empty))
        tradeoff.then(lambda plot: plot.moved.connect(edits.move))
        tradeoff.then(lambda plot: plot.rested.connect(edits.rest))
        histogram.range_reset.connect(edits.reset)
        histogram.method_chosen.connect(edits.choose)

    @property
    def subject(self) -> Subject | None:
        """What is shown."""
        return self._subject

    @subject.setter
    def subject(self, subject: Subject | None) -> None:
        before = self._subject
        self._subject = subject
        self.edits.set_subject(subject)
        if subject is None or before is None or subject.layer != before.layer:
            self.histogram.lines.stop()
        if subject is None or before is None or not _alike(subject, before):
            self._curves.clear()
            self._tradeoff = self._sample = None
            self.histogram.show_ticks((), None)

    def cards(self) -> tuple[Entry, ...]:
        """All plots of this role."""
        return (self.histogram, self.errors, self.bits, self.tradeoff)

    def pick(self, row: int | None) -> None:
        """Show one row, or all."""
        if self._subject is not None:
            self.subject = replace(self._subject, row=row)

    def show_empty(self, text: str) -> None:
        """Say why there is nothing to plot."""
        self._empty = text
        for card in there(self.cards()):
            card.show_empty(text)

    def draw(self, page: Sequence[Entry], preview: Subject | None = None) -> None:
        """Draw what can be drawn at once, or a preview of it."""
        subject = preview or self._subject
        if subject is None:
            return
        if not subject.facts.counts.any():
            self.show_empty("There are no values")
            return
        if self.histogram in page:
            self.histogram.show_shape(histogram_shape(subject))
            self.histogram.show_ticks(self.histogram.ticks.ticks(), subject.facts.spec.range)
        others = [card() for card in (self.errors, self.bits, self.tradeoff) if card in page]
        if subject.facts.qparams is None or not can_compare(subject):
            why = _FLOAT if subject.facts.qparams is None else "Nothing to compare"
            for card in others:
                card.show_empty(why)
            return
        for card in others:
            if card.is_empty():
                card.show_empty(_WAIT)
        self._show_bits(subject)
        self._show_tradeoff(subject)

    def wishes(self, page: Sequence[Entry]) -> list[Wish]:
        """What the cards of a page wait for."""
        subject = self._subject
        if subject is None or not can_compare(subject):
            return []
        found: list[Wish] = []
        if self.histogram in page:
            found.append(tick_wish(subject, self._ticks_found))
        if self.errors in page:
            found.append(errors_wish(subject, self._errors_found))
        if self.tradeoff in page:
            found.append(tradeoff_wish(subject, self._tradeoff_found))
        if self.bits in page:
            found += bits_wishes(subject, self._curve_found)
        return found

    def channel_wishes(self, show: Callable[[tuple[Boxes, Heat]], None]) -> list[Wish]:
        """What the plots of all channels wait for."""
        subject = self._subject
        if subject is None or not can_compare(subject) or subject.facts.qparams is None:
            return []
        many = isinstance(subject.values, ExactDistribution) and subject.facts.qparams.rows > 1
        return [channels_wish(subject, show)] if many else []

    # What has been found

    def _ticks_found(self, ticks: tuple[RangeTick, ...]) -> None:
        if self._subject is not None:
            self.histogram.show_ticks(ticks, self._subject.facts.spec.range)

    def _errors_found(self, found: ErrorHistogram) -> None:
        self.errors().show_errors(found)

    def _tradeoff_found(self, found: Tradeoff) -> None:
        self._tradeoff = found
        if self._subject is not None:
            self._show_tradeoff(self._subject)

    def _curve_found(self, method: RangeMethod, curve: Floats) -> None:
        self._curves[method] = curve
        if self._subject is not None:
            self._show_bits(self._subject)

    def _show_bits(self, subject: Subject) -> None:
        method = subject.facts.spec.range
        if not self._curves or method is None or subject.values is None:
            return
        if self._sample is None or self._sample[0] is not subject.values:
            self._sample = subject.values, sample_of(subject.values)
        exact, of_some = present_of_some(subject, self._sample[1])
        shift = exact - of_some if np.isfinite(exact) and np.isfinite(of_some) else 0.0
        curves = {m: curve + shift for m, curve in self._curves.items()}
        present = Present(method, subject.facts.spec.bits, exact)
        rows = subject.values.rows
        sampled = subject.row is None and rows > SOME
        even = subject.facts.spec.is_affine
        note = f"now {decibel_text(exact)}"
        note += f" at {present.bits} bits" if even else "; lines: integers"
        note += f", curves ≈ from {SOME} of {rows} {subject.what}s" if sampled else ""
        self.bits().show_curves(curves, present, note)

    def _show_tradeoff(self, subject: Subject) -> None:
        found, qp, profile = self._tradeoff, subject.facts.qparams, subject.facts.profile
        if found is None or qp is None or profile is None:
            return
        row = subject.row
        low, high = float(qp.lo.min()), float(qp.hi.max())
        noise = -profile.total_sqnr_db
        if row is not None and qp.rows > 1:
            low, high = float(qp.lo.reshape(-1)[row]), float(qp.hi.reshape(-1)[row])
            noise = -float(profile.sqnr_db[row])
        now = (max(-low, high), noise) if np.isfinite(noise) else None
        self.tradeoff().show_tradeoff(found, now)


def _alike(one: Subject, other: Subject) -> bool:
    """Whether all that does not depend on the range is the same."""
    if (one.layer, one.row, one.values) != (other.layer, other.row, other.values):
        return False
    first, second = one.facts.spec, other.facts.spec
    if first.is_float or second.is_float:
        return first == second
    return replace(first, range=None) == replace(second, range=None)
