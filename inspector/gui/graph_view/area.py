"""Painting a part of a picture: what lies in it, and how much of it the zoom shows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter

from inspector.gui.graph_view.boxes import numbers_within
from inspector.gui.graph_view.distant import DISTANT_SCALE, raster
from inspector.gui.graph_view.look import Look
from inspector.gui.graph_view.marks import numbers_of
from inspector.gui.graph_view.painting import (
    TEXT_SCALE,
    far_colour,
    paint_card,
    paint_labels,
    paint_links,
    paint_stub,
)
from inspector.gui.graph_view.picture import Picture

__all__ = ["OUTLINE", "AreaPainter", "numbers_within"]

OUTLINE = 8.0
"""How far lines, arrowheads and the pile of a group reach beyond their boxes."""
_SHORT = 7.0
"""Links shorter than this many pixels are not drawn among distant cards."""
_MOST_LINKS = 400


class AreaPainter:
    """Paints areas of one picture in one look."""

    def __init__(self, picture: Picture, look: Look) -> None:
        self.picture = picture
        self.look = look
        self._shades: NDArray[np.uint8] | None = None

    def paint(self, painter: QPainter, area: QRectF, scale: float) -> None:
        """Paint what lies in an area; the painter has picture coordinates."""
        picture, look = self.picture, self.look
        painter.fillRect(area, look.brushes.canvas)
        around = area.adjusted(-OUTLINE, -OUTLINE, OUTLINE, OUTLINE)
        cards = numbers_within(picture.boxes, around)
        if scale < DISTANT_SCALE:
            self._distant(painter, area, scale, cards)
            return
        links = numbers_within(picture.link_boxes, around)
        paint_links(painter, picture, links.tolist(), look, scale)
        if scale >= TEXT_SCALE:
            places = numbers_within(picture.label_boxes, area)
            paint_labels(painter, picture, places.tolist(), look)
        for number in numbers_within(picture.stub_boxes, around).tolist():
            paint_stub(painter, picture.stubs[number], look, scale)
        for number in cards.tolist():
            paint_card(painter, picture.cards[number], picture.rect(number), look, scale)

    def _distant(
        self, painter: QPainter, area: QRectF, scale: float, cards: NDArray[np.intp]
    ) -> None:
        picture = self.picture
        side = round(area.width() * scale * painter.device().devicePixelRatio())
        back = self.look.brushes.canvas.color()
        image = raster(
            picture.boxes[cards],
            self.shades[cards],
            area.left(),
            area.top(),
            side,
            side / area.width(),
            (back.red(), back.green(), back.blue()),
        )
        painter.drawImage(area, image)
        boxes = picture.link_boxes
        length = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        near = numbers_within(boxes, area)
        near = near[length[near] * scale >= _SHORT]
        if len(near) > _MOST_LINKS:
            near = near[np.argsort(-length[near], kind="stable")[:_MOST_LINKS]]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        paint_links(painter, picture, near.tolist(), self.look, scale)

    def with_badges(self, look: Look, names: Iterable[str]) -> AreaPainter:
        """Of the same picture, where only the badges of these cards differ."""
        other = AreaPainter(self.picture, look)
        if self._shades is not None:
            other._shades = self._shades.copy()
            numbers = sorted(numbers_of(self.picture, names))
            other._shades[numbers] = other._bare_shades(numbers)
            if look.heated:
                other._heat(other._shades, names)
        return other

    @property
    def shades(self) -> NDArray[np.uint8]:
        """The colour of each card from afar, shape (cards, 3)."""
        if self._shades is None:
            self._shades = self._all_shades()
        return self._shades

    def _all_shades(self) -> NDArray[np.uint8]:
        """One colour for each kind of card, and heat over it; linear in the number of badges."""
        shades = self._bare_shades(slice(None))
        if self.look.heated:
            self._heat(shades, self.look.badges)
        return shades

    def _bare_shades(self, numbers: list[int] | slice) -> NDArray[np.uint8]:
        """The colours of cards without heat."""
        look, picture = self.look, self.picture
        back = look.brushes.canvas.color()
        palette = [_over(far_colour(kind, look), back) for kind in picture.categories]
        return np.array(palette, np.uint8).reshape(-1, 3)[picture.kinds[numbers]]

    def _heat(self, shades: NDArray[np.uint8], names: Iterable[str]) -> None:
        """Put the heat of these cards over their colours."""
        look, picture = self.look, self.picture
        back = look.brushes.canvas.color()
        tones: dict[int, tuple[int, int, int]] = {}  # there are 256 at most
        for name in names:
            number, badge = picture.number_of(name), look.badges.get(name)
            # A group has a badge of its own, and is not coloured by what is in it.
            shade = badge.shade if badge is not None else None
            if badge is not None and badge.lone:
                shade = look.brushes.lone
            if shade is None or number is None or picture.cards[number].name != name:
                continue
            tone = shade.rgba()
            if tone not in tones:
                tones[tone] = _over(shade, back)
            shades[number] = tones[tone]


def _over(colour: QColor, back: QColor) -> tuple[int, int, int]:
    """A colour on a background, as red, green and blue."""
    part = colour.alphaF()
    pairs: Iterable[tuple[int, int]] = (
        (colour.red(), back.red()),
        (colour.green(), back.green()),
        (colour.blue(), back.blue()),
    )
    red, green, blue = (round(part * a + (1 - part) * b) for a, b in pairs)
    return red, green, blue
