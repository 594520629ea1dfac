"""Nodes in an order in which each comes after what it reads."""

from __future__ import annotations

from collections.abc import Container, Sequence
from heapq import heapify, heappop, heappush

from onnx import NodeProto

from inspector.errors import ModelError
from inspector.onnxio.draft import reads

_HINT = "The file is damaged, or its exporter is at fault; export it again."


def topological_order(nodes: Sequence[NodeProto], given: Container[str]) -> list[int]:
    """Positions of nodes in topological order; file order wherever that is one.

    Args:
        nodes: the nodes of one graph, in file order.
        given: tensors that are there from the start: inputs, initializers, tensors of outer graphs.

    Raises:
        ModelError: for a tensor that two nodes compute, one that nothing gives, and a cycle.
    """
    producers = _producers(nodes, given)
    waits: list[set[int]] = []
    for position, node in enumerate(nodes):
        names = [name for name in reads(node) if name not in given]
        missing = next((name for name in names if name not in producers), None)
        if missing is not None:
            raise ModelError(
                f"{_label(nodes[position])} reads the tensor '{missing}', which nothing gives.",
                _HINT,
            )
        waits.append({producers[name] for name in names})
    if all(max(wait, default=-1) < position for position, wait in enumerate(waits)):
        return list(range(len(nodes)))
    return _sorted(nodes, waits)


def _sorted(nodes: Sequence[NodeProto], waits: list[set[int]]) -> list[int]:
    readers: list[list[int]] = [[] for _ in nodes]
    for position, wait in enumerate(waits):
        for producer in wait:
            readers[producer].append(position)
    left = [len(wait) for wait in waits]
    ready = [position for position, count in enumerate(left) if not count]
    heapify(ready)
    order: list[int] = []
    while ready:
        position = heappop(ready)
        order.append(position)
        for reader in readers[position]:
            left[reader] -= 1
            if not left[reader]:
                heappush(ready, reader)
    if len(order) < len(nodes):
        stuck = next(position for position, count in enumerate(left) if count)
        raise ModelError(f"{_label(nodes[stuck])} is part of a cycle or waits for one.", _HINT)
    return order


def _producers(nodes: Sequence[NodeProto], given: Container[str]) -> dict[str, int]:
    producers: dict[str, int] = {}
    for position, node in enumerate(nodes):
        for name in filter(None, node.output):
            if name in producers or name in given:
                raise ModelError(f"The tensor '{name}' is defined more than once.", _HINT)
            producers[name] = position
    return producers


def _label(node: NodeProto) -> str:
    return f"The {node.op_type} node '{node.name}'" if node.name else f"A {node.op_type} node"
