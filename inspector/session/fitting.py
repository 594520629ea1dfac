"""Whether the specs of layers fit a target, and the nearest ones that do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from inspector.errors import InspectorError, RecipeError
from inspector.graph.model import Layer
from inspector.quant.spec import FLOAT, Granularity, LayerSpecs, QuantSpec, Role
from inspector.session.profiles import profile_of
from inspector.session.recipe import DEFAULT_RECIPE, Recipe
from inspector.session.target_profile import Form, Target
from inspector.session.target_rules import (
    ROLES,
    Place,
    Violation,
    allowed_dtypes,
    allowed_granularities,
    allowed_scales,
    allowed_symmetry,
    forms_at,
    goes_together,
    operator_violation,
    spec_violations,
    takes_granularity,
    violations_at,
)

__all__ = [
    "Violation",
    "allowed_dtypes",
    "allowed_granularities",
    "allowed_scales",
    "allowed_symmetry",
    "check_fits",
    "default_specs",
    "explain",
    "fit",
    "fit_recipe",
    "for_format",
    "for_target",
    "misfits",
    "violations",
]

_T = TypeVar("_T")


def violations(target: Target, layer: Layer, specs: LayerSpecs) -> tuple[Violation, ...]:
    """What a target does not take of a layer's specs; none for a layer that is left in float."""
    return violations_at(target, Place.of(layer), specs)


def fit(target: Target, layer: Layer, specs: LayerSpecs) -> LayerSpecs:
    """The nearest specs that a target takes; the same ones if it takes them.

    What is asked for in float stays float, and what is quantized is left in float only where there
    is no other way; never fewer bits than asked for where more are to be had, else the most there
    are. Then as few more bits as can be, and as little change of the other parts.
    """
    return _fit(target, Place.of(layer), specs)


def explain(target: Target, layer: Layer, specs: LayerSpecs) -> str:
    """What fitting a layer changes and why, a line for each role; empty where it fits."""
    found = violations(target, layer, specs)
    if not found:
        return ""
    fitted = fit(target, layer, specs)
    lines = []
    for role in ROLES:
        before, after = getattr(specs, role), getattr(fitted, role)
        if before != after:
            reasons = [v.why for v in found if v.role in (role, "layer")] or [found[0].why]
            lines.append(f"{role.capitalize()}: {before} becomes {after}. {' '.join(reasons)}")
    return "\n".join(lines)


def misfits(
    target: Target, layers: Iterable[Layer], specs: Mapping[str, LayerSpecs]
) -> dict[str, tuple[Violation, ...]]:
    """The layers that do not fit, with what is wrong. Cost: some 1 µs a layer."""
    judged = _each(layers, specs, lambda layer, chosen: violations(target, layer, chosen))
    return {name: wrong for name, wrong in judged if wrong}


def _each(
    layers: Iterable[Layer],
    specs: Mapping[str, LayerSpecs],
    judge: Callable[[Layer, LayerSpecs], _T],
) -> Iterator[tuple[str, _T]]:
    """What is judged of each layer; layers that are alike and share their specs are judged once.

    Specs are told apart by identity: equal ones of a recipe are one object, and comparing whole
    specs of thousands of layers would be felt.
    """
    known: dict[tuple[object, ...], _T] = {}
    for layer in layers:
        chosen, shape = specs[layer.name], layer.weight_shape
        rank = None if shape is None else len(shape)
        key = (id(chosen), layer.op_type, layer.weight is None, rank, layer.channel_axis)
        if key not in known:
            known[key] = judge(layer, chosen)
        yield layer.name, known[key]


def check_fits(target: Target, layers: Sequence[Layer], specs: Mapping[str, LayerSpecs]) -> None:
    """Make sure that a target takes the specs of all layers.

    Raises:
        RecipeError: it does not; names the first layer, the reason, and what would do.
    """
    wrong = misfits(target, layers, specs)
    if not wrong:
        return
    layer = next(layer for layer in layers if layer.name in wrong)
    asked, fitted = specs[layer.name], fit(target, layer, specs[layer.name])
    changes = [
        f"{role} '{getattr(fitted, role)}'"
        for role in ROLES
        if getattr(asked, role) != getattr(fitted, role)
    ]
    more = f" {len(wrong) - 1} more layers do not fit either." if len(wrong) > 1 else ""
    more = more.replace("1 more layers do", "1 more layer does") if len(wrong) == 2 else more
    raise RecipeError(
        f"Layer {layer.name!r} does not fit the target {target.name!r}: "
        f"{' '.join(v.why for v in wrong[layer.name])}{more}",
        f"Choose {' and '.join(changes)} for it; --fit does so for every layer.",
    )


# Recipes --------------------------------------------------------------------------------------


def default_specs(target: Target) -> LayerSpecs:
    """What layers without a rule get on a target, where a recipe says nothing else."""
    return target.default.specs if target.default is not None else DEFAULT_RECIPE.default


def for_target(recipe: Recipe, name: str) -> Recipe:
    """The recipe for another target; see `_following`."""
    return _following(recipe, replace(recipe, target=name))


def for_format(recipe: Recipe, name: str) -> Recipe:
    """The recipe for another form of file; see `_following`."""
    return _following(recipe, replace(recipe, format=name))


def _following(recipe: Recipe, changed: Recipe) -> Recipe:
    """The defaults follow the profile, unless the recipe has others than its own profile's.

    Raises:
        RecipeError: there is no such target, or its profile is wrong.
    """
    profile = profile_of(changed)
    try:
        before = default_specs(profile_of(recipe))
    except InspectorError:
        before = DEFAULT_RECIPE.default
    if _filled(recipe.default) != _filled(before):
        return changed
    return replace(changed, default=default_specs(profile))


def _filled(specs: LayerSpecs) -> LayerSpecs:
    return LayerSpecs(specs.weights.filled("weights"), specs.activations.filled("activations"))


def fit_recipe(
    target: Target, layers: Sequence[Layer], recipe: Recipe, *, whole_model: bool = False
) -> Recipe:
    """The recipe with the specs of layers made to fit; layers that fit keep theirs.

    Args:
        target: the profile.
        layers: those to fit.
        recipe: the choices so far.
        whole_model: `layers` are all of them, so the defaults may change where none of the layers
            that have them fits; else each layer gets a rule of its own.

    Cost: linear in the layers.
    """
    specs = recipe.resolve_all(layers)
    wanted = dict(_each(layers, specs, lambda layer, chosen: fit(target, layer, chosen)))
    if whole_model:
        recipe = _with_fitting_default(layers, recipe, wanted)
    changes: dict[tuple[QuantSpec | None, QuantSpec | None], list[str]] = {}
    specs = recipe.resolve_all(layers)
    for layer in layers:
        now, after = specs[layer.name], wanted[layer.name]
        if now is after:
            continue
        weights = after.weights if after.weights != now.weights else None
        activations = after.activations if after.activations != now.activations else None
        if weights is not None or activations is not None:
            changes.setdefault((weights, activations), []).append(layer.name)
    for (weights, activations), names in changes.items():
        recipe = recipe.with_layers(names, weights, activations)
    return recipe


def _with_fitting_default(
    layers: Sequence[Layer], recipe: Recipe, wanted: Mapping[str, LayerSpecs]
) -> Recipe:
    plain = [layer for layer in layers if not recipe.index.matching(layer)]
    for role in ROLES:
        having = [layer for layer in plain if role == "activations" or layer.weight is not None]
        fitted = Counter(getattr(wanted[layer.name], role) for layer in having)
        present = getattr(recipe.default, role).filled(role)
        if fitted and present not in fitted:
            recipe = recipe.with_default(**{role: fitted.most_common(1)[0][0]})
    return recipe


# Finding the nearest --------------------------------------------------------------------------

_Cost = tuple[int, ...]
"""Of a change, the gravest first; see `_cost`."""

_LOST, _SHORT = 1, 2
"""Where a cost counts the roles that are no longer quantized, and the bits that are missing."""

_NO_COST: _Cost = (0,) * 9


@lru_cache(maxsize=8192)
def _fit(target: Target, place: Place, specs: LayerSpecs) -> LayerSpecs:
    if not violations_at(target, place, specs):
        return specs
    if operator_violation(target, place) is not None:
        return LayerSpecs(FLOAT if place.has_weight else specs.weights, FLOAT)
    activations = _candidates(target, "activations", place, specs.activations)
    if not place.has_weight:
        return _nearest([(cost, LayerSpecs(specs.weights, found)) for cost, found in activations])
    return _nearest(
        [
            (tuple(map(sum, zip(cost_w, cost_a, strict=True))), LayerSpecs(weights, activation))
            for cost_w, weights in _candidates(target, "weights", place, specs.weights)
            for cost_a, activation in activations
            if goes_together(target, place.operator, weights.dtype, activation.dtype)
        ]
    )


def _nearest(found: Sequence[tuple[_Cost, LayerSpecs]]) -> LayerSpecs:
    """The cheapest; but float before fewer bits than quantized layers can have there."""
    fewest = min((cost[_SHORT] for cost, _ in found if not cost[_LOST]), default=0)

    def key(offer: tuple[_Cost, LayerSpecs]) -> _Cost:
        cost = offer[0]
        return (cost[0], max(cost[_SHORT] - fewest, 0), *cost[1:])

    return min(found, key=key)[1]


def _candidates(
    target: Target, role: Role, place: Place, spec: QuantSpec
) -> list[tuple[_Cost, QuantSpec]]:
    """The nearest spec of each type that a target takes, with what it costs; float among them."""
    best: dict[str, tuple[_Cost, QuantSpec]] = {}

    def offer(found: QuantSpec, cost: _Cost) -> None:
        if found.dtype not in best or cost < best[found.dtype][0]:
            best[found.dtype] = (cost, found)

    if spec.is_float or not spec_violations(target, role, place, spec):
        offer(spec, _NO_COST)
    offer(FLOAT, _cost(spec, FLOAT))
    full = (_ANY if spec.is_float else spec).filled(role)
    for form in forms_at(target, role, place.operator):
        for found in _in_form(form, full, place):
            offer(found, _cost(full if not spec.is_float else spec, found))
    return list(best.values())


_ANY = QuantSpec("int8")
"""Stands for a role that was asked for in float, to see what the other could be beside it."""


def _in_form(form: Form, spec: QuantSpec, place: Place) -> Iterator[QuantSpec]:
    """A spec with every field set brought into a form, once for each type that can be computed."""
    granularity = spec.granularity
    assert granularity is not None
    if not takes_granularity(form, granularity, place):
        granularity = _nearest_granularity(form, granularity)
    symmetric = (form.symmetric or spec.symmetric) and not form.run_time
    pow2 = (form.power_of_two or spec.pow2) and not form.run_time
    for dtype in form.dtypes:
        found = replace(spec, dtype=dtype, granularity=granularity, symmetric=symmetric, pow2=pow2)
        if found.is_affine or dtype == spec.dtype:
            yield found


def _nearest_granularity(form: Form, asked: Granularity) -> Granularity:
    """One that is as fine as asked for where there is such, else the finest there is."""
    if asked.kind == "block" and "block" in form.granularities:
        sizes = sorted(form.block_sizes)
        finer = [size for size in sizes if size <= asked.size]
        return Granularity("block", finer[-1] if finer else sizes[0], asked.axis)
    if "channel" in form.granularities:
        return Granularity("channel")
    if "block" in form.granularities:
        return Granularity("block", max(form.block_sizes, default=32))
    return Granularity("tensor")


def _cost(spec: QuantSpec, found: QuantSpec) -> _Cost:
    """How far a spec is from the one asked for; compared from the left, added over the roles."""
    if spec.is_float or found.is_float:
        gained, lost = spec.is_float and not found.is_float, found.is_float and not spec.is_float
        return (gained, lost, *_NO_COST[2:])
    return (
        0,
        0,
        max(spec.bits - found.bits, 0),
        max(found.bits - spec.bits, 0),
        spec.is_affine != found.is_affine,
        _distance(spec.granularity, found.granularity),
        spec.symmetric != found.symmetric,
        spec.signed != found.signed,
        spec.pow2 != found.pow2,
    )


_FINENESS = {"tensor": 0, "channel": 1, "block": 2}


def _distance(asked: Granularity | None, found: Granularity | None) -> int:
    if asked == found or asked is None or found is None:
        return 0
    if asked.kind == found.kind:
        return 1
    return 2 if _FINENESS[found.kind] > _FINENESS[asked.kind] else 3
