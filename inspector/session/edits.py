"""Edits: what a user does to a recipe, as values that a document can apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from inspector.graph.model import Layer
from inspector.graph.preparations import PREPARATIONS, in_order
from inspector.quant.recover import TITLES, Recover
from inspector.quant.spec import QuantSpec, Role
from inspector.session.fitting import fit_recipe, for_format, for_target
from inspector.session.formats import FORMATS, why_no_integer_io
from inspector.session.recipe import Recipe, Rule
from inspector.session.target_profile import Target


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a recipe.

    Attributes:
        label: what it does, as the history shows it ("Weights of conv1 to int4").
        change: a pure function; it may raise an InspectorError, and then nothing happens.
        merge_key: consecutive edits with the same key are one undo step (a drag); None is never
            merged.
    """

    label: str
    change: Callable[[Recipe], Recipe]
    merge_key: str | None = None


def set_layers(
    names: Sequence[str],
    *,
    weights: QuantSpec | None = None,
    activations: QuantSpec | None = None,
    drag: str | None = None,
) -> Edit:
    """Give layers specs of their own; None leaves a field as it is.

    Args:
        names: the layers.
        weights: the spec of the weights.
        activations: the spec of the activations.
        drag: what is being dragged, so that all edits of one drag are one step.
    """
    parts = [("weights", weights), ("activations", activations)]
    what = " and ".join(f"{role} to {spec}" for role, spec in parts if spec is not None)
    return Edit(
        f"{_names(names)}: {what}",
        lambda recipe: recipe.with_layers(names, weights, activations),
        _drag_key(drag, names),
    )


def change_layers(
    layers: Sequence[Layer],
    role: Role,
    change: Callable[[QuantSpec], QuantSpec],
    label: str,
    *,
    drag: str | None = None,
) -> Edit:
    """Change one part of the specs of layers that may differ in the others (a mixed selection).

    Args:
        layers: the layers.
        role: weights or activations.
        change: from a layer's present spec, as it was written (fields may be open), to the new one.
        label: what it does, without the layers.
        drag: see `set_layers`.
    """

    def apply(recipe: Recipe) -> Recipe:
        by_spec: dict[QuantSpec, list[str]] = {}
        for layer in layers:
            present = getattr(recipe.chosen(layer), role)
            by_spec.setdefault(change(present), []).append(layer.name)
        for spec, names in by_spec.items():
            recipe = recipe.with_layers(names, **{role: spec})
        return recipe

    names = [layer.name for layer in layers]
    return Edit(f"{_names(names)}: {label}", apply, _drag_key(drag, names))


def set_default(
    *,
    weights: QuantSpec | None = None,
    activations: QuantSpec | None = None,
    drag: str | None = None,
) -> Edit:
    """Change what layers without a rule get; None leaves a field as it is."""
    parts = [("weights", weights), ("activations", activations)]
    what = " and ".join(f"{role} to {spec}" for role, spec in parts if spec is not None)
    return Edit(
        f"Default {what}",
        lambda recipe: recipe.with_default(weights, activations),
        _drag_key(drag, ()),
    )


def switch_recovery(layers: Sequence[Layer], method: str, on: bool) -> Edit:
    """Switch on or off a method that makes quantizing cost less.

    Args:
        layers: for these alone; none of them for all that no rule speaks of.
        method: one of `inspector.quant.recover.METHODS`.
        on: whether it shall be on.
    """
    names = [layer.name for layer in layers]
    what = f"{TITLES[method]} {'on' if on else 'off'}"
    if not names:
        return Edit(
            f"All layers: {what}",
            lambda recipe: replace(recipe, recover=recipe.recover.switched(method, on)),
        )

    def apply(recipe: Recipe) -> Recipe:
        present = recipe.recover_all(layers)
        by_choice: dict[Recover, list[str]] = {}
        for name in names:
            by_choice.setdefault(present[name].switched(method, on), []).append(name)
        for chosen, those in by_choice.items():
            recipe = recipe.with_rules(those, Rule("", recover=chosen))
        return recipe

    return Edit(f"{_names(names)}: {what}", apply)


def reset_layers(names: Sequence[str], role: Role | None = None) -> Edit:
    """Take back what was set for layers; see `Recipe.without_layers`."""
    what = f"{role} reset" if role else "reset"
    return Edit(f"{_names(names)}: {what}", lambda recipe: recipe.without_layers(names, role))


def set_target(name: str, title: str = "") -> Edit:
    """Choose another target; defaults that nobody changed follow it (see `for_target`)."""
    return Edit(f"Target {title or name}", lambda recipe: for_target(recipe, name))


def set_format(name: str) -> Edit:
    """Choose another form of file; defaults that nobody changed follow it (see `for_format`).

    A wish that the form cannot grant is given up with it.
    """

    def apply(recipe: Recipe) -> Recipe:
        found = for_format(recipe, name)
        return replace(found, integer_io=found.integer_io and not why_no_integer_io(name))

    return Edit(f"Save as {FORMATS[name].title}", apply)


def set_matmul_nbits(on: bool) -> Edit:
    """Write weights alone as MatMulNBits where it takes them, or not."""
    return Edit(
        f"MatMulNBits {'on' if on else 'off'}", lambda recipe: replace(recipe, matmul_nbits=on)
    )


def set_integer_io(on: bool) -> Edit:
    """Let the file take and give integers, or floats."""
    what = "integers" if on else "floats"
    return Edit(f"Inputs and outputs: {what}", lambda recipe: replace(recipe, integer_io=on))


def switch_passes(names: Iterable[str], on: bool) -> Edit:
    """Let passes before quantization run, or leave them out.

    Args:
        names: of `inspector.graph.preparations.PREPARATIONS`.
        on: whether they shall run.
    """
    those = in_order(names)
    what = PREPARATIONS[those[0]].title if len(those) == 1 else f"{len(those)} passes"

    def apply(recipe: Recipe) -> Recipe:
        skip = recipe.skip.difference(those) if on else recipe.skip.union(those)
        return replace(recipe, skip=skip)

    return Edit(f"{what} {'on' if on else 'off'}", apply)


def fit_layers(target: Target, layers: Sequence[Layer], *, whole_model: bool = False) -> Edit:
    """Bring the specs of layers into the nearest form that a target takes.

    Args:
        target: the profile.
        layers: those to fit; others keep what they have.
        whole_model: `layers` are all of the model, so the defaults may change with them.
    """
    names = _names([layer.name for layer in layers])
    return Edit(
        f"{'All layers' if whole_model else names}: fit {target.title}",
        lambda recipe: fit_recipe(target, layers, recipe, whole_model=whole_model),
    )


def replace_recipe(recipe: Recipe, label: str) -> Edit:
    """Put another recipe in the place of the present one (opened, dropped, typed, found)."""
    return Edit(label, lambda _: recipe)


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    return listed[0] if len(listed) == 1 else f"{len(listed)} layers"


def _drag_key(drag: str | None, names: Iterable[str]) -> str | None:
    return None if drag is None else "\0".join((drag, *names))
