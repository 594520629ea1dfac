"""The values of a constant: histogram, heat map of a slice, table, export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from inspector.gui.properties.heat_map import HeatMap
from inspector.gui.properties.slices import Picture, Plane
from inspector.gui.properties.value_table import ValueTable
from inspector.gui.properties.words import number_text
from inspector.gui.still import ElidedLabel
from inspector.gui.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XS, Theme
from inspector.onnxio.values import Values
from inspector.quant.summary import Floats
from inspector.report.units import count_text

if TYPE_CHECKING:
    from inspector.gui.plots.histogram_plot import HistogramPlot

_HISTOGRAM_PIXELS = 176
_BOXES_A_ROW = 2


class _Number(QSpinBox):
    """A number that leaves the wheel to the page unless it has the focus."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Turn only what was chosen."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class IndexBox(QWidget):
    """An index along one axis, with a step to either side."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label = QLabel(self)
        self.label.setProperty("role", "small")
        self.number = _Number(self)
        self.number.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.number.setKeyboardTracking(False)
        self.number.setWrapping(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.label)
        row.addSpacing(SPACE_XS)
        for text, name, step in (("\u2039", "Previous", -1), ("\u203a", "Next", 1)):
            button = QToolButton(self)
            button.setText(text)
            button.setProperty("step", "true")
            button.setAutoRepeat(True)
            button.setToolTip(f"{name} index")
            button.setAccessibleName(f"{name} index")
            button.clicked.connect(lambda _checked=False, by=step: self.number.stepBy(by))
            row.addWidget(button)
            if step < 0:
                row.addWidget(self.number, 1)

    def set_axis(self, axis: int, length: int) -> None:
        """Start at the first index of an axis."""
        last = min(max(length - 1, 0), 2**31 - 1)
        self.label.setText(f"axis {axis}")
        self.number.setToolTip(f"Index along axis {axis}, 0 to {count_text(last)}")
        self.number.setAccessibleName(f"Index along axis {axis}")
        self.number.blockSignals(True)
        self.number.setRange(0, last)
        self.number.setSuffix(f" / {last}")
        self.number.setValue(0)
        self.number.blockSignals(False)


class TensorPanel(QWidget):
    """Shows values, and asks for what has to be computed.

    Signals:
        plane_asked: (Values, Plane) whose picture is wanted.
        form_asked: whether the stored integers shall be shown, instead of real numbers.
        export_asked: the values shall be written to a file.
    """

    plane_asked = Signal(object, object)
    form_asked = Signal(bool)
    export_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: Values | None = None
        self._plane = Plane.of((0,))
        self._theme: Theme | None = None
        self.histogram: HistogramPlot | None = None
        """How the values are spread; made with the first that is shown."""
        self.histogram_area = QWidget(self)
        self.values_area = QWidget(self)
        self.title = QLabel("Values", self)
        self.title.setProperty("role", "section")
        self.real = _choice("Dequantized", "The real numbers that the integers stand for")
        self.stored = _choice("Stored", "The integers as they are in the file")
        self.forms = QButtonGroup(self)
        self.spinners = QWidget(self)
        self.boxes: list[IndexBox] = []
        self.heat = HeatMap(self)
        self.caption = ElidedLabel(self, Qt.TextElideMode.ElideRight)
        self.caption.setProperty("role", "small")
        self.table = ValueTable(self)
        self.trouble = QLabel(self)
        self.trouble.setProperty("role", "warning")
        self.trouble.setWordWrap(True)
        self.trouble.setTextFormat(Qt.TextFormat.PlainText)
        self.export = QPushButton("Export .npy…", self)
        self.export.setObjectName("exportTensor")
        self.export.setToolTip("Write the values as they are shown to a NumPy file")
        self.exported = ElidedLabel(self)
        self.exported.setProperty("role", "small")
        self._arrange()
        self._connect()
        self.clear()

    # What is shown

    def clear(self) -> None:
        """Show no values."""
        self._values = None
        self.table.show_plane(None, Plane.of((0,)))
        for part in (self.histogram_area, self.values_area, self.trouble):
            part.hide()
        self.exported.set_full_text("")

    @property
    def values(self) -> Values | None:
        """What is shown."""
        return self._values

    @property
    def plane(self) -> Plane:
        """Which part of it."""
        return self._plane

    def show_values(self, values: Values, *, has_forms: bool, stored: bool) -> None:
        """Show values; the slice stays where the shape is the same."""
        same = self._values is not None and self._values.shape == values.shape
        self._values = values
        for button in (self.real, self.stored):
            button.setVisible(has_forms)
        (self.stored if stored else self.real).setChecked(True)
        self.trouble.hide()
        self.values_area.show()
        self.export.setEnabled(True)
        self._plane = Plane.of(values.shape, self._plane.index if same else ())
        if not same:
            self.heat.hide()
            self.caption.hide()
            self._show_boxes()
        self._show_plane()

    def show_trouble(self, text: str) -> None:
        """Say why there are no values."""
        self.clear()
        self.show_note(text)

    def show_note(self, text: str) -> None:
        """Say what is amiss with the values that are shown."""
        self.trouble.setText(text)
        self.trouble.show()

    def show_histogram(self, edges: Floats, counts: Floats, note: str = "") -> None:
        """Show how the values are spread."""
        from inspector.gui.plots.shapes import HistogramShape

        self.histogram_area.show()
        self.histogram = histogram = self.histogram or self._made_histogram()
        if counts.sum():
            histogram.show_shape(HistogramShape(edges, counts, note=note))
        else:
            histogram.show_empty("No finite values")

    def show_picture(self, picture: Picture | None) -> None:
        """Show the picture of the plane; None where there is none."""
        self.heat.setVisible(picture is not None)
        self.caption.setVisible(picture is not None)
        if picture is not None:
            self.heat.show_picture(picture)
            self._point(-1, -1)

    def show_exported(self, text: str) -> None:
        """Say what came of the export."""
        self.exported.set_full_text(text)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme
        if self.histogram is not None:
            self.histogram.apply_theme(theme)
        self.heat.apply_theme(theme)

    # How it is built

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(SPACE_XS)
        head.addWidget(self.title)
        head.addStretch(1)
        for button in (self.real, self.stored):
            self.forms.addButton(button)
            head.addWidget(button)
        grid = QGridLayout(self.spinners)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(SPACE_XS)
        foot = QHBoxLayout()
        foot.addWidget(self.export)
        foot.addWidget(self.exported, 1)
        inner = QVBoxLayout(self.values_area)
        inner.setContentsMargins(SPACE_L, SPACE_XS, SPACE_M, SPACE_L)
        inner.setSpacing(SPACE_S)
        inner.addWidget(_rule())
        inner.addLayout(head)
        for part in (self.spinners, self.heat, self.caption, self.table):
            inner.addWidget(part)
        inner.addLayout(foot)
        upper = QVBoxLayout(self.histogram_area)
        upper.setContentsMargins(0, SPACE_S, 0, 0)
        upper.setSpacing(0)
        line = QHBoxLayout()
        line.setContentsMargins(SPACE_L, 0, SPACE_M, 0)
        line.addWidget(_rule())
        upper.addLayout(line)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.trouble.setContentsMargins(SPACE_L, SPACE_S, SPACE_L, SPACE_S)
        for part in (self.histogram_area, self.trouble, self.values_area):
            column.addWidget(part)

    def _made_histogram(self) -> HistogramPlot:
        from inspector.gui.plots.histogram_plot import HistogramPlot

        made = HistogramPlot("tensorHistogram", "Histogram", log=False, parent=self)
        made.setFixedHeight(_HISTOGRAM_PIXELS)
        made.setContentsMargins(SPACE_S, 0, SPACE_XS, 0)
        if self._theme is not None:
            made.apply_theme(self._theme)
        column = self.histogram_area.layout()
        assert column is not None
        column.addWidget(made)
        return made

    def _connect(self) -> None:
        self.stored.toggled.connect(self._form_changed)
        self.heat.pointed.connect(self._point)
        self.heat.chosen.connect(self._choose)
        self.export.clicked.connect(self.export_asked)

    def _show_boxes(self) -> None:
        """One box for each leading axis; boxes are used again."""
        leading = self._plane.leading
        grid = self.spinners.layout()
        assert isinstance(grid, QGridLayout)
        while len(self.boxes) < len(leading):
            box = IndexBox(self.spinners)
            grid.addWidget(box, *divmod(len(self.boxes), _BOXES_A_ROW))
            box.number.valueChanged.connect(self._walk)
            self.boxes.append(box)
        for number, box in enumerate(self.boxes):
            used = number < len(leading)
            box.setVisible(used)
            if used:
                box.set_axis(leading[number], self._plane.shape[leading[number]])
        self.spinners.setVisible(bool(leading))

    # What the user does

    def _form_changed(self, stored: bool) -> None:
        self.form_asked.emit(stored)

    def _walk(self) -> None:
        if self._values is not None:
            count = len(self._plane.leading)
            index = [box.number.value() for box in self.boxes[:count]]
            self._plane = Plane.of(self._values.shape, index)
            self._show_plane()

    def _show_plane(self) -> None:
        values, plane = self._values, self._plane
        assert values is not None
        self.title.setText("Values" if plane.size else "No values")
        self.table.setVisible(plane.size > 0)
        self.table.show_plane(values, plane)
        if plane.is_matrix and not values.is_text:
            self.plane_asked.emit(values, plane)
        else:
            self.show_picture(None)

    def _point(self, row: int, column: int) -> None:
        picture = self.heat.picture()
        if picture is None:
            return
        tall, wide = picture.block
        if row >= 0:
            where = self._plane.position(row * tall, column * wide)
            word = "=" if tall == wide == 1 else "and on, farthest from zero"
            value = number_text(picture.pixels[row, column])
            self.caption.set_full_text(f"{where} {word} {value}")
        else:
            self.caption.set_full_text(_told(self._plane, picture))

    def _choose(self, row: int, column: int) -> None:
        picture = self.heat.picture()
        if picture is not None:
            self.table.reveal(row * picture.block[0], column * picture.block[1])


def _told(plane: Plane, picture: Picture) -> str:
    """What the picture is of: [3, 0, :, :], 7 × 7."""
    parts: Sequence[str] = [
        str(plane.index[plane.leading.index(axis)])
        if axis in plane.leading
        else ":"
        if axis in (plane.row_axis, plane.column_axis)
        else "0"
        for axis in range(len(plane.shape))
    ]
    size = f"{count_text(plane.rows)} × {count_text(plane.columns)}"
    tall, wide = picture.block
    text = f"[{', '.join(parts)}]  {size}"
    return text if tall == wide == 1 else f"{text}, {tall} × {wide} values a pixel"


def _rule() -> QFrame:
    rule = QFrame()
    rule.setObjectName("rule")
    rule.setFixedHeight(1)
    return rule


def _choice(text: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setCheckable(True)
    button.setProperty("small", "true")
    button.setToolTip(tip)
    return button
