"""Histogram of a tensor with the grid, the clip lines and the quantized histogram over it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QToolButton, QWidget

from inspector.gui.plots.clip_lines import ClipLines
from inspector.gui.plots.items import LevelItem, StepItem
from inspector.gui.plots.plain_axis import PlainAxis
from inspector.gui.plots.plot_card import PlotCard, Table
from inspector.gui.plots.range_ticks import RangeTick, RangeTicks
from inspector.gui.plots.shapes import HistogramShape
from inspector.gui.theme import Theme
from inspector.quant.spec import RangeMethod
from inspector.report.units import count_text, count_tick, value_text

_TICK_PIXELS = 22
"""Least distance between two numbers on an axis."""


class CountAxis(PlainAxis):
    """Counts as 5, 200, 3k, on a linear axis or on one of log10(1 + count)."""

    def __init__(self, *, log: bool) -> None:
        super().__init__("left")
        self._log = log

    def set_log(self, log: bool) -> None:
        """Whether heights are log10(1 + count)."""
        self._log = log
        self.picture = None
        self.update()

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Powers of ten on the logarithmic axis, no more of them than have room."""
        if not self._log:
            found: list[tuple[float, list[float]]] = super().tickValues(low, high, size)
            return found
        step = max(1, math.ceil(high * _TICK_PIXELS / max(size, 1.0)))
        powers = range(0, int(high) + 1, step)
        return [(float(step), [math.log10(1.0 + 10.0**power) for power in powers])]

    def tickStrings(self, values: list[float], _scale: float, _spacing: float) -> list[str]:
        """Short numbers."""
        return [count_tick(10.0**value - 1.0 if self._log else value) for value in values]


class HistogramPlot(PlotCard):
    """Counts, linear or logarithmic, of the values before and after quantization.

    The ends of the grid can be dragged; with the focus on the plot, Left and Right move one of
    them (with Shift further), Up and Down say which, Backspace takes back what was set by hand.

    Signals:
        range_moved: (low, high), while an end is moved.
        range_rested: (low, high), at the end of a move.
        range_reset: the range shall be chosen by the method from before.
        method_chosen: a RangeMethod, whose tick was clicked.
        value_picked: the value that was clicked.
    """

    range_moved = Signal(float, float)
    range_rested = Signal(float, float)
    range_reset = Signal()
    method_chosen = Signal(object)
    value_picked = Signal(float)

    def __init__(self, name: str, title: str, *, log: bool, parent: QWidget | None = None) -> None:
        self._counts: Any = CountAxis(log=log)
        super().__init__(name, title, ("value", "count"), parent, self._counts)
        self._shape: HistogramShape | None = None
        self._levels, self._original, self._quantized = LevelItem(), StepItem(), StepItem()
        self.lines = ClipLines(self.box, self)
        for item in (
            self._levels,
            self._original,
            self._quantized,
            self.lines.low,
            self.lines.high,
        ):
            self.add(item)
        self.ticks = RangeTicks(self._tick_place, self)
        self.ticks.setObjectName(f"{name}Ticks")
        self.body.insertWidget(2, self.ticks)
        self.log = QToolButton(self)
        self.log.setText("log")
        self.log.setCheckable(True)
        self.log.setProperty("small", "true")
        self.log.setChecked(log)
        self.log.setToolTip("Logarithmic counts: shows the few values far out")
        self.log.setAccessibleName(f"{title}: logarithmic counts")
        self.header.addWidget(self.log)
        self._connect()
        self.ticks.hide()

    def _connect(self) -> None:
        self.log.toggled.connect(self._counts.set_log)
        self.log.toggled.connect(self._redraw)
        self.box.sigRangeChanged.connect(self.ticks.update)
        self.box.sigResized.connect(self.ticks.update)
        self.ticks.chosen.connect(self.method_chosen)
        self.ticks.pointed.connect(lambda text: self.say(text or self.words()))
        self.lines.moved.connect(self.range_moved)
        self.lines.rested.connect(self.range_rested)
        self.lines.reset_asked.connect(self.range_reset)

    def show_shape(self, shape: HistogramShape) -> None:
        """Show another histogram; the items stay the same."""
        self._shape = shape
        self._redraw()
        self.show_plot(shape.note)

    def show_ticks(self, ticks: tuple[RangeTick, ...], current: RangeMethod | None) -> None:
        """Show what other methods would choose."""
        self.ticks.show_ticks(ticks, current)
        self.ticks.setEnabled(bool(ticks))

    def show_empty(self, text: str) -> None:
        """Say why there is nothing to plot."""
        super().show_empty(text)
        self.ticks.hide()

    def show_plot(self, note: str) -> None:
        """Show the plot with a line of words."""
        super().show_plot(note)
        self.ticks.show()

    def shape(self) -> HistogramShape | None:
        """What is shown."""
        return None if self.is_empty() else self._shape

    def table(self) -> Table:
        """Bins with their counts, before and after."""
        shape = self._shape
        if self.is_empty() or shape is None:
            return ()
        columns: list[tuple[str, Any]] = [
            ("from", shape.edges[:-1]),
            ("to", shape.edges[1:]),
            ("count", shape.counts),
        ]
        if shape.quantized is not None and shape.quantized_edges is not None:
            columns += [
                ("quantized from", shape.quantized_edges[:-1]),
                ("quantized to", shape.quantized_edges[1:]),
                ("quantized count", shape.quantized),
            ]
        return columns

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        super().apply_theme(theme)
        self.ticks.apply_theme(theme)
        fill = pg.mkColor(theme.original)
        fill.setAlpha(90)
        self._original.set_look(pg.mkPen(theme.original, width=1), pg.mkBrush(fill))
        self._quantized.set_look(pg.mkPen(theme.quantized, width=1.4), None)
        self._levels.set_colour(pg.mkColor(theme.grid))
        self._look_of_lines()

    def _look_of_lines(self) -> None:
        dash = Qt.PenStyle.DashLine
        plain = pg.mkPen(self.theme.clip, width=1.4, style=dash)
        strong = pg.mkPen(self.theme.clip, width=2.6)
        self.lines.set_looks(plain, strong)
        if self.view.hasFocus():
            line = self.lines.low if self.lines.keyed == "low" else self.lines.high
            line.setPen(strong)

    def _height(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log10(1.0 + counts) if self.log.isChecked() else counts

    def _redraw(self) -> None:
        shape = self._shape
        if shape is None:
            return
        heights = self._height(shape.counts)
        top = float(heights.max(initial=0.0)) * 1.08 or 1.0
        self._original.set_steps(shape.edges, heights)
        if shape.quantized is None or shape.quantized_edges is None:
            self._quantized.set_steps(np.zeros(1), np.zeros(0))
        else:
            drawn = np.minimum(self._height(shape.quantized), top)
            self._quantized.set_steps(shape.quantized_edges, drawn)
        self._show_grid(shape)
        self.lines.show_range(shape.low, shape.high, symmetric=shape.symmetric)
        if not self.lines.is_moving:  # what is below the pointer must not move away
            self.set_home(_extent(shape), (0.0, top), 0.02)

    def _show_grid(self, shape: HistogramShape) -> None:
        if shape.low is None or shape.high is None:
            self._levels.clear()
        elif shape.places is not None:
            self._levels.set_places(shape.places)
        elif shape.step > 0.0:
            self._levels.set_levels(shape.low, shape.step, shape.count)
        else:
            self._levels.set_reach(shape.low, shape.high)

    def _tick_place(self, value: float) -> float | None:
        """Where a value is on the strip of ticks; None out of sight."""
        (low, high), _ = self.box.viewRange()
        if not low <= value <= high or high <= low:
            return None
        # Not the scene's transform: that is up to date only after the view was painted.
        seen = self.box.sceneBoundingRect()
        place = seen.left() + (value - low) / (high - low) * seen.width()
        return float(place + self.view.x() - self.ticks.x())

    # Pointer and keys

    def read_at(self, x: float, _y: float) -> str:
        """The bin's values and count, and the level that its middle gets."""
        shape = self._shape
        if shape is None or self.lines.is_moving:
            return ""
        number = int(np.searchsorted(shape.edges, x, "right")) - 1
        inside = 0 <= number < len(shape.counts)
        count = int(shape.counts[number]) if inside else 0
        text = f"{value_text(x)}: {count_text(count)}"
        text += f" of {count_text(int(shape.counts.sum()))} values"
        if shape.places is not None:
            text += f", → {value_text(float(shape.places[np.abs(shape.places - x).argmin()]))}"
        elif shape.step > 0.0 and shape.low is not None:
            level = int(np.clip(round((x - shape.low) / shape.step), 0, shape.count - 1))
            text += f", → {value_text(shape.low + level * shape.step)}"
        return text

    def focus_changed(self, focused: bool) -> None:
        """Show which end the keys move."""
        super().focus_changed(focused)
        if not focused:
            self.lines.rest()
        self._look_of_lines()

    def key_pressed(self, event: QKeyEvent) -> bool:
        """Move an end, switch to the other, or take back what was set by hand."""
        key = event.key()
        if self.is_empty() or not self.lines.are_shown() or event.modifiers() & (
            Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
        ):  # fmt: skip
            return super().key_pressed(event)
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            far = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.lines.nudge(1 if key == Qt.Key.Key_Right else -1, far=far)
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.lines.switch()
            self._look_of_lines()
        elif key in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete):
            self.range_reset.emit()
        else:
            return super().key_pressed(event)
        return True

    def clicked_at(self, place: QPointF) -> None:
        """A click beside the lines gives the keys to the plot, and picks a value."""
        self.view.setFocus(Qt.FocusReason.MouseFocusReason)
        self.value_picked.emit(place.x())


def _extent(shape: HistogramShape) -> tuple[float, float]:
    """All values and the grid, unless that is far wider: a symmetric one is twice as wide."""
    low, high = float(shape.edges[0]), float(shape.edges[-1])
    room = high - low
    if shape.low is not None:
        low = min(low, max(shape.low, low - room))
    if shape.high is not None:
        high = max(high, min(shape.high, high + room))
    return low, high
