"""A working copy of a model: what passes and writers change."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    helper,
    numpy_helper,
)

from inspector.errors import UnsupportedError
from inspector.onnxio.constants import decode
from inspector.onnxio.loading import STUB_BYTES, Model
from inspector.onnxio.tensors import ArraySource, ComputedSource, Source, stored_bytes

MAX_PROTO = 2**31 - 1
"""Bytes that one protobuf message can have."""


class Draft:
    """A copy of a model that may be changed, made a Model again by :meth:`finish`.

    The proto is copied, the weights are shared: :meth:`set_constant` replaces one.
    """

    def __init__(self, model: Model) -> None:
        """Copy a model's proto; the model stays as it is."""
        self._path = model.path
        self._folder = model.folder
        self._sources: dict[str, Source] = dict(model.sources)
        self.proto = deepcopy(model.proto)
        self._initializers = {tensor.name: tensor for tensor in self.graph.initializer}
        self._names: set[str] | None = None

    @property
    def graph(self) -> GraphProto:
        """The main graph, to be changed in place."""
        return self.proto.graph

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is an initializer (Constant nodes are not looked at)."""
        return name in self._initializers

    def constant(self, name: str) -> NDArray[Any]:
        """The values of an initializer, read-only.

        Raises:
            KeyError: if there is none of that name.
            ModelError: if its values do not fit its shape.
        """
        source = self._sources.get(name)
        if source is not None:
            return source.load()
        return decode(self._initializers[name])

    def reader(self, name: str) -> Callable[[], NDArray[Any]]:
        """What reads the values of an initializer, also after it is no longer in the draft."""
        source = self._sources.get(name)
        if source is not None:
            return source.load
        values = decode(self._initializers[name])
        return lambda: values

    def constant_shape(self, name: str) -> tuple[int, ...]:
        """The shape of an initializer."""
        return tuple(self._initializers[name].dims)

    def constant_type(self, name: str) -> int:
        """The ONNX element type of an initializer."""
        return int(self._initializers[name].data_type)

    def set_constant(self, name: str, array: NDArray[Any], elem_type: int | None = None) -> None:
        """Add or replace an initializer.

        Args:
            name: its name.
            array: its values; not copied where big, so leave it alone from now on.
            elem_type: ONNX element type; by default that of the array's dtype.
        """
        if elem_type is None:
            elem_type = helper.np_dtype_to_tensor_dtype(array.dtype)
        tensor = self._initializers.get(name)
        if tensor is None:
            tensor = self.graph.initializer.add()
            self._initializers[name] = tensor
            if self._names is not None:
                self._names.add(name)
        self._sources.pop(name, None)
        tensor.Clear()
        if elem_type != TensorProto.STRING and stored_bytes(elem_type, array.shape) >= STUB_BYTES:
            tensor.name = name
            tensor.data_type = elem_type
            tensor.dims.extend(array.shape)
            tensor.data_location = TensorProto.EXTERNAL
            view = np.ascontiguousarray(array).reshape(array.shape).view()
            view.flags.writeable = False
            self._sources[name] = ArraySource(view, elem_type)
        else:
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(array), name))

    def set_computed(
        self,
        name: str,
        compute: Callable[[], NDArray[np.uint8]],
        elem_type: int,
        shape: tuple[int, ...],
        origin: str = "",
    ) -> None:
        """Add an initializer whose values are computed when the model is written or run.

        Args:
            name: its name, which nothing has yet.
            compute: gives the bytes as ONNX stores them; called now where there are few.
            elem_type: ONNX element type.
            shape: of the tensor.
            origin: the initializer that they are computed from.
        """
        tensor = self.graph.initializer.add()
        self._initializers[name] = tensor
        if self._names is not None:
            self._names.add(name)
        tensor.name, tensor.data_type = name, elem_type
        tensor.dims.extend(shape)
        if stored_bytes(elem_type, shape) < STUB_BYTES:
            tensor.raw_data = compute().tobytes()
            return
        tensor.data_location = TensorProto.EXTERNAL
        self._sources[name] = ComputedSource(compute, elem_type, shape, self._sources.get(origin))

    def unique_name(self, wanted: str) -> str:
        """A tensor name that nothing in the model has yet, the wanted one if it is free."""
        if self._names is None:
            self._names = set(_tensor_names(self.graph))
        name, number = wanted, 2
        while name in self._names:
            name, number = f"{wanted}_{number}", number + 1
        self._names.add(name)
        return name

    def uses(self) -> Counter[str]:
        """How often each tensor is read: by nodes, by their subgraphs, as graph output."""
        return Counter(name for node in self.graph.node for name in reads(node)) + Counter(
            output.name for output in self.graph.output
        )

    def consumers(self) -> dict[str, list[NodeProto]]:
        """The nodes that read each tensor, also from their subgraphs."""
        found: dict[str, list[NodeProto]] = defaultdict(list)
        for node in self.graph.node:
            for name in set(reads(node)):
                found[name].append(node)
        return found

    def remove_nodes(self, gone: Sequence[NodeProto]) -> None:
        """Take nodes out of the main graph."""
        _drop(self.graph.node, {id(node) for node in gone})

    def forget_shapes(self, tensors: Collection[str]) -> None:
        """Drop what the file says of inner tensors whose shapes are others now."""
        if tensors:
            _keep(self.graph.value_info, lambda value: value.name not in tensors)

    def sweep(self) -> None:
        """Drop nodes and initializers that nothing reads, and what is said of tensors now gone."""
        needed = {output.name for output in self.graph.output}
        kept = {""}
        writers = {name: node for node in self.graph.node for name in node.output if name}
        waiting, reached = list(needed), set[int]()
        while waiting:  # not in the order of the file, which need not be that of computing
            node = writers.get(waiting.pop())
            if node is not None and id(node) not in reached:
                reached.add(id(node))
                kept.update(node.output)
                fresh = set(reads(node)) - needed
                needed |= fresh
                waiting += fresh
        dead = [node for node in self.graph.node if id(node) not in reached]
        self.remove_nodes(dead)
        unread = [tensor for tensor in self._initializers.values() if tensor.name not in needed]
        _drop(self.graph.initializer, {id(tensor) for tensor in unread})
        # One that is listed as an input too would have to be fed now.
        gone = {tensor.name for tensor in unread}
        _keep(self.graph.input, lambda value: value.name not in gone)
        self._initializers = {tensor.name: tensor for tensor in self.graph.initializer}
        self._sources = {k: v for k, v in self._sources.items() if k in self._initializers}
        _keep(self.graph.sparse_initializer, lambda sparse: sparse.values.name in needed)
        alive = needed | kept | {value.name for value in self.graph.input}
        _keep(self.graph.value_info, lambda value: value.name in alive)
        _keep(self.graph.quantization_annotation, lambda note: note.tensor_name in alive)
        self._names = None

    def finish(self, path: Path | None = None) -> Model:
        """The Model of this draft, which must not be changed afterwards.

        Args:
            path: where it will be or was written; by default what the first model had.
        """
        return Model(path or self._path, self.proto, self._folder, MappingProxyType(self._sources))


def _drop(messages: Any, gone: set[int]) -> None:
    """Delete the messages of a repeated field by the ids of their (living) wrappers."""
    for index in range(len(messages) - 1, -1, -1) if gone else ():
        if id(messages[index]) in gone:
            del messages[index]


def _keep(messages: Any, wanted: Callable[[Any], bool]) -> None:
    for index in range(len(messages) - 1, -1, -1):
        if not wanted(messages[index]):
            del messages[index]


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs among a node's attributes."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def outer_reads(graph: GraphProto) -> list[str]:
    """Tensors that a subgraph reads and does not define, each once, in order."""
    defined = {value.name for value in graph.input}
    defined.update(tensor.name for tensor in graph.initializer)
    defined.update(sparse.values.name for sparse in graph.sparse_initializer)
    found: dict[str, None] = {}
    defined.update(name for node in graph.node for name in node.output)
    for node in graph.node:
        found.update((name, None) for name in reads(node) if name not in defined)
    for output in graph.output:
        if output.name not in defined:
            found[output.name] = None
    return list(found)


def reads(node: NodeProto) -> list[str]:
    """Tensors that a node reads: its inputs, and what its subgraphs read from outside."""
    names = [name for name in node.input if name]
    for graph in subgraphs(node):
        names.extend(outer_reads(graph))
    return names


def rename_reads(node: NodeProto, names: Mapping[str, str]) -> None:
    """Let a node and its subgraphs read other tensors.

    Args:
        node: changed in place.
        names: the new tensor by the old one. Subgraphs must not define a tensor of a new name.
    """
    for index, name in enumerate(node.input):
        if name in names:
            node.input[index] = names[name]
    for graph in subgraphs(node):
        outer = {name: names[name] for name in outer_reads(graph) if name in names}
        if outer:
            for inner in graph.node:
                rename_reads(inner, outer)
            for output in graph.output:
                output.name = outer.get(output.name, output.name)


def _tensor_names(graph: GraphProto) -> Iterator[str]:
    """Every tensor name of a graph and its subgraphs."""
    yield from (value.name for value in graph.input)
    yield from (value.name for value in graph.output)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (sparse.values.name for sparse in graph.sparse_initializer)
    for node in graph.node:
        yield from node.input
        yield from node.output
        for inner in subgraphs(node):
            yield from _tensor_names(inner)


def whole_proto(model: Model) -> ModelProto:
    """A proto that holds all its values itself, for models below 2 GB.

    Raises:
        UnsupportedError: if it would be larger than a protobuf message can be.
    """
    size = sum(stored_bytes(s.elem_type, s.shape) for s in model.sources.values())
    if size + model.proto.ByteSize() > MAX_PROTO:
        raise UnsupportedError(
            "The model is larger than 2 GB, so it does not fit one file.",
            "Save it with external data.",
        )
    proto = deepcopy(model.proto)
    for tensor in proto.graph.initializer:
        source = model.sources.get(tensor.name)
        if source is not None:
            fill(tensor, source)
    return proto


def fill(tensor: TensorProto, source: Source) -> None:
    """Make a stub whole."""
    tensor.ClearField("data_location")
    del tensor.external_data[:]
    tensor.raw_data = source.raw().tobytes()
