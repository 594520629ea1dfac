"""What the plots of widths show, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inspector.report.units import decibel_text, percent_text

Floats = NDArray[np.float64]


def _none() -> Floats:
    return np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Layers at one width, the one that hurts most first. Figures in dB, NaN where not known.

    Attributes:
        names: of the layers.
        both: output SQNR with the layer alone quantized.
        weights: with its weights alone.
        activations: with what enters it alone.
        rest: with all layers but it.
        estimate: of `both`, from one run of the float model.
        stale: the layer would be quantized in another way today.
    """

    names: Sequence[str] = ()
    both: Floats = field(default_factory=_none)
    weights: Floats = field(default_factory=_none)
    activations: Floats = field(default_factory=_none)
    rest: Floats = field(default_factory=_none)
    estimate: Floats = field(default_factory=_none)
    stale: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A choice as the plot shows it.

    Attributes:
        cost: in the unit of the axis.
        cost_text: with its unit; "" where that are the bits.
        bits: of a weight, on average.
        sqnr: of the outputs in dB.
        top1: share of predictions like the float model's; None without classes.
        on_front: no other is cheaper and better.
    """

    cost: float
    cost_text: str
    bits: float
    sqnr: float
    top1: float | None
    on_front: bool

    def words(self) -> str:
        """All figures in a line."""
        top1 = "" if self.top1 is None else f", top-1 {percent_text(self.top1)}"
        cost = f"{self.cost_text}, " if self.cost_text else ""
        return f"{cost}{self.bits:.2f} bits, {decibel_text(self.sqnr)}{top1}"


def words_of(ranking: Ranking, number: int) -> str:
    """All that is known of one layer, in words."""
    columns = (
        ("alone", ranking.both),
        ("weights", ranking.weights),
        ("activations", ranking.activations),
        ("all but it", ranking.rest),
        ("estimate ≈", ranking.estimate),
    )
    parts = [
        f"{text} {decibel_text(float(values[number]))}"
        for text, values in columns
        if not np.isnan(values[number])
    ]
    old = " (of an earlier choice)" if ranking.stale[number] else ""
    return f"{ranking.names[number]}: {', '.join(parts) or 'no figures yet'}{old}"
