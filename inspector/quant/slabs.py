"""A large tensor some rows at a time, each time with the part of its grid that is theirs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from inspector.quant.qparams import QParams

_VALUES = 1 << 16
"""So many are worked on at a time, about: the scratch arrays of them stay in a core's cache."""


def slabs(
    values: NDArray[Any], grid: QParams, multiple: int = 1
) -> Iterator[tuple[NDArray[Any], QParams]]:
    """Rows of a tensor, some at a time, with the grid of just these.

    Args:
        values: any shape.
        grid: of all of it.
        multiple: each slab but the last has a number of rows that is a multiple of it.
    """
    rows = values.shape[0] if values.ndim else 1
    axis = None if grid.axis is None else grid.axis % max(values.ndim, 1)
    along = grid.block if grid.block and axis == 0 else 1
    step = math.lcm(multiple, along)
    step *= max(1, _VALUES // max(1, step * (values.size // max(rows, 1))))
    by_row = axis == 0 or bool(grid.block)
    for start in range(0, rows, step) if rows > step else ():
        part = slice(start // along, -(-(start + step) // along))
        numbers = grid
        if by_row:
            numbers = replace(grid, scale=grid.scale[part], zero_point=grid.zero_point[part])
        yield values[start : start + step], numbers
    if rows <= step:
        yield values, grid
