"""Asks for a number of decibels: all layers below it get the same spec."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.gui.inputs import NumberBox
from inspector.gui.theme import SPACE_M, SPACE_S
from inspector.report.units import plural

Find = Callable[[float], Sequence[str]]
_USUAL = 30.0
_MOST = 400.0


class BelowPopup(QFrame):
    """A small popup with a number; it says how many layers lie below. Esc or a click closes it.

    Args:
        find: the layers below a number of decibels.

    Signals:
        chosen: the number of decibels.
    """

    chosen = Signal(float)

    def __init__(self, find: Find, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setObjectName("belowPopup")
        self.setProperty("role", "popup")
        self._find = find
        head = QLabel("All layers with a weight SQNR below", self)
        self.box = NumberBox(-_MOST, _MOST, self)
        self.box.setObjectName("belowNumber")
        self.box.setAccessibleName("Weight SQNR in dB")
        self.box.setSuffix(" dB")
        self.box.setKeyboardTracking(True)
        self.box.setValue(_USUAL)
        self.button = QPushButton("Apply", self)
        self.button.setObjectName("belowApply")
        self.button.setProperty("primary", "true")
        self.count = QLabel(self)
        self.count.setObjectName("belowCount")
        self.count.setProperty("role", "muted")
        row = QHBoxLayout()
        row.setSpacing(SPACE_S)
        row.addWidget(self.box, 1)
        row.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_M, SPACE_M, SPACE_M, SPACE_M)
        column.setSpacing(SPACE_S)
        column.addWidget(head)
        column.addLayout(row)
        column.addWidget(self.count)
        self.box.valueChanged.connect(self._show_count)
        self.box.lineEdit().returnPressed.connect(self._choose)
        self.button.clicked.connect(self._choose)
        self._show_count()

    def open_at(self, place: QPoint) -> None:
        """Show it there, ready to type."""
        self.adjustSize()
        self.move(place)
        self.show()
        self.box.setFocus(Qt.FocusReason.PopupFocusReason)
        self.box.selectAll()

    def _show_count(self) -> None:
        number = len(self._find(self.box.value()))
        self.count.setText(plural(number, "layer"))
        self.button.setEnabled(number > 0)

    def _choose(self) -> None:
        if self.button.isEnabled():
            value = self.box.value()
            self.close()
            self.chosen.emit(value)
