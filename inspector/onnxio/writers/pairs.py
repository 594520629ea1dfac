"""QuantizeLinear/DequantizeLinear pairs and the constants they read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from inspector.onnxio.draft import Draft
from inspector.onnxio.storage import Storage, is_decoded, storage_of, stored_codes
from inspector.onnxio.writers.decoding import Decoder
from inspector.quant.qparams import QParams

CONTRIB = "com.microsoft"
"""onnxruntime's own domain: its Q and DQ know 4 and 16 bits whatever the opset."""


class Pairs:
    """Makes the nodes and constants of quantizers in a draft.

    Constants of equal grids under one name are made once.
    """

    def __init__(self, draft: Draft, opset: int) -> None:
        self._draft = draft
        self._taken = {node.name for node in draft.graph.node}
        self._opset = opset

    def domain(self, storage: Storage, grid: QParams) -> str:
        """The domain whose operators take the type in this model's opset."""
        needed = max(storage.opset, 21 if grid.block else 0)
        return "" if self._opset >= needed else CONTRIB

    def quantize(
        self, source: str, name: str, grid: QParams, *, fenced: bool = False
    ) -> tuple[list[NodeProto], str]:
        """Nodes that put `source` on a grid and back into floats.

        A width without a type of its own is cut to its range before.

        onnxruntime (1.31) fuses quantizers with what is before them, or moves them ahead of it,
        also where it has no kernels for 2 and 4 bits, and then refuses the model. It does neither
        behind Max, so one that changes nothing is put before those. It also takes a quantizer of
        float8 for one that does what a Relu before it does.

        Args:
            source: the tensor to quantize.
            name: what the new tensors are named after.
            grid: per tensor.
            fenced: what is before the quantizer would attract it; see `fences.is_moved`.

        Returns:
            The nodes in order, and the tensor of dequantized values.
        """
        storage = storage_of(grid)
        nodes: list[NodeProto] = []
        exact = storage.holds_exactly(grid)
        if storage.floating and fenced:
            nodes.append(self.no_less_than(source, name, grid))
            source = nodes[-1].output[0]
        elif storage.bits == 2 or (storage.bits == 4 and (fenced or not exact)):
            nodes.append(self.no_less_than(source, name, grid))
            if not exact:
                nodes.append(self._bound("Min", nodes[-1].output[0], name, grid))
            source = nodes[-1].output[0]
        elif not exact:
            nodes.append(self._clip(source, name, grid))
            source = nodes[-1].output[0]
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
                    op, [read, scale, zero], [write], self._node_name(f"{name}_{op}"), domain=domain
                )
            )
        return nodes, restored

    def constant(self, name: str, grid: QParams) -> tuple[list[NodeProto], str]:
        """An initializer stored as codes, with the nodes that make floats of them."""
        if is_decoded(grid):
            return Decoder(self._draft, name, self._node_name).run(grid)
        storage = storage_of(grid)
        scale, zero = self._parameters(name, grid, storage)
        quantized = self._new(f"{name}_quantized")
        values = self._draft.reader(name)
        self._draft.set_computed(
            quantized,
            lambda: stored_codes(values(), grid, storage),
            helper.np_dtype_to_tensor_dtype(storage.dtype),
            self._draft.constant_shape(name),
            origin=name,
        )
        domain = self.domain(storage, grid)
        node, restored = self._dequantize(name, [quantized, scale, zero], grid, domain)
        return [node], restored

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
        node = helper.make_node(
            "DequantizeLinear",
            inputs,
            [restored],
            self._node_name(f"{name}_DequantizeLinear"),
            domain=domain,
            **self._attributes(grid),
        )
        return node, restored

    @staticmethod
    def _attributes(grid: QParams) -> dict[str, Any]:
        """Which values of a tensor share a scale, as the nodes say it."""
        axis = {} if grid.axis is None else {"axis": grid.axis}
        return axis | ({"block_size": grid.block} if grid.block else {})

    def _parameters(self, name: str, grid: QParams, storage: Storage) -> tuple[str, str]:
        scale, zero = self._new(f"{name}_scale"), self._new(f"{name}_zero_point")
        self._draft.set_constant(scale, np.asarray(grid.scale, np.float32))
        self._draft.set_constant(zero, np.asarray(grid.zero_point).astype(storage.dtype))
        return scale, zero

    def no_less_than(self, source: str, name: str, grid: QParams) -> NodeProto:
        """Max with the lowest level of a grid: nothing that is on the grid changes."""
        return self._bound("Max", source, name, grid)

    def _bound(self, op: str, source: str, name: str, grid: QParams) -> NodeProto:
        constant = self._end(name, grid, is_lowest=op == "Max")
        bounded = self._new(f"{name}_bounded")
        return helper.make_node(op, [source, constant], [bounded], self._node_name(f"{name}_{op}"))

    def _clip(self, source: str, name: str, grid: QParams) -> NodeProto:
        ends = [self._end(name, grid, is_lowest=lowest) for lowest in (True, False)]
        clipped = self._new(f"{name}_clipped")
        return helper.make_node("Clip", [source, *ends], [clipped], self._node_name(f"{name}_Clip"))

    def _end(self, name: str, grid: QParams, *, is_lowest: bool) -> str:
        """A constant: the lowest or the highest level of a grid."""
        constant = self._new(f"{name}_{'lowest' if is_lowest else 'highest'}")
        end = np.min(grid.lo) if is_lowest else np.max(grid.hi)
        self._draft.set_constant(constant, np.asarray(end, np.float32))
        return constant

    def _new(self, name: str) -> str:
        return self._draft.unique_name(name)

    def _node_name(self, wanted: str) -> str:
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name
