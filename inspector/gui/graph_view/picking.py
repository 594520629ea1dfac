"""What lies under a point of a picture: a card, a stub, or a link."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF

from inspector.gui.graph_view.boxes import numbers_within
from inspector.gui.graph_view.picture import Picture, Points
from inspector.gui.graph_view.stubs import Stub

_NEAR = 5.0
"""A link is under the pointer if it is at most this many widget pixels away."""
_SAMPLES = 25


@dataclass(frozen=True, slots=True)
class Under:
    """What is under the pointer.

    Attributes:
        card: number of a card.
        stub: one end of a link that is not drawn.
        tensor: the tensor whose pill, stub or line it is.
    """

    card: int | None = None
    stub: Stub | None = None
    tensor: str | None = None


def card_at(picture: Picture, at: QPointF) -> int | None:
    """The number of the card at a point."""
    found = numbers_within(picture.boxes, QRectF(at, at))
    return int(found[0]) if len(found) else None


def stub_at(picture: Picture, at: QPointF) -> Stub | None:
    """The stub whose label or line is at a point."""
    area = QRectF(at.x() - 2, at.y() - 2, 4, 4)
    found = numbers_within(picture.stub_boxes, area)
    return picture.stubs[int(found[0])] if len(found) else None


def link_at(picture: Picture, at: QPointF, scale: float) -> int | None:
    """The number of the link that passes nearest by a point, if one is near.

    Cost: linear in the number of links to find those around the point, then a few curves.
    """
    near = _NEAR / scale
    area = QRectF(at.x() - near, at.y() - near, 2 * near, 2 * near)
    best: tuple[float, int] | None = None
    for link in numbers_within(picture.link_boxes, area).tolist():
        distance = _distance(picture, link, at)
        if distance <= near and (best is None or distance < best[0]):
            best = distance, link
    return None if best is None else best[1]


def find_under(picture: Picture, at: QPointF, scale: float) -> Under:
    """What is under a point: cards lie over stubs, and stubs over lines."""
    card = card_at(picture, at)
    if card is not None:
        tensor = picture.cards[card].name if picture.cards[card].is_pill else None
        return Under(card=card, tensor=tensor)
    stub = stub_at(picture, at)
    if stub is not None:
        return Under(stub=stub, tensor=stub.tensor)
    link = link_at(picture, at, scale)
    return Under(tensor=None if link is None else picture.scene.tensors[link])


def _distance(picture: Picture, link: int, at: QPointF) -> float:
    """How far a point is from a link's curve, in picture pixels."""
    route = picture.drawing.route(link)
    main = 1 if picture.direction == "down" else 0
    point = np.array([at.x(), at.y()])
    low = np.minimum(route[:-1, main], route[1:, main])
    high = np.maximum(route[:-1, main], route[1:, main])
    inside = np.flatnonzero((low <= point[main]) & (point[main] <= high))
    pieces = inside if len(inside) else np.arange(len(route) - 1)
    t = np.linspace(0.0, 1.0, _SAMPLES)
    ahead = 1.5 * (1 - t) ** 2 * t + 1.5 * (1 - t) * t**2 + t**3
    aside = 3 * t**2 - 2 * t**3
    best = np.inf
    for piece in pieces[:64].tolist():
        begin, end = route[piece], route[piece + 1]
        curve = np.empty((_SAMPLES, 2))
        curve[:, main] = begin[main] + (end - begin)[main] * ahead
        curve[:, 1 - main] = begin[1 - main] + (end - begin)[1 - main] * aside
        best = min(best, _to_line(curve, point))
    return float(best)


def _to_line(curve: Points, point: Points) -> float:
    """The distance of a point from a line through points (n, 2)."""
    start, step = curve[:-1], np.diff(curve, axis=0)
    length = np.maximum((step**2).sum(axis=1), 1e-12)
    along = np.clip(((point - start) * step).sum(axis=1) / length, 0, 1)
    away = start + step * along[:, None] - point
    return float(np.sqrt((away**2).sum(axis=1).min()))
