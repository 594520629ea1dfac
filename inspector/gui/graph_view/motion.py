"""A short glide from one view to another."""

from __future__ import annotations

import math
from collections.abc import Callable

from PySide6.QtCore import QAbstractAnimation, QEasingCurve, QObject, QSizeF, QVariantAnimation

from inspector.gui.graph_view.viewport import Viewport

GLIDE_MS = 180


class Glide(QObject):
    """Moves a viewport to another over a moment; a new target takes over from where it is."""

    def __init__(self, show: Callable[[Viewport], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._show = show
        self._from = self.target = Viewport()
        self._size = QSizeF()
        self._animation = QVariantAnimation(self)
        self._animation.setStartValue(0.0)
        self._animation.setEndValue(1.0)
        self._animation.setDuration(GLIDE_MS)
        self._animation.setEasingCurve(QEasingCurve.Type.OutCubic)
        self._animation.valueChanged.connect(self._step)

    def start(self, before: Viewport, after: Viewport, size: QSizeF) -> None:
        """Begin to move."""
        self.stop()
        self._from, self.target, self._size = before, after, size
        self._animation.start()

    def stop(self) -> None:
        """Stay where it is."""
        self._animation.stop()

    def is_moving(self) -> bool:
        """Whether it is on its way."""
        return self._animation.state() == QAbstractAnimation.State.Running

    def _step(self, part: float) -> None:
        self._show(self.target if part >= 1 else between(self._from, self.target, part, self._size))


def between(before: Viewport, after: Viewport, part: float, size: QSizeF) -> Viewport:
    """A view on the way: the middle moves evenly on the screen while the zoom changes."""
    scale = math.exp((1 - part) * math.log(before.scale) + part * math.log(after.scale))
    middle_x, middle_y = size.width() / 2, size.height() / 2
    x0, y0 = (middle_x - before.x) / before.scale, (middle_y - before.y) / before.scale
    x1, y1 = (middle_x - after.x) / after.scale, (middle_y - after.y) / after.scale
    ratio = before.scale / after.scale
    # Where the zoom changes, even steps on the screen are not even steps in the picture.
    way = part if abs(ratio - 1) < 1e-6 else (1 - ratio**part) / (1 - ratio)
    x, y = x0 + (x1 - x0) * way, y0 + (y1 - y0) * way
    return Viewport(scale, middle_x - x * scale, middle_y - y * scale)
