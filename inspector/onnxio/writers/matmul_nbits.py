"""Products of floats by weights of 2, 4 or 8 bits as onnxruntime's own operator MatMulNBits.

Its weights are unsigned codes in blocks along the summed axis, each block with a scale and a zero
point (onnxruntime contrib operators, MatMulNBits). It is asked to compute in float32 (its attribute
accuracy_level is 1): left to itself it may round the activations to 8 bits.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from inspector.graph.grids import Grids
from inspector.graph.model import Graph, Layer
from inspector.graph.roles import has_kernel_bias
from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.storage import as_unsigned, storage_of
from inspector.onnxio.writers.pairs import CONTRIB
from inspector.quant.kernels import pack_subbyte, quantize
from inspector.quant.qparams import QParams
from inspector.quant.slabs import slabs

BLOCKS = (16, 32, 64, 128, 256)
"""The sizes that the operator has kernels for."""

_SCALES_APART = 128
"""Values per block where fewer scales than blocks are asked for, and each is written repeatedly."""

_SLAB = 1 << 20


def takes(graph: Graph, layer: Layer, grids: Grids) -> bool:
    """Whether the operator can do what a plan wants of a layer.

    It can where the weight is the right operand, a matrix, and alone quantized, with scales per
    tensor, per output channel, or per block of one of `BLOCKS` along the summed axis.
    """
    grid = grids.weights.get(layer.name)
    if (
        grid is None
        or grid.table is not None
        or layer.weight_slot != 1
        or len(layer.weight_shape or ()) != 2
    ):
        return False
    if any(grids.at(name, layer.name) is not None for name in layer.activations):
        return False
    if layer.op_type == "Gemm" and not _is_plain(graph, layer):
        return False
    if layer.op_type not in {"Gemm", "MatMul"} or storage_of(grid).bits not in {2, 4, 8}:
        return False
    if grid.axis is None:
        return True
    if grid.block:
        return grid.axis != layer.channel_axis and grid.block in BLOCKS
    return grid.axis == layer.channel_axis


def _is_plain(graph: Graph, layer: Layer) -> bool:
    """Whether a Gemm is a product and a bias per channel, nothing else."""
    attributes = graph.node(layer.name).attributes
    factors = (attributes.get("alpha", 1.0), attributes.get("beta", 1.0))
    return factors == (1.0, 1.0) and not attributes.get("transA") and has_kernel_bias(graph, layer)


def write_matmul_nbits(model: Model, graph: Graph, grids: Grids) -> tuple[Model, Grids]:
    """Puts the operator in the place of every layer that it can do.

    Args:
        model: the prepared model.
        graph: its graph.
        grids: the numbers of a plan.

    Returns:
        The model, and the numbers of the layers that are left to be written.

    Cost: no weight is read; codes are computed when the model is saved.
    """
    done = [layer for layer in graph.layers if takes(graph, layer, grids)]
    if not done:
        return model, grids
    draft = Draft(model)
    by_name = {node.name: node for node in draft.graph.node}
    for layer in done:
        _replace(draft, by_name[layer.name], layer, grids.weights[layer.name])
    draft.sweep()
    if all(opset.domain != CONTRIB for opset in draft.proto.opset_import):
        draft.proto.opset_import.append(helper.make_opsetid(CONTRIB, 1))
    gone = {layer.name for layer in done}
    left = {name: grid for name, grid in grids.weights.items() if name not in gone}
    weights = {name: spec for name, spec in grids.plan.weights.items() if name not in gone}
    return draft.finish(), replace(grids, plan=replace(grids.plan, weights=weights), weights=left)


def _replace(draft: Draft, node: NodeProto, layer: Layer, grid: QParams) -> None:
    assert layer.weight is not None
    assert layer.weight_shape is not None
    assert layer.channel_axis is not None
    channels = layer.weight_shape[layer.channel_axis]
    depth = layer.weight_shape[1 - layer.channel_axis]
    bits = storage_of(grid).bits
    grid = as_unsigned(grid) if storage_of(grid).signed else grid
    block = grid.block or _block_of(depth)
    blocks = -(-depth // block)
    codes, scales, zeros = (
        draft.unique_name(f"{layer.weight}_{part}") for part in ("nbits", "scales", "zero_points")
    )
    read = draft.reader(layer.weight)
    transposed = layer.channel_axis == 1
    draft.set_computed(
        codes,
        lambda: _packed(read(), grid, block, bits, transposed=transposed),
        TensorProto.UINT8,
        (channels, blocks, block * bits // 8),
        origin=layer.weight,
    )
    draft.set_constant(scales, _by_block(grid.scale, grid, channels, blocks, transposed))
    inputs = [layer.activations[0], codes, scales, "", "", ""]
    zero = _by_block(grid.zero_point, grid, channels, blocks, transposed)
    if np.any(zero != 1 << (bits - 1)):
        draft.set_constant(zeros, np.stack([pack_subbyte(row, bits) for row in zero]))
        inputs[3] = zeros
    if layer.bias is not None:
        inputs[5] = draft.unique_name(f"{layer.bias}_bias")
        draft.set_constant(inputs[5], draft.constant(layer.bias).reshape(-1))
    while not inputs[-1]:
        inputs.pop()
    made = helper.make_node(
        "MatMulNBits",
        inputs,
        list(node.output),
        node.name,
        domain=CONTRIB,
        K=depth,
        N=channels,
        bits=bits,
        block_size=block,
        accuracy_level=1,
    )
    node.CopyFrom(made)


def _block_of(depth: int) -> int:
    """Values per block where scales are per channel or per tensor: one block if it can be."""
    return next((size for size in BLOCKS[:-1] if size >= depth), _SCALES_APART)


def _by_block(
    values: NDArray[np.generic], grid: QParams, channels: int, blocks: int, transposed: bool
) -> NDArray[np.generic]:
    """Scales or zero points, one for each block of each channel: shape (channels, blocks)."""
    if grid.block:
        return np.ascontiguousarray(values.T if transposed else values)
    column = values.reshape(-1, 1) if grid.axis is not None else values.reshape(1, 1)
    return np.ascontiguousarray(np.broadcast_to(column, (channels, blocks)))


def _packed(
    values: NDArray[np.float32], grid: QParams, block: int, bits: int, *, transposed: bool
) -> NDArray[np.uint8]:
    """The codes as the operator wants them: (channels, blocks, bytes of a block), flat.

    Args:
        values: shape (channels, depth), or (depth, channels) where `transposed`.
        grid: in unsigned codes.
        block: values per block.
        bits: of a code.
        transposed: how the weight lies.
    """
    found: NDArray[np.uint8] = np.empty(values.shape, np.uint8)
    at = 0
    for rows, numbers in slabs(values, grid):
        found[at : at + len(rows)] = quantize(rows, numbers)
        at += len(rows)
    by_channel = found.T if transposed else found
    channels, depth = len(by_channel), by_channel.shape[1]
    width = -(-depth // block) * block
    result = np.empty((channels, width * bits // 8), np.uint8)
    step = max(1, _SLAB // max(width, 1))
    for start in range(0, channels, step):
        part = np.zeros((min(step, channels - start), width), np.uint8)
        part[:, :depth] = by_channel[start : start + step]
        result[start : start + step] = pack_subbyte(part, bits).reshape(len(part), -1)
    return result.reshape(-1)
