"""Bias correction: the mean error of each output channel is taken out by the layer's bias.

Nagel, van Baalen, Blankevoort, Welling: Data-Free Quantization Through Weight Equalization and Bias
Correction, ICCV 2019, section 4.2 and appendix D (the empirical form): layers are corrected in
graph order, each on what the corrected and quantized layers before it compute.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.evaluate.recovery.walk import Stop, Walk, channels_of, per_channel
from inspector.graph.grids import quantize_bias

Shifts = dict[str, NDArray[np.float64]]
"""What is to be added to the bias of a layer, (channels,), by its name."""


def correct_biases(walk: Walk, layers: Collection[str]) -> Shifts:
    """Finds what to add to biases so that no channel's mean is off, on the samples of the walk.

    Args:
        walk: over the model; used up.
        layers: names of the layers to correct; others are passed through as they are.

    Returns:
        E[y] - E[y of the quantized model] for each output channel, in real units; layers for which
        that is no number are left out.

    Raises:
        RunError: onnxruntime failed.
        CancelledError: the walk was cancelled.
    """
    found: Shifts = {}
    for stop in walk:
        if stop.layer.name in layers and (delta := take_out_mean_error(stop)) is not None:
            found[stop.layer.name] = delta
    return found


def take_out_mean_error(stop: Stop) -> NDArray[np.float64] | None:
    """Shifts what a layer computes so that no channel's mean is off.

    Returns:
        By how much, (channels,), in real units; None where that is no number.
    """
    channels = channels_of(stop.layer)
    if channels is None:
        return None
    total, count = np.zeros(channels), 0
    for expected, computed in stop.outputs():
        difference = per_channel(expected, stop.layer) - per_channel(computed, stop.layer)
        total += difference.sum(axis=1)
        count += difference.shape[1]
    delta = total / max(count, 1)
    if not np.isfinite(delta).all():
        return None
    stop.shift(delta)
    return delta


def corrected(
    bias: NDArray[Any], shift: NDArray[np.float64], scale: NDArray[np.float32] | None
) -> NDArray[Any]:
    """A bias with what is to be added to it, in its shape and type.

    Args:
        bias: of the float model.
        shift: one number a channel; it was found while the bias was rounded to its grid.
        scale: real value of one step of that grid; None where the bias stays float.
    """
    used = np.asarray(bias, np.float64).reshape(-1)
    if scale is not None:
        used = np.asarray(quantize_bias(used, scale) * scale.astype(np.float64))
    return (used + shift).astype(bias.dtype).reshape(bias.shape)
