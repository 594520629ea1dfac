"""Quantize, dequantize, requantize, and packing of codes narrower than a byte."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.errors import DataError
from inspector.quant.qparams import QParams
from inspector.quant.requantize import quantize_multiplier, requantize, requantize_integer
from inspector.quant.rows import FloatArray, as_float32, normalized_axis, not_finite

__all__ = [
    "dequantize",
    "fake_quantize",
    "outside",
    "pack_subbyte",
    "quantize",
    "quantize_multiplier",
    "requantize",
    "requantize_integer",
    "spread_grid",
    "storage_dtype",
    "unpack_subbyte",
    "whole_steps",
]

Integers = NDArray[np.integer[Any]]


def storage_dtype(qmin: int, qmax: int) -> np.dtype[Any]:
    """The smallest numpy integer type that holds qmin..qmax; unsigned if qmin is not negative."""
    names = ("uint8", "uint16", "uint32") if qmin >= 0 else ("int8", "int16", "int32")
    for name in names:
        info = np.iinfo(name)
        if info.min <= qmin and qmax <= info.max:
            return np.dtype(name)
    raise DataError(f"Codes from {qmin} to {qmax} do not fit 32 bits.")


def quantize(x: ArrayLike, qp: QParams, name: str = "") -> Integers:
    """clamp(round_half_even(x / scale) + zero_point), as ONNX QuantizeLinear defines it.

    With a table of levels: the code of the level nearest to x / scale.

    The division is float32, and clamping comes before the conversion to integers, so that quotients
    beyond int32 saturate; this is bit-identical with onnxruntime's CPU kernel, except that its
    kernels for blocks and for 2 and 4 bits wrap around where |x / scale| >= 2^31. Infinity
    saturates.

    Args:
        x: any shape that fits ``qp``; converted to float32.
        qp: scales and zero points.
        name: what an error calls the tensor.

    Returns:
        Codes in the smallest integer type that holds qmin..qmax (`storage_dtype`).

    Raises:
        DataError: NaN, which has no code.
    """
    values = as_float32(x, name)
    if qp.table is not None:
        if np.isnan(values).any():
            raise not_finite(values, name)
        places = qp.table.places(_quotients(values, qp)) + qp.qmin
        return np.asarray(places.astype(storage_dtype(qp.qmin, qp.qmax)))
    steps, zero_point = _steps(values, qp)
    if values.size and np.isnan(steps.max()):
        raise not_finite(values, name)
    steps += zero_point
    result: Integers = steps.astype(storage_dtype(qp.qmin, qp.qmax))
    return result


def dequantize(q: ArrayLike, qp: QParams) -> FloatArray:
    """(q - zero_point) * scale in float32, as ONNX DequantizeLinear defines it."""
    codes = np.asarray(q)
    scale, zero_point = spread_grid(qp, codes.shape)
    if qp.table is not None:
        return np.asarray(qp.table.steps[codes.astype(np.intp) - qp.qmin] * scale)
    return np.asarray((codes.astype(np.int32) - zero_point).astype(np.float32) * scale)


def fake_quantize(x: ArrayLike, qp: QParams) -> FloatArray:
    """dequantize(quantize(x)), bit for bit, without the integers in between; NaN stays NaN."""
    values = as_float32(x)
    steps, _ = _steps(values, qp)
    scale, _ = spread_grid(qp, values.shape)
    # Adding zero turns -0 into the +0 that the integer code 0 would give.
    np.add(steps, np.float32(0), out=steps)
    return np.multiply(steps, scale, out=steps)


def whole_steps(x: ArrayLike, qp: QParams, name: str = "") -> FloatArray:
    """quantize(x) - zero_point as float32: what integer kernels multiply with, exactly.

    Raises:
        DataError: NaN, which has no code; `name` is what the error calls the tensor.
    """
    values = as_float32(x, name)
    steps, _ = _steps(values, qp)
    if values.size and np.isnan(steps.max()):
        raise not_finite(values, name)
    return steps


def _steps(values: FloatArray, qp: QParams) -> tuple[FloatArray, FloatArray]:
    """Whole steps from real zero, clamped to the grid, and the zero points; both float32.

    With a table of levels the steps are its levels.

    Codes have at most 17 bits, so clamping to [qmin - zp, qmax - zp] before the zero point is added
    is exact in float32, while a huge quotient plus a zero point would not be.
    """
    if qp.table is not None:
        quotients = _quotients(values, qp)
        nearest = qp.table.steps[qp.table.places(quotients)]
        steps = np.where(np.isnan(quotients), np.float32(np.nan), nearest)
        return steps, np.zeros((), np.float32)
    scale, integers = spread_grid(qp, values.shape)
    zero_point = integers.astype(np.float32)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        steps = np.asarray(np.divide(values, scale))
        np.rint(steps, out=steps)
        np.clip(steps, qp.qmin - zero_point, qp.qmax - zero_point, out=steps)
    return steps, zero_point


def _quotients(values: FloatArray, qp: QParams) -> FloatArray:
    """The quotients by the scales, in float32."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.asarray(np.divide(values, spread_grid(qp, values.shape)[0]))


def outside(x: ArrayLike, qp: QParams) -> NDArray[np.bool_]:
    """Which values have a code outside qmin..qmax before clamping; the shape of ``x``."""
    values = as_float32(x)
    if qp.table is not None:
        quotients, ends = _quotients(values, qp), qp.table.firsts[[0, -1]]
        return np.asarray((quotients < ends[0]) | (quotients >= ends[1]))
    scale, zero_point = spread_grid(qp, values.shape)
    with np.errstate(over="ignore"):
        steps = np.rint(values / scale)
    return np.asarray((steps < qp.qmin - zero_point) | (steps > qp.qmax - zero_point))


def spread_grid(qp: QParams, shape: tuple[int, ...]) -> tuple[FloatArray, NDArray[np.int32]]:
    """Scale and zero point, shaped to broadcast against a tensor of ``shape``."""
    if qp.axis is None:
        return qp.scale, qp.zero_point
    axis = normalized_axis(qp.axis, len(shape))
    if qp.block:
        index = np.arange(shape[axis]) // qp.block
        return np.take(qp.scale, index, axis=axis), np.take(qp.zero_point, index, axis=axis)
    along = (1,) * axis + (-1,) + (1,) * (len(shape) - axis - 1)
    return qp.scale.reshape(along), qp.zero_point.reshape(along)


def pack_subbyte(q: ArrayLike, bits: int) -> NDArray[np.uint8]:
    """Pack 2- or 4-bit codes into bytes, the first in the lowest bits (ONNX TensorProto.raw_data).

    Args:
        q: codes in C order; negative ones are stored in two's complement.
        bits: 2 or 4.

    Returns:
        (ceil(size * bits / 8),) bytes; what is left of the last one is zero.
    """
    per_byte = 8 // bits
    codes = np.asarray(q).reshape(-1).astype(np.int32) & ((1 << bits) - 1)
    padded = np.zeros(-(-codes.size // per_byte) * per_byte, np.uint8)
    padded[: codes.size] = codes
    result = np.zeros(padded.size // per_byte, np.uint8)
    for place in range(per_byte):
        result |= padded[place::per_byte] << (bits * place)
    return result


def unpack_subbyte(data: ArrayLike, bits: int, signed: bool, count: int) -> Integers:
    """The inverse of `pack_subbyte`.

    Returns:
        (count,) int8 codes if ``signed``, else uint8.
    """
    packed = np.asarray(data, np.uint8).reshape(-1)
    per_byte = 8 // bits
    codes = np.empty(packed.size * per_byte, np.uint8)
    for place in range(per_byte):
        codes[place::per_byte] = (packed >> (bits * place)) & ((1 << bits) - 1)
    codes = codes[:count]
    if not signed:
        return codes
    sign = np.uint8(1 << (bits - 1))
    return ((codes ^ sign) - sign).view(np.int8)
