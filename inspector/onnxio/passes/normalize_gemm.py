"""Put Gemm's alpha and beta into its constants."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.report import PassReport
from inspector.onnxio.passes.rewrite import Constants, attribute, remove_attribute

_NAME = "normalize_gemm"


def normalize_gemm(model: Model) -> tuple[Model, PassReport]:
    """Make alpha and beta 1 wherever a constant can take them up.

    Y = alpha * A' * B' + beta * C (ONNX operator Gemm). alpha goes into B, or A where only that is
    constant; beta into C.
    """
    if not any(_scales(node) for node in model.proto.graph.node):
        return model, PassReport(_NAME)
    draft = Draft(model)
    constants = Constants(draft)
    changed = 0
    left: list[str] = []
    for node in draft.graph.node:
        for name, slots in _scales(node):
            slot = next((s for s in slots if constants.has(node, s)), None)
            if slot is None:
                left.append(f"{node.name}: {name} scales a tensor that is not constant.")
                continue
            values = constants.get(node, slot)
            scale = np.float32(attribute(node, name, 1.0))
            if values.dtype.kind == "f":
                constants.put(node, slot, (values * scale).astype(values.dtype))
                remove_attribute(node, name)
                changed += 1
    if not changed:
        return model, PassReport(_NAME, 0, tuple(left))
    draft.sweep()
    return draft.finish(), PassReport(_NAME, changed, tuple(left))


def _scales(node: NodeProto) -> list[tuple[str, tuple[int, ...]]]:
    """The factors of a Gemm that are not 1, each with the inputs that could take it up."""
    if node.op_type != "Gemm" or not is_onnx_domain(node.domain):
        return []
    found: list[tuple[str, tuple[int, ...]]] = []
    if attribute(node, "alpha", 1.0) != 1.0:
        found.append(("alpha", (1, 0)))
    if attribute(node, "beta", 1.0) != 1.0 and len(node.input) > 2 and node.input[2]:
        found.append(("beta", (2,)))
    return found
