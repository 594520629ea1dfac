"""Where a set of choices puts quantizers among the sites of a graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from inspector.graph.model import Graph, Layer, Node
from inspector.graph.roles import (
    both_dynamic,
    data_inputs,
    has_kernel_bias,
    is_byte,
    is_dynamic,
    is_integer_kernel,
    is_own_grid,
    is_pass_through,
    is_range_folded,
    stays_float,
)
from inspector.quant.pin import Pins
from inspector.quant.spec import FLOAT, LayerSpecs, QuantSpec, RangeMethod

REST = ""
"""The consumer of a site that stands for every reader which is no candidate for quantization."""


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """A tensor as `consumer` (a node's name, or REST) reads it."""

    tensor: str
    consumer: str


@dataclass(frozen=True, slots=True)
class Point:
    """One grid: the spec it follows and the tensors whose values decide its range."""

    spec: QuantSpec
    tensors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one set of choices quantizes.

    Attributes:
        points: the grids.
        sites: each quantized site with the index of its point.
        weights: the spec of each layer whose weight is quantized.
        integer: the layers that run as integer kernels, so that their bias is int32.
        native: tensors that exist only on their grid: every reader sees the quantized values.
        dynamic: the layers whose activations are put on a grid when the model runs.
        joins: (point of an input, point of the output) where tensors of one spec are joined, in
            graph order; see `inspector.graph.sharing`.
        as_given: the layers that are quantized as an opened file has them: nothing about them is
            decided here, not how codes are stored and not what becomes of a bias.
        pins: the grids of that file; None where none was opened.
    """

    points: tuple[Point, ...]
    sites: Mapping[Site, int]
    weights: Mapping[str, QuantSpec]
    integer: frozenset[str]
    native: frozenset[str]
    joins: tuple[tuple[int, int], ...] = ()
    dynamic: frozenset[str] = frozenset()
    as_given: frozenset[str] = frozenset()
    pins: Pins | None = None

    @property
    def open_points(self) -> tuple[Point, ...]:
        """The points whose grid follows from values: those of the others are given."""
        return tuple(point for point in self.points if point.spec.exact_pin is None)

    def multiplies_codes(self, layer: str) -> bool:
        """Whether a layer computes with whole codes of its weight, whatever finds its grid."""
        return layer in self.integer or layer in self.dynamic


def finest(specs: Iterable[QuantSpec | None]) -> QuantSpec | None:
    """The spec with the most bits; the first of equals, so that plans are deterministic."""
    present = [spec for spec in specs if spec is not None]
    return max(present, key=lambda spec: spec.bits) if present else None


def of_other_values(spec: QuantSpec) -> QuantSpec:
    """A spec for a tensor that it was not chosen for: ends set by hand are those of another."""
    if spec.range is None or spec.range.kind != "range":
        return spec
    return replace(spec, range=RangeMethod("mse"))


class Planner:
    """Builds one plan: wishes flow backwards from the layers, grids forward from the kernels."""

    def __init__(
        self,
        graph: Graph,
        sites: Sequence[Site],
        fused: Mapping[str, str],
        specs: Mapping[str, LayerSpecs],
        nodes: Sequence[Node] | None = None,
    ) -> None:
        """Takes what `inspector.graph.placement.place` found, and the layers' filled specs.

        Args:
            graph: the graph.
            sites: of the graph, or of the nodes.
            fused: as in `Placement`.
            specs: of all layers.
            nodes: plan these alone; see `inspector.graph.regions`.
        """
        self._graph = graph
        self._nodes = graph.nodes if nodes is None else nodes
        self._all_sites = sites
        self._fused = fused
        found = (graph.find_layer(node.name) for node in self._nodes)
        self._layers = {layer.name: layer for layer in found if layer is not None}
        chosen = {
            name: LayerSpecs(FLOAT, FLOAT) if stays_float(graph, layer) else specs[name]
            for name, layer in self._layers.items()
        }
        self._dynamic = both_dynamic(
            graph,
            {n for n, found in chosen.items() if is_dynamic(graph, self._layers[n], found)},
        )
        self._specs = {
            name: LayerSpecs(found.weights, FLOAT)
            if found.dynamic or not self._layers[name].activation_slots
            else found
            for name, found in chosen.items()
        }
        self._known = frozenset(sites)
        self._by_tensor: dict[str, list[Site]] = {}
        for site in sites:
            self._by_tensor.setdefault(site.tensor, []).append(site)
        self._wants: dict[str, QuantSpec] = {}
        self._point_of: dict[str, int] = {}  # native tensor -> point
        self._points: list[tuple[QuantSpec, list[str]]] = []
        self._merged: list[int] = []  # union-find over points
        self._joins: list[tuple[int, int]] = []
        self._sites: dict[Site, int] = {}

    def plan(self) -> Plan:
        """The plan; to be called once."""
        self._collect_wishes()
        integer: set[str] = set()
        for node in self._nodes:
            layer = self._layers.get(node.name)
            if layer is not None:
                self._read_layer(layer)
                if self._is_integer(layer):
                    integer.add(layer.name)
                    if layer.op_type == "Conv":
                        self._write_kernel(node, self._specs[layer.name].activations)
            elif is_own_grid(self._graph, node):
                self._write_own_grid(node)
            elif is_pass_through(node):
                self._write_pass_through(node)
        return self._finish(integer)

    def _is_integer(self, layer: Layer) -> bool:
        """Whether a layer runs as an integer kernel; its inputs have been given their grids."""
        return (
            is_integer_kernel(layer, self._specs[layer.name])
            and has_kernel_bias(self._graph, layer)
            and all(Site(name, layer.name) in self._sites for name in layer.activations)
        )

    def _collect_wishes(self) -> None:
        """A tensor's wish: the finest spec that a layer reads it with, through followers."""
        for node in reversed(self._nodes):
            wish = self._wish_of_reader(node)
            for name, spec in wish:
                found = finest((spec, self._wants.get(name)))
                if found is not None:
                    self._wants[name] = found

    def _wish_of_reader(self, node: Node) -> list[tuple[str, QuantSpec | None]]:
        layer = self._layers.get(node.name)
        if layer is not None:
            spec = self._specs[node.name].activations
            return [] if spec.is_float else [(name, spec) for name in layer.activations]
        graph = self._graph
        if is_range_folded(node) or is_own_grid(graph, node) or is_pass_through(node):
            wish = finest(self._wants.get(name) for name in node.outputs)
            if wish is not None and is_own_grid(graph, node):
                wish = of_other_values(wish)
            return [(name, wish) for name in data_inputs(graph, node)]
        return []

    def _read_layer(self, layer: Layer) -> None:
        """A layer that reads a tensor which is on no grid yet gets its own grid for it."""
        spec = self._specs[layer.name].activations
        if spec.is_float:
            return
        for name in layer.activations:
            site = Site(name, layer.name)
            if site in self._known and site not in self._sites:
                self._sites[site] = self._point_for(name, spec)

    def _point_for(self, tensor: str, spec: QuantSpec) -> int:
        """The point of a float tensor under a spec: readers that agree share it."""
        for site in self._by_tensor[tensor]:
            index = self._sites.get(site)
            if index is not None and self._points[index][0] == spec:
                return index
        return self._new_point(spec, tensor)

    def _new_point(self, spec: QuantSpec, tensor: str) -> int:
        self._points.append((spec, [tensor]))
        self._merged.append(len(self._merged))
        return len(self._points) - 1

    def _make_native(self, tensor: str, index: int) -> None:
        self._point_of[tensor] = index
        for site in self._by_tensor.get(tensor, ()):
            self._sites[site] = index

    def _write_kernel(self, node: Node, own: QuantSpec) -> None:
        """Puts an integer kernel's output (behind its folded activations) on a byte grid."""
        tensor = self._fused.get(node.outputs[0], node.outputs[0])
        spec = self._wants.get(tensor) or of_other_values(own)
        if is_byte(spec) and tensor in self._by_tensor:
            self._make_native(tensor, self._new_point(spec, tensor))

    def _write_own_grid(self, node: Node) -> None:
        tensor = self._fused.get(node.outputs[0], node.outputs[0])
        spec = self._wants.get(tensor)
        inputs = data_inputs(self._graph, node)
        if spec is None or not is_byte(spec) or tensor not in self._by_tensor:
            return
        if all(name in self._point_of for name in inputs):
            self._make_native(tensor, self._new_point(spec, tensor))

    def _write_pass_through(self, node: Node) -> None:
        inputs = data_inputs(self._graph, node)
        outputs = [name for name in node.outputs if name in self._by_tensor]
        held = [name for name in inputs if name in self._point_of]
        wished = any(self._wants.get(name) is not None for name in outputs)
        if not held or not wished:
            return
        if len(inputs) > 1:
            self._write_join(node, inputs, outputs[0])
            return
        for name in outputs:
            self._make_native(name, self._point_of[held[0]])

    def _write_join(self, node: Node, inputs: Sequence[str], output: str) -> None:
        """Gives the output of an operator that joins tensors a point beside those of its inputs.

        Whether they are one grid in the end is seen when the grids are known. Inputs that follow
        other specs have to follow the finest: integer kernels join codes of one type.
        """
        held = (self._point_of[name] for name in inputs if name in self._point_of)
        spec = finest(self._points[self._root(index)][0] for index in held)
        assert spec is not None
        joined = self._new_point(spec, output)
        for name in dict.fromkeys(inputs):
            index = self._point_of.get(name)
            if index is None:
                index = self._sites[Site(name, node.name)] = self._new_point(spec, name)
            if self._points[self._root(index)][0] == spec:
                self._joins.append((index, joined))
            else:
                self._unite(index, joined)
        self._make_native(output, joined)

    def _root(self, index: int) -> int:
        while self._merged[index] != index:
            self._merged[index] = self._merged[self._merged[index]]
            index = self._merged[index]
        return index

    def _unite(self, first: int, second: int) -> None:
        a, b = sorted((self._root(first), self._root(second)))
        if a == b:
            return
        self._merged[b] = a
        spec = finest((self._points[a][0], self._points[b][0]))
        assert spec is not None
        self._points[a] = (spec, self._points[a][1] + self._points[b][1])

    def _finish(self, integer: set[str]) -> Plan:
        """Numbers the points anew, without those that were merged into others."""
        numbers: dict[int, int] = {}
        points: list[Point] = []
        sites: dict[Site, int] = {}
        for site in self._all_sites:
            if site not in self._sites:
                continue
            root = self._root(self._sites[site])
            if root not in numbers:
                numbers[root] = len(points)
                spec, tensors = self._points[root]
                points.append(Point(spec, tuple(dict.fromkeys(tensors))))
            sites[site] = numbers[root]
        weights = {
            name: self._specs[name].weights
            for name, layer in self._layers.items()
            if layer.weight is not None and not self._specs[name].weights.is_float
        }
        native = frozenset(self._point_of)
        roots = ((self._root(a), self._root(b)) for a, b in self._joins)
        joins = tuple((numbers[a], numbers[b]) for a, b in roots if a in numbers and b in numbers)
        return Plan(tuple(points), sites, weights, frozenset(integer), native, joins, self._dynamic)
