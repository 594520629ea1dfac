"""Rounding to float8 within a simulation, exactly and by float32 operators of any opset.

A float8 number of m mantissa bits is rounded to a multiple of 2^(e - m), where 2^e is the largest
power of two that it reaches, or that of the smallest normal number. Rump's algorithm gives 2^e in
four operations (S. M. Rump, "Ultimately fast accurate summation", SIAM J. Sci. Comput. 31(5), 2009,
algorithm 3.5): with p = (2^23 + 1) y, 2^e = |p - (1 - 2^-24) p|. Adding and taking away 1.5 * 2^23
multiples leaves the nearest one, ties to even, as float32 sums are rounded so. The chain agrees
with the table of levels for every float32 number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper

from inspector.quant.qparams import QParams

_MANTISSA = {"fp8e4m3": (3, -6), "fp8e5m2": (2, -14)}
"""Of each type: bits of the mantissa, and the exponent of the smallest normal number."""

_SPREAD, _SHRINK = 2.0**23 + 1.0, 1.0 - 2.0**-24


@dataclass(frozen=True, slots=True)
class Float8Inputs:
    """Names of the scalar inputs that switch one site's rounding to float8 on.

    Attributes:
        switch: whether values are rounded to float8; else to whole steps.
        smallest: the smallest normal number.
        multiples: 1.5 * 2^23 steps of the numbers between 1 and 2.
    """

    switch: str
    smallest: str
    multiples: str


def float8_inputs(stem: str, new_input: Callable[[str, int], str]) -> Float8Inputs:
    """Makes the inputs for one site; see `Float8Inputs`."""
    return Float8Inputs(
        new_input(f"{stem}/is_float8", TensorProto.BOOL),
        new_input(f"{stem}/smallest", TensorProto.FLOAT),
        new_input(f"{stem}/multiples", TensorProto.FLOAT),
    )


def switched_rounding(
    source: str,
    ends: tuple[str, str],
    inputs: Float8Inputs,
    result: str,
    name: str,
    new_name: Callable[[str], str],
) -> NodeProto:
    """The node that rounds to float8 or to whole numbers.

    Args:
        source: values divided by the scale.
        ends: names of the lowest and the highest level kept.
        inputs: the graph's inputs for it.
        result: the rounded values; those beyond the ends may still be cut to them.
        name: of the node.
        new_name: makes a tensor name that is not taken.
    """
    whole = new_name(f"{name}/whole")
    otherwise = helper.make_node("Round", [source], [whole], whole)
    return helper.make_node(
        "If",
        [inputs.switch],
        [result],
        name,
        then_branch=_chain(source, ends, inputs, name, new_name),
        else_branch=_graph([otherwise], whole, "whole"),
    )


def _chain(
    source: str,
    ends: tuple[str, str],
    inputs: Float8Inputs,
    name: str,
    new_name: Callable[[str], str],
) -> GraphProto:
    nodes: list[NodeProto] = []

    def add(op: str, *reads: str) -> str:
        output = new_name(f"{name}/{op.lower()}")
        nodes.append(helper.make_node(op, list(reads), [output], output))
        return output

    def constant(value: float) -> str:
        output = new_name(f"{name}/constant")
        tensor = helper.make_tensor("", TensorProto.FLOAT, (), [value])
        nodes.append(helper.make_node("Constant", [], [output], output, value=tensor))
        return output

    kept = add("Clip", source, *ends)
    spread = add("Mul", kept, constant(_SPREAD))
    power = add("Abs", add("Sub", spread, add("Mul", spread, constant(_SHRINK))))
    large = add("Mul", add("Max", power, inputs.smallest), inputs.multiples)
    return _graph(nodes, add("Sub", add("Add", kept, large), large), "float8")


def _graph(nodes: list[NodeProto], output: str, name: str) -> GraphProto:
    ends = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    return helper.make_graph(nodes, name, [], ends)


def is_float8(grid: QParams | None) -> bool:
    """Whether a grid is that of a float8 type."""
    return grid is not None and grid.table is not None and grid.table.name in _MANTISSA


def rounding_numbers(inputs: Float8Inputs, grid: QParams | None) -> dict[str, NDArray[Any]]:
    """What a site's inputs take for a grid; one that is not of float8 switches them off."""
    smallest, multiples = 1.0, 1.0
    if grid is not None and grid.table is not None and is_float8(grid):
        mantissa, exponent = _MANTISSA[grid.table.name]
        smallest, multiples = 2.0**exponent, 1.5 * 2.0 ** (23 - mantissa)
    return {
        inputs.switch: np.asarray(is_float8(grid)),
        inputs.smallest: np.asarray(smallest, np.float32),
        inputs.multiples: np.asarray(multiples, np.float32),
    }
