"""What a model file holds, without running it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from inspector.graph.model import Dim, Graph, Layer
from inspector.graph.preparations import NO_SKIP
from inspector.onnxio.loading import Model
from inspector.onnxio.passes import PassReport
from inspector.session.opening import OpenModel, open_model
from inspector.session.recipe import RECIPE_KEY


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model.

    Attributes:
        name: the tensor's name.
        dtype: its element type.
        shape: sizes, names of free axes, None for unknown ones; None where even the rank is.
    """

    name: str
    dtype: str
    shape: tuple[Dim, ...] | None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        shape = None if self.shape is None else list(self.shape)
        return {"name": self.name, "dtype": self.dtype, "shape": shape}


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model file holds.

    Attributes:
        path: the file.
        producer: the program that wrote it, with its version.
        ir_version: of the file format.
        opset: of ONNX's own operators.
        opsets: by domain.
        inputs: what it reads.
        outputs: what it computes.
        file_bytes: size on disk, with external data.
        parameters: elements of all float constants.
        operators: how many nodes of each kind the file holds.
        layers: what can be quantized, after the passes.
        passes: what preparing it for quantization changes and leaves.
        obstacle: why it cannot be quantized; empty where it can.
        recipe: that it was quantized with (TOML), if it was made by this program.
    """

    path: Path
    producer: str
    ir_version: int
    opset: int
    opsets: Mapping[str, int]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    file_bytes: int
    parameters: int
    operators: Mapping[str, int]
    layers: tuple[Layer, ...]
    passes: tuple[PassReport, ...]
    obstacle: str
    recipe: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain data, in the form that other programs build on."""
        return {
            "model": str(self.path),
            "producer": self.producer,
            "ir_version": self.ir_version,
            "opset": self.opset,
            "opsets": dict(self.opsets),
            "inputs": [port.to_json() for port in self.inputs],
            "outputs": [port.to_json() for port in self.outputs],
            "size": {"float_bytes": self.file_bytes},
            "parameters": self.parameters,
            "operators": dict(self.operators),
            "layers": [_layer_json(layer) for layer in self.layers],
            "passes": [report.to_json() for report in self.passes],
            "quantizable": not self.obstacle,
            "obstacle": self.obstacle or None,
            "recipe": self.recipe,
        }


def describe(path: Path, skip: frozenset[str] = NO_SKIP) -> ModelInfo:
    """Load a model and tell what it holds; weights are read only where a pass folds them.

    Args:
        path: the file.
        skip: names of passes to leave out.

    Raises:
        ModelError: the file cannot be read or is no model.
    """
    return describe_opened(open_model(path, skip=skip))


def describe_opened(opened: OpenModel) -> ModelInfo:
    """Tell what a model holds that is open already."""
    source, proto = opened.source, opened.source.proto
    opsets = {entry.domain or "ai.onnx": entry.version for entry in proto.opset_import}
    operators = Counter(node.op_type for node in proto.graph.node)
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    return ModelInfo(
        path=opened.path,
        producer=f"{proto.producer_name} {proto.producer_version}".strip(),
        ir_version=proto.ir_version,
        opset=opsets.get("ai.onnx", 0),
        opsets=opsets,
        inputs=_ports(opened.graph, opened.graph.inputs),
        outputs=_ports(opened.graph, opened.graph.outputs),
        file_bytes=source.file_bytes,
        parameters=_parameters(source),
        operators=dict(operators.most_common()),
        layers=opened.graph.layers,
        passes=opened.passes,
        obstacle=_obstacle(opened),
        recipe=metadata.get(RECIPE_KEY),
    )


def _ports(graph: Graph, names: tuple[str, ...]) -> tuple[Port, ...]:
    tensors = (graph.tensor(name) for name in names)
    return tuple(Port(tensor.name, tensor.dtype, tensor.shape) for tensor in tensors)


def _parameters(model: Model) -> int:
    constants = model.constants.values()
    return sum(prod(c.shape) for c in constants if c.dtype.startswith(("float", "bfloat")))


def _obstacle(opened: OpenModel) -> str:
    if opened.obstacle is not None:
        return opened.obstacle.message
    if not opened.graph.layers:
        return "It has no Conv, ConvTranspose, Gemm or MatMul layer in float."
    return ""


def _layer_json(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "op_type": layer.op_type,
        "weight_shape": None if layer.weight_shape is None else list(layer.weight_shape),
        "parameters": layer.parameters,
        "macs": layer.macs,
    }
