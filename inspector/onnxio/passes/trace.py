"""What became of the nodes of a model that a pass rewrote."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from onnx import NodeProto

from inspector.onnxio.draft import reads
from inspector.onnxio.loading import Model

Traced = tuple[Mapping[str, str], tuple[str, ...]]
"""The nodes that are gone, each with its host ("" for a constant), and those that were made."""


def trace(before: Model, after: Model) -> Traced:
    """Compare the nodes of two main graphs in topological order whose nodes all have names.

    What a node that is gone has computed is now given by its host, or by a constant; where the
    tensor is gone as well, the host is who read it.

    Cost: linear in the number of nodes.
    """
    old = {node.name: node for node in before.proto.graph.node}
    new = {node.name: node for node in after.proto.graph.node}
    made = tuple(
        name for name, node in new.items() if name not in old or old[name].op_type != node.op_type
    )
    lost = [node for name, node in old.items() if name not in new]
    if not lost:
        return MappingProxyType({}), made
    makers = {tensor: name for name, node in new.items() for tensor in node.output if tensor}
    constants = {tensor.name for tensor in after.proto.graph.initializer}
    readers: dict[str, str] = {}
    for name, node in old.items():
        for tensor in reads(node):
            readers.setdefault(tensor, name)
    found: dict[str, str] = {}
    for node in reversed(lost):  # of a reader it is known already
        found[node.name] = _host(node, makers, constants, readers, found)
    return MappingProxyType(dict(reversed(found.items()))), made


def _host(
    node: NodeProto,
    makers: Mapping[str, str],
    constants: set[str],
    readers: Mapping[str, str],
    known: Mapping[str, str],
) -> str:
    for tensor in node.output:
        if tensor in makers:
            return makers[tensor]
        if tensor in constants:
            return ""
    for tensor in node.output:
        reader = readers.get(tensor)
        if reader is not None:
            return known.get(reader, reader)
    return ""
