"""Which place of one picture is level with a place of another, by the cards that are partners."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF

from inspector.graph.partners import Partners
from inspector.gui.graph_view.picture import Picture

SideName = Literal["first", "second"]
SIDES: tuple[SideName, SideName] = ("first", "second")
_NEAR = 24.0
"""Pixels of the picture within which the nearest card alone decides."""


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Two pictures and what of one is in the other.

    Attributes:
        names: by side, node -> the nodes that stand for it on the other side.
        tensors: by side, tensor -> the one that stands for it on the other side.
        middles: by side, the middle of each card that has a partner; row by row partners.
    """

    names: Mapping[SideName, Mapping[str, tuple[str, ...]]]
    tensors: Mapping[SideName, Mapping[str, str]]
    middles: Mapping[SideName, NDArray[np.float64]]

    def partners(self, side: SideName, names: Iterable[str]) -> tuple[str, ...]:
        """What stands for nodes of one side on the other, in their order."""
        known = self.names[side]
        return tuple(dict.fromkeys(other for name in names for other in known.get(name, ())))

    def level(self, side: SideName, point: QPointF) -> QPointF:
        """The point of the other picture that is level with one of this.

        Each pair of cards says by how much its places differ; the nearer it is, the more it counts
        (Shepard 1968, inverse distance weighting with the power 4), so that the point moves
        smoothly when this one does, and a card in the middle has its partner in the middle.

        Cost: linear in the number of pairs, some 10 microseconds for a thousand.
        """
        here, there = self.middles[side], self.middles[other_side(side)]
        if not len(here):
            return point
        away = np.square(here - (point.x(), point.y())).sum(axis=1)
        weights = 1.0 / np.square(away + _NEAR**2)
        dx, dy = (weights @ (there - here)) / weights.sum()
        return QPointF(point.x() + float(dx), point.y() + float(dy))


def other_side(side: SideName) -> SideName:
    """The other one of two."""
    return "second" if side == "first" else "first"


def align(
    first: Picture,
    second: Picture,
    partners: Partners,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
) -> Alignment:
    """What of one picture is in the other.

    Args:
        first: a picture.
        second: another one.
        partners: of their nodes and tensors.
        inputs: input of the first -> input of the second.
        outputs: the same of outputs.

    Cost: linear in the number of nodes.
    """
    pairs: dict[tuple[int, int], None] = {}
    for name, others in partners.there.items():
        one = first.scene.place.get(name)
        for other in others:
            two = second.scene.place.get(other)
            if one is not None and two is not None:
                pairs[one, two] = None
    for kind, ends in (("input", inputs or {}), ("output", outputs or {})):
        ours, theirs = _pills(first, kind), _pills(second, kind)
        for name, other in ends.items():
            if name in ours and other in theirs:
                pairs[ours[name], theirs[other]] = None
    numbers = np.array(list(pairs), np.intp).reshape(-1, 2)
    tensors = dict(inputs or {})
    for pair in partners.pairs:
        tensors[pair.name] = _shown(second, pair.name, pair.second.tensor)
    return Alignment(
        {"first": partners.there, "second": partners.back},
        {"first": tensors, "second": {other: name for name, other in tensors.items()}},
        {
            "first": _middles(first)[numbers[:, 0]],
            "second": _middles(second)[numbers[:, 1]],
        },
    )


def _middles(picture: Picture) -> NDArray[np.float64]:
    return (picture.boxes[:, :2] + picture.boxes[:, 2:]) / 2


def _pills(picture: Picture, kind: str) -> dict[str, int]:
    items = picture.scene.items
    return {item.name: number for number, item in enumerate(items) if item.kind == kind}


def _shown(picture: Picture, name: str, tensor: str) -> str:
    """The name under which a picture draws a tensor."""
    if name in picture.carried_by:
        return name
    return picture.scene.quantized.names.get(tensor, tensor)
