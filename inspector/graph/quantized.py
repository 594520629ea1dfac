"""What a model that is quantized already says: which operators run on which integers.

Quantizers between two operators, and whatever else only serves integers, are *hidden*: they belong
to the card of an operator, and an edge through them is one link between operators. Read from names,
types and shapes alone, so that no weight is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from inspector.graph.model import Graph
from inspector.graph.quantizers import MARKS, Steps, find_steps
from inspector.graph.stored import Facts, Stored, Values
from inspector.graph.stored_by_operator import Reading, read_operators

__all__ = ["NOT_QUANTIZED", "Quantized", "Stored", "find_quantized"]

_Value = TypeVar("_Value")


def _empty() -> Mapping[str, _Value]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Quantized:
    """What the quantizers of a graph say. Equal only to itself.

    Attributes:
        hidden: name of a node that has no card of its own -> the node whose card it is part of.
        title: node -> what it computes, where its operator is an integer form of that.
        weights: operator -> how its constant is stored (the first that is no bias).
        activations: operator -> the grids of its other inputs, in order, as far as they have any.
        outputs: operator -> the grids that its outputs are put on.
        tensors: tensor, as links and cards name it -> its grid; the first where it has several.
        sources: tensor that a hidden node writes -> the one that a node with a card, the graph's
            inputs or a constant give for it.
        names: tensor -> the float tensor of the same values, where it is another.
        operands: operator with an integer form -> (input position in the float operator, tensor)
            of its inputs that are no grids.
    """

    hidden: Mapping[str, str] = field(default_factory=_empty)
    title: Mapping[str, str] = field(default_factory=_empty)
    weights: Mapping[str, Stored] = field(default_factory=_empty)
    activations: Mapping[str, tuple[Stored, ...]] = field(default_factory=_empty)
    outputs: Mapping[str, tuple[Stored, ...]] = field(default_factory=_empty)
    tensors: Mapping[str, Stored] = field(default_factory=_empty)
    sources: Mapping[str, str] = field(default_factory=_empty)
    names: Mapping[str, str] = field(default_factory=_empty)
    operands: Mapping[str, tuple[tuple[int, str], ...]] = field(default_factory=_empty)


NOT_QUANTIZED = Quantized()
"""What a float graph says."""


def find_quantized(graph: Graph, values: Values | None = None) -> Quantized:
    """What the quantizers of a graph, or of a subgraph, say.

    A quantizer is hidden if its scale is constant (or made by DynamicQuantizeLinear) and there is
    an operator before or behind it; else it keeps its card.

    Args:
        graph: the graph; shape inference need not have run.
        values: reads constants, for what types do not tell: the bits of QONNX's Quant. It is asked
            for single numbers only.

    Cost: O(nodes + edges).
    """
    if not any(node.op_type in MARKS for node in graph.nodes):
        return NOT_QUANTIZED
    facts = Facts(graph, values)
    steps = find_steps(graph, facts)
    reading = read_operators(graph, facts, steps)
    return _result(steps, reading)


def _result(steps: Steps, reading: Reading) -> Quantized:
    return Quantized(
        MappingProxyType(steps.hidden),
        MappingProxyType(reading.title),
        MappingProxyType(reading.weights),
        MappingProxyType(reading.activations),
        MappingProxyType(reading.outputs),
        MappingProxyType(reading.tensors),
        MappingProxyType(steps.sources),
        MappingProxyType(steps.names),
        MappingProxyType(reading.operands),
    )
