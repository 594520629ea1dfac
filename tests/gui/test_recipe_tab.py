"""The recipe as text: it follows, it is checked while one types, and it is applied as one step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QTextCursor
from PySide6.QtWidgets import QFileDialog, QPlainTextEdit, QPushButton, QTableWidget
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow
from inspector.gui.recipe_tab import DifferenceTable
from inspector.gui.recipe_text import RecipeText, stripe_colour
from inspector.gui.theme import DARK, LIGHT
from inspector.quant.spec import QuantSpec
from inspector.session.recipe import DEFAULT_RECIPE, Recipe, load_recipe, save_recipe
from inspector.session.recipe_diff import Difference

Idle = Callable[[], None]
LAYER = "/block1/conv1/conv/Conv"
CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def settle(qtbot: QtBot, opened: MainWindow, idle: Idle) -> Callable[[], None]:
    """Wait until the text says what is known."""

    def wait() -> None:
        idle()
        qtbot.waitUntil(opened.panels.recipe.is_settled)
        idle()

    return wait


@pytest.fixture
def shown(qtbot: QtBot, opened: MainWindow, settle: Idle) -> MainWindow:
    """A window with the recipe in front."""
    opened.activateWindow()
    qtbot.keyClick(opened, Qt.Key.Key_R, CONTROL | Qt.KeyboardModifier.ShiftModifier)
    assert opened.tabs.tabText(opened.tabs.currentIndex()) == "Recipe"
    settle()
    return opened


def editor(window: MainWindow) -> QPlainTextEdit:
    """The text."""
    found = window.findChild(QPlainTextEdit, "recipeText")
    assert found is not None
    return found


def put(window: MainWindow, old: str, new: str) -> None:
    """Type something in the place of something else."""
    text = editor(window)
    cursor = text.document().find(old)
    assert not cursor.isNull()
    text.setTextCursor(cursor)
    text.insertPlainText(new)


def error(window: MainWindow) -> str:
    """What is said below the text."""
    state = window.panels.tab.error
    return state.label.text() if state.isVisible() else ""


def press(qtbot: QtBot, window: MainWindow, name: str) -> None:
    """Click one of the buttons."""
    button = window.findChild(QPushButton, name)
    assert button is not None
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_the_text_is_the_recipe_and_follows_it(shown: MainWindow, settle: Idle) -> None:
    """Whatever changes it, and back; while it is hidden it is let alone."""
    assert editor(shown).toPlainText() == DEFAULT_RECIPE.to_toml()
    shown.bridge.set_specs((LAYER,), QuantSpec.parse("int4"), None)
    settle()
    assert editor(shown).toPlainText() == shown.document.recipe.to_toml()
    assert LAYER in editor(shown).toPlainText()
    shown.bridge.undo()
    settle()
    assert editor(shown).toPlainText() == DEFAULT_RECIPE.to_toml()

    before = editor(shown).toPlainText()
    shown.tabs.setCurrentIndex(0)
    shown.bridge.set_specs((LAYER,), QuantSpec.parse("int4"), None)
    settle()
    assert editor(shown).toPlainText() == before
    shown.panels.recipe.come_forward()
    settle()
    assert LAYER in editor(shown).toPlainText()


def test_typing_is_applied_as_one_step(qtbot: QtBot, shown: MainWindow, settle: Idle) -> None:
    """With Ctrl+Enter; until then nothing changes but the note below."""
    put(shown, "int8", "")
    qtbot.keyClicks(editor(shown), "int6")
    settle()
    assert shown.document.recipe == DEFAULT_RECIPE
    assert "Not applied yet" in error(shown)
    qtbot.keyClick(editor(shown), Qt.Key.Key_Return, CONTROL)
    settle()
    assert str(shown.document.recipe.default.weights) == "int6"
    assert shown.document.undo_label == "Edit recipe"
    assert shown.document.position == 1
    assert error(shown) == ""
    shown.bridge.undo()
    settle()
    assert editor(shown).toPlainText() == DEFAULT_RECIPE.to_toml()


def test_leaving_the_text_applies_it(shown: MainWindow, settle: Idle) -> None:
    """At once after the last letter; comments stay until the recipe becomes another."""
    put(shown, 'uint8"', 'uint6"   # small')
    shown.pane.filter.setFocus()
    settle()
    assert str(shown.document.recipe.default.activations) == "uint6"
    assert "# small" in editor(shown).toPlainText()
    shown.bridge.set_specs((LAYER,), QuantSpec.parse("int8"), None)
    settle()
    assert "# small" not in editor(shown).toPlainText()


WRONG = [
    ("int8", "int99", 6, "int99"),
    ("[default]", "[default", 5, "TOML"),
    ("uint8", "uint8:nix", 7, "nix"),
    ("ort-cpu", "ort-cpuu", 2, "ort-cpu"),
    ("[default]", '[[rule]]\nlayers = "/nix"\nweights = "int4"\n[default]', 6, "/nix"),
]


def test_what_is_wrong_is_marked_at_its_line(qtbot: QtBot, shown: MainWindow, settle: Idle) -> None:
    """As one types; it is not applied, and Esc brings back what is in use."""
    text = shown.panels.tab.text
    for old, new, line, named in WRONG:
        put(shown, old, new)
        settle()
        assert text.marked_line() == line
        assert named in error(shown)
        text.moveCursor(QTextCursor.MoveOperation.End)
        qtbot.mouseClick(shown.panels.tab.error.go, Qt.MouseButton.LeftButton)
        assert text.textCursor().blockNumber() + 1 == line
        qtbot.keyClick(text, Qt.Key.Key_Return, CONTROL)
        settle()
        assert shown.document.recipe == DEFAULT_RECIPE
        assert not shown.document.can_undo
        qtbot.keyClick(text, Qt.Key.Key_Escape)
        settle()
        assert text.toPlainText() == DEFAULT_RECIPE.to_toml()
        assert text.marked_line() is None
        assert error(shown) == ""


def test_text_that_is_being_edited_does_not_follow(
    qtbot: QtBot, shown: MainWindow, settle: Idle
) -> None:
    """What was typed is not taken away; discarding shows what is in use."""
    put(shown, "int8", "int9")
    shown.bridge.set_specs((LAYER,), QuantSpec.parse("int4"), None)
    settle()
    assert "int9" in editor(shown).toPlainText()
    qtbot.mouseClick(shown.panels.tab.error.discard, Qt.MouseButton.LeftButton)
    settle()
    assert editor(shown).toPlainText() == shown.document.recipe.to_toml()


def choose(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """What the file dialog answers from now on."""
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))


def test_another_recipe_is_compared(
    qtbot: QtBot,
    shown: MainWindow,
    settle: Idle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A row for each thing that differs; a click selects the layer; changes are followed."""
    path = tmp_path / "other.toml"
    save_recipe(Recipe().with_layer(LAYER, QuantSpec.parse("int4"), QuantSpec.parse("float")), path)
    choose(monkeypatch, path)
    press(qtbot, shown, "recipeCompare")
    settle()
    table = shown.findChild(QTableWidget, "differenceTable")
    assert table is not None
    assert table.isVisible()
    assert "1 layer differs from other.toml" in shown.panels.tab.difference.title.text()
    cells = [[table.item(r, c).text() for c in range(4)] for r in range(table.rowCount())]
    assert cells == [
        [LAYER, "weights", "int8", "int4"],
        [LAYER, "activ.", "uint8:tensor:mse:asym", "float"],
    ]
    assert table.item(0, 2).toolTip() == "int8:channel:minmax:sym"
    place = table.visualItemRect(table.item(0, 0)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert shown.bridge.selected == (LAYER,)
    shown.bridge.set_specs((LAYER,), QuantSpec.parse("int4"), QuantSpec.parse("float"))
    settle()
    assert table.rowCount() == 0
    assert "Nothing differs" in shown.panels.tab.difference.title.text()
    qtbot.mouseClick(shown.panels.tab.difference.shut, Qt.MouseButton.LeftButton)
    assert not table.isVisible()


def test_buttons(
    qtbot: QtBot,
    shown: MainWindow,
    settle: Idle,
    sample_models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To the clipboard, into a file, out of one; and a model with no recipe is told."""
    press(qtbot, shown, "recipeCopy")
    assert QGuiApplication.clipboard().text() == DEFAULT_RECIPE.to_toml()
    path = tmp_path / "mine.toml"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    press(qtbot, shown, "recipeSave")
    assert load_recipe(path) == DEFAULT_RECIPE
    save_recipe(Recipe().with_default(QuantSpec.parse("int5")), path)
    choose(monkeypatch, path)
    press(qtbot, shown, "recipeOpen")
    settle()
    assert '"int5"' in editor(shown).toPlainText()
    choose(monkeypatch, sample_models / "digits_mobile.onnx")
    press(qtbot, shown, "recipeCompare")
    settle()
    assert "holds no recipe" in shown.messages.text()
    assert not shown.panels.tab.difference.isVisible()


def test_another_model_has_its_own_recipe(
    shown: MainWindow, settle: Idle, sample_models: Path
) -> None:
    """What was typed for the last one is gone with it."""
    put(shown, "int8", "int9x")
    settle()
    shown.open_path(sample_models / "digits_mobile.onnx")
    settle()
    assert editor(shown).toPlainText() == DEFAULT_RECIPE.to_toml()
    assert error(shown) == ""


def test_without_a_model_there_is_nothing_to_edit(window: MainWindow, idle: Idle) -> None:
    """And it says why."""
    window.panels.recipe.come_forward()
    idle()
    tab = window.panels.tab
    assert tab.text.isReadOnly()
    assert "Open a model" in tab.error.label.text()
    assert not any(button.isEnabled() for button in tab.buttons.values())


def test_only_what_differs_is_written_anew(qtbot: QtBot) -> None:
    """The cursor stays in its place, with letters of every kind around it."""
    text = RecipeText()
    qtbot.addWidget(text)
    text.show_text("a\n😀b\nc😀d\n")
    cursor = text.textCursor()
    cursor.setPosition(4)
    text.setTextCursor(cursor)
    for new in ("a\n😀b\nc😀XX😀d\n", "a\n😀b\nc\n", "", "😀", "a\n😁b\n"):
        text.show_text(new)
        assert text.toPlainText() == new
    text.show_text("a\n😁b\nmore")
    text.moveCursor(QTextCursor.MoveOperation.Start)
    text.show_text("a\n😁b\nmore and more")
    assert text.textCursor().position() == 0


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_parts_have_stripes_of_their_own(qtbot: QtBot, theme: object) -> None:
    """Defaults, rules and overrides, in the margin beside their lines."""
    assert theme in (LIGHT, DARK)
    known = LIGHT if theme is LIGHT else DARK
    text = RecipeText()
    qtbot.addWidget(text)
    text.apply_theme(known)
    text.resize(300, 400)
    recipe = Recipe().with_layer("/a", QuantSpec.parse("int4"))
    text.show_text(recipe.to_toml() + '[[rule]]\nlayers = "/b/*"\nweights = "int4"\n')
    text.show()
    qtbot.waitExposed(text)
    picture = text.grab().toImage()
    found = {picture.pixelColor(x, y).name() for x in range(80) for y in range(picture.height())}
    for part in ("default", "rule", "override"):
        assert stripe_colour(part, known) in found
    assert stripe_colour("", known) == ""


def test_very_many_differences_have_a_limit(qtbot: QtBot) -> None:
    """The title counts them all."""
    table = DifferenceTable()
    qtbot.addWidget(table)
    many = [Difference(f"/{n}\n<b>", "weights", "int8:a:b", "int4:a:b") for n in range(5000)]
    table.show_found(many, "o.toml")
    assert table.table.rowCount() == 2000
    assert "5 000 layers differ" in table.title.text().replace("\N{THIN SPACE}", " ")
    assert table.table.item(0, 0).text() == "/0 <b>"
    table.show_found([Difference("", "target", "a", "b")], "o.toml")
    assert "No layer differs" in table.title.text()
