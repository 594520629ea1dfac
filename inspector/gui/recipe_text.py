"""The editor of a recipe's text: line numbers, quiet colours, and the line that is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFont,
    QFontDatabase,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTextBlock,
    QTextCursor,
    QTextFormat,
)
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit, QWidget

from inspector.gui.theme import LIGHT, SPACE_S, TEXT_SMALL, Theme
from inspector.session.recipe_check import Part, parts_of

_STRIPE = 3
_SYNTAX = re.compile(
    r"""(?P<comment>\#.*)|(?P<header>^\s*\[.*?\]+)|(?P<key>^\s*[\w-]+)(?=\s*[=.])"""
    r"""|(?P<text>"(?:[^"\\]|\\.)*"?|'[^']*'?)"""
)
_LONGEST = 2000
"""Of a line, so many characters are coloured."""
_LOOK_BACK = 12
"""Lines above those in sight that may hold the header of their part."""
_SHADE = 40


class _Margin(QWidget):
    """Where line numbers stand."""

    def __init__(self, editor: RecipeText) -> None:
        super().__init__(editor)
        self._editor = editor

    def sizeHint(self) -> QSize:
        """As wide as the largest number."""
        return QSize(self._editor.margin_width(), 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what the editor wants here."""
        self._editor.paint_margin(event)


class RecipeText(QPlainTextEdit):
    """A plain text with the few colours that a recipe needs.

    Only what is in sight is coloured, so that the text of thousands of layers costs nothing.

    Signals:
        left: the focus went elsewhere in the window.
        apply_asked: Ctrl+Enter.
        discard_asked: Esc.
    """

    left = Signal()
    apply_asked = Signal()
    discard_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("recipeText")
        self.setAccessibleName("Recipe as TOML")
        self._theme = LIGHT
        self._wrong: int | None = None
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setStyleHint(QFont.StyleHint.Monospace)
        font.setPixelSize(TEXT_SMALL + 1)
        self.setFont(font)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setTabChangesFocus(True)
        self.setUndoRedoEnabled(True)
        self._margin = _Margin(self)
        self.blockCountChanged.connect(self._make_room)
        self.updateRequest.connect(self._scrolled)
        self.textChanged.connect(self._colour)
        self.verticalScrollBar().valueChanged.connect(self._colour)
        self._make_room()

    def show_text(self, text: str) -> None:
        """Show another text; what is the same at both ends stays, with the cursor in it.

        The text's own undo starts anew: taking back a change of the recipe is not its business.
        """
        before = self.toPlainText()
        if text == before:
            return
        start = _common(before, text)
        tail = _common(before[start:][::-1], text[start:][::-1])
        self.setUndoRedoEnabled(False)
        cursor = QTextCursor(self.document())
        cursor.setPosition(_utf16(before[:start]))
        end = _utf16(before[: len(before) - tail])
        cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
        cursor.insertText(text[start : len(text) - tail])
        self.setUndoRedoEnabled(True)

    def mark_line(self, line: int | None) -> None:
        """Mark the line, from 1, that is wrong."""
        if line != self._wrong:
            self._wrong = line
            self._colour()
            self._margin.update()

    def marked_line(self) -> int | None:
        """The line that is marked as wrong."""
        return self._wrong

    def go_to_line(self, line: int) -> None:
        """Put the cursor into a line, from 1."""
        block = self.document().findBlockByNumber(line - 1)
        if block.isValid():
            self.setTextCursor(QTextCursor(block))
            self.centerCursor()
            self.setFocus(Qt.FocusReason.OtherFocusReason)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme
        self._colour()
        self._margin.update()

    # Keys and the focus

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Tell it, unless only a menu or another window came up."""
        super().focusOutEvent(event)
        if event.reason() not in (
            Qt.FocusReason.PopupFocusReason,
            Qt.FocusReason.ActiveWindowFocusReason,
        ):
            self.left.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+Enter and Esc; everything else edits the text."""
        control = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if control and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.apply_asked.emit()
        elif event.key() == Qt.Key.Key_Escape:
            self.discard_asked.emit()
        else:
            super().keyPressEvent(event)

    # Line numbers

    def margin_width(self) -> int:
        """Pixels that the margin takes."""
        digits = max(2, len(str(self.blockCount())))
        return self.fontMetrics().horizontalAdvance("9") * digits + 2 * SPACE_S + _STRIPE

    def paint_margin(self, event: QPaintEvent) -> None:
        """Numbers of the lines in sight, and a stripe that tells rules from overrides."""
        painter = QPainter(self._margin)
        painter.fillRect(event.rect(), QColor(self._theme.window))
        painter.setFont(self.font())
        lines = list(self._in_sight())
        width = self._margin.width()
        parts = self._parts([block for block, _, _ in lines])
        for (block, top, height), part in zip(lines, parts, strict=True):
            number = block.blockNumber() + 1
            wrong = number == self._wrong
            painter.setPen(QColor(self._theme.danger if wrong else self._theme.muted))
            room = QRect(0, top, width - SPACE_S - _STRIPE, height)
            painter.drawText(room, Qt.AlignmentFlag.AlignRight, str(number))
            colour = stripe_colour(part, self._theme)
            if colour:
                painter.fillRect(width - _STRIPE, top, _STRIPE, height, QColor(colour))
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the margin as high as the text."""
        super().resizeEvent(event)
        inner = self.contentsRect()
        self._margin.setGeometry(inner.left(), inner.top(), self.margin_width(), inner.height())
        self._colour()

    def _make_room(self) -> None:
        self.setViewportMargins(self.margin_width(), 0, 0, 0)

    def _scrolled(self, area: QRect, dy: int) -> None:
        if dy:
            self._margin.scroll(0, dy)
        else:
            self._margin.update(0, area.y(), self._margin.width(), area.height())

    def _in_sight(self) -> Iterator[tuple[QTextBlock, int, int]]:
        """The lines in sight, with their tops and heights in pixels."""
        block, bottom = self.firstVisibleBlock(), self.viewport().height()
        top = self.blockBoundingGeometry(block).translated(self.contentOffset()).top()
        while block.isValid() and top <= bottom:
            height = self.blockBoundingRect(block).height()
            yield block, round(top), round(height)
            block, top = block.next(), top + height

    def _parts(self, blocks: list[QTextBlock]) -> list[Part]:
        """What each line in sight belongs to; a few lines around them are enough to know."""
        if not blocks:
            return []
        first = max(blocks[0].blockNumber() - _LOOK_BACK, 0)
        block = self.document().findBlockByNumber(first)
        lines: list[str] = []
        while block.isValid() and len(lines) < len(blocks) + 2 * _LOOK_BACK:
            lines.append(block.text())
            block = block.next()
        start = blocks[0].blockNumber() - first
        return parts_of(lines, start, start + len(blocks))

    # Colours

    def _colour(self) -> None:
        """Colour the lines in sight anew."""
        selections = []
        for block, _, _ in self._in_sight():
            if block.blockNumber() + 1 == self._wrong:
                selections.append(self._whole_line(block))
            selections += self._spans(block)
        self.setExtraSelections(selections)
        self._margin.update()

    def _whole_line(self, block: QTextBlock) -> QTextEdit.ExtraSelection:
        shade = QColor(self._theme.danger)
        shade.setAlpha(_SHADE)
        found = QTextEdit.ExtraSelection()
        found.cursor = QTextCursor(block)
        found.format.setBackground(shade)
        found.format.setProperty(QTextFormat.Property.FullWidthSelection, True)
        return found

    def _spans(self, block: QTextBlock) -> Iterator[QTextEdit.ExtraSelection]:
        theme, text = self._theme, block.text()[:_LONGEST]
        colours = {
            "comment": theme.muted,
            "header": theme.accent,
            "key": theme.muted,
            "text": theme.text,
        }
        for match in _SYNTAX.finditer(text):
            kind = match.lastgroup or ""
            found = QTextEdit.ExtraSelection()
            found.cursor = QTextCursor(block)
            start = block.position() + _utf16(text[: match.start()])
            found.cursor.setPosition(start)
            end = start + _utf16(match[0])
            found.cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
            found.format.setForeground(QColor(colours[kind]))
            if kind == "header":
                found.format.setFontWeight(QFont.Weight.DemiBold)
            yield found


def stripe_colour(part: Part, theme: Theme) -> str:
    """What marks a part of the recipe in the margin; nothing for its head."""
    colours: dict[Part, str] = {
        "default": theme.original,
        "rule": theme.success,
        "override": theme.quantized,
    }
    return colours.get(part, "")


def _common(one: str, other: str) -> int:
    """How many characters at the start are the same. Cost: a few comparisons of the whole."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _utf16(text: str) -> int:
    """The length of a text as Qt counts it."""
    return len(text) + sum(1 for c in text if c > "\uffff") if not text.isascii() else len(text)
