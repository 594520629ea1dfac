"""onnxruntime's DynamicQuantizeLSTM: in a file, and within a simulation.

It puts what is read on a grid of its own smallest and largest value, and the hidden state again at
each step, so nothing but the kernel itself can say what comes out (onnxruntime contrib operators,
DynamicQuantizeLSTM). Weights lie as (directions, columns, rows), with a scale and a zero point for
each direction and row; all zero points of a weight have to be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from inspector.onnxio.storage import as_unsigned, storage_of
from inspector.onnxio.writers.pairs import CONTRIB
from inspector.quant.qparams import QParams

Numbers = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class LstmInputs:
    """Names of the inputs of a simulation that switch one operator's kernel on.

    Attributes:
        layers: the names of the layers of W and R.
        switch: whether the kernel runs; else the float operator does.
        scales: of W and R, (directions, rows) each.
        zeros: the same of their zero points, uint8.
        shape: (directions, rows).
    """

    layers: tuple[str, str]
    switch: str
    scales: tuple[str, str]
    zeros: tuple[str, str]
    shape: tuple[int, int]


def lstm_inputs(
    cell: str,
    layers: tuple[str, str],
    shape: tuple[int, int],
    new_input: Callable[[str, tuple[int, ...], int], str],
) -> LstmInputs:
    """Makes the inputs for one operator.

    Args:
        cell: its name.
        layers: the names of the layers of W and R.
        shape: (directions, rows).
        new_input: makes a graph input of a name like that, of a shape and an ONNX element type.
    """

    def pair(part: str, shape: tuple[int, ...], kind: int) -> tuple[str, str]:
        first, second = (new_input(f"{cell}/{one}/{part}", shape, kind) for one in ("W", "R"))
        return first, second

    return LstmInputs(
        layers,
        new_input(f"{cell}/is_dynamic", (), TensorProto.BOOL),
        pair("scale", shape, TensorProto.FLOAT),
        pair("zero", shape, TensorProto.UINT8),
        shape,
    )


def kernel(
    node: NodeProto, weights: Sequence[str], scales: Sequence[str], zeros: Sequence[str]
) -> NodeProto:
    """A DynamicQuantizeLSTM that does what an LSTM does.

    Args:
        node: the LSTM.
        weights: codes of W and R, (directions, columns, rows).
        scales: of both.
        zeros: their zero points.
    """
    others = [*node.input[3:8], *[""] * (8 - len(node.input))]
    inputs = [node.input[0], *weights, *others, scales[0], zeros[0], scales[1], zeros[1]]
    made = helper.make_node(
        "DynamicQuantizeLSTM", inputs, list(node.output), node.name, domain=CONTRIB
    )
    made.attribute.extend(a for a in node.attribute if a.name != "layout")
    return made


def switched_lstm(node: NodeProto, given: LstmInputs, new_name: Callable[[str], str]) -> NodeProto:
    """The node that runs the kernel on whole steps of both weights, or else the LSTM itself.

    Args:
        node: the LSTM, with the inputs and outputs that it is to have.
        given: the graph's inputs for it.
        new_name: makes a tensor name that is not taken.
    """
    written = [name for name in node.output if name]
    then, nodes, codes = NodeProto(), [], []
    for slot, zero in zip((1, 2), given.zeros, strict=True):
        wide, column, whole, byte, turned, shape = (
            new_name(f"{node.name}/{part}")
            for part in ("zero", "column", "whole", "byte", "codes", "shape")
        )
        size = helper.make_tensor("", TensorProto.INT64, (3,), [*given.shape, 1])
        nodes += [
            helper.make_node("Constant", [], [shape], shape, value=size),
            helper.make_node("Cast", [zero], [wide], wide, to=TensorProto.FLOAT),
            helper.make_node("Reshape", [wide, shape], [column], column),
            helper.make_node("Add", [node.input[slot], column], [whole], whole),
            helper.make_node("Cast", [whole], [byte], byte, to=TensorProto.UINT8),
            helper.make_node("Transpose", [byte], [turned], turned, perm=[0, 2, 1]),
        ]
        codes.append(turned)
    then.CopyFrom(kernel(node, codes, given.scales, given.zeros))
    other = NodeProto()
    other.CopyFrom(node)
    branches = []
    for number, (copy, before) in enumerate(((then, nodes), (other, []))):
        outputs = [new_name(f"{node.name}/out") if name else "" for name in node.output]
        del copy.output[:]
        copy.output.extend(outputs)
        ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs if n]
        branches.append(helper.make_graph([*before, copy], ("kernel", "float")[number], [], ends))
    return helper.make_node(
        "If", [given.switch], written, node.name, then_branch=branches[0], else_branch=branches[1]
    )


def idle_lstm(given: LstmInputs) -> Numbers:
    """Numbers with which the float operator runs."""
    values: Numbers = {given.switch: np.asarray(False)}
    values |= {name: np.ones(given.shape, np.float32) for name in given.scales}
    return values | {name: np.zeros(given.shape, np.uint8) for name in given.zeros}


def working_lstm(given: LstmInputs, grids: Mapping[str, QParams]) -> Numbers:
    """Numbers with which the kernel runs.

    Args:
        given: the inputs.
        grids: of the weights, by layer.
    """
    values: Numbers = {given.switch: np.asarray(True)}
    for layer, scale, zero in zip(given.layers, given.scales, given.zeros, strict=True):
        grid = grids[layer]
        codes = as_unsigned(grid) if storage_of(grid).signed else grid
        values[scale] = by_row(grid.scale, given.shape).astype(np.float32)
        values[zero] = by_row(codes.zero_point, given.shape).astype(np.uint8)
    return values


def by_row(numbers: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """One number for each direction and row, of one for each row of the matrix or one for all."""
    found = np.asarray(numbers).reshape(-1)
    return np.broadcast_to(found.reshape(shape) if found.size > 1 else found, shape).copy()
