"""What tables with one kind of thing in each row have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QWidget

R = TypeVar("R")
Index = QModelIndex | QPersistentModelIndex
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


class RowModel(QAbstractTableModel, Generic[R]):
    """Rows under headers.

    Args:
        headers: the title of each column, and what it means.
        is_number: whether a column holds numbers, which stand on the right.
        parent: owns it.
    """

    def __init__(
        self,
        headers: Sequence[tuple[str, str]],
        is_number: Callable[[int], bool],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._headers, self._is_number = headers, is_number
        self._rows: list[R] = []

    def row(self, number: int) -> R:
        """What stands in a row of this model (not of a sorted view)."""
        return self._rows[number]

    def alignment(self, column: int) -> Qt.AlignmentFlag:
        """Where the texts of a column stand."""
        return RIGHT if self._is_number(column) else LEFT

    def rowCount(self, parent: Index | None = None) -> int:
        """How many rows there are."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index | None = None) -> int:
        """How many columns there are."""
        return 0 if parent is not None and parent.isValid() else len(self._headers)

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = int(Qt.ItemDataRole.DisplayRole),
    ) -> Any:
        """Column titles, and what they mean."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._headers[section][0]
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._headers[section][1]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self.alignment(section)
        return None
