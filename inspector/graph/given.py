"""Plans where a recipe says which quantizers stand where: those of a file that was opened.

Layers follow their own choices, as everywhere. Whatever else reads a tensor on a grid in the file
does so until the layers near it are left in float: those that the tensor comes from, or, where it
comes from none, those that read what is made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from inspector.graph.model import Graph, Layer, Node
from inspector.graph.planning import REST, Plan, Point, Site
from inspector.graph.roles import (
    has_kernel_bias,
    is_byte,
    is_dynamic,
    is_integer_kernel,
    stays_float,
)
from inspector.quant.pin import Pins
from inspector.quant.spec import FLOAT, LayerSpecs, QuantSpec, spec_of_pin


def pins_of(specs: Mapping[str, LayerSpecs]) -> Pins | None:
    """The grids that the choices were made with; None where the planner decides."""
    return next((one.pins for one in specs.values() if one.pins is not None), None)


def given_sites(graph: Graph, pins: Pins) -> tuple[Site, ...]:
    """The sites of a graph that entries for certain readers name, in graph order."""
    wanted: dict[str, list[str]] = {}
    for read, reader in pins.reads:
        wanted.setdefault(read, []).append(reader)
    outputs = frozenset(graph.outputs)
    found: list[Site] = []
    for name, tensor in graph.tensors.items():
        if name in wanted and not tensor.constant:
            readers = set(wanted[name])
            found += [Site(name, one) for one in tensor.consumers if one in readers]
            if REST in readers and name in outputs:
                found.append(Site(name, REST))
    return tuple(found)


class GivenPlanner:
    """Builds one plan.

    Args:
        graph: the graph.
        sites: of the graph, or of the nodes.
        fused: as in `inspector.graph.placement.Placement`.
        specs: of all layers, filled.
        pins: the grids of the file.
        nodes: plan these alone; see `inspector.graph.regions`.
    """

    def __init__(
        self,
        graph: Graph,
        sites: Sequence[Site],
        fused: Mapping[str, str],
        specs: Mapping[str, LayerSpecs],
        pins: Pins,
        nodes: Sequence[Node] | None = None,
    ) -> None:
        self._graph = graph
        self._sites = sites
        self._fused = fused
        self._pins = pins
        found = (graph.find_layer(node.name) for node in (graph.nodes if nodes is None else nodes))
        self._layers = {layer.name: layer for layer in found if layer is not None}
        self._specs = specs
        self._near: Mapping[str, bool] | None = None

    def plan(self) -> Plan:
        """The plan. Cost: linear in the number of sites, and in the nodes between the layers."""
        points: dict[Point, int] = {}
        sites: dict[Site, int] = {}
        for site in self._sites:
            spec = self._spec_at(site)
            if not spec.is_float:
                sites[site] = points.setdefault(Point(spec, (site.tensor,)), len(points))
        native = self._native(sites)
        layers = self._layers.items()
        chosen = {name: self._chosen(layer) for name, layer in layers}
        weights = {
            name: chosen[name].weights
            for name, layer in layers
            if layer.weight is not None and not chosen[name].weights.is_float
        }
        numbered = tuple(points)
        integer = frozenset(
            name
            for name, layer in layers
            if self._is_integer(layer, chosen[name], sites, native, numbered)
        )
        dynamic = frozenset(name for name in self._layers if chosen[name].dynamic)
        as_given = frozenset(name for name, layer in layers if self._is_as_given(layer))
        return Plan(numbered, sites, weights, integer, native, (), dynamic, as_given, self._pins)

    def _chosen(self, layer: Layer) -> LayerSpecs:
        """What a layer gets; its activations are float where their grid is found when it runs."""
        specs = self._specs.get(layer.name)
        if specs is None or stays_float(self._graph, layer):
            return LayerSpecs(FLOAT, FLOAT)
        return LayerSpecs(
            specs.weights, specs.activations, is_dynamic(self._graph, layer, specs), specs.pins
        )

    def _spec_at(self, site: Site) -> QuantSpec:
        """The spec of a site, with the grid that is given for it."""
        pin = self._pins.at(site.tensor, site.consumer)
        layer = self._graph.find_layer(site.consumer) if site.consumer else None
        if layer is None or site.tensor not in layer.activations:
            if pin is None or not self._is_near_quantized(site.tensor):
                return FLOAT
            return spec_of_pin(pin)
        chosen = self._chosen(layer)
        spec = FLOAT if chosen.dynamic else chosen.activations
        if not spec.is_pinned:
            return spec
        if pin is None:
            return FLOAT
        # Tensors of one layer may have grids of several types; each keeps its own.
        return spec_of_pin(pin) if spec.exact_pin is not None else spec.pinned_to(pin)

    def _is_near_quantized(self, tensor: str) -> bool:
        if self._near is None:
            self._near = _near_quantized(self._graph, self._state_of)
        return self._near[tensor]

    def _state_of(self, layer: Layer) -> bool | None:
        """Whether a layer is quantized; None for one that is left alone, in the file too."""
        specs = self._specs.get(layer.name)
        if specs is not None and not specs.is_float:
            return True
        names = (self._pins.at(name, layer.name) for name in layer.activations)
        return None if self._pins.of(layer.weight) is None and not any(names) else False

    def _native(self, sites: Mapping[Site, int]) -> frozenset[str]:
        """The tensors that every reader sees on one grid."""
        points: dict[str, set[int]] = {}
        readers: dict[str, int] = {}
        for site, point in sites.items():
            points.setdefault(site.tensor, set()).add(point)
            readers[site.tensor] = readers.get(site.tensor, 0) + 1
        outputs = frozenset(self._graph.outputs)
        return frozenset(
            name
            for name, found in points.items()
            if len(found) == 1
            and readers[name] == len(self._graph.tensors[name].consumers) + (name in outputs)
        )

    def _is_integer(
        self,
        layer: Layer,
        chosen: LayerSpecs,
        sites: Mapping[Site, int],
        native: frozenset[str],
        points: Sequence[Point],
    ) -> bool:
        """Whether a layer runs as an integer kernel; a convolution also has to write bytes."""
        read = [sites.get(Site(name, layer.name)) for name in layer.activations]
        specs = [points[at].spec for at in read if at is not None]
        if chosen.dynamic or len(specs) != len(read) or not all(map(is_byte, specs)):
            return False
        if not is_integer_kernel(layer, LayerSpecs(chosen.weights, specs[0])):
            return False
        if not has_kernel_bias(self._graph, layer):
            return False
        if layer.op_type != "Conv":
            return True
        end = self._fused.get(layer.output, layer.output)
        written = next((sites[site] for site in sites if site.tensor == end), None)
        return end in native and written is not None and is_byte(points[written].spec)

    def _is_as_given(self, layer: Layer) -> bool:
        """Whether a layer is quantized just as the file has it, or left alone as there."""
        specs = self._specs.get(layer.name)
        if specs is None or stays_float(self._graph, layer):
            return True
        pins = [self._pins.at(name, layer.name) for name in layer.activations]
        reads = next((pin for pin in pins if pin is not None), None)
        weight = self._pins.of(layer.weight)
        activations = FLOAT if specs.dynamic and reads is None else specs.activations
        found = ((specs.weights, weight), (activations, reads))
        return all(
            spec.is_float if pin is None else spec.exact_pin is not None for spec, pin in found
        )


def _near_quantized(graph: Graph, state_of: Callable[[Layer], bool | None]) -> Mapping[str, bool]:
    """For each tensor whether the layers before it, or else those behind it, are quantized.

    Where no layer near it is quantized in the file, nothing was switched off.

    Cost: linear in the number of edges.
    """
    states = {layer.name: state_of(layer) for layer in graph.layers}
    before = _spread(graph.nodes, states, lambda node: (node.inputs, node.outputs))
    behind = _spread(reversed(graph.nodes), states, lambda node: (node.outputs, node.inputs))
    return {name: before.get(name, behind.get(name, True)) for name in graph.tensors}


def _spread(
    nodes: Iterable[Node],
    states: Mapping[str, bool | None],
    ends: Callable[[Node], tuple[Iterable[str], Iterable[str]]],
) -> dict[str, bool]:
    """Whether the nearest layers in one direction are quantized, of tensors that have some.

    Args:
        nodes: in the direction in which this spreads.
        states: of layers, by name.
        ends: the tensors before a node, and those behind it.
    """
    found: dict[str, bool] = {}
    for node in nodes:
        sources, targets = ends(node)
        if node.name in states:
            state = states[node.name]
            known = [] if state is None else [state]
        else:
            known = [found[name] for name in sources if name in found]
        for name in targets if known else ():
            found[name] = found.get(name, False) or any(known)
    return found
