"""Which elements of its operands one output element of a layer is the sum of products of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.errors import UnsupportedError
from inspector.graph.model import Node

Places = NDArray[np.intp]
"""Positions in a tensor that is seen as one row, shape (products,)."""

_UNSUPPORTED = "The products of this {} cannot be laid out: its shapes do not fit its attributes."


def operands(
    node: Node,
    left_shape: Sequence[int],
    right_shape: Sequence[int],
    index: Sequence[int],
    group: int = 1,
) -> tuple[Places, Places, int]:
    """The factors of every product that an output element sums up.

    Source: ONNX operator specification, Conv 11 (pads, strides, dilations, auto_pad, group), Gemm
    13 (transA, transB) and MatMul 13 (numpy.matmul).

    Args:
        node: a Conv, Gemm or MatMul.
        left_shape: of what it reads first.
        right_shape: of what it reads second.
        index: of the output element.
        group: of a Conv.

    Returns:
        Positions in the left operand and in the right one, in the order of the sum, and how many
        products more there would be but for the border of zeros around the input.

    Raises:
        UnsupportedError: another operator, or shapes that do not belong together.
    """
    try:
        match node.op_type:
            case "Conv":
                return _of_conv(node, left_shape, right_shape, index, group)
            case "Gemm":
                return (*_of_gemm(node, left_shape, right_shape, index), 0)
            case "MatMul":
                return (*_of_matmul(left_shape, right_shape, index), 0)
    except (ValueError, IndexError) as error:
        raise UnsupportedError(_UNSUPPORTED.format(node.op_type)) from error
    raise UnsupportedError(f"{node.op_type} is no sum of products that is known here.")


def _of_conv(
    node: Node, image: Sequence[int], filters: Sequence[int], index: Sequence[int], group: int
) -> tuple[Places, Places, int]:
    sample, channel, *place = index
    kernel, rank = filters[2:], len(filters) - 2
    strides, dilations = _ints(node, "strides", [1] * rank), _ints(node, "dilations", [1] * rank)
    before = _pads_before(node, image[2:], kernel, strides, dilations)
    first = channel // (filters[0] // group) * filters[1]
    rows: list[Places] = [np.arange(first, first + filters[1])]
    taps: list[Places] = [np.arange(filters[1])]
    for axis in range(rank):
        tap = np.arange(kernel[axis])
        row = place[axis] * strides[axis] - before[axis] + tap * dilations[axis]
        inside = (row >= 0) & (row < image[2 + axis])
        rows.append(row[inside])
        taps.append(tap[inside])
    left = _positions([np.array([sample]), *rows], image)
    right = _positions([np.array([channel]), *taps], filters)
    return left, right, int(np.prod(filters[1:])) - len(left)


def _positions(places: Sequence[Places], shape: Sequence[int]) -> Places:
    """Every combination of places on each axis, the last axis fastest."""
    grids = np.meshgrid(*places, indexing="ij")
    return np.ravel_multi_index([grid.reshape(-1) for grid in grids], tuple(shape))


def _pads_before(
    node: Node,
    image: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[int]:
    """How many zeros lie before the first value of each axis."""
    how = node.attributes.get("auto_pad", "NOTSET")
    how = how.decode() if isinstance(how, bytes) else how
    if how == "VALID":
        return [0] * len(kernel)
    if how in ("SAME_UPPER", "SAME_LOWER"):
        found: list[int] = []
        for size, width, stride, dilation in zip(image, kernel, strides, dilations, strict=True):
            reach = (-(-size // stride) - 1) * stride + (width - 1) * dilation + 1
            both = max(reach - size, 0)
            found.append((both + 1) // 2 if how == "SAME_LOWER" else both // 2)
        return found
    return _ints(node, "pads", [0] * (2 * len(kernel)))[: len(kernel)]


def _of_gemm(
    node: Node, left: Sequence[int], right: Sequence[int], index: Sequence[int]
) -> tuple[Places, Places]:
    row, column = index
    turned = [bool(node.attributes.get(name, 0)) for name in ("transA", "transB")]
    depth = np.arange(left[0] if turned[0] else left[1])
    rows, columns = np.full_like(depth, row), np.full_like(depth, column)
    return (
        np.ravel_multi_index((depth, rows) if turned[0] else (rows, depth), tuple(left)),
        np.ravel_multi_index((columns, depth) if turned[1] else (depth, columns), tuple(right)),
    )


def _of_matmul(
    left: Sequence[int], right: Sequence[int], index: Sequence[int]
) -> tuple[Places, Places]:
    """Vectors are a row on the left and a column on the right, whose axis the output lacks."""
    a, b = tuple(left), tuple(right)
    place = list(index)
    column = place.pop() if len(b) > 1 else 0
    row = place.pop() if len(a) > 1 else 0
    a, b = (1, *a) if len(a) == 1 else a, (*b, 1) if len(b) == 1 else b
    depth = np.arange(a[-1])
    return (
        _in_stack(a, place, np.full_like(depth, row), depth),
        _in_stack(b, place, depth, np.full_like(depth, column)),
    )


def _in_stack(
    shape: tuple[int, ...], place: Sequence[int], rows: Places, columns: Places
) -> Places:
    """Positions in one matrix of a stack, whose sizes of 1 are repeated."""
    stack = shape[:-2]
    own = place[len(place) - len(stack) :]
    at = [0 if size == 1 else one for size, one in zip(stack, own, strict=True)]
    return np.ravel_multi_index((*(np.full_like(rows, one) for one in at), rows, columns), shape)


def _ints(node: Node, name: str, default: list[int]) -> list[int]:
    value = node.attributes.get(name)
    found = list(value) if isinstance(value, tuple) else default
    if len(found) != len(default):
        raise ValueError(name)
    return found
