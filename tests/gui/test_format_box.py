"""Choosing the form of the file: clicks and keys in the window, undo, and what it changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from inspector.gui.format_box import FormatBox
from inspector.gui.main_window import MainWindow
from inspector.quant.spec import FLOAT
from inspector.session.formats import FORMATS
from inspector.session.recipe import Recipe

Idle = Callable[[], None]
LEFT = Qt.MouseButton.LeftButton


def _choose(window: MainWindow, name: str, qtbot: QtBot) -> None:
    """By keyboard, as a user does: the next until it is there, or the one before."""
    combo = window.panel.format.combo
    combo.setFocus()
    wanted = combo.findData(name)
    while combo.currentIndex() != wanted:
        key = Qt.Key.Key_Down if combo.currentIndex() < wanted else Qt.Key.Key_Up
        qtbot.keyClick(combo, key)


def test_every_form_says_what_it_is(qtbot: QtBot) -> None:
    """In a tooltip; and each can be chosen."""
    box = FormatBox()
    qtbot.addWidget(box)
    for at, (name, form) in enumerate(FORMATS.items()):
        assert box.combo.itemData(at) == name
        assert form.title in box.combo.itemData(at, Qt.ItemDataRole.ToolTipRole)
    box.show_recipe(Recipe(format="weight-only", matmul_nbits=True))
    assert box.combo.currentText() == "Weight-only"
    assert not box.nbits.isHidden()
    assert box.nbits.isChecked()
    assert not box.integers.isEnabled()
    assert "no grids" in box.integers.toolTip()
    box.show_recipe(Recipe(integer_io=True))
    assert box.nbits.isHidden()
    assert box.integers.isChecked()


def test_a_choice_is_one_step_and_the_defaults_follow(
    calibrated: MainWindow, qtbot: QtBot, idle: Idle
) -> None:
    """Weights alone: activations become float, and are again what they were behind undo."""
    window, document = calibrated, calibrated.document
    before = document.recipe
    _choose(window, "weight-only", qtbot)
    idle()
    assert document.recipe.format == "weight-only"
    assert document.recipe.default.activations == FLOAT
    assert window.panel.format.combo.currentText() == "Weight-only"
    qtbot.mouseClick(window.panel.format.nbits, LEFT, pos=window.panel.format.nbits.rect().center())
    assert document.recipe.matmul_nbits
    while document.recipe != before:
        window.actions_["actionUndo"].trigger()
    idle()
    assert window.panel.format.combo.currentText() == "QDQ"


@pytest.mark.parametrize("form", ["qoperator", "dynamic", "simulated"])
def test_what_is_saved_is_what_was_chosen(
    calibrated: MainWindow, qtbot: QtBot, idle: Idle, tmp_path: Path, form: str
) -> None:
    """The estimate follows the form, and the file does what the estimate says."""
    window = calibrated
    _choose(window, form, qtbot)
    idle()
    if form == "qoperator":
        box = window.panel.format.integers
        qtbot.mouseClick(box, LEFT, pos=box.rect().center())
        idle()
        assert window.document.recipe.integer_io
    with qtbot.waitSignal(window.files.saved, timeout=20_000) as caught:
        window.save_quantized(tmp_path / "out.onnx")
    verification = caught.args[0].verification
    assert verification.agrees
    ops = {node.op_type for node in onnx.load(tmp_path / "out.onnx").graph.node}
    wanted = {"qoperator": "QLinearConv", "dynamic": "MatMulInteger", "simulated": "Conv"}
    assert wanted[form] in ops


def test_types_that_the_form_has_not_say_why(
    calibrated: MainWindow, qtbot: QtBot, idle: Idle
) -> None:
    """They cannot be chosen, with the reason of the form."""
    window = calibrated
    _choose(window, "qoperator", qtbot)
    idle()
    combo = window.panel.findChild(type(window.panel.format.combo), "weightDtype")
    at = next(i for i in range(combo.count()) if combo.itemText(i).startswith("int3"))
    assert not combo.model().flags(combo.model().index(at, 0)) & Qt.ItemFlag.ItemIsEnabled
    assert "QOperator" in str(combo.itemData(at, Qt.ItemDataRole.ToolTipRole))
