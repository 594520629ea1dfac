"""Integer codes as the real numbers that they stand for, computed where they are read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from inspector.errors import ModelError
from inspector.onnxio.loading import Model
from inspector.onnxio.values import Dequantization, PackedValues, PlainValues, Values

_PACKED_TYPES = {
    2: ("uint2", int(TensorProto.UINT2)),
    4: ("uint4", int(TensorProto.UINT4)),
    8: ("uint8", int(TensorProto.UINT8)),
}


@dataclass(frozen=True, eq=False)
class DequantizedValues(Values):
    """Real numbers computed from the codes of a stretch when it is read.

    Attributes:
        codes: the integers.
        scale: (n,) float32, one a scale in C order.
        zero_point: (n,) float32, of the same length.
        axis: the axis that the scales run along; None for one scale.
        block_size: codes along the axis that share a scale; 0 where each index has its own.
        stored_shape: of the codes as the file stores them.
    """

    codes: Values
    scale: NDArray[np.float32]
    zero_point: NDArray[np.float32]
    axis: int | None
    block_size: int
    stored_shape: tuple[int, ...]

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """See `Values.read`; float32."""
        codes = self.codes.read(start, stop).astype(np.float32)
        if self.axis is None or start >= stop:
            codes -= self.zero_point[0]
            codes *= self.scale[0]
            return codes
        inner, length = prod(self.shape[self.axis + 1 :]), self.shape[self.axis]
        if self.block_size:
            rows = self._blocks(np.arange(start, stop, dtype=np.int64), inner, length)
            codes -= self.zero_point[rows]
            codes *= self.scale[rows]
            return codes
        runs = np.arange(start // inner, (stop - 1) // inner + 1, dtype=np.int64)
        lengths = np.minimum((runs + 1) * inner, stop) - np.maximum(runs * inner, start)
        runs %= length
        codes -= np.repeat(self.zero_point[runs], lengths)
        codes *= np.repeat(self.scale[runs], lengths)
        return codes

    def _blocks(self, places: NDArray[np.int64], inner: int, length: int) -> NDArray[np.int64]:
        """Which scale the value at each place has."""
        outer = places // inner
        blocks = -(-length // self.block_size)
        along = (outer % length) // self.block_size
        return ((outer // length) * blocks + along) * inner + places % inner


def dequantized(model: Model, codes: Values, how: Dequantization) -> DequantizedValues:
    """The real numbers that codes stand for, computed only where they are read.

    Args:
        model: holds the scales and zero points.
        codes: integers.
        how: where scales and zero points are.

    Returns:
        As many values as codes, of the same shape; of the codes that MatMulNBits packs into bytes
        the matrix (outputs, inputs) that they are.

    Raises:
        ModelError: they are no constants, or do not fit the codes.
    """
    scale = _constant(model, how.scale)
    zero = np.zeros(1, scale.dtype)
    if how.zero_point:
        zero = _constant(model, how.zero_point)
    # Scales of blocks have the rank of their tensor (ONNX), but not those of packed codes.
    if how.block_size > 0 and codes.dtype == "uint8" and scale.ndim < len(codes.shape) == 3:
        return _unpacked(codes, scale, zero, how)
    return _spread(codes, scale.reshape(-1), zero.reshape(-1), how)


def _constant(model: Model, name: str) -> NDArray[Any]:
    try:
        found = np.asarray(model.constant(name))
        if found.dtype != np.uint8:  # bytes may hold packed zero points
            found = found.astype(np.float32)
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(
            f"The scales of the quantized tensor are no constants of the model: '{name}'.",
            "Its values are shown as they are stored.",
        ) from error
    return found


def _spread(
    codes: Values, scale: NDArray[Any], zero: NDArray[Any], how: Dequantization
) -> DequantizedValues:
    """Values with (n,) scales, checked."""
    axis = how.axis if scale.size > 1 or how.block_size else None
    rank = len(codes.shape)
    if axis is not None and not -rank <= axis < rank:
        raise _misfit(how, codes)
    axis = None if axis is None else axis % rank
    wanted = 1
    if axis is not None:
        wanted = codes.shape[axis]
        if how.block_size > 0:
            blocks = -(-codes.shape[axis] // how.block_size)
            wanted = blocks * prod(codes.shape[:axis]) * prod(codes.shape[axis + 1 :])
    if scale.size != wanted or zero.size not in {1, wanted}:
        raise _misfit(how, codes)
    zero = np.broadcast_to(zero.astype(np.float32), (wanted,))
    scale = scale.astype(np.float32, copy=False)
    return DequantizedValues(
        "float32", codes.shape, codes, scale, zero, axis, max(how.block_size, 0), codes.shape
    )


def _unpacked(
    codes: Values, scale: NDArray[Any], zero: NDArray[Any], how: Dequantization
) -> DequantizedValues:
    """Values of codes in bytes (onnxruntime, ContribOperators, com.microsoft.MatMulNBits).

    The codes have the shape (outputs, blocks, bytes of a block), packed zero points (outputs,
    bytes); the values (outputs, inputs). Without zero points the middle code stands for zero.
    """
    size = how.block_size
    bits = codes.shape[2] * 8 // size
    exact = bits in _PACKED_TYPES and bits * size == codes.shape[2] * 8
    if not exact or not isinstance(codes, PlainValues):
        raise _misfit(how, codes)
    rows, blocks, _ = codes.shape
    shape = (rows, blocks * size)
    name, kind = _PACKED_TYPES[bits]
    inner: Values = PackedValues(name, shape, codes.array, kind)
    if bits == 8:
        inner = PlainValues(name, shape, codes.array)
    points = zero.reshape(-1).astype(np.float32)
    if not how.zero_point:
        points = np.full(1, 1 << (bits - 1), np.float32)
    elif zero.dtype == np.uint8:
        a_row = -(-blocks * bits // 8)
        if zero.size != rows * a_row:
            raise _misfit(how, codes)
        shifts = np.arange(0, 8, bits, dtype=np.uint8)
        split = (zero.reshape(rows, a_row, 1) >> shifts) & np.uint8((1 << bits) - 1)
        points = split.reshape(rows, -1)[:, :blocks].reshape(-1).astype(np.float32)
    real = _spread(inner, scale.reshape(-1), points, replace(how, axis=1))
    return replace(real, stored_shape=codes.shape)


def _misfit(how: Dequantization, codes: Values) -> ModelError:
    return ModelError(
        f"The scales '{how.scale}' do not fit a tensor of the shape {list(codes.shape)}.",
        "Its values are shown as they are stored.",
    )
