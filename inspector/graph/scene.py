"""What is shown of a graph: which cards and pills there are, and which tensors flow between them.

A scene knows nothing of pixels. Constants have no links: they are written in the cards that read
them, and so are the Constant nodes that give them. Quantizers belong to the card of an operator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspector.graph.groups import Groups, find_groups
from inspector.graph.model import Graph, Node
from inspector.graph.order import stable_order
from inspector.graph.quantized import NOT_QUANTIZED, Quantized, find_quantized

ItemKind = Literal["node", "group", "input", "output", "outer"]
Written = tuple[tuple[int, str], ...]
"""The constants that are written in a card: (input position, tensor name) of each.

In the card of an operator on integers the position is that of the float operator which the title
names, and a weight behind a quantizer has the name of the constant that the file stores.
"""


@dataclass(frozen=True, slots=True)
class Folding:
    """What is folded away.

    Attributes:
        raw: show the operators that quantize and dequantize as nodes of their own.
        closed: paths of the groups that are folded into one card each; of nested ones the
            outermost counts, and paths of no group mean nothing.
    """

    raw: bool = False
    closed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Item:
    """One card or pill.

    Attributes:
        kind: what it stands for; "outer" is a tensor of the graph around a subgraph.
        title: the operator (of an operator on integers what it computes, "Conv" for QLinearConv),
            a group's title, or the tensor's name.
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
            what it reads (but where closed groups read one another), then outputs.
        links: (m, 2) int32, the numbers of the items from and to which a tensor flows; a tensor is
            linked once to an item, however often that reads it.
        tensors: the name of each link's tensor; the float one where quantizers are folded away.
        place: the number of the item that shows a node, for every node of the graph.
        constants: what is written in the card of a node, by the node's name, for operators that
            have any constants; also of those in closed groups.
        quantized: what the quantizers that are folded away say; nothing where they are not.
        groups: all groups, where any of them is closed.
    """

    graph: Graph
    folding: Folding
    items: tuple[Item, ...]
    links: NDArray[np.int32]
    tensors: tuple[str, ...]
    place: Mapping[str, int]
    constants: Mapping[str, Written] = field(default_factory=lambda: MappingProxyType({}))
    quantized: Quantized = NOT_QUANTIZED
    groups: Groups | None = None


def build_scene(
    graph: Graph,
    folding: Folding | None = None,
    *,
    groups: Groups | None = None,
    quantized: Quantized | None = None,
) -> Scene:
    """The scene of a graph, or of a subgraph.

    Args:
        graph: what is shown.
        folding: what is folded away; by default quantizers.
        groups: of the graph; found here if they are needed and not given.
        quantized: what the quantizers of the graph say; read here if it is needed and not given.

    Cost: O(nodes + edges), with closed groups O(n log n).
    """
    chosen = folding or Folding()
    if chosen.raw:
        quantized = NOT_QUANTIZED
    elif quantized is None:
        quantized = find_quantized(graph)
    if not chosen.closed:
        groups = None
    elif groups is None:
        groups = find_groups(graph)
    return _Builder(graph, chosen, quantized, groups).build()


class _Builder:
    """Puts one scene together."""

    def __init__(
        self, graph: Graph, folding: Folding, quantized: Quantized, groups: Groups | None
    ) -> None:
        self._graph = graph
        self._folding = folding
        self._quantized = quantized
        self._groups = groups
        self._hosts = {**quantized.hidden, **_folded_constants(graph, quantized.hidden)}
        self._shown = [node for node in graph.nodes if node.name not in self._hosts]
        self._given = (*graph.inputs, *_outer_tensors(graph))

    def build(self) -> Scene:
        graph, given = self._graph, self._given
        cards = self._cards()
        if self._groups is not None:
            cards = self._in_order(cards)
        pills = [Item("input", name, name) for name in graph.inputs]
        pills += [Item("outer", name, name) for name in given[len(graph.inputs) :]]
        place = _places(cards, len(pills))
        sources = self._sources(place)
        links = dict.fromkeys(self._links(place, sources))
        for number, name in enumerate(graph.outputs, start=len(pills) + len(cards)):
            source, shown = self._source(name)
            if source in sources:
                links[sources[source], number, shown] = None
        return Scene(
            graph,
            self._folding,
            (*pills, *cards, *(Item("output", name, name) for name in graph.outputs)),
            np.array([(a, b) for a, b, _ in links], np.int32).reshape(-1, 2),
            tuple(name for _, _, name in links),
            MappingProxyType(place),
            MappingProxyType(dict(self._written(sources))),
            self._quantized,
            self._groups,
        )

    def _cards(self) -> list[Item]:
        """Nodes and closed groups, by the first of their nodes."""
        closed = self._folding.closed
        outermost = {} if self._groups is None else self._groups.outermost(closed)
        parts: dict[str, list[str]] = {}
        for name, host in self._hosts.items():
            parts.setdefault(host, []).append(name)
        titles = self._quantized.title
        cards: list[Item] = []
        groups: dict[str, tuple[int, list[str]]] = {}
        for node in self._shown:
            name = node.name
            members = (name, *parts[name]) if name in parts else (name,)
            group = outermost.get(name)
            if group is None:
                cards.append(Item("node", titles.get(name, node.op_type), name, members))
            elif group.path in groups:
                groups[group.path][1].extend(members)
            else:
                groups[group.path] = len(cards), list(members)
                cards.append(Item("group", group.title, group.path))
        for number, names in groups.values():
            cards[number] = replace(cards[number], members=tuple(names))
        return cards

    def _in_order(self, cards: Sequence[Item]) -> list[Item]:
        """Each card after those that it reads, else as they were."""
        place = _places(cards, 0)
        links = dict.fromkeys(self._links(place, self._sources(place)))
        edges = [(a, b) for a, b, _ in links if a >= 0]
        return [cards[number] for number in stable_order(len(cards), edges)]

    def _sources(self, place: Mapping[str, int]) -> dict[str, int]:
        """The item that gives each tensor; pills end where cards begin."""
        start = min(place.values(), default=len(self._given)) - len(self._given)
        found = {name: start + number for number, name in enumerate(self._given)}
        for node in self._shown:
            number = place[node.name]
            for name in node.outputs:
                if name:
                    found[name] = number
        return found

    def _links(
        self, place: Mapping[str, int], sources: Mapping[str, int]
    ) -> Iterator[tuple[int, int, str]]:
        """(source, target, tensor) of each read between two items, with repeats."""
        renamed = bool(self._quantized.hidden)
        for node in self._shown:
            number = place[node.name]
            for tensor in _reads(node):
                source, shown = self._source(tensor) if renamed else (tensor, tensor)
                start = sources.get(source)
                if start is not None and start != number:
                    yield start, number, shown

    def _source(self, tensor: str) -> tuple[str, str]:
        """The tensor that an item gives for one that is read, and the name of the link."""
        known = self._quantized
        return known.sources.get(tensor, tensor), known.names.get(tensor, tensor)

    def _written(self, sources: Mapping[str, int]) -> Iterator[tuple[str, Written]]:
        """The constants of each operator that has any: constant inputs without a link."""
        tensors, renamed = self._graph.tensors, self._quantized.sources
        operands = self._quantized.operands
        for node in self._shown:
            inputs = operands.get(node.name)
            found = tuple(
                (slot, name)
                for slot, read in (enumerate(node.inputs) if inputs is None else inputs)
                if (name := renamed.get(read, read)) in tensors
                and tensors[name].constant
                and name not in sources
            )
            if found:
                yield node.name, found


def _places(cards: Sequence[Item], first: int) -> dict[str, int]:
    return {name: number for number, card in enumerate(cards, start=first) for name in card.members}


def _folded_constants(graph: Graph, hidden: Mapping[str, str]) -> dict[str, str]:
    """The Constant nodes that are written in the cards of their readers, with the first reader.

    A constant that a subgraph reads, that is an output of the graph or that nobody reads is written
    nowhere and keeps its card.
    """
    kept = set(graph.outputs)
    for node in graph.nodes:
        kept.update(node.outer_inputs)
    found: dict[str, str] = {}
    for node in graph.nodes:
        if node.op_type != "Constant" or node.inputs or node.outer_inputs:
            continue
        outputs = [name for name in node.outputs if name]
        if not kept.intersection(outputs):
            tensors = [graph.tensors[name] for name in outputs]
            readers = [reader for tensor in tensors for reader in tensor.consumers]
            if readers and all(tensor.constant for tensor in tensors):
                found[node.name] = hidden.get(readers[0], readers[0])
    return found


def _outer_tensors(graph: Graph) -> tuple[str, ...]:
    """What is read but neither given, computed nor constant here: tensors of graphs around it."""
    known = {"", *graph.inputs}
    known.update(name for node in graph.nodes for name in node.outputs)
    known.update(name for name, tensor in graph.tensors.items() if tensor.constant)
    if known.issuperset(graph.outputs) and all(known.issuperset(_reads(n)) for n in graph.nodes):
        return ()
    reads = [name for node in graph.nodes for name in _reads(node)]
    return tuple(dict.fromkeys(name for name in (*reads, *graph.outputs) if name not in known))


def _reads(node: Node) -> tuple[str, ...]:
    return (*node.inputs, *node.outer_inputs) if node.outer_inputs else node.inputs
