"""What every test may ask for: the sample models, and the larger set kept beside a checkout."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(scope="session")
def sample_models() -> Path:
    """The folder of the sample models that the project ships."""
    return ROOT / "sample_models"


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """A larger set of real models, named by QUANT_INSPECTOR_MODELS; skips where it is not set."""
    folder = os.environ.get("QUANT_INSPECTOR_MODELS", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("QUANT_INSPECTOR_MODELS does not name a folder of models")
    return Path(folder).resolve()


@dataclass(frozen=True)
class Quantized:
    """A small model, quantized without files: all that a test may want to look at.

    Attributes:
        model: the prepared model.
        placement: the sites of its graph.
        grids: the numbers of the plan.
        written: the quantized model.
        proto: the same as one whole proto.
        feeds: samples; the first two served for calibration.
    """

    model: Any
    placement: Any
    grids: Any
    written: Any
    proto: Any
    feeds: Sequence[dict[str, Any]]

    @property
    def plan(self) -> Any:
        """What was quantized."""
        return self.grids.plan

    def predicted(self, feeds: Any = None) -> list[dict[str, Any]]:
        """The simulation's outputs for each sample, or for others."""
        from inspector.evaluate.preview import Preview

        preview = Preview.suiting(self.grids, self.model, self.placement, threads=1)
        return [preview.run(self.grids, one) for one in feeds or self.feeds]

    def measured(self, *, optimize: bool) -> list[dict[str, Any]]:
        """The written model's outputs in onnxruntime for each sample."""
        from inspector.evaluate.runtime import open_session
        from inspector.onnxio.runnable import runnable

        session = open_session(runnable(self.written), threads=1, optimize=optimize)
        return [session.run(feeds) for feeds in self.feeds]


@pytest.fixture(scope="session")
def quantized() -> Callable[..., Quantized]:
    """Quantizes a ModelProto of float32 inputs with fixed shapes, in memory.

    The result takes (proto, weights, activations); either may be a mapping from layer names to
    specs. Further: `samples`, `unsigned` (as for the target ort-cpu), `seed`, `dynamic` (what is
    quantized when the model runs is in the plan and not in the written model).
    """
    import numpy as np

    from inspector.evaluate.runtime import open_session
    from inspector.graph.grids import choose_grids
    from inspector.graph.placement import place
    from inspector.onnxio.draft import whole_proto
    from inspector.onnxio.extract import extract_graph
    from inspector.onnxio.loading import model_of
    from inspector.onnxio.opset import QDQ_OPSET, raise_opset
    from inspector.onnxio.passes import prepare
    from inspector.onnxio.runnable import runnable
    from inspector.onnxio.writers.qdq import QdqOptions, write_qdq
    from inspector.quant.distribution import Histogram
    from inspector.quant.spec import LayerSpecs, QuantSpec

    def spec(chosen: Any, layer: str, role: str) -> QuantSpec:
        text = chosen if isinstance(chosen, str) else chosen[layer]
        return QuantSpec.parse(text).filled(role)

    def histograms(model: Any, plan: Any, feeds: Sequence[dict[str, Any]]) -> dict[str, Histogram]:
        tensors = {name for point in plan.points for name in point.tensors}
        inner = sorted(tensors - set(feeds[0]))
        session = open_session(runnable(model, outputs=inner), threads=1) if inner else None
        found: dict[str, Histogram] = {}
        for sample in feeds:
            values = dict(sample)
            if session is not None:
                read = {value.name for value in session.inputs}
                values |= session.run({k: v for k, v in sample.items() if k in read})
            for name in tensors:
                one = Histogram.of(values[name])
                found[name] = found[name].merge(one) if name in found else one
        return found

    def make(
        proto: Any,
        weights: Any = "int8",
        activations: Any = "uint8",
        *,
        samples: int = 3,
        unsigned: bool = True,
        seed: int = 0,
        dynamic: bool = False,
    ) -> Quantized:
        model = raise_opset(prepare(model_of(proto))[0], QDQ_OPSET)
        graph = extract_graph(model)
        placement = place(graph)
        specs = {
            layer.name: LayerSpecs(
                spec(weights, layer.name, "weights"),
                spec(activations, layer.name, "activations"),
                dynamic,
            )
            for layer in graph.layers
        }
        rng = np.random.default_rng(seed)
        shapes = {name: graph.tensors[name].shape for name in graph.inputs}
        feeds = [
            {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
            for _ in range(samples)
        ]
        plan = placement.plan(specs)
        grids = choose_grids(graph, plan, model.constant, histograms(model, plan, feeds[:2]))
        written = write_qdq(model, placement, grids, QdqOptions(unsigned_kernels=unsigned))
        return Quantized(model, placement, grids, written, whole_proto(written), feeds)

    return make


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of blue, green and red that subtracts Caffe's mean itself, beside pictures.

    The folder holds ``model.onnx`` and, in ``pictures``, 12 of them with their ``labels.csv``:
    class 0 is blue, 1 green, 2 red; two pictures have no label.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save
    from PIL import Image

    folder = tmp_path_factory.mktemp("colours")
    constants = {
        "mean": np.float32([-104, -117, -123]).reshape(1, 3, 1, 1),
        "w": np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1),
        "v": np.eye(3, dtype=np.float32),
    }
    nodes = [
        helper.make_node("Add", ["x", "mean"], ["centred"], "centre"),
        helper.make_node("Conv", ["centred", "w"], ["mixed"], "mix"),
        helper.make_node("GlobalAveragePool", ["mixed"], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"),
        helper.make_node("Gemm", ["flat", "v"], ["y"], "score"),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "model.onnx")
    pictures = folder / "pictures"
    pictures.mkdir()
    lines = ["file,class"]
    for number in range(12):
        colour = [40 + number, 60, 50]
        colour[2 - number % 3] = 230
        Image.new("RGB", (20, 16), tuple(colour)).save(pictures / f"{number}.png")
        lines.append(f"{number}.png,{number % 3 if number < 10 else ''}")
    (pictures / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder
