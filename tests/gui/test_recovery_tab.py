"""Recovery in the window: switched by clicks, undone, found out in the background."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QCheckBox, QLabel, QPushButton, QTableWidget
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow
from inspector.quant.recover import METHODS, Recover

Idle = Callable[[], None]
LEFT = Qt.MouseButton.LeftButton


def switch(window: MainWindow, method: str) -> QCheckBox:
    """The switch of a method."""
    found = window.findChild(QCheckBox, f"recover_{method}")
    assert found is not None
    return found


def click(qtbot: QtBot, window: MainWindow, method: str) -> None:
    """Click on a switch as a user does."""
    box = switch(window, method)
    window.tabs.setCurrentWidget(window.panels.recovery_tab)
    window.panels.recovery_tab.ensureWidgetVisible(box)
    qtbot.mouseClick(box, LEFT, pos=QPoint(10, box.height() // 2))


def run_button(window: MainWindow) -> QPushButton:
    """The button that asks for figures."""
    found = window.findChild(QPushButton, "recoveryRun")
    assert found is not None
    return found


def shown(window: MainWindow) -> list[list[str]]:
    """The cells of the table."""
    table = window.findChild(QTableWidget, "recoveryTable")
    assert table is not None
    rows, columns = range(table.rowCount()), range(table.columnCount())
    cells = [[table.item(row, column) for column in columns] for row in rows]
    return [[item.text() if item is not None else "" for item in row] for row in cells]


def test_each_method_has_a_switch_that_says_what_it_does(opened: MainWindow) -> None:
    """With words behind each."""
    for method in METHODS:
        assert switch(opened, method).text()
        assert len(switch(opened, method).toolTip()) > 20


def test_a_click_is_one_step_for_all_layers(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """And is taken back by undo."""
    click(qtbot, opened, "bias")
    assert opened.document.recipe.recover == Recover(("bias",))
    assert opened.document.undo_label == "All layers: Correct biases on"
    opened.bridge.undo()
    assert not opened.document.recipe.recovers
    assert not switch(opened, "bias").isChecked()
    idle()


def test_rounding_is_chosen_once(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """Switching AdaRound on puts GPTQ out."""
    click(qtbot, opened, "gptq")
    click(qtbot, opened, "adaround")
    assert opened.document.recipe.recover == Recover(("adaround",))
    assert not switch(opened, "gptq").isChecked()
    idle()


def test_a_selected_layer_is_switched_alone(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """A mixed selection shows neither on nor off."""
    names = [layer.name for layer in opened.document.layers]
    opened.selection.choose(names[:1])
    click(qtbot, opened, "bias")
    recipe = opened.document.recipe
    assert recipe.recover == Recover()
    found = recipe.recover_all(opened.document.layers)
    assert {name for name, one in found.items() if one} == set(names[:1])
    opened.selection.choose(names[:2])
    assert switch(opened, "bias").checkState() == Qt.CheckState.PartiallyChecked
    idle()


def test_without_data_it_says_what_is_missing(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """Methods learn from samples."""
    reason = opened.findChild(QLabel, "recoveryReason")
    assert reason is not None
    assert "Switch something on" in reason.text()
    click(qtbot, opened, "bias")
    assert "samples" in reason.text()
    assert not run_button(opened).isEnabled()
    idle()


def test_figures_come_and_grow_old(qtbot: QtBot, calibrated: MainWindow, idle: Idle) -> None:
    """One row without any method, and one for each; out of date once a choice changes."""
    click(qtbot, calibrated, "equalize")
    click(qtbot, calibrated, "bias")
    idle()
    qtbot.mouseClick(run_button(calibrated), LEFT)
    assert not run_button(calibrated).isEnabled()
    qtbot.waitUntil(lambda: len(shown(calibrated)) == 3, timeout=30_000)
    rows = shown(calibrated)
    assert [row[0] for row in rows] == ["without", "+ equalize", "+ bias"]
    assert all(row[1].endswith("dB") for row in rows)
    source = calibrated.findChild(QLabel, "recoverySource")
    assert source is not None
    assert "Out of date" not in source.text()
    idle()
    click(qtbot, calibrated, "bias")
    assert "Out of date" in source.text()
    idle()
    assert run_button(calibrated).isEnabled()


def test_a_cancelled_run_leaves_the_button_ready(
    qtbot: QtBot, calibrated: MainWindow, idle: Idle
) -> None:
    """And shows no figures."""
    click(qtbot, calibrated, "adaround")
    idle()
    qtbot.mouseClick(run_button(calibrated), LEFT)
    calibrated.tasks.cancel("recovery")
    qtbot.waitUntil(run_button(calibrated).isEnabled, timeout=30_000)
    idle()
    assert shown(calibrated) == []


@pytest.mark.parametrize("method", ["bias"])
def test_what_is_saved_has_it(
    qtbot: QtBot, calibrated: MainWindow, idle: Idle, tmp_path: object, method: str
) -> None:
    """The file carries the recipe, and its figures are those of the corrected model."""
    from pathlib import Path

    click(qtbot, calibrated, method)
    idle()
    output = Path(str(tmp_path)) / "out.onnx"
    with qtbot.waitSignal(calibrated.files.saved, timeout=60_000) as saved:
        calibrated.save_quantized(output)
    assert saved.args is not None
    result = saved.args[0]
    assert result.recovery is not None
    assert [step.method for step in result.recovery.steps] == ["", method]
    assert result.verification.agrees
    idle()
