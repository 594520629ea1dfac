"""The constants of a graph: initializers, sparse initializers and Constant nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, NodeProto, SparseTensorProto, TensorProto, numpy_helper

from inspector.errors import ModelError
from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.tensors import Source

_DTYPES: dict[int, type] = {TensorProto.FLOAT: np.float32, TensorProto.INT64: np.int64}


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant's type and shape, and how to get its values."""

    elem_type: int
    shape: tuple[int, ...]
    load: Callable[[], NDArray[Any]]

    @classmethod
    def of(cls, tensor: TensorProto) -> Constant:
        """The constant that a whole TensorProto holds."""
        return cls(tensor.data_type, tuple(tensor.dims), lambda: decode(tensor))

    @classmethod
    def at(cls, source: Source) -> Constant:
        """The constant that a source gives."""
        return cls(source.elem_type, source.shape, source.load)


def decode(tensor: TensorProto) -> NDArray[Any]:
    """The values of a whole TensorProto, read-only.

    Raises:
        ModelError: if they do not fit the shape or type.
    """
    try:
        array: NDArray[Any] = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"The values of tensor '{tensor.name}' do not fit its type and shape "
            f"{list(tensor.dims)}.",
            "The file is damaged; export it again.",
        ) from error
    if array.flags.writeable:
        array.flags.writeable = False
    return array


def constant_of_sparse(sparse: SparseTensorProto) -> Constant:
    """The dense constant that a sparse one stands for (onnx.proto, SparseTensorProto)."""
    shape = tuple(sparse.dims)

    def load() -> NDArray[Any]:
        values = decode(sparse.values)
        dense = np.zeros(shape, values.dtype)
        indices = decode(sparse.indices)
        try:
            if indices.ndim == 2:
                dense[tuple(indices.T)] = values
            else:
                dense.reshape(-1)[indices] = values
        except (IndexError, ValueError) as error:
            raise ModelError(
                f"The indices of sparse tensor '{sparse.values.name}' do not fit its shape.",
                "The file is damaged; export it again.",
            ) from error
        dense.flags.writeable = False
        return dense

    return Constant(sparse.values.data_type, shape, load)


def _plain(attribute: AttributeProto) -> Constant | None:
    kinds: dict[str, tuple[int, Any]] = {
        "value_float": (TensorProto.FLOAT, attribute.f),
        "value_floats": (TensorProto.FLOAT, attribute.floats),
        "value_int": (TensorProto.INT64, attribute.i),
        "value_ints": (TensorProto.INT64, attribute.ints),
        "value_string": (TensorProto.STRING, attribute.s),
        "value_strings": (TensorProto.STRING, attribute.strings),
    }
    if attribute.name not in kinds:
        return None
    elem_type, value = kinds[attribute.name]
    dtype = np.dtype(_DTYPES.get(elem_type, np.object_))
    if isinstance(value, (bytes, float, int)):
        array = np.array(
            value.decode("utf-8", "replace") if isinstance(value, bytes) else value, dtype
        )
    else:
        items = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in value]
        array = np.array(items, dtype)
    array.flags.writeable = False
    return Constant(elem_type, array.shape, lambda: array)


def constant_of_node(node: NodeProto) -> Constant | None:
    """What a Constant node holds; None for other nodes and for a Constant without a value."""
    if node.op_type != "Constant" or not is_onnx_domain(node.domain):
        return None
    for attribute in node.attribute:
        if attribute.name == "value" and attribute.HasField("t"):
            return Constant.of(attribute.t)
        if attribute.name == "sparse_value" and attribute.HasField("sparse_tensor"):
            return constant_of_sparse(attribute.sparse_tensor)
        plain = _plain(attribute)
        if plain is not None:
            return plain
    return None


def constant_nodes(graph: GraphProto) -> Iterator[tuple[str, Constant]]:
    """Tensor name and constant of each Constant node of a graph (not of its subgraphs)."""
    for node in graph.node:
        constant = constant_of_node(node)
        if constant is not None and node.output:
            yield node.output[0], constant
