"""The two ends of a grid on a histogram, which can be taken and moved."""

from __future__ import annotations

from typing import Any, Literal

import pyqtgraph as pg
from PySide6.QtCore import QObject, Qt, QTimer, Signal

End = Literal["low", "high"]
_SMALL, _LARGE = 0.005, 0.05
"""Steps by key, of the width of what is seen."""
_NEAREST = 1e-3
"""The narrowest range, of the width of what is seen."""
_PAUSE_MS = 900
"""Keys that are pressed within so long belong to one move."""


class ClipLine(pg.InfiniteLine):  # type: ignore[misc]  # pyqtgraph is not typed
    """One end; a double click takes back what was set by hand.

    Signals:
        reset_asked: it was clicked twice.
    """

    reset_asked = Signal()

    def __init__(self) -> None:
        super().__init__(angle=90, movable=True)
        self.setCursor(Qt.CursorShape.SizeHorCursor)

    def mouseClickEvent(self, event: Any) -> None:
        """Take a click, so that the plot below does not."""
        if self.moving and event.button() == Qt.MouseButton.RightButton:
            super().mouseClickEvent(event)
        elif event.button() == Qt.MouseButton.LeftButton:
            event.accept()
            if event.double():
                self.reset_asked.emit()


class ClipLines(QObject):
    """Both ends, where they may go, and what is told of it.

    A symmetric range has one threshold: both ends move. Zero stays inside. Of the places of the
    pointer between two frames only the newest is told.

    Signals:
        moved: (low, high), while an end is moved.
        rested: (low, high) at the end of a move.
        reset_asked: the range shall be chosen by the method from before.
    """

    moved = Signal(float, float)
    rested = Signal(float, float)
    reset_asked = Signal()

    def __init__(self, box: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._box = box
        self.low, self.high = ClipLine(), ClipLine()
        self.symmetric = False
        self._range = (0.0, 0.0)
        self._keyed: End = "high"
        self._told: tuple[float, float] | None = None
        self._frame = QTimer(self)
        self._frame.setSingleShot(True)
        self._frame.setInterval(0)
        self._frame.timeout.connect(self._tell)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self.rest)
        for line, end in ((self.low, "low"), (self.high, "high")):
            line.sigDragged.connect(lambda _, end=end: self._dragged(end))
            line.sigPositionChangeFinished.connect(self.rest)
            line.reset_asked.connect(self.reset_asked)
        self.is_moving = False

    def show_range(self, low: float | None, high: float | None, *, symmetric: bool) -> None:
        """Show the ends of another grid, unless they are being moved; None where there is none."""
        shown = low is not None and high is not None
        for line in (self.low, self.high):
            line.setVisible(shown)
        self.symmetric = symmetric
        if low is None or high is None or self.is_moving:
            return
        self._range = low, high
        self.low.setValue(low)
        self.high.setValue(high)

    def range(self) -> tuple[float, float]:
        """Where the ends are."""
        return self._range

    def are_shown(self) -> bool:
        """Whether there is a grid."""
        return bool(self.low.isVisible())

    @property
    def keyed(self) -> End:
        """The end that keys move."""
        return self._keyed

    def set_looks(self, pen: Any, hover: Any) -> None:
        """The pens, at rest and below the pointer."""
        for line in (self.low, self.high):
            line.setPen(pen)
            line.setHoverPen(hover)

    # Moving

    def switch(self) -> None:
        """Let keys move the other end."""
        self.rest()
        self._keyed = "low" if self._keyed == "high" else "high"

    def nudge(self, sign: int, *, far: bool) -> None:
        """Move the end that keys move by a small step, or a larger one."""
        line = self.low if self._keyed == "low" else self.high
        seen = self._box.viewRect().width()
        line.setValue(line.value() + sign * seen * (_LARGE if far else _SMALL))
        self._dragged(self._keyed)
        self._pause.start()

    def move(self, end: End, value: float) -> None:
        """Move an end to a place, as a drag does."""
        (self.low if end == "low" else self.high).setValue(value)
        self._dragged(end)

    def rest(self) -> None:
        """The move is over."""
        self._pause.stop()
        if not self.is_moving:
            return
        self._frame.stop()
        self.is_moving = False
        self._told = None
        self.rested.emit(*self._range)

    def stop(self) -> None:
        """Something else is shown: forget the move."""
        self._pause.stop()
        self._frame.stop()
        self.is_moving, self._told = False, None

    def _dragged(self, end: End) -> None:
        low, high = self._range
        least = _NEAREST * float(self._box.viewRect().width())
        value = float((self.low if end == "low" else self.high).value())
        if self.symmetric:
            reach = max(value if end == "high" else -value, least)
            low, high = -reach, reach
        elif end == "low":
            low = min(value, 0.0)
            low = min(low, high - least)
        else:
            high = max(value, 0.0)
            high = max(high, low + least)
        self._range = float(f"{low:.4g}"), float(f"{high:.4g}")
        self.low.setValue(self._range[0])
        self.high.setValue(self._range[1])
        self.is_moving = True
        if not self._frame.isActive():
            self._frame.start()

    def _tell(self) -> None:
        if self._range != self._told:
            self._told = self._range
            self.moved.emit(*self._range)
