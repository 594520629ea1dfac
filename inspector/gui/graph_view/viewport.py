"""Which part of the picture is in view: zoom and pan as a frozen value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QPointF, QRectF, QSizeF

from inspector.graph.layout import Direction

MIN_SCALE, MAX_SCALE = 0.005, 4.0
MARGIN = 28.0


@dataclass(frozen=True, slots=True)
class Viewport:
    """Widget pixels = picture pixels * scale + (x, y)."""

    scale: float = 1.0
    x: float = 0.0
    y: float = 0.0

    def to_widget(self, rect: QRectF) -> QRectF:
        """A rectangle of the picture in the widget."""
        return QRectF(
            rect.x() * self.scale + self.x,
            rect.y() * self.scale + self.y,
            rect.width() * self.scale,
            rect.height() * self.scale,
        )

    def to_picture(self, point: QPointF) -> QPointF:
        """A point of the widget in the picture."""
        return QPointF((point.x() - self.x) / self.scale, (point.y() - self.y) / self.scale)

    def seen(self, size: QSizeF) -> QRectF:
        """The part of the picture that a widget of this size shows."""
        corner = self.to_picture(QPointF(0, 0))
        return QRectF(corner, size / self.scale)

    def moved(self, dx: float, dy: float) -> Viewport:
        """Panned by widget pixels."""
        return replace(self, x=self.x + dx, y=self.y + dy)

    def zoomed(self, factor: float, at: QPointF) -> Viewport:
        """Zoomed so that what lies under a point of the widget stays there."""
        scale = min(max(self.scale * factor, MIN_SCALE), MAX_SCALE)
        fixed = self.to_picture(at)
        return Viewport(scale, at.x() - fixed.x() * scale, at.y() - fixed.y() * scale)


def fitted(bounds: QRectF, size: QSizeF) -> Viewport:
    """All of the picture, centred, never larger than 100 %."""
    wide = max(size.width() - 2 * MARGIN, 1.0) / max(bounds.width(), 1.0)
    high = max(size.height() - 2 * MARGIN, 1.0) / max(bounds.height(), 1.0)
    scale = max(min(wide, high, 1.0), MIN_SCALE)
    return centred(bounds.center(), scale, size)


def opening(
    bounds: QRectF,
    size: QSizeF,
    readable: float,
    direction: Direction,
    start: Callable[[float], tuple[float, float]],
) -> Viewport:
    """The first look: all of it where that is readable, else its start.

    That is seen at 100 % if all that is in sight then fits across, else at a readable zoom.

    Args:
        bounds: of the picture.
        size: of the widget.
        readable: the zoom at which text can be read.
        direction: where the edges run.
        start: from where to where, across, the picture reaches in its first so many pixels along.
    """
    whole = fitted(bounds, size)
    if whole.scale >= readable:
        return whole
    down = direction == "down"
    along, across = (size.height(), size.width()) if down else (size.width(), size.height())
    room = max(across - 2 * MARGIN, 1.0)
    breadth = bounds.width() if down else bounds.height()
    low, high = start(along)
    scale = 1.0
    if high - low > room:
        scale = min(max(room / max(breadth, 1.0), readable), 1.0)
        low, high = start(along / scale)
        if (high - low) * scale > room:
            low, high = start(0.0)
    middle = (low + high) / 2
    if down:
        view = centred(QPointF(middle, 0), scale, size)
        return replace(view, y=MARGIN - bounds.top() * scale)
    return replace(centred(QPointF(0, middle), scale, size), x=MARGIN - bounds.left() * scale)


def centred(point: QPointF, scale: float, size: QSizeF) -> Viewport:
    """A point of the picture in the middle of the widget."""
    return Viewport(
        scale, size.width() / 2 - point.x() * scale, size.height() / 2 - point.y() * scale
    )
