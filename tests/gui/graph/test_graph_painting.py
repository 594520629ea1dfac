"""What is on the cards, where things are, and what is painted at which zoom."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QImage,
    QPainter,
)
from pytestqt.qtbot import QtBot

from inspector.graph.model import Graph, Node, Tensor
from inspector.graph.scene import Folding, Scene, build_scene
from inspector.gui.graph_view.area import AreaPainter
from inspector.gui.graph_view.brushes import Brushes
from inspector.gui.graph_view.cards import Detail, build_cards, shape_text
from inspector.gui.graph_view.look import Badge, Look
from inspector.gui.graph_view.picking import Under
from inspector.gui.graph_view.picture import Picture, build_picture, card_fonts
from inspector.gui.graph_view.tooltips import tip_of
from inspector.gui.graph_view.view import GraphView
from inspector.gui.theme import LIGHT

LONG = "节点名称" * 80
NONE = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton
Fan = Callable[[int], Graph]


def drawn(view: GraphView) -> Picture:
    """The picture that a view shows."""
    picture = view.picture()
    assert picture is not None
    return picture


def test_every_node_has_a_card_and_constants_are_on_it(qtbot: QtBot, sample_graph: Graph) -> None:
    """Constants are on the cards that read them, all else is an edge."""
    graph = sample_graph
    scene = build_scene(graph)
    cards = build_cards(scene, card_fonts())
    assert len(cards) == len(graph.nodes) + len(graph.inputs) + len(graph.outputs)
    conv = next(card for card in cards if card.title == "Conv")
    assert ("W", "⟨16×1×3×3⟩") in conv.lines
    with_attributes = build_cards(scene, card_fonts(), Detail(attributes=True))
    conv = next(card for card in with_attributes if card.title == "Conv")
    assert ("kernel_shape", "3, 3") in conv.lines


def test_types_are_called_by_name(qtbot: QtBot) -> None:
    """The number in a Cast is an element type; in another's operator it may be anything."""
    nodes = (
        Node("cast", "Cast", "", ("x",), ("a",), {"to": 7}),
        Node("odd", "Cast", "", ("a",), ("b",), {"to": 0}),
        Node("own", "Cast", "my.domain", ("b",), ("y",), {"to": 7}),
    )
    graph = Graph("g", nodes, {name: Tensor(name) for name in "xaby"}, ("x",), ("y",))
    cards = build_cards(build_scene(graph), card_fonts(), Detail(attributes=True))
    lines = {card.name: card.lines for card in cards}
    assert lines["cast"] == (("to", "int64"),)
    assert lines["odd"] == (("to", "0"),)
    assert lines["own"] == (("to", "7"),)


def test_shapes_are_short() -> None:
    """Names that tools make up say nothing; short names of the model do."""
    assert shape_text((1, "N", None, "unk__44", "a_very_long_symbol")) == "1×N×?×?×?"
    assert shape_text(None) == ""


def test_every_zoom_can_be_painted(view: GraphView) -> None:
    """Text is dropped below a readable size; something is painted at every zoom."""
    canvas = view.look().brushes.canvas.color()
    for _ in range(14):
        image = view.grab().toImage()
        seen = {image.pixelColor(x, y).rgb() for x in range(0, 700, 2) for y in range(0, 600, 5)}
        assert seen - {canvas.rgb()}
        view.camera.zoom(0.7)
        view.camera.look_at(drawn(view).rect(3).center())


def test_badges_are_painted_where_they_changed(qtbot: QtBot, view: GraphView) -> None:
    """A heat colour shows on the card that has it, and goes again."""
    name = next(card.name for card in drawn(view).cards if card.kind == "layer")
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


@pytest.mark.parametrize("scale", [1.3, 0.8, 0.45, 0.15, 0.05])
def test_a_part_painted_anew_is_as_if_all_had_been(
    view: GraphView, stored_images: Any, scale: float
) -> None:
    """At every zoom, wherever tiles meet, but for the last bit of a smoothed edge."""
    dice, pixels = random.Random(0), stored_images.pixels
    view.camera.zoom(scale / view.scale())
    names = [card.name for card in drawn(view).cards if card.kind == "layer"]
    view.camera.look_at(drawn(view).rect(drawn(view).scene.place[names[0]]).center())
    badges = {name: Badge("int8", "uint8", "9 dB", QColor("#ff0000")) for name in names}

    def seen() -> NDArray[np.int16]:
        view.grab()
        while not view.is_sharp():  # a frame paints as much as it has time for
            view.grab()
        found: NDArray[np.int16] = pixels(view.grab().toImage())
        return found

    view.surface.set_badges(badges)
    seen()
    for number in range(6):
        some = dice.sample(names, min(2, len(names)))
        figure = f"{dice.randint(5, 500)} dB"
        badge = Badge("int4:channel", "", figure, QColor(0, 40 * number, 99))
        view.surface.update_badges(dict.fromkeys(some, badge))
        in_part = seen()
        view.surface.apply_theme(LIGHT)  # forgets all tiles
        np.testing.assert_allclose(in_part, seen(), atol=1)


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
    assert drawn(view).cards[number].opens


def test_boxes_and_links_fit_together(picture: Picture) -> None:
    """Every link begins and ends on the edge of its cards."""
    for link, (source, target) in enumerate(picture.scene.links.tolist()):
        route = picture.drawing.route(link)
        assert route[0, 1] == pytest.approx(picture.boxes[source, 3])
        assert route[-1, 1] == pytest.approx(picture.boxes[target, 1])
    drawn = ~picture.drawing.cut
    assert np.all(picture.link_boxes[drawn, 0] <= picture.link_boxes[drawn, 2])


def test_text_is_never_painted_too_small(view: GraphView, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each zoom every text has 8 pixels or more; far away there is none."""
    sizes: list[float] = []
    paint = QPainter.drawText

    def noted(painter: QPainter, *given: Any) -> None:
        sizes.append(painter.font().pixelSize() * painter.worldTransform().m11())
        paint(painter, *given)

    monkeypatch.setattr(QPainter, "drawText", noted)
    name = next(card.name for card in drawn(view).cards if card.kind == "layer")
    view.surface.set_badges({name: Badge("int8:channel", "uint8", "9 dB", QColor("#ff0000"))})
    seen: dict[float, int] = {}
    for scale in np.geomspace(4.0, 0.01, 60).tolist():
        sizes.clear()
        view.camera.zoom(scale / view.scale())
        view.camera.look_at(drawn(view).rect(3).center())
        view.grab()
        assert all(size >= 8.0 for size in sizes), (scale, min(sizes))
        seen[scale] = len(sizes)
    assert any(count for scale, count in seen.items() if scale < 0.5)
    assert not any(count for scale, count in seen.items() if scale < 0.08)


def test_labels_do_not_lie_on_one_another(
    make_view: Callable[[Picture], GraphView], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the curves of many cards meet on one."""
    names = [f"n{number}" for number in range(9)]
    nodes = [Node(name, "Abs", "", ("x",), (f"{name}.out",)) for name in names]
    outputs = tuple(f"{name}.out" for name in names)
    nodes.append(Node("sum", "Sum", "", outputs, ("y",)))
    tensors = {"x": Tensor("x", consumers=tuple(names)), "y": Tensor("y", producer="sum")}
    for name in names:
        tensors[f"{name}.out"] = Tensor(f"{name}.out", producer=name, consumers=("sum",))
    graph = Graph("g", tuple(nodes), tensors, ("x",), ("y",))
    places: list[QRectF] = []
    paint = QPainter.drawText

    def noted(painter: QPainter, *given: Any) -> None:
        if str(given[-1]).startswith("1×64"):
            places.append(painter.worldTransform().mapRect(given[0]))
        paint(painter, *given)

    for direction in ("down", "right"):
        assert direction in ("down", "right")
        picture = build_picture(build_scene(graph), card_fonts(), direction)
        look = Look(Brushes(LIGHT), label=lambda _tensor: "1×64×112×112")
        image = QImage(2000, 2000, QImage.Format.Format_RGB32)
        places.clear()
        with monkeypatch.context() as patch:
            patch.setattr(QPainter, "drawText", noted)
            painter = QPainter(image)
            AreaPainter(picture, look).paint(painter, picture.bounds, 1.0)
            painter.end()
        assert len(places) >= 3
        for number, one in enumerate(places):
            assert not any(one.intersects(other) for other in places[:number])


def test_names_that_fit_a_card_are_written_whole(
    make_view: Callable[[Picture], GraphView], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long name of an attribute with a short value: cards are as wide as both."""
    attributes: dict[str, Any] = {"num_scan_inputs": 1, "keepdims": 0, "an" + "_attribute" * 40: 7}
    node = Node("n", "Scan", "", ("x",), ("y",), attributes)
    tensors = {"x": Tensor("x", consumers=("n",)), "y": Tensor("y", producer="n")}
    graph = Graph("g", (node,), tensors, ("x",), ("y",))
    scene = build_scene(graph)
    view = make_view(build_picture(scene, card_fonts(), detail=Detail(attributes=True)))
    view.full_size()
    texts = _painted(view, monkeypatch)
    assert {"num_scan_inputs", "keepdims", "1", "0", "7"} <= set(texts)
    assert any(text.startswith("an_attribute") and text.endswith("…") for text in texts)


def test_a_line_that_is_lit_up_does_not_strike_its_label_out(
    view: GraphView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the tensor is stands over the line."""
    picture = drawn(view)
    view.full_size()
    link = len(picture.scene.tensors) // 2
    tensor = picture.scene.tensors[link]
    view.surface.set_label(lambda name: f"of {name[-9:]}")
    view.camera.look_at(QPointF(*picture.labels[link].tolist()))
    _painted(view, monkeypatch)  # the tiles are there now
    view.hover(tensor)
    assert _painted(view, monkeypatch) == [f"of {tensor[-9:]}"]


def _painted(view: GraphView, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are painted until the view is sharp."""
    texts: list[str] = []
    paint = QPainter.drawText

    def noted(painter: QPainter, *given: Any) -> None:
        texts.append(str(given[-1]))
        paint(painter, *given)

    with monkeypatch.context() as patch:
        patch.setattr(QPainter, "drawText", noted)
        view.grab()
        while not view.is_sharp():
            view.grab()
    return texts


def test_stubs_hang_where_nothing_else_is(fan: Fan, qtbot: QtBot) -> None:
    """Beside their cards, on no card and on no other stub, whichever way edges run."""
    for direction in ("down", "right"):
        assert direction in ("down", "right")
        picture = build_picture(build_scene(fan(90)), card_fonts(), direction)
        assert len(picture.stubs) == 91
        chips = np.array([stub.chip for stub in picture.stubs])
        for others, own in ((picture.boxes, 0), (chips, 1)):
            over = (chips[:, None, :2] < others[None, :, 2:]).all(axis=2)
            over &= (chips[:, None, 2:] > others[None, :, :2]).all(axis=2)
            assert int(over.sum()) == own * len(chips)
        for stub in picture.stubs:
            x0, y0, x1, y1 = stub.line
            at = (x1, y1) if stub.incoming else (x0, y0)
            left, top, right, bottom = picture.boxes[stub.item].tolist()
            assert left <= at[0] <= right
            assert top <= at[1] <= bottom


def test_marks_are_seen_from_afar(
    fan: Fan, qtbot: QtBot, make_view: Callable[[Picture], GraphView]
) -> None:
    """What is selected and found is seen where a card is a pixel."""
    view = make_view(build_picture(build_scene(fan(400)), card_fonts()))
    view.fit()
    view.camera.zoom(0.03 / view.scale())
    view.camera.look_at(drawn(view).bounds.center())
    accent = QColor(LIGHT.accent).rgb()

    def seen() -> int:
        image = view.grab().toImage()
        size = range(image.width()), range(image.height())
        return sum(image.pixel(x, y) == accent for x in size[0] for y in size[1])

    assert seen() == 0
    view.choose([name for name in view.node_names() if name.endswith("7")])
    assert seen() > 100


def test_tooltips_tell_what_is_known_by_now(view: GraphView, sample_graph: Graph) -> None:
    """A shape that was inferred since the picture was made; what a node is folded into."""
    picture = view.picture()
    assert picture is not None
    graph = sample_graph
    layers = {layer.output: layer for layer in graph.layers}
    name = next(n.name for n in graph.nodes if n.inputs[0] in layers)
    tensor = graph.node(name).inputs[0]
    bare = {**graph.tensors, tensor: Tensor(tensor)}
    under = Under(tensor=tensor)
    look = view.look()
    assert "×" not in tip_of(picture, replace(graph, tensors=bare), under, look)
    assert "×8×8" in tip_of(picture, graph, under, look)
    folded = replace(look, folded={name: "conv does its work"})
    card = Under(card=picture.scene.place[name])
    assert "Folded" not in tip_of(picture, graph, card, look)
    assert "conv does its work" in tip_of(picture, graph, card, folded)


def test_the_first_look_is_at_the_start(
    qtbot: QtBot, make_view: Callable[[Picture], GraphView], sample_graph: Graph
) -> None:
    """The graph's first card is in sight and about in the middle, however far the rest reaches."""
    scene = build_scene(sample_graph)
    for direction in ("down", "right"):
        assert direction in ("down", "right")
        view = make_view(build_picture(scene, card_fonts(), direction))
        picture = view.picture()
        assert picture is not None
        first = view.camera.view.to_widget(picture.rect(0))
        assert QRectF(view.rect()).contains(first)
        middle = view.rect().center()
        away = (
            first.center().x() - middle.x()
            if direction == "down"
            else first.center().y() - middle.y()
        )
        assert abs(away) < 150
