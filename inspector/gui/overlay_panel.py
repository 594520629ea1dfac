"""A panel that floats over the window: it comes up, takes the keys, and goes away again."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRect, Qt
from PySide6.QtGui import QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QApplication, QFrame, QVBoxLayout, QWidget

from inspector.gui.theme import SPACE_S, SPACE_XL


class OverlayPanel(QFrame):
    """Lies over its parent, near the top; Esc or a click elsewhere closes it.

    It gives the focus back to whoever had it.

    Args:
        parent: what it lies over.
        width: in pixels, where there is room.
    """

    def __init__(self, parent: QWidget, width: int) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setProperty("role", "overlay")
        self._wanted, self._over = width, parent
        self._before: QWidget | None = None
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(SPACE_S, SPACE_S, SPACE_S, SPACE_S)
        self.column.setSpacing(SPACE_S)
        parent.installEventFilter(self)
        self.hide()

    def come_up(self, first: QWidget) -> None:
        """Show it.

        Args:
            first: of its parts, the one that gets the focus.
        """
        if self.isHidden():
            self._before = QApplication.focusWidget()
        self.place()
        self.show()
        self.raise_()
        first.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def dismiss(self) -> None:
        """Go away, and give the focus back where it still has it."""
        mine = QApplication.focusWidget()
        back = self._before if mine is not None and self._holds(mine) else None
        self._before = None
        self.hide()
        if back is not None and back.isVisible():
            back.setFocus(Qt.FocusReason.OtherFocusReason)

    def wanted_height(self) -> int:
        """Pixels that its content would like."""
        return self.sizeHint().height()

    def place(self) -> None:
        """Take the middle of the upper part of the parent, as far as there is room."""
        over = self._over.rect()
        width = min(self._wanted, over.width() - 2 * SPACE_S)
        top = min(SPACE_XL * 3 + SPACE_S, over.height() // 8)
        height = min(self.wanted_height(), over.height() - top - SPACE_S)
        self.setGeometry(QRect((over.width() - width) // 2, top, width, height))

    def showEvent(self, event: QShowEvent) -> None:
        """Look for clicks elsewhere, from now on."""
        super().showEvent(event)
        application = QApplication.instance()
        if application is not None:
            application.installEventFilter(self)

    def hideEvent(self, event: QHideEvent) -> None:
        """Look for them no more."""
        super().hideEvent(event)
        application = QApplication.instance()
        if application is not None:
            application.removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the parent's size; a click outside of the panel closes it."""
        if self.isVisible():
            if event.type() == QEvent.Type.Resize and watched is self._over:
                self.place()
            pressed = event.type() == QEvent.Type.MouseButtonPress
            if pressed and isinstance(watched, QWidget) and not self._holds(watched):
                self.dismiss()
        return False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc closes; no key reaches what lies below."""
        if event.key() == Qt.Key.Key_Escape:
            self.dismiss()
        event.accept()

    def _holds(self, widget: QWidget) -> bool:
        return widget is self or self.isAncestorOf(widget)
