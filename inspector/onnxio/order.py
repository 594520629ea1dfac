"""Nodes in an order in which each comes after what it reads."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from heapq import heapify, heappop, heappush

from onnx import NodeProto

from inspector.errors import ModelError
from inspector.onnxio.draft import reads

_HINT = "The file is damaged, or its exporter is at fault; export it again."


def topological_order(
    nodes: Sequence[NodeProto],
    given: Container[str],
    *,
    reads_of: Sequence[Iterable[str]] | None = None,
    outputs_of: Sequence[Iterable[str]] | None = None,
) -> list[int]:
    """Positions of nodes in topological order; file order wherever that is one.

    Args:
        nodes: the nodes of one graph, in file order.
        given: tensors that are there from the start: inputs, initializers, tensors of outer graphs.
        reads_of: what each node reads, if the caller knows it already.
        outputs_of: what each node computes, likewise.

    Raises:
        ModelError: for a tensor that two nodes compute, one that nothing gives, and a cycle.

    Cost: linear where the file is in order; else times the logarithm of how many nodes are ready.
    """
    if reads_of is None:
        reads_of = [reads(node) for node in nodes]
    if outputs_of is None:
        outputs_of = [node.output for node in nodes]
    producers = _producers(outputs_of, given)
    in_order = True
    for position, names in enumerate(reads_of):
        for name in names:
            producer = producers.get(name)
            if producer is None:
                if name in given:
                    continue
                raise ModelError(
                    f"{_label(nodes[position])} reads the tensor '{name}', which nothing gives.",
                    _HINT,
                )
            if producer >= position:
                in_order = False
    if in_order:
        return list(range(len(nodes)))
    waits = [{producers[name] for name in names if name in producers} for names in reads_of]
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


def _producers(outputs_of: Sequence[Iterable[str]], given: Container[str]) -> dict[str, int]:
    producers: dict[str, int] = {}
    for position, outputs in enumerate(outputs_of):
        for name in outputs:
            if not name:
                continue
            if name in producers or name in given:
                raise ModelError(f"The tensor '{name}' is defined more than once.", _HINT)
            producers[name] = position
    return producers


def _label(node: NodeProto) -> str:
    return f"The {node.op_type} node '{node.name}'" if node.name else f"A {node.op_type} node"
