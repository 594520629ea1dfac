"""onnxruntime's own byte kernels of Add, Mul and average pooling, within a simulation.

Where half a step is left over, the last bits of float32 decide which code a kernel writes, and
among a million values some are that near. Which bits these are is the kernel's own affair
(onnxruntime 1.31): on x86 with AVX2 QLinearAdd computes with fused multiply-adds of codes, on ARM
with whole numbers, QLinearAveragePool adds up real values; and all of them round to even codes, not
to even steps. Float operators cannot follow all this, so a simulation runs the kernels themselves
where a plan has them in the file, and the float operator otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper

from inspector.onnxio.storage import as_unsigned, storage_of
from inspector.onnxio.writers.pairs import CONTRIB
from inspector.quant.qparams import QParams

Numbers = dict[str, NDArray[Any]]

_POOL_ATTRIBUTES = frozenset(
    {"auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"}
)
_ATTRIBUTES: dict[str, frozenset[str]] = {
    "Add": frozenset(),
    "Mul": frozenset(),
    "AveragePool": _POOL_ATTRIBUTES,
    "GlobalAveragePool": frozenset(),
}
"""Operators with such kernels -> the attributes that their kernels know."""


@dataclass(frozen=True, slots=True)
class KernelInputs:
    """Names of the scalar inputs that switch one node's kernel on and hold its numbers.

    Attributes:
        switch: whether the byte kernel runs; else the float operator does.
        scales: the scale of each tensor that is read, then of the one that is written.
        zeros: their zero points, uint8.
        reads: the tensors of the graph that the node reads, in order.
        clips: the ends of the Clip nodes that fold into the output's range, in order.
    """

    switch: str
    scales: tuple[str, ...]
    zeros: tuple[str, ...]
    reads: tuple[str, ...]
    clips: tuple[tuple[str, str], ...] = ()


def has_byte_kernel(op_type: str, attributes: Mapping[str, Any]) -> bool:
    """Whether an operator beside the layers has a kernel that this module can run."""
    return op_type in _ATTRIBUTES and _ATTRIBUTES[op_type].issuperset(attributes)


def kernel_inputs(
    node: str,
    reads: Sequence[str],
    clips: tuple[tuple[str, str], ...],
    new_input: Callable[[str, int], str],
) -> KernelInputs:
    """Makes the inputs for one node.

    Args:
        node: its name.
        reads: the tensors that it reads.
        clips: see `KernelInputs`.
        new_input: makes a scalar graph input of a name like that, of an ONNX element type.
    """
    tensors = [*(f"read{number}" for number in range(len(reads))), "written"]
    return KernelInputs(
        new_input(f"{node}/is_kernel", TensorProto.BOOL),
        tuple(new_input(f"{node}/{tensor}/scale", TensorProto.FLOAT) for tensor in tensors),
        tuple(new_input(f"{node}/{tensor}/zero", TensorProto.UINT8) for tensor in tensors),
        tuple(reads),
        clips,
    )


def switched(node: NodeProto, kernel: KernelInputs, new_name: Callable[[str], str]) -> NodeProto:
    """The node that runs the kernel, from whole steps to whole steps, or else `node` itself.

    Args:
        node: the float operator, with the inputs and the output that it is to have.
        kernel: the graph's inputs for it.
        new_name: makes a tensor name that is not taken.
    """
    return helper.make_node(
        "If",
        [kernel.switch],
        list(node.output),
        node.name,
        then_branch=_kernel_graph(node, kernel, new_name),
        else_branch=_float_graph(node, new_name),
    )


def _float_graph(node: NodeProto, new_name: Callable[[str], str]) -> GraphProto:
    copy, output = NodeProto(), new_name(f"{node.name}/real")
    copy.CopyFrom(node)
    copy.output[0] = output
    return _graph([copy], output, "float")


def _kernel_graph(
    node: NodeProto, kernel: KernelInputs, new_name: Callable[[str], str]
) -> GraphProto:
    one, written, result = (
        new_name(f"{node.name}/{part}") for part in ("one", "written", "result")
    )
    value = helper.make_tensor("", TensorProto.FLOAT, (), [1.0])
    nodes = [helper.make_node("Constant", [], [one], one, value=value)]
    operands: list[str] = []
    for source, scale, zero in zip(node.input, kernel.scales, kernel.zeros, strict=False):
        codes = new_name(f"{node.name}/codes")
        nodes.append(helper.make_node("QuantizeLinear", [source, one, zero], [codes], codes))
        operands += [codes, scale, zero]
    operands += [kernel.scales[-1], kernel.zeros[-1]]
    operator = helper.make_node(
        f"QLinear{node.op_type}", operands, [written], written, domain=CONTRIB
    )
    operator.attribute.extend(node.attribute)
    if node.op_type.endswith("Pool"):
        operator.attribute.append(helper.make_attribute("channels_last", 0))
    nodes.append(operator)
    inputs = [written, one, kernel.zeros[-1]]
    nodes.append(helper.make_node("DequantizeLinear", inputs, [result], result))
    return _graph(nodes, result, "kernel")


def _graph(nodes: Sequence[NodeProto], output: str, name: str) -> GraphProto:
    ends = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    return helper.make_graph(list(nodes), name, [], ends)


def idle_numbers(kernel: KernelInputs) -> Numbers:
    """Numbers with which the float operator runs."""
    values: Numbers = {kernel.switch: np.asarray(False)}
    values |= {name: np.asarray(1.0, np.float32) for name in kernel.scales}
    return values | {name: np.asarray(0, np.uint8) for name in kernel.zeros}


def working_numbers(kernel: KernelInputs, reads: Sequence[QParams], written: QParams) -> Numbers:
    """Numbers with which the byte kernel runs.

    Args:
        kernel: the inputs.
        reads: the grid of each tensor that it reads.
        written: the grid that it writes.
    """
    values: Numbers = {kernel.switch: np.asarray(True)}
    for name, zero, grid in zip(kernel.scales, kernel.zeros, [*reads, written], strict=True):
        values[name] = np.asarray(grid.scale, np.float32).reshape(())
        # Signed bytes are written as unsigned ones, so these are what kernels read.
        codes = as_unsigned(grid) if storage_of(grid).signed else grid
        values[zero] = np.asarray(codes.zero_point).astype(np.uint8).reshape(())
    return values
