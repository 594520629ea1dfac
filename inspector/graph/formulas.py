"""What element-wise operators compute, and the functions that several of them are known for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inspector.graph.model import Node

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]


def erf(x: Floats) -> Floats:
    """The error function within 1.5e-7 (Abramowitz and Stegun, formula 7.1.26)."""
    t = 1.0 / (1.0 + 0.3275911 * np.abs(x))
    series = t * (
        0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))
    )
    found: Floats = np.sign(x) * (1.0 - series * np.exp(-x * x))
    return found


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    found: Floats = 0.5 * (1.0 + np.tanh(0.5 * x))
    return found


def _softplus(x: Floats) -> Floats:
    found: Floats = np.logaddexp(0.0, x)
    return found


def gelu(x: Floats) -> Floats:
    """Hendrycks and Gimpel 2016; ONNX operator Gelu, approximate "none"."""
    return 0.5 * x * (1.0 + erf(x / np.sqrt(2.0)))


def gelu_tanh(x: Floats) -> Floats:
    """The same paper's approximation; ONNX operator Gelu, approximate "tanh"."""
    found: Floats = 0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3)))
    return found


def hard_swish(x: Floats) -> Floats:
    """Howard et al. 2019; ONNX operator HardSwish."""
    return x * np.clip(x / 6.0 + 0.5, 0.0, 1.0)


FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "Gelu": gelu,
        "GeluTanh": gelu_tanh,
        "SiLU": lambda x: x * sigmoid(x),  # Elfwing et al. 2018
        "QuickGelu": lambda x: x * sigmoid(1.702 * x),  # Hendrycks and Gimpel 2016
        "HardSwish": hard_swish,
        "Mish": lambda x: x * np.tanh(_softplus(x)),  # Misra 2019
    }
)
"""Functions of one number by the kind of unit that computes them."""


def _layer_norm(x: Floats, epsilon: float) -> Floats:
    middle = x - x.mean(-1, keepdims=True)
    found: Floats = middle / np.sqrt((middle**2).mean(-1, keepdims=True) + epsilon)
    return found


def _rms_norm(x: Floats, epsilon: float) -> Floats:
    found: Floats = x / np.sqrt((x**2).mean(-1, keepdims=True) + epsilon)
    return found


NORMALIZATIONS: Final[Mapping[str, Callable[[Floats, float], Floats]]] = MappingProxyType(
    {"LayerNorm": _layer_norm, "RMSNorm": _rms_norm}
)
"""Normalizations along the last axis (Ba et al. 2016; Zhang and Sennrich 2019), without factors."""

ANCHORS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "Gelu": frozenset({"Erf"}),
        "GeluTanh": frozenset({"Tanh", "Sigmoid"}),
        "SiLU": frozenset({"Sigmoid"}),
        "QuickGelu": frozenset({"Sigmoid"}),
        "HardSwish": frozenset({"HardSigmoid", "Clip"}),
        "Mish": frozenset({"Tanh"}),
        "LayerNorm": frozenset({"Sqrt", "Pow"}),
        "RMSNorm": frozenset({"Sqrt", "Pow"}),
    }
)
"""Operators of which at least one is in each unit of a kind."""

TITLES: Final[Mapping[str, str]] = MappingProxyType({"GeluTanh": "Gelu (tanh)"})
"""What people call a kind, where that is not its name."""

_BINARY: Final[Mapping[str, Callable[[Floats, Floats], Floats]]] = MappingProxyType(
    {
        "Add": np.add,
        "Sub": np.subtract,
        "Mul": np.multiply,
        "Div": np.divide,
        "Pow": np.power,
        "Min": np.minimum,
        "Max": np.maximum,
    }
)
_UNARY: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "Erf": erf,
        "Tanh": np.tanh,
        "Sigmoid": sigmoid,
        "Softplus": _softplus,
        "Exp": np.exp,
        "Sqrt": np.sqrt,
        "Neg": np.negative,
        "Reciprocal": np.reciprocal,
        "Relu": lambda x: np.maximum(x, 0.0),
        "Identity": lambda x: x,
    }
)
_OTHERS: Final = frozenset({"Clip", "HardSigmoid", "ReduceMean"})


def is_computed(op_type: str) -> bool:
    """Whether `value_of` knows an operator."""
    return op_type in _BINARY or op_type in _UNARY or op_type in _OTHERS


def value_of(node: Node, operands: Sequence[Floats | None]) -> Floats | None:
    """What a node computes by its definition in the ONNX operator specification.

    Args:
        node: one that `is_computed`.
        operands: its inputs; None for those that are left out. ReduceMean is one over the last axis
            that keeps it.

    Returns:
        None where it is not known.
    """
    op_type = node.op_type
    first = operands[0] if operands else None
    if first is None:
        return None
    if op_type in _UNARY:
        return np.asarray(_UNARY[op_type](first), np.float64)
    if op_type in _BINARY:
        second = operands[1] if len(operands) == 2 else None
        return None if second is None else np.asarray(_BINARY[op_type](first, second), np.float64)
    if op_type == "ReduceMean":
        return np.asarray(first.mean(-1, keepdims=True), np.float64)
    if op_type == "HardSigmoid":
        slope, shift = number(node, "alpha", 0.2), number(node, "beta", 0.5)
        return np.clip(slope * first + shift, 0.0, 1.0)
    ends = [number(node, "min", -np.inf), number(node, "max", np.inf)]
    for slot in (1, 2):
        given = operands[slot] if slot < len(operands) else None
        if given is not None:
            ends[slot - 1] = float(given[0])
    return np.minimum(np.maximum(first, ends[0]), ends[1])


def number(node: Node, name: str, default: float) -> float:
    """A number among a node's attributes."""
    value = node.attributes.get(name, default)
    return float(value) if isinstance(value, int | float) else default
