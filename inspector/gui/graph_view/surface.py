"""A picture as it is painted: in a look that changes, with no more painted anew than need be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSizeF
from PySide6.QtGui import QPainter

from inspector.gui.graph_view.area import OUTLINE, AreaPainter
from inspector.gui.graph_view.brushes import Brushes
from inspector.gui.graph_view.look import Badge, Look
from inspector.gui.graph_view.marks import numbers_of
from inspector.gui.graph_view.picture import Picture
from inspector.gui.graph_view.tiles import Tiles
from inspector.gui.graph_view.viewport import Viewport
from inspector.gui.theme import LIGHT, Theme


class Surface:
    """Holds a picture, its look and its tiles.

    Args:
        changed: called when all is to be painted anew.
        spoiled: called with the parts of the picture that are to be painted anew, (n, 4).
    """

    def __init__(
        self, changed: Callable[[], None], spoiled: Callable[[NDArray[np.float64]], None]
    ) -> None:
        self._changed, self._spoiled = changed, spoiled
        self.look = Look(Brushes(LIGHT))
        self.area: AreaPainter | None = None
        self.is_sharp = False
        self._picture: Picture | None = None
        self._tiles = Tiles(self._paint)

    def show(self, picture: Picture | None, *, is_other: bool) -> None:
        """Take another picture; nothing that was said of another graph is kept."""
        self._picture = picture
        if is_other:
            self.look = replace(self.look, badges={}, heated=False, folded={}, made={})
        self.area = AreaPainter(picture, self.look) if picture is not None else None
        self.is_sharp = False
        self._tiles.clear()

    def set_badges(self, badges: Mapping[str, Badge]) -> None:
        """Say on each layer's card how it is quantized, and colour it."""
        before = self.look.badges
        changed = [n for n in badges.keys() | before.keys() if badges.get(n) != before.get(n)]
        heated = any(badge.colour is not None for badge in badges.values())
        self._show_badges(dict(badges), changed, heated=heated)

    def update_badges(self, badges: Mapping[str, Badge]) -> None:
        """Say something else on the cards of some layers."""
        before = self.look.badges
        changed = [name for name, badge in badges.items() if before.get(name) != badge]
        heated = any(badge.colour is not None for badge in badges.values())
        self._show_badges({**before, **badges}, changed, heated=heated or self.look.heated)

    def set_label(self, label: Callable[[str], str]) -> None:
        """Write something else on the edges."""
        self._restyle(replace(self.look, label=label))

    def set_fates(self, folded: Mapping[str, str], made: Mapping[str, str]) -> None:
        """Show which nodes are no more when the model is quantized, and say which are new.

        Args:
            folded: nodes with what became of them.
            made: nodes with what made them.
        """
        if folded.keys() != self.look.folded.keys():
            self._restyle(replace(self.look, folded=folded, made=made))
        else:
            self.look = replace(self.look, folded=folded, made=made)

    def apply_theme(self, theme: Theme) -> None:
        """Paint in a theme's colours."""
        self._restyle(replace(self.look, brushes=Brushes(theme)))
        self._tiles.clear()

    def draw(
        self, painter: QPainter, view: Viewport, size: QSizeF, ratio: float, budget: float
    ) -> bool:
        """Draw what is in sight, as :meth:`Tiles.draw` does."""
        self.is_sharp = self._tiles.draw(painter, view, size, ratio, budget)
        return self.is_sharp

    # Inside

    def _show_badges(
        self, badges: Mapping[str, Badge], changed: Iterable[str], *, heated: bool
    ) -> None:
        names = tuple(changed)
        if not names:
            return
        look = replace(self.look, badges=badges, heated=heated)
        if heated != self.look.heated:
            self._restyle(look)
            return
        self.look = look
        if self._picture is not None and self.area is not None:
            self.area = self.area.with_badges(look, names)
            boxes = self._picture.boxes[sorted(numbers_of(self._picture, names))]
            boxes = boxes + np.array([-OUTLINE, -OUTLINE, OUTLINE, OUTLINE])
            self._tiles.spoil(boxes)
            self._spoiled(boxes)

    def _restyle(self, look: Look) -> None:
        """Paint everything anew; what is there stays until then."""
        self.look = look
        self.area = AreaPainter(self._picture, look) if self._picture is not None else None
        self._tiles.spoil()
        self._changed()

    def _paint(self, painter: QPainter, area: QRectF, scale: float) -> None:
        if self.area is not None:
            self.area.paint(painter, area, scale)
