"""A quantized model that takes and gives integers, as many accelerators want it.

The quantizers at its ends are left out: whoever runs it quantizes the inputs and dequantizes the
outputs. With what numbers is told in the model's metadata, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper

from inspector.errors import ModelError
from inspector.onnxio.draft import Draft, rename_reads
from inspector.onnxio.loading import Model
from inspector.onnxio.storage import storage_of
from inspector.onnxio.tensors import dtype_name
from inspector.quant.qparams import QParams

KEY = "quant_inspector.integer_io"
"""The metadata entry that says how inputs and outputs are to be read."""

_TYPES = {name: getattr(TensorProto, name.upper()) for name in ("int8", "uint8", "int16", "uint16")}


@dataclass(frozen=True, slots=True)
class End:
    """An input or output of integers: real = scale * (q - zero_point).

    Attributes:
        name: the tensor.
        is_input: whether it is an input.
        dtype: "uint8", for example.
        scale: positive.
        zero_point: a code of the type.
    """

    name: str
    is_input: bool
    dtype: str
    scale: float
    zero_point: int

    @property
    def grid(self) -> QParams:
        """The same as numbers to compute with."""
        info = np.iinfo(self.dtype)
        scale, zero = np.asarray(self.scale, np.float32), np.asarray(self.zero_point, np.int32)
        return QParams(scale, zero, int(info.min), int(info.max))

    def to_json(self) -> dict[str, Any]:
        """Plain data, without the name."""
        return {"dtype": self.dtype, "scale": self.scale, "zero_point": self.zero_point}


def ends_of(metadata: Mapping[str, str]) -> tuple[End, ...]:
    """What a model's metadata says of its integer inputs and outputs; nothing if it has none.

    Raises:
        ModelError: what it says cannot be understood.
    """
    text = metadata.get(KEY)
    if text is None:
        return ()
    try:
        data = json.loads(text)
        return tuple(
            End(name, side == "inputs", one["dtype"], float(one["scale"]), int(one["zero_point"]))
            for side in ("inputs", "outputs")
            for name, one in data[side].items()
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"The model's metadata entry {KEY} cannot be understood.", "Save the model again."
        ) from error


def float_ends(model: Model) -> tuple[str, ...]:
    """The inputs and outputs of a model that are float32."""
    graph = model.proto.graph
    constants = {tensor.name for tensor in graph.initializer}
    values = [value for value in graph.input if value.name not in constants]
    return tuple(value.name for value in (*values, *graph.output) if _is_float(value))


def to_integer_io(model: Model, outputs: Mapping[str, QParams]) -> Model:
    """Leaves the quantizers at a model's ends out.

    Inputs that no quantizer reads, and outputs that are on no grid, stay float.

    Args:
        model: a model with quantizers.
        outputs: grids for outputs that are computed in float.

    Cost: linear in the number of nodes.
    """
    return _Rewriter(model, outputs).run()


class _Rewriter:
    def __init__(self, model: Model, outputs: Mapping[str, QParams]) -> None:
        self._draft = Draft(model)
        self._graph = self._draft.graph
        self._outputs = outputs
        self._ends: list[End] = []
        self._nodes = list(self._graph.node)

    def run(self) -> Model:
        # Where an input is an output as well, its type is its own.
        both = {v.name for v in self._graph.input} & {v.name for v in self._graph.output}
        constants = {tensor.name for tensor in self._graph.initializer}
        for value in self._graph.input:
            if _is_float(value) and value.name not in both | constants:
                self._input(value)
        for value in self._graph.output:
            if _is_float(value) and value.name not in both:
                self._output(value)
        nodes = [NodeProto.FromString(node.SerializeToString()) for node in self._nodes]
        del self._graph.node[:]
        self._graph.node.extend(nodes)
        changed = {end.name for end in self._ends}
        kept = [value for value in self._graph.value_info if value.name not in changed]
        del self._graph.value_info[:]
        self._graph.value_info.extend(kept)
        self._draft.sweep()
        self._tell()
        return self._draft.finish()

    def _input(self, value: ValueInfoProto) -> None:
        name = value.name
        readers = [node for node in self._nodes if name in node.input]
        quantizer = next((node for node in readers if self._quantizes(node, name)), None)
        if quantizer is None or len(self._draft.consumers()[name]) != len(readers):
            return
        codes, scale, zero = quantizer.output[0], quantizer.input[1], quantizer.input[2]
        domain = quantizer.domain
        self._drop(quantizer)
        others = [node for node in readers if node is not quantizer]
        if others:
            restored = self._draft.unique_name(f"{name}_float")
            for node in others:
                rename_reads(node, {name: restored})
            made = helper.make_node(
                "DequantizeLinear", [name, scale, zero], [restored], restored, domain=domain
            )
            self._nodes.insert(0, made)
        for node in self._nodes:
            rename_reads(node, {codes: name})
        self._become(value, scale, zero, is_input=True)

    def _quantizes(self, node: NodeProto, name: str) -> bool:
        return (
            node.op_type == "QuantizeLinear"
            and node.input[0] == name
            and len(node.input) == 3
            and self._draft.is_constant(node.input[2])
            and self._draft.constant_type(node.input[2]) in _TYPES.values()
            and not self._draft.constant_shape(node.input[1])
        )

    def _output(self, value: ValueInfoProto) -> None:
        name = value.name
        node = next((node for node in self._nodes if name in node.output), None)
        if node is None:
            return
        floats = self._draft.unique_name(f"{name}_float")
        if node.op_type == "DequantizeLinear" and self._gives_codes(node):
            codes, scale, zero = node.input[0], node.input[1], node.input[2]
            self._rename(name, floats)
            self._rename(codes, name)
        elif name in self._outputs and storage_of(self._outputs[name]).bits in {8, 16}:
            grid = self._outputs[name]
            storage = storage_of(grid)
            scale, zero = (
                self._draft.unique_name(f"{name}_{part}") for part in ("scale", "zero_point")
            )
            self._draft.set_constant(scale, np.asarray(grid.scale, np.float32))
            self._draft.set_constant(zero, np.asarray(grid.zero_point).astype(storage.dtype))
            self._rename(name, floats)
            made = helper.make_node(
                "QuantizeLinear", [floats, scale, zero], [name], f"{name}_QuantizeLinear"
            )
            self._nodes.append(made)
        else:
            return
        self._become(value, scale, zero, is_input=False)

    def _gives_codes(self, node: NodeProto) -> bool:
        """Whether what a DequantizeLinear reads is computed, and can be an output itself."""
        if len(node.input) < 3 or self._draft.constant_shape(node.input[1]):
            return False
        ends = {v.name for v in (*self._graph.input, *self._graph.output)}
        codes = node.input[0]
        known = self._draft.constant_type(node.input[2]) in _TYPES.values()
        return known and not self._draft.is_constant(codes) and codes not in ends

    def _rename(self, old: str, new: str) -> None:
        for node in self._nodes:
            rename_reads(node, {old: new})
            for slot, name in enumerate(node.output):
                if name == old:
                    node.output[slot] = new

    def _drop(self, gone: NodeProto) -> None:
        self._nodes = [node for node in self._nodes if node is not gone]

    def _become(self, value: ValueInfoProto, scale: str, zero: str, *, is_input: bool) -> None:
        kind = self._draft.constant_type(zero)
        value.type.tensor_type.elem_type = kind
        numbers = float(self._draft.constant(scale)), int(self._draft.constant(zero))
        self._ends.append(End(value.name, is_input, dtype_name(kind), *numbers))

    def _tell(self) -> None:
        data = {
            side: {end.name: end.to_json() for end in self._ends if end.is_input == is_input}
            for side, is_input in (("inputs", True), ("outputs", False))
        }
        kept = {e.key: e.value for e in self._draft.proto.metadata_props}
        helper.set_model_props(self._draft.proto, kept | {KEY: json.dumps(data)})


def _is_float(value: ValueInfoProto) -> bool:
    return bool(value.type.tensor_type.elem_type == TensorProto.FLOAT)
