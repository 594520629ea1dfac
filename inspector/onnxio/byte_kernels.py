"""The float arithmetic of onnxruntime's byte kernels of Add, Mul and average pooling.

Between two codes half a step is a tie, and where a sum of a million values falls to is decided by
the last bits of its float32. So these kernels are followed operation by operation (onnxruntime
1.31, MLAS, x86 with AVX2):

- Add computes fma(a, s_a / s_c, fma(b, s_b / s_c, rest)) of codes, where rest holds all three zero
  points. A fused multiply-add of floats is the same in float64, rounded once.
- Mul and GlobalAveragePool multiply a whole number by one factor made of all the scales.
- AveragePool computes real values, divided by the scale in the end.

All but GlobalAveragePool round with the zero point added: a tie goes to the even code, not to the
even step. The same nodes do what the float operator does, to the last bit, when their numbers say
so, because a simulation has to hold whatever a plan chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from inspector.onnxio.storage import as_unsigned, storage_of
from inspector.quant.qparams import QParams

Numbers = dict[str, NDArray[Any]]

_MAGIC = np.float32(1.5 * 2**23)
"""A float32 plus this is rounded to a whole number, ties to even, if it is below 2^22."""

_WIDE = frozenset({"factor_a", "shift_a", "factor_b", "shift_b"})
"""The numbers that are float64."""

_PARTS = {
    "Add": ("factor_a", "shift_a", "factor_b", "shift_b", "magic", "back"),
    "Mul": ("factor", "zero", "magic", "back"),
    "AveragePool": ("divisor", "zero", "magic", "back"),
    "GlobalAveragePool": ("counts", "magic", "back", "scale", "divisor"),
}


@dataclass(frozen=True, slots=True)
class KernelInputs:
    """Names of the scalar inputs of one node's arithmetic, and of what it reads.

    Attributes:
        op_type: the operator.
        parts: what each number is for -> its input.
        reads: the tensors of the graph that the node reads, in order.
        clips: the ends of the Clip nodes that fold into the output's range, in order.
    """

    op_type: str
    parts: Mapping[str, str]
    reads: tuple[str, ...]
    clips: tuple[tuple[str, str], ...]

    @property
    def reads_steps(self) -> bool:
        """Whether the kernel computes with whole steps; else with real values."""
        return self.op_type != "AveragePool"


def part_types(op_type: str) -> Mapping[str, int]:
    """The numbers that an operator's arithmetic wants -> their ONNX element type."""
    return {
        part: TensorProto.DOUBLE if part in _WIDE else TensorProto.FLOAT for part in _PARTS[op_type]
    }


def has_byte_kernel(op_type: str) -> bool:
    """Whether this module knows the operator's kernel."""
    return op_type in _PARTS


def kernel_nodes(
    node: NodeProto, parts: Mapping[str, str], new_name: Callable[[str], str]
) -> list[NodeProto]:
    """The nodes that stand for one node of the graph.

    Args:
        node: what they stand for, with the inputs and the output that they are to have.
        parts: the graph's inputs for their numbers.
        new_name: makes a tensor name that is not taken.
    """
    return _Writer(node, parts, new_name).run()


class _Writer:
    def __init__(
        self, node: NodeProto, parts: Mapping[str, str], new_name: Callable[[str], str]
    ) -> None:
        self._node = node
        self._parts = parts
        self._new_name = new_name
        self._nodes: list[NodeProto] = []

    def run(self) -> list[NodeProto]:
        if self._node.op_type == "Add":
            value = self._fused_sum(*self._node.input)
        elif self._node.op_type == "GlobalAveragePool":
            value = self._mean(self._node.input[0])
        else:
            value = self._copy()
            step = "Mul" if self._node.op_type == "Mul" else "Div"
            value = self._step(step, value, self._parts["factor" if step == "Mul" else "divisor"])
            value = self._step("Add", value, self._parts["zero"])
        if self._node.op_type != "GlobalAveragePool":
            value = self._whole(value)
        self._nodes[-1].output[0] = self._node.output[0]
        return self._nodes

    def _step(self, op: str, *inputs: str, **attributes: Any) -> str:
        output = self._new_name(f"{self._node.name}/{op}")
        self._nodes.append(helper.make_node(op, inputs, [output], output, **attributes))
        return output

    def _copy(self) -> str:
        copy, output = NodeProto(), self._new_name(f"{self._node.name}/real")
        copy.CopyFrom(self._node)
        copy.output[0] = output
        self._nodes.append(copy)
        return output

    def _whole(self, value: str) -> str:
        value = self._step("Add", value, self._parts["magic"])
        return self._step("Sub", value, self._parts["back"])

    def _fused_sum(self, a: str, b: str) -> str:
        value = self._multiply_add(b, "b")
        wide = self._step("Cast", value, to=TensorProto.DOUBLE)
        return self._multiply_add(a, "a", wide)

    def _multiply_add(self, value: str, side: str, more: str = "") -> str:
        """A fused multiply-add of float32, in float64."""
        value = self._step("Cast", value, to=TensorProto.DOUBLE)
        value = self._step("Mul", value, self._parts[f"factor_{side}"])
        value = self._step("Add", value, self._parts[f"shift_{side}"])
        if more:
            value = self._step("Add", value, more)
        return self._step("Cast", value, to=TensorProto.FLOAT)

    def _mean(self, source: str) -> str:
        """The sum is a whole number of steps, which the mean alone would have lost."""
        mean = self._copy()
        sizes = (self._step("Size", name) for name in (source, mean))
        inner, outer = (self._step("Cast", size, to=TensorProto.FLOAT) for size in sizes)
        count = self._step("Mul", self._step("Div", inner, outer), self._parts["counts"])
        count = self._step("Max", count, self._one())
        total = self._whole(self._step("Mul", mean, count))
        divisor = self._step("Mul", self._parts["divisor"], count)
        factor = self._step("Div", self._parts["scale"], divisor)
        return self._step("Mul", total, factor)

    def _one(self) -> str:
        value = helper.make_tensor("", TensorProto.FLOAT, (), [1.0])
        return self._step("Constant", value=value)


def idle_numbers(kernel: KernelInputs) -> Numbers:
    """Numbers with which the nodes do what the float operator does."""
    ones = {"factor", "factor_a", "factor_b", "divisor", "scale"}
    return _numbers(kernel, {part: 1.0 if part in ones else 0.0 for part in kernel.parts})


def working_numbers(kernel: KernelInputs, reads: Sequence[QParams], written: QParams) -> Numbers:
    """Numbers with which the nodes compute as the byte kernel does, from steps to steps.

    Args:
        kernel: the inputs.
        reads: the grid of each tensor that the kernel reads.
        written: the grid that it writes.
    """
    scales = [np.float32(grid.scale) for grid in reads]
    zeros = [_stored_zero(grid) for grid in reads]
    scale, zero = np.float32(written.scale), _stored_zero(written)
    values: dict[str, Any] = {"zero": zero, "magic": _MAGIC, "back": _MAGIC + np.float32(zero)}
    if kernel.op_type == "Add":
        a, b = (one / scale for one in scales)
        rest = np.float32(zero - float(_fma(a, zeros[0], b * np.float32(zeros[1]))))
        values["factor_a"], values["shift_a"] = a, float(a) * zeros[0]
        values["factor_b"], values["shift_b"] = b, float(b) * zeros[1] + float(rest)
    elif kernel.op_type == "Mul":
        values["factor"] = scales[0] * scales[1] / scale
    elif kernel.op_type == "AveragePool":
        values["divisor"] = scale
    else:
        values |= {"counts": 1.0, "back": _MAGIC, "scale": scales[0], "divisor": scale}
    return _numbers(kernel, values)


def _numbers(kernel: KernelInputs, values: Mapping[str, Any]) -> Numbers:
    return {
        name: np.asarray(values[part], np.float64 if part in _WIDE else np.float32).reshape(())
        for part, name in kernel.parts.items()
    }


def _stored_zero(grid: QParams) -> int:
    """The zero point in the codes that kernels read; signed bytes are written as unsigned ones."""
    signed = storage_of(grid).signed
    return int((as_unsigned(grid) if signed else grid).zero_point)


def _fma(a: np.float32, b: int, c: np.float32) -> np.float32:
    return np.float32(float(a) * b + float(c))
