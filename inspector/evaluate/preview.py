"""The whole model with today's choices, without rebuilding anything."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.cache import ByteCache, CachePool
from inspector.evaluate.runtime import open_session
from inspector.graph.grids import Grids, identity, quantize_bias
from inspector.graph.model import Layer
from inspector.graph.pipeline import written_grid
from inspector.graph.placement import Placement, clip_ends
from inspector.graph.recurrent import CELL
from inspector.onnxio.byte_kernels import KernelInputs, idle_numbers, working_numbers
from inspector.onnxio.dynamic_lstm import idle_lstm, working_lstm
from inspector.onnxio.float8 import is_float8, rounding_numbers
from inspector.onnxio.loading import Model
from inspector.onnxio.simulation import LayerInputs, Simulation, simulate
from inspector.onnxio.storage import storage_of
from inspector.progress import Cancel
from inspector.quant.kernels import fake_quantize, whole_steps
from inspector.quant.qparams import QParams

_PASS = np.float32(2.0**-60)
"""So small a power of two that dividing by it, rounding and multiplying back changes no float of
magnitude above 2^-37, and others by less than 2^-60: the way to switch a quantizer off."""

_PASS_BOTH = np.float32(2.0**-44)
"""The same for a product of two activations, which would overflow with steps so small: sums of
products may reach 2^40."""

Numbers = dict[str, NDArray[Any]]

Written = Mapping[tuple[str, bytes], NDArray[Any]]
"""Weights that are put on a grid in the place of the float ones, by layer and `identity` of the
grid: what a method that rounds weights chose for it."""


class Preview:
    """One session that predicts any choice for any layer in one forward pass.

    Weights that a choice quantizes are computed when first asked for and kept until their grid
    changes, so that a change of one layer costs that layer. Not safe to use from two threads at
    once.

    Cost: the session holds no weights; the quantized ones take as much memory as the model.
    """

    def __init__(
        self,
        model: Model,
        placement: Placement,
        *,
        threads: int = 0,
        float8: bool = False,
        held: ByteCache | None = None,
        dynamic: bool = False,
        written: Written | None = None,
    ) -> None:
        """Builds the session.

        Args:
            model: the prepared model, in opset 13 or later.
            placement: the sites of its graph.
            threads: threads within an operator; 0 means one for every core.
            float8: whether activations may be float8 (`has_float8`), which costs a little.
            held: where quantized weights are kept; without a bound by default.
            dynamic: follow plans that find grids when the model runs. Without it the activations of
                such layers stay float.
            written: weights to round in the place of the model's; none by default.

        Raises:
            RunError: onnxruntime refuses the model.
        """
        self.float8 = float8
        self.dynamic = dynamic
        self._model = model
        self._written = written or {}
        self._placement = placement
        self._layers = {layer.name: layer for layer in placement.graph.layers}
        self._simulation = simulate(model, placement, float8=float8, dynamic=dynamic)
        title = str(model.path or "the model")
        self._session = open_session(self._simulation.runnable, threads=threads, title=title)
        if held is None:
            held = CachePool(sys.maxsize).section("Quantized weights")
        self._held = held

    @classmethod
    def suiting(
        cls,
        grids: Grids,
        model: Model,
        placement: Placement,
        *,
        threads: int = 0,
        written: Written | None = None,
    ) -> Preview:
        """One that can follow these grids; see the class."""
        dynamic = bool(grids.plan.dynamic)
        float8 = has_float8(grids)
        return cls(
            model, placement, threads=threads, float8=float8, dynamic=dynamic, written=written
        )

    def suits(self, grids: Grids) -> bool:
        """Whether it can follow these grids, and is not slower than one that can would be."""
        enough = self.float8 or not has_float8(grids)
        return enough and self.dynamic == bool(grids.plan.dynamic)

    @property
    def simulation(self) -> Simulation:
        """What is run."""
        return self._simulation

    @property
    def placement(self) -> Placement:
        """The sites of its graph."""
        return self._placement

    def run(
        self,
        grids: Grids,
        feeds: Mapping[str, NDArray[Any]],
        cancel: Cancel | None = None,
    ) -> dict[str, NDArray[Any]]:
        """The model's outputs for one sample under these grids.

        Raises:
            RunError: onnxruntime failed.
            CancelledError: `cancel` said so.
        """
        return on_output_grids(self.run_with(self.numbers(grids), feeds, cancel), grids)

    def run_with(
        self,
        numbers: Numbers,
        feeds: Mapping[str, NDArray[Any]],
        cancel: Cancel | None = None,
    ) -> dict[str, NDArray[Any]]:
        """The same with numbers found before; safe to call from several threads at once.

        Args:
            numbers: of `numbers`.
            feeds: one sample.
            cancel: asked while the model runs.

        Raises:
            RunError: onnxruntime failed.
            CancelledError: `cancel` said so.
        """
        return self._session.run({**feeds, **numbers}, cancel=cancel)

    def numbers(self, grids: Grids) -> Numbers:
        """What the simulation's own inputs take for these grids.

        Raises:
            ValueError: there are float8 activations among them, and this preview has none.
        """
        if has_float8(grids) and not self.float8:
            raise ValueError("this preview was not made for float8 activations")
        values: Numbers = {}
        in_steps: set[str] = set()  # tensors that their layer writes in steps of their grid
        for layer in self._placement.graph.layers:
            inputs = self._simulation.layers[layer.name]
            step = self._output_step(layer, grids) if inputs.unit is not None else None
            if step is not None:
                in_steps.add(self._placement.fused.get(layer.output, layer.output))
            values.update(self._layer_numbers(layer, inputs, grids, step))
        read_in_steps: set[str] = set()  # nodes beside the layers that compute with steps
        for name, kernel in self._simulation.kernels.items():
            found = self._kernel_grids(name, kernel, grids)
            values.update(self._kernel_numbers(name, kernel, found))
            if found is not None:
                in_steps.add(self._end_of(name))
                read_in_steps.add(name)
        for cell, given in self._simulation.lstms.items():
            found_when_run = cell.removesuffix(CELL) in grids.plan.dynamic
            values |= working_lstm(given, grids.weights) if found_when_run else idle_lstm(given)
        for site, names in self._simulation.sites.items():
            grid = grids.at(site.tensor, site.consumer)
            scale, lowest, highest = _site_numbers(grid, self._pass_of(site.consumer))
            values[names.divisor] = _scalar(1.0 if site.tensor in in_steps else scale)
            values[names.lowest], values[names.highest] = lowest, highest
            if names.float8 is not None:
                values.update(rounding_numbers(names.float8, grid))
            if names.switch is not None:
                values[names.switch] = np.asarray(site.consumer in grids.plan.dynamic)
            if names.multiplier is not None:
                is_step = site.consumer in read_in_steps
                values[names.multiplier] = _scalar(1.0) if is_step else scale
        return values

    def output_steps(self, grids: Grids) -> dict[str, float]:
        """Real value of one unit of what a layer writes, for those that write steps of a grid."""
        found: dict[str, float] = {}
        for layer in self._placement.graph.layers:
            if self._simulation.layers[layer.name].unit is not None:
                step = self._output_step(layer, grids)
                if step is not None:
                    found[layer.name] = float(step)
        return found

    def input_step(self, layer: Layer, grids: Grids) -> float:
        """Real value of one unit of the (first) activation that a layer reads."""
        if self._simulation.layers[layer.name].unit is None:
            return 1.0
        grid = grids.at(layer.activations[0], layer.name)
        return float(_pass_scale(layer) if grid is None else grid.scale)

    def _pass_of(self, consumer: str) -> np.float32:
        layer = self._layers.get(consumer)
        return _PASS if layer is None else _pass_scale(layer)

    def _output_step(self, layer: Layer, grids: Grids) -> np.float32 | None:
        """The scale of the grid that a layer's kernel writes codes of; None if it writes floats."""
        written = written_grid(self._placement, grids, layer)
        return None if written is None else np.float32(written.scale)

    def _layer_numbers(
        self, layer: Layer, inputs: LayerInputs, grids: Grids, step: np.float32 | None
    ) -> Numbers:
        values: Numbers = {}
        found = self._is_dynamic(layer, grids)
        unit = _unit(layer, grids, dynamic=found) if inputs.unit is not None else np.float32(1.0)
        if inputs.unit is not None:
            factor = unit if step is None else unit / step
            values[inputs.unit] = _to_shape(factor, layer, inputs.unit_shape)
            values.update(self._clip_numbers(layer.output, inputs.clips, step))
        if inputs.weight is not None and layer.weight is not None:
            values[inputs.weight] = self._weight(layer, layer.weight, grids)
        if inputs.bias is not None and layer.bias is not None:
            values[inputs.bias] = self._bias(layer, layer.bias, grids, unit)
        return values

    def _clip_numbers(
        self, output: str, clips: Sequence[tuple[str, str]], step: np.float32 | None
    ) -> Numbers:
        """The ends of the Clip nodes behind an output, in steps where that is written in steps."""
        values: Numbers = {}
        ends = (
            clip_ends(node, self._model.constant)
            for node in self._placement.foldable(output)
            if node.op_type == "Clip"
        )
        for names, real in zip(clips, ends, strict=True):
            for name, end in zip(names, real, strict=True):
                values[name] = _scalar(end if step is None else np.float32(end) / step)
        return values

    def _end_of(self, name: str) -> str:
        """What a node writes, behind the activations that fold into its range."""
        output = self._placement.graph.node(name).outputs[0]
        return self._placement.fused.get(output, output)

    def _kernel_grids(
        self, name: str, kernel: KernelInputs, grids: Grids
    ) -> tuple[list[QParams], QParams] | None:
        """What a node's byte kernel reads and writes; None where the node runs in floats.

        A width without a type of its own is cut to its range between operator and quantizer, so
        that onnxruntime does not see the two as one; unless an activation follows, before which the
        whole type is written.
        """
        output, end = self._placement.graph.node(name).outputs[0], self._end_of(name)
        point = self._placement.sole_point(grids.plan, end) if end in grids.plan.native else None
        if point is None:
            return None
        written = grids.points[point]
        if output == end and not storage_of(written).holds_exactly(written):
            return None
        reads = [grids.at(tensor, name) for tensor in kernel.reads]
        bytes_read = [grid for grid in reads if grid is not None and storage_of(grid).bits == 8]
        return (bytes_read, written) if len(bytes_read) == len(reads) else None

    def _kernel_numbers(
        self, name: str, kernel: KernelInputs, found: tuple[list[QParams], QParams] | None
    ) -> Numbers:
        output = self._placement.graph.node(name).outputs[0]
        step = None if found is None else np.float32(found[1].scale)
        clips = self._clip_numbers(output, kernel.clips, step)
        return clips | (idle_numbers(kernel) if found is None else working_numbers(kernel, *found))

    def _weight(self, layer: Layer, tensor: str, grids: Grids) -> NDArray[Any]:
        """A weight as the layer computes with it: codes, or real values where those are read."""
        grid = grids.weights.get(layer.name)
        if grid is None:
            return self._model.constant(tensor)
        dynamic = self._is_dynamic(layer, grids)
        key = identity(grid) + bytes([dynamic or layer.name in grids.plan.integer])
        held: tuple[bytes, NDArray[Any]] | None = self._held.get((layer.name, tensor))
        if held is not None and held[0] == key:
            return held[1]
        values = self._written.get((layer.name, identity(grid)))
        values = self._model.constant(tensor) if values is None else values
        values = whole_steps(values, grid) if dynamic else weight_input(layer, values, grids)
        self._held.put((layer.name, tensor), (key, values))
        return values

    def _is_dynamic(self, layer: Layer, grids: Grids) -> bool:
        return self.dynamic and layer.name in grids.plan.dynamic

    def _bias(self, layer: Layer, tensor: str, grids: Grids, unit: Any) -> NDArray[Any]:
        """A bias in the units of the layer's sums."""
        values = self._model.constant(tensor)
        scale = grids.bias_scales.get(layer.name)
        if scale is not None and layer.name in grids.plan.integer:
            codes = quantize_bias(values.reshape(-1), scale)
            return codes.astype(np.float32).reshape(values.shape)
        if layer.op_type == "ConvTranspose" and np.ndim(unit):
            unit = np.tile(unit, layer.group)
        return np.asarray(values / unit, np.float32)


def on_output_grids(outputs: Mapping[str, NDArray[Any]], grids: Grids) -> Numbers:
    """Outputs as a file gives them that gives integers; others as they are.

    Args:
        outputs: of `Preview.run_with`.
        grids: what they were computed with.
    """
    found = dict(outputs)
    for name, grid in grids.outputs.items():
        found[name] = fake_quantize(found[name], grid)
    return found


def weight_input(layer: Layer, values: NDArray[Any], grids: Grids) -> NDArray[Any]:
    """What the simulation takes for a weight: whole codes, or real values where those are read.

    Args:
        layer: whose weight.
        values: real values.
        grids: the numbers of the choice; the weight is rounded to its grid, if it has one.
    """
    grid = grids.weights.get(layer.name)
    if grid is None:
        return values
    whole = layer.name in grids.plan.integer
    return whole_steps(values, grid) if whole else fake_quantize(values, grid)


def has_float8(grids: Grids) -> bool:
    """Whether activations are float8."""
    return any(is_float8(grid) for grid in grids.points)


def _pass_scale(layer: Layer) -> np.float32:
    return _PASS if len(layer.activations) == 1 else _PASS_BOTH


def _unit(layer: Layer, grids: Grids, *, dynamic: bool) -> Any:
    """Real value of one unit of a layer's sums, float32 of shape () or (channels,)."""
    unit: Any = np.float32(1.0)
    if dynamic:
        return unit * grids.weights[layer.name].scale
    for name in layer.activations:
        grid = grids.at(name, layer.name)
        unit = unit * (_pass_scale(layer) if grid is None else np.float32(grid.scale))
    if layer.name in grids.plan.integer:
        unit = unit * grids.weights[layer.name].scale
    return unit


def _to_shape(unit: Any, layer: Layer, shape: tuple[int, ...]) -> NDArray[np.float32]:
    unit = np.asarray(unit, np.float32)
    if unit.ndim and layer.op_type == "ConvTranspose":
        unit = np.tile(unit, layer.group)
    if unit.ndim:
        return np.ascontiguousarray(unit.reshape(shape))
    return np.full(shape, unit, np.float32)


def _site_numbers(
    grid: QParams | None, passing: np.float32
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """(scale, lowest step, highest step) of a site; without a grid values pass."""
    if grid is None:
        return _scalar(passing), _scalar(-np.inf), _scalar(np.inf)
    zero = int(grid.zero_point)
    if grid.table is not None:
        return _scalar(grid.scale), _scalar(grid.table.steps[0]), _scalar(grid.table.top)
    return _scalar(grid.scale), _scalar(grid.qmin - zero), _scalar(grid.qmax - zero)


def _scalar(value: Any) -> NDArray[np.float32]:
    return np.asarray(value, np.float32).reshape(())
