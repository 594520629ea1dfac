"""Float8, logarithmic, binary and ternary types on real models: files that prove themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.quant.spec import QuantSpec
from inspector.session.job import QuantizeRequest, quantize_model
from inspector.session.recipe import Recipe


@pytest.mark.parametrize(
    ("weights", "activations"),
    [("fp8e4m3", "fp8e4m3"), ("log4", "float"), ("binary", "uint8"), ("ternary", "fp8e5m2")],
)
@pytest.mark.parametrize("name", ["micro_kws_fp32", "digits_vit"])
def test_measured_is_predicted(
    shared_models: Path, tmp_path: Path, name: str, weights: str, activations: str
) -> None:
    """The file does what the simulation said, and takes the room that its codes need."""
    recipe = Recipe().with_default(QuantSpec.parse(weights), QuantSpec.parse(activations))
    model, saved = shared_models / "float" / f"{name}.onnx", tmp_path / "saved.onnx"
    found = quantize_model(QuantizeRequest(model, saved, recipe=recipe, random_samples=6))
    assert found.verification is not None
    measured, predicted = found.verification.measured, found.verification.predicted
    assert measured.sqnr_db == pytest.approx(predicted.sqnr_db, abs=0.1)
    bits = QuantSpec(weights).bits
    assert found.quantized_bytes < found.float_bytes * (bits / 32 + 0.35)
    assert {layer.weights.split(":")[0] for layer in found.layers if layer.weights} <= {weights}
