"""The whole job in every form of file: from the recipe to figures that were measured."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from inspector.errors import RecipeError
from inspector.quant.spec import QuantSpec
from inspector.session.fitting import for_format
from inspector.session.job import QuantizeRequest, QuantizeResult, quantize_model
from inspector.session.recipe import DEFAULT_RECIPE, Recipe, Rule


def _run(model: Path, output: Path, recipe: Recipe) -> QuantizeResult:
    """Without calibration data."""
    return quantize_model(QuantizeRequest(model, output, recipe))


def _ops(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def _agrees(result: QuantizeResult) -> bool:
    found = result.verification
    assert found is not None
    return abs(found.predicted.sqnr_db - found.measured.sqnr_db) < 0.1


@pytest.mark.parametrize("name", ["digits_cnn", "digits_vit"])
@pytest.mark.parametrize("form", ["dynamic", "weight-only"])
def test_forms_that_need_no_data(sample_models: Path, tmp_path: Path, form: str, name: str) -> None:
    """The file does what was predicted, by default and without samples."""
    recipe = for_format(DEFAULT_RECIPE, form)
    output = tmp_path / "out.onnx"
    result = _run(sample_models / f"{name}.onnx", output, recipe)
    assert result.calibration_samples == 0
    assert _agrees(result)
    onnx.checker.check_model(str(output), full_check=True)
    assert json.loads(json.dumps(result.to_json()))["format"] == form


def test_convolutions_are_dynamic_on_request_and_said_to_be_slow(
    sample_models: Path, tmp_path: Path
) -> None:
    """By default they stay float, and that is told."""
    model, output = sample_models / "digits_cnn.onnx", tmp_path / "out.onnx"
    recipe = for_format(DEFAULT_RECIPE, "dynamic")
    (told,) = _run(model, output, recipe).format_notes
    assert "9 x Conv" in told
    assert _ops(output)["Conv"] == 9
    asked = recipe.with_rule(Rule("op:Conv", QuantSpec.parse("uint8:tensor")))
    result = _run(model, output, asked)
    assert _agrees(result)
    assert all(layer.dynamic and layer.integer for layer in result.layers if layer.weights)
    (told,) = result.format_notes
    assert "slow" in told
    assert _ops(output)["ConvInteger"] == 9
    assert _ops(output)["Conv"] == 0


def test_weights_alone_as_matmul_nbits(sample_models: Path, tmp_path: Path) -> None:
    """A choice of the recipe that comes back from the file."""
    recipe = for_format(DEFAULT_RECIPE, "weight-only").with_default(QuantSpec.parse("int4:block32"))
    recipe = Recipe.parse(recipe.to_toml().replace("\n\n", "\nmatmul_nbits = true\n\n", 1))
    output = tmp_path / "out.onnx"
    result = _run(sample_models / "digits_vit.onnx", output, recipe)
    assert _agrees(result)
    wanted = [la for la in result.layers if la.weights and la.op_type in {"Gemm", "MatMul"}]
    assert _ops(output)["MatMulNBits"] == len(wanted) > 0
    entry = next(e for e in onnx.load(output).metadata_props if e.key.endswith("recipe"))
    assert Recipe.parse(entry.value) == recipe


@pytest.mark.parametrize("form", ["qdq", "qoperator", "simulated"])
def test_integers_in_and_out(sample_models: Path, tmp_path: Path, form: str) -> None:
    """Told in the result as in the file, and measured through them; also of a float output."""
    output = tmp_path / "out.onnx"
    data = sample_models / "digits_calibration.npz"
    recipe = Recipe(format=form, integer_io=True)
    request = QuantizeRequest(sample_models / "digits_cnn.onnx", output, recipe, data, samples=24)
    result = quantize_model(request)
    assert _agrees(result)
    assert [(end.is_input, end.dtype) for end in result.ends] == [(True, "uint8"), (False, "uint8")]
    assert result.float_ends == ()
    told = result.to_json()["integer_io"]
    graph = onnx.load(output).graph
    assert set(told["inputs"]) == {graph.input[0].name}
    assert set(told["outputs"]) == {graph.output[0].name}
    assert {v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)} == {2}


@pytest.mark.parametrize("form", ["dynamic", "weight-only"])
def test_integers_need_grids(sample_models: Path, tmp_path: Path, form: str) -> None:
    """Which these forms do not have: refused before any work."""
    recipe = replace(for_format(DEFAULT_RECIPE, form), integer_io=True)
    with pytest.raises(RecipeError, match="no grids for inputs"):
        _run(sample_models / "digits_cnn.onnx", tmp_path / "out.onnx", recipe)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["digits_cnn", "digits_vit", "digits_mobile"])
def test_qoperator_does_what_qdq_does(sample_models: Path, tmp_path: Path, name: str) -> None:
    """The same figures, in a file without a float convolution or product of weights."""
    found = {}
    for form in ("qdq", "qoperator"):
        output = tmp_path / f"{form}.onnx"
        request = QuantizeRequest(
            sample_models / f"{name}.onnx",
            output,
            Recipe(format=form),
            sample_models / "digits_calibration.npz",
            samples=24,
        )
        result = quantize_model(request)
        assert _agrees(result)
        assert result.verification is not None
        found[form] = result.verification.measured.sqnr_db
    assert found["qoperator"] == pytest.approx(found["qdq"], abs=0.05)
    assert not {"Conv", "Gemm", "MatMul"} & set(_ops(output))
    onnx.checker.check_model(str(output), full_check=True)
