"""What a find bar is made of: its field, buttons, messages and list, one under the other."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QToolButton, QVBoxLayout

from inspector.graph.search import HELP
from inspector.gui.find_results import ResultList
from inspector.gui.resources import icon
from inspector.gui.theme import LIGHT, SPACE_S, SPACE_XS, Theme

PLACEHOLDER = "Name, operator, tensor, shape, spec, sqnr<20"
_LONGEST = 1000
_ICON = QSize(12, 12)


class FindParts:
    """The widgets of a find bar and where they are.

    Attributes:
        field: what is looked for.
        count: how many matches there are.
        back, forward, ask, shut: the buttons.
        list: the matches.
    """

    def __init__(self, bar: QFrame) -> None:
        self._bar = bar
        self.field = QLineEdit(bar)
        self.field.setObjectName("findField")
        self.field.setAccessibleName("Find")
        self.field.setPlaceholderText(PLACEHOLDER)
        self.field.setMaxLength(_LONGEST)
        self._sign = QAction(self.field)
        self.field.addAction(self._sign, QLineEdit.ActionPosition.LeadingPosition)
        self.count = QLabel(bar)
        self.count.setObjectName("findCount")
        self.count.setProperty("role", "small")
        self._note = QLabel(bar)
        self._note.setObjectName("findNote")
        self._note.setTextFormat(Qt.TextFormat.PlainText)
        self._note.setWordWrap(True)
        self._note.setContentsMargins(SPACE_XS, 0, 0, 0)
        self._help = QLabel(bar)
        self._help.setObjectName("findHelp")
        self._help.setTextFormat(Qt.TextFormat.RichText)
        self._help.setWordWrap(True)
        self.back = self._button("findPrevious", "Previous match (Shift+Enter, Shift+F3)")
        self.forward = self._button("findNext", "Next match (Enter, F3)")
        self.ask = self._button("findHelpButton", "What can be looked for")
        self.ask.setText("?")
        self.ask.setCheckable(True)
        self.shut = self._button("findClose", "Close (Esc)")
        self.list = ResultList(bar)
        self._lay_out()
        self.apply_theme(LIGHT)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        for button, name in ((self.back, "up"), (self.forward, "down"), (self.shut, "close")):
            button.setIcon(icon(name, theme.text, theme.border))
        self._sign.setIcon(icon("find", theme.muted, theme.muted))
        self._help.setText(_help(theme))
        self.list.apply_theme(theme)

    def say(self, text: str, *, wrong: bool = False) -> None:
        """A message in the lower line; none at all where there is no text."""
        self._note.setText(text)
        role = "danger" if wrong else "small"
        if self._note.property("role") != role:
            self._note.setProperty("role", role)
            self._note.style().unpolish(self._note)
            self._note.style().polish(self._note)

    def arrange(self, width: int, most: int, rows: int) -> int:
        """Show what there is to show, and give the list the room that is left.

        Args:
            width: of the bar, in pixels.
            most: how high it may be.
            rows: how many matches are shown at most.

        Returns:
            The height that it takes.
        """
        helping = self.ask.isChecked()
        asked = bool(self.field.text().strip())
        found = self.list.model().rowCount() > 0
        self.count.setVisible(asked and not helping and bool(self.count.text()))
        for button in (self.back, self.forward):
            button.setVisible(asked and not helping and found)
        self._note.setVisible(asked and not helping and bool(self._note.text()))
        self._help.setVisible(helping)
        self.list.hide()
        rows = min(rows, self.list.model().rowCount()) if asked and not helping else 0
        height = self._height(width)
        if not rows:
            return min(height, most)
        row = self.list.row_height()
        room = (most - height - 2 * SPACE_XS) // row
        self.list.setFixedHeight(max(min(rows, room), 1) * row)
        self.list.show()
        return min(self._height(width), most)

    def _height(self, width: int) -> int:
        layout = self._bar.layout()
        assert layout is not None
        layout.invalidate()
        if layout.hasHeightForWidth():
            return layout.totalHeightForWidth(width)
        return layout.totalSizeHint().height()

    def _button(self, name: str, tip: str) -> QToolButton:
        button = QToolButton(self._bar)
        button.setObjectName(name)
        button.setAccessibleName(tip.partition(" (")[0])
        button.setToolTip(tip)
        button.setProperty("small", "true")
        button.setIconSize(_ICON)
        return button

    def _lay_out(self) -> None:
        first = QHBoxLayout()
        first.setSpacing(SPACE_XS)
        for widget in (self.field, self.ask, self.shut):
            first.addWidget(widget)
        second = QHBoxLayout()
        second.setSpacing(SPACE_XS)
        second.setContentsMargins(SPACE_XS, 0, 0, 0)
        second.addWidget(self.count, 1)
        second.addWidget(self.back)
        second.addWidget(self.forward)
        column = QVBoxLayout(self._bar)
        column.setContentsMargins(SPACE_S, SPACE_S, SPACE_S, SPACE_S)
        column.setSpacing(SPACE_XS)
        column.addLayout(first)
        column.addLayout(second)
        column.addWidget(self._note)
        column.addWidget(self.list)
        column.addWidget(self._help)


def _help(theme: Theme) -> str:
    """Examples and what they mean, as a table."""
    rows = "".join(
        f'<tr><td style="color:{theme.accent};padding-right:{SPACE_S}px;white-space:pre">'
        f'{escape(example)}</td><td style="color:{theme.muted}">{escape(meaning)}</td></tr>'
        for example, meaning in HELP
    )
    return f'<table cellspacing="0" cellpadding="2">{rows}</table>'
