"""From an ONNX model to the graph that the rest of the program sees.

In two steps: what the file says, which is there at once, and what shape inference adds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto

from inspector.errors import ModelError
from inspector.graph.model import AttributeValue, Graph, Node, Tensor
from inspector.onnxio.attributes import NO_ATTRIBUTES, LateAttributes, attribute_value
from inspector.onnxio.constants import constant_of_node
from inspector.onnxio.draft import outer_reads
from inspector.onnxio.inference import (
    Types,
    ValueType,
    attribute_graphs,
    graph_types,
    infer_types,
)
from inspector.onnxio.layers import find_layers
from inspector.onnxio.loading import Model
from inspector.onnxio.names import node_names
from inspector.onnxio.order import topological_order
from inspector.onnxio.tensors import dtype_name
from inspector.progress import paced

_GRAPHS = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
_UNKNOWN: ValueType = ("", None)


def extract_graph(model: Model) -> Graph:
    """The graph of a model, with inferred shapes, unique node names and its layers.

    Shape inference that fails (unknown operators, contradictions in the file) leaves shapes unknown
    and is no error. Subgraphs become Graph values of attributes; calls of model functions stay one
    node, told by its domain.

    Raises:
        ModelError: if the graph is no graph: a cycle, a tensor computed twice, or one that nothing
            gives.
        InspectorError: if shape inference crashed, in a process of its own.
    """
    return with_shapes(extract_structure(model), infer_types(model))


def extract_structure(model: Model) -> Graph:
    """The graph of a model as far as the file itself tells it: without inferred shapes or layers.

    Types and shapes are those that the file declares, and of constants. Attributes are decoded when
    they are looked at.

    Raises:
        ModelError: as :func:`extract_graph`.

    Cost: about 10 microseconds for each node.
    """
    return graph_of(model.proto.graph, {}, imported_opsets(model.proto))


def with_shapes(graph: Graph, types: Types) -> Graph:
    """A graph that :func:`extract_structure` made, with the types inferred, and its layers.

    Nodes are those of the given graph, apart from those that hold graphs themselves.

    Cost: about 2 microseconds for each tensor, and more for each layer.
    """
    shaped = _shaped(graph, types, {})
    return replace(shaped, layers=find_layers(shaped))


def imported_opsets(proto: ModelProto) -> Mapping[str, int]:
    """The versions of the operators that a model imports, by domain."""
    return MappingProxyType(
        {
            "" if opset.domain == "ai.onnx" else opset.domain: opset.version
            for opset in proto.opset_import
        }
    )


class _Raw(NamedTuple):
    """A node as the file has it, decoded as far as the graph needs it.

    Attributes:
        proto: the node.
        inputs: tensor names.
        outputs: tensor names.
        outer: what its subgraphs read from outside, each once.
        reads: all that it reads: inputs that are there, and `outer`.
    """

    proto: NodeProto
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    outer: tuple[str, ...]
    reads: tuple[str, ...]


def graph_of(graph: GraphProto, outer: Mapping[str, Tensor], opsets: Mapping[str, int]) -> Graph:
    """One graph, as far as the file tells it.

    Args:
        graph: of a model, of a node's attribute, or the body of a function.
        outer: the tensors of the graphs around it.
        opsets: the versions of the operators by domain.

    Raises:
        ModelError: as :func:`extract_graph`.
    """
    constants = {tensor.name for tensor in graph.initializer}
    constants.update(sparse.values.name for sparse in graph.sparse_initializer)
    inputs = tuple(value.name for value in graph.input if value.name not in constants)
    captured = [name for name in outer_reads(graph) if name in outer] if outer else []
    raw = _read(graph.node)
    order = topological_order(
        [node.proto for node in raw],
        {*constants, *inputs, *captured},
        reads_of=[node.reads for node in raw],
        outputs_of=[node.outputs for node in raw],
    )
    names = node_names([node.proto for node in raw])
    nodes = [(names[position], raw[position]) for position in order]
    producers = {output: name for name, node in nodes for output in node.outputs if output}
    _check_outputs(graph, {*constants, *inputs, *captured, *producers})
    types = graph_types(graph)
    constants.update(_constant_nodes(nodes, types))
    consumers = _consumers(nodes)
    tensors: dict[str, Tensor] = {}
    for name in dict.fromkeys((*inputs, *sorted(constants), *producers)):
        dtype, shape = types.get(name, _UNKNOWN)
        tensors[name] = Tensor(
            name, dtype, shape, name in constants, producers.get(name), consumers.get(name, ())
        )
    for name in captured:
        tensors[name] = replace(outer[name], producer=None, consumers=consumers.get(name, ()))
    visible = {**outer, **tensors} if outer else tensors
    return Graph(
        graph.name,
        tuple(_node(name, node, visible, opsets) for name, node in nodes),
        MappingProxyType(tensors),
        inputs,
        tuple(value.name for value in graph.output),
        opset=opsets.get("", 0),
        opsets=opsets,
    )


def _read(nodes: Iterable[NodeProto]) -> list[_Raw]:
    """Every node's tensors; a name that occurs again is the same object, which saves memory."""
    known: dict[str, str] = {}
    share: Callable[[str, str], str] = known.setdefault
    found: list[_Raw] = []
    for node in nodes:
        inputs = tuple([share(name, name) for name in node.input])
        outputs = tuple([share(name, name) for name in node.output])
        outer: tuple[str, ...] = ()
        reads = inputs
        for attribute in node.attribute:
            if attribute.type in _GRAPHS:
                bodies = attribute_graphs(attribute)
                outer += tuple(name for body in bodies for name in outer_reads(body))
        if outer:
            outer = tuple(dict.fromkeys(share(name, name) for name in outer))
            reads = (*inputs, *outer)
        if "" in reads:
            reads = tuple(filter(None, reads))
        found.append(_Raw(node, inputs, outputs, outer, reads))
    return found


def _constant_nodes(nodes: Iterable[tuple[str, _Raw]], types: dict[str, ValueType]) -> list[str]:
    """The tensors that Constant nodes give; their types are added."""
    found: list[str] = []
    for _, node in nodes:
        if node.inputs or not node.outputs or node.proto.op_type != "Constant":
            continue
        constant = constant_of_node(node.proto)
        if constant is not None:
            found.append(node.outputs[0])
            types[found[-1]] = (dtype_name(constant.elem_type), constant.shape)
    return found


def _check_outputs(graph: GraphProto, known: set[str]) -> None:
    for output in graph.output:
        if output.name not in known:
            raise ModelError(
                f"The graph output '{output.name}' is computed by no node.",
                "The file is damaged, or its exporter is at fault; export it again.",
            )


def _consumers(nodes: Iterable[tuple[str, _Raw]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, node in nodes:
        for tensor in node.reads:
            readers = found.get(tensor)
            if readers is None:
                found[tensor] = [name]
            elif readers[-1] != name:
                readers.append(name)
    return {tensor: tuple(names) for tensor, names in found.items()}


def _node(name: str, raw: _Raw, visible: Mapping[str, Tensor], opsets: Mapping[str, int]) -> Node:
    proto = raw.proto
    domain = proto.domain
    return Node(
        name,
        sys.intern(proto.op_type),
        "" if domain in {"", "ai.onnx"} else sys.intern(domain),
        raw.inputs,
        raw.outputs,
        _attributes(proto.attribute, visible, opsets),
        raw.outer,
    )


def _attributes(
    protos: Sequence[AttributeProto], visible: Mapping[str, Tensor], opsets: Mapping[str, int]
) -> Mapping[str, AttributeValue]:
    if not protos:
        return NO_ATTRIBUTES
    if not any(attribute.type in _GRAPHS for attribute in protos):
        return LateAttributes(protos)

    def value(attribute: AttributeProto) -> AttributeValue:
        if attribute.type not in _GRAPHS:
            return attribute_value(attribute)
        graphs = tuple(graph_of(body, visible, opsets) for body in attribute_graphs(attribute))
        return graphs[0] if attribute.type == AttributeProto.GRAPH else graphs

    return MappingProxyType({attribute.name: value(attribute) for attribute in protos})


def _shaped(graph: Graph, types: Types, outer: Mapping[str, Tensor]) -> Graph:
    """The graph with the types; `outer` are the tensors of the graphs around it, with theirs."""
    given = set(graph.inputs)
    values = types.values
    tensors: dict[str, Tensor] = {}
    for name, tensor in paced(graph.tensors.items()):
        known = (tensor.dtype, tensor.shape)
        # A constant says itself what it is.
        kind = known if tensor.constant and tensor.dtype else values.get(name, known)
        if outer and tensor.producer is None and name not in given and name in outer:
            # It belongs to a graph around this one, unless this one has a constant of its name.
            around = outer[name]
            kind = values.get(name, (around.dtype, around.shape))
        if kind != known:
            tensor = Tensor(
                name, kind[0], kind[1], tensor.constant, tensor.producer, tensor.consumers
            )
        tensors[name] = tensor
    nodes = graph.nodes
    if types.inner:
        visible = {**outer, **tensors}
        nodes = tuple(_with_inner(node, types, visible) for node in nodes)
    return replace(graph, nodes=nodes, tensors=MappingProxyType(tensors))


def _with_inner(node: Node, types: Types, visible: Mapping[str, Tensor]) -> Node:
    """A node whose graphs have their types; the node itself where it holds none."""

    def shaped(name: str, number: int, value: AttributeValue) -> AttributeValue:
        inner = types.inner.get((node.name, name, number))
        if inner is None or not isinstance(value, Graph):
            return value
        return _shaped(value, inner, visible)

    if isinstance(node.attributes, LateAttributes) or not node.attributes:
        return node
    attributes = {
        name: tuple(shaped(name, number, item) for number, item in enumerate(value))
        if isinstance(value, tuple)
        else shaped(name, 0, value)
        for name, value in node.attributes.items()
    }
    return replace(node, attributes=MappingProxyType(attributes))
