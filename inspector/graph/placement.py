"""Where quantizers may sit in a graph, and where the layers' choices put them.

A *site* is a tensor as one consumer sees it. The sites of a graph are fixed by its structure, so a
simulation can be built once with a quantizer on each; a *plan* says for one set of choices which
sites are quantized and which of them share a grid (a *point*).

The rules follow from what integer kernels do:

- A layer reads its activations on a grid of its own choice.
- A convolution with 8-bit operands only runs as integers when its output is on an 8-bit grid as
  well, so its output is one: the grid its readers ask for, else one of its own spec. Gemm and
  MatMul have kernels that write floats, so their outputs are left alone until a reader asks.
- Operators that only move values (MaxPool, Reshape, Concat ...) keep the grid of their inputs.
- Add, Mul and average pooling have integer kernels too: they are used where all inputs already are
  on grids and a reader asks for the output.
- A tensor that was never on a grid is given to every other reader as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.graph.model import Graph, Layer, Node
from inspector.graph.operators import RANGE_FOLDED, data_inputs, is_onnx_domain, passes_through
from inspector.quant.spec import LayerSpecs, QuantSpec

OWN_GRID = frozenset({"Add", "Mul", "AveragePool", "GlobalAveragePool"})
"""Operators beside the layers whose integer kernels write a grid of their own."""

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
    """

    points: tuple[Point, ...]
    sites: Mapping[Site, int]
    weights: Mapping[str, QuantSpec]
    integer: frozenset[str]
    native: frozenset[str]


@dataclass(frozen=True)
class Placement:
    """The sites of a graph, and how its nodes pass grids on.

    Attributes:
        graph: the graph.
        sites: every site that some plan may quantize, in graph order.
        fused: for the output of an integer kernel, the tensor behind the activations that fold
            into its range (Relu, Clip); absent where none follows.
        measured: the tensors whose values calibration has to gather.
    """

    graph: Graph
    sites: tuple[Site, ...]
    fused: Mapping[str, str]
    measured: tuple[str, ...]
    _layers: Mapping[str, Layer] = field(repr=False)

    def plan(self, specs: Mapping[str, LayerSpecs]) -> Plan:
        """Places the quantizers for these choices (layer name -> filled specs).

        Cost: linear in the number of nodes and edges.
        """
        return _Planner(self, specs).plan()

    def sole_point(self, plan: Plan, tensor: str) -> int | None:
        """The point on which every reader sees a tensor; None where some reader sees floats.

        What computes such a tensor needs to write nothing but codes.
        """
        known = self.graph.tensors[tensor]
        readers = [Site(tensor, consumer) for consumer in known.consumers]
        if tensor in plan.native:
            readers = [site for site in (*readers, Site(tensor, REST)) if site in plan.sites]
        elif tensor in self.graph.outputs:
            return None
        points = {plan.sites.get(site) for site in readers}
        return points.pop() if len(points) == 1 else None

    def foldable(self, output: str) -> tuple[Node, ...]:
        """The activations between a kernel's output and the end of what folds into its range."""
        chain: list[Node] = []
        tensor, end = output, self.fused.get(output, output)
        while tensor != end:
            chain.append(self.graph.node(self.graph.tensors[tensor].consumers[0]))
            tensor = chain[-1].outputs[0]
        return tuple(chain)


def place(graph: Graph) -> Placement:
    """Finds every site of a graph. Cost: linear in the number of nodes and edges."""
    layers = {layer.name: layer for layer in graph.layers}
    fused = _fused_activations(graph, layers)
    inner = _inside_fused(graph, fused)
    sites: list[Site] = []
    for name in graph.tensors:
        if name in inner or not _is_activation(graph, name):
            continue
        sites.extend(_sites_of(graph, name, layers))
    measured = dict.fromkeys(site.tensor for site in sites)
    return Placement(graph, tuple(sites), fused, tuple(measured), layers)


def clip_ends(node: Node, constant: Callable[[str], NDArray[Any]]) -> tuple[float, float]:
    """The real ends of a Clip whose bounds are attributes (to opset 10) or constants."""
    ends = {"min": -math.inf, "max": math.inf}
    for slot, part in ((1, "min"), (2, "max")):
        value = node.attributes.get(part, ends[part])
        if node.input(slot):
            value = float(np.asarray(constant(node.input(slot))).reshape(()))
        ends[part] = float(value) if isinstance(value, int | float) else ends[part]
    return ends["min"], ends["max"]


def is_integer_kernel(layer: Layer, specs: LayerSpecs) -> bool:
    """Whether onnxruntime has a kernel for a layer's operands as these specs store them.

    Both have to be in 8-bit types, and the weight's scales per tensor or per output channel.
    """
    if layer.weight is None or layer.op_type not in {"Conv", "Gemm", "MatMul"}:
        return False
    if not _is_byte(specs.weights) or not _is_byte(specs.activations):
        return False
    granularity = specs.weights.granularity
    if granularity is None or granularity.kind == "tensor":
        return True
    if granularity.kind == "block" or layer.channel_axis is None:
        return False
    rank = len(layer.weight_shape or ())
    return granularity.axis is None or granularity.axis % rank == layer.channel_axis


def _is_byte(spec: QuantSpec) -> bool:
    return not spec.is_float and spec.is_affine and 5 <= spec.bits <= 8


def _is_activation(graph: Graph, name: str) -> bool:
    tensor = graph.tensors.get(name)
    return tensor is not None and not tensor.constant and tensor.dtype in {"float32", "float16"}


def _data_inputs(graph: Graph, node: Node) -> tuple[str, ...]:
    """The inputs of a follower that carry activations (not shapes, indices or constants)."""
    if _is_pass_through(node):
        slots: Iterable[int] = data_inputs(node.op_type, len(node.inputs))
    else:
        slots = range(len(node.inputs))
    return tuple(node.inputs[i] for i in slots if _is_activation(graph, node.inputs[i]))


def _is_own_grid(graph: Graph, node: Node) -> bool:
    """Whether a node has an integer kernel that reads and writes grids.

    One with a constant operand has none worth its cost: the constant would need a grid as well.
    """
    if not is_onnx_domain(node.domain) or node.op_type not in OWN_GRID:
        return False
    return all(_is_activation(graph, name) for name in node.inputs if name)


def _is_pass_through(node: Node) -> bool:
    # A value that Pad fills in is an input: where it is there, it need not be on the grid.
    filled = node.op_type == "Pad" and bool(node.input(2))
    return passes_through(node.op_type, node.attributes, domain=node.domain) and not filled


def _is_foldable(graph: Graph, node: Node, tensor: str) -> bool:
    if not _is_range_folded(node) or node.inputs[0] != tensor:
        return False
    return all(graph.tensors[name].constant for name in node.inputs[1:] if name)


def _is_range_folded(node: Node) -> bool:
    return is_onnx_domain(node.domain) and node.op_type in RANGE_FOLDED


def _fused_activations(graph: Graph, layers: Mapping[str, Layer]) -> dict[str, str]:
    """Maps an integer kernel's output to the tensor behind its foldable activations."""
    outputs = set(graph.outputs)
    fused: dict[str, str] = {}
    for node in graph.nodes:
        if node.name not in layers and not _is_own_grid(graph, node):
            continue
        start = tensor = node.outputs[0]
        while tensor not in outputs and len(graph.tensors[tensor].consumers) == 1:
            reader = graph.node(graph.tensors[tensor].consumers[0])
            if not _is_foldable(graph, reader, tensor):
                break
            tensor = reader.outputs[0]
        if tensor != start:
            fused[start] = tensor
    return fused


def _inside_fused(graph: Graph, fused: Mapping[str, str]) -> set[str]:
    """The tensors between a kernel and the end of its folded activations."""
    inner: set[str] = set()
    for start, end in fused.items():
        tensor = start
        while tensor != end:
            inner.add(tensor)
            tensor = graph.node(graph.tensors[tensor].consumers[0]).outputs[0]
    return inner


def _may_be_native(graph: Graph, name: str, layers: Mapping[str, Layer]) -> bool:
    """Whether some plan lets only the quantized values of this tensor exist."""
    producer = graph.tensors[name].producer
    if producer is None:
        return False
    node = graph.node(producer)
    if _is_range_folded(node):
        source = graph.tensors[node.inputs[0]]
        if len(source.consumers) == 1 and source.name not in graph.outputs:
            return _may_be_native(graph, source.name, layers)
    if node.name in layers:
        return layers[node.name].op_type == "Conv" and layers[node.name].weight is not None
    return _is_own_grid(graph, node) or _is_pass_through(node)


def _sites_of(graph: Graph, name: str, layers: Mapping[str, Layer]) -> Iterable[Site]:
    tensor = graph.tensors[name]
    native = _may_be_native(graph, name, layers)
    rest = name in graph.outputs
    for consumer in tensor.consumers:
        node = graph.node(consumer)
        if consumer in layers and name in layers[consumer].activations:
            yield Site(name, consumer)
        elif _is_pass_through(node) or _is_own_grid(graph, node):
            if native or len(_data_inputs(graph, node)) > 1:
                yield Site(name, consumer)
        else:
            rest = True
    if native and rest:
        yield Site(name, REST)


def _finest(specs: Iterable[QuantSpec | None]) -> QuantSpec | None:
    """The spec with the most bits; the first of equals, so that plans are deterministic."""
    present = [spec for spec in specs if spec is not None]
    return max(present, key=lambda spec: spec.bits) if present else None


class _Planner:
    """Builds one plan: wishes flow backwards from the layers, grids forward from the kernels."""

    def __init__(self, placement: Placement, specs: Mapping[str, LayerSpecs]) -> None:
        self._placement = placement
        self._graph = placement.graph
        self._layers = placement._layers
        self._specs = specs
        self._known = frozenset(placement.sites)
        self._by_tensor: dict[str, list[Site]] = {}
        for site in placement.sites:
            self._by_tensor.setdefault(site.tensor, []).append(site)
        self._wants: dict[str, QuantSpec] = {}
        self._point_of: dict[str, int] = {}  # native tensor -> point
        self._points: list[tuple[QuantSpec, list[str]]] = []
        self._merged: list[int] = []  # union-find over points
        self._sites: dict[Site, int] = {}

    def plan(self) -> Plan:
        self._collect_wishes()
        integer: set[str] = set()
        for node in self._graph.nodes:
            layer = self._layers.get(node.name)
            if layer is not None:
                self._read_layer(layer)
                if is_integer_kernel(layer, self._specs[layer.name]):
                    integer.add(layer.name)
                    if layer.op_type == "Conv":
                        self._write_kernel(node, self._specs[layer.name].activations)
            elif _is_own_grid(self._graph, node):
                self._write_own_grid(node)
            elif _is_pass_through(node):
                self._write_pass_through(node)
        return self._finish(integer)

    def _collect_wishes(self) -> None:
        """A tensor's wish: the finest spec that a layer reads it with, through followers."""
        graph = self._graph
        for node in reversed(graph.nodes):
            wish = self._wish_of_reader(node)
            for name, spec in wish:
                found = _finest((spec, self._wants.get(name)))
                if found is not None:
                    self._wants[name] = found

    def _wish_of_reader(self, node: Node) -> list[tuple[str, QuantSpec | None]]:
        layer = self._layers.get(node.name)
        if layer is not None:
            spec = self._specs[node.name].activations
            return [] if spec.is_float else [(name, spec) for name in layer.activations]
        graph = self._graph
        if _is_range_folded(node) or _is_own_grid(graph, node) or _is_pass_through(node):
            wish = _finest(self._wants.get(name) for name in node.outputs)
            return [(name, wish) for name in _data_inputs(graph, node)]
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
        tensor = self._placement.fused.get(node.outputs[0], node.outputs[0])
        spec = self._wants.get(tensor, own)
        if _is_byte(spec) and tensor in self._by_tensor:
            self._make_native(tensor, self._new_point(spec, tensor))

    def _write_own_grid(self, node: Node) -> None:
        tensor = self._placement.fused.get(node.outputs[0], node.outputs[0])
        spec = self._wants.get(tensor)
        inputs = _data_inputs(self._graph, node)
        if spec is None or not _is_byte(spec) or tensor not in self._by_tensor:
            return
        if all(name in self._point_of for name in inputs):
            self._make_native(tensor, self._new_point(spec, tensor))

    def _write_pass_through(self, node: Node) -> None:
        inputs = _data_inputs(self._graph, node)
        outputs = [name for name in node.outputs if name in self._by_tensor]
        held = [name for name in inputs if name in self._point_of]
        wished = any(self._wants.get(name) is not None for name in outputs)
        if not held or not wished:
            return
        index = self._point_of[held[0]]
        for name in inputs:
            if name in self._point_of:
                self._unite(index, self._point_of[name])
            else:
                self._points[self._root(index)][1].append(name)
                self._sites[Site(name, node.name)] = index
        for name in outputs:
            self._make_native(name, index)

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
        spec = _finest((self._points[a][0], self._points[b][0]))
        assert spec is not None
        self._points[a] = (spec, self._points[a][1] + self._points[b][1])

    def _finish(self, integer: set[str]) -> Plan:
        """Numbers the points anew, without those that were merged into others."""
        numbers: dict[int, int] = {}
        points: list[Point] = []
        sites: dict[Site, int] = {}
        for site in self._placement.sites:
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
        return Plan(tuple(points), sites, weights, frozenset(integer), native)
