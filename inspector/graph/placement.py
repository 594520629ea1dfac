"""Where quantizers may sit in a graph, and where the layers' choices put them.

A *site* is a tensor as one consumer sees it. The sites of a graph are fixed by its structure, so a
simulation can be built once with a quantizer on each; a *plan* says for one set of choices which
sites are quantized and which of them share a grid (a *point*).

The rules follow from what integer kernels do:

- A layer reads its activations on a grid of its own choice.
- A convolution with 8-bit operands only runs as integers when its output is on an 8-bit grid as
  well, so its output is one: the grid its readers ask for, else one of its own spec. Gemm and
  MatMul have kernels that write floats, so their outputs are left alone until a reader asks.
- Operators that only move values (MaxPool, Reshape ...) keep the grid of their input. Concat has
  one grid with its inputs where that costs less than rounding them again; see `sharing`.
- Add, Mul and average pooling have integer kernels too: they are used where all inputs already are
  on grids and a reader asks for the output.
- A tensor that was never on a grid is given to every other reader as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.graph.given import GivenPlanner, given_sites, pins_of
from inspector.graph.model import Graph, Layer, Node
from inspector.graph.planning import REST, Plan, Planner, Point, Site
from inspector.graph.roles import (
    data_inputs,
    is_activation,
    is_integer_kernel,
    is_own_grid,
    is_pass_through,
    is_range_folded,
)
from inspector.progress import paced
from inspector.quant.pin import Pins
from inspector.quant.spec import LayerSpecs

__all__ = [
    "REST",
    "Placement",
    "Plan",
    "Point",
    "Site",
    "clip_ends",
    "float_outputs",
    "is_integer_kernel",
    "place",
    "plan_sites",
]


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

    def plan(self, specs: Mapping[str, LayerSpecs]) -> Plan:
        """Places the quantizers for these choices (layer name -> filled specs).

        Cost: linear in the number of nodes and edges.
        """
        return plan_sites(self.graph, self.sites, self.fused, specs)

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


def plan_sites(
    graph: Graph,
    sites: Sequence[Site],
    fused: Mapping[str, str],
    specs: Mapping[str, LayerSpecs],
    nodes: Sequence[Node] | None = None,
) -> Plan:
    """The plan of some sites: where an opened file has quantizers, or where the rules above say."""
    pins = pins_of(specs)
    if pins is None:
        return Planner(graph, sites, fused, specs, nodes).plan()
    return GivenPlanner(graph, sites, fused, specs, pins, nodes).plan()


def place(graph: Graph, pins: Pins | None = None) -> Placement:
    """Finds every site of a graph.

    Args:
        graph: the graph.
        pins: grids that are given for it: where they are read are sites too.

    Cost: linear in the number of nodes and edges.
    """
    layers = {layer.name: layer for layer in graph.layers}
    given = () if pins is None else given_sites(graph, pins)
    stops = {site.tensor for site in given}
    fused = _fused_activations(graph, layers, stops)
    inner = _inside_fused(graph, fused)
    native = _may_be_native(graph, layers)
    sites: list[Site] = []
    for name in paced(graph.tensors):
        if name in inner or not is_activation(graph, name):
            continue
        sites.extend(_sites_of(graph, name, layers, native=name in native))
    if given:
        sites = _merged(graph, sites, given)
    measured = dict.fromkeys(site.tensor for site in sites)
    if sites:
        measured |= dict.fromkeys(float_outputs(graph))
    return Placement(graph, tuple(sites), fused, tuple(measured))


def float_outputs(graph: Graph) -> tuple[str, ...]:
    """The outputs that are computed in float32."""
    return tuple(
        name
        for name in graph.outputs
        if is_activation(graph, name) and graph.tensors[name].producer is not None
    )


def clip_ends(node: Node, constant: Callable[[str], NDArray[Any]]) -> tuple[float, float]:
    """The real ends of a Clip whose bounds are attributes (to opset 10) or constants."""
    ends = {"min": -math.inf, "max": math.inf}
    for slot, part in ((1, "min"), (2, "max")):
        value = node.attributes.get(part, ends[part])
        if node.input(slot):
            value = float(np.asarray(constant(node.input(slot))).reshape(()))
        ends[part] = float(value) if isinstance(value, int | float) else ends[part]
    return ends["min"], ends["max"]


def _is_foldable(graph: Graph, node: Node, tensor: str) -> bool:
    if not is_range_folded(node) or node.inputs[0] != tensor:
        return False
    return all(graph.tensors[name].constant for name in node.inputs[1:] if name)


def _merged(graph: Graph, sites: Sequence[Site], given: Sequence[Site]) -> list[Site]:
    """Both in graph order, each once."""
    by_tensor: dict[str, dict[Site, None]] = {}
    for site in (*sites, *given):
        by_tensor.setdefault(site.tensor, {})[site] = None
    return [site for name in graph.tensors for site in by_tensor.get(name, ())]


def _fused_activations(
    graph: Graph, layers: Mapping[str, Layer], stops: Set[str]
) -> dict[str, str]:
    """Maps an integer kernel's output to the tensor behind its foldable activations.

    Args:
        graph: the graph.
        layers: by name.
        stops: tensors with quantizers of their own: what is behind them does not belong to it.
    """
    ends = {*graph.outputs, *stops}
    fused: dict[str, str] = {}
    for node in paced(graph.nodes):
        if node.name not in layers and not is_own_grid(graph, node):
            continue
        start = tensor = node.outputs[0]
        while tensor not in ends and len(graph.tensors[tensor].consumers) == 1:
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


def _may_be_native(graph: Graph, layers: Mapping[str, Layer]) -> set[str]:
    """The tensors of which some plan lets only the quantized values exist.

    Cost: linear in the number of nodes, however long a chain of activation functions is.
    """
    found: set[str] = set()
    for node in paced(graph.nodes):  # in order: of what a node reads it is known already
        if is_range_folded(node):
            source = graph.tensors[node.inputs[0]]
            if len(source.consumers) == 1 and source.name not in graph.outputs:
                if source.name in found:
                    found.update(node.outputs)
                continue
        layer = layers.get(node.name)
        if layer is not None:
            native = layer.op_type == "Conv" and layer.weight is not None
        else:
            native = is_own_grid(graph, node) or is_pass_through(node)
        if native:
            found.update(node.outputs)
    return found


def _sites_of(
    graph: Graph, name: str, layers: Mapping[str, Layer], *, native: bool
) -> Iterable[Site]:
    tensor = graph.tensors[name]
    rest = name in graph.outputs
    for consumer in tensor.consumers:
        node = graph.node(consumer)
        if consumer in layers and name in layers[consumer].activations:
            yield Site(name, consumer)
        elif is_pass_through(node) or is_own_grid(graph, node):
            if native or len(data_inputs(graph, node)) > 1:
                yield Site(name, consumer)
        else:
            rest = True
    if native and rest:
        yield Site(name, REST)
