"""Panes share a window's room by its size, until somebody moves the line between them."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QByteArray, QPoint, Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from inspector.gui.side_by_side import FairSplitter

ACROSS = Qt.Orientation.Horizontal


def make(qtbot: QtBot, width: int, state: QByteArray | None = None) -> FairSplitter:
    """A quarter for the first, of 100 to 300 pixels."""
    parts = QWidget(), QWidget()
    splitter = FairSplitter(ACROSS, parts, shared=0, share=0.25, least=100, most=300)
    qtbot.addWidget(splitter)
    splitter.resize(width, 100)
    splitter.restore(state or QByteArray())
    splitter.show()
    qtbot.waitExposed(splitter)
    return splitter


@pytest.mark.parametrize(("width", "first"), [(320, 100), (800, 200), (4000, 300)])
def test_a_share_within_limits(qtbot: QtBot, width: int, first: int) -> None:
    """And it follows the window's size."""
    splitter = make(qtbot, width)
    assert splitter.sizes() == [first, width - first - splitter.handleWidth()]
    splitter.resize(600, 100)
    assert splitter.sizes()[0] == 150
    assert splitter.state().isEmpty()


def test_who_moves_the_line_decides(qtbot: QtBot) -> None:
    """By the mouse; it stays there, and is remembered."""
    splitter = make(qtbot, 800)
    handle = splitter.handle(1)
    start = handle.rect().center()
    qtbot.mousePress(handle, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(handle, start + QPoint(150, 0))
    qtbot.mouseRelease(handle, Qt.MouseButton.LeftButton, pos=start + QPoint(150, 0))
    moved = splitter.sizes()[0]
    assert moved == pytest.approx(350, abs=3)
    splitter.resize(1000, 100)
    assert splitter.sizes()[0] == moved
    again = make(qtbot, 1000, splitter.state())
    assert again.sizes()[0] == moved
    again.resize(1200, 100)
    assert again.sizes()[0] == moved
