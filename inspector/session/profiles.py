"""What a recipe's target and the form of its file take together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import TypeVar

from inspector.session.formats import FORMATS
from inspector.session.recipe import Recipe
from inspector.session.target_profile import Default, Form, Operator, Pair, Target
from inspector.session.targets import load_target

_T = TypeVar("_T")


def profile_of(recipe: Recipe) -> Target:
    """What a recipe's choices have to fit: the same object as long as nothing of it changes.

    Raises:
        RecipeError: there is no such target, or its profile is wrong.
    """
    return in_format(load_target(recipe.target), recipe.format)


@lru_cache(maxsize=256)
def in_format(target: Target, form: str) -> Target:
    """What a target takes in a form of file: what both of them do.

    Args:
        target: the profile.
        form: one of `FORMATS`; of an unknown one nothing more is said.
    """
    known = FORMATS.get(form)
    if known is None or form == "qdq":
        return target
    other = known.profile
    return replace(
        target,
        title=f"{target.title} ({known.title})",
        weights=_forms(target.weights, other.weights),
        activations=_forms(target.activations, other.activations),
        operators=_operators(target.operators, other.operators),
        pairs=_pairs(target.pairs, other.pairs),
        default=_default(target, other),
    )


def _default(target: Target, other: Target) -> Default | None:
    """The target's weights, and the activations that the form of the file means."""
    if other.default is None or target.default is None:
        return target.default or other.default
    specs = replace(target.default.specs, activations=other.default.specs.activations)
    return Default(specs, target.default.source)


def _forms(first: Sequence[Form], second: Sequence[Form]) -> tuple[Form, ...]:
    if not first or not second:
        return tuple(first or second)
    both = [found for a, b in product(first, second) if (found := _form(a, b)) is not None]
    # An empty list would say that nothing is ruled out.
    return tuple(both) or (Form((), (), source=_joined(second[0], first[0])),)


def _form(a: Form, b: Form) -> Form | None:
    kinds = tuple(kind for kind in a.granularities if kind in b.granularities)
    dtypes = tuple(dtype for dtype in a.dtypes if dtype in b.dtypes)
    operators, sizes = _either(a.operators, b.operators), _either(a.block_sizes, b.block_sizes)
    if sizes is None:
        sizes, kinds = (), tuple(kind for kind in kinds if kind != "block")
    if operators is None or not kinds or not dtypes:
        return None
    return replace(
        a,
        dtypes=dtypes,
        granularities=kinds,
        block_sizes=sizes,
        operators=operators,
        output_channels=a.output_channels or b.output_channels,
        symmetric=a.symmetric or b.symmetric,
        power_of_two=a.power_of_two or b.power_of_two,
        run_time=a.run_time or b.run_time,
        source=_joined(a, b),
    )


def _operators(first: Sequence[Operator], second: Sequence[Operator]) -> tuple[Operator, ...]:
    if not first or not second:
        return tuple(first or second)
    named = {name for entry in second for name in entry.names}
    both = [
        replace(entry, names=tuple(name for name in entry.names if name in named))
        for entry in first
    ]
    return tuple(entry for entry in both if entry.names) or (replace(second[0], names=()),)


def _pairs(first: Sequence[Pair], second: Sequence[Pair]) -> tuple[Pair, ...]:
    if not first or not second:
        return tuple(first or second)
    found = []
    for a, b in product(first, second):
        weights = tuple(dtype for dtype in a.weights if dtype in b.weights)
        activations = tuple(dtype for dtype in a.activations if dtype in b.activations)
        operators = _either(a.operators, b.operators)
        if weights and activations and operators is not None:
            found.append(replace(a, weights=weights, activations=activations, operators=operators))
    return tuple(found) or (replace(second[0], weights=(), activations=()),)


def _either(a: tuple[_T, ...], b: tuple[_T, ...]) -> tuple[_T, ...] | None:
    """What two lists have in common, where an empty one means everything; None for nothing."""
    if not a or not b:
        return a or b
    return tuple(item for item in a if item in b) or None


def _joined(a: Form, b: Form) -> str:
    return "; ".join(dict.fromkeys(source for source in (a.source, b.source) if source))
