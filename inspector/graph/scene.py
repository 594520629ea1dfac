"""What is shown of a graph: which cards and pills there are, and which tensors flow between them.

A scene knows nothing of pixels. Constants have no links: they are written in the cards that read
them, and so are the Constant nodes that give them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspector.graph.model import Graph, Node

ItemKind = Literal["node", "group", "input", "output", "outer"]
Written = tuple[tuple[int, str], ...]
"""The constants that are written in a card: (input position, tensor name) of each."""


@dataclass(frozen=True, slots=True)
class Folding:
    """What is folded away.

    Attributes:
        raw: show the operators that quantize and dequantize as nodes of their own.
        closed: paths of the groups that are folded into one card.
    """

    raw: bool = False
    closed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Item:
    """One card or pill.

    Attributes:
        kind: what it stands for; "outer" is a tensor of the graph around a subgraph.
        title: the operator, the last part of a group's path, or the tensor's name.
        name: of the node or tensor; the path of a group.
        members: names of the nodes it stands for, in a node's card the node itself first; none for
            pills.
    """

    kind: ItemKind
    title: str
    name: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """The items of a graph and the links between them. Equal only to itself.

    Attributes:
        graph: what is shown.
        folding: what was folded away.
        items: inputs and outer tensors, then nodes and groups in an order in which each comes after
            what it reads, then outputs.
        links: (m, 2) int32, the numbers of the items from and to which a tensor flows; a tensor is
            linked once to an item, however often that reads it.
        tensors: the name of each link's tensor.
        place: the number of the item that shows a node, for every node of the graph.
        constants: the constants written in a node's card, by the node's name, for nodes that have
            any.
    """

    graph: Graph
    folding: Folding
    items: tuple[Item, ...]
    links: NDArray[np.int32]
    tensors: tuple[str, ...]
    place: Mapping[str, int]
    constants: Mapping[str, Written] = field(default_factory=lambda: MappingProxyType({}))


def build_scene(graph: Graph, folding: Folding | None = None) -> Scene:
    """The scene of a graph, or of a subgraph. O(nodes + edges)."""
    hosts = _folded_constants(graph)
    shown = [node for node in graph.nodes if node.name not in hosts]
    members: dict[str, list[str]] = {node.name: [node.name] for node in shown}
    for name, host in hosts.items():
        members[host].append(name)
    outer = _outer_tensors(graph)
    items = [Item("input", name, name) for name in graph.inputs]
    items += [Item("outer", name, name) for name in outer]
    first = len(items)
    items += [Item("node", node.op_type, node.name, tuple(members[node.name])) for node in shown]
    sources = {item.name: number for number, item in enumerate(items[:first])}
    place: dict[str, int] = {}
    for number, node in enumerate(shown, start=first):
        sources.update({name: number for name in node.outputs if name})
        place.update(dict.fromkeys(members[node.name], number))
    links: dict[tuple[int, int, str], None] = {}
    for number, node in enumerate(shown, start=first):
        for name in _reads(node):
            if name in sources:
                links[sources[name], number, name] = None
    for number, name in enumerate(graph.outputs, start=len(items)):
        if name in sources:
            links[sources[name], number, name] = None
    items += [Item("output", name, name) for name in graph.outputs]
    return Scene(
        graph,
        folding or Folding(),
        tuple(items),
        np.array([(a, b) for a, b, _ in links], np.int32).reshape(-1, 2),
        tuple(name for _, _, name in links),
        MappingProxyType(place),
        MappingProxyType(dict(_written(graph, shown, sources))),
    )


def _folded_constants(graph: Graph) -> dict[str, str]:
    """The Constant nodes that are written in the cards of their readers, with the first reader.

    A constant that a subgraph reads, that is an output of the graph or that nobody reads is written
    nowhere and keeps its card.
    """
    kept = set(graph.outputs)
    for node in graph.nodes:
        kept.update(node.outer_inputs)
    found: dict[str, str] = {}
    for node in graph.nodes:
        outputs = [name for name in node.outputs if name]
        if node.op_type == "Constant" and not kept.intersection(outputs):
            tensors = [graph.tensors[name] for name in outputs]
            readers = [reader for tensor in tensors for reader in tensor.consumers]
            if readers and all(tensor.constant for tensor in tensors):
                found[node.name] = readers[0]
    return found


def _outer_tensors(graph: Graph) -> tuple[str, ...]:
    """What is read but neither given, computed nor constant here: tensors of graphs around it."""
    known = {"", *graph.inputs}
    known.update(name for node in graph.nodes for name in node.outputs)
    found: dict[str, None] = {}
    for node in graph.nodes:
        found.update(dict.fromkeys(name for name in _reads(node) if name not in known))
    found.update(dict.fromkeys(name for name in graph.outputs if name not in known))
    tensors = graph.tensors
    return tuple(name for name in found if name not in tensors or not tensors[name].constant)


def _reads(node: Node) -> tuple[str, ...]:
    return (*node.inputs, *node.outer_inputs) if node.outer_inputs else node.inputs


def _written(
    graph: Graph, shown: Iterable[Node], sources: Mapping[str, int]
) -> Iterable[tuple[str, Written]]:
    """The constants of each card that has any: constant inputs without a link."""
    tensors = graph.tensors
    for node in shown:
        found = tuple(
            (slot, name)
            for slot, name in enumerate(node.inputs)
            if name and name not in sources and name in tensors and tensors[name].constant
        )
        if found:
            yield node.name, found
