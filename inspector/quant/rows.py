"""Tensors laid out as the rows that share a scale, and the check that their values are finite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.errors import DataError, UnsupportedError

FloatArray = NDArray[np.float32]


def label(name: str) -> str:
    """How an error message calls a tensor."""
    return f"The tensor '{name}'" if name else "A tensor"


def as_float32(values: ArrayLike, name: str = "") -> FloatArray:
    """``values`` as float32, without a copy where they are float32 already.

    Raises:
        DataError: the values are not real numbers, or too large for float32.
    """
    array: NDArray[Any] = np.asarray(values)
    if array.dtype == np.float32:
        return array
    if array.dtype.kind in "cmMOSU":
        raise DataError(f"{label(name)} holds {array.dtype} values, not real numbers.")
    with np.errstate(over="ignore", invalid="ignore"):
        result: FloatArray = array.astype(np.float32)
    if array.dtype == np.float64 and not np.array_equal(np.isfinite(array), np.isfinite(result)):
        raise DataError(
            f"{label(name)} holds values beyond the range of float32.",
            "Rescale it, or leave its layer in float.",
        )
    return result


def extrema(values: FloatArray, axes: int | tuple[int, ...] | None, name: str) -> Any:
    """(min, max) over ``axes``, which is also the check that every value is finite.

    NaN carries through min and max, and infinity is one of them: finite ends, finite values.

    Raises:
        DataError: NaN or infinity among the values; names the tensor and counts them.
    """
    with np.errstate(invalid="ignore"):
        lo, hi = values.min(axis=axes), values.max(axis=axes)
    if not (np.isfinite(lo).all() and np.isfinite(hi).all()):
        raise not_finite(values, name)
    return lo, hi


def not_finite(values: FloatArray, name: str) -> DataError:
    """The error for a tensor that holds NaN or infinity."""
    nans = int(np.isnan(values).sum())
    infinities = int(np.isinf(values).sum())
    return DataError(
        f"{label(name)} holds {nans} NaN and {infinities} infinite of {values.size} values.",
        "They cannot be quantized: check the model or the data, or leave the layer in float.",
    )


def normalized_axis(axis: int, ndim: int, name: str = "") -> int:
    """``axis`` counted from the front.

    Raises:
        UnsupportedError: a tensor of ``ndim`` dimensions has no such axis.
    """
    if not -ndim <= axis < ndim:
        raise UnsupportedError(
            f"{label(name)} has {ndim} dimensions and thus no axis {axis}.",
            "Choose an axis that it has, or the granularity tensor.",
        )
    return axis % ndim


def blocked_shape(shape: tuple[int, ...], axis: int, block: int) -> tuple[int, ...]:
    """The shape of the scales of a blocked tensor: ONNX QuantizeLinear, attribute block_size."""
    return (*shape[:axis], math.ceil(shape[axis] / block), *shape[axis + 1 :])


def to_rows(
    values: FloatArray, axis: int | None, block: int
) -> tuple[FloatArray, NDArray[np.int64]]:
    """The values that share a scale, row by row; padded with +inf where the last block is short.

    Args:
        values: any shape.
        axis: None for one row; else the axis of the channels, or along which blocks run.
        block: values per block, or 0.

    Returns:
        (rows, n) values and (rows,) how many of each row are real. Blocked rows are in the C order
        of `blocked_shape`.
    """
    if axis is None:
        return values.reshape(1, -1), np.array([values.size], np.int64)
    if not block:
        others = math.prod(values.shape[:axis]) * math.prod(values.shape[axis + 1 :])
        rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], others)
        return rows, np.full(len(rows), rows.shape[1], np.int64)
    outer, length = math.prod(values.shape[:axis]), values.shape[axis]
    inner = math.prod(values.shape[axis + 1 :])
    block = max(1, min(block, length))
    blocks = math.ceil(length / block)
    cube = values.reshape(outer, length, inner)
    if blocks * block != length:
        padded = np.full((outer, blocks * block, inner), np.inf, np.float32)
        padded[:, :length] = cube
        cube = padded
    rows = cube.reshape(outer, blocks, block, inner).swapaxes(2, 3).reshape(-1, block)
    sizes = np.full(blocks, block, np.int64)
    sizes[-1:] = length - (blocks - 1) * block
    return rows, np.broadcast_to(sizes[None, :, None], (outer, blocks, inner)).reshape(-1).copy()
