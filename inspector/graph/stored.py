"""How a tensor of a quantized model is stored, as far as types and shapes tell."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.graph.model import Dim, Graph, Node
from inspector.quant.qparams import block_axis
from inspector.quant.spec import DTYPES

Values = Callable[[str], NDArray[Any]]
"""Reads a constant of the graph by its name."""

_SPEC_DTYPES = {"float8e4m3fn": "fp8e4m3", "float8e5m2": "fp8e5m2", "int1": "binary"}
_OUTPUT_DTYPES = {
    2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 17: "float8e4m3fn",
    19: "float8e5m2", 21: "uint4", 22: "int4", 25: "uint2", 26: "int2",
}  # fmt: skip
_SUMMARY = re.compile(r"([a-z0-9]+)\[([0-9, ]*)\]")
_BITS = re.compile(r"(?:u?int|float)([0-9]+)")


@dataclass(frozen=True, slots=True)
class Stored:
    """The grid that a tensor is on, and where its numbers are.

    Attributes:
        spec: the text form of a :class:`~inspector.quant.spec.QuantSpec`, "int8:channel"; empty
            where it has no words for the type, as for the int32 of biases.
        stored: the constant of integers; empty for activations, and for weights that the file
            stores in float.
        scale: the tensor of scales.
        zero_point: the tensor of zero points; empty where there is none.
        axis: the axis of the channels or along which the blocks run; None per tensor.
        block_size: values per block; 0 where there are no blocks.
        bits: of one value.
        dtype: type of the integers, as :class:`~inspector.graph.model.Tensor` names it.
    """

    spec: str
    stored: str
    scale: str
    zero_point: str
    axis: int | None
    block_size: int
    bits: int
    dtype: str


class Facts:
    """Types and shapes of a graph's constants, also where no inference has run.

    Args:
        graph: the graph.
        values: reads constants; asked only for small ones of which nothing else tells the shape.
    """

    def __init__(self, graph: Graph, values: Values | None = None) -> None:
        self._graph = graph
        self._values = values

    def is_constant(self, tensor: str) -> bool:
        """Whether a tensor's values stand in the file."""
        known = self._graph.tensors.get(tensor)
        return known is not None and known.constant

    def dtype(self, tensor: str) -> str:
        """A tensor's type; "" where it is not known."""
        known = self._graph.tensors.get(tensor)
        if known is None or known.dtype:
            return "" if known is None else known.dtype
        return self._of_constant_node(known.producer)[0]

    def shape(self, tensor: str) -> tuple[Dim, ...] | None:
        """A tensor's shape; None where it is not known."""
        known = self._graph.tensors.get(tensor)
        if known is None or known.shape is not None:
            return None if known is None else known.shape
        shape = self._of_constant_node(known.producer)[1]
        if shape is None and known.constant:
            read = self.value(tensor)
            return None if read is None else read.shape
        return shape

    def value(self, tensor: str) -> NDArray[Any] | None:
        """The values of a constant, where they can be read."""
        if self._values is None or not self.is_constant(tensor):
            return None
        return self._values(tensor)

    def _of_constant_node(self, name: str | None) -> tuple[str, tuple[Dim, ...] | None]:
        node = None if name is None else self._graph.node(name)
        if node is None or node.op_type != "Constant":
            return "", None
        value = node.attributes.get("value")
        if isinstance(value, np.ndarray):
            return value.dtype.name.replace("_", ""), value.shape
        match = _SUMMARY.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            return "", None
        return match[1], tuple(int(part) for part in match[2].split(",") if part.strip())


def attribute(node: Node, name: str, default: int) -> int:
    """An integer attribute; the default where it is left out or of another type."""
    value = node.attributes.get(name, default)
    return value if isinstance(value, int) else default


def output_dtype(node: Node) -> str:
    """The type that QuantizeLinear's attribute asks for; "" where it asks for none."""
    return _OUTPUT_DTYPES.get(attribute(node, "output_dtype", 0), "")


def stored(
    facts: Facts, dtype: str, scale: str, zero_point: str = "", *,
    codes: str = "", shape: tuple[Dim, ...] | None = None, axis: int = 1, block_size: int = 0,
) -> Stored | None:  # fmt: skip
    """What is known of a tensor by its quantizer.

    Args:
        facts: of the graph.
        dtype: type of the integers.
        scale: the tensor of scales.
        zero_point: that of zero points, if any.
        codes: the constant of integers, if any.
        shape: of the quantized tensor, where it is known.
        axis: where the scales differ along an axis or are blocked, along which.
        block_size: of the quantizer; 0 for none.

    Returns:
        The grid with its axis named in the spec; None where the type is not known.
    """
    match = _BITS.match(dtype)
    if match is None:
        return None
    scales = facts.shape(scale)
    rank = None if shape is None else len(shape)
    along: int | None = None
    if block_size > 0 or (scales is not None and any(dim != 1 for dim in scales)):
        if block_size <= 0 and scales is not None and len(scales) > 1:
            axis = next(index for index, dim in enumerate(scales) if dim != 1)
        along = axis + rank if axis < 0 and rank is not None else axis
    block_size = max(block_size, 0)
    spec = _spec(dtype, along, block_size, None)
    return Stored(spec, codes, scale, zero_point, along, block_size, int(match[1]), dtype)


def as_read_by(found: Stored, node: Node, title: str, slot: int, rank: int | None) -> Stored:
    """The same grid, its spec without the axis where that is the one which the operator implies.

    Args:
        found: the grid.
        node: the operator that reads the tensor.
        title: what the operator computes: "Conv" for QLinearConv.
        slot: position of the tensor among the inputs of that.
        rank: number of the tensor's dimensions, where it is known.
    """
    if node.op_type == "MatMulNBits" and found.block_size:
        channel = found.axis
        return replace(found, spec=_spec(found.dtype, channel, found.block_size, channel))
    if found.axis is None or rank is None:
        return found
    channel = channel_axis(node, title, slot, rank)
    if channel is None:
        return found
    if found.block_size:
        is_left = title == "MatMul" and slot == 0
        channel = block_axis(-2 if is_left else channel, rank)
    return replace(found, spec=_spec(found.dtype, found.axis, found.block_size, channel))


def channel_axis(node: Node, title: str, slot: int, rank: int) -> int | None:
    """The axis of an operand that is the output channel; None where the operator implies none."""
    if title in {"Conv", "ConvTranspose"} and slot == 1 and rank > 2:
        return 0 if title == "Conv" else 1
    if title == "Gemm" and slot == 1 and rank == 2:
        return 0 if attribute(node, "transB", 0) else 1
    if title == "MatMul" and slot in {0, 1} and rank > 1:
        return rank - 2 + slot
    return None


def _spec(dtype: str, axis: int | None, block_size: int, implied: int | None) -> str:
    """The text form; "" where there is none. The axis is left out if it is the implied one."""
    dtype = _SPEC_DTYPES.get(dtype, dtype)
    if dtype not in DTYPES:
        return ""
    if axis is None:
        return f"{dtype}:tensor"
    part = f"block{block_size}" if block_size else "channel"
    return f"{dtype}:{part}" if axis == implied else f"{dtype}:{part}@{axis}"
