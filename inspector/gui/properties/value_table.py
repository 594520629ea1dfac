"""Values as a table: only those in view are ever read."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import (
    QAction,
    QContextMenuEvent,
    QFont,
    QFontMetrics,
    QKeyEvent,
    QKeySequence,
    QResizeEvent,
)
from PySide6.QtWidgets import QApplication, QHeaderView, QMenu, QTableView, QWidget

from inspector.gui.properties.page import copied
from inspector.gui.properties.slices import Plane
from inspector.gui.properties.words import number_text
from inspector.gui.theme import TEXT_SMALL
from inspector.onnxio.values import Values

ROW_PIXELS = 20
_STRIPE = 64
_MOST_STRIPES = 512
_MOST_COPIED = 100_000
_MOST_SHOWN = 8
_Index = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_ROLE = Qt.ItemDataRole
_DISPLAY = int(_ROLE.DisplayRole)


class ValueModel(QAbstractTableModel):
    """One plane of a tensor; reads stretches of rows when they come into view."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: Values | None = None
        self._plane = Plane.of((0,))
        self._stripes: dict[tuple[int, int], NDArray[Any]] = {}

    def show_plane(self, values: Values | None, plane: Plane) -> None:
        """Show another plane."""
        self.beginResetModel()
        self._values, self._plane = values, plane
        self._stripes.clear()
        self.endResetModel()

    @property
    def plane(self) -> Plane:
        """What is shown."""
        return self._plane

    def rowCount(self, parent: _Index = _NOWHERE) -> int:
        """How many rows the plane has."""
        return 0 if parent.isValid() or self._values is None else self._plane.rows

    def columnCount(self, parent: _Index = _NOWHERE) -> int:
        """How many columns the plane has."""
        return 0 if parent.isValid() or self._values is None else self._plane.columns

    def data(self, index: _Index, role: int = _DISPLAY) -> Any:
        """A value as text, and in full as the tooltip."""
        if role == _ROLE.TextAlignmentRole and self._values is not None:
            return _LEFT if self._values.is_text else _RIGHT
        if role not in (_ROLE.DisplayRole, _ROLE.ToolTipRole):
            return None
        value = self.value(index.row(), index.column())
        if value is None:
            return None
        if role == _ROLE.DisplayRole:
            return number_text(value)
        where = self._plane.position(index.row(), index.column())
        return f"{where}\n{number_text(value)}"

    def value(self, row: int, column: int) -> Any:
        """The value in a cell; None beyond the last one of a folded plane."""
        if self._values is None:
            return None
        key = (row, column // _STRIPE)
        stripe = self._stripes.get(key)
        if stripe is None:
            if len(self._stripes) >= _MOST_STRIPES:
                self._stripes.clear()
            start = key[1] * _STRIPE
            stripe = self._plane.read(self._values, row, start, _STRIPE)
            self._stripes[key] = stripe
        place = column % _STRIPE
        return stripe[place] if place < len(stripe) else None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _DISPLAY) -> Any:
        """The index along the axis; of a folded plane that of the row's first value."""
        if role != _ROLE.DisplayRole:
            return None
        if orientation == Qt.Orientation.Horizontal:
            if self._plane.folded:
                return f"+{section}"
            return str(section) if self._plane.column_axis is not None else "value"
        return str(section * self._plane.columns if self._plane.folded else section)


class ValueTable(QTableView):
    """The table of a plane. A selection can be copied, up to 100,000 values of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("valueTable")
        self.setAccessibleName("Values of the tensor")
        self.values = ValueModel(self)
        self._column = 40
        self.setModel(self.values)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setCornerButtonEnabled(False)
        self.setAlternatingRowColors(False)
        digits = QFont(self.font())
        digits.setPixelSize(TEXT_SMALL)
        digits.setFeature(QFont.Tag("tnum"), 1)
        self.setFont(digits)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            header.setHighlightSections(False)
            header.setSectionsClickable(True)
        self.verticalHeader().setDefaultSectionSize(ROW_PIXELS)
        self.verticalHeader().setMinimumSectionSize(ROW_PIXELS)
        self.verticalHeader().setDefaultAlignment(_RIGHT)

    def show_plane(self, values: Values | None, plane: Plane) -> None:
        """Show another plane; columns are as wide as the first rows need."""
        same = plane.shape == self.values.plane.shape and self.values.rowCount() > 0
        across, down = self.horizontalScrollBar().value(), self.verticalScrollBar().value()
        self.values.show_plane(values, plane)
        if values is None:
            return
        self._column = self._width()
        self.horizontalHeader().setDefaultAlignment(_LEFT if values.is_text else _RIGHT)
        self._fit()
        if same:
            self.horizontalScrollBar().setValue(across)
            self.verticalScrollBar().setValue(down)
        else:
            self.scrollToTop()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the columns to another width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Let few columns fill the width; leave room for a scroll bar below many."""
        columns, header = self.values.columnCount(), self.horizontalHeader()
        room = self.width() - self.verticalHeader().sizeHint().width() - 12
        fits = columns * self._column <= room
        modes = QHeaderView.ResizeMode
        header.setSectionResizeMode(modes.Stretch if fits and columns else modes.Fixed)
        header.setDefaultSectionSize(self._column)
        shown = min(self.values.rowCount(), _MOST_SHOWN)
        height = header.sizeHint().height() + shown * ROW_PIXELS + (4 if fits else 14)
        if height != self.height():
            self.setFixedHeight(height)

    def reveal(self, row: int, column: int) -> None:
        """Scroll to a value and select it."""
        index = self.values.index(row, column)
        self.setCurrentIndex(index)
        self.scrollTo(index, QTableView.ScrollHint.PositionAtCenter)

    def copied_text(self) -> str:
        """What is selected, as lines of values between tabs."""
        lines: list[str] = []
        left = _MOST_COPIED
        for area in self.selectionModel().selection().toList():
            for row in range(area.top(), area.bottom() + 1):
                if left <= 0:
                    break
                columns = range(area.left(), min(area.right() + 1, area.left() + left))
                cells = [self.values.value(row, column) for column in columns]
                lines.append("\t".join(_plain(cell) for cell in cells if cell is not None))
                left -= len(columns)
        return "\n".join(lines)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy what is selected."""
        if event.matches(QKeySequence.StandardKey.Copy):
            QApplication.clipboard().setText(self.copied_text())
            return
        super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer to copy."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        action = QAction("Copy", menu)
        action.triggered.connect(lambda: QApplication.clipboard().setText(self.copied_text()))
        menu.addAction(action)
        menu.popup(event.globalPos())

    def _width(self) -> int:
        metrics, model = QFontMetrics(self.font()), self.values
        texts = [
            number_text(value)
            for row in range(min(4, model.rowCount()))
            for column in range(min(16, model.columnCount()))
            if (value := model.value(row, column)) is not None
        ]
        widest = max((metrics.horizontalAdvance(text) for text in texts), default=0)
        return min(max(widest + 16, 40), 180)


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, (str, bytes)) else copied(number_text(value))
