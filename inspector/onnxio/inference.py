"""Shapes and types of tensors, as far as onnx can infer them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from threading import Lock
from types import MappingProxyType
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    TensorShapeProto,
    TypeProto,
    ValueInfoProto,
    checker,
    shape_inference,
)

from inspector import offload
from inspector.errors import ModelError
from inspector.graph.model import Dim
from inspector.onnxio.constants import Constant, constant_nodes
from inspector.onnxio.loading import Model
from inspector.onnxio.names import node_names
from inspector.onnxio.tensors import dtype_name

_MAX_RANK = 64
_REFUSALS = (
    shape_inference.InferenceError,
    checker.ValidationError,  # functions that call themselves
    RuntimeError,
    ValueError,
    TypeError,
)
"""How onnx says that it cannot infer."""


ValueType = tuple[str, tuple[Dim, ...] | None]
"""dtype and shape, as a :class:`~inspector.graph.model.Tensor` has them."""

InnerKey = tuple[str, str, int]
"""Where a subgraph is: name of the node, name of the attribute, number among its graphs."""


@dataclass(frozen=True, slots=True)
class Types:
    """What is known of the tensors of a graph.

    Attributes:
        values: dtype and shape by tensor name.
        inner: the same of the graphs among the nodes' attributes.
    """

    values: Mapping[str, ValueType]
    inner: Mapping[InnerKey, Types] = field(default_factory=lambda: MappingProxyType({}))


_Flat = tuple[list[str], bytes, list[ValueType], dict[InnerKey, Any]]
"""Types as they travel: names, for each the number of its type (int32), the types, inner graphs.

A graph has thousands of tensors, but only some dozens of types.
"""

_Answers = dict[bool, offload.Answer[_Flat]]


class _Known:
    """Types that were inferred or are on their way, for as long as their models are there."""

    lock: ClassVar = Lock()
    answers: ClassVar[WeakKeyDictionary[Model, _Answers]] = WeakKeyDictionary()
    types: ClassVar[WeakKeyDictionary[Model, dict[bool, Types]]] = WeakKeyDictionary()


def begin_to_infer(model: Model) -> None:
    """Start what :func:`infer_types` gives, beside what the caller does until then."""
    _answer(model, declared=True)


def infer_types(model: Model, *, declared: bool = True) -> Types:
    """What onnx can infer of a model's tensors; inferred once for each model.

    Works on the light proto, so it costs little however big the weights are. Where inference raises
    (a contradiction in the file, an operator it stumbles over), what the file says is all.

    Args:
        model: the model.
        declared: whether to believe what the file says of inner tensors, which may be out of date
            (an edited batch size, say).

    Raises:
        InspectorError: if inference crashed, in a process of its own.

    Cost: about 12 microseconds for each node, in the other process if there is one.
    """
    declared = declared or not model.proto.graph.value_info
    with _Known.lock:
        known = _Known.types.get(model, {}).get(declared)
    if known is None:
        known = _unpack(_answer(model, declared=declared).result())
        with _Known.lock:
            _Known.types.setdefault(model, {})[declared] = known
            _Known.answers.get(model, {}).pop(declared, None)
    return known


def keep_types(before: Model, after: Model) -> None:
    """Take for known of a model what is known of another, whose tensors all have the same types.

    Tensors may have gone, and there may be new constants, which say their types themselves.
    """
    with _Known.lock:
        known = _Known.types.get(before, {}).get(True)
        if known is not None:
            _Known.types.setdefault(after, {})[True] = known


def forget_types(model: Model) -> None:
    """Let go of what :func:`infer_types` keeps."""
    with _Known.lock:
        _Known.types.pop(model, None)
        _Known.answers.pop(model, None)


def _answer(model: Model, *, declared: bool) -> offload.Answer[_Flat]:
    with _Known.lock:
        answers = _Known.answers.setdefault(model, {})
        if declared not in answers:
            data = model.proto.SerializeToString()
            size = len(model.proto.graph.node)
            answers[declared] = offload.ask(flat_types, data, declared, size=size)
        return answers[declared]


def _unpack(flat: _Flat) -> Types:
    names, numbers, kinds, inner = flat
    found = map(kinds.__getitem__, np.frombuffer(numbers, np.int32).tolist())
    return Types(
        MappingProxyType(dict(zip(names, found, strict=True))),
        MappingProxyType({key: _unpack(value) for key, value in inner.items()}),
    )


def flat_types(data: bytes, declared: bool) -> _Flat:
    """The types of a serialized light proto, packed for travel; see :func:`infer_types`."""
    proto = ModelProto()
    proto.ParseFromString(data)
    if not declared:
        del proto.graph.value_info[:]
    return _flat(_inferred(proto).graph)


def _flat(graph: GraphProto) -> _Flat:
    types = graph_types(graph)
    kinds = {kind: number for number, kind in enumerate(dict.fromkeys(types.values()))}
    numbers = np.fromiter(map(kinds.__getitem__, types.values()), np.int32, len(types))
    inner = {key: _flat(body) for key, body in inner_graphs(graph)}
    return list(types), numbers.tobytes(), list(kinds), inner


def inner_graphs(graph: GraphProto) -> Iterator[tuple[InnerKey, GraphProto]]:
    """The subgraphs of a graph's nodes, not those within them, each with its key."""
    found = [
        (position, attribute)
        for position, node in enumerate(graph.node)
        for attribute in node.attribute
        if attribute.type in {AttributeProto.GRAPH, AttributeProto.GRAPHS}
    ]
    names = node_names(graph.node) if found else []
    for position, attribute in found:
        for number, body in enumerate(attribute_graphs(attribute)):
            yield (names[position], attribute.name, number), body


def attribute_graphs(attribute: AttributeProto) -> Sequence[GraphProto]:
    """The graphs that an attribute holds."""
    if attribute.type == AttributeProto.GRAPH:
        return (attribute.g,)
    return tuple(attribute.graphs) if attribute.type == AttributeProto.GRAPHS else ()


def _inferred(proto: ModelProto) -> ModelProto:
    """A proto with the shapes that onnx can infer; as it is where inference raises."""
    for data_prop in (True, False) if _has_sane_steps(proto) else (False,):
        try:
            return shape_inference.infer_shapes(proto, data_prop=data_prop)
        except _REFUSALS:
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
    """Types of the tensors that a graph (not its subgraphs) says something about.

    Cost: about a microsecond for each tensor; the same type is decoded once.
    """
    types: dict[str, ValueType] = {}
    decoded: dict[bytes, ValueType] = {}
    values: tuple[Sequence[ValueInfoProto], ...] = (graph.value_info, graph.output, graph.input)
    for group in values:
        for value in group:
            kind = value.type
            key = kind.SerializeToString()
            known = decoded.get(key)
            if known is None:
                known = decoded[key] = value_type(kind)
            types[value.name] = known
    for sparse in graph.sparse_initializer:
        types[sparse.values.name] = (dtype_name(sparse.values.data_type), tuple(sparse.dims))
    for tensor in graph.initializer:
        types[tensor.name] = (dtype_name(tensor.data_type), tuple(tensor.dims))
    return types
