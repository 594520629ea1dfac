"""Edits of many layers at once, each one step of the history with a name. No widgets here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from inspector.graph.model import Layer
from inspector.gui.spec_presets import Preset
from inspector.quant.spec import QuantSpec, Role
from inspector.report.units import plural
from inspector.session.edits import Edit
from inspector.session.globs import escape
from inspector.session.recipe import Recipe
from inspector.session.rules import Rule

_ROLES: tuple[Role, ...] = ("weights", "activations")
Chosen = tuple[QuantSpec | None, QuantSpec | None]
"""Weights and activations; None leaves one as it is."""


def preset_edit(preset: Preset, layers: Sequence[Layer]) -> Edit:
    """Give layers what a preset says; without layers it becomes the default."""
    chosen = preset.weights, preset.activations
    return specs_edit(chosen, layers, preset.title)


def specs_edit(chosen: Chosen, layers: Sequence[Layer], what: str) -> Edit:
    """Give layers specs, or change the default where there are none.

    Args:
        chosen: the specs.
        layers: those that get them; weights go to those that have some.
        what: the name of the specs, for the history.
    """
    if not layers:
        return Edit(f"Default: {what}", lambda recipe: recipe.with_default(*chosen))
    label = f"{_title(layers)}: {what}"
    return Edit(label, lambda recipe: _with_layers(recipe, layers, chosen))


def operator_edit(chosen: Chosen, op_type: str, layers: Iterable[Layer], source: str) -> Edit:
    """Make a rule for all layers of an operator; what was said of each of them before is dropped.

    Args:
        chosen: the specs.
        op_type: the operator.
        layers: all that have it.
        source: the layer that the specs are from, for the history.
    """
    names = [layer.name for layer in layers]
    pattern = f"op:{escape(op_type)}"

    def change(recipe: Recipe) -> Recipe:
        for role in _given(chosen):
            recipe = recipe.without_layers(names, role)
            recipe = _without_rule(recipe, pattern, role)
        return recipe.with_rule(Rule(pattern, *chosen))

    return Edit(f"All {op_type}: same as {source}", change)


def default_edit(chosen: Chosen, source: str) -> Edit:
    """Make specs the default, and drop every rule that would overrule it.

    Args:
        chosen: the specs.
        source: the layer that they are from, for the history.
    """

    def change(recipe: Recipe) -> Recipe:
        rules: Sequence[Rule] = recipe.rules
        for role in _given(chosen):
            rules = [kept for rule in rules if (kept := rule.without(role)) is not None]
        return replace(recipe, rules=tuple(rules)).with_default(*chosen)

    return Edit(f"All layers: same as {source}", change)


def reset_edit(layers: Sequence[Layer]) -> Edit:
    """Take back what was chosen for each of these layers alone."""
    names = [layer.name for layer in layers]
    return Edit(f"{_title(layers)}: reset to default", lambda recipe: recipe.without_layers(names))


def common_choice(recipe: Recipe, layers: Sequence[Layer]) -> Chosen | None:
    """What all of some layers were given, as written; None where they differ.

    Weights are None where no layer has any. Without layers it is the default.
    """
    if not layers:
        return recipe.default.weights, recipe.default.activations
    chosen = [recipe.chosen(layer) for layer in layers]
    weights = {
        one.weights for one, layer in zip(chosen, layers, strict=True) if layer.weight is not None
    }
    activations = {one.activations for one in chosen}
    if len(weights) > 1 or len(activations) > 1:
        return None
    return next(iter(weights), None), activations.pop()


def _with_layers(recipe: Recipe, layers: Sequence[Layer], chosen: Chosen) -> Recipe:
    weights, activations = chosen
    weighted = [layer.name for layer in layers if layer.weight is not None]
    others = [layer.name for layer in layers if layer.weight is None]
    recipe = recipe.with_layers(weighted, weights, activations)
    return recipe.with_layers(others, None, activations)


def _given(chosen: Chosen) -> list[Role]:
    return [role for role, spec in zip(_ROLES, chosen, strict=True) if spec is not None]


def _without_rule(recipe: Recipe, pattern: str, role: Role) -> Recipe:
    rules = (rule.without(role) if rule.layers == pattern else rule for rule in recipe.rules)
    return replace(recipe, rules=tuple(rule for rule in rules if rule is not None))


def _title(layers: Sequence[Layer]) -> str:
    return layers[0].name if len(layers) == 1 else plural(len(layers), "layer")
