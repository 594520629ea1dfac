"""The command palette: every action and every layer, a few letters away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
)
from PySide6.QtGui import QColor, QFont, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QLabel,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from inspector.gui.overlay_panel import OverlayPanel
from inspector.gui.palette_search import TIERS, NameIndex
from inspector.gui.theme import LIGHT, SPACE_M, Theme

Index = QModelIndex | QPersistentModelIndex
COMMAND_ROLE = int(Qt.ItemDataRole.UserRole)
_WIDTH, _ROW, _ROWS, _MOST = 560, 28, 12, 200
_HELP = "↑ ↓ to choose, Enter to run, Esc to close"


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """Something that the palette can do.

    Attributes:
        title: what it is called.
        run: does it.
        keys: its shortcut, or what kind of thing it is.
        tip: what it does, in a sentence.
        obstacle: why it cannot be done now; empty where it can.
    """

    title: str
    run: Callable[[], None]
    keys: str = ""
    tip: str = ""
    obstacle: str = ""


class CommandModel(QAbstractListModel):
    """The commands that were found, best first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._found: Sequence[Command] = ()

    def show_found(self, found: Sequence[Command]) -> None:
        """Show other commands."""
        self.beginResetModel()
        self._found = found
        self.endResetModel()

    def at(self, row: int) -> Command | None:
        """The command of a row."""
        return self._found[row] if 0 <= row < len(self._found) else None

    def rowCount(self, parent: Index | None = None) -> int:
        """How many commands there are."""
        return 0 if parent is not None and parent.isValid() else len(self._found)

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        """The title, and the command itself for whoever paints it."""
        command = self.at(index.row())
        if command is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return command.title
        if role == Qt.ItemDataRole.AccessibleTextRole:
            parts = (command.title, command.keys, command.obstacle)
            return ", ".join(part for part in parts if part)
        if role == Qt.ItemDataRole.ToolTipRole:
            return " ".join((command.obstacle or command.tip or command.title).split())[:300]
        return command if role == COMMAND_ROLE else None


class _CommandDelegate(QStyledItemDelegate):
    """A title on the left, keys or the reason why not on the right."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.theme = LIGHT

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """All rows are equally high."""
        return QSize(120, _ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint one command."""
        command, theme = index.data(COMMAND_ROLE), self.theme
        if not isinstance(command, Command):
            return
        area = option.rect
        state = option.state
        painter.save()
        if state & QStyle.StateFlag.State_Selected:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.selection))
            painter.drawRoundedRect(area.adjusted(2, 1, -2, -1), 5, 5)
        inner = area.adjusted(SPACE_M, 0, -SPACE_M, 0)
        right = self._paint_right(painter, inner, command)
        self._paint_title(painter, inner.adjusted(0, 0, -right - SPACE_M, 0), command)
        painter.restore()

    def _paint_right(self, painter: QPainter, area: QRect, command: Command) -> int:
        """Paint the keys, or why not; returns how wide they are."""
        font = QFont(painter.font())
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(QColor(self.theme.muted))
        text = command.obstacle or command.keys
        width = min(painter.fontMetrics().horizontalAdvance(text), area.width() // 2)
        text = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, width + 1)
        painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
        return width

    def _paint_title(self, painter: QPainter, area: QRect, command: Command) -> None:
        font = QFont(painter.font())
        font.setPixelSize(13)
        painter.setFont(font)
        faint = bool(command.obstacle)
        painter.setPen(QColor(self.theme.muted if faint else self.theme.text))
        line = " ".join(command.title[:600].split())
        line = painter.fontMetrics().elidedText(line, Qt.TextElideMode.ElideMiddle, area.width())
        painter.drawText(area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, line)


class CommandPalette(OverlayPanel):
    """A field, and below it what it finds.

    Args:
        parent: what it lies over.
        commands: gives the actions as they are now; asked for each time the palette opens.
        choose_layer: selects a layer by its name.
    """

    def __init__(
        self,
        parent: QWidget,
        commands: Callable[[], Sequence[Command]],
        choose_layer: Callable[[str], None],
    ) -> None:
        super().__init__(parent, _WIDTH)
        self.setObjectName("commandPalette")
        self.setAccessibleName("Command palette")
        self._commands_of, self._choose_layer = commands, choose_layer
        self._commands: Sequence[Command] = ()
        self._titles = NameIndex(())
        self._names: Sequence[str] = ()
        self._layers: NameIndex | None = None
        self._operators: Sequence[str] = ()
        self.field = QLineEdit()
        self.field.setObjectName("paletteField")
        self.field.setAccessibleName("Find a command or a layer")
        self.field.setPlaceholderText("Find a command or a layer")
        self.field.setClearButtonEnabled(False)
        self.model = CommandModel(self)
        self.list = QListView()
        self.list.setObjectName("paletteList")
        self.list.setAccessibleName("Commands and layers")
        self.list.setModel(self.model)
        self.list.setUniformItemSizes(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._delegate = _CommandDelegate(self.list)
        self.list.setItemDelegate(self._delegate)
        self.note = QLabel(_HELP)
        self.note.setObjectName("paletteNote")
        self.note.setProperty("role", "small")
        for widget in (self.field, self.list, self.note):
            self.column.addWidget(widget)
        self.column.setStretch(1, 1)
        self.field.textChanged.connect(self._search)
        self.field.installEventFilter(self)
        self.list.clicked.connect(lambda index: self._run(index.row()))

    def set_layers(self, names: Sequence[str], operators: Sequence[str]) -> None:
        """The layers that can be chosen, with the operator of each."""
        self._names, self._operators = names, operators
        self._layers = None

    def open(self) -> None:
        """Come up empty; go away if it is there already."""
        if self.isVisible():
            self.dismiss()
            return
        self._commands = self._commands_of()
        self._titles = NameIndex([command.title for command in self._commands])
        self.field.blockSignals(True)
        self.field.clear()
        self.field.blockSignals(False)
        self._search("")
        self.come_up(self.field)

    def found(self) -> list[Command]:
        """What is shown, best first."""
        rows = range(self.model.rowCount())
        return [command for row in rows if (command := self.model.at(row)) is not None]

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._delegate.theme = theme
        self.list.viewport().update()

    def wanted_height(self) -> int:
        """The same whatever is found, so that nothing jumps while one types."""
        return _ROWS * _ROW + self.field.sizeHint().height() + self.note.sizeHint().height() + 40

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The field keeps the focus; these keys move through the list."""
        is_key = watched is self.field and event.type() == QEvent.Type.KeyPress
        if is_key and isinstance(event, QKeyEvent) and self._press(event):
            return True
        return super().eventFilter(watched, event)

    def _press(self, event: QKeyEvent) -> bool:
        step = {
            Qt.Key.Key_Up: -1,
            Qt.Key.Key_Down: 1,
            Qt.Key.Key_PageUp: -_ROWS,
            Qt.Key.Key_PageDown: _ROWS,
        }.get(Qt.Key(event.key()))
        if step is not None:
            last = self.model.rowCount() - 1
            self._set_row(min(max(self.list.currentIndex().row() + step, 0), last))
            return True
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._run(self.list.currentIndex().row())
            return True
        return False

    def _search(self, text: str) -> None:
        """Good finds come first, be they actions or layers; of equally good ones the actions."""
        if self._layers is None:  # made when it is needed: opening a model is slow enough
            self._layers = NameIndex(self._names)
        names = self._names
        found: list[Command] = []
        actions = self._titles.find(text, _MOST)
        layers = self._layers.find(text, _MOST - sum(map(len, actions)))
        for tier in range(TIERS):
            found += [self._commands[number] for number in actions[tier]]
            found += [self._layer(names[n], self._operators[n]) for n in layers[tier]]
        self.model.show_found(found)
        self.note.setText(_HELP if found else "Nothing matches")
        self._set_row(0)

    def _layer(self, name: str, operator: str) -> Command:
        return Command(name, lambda: self._choose_layer(name), operator, f"Select {name}")

    def _set_row(self, row: int) -> None:
        index = self.model.index(row, 0)
        self.list.setCurrentIndex(index)
        self.list.scrollTo(index)

    def _run(self, row: int) -> None:
        command = self.model.at(row)
        if command is None:
            return
        if command.obstacle:
            self.note.setText(command.obstacle)
            return
        self.dismiss()
        command.run()
