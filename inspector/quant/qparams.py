"""A range becomes scale, zero point and the codes between which values are clamped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.errors import DataError, UnsupportedError
from inspector.quant.distribution import Distribution, ExactDistribution
from inspector.quant.grid import RealRange, grid_parameters, with_zero
from inspector.quant.pin import Pin, full_range
from inspector.quant.ranges import choose_range, given_range
from inspector.quant.rows import (
    FloatArray,
    as_float32,
    blocked_shape,
    extrema,
    label,
    normalized_axis,
)
from inspector.quant.spec import QuantSpec
from inspector.quant.tables import LevelTable, table_of


@dataclass(frozen=True, slots=True)
class QParams:
    """How real numbers and integer codes correspond: real = scale * (q - zero_point).

    With a table of levels, real = scale * table.steps[q - qmin], and all zero points are 0.

    Attributes:
        scale: float32, positive. Shape () per tensor, (C,) per axis, for blocks the shape of the
            tensor with shape[axis] -> ceil(shape[axis] / block), as in ONNX.
        zero_point: int32, of the same shape.
        qmin: the lowest code.
        qmax: the highest code.
        axis: the axis of the channels or along which the blocks run; None per tensor.
        block: values per block; 0 if there are no blocks.
        table: the levels of a type whose levels are not evenly spaced.
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int32]
    qmin: int
    qmax: int
    axis: int | None = None
    block: int = 0
    table: LevelTable | None = None

    @property
    def lo(self) -> NDArray[np.float32]:
        """The lowest level of the grid, in real units; the shape of ``scale``."""
        return self._level(self.qmin)

    @property
    def hi(self) -> NDArray[np.float32]:
        """The highest level of the grid, in real units; the shape of ``scale``."""
        return self._level(self.qmax)

    def _level(self, code: int) -> NDArray[np.float32]:
        if self.table is not None:
            return np.asarray(self.table.steps[code - self.qmin] * self.scale)
        return np.asarray((code - self.zero_point).astype(np.float32) * self.scale)

    @property
    def rows(self) -> int:
        """How many scales there are."""
        return int(self.scale.size)


def qparams_from_range(
    r: RealRange,
    spec: QuantSpec,
    *,
    axis: int | None = None,
    block: int = 0,
    shape: tuple[int, ...] | None = None,
) -> QParams:
    """The grid that covers a range; see `inspector.quant.grid.grid_parameters`.

    Args:
        r: the range, one row per scale.
        spec: with ``symmetric`` set.
        axis: the axis of the channels, or along which blocks run; None per tensor.
        block: values per block, or 0.
        shape: the shape of the tensor; wanted for blocks only.

    Raises:
        UnsupportedError: the spec has no grid, or the rows do not fit the axis and shape.
    """
    spec.require_computable()
    qmin, qmax = spec.code_range()
    scale, zero_point = grid_parameters(r.lo, r.hi, spec)
    table = spec.table
    if axis is None:
        if scale.size != 1:
            raise UnsupportedError(f"{scale.size} ranges cannot become one scale per tensor.")
        return QParams(scale.reshape(()), zero_point.reshape(()), qmin, qmax, table=table)
    if not block:
        return QParams(scale.reshape(-1), zero_point.reshape(-1), qmin, qmax, axis, table=table)
    if shape is None:
        raise UnsupportedError("Blocked scales need the shape of the tensor.")
    axis = normalized_axis(axis, len(shape))
    blocks = blocked_shape(shape, axis, block)
    shaped = scale.reshape(blocks), zero_point.reshape(blocks)
    return QParams(*shaped, qmin, qmax, axis, block, table)


def choose_qparams(
    dist: Distribution,
    spec: QuantSpec,
    *,
    axis: int | None = None,
    block: int = 0,
    shape: tuple[int, ...] | None = None,
) -> QParams:
    """From what is known of a tensor to its grid: `choose_range`, then `qparams_from_range`.

    A grid that is given (`QuantSpec.exact_pin`) is taken as it is.
    """
    if (pin := spec.exact_pin) is not None:
        return pinned_qparams(pin, shape)
    return qparams_from_range(choose_range(dist, spec), spec, axis=axis, block=block, shape=shape)


def pinned_qparams(pin: Pin, shape: tuple[int, ...] | None = None) -> QParams:
    """The grid that a pin gives, with all codes of its type.

    Args:
        pin: of a type that a spec can have.
        shape: of the tensor, where it is to be checked.

    Raises:
        DataError: the scales do not fit the shape.
    """
    table = table_of(pin.dtype)
    low, high = full_range(pin.dtype) if table is None else (table.lowest, table.highest)
    if shape is not None and not _fits(pin, shape):
        raise DataError(
            f"Scales of the shape {list(pin.scale.shape)} along axis {pin.axis} do not fit a "
            f"tensor of the shape {list(shape)}.",
            "Take the recipe for the model that it was made for.",
        )
    axis = pin.axis if pin.axis is None or shape is None else pin.axis % len(shape)
    return QParams(pin.scale, pin.zero_point, low, high, axis, pin.block, table)


def _fits(pin: Pin, shape: tuple[int, ...]) -> bool:
    if pin.axis is None:
        return pin.scale.ndim == 0
    if not -len(shape) <= pin.axis < len(shape):
        return False
    axis = pin.axis % len(shape)
    wanted = blocked_shape(shape, axis, pin.block) if pin.block else (shape[axis],)
    return pin.scale.shape == wanted


def block_axis(channel_axis: int | None, ndim: int) -> int:
    """The axis along which blocks run if the spec names none: the one that the product sums over.

    Conv and Gemm(transB) sum over axis 1 of their weight, Gemm and MatMul over the axis before the
    output channels; a weight on the left of a MatMul, whose channel axis is -2, over the last.
    """
    if channel_axis is None or ndim < 2:
        return 0
    if channel_axis == -2:
        return ndim - 1
    channel = channel_axis % ndim
    return 1 if channel == 0 else channel - 1


def weight_axis(
    spec: QuantSpec, axis: int | None, ndim: int, name: str = ""
) -> tuple[int | None, int]:
    """Where the scales of a weight run: (axis from the front or None, values per block or 0).

    Args:
        spec: with ``granularity`` set.
        axis: the axis of the output channels, as the operator has it.
        ndim: dimensions of the weight.
        name: what an error calls the tensor.

    Raises:
        UnsupportedError: no such axis, or neither the spec nor the operator names one.
    """
    granularity = spec.granularity
    if granularity is None or granularity.kind == "tensor" or ndim == 0:
        return None, 0
    if granularity.axis is not None:
        return normalized_axis(granularity.axis, ndim, name), granularity.size
    if granularity.kind == "block":
        return block_axis(axis, ndim), granularity.size
    if axis is None:
        raise UnsupportedError(
            f"{label(name)} has no axis of output channels.",
            "Name one, as in channel@0, or use the granularity tensor.",
        )
    return normalized_axis(axis, ndim, name), 0


def weight_qparams(
    values: ArrayLike, spec: QuantSpec, axis: int | None = None, name: str = ""
) -> QParams:
    """The grid of a weight, in one call.

    minmax, averages (weights are one batch) and hand-set ranges only look for the ends; the other
    methods sort the weight once.

    Args:
        values: the weight, any shape.
        spec: filled.
        axis: the operator's axis of output channels, used where the spec names none.
        name: what an error calls the tensor.

    Raises:
        DataError: NaN or infinity in the weight.
        UnsupportedError: the spec has no grid, or the axis does not exist.
    """
    spec.require_computable()
    array = as_float32(values, name)
    if (pin := spec.exact_pin) is not None:
        return pinned_qparams(pin, array.shape)
    where, block = weight_axis(spec, axis, array.ndim, name)
    kind = spec.range.kind if spec.range is not None else "minmax"
    if kind in ("minmax", "meanminmax", "movavg", "range", "ort-minmax", "ort-entropy"):
        r = _ends(array, where, block, name)
        if spec.range is not None and kind == "range":
            r = given_range(spec.range, r.lo.size)
    else:
        r = choose_range(ExactDistribution.of(array, axis=where, block=block, name=name), spec)
    return qparams_from_range(r, spec, axis=where, block=block, shape=array.shape)


def _ends(array: FloatArray, axis: int | None, block: int, name: str) -> RealRange:
    """Minimum and maximum of every row, widened to zero, without sorting."""
    if not array.size:
        rows = 1 if axis is None else array.shape[axis]
        if axis is not None and block:
            rows = int(np.prod(blocked_shape(array.shape, axis, block)))
        return with_zero(np.zeros(rows), np.zeros(rows))
    if axis is None or not block:
        others = tuple(i for i in range(array.ndim) if i != axis) if axis is not None else None
        lo, hi = extrema(array, others, name)
        return with_zero(np.reshape(lo, -1), np.reshape(hi, -1))
    extrema(array, None, name)
    starts = np.arange(0, array.shape[axis], block)
    lo = np.minimum.reduceat(array, starts, axis=axis)
    hi = np.maximum.reduceat(array, starts, axis=axis)
    return with_zero(lo.reshape(-1), hi.reshape(-1))
