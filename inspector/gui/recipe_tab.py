"""The recipe behind the choices: its text, what is wrong with it, and how another one differs."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSplitter,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from inspector.gui.recipe_text import RecipeText, stripe_colour
from inspector.gui.resources import icon
from inspector.gui.theme import LIGHT, SPACE_M, SPACE_S, SPACE_XS, Theme
from inspector.report.units import plural
from inspector.session.recipe_check import Part
from inspector.session.recipe_diff import Difference

Index = QModelIndex | QPersistentModelIndex
MOST_ROWS = 2000
_HEADERS = ("Layer", "Field", "This", "Other")
_WHOLE = "Whole model"
_COLUMNS = (100, 68, 58)
"""Pixels of the columns but the last, which takes the rest."""
_LEGEND: tuple[tuple[Part, str, str], ...] = (
    ("default", "defaults", "What layers get that no rule below speaks of"),
    ("rule", "rules", "Rules with a pattern: * and ? in names, or op: for operators"),
    ("override", "single layers", "Overrides: rules for exactly one layer"),
)
_HINT = "Choose another recipe, or a model that was saved with one, to see which layers differ"


class RecipeTab(QWidget):
    """Shows a recipe as text, and below it a comparison while there is one.

    Signals:
        copy_asked, open_asked, save_asked, compare_asked: of the buttons.
        discard_asked: forget what was typed.
        layer_asked: name of a layer that was clicked in the comparison.
        closed: the comparison is not wanted any more.
    """

    copy_asked = Signal()
    open_asked = Signal()
    save_asked = Signal()
    compare_asked = Signal()
    discard_asked = Signal()
    layer_asked = Signal(str)
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("recipeTab")
        self.setAccessibleName("Recipe")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.text = RecipeText()
        self.error = _ErrorLine()
        self.legend = [_Key(part, title, tip) for part, title, tip in _LEGEND]
        self.difference = DifferenceTable()
        self.buttons = {
            "recipeCopy": self._button("Copy", "Copy the recipe's text", self.copy_asked),
            "recipeOpen": self._button("Open…", "Open a recipe, as one step", self.open_asked),
            "recipeSave": self._button("Save…", "Save the recipe as a TOML file", self.save_asked),
            "recipeCompare": self._button("Compare with…", _HINT, self.compare_asked),
        }
        self._arrange()
        self.error.discard.clicked.connect(self.discard_asked)
        self.error.asked.connect(self.text.go_to_line)
        self.difference.layer_asked.connect(self.layer_asked)
        self.difference.closed.connect(self.closed)
        self.show_differences(None, "")

    def show_differences(self, found: Sequence[Difference] | None, other: str) -> None:
        """Show how another recipe differs; None for no comparison."""
        self.difference.setVisible(found is not None)
        if found is not None:
            self.difference.show_found(found, other)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self.text.apply_theme(theme)
        for key in self.legend:
            key.apply_theme(theme)
        self.difference.apply_theme(theme)

    def _button(self, text: str, tip: str, asked: object) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.setProperty("small", "true")
        assert isinstance(asked, type(self.copy_asked))
        button.clicked.connect(lambda: asked.emit())
        return button

    def _arrange(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(SPACE_XS)
        for name, button in self.buttons.items():
            button.setObjectName(name)
            row.addWidget(button, 1)
        keys = QHBoxLayout()
        keys.setSpacing(SPACE_M)
        for key in self.legend:
            keys.addWidget(key)
        keys.addStretch(1)
        upper = QWidget()
        column = QVBoxLayout(upper)
        column.setContentsMargins(SPACE_S, SPACE_S, SPACE_S, SPACE_S)
        column.setSpacing(SPACE_S)
        column.addLayout(row)
        column.addWidget(self.text, 1)
        column.addLayout(keys)
        column.addWidget(self.error)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self.splitter.setHandleWidth(1)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(upper)
        self.splitter.addWidget(self.difference)
        self.splitter.setSizes([360, 200])
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.splitter)


class _Key(QLabel):
    """One entry of the legend: a stripe and what it stands for."""

    def __init__(self, part: Part, title: str, tip: str) -> None:
        super().__init__(title)
        self._part = part
        self._theme = LIGHT
        self.setProperty("role", "small")
        self.setToolTip(tip)
        self.setContentsMargins(SPACE_S, 0, 0, 0)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The words, with the stripe before them."""
        super().paintEvent(event)
        painter = QPainter(self)
        colour = QColor(stripe_colour(self._part, self._theme))
        painter.fillRect(0, 1, 3, self.height() - 2, colour)
        painter.end()


class _ErrorLine(QFrame):
    """What is wrong with the text, or that it is not applied yet; hidden while all is well.

    Signals:
        asked: go to a line.
    """

    asked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("recipeState")
        self._line: int | None = None
        self.label = QLabel()
        self.label.setObjectName("recipeError")
        self.label.setAccessibleName("What is wrong with the recipe")
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setWordWrap(True)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.go = QToolButton()
        self.go.setText("Go to line")
        self.go.setProperty("small", "true")
        self.go.setObjectName("recipeGoToLine")
        self.discard = QToolButton()
        self.discard.setText("Discard")
        self.discard.setToolTip("Forget what was typed, and show the recipe in use (Esc)")
        self.discard.setProperty("small", "true")
        self.discard.setObjectName("recipeDiscard")
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.go)
        buttons.addWidget(self.discard)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_XS)
        column.addWidget(self.label)
        column.addLayout(buttons)
        self.go.clicked.connect(self._go)
        self.show_state("")

    def show_state(self, text: str, line: int | None = None, *, wrong: bool = False) -> None:
        """Say how the text stands; nothing hides the line."""
        self._line = line
        self.label.setText(text)
        self.label.setProperty("role", "danger" if wrong else "small")
        style = self.label.style()
        style.unpolish(self.label)
        style.polish(self.label)
        self.go.setVisible(line is not None)
        self.setVisible(bool(text))

    def _go(self) -> None:
        if self._line is not None:
            self.asked.emit(self._line)


class _FromTheEnd(QStyledItemDelegate):
    """Names that have no room lose their beginnings, which most layers share."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """As usual, but for where the dots go."""
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideLeft


class DifferenceTable(QFrame):
    """What another recipe does differently, a row each.

    Signals:
        layer_asked: name of the layer of a row that was chosen.
        closed: the button that closes it was pressed.
    """

    layer_asked = Signal(str)
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("recipeDifference")
        self.title = QLabel()
        self.title.setProperty("role", "section")
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setWordWrap(True)
        self.shut = QToolButton()
        self.shut.setObjectName("recipeDifferenceClose")
        self.shut.setAccessibleName("Close the comparison")
        self.shut.setToolTip("Close the comparison")
        self.shut.setProperty("small", "true")
        self.shut.clicked.connect(self.closed)
        self.table = QTableWidget(0, len(_HEADERS))
        self.table.setObjectName("differenceTable")
        self.table.setAccessibleName("Layers that differ")
        self.table.setHorizontalHeaderLabels(_HEADERS)
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.setItemDelegateForColumn(0, _FromTheEnd(self.table))
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.itemSelectionChanged.connect(self._chosen)
        head = QHBoxLayout()
        head.setContentsMargins(SPACE_S, SPACE_S, SPACE_S, 0)
        head.addWidget(self.title, 1)
        head.addWidget(self.shut, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_XS)
        column.addLayout(head)
        column.addWidget(self.table, 1)

    def show_found(self, found: Sequence[Difference], other: str) -> None:
        """Show the differences.

        Args:
            found: what differs; the first `MOST_ROWS` have rows.
            other: what to call the other recipe.
        """
        layers = len({difference.layer for difference in found if difference.layer})
        whole = any(not difference.layer for difference in found)
        text = f"{plural(layers, 'layer')} differ{'s' if layers == 1 else ''} from {other}"
        if not found:
            text = f"Nothing differs from {other}"
        elif whole and not layers:
            text = f"No layer differs from {other}"
        if len(found) > MOST_ROWS:
            text += f"; the first {MOST_ROWS} differences"
        self.title.setText(text)
        self.table.blockSignals(True)
        self.table.setRowCount(0)
        self.table.setRowCount(min(len(found), MOST_ROWS))
        for row, difference in enumerate(found[:MOST_ROWS]):
            this, other = _unlike(difference.this, difference.other)
            name = difference.layer or _WHOLE
            field = "activ." if difference.field == "activations" else difference.field
            cells = (name, field, this, other)
            tips = (name, difference.field, difference.this, difference.other)
            for column, (cell, tip) in enumerate(zip(cells, tips, strict=True)):
                item = QTableWidgetItem(" ".join(cell.split())[:300])
                item.setToolTip(tip[:300])
                item.setData(Qt.ItemDataRole.UserRole, difference.layer)
                self.table.setItem(row, column, item)
        self.table.blockSignals(False)
        for column, width in enumerate(_COLUMNS):
            self.table.setColumnWidth(column, width)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self.shut.setIcon(icon("close", theme.muted, theme.muted))

    def _chosen(self) -> None:
        items = self.table.selectedItems()
        layer = items[0].data(Qt.ItemDataRole.UserRole) if items else ""
        if layer:
            self.layer_asked.emit(layer)


def _unlike(this: str, other: str) -> tuple[str, str]:
    """The parts in which two specs differ; both whole where they are not of one form."""
    ours, theirs = this.split(":"), other.split(":")
    if len(ours) != len(theirs):
        return this, other
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
    return ":".join(a for a, _ in pairs), ":".join(b for _, b in pairs)
