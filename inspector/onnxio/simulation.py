"""The whole model with its quantizers' numbers as inputs, so that no choice rebuilds it.

Behind each site stands Div, Round, Clip, Mul, which is QuantizeLinear followed by DequantizeLinear
(ONNX operator specification) with the zero point folded into the ends of Clip. Scale and ends are
graph inputs, and so are weights and biases: any choice for any layer is one forward pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from inspector.graph.placement import REST, Placement, Site
from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.runnable import Runnable, runnable
from inspector.quant.qparams import QParams

_PASS_SCALE = np.float32(2.0**-60)
"""So small a power of two that dividing by it, rounding and multiplying back changes no float of
magnitude above 2^-37, and others by less than 2^-60: the way to switch a quantizer off."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """A float model with quantizers whose numbers are inputs.

    Attributes:
        runnable: the model.
        sites: the names of each site's inputs: scale, lowest and highest step.
        constants: by the name of a layer's weight or bias tensor and the layer: the input's name.
        tensors: name in the simulation of what each site's consumer reads.
    """

    runnable: Runnable
    sites: Mapping[Site, tuple[str, str, str]]
    constants: Mapping[tuple[str, str], str]
    tensors: Mapping[Site, str]


def simulate(model: Model, placement: Placement) -> Simulation:
    """Builds the simulation of a prepared model in opset 13 or later.

    Cost: linear in the number of nodes; no weight is read.
    """
    return _Builder(model, placement).run()


def site_values(grid: QParams | None) -> tuple[NDArray[np.float32], ...]:
    """What a site's inputs take: (scale, lowest step, highest step); None lets values pass."""
    if grid is None:
        ends = (np.float32(-np.inf), np.float32(np.inf))
        return tuple(np.asarray(value, np.float32) for value in (_PASS_SCALE, *ends))
    zero = int(grid.zero_point)
    values = (grid.scale, grid.qmin - zero, grid.qmax - zero)
    return tuple(np.asarray(value, np.float32) for value in values)


class _Builder:
    def __init__(self, model: Model, placement: Placement) -> None:
        self._draft = Draft(model)
        self._placement = placement
        self._by_tensor: dict[str, list[Site]] = {}
        for site in placement.sites:
            self._by_tensor.setdefault(site.tensor, []).append(site)
        self._inputs: dict[Site, tuple[str, str, str]] = {}
        self._reads: dict[Site, str] = {}
        self._nodes: list[NodeProto] = []

    def run(self) -> Simulation:
        constants = self._constants_to_inputs()
        for name in self._placement.graph.inputs:
            self._after(name)
        for node in self._draft.graph.node:
            self._write(node)
        nodes = [_copy(node) for node in self._nodes]
        del self._draft.graph.node[:]
        self._draft.graph.node.extend(nodes)
        del self._draft.graph.value_info[:]
        self._draft.sweep()
        return Simulation(runnable(self._draft.finish()), self._inputs, constants, self._reads)

    def _constants_to_inputs(self) -> dict[tuple[str, str], str]:
        """Gives each layer inputs of its own for its weight and bias."""
        nodes = {node.name: node for node in self._draft.graph.node}
        found: dict[tuple[str, str], str] = {}
        for layer in self._placement.graph.layers:
            node = nodes[layer.name]
            for tensor in (layer.weight, layer.bias):
                if tensor is None or not self._draft.is_constant(tensor):
                    continue
                name = self._draft.unique_name(f"{layer.name}/{tensor}")
                shape = self._draft.constant_shape(tensor)
                self._add_input(name, self._draft.constant_type(tensor), shape)
                slot = layer.weight_slot if tensor == layer.weight else 2
                assert slot is not None
                node.input[slot] = name
                found[layer.name, tensor] = name
        return found

    def _write(self, node: NodeProto) -> None:
        copy = _copy(node)
        for slot, name in enumerate(copy.input):
            copy.input[slot] = self._reads.get(Site(name, node.name), name)
        for slot, name in enumerate(copy.output):
            if self._has_rest(name):
                copy.output[slot] = f"{name}_float"
        self._nodes.append(copy)
        for name in node.output:
            self._after(name)

    def _has_rest(self, tensor: str) -> bool:
        return any(site.consumer == REST for site in self._by_tensor.get(tensor, ()))

    def _after(self, tensor: str) -> None:
        source = f"{tensor}_float" if self._has_rest(tensor) else tensor
        for number, site in enumerate(self._by_tensor.get(tensor, ())):
            self._quantizer(site, source, f"{tensor}/site{number}")

    def _quantizer(self, site: Site, source: str, stem: str) -> None:
        inputs = tuple(
            self._draft.unique_name(f"{stem}/{part}") for part in ("scale", "lowest", "highest")
        )
        for name in inputs:
            self._add_input(name, TensorProto.FLOAT, ())
        scale, lowest, highest = inputs
        result = site.tensor if site.consumer == REST else self._draft.unique_name(f"{stem}/read")
        steps, rounded, kept = (
            self._draft.unique_name(f"{stem}/{part}") for part in ("steps", "rounded", "kept")
        )
        self._nodes += [
            helper.make_node("Div", [source, scale], [steps], f"{stem}/Div"),
            helper.make_node("Round", [steps], [rounded], f"{stem}/Round"),
            helper.make_node("Clip", [rounded, lowest, highest], [kept], f"{stem}/Clip"),
            helper.make_node("Mul", [kept, scale], [result], f"{stem}/Mul"),
        ]
        self._inputs[site] = (scale, lowest, highest)
        self._reads[site] = result

    def _add_input(self, name: str, elem_type: int, shape: tuple[int, ...]) -> None:
        self._draft.graph.input.append(helper.make_tensor_value_info(name, elem_type, shape))


def _copy(node: NodeProto) -> NodeProto:
    copy = NodeProto()
    copy.CopyFrom(node)
    return copy
