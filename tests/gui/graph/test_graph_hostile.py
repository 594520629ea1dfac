"""Odd names and odd shapes of graphs, in the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PySide6.QtCore import QPointF, QRectF, Qt
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow

Idle = Callable[[], None]
Write = Callable[..., Path]
NONE = Qt.KeyboardModifier.NoModifier
ALT, CTRL = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ControlModifier
LEFT = Qt.MouseButton.LeftButton
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")


def test_hostile_names_are_shown_and_chosen(
    hands: Any, qtbot: QtBot, window: MainWindow, idle: Idle, chained: Write, hostile: Sequence[str]
) -> None:
    """Every card can be clicked, has a tooltip of plain text, and a menu."""
    view = hands.show(chained(hostile))
    window.actions_["actionNames"].trigger()
    window.actions_["actionTensorNames"].trigger()
    idle()
    names = view.node_names()
    assert len(names) == len(hostile)
    for name in names:
        at = hands.middle(name)
        qtbot.mouseClick(view, LEFT, NONE, at)
        assert view.selected() == (name,)
        hands.menu_at(at).close()
        assert "<script" not in view.tip(QPointF(at))
        assert "<b>" not in view.tip(QPointF(at))
    assert not view.grab().isNull()
    assert not window.graph_pane.grab().isNull()


@pytest.mark.parametrize("kind", ["wide", "lone", "long", "pass", "sixty"])
def test_odd_shapes_of_graphs_are_shown(
    hands: Any, qtbot: QtBot, window: MainWindow, idle: Idle, write: Write, kind: str
) -> None:
    """Many consumers, many that nothing joins, a long chain, no node, and much on one."""
    node = helper.make_node
    attributes: dict[str, Any] = {f"a{n}": [1.5, "s" * 400, [2] * 90][n % 3] for n in range(60)}
    nodes, outputs = {
        "wide": (
            [node("Relu", ["x"], ["t"], "root")]
            + [node("Abs", ["t"], [f"r{n}"], f"r{n}") for n in range(600)],
            [f"r{n}" for n in range(600)],
        ),
        "lone": (
            [node("RandomNormal", [], [f"r{n}"], f"r{n}", shape=[1]) for n in range(600)],
            ["r0"],
        ),
        "long": (
            [node("Relu", ["x" if not n else f"t{n}"], [f"t{n + 1}"], f"n{n}") for n in range(900)],
            ["t900"],
        ),
        "pass": ([], ["x"]),
        "sixty": (
            [node("Odd", ["x", *["W"] * 60], ["y"], "odd", domain="my", **attributes)],
            ["y"],
        ),
    }[kind]
    view = hands.show(write(nodes, outputs=outputs))
    window.actions_["actionAttributes"].trigger()
    idle()
    picture = view.picture()
    assert picture is not None
    assert len(view.node_names()) == len(nodes)
    assert all(card.height < 700 for card in picture.cards)
    view.fit()
    assert view.seen().contains(picture.bounds) or view.scale() < 0.01
    qtbot.keyClick(view, Qt.Key.Key_Down)
    window.actions_["actionRightwards"].trigger()
    idle()
    assert not view.grab().isNull()


def test_a_tensor_of_no_elements_is_shown(
    hands: Any, qtbot: QtBot, idle: Idle, tmp_path: Path
) -> None:
    """A dimension of zero is a shape like others."""
    empty = numpy_helper.from_array(np.zeros((0, 8), np.float32), "e")
    nothing = numpy_helper.from_array(np.zeros((8, 0), np.float32), "n")
    graph = helper.make_graph(
        [
            helper.make_node("Concat", ["x", "e"], ["j"], "join", axis=0),
            helper.make_node("MatMul", ["j", "n"], ["y"], "product"),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (0, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [empty, nothing],
    )
    path = tmp_path / "empty.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path
    )
    view = hands.show(path)
    picture = view.picture()
    assert picture is not None
    card = next(card for card in picture.cards if card.name == "join")
    assert card.lines == (("B", "⟨0×8⟩"),)
    for name in ("join", "product"):
        qtbot.mouseClick(view, LEFT, NONE, hands.middle(name))
        idle()
        assert view.selected() == (name,)
    idle()


def test_a_cycle_is_refused_with_a_clear_message(
    hands: Any, opened: MainWindow, idle: Idle, write: Write
) -> None:
    """And what is open stays."""
    before = hands.shown()
    nodes = [
        helper.make_node("Relu", ["b"], ["a"], "one"),
        helper.make_node("Relu", ["a"], ["b"], "two"),
        helper.make_node("Abs", ["a"], ["y"], "three"),
    ]
    opened.open_path(write(nodes))
    idle()
    assert hands.shown() == before
    assert opened.stage.is_current()
    assert not opened.graph.is_left()


def test_a_view_that_was_panned_away_can_be_brought_back(qtbot: QtBot, opened: MainWindow) -> None:
    """Fit shows all of it again, from anywhere."""
    view = opened.graph
    view.camera.pan(1e6, -1e6)
    picture = view.picture()
    assert picture is not None
    assert not view.seen().intersects(picture.bounds)
    opened.activateWindow()
    qtbot.keyClick(view, Qt.Key.Key_0, CTRL)
    assert view.seen().contains(picture.bounds)
    assert view.camera.view.to_widget(QRectF(picture.bounds)).width() > 40
