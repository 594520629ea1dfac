"""Exporting a training script from the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow

Idle = Callable[[], None]
KEYS = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


def test_a_script_is_written_beside_what_it_starts_from(
    calibrated: MainWindow,
    idle: Idle,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By keys; a name without an ending gets one."""
    asked = str(tmp_path / "tune")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (asked, ""))
    qtbot.keyClick(calibrated, Qt.Key.Key_Q, KEYS)
    idle()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tune.py", "tune_start.onnx"]
    assert "Exported tune.py and tune_start.onnx" in calibrated.messages.text()
    assert "def load_data(path, inputs):" in (tmp_path / "tune.py").read_text()


def test_without_a_calibration_it_says_so(
    opened: MainWindow, idle: Idle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And writes nothing."""
    asked = str(tmp_path / "tune.py")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (asked, ""))
    opened.actions_["actionTraining"].trigger()
    idle()
    assert "nothing is known of them" in opened.messages.text()
    assert list(tmp_path.iterdir()) == []
