"""The command palette: a few letters, and it is done."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QListView, QWidget
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow
from inspector.gui.palette import Command, CommandPalette
from inspector.gui.palette_search import TIERS, NameIndex

Idle = Callable[[], None]
CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def bare(qtbot: QtBot) -> QWidget:
    """Something for a palette to lie over."""
    widget = QWidget()
    qtbot.addWidget(widget)
    widget.resize(900, 600)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def open_palette(qtbot: QtBot, window: MainWindow) -> CommandPalette:
    """Press its key."""
    qtbot.keyClick(window, Qt.Key.Key_K, CONTROL)
    palette = window.panels.palette
    assert palette.isVisible()
    assert QApplication.focusWidget() is palette.field
    return palette


def titles(palette: CommandPalette) -> list[str]:
    """What is shown."""
    return [command.title for command in palette.found()]


def command(palette: CommandPalette, title: str) -> Command:
    """One of those that are shown."""
    return next(c for c in palette.found() if c.title == title)


def test_everything_is_there(qtbot: QtBot, opened: MainWindow) -> None:
    """All actions with their keys, and all layers with their operators."""
    palette = open_palette(qtbot, opened)
    shown = titles(palette)
    assert "Save quantized…" in shown
    assert command(palette, "Save quantized…").keys == "Ctrl+S"
    assert "Appearance: Dark" in shown
    layers = [layer.name for layer in opened.document.layers]
    assert shown[-len(layers) :] == layers
    assert command(palette, "/head/Gemm").keys == "Gemm"
    assert "Command palette" not in shown
    assert command(palette, "Undo").obstacle == "Nothing to undo"
    qtbot.keyClicks(palette.field, "undo")
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert palette.isVisible(), "what cannot be done says why, and does nothing"
    assert palette.note.text() == "Nothing to undo"


def test_a_layer_is_selected(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """Letters in order are enough; Enter takes the best, and so does a click."""
    palette = open_palette(qtbot, opened)
    qtbot.keyClicks(palette.field, "b2sc")
    assert titles(palette)[0] == "/block2/shortcut/conv/Conv"
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    idle()
    assert not palette.isVisible()
    assert opened.bridge.selected == ("/block2/shortcut/conv/Conv",)
    assert opened.pane.selected() == ("/block2/shortcut/conv/Conv",)
    palette = open_palette(qtbot, opened)
    qtbot.keyClicks(palette.field, "gemm")
    view = palette.findChild(QListView, "paletteList")
    assert view is not None
    place = view.visualRect(view.model().index(0, 0)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    idle()
    assert opened.bridge.selected == ("/head/Gemm",)


def test_an_action_is_run(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """By its name, with keys that move through the list."""
    palette = open_palette(qtbot, opened)
    qtbot.keyClicks(palette.field, "left to")
    assert titles(palette)[0] == "Left to right"
    qtbot.keyClick(palette.field, Qt.Key.Key_Down)
    qtbot.keyClick(palette.field, Qt.Key.Key_Up)
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    idle()
    assert opened.stage.shown.direction == "right"
    palette = open_palette(qtbot, opened)
    assert palette.field.text() == ""
    assert "Left to right  ✓" in titles(palette)


def test_escape_closes_and_gives_the_focus_back(qtbot: QtBot, window: MainWindow) -> None:
    """Nothing was done."""
    window.welcome.sample_buttons[0].setFocus()
    palette = open_palette(qtbot, window)
    qtbot.keyClicks(palette.field, "zzzqqq")
    assert palette.note.text() == "Nothing matches"
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert palette.isVisible()
    qtbot.keyClick(palette.field, Qt.Key.Key_Escape)
    assert not palette.isVisible()
    assert QApplication.focusWidget() is window.welcome.sample_buttons[0]


def test_without_a_model(qtbot: QtBot, window: MainWindow) -> None:
    """There are no layers, what needs a model says so, and keys stay within the list."""
    palette = open_palette(qtbot, window)
    assert command(palette, "Save quantized…").obstacle == "Open a model first"
    assert command(palette, "Open…").obstacle == ""
    for _ in range(40):
        qtbot.keyClick(palette.field, Qt.Key.Key_PageDown)
    assert palette.list.currentIndex().row() == len(palette.found()) - 1
    for _ in range(40):
        qtbot.keyClick(palette.field, Qt.Key.Key_PageUp)
    assert palette.list.currentIndex().row() == 0


@pytest.mark.parametrize("name", ["a\nb", "<script>", "模型/卷积", "x" * 5000, "", "a.*[b", "&&"])
def test_odd_names_are_shown_and_found(qtbot: QtBot, bare: QWidget, name: str) -> None:
    """In one line, and chosen by the name that they really have."""
    chosen: list[str] = []
    palette = CommandPalette(bare, lambda: (), chosen.append)
    palette.set_layers([name, "other"], ["Conv", "Conv"])
    palette.open()
    palette.field.insert(name[:20].replace("\n", " "))  # QTest types no letters but ASCII
    palette.grab()
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert chosen == [name]


def test_few_of_very_many_are_made(qtbot: QtBot, bare: QWidget) -> None:
    """Rows for what can be looked through, whatever the size of the model."""
    palette = CommandPalette(bare, lambda: (), lambda _: None)
    palette.set_layers([f"/layer/{number}" for number in range(20_000)], ["Conv"] * 20_000)
    palette.open()
    assert len(palette.found()) == 200
    qtbot.keyClicks(palette.field, "19999")
    assert titles(palette) == ["/layer/19999"]


NAMES = st.lists(st.text("abc/. _\nÄß", max_size=12), max_size=12)


def folded(text: str) -> str:
    """As the search sees it."""
    return "".join(text.casefold().split())


def has_in_order(letters: str, text: str) -> bool:
    """Whether all letters are there one after the other."""
    rest = iter(text)
    return all(letter in rest for letter in letters)


@given(NAMES, st.text("abc/. Ä^-]\\", max_size=5), st.integers(0, 15))
def test_exactly_what_matches_is_found(names: list[str], query: str, most: int) -> None:
    """Each once, the better ones first, and no more than asked for."""
    tiers = NameIndex(names).find(query, 100)
    assert len(tiers) == TIERS
    numbers = [number for tier in tiers for number in tier]
    wanted = [n for n, name in enumerate(names) if has_in_order(folded(query), folded(name))]
    assert sorted(numbers) == wanted
    if folded(query):
        whole = {n for n, name in enumerate(names) if folded(query) in folded(name)}
        assert {*tiers[0], *tiers[1]} == whole
    few = [number for tier in NameIndex(names).find(query, most) for number in tier]
    assert few == numbers[:most]
