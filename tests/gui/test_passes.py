"""Passes before quantization in the window: switched by clicks, undone, seen in the graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow
from inspector.gui.passes_menu import PassesMenu
from inspector.gui.trail import Trail
from inspector.session.recipe import Recipe

Idle = Callable[[], None]
LEFT = Qt.MouseButton.LeftButton
NORM = "fold_batch_norm"


def menu_of(window: MainWindow) -> PassesMenu:
    """The menu of passes."""
    found = window.findChild(PassesMenu, "passesMenu")
    assert found is not None
    return found


def click(window: MainWindow, name: str) -> None:
    """Choose a pass in the menu; popups grab the keyboard, which the test's screen has not."""
    menu = menu_of(window)
    menu.passes.get(name, menu.everything).trigger()


def kinds(window: MainWindow) -> list[str]:
    """The operators of the model as it is quantized."""
    return [node.op_type for node in window.document.graph.nodes]


def test_each_pass_is_listed_with_its_count(opened: MainWindow) -> None:
    """And with words; passes without work have no count."""
    menu = menu_of(opened)
    assert menu.passes[NORM].text() == "Fold BatchNormalization\t9"
    assert "9 BatchNormalizations" in menu.passes[NORM].toolTip()
    assert menu.passes["fold_pad"].text() == "Fold Pad\t"
    assert all(action.isChecked() for action in menu.passes.values())
    assert menu in opened.actions_.passes.parent().findChildren(PassesMenu)
    button = opened.findChild(QToolButton, "passesButton")
    assert button is not None
    assert button.isVisible()
    assert button.menu() is menu


def test_a_click_prepares_the_model_anew_and_keeps_all_choices(
    calibrated: MainWindow, idle: Idle
) -> None:
    """Specs, selection and data stay; figures follow; undo and redo need no work."""
    window, document = calibrated, calibrated.document
    name = document.layers[1].name
    window.selection.choose((name,))
    window.bridge.set_specs((name,), None, document.specs_of(name).activations)
    chosen, data, before = document.recipe, document.dataset, window.bridge.fidelity
    shown = document.opened.shown
    click(window, NORM)
    idle()
    assert document.recipe.skip == {NORM}
    assert document.recipe.rules == chosen.rules
    assert kinds(window).count("BatchNormalization") == 9
    assert document.opened.shown is shown
    assert window.selection.chosen.names == (name,)
    assert window.bridge.selected == (name,)
    assert document.dataset is data
    assert document.calibration is not None
    assert document.calibration.model_key == document.model.key
    assert document.undo_label == "Fold BatchNormalization off"
    assert window.bridge.fidelity is not None
    assert before is not None
    assert window.bridge.fidelity.sqnr_db != before.sqnr_db
    assert menu_of(window).passes[NORM].text() == "Fold BatchNormalization\toff"
    window.bridge.undo()
    assert "BatchNormalization" not in kinds(window)
    idle()
    assert window.bridge.fidelity.sqnr_db == pytest.approx(before.sqnr_db)
    window.bridge.redo()
    assert kinds(window).count("BatchNormalization") == 9
    click(window, "all")
    idle()
    assert document.recipe.skip == frozenset()
    assert "BatchNormalization" not in kinds(window)


def test_recipes_that_leave_passes_out_are_taken_over(
    opened: MainWindow, idle: Idle, tmp_path: Path
) -> None:
    """From a file, and one that does not fit is refused while nothing changes."""
    path = tmp_path / "recipe.toml"
    path.write_text(Recipe(skip=frozenset({NORM})).to_toml())
    opened.open_path(path)
    idle()
    assert opened.document.recipe.skip == {NORM}
    assert "BatchNormalization" in kinds(opened)
    path.write_text('version = 1\nskip = []\n[[rule]]\nlayers = "nowhere"\nweights = "int4"\n')
    opened.open_path(path)
    idle()
    assert opened.document.recipe.skip == {NORM}
    assert "BatchNormalization" in kinds(opened)


def test_the_graph_is_shown_before_and_after(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """The button and the action say the same; what is chosen in both graphs stays chosen."""
    window, document = opened, opened.document
    opened_model = document.opened
    name = document.layers[2].name
    window.selection.choose((name,))
    idle()
    view = window.graph
    gone = view.look().folded
    assert len(gone) == 9
    assert all("does its work" in text and "Fold BatchNorm" in text for text in gone.values())
    button = window.findChild(QPushButton, "preparedSwitch")
    assert button is not None
    assert button.text() == "Show as quantized"
    qtbot.mouseClick(button, LEFT)
    idle()
    assert window.actions_["actionPrepared"].isChecked()
    assert window.stage.graph() is opened_model.graph
    assert not view.look().folded
    assert window.selection.chosen.names == (name,)
    assert view.look().badges[name].weights
    window.tabs.setCurrentWidget(window.properties)
    idle()
    sheet = window.properties.sheet
    assert sheet.page.key
    click(window, NORM)
    idle()
    assert "BatchNormalization" in [n.op_type for n in window.stage.graph().nodes]
    window.actions_["actionPrepared"].trigger()
    idle()
    assert window.stage.graph() is opened_model.shown
    assert button.text() == "Show as quantized"
    assert not view.look().folded  # nothing is folded by now
    assert window.selection.chosen.names == (name,)


def test_without_a_model_nothing_can_be_switched(window: MainWindow) -> None:
    """The menu is there, and what it has to offer waits for a model."""
    assert not any(action.isEnabled() for action in menu_of(window).passes.values())
    assert not menu_of(window).everything.isEnabled()


@pytest.mark.parametrize("folded", [0, 3])
def test_who_sees_the_prepared_graph_can_go_back(qtbot: QtBot, folded: int) -> None:
    """Also of a model of which nothing can be said; and no word is cut in a narrow window."""
    trail = Trail()
    qtbot.addWidget(trail)
    trail.resize(526, 40)
    trail.show()
    trail.show_folded(folded, raw=False)
    trail.show_prepared("", prepared=True)
    back = trail.before_after
    assert back.isVisible()
    assert back.width() < 200
    assert trail.note.fontMetrics().horizontalAdvance(trail.note.text()) <= trail.note.width()
    with qtbot.waitSignal(trail.prepared_asked) as asked:
        qtbot.mouseClick(back, LEFT)
    assert asked.args == [False]
    trail.show_prepared("", prepared=False)
    assert not back.isVisible()
    assert trail.isVisible() == bool(folded)
