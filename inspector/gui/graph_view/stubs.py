"""Links that are not drawn as lines: a labelled stub at both ends, which leads to the other end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.graph.layout import Direction
from inspector.graph.scene import Scene
from inspector.gui.graph_view.cards import Measure

CHIP_HEIGHT = 15.0
CHIP_MAX = 132.0
_PADDING = 7.0
_LINE = 14.0
_GAP = 4.0

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True, slots=True)
class Stub:
    """One end of a tensor whose line is not drawn.

    Attributes:
        item: number of the card it hangs on.
        others: numbers of the cards at the other end.
        tensor: what flows.
        incoming: whether the card reads the tensor.
        text: where it leads, in full; elided when it is painted.
        chip: the label's place.
        line: from (x, y) to (x, y), in the direction of the flow.
    """

    item: int
    others: tuple[int, ...]
    tensor: str
    incoming: bool
    text: str
    chip: Box
    line: Box

    @property
    def reach(self) -> Box:
        """The box around chip and line."""
        left, top, right, bottom = self.chip
        x0, y0, x1, y1 = self.line
        return min(left, x0, x1), min(top, y0, y1), max(right, x0, x1), max(bottom, y0, y1)


def build_stubs(
    scene: Scene,
    boxes: NDArray[np.float64],
    cut: NDArray[np.bool_],
    measure: Measure,
    direction: Direction,
) -> tuple[Stub, ...]:
    """Stubs for every link that is cut: one for each tensor at its source, one at each reader."""
    arriving: dict[int, list[tuple[str, int]]] = defaultdict(list)
    leaving: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for link in np.flatnonzero(cut).tolist():
        source, target = scene.links[link].tolist()
        arriving[target].append((scene.tensors[link], source))
        leaving[source][scene.tensors[link]].append(target)
    stubs = []
    for item, found in arriving.items():
        texts = [tensor for tensor, _ in found]
        places = _places(boxes[item], texts, measure, direction, incoming=True)
        for (tensor, source), text, (chip, line) in zip(found, texts, places, strict=True):
            stubs.append(Stub(item, (source,), tensor, True, text, chip, line))
    for item, tensors in leaving.items():
        texts = [_leads_to(scene, tensor, targets) for tensor, targets in tensors.items()]
        places = _places(boxes[item], texts, measure, direction, incoming=False)
        for (tensor, targets), text, (chip, line) in zip(
            tensors.items(), texts, places, strict=True
        ):
            stubs.append(Stub(item, tuple(targets), tensor, False, text, chip, line))
    return tuple(stubs)


def _leads_to(scene: Scene, tensor: str, targets: Sequence[int]) -> str:
    if len(targets) == 1:
        return scene.items[targets[0]].name
    return f"{tensor} × {len(targets)}"


def _places(
    box: NDArray[np.float64],
    texts: Sequence[str],
    measure: Measure,
    direction: Direction,
    *,
    incoming: bool,
) -> list[tuple[Box, Box]]:
    """Chip and line of each stub of a card, side by side about the card's middle."""
    left, top, right, bottom = box.tolist()
    widths = [min(measure(text) + 2 * _PADDING, CHIP_MAX) for text in texts]
    places: list[tuple[Box, Box]] = []
    if direction == "down":
        x = (left + right) / 2 - (sum(widths) + _GAP * (len(widths) - 1)) / 2
        for width in widths:
            middle = min(max(x + width / 2, left + 8), right - 8)
            if incoming:
                chip = (x, top - _LINE - CHIP_HEIGHT, x + width, top - _LINE)
                line = (middle, top - _LINE, middle, top)
            else:
                chip = (x, bottom + _LINE, x + width, bottom + _LINE + CHIP_HEIGHT)
                line = (middle, bottom, middle, bottom + _LINE)
            places.append((chip, line))
            x += width + _GAP
        return places
    pitch = CHIP_HEIGHT + _GAP
    y = (top + bottom) / 2 - (pitch * len(widths) - _GAP) / 2
    for width in widths:
        middle = min(max(y + CHIP_HEIGHT / 2, top + 6), bottom - 6)
        if incoming:
            chip = (left - _LINE - width, y, left - _LINE, y + CHIP_HEIGHT)
            line = (left - _LINE, middle, left, middle)
        else:
            chip = (right + _LINE, y, right + _LINE + width, y + CHIP_HEIGHT)
            line = (right, middle, right + _LINE, middle)
        places.append((chip, line))
        y += pitch
    return places
