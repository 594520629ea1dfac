"""The values of a constant, read piece by piece: any type, any size, without a copy of the whole.

Everything that looks at values (tables, pictures, statistics, export) asks for a stretch of them in
C order. What a file packs, leaves out (sparse) or holds as integer codes is spread out for that
stretch alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, SparseTensorProto, TensorProto

from inspector.errors import ModelError
from inspector.graph.model import Graph
from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.constants import constant_of_node, decode
from inspector.onnxio.draft import subgraphs
from inspector.onnxio.loading import Model
from inspector.onnxio.tensors import dtype_name, element_bits

CHUNK = 1 << 18
"""Values read at a time where all are wanted: 2 MB as float64."""


@dataclass(frozen=True, eq=False)
class Values(ABC):
    """The values of one tensor.

    Attributes:
        dtype: as in :class:`~inspector.graph.model.Tensor`.
        shape: of the tensor.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many values there are."""
        return prod(self.shape)

    @property
    def is_text(self) -> bool:
        """Whether they are strings."""
        return self.dtype == "string"

    @property
    def absent(self) -> int:
        """How many are zeros that :meth:`chunks` leaves out, as the file does."""
        return 0

    @abstractmethod
    def read(self, start: int, stop: int) -> NDArray[Any]:
        """The values at start..stop in C order, as an array of one dimension."""

    def chunks(self, size: int = CHUNK) -> Iterator[NDArray[Any]]:
        """All that are stored, in stretches; a sum over them costs one read of the tensor."""
        for start in range(0, self.size, size):
            yield self.read(start, min(start + size, self.size))


@dataclass(frozen=True, eq=False)
class PlainValues(Values):
    """Values that are an array already, or a view of a file.

    Attributes:
        array: (n,) in C order.
    """

    array: NDArray[Any]

    @classmethod
    def of(cls, array: NDArray[Any], dtype: str) -> PlainValues:
        """The values of an array; a view of it where its memory is in C order."""
        return cls(dtype, array.shape, array.reshape(-1))

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """See `Values.read`; a view."""
        return self.array[start:stop]


@dataclass(frozen=True, eq=False)
class PackedValues(Values):
    """Values of 2 or 4 bits, packed into bytes from the lowest bits on (onnx.proto, raw_data).

    Attributes:
        raw: the bytes, a view.
        elem_type: ONNX element type.
    """

    raw: NDArray[np.uint8]
    elem_type: int

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """See `Values.read`."""
        bits = element_bits(self.elem_type)
        per_byte = 8 // bits
        first = start // per_byte
        packed = self.raw[first : -(-stop // per_byte)]
        shifts = np.arange(per_byte, dtype=np.uint8) * np.uint8(bits)
        codes = ((packed[:, None] >> shifts) & np.uint8((1 << bits) - 1)).reshape(-1)
        codes = codes[start - first * per_byte : stop - first * per_byte]
        if self.dtype.startswith("uint"):
            return codes
        if self.dtype.startswith("int"):
            half = np.uint8(1 << (bits - 1))
            return (codes ^ half).astype(np.int8) - np.int8(half)
        return codes.view(onnx.helper.tensor_dtype_to_np_dtype(self.elem_type))


@dataclass(frozen=True, eq=False)
class SparseValues(Values):
    """Values of which the file names those that are not zero.

    Attributes:
        places: (n,) int64 ascending positions in C order.
        stored: (n,) the values there.
    """

    places: NDArray[np.int64]
    stored: NDArray[Any]

    @property
    def absent(self) -> int:
        """See `Values.absent`."""
        return self.size - self.places.size

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """See `Values.read`."""
        result = np.zeros(stop - start, self.stored.dtype)
        first, last = np.searchsorted(self.places, (start, stop))
        result[self.places[first:last] - start] = self.stored[first:last]
        return result

    def chunks(self, size: int = CHUNK) -> Iterator[NDArray[Any]]:
        """See `Values.chunks`."""
        for start in range(0, self.stored.size, size):
            yield self.stored[start : start + size]


@dataclass(frozen=True, slots=True)
class Dequantization:
    """How integer codes become real numbers: real = scale * (code - zero point).

    Attributes:
        scale: name of the constant tensor of scales.
        zero_point: name of the constant tensor of zero points; "" for zero.
        axis: the axis that the scales run along; None for one scale.
        block_size: codes along the axis that share a scale; 0 where each index has its own.
    """

    scale: str
    zero_point: str = ""
    axis: int | None = None
    block_size: int = 0


def tensor_values(model: Model, name: str, graph: Graph | None = None) -> Values:
    """The values of a constant.

    Args:
        model: the model.
        name: the tensor's name.
        graph: the subgraph that it is seen in; looked through before the graph of the model. None
            for the graph of the model.

    Raises:
        ModelError: the model has no such constant, or its values do not fit its type and shape.
    """
    proto = model.proto.graph
    if graph is not None and not _shows(graph, proto):
        for inner in _graphs(model):
            found = _in_graph(inner, name) if _shows(graph, inner) else None
            if found is not None:
                return found
        for function in model.proto.functions:
            if function.name == graph.name and tuple(function.output) == graph.outputs:
                found = _in_nodes(function.node, name)
                if found is not None:
                    return found
    source = model.sources.get(name)
    if source is not None:
        dtype, shape = dtype_name(source.elem_type), source.shape
        if element_bits(source.elem_type) < 8:
            return PackedValues(dtype, shape, source.raw(), source.elem_type)
        return PlainValues.of(source.load(), dtype)
    found = _in_graph(proto, name)
    if found is None:
        raise ModelError(f"The model holds no values of the tensor '{name}'.")
    return found


def _shows(graph: Graph, proto: GraphProto) -> bool:
    return graph.name == proto.name and graph.outputs == tuple(o.name for o in proto.output)


def _graphs(model: Model) -> Iterator[GraphProto]:
    """Every graph inside the model's graph and functions."""
    nodes = [*model.proto.graph.node]
    for function in model.proto.functions:
        nodes.extend(function.node)
    while nodes:
        for inner in subgraphs(nodes.pop()):
            yield inner
            nodes.extend(inner.node)


def _in_graph(graph: GraphProto, name: str) -> Values | None:
    for tensor in graph.initializer:
        if tensor.name == name:
            return _of_proto(tensor)
    for sparse in graph.sparse_initializer:
        if sparse.values.name == name:
            return _of_sparse(sparse)
    return _in_nodes(graph.node, name)


def _in_nodes(nodes: Any, name: str) -> Values | None:
    for node in nodes:
        if node.op_type == "Constant" and name in node.output and is_onnx_domain(node.domain):
            return _of_node(node)
    return None


def _of_node(node: NodeProto) -> Values | None:
    for attribute in node.attribute:
        if attribute.name == "sparse_value" and attribute.HasField("sparse_tensor"):
            return _of_sparse(attribute.sparse_tensor)
    constant = constant_of_node(node)
    if constant is None:
        return None
    return PlainValues.of(_unpacked(constant.load()), dtype_name(constant.elem_type))


def _of_proto(tensor: TensorProto) -> Values:
    return PlainValues.of(_unpacked(decode(tensor)), dtype_name(tensor.data_type))


def _unpacked(array: NDArray[Any]) -> NDArray[Any]:
    """Integers of 2 and 4 bits as bytes, as `PackedValues` gives them."""
    name = array.dtype.name
    if name in {"int2", "int4"}:
        return array.astype(np.int8)
    return array.astype(np.uint8) if name in {"uint2", "uint4"} else array


def _of_sparse(sparse: SparseTensorProto) -> Values:
    """Sparse values, checked (onnx.proto, SparseTensorProto)."""
    values, indices = _unpacked(decode(sparse.values)).reshape(-1), decode(sparse.indices)
    shape = tuple(sparse.dims)
    damaged = ModelError(
        f"The indices of sparse tensor '{sparse.values.name}' do not fit its shape.",
        "The file is damaged; export it again.",
    )
    if min(shape, default=0) < 0 or prod(shape) >= 2**63 or indices.dtype.kind not in "iu":
        raise damaged
    try:
        if indices.ndim == 2:
            places = np.ravel_multi_index(tuple(indices.T), shape)
        else:
            places = indices.reshape(-1)
    except ValueError as error:
        raise damaged from error
    places = np.asarray(places, np.int64)
    if places.size != values.size or np.any((places < 0) | (places >= prod(shape))):
        raise damaged
    places, first = np.unique(places, return_index=True)
    return SparseValues(dtype_name(sparse.values.data_type), shape, places, values[first])


@lru_cache(maxsize=1)
def _bits_by_name() -> dict[str, int]:
    return {dtype_name(number): element_bits(number) for number in TensorProto.DataType.values()}


def bytes_of(dtype: str, size: int) -> int:
    """Bytes that so many values of a type take in a file; 0 for strings and unknown types."""
    return -(-size * _bits_by_name().get(dtype, 0) // 8)
