"""A bar of heat colours on an axis of numbers, whose ends can be dragged."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from inspector.gui.theme import LIGHT, SPACE_XS, TEXT_SMALL, Theme, heat
from inspector.report.units import count_tick
from inspector.session.quantities import Quantity

LOW, HIGH = 0, 1
_SIDE, _TOP, _BAR, _HANDLE = 7, 4, 10, 7.0
_LEAST_GAP = 0.02
"""Of the axis, between two ends that are dragged together."""
_DOT = 0.004
"""Of the axis: a range as short has no ends that could be told apart."""
_MOST_TICKS = 6
_STEP_DB, _STEP_FACTOR = 1.0, 1.1
_FARTHEST = 600.0  # as a power of e: floats end at 709


@dataclass(frozen=True, slots=True)
class Axis:
    """The numbers that a bar has room for; more than those of the colours.

    Attributes:
        low: at the left end.
        high: at the right end.
        log: equal ratios are equally far apart.
    """

    low: float
    high: float
    log: bool

    def place(self, value: float) -> float:
        """Where a number is: 0 at the left end, 1 at the right."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return (self._scaled(value) - low) / (high - low)

    def value(self, place: float) -> float:
        """The number at a place."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        found = low + place * (high - low)
        return math.exp(min(max(found, -_FARTHEST), _FARTHEST)) if self.log else found

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else value

    def ticks(self) -> tuple[float, ...]:
        """Round numbers on it: a few, and powers of ten where it is long."""
        return self._log_ticks() if self.log else _linear_ticks(self.low, self.high)

    def _log_ticks(self) -> tuple[float, ...]:
        first, last = math.log10(self.low), math.log10(self.high)
        decades = range(math.ceil(first), math.floor(last) + 1)
        if len(decades) >= 3:
            every = -(-len(decades) // _MOST_TICKS)
            return tuple(10.0**power for power in decades[::every])
        powers = range(math.floor(first), math.floor(last) + 1)
        fine = (part * 10.0**power for power in powers for part in (1, 2, 5))
        found = tuple(tick for tick in fine if self.low <= tick <= self.high)
        return found if len(found) >= 2 else _linear_ticks(self.low, self.high)


def axis_for(quantity: Quantity, low: float, high: float) -> Axis:
    """An axis with some room on both sides of a range."""
    return _roomy(low, high, log=quantity.scale == "log")


def stretched(axis: Axis, low: float, high: float) -> Axis:
    """The same axis, longer where a range goes beyond it; a new one where the range is a dot."""
    tight = Axis(min(low, axis.low), max(high, axis.high), axis.log)
    left = axis.low if low >= axis.low else tight.value(-0.05)
    longer = Axis(left, axis.high if high <= axis.high else tight.value(1.05), axis.log)
    if longer.place(high) - longer.place(low) < _DOT:
        return _roomy(low, high, log=axis.log)
    return longer


def _roomy(low: float, high: float, *, log: bool) -> Axis:
    tight = Axis(low, high, log)
    return Axis(tight.value(-0.2), tight.value(1.2), log)


def stepped(quantity: Quantity, value: float, steps: float) -> float:
    """A number some steps higher or lower: of 1 dB, or of a tenth."""
    if quantity.scale == "log":
        return value * math.pow(_STEP_FACTOR, steps)
    return value + _STEP_DB * steps


def _linear_ticks(low: float, high: float) -> tuple[float, ...]:
    rough = (high - low) / _MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(part * power for part in (1, 2, 5, 10) if part * power >= rough)
    first = math.ceil(low / step)
    return tuple(number * step for number in range(first, math.floor(high / step) + 1))


class HeatBar(QWidget):
    """The colours of a range on an axis that is longer than the range.

    Signals:
        moved: (low, high), while an end is dragged or turned with the wheel.
        edit_asked: LOW or HIGH shall be typed.
    """

    moved = Signal(float, float)
    edit_asked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("heatBar")
        self.setMouseTracking(True)
        self.setToolTip("Drag an end, or turn the wheel over it; double-click to type a number")
        font = self.font()
        font.setPixelSize(TEXT_SMALL - 1)
        self.setFont(font)
        self._theme: Theme = LIGHT
        self._quantity: Quantity | None = None
        self._ends = (0.0, 1.0)
        self._axis = Axis(0.0, 1.0, log=False)
        self._held: tuple[int, ...] = ()
        self._from = 0.0
        self._before = (0.0, 1.0)

    def show_range(self, quantity: Quantity, low: float, high: float, axis: Axis) -> None:
        """Show these ends on this axis."""
        self._quantity, self._ends, self._axis = quantity, (low, high), axis
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        """Paint in a theme's colours."""
        self._theme = theme
        self.update()

    def end_at(self, end: int) -> QPointF:
        """Where the handle of LOW or HIGH is."""
        return QPointF(self._x(self._ends[end]), _TOP + _BAR / 2)

    def is_held(self) -> bool:
        """Whether the user is dragging."""
        return bool(self._held)

    def sizeHint(self) -> QSize:
        """A bar with a line of numbers under it."""
        return QSize(190, _TOP + _BAR + SPACE_XS + 3 + TEXT_SMALL + 2)

    def minimumSizeHint(self) -> QSize:
        """The same."""
        return self.sizeHint()

    def _x(self, value: float) -> float:
        return _SIDE + self._axis.place(value) * (self.width() - 2 * _SIDE)

    def _place(self, x: float) -> float:
        return (x - _SIDE) / max(self.width() - 2 * _SIDE, 1)

    # Painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint bar, ticks and handles."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left, right = self._x(self._ends[LOW]), self._x(self._ends[HIGH])
        bar = QRectF(_SIDE, _TOP, self.width() - 2 * _SIDE, _BAR)
        gradient = QLinearGradient(QPointF(left, 0), QPointF(max(right, left + 1), 0))
        for step in range(11):
            gradient.setColorAt(step / 10, heat(step / 10))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(gradient)
        painter.drawRoundedRect(bar, 3, 3)
        self._paint_ticks(painter, bar)
        painter.setPen(QPen(QColor(self._theme.muted), 1.2))
        painter.setBrush(QColor(self._theme.text if self._theme.dark else self._theme.surface))
        for x in (left, right):
            painter.drawRoundedRect(QRectF(x - _HANDLE / 2, _TOP - 3, _HANDLE, _BAR + 6), 2.5, 2.5)
        painter.end()

    def _paint_ticks(self, painter: QPainter, bar: QRectF) -> None:
        metrics = QFontMetricsF(self.font())
        painter.setPen(QColor(self._theme.muted))
        taken = -math.inf
        for tick in self._axis.ticks():
            x = self._x(tick)
            painter.drawLine(QPointF(x, bar.bottom() + 1), QPointF(x, bar.bottom() + 4))
            text = tick_text(tick, log=self._axis.log)
            wide = metrics.horizontalAdvance(text)
            start = min(max(x - wide / 2, 0.0), self.width() - wide)
            if start >= taken:
                place = QRectF(start, bar.bottom() + 4, wide + 1, TEXT_SMALL + 2)
                painter.drawText(place, int(Qt.AlignmentFlag.AlignCenter), text)
                taken = start + wide + 6

    # Mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of an end, or of both between them."""
        event.accept()
        if event.button() == Qt.MouseButton.LeftButton:
            self._held = self._at(event.position().x())
            self._from, self._before = self._place(event.position().x()), self._ends

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move what is held."""
        event.accept()
        x = event.position().x()
        if not self._held:
            near = self._at(x)
            shape = (
                Qt.CursorShape.SizeHorCursor if len(near) == 1 else Qt.CursorShape.OpenHandCursor
            )
            self.setCursor(shape if near else Qt.CursorShape.ArrowCursor)
            return
        moved = self._place(x) - self._from
        places = [self._axis.place(end) for end in self._before]
        if len(self._held) == 2:
            moved = min(max(moved, -places[LOW]), 1 - places[HIGH])
        for end in self._held:
            places[end] = min(max(places[end] + moved, 0.0), 1.0)
        if self._held == (LOW,):
            places[LOW] = min(places[LOW], places[HIGH] - _LEAST_GAP)
        elif self._held == (HIGH,):
            places[HIGH] = max(places[HIGH], places[LOW] + _LEAST_GAP)
        ends = [
            self._tidy(place) if number in self._held else self._before[number]
            for number, place in enumerate(places)
        ]
        if ends[LOW] < ends[HIGH]:
            self.moved.emit(*ends)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        event.accept()
        self._held = ()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Type the nearer end."""
        event.accept()
        self._held = ()
        self.edit_asked.emit(self._nearer(event.position().x()))

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Step the nearer end."""
        event.accept()
        if self._quantity is None or not event.angleDelta().y():
            return
        end = self._nearer(event.position().x())
        ends = list(self._ends)
        ends[end] = stepped(self._quantity, ends[end], event.angleDelta().y() / 120)
        if ends[LOW] < ends[HIGH]:
            self.moved.emit(*ends)

    def _nearer(self, x: float) -> int:
        return LOW if x < (self.end_at(LOW).x() + self.end_at(HIGH).x()) / 2 else HIGH

    def _at(self, x: float) -> tuple[int, ...]:
        """What is under the pointer: one end, both (between them), or nothing."""
        end = self._nearer(x)
        if abs(x - self.end_at(end).x()) <= _HANDLE:
            return (end,)
        inside = self.end_at(LOW).x() < x < self.end_at(HIGH).x()
        return (LOW, HIGH) if inside else ()

    def _tidy(self, place: float) -> float:
        value = self._axis.value(place)
        return float(f"{value:.3g}") if self._axis.log else round(2 * value) / 2


def tick_text(value: float, *, log: bool) -> str:
    """A number on the axis, as short as it can be said."""
    text = count_tick(value) if log else f"{value:.4g}"
    return text.replace("-", "−")
