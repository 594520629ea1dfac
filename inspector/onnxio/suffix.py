"""The part of a simulation that lies behind a change: all else has been computed before.

The nodes of a simulation stand in one order, in which each quantizer comes right before the first
node that reads it. A *cut* is a place between two of them; what is computed before it and read
behind it is its *boundary*. A suffix is a model of its own whose inputs are the boundary and those
numbers of the simulation that its nodes read. So a choice that leaves all numbers before a cut as
they were has the outputs that the suffix computes from the boundary of another choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from inspector.graph.model import Dim
from inspector.onnxio.baking import Baked
from inspector.onnxio.draft import reads
from inspector.onnxio.runnable import Runnable
from inspector.onnxio.simulation import Simulation

Kind = tuple[str, "tuple[Dim, ...] | None"]
"""The type and shape of a tensor, as the runtime tells them."""

_TYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "float16": TensorProto.FLOAT16,
    "bool": TensorProto.BOOL,
    **{
        f"{sign}int{bits}": TensorProto.DataType.Value(f"{sign.upper()}INT{bits}")
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    },
}


_EMBEDDED = 1 << 12
"""Constants with fewer bytes are written into the model."""


class Cuttable:
    """A simulation that can be cut in two between any two of its nodes.

    Cost of making it: linear in the number of nodes.
    """

    def __init__(self, simulation: Simulation) -> None:
        """Orders the nodes."""
        self._simulation = simulation
        self._arrays = simulation.runnable.arrays
        proto = ModelProto.FromString(simulation.runnable.data)
        self._nodes = _sunk(list(proto.graph.node), simulation)
        self._reads = [reads(node) for node in self._nodes]
        self._inputs = {value.name: value for value in proto.graph.input}
        self._outputs = {value.name: value for value in proto.graph.output}
        self._initializers = {tensor.name: tensor for tensor in proto.graph.initializer}
        del proto.graph.node[:], proto.graph.input[:], proto.graph.output[:]
        del proto.graph.initializer[:], proto.graph.value_info[:]
        self._frame = proto
        self._made_at: dict[str, int] = {}
        self._first: dict[str, int] = {}
        self._last: dict[str, int] = {}
        for position, node in enumerate(self._nodes):
            self._made_at.update((name, position) for name in node.output if name)
            for name in self._reads[position]:
                self._first.setdefault(name, position)
                self._last[name] = position

    def __len__(self) -> int:
        """How many nodes there are."""
        return len(self._nodes)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the whole model computes."""
        return tuple(self._outputs)

    def first_reader(self, name: str) -> int:
        """The position of the first node that reads an input; that of the end where none does."""
        return self._first.get(name, len(self._nodes))

    def computed_by(self, name: str) -> int | None:
        """The position of the node that computes a tensor; None where none does."""
        return self._made_at.get(name)

    def boundary(self, position: int) -> tuple[str, ...]:
        """What nodes before a position compute and nodes from there on read, in graph order."""
        return tuple(
            name
            for name, made in self._made_at.items()
            if made < position <= self._last.get(name, -1)
        )

    def exposed(self, names: Iterable[str]) -> Runnable:
        """The whole model, with more of its tensors as outputs."""
        outputs = [*self._outputs.values()]
        outputs += [ValueInfoProto(name=n) for n in dict.fromkeys(names) if n not in self._outputs]
        return self._runnable(self._nodes, list(self._inputs.values()), outputs)

    def suffix(
        self,
        position: int,
        kinds: Mapping[str, Kind],
        fixed: Mapping[str, NDArray[Any]] = MappingProxyType({}),
        exposed: Iterable[str] = (),
    ) -> tuple[Runnable, frozenset[str]]:
        """The model from a position on.

        Args:
            position: of its first node.
            kinds: types and shapes of the boundary.
            fixed: numbers of the simulation that are constants in it, by input.
            exposed: more tensors that are outputs, as far as they are computed there.

        Returns:
            The model, whose outputs are those of the whole one that it computes, and the names of
            all its inputs.
        """
        outputs = [v for n, v in self._outputs.items() if self._made_at.get(n, -1) >= position]
        more = (name for name in dict.fromkeys(exposed) if name not in self._outputs)
        outputs += [ValueInfoProto(name=n) for n in more if self._made_at.get(n, -1) >= position]
        names = {value.name for value in outputs}
        baked = Baked(self._simulation, self._nodes[position:], fixed, names)
        wanted = {name for node in baked.nodes for name in reads(node)}
        inputs = [v for n, v in self._inputs.items() if n in wanted and n not in fixed]
        inputs += [_value(name, kinds[name]) for name in self.boundary(position) if name in wanted]
        model = self._runnable(baked.nodes, inputs, outputs, baked.constants)
        return model, frozenset(value.name for value in inputs)

    def _runnable(
        self,
        nodes: Sequence[NodeProto],
        inputs: Sequence[ValueInfoProto],
        outputs: Sequence[ValueInfoProto],
        constants: Mapping[str, NDArray[Any]] = MappingProxyType({}),
    ) -> Runnable:
        wanted = {name for node in nodes for name in reads(node)}
        wanted.update(value.name for value in outputs)
        proto = ModelProto()
        proto.CopyFrom(self._frame)
        proto.graph.node.extend(nodes)
        proto.graph.input.extend(inputs)
        proto.graph.output.extend(outputs)
        kept = [tensor for name, tensor in self._initializers.items() if name in wanted]
        proto.graph.initializer.extend(kept)
        arrays = {name: array for name, array in self._arrays.items() if name in wanted}
        for name, value in constants.items():
            if value.nbytes < _EMBEDDED:
                proto.graph.initializer.append(numpy_helper.from_array(value, name))
            else:
                proto.graph.initializer.append(_external(name, value))
                arrays[name] = value
        return Runnable(proto.SerializeToString(), arrays)


def can_be_fed(kind: Kind) -> bool:
    """Whether a value of a type can be the input of a suffix; sequences cannot."""
    return kind[0] in _TYPES


def _external(name: str, value: NDArray[Any]) -> TensorProto:
    """An initializer whose values are handed over beside the model."""
    dtype = helper.np_dtype_to_tensor_dtype(value.dtype)
    tensor = TensorProto(name=name, data_type=dtype, dims=value.shape)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=name)
    return tensor


def _value(name: str, kind: Kind) -> ValueInfoProto:
    dtype, shape = kind
    return helper.make_tensor_value_info(name, _TYPES[dtype], None if shape is None else shape)


def _sunk(nodes: Sequence[NodeProto], simulation: Simulation) -> list[NodeProto]:
    """The nodes with each quantizer right before the first node that reads it.

    A tensor that is read far from where it is made has its quantizers where they matter.
    """
    numbers = {
        name
        for site in simulation.sites.values()
        for name in (site.divisor, site.lowest, site.multiplier)
        if name is not None
    }
    waiting: dict[str, NodeProto] = {}  # by what it computes
    found: list[NodeProto] = []
    for node in nodes:
        is_step = node.op_type == "Round" and node.input[0] in waiting
        if is_step or any(name in numbers for name in node.input):
            waiting[node.output[0]] = node
            continue
        for name in reads(node):
            found += _chain(name, waiting)
        found.append(node)
    for name in list(waiting):  # what only the outputs read
        found += _chain(name, waiting)
    return found


def _chain(name: str, waiting: dict[str, NodeProto]) -> list[NodeProto]:
    """Takes a quantizer out of those that wait: its nodes up to the one that computes a tensor."""
    chain: list[NodeProto] = []
    node = waiting.pop(name, None)
    while node is not None:
        chain.append(node)
        node = waiting.pop(node.input[0], None)
    return chain[::-1]
