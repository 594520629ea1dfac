"""The whole model with its quantizers' numbers as inputs, so that no choice rebuilds it.

At each site stands Div, Round, Clip, Mul, which is QuantizeLinear followed by DequantizeLinear
(ONNX operator specification) with the zero point folded into the ends of Clip. Their numbers are
graph inputs, and so are weights and biases: any choice for any layer is one forward pass. Where
float8 is among the choices, Round is a choice of its own; see `float8`.

A layer's own sites leave out the last step: the layer computes with whole steps and whole codes,
whose sums are exact in float32 below 2^24, and its output is multiplied by the product of the
scales behind it. That is what integer kernels do (Jacob et al. 2018, equation 7), so the prediction
follows them to the last bit but for sums that large. Operators beside the layers whose kernels
write grids of their own are run by these kernels; see `byte_kernels`.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

from onnx import NodeProto, TensorProto, helper

from inspector.graph.model import Layer
from inspector.graph.placement import REST, Placement, Site
from inspector.graph.recurrent import CELL, HIDDEN, carried_shape, partner
from inspector.graph.roles import is_own_grid, is_pass_through
from inspector.onnxio.byte_kernels import (
    KernelInputs,
    has_byte_kernel,
    kernel_inputs,
    switched,
)
from inspector.onnxio.draft import Draft
from inspector.onnxio.dynamic_lstm import LstmInputs, lstm_inputs, switched_lstm
from inspector.onnxio.float8 import Float8Inputs, float8_inputs, switched_rounding
from inspector.onnxio.found_grids import found_when_run
from inspector.onnxio.loading import Model
from inspector.onnxio.names import node_names
from inspector.onnxio.runnable import Runnable, runnable
from inspector.onnxio.writers.pairs import CONTRIB


@dataclass(frozen=True, slots=True)
class SiteInputs:
    """Names of the inputs of a site's quantizer, each a scalar.

    Attributes:
        divisor: what values are divided by, to be in steps.
        lowest: the lowest step kept.
        highest: the highest.
        multiplier: what steps are multiplied by; None where the reader computes with steps.
        float8: what says that values are rounded to float8; None where they cannot be.
        switch: whether the grid is that of the values themselves, as DynamicQuantizeLinear finds
            it; None where the reader has no kernel for that, or nobody wants it.
    """

    divisor: str
    lowest: str
    highest: str
    multiplier: str | None
    float8: Float8Inputs | None = None
    switch: str | None = None


@dataclass(frozen=True, slots=True)
class LayerInputs:
    """Names of the inputs of a layer.

    Attributes:
        weight: None for a product of two activations.
        bias: None where there is none.
        unit: what the output is multiplied by; None where the layer computes with real values.
        factor: no input: the unit times the scale that was found when the model ran, if one was.
        unit_shape: the shape that `unit` wants, broadcast against the output.
        clips: the ends of the Clip nodes that fold into the output's range, in order.
    """

    weight: str | None
    bias: str | None
    unit: str | None
    factor: str | None
    unit_shape: tuple[int, ...]
    clips: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Simulation:
    """A float model with quantizers whose numbers are inputs.

    Attributes:
        runnable: the model.
        sites: by site.
        layers: by layer.
        kernels: by node, of those beside the layers that some plan gives a byte kernel.
        lstms: by node, of those that can be switched to grids found when the model runs.
    """

    runnable: Runnable
    sites: Mapping[Site, SiteInputs]
    layers: Mapping[str, LayerInputs]
    kernels: Mapping[str, KernelInputs]
    lstms: Mapping[str, LstmInputs]


def simulate(
    model: Model, placement: Placement, *, float8: bool = False, dynamic: bool = False
) -> Simulation:
    """Builds the simulation of a prepared model in opset 13 or later.

    Args:
        model: the prepared model.
        placement: the sites of its graph.
        float8: whether activations may be float8, which costs every site a little.
        dynamic: whether layers can be switched to grids that are found when the model runs.

    Cost: linear in the number of nodes; no weight is read.
    """
    return _Builder(model, placement, float8, dynamic).run()


class _Builder:
    def __init__(self, model: Model, placement: Placement, float8: bool, dynamic: bool) -> None:
        self._dynamic = dynamic
        self._draft = Draft(model)
        self._float8 = float8
        self._placement = placement
        self._nodes_by_name = {node.name: node for node in self._draft.graph.node}
        self._known_sites = frozenset(placement.sites)
        self._by_tensor: dict[str, list[Site]] = {}
        for site in placement.sites:
            self._by_tensor.setdefault(site.tensor, []).append(site)
        self._sites: dict[Site, SiteInputs] = {}
        self._layers: dict[str, LayerInputs] = {}
        self._kernels: dict[str, KernelInputs] = {}
        self._lstms: dict[str, LstmInputs] = {}
        self._reads: dict[Site, str] = {}
        self._found: dict[str, str] = {}  # layer -> the scale found when the model runs, or 1
        self._nodes: list[NodeProto] = []
        self._floats: dict[str, str] = {}

    def run(self) -> Simulation:
        for layer in self._placement.graph.layers:
            self._layers[layer.name] = self._layer_inputs(layer)
        for name in _kernel_nodes(self._placement):
            self._kernels[name] = self._kernel_inputs(name)
        if self._dynamic:
            self._find_lstms()
        for name in self._placement.graph.inputs:
            self._after(name)
        for node in self._draft.graph.node:
            self._write(node)
        nodes = [deepcopy(node) for node in self._nodes]
        for node, name in zip(nodes, node_names(nodes), strict=True):
            node.name = name
        del self._draft.graph.node[:]
        self._draft.graph.node.extend(nodes)
        del self._draft.graph.value_info[:]
        self._draft.sweep()
        imports = self._draft.proto.opset_import
        if (self._kernels or self._lstms) and all(known.domain != CONTRIB for known in imports):
            imports.append(helper.make_opsetid(CONTRIB, 1))
        return Simulation(
            runnable(self._draft.finish()), self._sites, self._layers, self._kernels, self._lstms
        )

    # Layers -----------------------------------------------------------------------------------

    def _layer_inputs(self, layer: Layer) -> LayerInputs:
        node = self._nodes_by_name[layer.name]
        steps = self._computes_with_steps(layer, node)
        shape = _unit_shape(layer)
        unit = self._new_input(f"{layer.name}/unit", shape) if steps else None
        switched = unit is not None and self._may_be_dynamic(layer)
        return LayerInputs(
            self._constant_input(layer, layer.weight, node),
            self._constant_input(layer, layer.bias, node),
            unit,
            self._draft.unique_name(f"{layer.name}/factor") if switched else unit,
            shape,
            self._clip_inputs(layer.output) if steps else (),
        )

    def _computes_with_steps(self, layer: Layer, node: NodeProto) -> bool:
        """Whether all that a layer adds up can be given in steps; a computed bias cannot."""
        known = {layer.weight, layer.bias, *layer.activations}
        sited = all(Site(name, layer.name) in self._known_sites for name in layer.activations)
        return sited and all(name in known for name in node.input if name)

    def _constant_input(self, layer: Layer, tensor: str | None, node: NodeProto) -> str | None:
        """Makes a weight or bias an input of the graph, one for each layer that reads it."""
        if tensor is None or not self._draft.is_constant(tensor):
            return None
        shape = self._draft.constant_shape(tensor)
        name = self._new_input(f"{layer.name}/{tensor}", shape, self._draft.constant_type(tensor))
        slot = layer.weight_slot if tensor == layer.weight else 2
        assert slot is not None
        node.input[slot] = name
        return name

    def _kernel_inputs(self, name: str) -> KernelInputs:
        node = self._placement.graph.node(name)
        clips = self._clip_inputs(node.outputs[0])
        return kernel_inputs(name, node.inputs, clips, self._new_scalar)

    def _find_lstms(self) -> None:
        """Makes the inputs of every LSTM that has a kernel which finds its grids."""
        graph = self._placement.graph
        for layer in graph.layers:
            other = partner(graph, layer)
            if layer.op_type != "LSTM" or other is None or layer.name.endswith(HIDDEN):
                continue
            node = graph.node(layer.name)
            directions, rows, _ = carried_shape(graph, node)
            cell = layer.name + CELL
            self._lstms[cell] = lstm_inputs(
                cell, (layer.name, other.name), (directions, rows), self._new_input
            )

    def _clip_inputs(self, output: str) -> tuple[tuple[str, str], ...]:
        found: list[tuple[str, str]] = []
        for node in self._placement.foldable(output):
            if node.op_type == "Clip":
                ends = tuple(self._new_input(f"{node.name}/{end}") for end in ("min", "max"))
                proto = self._nodes_by_name[node.name]
                del proto.input[1:]
                proto.input.extend(ends)
                found.append((ends[0], ends[1]))
        return tuple(found)

    # Nodes ------------------------------------------------------------------------------------

    def _write(self, node: NodeProto) -> None:
        copy = deepcopy(node)
        layer = self._layers.get(node.name)
        found = self._found.get(node.name)
        if layer is not None and found is not None:
            self._scale(node.name, layer, found, copy)
        for slot, name in enumerate(copy.input):
            copy.input[slot] = self._reads.get(Site(name, node.name), name)
        for slot, name in enumerate(copy.output):
            copy.output[slot] = self._source(name)
        if node.name in self._kernels:
            copy = switched(copy, self._kernels[node.name], self._draft.unique_name)
        elif node.name in self._lstms:
            copy = switched_lstm(copy, self._lstms[node.name], self._draft.unique_name)
        self._nodes.append(copy)
        if layer is not None and layer.factor is not None:
            real, copy.output[0] = copy.output[0], self._draft.unique_name(f"{node.name}/steps")
            self._nodes.append(
                helper.make_node("Mul", [copy.output[0], layer.factor], [real], f"{node.name}/Mul")
            )
        for name in node.output:
            self._after(name)

    def _scale(self, name: str, layer: LayerInputs, found: str, node: NodeProto) -> None:
        """Brings the scale that was found into what a layer's sums are in: the unit, the bias."""
        assert layer.unit is not None
        assert layer.factor is not None
        inputs = [layer.unit, found]
        self._nodes.append(helper.make_node("Mul", inputs, [layer.factor], f"{name}/factor"))
        if layer.bias is not None:
            node.input[2] = self._draft.unique_name(f"{name}/bias")
            inputs = [layer.bias, found]
            self._nodes.append(helper.make_node("Div", inputs, [node.input[2]], f"{name}/bias"))

    def _has_rest(self, tensor: str) -> bool:
        return any(site.consumer == REST for site in self._by_tensor.get(tensor, ()))

    def _source(self, tensor: str) -> str:
        """What the float values of a tensor are called: a REST site takes over its name."""
        if not self._has_rest(tensor):
            return tensor
        if tensor not in self._floats:
            self._floats[tensor] = self._draft.unique_name(f"{tensor}_float")
        return self._floats[tensor]

    def _after(self, tensor: str) -> None:
        source = self._source(tensor)
        for number, site in enumerate(self._by_tensor.get(tensor, ())):
            self._quantizer(site, source, f"{tensor}/site{number}")

    def _quantizer(self, site: Site, source: str, stem: str) -> None:
        layer = self._layers.get(site.consumer)
        in_steps = layer is not None and layer.unit is not None
        parts = ("divisor", "lowest", "highest", "multiplier")[: 3 if in_steps else 4]
        inputs = [self._new_input(f"{stem}/{part}") for part in parts]
        result = site.tensor if site.consumer == REST else self._draft.unique_name(f"{stem}/read")
        steps, rounded = (self._draft.unique_name(f"{stem}/{part}") for part in ("steps", "whole"))
        switch = None
        numbers = inputs[:3]
        if in_steps and self._may_be_dynamic(self._placement.graph.layer(site.consumer)):
            switch = self._new_input(f"{stem}/is_dynamic", elem_type=TensorProto.BOOL)
            node, numbers, self._found[site.consumer] = found_when_run(
                source, switch, inputs, stem, self._draft.unique_name
            )
            self._nodes.append(node)
        kept = result if in_steps else self._draft.unique_name(f"{stem}/kept")
        float8 = float8_inputs(stem, self._new_scalar) if self._float8 else None
        rounding = helper.make_node("Round", [steps], [rounded], f"{stem}/Round")
        if float8 is not None:
            ends = inputs[1], inputs[2]
            rounding = switched_rounding(
                steps, ends, float8, rounded, f"{stem}/Round", self._draft.unique_name
            )
        self._nodes += [
            helper.make_node("Div", [source, numbers[0]], [steps], f"{stem}/Div"),
            rounding,
            helper.make_node("Clip", [rounded, *numbers[1:3]], [kept], f"{stem}/Clip"),
        ]
        if not in_steps:
            self._nodes.append(helper.make_node("Mul", [kept, inputs[3]], [result], f"{stem}/Mul"))
        divisor, lowest, highest, *multiplier = inputs
        self._sites[site] = SiteInputs(
            divisor, lowest, highest, multiplier[0] if multiplier else None, float8, switch
        )
        self._reads[site] = result

    def _may_be_dynamic(self, layer: Layer) -> bool:
        """Whether there are kernels for the layer on a grid that is found when the model runs."""
        return self._dynamic and layer.weight is not None and layer.op_type != "ConvTranspose"

    def _new_scalar(self, name: str, elem_type: int) -> str:
        return self._new_input(name, (), elem_type)

    def _new_input(
        self, name: str, shape: tuple[int, ...] = (), elem_type: int = TensorProto.FLOAT
    ) -> str:
        name = self._draft.unique_name(name)
        self._draft.graph.input.append(helper.make_tensor_value_info(name, elem_type, shape))
        return name


def _kernel_nodes(placement: Placement) -> tuple[str, ...]:
    """The nodes beside the layers that some plan gives a byte kernel.

    It has to find all that it reads on grids, and these begin at convolutions.

    Cost: linear in the number of nodes and edges.
    """
    graph = placement.graph
    layers = {layer.name: layer for layer in graph.layers}
    sited = {site.tensor for site in placement.sites}
    gridded: set[str] = set()
    found: list[str] = []
    for node in graph.nodes:
        inputs = [name for name in node.inputs if name]
        if node.name in layers:
            written = layers[node.name].op_type == "Conv"
        elif is_own_grid(graph, node):
            end = placement.fused.get(node.outputs[0], node.outputs[0])
            written = end in sited and all(name in gridded for name in inputs)
            if written and has_byte_kernel(node.op_type, node.attributes):
                found.append(node.name)
        else:
            written = is_pass_through(node) and any(name in gridded for name in inputs)
        if written:
            gridded.update(placement.fused.get(name, name) for name in node.outputs)
    return tuple(found)


def _unit_shape(layer: Layer) -> tuple[int, ...]:
    """The shape of one factor for each output channel, broadcast against a layer's output."""
    if layer.weight_shape is None or layer.channel_axis is None:
        return ()
    channels = layer.weight_shape[layer.channel_axis]
    rank = len(layer.weight_shape)
    if layer.op_type == "Conv":
        return (channels, *[1] * (rank - 2))
    if layer.op_type == "ConvTranspose":
        return (channels * layer.group, *[1] * (rank - 2))
    return (channels, 1) if layer.weight_slot == 0 else (channels,)
