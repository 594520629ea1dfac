"""Names that are text."""

from __future__ import annotations

from collections.abc import Iterable

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto

_WITH_GRAPHS = (AttributeProto.GRAPH, AttributeProto.GRAPHS)


def names_are_text(proto: ModelProto) -> bool:
    """Whether every name in a model is valid UTF-8.

    The format says so, but protobuf does not check it: a damaged name comes back as bytes, which
    compare and sort with no other name.

    Cost: a few microseconds for each node; the names are gathered in lists, whose types are told
    at once.
    """
    names: list[object] = [opset.domain for opset in proto.opset_import]
    _gather(proto.graph, names)
    for function in proto.functions:
        names += (function.name, function.domain, *function.input, *function.output)
        _gather_nodes(function.node, names)
        _gather_values(function.value_info, names)
    return set(map(type, names)) <= {str}


def _gather(graph: GraphProto, names: list[object]) -> None:
    names.append(graph.name)
    names += [tensor.name for tensor in graph.initializer]
    names += [sparse.values.name for sparse in graph.sparse_initializer]
    for values in (graph.input, graph.output, graph.value_info):
        _gather_values(values, names)
    _gather_nodes(graph.node, names)


def _gather_values(values: Iterable[ValueInfoProto], names: list[object]) -> None:
    # Most files name the same few dimensions over and over, and most have only numbers.
    for value in values:
        names.append(value.name)
        names += [dim.dim_param for dim in value.type.tensor_type.shape.dim]


def _gather_nodes(nodes: Iterable[NodeProto], names: list[object]) -> None:
    for node in nodes:
        names += (node.name, node.op_type, node.domain)
        names += node.input
        names += node.output
        for attribute in node.attribute:
            names.append(attribute.name)
            if attribute.type in _WITH_GRAPHS:
                _gather(attribute.g, names)
                for graph in attribute.graphs:
                    _gather(graph, names)
