"""Operators that compute on integers: what they compute, and which inputs are what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from inspector.graph.model import Node

DOMAINS: Final = frozenset({"", "com.microsoft", "com.ms.internal.nhwc"})
"""Where the operators that are known here are defined."""


@dataclass(frozen=True, slots=True)
class Operand:
    """One data input.

    Attributes:
        slot: its position among the inputs of the float operator.
        position: its position among the inputs of the node.
        scale: position of its scales; None where no input has them.
        zero_point: position of its zero points.
    """

    slot: int
    position: int
    scale: int | None = None
    zero_point: int | None = None


@dataclass(frozen=True, slots=True)
class IntegerOperator:
    """What a node computes.

    Attributes:
        title: the float operator.
        operands: its inputs, without those that hold grids only.
        output: positions of the output's scale and zero point.
        dtype: of operands whose type nothing tells.
    """

    title: str
    operands: tuple[Operand, ...]
    output: tuple[int, int] | None = None
    dtype: str = ""


def _unary(title: str) -> IntegerOperator:
    return IntegerOperator(title, (Operand(0, 0, 1, 2),), (3, 4))


def _binary(title: str) -> IntegerOperator:
    return IntegerOperator(title, (Operand(0, 0, 1, 2), Operand(1, 3, 4, 5)), (6, 7))


_WEIGHTED = (Operand(0, 0, 1, 2), Operand(1, 3, 4, 5))
_INTEGER = (Operand(0, 0, None, 2), Operand(1, 1, None, 3))

OPERATORS: Final[Mapping[str, IntegerOperator]] = MappingProxyType(
    {
        "ConvInteger": IntegerOperator("Conv", _INTEGER),
        "MatMulInteger": IntegerOperator("MatMul", _INTEGER),
        "MatMulIntegerToFloat": IntegerOperator(
            "MatMul", (Operand(0, 0, 2, 4), Operand(1, 1, 3, 5), Operand(2, 6))
        ),
        "DynamicQuantizeMatMul": IntegerOperator(
            "MatMul", (Operand(0, 0), Operand(1, 1, 2, 3), Operand(2, 4))
        ),
        "DynamicQuantizeLSTM": IntegerOperator(
            "LSTM",
            (
                Operand(0, 0), Operand(1, 1, 8, 9), Operand(2, 2, 10, 11), Operand(3, 3),
                Operand(4, 4), Operand(5, 5), Operand(6, 6), Operand(7, 7),
            ),
        ),
        "MatMulNBits": IntegerOperator(
            "MatMul", (Operand(0, 0), Operand(1, 1, 2, 3), Operand(2, 5))
        ),
        "GatherBlockQuantized": IntegerOperator("Gather", (Operand(0, 0, 2, 3), Operand(1, 1))),
        "QAttention": IntegerOperator(
            "Attention",
            (
                Operand(0, 0, 3, 6), Operand(1, 1, 4, 7), Operand(2, 2), Operand(3, 5),
                Operand(4, 8),
            ),
        ),
        "QGemm": IntegerOperator("Gemm", (*_WEIGHTED, Operand(2, 6)), (7, 8)),
        "QLinearConv": IntegerOperator("Conv", (*_WEIGHTED, Operand(2, 8)), (6, 7)),
        "QLinearMatMul": _binary("MatMul"),
        "QLinearAdd": _binary("Add"),
        "QLinearMul": _binary("Mul"),
        "QLinearAveragePool": _unary("AveragePool"),
        "QLinearGlobalAveragePool": _unary("GlobalAveragePool"),
        "QLinearLeakyRelu": _unary("LeakyRelu"),
        "QLinearReduceMean": _unary("ReduceMean"),
        "QLinearSigmoid": _unary("Sigmoid"),
        "QLinearSoftmax": _unary("Softmax"),
        "QLinearWhere": IntegerOperator(
            "Where", (Operand(0, 0), Operand(1, 1, 2, 3), Operand(2, 4, 5, 6)), (7, 8)
        ),
    }
)  # fmt: skip
"""By name; QLinearConcat, whose inputs are not counted, is told by `integer_operator` alone."""

SCALED_LATER: Final = frozenset({"ConvInteger", "MatMulInteger"})
"""Operators that write int32 sums, which the nodes behind them scale."""

PACKED: Final = frozenset({"MatMulNBits", "GatherBlockQuantized"})
"""Operators whose codes are packed into bytes; attributes say how."""

BIASED: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Float operators whose input 2 is a bias."""


def integer_operator(node: Node) -> IntegerOperator | None:
    """What a node computes on integers; None for all others."""
    if node.domain not in DOMAINS:
        return None
    if node.op_type == "QLinearConcat":
        triples = range(2, len(node.inputs), 3)
        operands = (Operand(slot, at, at + 1, at + 2) for slot, at in enumerate(triples))
        return IntegerOperator("Concat", tuple(operands), (0, 1))
    return OPERATORS.get(node.op_type)
