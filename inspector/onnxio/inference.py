"""Shapes and types of tensors, as far as onnx can infer them."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from onnx import (
    GraphProto,
    ModelProto,
    TensorShapeProto,
    TypeProto,
    ValueInfoProto,
    shape_inference,
)

from inspector.errors import ModelError
from inspector.graph.model import Dim
from inspector.onnxio.constants import Constant, constant_nodes
from inspector.onnxio.loading import Model
from inspector.onnxio.tensors import dtype_name

_MAX_RANK = 64

ValueType = tuple[str, tuple[Dim, ...] | None]
"""dtype and shape, as a :class:`~inspector.graph.model.Tensor` has them."""


def infer(model: Model) -> ModelProto:
    """The model's proto with the shapes that onnx can infer.

    Works on the light proto, so it costs little however big the weights are.
    """
    return infer_proto(model.proto)


def infer_proto(proto: ModelProto) -> ModelProto:
    """A proto with the shapes that onnx can infer.

    Where inference raises (a contradiction in the file, an operator it stumbles over), the proto is
    returned as it is.
    """
    for data_prop in (True, False) if _has_sane_steps(proto) else (False,):
        try:
            return shape_inference.infer_shapes(proto, data_prop=data_prop)
        except (shape_inference.InferenceError, RuntimeError, ValueError, TypeError):
            continue
    return proto


def _has_sane_steps(proto: ModelProto) -> bool:
    """Whether no Slice has a step beyond 32 bits.

    onnx counts such steps in an int when it propagates values, and reads outside of its memory.
    """
    slices = [n for n in proto.graph.node if n.op_type == "Slice" and len(n.input) > 4]
    if not slices:
        return True
    tensors = {t.name: Constant.of(t) for t in proto.graph.initializer if not t.external_data}
    known = {**tensors, **dict(constant_nodes(proto.graph))}
    for node in slices:
        steps = known.get(node.input[4])
        if steps is None or prod(steps.shape) > _MAX_RANK:
            continue
        try:
            values = steps.load()
        except ModelError:
            return False
        if values.dtype.kind == "i" and (abs(values.astype(object)) >= 2**31).any():
            return False
    return True


def _dims(shape: TensorShapeProto) -> Iterator[Dim]:
    for dim in shape.dim:
        kind = dim.WhichOneof("value")
        if kind == "dim_value":
            yield dim.dim_value if dim.dim_value >= 0 else None
        else:
            yield dim.dim_param or None


def value_type(value: TypeProto) -> ValueType:
    """The dtype and shape of an ONNX type."""
    kind = value.WhichOneof("value") or ""
    if kind not in {"tensor_type", "sparse_tensor_type"}:
        return kind.removesuffix("_type"), None
    tensor = value.tensor_type if kind == "tensor_type" else value.sparse_tensor_type
    shape = tuple(_dims(tensor.shape)) if tensor.HasField("shape") else None
    return dtype_name(tensor.elem_type), shape


def graph_types(graph: GraphProto) -> dict[str, ValueType]:
    """Types of the tensors that a graph (not its subgraphs) says something about."""
    types: dict[str, ValueType] = {}
    values: tuple[ValueInfoProto, ...] = (*graph.value_info, *graph.output, *graph.input)
    for value in values:
        types[value.name] = value_type(value.type)
    for sparse in graph.sparse_initializer:
        types[sparse.values.name] = (dtype_name(sparse.values.data_type), tuple(sparse.dims))
    for tensor in graph.initializer:
        types[tensor.name] = (dtype_name(tensor.data_type), tuple(tensor.dims))
    return types
