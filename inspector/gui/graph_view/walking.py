"""Which card comes next when the arrow keys walk along the edges."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PySide6.QtCore import Qt

from inspector.gui.graph_view.picture import Picture

_AHEAD = {"down": Qt.Key.Key_Down, "right": Qt.Key.Key_Right}
_BACK = {"down": Qt.Key.Key_Up, "right": Qt.Key.Key_Left}
_BEFORE = {"down": Qt.Key.Key_Left, "right": Qt.Key.Key_Up}


def neighbour(
    picture: Picture, start: int | None, key: Qt.Key, came_from: int | None
) -> int | None:
    """The card that an arrow key leads to from another.

    Args:
        picture: the graph.
        start: where the walk is; None begins at the first node.
        key: along the edges to a consumer, against them to a producer, or across along the rank.
        came_from: the card visited before, which is preferred where it is one of several.

    Returns:
        Its number; None where there is nothing in that direction.
    """
    cards = picture.cards
    if start is None:
        return next((number for number, card in enumerate(cards) if not card.is_pill), None)
    links = picture.scene.links
    if key == _AHEAD[picture.direction]:
        reached = links[links[:, 0] == start, 1]
    elif key == _BACK[picture.direction]:
        reached = links[links[:, 1] == start, 0]
    else:
        return _beside(picture, start, -1 if key == _BEFORE[picture.direction] else 1)
    near = [number for number in dict.fromkeys(reached.tolist()) if not cards[number].is_pill]
    if came_from in near:
        return came_from
    return _nearest(picture, start, near)


def _nearest(picture: Picture, start: int, numbers: Iterable[int]) -> int | None:
    """The card whose middle is nearest across the direction of the edges."""
    axis = 0 if picture.direction == "down" else 1
    middles = (picture.boxes[:, axis] + picture.boxes[:, axis + 2]) / 2
    return min(numbers, key=lambda number: abs(middles[number] - middles[start]), default=None)


def _beside(picture: Picture, start: int, way: int) -> int | None:
    """The next card of the same rank."""
    boxes = picture.boxes
    main, across = (1, 0) if picture.direction == "down" else (0, 1)
    middle = (boxes[start, main] + boxes[start, main + 2]) / 2
    level = (boxes[:, main] <= middle) & (boxes[:, main + 2] >= middle)
    offset = (boxes[:, across] - boxes[start, across]) * way
    ahead = np.flatnonzero(level & (offset > 0))
    found = [n for n in ahead.tolist() if not picture.cards[n].is_pill]
    return min(found, key=lambda number: float(offset[number]), default=None)
