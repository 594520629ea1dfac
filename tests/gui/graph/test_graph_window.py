"""Graphs in graphs, folding, and what is on the cards, by clicks and keys in the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow
from inspector.gui.properties.pane import PropertyPane
from inspector.gui.stage import Step
from inspector.quant.spec import QuantSpec
from inspector.report.quantity_text import quantity_text
from inspector.session.quantities import PARAMETERS

Idle = Callable[[], None]
Write = Callable[..., Path]
NONE = Qt.KeyboardModifier.NoModifier
ALT, CTRL = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ControlModifier
LEFT = Qt.MouseButton.LeftButton

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")


def test_double_clicks_go_in_and_escape_climbs_back(
    hands: Any, qtbot: QtBot, window: MainWindow, idle: Idle, branched: Path
) -> None:
    """Two graphs deep and back; what was left is chosen and in sight each time."""
    view = hands.show(branched)
    qtbot.mouseDClick(view, LEFT, NONE, hands.middle("choose"))
    idle()
    assert "deep" not in hands.shown()  # the other branch comes first in the file
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    idle()
    assert view.selected() == ("choose",)
    menu = hands.menu_at(hands.middle("choose"))
    opens = [action for action in menu.actions() if action.objectName() == "menuOpen"]
    assert [action.text() for action in opens] == ["Open else_branch", "Open then_branch"]
    menu.close()
    opens[1].trigger()
    idle()
    assert hands.shown() == {"deep", "after"}
    picture = view.picture()
    assert picture is not None
    assert [card.kind for card in picture.cards if card.is_pill] == ["outer", "outer", "output"]
    qtbot.mouseDClick(view, LEFT, NONE, hands.middle("deep"))
    idle()
    assert len(window.stage.shown.path) == 2
    for expected in ("deep", "choose"):
        while window.graph.selected() or window.graph.chosen_tensor():
            qtbot.keyClick(view, Qt.Key.Key_Escape)
        qtbot.keyClick(view, Qt.Key.Key_Escape)
        idle()
        assert view.selected() == (expected,)
        assert view.rect().contains(view.card_rect(expected).center())
    assert window.stage.is_main()


def test_the_breadcrumb_leads_to_every_graph_on_the_way(
    hands: Any, qtbot: QtBot, window: MainWindow, idle: Idle, branched: Path
) -> None:
    """It names the model and the nodes, and is away where there is no way."""
    view = hands.show(branched)
    trail = window.graph_pane.trail
    assert not trail.isVisible()
    window.stage.enter_body("choose", "then_branch")
    window.stage.enter_body("deep", "then_branch")
    idle()
    steps = [button for button in trail.findChildren(QToolButton) if button.isVisible()]
    assert [step.toolTip() for step in steps] == ["Go to model.onnx", "Go to choose (then_branch)"]
    qtbot.mouseClick(steps[1], LEFT)
    idle()
    assert hands.shown() == {"deep", "after"}
    assert view.selected() == ("deep",)
    steps = [button for button in trail.findChildren(QToolButton) if button.isVisible()]
    qtbot.mouseClick(steps[0], LEFT)
    idle()
    assert hands.shown() == {"first", "choose", "last"}
    assert not trail.isVisible()


def test_a_long_way_fits_into_the_bar(
    hands: Any, window: MainWindow, branched: Path, hostile: Sequence[str]
) -> None:
    """Whatever names are on it and however long it is; what is left out is in a menu."""
    hands.show(branched)
    trail = window.graph_pane.trail
    width = window.graph_pane.width()
    for titles in (["model", *hostile], ["model", "x" * 300, "<b>y</b>" * 50], ["a", "b", "c"]):
        trail.show_steps(titles)
        QApplication.processEvents()
        assert window.graph_pane.width() == width
        parts = [
            trail.steps.layout().itemAt(i).widget() for i in range(trail.steps.layout().count())
        ]
        reach = max(part.geometry().right() for part in parts if part is not None)
        assert reach <= trail.steps.width()
        assert not any("\n" in button.text() for button in trail.findChildren(QToolButton))
    trail.show_steps(["model", *hostile])
    more = trail.steps.findChild(QToolButton, "trailMore")
    assert more is not None
    asked: list[int] = []
    trail.asked.connect(asked.append)
    for action in more.menu().actions():
        action.trigger()
    assert asked == list(range(1, 1 + len(asked)))
    assert asked


def test_a_history_of_choices_leads_through_graphs(
    hands: Any, qtbot: QtBot, window: MainWindow, idle: Idle, branched: Path
) -> None:
    """Alt+Left and Alt+Right go into subgraphs and out of them, and mark what was chosen there."""
    view = hands.show(branched)
    qtbot.mouseClick(view, LEFT, NONE, hands.middle("first"))
    window.stage.enter_body("choose", "then_branch")
    idle()
    qtbot.mouseClick(view, LEFT, NONE, hands.middle("after"))
    window.presenter.select(("last",))  # as a click in the table does
    idle()
    assert window.stage.is_main()
    assert view.selected() == ("last",)
    assert window.bridge.selected == ("last",)
    qtbot.keyClick(view, Qt.Key.Key_Left, ALT)
    idle()
    assert window.stage.shown.path == (Step("choose", "then_branch"),)
    assert view.selected() == ("after",)
    assert window.bridge.selected == ()
    while window.selection.can_go_back:
        qtbot.keyClick(view, Qt.Key.Key_Left, ALT)
    idle()
    assert view.selected() == ("first",)
    assert window.stage.is_main()
    while window.selection.can_go_forward:
        qtbot.keyClick(view, Qt.Key.Key_Right, ALT)
    idle()
    assert view.selected() == ("last",)
    assert window.pane.selected() == ("last",)


def test_finding_inside_a_subgraph_goes_to_its_nodes(
    hands: Any, qtbot: QtBot, window: MainWindow, idle: Idle, branched: Path
) -> None:
    """What has the same operator outside is not found there."""
    view = hands.show(branched)
    bar = window.graph_pane.find_bar
    qtbot.keyClick(view, Qt.Key.Key_F, CTRL)
    qtbot.keyClicks(bar.field, "op:matmul")
    qtbot.waitUntil(lambda: bool(bar.matches()))
    window.stage.enter_body("choose", "then_branch")
    assert not bar.matches()  # at once: they are nowhere in what is shown next
    idle()
    bar.field.setText("a")
    qtbot.waitUntil(lambda: bool(bar.matches()))
    matches = bar.matches()
    assert matches is not None
    assert {match.name for match in matches} <= {"after", "deep", "c", "m", "deep.out", "after.out"}
    bar.field.setText("op:abs")
    qtbot.waitUntil(lambda: len(bar.matches() or ()) == 1)
    qtbot.keyClick(bar.field, Qt.Key.Key_F3)
    assert view.selected() == ("after",)
    qtbot.keyClick(bar.field, Qt.Key.Key_Escape)
    assert not bar.isVisible()
    assert view.hasFocus()


def test_functions_open_and_call_functions(
    hands: Any, qtbot: QtBot, window: MainWindow, idle: Idle, write: Write
) -> None:
    """Also while the model is still on its way; ONNX's own operator of the same name does not."""
    own = [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)]
    leaf = helper.make_node("Neg", ["a"], ["b"])
    inner = helper.make_function("my", "Relu", ["a"], ["b"], [leaf], own)
    call = helper.make_node("Relu", ["a"], ["b"], "call", domain="my")
    outer = helper.make_function("my", "Outer", ["a"], ["b"], [call], own)
    nodes = [
        helper.make_node("Outer", ["x"], ["o"], "outer", domain="my"),
        helper.make_node("Relu", ["o"], ["y"], "plain"),
    ]
    window.open_path(write(nodes, functions=[inner, outer]))
    view = window.graph
    qtbot.waitUntil(lambda: view.picture() is not None)
    qtbot.mouseDClick(view, LEFT, NONE, hands.middle("outer"))
    idle()
    assert [step.node for step in window.stage.shown.path] == ["outer"]
    name = view.node_names()[0]
    qtbot.mouseDClick(view, LEFT, NONE, hands.middle(name))
    idle()
    assert len(window.stage.shown.path) == 2
    window.stage.go_to(())
    idle()
    qtbot.mouseDClick(view, LEFT, NONE, hands.middle("plain"))
    idle()
    assert window.stage.is_main()
    assert window.tabs.currentWidget() is window.properties


def test_groups_fold_by_the_menu_and_open_by_a_double_click(
    hands: Any, qtbot: QtBot, window: MainWindow, idle: Idle, grouped: Path
) -> None:
    """The card that the menu was opened on stays where it is; a click selects all of a group."""
    view = hands.show(grouped)
    qtbot.waitUntil(lambda: window.stage.groups() is not None)
    at = hands.middle("/block1/Relu")
    hands.pick(hands.menu_at(at), "menuFold")
    idle()
    assert "/block1/" in hands.shown()
    assert "/block2/Relu" in hands.shown()
    assert (hands.group_place("/block1/") - at).manhattanLength() <= 4
    qtbot.mouseClick(view, LEFT, NONE, hands.group_place("/block1/"))
    assert view.selected() == ("/block1/MatMul", "/block1/Relu")
    assert window.bridge.selected == ("/block1/MatMul",)
    qtbot.mouseDClick(view, LEFT, NONE, hands.group_place("/block1/"))
    idle()
    assert view.picture() is not None
    assert "/block1/" not in hands.shown()
    hands.pick(hands.menu_at(QPoint(3, 3)), "menuFoldAll")
    idle()
    assert hands.shown() == {"/block0/", "/block1/", "/block2/", "/head/MatMul"}
    hands.pick(hands.menu_at(QPoint(3, 3)), "menuOpenAll")
    idle()
    assert len(hands.shown()) == 7


def test_a_folded_group_says_what_its_worst_layer_says(
    hands: Any, window: MainWindow, idle: Idle, grouped: Path
) -> None:
    """In its heat colour, and anew when that layer changes."""
    view = hands.show(grouped)
    window.actions_["actionFoldAll"].trigger()
    idle()
    name = "/block1/MatMul"

    def said(path: str) -> tuple[str, object]:
        badge = view.look().badges[path]
        return badge.figure, badge.colour

    idle()
    assert said("/block1/") == (
        f"worst {window.heat.text(name)}",
        window.heat.colour(name),
    )
    before = said("/block1/")
    other = said("/block2/")
    window.bridge.set_specs([name], QuantSpec.parse("int2:tensor"), None)
    idle()
    assert said("/block1/")[0] == f"worst {window.heat.text(name)}"
    assert said("/block1/") != before
    assert said("/block2/") == other
    picture = view.picture()
    assert picture is not None
    assert ("", "×3 in this graph") in picture.cards[picture.groups["/block1/"]].lines
    window.heat.choose(PARAMETERS.key)
    idle()
    inside = window.document.layers
    both = sum(layer.parameters for layer in inside if layer.name.startswith("/block1/"))
    assert said("/block1/")[0] == f"in all {quantity_text(PARAMETERS, both)}"
    window.heat.choose("")
    idle()
    assert said("/block1/") == ("", None)


def test_the_switch_shows_quantizers_as_nodes(
    hands: Any, qtbot: QtBot, calibrated: MainWindow, idle: Idle, tmp_path: Path
) -> None:
    """A file of ours opens folded; the switch in the bar and the action say the same."""
    saved = tmp_path / "quantized.onnx"
    calibrated.save_quantized(saved)
    idle()
    view = hands.show(saved)
    folded = hands.shown()
    badges = view.look().badges
    assert any(
        badge.weights.startswith("uint8") or badge.weights.startswith("int8")
        for badge in badges.values()
    )
    switch = calibrated.findChild(QPushButton, "rawSwitch")
    assert switch is not None
    at = hands.middle("/block1/conv1/conv/Conv")
    qtbot.mouseClick(switch, LEFT)
    idle()
    raw = hands.shown()
    assert folded < raw
    assert calibrated.actions_["actionRaw"].isChecked()
    assert (view.card_rect("/block1/conv1/conv/Conv").center() - at).manhattanLength() <= 60
    calibrated.actions_["actionRaw"].trigger()
    idle()
    assert hands.shown() == folded
    assert switch.text() == "Show raw"


def test_turning_keeps_what_is_chosen_in_its_place(
    qtbot: QtBot, opened: MainWindow, idle: Idle
) -> None:
    """Or what is in the middle, where nothing is chosen that can be seen."""
    view, name = opened.graph, "/head/Gemm"
    opened.presenter.select((name,))
    idle()
    at = view.card_rect(name).center()
    opened.actions_["actionRightwards"].trigger()
    idle()
    picture = view.picture()
    assert picture is not None
    assert picture.direction == "right"
    assert (view.card_rect(name).center() - at).manhattanLength() <= 3
    assert view.selected() == (name,)
    opened.presenter.select(())
    anchor = opened.graphs.anchor()
    assert anchor is not None
    at = view.card_rect(anchor).center()
    opened.actions_["actionRightwards"].trigger()
    idle()
    assert (view.card_rect(anchor).center() - at).manhattanLength() <= 3


def test_cards_and_edges_say_what_is_asked_for(opened: MainWindow, idle: Idle) -> None:
    """Attributes, names, and names of tensors, each by its own switch."""
    view = opened.graph

    def lines(name: str) -> dict[str, str]:
        picture = view.picture()
        assert picture is not None
        card = next(card for card in picture.cards if card.name == name)
        return {"": card.subtitle, **dict(card.lines)}

    relu = next(n.name for n in opened.document.opened.shown.nodes if n.op_type == "Relu")
    assert lines(relu)[""] == ""
    opened.actions_["actionNames"].trigger()
    idle()
    assert lines(relu)[""] == relu
    assert "kernel_shape" not in lines("/block1/conv1/conv/Conv")
    opened.actions_["actionAttributes"].trigger()
    idle()
    assert lines("/block1/conv1/conv/Conv")["kernel_shape"] == "3, 3"
    tensor = opened.document.layers[1].output
    assert view.look().label(tensor).count("×") == 3
    opened.actions_["actionTensorNames"].trigger()
    idle()
    assert view.look().label(tensor) == tensor
    opened.actions_["actionRightwards"].trigger()
    idle()
    assert view.look().label(tensor) == tensor


def test_what_is_folded_away_is_marked(
    hands: Any, window: MainWindow, idle: Idle, write: Write
) -> None:
    """A bias that becomes part of its layer, and what computes nothing; not the layers."""
    bias = numpy_helper.from_array(np.arange(8, dtype=np.float32), "bias")
    nodes = [
        helper.make_node("Constant", [], ["b"], "constant", value=bias),
        helper.make_node("MatMul", ["x", "W"], ["m"], "layer"),
        helper.make_node("Add", ["m", "b"], ["s"], "bias"),
        helper.make_node("Identity", ["s"], ["i"], "idle"),
        helper.make_node("Relu", ["i"], ["y"], "relu"),
    ]
    view = hands.show(write(nodes))
    folded = view.look().folded
    assert folded.keys() >= {"bias", "idle"}
    assert folded.keys().isdisjoint({"layer", "relu"})


def test_the_weight_of_a_folded_operator_leads_to_its_integers(
    hands: Any, window: MainWindow, idle: Idle, write: Write
) -> None:
    """What the operator reads comes from a quantizer that has no card: its values are shown."""
    codes = np.arange(64, dtype=np.uint8).reshape(8, 8)
    constants = {"codes": codes, "scale": np.float32(0.5), "zero": np.uint8(3)}
    nodes = [
        helper.make_node("Constant", [], [name], name, value=numpy_helper.from_array(value))
        for name, value in constants.items()
    ]
    nodes += [
        helper.make_node("DequantizeLinear", ["codes", "scale", "zero"], ["real"], "dq"),
        helper.make_node("MatMul", ["x", "real"], ["y"], "product"),
    ]
    view = hands.show(write(nodes))
    pane = window.findChild(PropertyPane)
    assert pane is not None
    for raw in (False, True):
        window.actions_["actionRaw"].setChecked(raw)
        idle()
        view.choose(("product",))
        view.properties_asked.emit()
        pane.tensor_asked.emit("real")
        idle()
        shown = pane.panel.values
        if raw:
            assert shown is None
        else:
            assert shown is not None
            expected = (codes.astype(np.float32) - 3) * np.float32(0.5)
            np.testing.assert_array_equal(shown.read(0, 64), expected.ravel())


def test_what_is_found_is_not_behind_the_list_of_finds(
    hands: Any, qtbot: QtBot, window: MainWindow, idle: Idle, chained: Write
) -> None:
    """In a narrow window the list leaves room, and each find comes to rest below it."""
    window.resize(1280, 800)
    view = hands.show(chained([f"layer{number}" for number in range(40)]))
    qtbot.keyClick(view, Qt.Key.Key_F, CTRL)
    bar = window.graph_pane.find_bar
    qtbot.keyClicks(bar.field, "MatMul")
    idle()
    for _ in range(12):
        qtbot.keyClick(bar.field, Qt.Key.Key_F3)
        idle()
        card = view.card_rect(view.selected()[0])
        assert view.rect().contains(card)
        assert not bar.geometry().intersects(card)
