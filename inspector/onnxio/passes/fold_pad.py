"""Let a convolution pad with zeros itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto, helper

from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.report import PassReport
from inspector.onnxio.passes.rewrite import attribute, integers, remove_attribute, text

_NAME = "fold_pad"


def fold_pad(model: Model) -> tuple[Model, PassReport]:
    """Fold a Pad of zeros along spatial axes into the convolutions that read it.

    It stays where something else reads it, where a convolution finds its own pads by the size of
    its input (auto_pad SAME_*), and where it cuts or pads channels.
    """
    draft = Draft(model)
    uses, consumers = draft.uses(), draft.consumers()
    gone: list[NodeProto] = []
    for node in draft.graph.node:
        if node.op_type != "Pad" or not is_onnx_domain(node.domain):
            continue
        readers = consumers.get(node.output[0], [])
        if len(readers) != uses[node.output[0]] or not readers:
            continue  # an output of the graph, or read twice by one node
        ranks = {_rank(draft, reader, node.output[0]) for reader in readers}
        rank = ranks.pop() if len(ranks) == 1 else None
        pads = None if rank is None else _pads(draft, node, rank)
        if pads is None:
            continue
        for reader in readers:
            _widen(reader, pads)
            reader.input[0] = node.input[0]
        gone.append(node)
    if not gone:
        return model, PassReport(_NAME)
    draft.remove_nodes(gone)
    draft.sweep()
    return draft.finish(), PassReport(_NAME, len(gone))


def _rank(draft: Draft, node: NodeProto, tensor: str) -> int | None:
    """The rank of what a convolution of constant weights reads; None where it cannot pad more."""
    is_reader = (
        node.op_type == "Conv"
        and is_onnx_domain(node.domain)
        and draft.is_constant(node.input[1])
        and list(node.input).count(tensor) == 1
        and node.input[0] == tensor
    )
    if not is_reader or text(node, "auto_pad", "NOTSET") not in {"NOTSET", "VALID"}:
        return None
    rank = len(draft.constant_shape(node.input[1]))
    own = integers(node, "pads")
    fits = rank > 2 and (own is None or len(own) == 2 * (rank - 2))
    return rank if fits else None


def _pads(draft: Draft, node: NodeProto, rank: int) -> tuple[int, ...] | None:
    """Zeros before and behind each spatial axis, as Conv wants them; None where it is no such Pad.

    Attributes to opset 10, inputs from 11 on, axes from 18 on (ONNX operator Pad).
    """
    if text(node, "mode", "constant") != "constant" or attribute(node, "value", 0.0):
        return None
    given: Sequence[int] | None = integers(node, "pads") or integers(node, "paddings")
    axes: Sequence[int] = range(rank)
    names = [*node.input[1:], "", "", ""]
    if names[0]:
        given = _constant(draft, names[0])
    if names[1] and not _is_zero(draft, names[1]):
        return None
    if names[2]:
        chosen = _constant(draft, names[2])
        if chosen is None:
            return None
        axes = [axis % rank for axis in chosen if -rank <= axis < rank]
    if given is None or len(given) != 2 * len(axes) or len(set(axes)) != len(axes):
        return None
    before, behind = [0] * rank, [0] * rank
    for number, axis in enumerate(axes):
        before[axis], behind[axis] = given[number], given[number + len(axes)]
    if any(before[:2]) or any(behind[:2]) or min((*before, *behind)) < 0:
        return None
    return (*before[2:], *behind[2:])


def _constant(draft: Draft, name: str) -> list[int] | None:
    if not draft.is_constant(name):
        return None
    return [int(value) for value in np.asarray(draft.constant(name)).reshape(-1)]


def _is_zero(draft: Draft, name: str) -> bool:
    return draft.is_constant(name) and not np.any(draft.constant(name))


def _widen(conv: NodeProto, more: Sequence[int]) -> None:
    """Add to the pads of a convolution."""
    is_told = text(conv, "auto_pad", "NOTSET") == "NOTSET"
    own = (integers(conv, "pads") if is_told else None) or [0] * len(more)
    for name in ("pads", "auto_pad"):
        remove_attribute(conv, name)
    pads = [a + b for a, b in zip(own, more, strict=True)]
    conv.attribute.append(helper.make_attribute("pads", pads))
