"""A simulation cut into pieces that run one after the other, so that layers can be visited in turn.

For each layer there is a piece that computes what it reads, and one that is the layer. What a later
piece needs of an earlier one is handed over by whoever runs them, so that visiting all layers
costs as much as running the model once, and numbers may change between two pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto, helper

from inspector.graph.model import Layer
from inspector.onnxio.draft import reads
from inspector.onnxio.runnable import Runnable
from inspector.onnxio.simulation import Simulation


@dataclass(frozen=True, slots=True)
class Piece:
    """Some nodes of a simulation.

    Attributes:
        nodes: their positions in the simulation's graph, in order.
        needs: tensors that earlier pieces or the model's inputs give.
        numbers: inputs of the simulation that it reads.
        gives: what it computes for later pieces, or for whoever looks at the layer.
        last: of what it needs and gives, the tensors that no later piece needs.
    """

    nodes: tuple[int, ...]
    needs: tuple[str, ...]
    numbers: tuple[str, ...]
    gives: tuple[str, ...]
    last: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Visit:
    """One layer of a walk.

    Attributes:
        layer: the layer.
        before: computes what it reads; None where that is there already.
        itself: the layer.
        read: the tensor that it reads, behind its quantizer.
        written: what it computes, before any quantizer.
    """

    layer: Layer
    before: Piece | None
    itself: Piece
    read: str
    written: str


class Pieces:
    """The pieces of a simulation; nothing of it runs here."""

    def __init__(self, simulation: Simulation, layers: Sequence[Layer], inputs: Iterable[str]):
        """Cuts a simulation.

        Args:
            simulation: what is cut.
            layers: the layers to visit: those with a constant weight.
            inputs: the model's own inputs, which samples give.

        Cost: linear in the number of nodes, times the layers where much runs beside them.
        """
        self._simulation = simulation
        self._proto = ModelProto.FromString(simulation.runnable.data)
        self._graph: GraphProto = self._proto.graph
        self._nodes: list[NodeProto] = list(self._graph.node)
        self._reads = [reads(node) for node in self._nodes]
        self._producer = {n: i for i, node in enumerate(self._nodes) for n in node.output if n}
        self._readers = {name: i for i, found in enumerate(self._reads) for name in found}
        self._initializers = {tensor.name: tensor for tensor in self._graph.initializer}
        given = set(inputs)
        self._numbers = {v.name: v for v in self._graph.input if v.name not in given}
        self.visits = self._cut(layers)

    def runnable(self, piece: Piece, types: Mapping[str, str]) -> Runnable:
        """A piece as the runtime takes it.

        Args:
            piece: one of `visits`.
            types: numpy's name of the element type of each tensor that the piece needs.
        """
        proto = ModelProto()
        proto.CopyFrom(self._shell())
        graph = proto.graph
        graph.node.extend(self._nodes[index] for index in piece.nodes)
        known = {name for index in piece.nodes for name in self._reads[index]}
        graph.initializer.extend(t for n, t in self._initializers.items() if n in known)
        graph.input.extend(self._numbers[name] for name in piece.numbers)
        for name in piece.needs:
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(types[name]))
            graph.input.append(helper.make_tensor_value_info(name, kind, None))
        graph.output.extend(ValueInfoProto(name=name) for name in piece.gives)
        arrays = {n: a for n, a in self._simulation.runnable.arrays.items() if n in known}
        return Runnable(proto.SerializeToString(), arrays)

    def _shell(self) -> ModelProto:
        shell = ModelProto()
        shell.ir_version = self._proto.ir_version
        shell.opset_import.extend(self._proto.opset_import)
        shell.functions.extend(self._proto.functions)
        shell.graph.name = "piece"
        return shell

    def _cut(self, layers: Sequence[Layer]) -> tuple[Visit, ...]:
        stops = [stop for layer in layers if (stop := self._stop(layer)) is not None]
        done: set[int] = set()
        groups: list[tuple[int, ...]] = []
        for _, read, written in stops:
            groups.append(self._missing(read, done))
            groups.append(self._missing(written, done))
        wanted = {name for _, read, written in stops for name in (read, written)}
        pieces = self._pieces(groups, wanted)
        return tuple(
            Visit(
                layer,
                pieces[2 * k] if groups[2 * k] else None,
                pieces[2 * k + 1],
                read,
                written,
            )
            for k, (layer, read, written) in enumerate(stops)
        )

    def _stop(self, layer: Layer) -> tuple[Layer, str, str] | None:
        """What a layer reads and writes in the simulation; None where its weight is no input."""
        inputs = self._simulation.layers[layer.name]
        if inputs.weight is None or not layer.activation_slots:
            return None
        index = self._readers[inputs.weight]
        written = self._nodes[index].output[0]
        if inputs.factor is not None:
            written = self._nodes[self._readers[inputs.factor]].output[0]
        return layer, self._nodes[index].input[layer.activation_slots[0]], written

    def _missing(self, tensor: str, done: set[int]) -> tuple[int, ...]:
        """The nodes that a tensor needs and that no piece has; they count as had from now on."""
        found: set[int] = set()
        todo = [tensor]
        while todo:
            index = self._producer.get(todo.pop())
            if index is not None and index not in done:
                done.add(index)
                found.add(index)
                todo += self._reads[index]
        return tuple(sorted(found))

    def _pieces(self, groups: Sequence[tuple[int, ...]], wanted: set[str]) -> list[Piece]:
        last_reader: dict[str, int] = {}
        for number, group in enumerate(groups):
            for index in group:
                last_reader.update(dict.fromkeys(self._reads[index], number))
        pieces: list[Piece] = []
        for number, group in enumerate(groups):
            made = [name for index in group for name in self._nodes[index].output if name]
            inner = set(made)
            read = dict.fromkeys(name for index in group for name in self._reads[index])
            outside = [n for n in read if n not in inner and n not in self._initializers]
            needs = tuple(name for name in outside if name not in self._numbers)
            pieces.append(
                Piece(
                    group,
                    needs,
                    tuple(name for name in outside if name in self._numbers),
                    tuple(n for n in made if last_reader.get(n, -1) > number or n in wanted),
                    _last((*needs, *made), number, last_reader),
                )
            )
        return pieces


def _last(names: Iterable[str], number: int, last_reader: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(name for name in names if last_reader.get(name, -1) <= number)
