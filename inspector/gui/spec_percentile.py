"""A slider from 99 to 100 % on which the nines have room, with a number beside it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QWheelEvent
from PySide6.QtWidgets import QAbstractSlider, QHBoxLayout, QSizePolicy, QWidget

from inspector.gui import spec_choices
from inspector.gui.inputs import NumberBox
from inspector.gui.spec_fields import DEFAULT_PERCENTILE
from inspector.gui.theme import SPACE_S
from inspector.quant.spec import Role

STOPS = (99.0, 99.5, 99.9, 99.95, 99.99, 99.999, 100.0)
"""Where the slider snaps; they lie evenly spaced on it."""
LEAST, DECIMALS = 50.01, 4
_GAP = 100
_HANDLE = 7.0
_Action = QAbstractSlider.SliderAction


def place_of(percentile: float) -> int:
    """Where a percentile lies on the slider; those below its start are at the start."""
    return round(float(np.interp(percentile, STOPS, np.arange(len(STOPS)) * _GAP)))


class PercentileSlider(QAbstractSlider):
    """Snaps to the usual percentiles, by mouse and by keys.

    Signals:
        picked: the percentile that the user chose.
    """

    picked = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setOrientation(Qt.Orientation.Horizontal)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setRange(0, _GAP * (len(STOPS) - 1))
        self.setSingleStep(_GAP)
        self.setPageStep(_GAP)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(90)
        self.setMouseTracking(True)
        self.actionTriggered.connect(self._snap)
        self.valueChanged.connect(self._changed)

    def sizeHint(self) -> QSize:
        """As high as a number field, so that both lie on one line."""
        return QSize(130, 28)

    def minimumSizeHint(self) -> QSize:
        """It can be a little shorter."""
        return QSize(90, 28)

    def show_percentile(self, percentile: float) -> None:
        """Put the handle where a percentile lies; nobody is told."""
        with QSignalBlocker(self):
            self.setValue(place_of(percentile))
        self.update()

    def percentile(self) -> float:
        """The stop next to the handle."""
        return STOPS[round(self.value() / _GAP)]

    # By mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """The handle comes to the pointer."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self.setSliderDown(True)
        before = self.value()
        self._follow(event.position())
        if self.value() == before:  # the number may be another than that of the stop
            self.picked.emit(self.percentile())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """It follows from stop to stop."""
        if self.isSliderDown():
            self._follow(event.position())
        else:
            near = STOPS[self._stop_at(event.position().x())]
            self.setToolTip(f"{near:g} %\n{spec_choices.PERCENTILE}")

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """The drag is over."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(False)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to the panel."""
        event.ignore()

    def _follow(self, pointer: QPointF) -> None:
        self.setValue(_GAP * self._stop_at(pointer.x()))

    def _stop_at(self, x: float) -> int:
        span = self.width() - 2 * _HANDLE
        part = (x - _HANDLE) / span if span > 0 else 0.0
        return round(min(max(part, 0.0), 1.0) * (len(STOPS) - 1))

    # By keys

    def _snap(self, action: int) -> None:
        """From wherever the handle is, a step leads to the next stop."""
        here, last = self.value() / _GAP, len(STOPS) - 1
        if action in (_Action.SliderSingleStepAdd.value, _Action.SliderPageStepAdd.value):
            self.setSliderPosition(_GAP * min(int(here) + 1, last))
        elif action in (_Action.SliderSingleStepSub.value, _Action.SliderPageStepSub.value):
            self.setSliderPosition(_GAP * max(int(np.ceil(here)) - 1, 0))

    def _changed(self) -> None:
        self.picked.emit(self.percentile())

    # How it looks

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A line with a mark at every stop, and the handle."""
        colours = self.palette()
        able = self.isEnabled()
        line = colours.color(QPalette.ColorRole.Mid)
        accent = colours.color(QPalette.ColorRole.Accent) if able else line
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = self.height() / 2
        left, right = _HANDLE, self.width() - _HANDLE
        at = left + (right - left) * self.value() / self.maximum()
        painter.setPen(QPen(line, 2))
        painter.drawLine(QPointF(at, middle), QPointF(right, middle))
        painter.setPen(QPen(accent, 2))
        painter.drawLine(QPointF(left, middle), QPointF(at, middle))
        painter.setPen(Qt.PenStyle.NoPen)
        for number in range(len(STOPS)):
            x = left + (right - left) * number / (len(STOPS) - 1)
            painter.setBrush(accent if x <= at else line)
            painter.drawEllipse(QPointF(x, middle), 2.5, 2.5)
        self._paint_handle(painter, QPointF(at, middle), accent)
        painter.end()

    def _paint_handle(self, painter: QPainter, at: QPointF, accent: QColor) -> None:
        painter.setPen(QPen(accent, 2))
        painter.setBrush(self.palette().color(QPalette.ColorRole.Base))
        painter.drawEllipse(at, _HANDLE - 2, _HANDLE - 2)
        if self.hasFocus():
            painter.setPen(QPen(accent, 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            area = QRectF(0.5, 2.5, self.width() - 1.0, self.height() - 5.0)
            painter.drawRoundedRect(area, 5.0, 5.0)


class PercentileField(QWidget):
    """The slider with the number beside it.

    Args:
        role: whose percentile it is.
        name: what the object names begin with.

    Signals:
        changed: the percentile that the user chose.
        let_go: a drag begins or is over, or typing is over.
    """

    changed = Signal(float)
    let_go = Signal()

    def __init__(self, role: Role, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slider = PercentileSlider(self)
        self.slider.setObjectName(f"{name}PercentileSlider")
        self.slider.setAccessibleName(f"{role} percentile, usual ones")
        self.box = NumberBox(LEAST, 100.0, self)
        self.box.setObjectName(f"{name}Percentile")
        self.box.setAccessibleName(f"{role} percentile kept")
        self.box.setDecimals(DECIMALS)
        self.box.setSuffix(" %")
        self.box.setSingleStep(0.01)
        self.box.setFixedWidth(84)
        for widget in (self, self.slider, self.box):
            widget.setToolTip(spec_choices.PERCENTILE)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_S)
        row.addWidget(self.slider, 1)
        row.addWidget(self.box)
        self.show_percentile(DEFAULT_PERCENTILE)
        self.slider.picked.connect(self._picked)
        self.slider.sliderPressed.connect(self.let_go)
        self.slider.sliderReleased.connect(self.let_go)
        self.box.editingFinished.connect(self.let_go)
        self.box.valueChanged.connect(self._typed)

    def show_percentile(self, percentile: float) -> None:
        """Show a percentile; nobody is told."""
        with QSignalBlocker(self.box):
            self.box.setValue(percentile)
        if not self.slider.isSliderDown():  # the hand knows better where it is
            self.slider.show_percentile(percentile)

    def percentile(self) -> float:
        """What is shown."""
        return round(self.box.value(), DECIMALS)

    def _picked(self, percentile: float) -> None:
        with QSignalBlocker(self.box):
            self.box.setValue(percentile)
        self.changed.emit(percentile)

    def _typed(self, percentile: float) -> None:
        self.slider.show_percentile(percentile)
        self.changed.emit(round(percentile, DECIMALS))
