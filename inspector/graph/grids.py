"""The numbers of a plan: scale and zero point of every point, weight and bias."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.cache import ByteCache, CachePool
from inspector.errors import CancelledError, DataError
from inspector.graph.activations import activation_behind
from inspector.graph.model import Graph, Layer
from inspector.graph.placement import Plan, Point, Site
from inspector.graph.roles import added_bias
from inspector.graph.sharing import share_grids
from inspector.quant.behind import range_behind
from inspector.quant.distribution import Histogram
from inspector.quant.grid import RealRange, power_of_two
from inspector.quant.pin import BIAS
from inspector.quant.qparams import (
    QParams,
    choose_qparams,
    pinned_qparams,
    qparams_from_range,
    weight_qparams,
)
from inspector.quant.spec import Granularity, QuantSpec, RangeMethod

BIAS_LIMIT = 2**30
"""Largest code that a bias is given: half of int32, so that the accumulator has room left."""

Constants = Callable[[str], NDArray[Any]]
"""Gives the values of a constant tensor by its name."""


@dataclass(frozen=True, slots=True)
class Grids:
    """Every grid of one plan.

    Attributes:
        plan: what is quantized.
        points: scale and zero point of each of the plan's points.
        weights: the same of each quantized weight, by layer.
        bias_scales: real value of one step of the int32 bias, shape () or (channels,), by layer;
            for layers that run as integer kernels and have a bias.
        outputs: grids of outputs that the plan leaves in float, where the file is to give integers.
    """

    plan: Plan
    points: tuple[QParams, ...]
    weights: Mapping[str, QParams]
    bias_scales: Mapping[str, NDArray[np.float32]]
    outputs: Mapping[str, QParams] = field(default_factory=dict)

    def at(self, tensor: str, consumer: str) -> QParams | None:
        """The grid on which a consumer reads a tensor; None where it reads floats."""
        index = self.plan.sites.get(Site(tensor, consumer))
        return None if index is None else self.points[index]


class GridChooser:
    """Chooses the numbers of plans of one graph, and remembers what it chose for each part.

    A change of one layer then costs that layer. Not safe to use from two threads at once.

    Args:
        graph: the graph of the plans.
        constant: gives a constant's values; read once for each quantized weight and its bias.
        distributions: what calibration gathered, by tensor.
        known: where grids are kept; without a bound by default.
    """

    def __init__(
        self,
        graph: Graph,
        constant: Constants,
        distributions: Mapping[str, Histogram],
        known: ByteCache | None = None,
    ) -> None:
        """Starts with nothing chosen."""
        self._graph = graph
        self._constant = constant
        self._distributions = distributions
        self._known = CachePool(sys.maxsize).section("Grids") if known is None else known

    def choose(self, plan: Plan, cancel: Callable[[], bool] | None = None) -> Grids:
        """All numbers of a plan; what was chosen before a cancel is remembered all the same.

        Raises:
            DataError: a tensor of the plan was not measured, or a weight holds no numbers.
            CancelledError: `cancel` said so.

        Cost: one pass over each new weight for minmax, a sort of it for other methods; some
        milliseconds for each new point.
        """
        points = self._point_grids(plan, cancel)
        weights: dict[str, QParams] = {}
        bias_scales: dict[str, NDArray[np.float32]] = {}
        for name, spec in plan.weights.items():
            _stop_if(cancel)
            layer = self._graph.layer(name)
            grid: QParams | None = self._known.get((name, spec))
            if grid is None:
                grid = weight_grid(layer, spec, self._constant)
                self._known.put((name, spec), grid)
            weights[name] = grid
            if name in plan.as_given:
                if (scale := _given_bias_scale(plan, layer)) is not None:
                    bias_scales[name] = scale
            elif name in plan.integer and (bias := self._bias(layer)) is not None:
                source = points[plan.sites[Site(layer.activations[0], name)]]
                if spec.exact_pin is None:
                    weights[name] = make_room_for_bias(
                        weights[name], bias, float(source.scale), pow2=spec.pow2
                    )
                if layer.bias is not None:
                    bias_scales[name] = np.asarray(source.scale * weights[name].scale, np.float32)
        return Grids(plan, points, weights, bias_scales)

    def _bias(self, layer: Layer) -> NDArray[np.float64] | None:
        """What runtimes add to a layer's sums in int32, shape (channels,); None where nothing."""
        if layer.bias is not None:
            return np.asarray(self._constant(layer.bias), np.float64).reshape(-1)
        added = added_bias(self._graph, layer)
        if added is None or layer.weight_shape is None or layer.channel_axis is None:
            return None
        values = np.asarray(self._constant(added.constant), np.float64)
        per_channel = values.shape == (layer.weight_shape[layer.channel_axis],)
        return values if per_channel and layer.weight_slot == 1 else None

    def _point_grids(self, plan: Plan, cancel: Callable[[], bool] | None) -> tuple[QParams, ...]:
        """The grid of each point from the values of its tensors, seen as one tensor.

        Where an activation function is all that reads a tensor, its mse range is the one with the
        least error behind that function.
        """
        found: list[QParams] = []
        for point in plan.points:
            grid: QParams | None = self._known.get(point)
            if grid is None:
                _stop_if(cancel)
                pin = point.spec.exact_pin
                if pin is not None:  # no values are needed
                    grid = pinned_qparams(pin)
                else:
                    values = point_distribution(point, self._distributions)
                    grid = activation_grid(values, point.spec)
                self._known.put(point, grid)
            found.append(grid)
        points_of: dict[str, set[int]] = {}
        for site, number in plan.sites.items():
            points_of.setdefault(site.tensor, set()).add(number)
        for index, point in enumerate(plan.points):
            if len(point.tensors) == 1 and point.spec.range == RangeMethod("mse"):
                _stop_if(cancel)
                self._judge_behind(plan, index, found, points_of)
        return share_grids(self._graph, plan, found)

    def _judge_behind(
        self, plan: Plan, index: int, grids: list[QParams], points_of: Mapping[str, set[int]]
    ) -> None:
        """Replaces a point's grid, and that behind its activation if sharing it is best."""
        point = plan.points[index]
        activation = activation_behind(self._graph, point.tensors[0])
        if activation is None:
            return
        outputs = points_of.get(activation.output, set())
        behind = next(iter(outputs)) if len(outputs) == 1 else None
        key = (point, None if behind is None else plan.points[behind])
        judged: tuple[QParams, bool] | None = self._known.get(key)
        if judged is None:
            best = range_behind(
                point_distribution(point, self._distributions),
                point.spec,
                activation.function,
                None if behind is None else grids[behind],
                _whole_range(grids[index]),
                may_share=key[1] == Point(point.spec, (activation.output,)),
            )
            grid = _as_stored(qparams_from_range(best.before, point.spec), point.spec)
            judged = grid, best.shared
            self._known.put(key, judged)
        grids[index], shared = judged
        if shared and behind is not None:
            grids[behind] = grids[index]


def choose_grids(
    graph: Graph, plan: Plan, constant: Constants, distributions: Mapping[str, Histogram]
) -> Grids:
    """All numbers of one plan; see `GridChooser`."""
    return GridChooser(graph, constant, distributions).choose(plan)


def _given_bias_scale(plan: Plan, layer: Layer) -> NDArray[np.float32] | None:
    """The scale of a bias that an opened file holds in int32."""
    pin = None if plan.pins is None else plan.pins.of(layer.bias)
    return None if pin is None or pin.dtype != BIAS else pin.scale


def _stop_if(cancel: Callable[[], bool] | None) -> None:
    if cancel is not None and cancel():
        raise CancelledError


def _whole_range(grid: QParams) -> RealRange:
    lo, hi = (np.atleast_1d(end).astype(np.float64) for end in (grid.lo, grid.hi))
    return RealRange(lo, hi)


def weight_grid(layer: Layer, spec: QuantSpec, constant: Constants) -> QParams:
    """The grid of a layer's weight under a filled spec; a vector counts as one channel."""
    assert layer.weight is not None
    spec = weight_spec(layer, spec)
    values = constant(layer.weight)
    if spec.is_cast:
        require_holdable(values, spec, layer.name)
    grid = weight_qparams(values, spec, operator_axis(layer), layer.weight)
    if grid.block and grid.scale.size == 1:
        # One block is the whole tensor; onnxruntime wants it to be called that.
        one = grid.scale.reshape(()), grid.zero_point.reshape(())
        return QParams(*one, grid.qmin, grid.qmax, table=grid.table)
    return grid


def require_holdable(values: NDArray[Any], spec: QuantSpec, layer: str) -> None:
    """Refuse weights that a shorter float type cannot hold.

    Raises:
        DataError: one of them is beyond the type's largest number; the layer is named.

    Cost: one pass over the values.
    """
    table = spec.table
    if table is None or not values.size:
        return
    reach = float(np.abs(values).max())
    if reach > table.top:
        raise DataError(
            f"Layer {layer!r}: its weights reach {reach:.6g}, and {spec.dtype} ends at "
            f"{table.top:.6g}.",
            "Choose bfloat16 or float for it." if spec.dtype == "float16" else "Choose float.",
        )


def weight_spec(layer: Layer, spec: QuantSpec) -> QuantSpec:
    """A filled spec as a layer's weight can follow it: a vector has one channel, the tensor."""
    if layer.channel_axis is None and spec.granularity == Granularity("channel"):
        return replace(spec, granularity=Granularity("tensor"))
    return spec


def operator_axis(layer: Layer) -> int | None:
    """A weight's axis of output channels as `weight_qparams` takes it: -2 for a left operand."""
    if layer.op_type == "MatMul" and layer.weight_slot == 0 and layer.channel_axis is not None:
        return -2
    return layer.channel_axis


def point_distribution(point: Point, distributions: Mapping[str, Histogram]) -> Histogram:
    """What is known of the values that share a point's grid.

    Raises:
        DataError: a tensor was not measured.
    """
    found: Histogram | None = None
    for name in point.tensors:
        one = distributions.get(name)
        if one is None:
            raise DataError(
                f"The calibration holds no values of the tensor {name!r}.",
                "Calibrate this model again.",
            )
        found = one if found is None else found.merge(one)
    assert found is not None
    return found


def activation_grid(distribution: Histogram, spec: QuantSpec) -> QParams:
    """The grid of an activation under a filled spec, judged by its own values."""
    return _as_stored(choose_qparams(distribution, spec), spec)


def _as_stored(grid: QParams, spec: QuantSpec) -> QParams:
    """An activation's grid with the codes of the type that it is stored in.

    A type that ONNX has saturates at its own ends, so a symmetric grid of such a width keeps its
    lowest code too: what the file does is what is computed here.
    """
    if spec.is_affine and spec.signed and spec.bits in {2, 4, 8, 16}:
        return replace(grid, qmin=-(1 << (spec.bits - 1)))
    return grid


def make_room_for_bias(
    grid: QParams, bias: NDArray[np.float64], source_scale: float, *, pow2: bool = False
) -> QParams:
    """Widens weight scales where the bias would not fit into int32 at source_scale * scale.

    Nearly dead channels have tiny weights and an ordinary bias. A coarser scale costs their weights
    next to nothing, where a clipped bias would shift the whole channel. For a channel of zeros any
    scale is exact, so it gets the one that holds its bias best.

    Args:
        grid: the weight's grid, per tensor or per output channel.
        bias: shape (channels,).
        source_scale: scale of the layer's input.
        pow2: the scales are powers of two, and stay so.
    """
    needed = np.abs(bias) / (source_scale * BIAS_LIMIT)
    if grid.scale.ndim == 0:
        needed = np.asarray(needed.max(initial=0.0))
    scale = np.maximum(grid.scale, needed.astype(np.float32))
    if pow2:
        scale = power_of_two(scale, grid.qmax - grid.qmin)
    return replace(grid, scale=scale.astype(np.float32))


def quantize_bias(bias: NDArray[Any], scale: NDArray[np.float32]) -> NDArray[np.int32]:
    """int32 codes of a bias, shape (channels,), at a scale of shape () or (channels,)."""
    codes = np.rint(np.asarray(bias, np.float64) / scale.astype(np.float64))
    limit = np.iinfo(np.int32)
    return np.clip(codes, limit.min, limit.max).astype(np.int32)


def identity(grid: QParams) -> bytes:
    """A key that equal grids share, for caches of what was computed on a grid."""
    table = "" if grid.table is None else grid.table.name
    shape = repr((grid.scale.shape, grid.qmin, grid.qmax, grid.axis, grid.block, table)).encode()
    return shape + grid.scale.tobytes() + grid.zero_point.tobytes()
