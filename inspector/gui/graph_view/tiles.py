"""The picture as tiles that are painted once and moved many times.

A frame never waits for more painting than its budget: what is not painted yet shows what was there
at another zoom, scaled, and becomes sharp in the frames that follow. So panning and zooming cost
the same at 10 nodes and at 100,000.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRect, QRectF, QSizeF
from PySide6.QtGui import QPainter, QPixmap

from inspector.gui.graph_view.distant import DISTANT_SCALE
from inspector.gui.graph_view.viewport import Viewport

SIDE = 256
"""Pixels of a tile's side, at a device pixel ratio of 1."""
LEVELS = 3
_SPARE = 48
_FARTHEST = 12.0
"""Tiles of a zoom this many times larger or smaller are of no use as a stand-in."""

Key = tuple[int, int]
Paint = Callable[[QPainter, QRectF, float], None]
"""Paints the part of the picture in a rectangle, at a zoom; the painter has picture coordinates."""


@dataclass(slots=True)
class _Tile:
    """A tile, and the part of it that is to be painted anew, in pixels; empty for nothing."""

    pixmap: QPixmap
    spoiled: QRect = field(default_factory=QRect)


@dataclass(slots=True)
class _Level:
    scale: float
    ratio: float
    tiles: OrderedDict[Key, _Tile] = field(default_factory=OrderedDict)


class Tiles:
    """Tiles of the last few zoom levels."""

    def __init__(self, paint: Paint) -> None:
        self._paint = paint
        self._levels: list[_Level] = []

    def clear(self) -> None:
        """Forget everything: another picture, or other colours."""
        self._levels.clear()

    def spoil(self, boxes: NDArray[np.float64] | None = None) -> None:
        """Paint parts anew: those in boxes (n, 4), or all; what is there stays until then.

        Of a tile no more is painted than what holds its boxes, but from far away, where cards are
        painted all at once.
        """
        if boxes is not None and not len(boxes):
            return
        del self._levels[:-1]
        for level in self._levels:
            for key, tile in level.tiles.items():
                if boxes is None:
                    tile.spoiled = tile.pixmap.rect()
                else:
                    part = _pixels_of(boxes, key, level)
                    if level.scale < DISTANT_SCALE and not part.isEmpty():
                        part = tile.pixmap.rect()
                    tile.spoiled = tile.spoiled.united(part)

    def draw(
        self, painter: QPainter, view: Viewport, size: QSizeF, ratio: float, budget: float
    ) -> bool:
        """Draw what a widget of a size sees, painting new tiles for so many seconds at most.

        Returns:
            Whether all that is seen is as it should be; if not, draw again soon.
        """
        level = self._level(view.scale, ratio)
        x, y = round(view.x), round(view.y)
        seen = list(_seen(x, y, size))
        missing = [key for key in seen if key not in level.tiles]
        if missing:
            self._draw_stand_ins(painter, view, size)
        # Something new must come with every frame, or a slow machine would never be done.
        end = time.perf_counter() + budget
        wanted = missing + [
            key for key in seen if key in level.tiles and not level.tiles[key].spoiled.isEmpty()
        ]
        painted = 0
        for key in wanted:
            if painted and time.perf_counter() >= end:
                break
            self._paint_tile(key, level)
            painted += 1
        for key in seen:
            tile = level.tiles.get(key)
            if tile is not None:
                level.tiles.move_to_end(key)
                painter.drawPixmap(x + key[0] * SIDE, y + key[1] * SIDE, tile.pixmap)
        self._trim(len(seen))
        return painted == len(wanted)

    def _level(self, scale: float, ratio: float) -> _Level:
        for level in self._levels:
            if level.scale == scale and level.ratio == ratio:
                self._levels.remove(level)
                break
        else:
            level = _Level(scale, ratio)
        self._levels.append(level)
        for older in self._levels[:-LEVELS]:
            self._levels.remove(older)
        return level

    def _trim(self, seen: int) -> None:
        """Forget what was seen long ago: of other zooms all that no screen needs."""
        for level in self._levels:
            most = 3 * seen + _SPARE if level is self._levels[-1] else seen + _SPARE // 3
            while len(level.tiles) > most:
                level.tiles.popitem(last=False)

    def _draw_stand_ins(self, painter: QPainter, view: Viewport, size: QSizeF) -> None:
        whole = QRectF(0, 0, size.width(), size.height())
        for level in self._levels[:-1]:
            if not 1 / _FARTHEST < level.scale / view.scale < _FARTHEST:
                continue
            reach = SIDE / level.scale
            for (column, row), tile in level.tiles.items():
                place = view.to_widget(QRectF(column * reach, row * reach, reach, reach))
                if place.intersects(whole):
                    painter.drawPixmap(place, tile.pixmap, QRectF(tile.pixmap.rect()))

    def _paint_tile(self, key: Key, level: _Level) -> None:
        """Paint a new tile, or the spoiled part of one that is there."""
        tile = level.tiles.get(key)
        if tile is None:
            side = math.ceil(SIDE * level.ratio)
            pixmap = QPixmap(side, side)
            pixmap.setDevicePixelRatio(level.ratio)
            tile = level.tiles[key] = _Tile(pixmap, pixmap.rect())
        part, tile.spoiled = QRectF(tile.spoiled), QRect()
        part = QRectF(part.topLeft() / level.ratio, part.size() / level.ratio)
        painter = QPainter(tile.pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipRect(part)
        corner = QPointF(key[0] * SIDE, key[1] * SIDE)
        painter.translate(-corner)
        painter.scale(level.scale, level.scale)
        area = QRectF((part.topLeft() + corner) / level.scale, part.size() / level.scale)
        self._paint(painter, area, level.scale)
        painter.end()


def _pixels_of(boxes: NDArray[np.float64], key: Key, level: _Level) -> QRect:
    """The pixels of a tile that hold all boxes (n, 4) that reach into it."""
    side = math.ceil(SIDE * level.ratio)
    corner = np.array([*key, *key], np.float64) * SIDE
    pixels = (boxes * level.scale - corner) * level.ratio
    low = np.floor(pixels[:, :2]).clip(0, side)
    high = np.ceil(pixels[:, 2:]).clip(0, side)
    inside = (high > low).all(axis=1)
    if not inside.any():
        return QRect()
    left, top = low[inside].min(axis=0).astype(int).tolist()
    right, bottom = high[inside].max(axis=0).astype(int).tolist()
    return QRect(left, top, right - left, bottom - top)


def _seen(x: int, y: int, size: QSizeF) -> Iterator[Key]:
    """The tiles in sight, those in the middle first."""
    columns = range(math.floor(-x / SIDE), math.floor((size.width() - x - 1) / SIDE) + 1)
    rows = range(math.floor(-y / SIDE), math.floor((size.height() - y - 1) / SIDE) + 1)
    middle = QPointF(size.width() / 2 - x, size.height() / 2 - y) / SIDE
    keys = [(column, row) for column in columns for row in rows]
    yield from sorted(
        keys, key=lambda k: (k[0] + 0.5 - middle.x()) ** 2 + (k[1] + 0.5 - middle.y()) ** 2
    )
