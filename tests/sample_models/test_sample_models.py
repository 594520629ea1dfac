"""The sample models are what their README promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

NAMES = ("digits_cnn", "digits_mobile", "digits_vit")


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest, sample_models: Path) -> Path:
    """One model file after the other."""
    return sample_models / f"{request.param}.onnx"


@pytest.fixture(scope="session")
def calibration(sample_models: Path) -> np.ndarray:
    """The calibration images."""
    with np.load(sample_models / "digits_calibration.npz", allow_pickle=False) as data:
        assert data.files == ["image"]
        return data["image"]


@pytest.fixture(scope="session")
def evaluation(sample_models: Path) -> tuple[np.ndarray, np.ndarray]:
    """The evaluation images and their labels."""
    with np.load(sample_models / "digits_evaluation.npz", allow_pickle=False) as data:
        assert sorted(data.files) == ["image", "label"]
        return data["image"], data["label"]


def op_types(model: onnx.ModelProto) -> set[str]:
    """Every operator that a model uses."""
    return {node.op_type for node in model.graph.node}


def test_is_small_valid_and_of_a_version_that_older_runtimes_read(path: Path) -> None:
    """A small file that the checker passes and that runtimes from early 2024 on can read."""
    assert path.stat().st_size < 1_500_000
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version <= 9
    assert [(item.domain, item.version <= 20) for item in model.opset_import] == [("", True)]


def test_has_one_image_input_with_a_free_batch(path: Path) -> None:
    """Images in, logits out, as many at once as wanted."""
    graph = onnx.load(path).graph
    (image,), (logits,) = graph.input, graph.output
    dims = [dim.dim_param or dim.dim_value for dim in image.type.tensor_type.shape.dim]
    assert (image.name, dims) == ("image", ["N", 1, 8, 8])
    dims = [dim.dim_param or dim.dim_value for dim in logits.type.tensor_type.shape.dim]
    assert (logits.name, dims) == ("logits", ["N", 10])


def test_nodes_are_named_by_module_and_none_is_clutter(path: Path) -> None:
    """Names tell where a node belongs, and every node computes something."""
    model = onnx.load(path)
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert all(name.startswith("/") for name in names)
    assert not op_types(model) & {"Constant", "Identity", "Shape", "Gather", "Cast", "Unsqueeze"}


def test_every_tensor_has_a_known_shape_that_begins_with_the_batch(path: Path) -> None:
    """The batch stays symbolic, and everything else is a number, on every edge."""
    graph = onnx.load(path).graph
    shaped = {info.name: info.type.tensor_type.shape.dim for info in graph.value_info}
    shaped |= {info.name: info.type.tensor_type.shape.dim for info in graph.output}
    for node in graph.node:
        batch, *others = shaped[node.output[0]]
        assert batch.dim_param == "N"
        assert all(dim.dim_value > 0 for dim in others)


@pytest.mark.parametrize(
    ("name", "operators"),
    [
        ("digits_cnn", {"Conv", "BatchNormalization", "Relu", "Add", "GlobalAveragePool", "Gemm"}),
        ("digits_mobile", {"Conv", "BatchNormalization", "Clip", "GlobalAveragePool", "Gemm"}),
        ("digits_vit", {"Conv", "MatMul", "LayerNormalization", "Gelu", "Softmax", "Transpose"}),
    ],
)
def test_has_the_operators_it_stands_for(
    name: str, operators: set[str], sample_models: Path
) -> None:
    """Each model has what it is in the set for."""
    assert operators <= op_types(onnx.load(sample_models / f"{name}.onnx"))


@pytest.mark.parametrize("name", ["digits_cnn", "digits_mobile"])
def test_batch_normalization_is_unfolded(name: str, sample_models: Path) -> None:
    """Each convolution is followed by a BatchNormalization, left to be folded."""
    graph = onnx.load(sample_models / f"{name}.onnx").graph
    readers = {value: node for node in graph.node for value in node.input}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) >= 9
    for node in convolutions:
        assert len(node.input) == 2  # its bias is the BatchNormalization's
        assert readers[node.output[0]].op_type == "BatchNormalization"


def test_mobile_channels_differ_in_range_once_folded(sample_models: Path) -> None:
    """Within each convolution the channels' ranges are a factor of 10 or more apart."""
    graph = onnx.load(sample_models / "digits_mobile.onnx").graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    convolutions = {node.output[0]: node for node in graph.node if node.op_type == "Conv"}
    depthwise = 0
    for norm in graph.node:
        if norm.op_type != "BatchNormalization":
            continue
        node = convolutions[norm.input[0]]
        weight = constants[node.input[1]]
        gamma, variance = constants[norm.input[1]], constants[norm.input[4]]
        ranges = np.abs(weight).reshape(len(weight), -1).max(axis=1)
        ranges *= np.abs(gamma) / np.sqrt(variance + 1e-5)
        assert ranges.max() >= 10 * ranges.min(), node.name
        depthwise += any(item.name == "group" and item.i == len(weight) for item in node.attribute)
    assert depthwise == 4


def test_data_are_scans_in_the_range_the_models_want(
    calibration: np.ndarray, evaluation: tuple[np.ndarray, np.ndarray]
) -> None:
    """Counts of 0 to 16 dark pixels, divided by 16, with every digit well represented."""
    image, label = evaluation
    assert (calibration.shape, calibration.dtype) == ((128, 1, 8, 8), np.float32)
    assert (image.shape, image.dtype) == ((360, 1, 8, 8), np.float32)
    assert (label.shape, label.dtype) == ((360,), np.int64)
    assert np.bincount(label, minlength=10).min() >= 30
    for values in (calibration, image):
        np.testing.assert_array_equal(values * 16, np.rint(values * 16))
        assert (values.min(), values.max()) == (0, 1)


def test_calibration_and_evaluation_are_disjoint(
    calibration: np.ndarray, evaluation: tuple[np.ndarray, np.ndarray]
) -> None:
    """No image serves both, and none is there twice."""
    seen = {image.tobytes() for image in calibration}
    held_out = {image.tobytes() for image in evaluation[0]}
    assert (len(seen), len(held_out)) == (128, 360)
    assert not seen & held_out


def test_recognizes_held_out_digits(path: Path, evaluation: tuple[np.ndarray, np.ndarray]) -> None:
    """At least 96 % of the unseen digits are right, and the README says the truth."""
    image, label = evaluation
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    logits = session.run(["logits"], {"image": image})[0]
    accuracy = np.mean(logits.argmax(axis=1) == label)
    assert accuracy >= 0.96
    readme = (path.parent / "README.md").read_text(encoding="utf-8")
    row = next(
        line for line in readme.splitlines() if f"| `{path.name}` |" in line and " MB" in line
    )
    assert f"{path.stat().st_size / 1e6:.3f} MB" in row
    # Another processor may round one image in 360 the other way, no more.
    assert float(row.split("|")[-2].strip(" %")) / 100 == pytest.approx(accuracy, abs=1.5 / 360)
