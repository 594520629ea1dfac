"""A recipe at other widths: what each layer would get, in a form that the target takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from inspector.errors import UnsupportedError
from inspector.graph.model import Layer
from inspector.quant.spec import MAX_BITS, MIN_BITS, LayerSpecs, QuantSpec, Role
from inspector.session.chosen import resolve
from inspector.session.fitting import fit, violations
from inspector.session.opening import OpenModel
from inspector.session.profiles import profile_of
from inspector.session.recipe import Recipe
from inspector.session.target_profile import Target


@dataclass(frozen=True, slots=True)
class Widths:
    """What a recipe's layers get at some widths.

    Attributes:
        target: what the choices have to fit.
        base: the filled specs of every layer as the recipe has them.
        choices: the filled specs of every layer of the model, by width. A layer that the recipe
            leaves in float is so here.
        refused: the layers that the target does not take a width of, by width; there, `choices` has
            the nearest that it takes.
    """

    target: Target
    base: Mapping[str, LayerSpecs]
    choices: Mapping[int, Mapping[str, LayerSpecs]]
    refused: Mapping[int, frozenset[str]]

    def layers(self, bits: int) -> tuple[str, ...]:
        """The layers that are quantized at a width."""
        return tuple(
            name
            for name, specs in self.choices[bits].items()
            if not specs.is_float and name not in self.refused[bits]
        )

    def takes(self, layer: Layer, specs: LayerSpecs) -> bool:
        """Whether the target takes specs of a layer."""
        return not violations(self.target, layer, specs)


def widths_of(opened: OpenModel, recipe: Recipe, bits: Sequence[int]) -> Widths:
    """The recipe at some widths.

    Args:
        opened: the model.
        recipe: says what is quantized at all, and how but for the width.
        bits: the widths.

    Raises:
        InspectorError: the recipe does not fit the model; or the target takes no layer of a width.
    """
    target = profile_of(recipe)
    specs = resolve(opened, recipe)
    choices: dict[int, dict[str, LayerSpecs]] = {}
    refused: dict[int, frozenset[str]] = {}
    for width in bits:
        asked = {name: at_width(one, width) for name, one in specs.items()}
        fitted = {la.name: fit(target, la, asked[la.name]) for la in opened.graph.layers}
        choices[width] = fitted
        refused[width] = frozenset(
            layer.name
            for layer in opened.graph.layers
            if _differs(fitted[layer.name], asked[layer.name], has_weight=layer.weight is not None)
        )
    found = Widths(target, specs, choices, refused)
    for width in bits:
        if not found.layers(width):
            raise UnsupportedError(
                f"No layer can be quantized to {width} bits for the target {recipe.target!r}.",
                "Ask for other widths, or for another --target.",
            )
    return found


def at_width(specs: LayerSpecs, bits: int) -> LayerSpecs:
    """The same specs with values of another width; what is in float stays so.

    Raises:
        UnsupportedError: there is no such width.
    """
    return LayerSpecs(
        spec_at_width(specs.weights, bits, "weights"),
        spec_at_width(specs.activations, bits, "activations"),
    )


def spec_at_width(spec: QuantSpec, bits: int, role: Role) -> QuantSpec:
    """A filled spec with values of another width; a type that is no integer becomes one.

    Raises:
        UnsupportedError: there is no such width.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise UnsupportedError(
            f"There are no integers of {bits} bits here.", f"Use {MIN_BITS} to {MAX_BITS}."
        )
    if spec.is_float:
        return spec
    if not spec.is_affine:
        return QuantSpec(f"int{bits}" if role == "weights" else f"uint{bits}").filled(role)
    return replace(spec, dtype=f"{'' if spec.signed else 'u'}int{bits}")


def _differs(fitted: LayerSpecs, asked: LayerSpecs, *, has_weight: bool) -> bool:
    """Whether fitting gave other widths than asked for."""
    same = fitted.activations.bits == asked.activations.bits
    return not same or (has_weight and fitted.weights.bits != asked.weights.bits)
