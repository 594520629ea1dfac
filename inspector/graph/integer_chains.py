"""The nodes that make floats of the sums of ConvInteger and MatMulInteger.

Dynamic quantization (onnxruntime, ``quantize_dynamic``) writes

    x -> DynamicQuantizeLinear -> ConvInteger -> Cast -> Mul (with x's scale * weight's scale)
      -> Add (with the reshaped bias)

and other tools the two scales one after the other. All of that is one Conv.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from inspector.graph.integer_operators import DOMAINS, SCALED_LATER
from inspector.graph.model import Graph, Node


@dataclass(frozen=True, slots=True)
class Chain:
    """What belongs to one integer operator.

    Attributes:
        operator: the ConvInteger or MatMulInteger.
        nodes: those behind it, in order; what the last writes is the operator's float output.
        aside: nodes that work on scales and biases only.
        scales: the scales of both operands, by input position, where they are known.
        bias: the constant that is added; "" for none.
    """

    operator: Node
    nodes: tuple[Node, ...]
    aside: tuple[Node, ...] = ()
    scales: Mapping[int, str] = field(default_factory=dict)
    bias: str = ""


def find_chains(graph: Graph) -> tuple[Chain, ...]:
    """One chain for each integer operator whose sums are scaled as above. O(nodes).

    A product of scales that something else reads too stays what it is, and so do the chains that
    need it.
    """
    finder = _Finder(graph)
    chains = [
        chain
        for node in graph.nodes
        if node.op_type in SCALED_LATER
        and node.domain in DOMAINS
        and (chain := finder.chain(node)) is not None
    ]
    inner = {node.name for chain in chains for node in chain.nodes}
    return tuple(chain for chain in chains if finder.is_private(chain, inner))


class _Finder:
    """Walks from an integer operator down to its float output."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._outputs = frozenset(graph.outputs)

    def chain(self, operator: Node) -> Chain | None:
        """The chain of an operator; None where its sums are used otherwise."""
        cast = self._sole_reader(operator)
        if cast is None or cast.op_type != "Cast":
            return None
        allowed = {name: slot for slot, name in self._dynamic_scales(operator)}
        nodes, aside, scales = [cast], list[Node](), dict[int, str]()
        while len(nodes) < 3:
            node = self._sole_reader(nodes[-1])
            factor = None if node is None else self._other(node, nodes[-1], "Mul")
            if node is None or factor is None:
                break
            found = self._scales(factor, allowed)
            if found is None or scales.keys() & found.keys():
                break
            nodes.append(node)
            scales |= found
            product = self._producer(factor)
            if product is not None and product.op_type == "Mul":
                aside.append(product)
            if scales.keys() >= {0, 1}:
                break
        if len(nodes) == 1 or not set(allowed.values()) <= scales.keys():
            return None
        return self._with_bias(Chain(operator, tuple(nodes), tuple(aside), scales))

    def is_private(self, chain: Chain, inner: set[str]) -> bool:
        """Whether the work on scales serves nothing but chains."""
        mine = inner | {node.name for node in chain.aside} | {node.name for node in chain.nodes}
        return all(
            output not in self._outputs
            and all(reader in mine for reader in self._graph.tensors[output].consumers)
            for node in chain.aside
            for output in node.outputs
            if output
        )

    def _dynamic_scales(self, operator: Node) -> Iterator[tuple[int, str]]:
        """(input position, scale) of each operand that is quantized while the model runs."""
        for slot in (0, 1):
            node = self._producer(operator.input(slot))
            if node is not None and node.op_type == "DynamicQuantizeLinear" and _has_scale(node):
                yield slot, node.outputs[1]

    def _scales(self, factor: str, allowed: Mapping[str, int]) -> dict[int, str] | None:
        """Which operands' scales a factor holds, by input position; None where it is no scale."""
        if factor in allowed:
            return {allowed[factor]: factor}
        if self._is_constant(factor):
            return {1: factor}
        node = self._producer(factor)
        if node is None or node.op_type != "Mul" or len(node.inputs) != 2:
            return None
        a, b = node.inputs
        if not all(name in allowed or self._is_constant(name) for name in (a, b)):
            return None
        if a in allowed and b in allowed:
            return {allowed[a]: a, allowed[b]: b}
        if b in allowed:
            a, b = b, a
        first = allowed.get(a, 0)
        return {first: a, 1 - first: b}

    def _with_bias(self, chain: Chain) -> Chain:
        """The chain with the bias of a Conv that onnxruntime's quantizer has made an Add of."""
        last = chain.nodes[-1]
        add = self._sole_reader(last)
        if chain.operator.op_type != "ConvInteger" or add is None:
            return chain
        bias = self._other(add, last, "Add")
        reshape = None if bias is None else self._producer(bias)
        if bias is None:
            return chain
        if reshape is not None and reshape.op_type == "Reshape":
            constants = all(self._is_constant(name) for name in reshape.inputs if name)
            if constants and self._sole_reader(reshape) is add:
                return Chain(
                    chain.operator,
                    (*chain.nodes, add),
                    (*chain.aside, reshape),
                    chain.scales,
                    reshape.input(0),
                )
        if self._is_constant(bias) and add.name.endswith("_bias_add"):
            return Chain(chain.operator, (*chain.nodes, add), chain.aside, chain.scales, bias)
        return chain

    def _other(self, node: Node, before: Node, op_type: str) -> str | None:
        """The operand that a node of that type has beside what `before` writes."""
        if node.op_type != op_type or node.domain or len(node.inputs) != 2:
            return None
        a, b = node.inputs
        return b if a == before.outputs[0] else a

    def _sole_reader(self, node: Node) -> Node | None:
        """The only node that reads what a node writes, where that is all that becomes of it."""
        outputs = [name for name in node.outputs if name]
        if len(outputs) != 1 or outputs[0] in self._outputs or node.outputs[0] != outputs[0]:
            return None
        consumers = self._graph.tensors[outputs[0]].consumers
        reader = self._graph.node(consumers[0]) if len(consumers) == 1 else None
        if reader is None or reader.inputs.count(outputs[0]) != 1:
            return None
        return None if outputs[0] in reader.outer_inputs else reader

    def _producer(self, tensor: str) -> Node | None:
        known = self._graph.tensors.get(tensor)
        if known is None or known.producer is None:
            return None
        return self._graph.node(known.producer)

    def _is_constant(self, tensor: str) -> bool:
        known = self._graph.tensors.get(tensor)
        return known is not None and known.constant


def _has_scale(node: Node) -> bool:
    return len(node.outputs) > 1 and bool(node.outputs[1])
