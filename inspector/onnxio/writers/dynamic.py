"""Layers whose activations are put on a grid when the model runs.

DynamicQuantizeLinear finds the grid of a tensor from its own smallest and largest value;
MatMulInteger and ConvInteger add up products of codes less zero points; what comes out is scaled,
and the bias is added, in float (ONNX operator specification of the three). onnxruntime makes one
kernel of the nodes around MatMulInteger.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from inspector.graph.grids import Grids
from inspector.graph.model import Graph, Layer
from inspector.graph.recurrent import is_recurrent
from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.storage import as_unsigned, storage_of, stored_codes
from inspector.onnxio.writers.dynamic_lstm import is_dynamic_cell, write_dynamic_lstm
from inspector.quant.qparams import QParams


def write_dynamic(
    model: Model, graph: Graph, grids: Grids, *, unsigned_kernels: bool
) -> tuple[Model, Grids]:
    """Puts integer products in the place of every layer that a plan has as dynamic.

    Args:
        model: the prepared model, in opset 11 or later.
        graph: its graph.
        grids: the numbers of a plan.
        unsigned_kernels: store weights in unsigned codes; see `storage.as_unsigned`.

    Returns:
        The model, and the numbers of the layers that are left to be written.

    Cost: no weight is read; codes are computed when the model is saved.
    """
    if not grids.plan.dynamic:
        return model, grids
    return _Writer(model, graph, grids, unsigned_kernels).run()


class _Writer:
    def __init__(self, model: Model, graph: Graph, grids: Grids, unsigned_kernels: bool) -> None:
        self._draft = Draft(model)
        self._graph = graph
        self._grids = grids
        self._unsigned = unsigned_kernels
        self._found: dict[str, tuple[str, str, str]] = {}  # tensor -> codes, scale, zero point
        self._nodes: list[NodeProto] = []

    def run(self) -> tuple[Model, Grids]:
        dynamic = self._grids.plan.dynamic
        for node in self._draft.graph.node:
            if is_dynamic_cell(node, self._grids):
                self._nodes.append(self._lstm(node))
            elif node.name in dynamic and is_recurrent(self._graph.layer(node.name)):
                continue  # what carries a weight of an LSTM has nothing to carry any more
            elif node.name in dynamic:
                self._replace(node, self._graph.layer(node.name))
            else:
                self._nodes.append(node)
        nodes = [NodeProto.FromString(node.SerializeToString()) for node in self._nodes]
        del self._draft.graph.node[:]
        self._draft.graph.node.extend(nodes)
        self._draft.sweep()
        plan = self._grids.plan
        left = {name: grid for name, grid in self._grids.weights.items() if name not in dynamic}
        specs = {name: spec for name, spec in plan.weights.items() if name not in dynamic}
        rest = replace(self._grids, plan=replace(plan, weights=specs), weights=left)
        return self._draft.finish(), rest

    def _lstm(self, node: NodeProto) -> NodeProto:
        return write_dynamic_lstm(
            self._draft, self._graph, self._grids, node, unsigned=self._unsigned
        )

    def _replace(self, node: NodeProto, layer: Layer) -> None:
        grid = self._grids.weights[layer.name]
        # onnxruntime has no kernel for signed codes on the left.
        unsigned = self._unsigned and layer.name not in self._grids.plan.as_given
        if (unsigned or layer.weight_slot == 0) and storage_of(grid).signed:
            grid = as_unsigned(grid)
        weight, weight_zero, weight_scale = self._weight(node, layer, grid)
        codes, scale, zero = self._quantized(layer.activations[0])
        operands, zeros = [codes, weight], [zero, weight_zero]
        if layer.weight_slot == 0:
            operands, zeros = operands[::-1], zeros[::-1]
        sums, floats, unit = (
            self._new(f"{layer.name}/{part}") for part in ("sums", "floats", "unit")
        )
        is_conv = layer.op_type == "Conv"
        operator = helper.make_node(
            "ConvInteger" if is_conv else "MatMulInteger", [*operands, *zeros], [sums], node.name
        )
        if is_conv:
            operator.attribute.extend(node.attribute)
        bias = self._bias(layer, node)
        written = self._new(f"{layer.name}/product") if bias else node.output[0]
        self._add(operator)
        self._make("Cast", [sums], floats, to=TensorProto.FLOAT)
        self._make("Mul", [scale, weight_scale], unit)
        self._make("Mul", [floats, unit], written)
        if bias:
            self._make("Add", [written, bias], node.output[0])

    def _quantized(self, tensor: str) -> tuple[str, str, str]:
        if tensor not in self._found:
            codes, scale, zero = (
                self._new(f"{tensor}_{part}") for part in ("quantized", "scale", "zero_point")
            )
            self._add(
                helper.make_node("DynamicQuantizeLinear", [tensor], [codes, scale, zero], codes)
            )
            self._found[tensor] = (codes, scale, zero)
        return self._found[tensor]

    def _weight(self, node: NodeProto, layer: Layer, grid: QParams) -> tuple[str, str, str]:
        """Codes, zero point and scale; a Gemm's weight lies as MatMul wants it."""
        assert layer.weight is not None
        assert layer.weight_shape is not None
        codes, zero, scale = (
            self._new(f"{layer.weight}_{part}") for part in ("quantized", "zero_point", "scale")
        )
        storage = storage_of(grid)
        read = self._draft.reader(layer.weight)
        turned = layer.op_type == "Gemm" and any(a.name == "transB" and a.i for a in node.attribute)

        def compute() -> NDArray[np.uint8]:
            found = stored_codes(read(), grid, storage)
            shape = layer.weight_shape or ()
            return np.ascontiguousarray(found.reshape(shape).T).reshape(-1) if turned else found

        shape = layer.weight_shape[::-1] if turned else layer.weight_shape
        kind = helper.np_dtype_to_tensor_dtype(storage.dtype)
        self._draft.set_computed(codes, compute, kind, shape, layer.weight)
        # ConvInteger has one zero point; for symmetric weights all are the same.
        zeros = grid.zero_point if layer.op_type != "Conv" else grid.zero_point.reshape(-1)[0]
        self._draft.set_constant(zero, np.asarray(zeros).astype(storage.dtype))
        self._draft.set_constant(scale, _against_output(layer, grid.scale))
        return codes, zero, scale

    def _bias(self, layer: Layer, node: NodeProto) -> str:
        """What is added behind; a convolution's is made to lie along its channels."""
        bias = node.input[2] if len(node.input) > 2 else ""
        if not bias or layer.op_type != "Conv" or not self._draft.is_constant(bias):
            return bias
        name = self._new(f"{bias}_float")
        values = self._draft.constant(bias)
        self._draft.set_constant(name, _along_channels(values, len(layer.weight_shape or ())))
        return name

    def _make(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self._add(helper.make_node(op, inputs, [output], f"{output}_{op}", **attributes))

    def _add(self, node: NodeProto) -> None:
        self._nodes.append(node)

    def _new(self, name: str) -> str:
        return self._draft.unique_name(name)


def _against_output(layer: Layer, scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """A weight's scales, to be broadcast against the layer's output."""
    if layer.op_type == "Conv" and scale.ndim:
        return _along_channels(scale, len(layer.weight_shape or ()))
    return np.asarray(scale, np.float32)


def _along_channels(values: NDArray[np.float32], rank: int) -> NDArray[np.float32]:
    return np.asarray(values, np.float32).reshape(-1, *[1] * (rank - 2))
