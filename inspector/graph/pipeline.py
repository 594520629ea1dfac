"""What a layer does in integers: products, a sum, a bias, and the way to the codes that it writes.

A layer multiplies whole steps (codes less their zero points), adds the products up, adds the bias
in the same unit, multiplies by the ratio of scales, rounds, adds the output's zero point and clamps
(Jacob et al. 2018, arXiv:1712.05877, equations 4 to 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.errors import UnsupportedError
from inspector.graph.grids import BIAS_LIMIT, Constants, Grids, quantize_bias
from inspector.graph.model import Layer
from inspector.graph.placement import Placement
from inspector.quant.accumulator import Int64s, Reach, reach_of_sums
from inspector.quant.kernels import whole_steps
from inspector.quant.metrics import decibels
from inspector.quant.qparams import QParams
from inspector.quant.requantize import Int32s, quantize_multiplier

KNOWN = ("Conv", "Gemm", "MatMul")
"""The layers whose integer arithmetic is known here."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BiasCost:
    """A bias in the unit of the sums.

    Attributes:
        lowest: its lowest code.
        highest: its highest code.
        worst: the largest error of rounding it, in real units.
        sqnr_db: its power over that of its errors.
        widened: scales of the weight that were made wider so that the bias fits into int32.
        is_stored: the file holds these codes; else it adds the bias in float, and this is what a
            target with integer biases would do.
    """

    lowest: int
    highest: int
    worst: float
    sqnr_db: float
    widened: int
    is_stored: bool


@dataclass(frozen=True, slots=True)
class Requantization:
    """From sums to codes, by a multiplier for each output channel, or one for all.

    Attributes:
        multipliers: float32: unit of the sums over scale of the output.
        whole: int32: multiplier = whole * 2^(shift - 31).
        shifts: see `whole`.
    """

    multipliers: Floats
    whole: Int32s
    shifts: Int32s


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """What one layer does in integers.

    Attributes:
        layer: its name.
        op_type: its operator.
        reads: the grids of its activations, in the order of its inputs.
        weight: the grid of its weight; None for a product of two activations.
        depth: how many products a sum has, without regard to borders; None where it is not known.
        reach: how far sums can go, bias included; None where `depth` is not known.
        units: real value of 1 in the sums, float32, one for each scale of the weight.
        bias: None where there is none.
        offsets: lowest and highest of what the activation's zero point adds to each sum: the same
            for every input, so that it can be added to the bias (Jacob et al., equation 7).
        folded: the activations that the last clamping does, as operators.
        output: the grid of the codes that are written; None where floats are.
        requantization: None where floats are written.
        is_exact: the file computes these very sums; otherwise it computes the layer in float, and
            this is what a target with integer kernels for it would do.
    """

    layer: str
    op_type: str
    reads: tuple[QParams, ...]
    weight: QParams | None
    depth: int | None
    reach: Reach | None
    units: Floats
    bias: BiasCost | None
    offsets: tuple[int, int]
    folded: tuple[str, ...]
    output: QParams | None
    requantization: Requantization | None
    is_exact: bool


# What a layer reads and writes --------------------------------------------------------------------


def multiplies_bytes(layer: Layer, grids: Grids) -> bool:
    """Whether a layer is a product of two activations that are both on byte grids."""
    read = [grids.at(name, layer.name) for name in layer.activations]
    return layer.weight is None and all(
        grid is not None and grid.table is None and 16 < grid.qmax - grid.qmin < 256
        for grid in read
    )


def sums_in_integers(layer: Layer, grids: Grids) -> bool:
    """Whether runtimes compute a layer in integers as the file has it."""
    return layer.name in grids.plan.integer or multiplies_bytes(layer, grids)


def written_grid(placement: Placement, grids: Grids, layer: Layer) -> QParams | None:
    """The grid that a layer's kernel writes codes of; None where it writes floats."""
    if not sums_in_integers(layer, grids):
        return None
    end = placement.fused.get(layer.output, layer.output)
    point = placement.sole_point(grids.plan, end)
    return None if point is None else grids.points[point]


def integer_reads(layer: Layer, grids: Grids) -> tuple[QParams, ...]:
    """The grids of a layer's activations, for one that has an integer arithmetic.

    Raises:
        UnsupportedError: it has none; says why.
    """
    if layer.op_type not in KNOWN:
        raise UnsupportedError(
            f"{layer.op_type} has no integer kernel: it is computed in float.",
            f"Look at a {', '.join(KNOWN[:-1])} or {KNOWN[-1]}.",
        )
    weight = grids.weights.get(layer.name)
    read = [grids.at(tensor, layer.name) for tensor in layer.activations]
    found = tuple(grid for grid in read if grid is not None)
    if len(found) < len(read) or (layer.weight is not None and weight is None):
        raise UnsupportedError(
            f"{layer.name} is computed in float: {_what_is_float(layer, found, weight)}.",
            "Quantize both its weights and its activations.",
        )
    if any(grid.table is not None for grid in (*found, *([weight] if weight else []))):
        raise UnsupportedError(
            f"{layer.name} reads codes of levels that are not evenly spaced: they are places in a "
            "table, and no numbers to multiply.",
            "Choose integers for its weights and activations.",
        )
    if weight is not None and weight.block:
        raise UnsupportedError(
            f"The weights of {layer.name} have a scale for each block, so there is no one sum.",
            "Choose a scale per tensor or channel.",
        )
    return found


def _what_is_float(layer: Layer, read: Sequence[QParams], weight: QParams | None) -> str:
    both = len(read) < len(layer.activations) and layer.weight is not None and weight is None
    if both:
        return "nothing of it is quantized"
    if layer.weight is not None and weight is None:
        return "its weights are not quantized"
    return "not all of its activations are quantized"


# All of it ----------------------------------------------------------------------------------------


def pipeline_of(placement: Placement, grids: Grids, name: str, constant: Constants) -> Pipeline:
    """The integer arithmetic of a layer.

    Args:
        placement: the sites of the graph.
        grids: the numbers of the choice.
        name: the layer.
        constant: gives its weight and bias.

    Raises:
        UnsupportedError: it has none; says why.

    Cost: some passes over its weight.
    """
    layer = placement.graph.layer(name)
    reads = integer_reads(layer, grids)
    weight = grids.weights.get(name)
    units = np.prod([np.float32(grid.scale) for grid in reads], dtype=np.float32).reshape(1)
    if weight is not None:
        _check_axis(layer, weight)
        units = np.asarray(units * weight.scale.reshape(-1), np.float32)
    sums = (
        None if weight is None else _sums(layer, whole_steps(constant(layer.weight or ""), weight))
    )
    bias, codes = _bias(layer, grids, constant, units)
    output = written_grid(placement, grids, layer)
    folded = () if output is None else placement.foldable(layer.output)
    return Pipeline(
        name,
        layer.op_type,
        reads,
        weight,
        depth_of(placement, layer),
        _reach(placement, layer, reads, sums, codes),
        units,
        bias,
        _offsets(reads[0], sums),
        tuple(node.op_type for node in folded),
        output,
        None if output is None else _requantization(units, output),
        sums_in_integers(layer, grids),
    )


def depth_of(placement: Placement, layer: Layer) -> int | None:
    """How many products a sum has, the border of a Conv counted; None where it is not known."""
    shape = layer.weight_shape
    if shape is not None:
        return int(np.prod([shape[axis] for axis in _summed_axes(layer, len(shape))]))
    left = placement.graph.tensors[layer.activations[0]].shape
    if not left:
        return None
    turned = bool(placement.graph.node(layer.name).attributes.get("transA", 0))
    depth = left[0] if layer.op_type == "Gemm" and turned else left[-1]
    return depth if isinstance(depth, int) else None


def _summed_axes(layer: Layer, rank: int) -> tuple[int, ...]:
    """The axes of a weight along which products are added up."""
    if layer.op_type == "Conv":
        return tuple(range(1, rank))
    if layer.op_type == "Gemm":
        return tuple(axis for axis in range(rank) if axis != layer.channel_axis)
    return (rank - 1,) if layer.weight_slot == 0 or rank == 1 else (rank - 2,)


def _check_axis(layer: Layer, grid: QParams) -> None:
    """Weights of one sum have one scale."""
    rank = len(layer.weight_shape or ())
    if grid.axis is None or grid.rows == 1:
        return
    if grid.axis % max(rank, 1) != layer.channel_axis:
        raise UnsupportedError(
            f"The weights of {layer.name} have several scales in each sum, so there is no one sum.",
            "Choose a scale per tensor or output channel.",
        )


def _sums(layer: Layer, steps: Floats) -> tuple[Int64s, Int64s]:
    """Sums of the positive and of the negative weights of each sum, in stacks of channels."""
    axes = _summed_axes(layer, steps.ndim)
    total = steps.sum(axis=axes, dtype=np.float64)
    size = np.abs(steps).sum(axis=axes, dtype=np.float64)
    found = ((size + total) / 2, (total - size) / 2)  # whole, and exact below 2^53
    channels = 1 if layer.channel_axis is None else steps.shape[layer.channel_axis]
    positive, negative = (np.rint(one).astype(np.int64).reshape(-1, channels) for one in found)
    return positive, negative


def _reach(
    placement: Placement,
    layer: Layer,
    reads: Sequence[QParams],
    sums: tuple[Int64s, Int64s] | None,
    bias: tuple[Int64s, Int64s],
) -> Reach | None:
    ends = [_step_ends(grid) for grid in reads]
    if sums is not None:
        found = reach_of_sums(*sums, ends[0], bias)
        return Reach(found.lowest.min(axis=0), found.highest.max(axis=0))
    depth = depth_of(placement, layer)
    if depth is None:
        return None
    products = [a * b for a in ends[0] for b in ends[1]]
    lowest, highest = (np.array([depth * end]) for end in (min(products), max(products)))
    return Reach(lowest + np.minimum(bias[0], 0), highest + np.maximum(bias[1], 0))


def _step_ends(grid: QParams) -> tuple[int, int]:
    zero = int(grid.zero_point)
    return grid.qmin - zero, grid.qmax - zero


def _offsets(read: QParams, sums: tuple[Int64s, Int64s] | None) -> tuple[int, int]:
    zero = int(read.zero_point)
    if sums is None or not sums[0].size:
        return 0, 0
    found = -zero * (sums[0] + sums[1])
    return int(found.min()), int(found.max())


def _requantization(units: Floats, output: QParams) -> Requantization:
    multipliers = np.asarray(units / np.float32(output.scale), np.float32)
    return Requantization(multipliers, *quantize_multiplier(multipliers))


# The bias -----------------------------------------------------------------------------------------


def _bias_table(layer: Layer, values: Floats, channels: int) -> Floats:
    """Every value that an output channel may get as its bias, shape (rows, channels)."""
    table = values.reshape(1, -1) if layer.op_type == "Conv" else np.atleast_2d(values)
    if layer.weight_slot == 0:  # output channels are the rows of what Gemm adds
        table = table.T
    return np.broadcast_to(table, (len(table), channels))


def _bias(
    layer: Layer, grids: Grids, constant: Constants, units: Floats
) -> tuple[BiasCost | None, tuple[Int64s, Int64s]]:
    """What the bias costs, and its lowest and highest code for each channel."""
    none = np.zeros(1, np.int64)
    if layer.bias is None:
        return None, (none, none)
    stored = grids.bias_scales.get(layer.name)
    scales = units if stored is None else stored.reshape(-1)
    values = np.asarray(constant(layer.bias), np.float32)
    if layer.weight_shape is None:
        values = values.reshape(-1, 1)
    else:
        values = _bias_table(layer, values, layer.weight_shape[layer.channel_axis or 0])
    codes = np.stack([quantize_bias(row, scales) for row in values]).astype(np.int64)
    real = values.astype(np.float64)
    errors = codes * scales.astype(np.float64) - real
    widened = np.abs(codes).max(axis=0) >= BIAS_LIMIT * (1 - 1e-6)
    per_scale = widened.any(keepdims=True) if len(scales) == 1 else widened
    cost = BiasCost(
        int(codes.min()),
        int(codes.max()),
        float(np.abs(errors).max()),
        float(decibels((real**2).sum(), (errors**2).sum())),
        int(per_scale.sum()) if stored is not None else 0,
        stored is not None,
    )
    return cost, (codes.min(axis=0), codes.max(axis=0))
