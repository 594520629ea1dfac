"""Everything can be done by keyboard, and says its name to who cannot see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QScrollArea,
    QScrollBar,
    QTabBar,
    QToolBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow

Idle = Callable[[], None]
INTERACTIVE = (
    *(QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox),
    *(QLineEdit, QPlainTextEdit, QScrollArea, QTabBar),
)
MOST_STOPS = 120


def made_by_qt(widget: QWidget) -> bool:
    """Parts of other widgets, which speak for them, and buttons for what a view does by key."""
    parent = widget.parent()
    return (
        widget.objectName().startswith("qt_")
        or isinstance(widget, QScrollBar | QHeaderView)
        or isinstance(parent, QComboBox | QLineEdit | QAbstractSpinBox)
        or (isinstance(parent, QAbstractScrollArea) and widget is parent.viewport())
        or (parent is not None and parent.metaObject().className() == "QComboBoxPrivateContainer")
    )


def name_of(widget: QWidget) -> str:
    """What a screen reader says of a widget."""
    face = QAccessible.queryAccessibleInterface(widget)
    return "" if face is None else str(face.text(QAccessible.Text.Name))


def menu_actions(menu: QMenu) -> Iterator[QAction]:
    """All entries of a menu and of those in it."""
    for action in menu.actions():
        inner = action.menu()
        if isinstance(inner, QMenu):
            yield from menu_actions(inner)
        elif not action.isSeparator():
            yield action


@pytest.fixture
def full(calibrated: MainWindow, idle: Idle) -> MainWindow:
    """A window in which every page was seen, and every panel was up."""
    window = calibrated
    window.selection.choose((window.document.layers[2].name,))
    for tabs in (window.plots.pages.tabs, window.tabs):
        for number in reversed(range(tabs.count())):
            tabs.setCurrentIndex(number)
            idle()
    for name in ("Palette", "History", "Find", "Images", "Shortcuts", "About"):
        window.actions_[f"action{name}"].trigger()
        idle()
    return window


def test_every_action_has_a_key_or_a_place_in_the_menus(window: MainWindow) -> None:
    """And no two have the same key."""
    menus = [action.menu() for action in window.menuBar().actions()]
    listed = {a for menu in menus if isinstance(menu, QMenu) for a in menu_actions(menu)}
    everything = [*window.actions_.all(), *window.actions_.themes.actions()]
    for action in everything:
        assert action in listed or action.shortcuts(), action.objectName()
        assert action.text(), action.objectName()
        assert action.toolTip(), action.objectName()
    for menu in window.menuBar().actions():
        assert "&" in menu.text()
    keys = Counter(key.toString() for action in everything for key in action.shortcuts())
    assert [key for key, count in keys.items() if count > 1] == []


def test_buttons_of_the_tool_bar_are_in_the_menus_as_well(window: MainWindow) -> None:
    """They do not take the focus; their actions can be had without them."""
    menus = [action.menu() for action in window.menuBar().actions()]
    listed = {a for menu in menus if isinstance(menu, QMenu) for a in menu_actions(menu)}
    bars = window.findChildren(QToolBar)
    assert bars
    for bar in bars:
        assert {action for action in bar.actions() if not action.isSeparator()} <= listed


def test_every_control_says_its_name(full: MainWindow) -> None:
    """Whether it is seen now or not; and so does all that takes the focus."""
    nameless = []
    for widget in full.findChildren(QWidget):
        takes_focus = widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        if not isinstance(widget, INTERACTIVE) and not takes_focus:
            continue
        if isinstance(widget.parent(), QAbstractItemView) or made_by_qt(widget):
            continue
        if not name_of(widget):
            nameless.append((type(widget).__name__, widget.objectName()))
    assert nameless == []


def test_tab_comes_to_every_control_that_is_seen(
    qtbot: QtBot, calibrated: MainWindow, idle: Idle, tmp_path: Path
) -> None:
    """With a layer selected, on each page of the right column; and it comes back to the start."""
    window = calibrated
    window.selection.choose((window.document.layers[2].name,))
    idle()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    for number in range(2):  # in the text of the third, Tab is a letter
        window.tabs.setCurrentIndex(number)
        idle()
        window.pane.filter.setFocus(Qt.FocusReason.TabFocusReason)
        reached: list[QWidget] = []
        for _ in range(MOST_STOPS):
            focus = QApplication.focusWidget()
            assert focus is not None
            if focus in reached:
                break
            reached.append(focus)
            qtbot.keyClick(focus, Qt.Key.Key_Tab)
        wanted = [
            widget
            for widget in window.findChildren(QWidget)
            if isinstance(widget, INTERACTIVE)
            and widget.isVisible()
            and widget.isEnabled()
            and not made_by_qt(widget)
            and not isinstance(widget.parent(), QAbstractItemView)
            and not isinstance(widget, QScrollArea)
            and not isinstance(widget.parent(), QToolBar)
        ]
        missed = [
            (type(w).__name__, w.objectName(), name_of(w)) for w in wanted if w not in reached
        ]
        assert missed == []
