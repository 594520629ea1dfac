"""Quantizers taken out of a QDQ model: float tensors, and the grids that they were read on.

What is left is the float model that the file stands for. A quantizer that cannot be expressed as
the grid of a tensor at its readers stays in the graph as the node that it is, and is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.draft import Draft, subgraphs
from inspector.onnxio.loading import Model
from inspector.onnxio.unquantize.grids import (
    NoGridError,
    cut,
    is_linear,
    number,
    pin_of,
    real_values,
    turned,
)
from inspector.quant.pin import BIAS, Pin

OUTPUT = ""
"""The reader of a tensor that is an output of the model."""

_WEIGHT_SLOTS = {"Conv": (1,), "ConvTranspose": (1,), "Gemm": (0, 1), "MatMul": (0, 1)}
_BIAS_SLOTS = {"Conv": (2,), "ConvTranspose": (2,), "Gemm": (2,)}


@dataclass(frozen=True, slots=True)
class Folded:
    """A float model and the grids of the quantized one.

    Attributes:
        model: the float model.
        constants: the grids of weights and biases, by the name of the float constant.
        fenced: names of the weights with a fence between their quantizer and the layer.
        reads: (tensor, node that reads it, its grid); the node is `OUTPUT` for the model's own
            output.
        left: the nodes that stayed in the graph, by the reason.
    """

    model: Model
    constants: dict[str, Pin]
    fenced: frozenset[str]
    reads: tuple[tuple[str, str, Pin], ...]
    left: Mapping[str, tuple[str, ...]]


def fold_pairs(model: Model) -> Folded:
    """Takes out every quantizer that a recipe can bring back.

    Args:
        model: with named nodes in topological order.

    Cost: linear in the number of nodes; no weight is read.
    """
    return _Folder(model).run()


class _Folder:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._draft = Draft(model)
        self._nodes = list(self._draft.graph.node)
        self._producers = {name: node for node in self._nodes for name in node.output if name}
        self._readers = self._draft.consumers()
        self._outputs = {value.name for value in self._draft.graph.output}
        self._inputs = {value.name for value in self._draft.graph.input}
        self._constants: dict[str, Pin] = {}
        self._reads: dict[tuple[str, str], Pin] = {}
        self._made: dict[tuple[str, str, tuple[int, ...]], str] = {}
        self._kept: dict[str, tuple[float, float]] = {}  # float constant -> its codes' ends
        self._fenced: set[str] = set()
        self._left: dict[str, str] = {}

    def run(self) -> Folded:
        for node in self._nodes:
            if is_linear(node, "DequantizeLinear"):
                try:
                    self._fold(node)
                except NoGridError as error:
                    self._left[node.name] = str(error)
        self._draft.sweep()
        self._part_layers_from_codes()
        alive = {node.name for node in self._draft.graph.node}
        left: dict[str, tuple[str, ...]] = {}
        for name, why in self._left.items():
            if name in alive:
                left[why] = (*left.get(why, ()), name)
        names = {tensor.name for tensor in self._draft.graph.initializer}
        constants = {name: pin for name, pin in self._constants.items() if name in names}
        reads = tuple((*key, pin) for key, pin in self._reads.items())
        return Folded(self._draft.finish(), constants, frozenset(self._fenced), reads, left)

    def _part_layers_from_codes(self) -> None:
        """Puts an Identity between a layer and a quantizer that is left before it.

        What reads a DequantizeLinear would be taken for a layer that is quantized already.
        """
        left = {n.output[0] for n in self._draft.graph.node if is_linear(n, "DequantizeLinear")}
        same: dict[str, str] = {}
        for node in self._draft.graph.node:
            if node.op_type in _WEIGHT_SLOTS and is_onnx_domain(node.domain):
                for slot, name in enumerate(node.input[:2]):
                    if name in left:
                        if name not in same:
                            same[name] = self._draft.unique_name(f"{name}_same")
                        node.input[slot] = same[name]
                        if (pin := self._reads.pop((name, node.name), None)) is not None:
                            self._reads[same[name], node.name] = pin
        nodes: list[NodeProto] = []
        for node in self._draft.graph.node if same else ():
            nodes.append(node)
            nodes += [
                helper.make_node("Identity", [name], [same[name]], same[name])
                for name in node.output
                if name in same
            ]
        if same:
            copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
            del self._draft.graph.node[:]
            self._draft.graph.node.extend(copies)

    def _fold(self, node: NodeProto) -> None:
        source = node.input[0]
        if self._draft.is_constant(source):
            pin = pin_of(
                self._draft,
                node,
                self._draft.constant_type(source),
                self._draft.constant_shape(source),
            )
            self._fold_constant(node, source, pin, from_codes=True)
            return
        quantizer = self._quantizer(node)
        if quantizer is None:
            self._left[node.name] = "no quantizer of the same grid is before them"
            return
        before = quantizer.input[0]
        if self._draft.is_constant(before):
            shape = self._draft.constant_shape(before)
            pin = pin_of(self._draft, quantizer, self._codes_of(quantizer), shape)
            self._kept[before] = self._kept_codes(self._producers[source])
            self._fold_constant(node, before, pin, from_codes=False)
            return
        pin = pin_of(self._draft, quantizer, self._codes_of(quantizer), None)
        if self._producers[source] is not quantizer:
            raise NoGridError("their codes are cut to fewer than the type has")
        self._fold_activation(node, quantizer, pin)

    def _codes_of(self, quantizer: NodeProto) -> int:
        """The type of what a QuantizeLinear writes."""
        if len(quantizer.input) > 2 and quantizer.input[2]:
            return self._draft.constant_type(quantizer.input[2])
        return number(quantizer, "output_dtype", 0) or TensorProto.UINT8

    def _quantizer(self, node: NodeProto) -> NodeProto | None:
        """The QuantizeLinear before a DequantizeLinear of the same grid.

        Exporters of PyTorch have a Clip of the codes between the two where a range is narrower than
        its type, [-127, 127]; for a weight whose codes stay in there it changes nothing.
        """
        found = self._producers.get(node.input[0])
        if found is not None and found.op_type == "Clip" and is_onnx_domain(found.domain):
            found = self._producers.get(found.input[0])
        if found is None or not is_linear(found, "QuantizeLinear"):
            return None
        grid = [name for name in (*found.input[1:3], *node.input[1:3]) if name]
        if not all(self._draft.is_constant(name) for name in grid):
            raise NoGridError("their scale is not constant")
        same = all(
            np.array_equal(self._number(found, slot), self._number(node, slot)) for slot in (1, 2)
        )
        return found if same and self._axes(found) == self._axes(node) else None

    def _kept_codes(self, node: NodeProto) -> tuple[float, float]:
        """(lowest, highest) code that a Clip lets through; no ends for a quantizer."""
        ends = [-np.inf, np.inf]
        for slot in (1, 2) if node.op_type == "Clip" else ():
            name = node.input[slot] if slot < len(node.input) else ""
            if name:
                if not self._draft.is_constant(name):
                    raise NoGridError("their codes are cut to ends that are not constant")
                ends[slot - 1] = float(self._draft.constant(name).reshape(()))
        return ends[0], ends[1]

    def _number(self, node: NodeProto, slot: int) -> NDArray[Any]:
        name = node.input[slot] if slot < len(node.input) else ""
        return self._draft.constant(name) if name else np.zeros((), np.uint8)

    def _axes(self, node: NodeProto) -> tuple[int, int]:
        size = self._draft.constant(node.input[1]).size
        block = max(number(node, "block_size", 0), 0)
        return (number(node, "axis", 1) if size > 1 or block else 1), block

    # Weights and biases -----------------------------------------------------------------------

    def _fold_constant(self, node: NodeProto, source: str, pin: Pin, *, from_codes: bool) -> None:
        """Gives layers the real numbers in the place of a constant's quantizers."""
        written = node.output[0]
        others = False
        for reader in self._readers.get(written, ()):
            is_fence = from_codes and self._is_fence(reader, written, source, pin)
            perm = () if is_fence else self._turns(reader)
            if perm is not None:
                name = self._real(source, pin, perm, from_codes=from_codes)
                self._fenced |= {name} if is_fence else set()
                later = self._readers.get(reader.output[0], ())
                done = [self._give(one, reader.output[0], name, pin) for one in later]
                others |= not all(done) or reader.output[0] in self._outputs
                continue
            is_odd_bias = pin.dtype == BIAS and len(self._draft.constant_shape(source)) != 1
            if is_odd_bias or not _slots(reader, written, pin):
                others = True
                continue
            name = self._real(source, pin, (), from_codes=from_codes)
            others |= not self._give(reader, written, name, pin)
        if others or written in self._outputs:
            self._left[node.name] = "they are constants of other operators, or read by them too"

    def _is_fence(self, node: NodeProto, tensor: str, source: str, pin: Pin) -> bool:
        """Whether a node is a Max that changes nothing of a weight.

        See `inspector.onnxio.writers.fences`. Cost: a look at all values, for a Max alone.
        """
        others = [name for name in node.input if name != tensor]
        if node.op_type != "Max" or len(node.input) != 2 or len(others) != 1 or pin.dtype == BIAS:
            return False
        if not self._draft.is_constant(others[0]) or self._draft.constant(others[0]).size != 1:
            return False
        values = real_values(self._draft.constant(source), pin)
        end = self._draft.constant(others[0]).reshape(())
        return bool(end <= values.min(initial=np.inf))

    def _turns(self, node: NodeProto) -> tuple[int, ...] | None:
        """The new order of the axes, where a node does nothing but transpose a matrix."""
        if node.op_type != "Transpose" or not is_onnx_domain(node.domain):
            return None
        perm = next((tuple(one.ints) for one in node.attribute if one.name == "perm"), (1, 0))
        return perm if sorted(perm) == list(range(len(perm))) else None

    def _give(self, reader: NodeProto, tensor: str, name: str, pin: Pin) -> bool:
        """Lets a layer read a constant; whether nothing of it reads the old tensor now."""
        slots = _slots(reader, tensor, pin)
        for slot in slots:
            reader.input[slot] = name
        return bool(slots) and tensor not in reader.input

    def _real(self, source: str, pin: Pin, perm: tuple[int, ...], *, from_codes: bool) -> str:
        """The float constant that a constant stands for, made once for each order of its axes."""
        key = (source, repr(pin._key), perm)
        if key in self._made:
            return self._made[key]
        shape = self._draft.constant_shape(source)
        if perm and len(perm) != len(shape):
            raise NoGridError("they are transposed in a way that does not fit")
        name = source
        kept = self._kept.get(source, (-np.inf, np.inf))
        is_cut = not from_codes and bool(np.isfinite(kept).any())
        if from_codes or perm or is_cut or self._constants.get(source, pin) != pin:
            stem = source.removesuffix("_quantized")
            name = self._draft.unique_name(stem if stem != source else f"{source}_float")
            read = self._draft.reader(source)
            order = perm or tuple(range(len(shape)))

            def compute() -> NDArray[np.uint8]:
                real = real_values(read(), pin) if from_codes else read()
                real = cut(real, pin, *kept) if is_cut else real
                return np.ascontiguousarray(real.transpose(order)).reshape(-1).view(np.uint8)

            new_shape = tuple(shape[at] for at in order)
            self._draft.set_computed(name, compute, TensorProto.FLOAT, new_shape, source)
        self._constants[name] = turned(pin, perm) if perm else pin
        self._made[key] = name
        return name

    # Activations ------------------------------------------------------------------------------

    def _fold_activation(self, node: NodeProto, quantizer: NodeProto, pin: Pin) -> None:
        source, written = quantizer.input[0], node.output[0]
        readers = self._readers.get(written, [])
        if any(is_linear(one, "QuantizeLinear") for one in readers):
            raise NoGridError("another quantizer reads what they give")
        if any(written in _outer(one) for one in readers):
            raise NoGridError("a subgraph reads what they give")
        if any(source in one.input or (source, one.name) in self._reads for one in readers):
            raise NoGridError("a node reads their tensor in two ways")
        if written in self._outputs:
            self._take_over_output(source, written)
            source = written
            self._reads[source, OUTPUT] = pin
        for reader in readers:
            for slot, name in enumerate(reader.input):
                if name == written:
                    reader.input[slot] = source
            self._reads[source, reader.name] = pin
        self._readers[source] = [*self._readers.get(source, []), *readers]

    def _take_over_output(self, source: str, written: str) -> None:
        """Gives the float tensor the name of the output that its quantized values are."""
        made = self._producers.get(source)
        own = self._producers[self._producers[written].input[0]]
        others = [one for one in self._readers.get(source, ()) if one is not own]
        known = {reader for tensor, reader in self._reads if tensor == source}
        if made is None or source in self._outputs or source in self._inputs:
            raise NoGridError("they join an input or output of the model to an output")
        if any(one.name not in known for one in others):
            raise NoGridError("other nodes read the float values of the output")
        if any(source in _outer(one) for one in others):
            raise NoGridError("a subgraph reads the float values of the output")
        made.output[list(made.output).index(source)] = written
        for reader in self._readers.get(source, ()):
            for slot, name in enumerate(reader.input):
                if name == source:
                    reader.input[slot] = written
        for tensor, reader_name in list(self._reads):
            if tensor == source:
                self._reads[written, reader_name] = self._reads.pop((source, reader_name))
        dequantizer = self._producers[written]
        dequantizer.output[0] = self._draft.unique_name(f"{written}_gone")
        self._producers[written] = made
        self._readers[written] = list(self._readers.get(source, ()))


def _outer(node: NodeProto) -> set[str]:
    """What the subgraphs of a node may read from outside, and more: all names in them."""
    return {name for graph in subgraphs(node) for inner in graph.node for name in inner.input}


def _slots(reader: NodeProto, tensor: str, pin: Pin) -> list[int]:
    """The inputs of a layer at which a constant is its weight or its bias."""
    if not is_onnx_domain(reader.domain):
        return []
    known = _BIAS_SLOTS if pin.dtype == BIAS else _WEIGHT_SLOTS
    allowed = known.get(reader.op_type, ())
    return [slot for slot, name in enumerate(reader.input) if name == tensor and slot in allowed]
