"""What the tests of the window share: a window of their own, and settings nobody else sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from pytestqt.qtbot import QtBot

from inspector.gui.guide import GUIDE_KEY
from inspector.gui.main_window import MainWindow
from inspector.gui.settings import write_setting
from inspector.session.slots import STATE_VARIABLE


@pytest.fixture(autouse=True)
def _own_settings(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep the user's settings and sessions out of the tests, and the tests out of them."""
    folder = tmp_path_factory.mktemp("user")
    settings = str(folder / "settings")
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, settings)
    monkeypatch.setenv(STATE_VARIABLE, str(folder / "state"))
    write_setting(GUIDE_KEY, "yes")  # the first steps are for people


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[MainWindow]:
    """An empty window on the (offscreen) screen."""
    made = MainWindow()
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.close_now()


@pytest.fixture
def idle(qtbot: QtBot, window: MainWindow) -> Callable[[], None]:
    """Wait until nothing runs in the background."""

    def wait() -> None:
        def quiet() -> bool:
            views = (window.presenter, window.graphs, window.graph)
            return not window.tasks.is_busy() and all(view.is_settled() for view in views)

        qtbot.waitUntil(quiet, timeout=30_000)

    return wait


@pytest.fixture
def opened(window: MainWindow, idle: Callable[[], None], sample_models: Path) -> MainWindow:
    """A window with the sample network."""
    window.open_path(sample_models / "digits_cnn.onnx")
    idle()
    assert window.document.is_open
    return window


@pytest.fixture
def calibrated(opened: MainWindow, idle: Callable[[], None], sample_models: Path) -> MainWindow:
    """A window with the sample network and its calibration data."""
    opened.open_path(sample_models / "digits_calibration.npz")
    idle()
    assert opened.document.calibration is not None
    return opened
