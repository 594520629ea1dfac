"""Training scripts: what they start from, what they refuse, and that they train."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper

from inspector.errors import SaveError, UnsupportedError
from inspector.onnxio.writers.trainable import NOTES_KEY
from inspector.quant.spec import QuantSpec
from inspector.session.job import QuantizeRequest, quantize_model
from inspector.session.recipe import DEFAULT_RECIPE, Recipe
from inspector.session.script import known_operators
from inspector.session.training import start_of, write_training

HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is not installed")


def recipe(weights: str, activations: str = "uint8") -> Recipe:
    """Defaults for all layers."""
    return DEFAULT_RECIPE.with_default(QuantSpec.parse(weights), QuantSpec.parse(activations))


def request(model: Path, output: Path, data: Path, chosen: Recipe) -> QuantizeRequest:
    """What to write."""
    return QuantizeRequest(model, output, chosen, data, samples=32)


def outputs(path: Path, images: np.ndarray) -> np.ndarray:
    """What onnxruntime makes of a model as it is written."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options)
    found: np.ndarray = session.run(None, {"image": images})[0]
    return found


@pytest.mark.parametrize(
    ("name", "weights"),
    [("digits_cnn", "int8"), ("digits_cnn", "int4:tensor:mse"), ("digits_vit", "int4:block8")],
)
def test_the_start_does_what_the_quantized_model_does(
    sample_models: Path, tmp_path: Path, name: str, weights: str
) -> None:
    """But for the lowest code, which symmetric grids leave free, and rounded biases."""
    model, data = sample_models / f"{name}.onnx", sample_models / "digits_calibration.npz"
    chosen = recipe(weights)
    script = tmp_path / "train.py"
    result = write_training(request(model, script, data, chosen))
    assert (result.script, result.start) == (script, tmp_path / "train_start.onnx")
    job = QuantizeRequest(
        model, tmp_path / "quantized.onnx", chosen, data, samples=32, verify=False
    )
    quantize_model(job)
    images = np.load(sample_models / "digits_evaluation.npz")["image"][:16]
    start, written = outputs(result.start, images), outputs(job.output, images)
    noise = float(np.square(start - written).sum() / np.square(written).sum())
    assert noise < 1e-3
    floats = {t.name for t in onnx.load(result.start).graph.initializer if t.data_type == 1}
    notes = json.loads(
        next(e.value for e in onnx.load(result.start).metadata_props if e.key == NOTES_KEY)
    )
    assert set(notes["trained"]) <= floats
    assert len(notes["trained"]) > 10


def test_the_script_says_what_layers_get_and_has_what_the_model_needs(
    sample_models: Path, tmp_path: Path
) -> None:
    """And nothing of this program."""
    model = sample_models / "digits_mobile.onnx"
    data = sample_models / "digits_calibration.npz"
    script = tmp_path / "my train.py"
    write_training(request(model, script, data, recipe("int4:channel:mse")))
    text = script.read_text()
    compile(text, str(script), "exec")
    assert "int4:channel:mse:sym" in text
    assert 'with_name("my train_start.onnx")' in text
    assert "@" not in ast.get_docstring(ast.parse(text))
    functions = {n.name for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)}
    assert {"conv", "gemm", "load_data", "export"} <= functions
    assert functions.isdisjoint({"layer_normalization", "resize", "matmul"})
    assert "inspector" not in text.replace("quant_inspector", "")


def test_names_from_a_file_become_no_code(sample_models: Path, tmp_path: Path) -> None:
    """Whatever layers are called."""
    proto = onnx.load(sample_models / "digits_mobile.onnx")
    proto.graph.node[0].name = '"""\nimport os\n\\'
    model = tmp_path / "bad.onnx"
    onnx.save(proto, model)
    script = tmp_path / "train.py"
    data = sample_models / "digits_calibration.npz"
    write_training(request(model, script, data, recipe("int4:channel:mse")))
    imported = [n for n in ast.walk(ast.parse(script.read_text())) if isinstance(n, ast.Import)]
    assert all(alias.name != "os" for node in imported for alias in node.names)


def test_operators_that_it_cannot_do_are_named_before_anything_is_written(
    sample_models: Path, tmp_path: Path
) -> None:
    """All of them, each with how many there are."""
    proto = onnx.load(sample_models / "digits_mobile.onnx")
    last = proto.graph.node[-1]
    last.output[0] = "before"
    proto.graph.node.append(helper.make_node("Hardmax", ["before"], ["logits"], "odd"))
    model, script = tmp_path / "net.onnx", tmp_path / "train.py"
    onnx.save(proto, model)
    data = sample_models / "digits_calibration.npz"
    with pytest.raises(UnsupportedError, match=r"Hardmax \(1 of them\)"):
        write_training(request(model, script, data, recipe("int8")))
    assert not script.exists()
    assert not start_of(script).exists()
    assert "Hardmax" not in known_operators()


def test_what_does_not_fit_is_refused(sample_models: Path, tmp_path: Path) -> None:
    """Types without even steps, forms without grids, a name that is no script's."""
    model = sample_models / "digits_mobile.onnx"
    data = sample_models / "digits_calibration.npz"
    script = tmp_path / "train.py"
    with pytest.raises(UnsupportedError, match=r"Conv \(log4"):
        write_training(request(model, script, data, recipe("log4:channel")))
    with pytest.raises(UnsupportedError, match="nothing to train for"):
        write_training(request(model, script, data, recipe("float", "float")))
    with pytest.raises(UnsupportedError, match="not the format dynamic"):
        write_training(request(model, script, data, Recipe(format="dynamic")))
    with pytest.raises(SaveError, match=r"ends in \.py"):
        write_training(request(model, tmp_path / "train.onnx", data, recipe("int8")))
    assert list(tmp_path.iterdir()) == []


def run(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script as a user does, on one thread."""
    return subprocess.run(
        [sys.executable, str(script), "--threads", "1", *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=script.parent,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def figure(text: str, line: str, what: str) -> float:
    """A figure of the script's output."""
    said = next(one for one in text.splitlines() if one.startswith(line))
    return float(said.partition(f"{what} ")[2].split()[0].rstrip(","))


@needs_torch
def test_training_at_4_bits_recovers_accuracy(sample_models: Path, tmp_path: Path) -> None:
    """On images that it did not see; what it writes does in onnxruntime what the script says."""
    model = sample_models / "digits_mobile.onnx"
    data = sample_models / "digits_calibration.npz"
    script = tmp_path / "train.py"
    write_training(QuantizeRequest(model, script, recipe("int4:tensor:mse"), data))
    judged = sample_models / "digits_evaluation.npz"
    ran = run(script, "--data", data, "--validation", judged, "--epochs", 30, "--rate", 0.02)
    assert ran.returncode == 0, ran.stderr
    before, after = (figure(ran.stdout, line, "accuracy") for line in ("before", "after"))
    assert after > before + 40
    with np.load(judged) as file:
        images, labels = file["image"], file["label"]
    found = outputs(tmp_path / "train_trained.onnx", images)
    expected = outputs(model, images)
    assert abs(100 * float((found.argmax(1) == labels).mean()) - after) < 0.5
    sqnr = 10 * np.log10(np.square(expected).sum() / np.square(found - expected).sum())
    assert abs(sqnr - figure(ran.stdout, "after", "SQNR")) < 0.1
    trained = onnx.load(tmp_path / "train_trained.onnx")
    assert all(entry.key != NOTES_KEY for entry in trained.metadata_props)
    kinds = {t.data_type for t in trained.graph.initializer}
    assert onnx.TensorProto.INT4 in kinds


@needs_torch
def test_scales_can_be_kept_and_a_folder_be_read(sample_models: Path, tmp_path: Path) -> None:
    """Fixed scales are those of the recipe after training."""
    model, script = sample_models / "digits_cnn.onnx", tmp_path / "train.py"
    data = sample_models / "digits_calibration.npz"
    write_training(request(model, script, data, recipe("int4:channel:mse")))
    with np.load(sample_models / "digits_evaluation.npz") as file:
        folder = tmp_path / "data"
        folder.mkdir()
        np.save(folder / "image.npy", file["image"][:64])
        np.save(folder / "label.npy", file["label"][:64])
    ran = run(script, "--data", folder, "--epochs", 1, "--scales", "fixed", "--output", "out.onnx")
    assert ran.returncode == 0, ran.stderr
    start, end = (
        {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(tmp_path / n).graph.initializer}
        for n in ("train_start.onnx", "out.onnx")
    )
    scales = [name for name in start if name.endswith("_scale") and name in end]
    assert len(scales) > 5
    assert all(np.array_equal(start[name], end[name]) for name in scales)


@needs_torch
def test_without_training_it_writes_what_quantize_writes(
    sample_models: Path, tmp_path: Path
) -> None:
    """Widths without a type of their own, and outputs bit for bit but for the rounding of sums."""
    model, data = sample_models / "digits_cnn.onnx", sample_models / "digits_calibration.npz"
    chosen, script = recipe("int3:channel:mse", "uint6"), tmp_path / "train.py"
    write_training(request(model, script, data, chosen))
    written = tmp_path / "quantized.onnx"
    quantize_model(QuantizeRequest(model, written, chosen, data, samples=32, verify=False))
    judged = sample_models / "digits_evaluation.npz"
    ran = run(script, "--data", judged, "--epochs", 0)
    assert ran.returncode == 0, ran.stderr
    with np.load(judged) as file:
        images = file["image"][:32]
    found, expected = outputs(tmp_path / "train_trained.onnx", images), outputs(written, images)
    assert np.square(found - expected).sum() < 1e-5 * np.square(expected).sum()


@needs_torch
def test_wrong_data_is_told(sample_models: Path, tmp_path: Path) -> None:
    """In a line, without a traceback."""
    model, script = sample_models / "digits_cnn.onnx", tmp_path / "train.py"
    data = sample_models / "digits_calibration.npz"
    write_training(request(model, script, data, recipe("int4:channel:mse")))
    np.savez(tmp_path / "bad.npz", image=np.zeros((4, 1, 8, 8), "f"), label=np.zeros(3, int))
    ran = run(script, "--data", tmp_path / "bad.npz")
    assert ran.returncode == 1
    assert "as many samples" in ran.stderr
    assert "Traceback" not in ran.stderr
