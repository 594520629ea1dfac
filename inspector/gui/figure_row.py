"""Figures side by side that give way, the least important first, where there is no room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

_BOLD = ("<b>", "</b>")
_SLACK = 24
"""Pixels that may be left over behind the figures."""


class FigureLabel(QLabel):
    """A figure; one that leads somewhere can be clicked and takes the focus.

    Signals:
        asked: it was clicked, or Enter or Space was pressed on it.
    """

    asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.RichText)
        self._leads_on = False

    def lead_on(self, leads_on: bool) -> None:
        """Whether a click does something."""
        self._leads_on = leads_on
        policy = Qt.FocusPolicy.StrongFocus if leads_on else Qt.FocusPolicy.NoFocus
        self.setFocusPolicy(policy)
        if leads_on:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
        else:
            self.unsetCursor()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Tell of a click."""
        inside = self.rect().contains(event.position().toPoint())
        if self._leads_on and inside and event.button() == Qt.MouseButton.LeftButton:
            self.asked.emit()
        super().mouseReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys do what a click does."""
        if self._leads_on and event.key() in (
            Qt.Key.Key_Return,
            Qt.Key.Key_Enter,
            Qt.Key.Key_Space,
        ):
            self.asked.emit()
        else:
            super().keyPressEvent(event)


class FigureRow(QWidget):
    """Labels by name, in order.

    Args:
        tips: what each figure says, by name, in the order in which they stand.
        dropped: names of those that may be left out, the first one first.
        spacing: pixels between them.
    """

    def __init__(
        self,
        tips: Mapping[str, str],
        dropped: Sequence[str],
        spacing: int,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.labels = {name: FigureLabel(self) for name in tips}
        self._dropped, self._spacing = tuple(dropped), spacing
        self._texts: dict[str, str] = dict.fromkeys(tips, "")
        self._widths: dict[str, int] = {}
        self._hint = 0
        for name, label in self.labels.items():
            label.setToolTip(tips[name])
            label.setObjectName(f"figure{name.capitalize()}")
            label.hide()
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)

    def text(self, name: str) -> str:
        """What a figure says, without markup, whether or not there is room for it."""
        text = self._texts[name]
        for mark in _BOLD:
            text = text.replace(mark, "")
        return text

    def set_text(self, name: str, text: str) -> None:
        """Another text; none hides the figure."""
        if text == self._texts[name]:
            return
        self._texts[name] = text
        label = self.labels[name]
        label.setText(text)
        label.setAccessibleName(self.text(name))
        self._widths.pop(name, None)
        self._ask_for_room()
        self._fit()

    def sizeHint(self) -> QSize:
        """Room for all figures."""
        return QSize(self._hint, self._high())

    def minimumSizeHint(self) -> QSize:
        """Room for those that are never left out."""
        kept = [name for name in self._texts if name not in self._dropped]
        return QSize(self._width(kept), self._high())

    def changeEvent(self, event: QEvent) -> None:
        """Another font needs other room."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._widths.clear()
            self._ask_for_room()
            self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show what fits."""
        super().resizeEvent(event)
        self._fit()

    def _ask_for_room(self) -> None:
        """Lay the window out anew only where that is worth it: figures change all the time."""
        wanted = self._width(self._texts)
        if not wanted <= self._hint <= wanted + _SLACK:
            self._hint = wanted
            self.updateGeometry()

    def _high(self) -> int:
        return max(label.sizeHint().height() for label in self.labels.values())

    def _width(self, names: Mapping[str, str] | Sequence[str]) -> int:
        shown = [name for name in names if self._texts[name]]
        return sum(self._label_width(name) for name in shown) + self._spacing * len(shown)

    def _label_width(self, name: str) -> int:
        if name not in self._widths:
            self._widths[name] = self.labels[name].sizeHint().width()
        return self._widths[name]

    def _fit(self) -> None:
        """Show as many as there is room for, one beside the other."""
        shown = [name for name, text in self._texts.items() if text]
        for name in self._dropped:
            if self._width(shown) <= self.width():
                break
            if name in shown:
                shown.remove(name)
        left = 0
        for name, label in self.labels.items():
            label.setVisible(name in shown)
            if name in shown:
                label.setGeometry(left, 0, self._label_width(name), self.height())
                left += self._label_width(name) + self._spacing
