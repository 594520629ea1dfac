"""Where values change between floats and grids, and between one grid and another.

An operator either computes on codes, moves codes, is done by the clamping of the kernel before it,
or computes in float. Operators of the last kind that hand floats to one another are a *float
island*. Each tensor that enters one from a grid is dequantized, each that leaves it for a grid is
quantized; that is what an island costs. Counted is what the choices ask for: a runtime may do more
(or less, where it has integer kernels that this program does not count on).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from inspector.graph.grids import Grids
from inspector.graph.model import Graph, Node
from inspector.graph.operators import is_onnx_domain
from inspector.graph.pipeline import sums_in_integers, written_grid
from inspector.graph.placement import REST, Placement, Plan, Site
from inspector.graph.roles import (
    data_inputs,
    is_activation,
    is_byte,
    is_own_grid,
    is_pass_through,
)
from inspector.quant.qparams import QParams

Kind = Literal["integer", "moves", "folded", "float"]
_KINDS: tuple[Kind, ...] = ("integer", "moves", "folded", "float")

TABLED = frozenset({"LeakyRelu", "Sigmoid"})
"""Functions that onnxruntime's CPU provider computes from byte codes with a table, where they stand
between two grids (its contrib operators QLinearLeakyRelu and QLinearSigmoid)."""


@dataclass(frozen=True, slots=True)
class Island:
    """Operators that compute in float and hand floats to one another.

    Attributes:
        nodes: their names, in graph order.
        operators: what they are, each once, those that compute before those that only move values.
        quantizes: tensors put on a grid behind it, once for each grid.
        dequantizes: tensors brought back into floats for it.
        in_kernels: those of them that an integer kernel writes as floats itself.
        is_table: onnxruntime does it all with a table of codes; see `TABLED`.
    """

    nodes: tuple[str, ...]
    operators: tuple[str, ...]
    quantizes: int
    dequantizes: int
    in_kernels: int
    is_table: bool

    @property
    def cost(self) -> int:
        """How many conversions it takes."""
        return self.quantizes + self.dequantizes


@dataclass(frozen=True, slots=True, eq=False)
class Meeting:
    """An integer operator beside the layers: the grids that meet there.

    Attributes:
        node: its name.
        op_type: its operator.
        reads: (tensor, grid) of each input.
        output: the grid that it writes.
    """

    node: str
    op_type: str
    reads: tuple[tuple[str, QParams], ...]
    output: QParams

    @property
    def ratios(self) -> tuple[float, ...]:
        """Scale of each input over that of the output."""
        return tuple(float(grid.scale) / float(self.output.scale) for _, grid in self.reads)

    @property
    def rescaled(self) -> tuple[str, ...]:
        """The inputs that are not on the output's grid."""
        return tuple(tensor for tensor, grid in self.reads if not same_grid(grid, self.output))


@dataclass(frozen=True, slots=True)
class Counts:
    """The figures of a whole model.

    Attributes:
        islands: float islands that cost conversions.
        quantizes: from floats to a grid, at the islands.
        dequantizes: from a grid to floats, at the islands.
        in_kernels: of the latter, those that integer kernels do themselves.
        tables: of the islands, those that onnxruntime does with a table of codes.
        inputs: model inputs that are quantized, once for each grid.
        outputs: model outputs that are dequantized.
        others: tensors that integer kernels write as floats for readers on several grids, and that
            are quantized for each.
        requantizes: inputs of Concat that are put on another grid before they are joined.
        integer: operators that compute on codes.
        moving: operators that move codes.
        folded: activations that the clamping of the kernel before them does.
        floating: operators that compute in float, or move floats.
    """

    islands: int
    quantizes: int
    dequantizes: int
    in_kernels: int
    tables: int
    inputs: int
    outputs: int
    others: int
    requantizes: int
    integer: int
    moving: int
    folded: int
    floating: int

    def to_json(self) -> dict[str, int]:
        """Plain data."""
        return {
            "float_islands": self.islands,
            "conversions": self.quantizes + self.dequantizes,
            "quantize": self.quantizes,
            "dequantize": self.dequantizes,
            "dequantize_in_kernels": self.in_kernels,
            "islands_in_tables": self.tables,
            "quantize_inputs": self.inputs,
            "dequantize_outputs": self.outputs,
            "quantize_others": self.others,
            "requantize": self.requantizes,
            "integer_operators": self.integer,
            "moving_operators": self.moving,
            "folded_operators": self.folded,
            "float_operators": self.floating,
        }


@dataclass(frozen=True, eq=False)
class Conversions:
    """All of it for one set of choices.

    Attributes:
        kinds: of each operator that has to do with floats or grids, by name.
        islands: those that cost conversions, the most costly first.
        meetings: operators beside the layers that compute on codes or join them, in graph order.
        counts: the figures.
    """

    kinds: Mapping[str, Kind]
    islands: tuple[Island, ...]
    meetings: tuple[Meeting, ...]
    counts: Counts


def same_grid(one: QParams, other: QParams) -> bool:
    """Whether two grids of one scale are the same."""
    return (float(one.scale), int(one.zero_point), one.qmin, one.qmax) == (
        float(other.scale),
        int(other.zero_point),
        other.qmin,
        other.qmax,
    )


def conversions(placement: Placement, grids: Grids) -> Conversions:
    """Follows every tensor from what writes it to what reads it.

    Cost: linear in the number of nodes and edges.
    """
    return _Follower(placement, grids).run()


class _Follower:
    def __init__(self, placement: Placement, grids: Grids) -> None:
        self._placement, self._grids = placement, grids
        self._graph: Graph = placement.graph
        self._plan: Plan = grids.plan
        self._layers = {layer.name: layer for layer in self._graph.layers}
        self._kinds = self._find_kinds()
        self._joined: dict[str, str] = {
            name: name for name, kind in self._kinds.items() if kind == "float"
        }
        self._quantizes: list[tuple[str, str]] = []  # (tensor, node of the island)
        self._dequantizes: list[tuple[str, str]] = []
        self._in_kernels: list[tuple[str, str]] = []
        self._inputs = self._outputs = self._others = 0

    def run(self) -> Conversions:
        for tensor in self._graph.tensors:
            if is_activation(self._graph, tensor):
                self._join_floats(tensor)
        for tensor in self._graph.tensors:
            if is_activation(self._graph, tensor):
                self._follow(tensor)
        islands = self._islands()
        meetings = tuple(self._meetings())
        of_kind = Counter(self._kinds.values())
        requantizes = sum(len(one.rescaled) for one in meetings if one.op_type == "Concat")
        counts = Counts(
            len(islands),
            sum(island.quantizes for island in islands),
            sum(island.dequantizes for island in islands),
            sum(island.in_kernels for island in islands),
            sum(island.is_table for island in islands),
            *(self._inputs, self._outputs, self._others, requantizes),
            *(of_kind[kind] for kind in _KINDS),
        )
        return Conversions(self._kinds, islands, meetings, counts)

    # What each operator is ------------------------------------------------------------------------

    def _find_kinds(self) -> dict[str, Kind]:
        graph = self._graph
        found: dict[str, Kind] = {}
        for node in graph.nodes:
            if node.name in found or not self._has_floats(node):
                continue
            found[node.name] = self._kind(node)
            if found[node.name] == "integer" and self._writes_codes(node):
                for behind in self._placement.foldable(node.outputs[0]):
                    found[behind.name] = "folded"
        return found

    def _has_floats(self, node: Node) -> bool:
        return any(is_activation(self._graph, name) for name in (*node.inputs, *node.outputs))

    def _kind(self, node: Node) -> Kind:
        layer = self._layers.get(node.name)
        if layer is not None:
            return "integer" if sums_in_integers(layer, self._grids) else "float"
        if is_own_grid(self._graph, node):
            return "integer" if self._writes_codes(node) else "float"
        if is_pass_through(node) and any(name in self._plan.native for name in node.outputs):
            return "moves"
        return "float"

    def _writes_codes(self, node: Node) -> bool:
        layer = self._layers.get(node.name)
        if layer is not None:
            return written_grid(self._placement, self._grids, layer) is not None
        output = node.outputs[0]
        return self._placement.fused.get(output, output) in self._plan.native

    # Along tensors --------------------------------------------------------------------------------

    def _producer(self, tensor: str) -> str | None:
        """What writes a tensor; of a kernel with folded activations behind it the kernel."""
        name = self._graph.tensors[tensor].producer
        while name is not None and self._kinds.get(name) == "folded":
            name = self._graph.tensors[self._graph.node(name).inputs[0]].producer
        return name

    def _is_codes(self, tensor: str) -> bool:
        """Whether a tensor is written on a grid."""
        if tensor in self._plan.native:
            return True
        producer = self._producer(tensor)
        if producer is None or self._kinds.get(producer) != "integer":
            return False
        node = self._graph.node(producer)
        end = self._placement.fused.get(node.outputs[0], node.outputs[0])
        return self._writes_codes(node) and tensor == end

    def _float_readers(self, tensor: str) -> list[str]:
        readers = self._graph.tensors[tensor].consumers
        return [name for name in readers if self._kinds.get(name) == "float"]

    def _join_floats(self, tensor: str) -> None:
        """Operators between which floats flow are one island."""
        if self._is_codes(tensor):
            return
        producer = self._producer(tensor)
        ends = self._float_readers(tensor)
        if producer is not None and self._kinds.get(producer) == "float":
            ends.append(producer)
        for name in ends[1:]:
            self._joined[self._root(name)] = self._root(ends[0])

    def _root(self, node: str) -> str:
        while self._joined[node] != node:
            self._joined[node] = self._joined[self._joined[node]]
            node = self._joined[node]
        return node

    def _follow(self, tensor: str) -> None:
        islands = list(dict.fromkeys(self._root(name) for name in self._float_readers(tensor)))
        if self._is_codes(tensor):
            self._dequantizes += [(tensor, island) for island in islands]
            self._outputs += tensor in self._graph.outputs
            return
        producer = self._producer(tensor)
        kind = None if producer is None else self._kinds.get(producer)
        if kind == "integer":
            for island in islands:
                self._dequantizes.append((tensor, island))
                self._in_kernels.append((tensor, island))
        self._quantize(tensor, producer if kind == "float" else None, islands)

    def _quantize(self, tensor: str, producer: str | None, islands: Sequence[str]) -> None:
        """Counts how often a float tensor is put on a grid, and brought back from it."""
        points = self._points(tensor)
        for point in points:
            if producer is not None:
                self._quantizes.append((tensor, self._root(producer)))
            elif islands:
                self._quantizes.append((tensor, islands[0]))
            elif tensor in self._graph.inputs:
                self._inputs += 1
            else:
                self._others += 1
            back = [name for name in points[point] if self._kinds.get(name) == "float"]
            self._dequantizes += [
                (tensor, island) for island in dict.fromkeys(self._root(name) for name in back)
            ]

    def _points(self, tensor: str) -> dict[int, list[str]]:
        """The grids of a tensor, by point, with those that read it there."""
        found: dict[int, list[str]] = {}
        for consumer in (*self._graph.tensors[tensor].consumers, REST):
            point = self._plan.sites.get(Site(tensor, consumer))
            if point is not None:
                found.setdefault(point, []).append(consumer)
        return found

    # What is found --------------------------------------------------------------------------------

    def _islands(self) -> tuple[Island, ...]:
        members: dict[str, list[str]] = {}
        for node in self._graph.nodes:
            if node.name in self._joined:
                members.setdefault(self._root(node.name), []).append(node.name)
        costs = [
            Counter(island for _, island in pairs)
            for pairs in (self._quantizes, self._dequantizes, self._in_kernels)
        ]
        found: list[Island] = []
        for root, names in members.items():
            into, back, inside = (counter[root] for counter in costs)
            if not into + back:
                continue
            nodes = sorted((self._graph.node(name) for name in names), key=is_pass_through)
            is_table = (into, back, inside) == (1, 1, 0) and self._is_table(nodes)
            operators = tuple(dict.fromkeys(node.op_type for node in nodes))
            found.append(Island(tuple(names), operators, into, back, inside, is_table))
        return tuple(sorted(found, key=lambda island: -island.cost))

    def _is_table(self, nodes: Sequence[Node]) -> bool:
        if len(nodes) > 1 or nodes[0].op_type not in TABLED or not is_onnx_domain(nodes[0].domain):
            return False
        ends = nodes[0].inputs[0], nodes[0].outputs[0]
        points = [point for tensor in ends for point in self._points(tensor)]
        return all(is_byte(self._plan.points[point].spec) for point in points)

    def _meetings(self) -> list[Meeting]:
        found: list[Meeting] = []
        for node in self._graph.nodes:
            kind = self._kinds.get(node.name)
            if node.name in self._layers or kind not in ("integer", "moves"):
                continue
            inputs = data_inputs(self._graph, node)
            if kind == "moves" and len(inputs) < 2:
                continue
            reads = [(name, self._grids.at(name, node.name)) for name in inputs]
            known = tuple((name, grid) for name, grid in reads if grid is not None)
            end = self._placement.fused.get(node.outputs[0], node.outputs[0])
            point = self._placement.sole_point(self._plan, end)
            if point is not None and len(known) == len(reads):
                output = self._grids.points[point]
                found.append(Meeting(node.name, node.op_type, known, output))
        return found
