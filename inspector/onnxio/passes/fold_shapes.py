"""Make the targets of Reshape constants where shapes are known well enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto

from inspector.graph.model import Dim
from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.draft import Draft
from inspector.onnxio.inference import ValueType, infer_types
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.report import PassReport
from inspector.onnxio.passes.rewrite import attribute, remove_attribute
from inspector.onnxio.passes.shape_values import ShapeValues

_NAME = "fold_shapes"
_UNKNOWN: ValueType = ("", None)


def fold_shapes(model: Model) -> tuple[Model, PassReport]:
    """Give Reshape a constant target where it is computed from shapes.

    Of the sizes of its output at most one may be open, which is written as -1, beside those that it
    takes over from its input under the same name at the same place, which are written as 0 (ONNX
    operator Reshape). What only computed the target goes. What the file says of inner tensors and
    of its outputs is not believed: it may be out of date.
    """
    outputs = {value.name for value in model.proto.graph.output}
    constants = {tensor.name for tensor in model.proto.graph.initializer}
    if not any(_is_computed(node, constants, outputs) for node in model.proto.graph.node):
        return model, PassReport(_NAME)
    types = infer_types(model, declared=False).values
    draft = Draft(model)
    values = ShapeValues(draft, types)
    changed = 0
    for node in draft.graph.node:
        values.follow(node)
        if not _is_computed(node, constants, outputs) or attribute(node, "allowzero", 0):
            continue
        given = types.get(node.input[0], _UNKNOWN)[1] or ()
        target = _target(values.of(node.input[1]), given)
        if target is None:
            shape = types.get(node.output[0], _UNKNOWN)[1] or ()
            target = None if 0 in shape else _target(shape, given)
        if target is None:
            continue
        name = draft.unique_name(f"{node.output[0]}_shape")
        draft.set_constant(name, np.array(target, np.int64))
        node.input[1] = name
        remove_attribute(node, "allowzero")
        changed += 1
    if not changed:
        return model, PassReport(_NAME)
    draft.sweep()
    return draft.finish(), PassReport(_NAME, changed)


def _is_computed(node: NodeProto, constants: set[str], outputs: set[str]) -> bool:
    """Whether a node is a Reshape with a target that is no constant."""
    return (
        node.op_type == "Reshape"
        and is_onnx_domain(node.domain)
        and len(node.input) == 2
        and node.input[1] not in constants
        and node.output[0] not in outputs
    )


def _target(wanted: Sequence[Dim] | None, given: Sequence[Dim]) -> list[int] | None:
    """The target that gives a shape, or does what a computed target does; None if none can.

    Args:
        wanted: sizes; -1 and 0 mean what they mean in a target.
        given: the shape of the input.
    """
    if not wanted:
        return None
    target = [_size(dim, axis, given) for axis, dim in enumerate(wanted)]
    return None if target.count(-1) > 1 else target


def _size(dim: Dim, axis: int, given: Sequence[Dim]) -> int:
    if isinstance(dim, int):
        return dim
    same = dim is not None and axis < len(given) and given[axis] == dim
    return 0 if same else -1
