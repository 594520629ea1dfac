"""A graph ready to paint: cards, places and the curves between them. Built off the main thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QFont, QFontMetricsF, QPainterPath

from inspector.graph.layout import RANK_GAP, Layout, layout
from inspector.graph.model import Graph
from inspector.gui.graph_view.cards import Card, Fonts, Wire, build_cards, build_wires

TITLE_PIXELS = 13
BODY_PIXELS = 11
STUB = 26.0


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Everything the view needs; coordinates in pixels at 100 %.

    Attributes:
        cards: what is drawn.
        wires: what connects them.
        index: number of the card of each node name.
        boxes: left, top, right, bottom of each card, shape (cards, 4).
        paths: the curve of each wire.
        path_boxes: left, top, right, bottom of each curve, shape (wires, 4).
        labels: where the label of each wire is centred; None for a wire without a label.
        arrows: the tip of each wire's arrow, shape (wires, 2).
        cut: for each wire whether it is only shown as a stub at each end.
        bounds: of the whole picture.
    """

    cards: tuple[Card, ...]
    wires: tuple[Wire, ...]
    index: Mapping[str, int]
    boxes: NDArray[np.float64]
    paths: tuple[QPainterPath, ...]
    path_boxes: NDArray[np.float64]
    labels: tuple[QPointF | None, ...]
    arrows: NDArray[np.float64]
    cut: tuple[bool, ...]
    bounds: QRectF

    def rect(self, number: int) -> QRectF:
        """The rectangle of a card."""
        left, top, right, bottom = self.boxes[number]
        return QRectF(left, top, right - left, bottom - top)


def card_font(pixels: int, *, bold: bool = False) -> QFont:
    """The application's font in a size for cards."""
    font = QFont()
    font.setPixelSize(pixels)
    font.setBold(bold)
    return font


def card_fonts() -> Fonts:
    """Measures of the fonts that cards are painted with."""
    title = QFontMetricsF(card_font(TITLE_PIXELS, bold=True))
    strong = QFontMetricsF(card_font(BODY_PIXELS, bold=True))
    body = QFontMetricsF(card_font(BODY_PIXELS))
    return Fonts(
        lru_cache(4096)(lambda text: title.horizontalAdvance(text)),
        lru_cache(4096)(lambda text: strong.horizontalAdvance(text)),
        lru_cache(4096)(lambda text: body.horizontalAdvance(text)),
    )


def build_picture(graph: Graph, fonts: Fonts) -> Picture:
    """Lay a graph out and prepare all that is painted."""
    cards = build_cards(graph, fonts)
    wires = build_wires(graph)
    sizes = [(card.width, card.height) for card in cards]
    drawing = layout(sizes, [(wire.source, wire.target) for wire in wires])
    boxes = np.hstack([drawing.positions, drawing.positions + np.array(sizes).reshape(-1, 2)])
    routes = _with_stubs(wires, drawing, boxes)
    paths = tuple(_curve(route) for route in routes)
    return Picture(
        cards,
        wires,
        {card.name: i for i, card in enumerate(cards) if card.kind in ("node", "layer")},
        boxes,
        paths,
        _path_boxes(paths),
        tuple(_label_places(wires, drawing.routes)),
        np.array([route[-1] for route in routes]).reshape(-1, 2),
        tuple(len(route) == 0 for route in drawing.routes),
        QRectF(0, 0, drawing.width, drawing.height),
    )


def _with_stubs(
    wires: Sequence[Wire], drawing: Layout, boxes: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Routes, with a short piece above the target in place of those that were cut out."""
    routes = []
    for wire, route in zip(wires, drawing.routes, strict=True):
        if len(route):
            routes.append(route)
            continue
        left, top, right, _ = boxes[wire.target]
        x = (left + right) / 2 - min(30.0, (right - left) / 3)
        routes.append(np.array([[x, top - STUB], [x, top]]))
    return routes


def _curve(route: NDArray[np.float64]) -> QPainterPath:
    """Straight through ranks, a smooth S between them."""
    path = QPainterPath(QPointF(*route[0]))
    for (x0, y0), (x1, y1) in pairwise(route):
        if x0 == x1:
            path.lineTo(x1, y1)
        else:
            middle = (y0 + y1) / 2
            path.cubicTo(x0, middle, x1, middle, x1, y1)
    return path


def _path_boxes(paths: Sequence[QPainterPath]) -> NDArray[np.float64]:
    boxes = np.zeros((len(paths), 4))
    for row, path in enumerate(paths):
        box = path.controlPointRect()
        boxes[row] = (box.left(), box.top(), box.right(), box.bottom())
    return boxes


def _label_places(
    wires: Sequence[Wire], routes: Sequence[NDArray[np.float64]]
) -> list[QPointF | None]:
    """One label for each tensor, where its curve leaves the others.

    Curves that leave one card part towards their targets; those of different cards meet there. A
    label goes to the end where its curve is alone.
    """
    leaving = Counter(wire.source for wire in wires)
    seen: set[str] = set()
    places: list[QPointF | None] = []
    for wire, route in zip(wires, routes, strict=True):
        if wire.tensor in seen or not wire.label or len(route) < 2:
            places.append(None)
            continue
        seen.add(wire.tensor)
        pieces = list(pairwise(route))
        slanted = [piece for piece in pieces if piece[0][0] != piece[1][0]]
        if not slanted:
            start, end = pieces[-1]
            middle = (max(start[1], end[1] - RANK_GAP) + end[1]) / 2
            places.append(QPointF(start[0], middle))
        elif leaving[wire.source] > 1:
            places.append(_on_curve(*slanted[-1], 0.68))
        else:
            places.append(_on_curve(*slanted[0], 0.32))
    return places


def _on_curve(start: NDArray[np.float64], end: NDArray[np.float64], t: float) -> QPointF:
    """The point at parameter t of the S between two corners (see `_curve`)."""
    along = 3 * t**2 - 2 * t**3
    down = 1.5 * (1 - t) ** 2 * t + 1.5 * (1 - t) * t**2 + t**3
    x, y = start + (end - start) * np.array([along, down])
    return QPointF(x, y)
