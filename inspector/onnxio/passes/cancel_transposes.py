"""Take out Transposes that undo one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from onnx import NodeProto, helper

from inspector.graph.operators import ACTIVATIONS, ELEMENTWISE, is_onnx_domain
from inspector.onnxio.draft import Draft, subgraphs
from inspector.onnxio.inference import Types, infer_types
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.drop_identity import drop_identities
from inspector.onnxio.passes.report import PassReport
from inspector.onnxio.passes.rewrite import Constants, attribute, integers, remove_attribute

_NAME = "cancel_transposes"
_MOVED_THROUGH: Final = (ELEMENTWISE | ACTIVATIONS) - {"LogSoftmax", "Softmax", "Hardmax"}
"""Operators that treat all axes alike."""
_MOST_NODES = 32
"""Operators between two Transposes, at most."""

Permutation = tuple[int, ...]


def cancel_transposes(model: Model) -> tuple[Model, PassReport]:
    """Take out Transposes whose product is the identity, and make two in a row one.

    Two that undo one another may have element-wise operators and Concat between them, if all that
    these read is transposed alike or constant, and all that they write is transposed back.
    """
    cancel = _Cancel(model)
    changed = cancel.run()
    if not changed:
        return model, PassReport(_NAME)
    cancel.draft.sweep()
    finished, _ = drop_identities(cancel.draft.finish(), cancel.idle)
    return finished, PassReport(_NAME, changed)


@dataclass(slots=True)
class _Region:
    """Operators that are to work on the tensors before the Transposes.

    Attributes:
        nodes: the operators, by id.
        ends: the Transposes behind them.
        reads: (operator, input position) of the Transposes and constants that they read.
    """

    nodes: dict[int, NodeProto] = field(default_factory=dict)
    ends: dict[int, NodeProto] = field(default_factory=dict)
    reads: list[tuple[NodeProto, int]] = field(default_factory=list)


class _Cancel:
    """The state of one run.

    Attributes:
        draft: the copy that is changed.
        idle: names of the nodes that became Identity.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.draft = Draft(model)
        self._constants = Constants(self.draft)
        self._outputs = {value.name for value in self.draft.graph.output}
        self._producers = {t: n for n in self.draft.graph.node for t in n.output if t}
        self._readers = self.draft.consumers()
        self._types: Types | None = None
        self._tried: set[int] = set()
        self._moved: set[str] = set()
        self.idle: set[str] = set()

    def run(self) -> int:
        """Rewrite what can be; how many Transposes went."""
        changed = 0
        for node in self.draft.graph.node:
            permutation = self._permutation(node)
            if permutation is None or node.name in self.idle:
                continue
            before = self._producers.get(node.input[0])
            first = None if before is None else self._permutation(before)
            if permutation == tuple(range(len(permutation))):
                self._make_idle(node, node.input[0])
                changed += 1
            elif first is not None and before is not None and len(first) == len(permutation):
                changed += self._join(before, first, node, permutation)
            elif before is not None:
                changed += self._move(before, permutation)
        self.draft.forget_shapes(self._moved)
        return changed

    def _permutation(self, node: NodeProto) -> Permutation | None:
        """The axes of a Transpose that is one; those in reverse order where none are given."""
        if node.op_type != "Transpose" or not is_onnx_domain(node.domain) or not node.output[0]:
            return None
        axes = integers(node, "perm")
        if axes is None:
            rank = self._rank(node.input[0])
            axes = None if rank is None else list(range(rank))[::-1]
        return tuple(axes) if axes is not None and sorted(axes) == list(range(len(axes))) else None

    def _rank(self, tensor: str) -> int | None:
        if self._types is None:
            self._types = infer_types(self._model)
        shape = self._types.values.get(tensor, ("", None))[1]
        return None if shape is None else len(shape)

    def _make_idle(self, node: NodeProto, source: str) -> None:
        self._read(node, 0, source)
        node.op_type = "Identity"
        del node.attribute[:]
        self.idle.add(node.name)

    def _read(self, node: NodeProto, slot: int, tensor: str) -> None:
        """Let a node read another tensor."""
        old = node.input[slot]
        node.input[slot] = tensor
        self._constants.uses[old] -= 1
        self._constants.uses[tensor] += 1
        if old not in node.input:
            self._readers[old] = [n for n in self._readers[old] if n is not node]
        if all(known is not node for known in self._readers[tensor]):
            self._readers[tensor].append(node)

    # Two in a row

    def _join(
        self, before: NodeProto, first: Permutation, node: NodeProto, second: Permutation
    ) -> int:
        """Make a Transpose behind another one, or none; the first goes if nobody else reads it."""
        alone = self._constants.uses[before.output[0]] == 1
        both = tuple(first[axis] for axis in second)
        if both == tuple(range(len(both))):
            self._make_idle(node, before.input[0])
            return 1 + alone
        if not alone:
            return 0
        self._read(node, 0, before.input[0])
        remove_attribute(node, "perm")
        node.attribute.append(helper.make_attribute("perm", both))
        return 1

    # Around operators

    def _move(self, last: NodeProto, permutation: Permutation) -> int:
        """Let operators before a Transpose work on what is not transposed; how many went."""
        if id(last) in self._tried:
            return 0
        inverse = tuple(int(axis) for axis in np.argsort(permutation))
        region = self._region(last, permutation, inverse)
        if region is None:
            return 0
        before = {id(n): n for n, _ in self._transposed(region)}
        for node, slot in region.reads:
            self._read_as_it_was(node, slot, permutation)
        for node in region.nodes.values():
            if node.op_type == "Concat":
                axis = int(attribute(node, "axis", 0)) % len(inverse)
                remove_attribute(node, "axis")
                node.attribute.append(helper.make_attribute("axis", inverse[axis]))
        for node in region.ends.values():
            self._make_idle(node, node.input[0])
        self._moved.update(node.output[0] for node in region.nodes.values())
        uses = self._constants.uses
        return len(region.ends) + sum(not uses[node.output[0]] for node in before.values())

    def _transposed(self, region: _Region) -> list[tuple[NodeProto, int]]:
        """The Transposes that a region reads."""
        found = []
        for node, slot in region.reads:
            producer = self._producers.get(node.input[slot])
            if producer is not None:
                found.append((producer, slot))
        return found

    def _region(
        self, last: NodeProto, permutation: Permutation, inverse: Permutation
    ) -> _Region | None:
        """All operators that hang together with one before a Transpose; None if they cannot."""
        region = _Region()
        waiting = [last]
        while waiting:
            node = waiting.pop()
            if id(node) in region.nodes:
                continue
            if not self._may_move(node) or len(region.nodes) == _MOST_NODES:
                self._tried.update(region.nodes)
                return None
            region.nodes[id(node)] = node
            for reader in self._readers.get(node.output[0], ()):
                if self._permutation(reader) == permutation:
                    region.ends[id(reader)] = reader
                else:
                    waiting.append(reader)
            for slot, name in enumerate(node.input):
                producer = self._producers.get(name)
                if producer is None:
                    if name and not self._fits(name, len(inverse)):
                        self._tried.update(region.nodes)
                        return None
                    if name:
                        region.reads.append((node, slot))
                elif self._permutation(producer) == inverse:
                    region.reads.append((node, slot))
                else:
                    waiting.append(producer)
        return region if self._transposed(region) else None

    def _may_move(self, node: NodeProto) -> bool:
        if node.op_type == "Concat":
            alike = any(item.name == "axis" for item in node.attribute)
        else:
            # Before opset 7 operands were lined up by attributes.
            names = {item.name for item in node.attribute}
            alike = node.op_type in _MOVED_THROUGH and names.isdisjoint({"axis", "broadcast"})
        return (
            alike
            and is_onnx_domain(node.domain)
            and len(node.output) == 1
            and node.output[0] not in self._outputs
            and not any(True for _ in subgraphs(node))
            and bool(self._readers.get(node.output[0]))
        )

    def _fits(self, name: str, rank: int) -> bool:
        """Whether a tensor is a constant that can be transposed instead."""
        return self.draft.is_constant(name) and len(self.draft.constant_shape(name)) <= rank

    def _read_as_it_was(self, node: NodeProto, slot: int, permutation: Permutation) -> None:
        producer = self._producers.get(node.input[slot])
        if producer is not None:
            self._read(node, slot, producer.input[0])
            return
        shape: Sequence[int] = self.draft.constant_shape(node.input[slot])
        if int(np.prod(shape)) == 1 and node.op_type != "Concat":
            return
        values = self._constants.get(node, slot)
        full = values.reshape((1,) * (len(permutation) - len(shape)) + tuple(shape))
        self._constants.put(node, slot, np.ascontiguousarray(full.transpose(permutation)))
