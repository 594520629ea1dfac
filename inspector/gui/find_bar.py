"""Finding in the graph: a field over the graph's corner, and what it finds as one types."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QModelIndex, QObject, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QWidget

from inspector.graph.search import Figures, Found, Match, Query, QueryError, SearchIndex, parse
from inspector.graph.search_figures import OWN_QUANTITIES
from inspector.graph.search_numbers import quantity
from inspector.gui.find_parts import FindParts
from inspector.gui.tasks import Tasks
from inspector.gui.theme import LIGHT, SPACE_M, Theme
from inspector.report.units import count_text

CHANNEL = "find"
WIDTH = 420
MARGIN = SPACE_M
ROWS = 8
_LEAST_ROWS = 3
_CARD_ROOM = 270
"""Pixels that the field, what is beside the list and a card below all of it need."""
_CARD_HALF = 100
"""Half of a card's width: what reaches this close to the middle would hide a card there."""
QUICK_MS = 8.0
"""After a search that took longer than this the next one runs in the background."""
_NODES_PER_MS = 2500
"""A cautious guess at the speed of the first search."""
_MOVES = {
    Qt.Key.Key_Up: -1,
    Qt.Key.Key_Down: 1,
    Qt.Key.Key_PageUp: -ROWS,
    Qt.Key.Key_PageDown: ROWS,
}
_STEPS = frozenset({Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_F3})
_SHIFT = Qt.KeyboardModifier.ShiftModifier
_KEYPAD = Qt.KeyboardModifier.KeypadModifier


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    query: Query
    found: Found
    names: tuple[str, ...]
    nodes: tuple[str, ...]
    milliseconds: float


def _answer(index: SearchIndex, query: Query, figures: Figures) -> _Answer:
    """Search, on whatever thread."""
    start = time.perf_counter()
    found = index.search(query, figures)
    names, nodes = found.names, found.nodes
    return _Answer(query, found, names, nodes, 1e3 * (time.perf_counter() - start))


class FindBar(QFrame):
    """A field, the number of matches, and the matches themselves; it lies over its parent.

    A search runs at each keystroke: at once while that is quick, else in the background, where
    only the newest one counts. The focus stays in the field.

    Signals:
        found: the Match to go to.
        matchesChanged: names of all nodes that were found, best first; empty once the bar is away.
        closed: the user closed the bar; its parent has the focus.
    """

    found = Signal(object)
    matchesChanged = Signal(tuple)
    closed = Signal()

    def __init__(self, tasks: Tasks, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("findBar")
        self.setAccessibleName("Find in the graph")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self._over = parent
        self._tasks = tasks
        self._index: SearchIndex | None = None
        self._figures_of: Callable[[], Figures] = Figures
        self._figures: Figures | None = None
        self._found: Found | None = None
        self._last_ms = 0.0
        self._row = 0
        self._visited = False
        self._wish = 0
        self.parts = FindParts(self)
        self.field = self.parts.field
        self.list = self.parts.list
        self._connect()
        parent.installEventFilter(self)
        self.field.installEventFilter(self)
        self.apply_theme(LIGHT)
        self.hide()

    def open(self) -> None:
        """Come up with the focus in the field and its text selected."""
        was_away = self.isHidden()
        self.show()
        self.raise_()
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()
        if was_away:
            self._search(keep=True)

    def dismiss(self) -> None:
        """Go away and give the focus back; next() and previous() still work."""
        self.hide()
        self._over.setFocus(Qt.FocusReason.OtherFocusReason)
        self.matchesChanged.emit(())
        self.closed.emit()

    def set_index(self, index: SearchIndex | None) -> None:
        """Search another graph; None while there is none that can be searched."""
        self._index = index
        self._figures = None
        self._show_nothing()
        if not self.isHidden():
            self._search()

    def set_figures(self, figures: Callable[[], Figures]) -> None:
        """Where figures come from; they are asked for by the first search after each change."""
        self._figures_of = figures
        self.refresh_figures()

    def refresh_figures(self) -> None:
        """Figures have changed: search again, and stay with the same match where it is there."""
        self._figures = None
        if not self.isHidden():
            self._search(keep=True)

    def next(self) -> None:
        """Go to the current match, or from there to the next one; after the last to the first."""
        self._step(1)

    def previous(self) -> None:
        """Go to the match before the current one; before the first to the last."""
        self._step(-1)

    def matches(self) -> Found | None:
        """What was found last; None where nothing was looked for."""
        return self._found

    def place(self) -> None:
        """Take the upper right corner of the parent, and no more than it has room for."""
        parent = self._over
        width = max(min(WIDTH, parent.width() - 2 * MARGIN), 0)
        most = max(parent.height() - 2 * MARGIN, 0)
        rows = ROWS
        if self._hides_middle(width):
            below = (parent.height() - _CARD_ROOM) // self.list.row_height()
            rows = max(min(ROWS, below), _LEAST_ROWS)
        height = self.parts.arrange(width, most, rows)
        self.setGeometry(parent.width() - width - MARGIN, MARGIN, width, height)

    def covered(self) -> int:
        """Pixels at the top of the parent under which what is in its middle cannot be seen."""
        if self.isHidden() or not self._hides_middle(self.width()):
            return 0
        return self.geometry().bottom() + 1

    def _hides_middle(self, width: int) -> bool:
        return self._over.width() - width - MARGIN < self._over.width() / 2 + _CARD_HALF

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self.parts.apply_theme(theme)

    # Searching

    def _connect(self) -> None:
        parts = self.parts
        self.field.textChanged.connect(self._typed)
        self.list.clicked.connect(self._clicked)
        parts.forward.clicked.connect(self.next)
        parts.back.clicked.connect(self.previous)
        parts.shut.clicked.connect(self.dismiss)
        parts.ask.toggled.connect(self.place)

    def _typed(self) -> None:
        self.parts.ask.setChecked(False)
        self._search()

    def _search(self, *, keep: bool = False) -> None:
        """Search what is in the field.

        Args:
            keep: stay in the same row where the same match is found there.
        """
        self._tasks.cancel(CHANNEL)
        self._wish = 0
        text = self.field.text().strip()
        if not text:
            self._show_nothing()
            return
        index = self._index
        if index is None:
            self.parts.say("There is no graph to search yet.")
            self.place()
            return
        figures = self._figures = self._figures or self._figures_of()
        try:
            query = parse(self.field.text(), figures.numbers)
        except QueryError as error:
            self.parts.say(str(error), wrong=not error.unfinished)
            if not self._found:
                self.parts.count.setText("")
            self.place()
            return
        if self._last_ms < QUICK_MS:
            self._show(_answer(index, query, figures), keep=keep)
        else:
            self._tasks.submit(
                CHANNEL,
                lambda _: _answer(index, query, figures),
                lambda answer: self._show(answer, keep=keep),
            )

    def _show(self, answer: _Answer, *, keep: bool) -> None:
        found, row = answer.found, self._row
        before = self._found[row] if keep and self._found else None
        stay = row < len(found) and before is not None and _same(found[row], before)
        self._last_ms = answer.milliseconds
        self._found = found
        self._visited = self._visited and stay
        self.list.show_found(found, answer.names, answer.query.needles)
        self._set_row(row if stay else 0)
        self.parts.say("" if len(found) else self._unknown(answer.query))
        self.place()
        self.matchesChanged.emit(answer.nodes if not self.isHidden() else ())
        if self._wish:
            self._step(self._wish)

    def _show_nothing(self) -> None:
        self._tasks.cancel(CHANNEL)
        # The first letter finds much: how long the last search took says nothing of it.
        self._last_ms = len(self._index.graph.nodes) / _NODES_PER_MS if self._index else 0.0
        self._found = None
        self._visited = False
        self.list.show_found((), (), ())
        self.parts.say("")
        self._set_row(0)
        self.place()
        self.matchesChanged.emit(())

    def _unknown(self, query: Query) -> str:
        """Why nothing matches, where that is because figures are not there."""
        given = self._figures.numbers if self._figures is not None else {}
        missing = [name for name in query.quantities if not given.get(name)]
        labels = [quantity(name).label for name in missing if name not in OWN_QUANTITIES]
        return f"Not known yet: {', '.join(labels)}." if labels else ""

    def _set_row(self, row: int) -> None:
        """Make a match the current one, and say which one of how many it is."""
        self._row = row
        self.list.set_row(row)
        if self._found is None:
            self.parts.count.setText("")
        elif not self._found:
            self.parts.count.setText("Nothing matches")
        else:
            place, total = row + 1, len(self._found)
            self.parts.count.setText(f"{count_text(place)} of {count_text(total)}")

    # Going through what was found

    def _step(self, step: int) -> None:
        if self._found is None and not self._tasks.is_busy(CHANNEL):
            self._search()
        self._wish = step if self._tasks.is_busy(CHANNEL) else 0
        if self._found and not self._wish:
            forward_first = step > 0 and not self._visited
            self._go(self._row + (0 if forward_first else step))

    def _move(self, rows: int) -> None:
        """Choose another row without going there yet."""
        if self._found:
            self._visited = False
            self._set_row(min(max(self._row + rows, 0), len(self._found) - 1))

    def _go(self, row: int) -> None:
        if self._found:
            row %= len(self._found)
            self._set_row(row)
            self._visited = True
            self.found.emit(self._found[row])

    def _clicked(self, index: QModelIndex) -> None:
        self._go(index.row())

    # Keys, and what must not reach the graph underneath

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the parent's size, and take the keys that the field has no use for."""
        if watched is self._over and event.type() == QEvent.Type.Resize:
            self.place()
        if watched is self.field and isinstance(event, QKeyEvent):
            if event.type() == QEvent.Type.ShortcutOverride and self._key(event) is not None:
                event.accept()
                return True
            if event.type() == QEvent.Type.KeyPress:
                return self._press(event)
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The same keys on the buttons; others end here."""
        self._press(event)
        event.accept()

    def _press(self, event: QKeyEvent) -> bool:
        act = self._key(event)
        if act is not None:
            act()
        return act is not None

    def _key(self, event: QKeyEvent) -> Callable[[], None] | None:
        """What a key does here."""
        key, modifiers = event.key(), event.modifiers() & ~_KEYPAD
        plain = modifiers == Qt.KeyboardModifier.NoModifier
        if key in _STEPS and (plain or modifiers == _SHIFT):
            return self.next if plain else self.previous
        if key == Qt.Key.Key_Escape and plain:
            return self.dismiss
        rows = _MOVES.get(Qt.Key(key)) if plain else None
        return None if rows is None else lambda: self._move(rows)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Keep clicks from the graph."""
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Keep clicks from the graph."""
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Keep drags from the graph."""
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Keep clicks from the graph."""
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Keep the wheel from the graph, also at the ends of the list."""
        event.accept()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Keep the graph's menu away."""
        event.accept()


def _same(one: Match, other: Match) -> bool:
    """Whether two matches are of one node or tensor."""
    return (one.kind, one.name) == (other.kind, other.name)
