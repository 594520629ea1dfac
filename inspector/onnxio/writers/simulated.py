"""The simulated format: a float model that computes with what quantizing leaves of its numbers.

It is made of the QDQ model of the same plan: weights and biases are put back into floats, on their
grids, and only activations pass through QuantizeLinear and DequantizeLinear. Runtimes that have no
integer kernels run it, and every runtime computes the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from inspector.graph.grids import Grids
from inspector.graph.model import Graph
from inspector.graph.operators import LAYERS, is_onnx_domain
from inspector.onnxio.draft import Draft, rename_reads
from inspector.onnxio.loading import Model
from inspector.onnxio.storage import is_decoded
from inspector.quant.kernels import dequantize, fake_quantize
from inspector.quant.qparams import QParams


def to_simulated(model: Model) -> Model:
    """Puts constants back into floats.

    onnxruntime quantizes float weights of layers whose activations come out of quantizers; Max with
    the lowest float, which changes nothing, keeps it off (see `fences`).

    Args:
        model: as `qdq.write_qdq` gave it.

    Cost: linear in the number of nodes; weights are computed when the model is saved.
    """
    draft = Draft(model)
    nodes: list[NodeProto] = []
    restored: set[str] = set()
    constants: dict[str, str] = {}  # what was made of a constant -> the constant of floats
    for node in draft.graph.node:
        if node.op_type == "DequantizeLinear" and draft.is_constant(node.input[0]):
            _restore(draft, node)
            constants[node.output[0]] = node.output[0]
            continue
        if node.op_type == "Max" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]  # a fence, no longer needed
            continue
        if node.op_type == "DequantizeLinear":
            restored.update(node.output)
        copy = NodeProto()
        copy.CopyFrom(node)
        rename_reads(copy, constants)
        if copy.op_type in LAYERS and is_onnx_domain(copy.domain):
            nodes += _fences(draft, copy, restored)
        nodes.append(copy)
    del draft.graph.node[:]
    draft.graph.node.extend(nodes)
    draft.sweep()
    return draft.finish()


def bake_decoded(model: Model, graph: Graph, grids: Grids) -> tuple[Model, Grids]:
    """Puts weights whose codes a few operators would decode into floats, on their grids.

    Args:
        model: the prepared model.
        graph: its graph.
        grids: the numbers of a plan.

    Returns:
        The model, and the numbers of the weights that are left to be written.

    Cost: no weight is read; the values are computed when the model is saved.
    """
    baked = {name: grid for name, grid in grids.weights.items() if is_decoded(grid)}
    if not baked:
        return model, grids
    draft = Draft(model)
    nodes = {node.name: node for node in draft.graph.node}
    for name, grid in baked.items():
        layer = graph.layer(name)
        assert layer.weight is not None
        assert layer.weight_slot is not None
        rounded = draft.unique_name(f"{layer.weight}_rounded")
        compute = _rounded(draft.reader(layer.weight), grid)
        shape = draft.constant_shape(layer.weight)
        draft.set_computed(rounded, compute, TensorProto.FLOAT, shape, layer.weight)
        nodes[name].input[layer.weight_slot] = rounded
    draft.sweep()
    plan = grids.plan
    specs = {name: spec for name, spec in plan.weights.items() if name not in baked}
    left = {name: grid for name, grid in grids.weights.items() if name not in baked}
    return draft.finish(), replace(grids, plan=replace(plan, weights=specs), weights=left)


def _rounded(read: Callable[[], NDArray[Any]], grid: QParams) -> Callable[[], NDArray[np.uint8]]:
    def compute() -> NDArray[np.uint8]:
        found = fake_quantize(read(), grid)
        return np.ascontiguousarray(found, np.float32).reshape(-1).view(np.uint8)

    return compute


def _fences(draft: Draft, node: NodeProto, restored: set[str]) -> list[NodeProto]:
    """Nodes before a layer, one for each input out of a quantizer."""
    made = []
    for slot, name in enumerate(node.input[:2]):
        if name not in restored:
            continue
        lowest, fenced = draft.unique_name(f"{name}_lowest"), draft.unique_name(f"{name}_fenced")
        draft.set_constant(lowest, np.asarray(np.finfo(np.float32).min, np.float32))
        made.append(helper.make_node("Max", [name, lowest], [fenced], fenced))
        node.input[slot] = fenced
    return made


def _restore(draft: Draft, node: NodeProto) -> None:
    """An initializer of floats in the place of a DequantizeLinear of a constant."""
    codes, scale, zero = node.input
    attributes = {a.name: a.i for a in node.attribute}
    grid = _grid(draft.constant(scale), draft.constant(zero), attributes)
    compute = _values(draft.reader(codes), grid)
    shape = draft.constant_shape(codes)
    draft.set_computed(node.output[0], compute, TensorProto.FLOAT, shape, codes)


def _grid(scale: NDArray[Any], zero: NDArray[Any], attributes: dict[str, int]) -> QParams:
    """The grid of a DequantizeLinear; the ends are not asked for."""
    axis = attributes.get("axis", 1) if scale.ndim else None
    whole = np.asarray(zero).astype(np.int32)
    return QParams(np.asarray(scale), whole, 0, 0, axis, attributes.get("block_size", 0))


def _values(read: Callable[[], NDArray[Any]], grid: QParams) -> Callable[[], NDArray[np.uint8]]:
    def compute() -> NDArray[np.uint8]:
        codes = np.asarray(read())
        if codes.dtype.kind in "iu" or codes.dtype.name in {"int2", "uint2", "int4", "uint4"}:
            found = dequantize(codes.astype(np.int32), grid)
        else:  # a float of 8 bits, whose codes are numbers themselves
            found = dequantize(np.ones(codes.shape, np.int32), grid) * codes.astype(np.float32)
        return np.ascontiguousarray(found, np.float32).reshape(-1).view(np.uint8)

    return compute
