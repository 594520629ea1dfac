"""What the passes that rewrite weights share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from inspector.onnxio.draft import Draft


def attribute(node: NodeProto, name: str, default: float) -> float:
    """A number among a node's attributes."""
    for item in node.attribute:
        if item.name == name:
            return item.f if item.HasField("f") else float(item.i)
    return default


def integers(node: NodeProto, name: str) -> list[int] | None:
    """A list of integers among a node's attributes; None where there is none."""
    return next((list(item.ints) for item in node.attribute if item.name == name), None)


def text(node: NodeProto, name: str, default: str) -> str:
    """A text among a node's attributes."""
    found = (item.s.decode("utf-8", "replace") for item in node.attribute if item.name == name)
    return next(found, default)


def remove_attribute(node: NodeProto, name: str) -> None:
    """Take an attribute away, so that its default holds."""
    for index in range(len(node.attribute) - 1, -1, -1):
        if node.attribute[index].name == name:
            del node.attribute[index]


def bias_name(weight: str) -> str:
    """A name for a new bias: beside a "fc.weight" a "fc.bias"."""
    stem = weight.removesuffix("weight")
    return f"{stem}bias" if stem != weight else f"{weight}_bias"


class Constants:
    """Constant inputs of nodes, rewritten for one node without changing them for others."""

    def __init__(self, draft: Draft) -> None:
        """Count who reads what."""
        self._draft = draft
        self.uses = draft.uses()

    def has(self, node: NodeProto, slot: int) -> bool:
        """Whether a node's input is there and is an initializer."""
        return slot < len(node.input) and self._draft.is_constant(node.input[slot])

    def get(self, node: NodeProto, slot: int) -> NDArray[Any]:
        """The values of a constant input."""
        return self._draft.constant(node.input[slot])

    def put(self, node: NodeProto, slot: int, values: NDArray[Any], wanted: str = "") -> None:
        """Give a node other values at an input.

        The initializer keeps its name unless others read it too; then they keep the old one.

        Args:
            node: changed in place.
            slot: the input; added if it is the next, or left out so far.
            values: the new values.
            wanted: a name for an initializer that is new.
        """
        while len(node.input) <= slot:
            node.input.append("")
        old = node.input[slot]
        name = old
        if not old or not self._draft.is_constant(old) or self.uses[old] > 1:
            name = self._draft.unique_name(wanted or old)
            self.uses[old] -= 1
            self.uses[name] = 1
            node.input[slot] = name
        self._draft.set_constant(name, values)

    def scaled(
        self, values: NDArray[Any], factor: NDArray[np.float64], shift: NDArray[np.float64] | None
    ) -> NDArray[Any] | None:
        """Values times factor plus shift, in the values' type; None if that leaves its range."""
        wide = np.float64 if values.dtype == np.float64 or shift is not None else np.float32
        with np.errstate(over="ignore", invalid="ignore"):
            result: NDArray[Any] = values * factor.astype(wide)
            if shift is not None:
                result = result + shift
            result = result.astype(values.dtype, copy=False)
        # Looking at every weight would cost as much as the product; a tame factor cannot overflow.
        tame = values.dtype != np.float16 and float(np.abs(factor).max(initial=0)) < 1e6
        if shift is None and tame:
            return result
        return result if np.isfinite(result).all() else None
