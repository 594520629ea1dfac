"""What is drawn into a file, in parts that are small enough to be written one after the other.

A part has its own origin nearby. Qt writes the numbers of an SVG file with six digits: in a graph
that is a million pixels high, lines would miss their cards by ten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter

from inspector.graph.scene import Scene
from inspector.gui.graph_view.area import numbers_within
from inspector.gui.graph_view.painting import (
    Look,
    paint_card,
    paint_labels,
    paint_links,
    paint_stub,
)
from inspector.gui.graph_view.picture import Picture
from inspector.gui.graph_view.stubs import Box

CELL = 8192.0
"""Side of the squares that a picture is divided into, in pixels."""
_OUTLINE = 8.0
"""How far lines, arrowheads and the pile of a group reach beyond their boxes."""
FULL = 1.0
"""The zoom at which everything is shown."""

Numbers = NDArray[np.intp]
Step = Callable[[int, int], None]
"""Told of (done, total) between two parts; raises CancelledError to stop there."""


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """What goes into a file.

    Attributes:
        picture: the whole graph.
        look: how it is painted; of the one thread that paints.
        area: which part of it.
        scale: pixels of the result in a pixel of the picture.
        title: of the document.
        step: called between two parts.
    """

    picture: Picture
    look: Look
    area: QRectF
    scale: float
    title: str
    step: Step


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some lines or cards near one place.

    Attributes:
        x: of the part's origin in the picture.
        y: of the part's origin in the picture.
        paint: paints them, with coordinates from that origin.
    """

    x: float
    y: float
    paint: Callable[[QPainter], None]


def parts_of(sheet: Sheet) -> list[Part]:
    """All that touches the area of a sheet, lines before the cards that lie over them.

    Cost: O(n log n) here; what is painted is prepared part by part.
    """
    picture, look, area = sheet.picture, sheet.look, sheet.area

    def lines(x: float, y: float, numbers: Numbers) -> Callable[[QPainter], None]:
        return lambda painter: _paint_lines(painter, picture, look, x, y, numbers)

    def labels(x: float, y: float, numbers: Numbers) -> Callable[[QPainter], None]:
        return lambda painter: _paint_labels(painter, picture, look, x, y, numbers)

    def stubs(x: float, y: float, numbers: Numbers) -> Callable[[QPainter], None]:
        return lambda painter: _paint_stubs(painter, picture, look, x, y, numbers)

    def cards(x: float, y: float, numbers: Numbers) -> Callable[[QPainter], None]:
        return lambda painter: _paint_cards(painter, picture, look, x, y, numbers)

    around = area.adjusted(-_OUTLINE, -_OUTLINE, _OUTLINE, _OUTLINE)
    parts: list[Part] = []
    for boxes, paint in (
        (picture.link_boxes, lines),
        (picture.label_boxes, labels),
        (picture.stub_boxes, stubs),
        (picture.boxes, cards),
    ):
        for x, y, numbers in cells(boxes, numbers_within(boxes, around)):
            parts.append(Part(x, y, paint(x, y, numbers)))
    return parts


def cells(boxes: NDArray[np.float64], numbers: Numbers) -> Iterator[tuple[float, float, Numbers]]:
    """The boxes of each square that has any (by their top left corners), in reading order."""
    if not len(numbers):
        return
    columns, rows = np.floor(boxes[numbers, :2] / CELL).T
    order = np.lexsort((columns, rows))
    changes = (np.diff(columns[order]) != 0) | (np.diff(rows[order]) != 0)
    for members in np.split(order, np.flatnonzero(changes) + 1):
        first = members[0]
        yield float(columns[first]) * CELL, float(rows[first]) * CELL, numbers[np.sort(members)]


def _paint_lines(
    painter: QPainter, picture: Picture, look: Look, x: float, y: float, numbers: Numbers
) -> None:
    drawing = picture.drawing
    lengths = np.diff(drawing.starts)[numbers]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.arange(starts[-1]) + np.repeat(drawing.starts[numbers] - starts[:-1], lengths)
    near = replace(
        picture,
        scene=_scene_of(picture.scene, numbers),
        drawing=replace(drawing, corners=drawing.corners[rows] - (x, y), starts=starts),
        link_boxes=picture.link_boxes[numbers] - (x, y, x, y),
        labels=picture.labels[numbers] - (x, y),
    )
    paint_links(painter, near, range(len(numbers)), look, FULL)


def _paint_labels(
    painter: QPainter, picture: Picture, look: Look, x: float, y: float, numbers: Numbers
) -> None:
    near = replace(
        picture,
        scene=_scene_of(picture.scene, numbers),
        labels=picture.labels[numbers] - (x, y),
    )
    paint_labels(painter, near, range(len(numbers)), look)


def _scene_of(scene: Scene, links: Numbers) -> Scene:
    """The same scene with some of its links, numbered anew."""
    tensors = tuple(scene.tensors[number] for number in links.tolist())
    return replace(scene, links=scene.links[links], tensors=tensors)


def _paint_stubs(
    painter: QPainter, picture: Picture, look: Look, x: float, y: float, numbers: Numbers
) -> None:
    for number in numbers.tolist():
        stub = picture.stubs[number]
        near = replace(stub, chip=_moved(stub.chip, x, y), line=_moved(stub.line, x, y))
        paint_stub(painter, near, look, FULL)


def _moved(box: Box, x: float, y: float) -> Box:
    left, top, right, bottom = box
    return left - x, top - y, right - x, bottom - y


def _paint_cards(
    painter: QPainter, picture: Picture, look: Look, x: float, y: float, numbers: Numbers
) -> None:
    for number in numbers.tolist():
        place = picture.rect(number).translated(-x, -y)
        paint_card(painter, picture.cards[number], place, look, FULL)
