"""Constants whose codes are packed into bytes and looked up in a table of levels.

ONNX has no type for logarithmic, ternary or binary numbers. Their codes are written 1, 2, 4 or 8
bits wide into uint8, the first in the lowest bits, and a few operators of opset 13 undo that:

    bytes -> BitShift right by 0, b, 2b, ... -> Mod 2^b -> Reshape [-> Slice] -> Reshape
          -> Cast int32 -> Gather from the levels -> Mul by the scales

float16 and bfloat16 are types of ONNX, which a Cast makes float32 of.

Runtimes that fold constants keep the weight in floats, with the same values to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from inspector.onnxio.draft import Draft
from inspector.onnxio.storage import SHORT_FLOATS, packed_bits, packed_codes
from inspector.quant.qparams import QParams


class Decoder:
    """Writes one constant and the nodes that decode it into a draft.

    Args:
        draft: the model that is changed.
        name: of the constant; new tensors and nodes are named after it.
        node_name: makes a node name that is not taken.
    """

    def __init__(self, draft: Draft, name: str, node_name: Callable[[str], str]) -> None:
        self._draft = draft
        self._name = name
        self._node_name = node_name
        self._nodes: list[NodeProto] = []

    def run(self, grid: QParams) -> tuple[list[NodeProto], str]:
        """The nodes in order, and the tensor of decoded values.

        Args:
            grid: with a table of levels; per tensor or per channel.
        """
        table = grid.table
        assert table is not None
        if table.unit:
            return self._nodes, self._add("Cast", [self._stored(table.name)], to=TensorProto.FLOAT)
        shape = self._draft.constant_shape(self._name)
        found = self._codes(grid, shape)
        found = self._add("Cast", [found], to=TensorProto.INT32)
        levels = self._constant("levels", table.steps)
        found = self._add("Gather", [levels, found])
        return self._nodes, self._add("Mul", [found, self._scales(grid, len(shape))])

    def _stored(self, dtype: str) -> str:
        """The constant in a shorter float type."""
        found = self._draft.unique_name(f"{self._name}_{dtype}")
        values = self._draft.reader(self._name)
        kind = SHORT_FLOATS[dtype]

        def compute() -> NDArray[np.uint8]:
            return np.ascontiguousarray(values()).astype(kind).reshape(-1).view(np.uint8)

        shape = self._draft.constant_shape(self._name)
        elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        self._draft.set_computed(found, compute, elem_type, shape, origin=self._name)
        return found

    def _codes(self, grid: QParams, shape: tuple[int, ...]) -> str:
        """Whole codes from 0 on, uint8 of the constant's shape."""
        bits = packed_bits(grid.qmax - grid.qmin + 1)
        per_byte, count = 8 // bits, math.prod(shape)
        size = -(-count // per_byte)
        found = self._draft.unique_name(f"{self._name}_codes")
        values = self._draft.reader(self._name)
        self._draft.set_computed(
            found,
            lambda: packed_codes(values(), grid),
            TensorProto.UINT8,
            shape if bits == 8 else (size, 1),
            origin=self._name,
        )
        if bits == 8:
            return found
        shifts = self._constant("shifts", np.arange(per_byte, dtype=np.uint8) * np.uint8(bits))
        found = self._add("BitShift", [found, shifts], direction="RIGHT")
        found = self._add("Mod", [found, self._constant("modulus", np.array(1 << bits, np.uint8))])
        if size * per_byte != count:
            found = self._add("Reshape", [found, self._shape("flat", [-1])])
            ends = [self._shape("first", [0]), self._shape("count", [count])]
            found = self._add("Slice", [found, *ends])
        return self._add("Reshape", [found, self._shape("shape", shape)])

    def _scales(self, grid: QParams, rank: int) -> str:
        scale = np.asarray(grid.scale, np.float32)
        if grid.axis is not None:
            scale = scale.reshape([-1 if i == grid.axis % rank else 1 for i in range(rank)])
        return self._constant("scale", scale)

    def _shape(self, part: str, dims: Any) -> str:
        return self._constant(part, np.array(dims, np.int64))

    def _constant(self, part: str, array: NDArray[Any]) -> str:
        name = self._draft.unique_name(f"{self._name}_{part}")
        self._draft.set_constant(name, array)
        return name

    def _add(self, op: str, inputs: list[str], **attributes: Any) -> str:
        part = "decoded" if op == "Mul" else op.lower()
        output = self._draft.unique_name(f"{self._name}_{part}")
        name = self._node_name(f"{self._name}_{op}")
        self._nodes.append(helper.make_node(op, inputs, [output], name, **attributes))
        return output
