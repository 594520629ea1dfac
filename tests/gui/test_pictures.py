"""How pictures are fed: found in the model, asked for in a dialog, doubted where labels say so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from inspector.evaluate.data import load_data
from inspector.evaluate.image_options import ImageOptions
from inspector.evaluate.inputs import InputSpec
from inspector.gui.main_window import MainWindow
from inspector.gui.picture_dialog import PRESETS, PictureDialog, seen_by_model

Idle = Callable[[], None]
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def fed(window: MainWindow, idle: Idle, colours: Path) -> MainWindow:
    """A window with the classifier of colours and its pictures."""
    window.open_path(colours / "model.onnx")
    idle()
    window.open_path(colours / "pictures")
    idle()
    return window


def ask(qtbot: QtBot, window: MainWindow) -> PictureDialog:
    """Press the keys of the dialog."""
    qtbot.keyClick(
        window,
        Qt.Key.Key_I,
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
    )
    dialog = window.pictures.dialog
    assert dialog is not None
    return dialog


def test_the_model_decides_and_it_is_said(fed: MainWindow) -> None:
    """Blue first, 0 to 255: the float model is right then, and the strip says so."""
    assert "BGR 8x8 NCHW" in fed.messages.text()
    assert "it takes 0 to 255, blue first" in fed.messages.text()
    assert fed.strip.text("accuracy").startswith("Accuracy 100 % → ≈ 100 %")


def test_another_order_is_typed(qtbot: QtBot, fed: MainWindow, idle: Idle, colours: Path) -> None:
    """It is checked while it is typed, carried out, and kept for the next data of the model."""
    dialog = ask(qtbot, fed)
    assert dialog.preset.currentText() == "As the model suggests"
    dialog.text.setFocus()
    qtbot.keyClicks(dialog.text, "channels=RG")
    assert not dialog.use.isEnabled()
    assert "RGB" in dialog.words.text()
    qtbot.keyClicks(dialog.text, "B")
    assert dialog.use.isEnabled()
    qtbot.mouseClick(dialog.use, LEFT)
    idle()
    assert fed.pictures.dialog is None
    assert fed.files.images == ImageOptions(channels="RGB")
    assert "RGB 8x8 NCHW" in fed.messages.text()
    data = load_data(
        colours / "pictures",
        fed.document.graph,
        images=ImageOptions.parse("channels=RGB scale=1 mean=0 std=1"),
    )
    assert fed.document.dataset is not None
    for mine, wanted in zip(fed.document.dataset.samples(), data.samples(), strict=True):
        np.testing.assert_array_equal(mine["x"], wanted["x"])
    assert not fed.strip.text("accuracy").startswith("Accuracy 100 %")


def test_presets_and_fits_write_the_text(qtbot: QtBot, fed: MainWindow) -> None:
    """By keyboard; what they write is what is read, and Esc changes nothing."""
    dialog = ask(qtbot, fed)
    for name, text in PRESETS.items():
        dialog.preset.setCurrentText(name)
        dialog.preset.activated.emit(dialog.preset.currentIndex())
        assert dialog.options() == ImageOptions.parse(text)
        assert dialog.preset.currentText() == name
    dialog.fit.setFocus()
    qtbot.keyClick(dialog.fit, Qt.Key.Key_End)
    options = dialog.options()
    assert options is not None
    assert options.fit == "letterbox"
    assert "letterbox" in dialog.words.text()
    qtbot.waitUntil(lambda: not dialog.image.pixmap().isNull())
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert fed.pictures.dialog is None
    assert fed.files.images == ImageOptions()


def test_the_preview_is_what_the_model_gets(tmp_path: Path) -> None:
    """Cut as it is fed; where blue goes first, red and blue change places to the eye."""
    Image.new("RGB", (40, 20), (200, 100, 50)).save(tmp_path / "a.png")
    spec = InputSpec("x", "float32", ("N", 3, 10, 10))
    for text, wanted in (("channels=RGB", [200, 100, 50]), ("channels=BGR", [50, 100, 200])):
        plan = ImageOptions.parse(text).filled(spec)
        pixels = seen_by_model(tmp_path / "a.png", spec, plan)
        assert pixels.shape == (10, 10, 3)
        assert pixels[5, 5].tolist() == wanted
    gray = InputSpec("x", "float32", ("N", 1, 10, 10))
    assert seen_by_model(tmp_path / "a.png", gray, ImageOptions().filled(gray)).shape == (10, 10, 3)


def test_labels_that_never_fit_are_doubted(
    qtbot: QtBot, window: MainWindow, idle: Idle, colours: Path, tmp_path: Path
) -> None:
    """Once, with the dialog one click away."""
    pictures = tmp_path / "pictures"
    shutil.copytree(colours / "pictures", pictures)
    rows = [f"{n}.png,{(n + 1) % 3}" for n in range(12)]
    for n in range(12, 30):
        shutil.copy(pictures / f"{n % 12}.png", pictures / f"{n}.png")
        rows.append(f"{n}.png,{(n + 1) % 3}")
    (pictures / "labels.csv").write_text("\n".join(rows))
    window.open_path(colours / "model.onnx")
    idle()
    window.open_path(pictures)
    idle()
    doubts = [m for m in window.messages.messages() if "labels right" in m.text]
    assert len(doubts) == 1
    assert window.strip.text("accuracy").startswith("Accuracy 0 %")
    button = doubts[0].findChild(QPushButton, "messageAction")
    assert button is not None
    qtbot.mouseClick(button, LEFT)
    assert window.pictures.dialog is not None
    window.pictures.dialog.reject()


def test_what_takes_no_pictures_offers_none(
    window: MainWindow, idle: Idle, shared_models: Path
) -> None:
    """A model of tokens."""
    assert not window.actions_["actionImages"].isEnabled()
    window.open_path(shared_models / "float" / "charlm.onnx")
    idle()
    assert not window.actions_["actionImages"].isEnabled()
    window.pictures.ask()
    assert window.pictures.dialog is None
