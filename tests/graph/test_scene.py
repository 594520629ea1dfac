"""Which cards, pills and links a graph has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inspector.graph.model import Graph, Node, Tensor
from inspector.graph.scene import Scene, build_scene
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import load_model


def graph_of(
    nodes: list[Node],
    inputs: tuple[str, ...] = ("x",),
    outputs: tuple[str, ...] = ("y",),
    constants: tuple[str, ...] = (),
) -> Graph:
    """A graph of those nodes; what Constant nodes give is constant."""
    producers = {name: node for node in nodes for name in node.outputs if name}
    readers: dict[str, dict[str, None]] = {}
    for node in nodes:
        for name in (*node.inputs, *node.outer_inputs):
            readers.setdefault(name, {})[node.name] = None
    tensors = {}
    for name in (*inputs, *constants, *producers):
        producer = producers.get(name)
        constant = name in constants or (producer is not None and producer.op_type == "Constant")
        tensors[name] = Tensor(
            name,
            "float32",
            (1,),
            constant,
            None if producer is None else producer.name,
            tuple(readers.get(name, ())),
        )
    return Graph("g", tuple(nodes), tensors, inputs, outputs)


def node(name: str, op_type: str, inputs: str, outputs: str, outer: str = "") -> Node:
    """A node whose tensors are given as words."""
    return Node(
        name,
        op_type,
        inputs=tuple(inputs.split()),
        outputs=tuple(outputs.split()),
        outer_inputs=tuple(outer.split()),
    )


def links(scene: Scene) -> list[tuple[str, str, str]]:
    """Links as (name of the source, name of the target, tensor)."""
    items = scene.items
    return [
        (items[a].name, items[b].name, tensor)
        for (a, b), tensor in zip(scene.links.tolist(), scene.tensors, strict=True)
    ]


def check(scene: Scene) -> None:
    """What holds for every scene: nothing is lost, nothing is shown twice."""
    names = [node.name for node in scene.graph.nodes]
    assert sorted(name for item in scene.items for name in item.members) == sorted(names)
    assert set(scene.place) == set(names)
    assert all(name in scene.items[number].members for name, number in scene.place.items())
    assert all(item.members[0] == item.name for item in scene.items if item.kind == "node")
    assert scene.links.dtype == np.int32
    assert scene.links.shape == (len(scene.tensors), 2)
    assert len(set(links(scene))) == len(scene.tensors)


def test_a_chain_with_weights() -> None:
    """Constants are written in cards, everything else is linked."""
    graph = graph_of([node("c", "Conv", "x w b", "h"), node("r", "Relu", "h", "y")], ("x",), ("y",),
                     ("w", "b"))  # fmt: skip
    scene = build_scene(graph)
    check(scene)
    assert [(item.kind, item.title) for item in scene.items] == [
        ("input", "x"), ("node", "Conv"), ("node", "Relu"), ("output", "y"),
    ]  # fmt: skip
    assert links(scene) == [("x", "c", "x"), ("c", "r", "h"), ("r", "y", "y")]
    assert scene.constants == {"c": ((1, "w"), (2, "b"))}


def test_a_tensor_read_twice_by_one_node_is_one_link() -> None:
    """A tensor read twice by one node is one link."""
    scene = build_scene(graph_of([node("m", "Mul", "x x", "y")]))
    assert links(scene) == [("x", "m", "x"), ("m", "y", "y")]


def test_an_input_that_is_an_output_is_linked() -> None:
    """Nodes are not needed: what comes in may go out."""
    scene = build_scene(graph_of([], ("x",), ("x",)))
    assert links(scene) == [("x", "x", "x")]
    assert [item.kind for item in scene.items] == ["input", "output"]


def test_a_constant_that_is_an_output_has_a_pill_without_a_link() -> None:
    """A constant that is an output has a pill without a link."""
    scene = build_scene(graph_of([], (), ("w",), ("w",)))
    assert [item.kind for item in scene.items] == ["output"]
    assert links(scene) == []
    assert scene.links.shape == (0, 2)


def test_constant_nodes_are_written_in_the_cards_that_read_them() -> None:
    """All readers write it; the first of them stands for the node."""
    nodes = [
        node("k", "Constant", "", "v"),
        node("a", "Add", "x v", "h"),
        node("m", "Mul", "h v", "y"),
    ]
    scene = build_scene(graph_of(nodes))
    check(scene)
    assert [item.name for item in scene.items] == ["x", "a", "m", "y"]
    assert scene.items[1].members == ("a", "k")
    assert scene.place["k"] == 1
    assert scene.constants == {"a": ((1, "v"),), "m": ((1, "v"),)}


def test_constant_nodes_that_are_written_nowhere_are_seen() -> None:
    """Outputs of the graph, what a subgraph reads, and what nobody reads."""
    nodes = [
        node("out", "Constant", "", "y"), node("sub", "Constant", "", "s"),
        node("dead", "Constant", "", "d"), node("i", "If", "x s", "z", outer="s"),
    ]  # fmt: skip
    scene = build_scene(graph_of(nodes, ("x",), ("y", "z")))
    check(scene)
    assert [item.name for item in scene.items if item.kind == "node"] == ["out", "sub", "dead", "i"]
    assert links(scene) == [("x", "i", "x"), ("sub", "i", "s"), ("out", "y", "y"), ("i", "z", "z")]
    assert scene.constants == {}


def test_what_subgraphs_read_is_linked() -> None:
    """A node depends on what its branches read."""
    nodes = [node("r", "Relu", "x", "h"), node("i", "If", "x", "y", outer="h")]
    assert ("r", "i", "h") in links(build_scene(graph_of(nodes)))


def test_outer_tensors_of_a_subgraph_have_pills() -> None:
    """Also where the body only passes them on; outer constants are written in cards."""
    nodes = [node("a", "Add", "far w", "y")]
    scene = build_scene(graph_of(nodes, (), ("y", "beyond"), ("w",)))
    assert [(item.kind, item.name) for item in scene.items] == [
        ("outer", "far"), ("outer", "beyond"), ("node", "a"), ("output", "y"), ("output", "beyond"),
    ]  # fmt: skip
    assert links(scene) == [
        ("far", "a", "far"), ("a", "y", "y"), ("beyond", "beyond", "beyond"),
    ]  # fmt: skip
    assert scene.constants == {"a": ((1, "w"),)}


def test_left_out_inputs_and_outputs_are_no_tensors() -> None:
    """An empty name links nothing, even where something is computed into it."""
    nodes = [
        Node("d", "Dropout", inputs=("x", ""), outputs=("h", "")),
        Node("c", "Clip", inputs=("h", "", ""), outputs=("y",)),
    ]
    assert links(build_scene(graph_of(nodes))) == [
        ("x", "d", "x"),
        ("d", "c", "h"),
        ("c", "y", "y"),
    ]


def test_the_empty_graph() -> None:
    """The empty graph."""
    scene = build_scene(graph_of([], (), ()))
    assert scene.items == ()
    assert scene.links.shape == (0, 2)


@pytest.mark.parametrize("folder", ["float", "quantized", "odd"])
def test_real_models_lose_nothing(shared_models: Path, folder: str) -> None:
    """Every node has its place, and links run forwards."""
    paths = sorted((shared_models / folder).glob("*.onnx"))
    assert paths
    for path in paths:
        if path.name.startswith("corrupt"):
            continue
        scene = build_scene(extract_graph(load_model(path)))
        check(scene)
        assert (scene.links[:, 0] < scene.links[:, 1]).all()
