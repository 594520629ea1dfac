"""The first steps are told once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from inspector.gui.guide import GUIDE_KEY, Guide
from inspector.gui.main_window import MainWindow
from inspector.gui.settings import write_setting


def test_the_guide_comes_with_the_first_model(
    qtbot: QtBot, window: MainWindow, idle: Callable[[], None], sample_models: Path
) -> None:
    """It covers nothing, goes at a click, and stays away."""
    write_setting(GUIDE_KEY, "no")
    assert not window.guide.isVisible()
    window.open_path(sample_models / "digits_cnn.onnx")
    idle()
    assert window.guide.isVisible()
    assert "calibration data" in window.guide.label.text()
    assert not window.guide.geometry().intersects(window.stack.geometry())
    qtbot.mouseClick(window.guide.button, Qt.MouseButton.LeftButton)
    assert not window.guide.isVisible()
    window.open_path(sample_models / "digits_mobile.onnx")
    idle()
    assert not window.guide.isVisible()


def test_dismissing_is_remembered(qtbot: QtBot) -> None:
    """By the next window, too; with the keyboard as with the mouse."""
    write_setting(GUIDE_KEY, "no")
    first, second = Guide(), Guide()
    for guide in (first, second):
        qtbot.addWidget(guide)
    first.model_opened(has_layers=True)
    assert first.isVisible()
    qtbot.keyClick(first.button, Qt.Key.Key_Space)
    second.model_opened(has_layers=True)
    assert not second.isVisible()


def test_a_model_without_layers_needs_no_guide(qtbot: QtBot) -> None:
    """There is nothing to quantize; the next model may have layers."""
    write_setting(GUIDE_KEY, "no")
    guide = Guide()
    qtbot.addWidget(guide)
    guide.model_opened(has_layers=False)
    assert not guide.isVisible()
    guide.model_opened(has_layers=True)
    assert guide.isVisible()


def test_messages_take_its_place(window: MainWindow) -> None:
    """Two bars one under the other would be loud; it comes back after them, unless dismissed."""
    write_setting(GUIDE_KEY, "no")
    window.guide.model_opened(has_layers=True)
    assert window.guide.isVisible()
    first = window.messages.show_message("info", "One.")
    window.messages.show_message("warning", "Two.")
    assert not window.guide.isVisible()
    first.dismiss()
    assert not window.guide.isVisible()
    window.messages.clear()
    assert window.guide.isVisible()
    window.guide.dismiss()
    window.messages.show_message("info", "One.").dismiss()
    assert not window.guide.isVisible()
