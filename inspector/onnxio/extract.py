"""From an ONNX model to the graph that the rest of the program sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from onnx import AttributeProto, GraphProto, NodeProto, TensorProto

from inspector.errors import ModelError
from inspector.graph.model import AttributeValue, Graph, Node, Tensor
from inspector.onnxio.constants import constant_of_node, decode
from inspector.onnxio.draft import outer_reads, reads, subgraphs
from inspector.onnxio.inference import graph_types, infer
from inspector.onnxio.layers import find_layers
from inspector.onnxio.loading import Model
from inspector.onnxio.names import node_names
from inspector.onnxio.order import topological_order
from inspector.onnxio.tensors import dtype_name, stored_bytes

_SHOWN_BYTES = 1 << 16


def extract_graph(model: Model) -> Graph:
    """The graph of a model, with inferred shapes, unique node names and its layers.

    Shape inference that fails (unknown operators, contradictions in the file) leaves shapes unknown
    and is no error. Subgraphs become Graph values of attributes; calls of model functions stay one
    node, told by its domain.

    Raises:
        ModelError: if the graph is no graph: a cycle, a tensor computed twice, or one that nothing
            gives.
    """
    proto = infer(model)
    opsets = {
        "" if opset.domain == "ai.onnx" else opset.domain: opset.version
        for opset in proto.opset_import
    }
    graph = _graph(proto.graph, {}, MappingProxyType(opsets))
    return replace(graph, layers=find_layers(graph))


def _graph(graph: GraphProto, outer: Mapping[str, Tensor], opsets: Mapping[str, int]) -> Graph:
    """One graph; `outer` are the tensors of the graphs around it."""
    constants = {tensor.name for tensor in graph.initializer}
    constants.update(sparse.values.name for sparse in graph.sparse_initializer)
    inputs = tuple(value.name for value in graph.input if value.name not in constants)
    captured = [name for name in outer_reads(graph) if name in outer]
    order = topological_order(graph.node, {*constants, *inputs, *captured})
    names = node_names(graph.node)
    nodes = [(names[position], graph.node[position]) for position in order]
    producers = {output: name for name, node in nodes for output in node.output if output}
    _check_outputs(graph, {*constants, *inputs, *captured, *producers})
    constants.update(
        node.output[0] for _, node in nodes if node.output and constant_of_node(node) is not None
    )
    consumers = _consumers(nodes)
    types = graph_types(graph)
    tensors: dict[str, Tensor] = {}
    for name in dict.fromkeys((*inputs, *sorted(constants), *producers)):
        dtype, shape = types.get(name, ("", None))
        tensors[name] = Tensor(
            name, dtype, shape, name in constants, producers.get(name), consumers.get(name, ())
        )
    for name in captured:
        tensors[name] = replace(outer[name], producer=None, consumers=consumers.get(name, ()))
    visible = {**outer, **tensors}
    return Graph(
        graph.name,
        tuple(_node(name, node, visible, opsets) for name, node in nodes),
        MappingProxyType(tensors),
        inputs,
        tuple(value.name for value in graph.output),
        opset=opsets.get("", 0),
        opsets=opsets,
    )


def _check_outputs(graph: GraphProto, known: set[str]) -> None:
    for output in graph.output:
        if output.name not in known:
            raise ModelError(
                f"The graph output '{output.name}' is computed by no node.",
                "The file is damaged, or its exporter is at fault; export it again.",
            )


def _consumers(nodes: Iterable[tuple[str, NodeProto]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for name, node in nodes:
        for tensor in reads(node):
            found.setdefault(tensor, {})[name] = None
    return {tensor: tuple(names) for tensor, names in found.items()}


def _node(
    name: str, node: NodeProto, visible: Mapping[str, Tensor], opsets: Mapping[str, int]
) -> Node:
    outer = dict.fromkeys(read for graph in subgraphs(node) for read in outer_reads(graph))
    return Node(
        name,
        node.op_type,
        "" if node.domain == "ai.onnx" else node.domain,
        tuple(node.input),
        tuple(node.output),
        MappingProxyType(
            {attribute.name: _value(attribute, visible, opsets) for attribute in node.attribute}
        ),
        tuple(outer),
    )


def _value(
    attribute: AttributeProto, visible: Mapping[str, Tensor], opsets: Mapping[str, int]
) -> AttributeValue:
    match attribute.type:
        case AttributeProto.INT:
            return attribute.i
        case AttributeProto.FLOAT:
            return attribute.f
        case AttributeProto.STRING:
            return _text(attribute.s)
        case AttributeProto.INTS:
            return tuple(attribute.ints)
        case AttributeProto.FLOATS:
            return tuple(attribute.floats)
        case AttributeProto.STRINGS:
            return tuple(_text(item) for item in attribute.strings)
        case AttributeProto.TENSOR:
            return _tensor(attribute.t)
        case AttributeProto.TENSORS:
            return tuple(_tensor(tensor) for tensor in attribute.tensors)
        case AttributeProto.GRAPH:
            return _graph(attribute.g, visible, opsets)
        case AttributeProto.GRAPHS:
            return tuple(_graph(graph, visible, opsets) for graph in attribute.graphs)
        case AttributeProto.SPARSE_TENSOR:
            sparse = attribute.sparse_tensor
            return f"sparse {_summary(sparse.values.data_type, tuple(sparse.dims))}"
    return str(AttributeProto.AttributeType.Name(attribute.type)).lower()


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value


def _tensor(tensor: TensorProto) -> AttributeValue:
    """A tensor's values if it is small and sound, else its type and shape as text."""
    shape = tuple(tensor.dims)
    if stored_bytes(tensor.data_type, shape) <= _SHOWN_BYTES:
        try:
            return decode(tensor)
        except ModelError:
            return _summary(tensor.data_type, shape)
    return _summary(tensor.data_type, shape)


def _summary(elem_type: int, shape: tuple[int, ...]) -> str:
    return f"{dtype_name(elem_type)}{list(shape)}"
