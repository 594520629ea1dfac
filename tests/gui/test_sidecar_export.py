"""Exporting encodings from the window: what will be in the file, or why there can be none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow
from inspector.gui.sidecar_export import SidecarDialog
from inspector.onnxio.encodings import FORMATS
from inspector.quant.spec import QuantSpec
from inspector.session.edits import set_default

Idle = Callable[[], None]


@pytest.fixture
def dialog(calibrated: MainWindow, idle: Idle, qtbot: QtBot) -> SidecarDialog:
    """The dialog as the keys open it."""
    qtbot.keyClick(
        calibrated,
        Qt.Key.Key_E,
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
    )
    found = calibrated.findChild(SidecarDialog)
    assert found is not None
    idle()
    return found


def choose(dialog: SidecarDialog, name: str, idle: Idle) -> None:
    """Another toolchain."""
    dialog.format.setCurrentIndex(dialog.format.findData(name))
    idle()


def test_the_file_is_shown_before_it_is_written(
    calibrated: MainWindow,
    dialog: SidecarDialog,
    idle: Idle,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And is what was shown; the numbers are those of the window's choices."""
    choose(dialog, "aimet", idle)
    dialog.version.setCurrentText("2.0.0")
    idle()
    shown = dialog.text.toPlainText()
    assert '"version": "2.0.0"' in shown
    dialog.float_model.setChecked(True)
    path = tmp_path / "net.encodings"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    qtbot.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    idle()
    entries = {one["name"]: one for one in json.loads(path.read_text())["encodings"]}
    grids = calibrated.bridge.grids
    assert grids is not None
    layer = calibrated.document.layers[0]
    grid = grids.at(layer.activations[0], layer.name)
    assert entries[layer.activations[0]]["y_scale"] == float(grid.scale)
    assert entries[layer.weight]["y_scale"] == grids.weights[layer.name].scale.tolist()
    assert path.read_text().startswith(shown.removesuffix("\n…")[:500])
    assert (tmp_path / "net_float.onnx").is_file()
    assert "net.encodings and net_float.onnx" in calibrated.messages.text()


def test_what_cannot_be_expressed_says_why(
    calibrated: MainWindow, dialog: SidecarDialog, idle: Idle
) -> None:
    """Nothing can be exported then; another toolchain may take it."""
    choose(dialog, "ncnn", idle)
    assert not dialog.accept_button.isEnabled()
    assert "not symmetric" in dialog.notes.text()
    assert dialog.text.toPlainText() == ""
    choose(dialog, "qnn", idle)
    assert dialog.accept_button.isEnabled()
    assert "--bias_bitwidth" in dialog.notes.text()
    dialog.reject()
    calibrated.bridge.apply(set_default(activations=QuantSpec.parse("int8:sym")))
    idle()
    again = calibrated.handouts.sidecars.ask()
    choose(again, "ncnn", idle)
    assert again.accept_button.isEnabled()
    assert again.text.toPlainText().startswith(f"{calibrated.document.layers[0].name}_param_0 ")


def test_every_toolchain_shows_a_file_or_a_reason(dialog: SidecarDialog, idle: Idle) -> None:
    """None leaves both away."""
    for name, form in FORMATS.items():
        choose(dialog, name, idle)
        assert dialog.version.isVisibleTo(dialog) == (len(form.versions) > 1)
        assert dialog.accept_button.isEnabled() == bool(dialog.text.toPlainText())
        assert dialog.accept_button.isEnabled() or dialog.notes.text()


def test_without_a_calibration_it_says_so(opened: MainWindow, idle: Idle, qtbot: QtBot) -> None:
    """Activations have no numbers then."""
    opened.actions_["actionEncodings"].trigger()
    idle()
    dialog = opened.findChild(SidecarDialog)
    assert dialog is not None
    assert not dialog.accept_button.isEnabled()
    assert "calibrate" in dialog.notes.text()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: opened.findChild(SidecarDialog) is None)


def test_encodings_that_are_dropped_become_the_recipe(
    calibrated: MainWindow, dialog: SidecarDialog, idle: Idle, tmp_path: Path
) -> None:
    """One step that can be undone; what the layers get is what the file says."""
    choose(dialog, "aimet", idle)
    assert dialog.numbers is not None
    path = tmp_path / "net.encodings"
    path.write_text(FORMATS["aimet"].write(dialog.numbers.encodings(), "1.0.0").text)
    dialog.reject()
    before = calibrated.document.recipe
    calibrated.open_path(path)
    idle()
    assert "net.encodings" in calibrated.messages.text()
    layer = calibrated.document.layers[0]
    assert "range[" in str(calibrated.document.specs_of(layer.name).activations)
    calibrated.bridge.undo()
    assert calibrated.document.recipe == before
    path.write_text("{}")
    calibrated.open_path(path)
    idle()
    assert "holds no encodings" in calibrated.messages.text()
    assert calibrated.document.recipe == before
