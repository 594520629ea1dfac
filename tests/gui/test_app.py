"""The program with a window, as the command line starts it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from inspector.gui.app import run_window
from inspector.gui.main_window import MainWindow


def test_the_window_opens_what_it_is_given(
    qtbot: QtBot, sample_models: Path, tmp_path: Path
) -> None:
    """Model, data and recipe, in one go; closing the window ends the program."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('version = 1\n[default]\nweights = "int6"\nactivations = "uint8"\n')
    seen: list[str] = []

    def look() -> None:
        windows = [w for w in QApplication.topLevelWidgets() if isinstance(w, MainWindow)]
        window = next(w for w in windows if w.isVisible())
        if not window.document.is_open or window.tasks.is_busy():
            return
        timer.stop()
        seen.append(window.document.opened.path.name)
        seen.append(str(window.document.recipe.default.weights))
        seen.append(window.strip.text("data"))
        window.close()

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(20)
    model = sample_models / "digits_cnn.onnx"
    assert run_window(model, sample_models / "digits_calibration.npz", recipe) == 0
    assert seen[:2] == ["digits_cnn.onnx", "int6"]
    assert "digits_calibration.npz" in seen[2]
