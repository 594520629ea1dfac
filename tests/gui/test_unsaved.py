"""Choices that are not saved are asked for before they are lost; nothing ever waits in a loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow
from inspector.quant.spec import QuantSpec
from inspector.session.recipe import load_recipe

Idle = Callable[[], None]
LAYER = "/block1/conv1/conv/Conv"


@pytest.fixture
def dirty(opened: MainWindow, idle: Idle) -> MainWindow:
    """A window with one choice that is not saved."""
    opened.bridge.set_specs((LAYER,), QuantSpec.parse("int4"), None)
    idle()
    return opened


def question(window: MainWindow) -> QMessageBox:
    """The question that is asked now."""
    box = window.findChild(QMessageBox, "unsavedDialog")
    assert box is not None
    assert box.isVisible()
    return box


def press(qtbot: QtBot, window: MainWindow, name: str) -> None:
    """Answer the question with the mouse."""
    button = question(window).findChild(QPushButton, name)
    assert button is not None
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.keeping.unsaved.box is None)
    QApplication.processEvents()


def save_as(monkeypatch: pytest.MonkeyPatch, path: Path | None) -> None:
    """What the file dialog answers from now on."""
    name = str(path) if path is not None else ""
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (name, ""))


def test_closing_asks_and_can_be_called_off(qtbot: QtBot, dirty: MainWindow) -> None:
    """With the model and the last change in the question; Esc stays."""
    assert not dirty.close()
    assert dirty.isVisible()
    box = question(dirty)
    assert "digits_cnn.onnx" in box.text()
    assert "1 change" in box.informativeText()
    assert LAYER in box.informativeText()
    qtbot.keyClick(box, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: dirty.keeping.unsaved.box is None)
    QApplication.processEvents()
    assert dirty.isVisible()
    assert dirty.document.is_dirty
    assert not dirty.close(), "it asks again"
    press(qtbot, dirty, "unsavedCancel")
    assert dirty.isVisible()


def test_discarding_closes(qtbot: QtBot, dirty: MainWindow) -> None:
    """And leaves nothing behind that would be offered."""
    dirty.close()
    press(qtbot, dirty, "unsavedDiscard")
    qtbot.waitUntil(lambda: not dirty.isVisible())
    assert dirty.keeping.autosave.path is None


def test_closing_twice_closes(dirty: MainWindow) -> None:
    """A program that closes the window never hangs on the question."""
    assert not dirty.close()
    assert dirty.close()
    assert not dirty.isVisible()
    assert dirty.findChild(QMessageBox, "unsavedDialog") is None or not any(
        widget.isVisible() for widget in QApplication.topLevelWidgets()
    )


def test_saving_the_recipe_closes(
    qtbot: QtBot, dirty: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is written."""
    path = tmp_path / "mine.toml"
    save_as(monkeypatch, path)
    dirty.close()
    press(qtbot, dirty, "unsavedRecipe")
    qtbot.waitUntil(lambda: not dirty.isVisible())
    assert load_recipe(path).override_for(LAYER) is not None


def test_saving_the_model_closes_when_it_is_done(
    qtbot: QtBot,
    dirty: MainWindow,
    idle: Idle,
    sample_models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The window stays until the file is there and proved."""
    dirty.open_path(sample_models / "digits_calibration.npz")
    idle()
    save_as(monkeypatch, tmp_path / "small.onnx")
    dirty.close()
    press(qtbot, dirty, "unsavedSave")
    assert dirty.isVisible()
    qtbot.waitUntil(lambda: not dirty.isVisible(), timeout=30_000)
    assert (tmp_path / "small.onnx").exists()


def test_a_save_that_fails_keeps_the_window(
    qtbot: QtBot, dirty: MainWindow, idle: Idle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No name, or no calibration: nothing was saved; and a later save closes nothing."""
    save_as(monkeypatch, None)
    for button in ("unsavedRecipe", "unsavedSave"):
        dirty.close()
        press(qtbot, dirty, button)
        assert dirty.isVisible()
        assert dirty.document.is_dirty
    save_as(monkeypatch, tmp_path / "small.onnx")
    dirty.close()
    press(qtbot, dirty, "unsavedSave")
    idle()
    assert dirty.isVisible()
    assert "calibration data" in dirty.messages.text()
    dirty.files.save_recipe(tmp_path / "mine.toml")
    idle()
    assert dirty.isVisible()


def test_opening_another_model_asks(
    qtbot: QtBot, dirty: MainWindow, idle: Idle, sample_models: Path
) -> None:
    """Cancel stays with the one, Discard goes to the other; data takes nothing away."""
    dirty.open_path(sample_models / "digits_calibration.npz")
    assert dirty.keeping.unsaved.box is None
    idle()
    assert dirty.document.calibration is not None
    dirty.open_path(sample_models / "digits_mobile.onnx")
    press(qtbot, dirty, "unsavedCancel")
    idle()
    assert dirty.document.opened.path.name == "digits_cnn.onnx"
    dirty.open_path(sample_models / "digits_mobile.onnx")
    press(qtbot, dirty, "unsavedDiscard")
    idle()
    assert dirty.document.opened.path.name == "digits_mobile.onnx"
    assert not dirty.document.is_dirty


def test_an_opened_recipe_is_saved_already(opened: MainWindow, idle: Idle, tmp_path: Path) -> None:
    """It is in its file; taking it back is a change."""
    path = tmp_path / "mine.toml"
    path.write_text('version = 1\n[default]\nweights = "int4"\n')
    opened.open_path(path)
    idle()
    assert not opened.document.is_dirty
    opened.bridge.undo()
    assert opened.document.is_dirty
    opened.bridge.redo()
    assert opened.close(), "nothing would be lost, so nothing is asked"
    assert not opened.isVisible()


def test_the_end_of_the_session_keeps_all_and_asks_nothing(dirty: MainWindow) -> None:
    """Logging out is not held up; the work is offered at the next start."""
    application = QGuiApplication.instance()
    assert isinstance(application, QGuiApplication)
    application.commitDataRequest.emit(None)
    dirty.bridge.set_specs((LAYER,), QuantSpec.parse("int5"), None)
    assert not dirty.close(), "it was called off, and work went on"
    dirty.keeping.unsaved.give_up()
    application.commitDataRequest.emit(None)
    path = dirty.keeping.autosave.path
    assert path is not None
    assert path.exists()
    assert dirty.close()
    assert path.exists()
