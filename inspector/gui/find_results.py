"""The list of what a search found: rows made when they are painted, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from PySide6.QtCore import (
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    QStringListModel,
    Qt,
)
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QTextCharFormat, QTextLayout
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from inspector.graph.operators import category
from inspector.graph.search import Match
from inspector.gui.theme import LIGHT, SPACE_M, SPACE_S, SPACE_XS, TEXT_SMALL, Theme

Index = QModelIndex | QPersistentModelIndex
MATCH_ROLE = int(Qt.ItemDataRole.UserRole)
MOST_ROWS = 20_000
"""More matches than this are counted and can be gone to, but are not in the list."""
_LONGEST = 600
_STRIPE = 3
_LINES_GAP = 2


class ResultModel(QStringListModel):
    """The names of matches, best first; the rest of a match is asked for when its row is painted.

    The view lays out all rows at once: some 5 ms for 20,000 rows with Qt's own list of strings, ten
    times as long with rows that Python counts.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._found: Sequence[Match] = ()

    def set_found(self, found: Sequence[Match], names: Sequence[str]) -> None:
        """Show other matches, whose names are known already."""
        self._found = found
        self.setStringList(names[:MOST_ROWS])

    def at(self, row: int) -> Match:
        """What was found in a row."""
        return self._found[row]

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        """The name, all that is known in a tooltip, and the match itself."""
        if role == MATCH_ROLE:
            return self.at(index.row())
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tooltip(self.at(index.row()))
        if role == Qt.ItemDataRole.AccessibleTextRole:
            match = self.at(index.row())
            return f"{match.name}, {under(match)}"
        return super().data(index, role)


def under(match: Match) -> str:
    """What stands under a name: the operator, and why it was found."""
    reasons = (part for part in match.detail.split(" · ") if part != f"operator {match.title}")
    return " · ".join(part for part in (match.title, *reasons) if part)


def one_line(text: str) -> str:
    """A text that may hold anything, as one line of a length that can be measured quickly."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]}…{text[-_LONGEST // 2 :]}"
    return "".join(character if character.isprintable() else " " for character in text)


def _tooltip(match: Match) -> str:
    """All of it; long names may break after their separators."""
    name = escape(one_line(match.name))
    for separator in "/._:":
        name = name.replace(separator, f"{separator}\u200b")
    return f"<qt><b>{name}</b><br>{escape(one_line(under(match)))}</qt>"


class ResultDelegate(QStyledItemDelegate):
    """Two lines: the name with what was looked for lit up, and why it was found."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = LIGHT
        self._needles: tuple[str, ...] = ()

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme

    def set_needles(self, needles: tuple[str, ...]) -> None:
        """Light up these case-folded texts in the names."""
        self._needles = needles

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Every row is as high as two lines, and as wide as the list."""
        # Qt's attributes are not all known to the stubs.
        style: Any = option
        lines = QFontMetrics(style.font).height() + QFontMetrics(_small(style.font)).height()
        return QSize(0, lines + _LINES_GAP + 2 * SPACE_XS)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw a row; only rows in view are."""
        match = index.data(MATCH_ROLE)
        if not isinstance(match, Match):
            return
        style: Any = option
        selected = bool(style.state & QStyle.StateFlag.State_Selected)
        hovered = bool(style.state & QStyle.StateFlag.State_MouseOver)
        theme = self._theme
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        box = QRectF(style.rect).adjusted(0, 1, 0, -1)
        if selected or hovered:
            painter.setBrush(QColor(theme.selection if selected else theme.raised))
            painter.drawRoundedRect(box, SPACE_XS, SPACE_XS)
        kind = category(match.title) if match.kind == "node" else "constant"
        painter.setBrush(QColor(theme.category(kind)))
        stripe = QRectF(box.left() + SPACE_XS, box.top() + 6, _STRIPE, box.height() - 12)
        painter.drawRoundedRect(stripe, _STRIPE / 2, _STRIPE / 2)
        room = style.rect.adjusted(SPACE_M + _STRIPE, SPACE_XS, -SPACE_S, -SPACE_XS)
        self._name(painter, room, style.font, match, selected=selected)
        self._reason(painter, room, style.font, match, selected=selected)
        painter.restore()

    def _name(
        self, painter: QPainter, room: QRect, font: QFont, match: Match, *, selected: bool
    ) -> None:
        metrics = QFontMetrics(font)
        name = one_line(match.name)
        text = metrics.elidedText(name or "(no name)", Qt.TextElideMode.ElideMiddle, room.width())
        painter.setPen(QColor(self._theme.text if name else self._theme.muted))
        layout = QTextLayout(text, font)
        layout.setFormats(self._lit(text, selected=selected) if name else [])
        layout.beginLayout()
        line = layout.createLine()
        line.setLineWidth(room.width() + metrics.averageCharWidth())
        layout.endLayout()
        layout.draw(painter, QPointF(room.topLeft()))

    def _lit(self, text: str, *, selected: bool) -> list[QTextLayout.FormatRange]:
        """The places of what was looked for."""
        folded = text.casefold()
        if len(folded) != len(text):
            return []
        ranges = []
        for needle in self._needles:
            start = folded.find(needle)
            if start >= 0:
                part = QTextLayout.FormatRange()
                part.start, part.length, part.format = start, len(needle), self._light(selected)
                ranges.append(part)
        return ranges

    def _light(self, selected: bool) -> QTextCharFormat:
        light = QTextCharFormat()
        if selected:
            light.setFontUnderline(True)
        else:
            light.setForeground(QColor(self._theme.accent))
        return light

    def _reason(
        self, painter: QPainter, room: QRect, font: QFont, match: Match, *, selected: bool
    ) -> None:
        small = _small(font)
        metrics = QFontMetrics(small)
        text = one_line(under(match))
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, room.width())
        painter.setFont(small)
        painter.setPen(QColor(self._theme.text if selected else self._theme.muted))
        painter.drawText(
            room, int(Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignLeft), shown
        )


def _small(font: QFont) -> QFont:
    small = QFont(font)
    small.setPixelSize(TEXT_SMALL)
    return small


class ResultList(QListView):
    """The list, at most so many rows high. The focus stays in the field above it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("findResults")
        self.setAccessibleName("What was found")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.results = ResultModel(self)
        self.setModel(self.results)
        self._delegate = ResultDelegate(self)
        self.setItemDelegate(self._delegate)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._delegate.apply_theme(theme)
        self.viewport().update()

    def show_found(
        self, found: Sequence[Match], names: Sequence[str], needles: tuple[str, ...]
    ) -> None:
        """Show other matches, and light up what was looked for in their names."""
        self._delegate.set_needles(needles)
        self.results.set_found(found, names)

    def row_height(self) -> int:
        """Pixels of one row."""
        option = QStyleOptionViewItem()
        self.initViewItemOption(option)
        return self._delegate.sizeHint(option, QModelIndex()).height()

    def set_row(self, row: int) -> None:
        """Make a row the current one and bring it into view, if it is in the list."""
        index = self.results.index(row, 0)
        self.setCurrentIndex(index)
        if index.isValid():
            self.scrollTo(index)
