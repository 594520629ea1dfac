"""The history of the choices: steps by their names, the present one marked; a click goes there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QFont, QKeyEvent
from PySide6.QtWidgets import QLabel, QListView, QWidget

from inspector.gui.overlay_panel import OverlayPanel
from inspector.gui.theme import LIGHT, SPACE_S, Theme
from inspector.report.units import plural

Index = QModelIndex | QPersistentModelIndex
_WIDTH, _LEAST_ROW, _MOST_ROWS = 460, 18, 16
_NOTHING = "Nothing was changed yet"


class HistoryModel(QAbstractListModel):
    """The steps, the start first; those that were taken back are faint."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._labels: Sequence[str] = ()
        self._position = 0
        self._theme = LIGHT

    def show_steps(self, labels: Sequence[str], position: int) -> None:
        """Show other steps, or another one as the present."""
        if labels == self._labels:
            self._position = position
            self._changed()
            return
        self.beginResetModel()
        self._labels, self._position = labels, position
        self.endResetModel()

    @property
    def position(self) -> int:
        """The number of the present step."""
        return self._position

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme
        self._changed()

    def rowCount(self, parent: Index | None = None) -> int:
        """How many steps there are, the start included."""
        return 0 if parent is not None and parent.isValid() else len(self._labels)

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        """The name of a step, and how it looks."""
        row = index.row()
        if not 0 <= row < len(self._labels):
            return None
        here = row == self._position
        line = " ".join(self._labels[row].split())
        if role == Qt.ItemDataRole.DisplayRole:
            return f"●  {line}" if here else f"○  {line}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{_state(row, self._position)}: {line[:300]}"
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{line}, {_state(row, self._position).lower()}"
        if role == Qt.ItemDataRole.FontRole:
            font = QFont()
            font.setBold(here)
            return font
        if role == Qt.ItemDataRole.ForegroundRole:
            colour = self._theme.muted if row > self._position else self._theme.text
            return QColor(colour)
        return None

    def _changed(self) -> None:
        last = len(self._labels) - 1
        if last >= 0:
            self.dataChanged.emit(self.index(0), self.index(last))


def _state(row: int, position: int) -> str:
    if row == position:
        return "Now"
    return "Done" if row < position else "Taken back"


class HistoryList(OverlayPanel):
    """The steps in a panel; it stays open, so that one can go back and forth and look.

    Signals:
        asked: the number of the step to go to.
    """

    asked = Signal(int)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, _WIDTH)
        self.setObjectName("historyPanel")
        self.setAccessibleName("History")
        title = QLabel("History")
        title.setProperty("role", "section")
        self.note = QLabel()
        self.note.setProperty("role", "small")
        self.model = HistoryModel(self)
        self.list = QListView()
        self.list.setObjectName("historyList")
        self.list.setAccessibleName("Steps of the history")
        self.list.setModel(self.model)
        self.list.setUniformItemSizes(True)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.clicked.connect(self._clicked)
        for widget in (title, self.list, self.note):
            self.column.addWidget(widget)
        self.column.setStretch(1, 1)

    def open(self) -> None:
        """Come up with the present step chosen; go away if it is there already."""
        if self.isVisible():
            self.dismiss()
        else:
            self.come_up(self.list)
            self._choose_present()

    def show_steps(self, labels: Sequence[str], position: int) -> None:
        """Show the steps of the history, and which one is the present."""
        self.model.show_steps(labels, position)
        undone = len(labels) - 1 - position
        text = f"{plural(position, 'change')}, {undone} taken back" if undone else ""
        self.note.setText(text or (plural(position, "change") if position else _NOTHING))
        if self.isVisible():
            self.place()
            self._choose_present()

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self.model.apply_theme(theme)

    def wanted_height(self) -> int:
        """As high as its steps, up to a limit."""
        rows = min(max(self.model.rowCount(), 2), _MOST_ROWS)
        row = max(self.list.sizeHintForRow(0), _LEAST_ROW)
        texts = 2 * self.fontMetrics().height()
        return rows * row + texts + 5 * SPACE_S

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter goes to the chosen step."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._clicked(self.list.currentIndex())
            event.accept()
            return
        super().keyPressEvent(event)

    def _choose_present(self) -> None:
        index = self.model.index(self.model.position, 0)
        self.list.setCurrentIndex(index)
        self.list.scrollTo(index)

    def _clicked(self, index: QModelIndex) -> None:
        if index.isValid():
            self.asked.emit(index.row())
