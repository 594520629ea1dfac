"""A tensor of any shape as pages of rows and columns, and such a page as a small picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import CancelledError
from inspector.onnxio.values import CHUNK, Values

MOST_ROWS = 4_000_000
"""More rows (or columns) are folded: older table views keep some bytes for each."""
MOST_PIXELS = 512
_MOST_VALUES = 1 << 31
"""A plane of more values (a sparse one) would take too long to read."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Plane:
    """Rows and columns of a tensor, at one index of its leading axes.

    Axes of one element are passed over: a 1 × 1 convolution is shown as the matrix that it is.

    Attributes:
        shape: of the tensor.
        leading: the axes that are walked with an index.
        row_axis: the axis along the rows; None for a scalar.
        column_axis: the axis along the columns; None for a vector.
        index: where on the leading axes.
        rows: how many rows are shown.
        columns: how many columns.
        folded: the plane is too long, and shown as one row of numbers, broken into many.
    """

    shape: tuple[int, ...]
    leading: tuple[int, ...]
    row_axis: int | None
    column_axis: int | None
    index: tuple[int, ...]
    rows: int
    columns: int
    folded: bool

    @classmethod
    def of(cls, shape: Sequence[int], index: Sequence[int] = ()) -> Plane:
        """The plane of a shape at an index; without one, at the first."""
        shape = tuple(shape)
        axes = [axis for axis, dim in enumerate(shape) if dim != 1]
        leading = tuple(axes[:-2])
        row_axis = axes[-2] if len(axes) >= 2 else axes[0] if axes else None
        column_axis = axes[-1] if len(axes) >= 2 else None
        rows = 1 if row_axis is None else shape[row_axis]
        columns = 1 if column_axis is None else shape[column_axis]
        folded = max(rows, columns) > MOST_ROWS
        if folded:
            size, columns = rows * columns, 1
            while -(-size // columns) > MOST_ROWS:
                columns *= 2
            rows = -(-size // columns)
        index = tuple(index) or (0,) * len(leading)
        return cls(shape, leading, row_axis, column_axis, index, rows, columns, folded)

    @property
    def size(self) -> int:
        """How many values it has."""
        axes = [axis for axis in (self.row_axis, self.column_axis) if axis is not None]
        return prod(self.shape[axis] for axis in axes)

    @property
    def offset(self) -> int:
        """Where it begins among the tensor's values in C order."""
        start = 0
        for axis, at in zip(self.leading, self.index, strict=True):
            start += at * prod(self.shape[axis + 1 :])
        return start

    @property
    def is_matrix(self) -> bool:
        """Whether it has rows and columns that are worth a picture."""
        return self.column_axis is not None and not self.folded and self.size > 0

    def position(self, row: int, column: int) -> str:
        """The whole index of a value: [3, 0, 2, 5]."""
        places = [0] * len(self.shape)
        for axis, at in zip(self.leading, self.index, strict=True):
            places[axis] = at
        flat = row * self.columns + column
        if self.column_axis is not None:
            row, column = divmod(flat, self.shape[self.column_axis])
            places[self.column_axis] = column
        else:
            row = flat
        if self.row_axis is not None:
            places[self.row_axis] = row
        return f"[{', '.join(map(str, places))}]"

    def read(self, values: Values, row: int, column: int, count: int) -> NDArray[Any]:
        """Up to so many values of a row from a column on."""
        start = row * self.columns + column
        stop = min(start + count, (row + 1) * self.columns, self.size)
        return values.read(self.offset + start, self.offset + max(start, stop))


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A plane as pixels.

    Attributes:
        pixels: (height, width) float32; where several values share a pixel the one farthest from
            zero. NaN stays NaN.
        low: the smallest finite value of the plane; 0 where there is none.
        high: the largest.
        block: (rows, columns) that share a pixel.
    """

    pixels: Floats
    low: float
    high: float
    block: tuple[int, int]


def picture(
    values: Values, plane: Plane, cancelled: Callable[[], bool] = lambda: False
) -> Picture | None:
    """A plane as at most 512 × 512 pixels; None for what is no matrix of numbers.

    Cost O(values of the plane), memory of a few of its rows.

    Raises:
        CancelledError: `cancelled` said so.
    """
    if not plane.is_matrix or values.is_text or plane.size > _MOST_VALUES:
        return None
    rows, columns = plane.rows, plane.columns
    tall, wide = -(-rows // MOST_PIXELS), -(-columns // MOST_PIXELS)
    height, width = -(-rows // tall), -(-columns // wide)
    pixels = np.zeros((height, width), np.float32)
    low, high = np.inf, -np.inf
    at_once = max(1, CHUNK // max(1, tall * columns))
    for first in range(0, height, at_once):
        if cancelled():
            raise CancelledError()
        start, stop = first * tall, min((first + at_once) * tall, rows)
        flat = values.read(plane.offset + start * columns, plane.offset + stop * columns)
        numbers = real(flat).reshape(stop - start, columns)
        finite = numbers[np.isfinite(numbers)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
        pixels[first : first + at_once] = _farthest(numbers, tall, wide)
    if low > high:
        low = high = 0.0
    return Picture(pixels, low, high, (tall, wide))


def real(values: NDArray[Any]) -> Floats:
    """Numbers of any type as float32; of complex ones the magnitude."""
    if values.dtype.kind == "c":
        values = np.abs(values)
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32)


def _farthest(numbers: Floats, tall: int, wide: int) -> Floats:
    """Of each block the value farthest from zero, or NaN where there is one."""
    if tall == wide == 1:
        return numbers
    with np.errstate(invalid="ignore"):
        down = np.arange(0, numbers.shape[0], tall), np.arange(0, numbers.shape[1], wide)
        high = np.maximum.reduceat(np.maximum.reduceat(numbers, down[0], 0), down[1], 1)
        low = np.minimum.reduceat(np.minimum.reduceat(numbers, down[0], 0), down[1], 1)
        farthest: Floats = np.where(-low > high, low, high)
    return farthest
