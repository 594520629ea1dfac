"""What of a spec a target cannot run, for showing it so before it is chosen. No widgets here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from inspector.graph.model import Layer
from inspector.gui import spec_choices
from inspector.quant.spec import Granularity, LayerSpecs, QuantSpec, Role
from inspector.session.fitting import (
    allowed_dtypes,
    allowed_granularities,
    allowed_scales,
    allowed_symmetry,
)
from inspector.session.target_profile import Target
from inspector.session.target_rules import Place, spec_violations

Reasons = Mapping[Any, str]
_NONE: Reasons = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Refusals:
    """Why choices cannot be made, by what they are; those that can be are not in it.

    Attributes:
        dtypes: types.
        granularities: which values share a scale.
        symmetry: symmetric (True) or not.
        scales: powers of two (True) or any.
    """

    dtypes: Reasons = field(default_factory=lambda: _NONE)
    granularities: Reasons = field(default_factory=lambda: _NONE)
    symmetry: Reasons = field(default_factory=lambda: _NONE)
    scales: Reasons = field(default_factory=lambda: _NONE)


ANYTHING = Refusals()


@dataclass(frozen=True, slots=True)
class Case:
    """Layers that a target judges alike, for they are of one kind and have equal specs.

    Attributes:
        layer: the first of them.
        specs: what they have.
        count: how many they are.
    """

    layer: Layer
    specs: LayerSpecs
    count: int


def cases_of(layers: Iterable[Layer], specs: Mapping[str, LayerSpecs]) -> tuple[Case, ...]:
    """Layers by what a target looks at.

    Equal specs are one object (see `Recipe.resolve_all`), so that comparing them costs nothing.

    Args:
        layers: the layers.
        specs: of all of them, filled.

    Cost: linear in the layers, 1 ms for 1,000.
    """
    first: dict[tuple[object, ...], Layer] = {}
    counts: Counter[tuple[object, ...]] = Counter()
    for layer in layers:
        shape = layer.weight_shape
        kind = (
            layer.op_type,
            None if shape is None else len(shape),
            layer.channel_axis,
            layer.weight is None,
            id(specs[layer.name]),
        )
        counts[kind] += 1
        first.setdefault(kind, layer)
    return tuple(Case(layer, specs[layer.name], counts[kind]) for kind, layer in first.items())


def operators_of(cases: Iterable[Case], role: Role) -> tuple[str, ...]:
    """The operators of layers as profiles name them, each once."""
    layers = (case.layer for case in cases)
    concerned = (layer for layer in layers if role == "activations" or layer.weight is not None)
    return tuple(sorted({Place.of(layer).operator for layer in concerned}))


@lru_cache(maxsize=256)
def refusals(
    target: Target, role: Role, operators: tuple[str, ...], dtypes: tuple[str, ...]
) -> Refusals:
    """What a target runs for none of some layers: what it runs for a part of them can be chosen.

    Args:
        target: the profile.
        role: weights or activations.
        operators: of the layers; see `operators_of`.
        dtypes: the types that the layers have now; the other parts are judged with them.
    """
    whole = [dtype for dtype in dtypes if dtype != "float"]
    pairs = [(operator, dtype) for operator in operators for dtype in whole]
    kinds: Sequence[Granularity] = [
        choice.value
        for choice in spec_choices.granularity_choices(role)
        if isinstance(choice.value, Granularity)
    ]
    return Refusals(
        dtypes=_by_all(lambda operator: allowed_dtypes(target, role, operator), operators),
        granularities=_by_all(
            lambda pair: allowed_granularities(target, role, pair[0], pair[1], kinds), pairs
        ),
        symmetry=_by_all(lambda pair: allowed_symmetry(target, role, *pair), pairs),
        scales=_by_all(lambda pair: allowed_scales(target, role, *pair), pairs),
    )


def refusal(target: Target, role: Role, operators: Sequence[str], spec: QuantSpec) -> str:
    """Why a target runs a whole spec for none of some layers; empty if it does for one."""
    if spec.is_float or not operators:
        return ""
    found = [spec_violations(target, role, Place(operator), spec) for operator in operators]
    return found[0][0].why if all(found) else ""


def _by_all(ask: Callable[[Any], Mapping[Any, str]], cases: Sequence[Any]) -> Reasons:
    """What is refused in every case, with the first reason."""
    if not cases:
        return _NONE
    answers = [ask(case) for case in cases]
    return MappingProxyType(
        {
            choice: reason
            for choice, reason in answers[0].items()
            if reason and all(answer[choice] for answer in answers)
        }
    )
