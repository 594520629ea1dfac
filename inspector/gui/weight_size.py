"""What the weights take, in float and as they would be stored."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from inspector.graph.model import Layer
from inspector.gui.figures import layer_bytes
from inspector.quant.spec import QuantSpec
from inspector.session.document import Document

_FLOAT_BITS = 32


@dataclass(frozen=True, slots=True)
class WeightSize:
    """Of one layer.

    Attributes:
        before: bytes of weight and bias in float.
        after: the same as they would be stored.
        weights: number of weights, without the bias.
        bits: of all of them together.
    """

    before: int
    after: int
    weights: int
    bits: int


def weight_size(document: Document, layer: Layer, given: QuantSpec) -> WeightSize:
    """What one layer takes.

    Args:
        document: of the layer.
        layer: the layer.
        given: what its weights really get.
    """
    before, after = layer_bytes(document, layer)
    weights = 0 if layer.weight_shape is None else math.prod(layer.weight_shape)
    bits = _FLOAT_BITS if given.is_float else given.bits
    return WeightSize(before, after, weights, weights * bits)


def total_size(sizes: Iterable[WeightSize]) -> tuple[int, int, float | None]:
    """Bytes in float, bytes as stored, and mean bits of a weight; None without weights."""
    before = after = weights = bits = 0
    for one in sizes:
        before, after = before + one.before, after + one.after
        weights, bits = weights + one.weights, bits + one.bits
    return before, after, bits / weights if weights else None
