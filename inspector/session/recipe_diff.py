"""What two recipes do differently to one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from inspector.graph.model import Layer
from inspector.graph.preparations import in_order
from inspector.quant.spec import LayerSpecs, Role
from inspector.session.recipe import Recipe

Field = Literal[
    "target",
    "format",
    "MatMulNBits",
    "integer ends",
    "passes left out",
    "weights",
    "activations",
    "recover",
]
_ROLES: tuple[Role, ...] = ("weights", "activations")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two recipes do not agree on.

    Attributes:
        layer: the layer's name; "" for what concerns the whole model.
        field: what of it.
        this: as the one recipe has it.
        other: as the other has it.
    """

    layer: str
    field: Field
    this: str
    other: str


def recipe_diff(this: Recipe, other: Recipe, layers: Sequence[Layer]) -> tuple[Difference, ...]:
    """Everything that differs: for the whole model first, then layer by layer in their order.

    What is compared is what each layer gets, so two recipes that say the same in different words
    have no differences.

    Args:
        this: the one recipe.
        other: the other; rules of it that match no layer make no difference.
        layers: the layers of the model.

    Cost: linear in the layers, times the rules with wildcards.
    """
    found: list[Difference] = []
    if this.target != other.target:
        found.append(Difference("", "target", this.target, other.target))
    if this.format != other.format:
        found.append(Difference("", "format", this.format, other.format))
    flags: tuple[tuple[Field, bool, bool], ...] = (
        ("MatMulNBits", this.matmul_nbits, other.matmul_nbits),
        ("integer ends", this.integer_io, other.integer_io),
    )
    found += [Difference("", flag, _said(a), _said(b)) for flag, a, b in flags if a != b]
    if this.skip != other.skip:
        mine_left, theirs_left = (", ".join(in_order(r.skip)) or "none" for r in (this, other))
        found.append(Difference("", "passes left out", mine_left, theirs_left))
    mine, theirs = this.resolve_all(layers), other.resolve_all(layers)
    done, other_done = this.recover_all(layers), other.recover_all(layers)
    for layer in layers:
        name = layer.name
        found += _of_layer(layer, mine[name], theirs[name])
        if done[name] != other_done[name]:
            found.append(Difference(name, "recover", str(done[name]), str(other_done[name])))
    return tuple(found)


def _said(flag: bool) -> str:
    return "yes" if flag else "no"


def _of_layer(layer: Layer, this: LayerSpecs, other: LayerSpecs) -> list[Difference]:
    return [
        Difference(layer.name, role, str(getattr(this, role)), str(getattr(other, role)))
        for role in _ROLES
        if getattr(this, role) != getattr(other, role)
        and (role == "activations" or layer.weight is not None)
    ]
