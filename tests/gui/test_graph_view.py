"""The graph view's gestures, and what is on its cards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QContextMenuEvent, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from inspector.graph.model import Graph, Node, Tensor
from inspector.graph.scene import Folding, Scene, build_scene
from inspector.gui.graph_view.cards import Detail, build_cards, shape_text
from inspector.gui.graph_view.painting import Badge
from inspector.gui.graph_view.picture import Picture, build_picture, card_fonts
from inspector.gui.graph_view.view import GraphView
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import load_model

LONG = "节点名称" * 80
NONE = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton


def graph_of(sample_models: Path) -> Graph:
    """The sample network as a graph."""
    return extract_graph(load_model(sample_models / "digits_cnn.onnx"))


def fan(readers: int) -> Graph:
    """One node whose output many others read."""
    names = [f"r{i}" for i in range(readers)]
    nodes = [Node("root", "Relu", "", ("x",), ("t",))]
    nodes += [Node(name, "Abs", "", ("t",), (f"{name}.out",)) for name in names]
    tensors = {"x": Tensor("x"), "t": Tensor("t", producer="root", consumers=tuple(names))}
    tensors |= {f"{name}.out": Tensor(f"{name}.out", producer=name) for name in names}
    return Graph("fan", tuple(nodes), tensors, ("x",), tuple(f"{name}.out" for name in names))


@pytest.fixture
def picture(qtbot: QtBot, sample_models: Path) -> Picture:
    """The sample network, laid out."""
    return build_picture(build_scene(graph_of(sample_models)), card_fonts())


@pytest.fixture
def make_view(qtbot: QtBot) -> Callable[[Picture], GraphView]:
    """Makes views on the screen."""

    def make(picture: Picture) -> GraphView:
        made = GraphView()
        qtbot.addWidget(made)
        made.resize(700, 600)
        made.show()
        qtbot.waitExposed(made)
        made.set_picture(picture)
        return made

    return make


@pytest.fixture
def view(make_view: Callable[[Picture], GraphView], picture: Picture) -> GraphView:
    """A view of the sample network."""
    return make_view(picture)


def settle(qtbot: QtBot, view: GraphView) -> None:
    """Wait until nothing glides."""
    qtbot.waitUntil(view.is_settled, timeout=5000)


def wheel(view: GraphView, at: QPoint, steps: int, modifiers: Qt.KeyboardModifier = NONE) -> None:
    """Turn the wheel over a point."""
    event = QWheelEvent(
        QPointF(at),
        QPointF(view.mapToGlobal(at)),
        QPoint(),
        QPoint(0, 120 * steps),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, event)


def drag(
    qtbot: QtBot,
    view: GraphView,
    start: QPoint,
    end: QPoint,
    modifiers: Qt.KeyboardModifier = NONE,
) -> None:
    """Drag with the left button, in steps as a hand does."""
    qtbot.mousePress(view, LEFT, modifiers, start)
    for step in range(1, 6):
        qtbot.mouseMove(view, start + (end - start) * step / 5)
    qtbot.mouseRelease(view, LEFT, modifiers, end)


def test_every_node_has_a_card_and_constants_are_on_it(qtbot: QtBot, sample_models: Path) -> None:
    """Constants are on the cards that read them, all else is an edge."""
    graph = graph_of(sample_models)
    scene = build_scene(graph)
    cards = build_cards(scene, card_fonts())
    assert len(cards) == len(graph.nodes) + len(graph.inputs) + len(graph.outputs)
    conv = next(card for card in cards if card.title == "Conv")
    assert ("W", "⟨16×1×3×3⟩") in conv.lines
    with_attributes = build_cards(scene, card_fonts(), Detail(attributes=True))
    conv = next(card for card in with_attributes if card.title == "Conv")
    assert ("kernel_shape", "3, 3") in conv.lines


def test_shapes_are_short() -> None:
    """Names that tools make up say nothing; short names of the model do."""
    assert shape_text((1, "N", None, "unk__44", "a_very_long_symbol")) == "1×N×?×?×?"
    assert shape_text(None) == ""


def test_the_wheel_zooms_to_the_pointer(view: GraphView) -> None:
    """What is under the pointer stays under it."""
    name = view.node_names()[0]
    before = view.card_rect(name).center()
    scale = view.scale()
    wheel(view, before, 2)
    assert view.scale() > scale
    assert (view.card_rect(name).center() - before).manhattanLength() <= 2
    wheel(view, before, 1, Qt.KeyboardModifier.ShiftModifier)
    assert view.card_rect(name).center().x() > before.x() + 50


def test_dragging_pans_and_does_not_select(qtbot: QtBot, view: GraphView) -> None:
    """A drag that starts on a card moves the picture."""
    name = view.node_names()[0]
    start = view.card_rect(name).center()
    drag(qtbot, view, start, start + QPoint(60, 40))
    assert (view.card_rect(name).center() - start - QPoint(60, 40)).manhattanLength() <= 2
    assert view.selected() == ()


def test_clicks_select_and_add(qtbot: QtBot, view: GraphView) -> None:
    """A click selects one, Ctrl and Shift add and take away, the canvas clears."""
    first, second = view.node_names()[:2]
    qtbot.mouseClick(view, LEFT, NONE, view.card_rect(first).center())
    assert view.selected() == (first,)
    for modifier in (Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier):
        qtbot.mouseClick(view, LEFT, modifier, view.card_rect(second).center())
        assert view.selected() == (first, second)
        qtbot.mouseClick(view, LEFT, modifier, view.card_rect(second).center())
        assert view.selected() == (first,)
    qtbot.mouseClick(view, LEFT, NONE, QPoint(4, view.height() - 4))
    assert view.selected() == ()


def test_a_rubber_band_selects_many(qtbot: QtBot, view: GraphView) -> None:
    """Dragging with Shift or Ctrl draws a band around what shall be selected."""
    qtbot.keyClick(view, Qt.Key.Key_F)
    first, second = (view.card_rect(name) for name in view.node_names()[:2])
    around = first.united(second).adjusted(-8, -1, 8, 1)
    shift = Qt.KeyboardModifier.ShiftModifier
    drag(qtbot, view, around.topLeft(), around.bottomRight(), shift)
    assert set(view.selected()) >= set(view.node_names()[:2])
    assert len(view.selected()) < len(view.node_names())


def test_fit_and_keys(qtbot: QtBot, view: GraphView) -> None:
    """F shows all of it, 0 is 100 %, arrows walk the edges, Escape clears and then leaves."""
    qtbot.keyClick(view, Qt.Key.Key_F)
    assert all(view.rect().contains(view.card_rect(name)) for name in view.node_names())
    qtbot.keyClick(view, Qt.Key.Key_0)
    assert view.scale() == pytest.approx(1.0)
    walked: list[tuple[str, ...]] = []
    view.selectionChanged.connect(walked.append)
    for _ in range(4):
        qtbot.keyClick(view, Qt.Key.Key_Down)
    assert len(set(walked)) == 4
    qtbot.keyClick(view, Qt.Key.Key_Up)
    assert walked[-1] == walked[-3]
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert view.selected() == ()
    with qtbot.waitSignal(view.leave_asked):
        qtbot.keyClick(view, Qt.Key.Key_Escape)
    with qtbot.waitSignal(view.properties_asked):
        qtbot.keyClick(view, Qt.Key.Key_Return)


def test_arrows_come_back_the_way_they_went(
    qtbot: QtBot, make_view: Callable[[Picture], GraphView]
) -> None:
    """Up from a node with one producer and down again ends where it began, in both directions."""
    for direction, ahead, back in (
        ("down", Qt.Key.Key_Down, Qt.Key.Key_Up),
        ("right", Qt.Key.Key_Right, Qt.Key.Key_Left),
    ):
        scene = build_scene(fan(7))
        assert direction in ("down", "right")
        view = make_view(build_picture(scene, card_fonts(), direction))
        view.choose(("r5",))
        qtbot.keyClick(view, back)
        assert view.selected() == ("root",)
        qtbot.keyClick(view, ahead)
        assert view.selected() == ("r5",)


def test_selecting_from_outside_glides_to_the_card(qtbot: QtBot, view: GraphView) -> None:
    """The card comes to the middle, at a zoom at which it can be read."""
    view.camera.zoom(0.1)
    name = view.node_names()[-1]
    told: list[object] = []
    view.selectionChanged.connect(told.append)
    view.select((name,))
    settle(qtbot, view)
    away = view.card_rect(name).center() - view.rect().center()
    assert away.manhattanLength() <= 4
    assert view.scale() >= 0.7
    assert told == []  # whoever selected from outside knows it already


def test_zoom_to_selection_shows_all_of_it(qtbot: QtBot, view: GraphView) -> None:
    """All selected cards are in sight."""
    names = (view.node_names()[0], view.node_names()[-1])
    view.choose(names)
    qtbot.keyClick(view, Qt.Key.Key_Z)
    settle(qtbot, view)
    assert all(view.rect().contains(view.card_rect(name)) for name in names)


def test_a_line_can_be_hovered_and_picked(qtbot: QtBot, view: GraphView) -> None:
    """The pointer on a line lights its tensor up; a click picks it."""
    picture = view.picture()
    assert picture is not None
    x, y = picture.drawing.route(1)[:2].mean(axis=0).tolist()
    at = view.camera.view.to_widget(QRectF(x, y, 0, 0)).topLeft().toPoint()
    qtbot.mouseMove(view, at)
    assert view.under(QPointF(at)).tensor == picture.scene.tensors[1]
    with qtbot.waitSignal(view.tensor_picked) as picked:
        qtbot.mouseClick(view, LEFT, NONE, at)
    assert picked.args == [picture.scene.tensors[1]]


def test_a_tensor_that_many_read_is_drawn_as_stubs_that_jump(
    qtbot: QtBot, make_view: Callable[[Picture], GraphView]
) -> None:
    """No fan of lines, but a label at both ends that leads to the other."""
    picture = build_picture(build_scene(fan(60)), card_fonts())
    incoming = [stub for stub in picture.stubs if stub.incoming]
    leaving = [stub for stub in picture.stubs if not stub.incoming]
    assert len(incoming) == 60
    assert len(leaving) == 1
    assert len(leaving[0].others) == 60
    view = make_view(picture)
    stub = incoming[-1]
    view.camera.bring_in(QRectF(*stub.chip[:2], 1, 1))
    left, top, right, bottom = stub.chip
    chip = view.camera.view.to_widget(QRectF(left, top, right - left, bottom - top))
    qtbot.mouseClick(view, LEFT, NONE, chip.center().toPoint())
    settle(qtbot, view)
    assert (view.card_rect("root").center() - view.rect().center()).manhattanLength() <= 4
    left, top, right, bottom = leaving[0].chip
    chip = view.camera.view.to_widget(QRectF(left, top, right - left, bottom - top))
    with qtbot.waitSignal(view.stub_menu_asked) as asked:
        qtbot.mouseClick(view, LEFT, NONE, chip.center().toPoint())
    assert asked.args is not None
    assert asked.args[0] == leaving[0]


def test_the_right_button_selects_and_asks_for_a_menu(qtbot: QtBot, view: GraphView) -> None:
    """The menu is about what is under the pointer."""
    name = view.node_names()[2]
    at = view.card_rect(name).center()
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, view.mapToGlobal(at))
    with qtbot.waitSignal(view.menu_asked) as asked:
        QApplication.sendEvent(view, event)
    assert asked.args is not None
    assert asked.args[0].name == name
    assert view.selected() == (name,)


def test_every_zoom_can_be_painted(view: GraphView) -> None:
    """Text is dropped below a readable size; something is painted at every zoom."""
    canvas = view.look().brushes.canvas.color()
    for _ in range(14):
        image = view.grab().toImage()
        seen = {image.pixelColor(x, y).rgb() for x in range(0, 700, 2) for y in range(0, 600, 5)}
        assert seen - {canvas.rgb()}
        view.camera.zoom(0.7)
        view.camera.look_at(view.picture().rect(3).center())  # type: ignore[union-attr]


def test_badges_are_painted_where_they_changed(qtbot: QtBot, view: GraphView) -> None:
    """A heat colour shows on the card that has it, and goes again."""
    name = next(card.name for card in view.picture().cards if card.kind == "layer")  # type: ignore[union-attr]
    red = QColor("#ff0000")

    def reds() -> int:
        image = view.grab(view.card_rect(name)).toImage()
        size = image.size()
        points = ((x, y) for x in range(size.width()) for y in range(size.height()))
        return sum(image.pixelColor(x, y) == red for x, y in points)

    assert reds() == 0
    view.surface.set_badges({name: Badge("int8:channel", "uint8:tensor", "9 dB", red)})
    assert reds() > 20
    view.surface.set_badges({name: Badge("int8:channel", "uint8:tensor")})
    assert reds() == 0


def test_another_picture_keeps_its_anchor_in_place(
    view: GraphView, picture: Picture, sample_models: Path
) -> None:
    """What the user looks at does not jump when something else is folded."""
    name = view.node_names()[4]
    before = view.card_rect(name).center()
    again = build_picture(picture.scene, card_fonts(), "right")
    view.set_picture(again, anchor=name, is_other=False)
    assert (view.card_rect(name).center() - before).manhattanLength() <= 2


def test_odd_graphs_have_a_picture(qtbot: QtBot, make_view: Callable[[Picture], GraphView]) -> None:
    """Empty, one node, long non-Latin names, parts that do not meet, many constants."""
    empty = Graph("", (), {}, (), ())
    assert build_picture(build_scene(empty), card_fonts()).cards == ()
    many = {f"c{i}": Tensor(f"c{i}", "float32", (i,), constant=True) for i in range(60)}
    tensors = {"x": Tensor("x"), LONG: Tensor(LONG), **many}
    attributes = {f"attribute_{i}": LONG for i in range(60)}
    nodes = (
        Node(LONG, "Mystery", "custom", ("x", *many), (LONG,), attributes),
        Node("alone", "Lonely", "", (), ()),
        Node("line\nbreak", "<b>Odd</b>", "", (), ()),
    )
    graph = Graph("odd", nodes, tensors, ("x",), (LONG,))
    for detail in (Detail(), Detail(attributes=True, names=True)):
        picture = build_picture(build_scene(graph), card_fonts(), "down", detail)
        assert all(card.width <= 320 for card in picture.cards)
        view = make_view(picture)
        assert not view.grab().isNull()
        view.set_picture(None)
        assert view.node_names() == ()


def test_a_folded_group_is_one_card(make_view: Callable[[Picture], GraphView]) -> None:
    """It stands for its nodes: a click selects them all."""
    nodes = tuple(
        Node(f"/block/step{i}/Relu", "Relu", "", (f"t{i}",), (f"t{i + 1}",)) for i in range(4)
    )
    outside = Node("/head/Relu", "Relu", "", ("t4",), ("t5",))
    tensors = {f"t{i}": Tensor(f"t{i}") for i in range(6)}
    graph = Graph("g", (*nodes, outside), tensors, ("t0",), ("t5",))
    scene: Scene = build_scene(graph, Folding(closed=frozenset({"/block/"})))
    view = make_view(build_picture(scene, card_fonts()))
    assert view.node_names() == (outside.name,)
    number = scene.place[nodes[2].name]
    assert set(view.names_of(number)) == {node.name for node in nodes}
    assert view.picture().cards[number].opens  # type: ignore[union-attr]


def test_boxes_and_links_fit_together(picture: Picture) -> None:
    """Every link begins and ends on the edge of its cards."""
    for link, (source, target) in enumerate(picture.scene.links.tolist()):
        route = picture.drawing.route(link)
        assert route[0, 1] == pytest.approx(picture.boxes[source, 3])
        assert route[-1, 1] == pytest.approx(picture.boxes[target, 1])
    drawn = ~picture.drawing.cut
    assert np.all(picture.link_boxes[drawn, 0] <= picture.link_boxes[drawn, 2])
