"""Layers as products of matrices: rows of weights, and the columns that these meet."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from inspector.graph.model import Layer, Node


def unfolds(layer: Layer) -> bool:
    """Whether a layer is a product of its weight, as the right operand, with what it reads."""
    if layer.weight is None or layer.weight_shape is None or layer.weight_slot != 1:
        return False
    rank = len(layer.weight_shape)
    return layer.op_type == "Conv" or (layer.op_type in {"Gemm", "MatMul"} and rank == 2)


def to_rows(layer: Layer, weight: NDArray[Any]) -> NDArray[Any]:
    """A weight (or numbers in its shape) as (groups, rows, columns): a row an output channel."""
    if layer.op_type == "Conv":
        return weight.reshape(layer.group, weight.shape[0] // layer.group, -1)
    return (weight if layer.channel_axis == 0 else weight.T)[None]


def from_rows(layer: Layer, rows: NDArray[Any]) -> NDArray[Any]:
    """The inverse of `to_rows`."""
    assert layer.weight_shape is not None
    if layer.op_type == "Conv":
        return rows.reshape(layer.weight_shape)
    return np.ascontiguousarray(rows[0] if layer.channel_axis == 0 else rows[0].T)


def columns(
    layer: Layer, node: Node, values: NDArray[np.float32], most: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """What a layer's rows are multiplied with, (groups, positions, columns).

    Args:
        layer: one that unfolds.
        node: the layer's node.
        values: what it reads of one sample.
        most: positions to keep, taken at random where there are more.
        rng: takes them.
    """
    if layer.op_type == "Conv":
        return _conv_columns(layer, node, values, most, rng)
    if layer.op_type == "Gemm" and node.attributes.get("transA", 0):
        values = values.T
    flat = values.reshape(-1, values.shape[-1])
    if len(flat) > most:
        flat = flat[rng.choice(len(flat), most, replace=False)]
    return flat[None]


def _conv_columns(
    layer: Layer, node: Node, values: NDArray[np.float32], most: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    assert layer.weight_shape is not None
    kernel = layer.weight_shape[2:]
    strides = _integers(node, "strides", (1,) * len(kernel))
    dilations = _integers(node, "dilations", (1,) * len(kernel))
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    padded = np.pad(values, [(0, 0), (0, 0), *_pads(node, values.shape[2:], reach, strides)])
    spatial = tuple(range(2, 2 + len(kernel)))
    windows = sliding_window_view(padded, reach, axis=spatial)
    picks = tuple(slice(None, None, stride) for stride in strides)
    inner = tuple(slice(None, None, dilation) for dilation in dilations)
    windows = windows[(slice(None), slice(None), *picks, *inner)]
    # (N, C, positions..., kernel...) -> (N, positions..., C, kernel...)
    moved = np.moveaxis(windows, 1, len(kernel) + 1)
    places = moved.shape[: 1 + len(kernel)]
    count = math.prod(places)
    chosen = np.arange(count) if count <= most else rng.choice(count, most, replace=False)
    rows = moved[np.unravel_index(chosen, places)]  # (positions, C, kernel...)
    grouped = rows.reshape(len(rows), layer.group, -1)
    return np.ascontiguousarray(np.moveaxis(grouped, 1, 0))


def _pads(
    node: Node, sizes: tuple[int, ...], reach: tuple[int, ...], strides: tuple[int, ...]
) -> list[tuple[int, int]]:
    """Zeros before and behind each spatial axis (ONNX operator specification, Conv)."""
    automatic = node.attributes.get("auto_pad", b"NOTSET")
    text = automatic.decode() if isinstance(automatic, bytes) else str(automatic)
    if text.startswith("SAME"):
        found = []
        for size, wide, stride in zip(sizes, reach, strides, strict=True):
            total = max((-(-size // stride) - 1) * stride + wide - size, 0)
            small, large = total // 2, total - total // 2
            found.append((small, large) if text == "SAME_UPPER" else (large, small))
        return found
    if text == "VALID":
        return [(0, 0)] * len(sizes)
    pads = _integers(node, "pads", (0,) * (2 * len(sizes)))
    return [(pads[i], pads[i + len(sizes)]) for i in range(len(sizes))]


def _integers(node: Node, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    value = node.attributes.get(name)
    return tuple(int(one) for one in value) if isinstance(value, tuple) else default
