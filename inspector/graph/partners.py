"""Which nodes and tensors of two models stand for one another, one of them perhaps quantized.

By name first: quantizers keep the names of nodes, and of the tensors between them, or add something
known to them. What is left is matched by structure: operators of one kind behind (or before) what
is matched already. Where no name is shared at all, operators of one kind that are as many in both
correspond in order, and the rest follows from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from inspector.graph.model import Graph, Node
from inspector.graph.quantized import Quantized, find_quantized
from inspector.graph.roles import is_range_folded
from inspector.graph.stored import Stored

_CODES, _NODE = "_quantized", "_quant"
"""What onnxruntime's quantizer adds to names: of tensors of integers, and of operators on them."""
_LONGEST_PART = 8
_NORMALIZATION = "BatchNormalization"
_PRODUCTS = frozenset({"Gemm", "MatMul", "FusedGemm", "FusedMatMul"})
_INPUT = "\0"
"""Before the number of an input of the graph: no node has such a name."""
FLOATS = frozenset({"float32", "float64", "float16", "bfloat16"})


@dataclass(frozen=True, slots=True)
class Value:
    """Real numbers in a model.

    Attributes:
        tensor: that holds them.
        grid: what dequantizes them; None where they are floats already.
    """

    tensor: str
    grid: Stored | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """The same numbers in two models.

    Attributes:
        node: that computes them in the first model.
        op_type: of the node: "Conv" for QLinearConv.
        other: the node that computes them in the second.
        name: of the tensor; the float one where it is on a grid.
        first: where they are in the first model.
        second: where they are in the second.
    """

    node: str
    op_type: str
    other: str
    name: str
    first: Value
    second: Value


@dataclass(frozen=True, slots=True, eq=False)
class Partners:
    """What stands for what. Equal only to itself.

    Nodes that only quantize have no partners of their own: they are part of an operator.

    Attributes:
        pairs: the tensors, in the order of the first model.
        there: node of the first -> nodes of the second; more than one where it was split.
        back: the same the other way round.
        by_name: nodes of the first that have the same name in the second.
        by_structure: nodes of the first that were matched by their kind and neighbours.
    """

    pairs: tuple[Pair, ...]
    there: Mapping[str, tuple[str, ...]]
    back: Mapping[str, tuple[str, ...]]
    by_name: int
    by_structure: int


def match(
    first: Graph,
    second: Graph,
    quantized: tuple[Quantized, Quantized] | None = None,
) -> Partners:
    """What the nodes and tensors of one model are in another.

    Args:
        first: a graph; shapes need not be known.
        second: another one.
        quantized: what the quantizers of both say; read here by default.

    Cost: linear in the number of nodes and edges.
    """
    known = quantized or (find_quantized(first), find_quantized(second))
    return _Matcher(_Side(first, known[0]), _Side(second, known[1])).run()


class _Side:
    """One of the two models, as its operators see it: quantizers are no nodes."""

    def __init__(self, graph: Graph, quantized: Quantized) -> None:
        self.graph, self.quantized = graph, quantized
        self.nodes = tuple(node for node in graph.nodes if node.name not in quantized.hidden)
        self.names = frozenset(node.name for node in self.nodes)
        self._given = dict(self._on_grids())

    def kind(self, node: Node) -> str:
        """What a node computes."""
        return self.quantized.title.get(node.name, node.op_type)

    def name_of(self, output: str) -> str | None:
        """The name of the real numbers that a node writes; None where it writes others."""
        known = self.graph.tensors.get(output)
        if known is None or known.constant:
            return None
        if known.dtype in (*FLOATS, ""):
            return self.quantized.names.get(output, output)
        name = self.quantized.names.get(output, output)
        return name.removesuffix(_CODES) if output in self.quantized.tensors else None

    def value(self, name: str) -> Value | None:
        """Where the numbers of a name are: what their readers get."""
        if name in self._given:
            return self._given[name]
        known = self.graph.tensors.get(name)
        if known is None or known.producer is None or known.constant:
            return None
        return Value(name) if known.dtype in (*FLOATS, "") else None

    def value_of(self, node: Node) -> Value | None:
        """Where the first output of a node is, whatever its name."""
        output = node.outputs[0] if node.outputs else ""
        name = self.name_of(output) if output else None
        found = None if name is None else self.value(name)
        if found is not None or name is None:
            return found
        grid = self.quantized.tensors.get(output)
        return Value(output, grid) if grid is not None and self._is_fixed(grid) else None

    def _is_fixed(self, grid: Stored) -> bool:
        """Whether the numbers of a grid stand in the file."""
        names = filter(None, (grid.scale, grid.zero_point))
        known = [self.graph.tensors.get(name) for name in names]
        return all(one is not None and one.constant for one in known)

    def writer(self, tensor: str) -> str | None:
        """The operator that computes a tensor."""
        source = self.quantized.sources.get(tensor, tensor)
        known = self.graph.tensors.get(source)
        if known is None or known.producer is None:
            return None
        return self.quantized.hidden.get(known.producer, known.producer)

    def givers(self, node: Node, inputs: Mapping[str, int]) -> Iterator[str]:
        """What a node reads: names of operators, and the numbers of inputs behind a mark."""
        for tensor in node.inputs:
            source = self.quantized.sources.get(tensor, tensor)
            known = self.graph.tensors.get(source)
            if known is None or known.constant:
                continue
            writer = self.writer(tensor)
            if writer is not None:
                yield writer
            elif source in inputs:
                yield f"{_INPUT}{inputs[source]}"

    def _on_grids(self) -> Iterator[tuple[str, Value]]:
        """Real numbers that are on a grid: floats behind one go before integers."""
        tensors, found = self.graph.tensors, self.quantized
        floats = {
            name: Value(tensor)
            for tensor, name in tuple(found.names.items())[::-1]
            if tensor != name and tensor in tensors and tensors[tensor].dtype in FLOATS
        }
        for tensor, grid in tuple(found.tensors.items())[::-1]:
            known = tensors.get(tensor)
            if known is None or not self._is_fixed(grid):
                continue
            if known.dtype not in FLOATS and tensor.endswith(_CODES):
                yield tensor.removesuffix(_CODES), Value(tensor, grid)
        yield from floats.items()


class _Matcher:
    """Finds partners step by step, the surest first."""

    def __init__(self, first: _Side, second: _Side) -> None:
        self._first, self._second = first, second
        self._there: dict[str, dict[str, None]] = {}
        self._back: dict[str, dict[str, None]] = {}
        self._pairs: dict[str, Pair] = {}
        self._taken: set[str] = set()

    def run(self) -> Partners:
        self._match_tensors()
        by_name = self._match_names()
        count = len(self._there)
        if not count:
            self._match_in_order()
        self._match_neighbours()
        self._match_parts()
        by_structure = len(self._there) - count
        self._pair_outputs()
        order = {node.name: number for number, node in enumerate(self._first.graph.nodes)}
        pairs = sorted(self._pairs.values(), key=lambda pair: order[pair.node])
        return Partners(
            tuple(pairs),
            MappingProxyType({name: tuple(found) for name, found in self._there.items()}),
            MappingProxyType({name: tuple(found) for name, found in self._back.items()}),
            by_name,
            by_structure,
        )

    def _join(self, one: str, other: str) -> None:
        self._there.setdefault(one, {})[other] = None
        self._back.setdefault(other, {})[one] = None

    # By name

    def _match_tensors(self) -> None:
        for node in self._first.nodes:
            for output in node.outputs:
                name = self._first.name_of(output)
                if name is not None:
                    self._match_tensor(node, output, name)

    def _match_tensor(self, node: Node, output: str, name: str) -> None:
        first = self._first.value(name)
        behind = self._folded(output)
        if first is None or (behind is not None and not self._is_there(behind)):
            return  # a quantizer's range does that Relu: what is there is what comes out of it
        second = self._second.value(name)
        if second is None and is_range_folded(node):
            second = self._second.value(node.inputs[0])
        other = None if second is None else self._second.writer(second.tensor)
        if second is None or other is None:
            return
        self._join(node.name, other)
        scaling = self._swallowed(output, other)
        if scaling is not None:  # there it is a part of the layer, whose name stayed
            node, name = scaling, self._first.name_of(scaling.outputs[0]) or scaling.outputs[0]
            first = self._first.value(name) or first
            self._join(node.name, other)
        self._pair(name, node, other, first, second)

    def _swallowed(self, output: str, other: str) -> Node | None:
        """A normalization behind a tensor that the second model has not, for it is folded there."""
        readers = self._first.graph.tensors[output].consumers
        node = self._first.graph.node(readers[0]) if len(readers) == 1 else None
        if node is None or node.op_type != _NORMALIZATION or self._is_there(node.outputs[0]):
            return None
        writer = self._second.graph.node(other)
        if writer.op_type == _NORMALIZATION or any(
            one.op_type == _NORMALIZATION
            for name in writer.outputs
            if name
            for one in self._second.graph.consumers(name)
        ):
            return None
        return node

    def _folded(self, tensor: str) -> str | None:
        """What a Relu or Clip makes of a tensor that nobody else reads."""
        graph = self._first.graph
        readers = graph.tensors[tensor].consumers
        if len(readers) != 1 or tensor in graph.outputs:
            return None
        node = graph.node(readers[0])
        return node.outputs[0] if is_range_folded(node) else None

    def _is_there(self, name: str) -> bool:
        return name in self._second.graph.tensors or self._second.value(name) is not None

    def _match_names(self) -> int:
        """Nodes of one name that compute the same; how many there are."""
        theirs = {node.name: node for node in self._second.nodes}
        matched = 0
        for node in self._first.nodes:
            for name in (node.name, node.name + _NODE, node.name.removesuffix(_NODE)):
                other = theirs.get(name)
                if other is not None and self._are_alike(node, other):
                    self._join(node.name, other.name)
                    matched += 1
                    break
        return matched

    def _are_alike(self, node: Node, other: Node) -> bool:
        ours, theirs = self._first.kind(node), self._second.kind(other)
        return ours == theirs or {ours, theirs} <= _PRODUCTS

    # By structure

    def _match_in_order(self) -> None:
        """Operators of one kind that are as many in both."""
        ours, theirs = _by_kind(self._first), _by_kind(self._second)
        for kind, nodes in ours.items():
            others = theirs.get(kind, [])
            if len(others) == len(nodes):
                for node, other in zip(nodes, others, strict=True):
                    self._join(node.name, other.name)

    def _match_neighbours(self) -> None:
        """Operators of one kind behind the same ones, then before the same ones."""
        if self._is_done():
            return
        ours, theirs = self._links
        for nodes, mine, yours in (
            (self._first.nodes, ours.givers, theirs.readers),
            (self._first.nodes[::-1], ours.readers, theirs.givers),
        ):
            for node in nodes:
                if node.name not in self._there:
                    self._match_one(node, mine.get(node.name, ()), yours)

    def _match_parts(self) -> None:
        """What lies between two nodes that are one node in the other model is a part of that."""
        if self._is_done() and len(self._back) == len(self._second.nodes):
            return
        ours, theirs = self._links
        for one, part in list(_parts(self._first, ours, self._there)):
            self._join(part, one)
        for one, part in list(_parts(self._second, theirs, self._back)):
            self._join(one, part)

    def _is_done(self) -> bool:
        return len(self._there) == len(self._first.nodes)

    @cached_property
    def _links(self) -> tuple[_Links, _Links]:
        numbers = {name: number for number, name in enumerate(self._first.graph.inputs)}
        others = {n: numbers.get(n, i) for i, n in enumerate(self._second.graph.inputs)}
        return _Links(self._first, numbers), _Links(self._second, others)

    def _match_one(
        self, node: Node, near: Iterable[str], beyond: Mapping[str, tuple[str, ...]]
    ) -> None:
        for one in near:
            partners = (one,) if one.startswith(_INPUT) else tuple(self._there.get(one, ()))
            for partner in partners:
                for name in beyond.get(partner, ()):
                    if name in self._back or name not in self._second.names:
                        continue
                    if self._are_alike(node, self._second.graph.node(name)):
                        self._join(node.name, name)
                        return

    def _pair_outputs(self) -> None:
        """What nodes that are partners write, where no name has said so."""
        paired = {pair.node for pair in self._pairs.values()}
        for node in self._first.nodes:
            others = tuple(self._there.get(node.name, ()))
            if node.name in paired or len(others) != 1:
                continue
            other = self._second.graph.node(others[0])
            if not self._are_alike(node, other) or len(self._back[other.name]) != 1:
                continue
            first, second = self._first.value_of(node), self._second.value_of(other)
            if first is not None and second is not None and second.tensor not in self._taken:
                name = self._first.name_of(node.outputs[0]) or first.tensor
                self._pair(name, node, other.name, first, second)

    def _pair(self, name: str, node: Node, other: str, first: Value, second: Value) -> None:
        kind = self._first.kind(node)
        self._pairs[name] = Pair(node.name, kind, other, name, first, second)
        self._taken.add(second.tensor)


class _Links:
    """Who gives to whom in one model, inputs of the graph among them."""

    def __init__(self, side: _Side, inputs: Mapping[str, int]) -> None:
        self.givers: dict[str, tuple[str, ...]] = {}
        readers: dict[str, dict[str, None]] = {}
        for node in side.nodes:
            givers = tuple(dict.fromkeys(side.givers(node, inputs)))
            self.givers[node.name] = givers
            for giver in givers:
                readers.setdefault(giver, {})[node.name] = None
        self.readers = {name: tuple(found) for name, found in readers.items()}


def _parts(
    side: _Side, links: _Links, partners: Mapping[str, Mapping[str, None]]
) -> Iterator[tuple[str, str]]:
    """(node of the other model, node of this one that is a part of it)."""
    for node in side.nodes:
        if node.name not in partners:
            continue
        chain: list[str] = []
        readers = links.readers.get(node.name, ())
        while len(readers) == 1 and readers[0] not in partners and len(chain) < _LONGEST_PART:
            chain.append(readers[0])
            readers = links.readers.get(readers[0], ())
        if chain and len(readers) == 1:
            both = [one for one in partners.get(readers[0], {}) if one in partners[node.name]]
            yield from ((both[0], part) for part in chain if both)


def _by_kind(side: _Side) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in side.nodes:
        found.setdefault(side.kind(node), []).append(node)
    return found
