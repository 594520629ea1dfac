"""The whole graph in a corner of the view, with the part that is in sight."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QWidget

from inspector.gui.graph_view.overview import Projection, overview, project
from inspector.gui.theme import LIGHT, RADIUS, SPACE_S, Theme

WIDEST, HIGHEST = 180, 220
"""The size of the card, at most."""
_FRAME = 6
_SMALLEST = 6.0
"""Pixels that the mark of what is in sight has at least on each side."""
_ROOM = (260, 130)
"""Pixels that the view must have beside and above it: the other corner is the legend's."""
_ZOOM = 1.2


class Minimap(QWidget):
    """An overview of the graph that moves the view; hidden while all of the graph is in sight.

    It keeps itself in the lower right corner of its parent.

    Signals:
        centre_asked: a point of the picture that shall be in the middle of the view.
        zoom_asked: a factor to zoom the view by.
    """

    centre_asked = Signal(QPointF)
    zoom_asked = Signal(float)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("minimap")
        self.setAccessibleName("Overview of the graph")
        self.setToolTip("Click or drag to move, wheel to zoom")
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self._theme = LIGHT
        self._view = parent
        self._boxes: NDArray[np.float64] = np.zeros((0, 4))
        self._colours: NDArray[np.uint8] = np.zeros((0, 3), np.uint8)
        self._wires: NDArray[np.float64] | None = None
        self._bounds = QRectF()
        self._seen = QRectF()
        self._image: QImage | None = None
        self._grip: QPointF | None = None
        self.hide()
        parent.installEventFilter(self)

    # What others tell it

    def set_boxes(
        self,
        boxes: NDArray[np.float64],
        colours: NDArray[np.uint8],
        bounds: QRectF,
        wires: NDArray[np.float64] | None = None,
    ) -> None:
        """Show another picture.

        Args:
            boxes: (n, 4) left, top, right, bottom of each card, in the picture's coordinates.
            colours: (n, 3) of each card.
            bounds: of the whole picture.
            wires: (m, 4) ends x, y, x, y of lines that are hinted at behind the cards.
        """
        self._boxes, self._bounds, self._wires = boxes, QRectF(bounds), wires
        self._grip = self._image = None
        self.set_colours(colours)
        self._place()

    def shows(self, boxes: NDArray[np.float64]) -> bool:
        """Whether these very cards are shown."""
        return self._boxes is boxes

    def set_colours(self, colours: NDArray[np.uint8]) -> None:
        """Give the same cards other colours, (n, 3)."""
        if self._image is not None and np.array_equal(colours, self._colours):
            return
        self._colours = colours.copy()
        self._image = None
        self.update()

    def set_seen(self, seen: QRectF) -> None:
        """Say which part of the picture is in sight, in the picture's coordinates."""
        if seen != self._seen:
            self._seen = QRectF(seen)
            self._place()
            self.update()

    def apply_theme(self, theme: Theme) -> None:
        """Paint in a theme's colours."""
        self._theme = theme
        self._image = None
        self.update()

    # Where it is

    def mark(self) -> QRectF:
        """Where the mark of what is in sight is, in this widget's pixels."""
        to = self._projection()
        area = QRectF(_FRAME, _FRAME, to.width, to.height)
        corners = ((self._seen.left(), self._seen.top()), (self._seen.right(), self._seen.bottom()))
        first, last = (QPointF(*to.pixel(*corner)) + area.topLeft() for corner in corners)
        shown = QRectF(first, last).intersected(area)
        if shown.isEmpty():  # the view is beyond the graph
            x = min(max((first.x() + last.x()) / 2, area.left()), area.right())
            y = min(max((first.y() + last.y()) / 2, area.top()), area.bottom())
            shown = QRectF(x, y, 0, 0)
        wide, high = max(shown.width(), _SMALLEST), max(shown.height(), _SMALLEST)
        left = min(max(shown.center().x() - wide / 2, area.left()), area.right() - wide)
        top = min(max(shown.center().y() - high / 2, area.top()), area.bottom() - high)
        return QRectF(left, top, wide, high)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay in the corner when the view changes its size."""
        if watched is self._view and event.type() == QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)

    def _projection(self, ratio: float = 1.0) -> Projection:
        bounds = self._bounds
        rect = (bounds.left(), bounds.top(), bounds.width(), bounds.height())
        return project(rect, (WIDEST - 2 * _FRAME, HIGHEST - 2 * _FRAME), ratio)

    def _place(self) -> None:
        """Take the corner, if there is something to show and room to show it."""
        to, view = self._projection(), self._view
        width, height = to.width + 2 * _FRAME, to.height + 2 * _FRAME
        slack = max(self._seen.width(), self._seen.height()) * 1e-6
        all_seen = self._seen.adjusted(-slack, -slack, slack, slack).contains(self._bounds)
        room = view.width() >= width + _ROOM[0] and view.height() >= height + _ROOM[1]
        wanted = bool(len(self._boxes)) and not self._seen.isEmpty() and not all_seen and room
        self.setGeometry(
            view.width() - width - SPACE_S, view.height() - height - SPACE_S, width, height
        )
        if wanted == self.isHidden():
            self.setVisible(wanted)
            self.raise_()

    # Painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint the card, the graph and the mark."""
        ratio = self.devicePixelRatioF()
        if self._image is None or self._image.devicePixelRatio() != ratio:
            self._image = self._render(ratio)
        theme, painter = self._theme, QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.card_border), 1.0))
        painter.setBrush(QColor(theme.canvas))
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.drawRoundedRect(frame, RADIUS, RADIUS)
        painter.drawImage(QPointF(_FRAME, _FRAME), self._image)
        fill = QColor(theme.accent)
        fill.setAlphaF(0.16)
        mark = self.mark()
        painter.setPen(QPen(QColor(theme.canvas), 3.5))  # sets the mark off from cards like it
        painter.setBrush(fill)
        painter.drawRoundedRect(mark, 1.5, 1.5)
        painter.setPen(QPen(QColor(theme.accent), 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(mark, 1.5, 1.5)
        painter.end()

    def _render(self, ratio: float) -> QImage:
        to = self._projection(ratio)
        pixels = overview(
            self._boxes,
            self._colours,
            to,
            _rgb(self._theme.canvas),
            self._wires,
            _rgb(self._theme.edge),
        )
        shape = to.width, to.height, 3 * to.width
        image = QImage(pixels.tobytes(), *shape, QImage.Format.Format_RGB888).copy()
        image.setDevicePixelRatio(ratio)
        return image

    # Mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of the mark, or bring the place under the pointer into sight."""
        event.accept()
        if event.button() != Qt.MouseButton.LeftButton:
            return
        mark = self.mark()
        inside = mark.contains(event.position())
        self._grip = event.position() - mark.center() if inside else QPointF()
        if not inside:
            self._ask(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Two quick clicks are two clicks."""
        self.mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the view with the pointer."""
        event.accept()
        if self._grip is not None and event.buttons() & Qt.MouseButton.LeftButton:
            self._ask(event.position() - self._grip)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        event.accept()
        self._grip = None

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom the view."""
        event.accept()
        turned = event.angleDelta().y() / 120
        if turned:
            self.zoom_asked.emit(_ZOOM**turned)

    def _ask(self, at: QPointF) -> None:
        to = self._projection()
        x = min(max(at.x() - _FRAME, 0.0), float(to.width))
        y = min(max(at.y() - _FRAME, 0.0), float(to.height))
        self.centre_asked.emit(QPointF(*to.point(x, y)))


def _rgb(colour: str) -> tuple[int, int, int]:
    tone = QColor(colour)
    return tone.red(), tone.green(), tone.blue()
