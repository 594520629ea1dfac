"""Turn Constant nodes into initializers."""

from __future__ import annotations

from onnx import GraphProto

from inspector.errors import ModelError
from inspector.onnxio.constants import constant_of_node
from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.report import PassReport

_NAME = "constants_to_initializers"
_SEPARATE_INITIALIZERS = 4
"""The first IR version whose initializers need not be graph inputs too (onnx/docs/IR.md)."""


def constants_to_initializers(model: Model) -> tuple[Model, PassReport]:
    """Make initializers of the main graph's Constant nodes, and of inputs that have a default.

    A graph input with an initializer of its name can be overridden by the caller, so the runtime
    must not fold it. Files of IR version 3 and older list every weight like that. Nothing in this
    program overrides weights, so they become plain constants. Subgraphs keep their Constant nodes.
    """
    if not _has_work(model.proto.graph):
        return model, PassReport(_NAME)
    draft = Draft(model)
    left: list[str] = []
    gone = []
    for node in draft.graph.node:
        constant = constant_of_node(node)
        if constant is None:
            continue
        try:
            array = constant.load()
        except ModelError as error:
            left.append(f"{node.name}: {error.message}")
            continue
        draft.set_constant(node.output[0], array, constant.elem_type)
        gone.append(node)
    draft.remove_nodes(gone)
    inputs = draft.graph.input
    defaults = 0
    for index in range(len(inputs) - 1, -1, -1):
        if draft.is_constant(inputs[index].name):
            del inputs[index]
            defaults += 1
    if not gone and not defaults:
        return model, PassReport(_NAME, 0, tuple(left))
    draft.proto.ir_version = max(draft.proto.ir_version, _SEPARATE_INITIALIZERS)
    draft.sweep()
    return draft.finish(), PassReport(_NAME, len(gone) + defaults, tuple(left))


def _has_work(graph: GraphProto) -> bool:
    """Whether there is a Constant node, or an initializer that is an input too."""
    if any(node.op_type == "Constant" for node in graph.node):
        return True
    inputs = {value.name for value in graph.input}
    return any(tensor.name in inputs for tensor in graph.initializer)
