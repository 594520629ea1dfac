"""From the document to what the views show. Pure functions, no widgets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor

from inspector.graph.grids import identity
from inspector.graph.model import Layer
from inspector.gui.graph_view.cards import shape_text
from inspector.gui.graph_view.painting import Badge
from inspector.gui.layer_rows import MARK, LayerRow
from inspector.gui.misfits import Misfit
from inspector.gui.planned import Planned
from inspector.gui.spec_origin import origin_text
from inspector.gui.spec_panel import Selection
from inspector.quant.conventions import Offsets
from inspector.quant.distribution import Distribution
from inspector.quant.profile import error_profile
from inspector.quant.qparams import QParams
from inspector.quant.spec import QuantSpec
from inspector.report.units import (
    count_text,
    decibel_text,
    percent_text,
    plural,
    value_text,
)
from inspector.session.document import Document
from inspector.session.facts import TensorFacts
from inspector.session.levels import level_counts
from inspector.session.quantities import stored_bytes


def layer_row(
    layer: Layer, given: Planned, sqnr: float | None, misfit: Misfit, *, stale: bool
) -> LayerRow:
    """One row of the table: what the layer really gets, and what of it the target refuses."""
    activations = "/".join(dict.fromkeys(str(spec) for spec in given.activations))
    return LayerRow(
        layer.name,
        layer.op_type,
        str(given.weights) if layer.weight is not None else "",
        activations,
        sqnr,
        layer.parameters,
        stale,
        given.why_weights,
        given.why_activations,
        misfit,
    )


def bare_rows(layers: Iterable[Layer]) -> Iterator[LayerRow]:
    """The rows of the table before anything else is known, as they are asked for."""
    for layer in layers:
        yield LayerRow(layer.name, layer.op_type, "", "", None, layer.parameters)


@dataclass(frozen=True, slots=True)
class Shown:
    """The quantity that layers are coloured by, of one layer."""

    title: str
    text: str
    colour: QColor | None
    stale: bool


def badge(document: Document, layer: Layer, given: Planned, shown: Shown, misfit: Misfit) -> Badge:
    """What is written on a layer's card: what the layer really gets."""
    specs = document.specs_of(layer.name)
    chosen = document.recipe.chosen(layer)
    has_weights = layer.weight is not None
    weights = "" if not has_weights else _short(chosen.weights, specs.weights)
    if given.why_weights:
        weights = f"{given.weights}{MARK}"
    activations = _short(chosen.activations, specs.activations)
    if given.why_activations:
        activations = f"{_short(QuantSpec('int8'), given.activations[0])}{MARK}"
    # Its inputs may be on a grid all the same, for others that read them: `why` says so.
    reads_floats = specs.activations.is_float or all(spec.is_float for spec in given.activations)
    left_alone = given.weights.is_float and reads_floats
    return Badge(
        weights,
        activations,
        shown.text,
        shown.colour,
        left_alone,
        "\n".join(why for why in (given.why_weights, given.why_activations) if why),
        shown.stale,
        shown.title,
        misfit.why,
    )


def _short(chosen: QuantSpec, full: QuantSpec) -> str:
    """The spec without its flag where that was left to the default."""
    return str(full if chosen.symmetric is not None else replace(full, symmetric=None))


def selection(document: Document, names: Sequence[str]) -> Selection | None:
    """What the panel shows for the selected layers; the defaults where none is selected."""
    if not document.is_open:
        return None
    layers = [document.layer(name) for name in names]
    if not document.layers:
        return Selection("Nothing to quantize", "This model has no layers in float.", (), ())
    if not layers:
        default = document.recipe.default
        text = (
            f"Applies to all {plural(len(document.layers), 'layer')} without a choice of their own."
        )
        return Selection("All layers", text, (default.weights,), (default.activations,))
    chosen = [document.recipe.chosen(layer) for layer in layers]
    return Selection(
        layers[0].name if len(layers) == 1 else plural(len(layers), "layer"),
        _describe(layers),
        tuple(
            c.weights for c, layer in zip(chosen, layers, strict=True) if layer.weight is not None
        ),
        tuple(c.activations for c in chosen),
        any(document.recipe.is_overridden(layer) for layer in layers),
        origin_text(document.recipe, layers),
    )


def _describe(layers: Sequence[Layer]) -> str:
    total = f"{count_text(sum(layer.parameters for layer in layers))} parameters"
    kinds = sorted({layer.op_type for layer in layers})
    if len(layers) > 1:
        return f"{', '.join(kinds)} · {total}"
    layer = layers[0]
    if layer.weight is None:
        return f"{layer.op_type} · two activations, no weights"
    return f"{layer.op_type} · {shape_text(layer.weight_shape)} · {total}"


def tensor_figures(facts: TensorFacts | None, why: str = "") -> list[tuple[str, str]]:
    """What a choice costs one tensor, in words and numbers.

    Args:
        facts: of the tensor; None while nothing is known.
        why: it does not get what was asked for, because of this.
    """
    if facts is None:
        return []
    if why:
        return [("In use", f"{facts.spec}{MARK}"), *tensor_figures(facts)]
    if facts.qparams is not None and not facts.qparams.lo.size:
        return [("Values", "none")]
    sign = "" if facts.exact else "≈ "
    values = f"{value_text(facts.lo)} … {value_text(facts.hi)}"
    figures = [("Values", values)]
    if facts.qparams is None or facts.profile is None:
        return [*figures, ("Quantized", "no, left in float")]
    qp, profile = facts.qparams, facts.profile
    low, high = float(qp.lo.min()), float(qp.hi.max())
    scales = (float(qp.scale.min()), float(qp.scale.max()))
    same = scales[0] == scales[1]
    scale = value_text(scales[0]) if same else " … ".join(value_text(s) for s in scales)
    figures += [
        ("Grid", f"{value_text(low)} … {value_text(high)}"),
        ("Scale", scale),
        *_zero_point(facts.spec, qp),
        ("SQNR", f"{sign}{decibel_text(profile.total_sqnr_db)}"),
        ("Clipped", f"{sign}{percent_text(float(profile.clipped.mean()))}"),
        ("To zero", f"{sign}{percent_text(float(profile.zeroed.mean()))}"),
    ]
    return figures


def _zero_point(spec: QuantSpec, qp: QParams) -> list[tuple[str, str]]:
    """Where real zero lies on signed and on unsigned codes; nothing in the middle of these."""
    if not spec.is_affine or (spec.signed and not qp.zero_point.any()):
        return []
    offsets = Offsets.of(qp.zero_point, spec.bits, signed=spec.signed)
    ways = [(offsets.signed, "int"), (offsets.unsigned, "uint")]
    own, other = ways if spec.signed else ways[::-1]
    text = f"{_span(own[0])} ({other[1]}{spec.bits}: {_span(other[0])})"
    return [("Zero point", text.replace("-", "\N{MINUS SIGN}"))]


def _span(numbers: NDArray[np.int64]) -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return str(low) if low == high else f"{low} … {high}"


def on_grid(facts: TensorFacts, values: Distribution, grid: QParams) -> TensorFacts:
    """The same facts for another grid."""
    if facts.qparams is not None and identity(facts.qparams) == identity(grid):
        return facts
    return replace(
        facts,
        qparams=grid,
        profile=error_profile(values, grid),
        levels=level_counts(values, grid),
    )


def limits(facts: TensorFacts | None) -> tuple[float, float] | None:
    """The range that a grid covers now, to four digits; None for a tensor of no elements."""
    if facts is None or facts.qparams is None or not facts.qparams.lo.size:
        return None
    low, high = float(facts.qparams.lo.min()), float(facts.qparams.hi.max())
    return float(f"{low:.4g}"), float(f"{high:.4g}")


def layer_bytes(document: Document, layer: Layer) -> tuple[int, int]:
    """Bytes of a layer's weights and bias in float, and as they would be stored.

    An estimate: it leaves out the graph itself, which the file needs besides.
    """
    spec = document.specs_of(layer.name).weights
    return 4 * layer.parameters, stored_bytes(layer, spec)


def summary(document: Document, sqnr: Mapping[str, float]) -> str:
    """The layer that loses most, in words."""
    known = {name: value for name, value in sqnr.items() if math.isfinite(value)}
    if not known:
        return ""
    worst = min(known, key=known.__getitem__)
    return f"lowest {decibel_text(known[worst])}, {worst}"
