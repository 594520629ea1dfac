"""The grids that a recipe gives by the names of tensors, bound to layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from inspector.errors import RecipeError
from inspector.graph.model import Graph, Layer
from inspector.quant.pin import Pin, PinnedTensor, Pins
from inspector.quant.spec import LayerSpecs, QuantSpec


def bound(specs: LayerSpecs, layer: Layer, pins: Pins) -> LayerSpecs:
    """The specs of a layer with the grids that are given for its tensors.

    A product of two tensors has both in `LayerSpecs.pins`; its spec has the first.
    """
    reads = (pins.at(name, layer.name) for name in layer.activations)
    return _bound(specs, pins.of(layer.weight), next(filter(None, reads), None), pins)


@lru_cache(maxsize=65536)
def _bound(specs: LayerSpecs, weight: Pin | None, read: Pin | None, pins: Pins) -> LayerSpecs:
    return replace(
        specs,
        weights=specs.weights.pinned_to(weight),
        activations=specs.activations.pinned_to(read),
        pins=pins,
    )


def unbound(spec: QuantSpec | None) -> QuantSpec | None:
    """A spec as a rule has it: the grid of a tensor is found by the tensor's name."""
    return None if spec is None else spec.pinned_to(None)


def check_bound(layer: Layer, specs: LayerSpecs) -> None:
    """Makes sure that there is a grid for all that is pinned.

    Raises:
        RecipeError: there is none; it is named.
    """
    for spec, name in (
        (specs.weights, layer.weight),
        (specs.activations, ", ".join(layer.activations)),
    ):
        if spec.is_pinned and name is not None and (spec.range is None or spec.range.pin is None):
            raise RecipeError(
                f"Layer {layer.name!r}: its spec is '{spec}', and the recipe gives no grid for "
                f"'{name}'.",
                f"Choose a method, as in '{spec.dtype}:minmax', or add a [[grid]] for the tensor.",
            )


def missing(graph: Graph, pins: Pins) -> str:
    """The first thing that grids are given for and that a model has not; empty for none."""
    for entry in pins.entries:
        if entry.tensor not in graph.tensors:
            return f"tensor '{entry.tensor}'"
        readers = {*graph.tensors[entry.tensor].consumers, ""}
        lost = next((name for name in entry.readers if name not in readers), None)
        if lost is not None:
            return f"node '{lost}' that reads '{entry.tensor}'"
    return ""


def check_pins(graph: Graph, pins: Pins) -> None:
    """Makes sure that a model has all tensors and nodes that grids are given for.

    Raises:
        RecipeError: it lacks one.
    """
    if lost := missing(graph, pins):
        raise RecipeError(
            f"The recipe gives grids of another model: this one has no {lost}.",
            "Make the recipe for this model: quant-inspector import MODEL QUANTIZED -o RECIPE.",
        )


def as_entries(found: Iterable[tuple[str, str, Pin]]) -> list[PinnedTensor]:
    """(tensor, reader, grid) of many reads, those with one grid as one entry."""
    groups: dict[tuple[str, Pin], list[str]] = {}
    for tensor, reader, pin in found:
        groups.setdefault((tensor, pin), []).append(reader)
    return [PinnedTensor(tensor, pin, tuple(names)) for (tensor, pin), names in groups.items()]
