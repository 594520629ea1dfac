"""Models with one large layer, to measure what a change of it costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from generators import Generated
from onnx import TensorProto, helper, numpy_helper

LARGE = "large/Conv"
"""The layer that the models are made for."""


@dataclass(frozen=True, slots=True)
class Size:
    """A large layer: 512 channels, each of `inner` inputs by 3 by 3.

    Attributes:
        name: of the files.
        inner: input channels.
        side: of the picture that it sees.
    """

    name: str
    inner: int
    side: int

    @property
    def title(self) -> str:
        """In the tables."""
        return f"{512 * self.inner * 9 / 1e6:.1f} M weights"


SIZES = (Size("large_2m", 512, 14), Size("large_16m", 3488, 7))


def large(size: Size, folder: Path) -> Generated:
    """The model and its calibration data, made once for a folder."""
    made = Generated(size.name, folder / f"{size.name}.onnx", folder / f"{size.name}.npz")
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    if not made.model.exists():
        onnx.save(_model(size, rng), made.model)
    if not made.data.exists():
        np.savez(made.data, input=rng.normal(size=(16, 3, size.side, size.side)).astype("f4"))
    return made


def _model(size: Size, rng: np.random.Generator) -> onnx.ModelProto:
    def weight(*shape: int) -> np.ndarray:
        fan_in = int(np.prod(shape[1:]))
        channels = np.exp(rng.normal(0.0, 0.3, (shape[0], *[1] * (len(shape) - 1))))
        values = rng.standard_t(6, shape) * np.sqrt(2.0 / fan_in / 1.5) * channels
        return np.asarray(values, np.float32)

    weights = {
        "stem.weight": weight(size.inner, 3, 1, 1),
        "large.weight": weight(512, size.inner, 3, 3),
        "head.weight": weight(10, 512),
    }
    nodes = [
        helper.make_node("Conv", ["input", "stem.weight"], ["stem"], "stem/Conv"),
        helper.make_node("Relu", ["stem"], ["stem.relu"], "stem/Relu"),
        helper.make_node(
            "Conv", ["stem.relu", "large.weight"], ["large"], LARGE, pads=[1, 1, 1, 1]
        ),
        helper.make_node("Relu", ["large"], ["large.relu"], "large/Relu"),
        helper.make_node("GlobalAveragePool", ["large.relu"], ["pooled"], "GlobalAveragePool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], "Flatten"),
        helper.make_node("Gemm", ["flat", "head.weight"], ["logits"], "head/Gemm", transB=1),
    ]
    shape = ["N", 3, size.side, size.side]
    graph = helper.make_graph(
        nodes,
        size.name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)
