"""One spelling for ONNX's own domain."""

from __future__ import annotations

from collections.abc import Iterable

from onnx import ModelProto, NodeProto

_WRITTEN_OUT = "ai.onnx"


def writes_own_domain_out(serialized: bytes) -> bool:
    """Whether a serialized model may hold the long name at all, told without decoding it."""
    return _WRITTEN_OUT.encode() in serialized


def spell_own_domain(proto: ModelProto) -> None:
    """Write "" wherever a model writes ONNX's own domain out (onnx/docs/IR.md allows both).

    onnx's shape inference and reference implementation know the operators by "" only.

    Args:
        proto: changed in place.
    """
    imports = proto.opset_import
    plain = any(not opset.domain for opset in imports)
    for index in range(len(imports) - 1, -1, -1):
        if imports[index].domain == _WRITTEN_OUT and plain:
            del imports[index]
        elif imports[index].domain == _WRITTEN_OUT:
            imports[index].domain = ""
            plain = True
    _spell(proto.graph.node)
    for function in proto.functions:
        _spell(function.node)


def _spell(nodes: Iterable[NodeProto]) -> None:
    for node in nodes:
        if node.domain == _WRITTEN_OUT:
            node.domain = ""
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _spell(attribute.g.node)
            for graph in attribute.graphs:
                _spell(graph.node)
