"""What the README says of each model, measured on the files themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

Floats = NDArray[np.floating[Any]]
Granularity = Literal["tensor", "channel"]


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight that quantization would change.

    Attributes:
        name: of the initializer.
        values: as stored in the file.
        axis: the axis of its output channels.
        bn_scale: what folding the BatchNormalization behind the layer multiplies each output
            channel by, gamma / sqrt(variance + epsilon); ones where there is none.
    """

    name: str
    values: Floats
    axis: int
    bn_scale: Floats

    @property
    def folded(self) -> Floats:
        """The values after folding."""
        return self.values * self._per_channel(self.bn_scale)

    def channel_ranges(self) -> Floats:
        """The largest magnitude in each output channel of the folded weight, [channels]."""
        rows = np.moveaxis(self.folded, self.axis, 0)
        ranges: Floats = np.abs(rows).reshape(len(rows), -1).max(axis=1)
        return ranges

    def rounded_to_int8(self, granularity: Granularity) -> Floats:
        """Quantize the folded weight to symmetric int8 and return it as it was stored.

        Dividing by `bn_scale` again undoes the folding only, so the file with this weight in the
        place of its own computes what a folded and quantized file would.
        """
        ranges = self.channel_ranges()
        if granularity == "tensor":
            ranges = np.full_like(ranges, ranges.max())
        scale = self._per_channel(np.maximum(ranges, np.finfo(np.float32).tiny) / 127)
        rounded = np.clip(np.rint(self.folded / scale), -127, 127) * scale
        stored: Floats = (rounded / self._per_channel(self.bn_scale)).astype(np.float32)
        return stored

    def _per_channel(self, values: Floats) -> Floats:
        shape = [1] * self.values.ndim
        shape[self.axis] = -1
        return values.reshape(shape)


@dataclass(frozen=True, slots=True)
class Figures:
    """One row of the README's table. Accuracy is a fraction, SQNR in dB, size in bytes."""

    name: str
    size: int
    opset: int
    nodes: int
    parameters: int
    accuracy: float
    channel_spread: float
    sqnr: dict[Granularity, float]
    rounded_accuracy: dict[Granularity, float]


def weights_of(model: onnx.ModelProto) -> list[Weight]:
    """List the constant weights of Conv, Gemm and MatMul, in the order of the graph."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    readers = {name: node for node in model.graph.node for name in node.input}
    found = []
    for node in model.graph.node:
        if node.op_type not in {"Conv", "Gemm", "MatMul"} or node.input[1] not in constants:
            continue
        values = constants[node.input[1]]
        transposed = any(item.name == "transB" and item.i for item in node.attribute)
        axis = 0 if node.op_type == "Conv" or transposed else values.ndim - 1
        reader = readers.get(node.output[0])
        if reader is not None and reader.op_type == "BatchNormalization":
            bn_scale = _bn_scale(reader, constants)
        else:
            bn_scale = np.ones(values.shape[axis], np.float32)
        found.append(Weight(node.input[1], values, axis, bn_scale))
    return found


def _bn_scale(node: onnx.NodeProto, constants: dict[str, Floats]) -> Floats:
    epsilon = next((item.f for item in node.attribute if item.name == "epsilon"), 1e-5)
    scale: Floats = constants[node.input[1]] / np.sqrt(constants[node.input[4]] + epsilon)
    return scale


def measure(path: Path, image: Floats, label: NDArray[np.int64]) -> Figures:
    """Measure a model file on labelled images.

    Args:
        path: the ONNX file.
        image: float32 [n, 1, 8, 8].
        label: int64 [n].
    """
    model = onnx.load(path)
    weights = weights_of(model)
    logits = run(model, image)
    rounded: dict[Granularity, Floats] = {
        granularity: run(_with_rounded_weights(model, weights, granularity), image)
        for granularity in ("tensor", "channel")
    }
    spreads = [weight.channel_ranges() for weight in weights]
    return Figures(
        name=path.stem,
        size=path.stat().st_size,
        opset=model.opset_import[0].version,
        nodes=len(model.graph.node),
        parameters=sum(math.prod(t.dims) for t in model.graph.initializer if t.data_type == 1),
        accuracy=_accuracy(logits, label),
        channel_spread=max(float(ranges.max() / ranges.min()) for ranges in spreads),
        sqnr={key: _sqnr_db(logits, other) for key, other in rounded.items()},
        rounded_accuracy={key: _accuracy(other, label) for key, other in rounded.items()},
    )


def run(model: onnx.ModelProto, image: Floats) -> Floats:
    """Run a model in onnxruntime: [n, 1, 8, 8] to logits [n, 10]."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(["logits"], {"image": image})[0])


def _with_rounded_weights(
    model: onnx.ModelProto, weights: list[Weight], granularity: Granularity
) -> onnx.ModelProto:
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    by_name = {weight.name: weight for weight in weights}
    for tensor in changed.graph.initializer:
        if tensor.name in by_name:
            values = by_name[tensor.name].rounded_to_int8(granularity)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return changed


def _accuracy(logits: Floats, label: NDArray[np.int64]) -> float:
    return float(np.mean(logits.argmax(axis=1) == label))


def _sqnr_db(reference: Floats, other: Floats) -> float:
    signal = np.square(reference, dtype=np.float64).sum()
    noise = np.square(reference - other, dtype=np.float64).sum()
    return float(10 * np.log10(signal / noise))


def table(rows: list[Figures]) -> str:
    """Write the figures as the README's two Markdown tables."""
    lines = [
        "| model | size | opset | nodes | parameters | accuracy |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| `{row.name}.onnx` | {row.size / 1e6:.3f} MB | {row.opset} | {row.nodes} "
        f"| {row.parameters:,} | {row.accuracy:.2%} |"
        for row in rows
    ]
    lines += [
        "",
        "| model | widest channel spread | int8 weights per tensor | int8 weights per channel |",
        "|---|---:|---:|---:|",
    ]
    for row in rows:
        cells = " | ".join(
            f"{row.sqnr[key]:.1f} dB, {row.rounded_accuracy[key]:.2%}"
            for key in ("tensor", "channel")
        )
        lines.append(f"| `{row.name}.onnx` | {row.channel_spread:.0f}x | {cells} |")
    return "\n".join(lines)
