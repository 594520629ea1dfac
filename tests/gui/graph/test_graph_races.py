"""The graph while something else is under way: another model, one that fails, a calibration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from inspector.gui.main_window import MainWindow
from inspector.gui.stage import PICTURE, Step

Idle = Callable[[], None]
Write = Callable[..., Path]
NONE = Qt.KeyboardModifier.NoModifier
ALT, CTRL = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ControlModifier
LEFT = Qt.MouseButton.LeftButton

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")


def test_nothing_can_be_chosen_in_a_picture_that_is_left(
    hands: Any, qtbot: QtBot, opened: MainWindow, idle: Idle, branched: Path
) -> None:
    """Until the next one is there: names in it mean nothing in the other model."""
    view = opened.graph
    at = hands.middle(opened.document.layers[0].name)
    with qtbot.waitSignal(opened.stage.leaving):
        opened.open_path(branched)
    assert view.is_left()
    qtbot.mouseClick(view, LEFT, NONE, at)
    qtbot.mouseDClick(view, LEFT, NONE, at)
    qtbot.keyClick(view, Qt.Key.Key_Down)
    qtbot.mouseMove(view, at)
    names = {action.objectName() for action in hands.menu_at(at).actions()}
    assert names <= {"menuFit", ""}
    QApplication.activePopupWidget().close()
    assert view.selected() == ()
    assert opened.selection.chosen.is_empty
    assert not view.grab().isNull()
    idle()
    assert hands.shown() == {"first", "choose", "last"}
    assert not view.is_left()


def test_an_open_menu_goes_with_the_picture_it_is_about(
    hands: Any, qtbot: QtBot, opened: MainWindow, idle: Idle, branched: Path
) -> None:
    """Its entries would speak of layers that are no more."""
    menu = hands.menu_at(hands.middle(opened.document.layers[0].name))
    opened.open_path(branched)
    qtbot.waitUntil(lambda: opened.graph.is_left() or "first" in hands.shown())
    assert not isValid(menu) or menu.isHidden()
    idle()


def test_what_is_chosen_while_a_model_arrives_stays_chosen(
    qtbot: QtBot, window: MainWindow, branched: Path, idle: Idle
) -> None:
    """The picture is there before the rest of the model is; so are its subgraphs."""
    view = window.graph
    arrived: list[bool] = []
    window.bridge.model_changed.connect(lambda: arrived.append(window.document.is_open))

    def choose() -> None:
        if not arrived and not window.stage.shown.path:
            window.stage.enter_body("choose", "then_branch")
        elif not window.selection.chosen.names:
            view.choose(("after",))

    window.stage.changed.connect(choose)
    window.open_path(branched)
    idle()
    assert arrived
    assert window.stage.shown.path == (Step("choose", "then_branch"),)
    assert view.selected() == ("after",)


def test_the_last_of_several_wins(
    hands: Any,
    qtbot: QtBot,
    opened: MainWindow,
    idle: Idle,
    branched: Path,
    grouped: Path,
    write: Write,
) -> None:
    """Opened one on another, at every moment between: no picture of another is left."""
    other = write([helper.make_node("Relu", ["x"], ["y"], "only")], "other.onnx")
    for moment in (lambda: True, lambda: opened.tasks.is_busy(PICTURE), opened.graph.is_left):
        opened.open_path(grouped)
        qtbot.waitUntil(lambda moment=moment: moment() or not opened.tasks.is_busy())
        opened.open_path(branched)
        opened.actions_["actionRightwards"].trigger()
        opened.open_path(other)
        idle()
        assert hands.shown() == {"only"}
        staged = opened.stage.staged
        assert staged is not None
        assert staged.picture is opened.graph.picture()
        assert opened.windowTitle().startswith("other.onnx")


def test_a_model_that_fails_brings_the_one_before_back(
    hands: Any,
    opened: MainWindow,
    idle: Idle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    branched: Path,
) -> None:
    """Also after it was drawn; and where none was open, nothing of it stays."""
    before = hands.shown()
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(branched.read_bytes()[:200])
    opened.open_path(damaged)
    idle()
    assert hands.shown() == before

    def fail(*_given: object, **_options: object) -> None:
        raise onnx.checker.ValidationError("no")

    monkeypatch.setattr("inspector.gui.opening.open_model", fail)
    opened.open_path(branched)
    idle()
    assert hands.shown() == before
    assert opened.graph.look().badges
    assert opened.stage.is_current()


def test_a_first_model_that_fails_leaves_an_empty_window(
    window: MainWindow, idle: Idle, monkeypatch: pytest.MonkeyPatch, branched: Path
) -> None:
    """No switch brings its picture back."""

    def fail(*_given: object, **_options: object) -> None:
        raise onnx.checker.ValidationError("no")

    monkeypatch.setattr("inspector.gui.opening.open_model", fail)
    window.open_path(branched)
    idle()
    for name in ("Raw", "Rightwards", "Attributes", "FoldAll", "OpenAll"):
        window.actions_[f"action{name}"].trigger()
        idle()
    assert window.graph.picture() is None
    assert window.stage.graph() is None
    assert window.stack.currentWidget() is window.welcome
    assert not window.graph_pane.minimap.isVisible()


def test_the_view_can_be_moved_while_it_calibrates(
    qtbot: QtBot, opened: MainWindow, idle: Idle, sample_models: Path
) -> None:
    """Every move between the steps of the work; the badges are right in the end."""
    view = opened.graph
    opened.open_path(sample_models / "digits_calibration.npz")
    for number in range(12):
        QApplication.processEvents()
        qtbot.keyClick(view, (Qt.Key.Key_Down, Qt.Key.Key_F, Qt.Key.Key_0)[number % 3])
        if number % 4 == 3:
            opened.actions_["actionRightwards"].trigger()
    idle()
    assert opened.document.calibration is not None
    badges = view.look().badges
    assert {layer.name for layer in opened.document.layers} <= badges.keys()
    assert not any(badge.stale for badge in badges.values())
