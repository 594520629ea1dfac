"""The models that were opened last."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow
from inspector.gui.recent import MOST, RecentFiles, short_path
from inspector.gui.settings import write_setting
from inspector.gui.tasks import Tasks

Idle = Callable[[], None]


@pytest.fixture
def recent(qtbot: QtBot) -> RecentFiles:
    """A list of its own."""
    return RecentFiles(Tasks())


def entries(window: MainWindow) -> list[QAction]:
    """The files in the menu, as they are when it opens."""
    window.actions_.recent.aboutToShow.emit()
    return [action for action in window.actions_.recent.actions() if action.data()]


def test_the_newest_comes_first(recent: RecentFiles) -> None:
    """Each once, and no more than a few."""
    for number in range(MOST + 3):
        recent.add(Path(f"/m/{number}.onnx"))
    recent.add(Path("/m/5.onnx"))
    names = [path.name for path in recent.paths()]
    assert names[:2] == ["5.onnx", f"{MOST + 2}.onnx"]
    assert len(names) == MOST
    assert len(set(names)) == MOST
    recent.clear()
    assert recent.paths() == []


@pytest.mark.parametrize(
    "stored",
    ["", "{", "[1, 2]", '"a"', "{}", "[" * 100_000, json.dumps(["", "a\0b", "x" * 9999, None])],
)
def test_a_spoilt_list_is_no_list(recent: RecentFiles, stored: str) -> None:
    """Settings are a file that anybody may edit."""
    write_setting("recent/models", stored)
    assert recent.paths() == []


@pytest.mark.parametrize(
    "name", ["a\nb.onnx", "模型.onnx", "<script>.onnx", "a&b, c.onnx", "x" * 200 + ".onnx"]
)
def test_names_of_every_kind_are_kept(recent: RecentFiles, name: str) -> None:
    """And shown in a line that is not too long."""
    path = Path("/models") / name
    recent.add(path)
    assert recent.paths() == [path]
    assert len(short_path(path)) < 160
    assert "\n" not in short_path(path)


def test_the_menu_opens_what_it_shows(
    window: MainWindow, idle: Idle, sample_models: Path, tmp_path: Path
) -> None:
    """What is gone is grey and says so; clearing empties it."""
    gone = tmp_path / "gone.onnx"
    shutil.copy(sample_models / "digits_cnn.onnx", gone)
    for path in (gone, sample_models / "digits_mobile.onnx"):
        window.open_path(path)
        idle()
    gone.unlink()
    entries(window)
    idle()
    first, second = entries(window)
    assert "digits_mobile.onnx" in first.text()
    assert first.isEnabled()
    assert not second.isEnabled()
    assert "not there" in second.toolTip()
    window.open_path(sample_models / "digits_cnn.onnx")
    idle()
    again = next(e for e in entries(window) if "digits_mobile" in e.text())
    again.trigger()
    idle()
    assert window.document.opened.path.name == "digits_mobile.onnx"
    clear = window.actions_.recent.findChild(QAction, "actionClearRecent")
    assert clear is not None
    clear.trigger()
    assert entries(window) == []
    assert not window.actions_.recent.actions()[-1].isEnabled()


def test_the_welcome_page_shows_them(
    qtbot: QtBot, window: MainWindow, idle: Idle, sample_models: Path, tmp_path: Path
) -> None:
    """A click opens; what is missing is not shown."""
    window.keeping.recent.add(tmp_path / "gone.onnx")
    window.keeping.recent.add(sample_models / "digits_cnn.onnx")
    window.keeping.recent.look()
    idle()
    (button,) = window.welcome.recent_buttons
    assert "digits_cnn.onnx" in button.text()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    idle()
    assert window.document.opened.path.name == "digits_cnn.onnx"
