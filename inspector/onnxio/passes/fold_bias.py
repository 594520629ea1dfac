"""Make the constant that is added behind a convolution its bias."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.report import PassReport
from inspector.onnxio.passes.rewrite import Constants, attribute, bias_name

_NAME = "fold_bias"
_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})


def fold_bias(model: Model) -> tuple[Model, PassReport]:
    """Fold an Add of one constant per channel into the Conv or ConvTranspose before it.

    Some exporters write the bias as a node of its own. As a bias it is added in the accumulator;
    behind the layer it would need quantizers of its own.
    """
    operators = {node.op_type for node in model.proto.graph.node}
    if "Add" not in operators or operators.isdisjoint(_CONVOLUTIONS):
        return model, PassReport(_NAME)
    draft = Draft(model)
    constants = Constants(draft)
    producers = {name: node for node in draft.graph.node for name in node.output if name}
    gone: list[NodeProto] = []
    for node in draft.graph.node:
        if node.op_type != "Add" or not is_onnx_domain(node.domain):
            continue
        slot = next((slot for slot in (0, 1) if constants.has(node, slot)), None)
        conv = None if slot is None else producers.get(node.input[1 - slot])
        if slot is None or conv is None or not _is_free(conv, constants):
            continue
        bias = _bias(conv, constants, constants.get(node, slot))
        if bias is None:
            continue
        constants.put(conv, 2, bias, bias_name(conv.input[1]))
        conv.output[0] = node.output[0]
        producers[node.output[0]] = conv
        gone.append(node)
    if not gone:
        return model, PassReport(_NAME)
    draft.remove_nodes(gone)
    draft.sweep()
    return draft.finish(), PassReport(_NAME, len(gone))


def _is_free(conv: NodeProto, constants: Constants) -> bool:
    """Whether only the Add reads a convolution of constant weights, and it can have a bias."""
    return (
        conv.op_type in _CONVOLUTIONS
        and is_onnx_domain(conv.domain)
        and constants.uses[conv.output[0]] == 1
        and constants.has(conv, 1)
        and (len(conv.input) < 3 or not conv.input[2] or constants.has(conv, 2))
    )


def _bias(
    conv: NodeProto, constants: Constants, added: NDArray[Any]
) -> NDArray[np.floating[Any]] | None:
    """The new bias (channels,); None if the constant is not one number per channel."""
    weight = constants.get(conv, 1)
    groups = int(attribute(conv, "group", 1))
    channels = weight.shape[0] if conv.op_type == "Conv" else weight.shape[1] * groups
    if added.ndim > weight.ndim or added.dtype != weight.dtype:
        return None
    full = added.reshape((1,) * (weight.ndim - added.ndim) + added.shape)
    if full.shape[1] not in {1, channels} or full.size != full.shape[1]:
        return None
    old = constants.get(conv, 2) if constants.has(conv, 2) else np.zeros(channels, weight.dtype)
    new = old.astype(np.float64) + full.reshape(-1)
    with np.errstate(over="ignore"):
        result: NDArray[np.floating[Any]] = new.astype(weight.dtype)
    return result if np.isfinite(result).all() else None
