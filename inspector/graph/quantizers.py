"""Which nodes only put values on a grid or take them off it, and whose card they belong to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from inspector.graph.integer_chains import Chain, find_chains
from inspector.graph.integer_operators import DOMAINS, SCALED_LATER, integer_operator
from inspector.graph.model import Graph, Node
from inspector.graph.stored import Facts

Kind = Literal["quantize", "dequantize", "dynamic", "fake", "fence"]

_KINDS: Final[dict[str, Kind]] = {
    "QuantizeLinear": "quantize",
    "TRT_FP8QuantizeLinear": "quantize",
    "DequantizeLinear": "dequantize",
    "TRT_FP8DequantizeLinear": "dequantize",
    "TRT_INT4DequantizeLinear": "dequantize",
    "DynamicQuantizeLinear": "dynamic",
    "Quant": "fake",
    "BipolarQuant": "fake",
}
_DOMAINS: Final = DOMAINS | {
    "trt", "onnx.brevitas", "qonnx.custom_op.general", "finn.custom_op.general",
}  # fmt: skip
_FENCES: Final = {"Max": "bounded", "Min": "bounded", "Clip": "clipped"}
_NUMBERED = re.compile(r"(.*)_(bounded|clipped|lowest|highest)(?:_[0-9]+)?", re.DOTALL)

MARKS: Final = frozenset(_KINDS) | SCALED_LATER | {
    "DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "GatherBlockQuantized", "MatMulIntegerToFloat",
    "MatMulNBits", "QAttention", "QGemm", "QLinearAdd", "QLinearAveragePool", "QLinearConcat",
    "QLinearConv", "QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearMatMul", "QLinearMul",
    "QLinearReduceMean", "QLinearSigmoid", "QLinearSoftmax", "QLinearWhere",
}  # fmt: skip
"""Operators of which at least one is in each quantized model."""


@dataclass(frozen=True, slots=True)
class Step:
    """One hidden quantizer: what it writes stands for what it reads."""

    node: Node
    kind: Kind


@dataclass(frozen=True, slots=True)
class Steps:
    """The hidden nodes of a graph.

    Attributes:
        hidden: node -> the operator whose card it belongs to.
        quantizers: those that read and write activations or weights, in graph order.
        chains: the nodes behind an integer operator, by its name.
        sources: tensor -> the one that it stands for, written by a node that is not hidden.
        names: tensor -> the float tensor of the same values, where it is another.
    """

    hidden: dict[str, str] = field(default_factory=dict)
    quantizers: list[Step] = field(default_factory=list)
    chains: dict[str, Chain] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


def is_quantizer(node: Node) -> bool:
    """Whether a node does nothing but quantize or dequantize: no operator to belong to."""
    return node.op_type in _KINDS and node.domain in _DOMAINS


def find_steps(graph: Graph, facts: Facts) -> Steps:
    """The nodes that can be hidden, and the operators that they belong to. O(nodes + edges)."""
    return _Finder(graph, facts).run()


class _Finder:
    """Finds candidates, then an operator for each; those without one are no candidates."""

    def __init__(self, graph: Graph, facts: Facts) -> None:
        self._graph = graph
        self._facts = facts
        self._order = {node.name: number for number, node in enumerate(graph.nodes)}
        self._steps = Steps(chains={chain.operator.name: chain for chain in find_chains(graph)})
        self._candidates: dict[str, Step] = {}

    def run(self) -> Steps:
        for chain in self._steps.chains.values():
            for node in (*chain.nodes, *chain.aside):
                self._steps.hidden.setdefault(node.name, chain.operator.name)
        for node in self._graph.nodes:
            kind = _KINDS.get(node.op_type) if node.domain in _DOMAINS else None
            if kind is not None and self._is_candidate(node, kind):
                self._candidates[node.name] = Step(node, kind)
        self._add_fences()
        self._drop_dynamic()
        self._attach()
        return self._steps

    # Candidates -------------------------------------------------------------------------------

    def _is_candidate(self, node: Node, kind: Kind) -> bool:
        if not node.input(0) or not node.outputs or not node.outputs[0]:
            return False
        if kind == "dynamic":
            return True
        grid = [name for name in node.inputs[1:] if name]
        if not grid or len([name for name in node.outputs if name]) != 1:
            return False
        if all(self._facts.is_constant(name) for name in grid):
            return True
        return kind == "dequantize" and set(grid) <= self._dynamic_grid(node.inputs[0])

    def _dynamic_grid(self, tensor: str) -> set[str]:
        """The scale and zero point that DynamicQuantizeLinear gives with a tensor."""
        made = self._producer(tensor)
        if made is None or made.op_type != "DynamicQuantizeLinear":
            return set()
        return set(made.outputs[1:])

    def _add_fences(self) -> None:
        """Nodes that our own files have between a quantizer and its neighbour; known by name.

        Max with the lowest level of the grid, Min with the highest, Clip with both; see
        :mod:`inspector.onnxio.writers.fences`. They change no value that the grid does not.
        """
        fences = [node for node in self._graph.nodes if self._is_fence(node)]
        for node in fences:
            if self._made_by_candidate(node.inputs[0]):
                self._candidates[node.name] = Step(node, "fence")
        for node in reversed(fences):
            readers = self._graph.tensors[node.outputs[0]].consumers
            kinds = {self._candidates[name].kind for name in readers if name in self._candidates}
            all_known = all(name in self._candidates for name in readers)
            if readers and all_known and kinds <= {"quantize", "fence"}:
                self._candidates[node.name] = Step(node, "fence")

    def _is_fence(self, node: Node) -> bool:
        part = _FENCES.get(node.op_type)
        if part is None or node.domain or len(node.inputs) < 2 or len(node.outputs) != 1:
            return False
        match = _NUMBERED.fullmatch(node.outputs[0])
        if match is None or match[2] != part or not node.inputs[0]:
            return False
        ends = [_NUMBERED.fullmatch(name) for name in node.inputs[1:]]
        return all(end is not None and end[1] == match[1] for end in ends) and all(
            self._facts.is_constant(name) for name in node.inputs[1:]
        )

    def _made_by_candidate(self, tensor: str) -> bool:
        made = self._producer(tensor)
        return made is not None and made.name in self._candidates

    def _drop_dynamic(self) -> None:
        """Leaves a DynamicQuantizeLinear its card where something else reads what it writes."""
        outputs = frozenset(self._graph.outputs)
        for step in [step for step in self._candidates.values() if step.kind == "dynamic"]:
            written = [name for name in step.node.outputs if name]
            readers = {r for name in written for r in self._graph.tensors[name].consumers}
            if outputs.intersection(written) or not all(map(self._takes_grid, readers)):
                del self._candidates[step.node.name]

    def _takes_grid(self, reader: str) -> bool:
        if reader in self._candidates or reader in self._steps.hidden:
            return True
        return integer_operator(self._graph.node(reader)) is not None

    # Operators --------------------------------------------------------------------------------

    def _attach(self) -> None:
        readers = self._first_readers()
        for node in self._graph.nodes:
            chain = self._steps.chains.get(node.name)
            if chain is not None:
                self._add_chain(chain)
            step = self._candidates.get(node.name)
            if step is not None:
                self._add_step(step, readers.get(node.name))

    def _first_readers(self) -> dict[str, str]:
        """Quantizer -> the first operator that reads what comes of it."""
        found: dict[str, str] = {}
        for node in reversed(self._graph.nodes):
            if node.name not in self._candidates:
                continue
            readers = [
                reader
                for output in node.outputs
                if output
                for name in self._graph.tensors[output].consumers
                if (reader := self._operator(name, found)) is not None
            ]
            if readers:
                found[node.name] = min(readers, key=self._order.__getitem__)
        return found

    def _operator(self, name: str, found: dict[str, str]) -> str | None:
        if name in self._candidates:
            return found.get(name)
        if name in self._steps.hidden:
            return self._steps.hidden[name]
        return None if is_quantizer(self._graph.node(name)) else name

    def _add_chain(self, chain: Chain) -> None:
        """What the last node writes stands for the sums of the operator."""
        sums, end = chain.operator.outputs[0], chain.nodes[-1].outputs[0]
        self._steps.names[sums] = end
        for node in chain.nodes:
            self._steps.sources[node.outputs[0]] = sums
            self._steps.names[node.outputs[0]] = end

    def _add_step(self, step: Step, reader: str | None) -> None:
        steps, before = self._steps, step.node.inputs[0]
        source = steps.sources.get(before, before)
        writer = self._writer(source)
        is_last = step.kind == "dequantize" and before not in steps.sources
        host = writer if is_last and writer is not None else reader or writer
        if host is None:
            return
        steps.hidden[step.node.name] = host
        steps.quantizers.append(step)
        name = steps.names.get(before, before)
        if is_last and not self._facts.is_constant(source):
            name = step.node.outputs[0]
            if writer is not None:
                name = steps.names.setdefault(source, name)
        for output in filter(None, step.node.outputs):
            steps.sources[output] = source
            steps.names[output] = name

    def _writer(self, source: str) -> str | None:
        """The operator that computes a tensor; a Constant or a quantizer with a card is none."""
        made = self._producer(source)
        if made is None or self._facts.is_constant(source) or is_quantizer(made):
            return None
        return made.name

    def _producer(self, tensor: str) -> Node | None:
        known = self._graph.tensors.get(tensor)
        return None if known is None or known.producer is None else self._graph.node(known.producer)
