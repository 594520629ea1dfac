"""The whole job on real models: files that prove themselves."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import pytest

from inspector.errors import (
    DataError,
    RecipeError,
    UnsupportedError,
)
from inspector.evaluate.calibrate import calibrate
from inspector.evaluate.random_data import random_data
from inspector.evaluate.runtime import optimized_op_counts
from inspector.quant.spec import QuantSpec
from inspector.session.job import (
    QuantizeRequest,
    QuantizeResult,
    quantize_model,
    save_quantized,
)
from inspector.session.opening import open_model
from inspector.session.recipe import RECIPE_KEY, Recipe, Rule

SAMPLES = ("digits_cnn", "digits_mobile", "digits_vit")


def _recipe(weights: str, activations: str, *rules: Rule) -> Recipe:
    recipe = Recipe().with_default(QuantSpec.parse(weights), QuantSpec.parse(activations))
    for rule in rules:
        recipe = recipe.with_rule(rule)
    return recipe


def _mixed() -> Recipe:
    """Most weights in 8 bits, convolutions in 4."""
    return _recipe("int8", "uint8", Rule("op:Conv", QuantSpec.parse("int4:channel:mse"), None))


RECIPES = {
    "int8": _recipe("int8", "uint8"),
    "int8 signed": _recipe("int8", "int8:sym"),
    "mixed 4/8": _mixed(),
    "16 bits": _recipe("int16", "uint16"),
    "weights only": _recipe("int8", "float"),
}


@pytest.fixture
def model(sample_models: Path, tmp_path: Path) -> Path:
    """A copy of a sample model that may be overwritten."""
    return Path(shutil.copy(sample_models / "digits_cnn.onnx", tmp_path / "model.onnx"))


def _request(model: Path, output: Path, **more: Any) -> QuantizeRequest:
    return QuantizeRequest(model, output, **({"random_samples": 4} | more))


# Files that do what was promised -------------------------------------------------------------


@pytest.mark.parametrize("choice", RECIPES)
@pytest.mark.parametrize("name", SAMPLES)
def test_measured_is_what_was_predicted(
    sample_models: Path, tmp_path: Path, name: str, choice: str
) -> None:
    """Within half a decibel, on real data that calibration did not see."""
    output = tmp_path / "out.onnx"
    source = sample_models / f"{name}.onnx"
    data = sample_models / "digits_calibration.npz"
    request = QuantizeRequest(source, output, RECIPES[choice], data, samples=48)
    result = quantize_model(request)
    verification = result.verification
    assert verification is not None
    assert verification.agrees, verification.cause
    assert verification.predicted.sqnr_db == pytest.approx(verification.measured.sqnr_db, abs=0.1)
    assert verification.predicted.sqnr_db > (12 if choice == "mixed 4/8" else 18)
    _check_file(source, output, result)


def _check_file(source: Path, output: Path, result: QuantizeResult) -> None:
    """Valid, with the source's inputs and outputs and the recipe in it, and its own session."""
    onnx.checker.check_model(str(output), full_check=True)
    before, after = onnx.load(source), onnx.load(output)
    for side in ("input", "output"):
        constants = {tensor.name for tensor in before.graph.initializer}
        old = [v for v in getattr(before.graph, side) if v.name not in constants]
        new = list(getattr(after.graph, side))
        assert [v.name for v in new] == [v.name for v in old]
        assert [v.type.tensor_type.elem_type for v in new] == [
            v.type.tensor_type.elem_type for v in old
        ]
    metadata = {entry.key: entry.value for entry in after.metadata_props}
    assert Recipe.parse(metadata[RECIPE_KEY]) == result.recipe
    assert result.quantized_bytes == output.stat().st_size
    assert [file.name for file in output.parent.iterdir()] == [output.name]


@pytest.mark.parametrize("activations", ["uint8", "int8"])
def test_integer_kernels_are_really_used(
    sample_models: Path, tmp_path: Path, activations: str
) -> None:
    """Counted in the graph that onnxruntime runs; no layer is left in float."""
    counts: dict[str, Mapping[str, int]] = {}
    for name in SAMPLES:
        output = tmp_path / f"{name}.onnx"
        recipe = _recipe("int8", activations)
        request = _request(sample_models / f"{name}.onnx", output, recipe=recipe, verify=False)
        result = quantize_model(request)
        assert all(layer.integer for layer in result.layers if layer.weights is not None)
        counts[name] = optimized_op_counts(output)
    assert _layers_of(counts["digits_cnn"]) == {
        "QLinearConv": 9, "QLinearAdd": 3, "QLinearGlobalAveragePool": 1, "QGemm": 1,
    }  # fmt: skip
    assert _layers_of(counts["digits_mobile"]) == {
        "QLinearConv": 9, "QLinearGlobalAveragePool": 1, "QGemm": 1,
    }  # fmt: skip
    vit = _layers_of(counts["digits_vit"])
    products = vit.pop("MatMulIntegerToFloat") + vit.pop("QLinearMatMul")
    assert products == 24
    assert vit == {"QLinearConv": 1, "QGemm": 1, "Add": 20}


def _layers_of(counts: Mapping[str, int]) -> dict[str, int]:
    kinds = ("Conv", "Gemm", "MatMul", "Add", "Pool", "DequantizeLinear")
    found = {name: n for name, n in counts.items() if any(kind in name for kind in kinds)}
    return {name: n for name, n in found.items() if name != "DequantizeLinear"}


def test_shared_models_use_integer_kernels(shared_models: Path, tmp_path: Path) -> None:
    """Every convolution of SqueezeNet and MobileNet; LeakyRelu is in a kernel as well."""
    for name, kernels in (("squeezenet1.1_imagenet", 26), ("mobilenetv1_025_imagenet", 27)):
        output = tmp_path / f"{name}.onnx"
        source = shared_models / "float" / f"{name}.onnx"
        quantize_model(_request(source, output, random_samples=2, verify=False))
        counts = Counter(optimized_op_counts(output))
        assert counts["QLinearConv"] == kernels
        assert counts["Conv"] + counts["FusedConv"] == 0


@pytest.mark.parametrize("choice", ["int8", "mixed 4/8", "16 bits"])
def test_shared_models_do_what_was_predicted(
    shared_models: Path, tmp_path: Path, choice: str
) -> None:
    """On their real inputs."""
    inputs = shared_models / "inputs"
    pictures = inputs / "images_permissive"
    for name, data in (
        ("charlm", inputs / "charlm_calib.npz"),
        ("digits_cnn", inputs / "digits_calib.npz"),
        ("digits_vit", inputs / "digits_calib.npz"),
        ("magika_standard_v3_3", inputs / "magika_eval.npz"),
        ("squeezenet1.1_imagenet", pictures),
        ("mobilenetv1_025_imagenet_bn", pictures),
    ):
        source = shared_models / "float" / f"{name}.onnx"
        recipe = RECIPES[choice]
        try:
            recipe.check(open_model(source).graph.layers)
        except RecipeError:
            continue  # no convolution to give 4 bits
        request = QuantizeRequest(source, tmp_path / f"{name}.onnx", recipe, data, samples=8)
        verification = quantize_model(request).verification
        assert verification is not None
        found = min(verification.predicted.sqnr_db, verification.measured.sqnr_db)
        # Float32 noise, which each rounding in a row makes larger: see test_sixteen_bits.py.
        tiny = choice == "16 bits" and found > 80
        assert verification.agrees or tiny, (name, verification.cause)


def test_every_shared_model_is_quantized_or_refused(shared_models: Path, tmp_path: Path) -> None:
    """Whatever people have: files that agree with the prediction, or a reason why not."""
    refused = {}
    for source in sorted((shared_models / "float").glob("*.onnx")):
        output = tmp_path / source.name
        try:
            result = quantize_model(_request(source, output, random_samples=1))
        except UnsupportedError as error:
            refused[source.stem] = error.message
            assert not output.exists()
            continue
        assert result.verification is not None
        assert result.verification.agrees, (source.name, result.verification.cause)
    assert set(refused) <= {"silero_vad_ifs", "silero_vad_op18_ifless", "style_candy_opset7"}


def test_an_open_model_is_saved_again_and_again(model: Path, tmp_path: Path) -> None:
    """As a window does it: one open model, other recipes, no data read anew."""
    opened = open_model(model)
    data = random_data(opened.graph, samples=3)
    calibration = calibrate(opened.prepared, opened.placement.measured, data)
    sizes = []
    for weights in ("int8", "int4", "int8"):
        output = tmp_path / "out.onnx"
        result = save_quantized(
            opened, _recipe(weights, "uint8"), calibration, data, output, force=True
        )
        assert result.verification is not None
        assert result.verification.agrees
        sizes.append(result.quantized_bytes)
    assert sizes[0] == sizes[2] > sizes[1]
    with pytest.raises(DataError, match="no data"):
        save_quantized(opened, Recipe(), None, None, output, force=True)


def test_the_result_is_plain_data(model: Path, tmp_path: Path) -> None:
    """With at least what other programs were promised."""
    result = quantize_model(_request(model, tmp_path / "out.onnx", recipe=_mixed()))
    found = result.to_json()
    assert {
        "output",
        "format",
        "opset",
        "layers",
        "size",
        "predicted",
        "measured",
        "seconds",
    } <= set(found)
    assert set(found["seconds"]) == {"load", "calibrate", "quantize", "save", "verify"}
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert {"name", "op_type", "weights", "activations", "weight_sqnr_db"} <= set(
        next(iter(layers.values()))
    )
    kinds = {layer["op_type"]: layer["weights"].split(":")[0] for layer in layers.values()}
    assert kinds == {"Conv": "int4", "Gemm": "int8"}
    assert found["calibration"]["random"] is True
    assert found["verified_on"]["random"] is True
