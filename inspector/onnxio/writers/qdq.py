"""The QDQ format: float operators between QuantizeLinear/DequantizeLinear pairs.

Runtimes recognize the pattern and run integer kernels (ONNX operator specification,
QuantizeLinear; onnxruntime, "QDQ format").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from inspector.errors import UnsupportedError
from inspector.graph.grids import Grids, identity, quantize_bias
from inspector.graph.model import Layer, Node
from inspector.graph.placement import REST, Placement, Plan, Site, clip_ends
from inspector.graph.roles import added_bias
from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.metadata import AS_IS_KEY
from inspector.onnxio.opset import QDQ_OPSET, opset_of, raise_opset
from inspector.onnxio.storage import as_unsigned, exact_codes, is_decoded, storage_of
from inspector.onnxio.writers.fences import (
    fenced_slots,
    in_unsigned_bytes,
    is_moved,
    wants_exact_bias,
)
from inspector.onnxio.writers.pairs import Pairs
from inspector.quant.qparams import QParams


@dataclass(frozen=True, slots=True)
class QdqOptions:
    """How to write.

    Attributes:
        unsigned_kernels: store 8-bit activations, and the 8-bit weights of integer kernels, in
            unsigned codes; see :func:`inspector.onnxio.storage.as_unsigned`.
        metadata: entries to put into the model.
    """

    unsigned_kernels: bool = True
    metadata: Mapping[str, str] | None = None


def write_qdq(
    model: Model, placement: Placement, grids: Grids, options: QdqOptions | None = None
) -> Model:
    """The quantized model, not yet on disk.

    Args:
        model: the prepared model whose graph was placed.
        placement: where quantizers may sit.
        grids: the numbers of one plan of that placement.
        options: how to write.

    Raises:
        UnsupportedError: the types need an opset that the model cannot be converted to.

    Cost: one pass over each quantized weight.
    """
    return Writer(model, placement, grids, options or QdqOptions()).run()


def check_types(model: Model, plan: Plan) -> None:
    """Makes sure, before any work, that a model can have the types of a plan.

    Types of 4 and 16 bits can always be had: onnxruntime's own domain has them in every opset.

    Raises:
        UnsupportedError: 2-bit types, float8 or blocks need an opset that the model cannot be
            converted to.
    """
    specs = [*plan.weights.values(), *(point.spec for point in plan.points)]
    blocked = any(s.granularity is not None and s.granularity.kind == "block" for s in specs)
    has_float8 = any(spec.dtype.startswith("fp8") for spec in specs)
    needed = 21 if blocked else 19 if has_float8 else 0
    needed = 25 if any(spec.bits == 2 and spec.is_affine for spec in specs) else needed
    try:
        raise_opset(model, needed)
    except UnsupportedError as error:
        instead = {25: "3 bits or more", 21: "no blocks", 19: "int8"}
        what = f"Or choose {instead.get(needed, 'another type')}."
        raise UnsupportedError(error.message, f"{error.hint} {what}") from error


def _in_needed_opset(model: Model, grids: Grids) -> Model:
    used = [grid for grid in (*grids.points, *grids.weights.values()) if not is_decoded(grid)]
    needed = max((storage_of(grid).opset for grid in used), default=QDQ_OPSET)
    has_float8 = any(storage_of(grid).floating for grid in used)
    blocked = any(grid.block for grid in used)
    needed = max(needed, QDQ_OPSET, 21 if blocked else 0)
    try:
        return raise_opset(model, needed)
    except UnsupportedError:
        # onnxruntime's own domain has 4 and 16 bits in every opset, and nothing else.
        if blocked or has_float8 or needed > 21 or opset_of(model) < QDQ_OPSET:
            raise
        return model


class Writer:
    """Goes through the nodes once, in order, and writes each with its quantizers."""

    def __init__(
        self, model: Model, placement: Placement, grids: Grids, options: QdqOptions
    ) -> None:
        self._model = model = _in_needed_opset(model, grids)
        self._placement = placement
        self._grids = grids
        self._options = options
        self._draft = Draft(model)
        self._pairs = Pairs(self._draft, opset_of(model))
        self._layers = {layer.name: layer for layer in placement.graph.layers}
        self._by_tensor: dict[str, list[Site]] = {}
        for site in grids.plan.sites:
            self._by_tensor.setdefault(site.tensor, []).append(site)
        self._points = in_unsigned_bytes(grids) if options.unsigned_kernels else grids.points
        self._floats: dict[str, str] = {}  # tensor whose name is taken over -> its float values
        self._restored: dict[tuple[str, int], str] = {}  # (tensor, point) -> dequantized tensor
        self._weights: dict[tuple[str, bytes], str] = {}  # (tensor, grid) -> restored tensor
        self._added = {  # Add node that adds a constant to a MatMul -> that constant
            added.node: added.constant
            for layer in placement.graph.layers
            if wants_exact_bias(layer, grids)
            and (added := added_bias(placement.graph, layer)) is not None
        }
        self._renamed: dict[str, str] = {}  # what a producer writes now, where that changed
        self._dropped: set[str] = set()  # nodes whose work a quantizer does
        self._nodes: list[NodeProto] = []

    def run(self) -> Model:
        """The quantized model, not yet on disk; to be called once."""
        self._plan_activations()
        for name in self._placement.graph.inputs:
            self._quantize(name)
        for node in self._draft.graph.node:
            if node.name not in self._dropped:
                self._write(node)
        nodes = [_copy(node) for node in self._nodes]
        del self._draft.graph.node[:]
        self._draft.graph.node.extend(nodes)
        self._draft.sweep()
        self._finish_proto()
        return self._draft.finish()

    def _write(self, node: NodeProto) -> None:
        copy = _copy(node)
        layer = self._layers.get(node.name)
        if layer is not None:
            self._write_constants(layer, copy)
        for slot, name in enumerate(node.input):
            point = self._grids.plan.sites.get(Site(name, node.name))
            if point is not None:
                copy.input[slot] = self._restored[name, point]
        if layer is not None:
            self._write_fences(layer, copy)
        elif node.name in self._added:
            self._write_added_bias(node.name, copy)
        for slot, name in enumerate(node.output):
            copy.output[slot] = self._output_name(name)
        self._nodes.append(copy)
        for name in node.output:
            self._after(name)

    def _output_name(self, name: str) -> str:
        """What a node is to call an output: its own name, or another where that is taken over.

        A name is taken over by the tensor behind folded activations, or by the dequantized values
        where all readers that are no candidates shall see those.
        """
        end = self._renamed.get(name, name)
        if Site(end, REST) in self._grids.plan.sites:
            return self._raw(end)
        return end

    def _raw(self, name: str) -> str:
        if name not in self._floats:
            self._floats[name] = self._draft.unique_name(f"{name}_float")
        return self._floats[name]

    def _write_fences(self, layer: Layer, node: NodeProto) -> None:
        for slot in fenced_slots(layer, self._grids):
            grid = self._grids.weights.get(layer.name)
            if slot in layer.activation_slots:
                name = layer.activations[layer.activation_slots.index(slot)]
                grid = self._grids.at(name, layer.name)
            assert grid is not None
            fence = self._pairs.no_less_than(node.input[slot], node.input[slot], grid)
            self._nodes.append(fence)
            node.input[slot] = fence.output[0]

    # Activations that fold into a range ------------------------------------------------------

    def _plan_activations(self) -> None:
        """Drops the activations that a grid's own ends do."""
        for start, end in self._placement.fused.items():
            point = self._placement.sole_point(self._grids.plan, end)
            if point is None:
                continue
            chain = self._placement.foldable(start)
            grid = self._points[point]
            if all(self._is_done_by(node, grid) for node in chain):
                self._dropped.update(node.name for node in chain)
                self._renamed[start] = end

    def _is_done_by(self, node: Node, grid: QParams) -> bool:
        """Whether putting values on the grid clips them as this activation does.

        An end of the grid may miss the activation's by rounding of the scale, far below a step.
        """
        if not storage_of(grid).holds_exactly(grid):
            return False
        scale = float(grid.scale)
        lowest, highest = float(grid.lo), float(grid.hi)
        if node.op_type == "Relu":
            return lowest == 0.0
        low, high = clip_ends(node, self._model.constant)
        return lowest >= low - 1e-3 * scale and highest <= high + 1e-3 * scale

    # Quantizers behind tensors ----------------------------------------------------------------

    def _after(self, name: str) -> None:
        """Writes the quantizers behind an output that was just written."""
        end = self._renamed.get(name, name)
        inner = self._placement.fused.get(name)
        if end == name and inner is not None and inner in self._grids.plan.native:
            self._keep_kernel_integer(name, inner)
        self._quantize(end)

    def _keep_kernel_integer(self, start: str, end: str) -> None:
        """Lets a kernel write integers although an activation follows that the grid does not do.

        The same grid before and behind the activation changes no value: what it does to a value on
        the grid stays on the grid.
        """
        point = self._grids.plan.sites[self._by_tensor[end][0]]
        if self._is_given(point):
            return
        grid = self._points[point]
        storage = storage_of(grid)
        whole = QParams(grid.scale, grid.zero_point, storage.lowest, storage.highest)
        nodes, restored = self._pairs.quantize(start, start, whole)
        self._nodes.extend(nodes)
        reader = self._placement.graph.tensors[start].consumers[0]
        for node in self._draft.graph.node:
            if node.name == reader:
                node.input[0] = restored

    def _is_given(self, point: int) -> bool:
        """Whether an opened file has this grid: then it stands just where it stands there."""
        return self._grids.plan.points[point].spec.exact_pin is not None

    def _quantize(self, tensor: str) -> None:
        sites = self._by_tensor.get(tensor, ())
        for point in sorted({self._grids.plan.sites[site] for site in sites}):
            rest = self._grids.plan.sites.get(Site(tensor, REST)) == point
            source = self._raw(tensor) if rest else tensor
            nodes, restored = self._pairs.quantize(
                source,
                tensor,
                self._points[point],
                fenced=not self._is_given(point)
                and is_moved(self._placement.graph, tensor, self._dropped),
            )
            if rest:
                nodes[-1].output[0] = restored = tensor
            self._nodes.extend(nodes)
            self._restored[tensor, point] = restored

    # Weights and biases -----------------------------------------------------------------------

    def _write_constants(self, layer: Layer, node: NodeProto) -> None:
        grid = self._grids.weights.get(layer.name)
        if grid is None or layer.weight is None or layer.weight_slot is None:
            return
        grid = self._as_stored(layer, grid)
        key = (layer.weight, identity(grid))
        if key not in self._weights:
            nodes, restored = self._pairs.constant(layer.weight, grid)
            self._weights[key] = restored
            self._nodes.extend(nodes)
        node.input[layer.weight_slot] = self._weights[key]
        scale = self._grids.bias_scales.get(layer.name)
        if layer.bias is None:
            return
        values = self._draft.constant(layer.bias)
        if scale is not None:
            codes = quantize_bias(values.reshape(-1), scale)
            self._write_bias(node, layer.bias, codes, scale)
        elif wants_exact_bias(layer, self._grids):
            self._write_bias(node, layer.bias, *exact_codes(values))

    def _as_stored(self, layer: Layer, grid: QParams) -> QParams:
        """A weight's grid in the codes that are written."""
        is_kernel = layer.name in self._grids.plan.integer
        free = self._options.unsigned_kernels and layer.name not in self._grids.plan.as_given
        if is_kernel and free and storage_of(grid).signed:
            return as_unsigned(grid) if _needs_all_bits(grid) else grid
        return grid

    def _write_added_bias(self, name: str, node: NodeProto) -> None:
        constant = self._added[name]
        self._write_bias(node, constant, *exact_codes(self._draft.constant(constant)))

    def _write_bias(
        self, node: NodeProto, name: str, codes: NDArray[np.int32], scale: NDArray[np.float32]
    ) -> None:
        dequantize, restored = self._pairs.bias(name, codes, scale)
        self._nodes.append(dequantize)
        slot = max(slot for slot, read in enumerate(node.input) if read == name)
        node.input[slot] = restored

    def _finish_proto(self) -> None:
        proto = self._draft.proto
        domains = {node.domain for node in self._nodes}
        known = {opset.domain for opset in proto.opset_import}
        proto.opset_import.extend(
            helper.make_opsetid(domain, 1)
            for domain in sorted(domains - known)
            if domain not in {"", "ai.onnx"}
        )
        needed = helper.find_min_ir_version_for(proto.opset_import, ignore_unknown=True)
        proto.ir_version = max(proto.ir_version, needed)
        entries = dict(self._options.metadata or {})
        gone = {*entries, AS_IS_KEY}
        kept = [(e.key, e.value) for e in proto.metadata_props if e.key not in gone]
        helper.set_model_props(proto, dict(kept) | entries)


def _needs_all_bits(grid: QParams) -> bool:
    """Whether pairs of products with these codes can exceed 16 bits: 255 * (64 + 64) does not."""
    return max(grid.qmax, -grid.qmin) > 64


def _copy(node: NodeProto) -> NodeProto:
    copy = NodeProto()
    copy.CopyFrom(node)
    return copy


def saturating_layers(layers: Iterable[Layer], grids: Grids) -> tuple[str, ...]:
    """Layers whose signed 8-bit weights can saturate onnxruntime's kernels on some machines."""
    return tuple(
        layer.name
        for layer in layers
        if layer.name in grids.plan.integer and _needs_all_bits(grids.weights[layer.name])
    )
