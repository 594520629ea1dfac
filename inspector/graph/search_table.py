"""A graph's texts as flat tables: what a search runs over.

Every text is kept once and case-folded; who holds it is said by arrays of numbers. What is found is
an *item*: first all nodes in graph order, then the tensors that no node computes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.graph.model import AttributeValue, Dim, Graph, Node, Tensor
from inspector.graph.search_text import Mask
from inspector.progress import paced, pause

Numbers = NDArray[np.int32]
_LONGEST = 200
_MOST_VALUES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Holdings:
    """Which items hold which entries of a table.

    Attributes:
        starts: (items + 1,); item i holds entries[starts[i]:starts[i + 1]].
        entries: numbers in the table.
        owners: the item of each entry.
    """

    starts: Numbers
    entries: Numbers
    owners: Numbers

    def spread(self, mask: Mask) -> Mask:
        """The items that hold one of the entries in a mask."""
        items = np.zeros(len(self.starts) - 1, dtype=np.bool_)
        items[self.owners[mask[self.entries]]] = True
        return items

    def of(self, item: int) -> Numbers:
        """What one item holds."""
        return self.entries[self.starts[item] : self.starts[item + 1]]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The texts of a graph.

    Attributes:
        graph: whose they are.
        names: of the nodes, case-folded.
        place: item of each node's name.
        ops, op_of: operators, and the one of each node.
        tensors: every tensor, in the order of `tensor_names`.
        tensor_names: case-folded.
        own, own_names: of each item behind the nodes its tensor, and its name case-folded.
        dtypes, dtype_of: types, and the one of each tensor.
        shapes, shape_of: shapes as text, and the one of each tensor (-1: not known).
        held: the tensors of each item; of a node its outputs and then its inputs.
        attributes: "name=value".
        attributes_held: those of each item.
    """

    graph: Graph
    names: Sequence[str]
    place: dict[str, int]
    ops: Sequence[str]
    op_of: Numbers
    tensors: Sequence[Tensor]
    tensor_names: Sequence[str]
    own: Numbers
    own_names: Sequence[str]
    dtypes: Sequence[str]
    dtype_of: Numbers
    shapes: Sequence[str]
    shape_of: Numbers
    held: Holdings
    attributes: Sequence[str]
    attributes_held: Holdings

    @property
    def nodes(self) -> int:
        """How many of the items are nodes."""
        return len(self.names)

    @property
    def items(self) -> int:
        """How many items there are."""
        return len(self.names) + len(self.own)

    def node(self, item: int) -> Node | None:
        """The node of an item; None where it is a tensor."""
        return self.graph.nodes[item] if item < self.nodes else None

    def tensor(self, item: int) -> Tensor:
        """The tensor of an item that is no node."""
        return self.tensors[int(self.own[item - self.nodes])]

    def role(self, item: int, position: int) -> str:
        """Whether an item's tensor at a position of `held` goes in or comes out; "" if itself."""
        node = self.node(item)
        if node is None:
            return ""
        return "output" if position < sum(map(bool, node.outputs)) else "input"


def build_table(graph: Graph) -> Table:
    """Lay out a graph's texts. O(nodes + tensors + attributes)."""
    tensors = list(graph.tensors.values())
    number = {name: position for position, name in enumerate(graph.tensors)}
    held = [_held(node, number, tensors) for node in paced(graph.nodes)]
    own = [position for position, t in enumerate(tensors) if t.producer is None]
    names = _folded([tensor.name for tensor in tensors])
    ops, op_of = _unique((node.op_type for node in paced(graph.nodes)), str)
    dtypes, dtype_of = _unique((t.dtype for t in paced(tensors)), str)
    shapes, shape_of = _unique((t.shape for t in paced(tensors)), shape_text, missing=None)
    attributes, attributes_held = _attributes(paced(graph.nodes), len(own))
    pause()
    return Table(
        graph,
        _folded([node.name for node in graph.nodes]),
        {node.name: item for item, node in enumerate(graph.nodes)},
        ops,
        op_of,
        tensors,
        names,
        np.array(own, dtype=np.int32),
        [names[position] for position in own],
        dtypes,
        dtype_of,
        shapes,
        shape_of,
        _holdings([*held, *([position] for position in own)]),
        attributes,
        attributes_held,
    )


def shape_text(shape: tuple[Dim, ...] | None) -> str:
    """A shape as text: 1×64×56×56, with ? for what is not known; "scalar" without dimensions."""
    if shape is None:
        return "?"
    return "×".join("?" if dim is None else str(dim) for dim in shape) or "scalar"


def _held(node: Node, number: dict[str, int], tensors: list[Tensor]) -> list[int]:
    """The tensors of a node; those of graphs around it are added to the table."""
    found = []
    for group in (node.outputs, node.inputs, node.outer_inputs):
        for name in group:
            if name:
                position = number.get(name)
                if position is None:
                    position = number[name] = len(tensors)
                    tensors.append(Tensor(name))
                found.append(position)
    return found


def _holdings(held: Sequence[Sequence[int]]) -> Holdings:
    lengths = np.fromiter(map(len, held), dtype=np.int32, count=len(held))
    starts = np.zeros(len(held) + 1, dtype=np.int32)
    np.cumsum(lengths, out=starts[1:])
    flat = (entry for entries in held for entry in entries)
    entries = np.fromiter(flat, dtype=np.int32, count=int(starts[-1]))
    return Holdings(starts, entries, np.repeat(np.arange(len(held), dtype=np.int32), lengths))


def _folded(texts: Sequence[str]) -> list[str]:
    """Case-folded texts: all of them at one go, which takes a fifth of the time."""
    joined = "\n".join(texts)
    if joined.count("\n") == len(texts) - 1:
        return joined.casefold().split("\n")
    return [text.casefold() for text in texts]


def _unique(
    values: Iterable[Hashable], text: Callable[[Any], str], missing: object = ""
) -> tuple[list[str], Numbers]:
    """Different values as case-folded texts, and the one of each place; -1 where it is missing."""
    number: dict[Hashable, int] = {}
    places = [-1 if value == missing else number.setdefault(value, len(number)) for value in values]
    return [text(value).casefold() for value in number], np.array(places, dtype=np.int32)


def _attributes(nodes: Iterable[Node], others: int) -> tuple[list[str], Holdings]:
    number: dict[Hashable, int] = {}
    texts: list[str] = []
    held: list[list[int]] = []
    for node in nodes:
        mine = []
        for name, value in node.attributes.items():
            key = (name, type(value), value if _is_plain(value) else id(value))
            place = number.get(key)
            if place is None:
                place = number[key] = len(texts)
                texts.append(attribute_text(name, value).casefold())
            mine.append(place)
        held.append(mine)
    held.extend([] for _ in range(others))
    return texts, _holdings(held)


def _is_plain(value: AttributeValue) -> bool:
    """Whether equal values are one value; arrays and graphs are looked at as objects."""
    first = value[0] if isinstance(value, tuple) and value else value
    return isinstance(first, int | float | str | bytes | tuple)


def attribute_text(name: str, value: AttributeValue) -> str:
    """An attribute as it is looked for: kernel_shape=3,3; at most some 200 characters."""
    return f"{name}={_value_text(value)}"[:_LONGEST]


def _value_text(value: AttributeValue) -> str:
    match value:
        case str():
            return value[:_LONGEST]
        case float():
            return f"{value:g}"
        case bytes():
            return f"{len(value)} bytes"
        case Graph():
            return "graph"
        case np.ndarray() if value.size > _MOST_VALUES:
            return f"{value.dtype} {shape_text(value.shape)}"
        case np.ndarray():
            return ",".join(str(item) for item in value.ravel().tolist())
        case tuple():
            return ",".join(_value_text(item) for item in value[: _LONGEST // 2])
    return str(value)
