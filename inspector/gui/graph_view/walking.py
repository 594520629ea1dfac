"""Which card comes next when the arrow keys walk along the edges."""

from __future__ import annotations

from PySide6.QtCore import Qt

from inspector.gui.graph_view.picture import Picture


def neighbour(picture: Picture, start: str | None, key: Qt.Key) -> str | None:
    """The node that an arrow key leads to from another.

    Args:
        picture: the graph.
        start: where the walk is; None begins at the first node.
        key: Up to a producer, Down to a consumer, Left and Right along the rank.

    Returns:
        Its name; None where there is nothing in that direction.
    """
    if start is None or start not in picture.index:
        return next(iter(picture.index), None)
    here = picture.index[start]
    if key == Qt.Key.Key_Down:
        reached = [wire.target for wire in picture.wires if wire.source == here]
    elif key == Qt.Key.Key_Up:
        reached = [wire.source for wire in picture.wires if wire.target == here]
    else:
        reached = _beside(picture, here, -1 if key == Qt.Key.Key_Left else 1)
    names = (picture.cards[number] for number in reached)
    return next((card.name for card in names if card.kind in ("node", "layer")), None)


def _beside(picture: Picture, here: int, direction: int) -> list[int]:
    boxes = picture.boxes
    middle = (boxes[here, 1] + boxes[here, 3]) / 2
    level = (boxes[:, 1] <= middle) & (boxes[:, 3] >= middle)
    ahead = level & ((boxes[:, 0] - boxes[here, 0]) * direction > 0)
    found = [int(i) for i in ahead.nonzero()[0]]
    return sorted(found, key=lambda i: abs(float(boxes[i, 0] - boxes[here, 0])))
