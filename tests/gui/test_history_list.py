"""The history in a panel: names, the present step, and the way to any other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QFont
from PySide6.QtWidgets import QApplication, QListView, QWidget
from pytestqt.qtbot import QtBot

from inspector.gui.history_list import HistoryList
from inspector.gui.main_window import MainWindow
from inspector.gui.theme import LIGHT
from inspector.quant.spec import QuantSpec

Idle = Callable[[], None]
LAYER = "/block1/conv1/conv/Conv"


@pytest.fixture
def stepped(qtbot: QtBot, opened: MainWindow, idle: Idle) -> MainWindow:
    """A window with three changes, and its history open."""
    for text in ("int4", "int5", "int6"):
        opened.bridge.set_specs((LAYER,), QuantSpec.parse(text), None)
    idle()
    qtbot.keyClick(opened, Qt.Key.Key_H, Qt.KeyboardModifier.ControlModifier)
    assert opened.panels.history.isVisible()
    return opened


def rows(window: MainWindow) -> list[str]:
    """What the list shows."""
    model = window.panels.history.model
    return [str(model.index(row).data()) for row in range(model.rowCount())]


def click(qtbot: QtBot, window: MainWindow, row: int) -> None:
    """Click a step."""
    view = window.findChild(QListView, "historyList")
    assert view is not None
    place = view.visualRect(view.model().index(row, 0)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_a_click_goes_to_a_step(qtbot: QtBot, stepped: MainWindow, idle: Idle) -> None:
    """The present one is marked, the panel stays, and what was taken back is faint."""
    shown = rows(stepped)
    assert shown == [
        "○  Opened",
        f"○  {LAYER}: weights to int4",
        f"○  {LAYER}: weights to int5",
        f"●  {LAYER}: weights to int6",
    ]
    assert stepped.panels.history.note.text() == "3 changes"
    assert stepped.panels.history.list.currentIndex().row() == 3
    click(qtbot, stepped, 1)
    idle()
    assert str(stepped.document.specs_of(LAYER).weights).startswith("int4")
    assert rows(stepped)[1].startswith("●")
    history = stepped.panels.history
    assert history.isVisible()
    assert "2 taken back" in history.note.text()
    muted = QColor(stepped.themes.theme.muted)
    assert history.model.index(3).data(Qt.ItemDataRole.ForegroundRole) == muted
    click(qtbot, stepped, 3)
    assert str(stepped.document.specs_of(LAYER).weights).startswith("int6")
    click(qtbot, stepped, 0)
    assert not stepped.document.can_undo
    assert not stepped.document.is_dirty


def test_the_keyboard_goes_there_and_leaves(qtbot: QtBot, stepped: MainWindow) -> None:
    """Arrows choose, Enter goes, Esc closes and gives the focus back."""
    view = stepped.panels.history.list
    assert QApplication.focusWidget() is view
    for _ in range(2):
        qtbot.keyClick(view, Qt.Key.Key_Up)
    qtbot.keyClick(view, Qt.Key.Key_Return)
    assert stepped.document.position == 1
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert not stepped.panels.history.isVisible()
    assert QApplication.focusWidget() is stepped.graph


def test_it_follows_and_closes(qtbot: QtBot, stepped: MainWindow, idle: Idle) -> None:
    """Undo moves the mark, a change takes the place of what was taken back, a click closes."""
    stepped.bridge.undo()
    assert rows(stepped)[2].startswith("●")
    stepped.bridge.set_specs((LAYER,), QuantSpec.parse("float"), None)
    assert rows(stepped)[3] == f"●  {LAYER}: weights to float"
    assert len(rows(stepped)) == 4
    idle()
    qtbot.mouseClick(stepped.strip, Qt.MouseButton.LeftButton, pos=QPoint(3, 3))
    assert not stepped.panels.history.isVisible()
    for shown in (True, False):
        stepped.actions_["actionHistory"].trigger()
        assert stepped.panels.history.isVisible() is shown


def test_without_a_model_it_says_so(window: MainWindow) -> None:
    """There is a start, and nothing after it."""
    window.actions_["actionHistory"].trigger()
    assert len(rows(window)) == 1
    assert "Nothing was changed" in window.panels.history.note.text()


def test_very_many_steps_and_very_odd_names(qtbot: QtBot) -> None:
    """The panel stays within what it lies over, each step in one line."""
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(900, 600)
    window.show()
    qtbot.waitExposed(window)
    panel = HistoryList(window)
    labels = ["Opened", "a\nb", "x" * 3000, "<b>模型</b>", ""] + ["step"] * 1000
    panel.open()
    panel.show_steps(labels, 1003)
    assert window.rect().contains(panel.geometry())
    assert panel.list.currentIndex().row() == 1003
    assert panel.model.index(1).data() == "○  a b"
    assert isinstance(panel.model.index(1003).data(Qt.ItemDataRole.FontRole), QFont)
    assert panel.model.index(4).data(Qt.ItemDataRole.ForegroundRole) == QColor(LIGHT.text)
    window.resize(700, 420)
    assert window.rect().contains(panel.geometry())
