"""Small graphs, written down as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from inspector.graph.model import Graph, Node, Tensor


@pytest.fixture(scope="session")
def graph_of() -> Callable[..., Graph]:
    """Makes a graph of lines "name Operator: inputs -> outputs | read by subgraphs".

    A domain stands before the operator ("com.microsoft.QGemm") and _ for a tensor that is left out.
    Further: `inputs` and `outputs` as words, `constants` as words or with their type and shape,
    `attributes` by node, `types` of other tensors by name. What Constant nodes give is constant.
    """
    return _graph


def _graph(
    lines: Sequence[str],
    inputs: str = "x",
    outputs: str = "y",
    constants: str | Mapping[str, tuple[str, tuple[int, ...]]] = "",
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
    types: Mapping[str, tuple[str, tuple[int, ...] | None]] | None = None,
) -> Graph:
    nodes = [_node(line, attributes or {}) for line in lines]
    if isinstance(constants, str):
        constants = dict.fromkeys(constants.split(), ("float32", (2, 2)))
    producers = {name: node for node in nodes for name in node.outputs if name}
    readers: dict[str, dict[str, None]] = {}
    for node in nodes:
        for name in (*node.inputs, *node.outer_inputs):
            readers.setdefault(name, {})[node.name] = None
    known = {**constants, **(types or {})}
    tensors = {}
    for name in (*inputs.split(), *constants, *producers):
        made = producers.get(name)
        dtype, shape = known.get(name, ("", None))
        tensors[name] = Tensor(
            name,
            dtype,
            shape,
            name in constants or (made is not None and made.op_type == "Constant"),
            None if made is None else made.name,
            tuple(readers.get(name, ())),
        )
    return Graph("g", tuple(nodes), tensors, tuple(inputs.split()), tuple(outputs.split()))


def _node(line: str, attributes: Mapping[str, Mapping[str, Any]]) -> Node:
    head, _, flow = line.partition(": ")
    name, operator = head.split()
    flow, _, outer = flow.partition("|")
    reads, _, writes = flow.partition("->")
    domain, _, op_type = operator.rpartition(".")

    def words(text: str) -> tuple[str, ...]:
        return tuple("" if word == "_" else word for word in text.split())

    return Node(
        name, op_type, domain, words(reads), words(writes), attributes.get(name, {}), words(outer)
    )


@pytest.fixture(scope="session")
def links_of() -> Callable[..., list[tuple[str, str, str]]]:
    """The links of a scene as (name of the source, name of the target, tensor)."""

    def links(scene: Any) -> list[tuple[str, str, str]]:
        items = scene.items
        return [
            (items[a].name, items[b].name, tensor)
            for (a, b), tensor in zip(scene.links.tolist(), scene.tensors, strict=True)
        ]

    return links


@pytest.fixture(scope="session")
def check_scene() -> Callable[..., None]:
    """Checks what holds for every scene: nothing is lost, nothing is shown twice."""

    def check(scene: Any) -> None:
        names = sorted(node.name for node in scene.graph.nodes)
        assert sorted(name for item in scene.items for name in item.members) == names
        assert sorted(scene.place) == names
        assert all(name in scene.items[number].members for name, number in scene.place.items())
        assert all(item.members[0] == item.name for item in scene.items if item.kind == "node")
        assert str(scene.links.dtype) == "int32"
        assert scene.links.shape == (len(scene.tensors), 2)
        ends = [
            (*pair, name) for pair, name in zip(scene.links.tolist(), scene.tensors, strict=True)
        ]
        assert len(set(ends)) == len(ends)
        assert all(a != b and 0 <= a < len(scene.items) for a, b, _ in ends)
        kinds = [item.kind for item in scene.items]
        first = kinds.index("output") if "output" in kinds else len(kinds)
        assert set(kinds[first:]) <= {"output"}

    return check
