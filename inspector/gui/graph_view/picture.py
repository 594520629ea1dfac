"""A graph ready to paint: cards, places and the curves between them. Built off the main thread.

What grows with the graph is held in flat arrays: 20,000 nodes are a dozen arrays and a tuple of
cards, and only the curves in sight become paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QFont, QFontMetricsF, QPainterPath

from inspector.graph.layout import Direction, Layout, layout
from inspector.graph.scene import Scene
from inspector.gui.graph_view.cards import Card, Detail, Fonts, Operator, build_cards
from inspector.gui.graph_view.labels import label_places
from inspector.gui.graph_view.stubs import Stub, build_stubs

TITLE_PIXELS = 13
BODY_PIXELS = 11
LABEL_WIDTH = 180.0
"""No label is wider, in pixels."""

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Picture:
    """Everything the view needs; coordinates in pixels at 100 %.

    Attributes:
        scene: what is shown.
        direction: where edges lead.
        carried_by: a number for each tensor that flows.
        carried: for each link the number of its tensor, shape (links,).
        cards: one for each item of the scene.
        groups: the number of each closed group's card, by its path.
        categories: the kinds of cards that there are, by which they are coloured.
        kinds: for each card the number of its category, shape (cards,).
        boxes: left, top, right, bottom of each card, shape (cards, 4).
        drawing: the routes of the links.
        link_boxes: left, top, right, bottom of each link, shape (links, 4); empty boxes (right
            before left) for links that are cut.
        labels: where the label of each link is centred, shape (links, 2); NaN for none.
        stubs: both ends of the links that are cut.
        bounds: of the whole picture.
    """

    scene: Scene
    direction: Direction
    carried_by: Mapping[str, int]
    carried: NDArray[np.int64]
    cards: tuple[Card, ...]
    groups: Mapping[str, int]
    categories: tuple[str, ...]
    kinds: NDArray[np.intp]
    boxes: Points
    drawing: Layout
    link_boxes: Points
    labels: Points
    stubs: tuple[Stub, ...]
    bounds: QRectF

    def rect(self, number: int) -> QRectF:
        """The rectangle of a card."""
        left, top, right, bottom = self.boxes[number].tolist()
        return QRectF(left, top, right - left, bottom - top)

    def area(self, numbers: list[int]) -> QRectF:
        """The rectangle around cards."""
        boxes = self.boxes[numbers]
        low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        return QRectF(QPointF(*low.tolist()), QPointF(*high.tolist()))

    def links_of(self, tensor: str) -> NDArray[np.intp]:
        """The numbers of the links that a tensor flows along."""
        number = self.carried_by.get(tensor, -1)
        return np.flatnonzero(self.carried == number)

    def number_of(self, name: str) -> int | None:
        """The card that shows a node, or a group by its path."""
        return self.scene.place.get(name, self.groups.get(name))

    def groups_among(self, names: Iterable[str]) -> set[int]:
        """The cards of closed groups that nodes are in."""
        if not self.groups:
            return set()
        place, groups = self.scene.place, frozenset(self.groups.values())
        return {place[name] for name in names if name in place} & groups

    def nearest(self, point: QPointF) -> int | None:
        """The card of a node, or a group, that is nearest to a point."""
        at = np.array([point.x(), point.y()])
        away = np.maximum(np.maximum(self.boxes[:, :2] - at, at - self.boxes[:, 2:]), 0)
        squares = (away**2).sum(axis=1)
        for _ in range(len(squares)):  # few of those that are near are pills
            number = int(squares.argmin())
            if not self.cards[number].is_pill:
                return number
            squares[number] = np.inf
        return None

    def start(self, reach: float) -> tuple[float, float]:
        """From where to where, across, the picture reaches in its first so many pixels along."""
        along, across = (1, 0) if self.direction == "down" else (0, 1)
        begins = self.boxes[:, along] - self.boxes[:, along].min(initial=np.inf)
        near = self.boxes[begins <= reach]
        if not len(near):
            return 0.0, 0.0
        return float(near[:, across].min()), float(near[:, across + 2].max())

    @cached_property
    def label_boxes(self) -> Points:
        """Room for each link's label, shape (links, 4); NaN, which is nowhere, for none."""
        reach = np.array([LABEL_WIDTH / 2 + 4, 9.0])
        return np.hstack([self.labels - reach, self.labels + reach])

    @cached_property
    def stub_boxes(self) -> Points:
        """Left, top, right, bottom of each stub with its line, shape (stubs, 4)."""
        return np.array([stub.reach for stub in self.stubs], dtype=np.float64).reshape(-1, 4)

    def path(self, link: int) -> QPainterPath:
        """The curve of a link: straight through ranks, a smooth S between them."""
        points = self.drawing.route(link).tolist()
        path = QPainterPath(QPointF(*points[0]))
        x0, y0 = points[0]
        for x1, y1 in points[1:]:
            if x0 == x1 or y0 == y1:
                path.lineTo(x1, y1)
            elif self.direction == "down":
                middle = (y0 + y1) / 2
                path.cubicTo(x0, middle, x1, middle, x1, y1)
            else:
                middle = (x0 + x1) / 2
                path.cubicTo(middle, y0, middle, y1, x1, y1)
            x0, y0 = x1, y1
        return path


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


def build_picture(
    scene: Scene,
    fonts: Fonts,
    direction: Direction = "down",
    detail: Detail | None = None,
    *,
    badges: bool = True,
    marked: frozenset[str] = frozenset(),
    bodies: frozenset[Operator] = frozenset(),
    room: float = 0.0,
) -> Picture:
    """Lay a scene out and prepare all that is painted.

    The arguments after `direction` are those of :func:`build_cards`. Cost: near-linear, about
    0.7 s for 20,000 nodes.
    """
    cards = build_cards(
        scene, fonts, detail, badges=badges, marked=marked, bodies=bodies, room=room
    )
    sizes = np.array([(card.width, card.height) for card in cards]).reshape(-1, 2)
    carried_by = {name: number for number, name in enumerate(dict.fromkeys(scene.tensors))}
    carried = np.array([carried_by[name] for name in scene.tensors], dtype=np.int64)
    drawing = layout(sizes, scene.links, tensors=carried, direction=direction)
    boxes = np.hstack([drawing.positions, drawing.positions + sizes])
    stubs = build_stubs(scene, boxes, drawing, fonts.body, direction)
    categories = tuple(dict.fromkeys(card.category for card in cards))
    number_of = {category: number for number, category in enumerate(categories)}
    return Picture(
        scene,
        direction,
        carried_by,
        carried,
        cards,
        {card.name: number for number, card in enumerate(cards) if card.kind == "group"},
        categories,
        np.array([number_of[card.category] for card in cards], dtype=np.intp),
        boxes,
        drawing,
        _link_boxes(drawing),
        label_places(scene.links, carried, drawing, direction),
        stubs,
        _bounds(drawing, stubs),
    )


def _bounds(drawing: Layout, stubs: tuple[Stub, ...]) -> QRectF:
    bounds = QRectF(0, 0, drawing.width, drawing.height)
    for stub in stubs:
        left, top, right, bottom = stub.reach
        bounds = bounds.united(QRectF(left, top, right - left, bottom - top))
    return bounds


def _link_boxes(drawing: Layout) -> Points:
    """Boxes of the routes; a curve between two corners stays within their box."""
    boxes = np.tile([np.inf, np.inf, -np.inf, -np.inf], (len(drawing.starts) - 1, 1))
    drawn = ~drawing.cut
    if drawn.any():
        starts = drawing.starts[:-1][drawn]
        boxes[drawn, :2] = np.minimum.reduceat(drawing.corners, starts)
        boxes[drawn, 2:] = np.maximum.reduceat(drawing.corners, starts)
    return boxes
