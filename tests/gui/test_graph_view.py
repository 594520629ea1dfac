"""The graph view's gestures, and what is on its cards."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from inspector.graph.model import Graph, Node, Tensor
from inspector.gui.graph_view.cards import build_cards, build_wires, shape_text
from inspector.gui.graph_view.picture import Picture, build_picture, card_fonts
from inspector.gui.graph_view.view import GraphView
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import load_model

LONG = "节点名称" * 80


def graph_of(sample_models: Path) -> Graph:
    """The sample network as a graph."""
    return extract_graph(load_model(sample_models / "digits_cnn.onnx"))


@pytest.fixture
def picture(qtbot: QtBot, sample_models: Path) -> Picture:
    """The sample network, laid out."""
    return build_picture(graph_of(sample_models), card_fonts())


@pytest.fixture
def view(qtbot: QtBot, picture: Picture) -> GraphView:
    """A view of it."""
    made = GraphView()
    qtbot.addWidget(made)
    made.resize(700, 600)
    made.show()
    qtbot.waitExposed(made)
    made.set_picture(picture)
    return made


def test_every_node_has_a_card_and_every_tensor_its_edges(
    qtbot: QtBot, sample_models: Path
) -> None:
    """Constants are on the cards, all else is an edge."""
    graph = graph_of(sample_models)
    cards, wires = build_cards(graph, card_fonts()), build_wires(graph)
    assert len(cards) == len(graph.nodes) + len(graph.inputs) + len(graph.outputs)
    flowing = sum(
        1
        for node in graph.nodes
        for name in set(node.inputs)
        if name and not graph.tensors[name].constant
    )
    assert len(wires) == flowing + len(graph.outputs)
    conv = next(card for card in cards if card.title == "Conv")
    assert ("W", "⟨16×1×3×3⟩") in conv.lines


def test_shapes_are_short() -> None:
    """Names that tools make up say nothing; short names of the model do."""
    assert shape_text((1, "N", None, "unk__44", "a_very_long_symbol")) == "1×N×?×?×?"
    assert shape_text(None) == ""


def test_the_wheel_zooms_to_the_pointer(view: GraphView) -> None:
    """What is under the pointer stays under it."""
    name = view.node_names()[0]
    before = view.card_rect(name).center()
    where = QPointF(before)
    none = Qt.KeyboardModifier.NoModifier
    event = QWheelEvent(
        where,
        QPointF(view.mapToGlobal(before)),
        QPoint(),
        QPoint(0, 240),
        Qt.MouseButton.NoButton,
        none,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    scale = view.scale()
    QApplication.sendEvent(view, event)
    assert view.scale() > scale
    assert (view.card_rect(name).center() - before).manhattanLength() <= 2


def test_dragging_pans_and_does_not_select(qtbot: QtBot, view: GraphView) -> None:
    """A drag that starts on a card moves the picture."""
    name = view.node_names()[0]
    start = view.card_rect(name).center()
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 6):
        qtbot.mouseMove(view, start + QPoint(12 * step, 8 * step))
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=start + QPoint(60, 40))
    assert (view.card_rect(name).center() - start - QPoint(60, 40)).manhattanLength() <= 2
    assert view.selected() == ()


def test_fit_and_keys(qtbot: QtBot, view: GraphView) -> None:
    """F shows all of it, 0 is 100 %, arrows walk the edges, Escape clears."""
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


def test_every_zoom_can_be_painted(view: GraphView) -> None:
    """Text is dropped below a readable size; something is painted at every zoom."""
    for _ in range(24):
        view.zoom(0.7)
        assert not view.grab().isNull()


def test_odd_graphs_have_a_picture(qtbot: QtBot) -> None:
    """Empty, one node, long non-Latin names, parts that do not meet, many constants."""
    empty = Graph("", (), {}, (), ())
    assert build_picture(empty, card_fonts()).cards == ()
    many = {f"c{i}": Tensor(f"c{i}", "float32", (i,), constant=True) for i in range(60)}
    tensors = {"x": Tensor("x"), LONG: Tensor(LONG), **many}
    nodes = (
        Node(LONG, "Mystery", "custom", ("x", *many), (LONG,)),
        Node("alone", "Lonely", "", (), ()),
    )
    graph = Graph("odd", nodes, tensors, ("x",), (LONG,))
    picture = build_picture(graph, card_fonts())
    assert all(card.width <= 320 for card in picture.cards)
    view = GraphView()
    qtbot.addWidget(view)
    view.resize(400, 300)
    view.show()
    view.set_picture(picture)
    assert not view.grab().isNull()
    view.set_picture(None)
    assert view.node_names() == ()
