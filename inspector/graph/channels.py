"""The weights of layers by output channel and by what they read, however operators lay them out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.graph.links import input_axis
from inspector.graph.model import Layer

Doubles = NDArray[np.float64]


def output_factors(layer: Layer, factors: NDArray[Any], ndim: int) -> NDArray[Any]:
    """One number for each output channel, shaped to broadcast against the layer's weight.

    Args:
        layer: a layer with a weight that has output channels.
        factors: (channels,).
        ndim: dimensions of the weight.
    """
    if layer.op_type == "ConvTranspose":
        assert layer.weight_shape is not None
        rows = factors.reshape(layer.group, -1)
        rows = np.repeat(rows, layer.weight_shape[0] // layer.group, axis=0)
        return rows.reshape(rows.shape + (1,) * (ndim - 2))
    axis = layer.channel_axis
    return factors.reshape([-1 if i == axis else 1 for i in range(ndim)])


def input_factors(layer: Layer, factors: NDArray[Any], ndim: int) -> NDArray[Any]:
    """One number for each value that a layer reads (a channel of a convolution), shaped likewise.

    Args:
        layer: a layer whose weight is the right operand.
        factors: (channels of a convolution's input,) or (features,).
        ndim: dimensions of the weight.
    """
    if layer.op_type == "Conv":
        assert layer.weight_shape is not None
        rows = factors.reshape(layer.group, -1)
        rows = np.repeat(rows, layer.weight_shape[0] // layer.group, axis=0)
        return rows.reshape(rows.shape + (1,) * (ndim - 2))
    axis = input_axis(layer)
    return factors.reshape([-1 if i == axis else 1 for i in range(ndim)])


def output_extent(layer: Layer, weight: NDArray[Any]) -> Doubles:
    """The largest magnitude of each output channel's weights, (channels,)."""
    if layer.op_type == "ConvTranspose":
        flat = _largest(weight, (0, 1)).reshape(layer.group, -1, weight.shape[1])
        return np.asarray(flat.max(axis=1).reshape(-1))
    assert layer.channel_axis is not None
    return _largest(weight, (layer.channel_axis,))


def input_extent(layer: Layer, weight: NDArray[Any]) -> Doubles:
    """The largest magnitude of the weights that meet each value read, (channels or features,)."""
    if layer.op_type == "Conv":
        flat = _largest(weight, (0, 1)).reshape(layer.group, -1, weight.shape[1])
        return np.asarray(flat.max(axis=1).reshape(-1))
    return _largest(weight, (input_axis(layer),))


def response(layer: Layer, weight: NDArray[Any], values: Doubles) -> Doubles:
    """What a Conv, Gemm or MatMul computes of the same values everywhere, without its bias.

    Args:
        layer: a layer that fills in no zeros.
        weight: its weight.
        values: (channels or features,).

    Returns:
        (output channels,).
    """
    product = weight.astype(np.float64) * input_factors(layer, values, weight.ndim)
    axes = tuple(i for i in range(weight.ndim) if i != layer.channel_axis)
    return np.asarray(product.sum(axis=axes))


def _largest(weight: NDArray[Any], kept: tuple[int, ...]) -> Doubles:
    axes = tuple(i for i in range(weight.ndim) if i not in kept)
    return np.asarray(np.abs(weight).max(axis=axes, initial=0.0), np.float64)
