"""Texts that change while a choice is dragged, without anything around them being laid out anew.

A label asks the layouts around it, up to the window, for new places whenever its text changes, and
what moves by no pixel is painted again all the same. These have a room of their own instead.
"""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget


class ElidedLabel(QLabel):
    """A label that shows as much of its text as fits, and all of it as a tooltip."""

    def __init__(
        self,
        parent: QWidget | None = None,
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle,
    ) -> None:
        super().__init__(parent)
        self._mode = mode
        self._full = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def set_full_text(self, text: str) -> None:
        """Another text."""
        if text != self._full:
            self._full = text
            self.setToolTip(text)
            self.setAccessibleDescription(text)
            self.update()

    def full_text(self) -> str:
        """The whole text."""
        return self._full

    def text(self) -> str:
        """As much of it as fits."""
        metrics = QFontMetrics(self.font())
        return metrics.elidedText(self._full, self._mode, self.contentsRect().width())

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint what fits, as the label would."""
        painter = QPainter(self)
        self.style().drawItemText(
            painter,
            self.contentsRect(),
            int(self.alignment()),
            self.palette(),
            self.isEnabled(),
            self.text(),
            self.foregroundRole(),
        )
        painter.end()


class Still(QWidget):
    """Gives a label the room of one line over its whole width.

    Args:
        label: what is put into it.
    """

    def __init__(self, label: QLabel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._label = label
        label.setParent(self)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """One line."""
        self._label.ensurePolished()
        return QSize(0, self._label.sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """The same."""
        return self.sizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The label fills it."""
        super().resizeEvent(event)
        self._label.setGeometry(self.rect())
