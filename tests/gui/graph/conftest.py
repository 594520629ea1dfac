"""Models to look at, and hands for the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import FunctionProto, GraphProto, NodeProto, TensorProto, helper, numpy_helper
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from inspector.graph.model import Graph, Node, Tensor
from inspector.graph.scene import build_scene
from inspector.gui.graph_view.picture import Picture, build_picture, card_fonts
from inspector.gui.graph_view.view import GraphView
from inspector.gui.main_window import MainWindow
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import load_model

Idle = Callable[[], None]
Write = Callable[..., Path]
NONE = Qt.KeyboardModifier.NoModifier
ALT, CTRL = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ControlModifier
LEFT = Qt.MouseButton.LeftButton

HOSTILE = (
    "line\nbreak\r\n\ttab", "节点名称" * 75, "x" * 300, "<b>html</b><script>alert(1)</script>", "",
    "&amp; & && %s {0}", "/a/b/../c//", "名字/子/层", " ", "\x01\x07",
)  # fmt: skip


def value(name: str, shape: Sequence[int] | None = (1, 8), dtype: int = TensorProto.FLOAT) -> Any:
    """A graph's input or output."""
    return helper.make_tensor_value_info(name, dtype, shape)


def matrix(name: str, rows: int = 8, columns: int = 8) -> TensorProto:
    """A constant matrix that is not all the same."""
    values = np.random.default_rng(0).standard_normal((rows, columns))
    return numpy_helper.from_array(values.astype(np.float32), name)


def branch(name: str, *nodes: NodeProto) -> GraphProto:
    """A subgraph whose output is that of its last node."""
    return helper.make_graph(list(nodes), name, [], [value(nodes[-1].output[0])])


def chain_of(names: Sequence[str]) -> list[NodeProto]:
    """Layers and activations by turns, from x to y."""
    nodes = []
    for number, name in enumerate(names):
        source = "x" if not number else f"t{number - 1}"
        target = "y" if number == len(names) - 1 else f"t{number}"
        inputs = [source, "W"] if number % 2 == 0 else [source]
        nodes.append(
            helper.make_node("MatMul" if number % 2 == 0 else "Relu", inputs, [target], name)
        )
    return nodes


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes nodes as a model; its inputs are x and what else is given."""

    def make(
        nodes: Sequence[NodeProto],
        name: str = "model.onnx",
        *,
        inputs: Sequence[Any] = (),
        outputs: Sequence[str] = ("y",),
        functions: Sequence[FunctionProto] = (),
    ) -> Path:
        graph = helper.make_graph(
            list(nodes),
            "graph",
            [value("x"), *inputs],
            [value(output) for output in outputs],
            [matrix("W")],
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)]
        model = helper.make_model(
            graph, opset_imports=opsets, functions=list(functions), ir_version=10
        )
        path = tmp_path / name
        onnx.save(model, path)
        return path

    return make


@pytest.fixture
def branched(write: Write) -> Path:
    """A MatMul, an If with an If in it, and a MatMul behind it."""
    deep = helper.make_node(
        "If",
        ["c"],
        ["deep.out"],
        "deep",
        then_branch=branch("t", helper.make_node("Relu", ["m"], ["leaf.out"], "leaf")),
        else_branch=branch("e", helper.make_node("Neg", ["m"], ["other.out"], "other")),
    )
    inner = branch("inner", deep, helper.make_node("Abs", ["deep.out"], ["after.out"], "after"))
    plain = branch("plain", helper.make_node("Exp", ["m"], ["plain.out"], "plain"))
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["m"], "first"),
        helper.make_node("If", ["c"], ["i"], "choose", then_branch=inner, else_branch=plain),
        helper.make_node("MatMul", ["i", "W"], ["y"], "last"),
    ]
    return write(nodes, inputs=[value("c", (), TensorProto.BOOL)])


@pytest.fixture
def hostile() -> Sequence[str]:
    """Names that nobody should give, and some do."""
    return HOSTILE


@pytest.fixture
def chained(write: Write) -> Write:
    """Writes layers and activations by turns, with these names."""
    return lambda names: write(chain_of(names))


@pytest.fixture
def grouped(write: Write) -> Path:
    """Three blocks alike, by their names, and a head."""
    names = [f"/block{n}/{part}" for n in range(3) for part in ("MatMul", "Relu")]
    return write(chain_of([*names, "/head/MatMul"]))


class Hands:
    """Clicks on the graph of a window."""

    def __init__(self, qtbot: QtBot, window: MainWindow, idle: Idle) -> None:
        self._qtbot, self._window, self._idle = qtbot, window, idle

    @property
    def view(self) -> GraphView:
        """Where is clicked."""
        return self._window.graph

    def show(self, path: Path) -> GraphView:
        """Open a model and wait for all of it."""
        self._window.open_path(path)
        self._idle()
        self._window.activateWindow()
        self.view.setFocus()
        return self.view

    def middle(self, name: str) -> QPoint:
        """The middle of the card that shows a node, brought into sight."""
        self.view.reveal(name)
        return self.view.card_rect(name).center()

    def group_place(self, path: str) -> QPoint:
        """The middle of a group's card."""
        picture = self.view.picture()
        assert picture is not None
        number = picture.groups[path]
        self.view.bring_in(number)
        return self.view.camera.view.to_widget(picture.rect(number)).center().toPoint()

    def menu_at(self, at: QPoint) -> QMenu:
        """The menu that the right button opens."""
        event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, self.view.mapToGlobal(at))
        QApplication.sendEvent(self.view, event)
        menu = QApplication.activePopupWidget()
        assert isinstance(menu, QMenu)
        return menu

    def pick(self, menu: QMenu, name: str) -> None:
        """Choose an entry of a menu."""
        found = [action for action in menu.actions() if action.objectName() == name]
        menu.close()
        found[0].trigger()

    def shown(self) -> set[str]:
        """The nodes and groups that have cards."""
        picture = self.view.picture()
        assert picture is not None
        return {item.name for item in picture.scene.items if item.members}


@pytest.fixture
def hands(qtbot: QtBot, window: MainWindow, idle: Idle) -> Hands:
    """Hands for the window of a test."""
    return Hands(qtbot, window, idle)


# Views without a window


@pytest.fixture(scope="session")
def sample_graph(sample_models: Path) -> Graph:
    """The sample network as a graph."""
    return extract_graph(load_model(sample_models / "digits_cnn.onnx"))


@pytest.fixture
def fan() -> Callable[[int], Graph]:
    """Makes graphs of one node whose output many others read."""
    return _fan


def _fan(readers: int) -> Graph:
    """One node whose output many others read."""
    names = [f"r{i}" for i in range(readers)]
    nodes = [Node("root", "Relu", "", ("x",), ("t",))]
    nodes += [Node(name, "Abs", "", ("t",), (f"{name}.out",)) for name in names]
    tensors = {"x": Tensor("x"), "t": Tensor("t", producer="root", consumers=tuple(names))}
    tensors |= {f"{name}.out": Tensor(f"{name}.out", producer=name) for name in names}
    return Graph("fan", tuple(nodes), tensors, ("x",), tuple(f"{name}.out" for name in names))


@pytest.fixture
def picture(qtbot: QtBot, sample_graph: Graph) -> Picture:
    """The sample network, laid out."""
    return build_picture(build_scene(sample_graph), card_fonts())


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
