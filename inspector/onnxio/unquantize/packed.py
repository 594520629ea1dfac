"""MatMulNBits as a product with dequantized weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from inspector.onnxio.draft import Draft
from inspector.onnxio.unquantize.grids import number
from inspector.onnxio.writers.pairs import CONTRIB
from inspector.quant.kernels import pack_subbyte, unpack_subbyte

_TYPES = {
    (2, True): TensorProto.INT2, (2, False): TensorProto.UINT2,
    (4, True): TensorProto.INT4, (4, False): TensorProto.UINT4,
    (8, True): TensorProto.INT8, (8, False): TensorProto.UINT8,
}  # fmt: skip


def expand_packed(draft: Draft) -> set[str]:
    """Puts MatMul, and Add where there is a bias, in the place of every MatMulNBits.

    The codes are (outputs, blocks, bytes of a block), lowest bits first, and without zero points
    the middle code stands for zero (onnxruntime contrib operators, MatMulNBits).

    Returns:
        The names of the products.
    """
    found: set[str] = set()
    nodes: list[NodeProto] = []
    for node in draft.graph.node:
        made = _float_nodes(draft, node) if node.op_type == "MatMulNBits" else []
        nodes += made or [node]
        found |= {one.name for one in made if one.op_type == "MatMul"}
    if found:
        copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del draft.graph.node[:]
        draft.graph.node.extend(copies)
    return found


def _float_nodes(draft: Draft, node: NodeProto) -> list[NodeProto]:
    inputs = [*node.input, "", "", "", ""][:6]
    codes, scales, zeros, order, bias = inputs[1:]
    bits, block = number(node, "bits", 4), number(node, "block_size", 32)
    depth, channels = number(node, "K", 0), number(node, "N", 0)
    constant = all(draft.is_constant(name) for name in (codes, scales, zeros) if name)
    if node.domain != CONTRIB or order or not constant or (bits, True) not in _TYPES:
        return []
    if draft.constant_type(scales) != TensorProto.FLOAT or block < 16 or min(depth, channels) < 1:
        return []
    blocks = -(-depth // block)
    wanted = channels * blocks
    stored = draft.constant_shape(codes)
    if int(np.prod(stored)) != wanted * block * bits // 8:
        return []
    scale = draft.constant(scales)
    zero = _zero_points(draft, zeros, channels, blocks, bits) if zeros else None
    if scale.size != wanted or (zeros and zero is None):
        return []
    signed = zero is None
    kind = _TYPES[bits, signed]
    stem = codes
    for ending in ("_nbits", "_Q4", "_Q2", "_Q8", "_quantized", f"_Q{bits}G{block}"):
        stem = stem.removesuffix(ending)
    names = [draft.unique_name(f"{stem}_{part}") for part in ("codes", "scale_of", "zero_of")]
    read = draft.reader(codes)

    def compute() -> NDArray[np.uint8]:
        return _as_matrix(read(), depth, channels, block, bits, signed=signed)

    draft.set_computed(names[0], compute, kind, (depth, channels), codes)
    draft.set_constant(names[1], np.ascontiguousarray(scale.reshape(channels, blocks).T))
    points = np.zeros((blocks, channels), np.int32) if zero is None else zero.T
    draft.set_constant(names[2], points.astype(helper.tensor_dtype_to_np_dtype(kind)), kind)
    real = draft.unique_name(stem)
    restore = helper.make_node(
        "DequantizeLinear", names, [real], f"{real}_DequantizeLinear", axis=0, block_size=block
    )
    output = node.output[0]
    product = helper.make_node("MatMul", [node.input[0], real], [output], node.name)
    if not bias:
        return [restore, product]
    product.output[0] = draft.unique_name(f"{output}_product")
    add = helper.make_node("Add", [product.output[0], bias], [output], f"{node.name}_Add")
    return [restore, product, add]


def _zero_points(
    draft: Draft, name: str, channels: int, blocks: int, bits: int
) -> NDArray[np.int32] | None:
    """(channels, blocks) zero points; None where they are of another kind."""
    found = draft.constant(name)
    if found.dtype != np.uint8:
        return None
    a_row = -(-blocks * bits // 8)
    if found.size != channels * a_row:
        return None
    unpacked = unpack_subbyte(found, bits, False, found.size * 8 // bits).reshape(channels, -1)
    return np.asarray(unpacked[:, :blocks], np.int32)


def _as_matrix(
    packed: NDArray[Any], depth: int, channels: int, block: int, bits: int, *, signed: bool
) -> NDArray[np.uint8]:
    """The codes of the matrix (depth, channels), as ONNX stores the type."""
    width = -(-depth // block) * block
    by_channel = unpack_subbyte(packed, bits, False, channels * width).reshape(channels, width)
    codes = by_channel[:, :depth].T.astype(np.int16)
    if signed:
        codes -= 1 << (bits - 1)
    if bits == 8:
        return codes.astype(np.int8 if signed else np.uint8).reshape(-1).view(np.uint8)
    return pack_subbyte(codes, bits)
