"""What recovery does to real models: shown, predicted, and measured in the saved file."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.errors import CancelledError, DataError
from inspector.quant.recover import Recover
from inspector.quant.spec import QuantSpec
from inspector.session.job import QuantizeRequest, QuantizeResult, quantize_model
from inspector.session.recipe import Recipe, Rule, recipe_of_model


def _quantize(
    folder: Path, output: Path, recover: str, *rules: Rule, weights: str = "int8:tensor"
) -> QuantizeResult:
    recipe = Recipe(recover=Recover.parse(recover), rules=rules).with_default(
        QuantSpec.parse(weights)
    )
    request = QuantizeRequest(
        folder / "digits_mobile.onnx",
        output,
        recipe,
        folder / "digits_calibration.npz",
        samples=48,
    )
    return quantize_model(request)


def test_bias_correction_brings_the_outputs_nearer_and_is_predicted(
    sample_models: Path, tmp_path: Path
) -> None:
    """Before and after are told, and the file does what the simulation says."""
    result = _quantize(sample_models, tmp_path / "out.onnx", "bias")
    assert result.recovery is not None
    assert result.verification is not None
    before, after = result.recovery.steps
    assert (before.method, after.method) == ("", "bias")
    assert after.fidelity.sqnr_db > before.fidelity.sqnr_db + 1.0
    assert len(after.layers) == len(result.layers)
    assert not after.left
    measured, predicted = result.verification.measured, result.verification.predicted
    assert predicted.sqnr_db == pytest.approx(after.fidelity.sqnr_db, abs=1e-6)
    assert measured.sqnr_db == pytest.approx(predicted.sqnr_db, abs=1e-3)


def test_a_rule_switches_a_layer_off(sample_models: Path, tmp_path: Path) -> None:
    """Each layer has its own switches, and the saved file knows them."""
    off = Rule("op:Gemm", recover=Recover.parse("none"))
    result = _quantize(sample_models, tmp_path / "out.onnx", "bias", off)
    assert result.recovery is not None
    _, after = result.recovery.steps
    gemms = {layer.name for layer in result.layers if layer.op_type == "Gemm"}
    assert gemms
    assert gemms.isdisjoint(after.layers)
    from inspector.onnxio.loading import load_model

    assert recipe_of_model(load_model(tmp_path / "out.onnx")) == result.recipe
    assert result.recipe.rules == (off,)


def test_a_rule_alone_switches_a_layer_on(sample_models: Path, tmp_path: Path) -> None:
    """Without a default, a rule is enough."""
    result = _quantize(
        sample_models, tmp_path / "out.onnx", "none", Rule("op:Gemm", recover=Recover(("bias",)))
    )
    assert result.recovery is not None
    gemms = {layer.name for layer in result.layers if layer.op_type == "Gemm"}
    assert set(result.recovery.steps[-1].layers) == gemms


def test_nothing_asked_for_is_nothing_done(sample_models: Path, tmp_path: Path) -> None:
    """Off by default."""
    result = _quantize(sample_models, tmp_path / "out.onnx", "none")
    assert result.recovery is None
    assert result.to_json()["recovery"] is None


def test_saved_statistics_are_not_enough(sample_models: Path, tmp_path: Path) -> None:
    """Recovery learns from samples; what to give instead is said."""
    from inspector.evaluate.calibrate import calibrate, save_calibration
    from inspector.evaluate.data import load_data
    from inspector.session.opening import open_model

    opened = open_model(sample_models / "digits_mobile.onnx")
    data = load_data(sample_models / "digits_calibration.npz", opened.graph, limit=4)
    found = calibrate(opened.prepared, opened.placement.measured, data)
    save_calibration(found, tmp_path / "stats.npz")
    request = QuantizeRequest(
        opened.path,
        tmp_path / "out.onnx",
        Recipe(recover=Recover.parse("bias")),
        tmp_path / "stats.npz",
    )
    with pytest.raises(DataError, match="learned from samples"):
        quantize_model(request)
    assert not (tmp_path / "out.onnx").exists()


def test_it_can_be_cancelled(sample_models: Path, tmp_path: Path) -> None:
    """A cancel in the middle of it leaves no file."""
    stages: list[str] = []
    request = QuantizeRequest(
        sample_models / "digits_mobile.onnx",
        tmp_path / "out.onnx",
        Recipe(recover=Recover.parse("bias")),
        sample_models / "digits_calibration.npz",
        samples=8,
    )
    with pytest.raises(CancelledError):
        quantize_model(
            request,
            progress=lambda stage, done, total: stages.append(stage),
            cancel=lambda: "Correcting biases" in stages,
        )
    assert not (tmp_path / "out.onnx").exists()


def test_per_tensor_with_recovery_reaches_per_channel_without(
    sample_models: Path, tmp_path: Path
) -> None:
    """Channels of very different ranges are what equalization is for."""
    plain = _quantize(sample_models, tmp_path / "a.onnx", "none", weights="int8:channel")
    best = _quantize(sample_models, tmp_path / "b.onnx", "equalize,bias")
    assert plain.verification is not None
    assert best.verification is not None
    assert best.verification.measured.sqnr_db >= plain.verification.measured.sqnr_db
    predicted = best.verification.predicted.sqnr_db
    assert best.verification.measured.sqnr_db == pytest.approx(predicted, abs=1e-3)


@pytest.mark.parametrize("method", ["gptq", "adaround"])
def test_rounding_by_outputs_gains_at_four_bits_and_is_predicted(
    sample_models: Path, tmp_path: Path, method: str
) -> None:
    """The codes that were chosen are those in the file."""
    result = _quantize(
        sample_models, tmp_path / "a.onnx", f"{method},bias", weights="int4:channel:mse"
    )
    assert result.recovery is not None
    assert result.verification is not None
    steps = {step.method: step for step in result.recovery.steps}
    assert steps.keys() == {"", method, "bias"}
    assert steps["bias"].fidelity.sqnr_db > steps[""].fidelity.sqnr_db + 2.0
    measured, predicted = result.verification.measured, result.verification.predicted
    assert measured.sqnr_db == pytest.approx(predicted.sqnr_db, abs=0.05)
    assert predicted.sqnr_db == pytest.approx(steps["bias"].fidelity.sqnr_db, abs=1e-6)
