"""Names that are text."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto


def names_are_text(proto: ModelProto) -> bool:
    """Whether every name in a model is valid UTF-8.

    The format says so, but protobuf does not check it: a damaged name comes back as bytes, which
    compare and sort with no other name.
    """
    return all(isinstance(name, str) for name in _names(proto))


def _names(proto: ModelProto) -> Iterator[object]:
    for opset in proto.opset_import:
        yield opset.domain
    yield from _graph(proto.graph)
    for function in proto.functions:
        yield function.name
        yield function.domain
        yield from function.input
        yield from function.output
        for node in function.node:
            yield from _node(node)


def _graph(graph: GraphProto) -> Iterator[object]:
    yield graph.name
    for tensor in graph.initializer:
        yield tensor.name
    for sparse in graph.sparse_initializer:
        yield sparse.values.name
    for values in (graph.input, graph.output, graph.value_info):
        for value in values:
            yield from _value(value)
    for node in graph.node:
        yield from _node(node)


def _value(value: ValueInfoProto) -> Iterator[object]:
    yield value.name
    for dim in value.type.tensor_type.shape.dim:
        yield dim.dim_param


def _node(node: NodeProto) -> Iterator[object]:
    yield node.name
    yield node.op_type
    yield node.domain
    yield from node.input
    yield from node.output
    for attribute in node.attribute:
        yield attribute.name
        if attribute.type == AttributeProto.GRAPH:
            yield from _graph(attribute.g)
        for graph in attribute.graphs:
            yield from _graph(graph)
