"""Which grids the operators of a quantized graph read and write."""

from __future__ import annotations

from dataclasses import dataclass, field

from inspector.graph.integer_chains import Chain
from inspector.graph.integer_operators import (
    BIASED,
    PACKED,
    IntegerOperator,
    Operand,
    integer_operator,
)
from inspector.graph.model import Graph, Node
from inspector.graph.quantizers import Step, Steps, is_quantizer
from inspector.graph.stored import (
    Facts,
    Stored,
    as_read_by,
    attribute,
    channel_axis,
    output_dtype,
    stored,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What operators read and write; see :class:`inspector.graph.quantized.Quantized`."""

    title: dict[str, str] = field(default_factory=dict)
    weights: dict[str, Stored] = field(default_factory=dict)
    activations: dict[str, tuple[Stored, ...]] = field(default_factory=dict)
    outputs: dict[str, tuple[Stored, ...]] = field(default_factory=dict)
    tensors: dict[str, Stored] = field(default_factory=dict)
    operands: dict[str, tuple[tuple[int, str], ...]] = field(default_factory=dict)


def read_operators(graph: Graph, facts: Facts, steps: Steps) -> Reading:
    """The grids of every operator that is not hidden. O(nodes + edges)."""
    return _Reader(graph, facts, steps).run()


class _Reader:
    """Goes through the quantizers, then through the operators."""

    def __init__(self, graph: Graph, facts: Facts, steps: Steps) -> None:
        self._graph = graph
        self._facts = facts
        self._steps = steps
        self._read = Reading()
        self._grids: dict[str, Stored] = {}  # what a quantizer writes -> its grid
        self._written: dict[str, Stored] = {}  # what an operator writes -> the grid it is put on

    def run(self) -> Reading:
        for step in self._steps.quantizers:
            self._add_quantizer(step)
        for node in self._graph.nodes:
            if node.name not in self._steps.hidden and not is_quantizer(node):
                self._add_operator(node)
        for node in self._graph.nodes:
            found = [self._written[name] for name in node.outputs if name in self._written]
            if found and node.name not in self._steps.hidden:
                self._read.outputs[node.name] = tuple(found)
                for name in node.outputs:
                    if name in self._written:
                        self._name(name, self._written[name])
        return self._read

    def _source(self, tensor: str) -> str:
        return self._steps.sources.get(tensor, tensor)

    def _name(self, tensor: str, grid: Stored) -> None:
        """Notes the grid of a tensor under the name that links and cards have for it."""
        source = self._source(tensor)
        constant = self._facts.is_constant(source)
        name = source if constant else self._steps.names.get(tensor, tensor)
        self._read.tensors.setdefault(name, grid)

    # Quantizers -------------------------------------------------------------------------------

    def _add_quantizer(self, step: Step) -> None:
        node, before = step.node, step.node.inputs[0]
        source = self._source(before)
        grid = self._grids.get(before) if step.kind == "fence" else self._grid(step, source)
        if grid is None:
            return
        for output in filter(None, node.outputs):
            self._grids[output] = grid
        if not self._facts.is_constant(source) and step.kind != "fence":
            self._written.setdefault(source, grid)

    def _grid(self, step: Step, source: str) -> Stored | None:
        node, before = step.node, step.node.inputs[0]
        if step.kind == "dynamic":
            scale, zero_point = (*node.outputs, "", "")[1:3]
            return stored(self._facts, "uint8", scale, zero_point)
        if step.kind == "fake":
            return self._fake_grid(node, source)
        if step.kind == "dequantize":
            known = self._grids.get(before)
            dtype = self._facts.dtype(node.input(2)) or self._facts.dtype(before)
            dtype = dtype or ("" if known is None else known.dtype)
        else:
            dtype = output_dtype(node) or self._facts.dtype(node.input(2)) or "uint8"
        if node.op_type.startswith("TRT_FP8"):
            dtype = "float8e4m3fn"
        return stored(
            self._facts,
            dtype,
            node.input(1),
            node.input(2),
            codes=before if step.kind == "dequantize" and self._facts.is_constant(before) else "",
            shape=self._facts.shape(source),
            axis=attribute(node, "axis", 1),
            block_size=attribute(node, "block_size", 0),
        )

    def _fake_grid(self, node: Node, source: str) -> Stored | None:
        """The grid of QONNX's Quant, whose bits are a constant (QONNX, "Quant operator")."""
        if node.op_type == "BipolarQuant":
            return stored(self._facts, "int1", node.input(1), shape=self._facts.shape(source))
        bits = self._facts.value(node.input(3))
        if bits is None or bits.size != 1 or not 2 <= float(bits.reshape(-1)[0]) <= 16:
            return None
        sign = "" if attribute(node, "signed", 1) else "u"
        return stored(
            self._facts,
            f"{sign}int{int(bits.reshape(-1)[0])}",
            node.input(1),
            node.input(2),
            shape=self._facts.shape(source),
        )

    # Operators --------------------------------------------------------------------------------

    def _add_operator(self, node: Node) -> None:
        known = integer_operator(node)
        if known is None:
            inputs = [(slot, name) for slot, name in enumerate(node.inputs) if name]
            self._add_reads(
                node,
                node.op_type,
                [(slot, name, self._grids[name]) for slot, name in inputs if name in self._grids],
            )
            return
        chain = self._steps.chains.get(node.name)
        operands = [(one.slot, node.input(one.position)) for one in known.operands]
        if chain is not None and chain.bias:
            operands.append((2, chain.bias))
        self._read.title[node.name] = known.title
        self._read.operands[node.name] = tuple((slot, name) for slot, name in operands if name)
        found = [(one.slot, node.input(one.position), one) for one in known.operands]
        grids = [
            (slot, name, grid)
            for slot, name, one in found
            if name and (grid := self._operand_grid(node, known, one, chain)) is not None
        ]
        self._add_reads(node, known.title, grids)
        self._add_written(node, known)

    def _add_reads(self, node: Node, title: str, reads: list[tuple[int, str, Stored]]) -> None:
        activations: list[Stored] = []
        for slot, name, found in reads:
            source = self._source(name)
            shape = self._facts.shape(source)
            grid = as_read_by(found, node, title, slot, None if shape is None else len(shape))
            self._name(name, grid)
            if not self._facts.is_constant(source):
                activations.append(grid)
            elif grid.dtype != "int32" and not (slot == 2 and title in BIASED):
                self._read.weights.setdefault(node.name, grid)
        if activations:
            self._read.activations[node.name] = tuple(activations)

    def _operand_grid(
        self, node: Node, known: IntegerOperator, operand: Operand, chain: Chain | None
    ) -> Stored | None:
        """The grid of one input of an operator on integers; None where it has none or is float."""
        name = node.input(operand.position)
        if operand.slot == 2 and known.title in BIASED:
            return self._bias_grid(name)
        if node.op_type in PACKED and operand.scale is not None:
            return self._packed_grid(node, operand)
        if node.op_type == "DynamicQuantizeMatMul" and operand.slot == 0:
            return stored(self._facts, "uint8", "")
        before = self._grids.get(name)
        scale = "" if operand.scale is None else node.input(operand.scale)
        if chain is not None:
            scale = chain.scales.get(operand.slot, "")
        if not scale and operand.zero_point is None:
            return before
        zero_point = "" if operand.zero_point is None else node.input(operand.zero_point)
        source = self._source(name)
        shape = self._facts.shape(source)
        dtype = self._facts.dtype(name) or self._facts.dtype(zero_point)
        dtype = dtype or ("uint8" if before is None else before.dtype)
        axis = None
        if shape is not None:
            axis = channel_axis(node, known.title, operand.slot, len(shape))
        return stored(
            self._facts,
            dtype,
            scale or ("" if before is None else before.scale),
            zero_point,
            codes=source if source == name and self._facts.is_constant(source) else "",
            shape=shape,
            axis=-1 if axis is None else axis,
        )

    def _bias_grid(self, name: str) -> Stored | None:
        if self._facts.dtype(name) != "int32":
            return self._grids.get(name)
        return stored(self._facts, "int32", "", codes=name)

    def _packed_grid(self, node: Node, operand: Operand) -> Stored | None:
        """The grid of weights that are packed into bytes: blocks along what a product sums over.

        Without zero points the codes are unsigned with the middle one for zero, which is the grid
        of a signed type (onnxruntime, MatMulNBits).
        """
        zero_point = "" if operand.zero_point is None else node.input(operand.zero_point)
        bits, size = attribute(node, "bits", 4), attribute(node, "block_size", 32)
        return stored(
            self._facts,
            f"{'u' if zero_point else ''}int{bits}",
            "" if operand.scale is None else node.input(operand.scale),
            zero_point,
            codes=node.input(operand.position),
            axis=0 if node.op_type == "MatMulNBits" else attribute(node, "quantize_axis", 1),
            block_size=size,
        )

    def _add_written(self, node: Node, known: IntegerOperator) -> None:
        if known.output is None or not node.outputs or not node.outputs[0]:
            return
        scale, zero_point = (node.input(position) for position in known.output)
        dtype = self._facts.dtype(zero_point) or self._facts.dtype(node.outputs[0]) or "uint8"
        grid = stored(self._facts, dtype, scale, zero_point) if scale else None
        if grid is not None:
            self._written.setdefault(node.outputs[0], grid)
