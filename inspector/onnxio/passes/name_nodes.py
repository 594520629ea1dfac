"""Write into the model the names that nodes go by in the program."""

from __future__ import annotations

from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.names import node_names
from inspector.onnxio.passes.report import PassReport


def name_nodes(model: Model) -> tuple[Model, PassReport]:
    """Give every node of the main graph its unique, stable name.

    First of all passes: later ones remove nodes and rename tensors, which must not rename layers.
    """
    names = node_names(model.proto.graph.node)
    nodes = model.proto.graph.node
    changed = sum(node.name != name for node, name in zip(nodes, names, strict=True))
    if not changed:
        return model, PassReport("name_nodes")
    draft = Draft(model)
    for node, name in zip(draft.graph.node, names, strict=True):
        node.name = name
    return draft.finish(), PassReport("name_nodes", changed)
