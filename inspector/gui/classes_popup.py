"""The most likely classes of each sample: float beside quantized, one sample at a time."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from inspector.evaluate.classes import Prediction
from inspector.gui.overlay_panel import OverlayPanel
from inspector.gui.theme import SPACE_S
from inspector.report.units import percent_text

_WIDTH = 520
_ROW = 26
_HEADERS = ("Class", "Float", "Quantized", "Change")
_TIPS = (
    "Number of the class; ✓ marks the right one",
    "Probability that the float model gives it",
    "Probability that the quantized model gives it",
    "Quantized less float, in percentage points",
)
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class _Table(QTableWidget):
    """Leaves the keys to the panel: there is nothing to choose in it."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Pass every key on."""
        event.ignore()


class ClassesPopup(OverlayPanel):
    """A table over the window; the arrow keys go from sample to sample."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, _WIDTH)
        self.setObjectName("classesPopup")
        self.setAccessibleName("Most likely classes")
        self._predictions: tuple[Prediction, ...] = ()
        self._at = 0
        self.title = QLabel(self)
        self.title.setProperty("role", "section")
        self.words = QLabel(self)
        self.words.setProperty("role", "muted")
        self.back = self._button("<", "previousSample", "Previous sample (Left)")
        self.onward = self._button(">", "nextSample", "Next sample (Right)")
        self.back.clicked.connect(lambda: self.go(-1))
        self.onward.clicked.connect(lambda: self.go(1))
        self.table = self._table()
        row = QHBoxLayout()
        row.setSpacing(SPACE_S)
        row.addWidget(self.title)
        row.addStretch(1)
        row.addWidget(self.back)
        row.addWidget(self.onward)
        self.column.addLayout(row)
        self.column.addWidget(self.words)
        self.column.addWidget(self.table, 1)

    def set_predictions(self, predictions: Sequence[Prediction]) -> None:
        """Show others, of the same sample where there still is one."""
        self._predictions = tuple(predictions)
        self._at = min(self._at, max(len(self._predictions) - 1, 0))
        if not self._predictions:
            self.dismiss()
        elif self.isVisible():
            self._show()

    def open(self) -> None:
        """Come up, if there is something to show."""
        if self._predictions:
            self._show()
            self.come_up(self.table)

    def go(self, steps: int) -> None:
        """Another sample, around the end."""
        if self._predictions:
            self._at = (self._at + steps) % len(self._predictions)
            self._show()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right go from sample to sample."""
        if event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.go(1 if event.key() == Qt.Key.Key_Right else -1)
            event.accept()
        else:
            super().keyPressEvent(event)

    def wanted_height(self) -> int:
        """Room for every row."""
        rows = self.table.rowCount() * _ROW + self.table.horizontalHeader().sizeHint().height()
        return rows + self.title.sizeHint().height() + self.words.sizeHint().height() + 6 * SPACE_S

    def _show(self) -> None:
        one = self._predictions[self._at]
        several = len({p.position for p in self._predictions}) > 1
        where = f", prediction {one.position + 1}" if several else ""
        self.title.setText(
            f"Sample {one.sample + 1}{where} ({self._at + 1} of {len(self._predictions)})"
        )
        self.words.setText(_words(one))
        rows = _rows(one)
        self.table.setRowCount(len(rows))
        for number, (klass, first, second) in enumerate(rows):
            mark = " ✓" if klass == one.label else ""
            change = f"{100 * (second - first):+.2f}".replace("-", "−")
            texts = (f"{klass}{mark}", percent_text(first), percent_text(second), change)
            for column, text in enumerate(texts):
                self._put(number, column, text, strong=_is_chosen(one, klass, column))
        if self.isVisible():
            self.place()

    def _put(self, row: int, column: int, text: str, *, strong: bool) -> None:
        item = QTableWidgetItem(text)
        item.setTextAlignment(_RIGHT)
        font = item.font()
        font.setBold(strong)
        item.setFont(font)
        self.table.setItem(row, column, item)

    def _table(self) -> QTableWidget:
        table = _Table(0, len(_HEADERS), self)
        table.setObjectName("classesTable")
        table.setAccessibleName("Most likely classes, float beside quantized")
        for column, tip in enumerate(_TIPS):
            item = QTableWidgetItem(_HEADERS[column])
            item.setToolTip(tip)
            item.setTextAlignment(_RIGHT)
            table.setHorizontalHeaderItem(column, item)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        table.setShowGrid(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(_ROW)
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        table.horizontalHeader().setHighlightSections(False)
        table.setTabKeyNavigation(False)
        return table

    def _button(self, text: str, name: str, tip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setObjectName(name)
        button.setToolTip(tip)
        button.setAccessibleName(tip.partition(" (")[0])
        button.setFixedWidth(34)
        return button


def _rows(one: Prediction) -> list[tuple[int, float, float]]:
    """(class, float, quantized): the float model's likeliest, then what only the other has."""
    rows = {c.number: (c.probability, c.other) for c in one.expected}
    for likely in one.found:
        rows.setdefault(likely.number, (likely.other, likely.probability))
    return [(number, *both) for number, both in rows.items()]


def _is_chosen(one: Prediction, klass: int, column: int) -> bool:
    """Whether a cell holds the highest probability of its model."""
    lists = {1: one.expected, 2: one.found}
    return column in lists and lists[column][0].number == klass


def _words(one: Prediction) -> str:
    first, second = one.expected[0].number, one.found[0].number
    same = "Both choose" if first == second else f"Float chooses class {first}, quantized"
    label = "" if one.label is None else f"; class {one.label} is right"
    return f"{same} class {second}{label}."
