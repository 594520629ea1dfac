"""The dialog that asks for a cluster, and the work that then goes there."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from inspector.evaluate import cluster
from inspector.gui.cluster import SETTING, ClusterDialog, scheduler
from inspector.gui.main_window import MainWindow
from inspector.gui.settings import write_setting

Idle = Callable[[], None]


def asked(window: MainWindow) -> ClusterDialog:
    """The dialog, as the menu brings it up."""
    window.actions_["actionCluster"].trigger()
    dialog = window.panels.cluster
    assert dialog is not None
    return dialog


def click(qtbot: QtBot, button: QPushButton) -> None:
    """With the left button."""
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_an_address_is_kept_and_taken_back(qtbot: QtBot, window: MainWindow) -> None:
    """What is no address cannot be used; nothing at all means this machine."""
    dialog = asked(window)
    assert "this machine" in dialog.words.text()
    assert not dialog.check.isEnabled()
    qtbot.keyClicks(dialog.address, "tcp://somewhere")
    assert not dialog.use.isEnabled()
    assert "no address" in dialog.words.text()
    qtbot.keyClicks(dialog.address, ":8786")
    click(qtbot, dialog.use)
    assert scheduler() == "tcp://somewhere:8786"
    assert window.panels.cluster is None

    dialog = asked(window)
    assert dialog.address.text() == "tcp://somewhere:8786"
    dialog.address.clear()
    click(qtbot, dialog.use)
    assert scheduler() is None


def test_check_says_that_nobody_is_there(qtbot: QtBot, window: MainWindow) -> None:
    """In the dialog, and the window stays as it was."""
    pytest.importorskip("distributed")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    dialog = asked(window)
    dialog.address.setText(f"tcp://127.0.0.1:{port}")
    with qtbot.waitSignal(dialog.checked, timeout=20_000):
        click(qtbot, dialog.check)
    assert "No Dask scheduler answers" in dialog.words.text()
    assert dialog.check.isEnabled()
    assert "scheduler" not in window.messages.text()
    dialog.reject()


def test_long_work_goes_to_the_cluster(
    qtbot: QtBot,
    opened: MainWindow,
    idle: Idle,
    sample_models: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calibration, sensitivities and search; the figures are those of this machine."""
    window, used = opened, []

    @contextmanager
    def executor_at(address: str | None) -> Iterator[Executor | None]:
        used.append(address)
        if address is None:
            yield None
            return
        with ThreadPoolExecutor(2) as pool:
            yield pool

    monkeypatch.setattr(cluster, "executor_at", executor_at)
    found = []
    for address in ("", "tcp://somewhere:8786"):
        write_setting(SETTING, address)
        window.open_path(sample_models / "digits_calibration.npz")
        idle()
        for name in ("actionSensitivity", "actionSearch"):
            window.actions_[name].trigger()
            idle()
            qtbot.waitUntil(window.mixing.is_settled, timeout=20_000)
        mixing = window.mixing
        assert window.document.calibration is not None
        found.append(
            (
                window.document.calibration.tensors,
                dict(mixing.sensitivities.outcomes),
                [(one.key, one.point.outcome) for one in mixing.mixed.tried],
            )
        )
    assert found[0] == found[1]
    assert used == [None, *["tcp://somewhere:8786"] * 3]


def test_a_cluster_that_is_gone_is_told(qtbot: QtBot, calibrated: MainWindow, idle: Idle) -> None:
    """In the message bar; what was known stays."""
    pytest.importorskip("distributed")
    write_setting(SETTING, "tcp://127.0.0.1:1")
    calibrated.actions_["actionSensitivity"].trigger()
    idle()
    said = "No Dask scheduler answers"
    qtbot.waitUntil(lambda: said in calibrated.messages.text(), timeout=20_000)
    assert not calibrated.mixing.sensitivities.is_running
