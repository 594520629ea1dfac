"""Make clippings with constant ends, one behind the other, one Relu or Clip."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from onnx import NodeProto, TensorProto, helper

from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.draft import Draft
from inspector.onnxio.inference import Types, infer_types
from inspector.onnxio.loading import Model
from inspector.onnxio.opset import opset_of
from inspector.onnxio.passes.report import PassReport
from inspector.onnxio.passes.rewrite import attribute, remove_attribute

_NAME = "merge_clips"
_ENDS_AS_INPUTS = 11
"""The first opset whose Clip takes its ends as inputs."""
_LOWEST, _HIGHEST = -3.4028234663852886e38, 3.4028234663852886e38
Ends = tuple[float, float]


def merge_clips(model: Model) -> tuple[Model, PassReport]:
    """Write Max and Min with one constant as Relu or Clip, and make clippings in a row one.

    Clipping to [a, b] and then to [c, d] is clipping to the ends of the one clipped to the other,
    as long as both intervals have any width. Only float32, and where the first of two is read by
    the second alone. Relu and Clip are what the range of a quantizer does by itself.
    """
    merge = _Merge(model)
    changed = merge.run()
    if not changed:
        return model, PassReport(_NAME)
    merge.draft.sweep()
    return merge.draft.finish(), PassReport(_NAME, changed)


class _Merge:
    """The state of one run."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.draft = Draft(model)
        self._uses = self.draft.uses()
        self._types: Types | None = None
        self._by_inputs = opset_of(model) >= _ENDS_AS_INPUTS

    def run(self) -> int:
        """Rewrite what can be; how many nodes changed or went."""
        clips: dict[str, tuple[NodeProto, Ends]] = {}
        gone: list[NodeProto] = []
        changed = 0
        for node in self.draft.graph.node:
            found = self._clipping(node)
            if found is None:
                continue
            slot, ends = found
            before = clips.get(node.input[slot])
            source = node.input[slot]
            if before is not None and self._uses[source] == 1:
                both = _both(before[1], ends)
                if both is not None:
                    source, ends = before[0].input[_data_slot(self.draft, before[0])], both
                    gone.append(before[0])
            if source != node.input[slot] or node.op_type in {"Max", "Min"}:
                self._write(node, source, ends)
                changed += 1
            clips[node.output[0]] = node, ends
        self.draft.remove_nodes(gone)
        return changed

    def _clipping(self, node: NodeProto) -> tuple[int, Ends] | None:
        """Which input a node clips, and to which ends; None for what is no such node."""
        if node.op_type not in {"Relu", "Clip", "Max", "Min"} or not is_onnx_domain(node.domain):
            return None
        if node.op_type == "Relu":
            return 0, (0.0, math.inf)
        if node.op_type == "Clip":
            ends = self._ends(node)
            return None if ends is None else (0, ends)
        constant = [self.draft.is_constant(name) for name in node.input]
        if len(constant) != 2 or constant.count(True) != 1:
            return None
        slot = constant.index(False)
        end = self._number(node.input[1 - slot], node.input[slot])
        if end is None:
            return None
        return slot, (end, math.inf) if node.op_type == "Max" else (-math.inf, end)

    def _ends(self, node: NodeProto) -> Ends | None:
        """The ends of a Clip; None where they are computed, or the type is not float32."""
        ends = [-math.inf, math.inf]
        for slot, name in ((1, "min"), (2, "max")):
            if slot < len(node.input) and node.input[slot]:
                found = self._number(node.input[slot])
                if found is None:
                    return None
                ends[slot - 1] = found
            elif not self._by_inputs:
                ends[slot - 1] = _open(attribute(node, name, ends[slot - 1]))
        return (ends[0], ends[1]) if ends[0] < ends[1] else None

    def _number(self, name: str, beside: str = "") -> float | None:
        """One finite float32; as the operand of Max and Min it must not add axes to the other."""
        draft = self.draft
        if not draft.is_constant(name) or draft.constant_type(name) != TensorProto.FLOAT:
            return None
        shape = draft.constant_shape(name)
        if math.prod(shape) != 1 or (shape and beside and len(shape) > self._rank(beside)):
            return None
        value = float(np.asarray(draft.constant(name)).reshape(()))
        return value if math.isfinite(value) else None

    def _rank(self, tensor: str) -> int:
        if self._types is None:
            self._types = infer_types(self._model)
        shape = self._types.values.get(tensor, ("", None))[1]
        return 0 if shape is None else len(shape)

    def _write(self, node: NodeProto, source: str, ends: Ends) -> None:
        """Make a node the clipping of a tensor."""
        for name in ("min", "max", "consumed_inputs"):
            remove_attribute(node, name)
        del node.input[:]
        node.input.append(source)
        if ends == (0.0, math.inf):
            node.op_type = "Relu"
            return
        node.op_type = "Clip"
        names: Mapping[str, float] = dict(zip(("min", "max"), ends, strict=True))
        for name, end in names.items():
            if not self._by_inputs:
                if math.isfinite(end):
                    node.attribute.append(helper.make_attribute(name, end))
            elif math.isfinite(end):
                constant = self.draft.unique_name(f"{node.name}_{name}")
                self.draft.set_constant(constant, np.array(end, np.float32))
                node.input.append(constant)
            elif name == "min":
                node.input.append("")


def _data_slot(draft: Draft, node: NodeProto) -> int:
    """The input that a clipping clips."""
    return next(slot for slot, name in enumerate(node.input) if not draft.is_constant(name))


def _open(end: float) -> float:
    """An end at the largest float32 is none (the defaults of Clip before opset 11)."""
    if end <= _LOWEST:
        return -math.inf
    return math.inf if end >= _HIGHEST else end


def _both(first: Ends, second: Ends) -> Ends | None:
    """What clipping to two intervals in turn clips to; None where that is a single number."""
    low, high = (min(max(end, second[0]), second[1]) for end in first)
    return (low, high) if low < high else None
