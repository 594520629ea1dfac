"""Put the nodes in order and write into the model the names that they go by in the program."""

from __future__ import annotations

from onnx import NodeProto

from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.names import node_names
from inspector.onnxio.order import topological_order
from inspector.onnxio.passes.report import PassReport


def name_nodes(model: Model) -> tuple[Model, PassReport]:
    """Sort the main graph topologically and give every node its unique, stable name.

    First of all passes: later ones rely on the order, and they remove nodes and rename tensors,
    which must not rename layers.

    Raises:
        ModelError: if the graph has a cycle, a tensor with two producers or with none.
    """
    graph = model.proto.graph
    names = node_names(graph.node)
    given = {value.name for value in (*graph.input, *graph.initializer)}
    given.update(sparse.values.name for sparse in graph.sparse_initializer)
    order = topological_order(graph.node, given)
    changed = sum(node.name != name for node, name in zip(graph.node, names, strict=True))
    if not changed and order == list(range(len(order))):
        return model, PassReport("name_nodes")
    draft = Draft(model)
    for node, name in zip(draft.graph.node, names, strict=True):
        node.name = name
    if order != list(range(len(order))):
        nodes: list[NodeProto] = [draft.graph.node[position] for position in order]
        del draft.graph.node[:]
        draft.graph.node.extend(nodes)
        changed += 1
    return draft.finish(), PassReport("name_nodes", changed)
