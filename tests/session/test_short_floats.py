"""Layers left in float whose weights are stored in 16 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from inspector.errors import DataError
from inspector.evaluate.runtime import open_session
from inspector.onnxio.loading import load_model
from inspector.onnxio.runnable import runnable
from inspector.quant.spec import FLOAT, QuantSpec
from inspector.session.job import QuantizeRequest, quantize_model
from inspector.session.recipe import Recipe, Rule

KINDS = {"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("name", ["digits_cnn", "digits_vit"])
def test_weights_take_half_and_the_file_does_what_was_predicted(
    sample_models: Path, tmp_path: Path, name: str, dtype: str
) -> None:
    """Inputs and outputs stay float32; ONNX's own evaluator agrees with onnxruntime."""
    recipe = Recipe(format="weight-only").with_default(QuantSpec(dtype), FLOAT)
    saved = tmp_path / "saved.onnx"
    source = sample_models / f"{name}.onnx"
    result = quantize_model(QuantizeRequest(source, saved, recipe, random_samples=3))
    verification = result.verification
    assert verification is not None
    # Two orders of adding up float32 differ by as much as this at such figures.
    assert verification.predicted.sqnr_db == pytest.approx(verification.measured.sqnr_db, abs=0.3)
    assert verification.measured.sqnr_db > (55 if dtype == "float16" else 35)
    assert result.quantized_bytes < 0.65 * result.float_bytes
    model = onnx.load(saved)
    onnx.checker.check_model(model, full_check=True)
    ends = (*model.graph.input, *model.graph.output)
    assert {value.type.tensor_type.elem_type for value in ends} == {TensorProto.FLOAT}
    assert [t.data_type for t in model.graph.initializer].count(KINDS[dtype]) == sum(
        layer.weights is not None for layer in result.layers
    )
    feeds = {"image": np.random.default_rng(0).random((2, 1, 8, 8), np.float32)}
    (wanted,) = ReferenceEvaluator(model).run(None, feeds)
    found = open_session(runnable(load_model(saved)), threads=1).run(feeds)
    np.testing.assert_allclose(next(iter(found.values())), wanted, rtol=1e-3, atol=1e-4)


def test_what_a_dynamic_file_leaves_in_float(sample_models: Path, tmp_path: Path) -> None:
    """Convolutions have slow kernels there: in 16 bits they are at least half as large."""
    recipe = Recipe(format="dynamic").with_rule(Rule("op:Conv", QuantSpec("float16"), FLOAT))
    source, saved = sample_models / "digits_cnn.onnx", tmp_path / "saved.onnx"
    result = quantize_model(QuantizeRequest(source, saved, recipe, random_samples=3))
    assert result.verification is not None
    assert result.verification.agrees, result.verification.cause
    kinds = {layer.op_type: layer.weights for layer in result.layers}
    assert kinds["Conv"] == "float16"
    assert kinds["Gemm"] == "int8:channel:minmax:sym"
    assert result.quantized_bytes < 0.6 * result.float_bytes


def test_weights_beyond_the_type_are_refused_by_name(sample_models: Path, tmp_path: Path) -> None:
    """A cast would make infinity of them; bfloat16 reaches as far as float."""
    model = onnx.load(sample_models / "digits_cnn.onnx")
    gemm = next(node for node in model.graph.node if node.op_type == "Gemm")
    for tensor in model.graph.initializer:
        if tensor.name == gemm.input[1]:
            values = numpy_helper.to_array(tensor).copy()
            values[0, 0] = 7e4
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    source, saved = tmp_path / "big.onnx", tmp_path / "saved.onnx"
    onnx.save(model, source)
    recipe = Recipe(format="weight-only").with_default(QuantSpec("float16"), FLOAT)
    with pytest.raises(DataError, match="reach 70000, and float16 ends at 65504"):
        quantize_model(QuantizeRequest(source, saved, recipe, random_samples=2))
    assert not saved.exists()
    recipe = recipe.with_default(QuantSpec("bfloat16"), FLOAT)
    assert quantize_model(QuantizeRequest(source, saved, recipe, random_samples=2)).layers
