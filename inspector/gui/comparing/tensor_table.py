"""The tensors that both models compute, as a table: worst first or in the order of the graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QItemSelectionModel,
    QModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from inspector.gui.row_model import Index, RowModel
from inspector.gui.theme import LIGHT, Theme, heat
from inspector.report.units import decibel_text, value_text
from inspector.session.quantities import DIFFERENCE, place

NUMBER, NAME, OPERATOR, FIRST, SECOND, SQNR, ERROR = range(7)
_HEADERS = (
    ("#", "Place in the order of the first model"),
    ("Node", "What computes the tensor, in the first model"),
    ("Operator", "What it does"),
    ("Types, first", "How weights / activations are stored in the first model"),
    ("Types, second", "How weights / activations are stored in the second model"),
    ("SQNR", "Signal to noise ratio of the second model's tensor, over all samples"),
    ("Largest error", "The largest difference of two values"),
)
_WIDTHS = {NUMBER: 44, OPERATOR: 92, FIRST: 76, SECOND: 192, SQNR: 84, ERROR: 96}
_PADDING, _WIDEST = 18, 200
_DOT = 9
_ROW = 24


@dataclass(frozen=True, slots=True)
class TensorRow:
    """One tensor.

    Attributes:
        number: its place in the order of the first model, from 1.
        node: that computes it there.
        other: that computes it in the second model.
        op_type: of the node.
        types: how both store the operator.
        sqnr_db: over all samples.
        max_abs: the largest difference.
    """

    number: int
    node: str
    other: str
    op_type: str
    types: tuple[str, str]
    sqnr_db: float
    max_abs: float


class TensorModel(RowModel[TensorRow]):
    """The rows, in either order."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_HEADERS, _is_number, parent)
        self._places: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._theme = LIGHT
        self._ends = DIFFERENCE.fixed or (0.0, 1.0)
        self._parted: float = -math.inf
        self._dots: dict[int, QPixmap] = {}

    def set_rows(self, rows: Sequence[TensorRow], *, worst_first: bool, parted: float) -> None:
        """Show other rows; those below `parted` dB stand out."""
        self.beginResetModel()
        ordered = sorted(rows, key=_loss) if worst_first else list(rows)
        self._rows, self._parted = ordered, parted
        firsts: dict[str, int] = {}
        seconds: dict[str, int] = {}
        for number, row in enumerate(ordered):
            firsts.setdefault(row.node, number)
            seconds.setdefault(row.other, number)
        self._places = firsts, seconds
        self.endResetModel()

    def set_ends(self, ends: tuple[float, float]) -> None:
        """Other ends of the heat colours."""
        self._ends = ends
        self._repaint()

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme
        self._repaint()

    def place_of(self, names: Sequence[str], *, second: bool) -> int | None:
        """The row of the first of some nodes that has one."""
        known = self._places[int(second)]
        return next((known[name] for name in names if name in known), None)

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        """Texts, alignment, tooltips, and the heat colour beside the SQNR."""
        row, column = self._rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(row, column)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self.alignment(column)
        if role == Qt.ItemDataRole.DecorationRole and column == SQNR:
            return self._dot(row.sqnr_db)
        if role == Qt.ItemDataRole.ForegroundRole:
            if column == SQNR and row.sqnr_db < self._parted:
                return QColor(self._theme.danger)
            if column in (NUMBER, OPERATOR):
                return QColor(self._theme.muted)
        if role == Qt.ItemDataRole.ToolTipRole:
            same = row.node == row.other
            return row.node if same else f"{row.node}\nin the second model: {row.other}"
        return None

    def _dot(self, value: float) -> QPixmap | None:
        where = place(DIFFERENCE, value, *self._ends)
        if where is None:
            return None
        step = round(32 * where)
        if step not in self._dots:
            dot = QPixmap(_DOT, _DOT)
            dot.fill(heat(step / 32))
            self._dots[step] = dot
        return self._dots[step]

    def _repaint(self) -> None:
        if self._rows:
            last = self.index(len(self._rows) - 1, ERROR)
            self.dataChanged.emit(self.index(0, 0), last)


def _text(row: TensorRow, column: int) -> str:
    texts = {
        NUMBER: str(row.number),
        NAME: row.node,
        OPERATOR: row.op_type,
        FIRST: row.types[0],
        SECOND: row.types[1],
        SQNR: decibel_text(row.sqnr_db),
        ERROR: value_text(row.max_abs),
    }
    return texts[column]


def _is_number(column: int) -> bool:
    return column in (NUMBER, SQNR, ERROR)


def _loss(row: TensorRow) -> tuple[float, int]:
    return (math.inf if math.isnan(row.sqnr_db) else row.sqnr_db, row.number)


class TensorTable(QTableView):
    """The table.

    Signals:
        asked: the TensorRow that was chosen.
    """

    asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("comparisonTable")
        self.setAccessibleName("Tensors of both models")
        self.rows = TensorModel(self)
        self.setModel(self.rows)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.horizontalHeader()
        header.setSectionsClickable(False)
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        for column, width in _WIDTHS.items():
            header.resizeSection(column, width)
        self._is_shown = False
        self.selectionModel().currentRowChanged.connect(self._moved)
        self.clicked.connect(lambda index: self.asked.emit(self.rows.row(index.row())))

    def show_rows(self, rows: Sequence[TensorRow], *, worst_first: bool, parted: float) -> None:
        """Show other rows, with as much room for their types as those need."""
        self.rows.set_rows(rows, worst_first=worst_first, parted=parted)
        metrics, header = self.fontMetrics(), self.horizontalHeader()
        for column, side in ((FIRST, 0), (SECOND, 1)):
            texts = {row.types[side] for row in rows} | {_HEADERS[column][0]}
            widest = max(metrics.horizontalAdvance(text) for text in texts)
            header.resizeSection(column, min(widest + _PADDING, _WIDEST))

    def show_node(self, names: Sequence[str], *, second: bool) -> None:
        """Mark the row of a node that was chosen elsewhere; none where it has none."""
        place_ = self.rows.place_of(names, second=second)
        self._is_shown = True
        if place_ is None:
            self.clearSelection()
            self.setCurrentIndex(QModelIndex())
        else:
            index = self.rows.index(place_, 0)
            flags = QItemSelectionModel.SelectionFlag
            self.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
            self.scrollTo(index)
        self._is_shown = False

    def _moved(self, current: QModelIndex, _before: QModelIndex) -> None:
        """Another row by the keyboard; clicks tell for themselves."""
        if current.isValid() and not self._is_shown and self.hasFocus():
            self.asked.emit(self.rows.row(current.row()))
