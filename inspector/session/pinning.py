"""The grids that a recipe gives by the names of tensors, bound to layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from inspector.errors import RecipeError
from inspector.graph.model import Layer
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


def as_entries(found: Iterable[tuple[str, str, Pin]]) -> list[PinnedTensor]:
    """(tensor, reader, grid) of many reads, those with one grid as one entry."""
    groups: dict[tuple[str, Pin], list[str]] = {}
    for tensor, reader, pin in found:
        groups.setdefault((tensor, pin), []).append(reader)
    return [PinnedTensor(tensor, pin, tuple(names)) for (tensor, pin), names in groups.items()]
