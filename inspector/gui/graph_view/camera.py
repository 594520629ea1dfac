"""Where the graph view looks: which part of the picture, how large, and how it gets there."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QPointF, QRectF, QSizeF, QTimer, Signal

from inspector.graph.layout import Direction
from inspector.gui.graph_view.motion import Glide
from inspector.gui.graph_view.viewport import Viewport, centred, fitted, opening

READABLE = 0.75
"""The zoom at which all text is shown with some room to spare."""
_SETTLE_MS = 120
_GLIDE_SCREENS = 1.5
_ROOM = 40.0


class Camera(QObject):
    """Moves a viewport over a picture.

    Signals:
        moved: the view is another.
        stopped: nothing has moved for a moment.
    """

    moved = Signal()
    stopped = Signal()

    def __init__(self, size: Callable[[], QSizeF], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._size = size
        self.view = Viewport()
        self.covered: Callable[[], float] = lambda: 0.0
        """Pixels at the top of the window that something lies over."""
        self._glide = Glide(self.look_from, self)
        self._still = QTimer(self)
        self._still.setSingleShot(True)
        self._still.setInterval(_SETTLE_MS)
        self._still.timeout.connect(self.stopped)

    def is_moving(self) -> bool:
        """Whether it is being moved, or was a moment ago."""
        return self._glide.is_moving() or self._still.isActive()

    def is_gliding(self) -> bool:
        """Whether it moves by itself."""
        return self._glide.is_moving()

    def seen(self) -> QRectF:
        """The part of the picture that is in sight."""
        return self.view.seen(self._size())

    def look_from(self, view: Viewport) -> None:
        """Another view, at once."""
        if view != self.view:
            self.view = view
            self._still.start()
            self.moved.emit()

    def stop(self) -> None:
        """Stop gliding."""
        self._glide.stop()

    def open(
        self, bounds: QRectF, direction: Direction, start: Callable[[float], tuple[float, float]]
    ) -> None:
        """The first look at a picture; see :func:`opening`."""
        self.stop()
        self.view = opening(bounds, self._size(), READABLE, direction, start)
        self.moved.emit()

    def fit(self, bounds: QRectF) -> None:
        """Show all of an area."""
        self.stop()
        self.look_from(fitted(bounds, self._size()))

    def glide_to_area(self, area: QRectF) -> None:
        """Glide until an area fills the window, with some room about it."""
        self._glide_to(fitted(area.adjusted(-_ROOM, -_ROOM, _ROOM, _ROOM), self._size()))

    def glide_to(self, rect: QRectF) -> None:
        """Glide until a card is in the middle of what is free, and can be read."""
        scale = max(self.view.scale, READABLE)
        there = centred(rect.center(), scale, self._size())
        self._glide_to(there.moved(0.0, self.covered() / 2))

    @property
    def destination(self) -> Viewport:
        """Where it will be once it has arrived."""
        return self._glide.target if self._glide.is_moving() else self.view

    def glide_to_view(self, view: Viewport) -> None:
        """Glide until it looks like this."""
        self._glide_to(view)

    def bring_in(self, rect: QRectF) -> None:
        """Bring a card into sight at once, where it is not."""
        if not self.seen().contains(rect):
            self.look_at(rect.center())

    def look_at(self, point: QPointF) -> None:
        """Bring a point of the picture to the middle."""
        self.stop()
        self.look_from(centred(point, self.view.scale, self._size()))

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom about a point of the window, or its middle."""
        size = self._size()
        self.stop()
        middle = QPointF(size.width() / 2, size.height() / 2)
        self.look_from(self.view.zoomed(factor, at or middle))

    def pan(self, dx: float, dy: float) -> None:
        """Move the picture by pixels of the window."""
        self.stop()
        self.look_from(self.view.moved(dx, dy))

    def _glide_to(self, view: Viewport) -> None:
        """Glide; from far away, come in from just outside of the window."""
        size = self._size()
        before, middle = self.view, QPointF(size.width() / 2, size.height() / 2)
        there = view.to_picture(middle)
        away = before.to_widget(QRectF(there, there)).topLeft() - middle
        far = max(abs(away.x()) / max(size.width(), 1), abs(away.y()) / max(size.height(), 1))
        if far > _GLIDE_SCREENS:
            skipped = away * (1 - _GLIDE_SCREENS / far)
            before = before.moved(-skipped.x(), -skipped.y())
        self._glide.start(before, view, size)
