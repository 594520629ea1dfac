"""Which operators a model file holds."""

from __future__ import annotations

from pathlib import Path

import onnx

from inspector.graph.model import Node


def file_nodes(path: Path) -> tuple[Node, ...]:
    """The nodes of a model file as they are written, without attributes.

    Those inside subgraphs or functions are not among them.

    Args:
        path: an ONNX file; its weights are not read.
    """
    model = onnx.load(str(path), load_external_data=False)
    return tuple(
        Node(node.name, node.op_type, node.domain, tuple(node.input), tuple(node.output), {})
        for node in model.graph.node
    )
