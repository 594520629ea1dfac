"""What a node depends on, and what depends on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from inspector.graph.model import Graph, Node


def upstream(graph: Graph, names: Iterable[str]) -> frozenset[str]:
    """The nodes that those nodes need, they included, also for what their subgraphs read.

    Args:
        graph: the graph.
        names: names of nodes; unknown ones count for nothing.

    Cost: O(nodes + edges).
    """

    def before(node: Node) -> Iterable[str]:
        for tensor in (*node.inputs, *node.outer_inputs):
            known = graph.tensors.get(tensor)
            if known is not None and known.producer is not None:
                yield known.producer

    return _reached(graph, names, before)


def downstream(graph: Graph, names: Iterable[str]) -> frozenset[str]:
    """The nodes that need those nodes, they included, also inside their subgraphs.

    Args:
        graph: the graph.
        names: names of nodes; unknown ones count for nothing.

    Cost: O(nodes + edges).
    """

    def behind(node: Node) -> Iterable[str]:
        for tensor in node.outputs:
            known = graph.tensors.get(tensor) if tensor else None
            if known is not None:
                yield from known.consumers

    return _reached(graph, names, behind)


def between(graph: Graph, a: str, b: str) -> frozenset[str]:
    """The nodes on all ways from one node to another, both included, in either direction.

    Empty where no way leads from one to the other. O(nodes + edges).
    """
    there = downstream(graph, [a]) & upstream(graph, [b])
    return there or (downstream(graph, [b]) & upstream(graph, [a]))


def _reached(
    graph: Graph, names: Iterable[str], beside: Callable[[Node], Iterable[str]]
) -> frozenset[str]:
    known = {node.name for node in graph.nodes}
    found = known.intersection(names)
    waiting = list(found)
    while waiting:
        for name in beside(graph.node(waiting.pop())):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return frozenset(found)
