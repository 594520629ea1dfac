"""The functions that a model defines for itself, as graphs to look at."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from onnx import FunctionProto, GraphProto, ValueInfoProto

from inspector.errors import ModelError
from inspector.graph.model import Graph
from inspector.onnxio.extract import graph_of
from inspector.onnxio.loading import Model

FunctionKey = tuple[str, str, str]
"""Domain, name and overload of a function."""


def function_graphs(model: Model) -> Mapping[FunctionKey, Graph]:
    """The bodies of a model's own functions.

    Attributes of theirs that nodes refer to are shown as "@" and their name. A body that is no
    graph (a cycle, say) is left out: the model cannot be run, but all else of it can be looked at.

    Cost: linear in the number of nodes.
    """
    found: dict[FunctionKey, Graph] = {}
    for function in model.proto.functions:
        try:
            found[function.domain, function.name, function.overload] = _body(function)
        except ModelError:
            continue
    return MappingProxyType(found)


def _body(function: FunctionProto) -> Graph:
    opsets = MappingProxyType({opset.domain: opset.version for opset in function.opset_import})
    # A function says no types of its inputs and outputs: they are those of each call.
    graph = GraphProto(
        name=function.name,
        node=function.node,
        input=[ValueInfoProto(name=name) for name in function.input],
        output=[ValueInfoProto(name=name) for name in function.output],
        value_info=function.value_info,
    )
    return graph_of(graph, {}, opsets)
