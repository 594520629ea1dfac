"""The integer arithmetic of one output element, worked through with real values.

A layer of 8-bit operands adds up products of whole steps (codes less their zero points) in int32,
adds the bias in the same unit, multiplies by the ratio of scales, rounds, adds the output's zero
point and clamps (Jacob et al. 2018, arXiv:1712.05877, equations 4 to 7). The same steps as the
simulation and the written file take are laid out here, one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.errors import UnsupportedError
from inspector.evaluate.layer_errors import LayerErrors, LayerRequest, LayerValues
from inspector.evaluate.operands import operands
from inspector.evaluate.samples import Feeds
from inspector.graph.grids import Grids, quantize_bias
from inspector.graph.model import Layer, Node
from inspector.graph.pipeline import integer_reads, sums_in_integers, written_grid
from inspector.graph.placement import Placement, clip_ends
from inspector.onnxio.loading import Model
from inspector.progress import Cancel
from inspector.quant.fixed_point import row_of
from inspector.quant.kernels import whole_steps
from inspector.quant.qparams import QParams
from inspector.quant.requantize import quantize_multiplier, requantize_integer

MOST_TERMS = 8
"""So many products are laid out; the others only count."""


@dataclass(frozen=True, slots=True)
class Term:
    """One product.

    Attributes:
        left: code of the activation.
        right: code of the weight, or of the second activation.
        product: of both, less their zero points.
    """

    left: int
    right: int
    product: int


@dataclass(frozen=True, slots=True)
class CrossTerms:
    """The same sum of products as hardware has it that multiplies codes as they are.

    sum((a - za)(w - zw)) = raw - zw * left_sum - za * right_sum + count * za * zw
    (Jacob et al., equation 7).

    Attributes:
        raw: sum of the products of codes.
        left_sum: sum of the codes of the activation; wanted where zw is not 0.
        right_sum: sum of the codes of the weight; the same for every input.
        left: -zw * left_sum, to be found while the model runs.
        right: -za * right_sum, known beforehand where that is a weight.
        both: count * za * zw, known beforehand.
    """

    raw: int
    left_sum: int
    right_sum: int
    left: int
    right: int
    both: int


@dataclass(frozen=True, slots=True)
class Requantized:
    """From the accumulator to the code that is written.

    Attributes:
        scale: of the output's grid.
        zero_point: of the output's grid.
        multiplier: ratio of scales: unit of the accumulator over scale of the output, float32.
        whole: the same as an int32: multiplier = whole * 2^(shift - 31).
        shift: see `whole`.
        scaled: accumulator times multiplier, float32.
        folded: the same behind the activations that fold into the kernel (Relu, Clip).
        code: rounded, with the zero point, clamped.
        integer_code: what integers alone give: rounding high multiply and rounding shift.
        real: what the code stands for.
    """

    scale: float
    zero_point: int
    multiplier: float
    whole: int
    shift: int
    scaled: float
    folded: float
    code: int
    integer_code: int
    real: float


@dataclass(frozen=True, slots=True)
class Worked:
    """One output element.

    Attributes:
        layer: name of the layer.
        index: of the element in the output.
        shape: of the output.
        left: grid of the activation.
        right: grid of the weight for this element, or of the second activation.
        terms: the first products.
        count: how many products there are.
        padded: how many more would be there but for the border of zeros, which adds nothing.
        products: sum of all products.
        cross: the same sum from codes as they are.
        bias: code of the bias, in the unit of the products; None where there is none.
        accumulator: int32: products and bias.
        unit: real value of 1 in the accumulator: the product of both scales, float32.
        requantized: the rest of the way; None for a kernel that writes floats.
        activation: the activations that fold into the kernel, "Relu"; empty where none do.
        real: the result.
        simulated: the simulation's value of the element before it is rounded, in real units.
        expected: the float model's value, behind the same activations.
        seen: the lowest and the highest accumulator of the whole output for this sample; beyond
            2^24 as exact as float32 is.
        is_exact: the file computes this very sum in integers; otherwise it computes the layer in
            floats, and this is what a target with such integers would do.
    """

    layer: str
    index: tuple[int, ...]
    shape: tuple[int, ...]
    left: QParams
    right: QParams
    terms: tuple[Term, ...]
    count: int
    padded: int
    products: int
    cross: CrossTerms
    bias: int | None
    accumulator: int
    unit: float
    requantized: Requantized | None
    activation: str
    real: float
    simulated: float
    expected: float
    seen: tuple[int, int]
    is_exact: bool


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What a layer is worked through with.

    Attributes:
        model: the prepared model.
        placement: its sites.
        grids: the numbers of the choice.
        request: the same for the simulation.
        errors: runs it.
    """

    model: Model
    placement: Placement
    grids: Grids
    request: LayerRequest
    errors: LayerErrors


def work_through(
    bench: Bench,
    name: str,
    feeds: Feeds,
    index: Sequence[int] | None = None,
    cancel: Cancel | None = None,
) -> Worked:
    """Lay out how one element of a layer's output comes about.

    Args:
        bench: the choice, and what runs it.
        name: the layer.
        feeds: the sample.
        index: of the element; by default one in the middle.
        cancel: asked while the model runs.

    Raises:
        UnsupportedError: the layer has no integer arithmetic, or no such element.
        RunError: onnxruntime failed.
        CancelledError: `cancel` said so.

    Cost: two forward passes.
    """
    layer = bench.placement.graph.layer(name)
    integer_reads(layer, bench.grids)
    values = bench.errors.values(bench.request, name, feeds, cancel)
    if values is None:
        raise UnsupportedError(f"{name} is computed in float.", "Quantize what enters it.")
    place = _place(values.output.shape, index)
    return _Work(bench, layer, values, place).run()


def _place(shape: tuple[int, ...], index: Sequence[int] | None) -> tuple[int, ...]:
    if 0 in shape:
        raise UnsupportedError("The output of this layer is empty.")
    if index is None:
        return tuple(size // 2 for size in shape)
    fits = len(index) == len(shape)
    if not fits or not all(0 <= at < size for at, size in zip(index, shape, strict=True)):
        ends = ", ".join(str(size - 1) for size in shape)
        raise UnsupportedError(
            f"There is no element {', '.join(map(str, index))} in the output.",
            f"Give {len(shape)} numbers from 0 to at most {ends}.",
        )
    return tuple(index)


class _Work:
    def __init__(
        self, bench: Bench, layer: Layer, values: LayerValues, index: tuple[int, ...]
    ) -> None:
        self._bench, self._layer, self._values, self._index = bench, layer, values, index

    def run(self) -> Worked:
        layer, bench = self._layer, self._bench
        first, second = self._operand_steps()
        node = bench.placement.graph.node(layer.name)
        left, right, padded = operands(
            node, first[0].shape, second[0].shape, self._index, layer.group
        )
        if layer.weight_slot == 0:  # the activation is the right operand
            left, right = right, left
            first, second = second, first
        a, b = first[0].reshape(-1)[left], second[0].reshape(-1)[right]
        row = self._row(second[1], right, second[0].shape)
        grids = first[1], row
        products = a.astype(np.int64) * b.astype(np.int64)
        total = int(products.sum())
        unit = np.float32(first[1].scale) * np.float32(row.scale)
        bias = self._bias(row, float(unit))
        accumulator = total + (bias or 0)
        step = bench.request.steps.get(layer.name)
        requantized = None if step is None else self._requantize(accumulator, unit, step)
        real = self._fold(float(np.float32(accumulator) * unit), 1.0)
        output = float(self._values.output[self._index])
        return Worked(
            layer.name,
            self._index,
            self._values.output.shape,
            *grids,
            _terms(a, b, *grids),
            len(a),
            padded,
            total,
            _cross(a, b, *grids),
            bias,
            accumulator,
            float(unit),
            requantized,
            " and ".join(node.op_type for node in self._folded()),
            real if requantized is None else requantized.real,
            output if step is None else float(np.float32(output) * np.float32(step)),
            self._fold(float(self._values.expected[self._index]), 1.0),
            self._seen(float(first[1].scale), second[1], step),
            sums_in_integers(layer, bench.grids),
        )

    def _seen(self, scale: float, weight: QParams, step: float | None) -> tuple[int, int]:
        output = self._values.output.astype(np.float64)
        units = scale * weight.scale.reshape(-1).astype(np.float64)
        if len(units) > 1:  # along the output channels
            behind = output.ndim - 2 if self._layer.op_type == "Conv" else 0
            behind = 1 if self._layer.weight_slot == 0 else behind
            units = units.reshape(-1, *[1] * behind)
        sums = np.rint(output * (1.0 if step is None else step) / units)
        return int(sums.min()), int(sums.max())

    def _operand_steps(self) -> list[tuple[NDArray[np.float32], QParams]]:
        """Steps and grid of both operands, in the order of the node's inputs."""
        layer, grids = self._layer, self._bench.grids
        found = list(zip(self._values.reads, integer_reads(layer, grids), strict=True))
        if layer.weight is not None:
            grid = grids.weights[layer.name]
            steps = whole_steps(self._bench.model.constant(layer.weight), grid, layer.weight)
            found.insert(layer.weight_slot or 0, (steps, grid))
        return found

    @staticmethod
    def _row(grid: QParams, flat: NDArray[np.intp], shape: tuple[int, ...]) -> QParams:
        """The grid that all weights of this element are on."""
        if grid.rows == 1 or not len(flat):
            return row_of(grid, 0)
        places = np.unravel_index(flat, shape)
        rows = np.unique(places[grid.axis or 0])
        if len(rows) > 1:
            raise UnsupportedError(
                "The weights of one sum have different scales, so there is no one sum.",
                "Choose a scale per tensor or output channel.",
            )
        return row_of(grid, int(rows[0]))

    def _bias(self, row: QParams, unit: float) -> int | None:
        layer, bench = self._layer, self._bench
        if layer.bias is None:
            return None
        values = bench.model.constant(layer.bias)
        if layer.op_type == "Conv":
            value = values.reshape(-1)[self._index[1]]
            at = self._index[1]
        else:  # Gemm: broadcast against (rows, columns)
            value = np.broadcast_to(values, self._values.output.shape)[self._index]
            at = self._index[-1]
        scale = bench.grids.bias_scales.get(layer.name)
        if scale is None:
            return int(quantize_bias(np.atleast_1d(value), np.asarray(unit, np.float32))[0])
        scales = np.broadcast_to(scale.reshape(-1), (max(scale.size, at + 1),))
        return int(quantize_bias(np.atleast_1d(value), scales[at])[0])

    def _requantize(self, accumulator: int, unit: np.float32, step: float) -> Requantized:
        grid = written_grid(self._bench.placement, self._bench.grids, self._layer)
        assert grid is not None, "what is written in steps is on a grid"
        zero = int(grid.zero_point)
        multiplier = np.float32(unit / np.float32(step))
        scaled = np.float32(accumulator) * multiplier
        folded = np.float32(self._fold(float(scaled), step))
        lowest, highest = self._ends(step)
        steps = np.clip(np.rint(folded), grid.qmin - zero, grid.qmax - zero)
        whole, shift = quantize_multiplier(float(multiplier))
        low = max(grid.qmin, _code(lowest, zero, grid.qmin))
        high = min(grid.qmax, _code(highest, zero, grid.qmax))
        integer = requantize_integer(accumulator, whole, shift, zero, low, max(low, high))
        return Requantized(
            float(grid.scale),
            zero,
            float(multiplier),
            int(whole),
            int(shift),
            float(scaled),
            float(folded),
            int(steps) + zero,
            int(integer),
            float(np.float32(steps) * np.float32(grid.scale)),
        )

    def _folded(self) -> tuple[Node, ...]:
        """The activations that fold into the kernel; none where it writes floats."""
        if self._layer.name not in self._bench.request.steps:
            return ()
        return self._bench.placement.foldable(self._layer.output)

    def _ends(self, step: float) -> tuple[float, float]:
        """The range that the folded activations leave, in steps."""
        low, high = -np.inf, np.inf
        for node in self._folded():
            ends = (0.0, np.inf)
            if node.op_type == "Clip":
                ends = clip_ends(node, self._bench.model.constant)
            first, last = (np.float32(end) / np.float32(step) for end in ends)
            low, high = (float(np.clip(np.float32(end), first, last)) for end in (low, high))
        return low, high

    def _fold(self, value: float, step: float) -> float:
        """A value behind the folded activations."""
        low, high = self._ends(step)
        return float(np.clip(np.float32(value), np.float32(low), np.float32(high)))


def _code(end: float, zero: int, beyond: int) -> int:
    return int(np.rint(end)) + zero if np.isfinite(end) else beyond


def _terms(
    a: NDArray[np.float32], b: NDArray[np.float32], left: QParams, right: QParams
) -> tuple[Term, ...]:
    first, second = int(left.zero_point), int(right.zero_point)
    return tuple(
        Term(int(x) + first, int(y) + second, int(x) * int(y))
        for x, y in zip(a[:MOST_TERMS], b[:MOST_TERMS], strict=True)
    )


def _cross(
    a: NDArray[np.float32], b: NDArray[np.float32], left: QParams, right: QParams
) -> CrossTerms:
    za, zw, count = int(left.zero_point), int(right.zero_point), len(a)
    first, second = a.astype(np.int64) + za, b.astype(np.int64) + zw
    sums = int(first.sum()), int(second.sum())
    raw = int((first * second).sum())
    return CrossTerms(raw, *sums, -zw * sums[0], -za * sums[1], count * za * zw)
