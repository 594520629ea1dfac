"""A plane of a tensor as a picture of colours, with the colours' range below."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from inspector.gui.properties.slices import Picture
from inspector.gui.properties.words import number_text
from inspector.gui.theme import LIGHT, TEXT_SMALL, Theme, heat

_TALLEST, _SHORTEST, _WIDEST_CELL = 260.0, 36.0, 28.0
_BAR, _GAP, _TEXT = 8.0, 8.0, 16.0
_LIGHT_ENDS = ("#1f5fa8", "#8fb8dc", "#f6f6f6", "#f0b070", "#b35806")
_DARK_ENDS = ("#8ec1ff", "#3f78b8", "#262a31", "#b06a1c", "#ffbf5e")


@lru_cache(maxsize=4)
def colours(*, diverging: bool, dark: bool) -> NDArray[np.uint8]:
    """(257, 4) red, green, blue and alpha; the last is that of NaN.

    Diverging from blue over a neutral zero to orange, which every kind of colour vision tells
    apart; else viridis.
    """
    if diverging:
        ends = [QColor(name) for name in (_DARK_ENDS if dark else _LIGHT_ENDS)]
        places = np.linspace(0, 255, len(ends))
        parts = np.array([[c.red(), c.green(), c.blue()] for c in ends], np.float64)
        table = np.stack(
            [np.interp(np.arange(256), places, parts[:, part]) for part in range(3)], axis=1
        )
    else:
        tones = [heat(step / 255) for step in range(256)]
        table = np.array([[c.red(), c.green(), c.blue()] for c in tones], np.float64)
    result = np.full((257, 4), 255, np.uint8)
    result[:256, :3] = np.rint(table)
    result[256] = (200, 0, 200, 255)
    return result


def coloured(picture: Picture, *, dark: bool) -> tuple[QImage, float, float, bool]:
    """The image of a picture, the values at both ends of its colours, and whether they diverge."""
    low, high = picture.low, picture.high
    diverging = low < 0.0 < high
    if diverging:
        high = max(-low, high)
        low = -high
    width = high - low
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = (picture.pixels.astype(np.float64) - low) * (255.0 / width if width else 0.0)
        index = np.clip(np.nan_to_num(scaled, nan=0.0), 0, 255).astype(np.intp)
    index[np.isnan(picture.pixels)] = 256
    pixels = np.ascontiguousarray(colours(diverging=diverging, dark=dark)[index])
    rows, columns = picture.pixels.shape
    image = QImage(pixels.data, columns, rows, 4 * columns, QImage.Format.Format_RGBA8888)
    return image.copy(), low, high, diverging


class HeatMap(QWidget):
    """Shows a picture of values.

    Signals:
        pointed: (row, column) of the pixel below the pointer; (-1, -1) when it has left.
        chosen: (row, column) of the pixel that was clicked.
    """

    pointed = Signal(int, int)
    chosen = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("heatMap")
        self.setAccessibleName("Heat map of the values")
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._theme = LIGHT
        self._picture: Picture | None = None
        self._image = QImage()
        self._ends = (0.0, 0.0, False)

    def show_picture(self, picture: Picture) -> None:
        """Show another picture."""
        self._picture = picture
        self._paint_image()

    def picture(self) -> Picture | None:
        """What is shown."""
        return self._picture

    def image(self) -> QImage:
        """Its pixels."""
        return self._image

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme
        self._paint_image()

    def _paint_image(self) -> None:
        if self._picture is None:
            return
        self._image, *ends = coloured(self._picture, dark=self._theme.dark)
        self._ends = (float(ends[0]), float(ends[1]), bool(ends[2]))
        self._fit()
        self.update()

    def _fit(self) -> None:
        if self._picture is not None:
            self.setFixedHeight(round(self._area().height() + _GAP + _BAR + _TEXT + 6))

    def _area(self) -> QRectF:
        """Where the image is: square cells unless that would be too flat or too tall."""
        assert self._picture is not None
        rows, columns = self._picture.pixels.shape
        tall, wide = self._picture.block
        room = max(self.width() - 2.0, 16.0)
        ratio = (rows * tall) / max(columns * wide, 1)
        width = min(room, columns * _WIDEST_CELL)
        height = min(max(width * ratio, min(_SHORTEST, rows * _WIDEST_CELL)), _TALLEST)
        if width * ratio > height:
            width = max(height / ratio, min(room, 0.4 * room))
        return QRectF(1, 1, width, height)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the image to another width."""
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint the image and the range of its colours."""
        if self._picture is None:
            return
        painter = QPainter(self)
        area = self._area()
        shrinks = self._image.width() > area.width() * self.devicePixelRatio()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, shrinks)
        painter.drawImage(area, self._image)
        painter.setPen(QPen(QColor(self._theme.border), 1))
        painter.drawRect(area.adjusted(-0.5, -0.5, 0.5, 0.5))
        self._paint_bar(painter, area.bottom() + _GAP)

    def _paint_bar(self, painter: QPainter, y: float) -> None:
        low, high, diverging = self._ends
        bar = QRectF(1, y, self.width() - 2.0, _BAR)
        table = colours(diverging=diverging, dark=self._theme.dark)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for step in range(17):
            tone = table[round(step / 16 * 255)]
            gradient.setColorAt(step / 16, QColor(int(tone[0]), int(tone[1]), int(tone[2])))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(gradient)
        painter.drawRoundedRect(bar, 3, 3)
        font = self.font()
        font.setPixelSize(TEXT_SMALL)
        painter.setFont(font)
        painter.setPen(QColor(self._theme.muted))
        below = QRectF(1, bar.bottom() + 2, bar.width(), _TEXT)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(below, int(Qt.AlignmentFlag.AlignLeft | middle), number_text(low))
        painter.drawText(below, int(Qt.AlignmentFlag.AlignRight | middle), number_text(high))
        if diverging:
            painter.drawText(below, int(Qt.AlignmentFlag.AlignCenter), "0")

    def pixel_at(self, point: QPointF) -> tuple[int, int] | None:
        """Row and column of the pixel at a point."""
        if self._picture is None:
            return None
        area, (rows, columns) = self._area(), self._picture.pixels.shape
        if not area.contains(point):
            return None
        row = int((point.y() - area.top()) / area.height() * rows)
        column = int((point.x() - area.left()) / area.width() * columns)
        return min(row, rows - 1), min(column, columns - 1)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell what is below the pointer."""
        self.pointed.emit(*(self.pixel_at(event.position()) or (-1, -1)))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose a pixel."""
        pixel = self.pixel_at(event.position())
        if pixel is not None and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(*pixel)

    def leaveEvent(self, event: QEvent) -> None:
        """Tell that nothing is below the pointer."""
        super().leaveEvent(event)
        self.pointed.emit(-1, -1)
