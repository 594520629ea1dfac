"""Let each weight of a recurrent operator be a matrix that a node of its own carries.

See `inspector.graph.recurrent` for why. `unfold_recurrent` takes it back where nothing came of it.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, helper

from inspector.graph.operators import is_onnx_domain
from inspector.graph.recurrent import CELL, RECURRENT_LAYERS, WEIGHT_SLOTS
from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.report import PassReport

_NAME = "recurrent_weights"
_FLOATS = ("float32", "float16")


def recurrent_weights(model: Model) -> tuple[Model, PassReport]:
    """Put a Reshape of a matrix in the place of W and R of every LSTM, GRU and RNN.

    Operators whose weights are computed, or are no constants of three dimensions, are left.
    """
    if not any(_is_recurrent(node) for node in model.proto.graph.node):
        return model, PassReport(_NAME)
    draft = Draft(model)
    taken = {node.name for node in draft.graph.node}
    uses = draft.uses()
    nodes: list[NodeProto] = []
    changed, left = 0, []
    for node in draft.graph.node:
        if _is_recurrent(node):
            names = {f"{node.name}{ending}" for ending in (*WEIGHT_SLOTS, CELL)} - {node.name}
            if names & taken or not _has_matrices(draft, node):
                left.append(f"{node.name}: its weights are no constants of three dimensions")
            else:
                nodes += [
                    _carrier(draft, node, ending, slot, alone=uses[node.input[slot]] == 1)
                    for ending, slot in WEIGHT_SLOTS.items()
                ]
                node.name += CELL
                changed += 1
        nodes.append(node)
    if not changed:
        return model, PassReport(_NAME, 0, tuple(left))
    _replace_nodes(draft, nodes)
    draft.sweep()
    return draft.finish(), PassReport(_NAME, changed, tuple(left))


def unfold_recurrent(model: Model) -> Model:
    """A written model whose recurrent operators have their names, and plain weights, again.

    What comes out of a quantizer or a decoder keeps its Reshape.
    """
    if not any(node.name.endswith(CELL) for node in model.proto.graph.node):
        return model
    draft = Draft(model)
    carriers = {node.output[0]: node for node in draft.graph.node if node.op_type == "Reshape"}
    for node in draft.graph.node:
        if not node.name.endswith(CELL):
            continue
        for slot in WEIGHT_SLOTS.values():
            carrier = carriers.get(node.input[slot])
            if carrier is None or not draft.is_constant(carrier.input[0]):
                continue
            matrix = carrier.input[0]
            shape = tuple(draft.constant(carrier.input[1]))
            node.input[slot] = draft.unique_name(f"{matrix}_weight")
            draft.set_constant(node.input[slot], draft.constant(matrix).reshape(shape))
    nodes = list(draft.graph.node)
    names = {node.name for node in nodes}
    draft.sweep()
    for node in draft.graph.node:
        if node.name.endswith(CELL):
            plain = node.name.removesuffix(CELL)
            carried = [one for one in draft.graph.node if one.name == plain]
            for one in carried:  # a Reshape of dequantized weights is still there
                one.name = _free(f"{plain}/W", names)
            node.name = plain
    return draft.finish()


def _free(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    taken.add(name)
    return name


def _is_recurrent(node: NodeProto) -> bool:
    known = node.op_type in RECURRENT_LAYERS and is_onnx_domain(node.domain)
    return known and len(node.input) > 2 and not node.name.endswith(CELL)


def _has_matrices(draft: Draft, node: NodeProto) -> bool:
    """Whether both weights are constants of floats, (directions, rows, columns)."""
    for slot in WEIGHT_SLOTS.values():
        name = node.input[slot]
        if not draft.is_constant(name) or len(draft.constant_shape(name)) != 3:
            return False
        if helper.tensor_dtype_to_np_dtype(draft.constant_type(name)).name not in _FLOATS:
            return False
    return True


def _carrier(draft: Draft, node: NodeProto, ending: str, slot: int, *, alone: bool) -> NodeProto:
    """The node that makes a weight of a matrix; the matrix keeps the weight's name if it can."""
    weight = node.input[slot]
    shape = draft.constant_shape(weight)
    values = draft.constant(weight).reshape(shape[0] * shape[1], shape[2])
    matrix = weight if alone else draft.unique_name(f"{node.name}{ending}_weight")
    draft.set_constant(matrix, values)
    _forget(draft, matrix)
    target = draft.unique_name(f"{node.name}{ending}_shape")
    draft.set_constant(target, np.asarray(shape, np.int64))
    node.input[slot] = draft.unique_name(f"{node.name}{ending or '/W'}")
    kind = draft.constant_type(matrix)
    known = helper.make_tensor_value_info(node.input[slot], kind, shape)
    draft.graph.value_info.append(known)
    return helper.make_node("Reshape", [matrix, target], [node.input[slot]], node.name + ending)


def _forget(draft: Draft, name: str) -> None:
    """Drop what the file says of a tensor whose shape is another now."""
    for place in (draft.graph.value_info, draft.graph.input):
        for index in range(len(place) - 1, -1, -1):
            if place[index].name == name:
                del place[index]


def _replace_nodes(draft: Draft, nodes: list[NodeProto]) -> None:
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del draft.graph.node[:]
    draft.graph.node.extend(copies)
