"""The QDQ model that training starts from: float weights between quantizers, not yet codes.

What is trained, and what of the file follows from it, is said in its metadata; the script in
`resources/qat` reads that, and makes of it the model that `qdq` would write.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from onnx import NodeProto, helper

from inspector.graph.grids import Grids, identity
from inspector.graph.model import Graph, Layer
from inspector.graph.operators import is_onnx_domain
from inspector.graph.placement import Placement
from inspector.graph.roles import added_bias
from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.opset import opset_of
from inspector.onnxio.storage import Storage, storage_of
from inspector.onnxio.writers.fences import wants_exact_bias
from inspector.onnxio.writers.pairs import Pairs
from inspector.onnxio.writers.qdq import QdqOptions, Writer
from inspector.quant.qparams import QParams

NOTES_KEY = "quant_inspector.training"
_LEARNED_SLOTS = {
    "LayerNormalization": (1, 2),
    "BatchNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "PRelu": (1,),
    "Gather": (0,),
}
"""Inputs of operators beside the layers whose constants are learned in training."""


def write_trainable(
    model: Model,
    placement: Placement,
    grids: Grids,
    options: QdqOptions,
    notes: Mapping[str, Any],
) -> Model:
    """The model to train, not yet on disk.

    Args:
        model: the prepared model whose graph was placed.
        placement: where quantizers may sit.
        grids: the numbers of one plan of that placement, without tables of levels.
        options: how the trained model is to be written.
        notes: what else the script has to know.

    Raises:
        UnsupportedError: the types need an opset that the model cannot be converted to.
    """
    return _Trainable(model, placement, grids, options, notes).run()


class _SharedPairs(Pairs):
    """Pairs whose parameters are one for each grid, and that know which constants follow them."""

    def __init__(self, draft: Draft, opset: int) -> None:
        super().__init__(draft, opset)
        self._parameters_of: dict[tuple[int, int, Storage], tuple[str, str]] = {}
        self._scales: dict[int, str] = {}
        self._ends: dict[str, tuple[QParams, bool]] = {}
        self._kept: list[QParams] = []  # so that what is known by its id stays what it is

    def _parameters(self, name: str, grid: QParams, storage: Storage) -> tuple[str, str]:
        self._kept.append(grid)
        key = (id(grid.scale), id(grid.zero_point), storage)
        if key not in self._parameters_of:
            scale, zero = super()._parameters(name, grid, storage)
            self._parameters_of[key] = self._scales.setdefault(id(grid.scale), scale), zero
        return self._parameters_of[key]

    def _end(self, name: str, grid: QParams, *, is_lowest: bool) -> str:
        constant = super()._end(name, grid, is_lowest=is_lowest)
        self._kept.append(grid)
        self._ends[constant] = grid, is_lowest
        return constant

    def weight(self, name: str, grid: QParams) -> tuple[list[NodeProto], str]:
        """A float initializer with the nodes that put it on a grid and back into floats."""
        storage = storage_of(grid)
        scale, zero = self._parameters(name, grid, storage)
        quantized, domain = self._new(f"{name}_quantized"), self.domain(storage, grid)
        node = helper.make_node(
            "QuantizeLinear",
            [name, scale, zero],
            [quantized],
            self._node_name(f"{name}_QuantizeLinear"),
            domain=domain,
            **self._attributes(grid),
        )
        restore, restored = self._dequantize(name, [quantized, scale, zero], grid, domain)
        return [node, restore], restored

    def scale_of(self, grid: QParams) -> str:
        """The constant that holds a grid's scale."""
        return self._scales[id(grid.scale)]

    def ends(self) -> dict[str, Any]:
        """What each constant that is an end of a grid is made of."""
        return {
            name: {
                "scale": self.scale_of(grid),
                "steps": ((grid.qmin if lowest else grid.qmax) - grid.zero_point).tolist(),
                "of": "min" if lowest else "max",
            }
            for name, (grid, lowest) in self._ends.items()
        }


class _Trainable(Writer):
    """Writes what `Writer` does, with float weights and biases, and without dropping a node."""

    def __init__(
        self,
        model: Model,
        placement: Placement,
        grids: Grids,
        options: QdqOptions,
        notes: Mapping[str, Any],
    ) -> None:
        super().__init__(model, placement, grids, options)
        self._shared = _SharedPairs(self._draft, opset_of(self._model))
        self._pairs = self._shared
        self._notes = notes
        self._codes: dict[str, tuple[int, int]] = {}
        self._biases: list[dict[str, Any]] = []

    def _plan_activations(self) -> None:
        """Nothing is dropped: the float model teaches, and it has its activations."""

    def _keep_kernel_integer(self, start: str, end: str) -> None:
        """Where the grid's own ends do the activations, onnxruntime drops them itself."""
        point = self._grids.plan.sites[self._by_tensor[end][0]]
        chain = self._placement.foldable(start)
        if not all(self._is_done_by(node, self._points[point]) for node in chain):
            super()._keep_kernel_integer(start, end)

    def _write_constants(self, layer: Layer, node: NodeProto) -> None:
        grid = self._grids.weights.get(layer.name)
        if grid is None or layer.weight is None or layer.weight_slot is None:
            return
        stored = self._as_stored(layer, grid)
        key = (layer.weight, identity(stored))
        if key not in self._weights:
            nodes, restored = self._shared.weight(layer.weight, stored)
            self._weights[key] = restored
            self._nodes.extend(nodes)
            if not storage_of(stored).holds_exactly(stored):
                self._codes[nodes[0].output[0]] = stored.qmin, stored.qmax
        node.input[layer.weight_slot] = self._weights[key]
        if layer.bias is None:
            return
        if layer.name in self._grids.bias_scales:
            read = self._grids.at(layer.activations[0], layer.name)
            assert read is not None, "an integer kernel reads a grid"
            self._note_bias(node, layer.bias, [read, stored])
        elif wants_exact_bias(layer, self._grids):
            self._note_bias(node, layer.bias, [])

    def _write_added_bias(self, name: str, node: NodeProto) -> None:
        self._note_bias(node, self._added[name], [])

    def _note_bias(self, node: NodeProto, name: str, grids: list[QParams]) -> None:
        scales = [self._shared.scale_of(grid) for grid in grids]
        self._biases.append({"node": node.name, "bias": name, "scales": scales})

    def _finish_proto(self) -> None:
        specs = [point.spec for point in self._grids.plan.points]
        fixed = [
            self._shared.scale_of(grid)
            for grid, spec in (
                *zip(self._points, specs, strict=True),
                *((g, self._grids.plan.weights[n]) for n, g in self._grids.weights.items()),
            )
            if spec.pow2  # a learned scale would be another number
        ]
        notes = {
            **self._notes,
            "trained": _trained(self._placement.graph),
            "codes": self._codes,
            "biases": self._biases,
            "ends": self._shared.ends(),
            "fixed": fixed,
        }
        entries = dict(self._options.metadata or {})
        self._options = replace(self._options, metadata={**entries, NOTES_KEY: json.dumps(notes)})
        super()._finish_proto()


def _trained(graph: Graph) -> dict[str, int | None]:
    """The constants that training changes, each with the axis along which their sizes differ."""
    found: dict[str, int | None] = {}
    added = {added.node: added.constant for la in graph.layers if (added := added_bias(graph, la))}
    for node in graph.nodes:
        layer = graph.find_layer(node.name)
        names: list[str] = []
        if layer is not None:
            if layer.weight is not None:
                found.setdefault(layer.weight, layer.channel_axis)
            names = [layer.bias] if layer.bias is not None else []
        elif node.name in added:
            names = [added[node.name]]
        elif is_onnx_domain(node.domain):
            names = [node.input(slot) for slot in _LEARNED_SLOTS.get(node.op_type, ())]
        found.update((name, None) for name in names if name not in found)
    tensors = graph.tensors
    return {
        name: axis
        for name, axis in found.items()
        if name in tensors and tensors[name].constant and tensors[name].dtype == "float32"
    }
