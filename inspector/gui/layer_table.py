"""The layers as a table: filter, sort by any figure, select together with the graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from inspector.gui.inputs import FilterEdit
from inspector.gui.layer_rows import (
    ACTIVATIONS,
    ALONE,
    HEADERS,
    NAME,
    OPERATOR,
    PARAMETERS,
    SQNR,
    UNFIT,
    WEIGHTS,
    LayerRow,
    misfit_at,
    sort_value,
    text_at,
    tooltip_at,
)
from inspector.gui.row_model import Index, RowModel
from inspector.gui.theme import LIGHT, SPACE_S, SPACE_XS, Theme
from inspector.report.units import count_text

SORT_ROLE = int(Qt.ItemDataRole.UserRole)
_DISPLAY, _TOOLTIP = int(Qt.ItemDataRole.DisplayRole), int(Qt.ItemDataRole.ToolTipRole)
_ALIGNMENT = int(Qt.ItemDataRole.TextAlignmentRole)
_FOREGROUND = int(Qt.ItemDataRole.ForegroundRole)
_ROLES = frozenset((_DISPLAY, _TOOLTIP, _ALIGNMENT, _FOREGROUND, SORT_ROLE))
_WIDTHS = {OPERATOR: 66, WEIGHTS: 64, ACTIVATIONS: 60, SQNR: 52, PARAMETERS: 62, ALONE: 54}
_CELL_PADDING = 20
_FEW = 8


class LayerTableModel(RowModel[LayerRow]):
    """Rows of the open model's layers, in graph order."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(HEADERS, lambda column: column >= SQNR, parent)
        self._index: dict[str, int] = {}
        self._theme = LIGHT

    def clear(self) -> None:
        """Show no layers."""
        self.beginResetModel()
        self._rows, self._index = [], {}
        self.endResetModel()

    def add_rows(self, rows: Sequence[LayerRow]) -> None:
        """Show more layers, after those that are there."""
        start = len(self._rows)
        self.beginInsertRows(QModelIndex(), start, start + len(rows) - 1)
        self._rows += rows
        self._index.update((row.name, number) for number, row in enumerate(rows, start))
        self.endInsertRows()

    def update_rows(self, rows: Mapping[str, LayerRow]) -> None:
        """Replace single rows."""
        changed = []
        for name, row in rows.items():
            number = self._index.get(name)
            if number is not None and self._rows[number] != row:
                self._rows[number] = row
                changed.append(number)
        # Few long messages cost the views less than many short ones.
        for first, last in _runs(changed, _FEW if len(changed) > _FEW else 0):
            self._tell(first, last)

    def _tell(self, first: int, last: int) -> None:
        self.dataChanged.emit(self.index(first, 0), self.index(last, ALONE))

    def number(self, name: str) -> int | None:
        """In which row a layer is."""
        return self._index.get(name)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        """Texts, numbers to sort by, alignment and tooltips."""
        if role not in _ROLES:  # views ask for each cell seven times while they paint
            return None
        row, column = self._rows[index.row()], index.column()
        if role == _DISPLAY:
            return text_at(row, column)
        if role == SORT_ROLE:
            return sort_value(row, column)
        if role == _ALIGNMENT:
            return self.alignment(column)
        if role == _TOOLTIP:
            return tooltip_at(row, column)
        if role == _FOREGROUND:
            if misfit_at(row, column):
                return QColor(self._theme.warning)
            old = row.alone is not None and row.alone.stale
            if column == OPERATOR or (column == SQNR and row.stale) or (column == ALONE and old):
                return QColor(self._theme.muted)
        return None


class NameDelegate(QStyledItemDelegate):
    """Leaves the operator off the end of a name that has no room: /block1/conv1 of .../Conv."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """Shorten the text before it is cut on the left."""
        super().initStyleOption(option, index)
        # Qt's attributes are not all known to the stubs.
        style: Any = option
        room = style.rect.width() - 4 * SPACE_XS
        if style.fontMetrics.horizontalAdvance(style.text) > room:
            operator = str(index.model().index(index.row(), OPERATOR).data())
            style.text = str(style.text).removesuffix(f"/{operator}")


class LayerFilter(QSortFilterProxyModel):
    """Keeps rows whose name, operator or specs hold all words of the filter."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words: list[str] = []
        self.setSortRole(SORT_ROLE)

    def set_text(self, text: str) -> None:
        """Filter by words; all must be found."""
        self._words = text.lower().split()
        self.invalidate()

    def filterAcceptsRow(self, row: int, _parent: Index) -> bool:
        """Whether all words are in the row's texts."""
        model = self.sourceModel()
        if not self._words or not isinstance(model, LayerTableModel):
            return True
        layer = model.row(row)
        parts = (layer.name, layer.op_type, layer.weights, layer.activations)
        text = " ".join((*parts, UNFIT if layer.misfit else "")).lower()
        return all(word in text for word in self._words)

    def lessThan(self, left: Index, right: Index) -> bool:
        """Numbers as numbers, texts as texts."""
        one, other = left.data(SORT_ROLE), right.data(SORT_ROLE)
        return bool(one < other)


class LayerPane(QWidget):
    """Filter and table.

    Signals:
        selectionChanged: names of the selected layers, when the user selects here.
    """

    selectionChanged = Signal(tuple)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("pane")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.filter = FilterEdit(self)
        self.filter.setObjectName("layerFilter")
        self.filter.setAccessibleName("Filter layers")
        self.filter.setPlaceholderText("Filter by name, operator or spec")
        self.filter.setToolTip(
            f"All words must be found. '{UNFIT}' finds the layers that the target does not take."
        )
        self.filter.setClearButtonEnabled(True)
        self.model = LayerTableModel(self)
        self.proxy = LayerFilter(self)
        self.proxy.setSourceModel(self.model)
        self.table = self._table()
        self.table.setModel(self.proxy)
        self._size_columns()
        self._telling = True
        self._chosen: tuple[str, ...] = ()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        box = QVBoxLayout()
        box.setContentsMargins(SPACE_S, SPACE_S, SPACE_S, SPACE_S)
        box.addWidget(self.filter)
        column.addLayout(box)
        column.addWidget(self.table, 1)
        self.filter.textChanged.connect(self._filter)
        self.filter.returnPressed.connect(self._to_table)
        self.table.selectionModel().selectionChanged.connect(self._selected)

    def clear(self) -> None:
        """Another model is open, whose layers are to be added."""
        self._telling = False
        self._chosen = ()
        self.model.clear()
        self.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        for column in (OPERATOR, PARAMETERS):
            self.table.setColumnWidth(column, _WIDTHS[column])
        self._telling = True

    def add_rows(self, rows: Sequence[LayerRow]) -> None:
        """Show more layers, after those that are there."""
        if not rows:
            return
        self.model.add_rows(rows)
        self._widen(OPERATOR, {row.op_type for row in rows})
        self._widen(PARAMETERS, {count_text(max(row.parameters for row in rows))})

    def show_alone(self, visible: bool) -> None:
        """Show the column of layers alone, or not: it is empty until somebody asks for it."""
        self.table.setColumnHidden(ALONE, not visible)

    def selected(self) -> tuple[str, ...]:
        """Names of the selected layers, from top to bottom."""
        # Of thousands of rows, Qt would look for each at every column of every other one.
        parts = self.table.selectionModel().selection().toList()
        rows = {row for part in parts for row in range(part.top(), part.bottom() + 1)}
        return tuple(str(self.proxy.index(row, NAME).data()) for row in sorted(rows))

    def select(self, names: Sequence[str]) -> None:
        """Select layers, as the graph did; those that the filter hides come back with it."""
        self._chosen = tuple(names)
        if set(names) == set(self.selected()):
            return
        self._telling = False
        numbers = (self.model.number(name) for name in names)
        sources = (self.model.index(number, 0) for number in numbers if number is not None)
        indexes = [index for one in sources if (index := self.proxy.mapFromSource(one)).isValid()]
        first = indexes[0] if indexes else None
        selection = QItemSelection()
        for top, bottom in _runs(index.row() for index in indexes):
            selection.select(self.proxy.index(top, 0), self.proxy.index(bottom, 0))
        flags = QItemSelectionModel.SelectionFlag
        model = self.table.selectionModel()
        model.select(selection, flags.ClearAndSelect | flags.Rows)
        if first is not None:
            model.setCurrentIndex(first, flags.NoUpdate)
            self.table.scrollTo(first)
        self._telling = True

    def show_layer(self, name: str) -> None:
        """Bring a layer's row into sight, also where the filter hides it, and go there."""
        number = self.model.number(name)
        if number is None:
            return
        if not self.proxy.mapFromSource(self.model.index(number, 0)).isValid():
            self.filter.clear()
        self.select((name,))
        self.table.scrollTo(self.proxy.mapFromSource(self.model.index(number, 0)))
        self.table.setFocus(Qt.FocusReason.OtherFocusReason)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self.model.apply_theme(theme)

    def _table(self) -> QTableView:
        table = QTableView(self)
        table.setObjectName("layerTable")
        table.setAccessibleName("Layers")
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSortingEnabled(True)
        table.setShowGrid(False)
        table.setWordWrap(False)
        table.setTextElideMode(Qt.TextElideMode.ElideLeft)
        table.setTabKeyNavigation(False)
        table.setItemDelegateForColumn(NAME, NameDelegate(table))
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(26)
        return table

    def _size_columns(self) -> None:
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(36)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        for column, width in _WIDTHS.items():
            self.table.setColumnWidth(column, width)
        self.show_alone(False)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setSortIndicatorClearable(True)

    def _widen(self, column: int, texts: Iterable[str]) -> None:
        """Give a column room for its longest text: half a number would be another number."""
        metrics = self.table.fontMetrics()
        longest = max((metrics.horizontalAdvance(text) for text in texts), default=0)
        known = self.table.columnWidth(column)
        self.table.setColumnWidth(column, max(known, longest + _CELL_PADDING))

    def _to_table(self) -> None:
        """Enter in the filter goes on to what it found."""
        if self.proxy.rowCount():
            self.table.setFocus()
            self.table.selectRow(0)

    def _filter(self, text: str) -> None:
        """Hide rows; what is selected stays selected all the same."""
        self._telling = False
        self.proxy.set_text(text)
        self._telling = True
        self.select(self._chosen)

    def _selected(self) -> None:
        if self._telling:
            self._chosen = self.selected()
            self.selectionChanged.emit(self._chosen)


def _runs(rows: Iterable[int], gap: int = 0) -> Iterator[tuple[int, int]]:
    """The first and last of each run of rows with no more than so many missing between two."""
    ordered = sorted(rows)
    breaks = [n for n in range(1, len(ordered)) if ordered[n] > ordered[n - 1] + 1 + gap]
    for start, end in zip([0, *breaks], [*breaks, len(ordered)], strict=True):
        if start < end:
            yield ordered[start], ordered[end - 1]
