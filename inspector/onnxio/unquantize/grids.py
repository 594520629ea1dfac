"""The grid of a QuantizeLinear or DequantizeLinear, and what codes on it stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from inspector.errors import DataError, ModelError
from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.draft import Draft
from inspector.onnxio.writers.pairs import CONTRIB
from inspector.quant.pin import BIAS, Pin

DTYPES: Final[Mapping[int, str]] = {
    TensorProto.INT8: "int8", TensorProto.UINT8: "uint8",
    TensorProto.INT16: "int16", TensorProto.UINT16: "uint16",
    TensorProto.INT4: "int4", TensorProto.UINT4: "uint4",
    TensorProto.INT2: "int2", TensorProto.UINT2: "uint2",
    TensorProto.FLOAT8E4M3FN: "fp8e4m3", TensorProto.FLOAT8E5M2: "fp8e5m2",
    TensorProto.INT32: BIAS,
}  # fmt: skip
"""The types of codes that a pin can have, by ONNX's numbers."""

_LINEAR = {"QuantizeLinear", "DequantizeLinear"}


class NoGridError(Exception):
    """A quantizer whose grid cannot be read; the text says why, and the node is left as it is."""


def is_linear(node: NodeProto, op_type: str = "") -> bool:
    """Whether a node is one of ONNX's quantizers, or onnxruntime's of the same name."""
    if node.op_type not in _LINEAR or (op_type and node.op_type != op_type):
        return False
    return is_onnx_domain(node.domain) or node.domain == CONTRIB


def number(node: NodeProto, name: str, default: int) -> int:
    """An integer attribute of a node."""
    return next((int(one.i) for one in node.attribute if one.name == name), default)


def pin_of(draft: Draft, node: NodeProto, elem_type: int, shape: tuple[int, ...] | None) -> Pin:
    """The grid of a quantizer.

    Args:
        draft: holds the scales.
        node: QuantizeLinear or DequantizeLinear.
        elem_type: of the codes.
        shape: of the tensor, where it is known; wanted for scales along an axis.

    Raises:
        NoGridError: it cannot be read.
    """
    names = [name for name in node.input[1:3] if name]
    if not names or not all(draft.is_constant(name) for name in names):
        raise NoGridError("their scale is not constant")
    if elem_type not in DTYPES:
        raise NoGridError(f"their type of codes is not known here ({elem_type})")
    if draft.constant_type(names[0]) != TensorProto.FLOAT:
        raise NoGridError("their scale is not float32")
    scale, zero = _values(draft, names[0]), np.zeros((), np.int64)
    if len(names) > 1:
        zero = _values(draft, names[1]).astype(np.float32).astype(np.int64)
    try:
        return _pin(node, DTYPES[elem_type], scale, zero, shape)
    except DataError as error:
        raise NoGridError(error.message[0].lower() + error.message[1:].rstrip(".")) from error


def _values(draft: Draft, name: str) -> NDArray[Any]:
    try:
        return draft.constant(name)
    except ModelError as error:
        raise NoGridError(error.message) from error


def _pin(
    node: NodeProto,
    dtype: str,
    scale: NDArray[Any],
    zero: NDArray[Any],
    shape: tuple[int, ...] | None,
) -> Pin:
    if dtype.startswith("fp8") and zero.any():
        raise NoGridError("their zero point is not zero")
    block = max(number(node, "block_size", 0), 0)
    if scale.size == 1 and not block:
        return Pin.of(dtype, scale, zero)
    if shape is None:
        raise NoGridError("they have scales along an axis of a tensor whose shape is not known")
    axis = number(node, "axis", 1)
    if not -len(shape) <= axis < len(shape):
        raise NoGridError(f"their axis {axis} does not exist")
    axis %= len(shape)
    wanted: tuple[int, ...] = (shape[axis],)
    if block:
        wanted = (*shape[:axis], -(-shape[axis] // block), *shape[axis + 1 :])
    if scale.shape != wanted or zero.shape not in {(), wanted}:
        raise NoGridError(f"their {scale.size} scales do not fit the shape {list(shape)}")
    return Pin.of(dtype, scale, zero, axis, block)


def real_values(codes: NDArray[Any], pin: Pin) -> NDArray[np.float32]:
    """What codes stand for, as DequantizeLinear computes it: (q - zero point) * scale in float32.

    Args:
        codes: of any type of `DTYPES`; float8 numbers are what they are.
        pin: their grid.
    """
    scale, zero = spread(pin.scale, pin, codes.shape), spread(pin.zero_point, pin, codes.shape)
    if pin.dtype.startswith("fp8"):
        return np.asarray(codes.astype(np.float32) * scale)
    whole = codes.astype(np.int64) - zero
    return np.asarray(whole.astype(np.float32) * scale)


def spread(values: NDArray[Any], pin: Pin, shape: tuple[int, ...]) -> NDArray[Any]:
    """Scales or zero points, to be broadcast against the tensor."""
    if pin.axis is None:
        return values
    if pin.block:
        repeated = np.repeat(values, pin.block, pin.axis)
        return repeated[tuple(slice(size) for size in shape)]
    return values.reshape([-1 if at == pin.axis else 1 for at in range(len(shape))])


def cut(
    values: NDArray[np.float32], pin: Pin, lowest: float, highest: float
) -> NDArray[np.float32]:
    """Values brought to where their codes lie between two ends, which they are on already."""
    scale, zero = spread(pin.scale, pin, values.shape), spread(pin.zero_point, pin, values.shape)
    ends = [np.asarray((end - zero) * scale, np.float32) for end in (lowest, highest)]
    return np.asarray(np.clip(values, *ends), np.float32)


def turned(pin: Pin, perm: tuple[int, ...]) -> Pin:
    """The grid of a tensor whose axes were put in another order."""
    if pin.axis is None:
        return pin
    axis = perm.index(pin.axis)
    if not pin.block:
        return Pin(pin.dtype, pin.scale, pin.zero_point, axis)
    scale = np.ascontiguousarray(pin.scale.transpose(perm))
    zero = np.ascontiguousarray(pin.zero_point.transpose(perm))
    return Pin(pin.dtype, scale, zero, axis, pin.block)
