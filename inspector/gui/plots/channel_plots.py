"""The channels of a weight side by side: their ranges, and how their values are spread."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import QWidget

from inspector.gui.plots.items import Mapping, PixelItem, polygon
from inspector.gui.plots.plot_card import PlotCard, Table
from inspector.gui.theme import LIGHT, Theme, heat
from inspector.quant.spread import Boxes, Heat
from inspector.report.units import count_text, value_text

Floats = NDArray[np.float64]


class _BoxItem(PixelItem):
    """A thin line from the smallest to the largest value, a thick one over 98 % of them."""

    def __init__(self) -> None:
        super().__init__()
        self.boxes: Boxes | None = None
        self.grid: tuple[Floats, Floats] | None = None
        self.theme = LIGHT
        self.chosen = -1

    def draw(self, painter: QPainter, mapping: Mapping) -> None:
        """The grids behind, the channels on them, their medians on top."""
        boxes = self.boxes
        if boxes is None or not len(boxes.order):
            return
        count = len(boxes.order)
        part, x, starts = _columns(mapping, count)
        if not x:
            return
        wide = max(1.0, 0.62 * abs(mapping.sx))

        def lowest(values: Floats) -> Floats:
            return np.minimum.reduceat(values[part], starts)

        def highest(values: Floats) -> Floats:
            return np.maximum.reduceat(values[part], starts)

        def mean(values: Floats) -> Floats:
            sizes = np.diff(starts, append=part.stop - part.start)
            return np.add.reduceat(values[part], starts) / sizes

        if self.grid is not None:
            self._draw_grid(painter, mapping, x, lowest(self.grid[0]), highest(self.grid[1]))
        spans = (lowest(boxes.lo), mean(boxes.low), mean(boxes.high), highest(boxes.hi))
        ends = [mapping.y(span).tolist() for span in spans]
        middle = mapping.y(mean(boxes.middle)).tolist()
        thin = QColor(self.theme.original)
        thin.setAlpha(150)
        painter.setPen(QPen(thin, 1))
        painter.drawLines([QLineF(p, a, p, b) for p, a, b in zip(x, ends[0], ends[3], strict=True)])
        painter.setPen(Qt.PenStyle.NoPen)
        for colour, tops, bottoms in (
            (self.theme.original, ends[1], ends[2]),
            (self.theme.surface, middle, middle),
        ):
            painter.setBrush(QColor(colour))
            places = zip(x, tops, bottoms, strict=True)
            painter.drawRects([_box(p, wide, a, b) for p, a, b in places])
        if part.start <= self.chosen < part.stop:
            n = int(np.searchsorted(starts, self.chosen - part.start, "right")) - 1
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(self.theme.quantized), 1.6))
            painter.drawRect(_box(x[n], wide + 4, ends[0][n] + 2, ends[3][n] - 2))

    def _draw_grid(
        self, painter: QPainter, mapping: Mapping, x: list[float], low: Floats, high: Floats
    ) -> None:
        half = max(abs(mapping.sx), 1.0) / 2
        steps = np.repeat(np.array([*x, x[-1] + 2 * half]) - half, 2)[1:-1]
        bottom, top = np.repeat(mapping.y(low), 2), np.repeat(mapping.y(high), 2)
        fill = QColor(self.theme.quantized)
        fill.setAlpha(46)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.drawPolygon(
            polygon(np.concatenate((steps, steps[::-1])), np.concatenate((bottom, top[::-1])))
        )


def _columns(mapping: Mapping, count: int) -> tuple[slice, list[float], NDArray[np.intp]]:
    """Which channels are seen, where in pixels, and the first of those that share a column."""
    ends = [(end - mapping.dx) / mapping.sx for end in (mapping.seen.left(), mapping.seen.right())]
    first, last = max(int(min(ends)) - 1, 0), min(int(max(ends)) + 2, count)
    x = np.arange(first, last) * mapping.sx + mapping.dx
    starts = np.flatnonzero(np.diff(np.floor(x), prepend=-np.inf))
    return slice(first, max(last, first)), x[starts].tolist(), starts


def _box(x: float, wide: float, top: float, bottom: float) -> QRectF:
    low, high = min(top, bottom), max(top, bottom)
    return QRectF(x - wide / 2, low - 0.5, wide, max(high - low, 1.0))


class ChannelRangePlot(PlotCard):
    """The range of each channel, narrowest first, on what its grid covers.

    Signals:
        picked: the channel that was clicked.
    """

    picked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        axes = ("channels by range", "value")
        super().__init__("channelRanges", "Range per channel", axes, parent)
        self._item = _BoxItem()
        self.add(self._item)
        self._what = "channel"

    def show_boxes(
        self, boxes: Boxes, grid: tuple[Floats, Floats] | None, chosen: int | None, what: str
    ) -> None:
        """Show the channels.

        Args:
            boxes: their values.
            grid: (rows,) lowest and highest levels, by channel; None for float.
            chosen: the channel that was picked.
            what: what a row is called.
        """
        self._what, self._item.boxes = what, boxes
        order = boxes.order
        self._item.grid = None if grid is None else (grid[0][order], grid[1][order])
        places = np.flatnonzero(order == (-1 if chosen is None else chosen))
        self._item.chosen = int(places[0]) if places.size else -1
        self._item.update()
        low, high = float(boxes.lo.min(initial=0.0)), float(boxes.hi.max(initial=0.0))
        if high <= low:
            low, high = low - 0.5, high + 0.5
        if grid is not None and len(order):  # of a grid far wider than the values, not all
            room = high - low
            low = min(low, max(float(grid[0].min()), low - room))
            high = max(high, min(float(grid[1].max()), high + room))
        self.set_home((-0.5, max(len(order), 1) - 0.5), (low, high), 0.04)
        reach = boxes.hi - boxes.lo
        ratio = float(reach[-1] / reach[0]) if len(reach) and reach[0] > 0 else 0.0
        widest = f"widest {ratio:.3g}× the narrowest" if ratio else "some are constant"
        self.show_plot(f"{len(order)} {what}s, {widest}")

    def boxes(self) -> Boxes | None:
        """What is shown."""
        return None if self.is_empty() else self._item.boxes

    def table(self) -> Table:
        """Five numbers for each channel, and its grid."""
        boxes = self.boxes()
        if boxes is None:
            return ()
        columns: list[tuple[str, Any]] = [
            (self._what, boxes.order),
            ("minimum", boxes.lo),
            ("1 %", boxes.low),
            ("median", boxes.middle),
            ("99 %", boxes.high),
            ("maximum", boxes.hi),
        ]
        if self._item.grid is not None:
            columns += [("grid from", self._item.grid[0]), ("grid to", self._item.grid[1])]
        return columns

    def _at(self, x: float) -> int | None:
        boxes = self.boxes()
        return round(x) if boxes is not None and 0 <= round(x) < len(boxes.order) else None

    def read_at(self, x: float, _y: float) -> str:
        """A channel and its range."""
        boxes, number = self.boxes(), self._at(x)
        if boxes is None or number is None:
            return ""
        ends = f"{value_text(boxes.lo[number])} … {value_text(boxes.hi[number])}"
        most = f"98 % in {value_text(boxes.low[number])} … {value_text(boxes.high[number])}"
        return f"{self._what} {boxes.order[number]}: {ends}, {most}"

    def clicked_at(self, place: QPointF) -> None:
        """Pick a channel."""
        boxes, number = self.boxes(), self._at(place.x())
        if boxes is not None and number is not None:
            self.picked.emit(int(boxes.order[number]))

    def key_pressed(self, event: QKeyEvent) -> bool:
        """Left and Right pick the next narrower or wider channel."""
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        boxes = self.boxes()
        if step is None or boxes is None or not len(boxes.order):
            return super().key_pressed(event)
        number = min(max(self._item.chosen + step, 0), len(boxes.order) - 1)
        self.picked.emit(int(boxes.order[number]))
        return True

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        super().apply_theme(theme)
        self._item.theme = theme
        self._item.update()


class _HeatItem(PixelItem):
    """An image over a rectangle of the plot."""

    def __init__(self) -> None:
        super().__init__()
        self.image = QImage()
        self.area = (0.0, 0.0, 1.0, 1.0)

    def draw(self, painter: QPainter, mapping: Mapping) -> None:
        """Draw the image where it belongs."""
        x0, x1, y0, y1 = self.area
        left, right = x0 * mapping.sx + mapping.dx, x1 * mapping.sx + mapping.dx
        bottom, top = y0 * mapping.sy + mapping.dy, y1 * mapping.sy + mapping.dy
        painter.drawImage(QRectF(left, top, right - left, bottom - top), self.image)


class ChannelHeatPlot(PlotCard):
    """Logarithmic counts of every channel over the values: what lies far out is seen at once.

    Signals:
        picked: the channel that was clicked.
    """

    picked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        axes = ("value", "channel")
        title = "Values per channel"
        super().__init__("channelHeat", title, axes, parent, zoom=(True, True))
        self._item = _HeatItem()
        self._mark: Any = pg.InfiniteLine(angle=0)
        self.add(self._item)
        self.add(self._mark)
        self._heat: Heat | None = None
        self._what = "channel"

    def show_heat(self, found: Heat, chosen: int | None, what: str) -> None:
        """Show the counts; the channel that was picked is marked."""
        if found is not self._heat:
            self._heat = found
            self._paint()
        self._what = what
        self._mark.setVisible(chosen is not None)
        self._mark.setValue(chosen or 0)
        ends = float(found.edges[0]), float(found.edges[-1])
        self.set_home(ends, (-0.5, max(found.rows, 1) - 0.5), 0.0)
        each = f", the most of {found.per_line} in a line" if found.per_line > 1 else ""
        self.show_plot(f"dark few, bright many{each}")

    def heat(self) -> Heat | None:
        """What is shown."""
        return None if self.is_empty() else self._heat

    def table(self) -> Table:
        """One row for each line, one column for each bin."""
        found = self.heat()
        if found is None:
            return ()
        first = np.arange(len(found.counts)) * found.per_line
        bins = [
            (f"{low:.6g} to {high:.6g}", found.counts[:, number])
            for number, (low, high) in enumerate(
                zip(found.edges[:-1], found.edges[1:], strict=True)
            )
        ]
        return ((f"first {self._what}", first), *bins)

    def read_at(self, x: float, y: float) -> str:
        """The count of a channel's bin."""
        found, row = self.heat(), round(y)
        if found is None or not 0 <= row < found.rows:
            return ""
        number = int(np.searchsorted(found.edges, x, "right")) - 1
        if not 0 <= number < found.counts.shape[1]:
            return ""
        count = count_text(int(found.counts[row // found.per_line, number]))
        ends = f"{value_text(found.edges[number])} … {value_text(found.edges[number + 1])}"
        return f"{self._what} {row}, {ends}: {count} values"

    def clicked_at(self, place: QPointF) -> None:
        """Pick a channel."""
        found, row = self.heat(), round(place.y())
        if found is not None and 0 <= row < found.rows:
            self.picked.emit(row)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        super().apply_theme(theme)
        self._mark.setPen(pg.mkPen(theme.quantized, width=1.4))
        self._paint()

    def _paint(self) -> None:
        """Make the image: viridis on the logarithm of the counts, nothing where nothing is."""
        found = self._heat
        if found is None or not found.counts.size:
            return
        log = np.log1p(found.counts)
        index = np.rint(log * (255.0 / max(float(log.max()), 1e-9))).astype(np.intp)
        index[found.counts == 0] = 256
        colours = [heat(0.12 + 0.88 * step / 255).getRgb() for step in range(256)]
        colours.append(QColor(self.theme.surface).getRgb())
        table = np.array(colours, np.uint8)
        pixels = np.ascontiguousarray(table[index[::-1]])
        high, wide = index.shape
        image = QImage(pixels.data, wide, high, 4 * wide, QImage.Format.Format_RGBA8888)
        self._item.image = image.copy()
        ends = float(found.edges[0]), float(found.edges[-1])
        self._item.area = (*ends, -0.5, high * found.per_line - 0.5)
        self._item.update()
