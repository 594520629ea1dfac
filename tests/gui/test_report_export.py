"""Reports from the window: looked at first, then saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow
from inspector.gui.report_export import ReportDialog
from inspector.report.units import decibel_text

Idle = Callable[[], None]


def test_a_report_is_shown_and_saved(
    calibrated: MainWindow,
    idle: Idle,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its figures are those that the window shows; every format can be had."""
    calibrated.actions_["actionReport"].trigger()
    idle()
    dialog = calibrated.findChild(ReportDialog)
    assert dialog is not None
    text = dialog.text.toPlainText()
    for name, sqnr in calibrated.bridge.all_sqnr().items():
        assert name in text
        assert decibel_text(sqnr) in text
    for name in ("r.html", "r.pdf", "r.csv"):
        path = tmp_path / name
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, path=path: (str(path), ""))
        qtbot.mouseClick(dialog.save, Qt.MouseButton.LeftButton)
        idle()
        assert path.stat().st_size > 500
        assert name in calibrated.messages.text()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: calibrated.findChild(ReportDialog) is None)


def test_without_a_calibration_it_is_refused(opened: MainWindow, idle: Idle) -> None:
    """In the message bar; nothing is shown."""
    opened.actions_["actionReport"].trigger()
    idle()
    assert opened.findChild(ReportDialog) is None
    assert "nothing is known" in opened.messages.text()
