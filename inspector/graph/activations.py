"""Activation functions that follow an integer kernel and do not fold into its range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.graph.model import Graph, Node
from inspector.graph.operators import is_onnx_domain

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]


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

    Besides single operators, x * Sigmoid(x) is known (SiLU: Elfwing et al. 2018), and
    x * HardSigmoid(x) (hard swish: Howard et al. 2019).
    """
    if tensor in graph.outputs:
        return None
    readers = graph.consumers(tensor)
    if len(readers) == 1:
        function = _function(readers[0])
        return None if function is None else Activation(function, readers[0].outputs[0])
    if len(readers) == 2:
        return _gated(graph, tensor, readers)
    return None


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

    def number(name: str, default: float) -> float:
        value = node.attributes.get(name, default)
        return float(value) if isinstance(value, int | float) else default

    match node.op_type:
        case "LeakyRelu":
            slope = number("alpha", 0.01)
            return lambda x: np.where(x < 0, slope * x, x)
        case "Elu":
            alpha = number("alpha", 1.0)
            return lambda x: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)
        case "Sigmoid":
            return lambda x: 0.5 * (1.0 + np.tanh(0.5 * x))
        case "Tanh":
            return np.tanh
        case "HardSigmoid":
            slope, shift = number("alpha", 0.2), number("beta", 0.5)
            return lambda x: np.clip(slope * x + shift, 0.0, 1.0)
        case "HardSwish":
            return lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0)
        case _:
            return None
