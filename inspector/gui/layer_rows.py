"""What the table says of each layer: texts, numbers to sort by, tooltips."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from inspector.gui.misfits import FITS, Misfit
from inspector.report.units import count_text

NAME, OPERATOR, WEIGHTS, ACTIVATIONS, SQNR, PARAMETERS, ALONE = range(7)


@dataclass(frozen=True, slots=True)
class Alone:
    """What a layer does when it alone is quantized.

    Attributes:
        sqnr: of the model's outputs in dB.
        bits: the width of its weights and activations.
        stale: it would be quantized in another way today.
    """

    sqnr: float
    bits: int
    stale: bool


class LayerRow(NamedTuple):
    """One layer as the table shows it; there are thousands, and a tuple is made in no time.

    Attributes:
        name: the node's name.
        op_type: its operator.
        weights: what they really get, in text form; empty without weights.
        activations: what they really get, in text form; two with a slash where inputs differ.
        sqnr: of the weights in dB; None while it is not known or where there is none.
        parameters: number of weights and biases.
        stale: the figure belongs to an earlier spec.
        why_weights: why the weights do not get what was asked for; empty where they do.
        why_activations: the same of the activations.
        misfit: what the target does not take of the layer.
        alone: what it does when it alone is quantized; None where that is not known.
    """

    name: str
    op_type: str
    weights: str
    activations: str
    sqnr: float | None
    parameters: int
    stale: bool = False
    why_weights: str = ""
    why_activations: str = ""
    misfit: Misfit = FITS
    alone: Alone | None = None


MARK = "*"
"""Says that a layer does not get what was asked for; the tooltip says why."""
MISFIT_MARK = " !"
"""Says that the target does not take it; the tooltip says why."""
UNFIT = "does not fit"
"""What the filter finds these layers by."""
HEADERS = (
    ("Layer", "Name of the node"),
    ("Operator", "Operator of the node"),
    ("Weights", "How the weights are quantized"),
    ("Activ.", "How the activations that enter the layer are quantized"),
    ("dB", "Signal-to-quantization-noise ratio of the weights, in dB: more is better"),
    ("Params", "Number of weights and biases"),
    (
        "Alone",
        "SQNR of the model's outputs in dB when only this layer is quantized, at the width that "
        "the page Widths shows",
    ),
)


def misfit_at(row: LayerRow, column: int) -> str:
    """Why the target does not take what a cell shows."""
    if column == WEIGHTS:
        return row.misfit.weights
    return row.misfit.activations if column == ACTIVATIONS else ""


def text_at(row: LayerRow, column: int) -> str:
    """What a cell says; a mark where the target does not take it."""
    return f"{_bare_text(row, column)}{MISFIT_MARK * bool(misfit_at(row, column))}"


def _bare_text(row: LayerRow, column: int) -> str:
    if column == NAME:
        return row.name
    if column == OPERATOR:
        return row.op_type
    if column == WEIGHTS:
        return f"{row.weights.split(':', maxsplit=1)[0] or '–'}{MARK * bool(row.why_weights)}"
    if column == ACTIVATIONS:
        types = dict.fromkeys(text.split(":", maxsplit=1)[0] for text in row.activations.split("/"))
        return f"{'/'.join(types)}{MARK * bool(row.why_activations)}"
    if column == PARAMETERS:
        return count_text(row.parameters)
    if column == ALONE:
        return _number_text(None if row.alone is None else row.alone.sqnr)
    return _number_text(row.sqnr)


def _number_text(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "–"
    return ("−∞" if value < 0 else "∞") if math.isinf(value) else f"{value:.1f}".replace("-", "−")


def sort_value(row: LayerRow, column: int) -> str | float:
    """What a column is sorted by: numbers as numbers."""
    if column == SQNR:
        return math.inf if row.sqnr is None or math.isnan(row.sqnr) else row.sqnr
    if column == ALONE:
        known = row.alone is not None and not math.isnan(row.alone.sqnr)
        return row.alone.sqnr if row.alone is not None and known else math.inf
    if column == PARAMETERS:
        return float(row.parameters)
    return (row.name, row.op_type, row.weights, row.activations)[column]


def tooltip_at(row: LayerRow, column: int) -> str:
    """All that has no room in a cell."""
    if column == WEIGHTS:
        text = row.weights or "This layer has no weights of its own"
        return _joined(text, row.why_weights, row.misfit.weights)
    if column == ACTIVATIONS:
        return _joined(row.activations, row.why_activations, row.misfit.activations)
    if column == ALONE and row.alone is not None:
        old = ", of an earlier choice" if row.alone.stale else ""
        return f"Output SQNR with this layer alone at {row.alone.bits} bits{old}"
    return _joined(row.name, row.misfit.why)


def _joined(*lines: str) -> str:
    return "\n".join(filter(None, lines))
