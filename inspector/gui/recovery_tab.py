"""The tab of what is done so that quantizing costs less, with what each method brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFrame,
    QHeaderView,
    QLabel,
    QPushButton,
    QScrollArea,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from inspector.gui.spec_check import MixedCheckBox
from inspector.gui.still import ElidedLabel
from inspector.gui.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XS
from inspector.quant.recover import METHODS, TITLES

_HEADERS = ("", "SQNR", "Top-1", "Layers")
_TIPS = (
    "What is done, one after the other",
    "Signal-to-quantization-noise ratio of the model's outputs in dB, predicted; more is better",
    "Share of samples whose highest class is that of the float model",
    "How many layers it changed",
)
_ROW = 26


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the figures.

    Attributes:
        cells: what is shown, in the order of the columns.
        tip: more words.
    """

    cells: tuple[str, str, str, str]
    tip: str = ""


class RecoveryTab(QScrollArea):
    """Switches of all methods, and a table of what they bring.

    Signals:
        switched: (method, whether it shall be on) for the selection, or for all.
        run_asked: find out what the methods bring.
    """

    switched = Signal(str, bool)
    run_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("recoveryTab")
        self.setAccessibleName("Recovery of what quantizing costs")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.title = ElidedLabel()
        self.title.setProperty("role", "title")
        self.subtitle = _muted("")
        self.switches = {method: self._switch(method) for method in METHODS}
        self.run = QPushButton("Find out what it brings")
        self.run.setObjectName("recoveryRun")
        self.run.clicked.connect(self.run_asked)
        self.reason = _muted("")
        self.reason.setObjectName("recoveryReason")
        self.table = _table()
        self.source = _muted("")
        self.source.setObjectName("recoverySource")
        self._arrange()
        self.show_figures((), "")

    def show_choice(
        self, title: str, subtitle: str, states: Mapping[str, Qt.CheckState], *, able: bool
    ) -> None:
        """Show what is switched on.

        Args:
            title: for which layers.
            subtitle: more words.
            states: of each method.
            able: there is something to switch.
        """
        self.title.set_full_text(title)
        self.subtitle.setText(subtitle)
        for method, box in self.switches.items():
            box.blockSignals(True)
            box.setEnabled(able)
            box.setTristate(states[method] == Qt.CheckState.PartiallyChecked)
            box.setCheckState(states[method])
            box.blockSignals(False)

    def show_run(self, text: str, why_not: str) -> None:
        """Show whether figures can be asked for; `why_not` is empty if they can."""
        self.run.setText(text)
        self.run.setEnabled(not why_not)
        self.reason.setText(why_not)
        self.reason.setVisible(bool(why_not))

    def show_figures(self, rows: Sequence[Row], source: str, *, stale: bool = False) -> None:
        """Show what was found.

        Args:
            rows: a line for the model without any method, and one for each of them.
            source: on what data, and what else is to be known.
            stale: what was chosen has changed since.
        """
        self.table.setVisible(bool(rows))
        self.source.setVisible(bool(source))
        self.source.setText(source)
        faded = self.palette().color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text)
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column, text in enumerate(row.cells):
                item = QTableWidgetItem(text)
                item.setToolTip(row.tip or text)
                right = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
                item.setTextAlignment(right | Qt.AlignmentFlag.AlignVCenter)
                if stale:
                    item.setForeground(faded)
                self.table.setItem(number, column, item)
        height = self.table.horizontalHeader().sizeHint().height() + _ROW * len(rows) + 4
        self.table.setFixedHeight(height)

    def _switch(self, method: str) -> QCheckBox:
        box = MixedCheckBox(TITLES[method])  # one that is seen in the dark too
        box.setObjectName(f"recover_{method}")
        box.setToolTip(f"{METHODS[method][:1].upper()}{METHODS[method][1:]}")
        box.clicked.connect(lambda on: self.switched.emit(method, on))
        return box

    def _arrange(self) -> None:
        body = QWidget()
        body.setObjectName("recoveryBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(SPACE_L, SPACE_M, SPACE_L, SPACE_M)
        column.setSpacing(SPACE_S)
        column.addWidget(self.title)
        column.addWidget(self.subtitle)
        column.addSpacing(SPACE_XS)
        for box in self.switches.values():
            column.addWidget(box)
        column.addSpacing(SPACE_S)
        column.addWidget(self.run)
        column.addWidget(self.reason)
        column.addWidget(self.table)
        column.addWidget(self.source)
        column.addStretch(1)
        self.setWidget(body)


def _muted(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "small")
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    return label


def _table() -> QTableWidget:
    table = QTableWidget(0, len(_HEADERS))
    table.setObjectName("recoveryTable")
    table.setAccessibleName("What each method brings")
    for column, (text, tip) in enumerate(zip(_HEADERS, _TIPS, strict=True)):
        head = QTableWidgetItem(text)
        head.setToolTip(tip)
        table.setHorizontalHeaderItem(column, head)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(_ROW)
    table.setShowGrid(False)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    header = table.horizontalHeader()
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
    return table
