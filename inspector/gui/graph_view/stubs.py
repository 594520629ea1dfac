"""Links that are not drawn as lines: a labelled stub at both ends, which leads to the other end.

A stub hangs on a side of its card that no edge comes to, where there is room: left and right of it
while edges run downwards, above and below while they run rightwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.graph.layout import Direction, Layout
from inspector.graph.scene import Scene
from inspector.gui.graph_view.cards import HEADER_HEIGHT, Measure

CHIP_HEIGHT = 15.0
CHIP_MAX = 132.0
_PADDING = 7.0
_LINE = 12.0
_GAP = 4.0
_CELL = 160.0
_LONG = 72.0
"""Pixels of a line that goes past cards, and not only from one rank to the next."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""
Place = tuple[Box, Box]
"""Of a chip, and of its line: from (x, y) to (x, y), in the direction of the flow."""


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
    drawing: Layout,
    measure: Measure,
    direction: Direction,
) -> tuple[Stub, ...]:
    """Stubs for every link that is cut: one for each tensor at its source, one at each reader.

    Cost: for each stub the cards about as high up as it is, and the long lines near it.
    """
    ends = _ends(scene, drawing.cut)
    if not ends:
        return ()
    room, stubs = _Room(boxes, _long_lines(drawing)), []
    for (item, incoming), found in ends.items():
        box: Box = tuple(boxes[item].tolist())
        for number, (tensor, others, text) in enumerate(found):
            width = min(measure(text) + 2 * _PADDING, CHIP_MAX)
            places = list(_places(box, width, number, direction, incoming=incoming))
            chip, line = next((place for place in places if room.is_free(place[0])), places[0])
            room.take(chip)
            stubs.append(Stub(item, others, tensor, incoming, text, chip, line))
    return tuple(stubs)


_End = tuple[str, tuple[int, ...], str]
"""The tensor, the cards at the other end, and what is written."""


def _ends(scene: Scene, cut: NDArray[np.bool_]) -> dict[tuple[int, bool], list[_End]]:
    """What hangs on each card, coming in or going out."""
    ends: dict[tuple[int, bool], list[_End]] = defaultdict(list)
    leaving: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for link in np.flatnonzero(cut).tolist():
        source, target = scene.links[link].tolist()
        tensor = scene.tensors[link]
        ends[target, True].append((tensor, (source,), tensor))
        leaving[source][tensor].append(target)
    for item, tensors in leaving.items():
        for tensor, targets in tensors.items():
            ends[item, False].append((tensor, tuple(targets), _leads_to(scene, tensor, targets)))
    return ends


def _leads_to(scene: Scene, tensor: str, targets: Sequence[int]) -> str:
    if len(targets) == 1:
        return scene.items[targets[0]].name
    return f"{tensor} × {len(targets)}"


def _places(
    box: Box, width: float, number: int, direction: Direction, *, incoming: bool
) -> Iterator[Place]:
    """Where the chip of a card's stub may be, the best first.

    Args:
        box: of the card.
        width: of the chip.
        number: how many chips hang on the same side already.
        direction: where the edges run.
        incoming: whether the card reads the tensor.
    """
    if direction == "right":
        yield from _above_or_below(box, width, number, incoming=incoming)
        return
    left, top, right, bottom = box
    first = HEADER_HEIGHT / 2
    level = top + first if incoming else bottom - first
    step = (CHIP_HEIGHT + _GAP) * (number if incoming else -number)
    upper = level + step - CHIP_HEIGHT / 2
    anchor = min(max(level + step, top + 6), bottom - 6)
    left_chip = (left - _LINE - width, upper, left - _LINE, upper + CHIP_HEIGHT)
    right_chip = (right + _LINE, upper, right + _LINE + width, upper + CHIP_HEIGHT)
    middle = upper + CHIP_HEIGHT / 2
    if incoming:
        yield left_chip, (left - _LINE, middle, left, anchor)
        yield right_chip, (right + _LINE, middle, right, anchor)
    else:
        yield right_chip, (right, anchor, right + _LINE, middle)
        yield left_chip, (left, anchor, left - _LINE, middle)
    yield from _at_corners(box, width, number, incoming=incoming)


def _at_corners(box: Box, width: float, number: int, *, incoming: bool) -> Iterator[Place]:
    """Beside the edges at the middle of the card, where cards beside it leave no room."""
    left, top, right, bottom = box
    middle = (left + right) / 2
    away = _LINE + (CHIP_HEIGHT + _GAP) * number
    upper = top - away - CHIP_HEIGHT if incoming else bottom + away
    end, start = (top, upper + CHIP_HEIGHT) if incoming else (bottom, upper)
    for x, at in (
        (middle - 10 - width, max(left + 6, middle - 20)),
        (middle + 10, min(right - 6, middle + 20)),
    ):
        chip = (x, upper, x + width, upper + CHIP_HEIGHT)
        yield chip, (at, start, at, end) if incoming else (at, end, at, start)


def _above_or_below(box: Box, width: float, number: int, *, incoming: bool) -> Iterator[Place]:
    left, top, right, bottom = box
    for lift in (0, 1):
        away = _LINE + (CHIP_HEIGHT + _GAP) * (number + lift)
        upper = top - away - CHIP_HEIGHT if incoming else bottom + away
        x = left if incoming else right - width
        at = min(left + 14, right) if incoming else max(right - 14, left)
        chip = (x, upper, x + width, upper + CHIP_HEIGHT)
        yield chip, (at, upper + CHIP_HEIGHT, at, top) if incoming else (at, bottom, at, upper)


def _long_lines(drawing: Layout) -> NDArray[np.float64]:
    """x, upper and lower end of each line that goes straight down past cards."""
    starts, ends = drawing.corners[:-1], drawing.corners[1:]
    straight = (starts[:, 0] == ends[:, 0]) & (ends[:, 1] - starts[:, 1] > _LONG)
    straight[drawing.starts[1:-1][drawing.starts[1:-1] < len(drawing.corners)] - 1] = False
    lines = np.column_stack([starts[:, 0], starts[:, 1], ends[:, 1]])
    found: NDArray[np.float64] = lines[straight]
    return found


class _Room:
    """Knows where cards, long lines and chips are."""

    def __init__(self, boxes: NDArray[np.float64], lines: NDArray[np.float64]) -> None:
        order = np.argsort(boxes[:, 1], kind="stable")
        self._boxes = boxes[order]
        self._tallest = float((boxes[:, 3] - boxes[:, 1]).max(initial=0.0))
        self._lines = lines[np.argsort(lines[:, 0], kind="stable")]
        self._chips: dict[tuple[int, int], list[Box]] = defaultdict(list)

    def is_free(self, chip: Box) -> bool:
        """Whether nothing is there."""
        left, top, right, bottom = chip
        tops = self._boxes[:, 1]
        first, last = np.searchsorted(tops, (top - self._tallest, bottom))
        near = self._boxes[first:last]
        hit = (near[:, 0] < right) & (near[:, 2] > left) & (near[:, 3] > top)
        first, last = np.searchsorted(self._lines[:, 0], (left, right))
        lines = self._lines[first:last]
        if hit.any() or ((lines[:, 1] < bottom) & (lines[:, 2] > top)).any():
            return False
        others = (other for cell in _cells(chip) for other in self._chips.get(cell, ()))
        return not any(
            other[0] < right and other[2] > left and other[1] < bottom and other[3] > top
            for other in others
        )

    def take(self, chip: Box) -> None:
        """A chip is there now."""
        for cell in _cells(chip):
            self._chips[cell].append(chip)


def _cells(chip: Box) -> Iterator[tuple[int, int]]:
    """The cells of a grid that a chip touches; it is smaller than any of them."""
    columns = {int(chip[0] // _CELL), int(chip[2] // _CELL)}
    rows = {int(chip[1] // _CELL), int(chip[3] // _CELL)}
    yield from ((column, row) for column in columns for row in rows)
