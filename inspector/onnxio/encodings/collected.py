"""What was chosen for every tensor and layer, gathered once for all sidecar formats."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import UnsupportedError
from inspector.graph.grids import Grids, quantize_bias
from inspector.graph.model import Layer
from inspector.graph.placement import Placement, Site, clip_ends
from inspector.quant.qparams import QParams
from inspector.quant.spec import QuantSpec

Constants = Callable[[str], NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class TensorCodes:
    """How the values of a tensor become codes.

    Attributes:
        name: the tensor's.
        spec: what was chosen; affine.
        grid: its numbers.
    """

    name: str
    spec: QuantSpec
    grid: QParams

    @property
    def bits(self) -> int:
        """Width of a code."""
        return self.spec.bits

    @property
    def unsigned_zero_point(self) -> NDArray[np.int64]:
        """Zero points on the grid of codes from 0 to 2^bits - 1; the shape of the scales."""
        shift = 1 << (self.bits - 1) if self.spec.signed else 0
        return np.asarray(self.grid.zero_point.astype(np.int64) + shift)

    @property
    def signed_zero_point(self) -> NDArray[np.int64]:
        """The same on the grid from -2^(bits-1) to 2^(bits-1) - 1."""
        return self.unsigned_zero_point - (1 << (self.bits - 1))

    @property
    def is_symmetric(self) -> bool:
        """Whether real zero lies in the middle of the codes."""
        return not self.signed_zero_point.any()

    @property
    def bound(self) -> NDArray[np.float64]:
        """The largest magnitude that the codes reach; the shape of the scales.

        For a symmetric grid that of the highest code: the lowest, which has no counterpart, does
        not count.
        """
        lo, hi = np.abs(self.grid.lo.astype(np.float64)), np.abs(self.grid.hi.astype(np.float64))
        return hi if self.is_symmetric else np.maximum(lo, hi)

    @property
    def symmetric_scale(self) -> NDArray[np.float64]:
        """The scale of a symmetric grid of the same width that covers the range."""
        if self.is_symmetric:
            return self.grid.scale.astype(np.float64)
        return np.asarray(self.bound / ((1 << (self.bits - 1)) - 1))


@dataclass(frozen=True, slots=True, eq=False)
class LayerCodes:
    """What a layer computes with.

    Attributes:
        layer: the layer.
        reads: how it reads each of its activations; None where in float.
        weight: its weight; None where it has none or that stays float.
        writes: what its kernel writes, behind the activations that fold into it; None for floats.
        bias: int32 codes, shape (channels,); None where it has no bias, or that stays float.
        ends: the real ends to which folded activations (Relu, Clip) clamp the output.
        is_integer: whether all of it runs in integers.
    """

    layer: Layer
    reads: tuple[TensorCodes | None, ...]
    weight: TensorCodes | None
    writes: TensorCodes | None
    bias: NDArray[np.int32] | None
    ends: tuple[float, float]
    is_integer: bool

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    @property
    def is_float(self) -> bool:
        """Whether the layer computes in floats, whatever grid its input may come from."""
        if self.layer.weight is not None:
            return self.weight is None
        return not all(self.reads)


@dataclass(frozen=True, slots=True, eq=False)
class Encodings:
    """Everything that a sidecar file may tell.

    Attributes:
        title: the model's name.
        activations: every activation that is quantized somewhere; where its readers see it on
            several grids, the finest of them.
        layers: every layer, also those left in float.
        shared: how many activations several readers see on different grids.
    """

    title: str
    activations: tuple[TensorCodes, ...]
    layers: tuple[LayerCodes, ...]
    shared: int

    @property
    def weights(self) -> tuple[TensorCodes, ...]:
        """Every quantized weight, once."""
        found = {one.weight.name: one.weight for one in self.layers if one.weight is not None}
        return tuple(found.values())

    @property
    def tensors(self) -> tuple[TensorCodes, ...]:
        """Activations and weights."""
        return (*self.activations, *self.weights)


def collect(title: str, placement: Placement, grids: Grids, constant: Constants) -> Encodings:
    """Gather what a plan's numbers say of each tensor and layer.

    Args:
        title: the model's name, for headers.
        placement: where the quantizers sit.
        grids: their numbers.
        constant: gives a constant's values; asked for biases and the ends of Clip only.

    Raises:
        UnsupportedError: a weight is not on an affine grid, or two layers see one differently.
    """
    activations, shared = _activations(grids)
    layers = tuple(_layer(layer, placement, grids, constant) for layer in placement.graph.layers)
    _check_weights(layers)
    return Encodings(title, activations, layers, shared)


def _activations(grids: Grids) -> tuple[tuple[TensorCodes, ...], int]:
    plan = grids.plan
    points: dict[str, set[int]] = {}
    for site, index in plan.sites.items():
        points.setdefault(site.tensor, set()).add(index)
    found = []
    for tensor, indices in points.items():
        finest = max(sorted(indices), key=lambda index: plan.points[index].spec.bits)
        found.append(_point(tensor, finest, grids))
    return tuple(found), sum(len(indices) > 1 for indices in points.values())


def _point(tensor: str, index: int, grids: Grids) -> TensorCodes:
    spec = grids.plan.points[index].spec
    spec.require_affine()
    return TensorCodes(tensor, spec, grids.points[index])


def _layer(layer: Layer, placement: Placement, grids: Grids, constant: Constants) -> LayerCodes:
    plan = grids.plan
    reads = tuple(_read(tensor, layer.name, grids) for tensor in layer.activations)
    weight = None
    if layer.weight is not None and layer.name in grids.weights:
        spec = plan.weights[layer.name]
        spec.require_affine()
        weight = TensorCodes(layer.weight, spec, grids.weights[layer.name])
    end = placement.fused.get(layer.output, layer.output)
    point = placement.sole_point(plan, end)
    bias = None
    if layer.bias is not None and layer.name in grids.bias_scales:
        bias = quantize_bias(constant(layer.bias).reshape(-1), grids.bias_scales[layer.name])
    return LayerCodes(
        layer,
        reads,
        weight,
        None if point is None else _point(end, point, grids),
        bias,
        _ends(layer, placement, constant),
        layer.name in plan.integer,
    )


def _read(tensor: str, consumer: str, grids: Grids) -> TensorCodes | None:
    index = grids.plan.sites.get(Site(tensor, consumer))
    return None if index is None else _point(tensor, index, grids)


def _ends(layer: Layer, placement: Placement, constant: Constants) -> tuple[float, float]:
    low, high = -math.inf, math.inf
    for node in placement.foldable(layer.output):
        ends = (0.0, math.inf) if node.op_type == "Relu" else clip_ends(node, constant)
        low, high = max(low, ends[0]), min(high, ends[1])
    return low, high


def _check_weights(layers: Iterable[LayerCodes]) -> None:
    """Refuses a weight of two layers that each see it on a grid of its own."""
    seen: dict[str, LayerCodes] = {}
    for one in layers:
        if one.weight is None:
            continue
        other = seen.setdefault(one.weight.name, one)
        if other.weight is not None and str(other.weight.spec) != str(one.weight.spec):
            raise UnsupportedError(
                f"The layers {other.name} and {one.name} share a weight and quantize it as "
                f"{other.weight.spec} and {one.weight.spec}; a sidecar file has one line for it.",
                "Give both layers the same weights.",
            )
