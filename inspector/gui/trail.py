"""The bar above the graph: where in the model one is, and what is folded away."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QWidget

from inspector.gui.theme import SPACE_S, SPACE_XS
from inspector.report.units import plural

_WIDEST = 220


class Trail(QFrame):
    """The way from the model's graph to the one that is shown, and the switch for quantizers.

    Hidden while there is nothing to say.

    Signals:
        asked: show the graph at this many steps from the model's.
        raw_asked: whether to show the operators that quantize.
    """

    asked = Signal(int)
    raw_asked = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._raw = self._steps_shown = False
        self._folded = 0
        self.setObjectName("trail")
        self.setAccessibleName("Where in the model")
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(SPACE_S, SPACE_XS, SPACE_S, SPACE_XS)
        self._row.setSpacing(2)
        self._steps = QHBoxLayout()
        self._steps.setSpacing(2)
        self._row.addLayout(self._steps)
        self._row.addStretch(1)
        self.note = QLabel(self)
        self.note.setProperty("role", "muted")
        self.switch = QPushButton(self)
        self.switch.setObjectName("rawSwitch")
        self.switch.clicked.connect(lambda: self.raw_asked.emit(not self._raw))
        self._row.addWidget(self.note)
        self._row.addWidget(self.switch)
        self.show_steps(())

    def show_steps(self, titles: Sequence[str]) -> None:
        """Show the way: the model and every step into it."""
        while (item := self._steps.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        if len(titles) > 1:
            for number, title in enumerate(titles):
                if number:
                    self._steps.addWidget(QLabel("▸", self))
                self._steps.addWidget(self._step(title, number, len(titles) - 1))
        self._steps_shown = len(titles) > 1
        self._show()

    def show_folded(self, folded: int, *, raw: bool) -> None:
        """Say how many quantizing operators there are, and whether they are folded away."""
        self._folded, self._raw = folded, raw
        what = plural(folded, "quantizing operator")
        self.note.setText(f"{what} shown as nodes" if raw else f"{what} folded into badges")
        self.switch.setText("Fold them" if raw else "Show raw")
        self._show()

    def _show(self) -> None:
        self.note.setVisible(self._folded > 0)
        self.switch.setVisible(self._folded > 0)
        self.setVisible(self._steps_shown or self._folded > 0)

    def _step(self, title: str, number: int, last: int) -> QWidget:
        line = " ".join(title.split())
        shown = QFontMetrics(self.font()).elidedText(line, Qt.TextElideMode.ElideMiddle, _WIDEST)
        if number == last:
            label = QLabel(shown, self)
            label.setProperty("role", "section")
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setToolTip(line)
            return label
        button = QToolButton(self)
        button.setText(shown.replace("&", "&&"))
        button.setToolTip(f"Go to {line}")
        button.setAutoRaise(True)
        button.clicked.connect(lambda: self.asked.emit(number))
        return button
