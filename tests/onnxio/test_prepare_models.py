"""Real models: they load, and preparing them keeps their float outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from inspector.errors import ModelError
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import load_model
from inspector.onnxio.passes import prepare
from inspector.onnxio.runnable import runnable

SAMPLES = ("digits_cnn", "digits_mobile", "digits_vit")
FLOAT = (
    "basic_pitch_nmp", "byte_bilstm_sentence", "charlm", "digits_cnn", "digits_vit",
    "espcn_subpixel_float", "fastestdet", "gtcrn_simple", "magika_standard_v3_3", "micro_kws_fp32",
    "mnist_cntk_opset8", "mobilenetv1_025_imagenet", "mobilenetv1_025_imagenet_bn",
    "ppocr_mobile_v2_cls", "silero_vad_ifs", "silero_vad_op18_ifless", "squeezenet1.1_imagenet",
    "ultraface_RFB320_bn", "ultraface_RFB320_ort_folded", "yolox_nano", "yunet_n_640",
)  # fmt: skip
ODD = ("gtcrn_1786nodes", "light_densenet121_2000nodes", "ort_bert_toy_optimized", "ort_scan_1")

# Sizes of open dimensions, where 1 would be nonsense.
SIZES: dict[str, tuple[int, ...]] = {
    "ppocr_mobile_v2_cls": (1, 3, 48, 192),
    "silero_vad_ifs": (1, 576),
    "silero_vad_op18_ifless": (1, 576),
    "byte_bilstm_sentence": (1, 40),
    "ort_bert_toy_optimized": (1, 16),
    "ort_scan_1": (5,),
}


def feeds_of(session: ort.InferenceSession, name: str) -> dict[str, np.ndarray]:
    """Random inputs that the model accepts."""
    rng = np.random.default_rng(0)
    feeds: dict[str, Any] = {}
    for value in session.get_inputs():
        sizes = SIZES.get(name, ())
        shape = [
            dim if isinstance(dim, int) and dim > 0 else (sizes[axis] if axis < len(sizes) else 1)
            for axis, dim in enumerate(value.shape)
        ]
        if value.name == "state":
            shape[1] = 1
        if "float" in value.type:
            feeds[value.name] = rng.normal(0.4, 0.3, shape).astype(np.float32)
        elif value.name == "sr":
            feeds[value.name] = np.array(16000)
        else:
            dtype = {"tensor(int64)": "int64", "tensor(uint8)": "uint8"}.get(value.type, "int32")
            feeds[value.name] = rng.integers(0, 2, shape).astype(dtype)
    return feeds


def open_session(data: bytes, arrays: dict[str, np.ndarray]) -> ort.InferenceSession:
    """An onnxruntime session without optimizations."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 2
    values = [ort.OrtValue.ortvalue_from_numpy(array) for array in arrays.values()]
    if values:
        options.add_external_initializers(list(arrays), values)
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def assert_prepared_alike(path: Path) -> None:
    """Prepare a model and compare its outputs with those of its file."""
    prepared, _ = prepare(load_model(path))
    before = open_session(path.read_bytes(), {})
    ready = runnable(prepared)
    after = open_session(ready.data, dict(ready.arrays))
    feeds = feeds_of(before, path.stem)
    given = {value.name: feeds[value.name] for value in after.get_inputs()}
    names = [value.name for value in before.get_outputs()]
    assert [value.name for value in after.get_outputs()] == names
    for want, got in zip(before.run(None, feeds), after.run(None, given), strict=True):
        assert got.shape == want.shape
        scale = float(np.abs(want).max(initial=0)) or 1.0
        np.testing.assert_allclose(got / scale, want / scale, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_models_keep_their_outputs(sample_models, name) -> None:
    """Sample models keep their outputs."""
    assert_prepared_alike(sample_models / f"{name}.onnx")


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_models_have_no_norm_left_to_fold(sample_models, name) -> None:
    """Sample models have no normalization left to fold."""
    prepared, _ = prepare(load_model(sample_models / f"{name}.onnx"))
    graph = extract_graph(prepared)
    assert "BatchNormalization" not in {node.op_type for node in graph.nodes}
    assert len(graph.layers) > 5
    assert all(tensor.shape is not None for tensor in graph.tensors.values())


@pytest.mark.parametrize("name", FLOAT)
def test_float_models_keep_their_outputs(shared_models, name) -> None:
    """Float models keep their outputs."""
    assert_prepared_alike(shared_models / "float" / f"{name}.onnx")


def test_a_model_of_opset_7_is_tidied_only(shared_models) -> None:
    """Its fixed input size takes the runtime seconds; nothing but its list of inputs changes."""
    model = load_model(shared_models / "float" / "style_candy_opset7.onnx")
    prepared, _ = prepare(model)
    assert list(prepared.proto.graph.node) == list(model.proto.graph.node)
    assert prepared.constants == model.constants
    assert [value.name for value in prepared.proto.graph.input] == ["inputImage"]


@pytest.mark.parametrize("name", ODD)
def test_odd_models_keep_their_outputs(shared_models, name) -> None:
    """Odd models keep their outputs."""
    assert_prepared_alike(shared_models / "odd" / f"{name}.onnx")


def test_every_model_is_shown_or_refused(shared_models) -> None:
    """Every model is shown or refused, and none but the corrupt one is refused."""
    refused = []
    for path in sorted(shared_models.glob("*/*.onnx")):
        try:
            model = load_model(path)
            before = extract_graph(model)
            after = extract_graph(prepare(model)[0])
        except ModelError:
            refused.append(path.stem)
            continue
        assert after.outputs == before.outputs
        assert {layer.name for layer in after.layers} >= {layer.name for layer in before.layers}
    assert refused == ["corrupt-model_winml"]


@pytest.mark.parametrize(
    ("name", "layers"),
    [("ppocr_mobile_v2_cls", 54), ("mobilenetv1_025_imagenet_bn", 28), ("ultraface_RFB320_bn", 52)],
)
def test_norms_of_real_models_are_folded(shared_models, name, layers) -> None:
    """Weights in Constant nodes, opset 9, depthwise."""
    graph = extract_graph(prepare(load_model(shared_models / "float" / f"{name}.onnx"))[0])
    assert "BatchNormalization" not in {node.op_type for node in graph.nodes}
    assert len(graph.layers) == layers
    assert all(layer.bias for layer in graph.layers if layer.op_type == "Conv")
