"""Values that are computed from shapes, as far as they are known: sizes, or only their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from inspector.graph.model import Dim
from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.draft import Draft
from inspector.onnxio.inference import ValueType
from inspector.onnxio.passes.rewrite import attribute

Constants = Callable[[Sequence[str]], list[NDArray[Any]] | None]
"""The values of tensors, if all are constants."""

_MOST = 64
"""Numbers that a shape has, at most."""


def gathered(node: NodeProto, dims: NDArray[Any], constants: Constants) -> NDArray[Any] | None:
    """What a Gather with constant indices picks of a vector."""
    indices = constants(node.input[1:2])
    if not indices:
        return None
    picked = indices[0].astype(np.int64)
    if (picked >= len(dims)).any() or (picked < -len(dims)).any():
        return None
    result = np.empty(picked.shape, dtype=object)
    result[...] = dims[picked]
    return result


def sliced(node: NodeProto, dims: NDArray[Any], constants: Constants) -> NDArray[Any] | None:
    """Slice of a vector: starts and ends as inputs (opset 10 on) or attributes."""
    if len(node.input) == 1:
        attributes = {item.name: list(item.ints) for item in node.attribute}
        starts, ends = attributes.get("starts", []), attributes.get("ends", [])
        return dims[starts[0] : ends[0]] if len(starts) == len(ends) == 1 else None
    bounds = constants([name for name in node.input[1:] if name])
    if not bounds or any(values.size != 1 for values in bounds):
        return None
    step = constants(node.input[4:5])
    if len(node.input) > 4 and not step:
        return None
    stride = int(step[0].item()) if step else 1
    if stride <= 0:
        return None
    return dims[int(bounds[0].item()) : int(bounds[1].item()) : stride]


class ShapeValues:
    """Follows shapes through the operators that exporters compute targets with.

    Args:
        draft: the model, whose nodes are followed in order.
        types: the shapes of its tensors.
    """

    def __init__(self, draft: Draft, types: Mapping[str, ValueType]) -> None:
        """Start before the first node."""
        self._draft, self._types = draft, types
        self._known: dict[str, NDArray[Any]] = {}

    def of(self, tensor: str) -> list[Dim] | None:
        """The numbers of a vector; None where nothing is known of it."""
        found = self._value(tensor)
        return None if found is None or found.ndim != 1 else list(found)

    def follow(self, node: NodeProto) -> None:
        """Learn what a node computes, if it is of use."""
        if not is_onnx_domain(node.domain) or not node.input:
            return
        found = self._computed(node)
        if found is not None and found.ndim < 2 and found.size <= _MOST:
            self._known[node.output[0]] = found

    def _computed(self, node: NodeProto) -> NDArray[Any] | None:
        if node.op_type == "Shape":
            shape = self._types.get(node.input[0], ("", None))[1]
            if shape is None:
                return None
            bounds = {item.name: item.i for item in node.attribute}
            part = shape[slice(bounds.get("start"), bounds.get("end"))]
            result = np.empty(len(part), dtype=object)
            result[:] = part
            return result
        if node.op_type == "Concat":
            parts = [self._value(name) for name in node.input]
            known = [part for part in parts if part is not None and part.ndim == 1]
            return np.concatenate(known) if len(known) == len(parts) else None
        first = self._known.get(node.input[0])
        if first is None:
            return None
        match node.op_type:
            case "Gather" if first.ndim == 1 and not attribute(node, "axis", 0):
                return gathered(node, first, self._constants)
            case "Slice" if first.ndim == 1:
                return sliced(node, first, self._constants)
            case "Unsqueeze" if first.ndim == 0:
                return first.reshape(1)
            case "Squeeze" if first.size == 1:
                return first.reshape(())
            case "Identity":
                return first
            case "Cast" if attribute(node, "to", 0) in {TensorProto.INT32, TensorProto.INT64}:
                return first
            case _:
                return None

    def _value(self, name: str) -> NDArray[Any] | None:
        found = self._known.get(name)
        if found is None and self._draft.is_constant(name):
            shape = self._draft.constant_shape(name)
            if len(shape) < 2 and int(np.prod(shape)) <= _MOST:
                values = self._draft.constant(name)
                if values.dtype.kind == "i":
                    found = np.array([int(v) for v in values.reshape(-1)], dtype=object)
                    found = found.reshape(shape)
        return found

    def _constants(self, names: Sequence[str]) -> list[NDArray[Any]] | None:
        if not all(self._draft.is_constant(name) for name in names):
            return None
        return [self._draft.constant(name) for name in names]
