"""Names for nodes: unique in their graph, and the same each time the file is opened."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import NodeProto


def node_names(nodes: Sequence[NodeProto]) -> list[str]:
    """A unique name for each node.

    A node keeps its own name; the second of a name gets "_2" behind it. A node without one is named
    by its operator and its first output, so that removing other nodes renames nothing.

    Args:
        nodes: of one graph, in file order.
    """
    taken = {node.name for node in nodes if node.name}
    seen: set[str] = set()
    names: list[str] = []
    for node in nodes:
        name = node.name
        if not name or name in seen:
            base = name or _made_up(node)
            name, number = base, 2
            while name in taken or name in seen:
                name, number = f"{base}_{number}", number + 1
        seen.add(name)
        names.append(name)
    return names


def _made_up(node: NodeProto) -> str:
    first = next((output for output in node.output if output), "")
    return f"{node.op_type}_{first}" if first else node.op_type or "node"
