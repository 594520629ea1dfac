"""How far a tensor is from its reference: SQNR, MSE, largest error, cosine, clipped fraction.

Every function takes ``axis=None`` for one number over the whole tensor, or the axis of the channels
for one number each. Sums are float64.
"""

from __future__ import annotations

import math
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.errors import DataError
from inspector.quant.kernels import fake_quantize, outside
from inspector.quant.qparams import QParams
from inspector.quant.rows import as_float32, normalized_axis
from inspector.quant.slabs import slabs

Floats = NDArray[np.float64]


def _pair(ref: ArrayLike, other: ArrayLike, axis: int | None) -> tuple[Floats, Floats]:
    """Both tensors as float64, (channels or 1, n)."""
    first, second = np.asarray(ref), np.asarray(other)
    if first.shape != second.shape:
        raise DataError(f"Shapes {first.shape} and {second.shape} cannot be compared.")
    return _lines(first, axis), _lines(second, axis)


def _lines(array: NDArray[Any], axis: int | None) -> Floats:
    if axis is None:
        return array.reshape(1, -1).astype(np.float64)
    where = normalized_axis(axis, array.ndim)
    return np.moveaxis(array, where, 0).reshape(array.shape[where], -1).astype(np.float64)


def decibels(signal: ArrayLike, noise: ArrayLike) -> Floats:
    """10 log10(signal / noise) of two powers; +inf without noise, else -inf without signal."""
    top, bottom = np.asarray(signal, np.float64), np.asarray(noise, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10.0 * (np.log10(top) - np.log10(bottom))
    return np.asarray(np.where(bottom == 0.0, math.inf, ratio))


@overload
def sqnr_db(ref: ArrayLike, other: ArrayLike, axis: None = None) -> float: ...
@overload
def sqnr_db(ref: ArrayLike, other: ArrayLike, axis: int) -> Floats: ...
def sqnr_db(ref: ArrayLike, other: ArrayLike, axis: int | None = None) -> float | Floats:
    """Signal to quantization noise ratio in dB: 10 log10(sum ref^2 / sum (ref - other)^2).

    Identical tensors give +inf, all-zero ones too; an all-zero reference of another tensor, -inf.

    Args:
        ref: the reference, any shape.
        other: the same shape.
        axis: None, or the axis of the channels.

    Raises:
        DataError: the shapes differ.
    """
    first, second = _pair(ref, other, axis)
    result = decibels(np.square(first).sum(axis=1), np.square(first - second).sum(axis=1))
    return float(result[0]) if axis is None else result


def rounding_sqnr_db(x: ArrayLike, qp: QParams) -> float:
    """``sqnr_db(x, fake_quantize(x, qp))``, without whole tensors in between.

    Args:
        x: any shape that fits ``qp``.
        qp: the grid.
    """
    values = as_float32(x)
    if qp.axis is None:
        values = values.reshape(-1)
    signal = noise = 0.0
    for piece, grid in slabs(values, qp):
        rounded = fake_quantize(piece, grid)
        wide = piece.astype(np.float64).reshape(-1)
        error = wide - rounded.reshape(-1)
        # Not by a dot product: linear algebra libraries start threads of their own for it.
        signal += float(np.square(wide).sum())
        noise += float(np.square(error).sum())
    return float(decibels(signal, noise))


@overload
def mse(ref: ArrayLike, other: ArrayLike, axis: None = None) -> float: ...
@overload
def mse(ref: ArrayLike, other: ArrayLike, axis: int) -> Floats: ...
def mse(ref: ArrayLike, other: ArrayLike, axis: int | None = None) -> float | Floats:
    """Mean of (ref - other)^2; 0 for empty tensors. See `sqnr_db` for the arguments."""
    first, second = _pair(ref, other, axis)
    result = np.square(first - second).sum(axis=1) / max(first.shape[1], 1)
    return float(result[0]) if axis is None else result


@overload
def max_abs_error(ref: ArrayLike, other: ArrayLike, axis: None = None) -> float: ...
@overload
def max_abs_error(ref: ArrayLike, other: ArrayLike, axis: int) -> Floats: ...
def max_abs_error(ref: ArrayLike, other: ArrayLike, axis: int | None = None) -> float | Floats:
    """The largest |ref - other|; 0 for empty tensors. See `sqnr_db` for the arguments."""
    first, second = _pair(ref, other, axis)
    result: Floats = np.abs(first - second).max(axis=1, initial=0.0)
    return float(result[0]) if axis is None else result


@overload
def cosine(ref: ArrayLike, other: ArrayLike, axis: None = None) -> float: ...
@overload
def cosine(ref: ArrayLike, other: ArrayLike, axis: int) -> Floats: ...
def cosine(ref: ArrayLike, other: ArrayLike, axis: int | None = None) -> float | Floats:
    """Cosine similarity, in [-1, 1]: <ref, other> / (|ref| |other|).

    Two all-zero tensors are alike (1), one all-zero tensor is like no other (0). See `sqnr_db` for
    the arguments.
    """
    first, second = _pair(ref, other, axis)
    # Scaled to a largest magnitude of 1, squares neither overflow nor vanish.
    peaks = [np.abs(each).max(axis=1, initial=0.0, keepdims=True) for each in (first, second)]
    first, second = (
        each / np.where(peak == 0.0, 1.0, peak)
        for each, peak in zip((first, second), peaks, strict=True)
    )
    norms = np.sqrt(np.square(first).sum(axis=1) * np.square(second).sum(axis=1))
    zero = norms == 0.0
    value = np.clip((first * second).sum(axis=1) / np.where(zero, 1.0, norms), -1.0, 1.0)
    both = (peaks[0][:, 0] == 0.0) & (peaks[1][:, 0] == 0.0)
    result: Floats = np.where(zero, np.where(both, 1.0, 0.0), value)
    return float(result[0]) if axis is None else result


@overload
def clipped_fraction(x: ArrayLike, qp: QParams, axis: None = None) -> float: ...
@overload
def clipped_fraction(x: ArrayLike, qp: QParams, axis: int) -> Floats: ...
def clipped_fraction(x: ArrayLike, qp: QParams, axis: int | None = None) -> float | Floats:
    """The fraction of values whose code would lie outside qmin..qmax without clamping.

    Args:
        x: any shape that fits ``qp``.
        qp: the grid.
        axis: None, or the axis of the channels.
    """
    beyond = _lines(outside(x, qp), axis)
    result = beyond.sum(axis=1) / max(beyond.shape[1], 1)
    return float(result[0]) if axis is None else result
