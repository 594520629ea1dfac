"""Texts that change while a choice is dragged, without anything around them being laid out anew.

A label asks the layouts around it, up to the window, for new places whenever its text changes, and
what moves by no pixel is painted again all the same. These have a room of their own instead.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QEnterEvent, QFontMetrics, QPainter, QPaintEvent, QResizeEvent
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


class StillLabel(QLabel):
    """A label that wraps its text in whatever room it is given."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)

    def set_words(self, text: str) -> None:
        """Another text."""
        if text != self._words:
            self._words = text
            self.setAccessibleName(text)
            self.update()

    def text(self) -> str:
        """All of it."""
        return self._words

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint it as the label would."""
        painter = QPainter(self)
        self.style().drawItemText(
            painter,
            self.contentsRect(),
            int(self.alignment()) | int(Qt.TextFlag.TextWordWrap),
            self.palette(),
            self.isEnabled(),
            self._words,
            self.foregroundRole(),
        )
        painter.end()


class CopyLabel(QLabel):
    """A label whose text can be selected with the mouse, once the pointer is on it.

    A text that can be selected is a document of its own, laid out and painted twice with each
    change: ten of them would take a millisecond or two of every frame.
    """

    def enterEvent(self, event: QEnterEvent) -> None:
        """Let it be selected."""
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Be a plain text again, unless something is selected still."""
        if not self.hasSelectedText():
            self.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        super().leaveEvent(event)


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
