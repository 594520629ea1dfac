"""Activation functions that follow an integer kernel and do not fold into its range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inspector.graph.formulas import FUNCTIONS, Function, number, sigmoid
from inspector.graph.model import Graph, Node
from inspector.graph.operators import is_onnx_domain


@dataclass(frozen=True, slots=True)
class Activation:
    """What is done to each value of a tensor before anything else reads it.

    Attributes:
        function: the function, element by element.
        output: the tensor behind it.
    """

    function: Function
    output: str


def activation_behind(graph: Graph, tensor: str) -> Activation | None:
    """The activation function that is all that reads a tensor; None where there is no such.

    Besides single operators, the units of a graph are known, and x * Sigmoid(x) and
    x * HardSigmoid(x) also where they are in none.
    """
    if tensor in graph.outputs:
        return None
    readers = graph.consumers(tensor)
    units = {graph.unit_of(node.name) for node in readers}
    unit = units.pop() if len(units) == 1 else None
    if unit is not None:
        known = FUNCTIONS.get(unit.kind)
        alone = known is not None and unit.source == tensor
        return Activation(known, unit.output) if known is not None and alone else None
    if len(readers) == 1:
        function = _function(readers[0])
        return None if function is None else Activation(function, readers[0].outputs[0])
    return _gated(graph, tensor, readers) if len(readers) == 2 else None


def _gated(graph: Graph, tensor: str, readers: tuple[Node, ...]) -> Activation | None:
    for gate, product in (readers, readers[::-1]):
        function = _function(gate)
        if function is None or product.op_type != "Mul" or gate.op_type not in _GATES:
            continue
        opened = gate.outputs[0]
        alone = graph.tensors[opened].consumers == (product.name,) and opened not in graph.outputs
        if alone and set(product.inputs) == {tensor, opened}:
            return Activation(_times_input(function), product.outputs[0])
    return None


def _times_input(gate: Function) -> Function:
    return lambda x: x * gate(x)


_GATES = {"Sigmoid", "HardSigmoid"}


def _function(node: Node) -> Function | None:
    """The function of an operator by its definition in the ONNX operator specification."""
    if not is_onnx_domain(node.domain):
        return None

    match node.op_type:
        case "LeakyRelu":
            slope = number(node, "alpha", 0.01)
            return lambda x: np.where(x < 0, slope * x, x)
        case "Elu":
            alpha = number(node, "alpha", 1.0)
            return lambda x: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)
        case "Sigmoid":
            return sigmoid
        case "Tanh":
            return np.tanh
        case "HardSigmoid":
            slope, shift = number(node, "alpha", 0.2), number(node, "beta", 0.5)
            return lambda x: np.clip(slope * x + shift, 0.0, 1.0)
        case "HardSwish":
            return FUNCTIONS["HardSwish"]
        case "Gelu":
            approximate = node.attributes.get("approximate", "none")
            return FUNCTIONS["GeluTanh" if approximate in {"tanh", b"tanh"} else "Gelu"]
        case "Mish":
            return FUNCTIONS["Mish"]
        case _:
            return None
