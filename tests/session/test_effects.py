"""What layers do alone in a report, and when they call for training."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.evaluate.alone import OneByOne
from inspector.evaluate.calibrate import calibrate
from inspector.evaluate.data import load_data
from inspector.quant.recover import Recover
from inspector.quant.spec import FLOAT, LayerSpecs, QuantSpec
from inspector.report.data import report_data, to_json
from inspector.report.tables import to_csv, to_markdown
from inspector.session.chosen import resolve
from inspector.session.effects import TOO_LOW_DB, find_effects, training_advice
from inspector.session.gather import all_tensors
from inspector.session.job import QuantizeRequest, quantize_model
from inspector.session.opening import open_model
from inspector.session.recipe import Recipe, Rule


def specs(weights: str) -> LayerSpecs:
    """Filled, with 8-bit activations."""
    return LayerSpecs(
        QuantSpec.parse(weights).filled("weights"), QuantSpec.parse("uint8").filled("activations")
    )


@pytest.mark.parametrize("activations", ["uint8", "fp8e4m3"])
def test_effects_are_those_of_whole_runs(sample_models: Path, activations: str) -> None:
    """As another part of the program finds them, layer by layer."""
    opened = open_model(sample_models / "digits_cnn.onnx")
    data = load_data(sample_models / "digits_calibration.npz", opened.graph)
    calibration = calibrate(opened.prepared, all_tensors(opened), data.spread(16))
    rule = Rule("op:Gemm", QuantSpec("float"), QuantSpec("float"))
    recipe = Recipe(rules=(rule,)).with_default(
        QuantSpec.parse("int4:channel"), QuantSpec.parse(activations)
    )
    chosen = resolve(opened, recipe)
    found = find_effects(opened, recipe, chosen, calibration, None, data.spread(3))
    names = [la.name for la in opened.graph.layers if la.op_type != "Gemm"]
    assert [one.layer for one in found] == names
    assert sum(one.share for one in found) == pytest.approx(1.0)
    whole = OneByOne(
        opened.source, opened.prepared, opened.placement, calibration.tensors, data.spread(3)
    )
    for one in whole.run(chosen, names):
        if one.is_final:
            mine = next(effect for effect in found if effect.layer == one.layer)
            assert mine.fidelity.sqnr_db == pytest.approx(one.fidelity.sqnr_db, abs=0.02)


def test_what_is_too_bad_is_recovered_first_and_trained_then() -> None:
    """A layer that is good enough needs neither."""
    four, none, rounded = specs("int4"), Recover(), Recover.parse("gptq,bias")
    assert training_advice(TOO_LOW_DB + 1, four, none) == ""
    assert "--recover gptq,bias" in training_advice(TOO_LOW_DB - 1, four, none)
    assert "train it" in training_advice(TOO_LOW_DB - 1, four, rounded)
    assert "after gptq,bias" in training_advice(TOO_LOW_DB - 1, four, rounded)
    floats = LayerSpecs(FLOAT, four.activations)
    assert "train it" in training_advice(TOO_LOW_DB - 1, floats, none)


def test_reports_say_so_in_every_form(sample_models: Path, tmp_path: Path) -> None:
    """The same figures in words, tables and data; the worst layer comes first."""
    recipe = Recipe(recover=Recover.parse("gptq")).with_default(QuantSpec.parse("int2:tensor"))
    result = quantize_model(
        QuantizeRequest(
            sample_models / "digits_mobile.onnx",
            tmp_path / "small.onnx",
            recipe,
            sample_models / "digits_calibration.npz",
            samples=24,
            study=True,
            sensitivity=True,
        )
    )
    data = report_data(result, "again")
    bad = [one for one in result.effects if one.sqnr_too_low]
    assert bad
    assert f"{len(bad)} layers alone" in data.verdict
    text, plain, table = to_markdown(data), to_json(data), to_csv(data)
    assert "quant-inspector qat" in text
    worst = max(result.effects, key=lambda one: one.share)
    first = text.split("## What loses most")[1].split("**")[1]
    assert first == worst.layer
    figures = plain["sensitivity"][worst.layer]
    assert figures["sqnr_db"] == worst.fidelity.sqnr_db
    assert repr(worst.fidelity.sqnr_db) in table
    assert "train it" in figures["training"]
