"""One end of a range as a number that can be stepped and typed."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFocusEvent, QFontMetrics, QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QLineEdit, QWidget

from inspector.gui.theme import LIGHT, TEXT_SMALL, Theme

_STEPS = {
    Qt.Key.Key_Up: 1,
    Qt.Key.Key_Down: -1,
    Qt.Key.Key_PageUp: 5,
    Qt.Key.Key_PageDown: -5,
}
_EDIT_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_F2)
_ROOM = 14


class RangeEnd(QLineEdit):
    """Shows a number; Enter, F2, a digit or a double-click let it be typed, Up and Down step it.

    Signals:
        typed: the text that the user gave, with Enter or by going elsewhere.
        stepped: up or down by so many steps.
        left: nothing is being typed any more.
    """

    typed = Signal(str)
    stepped = Signal(float)
    left = Signal()

    def __init__(self, name: str, what: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(what)
        self.setToolTip("Double-click or press Enter to type a number, Up and Down to change it")
        self.setReadOnly(True)
        self.setMaxLength(40)
        font = self.font()
        font.setPixelSize(TEXT_SMALL)
        self.setFont(font)
        self._shown = ""
        self._theme = LIGHT
        self._refused = False
        self.apply_theme(LIGHT)

    def show_text(self, text: str) -> None:
        """Show a number, unless one is being typed."""
        self._shown = text
        if self.isReadOnly():
            self.setText(text)
            self._fit()

    def edit(self) -> None:
        """Let the number be typed."""
        self.setReadOnly(False)
        self.setFocus(Qt.FocusReason.OtherFocusReason)
        self.selectAll()
        self._fit()
        self._restyle()

    def accept(self) -> None:
        """What was typed is taken."""
        self._refused = False
        self._end()

    def refuse(self) -> None:
        """What was typed is no number that can be taken; it stays to be mended."""
        self._refused = True
        self._restyle()

    def is_refused(self) -> bool:
        """Whether what stands there was refused."""
        return self._refused

    def apply_theme(self, theme: Theme) -> None:
        """Paint in a theme's colours."""
        self._theme = theme
        self._restyle()

    def _end(self) -> None:
        self._refused = False
        self.setReadOnly(True)
        self.deselect()
        self.setText(self._shown)
        self._fit()
        self._restyle()
        self.left.emit()

    def _fit(self) -> None:
        wide = QFontMetrics(self.font()).horizontalAdvance(max(self._shown, "00.0 dB", key=len))
        self.setFixedWidth(wide + _ROOM)

    def _restyle(self) -> None:
        theme = self._theme
        line = theme.danger if self._refused else theme.accent
        back = "transparent" if self.isReadOnly() else theme.surface
        rest = "transparent" if self.isReadOnly() else line
        focus = line
        self.setStyleSheet(
            f"QLineEdit {{ background: {back}; color: {theme.text}; border: 1px solid {rest};"
            " border-radius: 3px; padding: 0 2px; min-height: 15px;"
            f" selection-background-color: {theme.selection}; selection-color: {theme.text}; }}"
            f" QLineEdit:focus {{ border-color: {focus}; }}"
            f" QLineEdit:hover {{ background: {theme.raised}; }}"
        )

    # Keys and mouse

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Step, type, take or leave."""
        key = Qt.Key(event.key())
        if key in _STEPS:
            self._end()
            self.stepped.emit(float(_STEPS[key]))
        elif self.isReadOnly():
            self._start(event)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.typed.emit(self.text())
        elif key == Qt.Key.Key_Escape:
            self._end()
        else:
            super().keyPressEvent(event)

    def _start(self, event: QKeyEvent) -> None:
        text = event.text()
        if event.key() in _EDIT_KEYS:
            self.edit()
        elif text and text in "0123456789.,+-":
            self.edit()
            self.setText(text)
        else:
            event.ignore()

    def event(self, event: QEvent) -> bool:
        """Keep the keys of the field from the window's shortcuts."""
        if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
            return super().event(event)
        if not self.isReadOnly() or event.key() in (*_STEPS, *_EDIT_KEYS):
            event.accept()
            return True
        return super().event(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Going elsewhere takes what was typed; what cannot be taken is dropped."""
        super().focusOutEvent(event)
        if not self.isReadOnly() and event.reason() != Qt.FocusReason.PopupFocusReason:
            if self.text() != self._shown and not self._refused:
                self.typed.emit(self.text())
            self._end()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Type."""
        if self.isReadOnly():
            self.edit()
        else:
            super().mouseDoubleClickEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Step."""
        event.accept()
        if event.angleDelta().y():
            self.stepped.emit(event.angleDelta().y() / 120)
