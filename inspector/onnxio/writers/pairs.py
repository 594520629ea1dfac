"""QuantizeLinear/DequantizeLinear pairs and the constants they read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from inspector.onnxio.draft import Draft
from inspector.onnxio.storage import Storage, codes, storage_of
from inspector.quant.qparams import QParams

CONTRIB = "com.microsoft"
"""onnxruntime's own domain: its Q and DQ know 4 and 16 bits whatever the opset."""


class Pairs:
    """Makes the nodes and constants of quantizers in a draft.

    Constants of equal grids under one name are made once.
    """

    def __init__(self, draft: Draft, opset: int) -> None:
        self._draft = draft
        self._opset = opset

    def domain(self, storage: Storage, grid: QParams) -> str:
        """The domain whose operators take the type in this model's opset."""
        needed = max(storage.opset, 21 if grid.block else 0)
        return "" if self._opset >= needed else CONTRIB

    def quantize(self, source: str, name: str, grid: QParams) -> tuple[list[NodeProto], str]:
        """Nodes that put `source` on a grid and back into floats.

        A width without a type of its own is cut to its range before.

        Returns:
            The nodes in order, and the tensor of dequantized values.
        """
        storage = storage_of(grid)
        nodes: list[NodeProto] = []
        if not storage.holds_exactly(grid):
            source, clip = self._clip(source, name, grid)
            nodes.append(clip)
        scale, zero = self._parameters(name, grid, storage)
        quantized = self._new(f"{name}_quantized")
        restored = self._new(f"{name}_dequantized")
        domain = self.domain(storage, grid)
        for op, read, write in (
            ("QuantizeLinear", source, quantized),
            ("DequantizeLinear", quantized, restored),
        ):
            nodes.append(
                helper.make_node(
                    op, [read, scale, zero], [write], self._new(f"{name}_{op}"), domain=domain
                )
            )
        return nodes, restored

    def constant(self, name: str, values: NDArray[Any], grid: QParams) -> tuple[NodeProto, str]:
        """A constant stored as codes, with the node that makes floats of them."""
        storage = storage_of(grid)
        scale, zero = self._parameters(name, grid, storage)
        quantized = self._new(f"{name}_quantized")
        self._draft.set_constant(quantized, codes(values, grid, storage))
        return self._dequantize(name, [quantized, scale, zero], grid, self.domain(storage, grid))

    def bias(
        self, name: str, values: NDArray[np.int32], scale: NDArray[np.float32]
    ) -> tuple[NodeProto, str]:
        """An int32 bias, shape (channels,), at a scale of shape () or (channels,)."""
        grid = QParams(
            scale, np.zeros(scale.shape, np.int32), -(2**31), 2**31 - 1, 0 if scale.ndim else None
        )
        inputs = [self._new(f"{name}_{part}") for part in ("quantized", "scale", "zero_point")]
        for tensor, array in zip(inputs, (values, scale, grid.zero_point), strict=True):
            self._draft.set_constant(tensor, array)
        return self._dequantize(name, inputs, grid, "")

    def _dequantize(
        self, name: str, inputs: list[str], grid: QParams, domain: str
    ) -> tuple[NodeProto, str]:
        restored = self._new(f"{name}_dequantized")
        attributes: dict[str, Any] = {}
        if grid.axis is not None:
            attributes["axis"] = grid.axis
        if grid.block:
            attributes["block_size"] = grid.block
        node = helper.make_node(
            "DequantizeLinear",
            inputs,
            [restored],
            self._new(f"{name}_DequantizeLinear"),
            domain=domain,
            **attributes,
        )
        return node, restored

    def _parameters(self, name: str, grid: QParams, storage: Storage) -> tuple[str, str]:
        scale, zero = self._new(f"{name}_scale"), self._new(f"{name}_zero_point")
        self._draft.set_constant(scale, np.asarray(grid.scale, np.float32))
        self._draft.set_constant(zero, np.asarray(grid.zero_point).astype(storage.dtype))
        return scale, zero

    def _clip(self, source: str, name: str, grid: QParams) -> tuple[str, NodeProto]:
        ends = (grid.qmin - grid.zero_point, grid.qmax - grid.zero_point)
        inputs = [source]
        for part, end in zip(("lowest", "highest"), ends, strict=True):
            inputs.append(self._new(f"{name}_{part}"))
            self._draft.set_constant(inputs[-1], np.asarray(end * grid.scale, np.float32))
        clipped = self._new(f"{name}_clipped")
        return clipped, helper.make_node("Clip", inputs, [clipped], self._new(f"{name}_Clip"))

    def _new(self, name: str) -> str:
        return self._draft.unique_name(name)
