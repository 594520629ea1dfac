"""What of a model is shown: graphs inside graphs, folding, directions; the newest request wins."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from inspector.errors import ModelError
from inspector.graph.model import Graph, Node, Tensor
from inspector.gui.graph_view.cards import Card, Detail
from inspector.gui.graph_view.picture import card_fonts
from inspector.gui.stage import PICTURE, Stage, Staged, Step
from inspector.gui.tasks import Tasks

IF = Step("if", "then_branch")


def graph_of(*nodes: Node, constants: tuple[str, ...] = ()) -> Graph:
    """A graph of nodes in order; what none of them gives is an input."""
    tensors: dict[str, Tensor] = {name: Tensor(name, constant=True) for name in constants}
    readers: dict[str, list[str]] = {}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node.name)
    given = {name: node.name for node in nodes for name in node.outputs}
    inputs = tuple(name for name in readers if name not in given and name not in tensors)
    for name in (*readers, *given):
        if name not in tensors:
            known = tuple(readers.get(name, ()))
            tensors[name] = Tensor(name, producer=given.get(name), consumers=known)
    return Graph("g", nodes, tensors, inputs, tuple(n for n in given if n not in readers))


def node(name: str, op_type: str, reads: str, **attributes: Any) -> Node:
    """A node that reads tensors and gives one of its own name."""
    return Node(name, op_type, "", tuple(reads.split()), (f"{name}.out",), attributes)


def nested() -> Graph:
    """A graph with a branch, with a branch in it, and a group outside."""
    leaf = graph_of(node("leaf", "Relu", "x"))
    inner = graph_of(node("before", "Neg", "x"), node("deep", "If", "c", then_branch=leaf))
    block = [
        node(f"/block/{n}/Relu", "Relu", "x" if not n else f"/block/{n - 1}/Relu.out")
        for n in range(4)
    ]
    return graph_of(
        *block,
        node("if", "If", "/block/3/Relu.out", then_branch=inner, else_branch=leaf),
        node("/head/a/Relu", "Relu", "if.out"),
        node("/head/b/Relu", "Relu", "/head/a/Relu.out"),
    )


@pytest.fixture
def tasks(qtbot: QtBot) -> Iterator[Tasks]:
    """Workers."""
    made = Tasks()
    yield made
    made.close()


@pytest.fixture
def stage(tasks: Tasks) -> Stage:
    """A stage without a model."""
    return Stage(tasks, card_fonts())


def settle(qtbot: QtBot, tasks: Tasks, stage: Stage) -> Staged:
    """Wait for the picture, and for the groups that follow it."""
    qtbot.waitUntil(lambda: not tasks.is_busy() and stage.is_current(), timeout=10_000)
    qtbot.waitUntil(lambda: stage.groups() is not None, timeout=10_000)
    assert stage.staged is not None
    return stage.staged


def card(staged: Staged, name: str) -> Card:
    """A card by the name of its node, or the path of its group."""
    return next(one for one in staged.picture.cards if one.name == name)


def names(staged: Staged) -> set[str]:
    """What has a card of its own."""
    return {item.name for item in staged.picture.scene.items if item.members}


def test_a_model_is_shown_and_gone_again(qtbot: QtBot, tasks: Tasks, stage: Stage) -> None:
    """After closing, no wish brings its picture back."""
    assert stage.graph() is None
    stage.open(nested())
    with qtbot.assertNotEmitted(stage.leaving):
        staged = settle(qtbot, tasks, stage)
    assert {"if", "/head/a/Relu"} <= names(staged)
    assert stage.is_main()
    stage.close()
    stage.set_raw(True, None)
    stage.go_to((IF,))
    stage.set_direction("right", None)
    assert not tasks.is_busy(PICTURE)
    assert stage.graph() is None
    assert not stage.is_current()


def test_going_in_and_out(qtbot: QtBot, tasks: Tasks, stage: Stage) -> None:
    """By the card, by a branch, by the breadcrumb; what was left is told."""
    stage.open(nested())
    staged = settle(qtbot, tasks, stage)
    stage.enter(card(staged, "if"))
    staged = settle(qtbot, tasks, stage)
    assert staged.shown.path == (IF,)
    assert names(staged) == {"before", "deep"}
    assert not stage.is_main()
    stage.enter(card(staged, "deep"))
    staged = settle(qtbot, tasks, stage)
    assert names(staged) == {"leaf"}
    assert [step.title for step in staged.shown.path] == ["if (then_branch)", "deep (then_branch)"]
    stage.go_to(())
    staged = settle(qtbot, tasks, stage)
    assert staged.left == staged.anchor == "if"
    stage.enter_body("if", "else_branch")
    assert names(settle(qtbot, tasks, stage)) == {"leaf"}
    assert stage.leave()
    assert settle(qtbot, tasks, stage).left == "if"
    assert not stage.leave()


def test_a_picture_that_is_left_is_told_of_at_once(
    qtbot: QtBot, tasks: Tasks, stage: Stage
) -> None:
    """Names in it mean nothing in the graph that is asked for; the newest request wins."""
    stage.open(nested())
    staged = settle(qtbot, tasks, stage)
    shown: list[Staged] = []
    stage.changed.connect(shown.append)
    with qtbot.waitSignal(stage.leaving):
        stage.enter(card(staged, "if"))
    assert not stage.is_current()
    assert stage.groups() is None
    stage.enter(card(staged, "/head/a/Relu"))  # a card of the picture that is left
    stage.go_to(())
    settle(qtbot, tasks, stage)
    assert [one.shown.path for one in shown] == [()]
    with qtbot.assertNotEmitted(stage.leaving):
        stage.set_raw(True, None)
        stage.set_direction("right", None)
        stage.set_detail(Detail(names=True), None)
        settle(qtbot, tasks, stage)
    last = shown[-1].shown
    assert (last.folding.raw, last.direction, last.detail) == (True, "right", Detail(names=True))


def test_folds_are_kept_for_each_graph(qtbot: QtBot, tasks: Tasks, stage: Stage) -> None:
    """Going in opens nothing that was folded outside; another model begins unfolded."""
    stage.open(nested())
    staged = settle(qtbot, tasks, stage)
    assert stage.groups() is not None
    stage.close_all(None)
    staged = settle(qtbot, tasks, stage)
    folded = names(staged)
    assert {"/block/", "/head/"} <= folded
    stage.enter(card(staged, "if"))
    assert names(settle(qtbot, tasks, stage)) == {"before", "deep"}
    stage.leave()
    staged = settle(qtbot, tasks, stage)
    assert names(staged) == folded
    stage.enter(card(staged, "/block/"))
    staged = settle(qtbot, tasks, stage)
    assert "/block/2/Relu" in names(staged)
    assert "/head/" in names(staged)
    assert staged.anchor == "/block/0/Relu"
    stage.open(nested())
    assert names(settle(qtbot, tasks, stage)).isdisjoint({"/block/", "/head/"})


def test_functions_are_told_by_their_domain(qtbot: QtBot, tasks: Tasks, stage: Stage) -> None:
    """ONNX's own Relu is not opened because a model defines another; functions call functions."""
    inner = graph_of(node("i", "Abs", "a"))
    outer = graph_of(Node("call", "Inner", "my", ("a",), ("b",)))
    functions = {("my", "Relu", ""): outer, ("my", "Inner", ""): inner}
    graph = graph_of(Node("mine", "Relu", "my", ("x",), ("y",)), node("own", "Relu", "y"))
    stage.open(graph, MappingProxyType(functions))
    staged = settle(qtbot, tasks, stage)
    assert card(staged, "mine").opens
    assert not card(staged, "own").opens
    stage.enter(card(staged, "own"))
    assert stage.is_main()
    stage.enter(card(staged, "mine"))
    staged = settle(qtbot, tasks, stage)
    stage.enter(card(staged, "call"))
    assert names(settle(qtbot, tasks, stage)) == {"i"}


def test_what_is_learnt_draws_nothing_anew(qtbot: QtBot, tasks: Tasks, stage: Stage) -> None:
    """Shapes that were inferred change no card; functions that are new do."""
    graph = nested()
    stage.open(graph)
    settle(qtbot, tasks, stage)
    again = nested()
    with qtbot.assertNotEmitted(stage.changed, wait=100):
        stage.learn(again, MappingProxyType({}))
    assert stage.graph() is again
    stage.enter_body("if", "then_branch")
    settle(qtbot, tasks, stage)
    with qtbot.waitSignal(stage.changed):
        stage.learn(graph, MappingProxyType({("", "Relu", ""): again}), anchor="before")
    assert stage.staged is not None
    assert stage.staged.anchor == "before"


def quantized() -> Graph:
    """A Conv behind QONNX's quantizers, whose bits are a constant."""
    quantizer = Node(
        "q",
        "Quant",
        "qonnx.custom_op.general",
        ("w", "s", "z", "bits"),
        ("wq",),
        {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"},
    )
    conv = Node("conv", "Conv", "", ("x", "wq"), ("y",))
    tensors = {
        "x": Tensor("x", "float32", (1, 2, 4, 4), consumers=("conv",)),
        "w": Tensor("w", "float32", (2, 2, 1, 1), constant=True, consumers=("q",)),
        "s": Tensor("s", "float32", (), constant=True, consumers=("q",)),
        "z": Tensor("z", "float32", (), constant=True, consumers=("q",)),
        "bits": Tensor("bits", "float32", (), constant=True, consumers=("q",)),
        "wq": Tensor("wq", "float32", (2, 2, 1, 1), producer="q", consumers=("conv",)),
        "y": Tensor("y", "float32", (1, 2, 4, 4), producer="conv"),
    }
    return Graph("q", (quantizer, conv), tensors, ("x",), ("y",))


def test_values_tell_what_types_do_not(qtbot: QtBot, tasks: Tasks, stage: Stage) -> None:
    """The bits of QONNX's quantizers are read; where that fails all else is shown."""
    found = {"bits": np.float32(4), "s": np.float32(0.5), "z": np.float32(0)}
    stage.open(quantized(), None, lambda name: np.asarray(found[name]))
    staged = settle(qtbot, tasks, stage)
    assert staged.quantized.weights["conv"].spec == "int4:tensor"

    def gone(name: str) -> Any:
        raise ModelError(f"The file of {name} is gone.")

    stage.open(quantized(), None, gone)
    staged = settle(qtbot, tasks, stage)
    assert "conv" in names(staged)
    assert not staged.quantized.weights


def test_a_layout_that_fails_leaves_what_is_there(
    qtbot: QtBot, tasks: Tasks, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours must not leave a window that waits for ever."""
    stage.open(nested())
    before = settle(qtbot, tasks, stage)

    def broken(*_args: object, **_options: object) -> None:
        raise ArithmeticError("no layout")

    monkeypatch.setattr("inspector.gui.staged.build_picture", broken)
    with qtbot.waitSignal(stage.changed) as back:
        stage.go_to((IF,))
    assert back.args == [before]
    assert stage.shown == before.shown
    assert stage.is_current()
    with qtbot.waitSignal(stage.failed):
        stage.open(nested())
    assert stage.graph() is None
