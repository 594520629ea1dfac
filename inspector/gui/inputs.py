"""Controls that take no wheel by accident, and numbers as engineers write them."""

from __future__ import annotations

import math

from PySide6.QtCore import QLocale, Qt
from PySide6.QtGui import QKeyEvent, QValidator, QWheelEvent
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QLineEdit, QWidget

LARGEST = 1e30
_DIGITS = 7
_MARGIN = 4
_MOST_DECIMALS = 30
_UNFINISHED = frozenset("+-.eE0123456789")


class CalmComboBox(QComboBox):
    """A combo box that the wheel does not change while it scrolls the panel."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to the panel."""
        event.ignore()


class NumberBox(QDoubleSpinBox):
    """A real number: 0.25, 0,25, 3e-7; the same in every country, as in a recipe.

    The wheel changes it only while it is being edited. What is not a number, or lies outside the
    limits, is not taken over: the value from before comes back.
    """

    def __init__(self, low: float, high: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setLocale(QLocale.c())
        self.setDecimals(_MOST_DECIMALS)
        self.setRange(low, high)
        self.setKeyboardTracking(False)
        self.lineEdit().setTextMargins(_MARGIN, 0, _MARGIN, 0)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to the panel."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def textFromValue(self, value: float) -> str:
        """Without zeros that say nothing."""
        return f"{value:.{_DIGITS}g}"

    def valueFromText(self, text: str) -> float:
        """The number that was typed; the present value where it is none."""
        number = self._number(text)
        return self.value() if number is None else number

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Whether a text is a number within the limits, or may become one."""
        number = self._number(text)
        if number is not None and self.minimum() <= number <= self.maximum():
            return QValidator.State.Acceptable, text, position
        if set(self._bare(text)) <= _UNFINISHED:
            return QValidator.State.Intermediate, text, position
        return QValidator.State.Invalid, text, position

    def _bare(self, text: str) -> str:
        bare = text.removesuffix(self.suffix()) if self.suffix() else text
        return bare.strip().rstrip("%").strip().replace(",", ".").replace("\u2212", "-")

    def _number(self, text: str) -> float | None:
        try:
            number = float(self._bare(text))
        except ValueError:
            return None
        return number if math.isfinite(number) else None


class FilterEdit(QLineEdit):
    """A filter that Esc empties."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Empty the filter on Esc."""
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        else:
            super().keyPressEvent(event)
