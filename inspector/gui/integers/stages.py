"""The integer pipeline of a layer in words: what each box of the diagram says. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from inspector.graph.pipeline import Pipeline
from inspector.quant.accumulator import bits_for, headroom_bits
from inspector.quant.fixed_point import code_bits, power_of_two, q_format
from inspector.quant.qparams import QParams
from inspector.report.units import count_text, decibel_text, plural, value_text
from inspector.session.target_profile import Accumulator

Kind = Literal["read", "weight", "sum", "bias", "scale", "write"]

_TIPS: dict[Kind, str] = {
    "read": "What the layer reads: codes, which stand for scale × (code − zero point)",
    "weight": "What it is multiplied with, and the scale and zero point of that",
    "sum": "Products of codes less their zero points are added up in a wide integer.\n"
    "Worst case: every input at the end that is worst for its weight, in any order.\n"
    "Seen: the sums of one sample.",
    "bias": "The bias is added in the unit of the sums: scale of the input × scale of the weight",
    "scale": "Requantizing: the sum times the ratio of scales, which hardware does with an\n"
    "integer multiplier m and a shift: sum × m × 2^(shift − 31)",
    "write": "Rounded, with the output's zero point added, and clamped to its codes",
}


@dataclass(frozen=True, slots=True)
class Gauge:
    """How many bits of an accumulator are used.

    Attributes:
        width: of the accumulator.
        worst: that the worst case needs; None where it is not known.
        seen: that the sums of a sample need; None where none was run.
    """

    width: int
    worst: int | None
    seen: int | None


@dataclass(frozen=True, slots=True)
class Stage:
    """One box.

    Attributes:
        kind: what happens there.
        title: in a few words.
        lines: figures below it.
        tip: what it means.
        gauge: of the accumulator.
        warns: there is something to worry about.
    """

    kind: Kind
    title: str
    lines: tuple[str, ...]
    tip: str
    gauge: Gauge | None = None
    warns: bool = False


def stages(
    pipeline: Pipeline, accumulator: Accumulator, seen: tuple[int, int] | None = None
) -> tuple[Stage, ...]:
    """All boxes, in the order of the arithmetic.

    Args:
        pipeline: of the layer.
        accumulator: of the target.
        seen: lowest and highest sum of a sample; None where none was run.
    """
    found = [_operand("read", "x", pipeline.reads[0])]
    if pipeline.weight is not None:
        found.append(_operand("weight", "w", pipeline.weight))
    else:
        found.append(_operand("weight", "x₂", pipeline.reads[-1]))
    found.append(_sum(pipeline, accumulator, seen))
    if pipeline.bias is not None:
        found.append(_bias(pipeline))
    found.append(_scale(pipeline))
    if pipeline.output is not None:
        found.append(_operand("write", "y", pipeline.output))
    else:
        found.append(Stage("write", "y  float32", ("no reader asks for codes",), _TIPS["write"]))
    return tuple(found)


def type_name(grid: QParams) -> str:
    """int8, uint4, log4."""
    if grid.table is not None:
        return grid.table.name
    signed = grid.qmin < 0
    return f"{'int' if signed else 'uint'}{code_bits(grid.qmin, grid.qmax)}"


def span(values: NDArray[Any] | Sequence[int]) -> str:
    """One figure, or the lowest and the highest."""
    array = np.asarray(values)
    low, high = array.min(), array.max()
    if array.dtype.kind == "i":
        texts = [count_text(int(end)).replace("-", "−") for end in (low, high)]
    else:
        texts = [value_text(float(end)) for end in (low, high)]
    return texts[0] if low == high else f"{texts[0]} … {texts[1]}"


def _operand(kind: Kind, name: str, grid: QParams) -> Stage:
    scales, zeros = grid.scale.reshape(-1), grid.zero_point.reshape(-1)
    title = f"{name}  {type_name(grid)}"
    if len(scales) == 1:
        bits = code_bits(grid.qmin, grid.qmax)
        form = q_format(float(scales[0]), int(zeros[0]), bits, signed=grid.qmin < 0)
        title += f"  {form}" if form else ""
    lines = [f"scale {span(scales)}"]
    if len(scales) > 1:
        ends = [f"{end:.2g}" for end in (scales.min(), scales.max())]
        lines = [plural(len(scales), "scale"), " … ".join(ends)]
    lines.append(f"zero point {span(zeros)}")
    return Stage(kind, title, tuple(lines), _TIPS[kind])


def _sum(pipeline: Pipeline, accumulator: Accumulator, seen: tuple[int, int] | None) -> Stage:
    width, lines, warns = accumulator.bits, list[str](), False
    worst = None
    if pipeline.reach is not None:
        worst = pipeline.reach.bits
        spare = headroom_bits(*pipeline.reach.ends, width)
        over = pipeline.reach.overflowing(width)
        warns = over > 0
        lines.append(f"worst case {span(pipeline.reach.ends)}")
        if over:
            channels = len(pipeline.reach.lowest)
            lines.append(f"{worst} bits: {over} of {plural(channels, 'channel')} may overflow")
        else:
            room = f", {spare:.1f} to spare" if np.isfinite(spare) else ""
            lines.append(f"{worst} of {width} bits{room}")
    if seen is not None:
        lines.append(f"seen ≈ {span(seen)}: {bits_for(*seen)} bits")
    count = "" if pipeline.depth is None else f"  {plural(pipeline.depth, 'product')}"
    tip = f"{_TIPS['sum']}\n{accumulator_text(accumulator)}{_cross_text(pipeline)}"
    gauge = Gauge(width, worst, None if seen is None else bits_for(*seen))
    return Stage("sum", f"Σ  int{width}{count}", tuple(lines), tip, gauge, warns)


def accumulator_text(accumulator: Accumulator) -> str:
    """How wide a target's accumulator is, and how that is known."""
    note = f" ({accumulator.note})" if accumulator.note else ""
    source = f": {accumulator.source}" if accumulator.source else ""
    return f"Accumulator of {accumulator.bits} bits{note}{source}."


def _cross_text(pipeline: Pipeline) -> str:
    """What zero points cost hardware that multiplies codes as they are."""
    texts: list[str] = []
    if any(pipeline.offsets):
        texts.append(
            f"The input's zero point adds {span(pipeline.offsets)} to each sum, whatever the "
            "input: it goes into the bias."
        )
    other = pipeline.weight or pipeline.reads[-1]
    if other.zero_point.any():
        texts.append(
            "The zero point of the second operand makes the sum of the input's codes necessary "
            "for every output."
        )
    return "".join(f"\n{text}" for text in texts)


def _bias(pipeline: Pipeline) -> Stage:
    bias = pipeline.bias
    assert bias is not None
    title = "+ bias  int32" if bias.is_stored else "+ bias  float in the file"
    lines = [f"{span((bias.lowest, bias.highest))}, rounding {decibel_text(bias.sqnr_db)}"]
    if pipeline.output is not None:
        steps = bias.worst / float(pipeline.output.scale)
        lines.append(f"error at most {value_text(steps)} LSB of y")
    else:
        lines.append(f"error at most {value_text(bias.worst)}")
    if bias.widened:
        lines.append(f"{plural(bias.widened, 'scale')} of w widened to hold it")
    return Stage("bias", title, tuple(lines), _TIPS["bias"])


def _scale(pipeline: Pipeline) -> Stage:
    found = pipeline.requantization
    if found is None:
        lines = (span(pipeline.units), "no rounding")
        return Stage("scale", "× scale of x × scale of w", lines, "The sum in real units")
    is_shift = all(power_of_two(float(one)) is not None for one in found.multipliers.tolist())
    folded = "".join(f", {name}" for name in pipeline.folded)
    if is_shift:
        shifts = [1 - shift for shift in found.shifts.tolist()]
        lines = (f"by {span(shifts)} bits: no multiplier", f"rounding{folded}")
        return Stage("scale", ">> shift alone", lines, _TIPS["scale"])
    lines = (f"m {span(found.whole.tolist())}", f"shift {span(found.shifts.tolist())}{folded}")
    return Stage("scale", f"× {span(found.multipliers)}", lines, _TIPS["scale"])
