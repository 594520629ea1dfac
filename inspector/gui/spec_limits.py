"""The two ends of a range that is set by hand."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from inspector.gui import spec_choices
from inspector.gui.inputs import LARGEST, NumberBox
from inspector.gui.spec_fields import DEFAULT_LIMIT
from inspector.gui.theme import SPACE_S
from inspector.quant.spec import Role


class LimitFields(QWidget):
    """Both ends as numbers; ends that make no range are not taken over.

    Args:
        role: whose range it is.
        name: what the object names begin with.

    Signals:
        changed: the lower and the upper end that the user chose.
        let_go: typing is over.
    """

    changed = Signal(float, float)
    let_go = Signal()

    def __init__(self, role: Role, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown = (-DEFAULT_LIMIT, DEFAULT_LIMIT)
        self.low = self._box(f"{name}RangeLow", f"{role} lower end of the range")
        self.high = self._box(f"{name}RangeHigh", f"{role} upper end of the range")
        self.low.setToolTip(spec_choices.LOW)
        self.high.setToolTip(spec_choices.HIGH)
        between = QLabel("to", self)
        between.setProperty("role", "muted")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_S)
        row.addWidget(self.low, 1)
        row.addWidget(between)
        row.addWidget(self.high, 1)

    def show_limits(self, low: float, high: float) -> None:
        """Show a range; nobody is told."""
        self._shown = (low, high)
        for box, value in zip((self.low, self.high), self._shown, strict=True):
            with QSignalBlocker(box):
                box.setValue(value)

    def _box(self, name: str, accessible: str) -> NumberBox:
        box = NumberBox(-LARGEST, LARGEST, self)
        box.setObjectName(name)
        box.setAccessibleName(accessible)
        box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        box.setMinimumWidth(64)
        box.valueChanged.connect(self._typed)
        box.editingFinished.connect(self.let_go)
        return box

    def _typed(self) -> None:
        low, high = sorted((self.low.value(), self.high.value()))
        if low == high:
            self.show_limits(*self._shown)
        else:
            self.changed.emit(low, high)
