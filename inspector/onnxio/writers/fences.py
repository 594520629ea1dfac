"""What onnxruntime would rewrite wrongly in a QDQ model, and where a fence has to keep it off.

onnxruntime (1.31 and 1.32) looks for patterns of quantizers around a node and makes another kernel
of them. Some of these do not compute what the pattern means, some have no kernel and some make it
refuse the model. A fence is a node between a quantizer and its neighbour that changes no value: Max
with the lowest level of the grid. No pattern reaches across it.
"""

from __future__ import annotations

from collections.abc import Set

from inspector.graph.grids import Grids
from inspector.graph.model import Graph, Layer
from inspector.graph.recurrent import is_recurrent
from inspector.graph.roles import is_pass_through, is_range_folded
from inspector.onnxio.storage import as_unsigned, is_decoded, storage_of
from inspector.quant.qparams import QParams


def fenced_slots(layer: Layer, grids: Grids) -> tuple[int, ...]:
    """Input positions of a layer that need a fence.

    - Integer kernels are made without a look at 2-bit types or the shapes of scales and biases,
      and of convolutions of 4-bit activations; the model is then refused, or fails when it runs.
    - Of a product with a quantized weight that has no integer kernel MatMulNBits is made, which
      rounds the activations to 8 bits as well, whatever they are on: a small error beside that of a
      4-bit weight, but not beside that of 8 bits; and for 2 bits its numbers are wrong.
    - A float weight beside quantized activations is quantized to 8 bits.

    A layer of an opened file has the fences that it has there.
    """
    if layer.name in grids.plan.as_given:
        fenced = grids.plan.pins is not None and layer.weight in grids.plan.pins.fenced
        return (layer.weight_slot,) if fenced and layer.weight_slot is not None else ()
    if layer.name in grids.plan.integer or is_recurrent(layer):
        return ()
    read = [_width(grids.at(name, layer.name)) for name in layer.activations]
    slots = [slot for slot, bits in zip(layer.activation_slots, read, strict=True) if bits == 2]
    if layer.weight is None or layer.weight_slot is None:
        return tuple(slots)
    weight = _width(grids.weights.get(layer.name))
    if weight == 0:
        return layer.activation_slots if all(read) else tuple(slots)
    if layer.op_type in {"Gemm", "MatMul"}:
        fenced = weight in {2, 8}
    else:
        taken = (weight == 2 and bool(read[0])) or (weight == 8 and read[0] in {4, 8})
        fenced = layer.op_type == "Conv" and taken
    return (*slots, layer.weight_slot) if fenced else tuple(slots)


def wants_exact_bias(layer: Layer, grids: Grids) -> bool:
    """Whether a layer's float bias would be rounded to int32 steps of scale_x * scale_w.

    With 16 bits on both sides these are so small that an ordinary bias is far out of int32. A bias
    that is int32 already is left alone.
    """
    if layer.name in grids.plan.integer | grids.plan.as_given or layer.name not in grids.weights:
        return False
    return all(grids.at(name, layer.name) is not None for name in layer.activations)


def is_moved(graph: Graph, tensor: str, gone: Set[str]) -> bool:
    """Whether onnxruntime would take a quantizer of this tensor for a part of what is before it.

    A Relu or Clip is fused with it, and through nodes that only move values it goes ahead of them;
    with 4 bits there are no kernels for either, and the model is refused.

    Args:
        graph: the graph.
        tensor: what is quantized.
        gone: the nodes that are not written.
    """
    node = graph.producer(tensor)
    if node is None or node.name in gone:
        return False
    return is_range_folded(node) or is_pass_through(node)


def in_unsigned_bytes(grids: Grids) -> tuple[QParams, ...]:
    """The points of a plan, those of signed bytes in unsigned codes: the same grids.

    On x86 processors without VNNI onnxruntime makes the codes of activations unsigned itself, but
    not those of the right operand of a product of two, whose kernel then saturates. And from opset
    21 on it forgets to say so to quantizers that it moves (attribute output_dtype), and refuses the
    model.
    """
    return tuple(
        as_unsigned(grid)
        if grid.qmin < 0
        and _width(grid) == 8
        and grid.table is None
        and point.spec.exact_pin is None
        else grid
        for grid, point in zip(grids.points, grids.plan.points, strict=True)
    )


def _width(grid: QParams | None) -> int:
    """Bits of the type that a grid is stored in; 0 for floats, and for what is decoded to them."""
    return 0 if grid is None or is_decoded(grid) else storage_of(grid).bits
