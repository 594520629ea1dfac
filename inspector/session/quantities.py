"""What layers can be coloured by: quantities as data, their values, and the ranges shown.

Three of them follow from the graph and the specs alone and are computed here; the errors come from
where they are found: weights from `facts`, activations from a calibration, a layer's effect on the
outputs from `evaluate.alone`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from inspector.errors import UnsupportedError
from inspector.graph.grids import operator_axis, weight_spec
from inspector.graph.model import Layer
from inspector.quant.qparams import weight_axis
from inspector.quant.rows import blocked_shape
from inspector.quant.spec import QuantSpec

Better = Literal["high", "low", "none"]
Scale = Literal["linear", "log"]

_SQNR_RANGE = (10.0, 60.0)
_STORED_BITS = (1, 2, 4, 8, 16)
_FLOAT_BYTES = 4
_SCALE_BYTES = 5
"""A float32 scale and a zero point of one byte."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that every layer has a number of.

    Attributes:
        key: its name in settings and signals.
        title: its name in the window.
        unit: of its numbers, without a prefix; "" for mere counts.
        better: which end is the good one.
        scale: how numbers are spread over the colours.
        fixed: the range shown unless another is chosen; None for that of the data.
        is_estimate: its numbers are estimates, and are to be marked as such.
        explanation: what the numbers say, in one or two sentences.
    """

    key: str
    title: str
    unit: str
    better: Better
    scale: Scale
    explanation: str
    fixed: tuple[float, float] | None = None
    is_estimate: bool = False


WEIGHT_SQNR = Quantity(
    "weight_sqnr",
    "Weight SQNR",
    "dB",
    "high",
    "linear",
    "Signal to quantization noise ratio of each layer's weights.",
    _SQNR_RANGE,
)
ACTIVATION_SQNR = Quantity(
    "activation_sqnr",
    "Activation SQNR",
    "dB",
    "high",
    "linear",
    "Signal to quantization noise ratio of what enters each layer, estimated from the histograms "
    "of the calibration.",
    _SQNR_RANGE,
    is_estimate=True,
)
OUTPUT_ERROR = Quantity(
    "output_error",
    "Output SQNR, layer alone",
    "dB",
    "high",
    "linear",
    "SQNR of the model's outputs when only this layer is quantized and all others stay in float, "
    "simulated on a few samples. Errors of several layers add up, or cancel: that is not in it.",
    _SQNR_RANGE,
    is_estimate=True,
)
SENSITIVITY = Quantity(
    "sensitivity",
    "Output SQNR at a width",
    "dB",
    "high",
    "linear",
    "SQNR of the model's outputs when only this layer is quantized, to the width that the page "
    "Widths shows, whatever is chosen for it today.",
    _SQNR_RANGE,
    is_estimate=True,
)
SIZE = Quantity(
    "size",
    "Size",
    "B",
    "low",
    "log",
    "Bytes of each layer's weights and bias as they would be stored.",
)
PARAMETERS = Quantity(
    "parameters", "Parameters", "", "none", "log", "Elements of each layer's weights and bias."
)
COMPUTE = Quantity(
    "compute",
    "Compute",
    "MAC",
    "none",
    "log",
    "Multiply-accumulates of each layer in one run, where the shapes are known.",
)

DIFFERENCE = Quantity(
    "difference",
    "Difference, SQNR",
    "dB",
    "high",
    "linear",
    "Signal to noise ratio of what each operator of the second model computes, the first model's "
    "values being the signal and the difference the noise, on the same samples.",
    _SQNR_RANGE,
)
"""Of two models that are compared: layers of one model alone have none."""

QUANTITIES = (WEIGHT_SQNR, ACTIVATION_SQNR, OUTPUT_ERROR, SENSITIVITY, SIZE, PARAMETERS, COMPUTE)
_BY_KEY = {quantity.key: quantity for quantity in QUANTITIES}


def find_quantity(key: str) -> Quantity | None:
    """The quantity of that key; None where there is none."""
    return _BY_KEY.get(key)


# Values


def values(
    quantity: Quantity, layers: Iterable[Layer], weights: Mapping[str, QuantSpec]
) -> dict[str, float]:
    """The number of each layer, for quantities that need neither data nor weights.

    Args:
        quantity: `SIZE`, `PARAMETERS` or `COMPUTE`.
        layers: whose numbers.
        weights: the filled spec that each layer's weight is stored with; float where none is given.

    Returns:
        By layer; without those that have none.

    Raises:
        ValueError: for a quantity that is found in another way.

    Cost: linear in the number of layers.
    """
    if quantity == PARAMETERS:
        return {layer.name: float(layer.parameters) for layer in layers if layer.parameters}
    if quantity == COMPUTE:
        return {layer.name: float(layer.macs) for layer in layers if layer.macs is not None}
    if quantity == SIZE:
        return _sizes(layers, weights)
    raise ValueError(f"{quantity.key} does not follow from the graph alone")


def _sizes(layers: Iterable[Layer], weights: Mapping[str, QuantSpec]) -> dict[str, float]:
    found: dict[str, float] = {}
    for layer in layers:
        try:
            size = stored_bytes(layer, weights.get(layer.name))
        except UnsupportedError:
            continue  # there is no such size; whoever chose the spec is told elsewhere
        if size:
            found[layer.name] = float(size)
    return found


def stored_bytes(layer: Layer, spec: QuantSpec | None) -> int:
    """Bytes of a layer's weight and bias as they would be stored, scales and zero points included.

    Args:
        layer: the layer.
        spec: of its weight, filled; None or float where it stays as it is.

    Raises:
        UnsupportedError: the weight has no such axis as the spec names.
    """
    count = math.prod(layer.weight_shape or (0,)) if layer.weight is not None else 0
    rest = _FLOAT_BYTES * (layer.parameters - count)
    if not count or spec is None or spec.is_float:
        return rest + _FLOAT_BYTES * count
    if spec.is_cast:
        return rest + count * spec.bits // 8
    bits = next(width for width in _STORED_BITS if width >= spec.bits)
    return rest + -(-count * bits // 8) + _scales(layer, spec) * _SCALE_BYTES


def _scales(layer: Layer, spec: QuantSpec) -> int:
    shape = layer.weight_shape or ()
    spec, channels = weight_spec(layer, spec), operator_axis(layer)
    axis, block = weight_axis(spec, channels, len(shape), layer.weight or "")
    if axis is None:
        return 1
    return math.prod(blocked_shape(shape, axis, block)) if block else shape[axis]


# Ranges


def default_range(quantity: Quantity, found: Iterable[float]) -> tuple[float, float]:
    """The range to show: the quantity's own, else from the smallest to the largest number.

    Args:
        quantity: what the numbers are of.
        found: the numbers; those that are not finite, and those that a log scale cannot show, are
            left out.

    Returns:
        (low, high) with low < high, both above 0 for a log scale.
    """
    if quantity.fixed is not None:
        return quantity.fixed
    numbers = [value for value in found if _can_show(quantity, value)]
    if not numbers:
        return 1.0, 10.0
    low, high = min(numbers), max(numbers)
    if low < high:
        return low, high
    if quantity.scale == "log":
        return low / 2, high * 2
    return low - 1, high + 1


def is_range(quantity: Quantity, low: float, high: float) -> bool:
    """Whether two numbers can be the ends of a range."""
    return _can_show(quantity, low) and _can_show(quantity, high) and low < high


def _can_show(quantity: Quantity, value: float) -> bool:
    return math.isfinite(value) and (quantity.scale == "linear" or value > 0)


def place(quantity: Quantity, value: float, low: float, high: float) -> float | None:
    """Where a number lies between the ends of a range: 0 at or below low, 1 at or above high.

    None for NaN.
    """
    if math.isnan(value):
        return None
    if quantity.scale == "log":
        value = math.log(value) if value > 0 else -math.inf
        low, high = math.log(low), math.log(high)
    return min(max((value - low) / (high - low), 0.0), 1.0)


def places(quantity: Quantity, numbers: Any, low: float, high: float) -> NDArray[np.float64]:
    """Where numbers lie between the ends of a range, 0 to 1 each; NaN for NaN.

    Args:
        quantity: what the numbers are of.
        numbers: array-like of floats.
        low: one end of the range (`is_range`).
        high: the other.
    """
    array = np.asarray(numbers, np.float64)
    if quantity.scale == "log":
        with np.errstate(divide="ignore", invalid="ignore"):
            array = np.log(np.where(array < 0, 0.0, array))
        low, high = math.log(low), math.log(high)
    return np.clip((array - low) / (high - low), 0.0, 1.0)
