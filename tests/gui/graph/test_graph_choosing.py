"""Choosing in the graph, by clicks, keys and menus in the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow

Idle = Callable[[], None]
Write = Callable[..., Path]
NONE = Qt.KeyboardModifier.NoModifier
ALT, CTRL = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ControlModifier
LEFT = Qt.MouseButton.LeftButton

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")


def test_everything_upstream_is_selected_by_key_and_copied(
    hands: Any, qtbot: QtBot, opened: MainWindow, idle: Idle
) -> None:
    """Alt+Up, and Ctrl+C copies the names, one in a line."""
    view = opened.graph
    opened.activateWindow()
    view.setFocus()
    layers = [layer.name for layer in opened.document.layers]
    qtbot.mouseClick(view, LEFT, NONE, hands.middle(layers[1]))
    qtbot.keyClick(view, Qt.Key.Key_Up, ALT)
    idle()
    assert set(view.selected()) > {layers[0], layers[1]}
    assert layers[2] not in view.selected()
    assert set(opened.bridge.selected) == {layers[0], layers[1]}
    qtbot.keyClick(view, Qt.Key.Key_C, CTRL)
    assert QGuiApplication.clipboard().text().splitlines() == list(view.selected())
    hands.pick(hands.menu_at(hands.middle(layers[1])), "menuDownstream")
    idle()
    assert set(view.selected()) >= set(layers)


def test_the_menu_sets_specs_and_leads_to_the_table(
    hands: Any, opened: MainWindow, idle: Idle
) -> None:
    """For the layer under the pointer, which is selected by that."""
    view, name = opened.graph, "/head/Gemm"
    menu = hands.menu_at(hands.middle(name))
    assert view.selected() == (name,)
    hands.pick(menu, "menuFloat")
    idle()
    assert opened.document.specs_of(name).weights.is_float
    assert view.look().badges[name].is_float
    hands.pick(hands.menu_at(hands.middle(name)), "menuReset")
    idle()
    assert not view.look().badges[name].is_float
    hands.pick(hands.menu_at(hands.middle(name)), "menuTable")
    assert opened.pane.selected() == (name,)
    assert opened.focusWidget() is opened.pane.table
    hands.pick(hands.menu_at(hands.middle(name)), "menuProperties")
    assert opened.tabs.currentWidget() is opened.properties
    hands.pick(hands.menu_at(hands.middle(name)), "menuCopy")
    assert QGuiApplication.clipboard().text() == name


def test_a_tensor_is_chosen_by_its_pill_and_its_line(
    hands: Any, qtbot: QtBot, opened: MainWindow, idle: Idle
) -> None:
    """Its properties come forward, and going back shows the layer again."""
    view = opened.graph
    name = opened.document.layers[0].name
    qtbot.mouseClick(view, LEFT, NONE, hands.middle(name))
    picture = view.picture()
    assert picture is not None
    view.bring_in(0)
    pill = view.camera.view.to_widget(picture.rect(0)).center().toPoint()
    qtbot.mouseClick(view, LEFT, NONE, pill)
    assert opened.selection.chosen.tensor == picture.cards[0].name
    assert view.selected() == ()
    assert opened.tabs.currentWidget() is opened.properties
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert opened.selection.chosen.is_empty
    opened.selection.back()
    opened.selection.back()
    idle()
    assert view.selected() == (name,)


def test_the_small_map_moves_the_view(qtbot: QtBot, opened: MainWindow) -> None:
    """A click on its lower end shows the end of the graph, dragging from there goes back up."""
    view, small = opened.graph, opened.graph_pane.minimap
    assert small.isVisible()
    before = view.seen().center().y()
    at = QPoint(small.width() // 2, small.height() - 10)
    qtbot.mousePress(small, LEFT, NONE, at)
    low = view.seen().center().y()
    assert low > before
    for step in range(1, 6):
        qtbot.mouseMove(small, at - QPoint(0, 12 * step))
    qtbot.mouseRelease(small, LEFT, NONE, at - QPoint(0, 60))
    assert view.seen().center().y() < low


def test_the_legend_changes_what_cards_say(opened: MainWindow, idle: Idle) -> None:
    """Another quantity, and none."""
    view, legend = opened.graph, opened.graph_pane.legend
    name = opened.document.layers[0].name
    assert view.look().badges[name].figure.endswith("dB")
    for key, unit in (("parameters", ""), ("", None)):
        row = legend.chooser.findData(key)
        legend.chooser.setCurrentIndex(row)
        legend.chooser.activated.emit(row)
        idle()
        badge = view.look().badges[name]
        assert (badge.figure == "") == (unit is None)
        assert (badge.colour is None) == (unit is None)


def test_a_layer_left_in_float_looks_so_though_others_quantize_its_input(
    hands: Any, window: MainWindow, idle: Idle, write: Write
) -> None:
    """Two layers read one tensor, which is on a grid for one of them: the other says why."""
    nodes = [
        helper.make_node("Conv", ["x", "K"], ["m"], "first"),
        helper.make_node("Conv", ["m", "K"], ["a"], "left"),
        helper.make_node("Conv", ["m", "K"], ["b"], "other"),
        helper.make_node("Add", ["a", "b"], ["y"], "sum"),
    ]
    kernel = numpy_helper.from_array(np.eye(4, dtype=np.float32).reshape(4, 4, 1, 1), "K")
    nodes.insert(0, helper.make_node("Constant", [], ["K"], "kernel", value=kernel))
    view = hands.show(write(nodes))
    hands.pick(hands.menu_at(hands.middle("left")), "menuFloat")
    idle()
    badge = view.look().badges["left"]
    assert badge.activations.endswith("*")
    assert badge.is_float
    assert badge.why
    assert not view.look().badges["other"].is_float
