"""Recovery inside sensitivities and search: choices are compared as they will be written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from inspector.evaluate.calibrate import Calibration, calibrate
from inspector.evaluate.data import Dataset, load_data
from inspector.evaluate.judge import Judge
from inspector.quant.recover import Recover
from inspector.session.chosen import resolve
from inspector.session.gather import all_tensors
from inspector.session.opening import OpenModel, open_model
from inspector.session.recipe import Recipe, Rule
from inspector.session.recovery import Recovered, recover, recovered_for
from inspector.session.samples import SampleRequest
from inspector.session.search import Budget, allowed_widths, search_opened
from inspector.session.sensitivity import SensitivityRequest, analyse
from inspector.session.widths import widths_of


@dataclass(frozen=True)
class Setting:
    """A sample network, calibrated, with samples to learn from and others to judge by."""

    opened: OpenModel
    learned: Dataset
    judged: Dataset
    calibration: Calibration


@pytest.fixture(scope="module")
def setting(sample_models: Path) -> Setting:
    """Shared, as it is not changed."""
    opened = open_model(sample_models / "digits_mobile.onnx")
    data = load_data(sample_models / "digits_calibration.npz", opened.graph)
    learned, judged = data.spread(32).split(8)
    calibration = calibrate(opened.prepared, all_tensors(opened), learned)
    return Setting(opened, learned, judged, calibration)


def judge(setting: Setting, recovered: Recovered) -> Judge:
    """What runs choices on a recovered model."""
    opened = recovered.opened
    return Judge(
        opened.source,
        opened.prepared,
        opened.placement,
        recovered.calibration.tensors,
        setting.judged,
        recovered.written,
    )


def test_a_choice_for_all_layers_does_what_recovering_it_does(setting: Setting) -> None:
    """The very numbers that `recover` measures, where nothing is rounded anew."""
    recipe = Recipe(recover=Recover.parse("equalize"))
    widths = widths_of(setting.opened, recipe, (4, 8))
    learned = setting.learned
    recovered = recovered_for(
        setting.opened, recipe, widths.choices.values(), setting.calibration, learned
    )
    specs = widths.choices[8]
    first = specs[setting.opened.graph.layers[0].name]
    recipe = recipe.with_default(first.weights, first.activations)
    assert resolve(setting.opened, recipe) == specs
    done = recover(setting.opened, recipe, setting.calibration, learned, setting.judged)
    found = judge(setting, recovered).outcome(specs).fidelity
    assert found.sqnr_db == pytest.approx(done.steps[-1].fidelity.sqnr_db, abs=1e-6)


def test_layers_alone_hurt_less_with_what_the_recipe_does(sample_models: Path) -> None:
    """And the ranking says so, over all layers together."""

    def noise(recipe: Recipe) -> float:
        data = SampleRequest(sample_models / "digits_calibration.npz", limit=32)
        request = SensitivityRequest(
            sample_models / "digits_mobile.onnx", data, recipe, (4,), ("weights",), 4
        )
        rows = analyse(request).rows
        return sum(10 ** (-row.outcome.fidelity.sqnr_db / 10) for row in rows if row.outcome)

    assert noise(Recipe(recover=Recover.parse("gptq"))) < 0.5 * noise(Recipe())


def test_search_is_better_with_recovery_and_leaves_biases_to_the_end(setting: Setting) -> None:
    """At the same budget."""
    budget = Budget("mean_bits", 5.0)

    def best(recipe: Recipe) -> float:
        widths = allowed_widths(setting.opened, recipe, (4, 8))
        found = search_opened(
            setting.opened,
            setting.calibration,
            setting.learned,
            setting.judged,
            recipe,
            widths,
            budget,
        )
        return found.best.outcome.fidelity.sqnr_db

    plain, both = best(Recipe()), best(Recipe(recover=Recover.parse("gptq")))
    assert both > plain + 1.0
    with_bias = recovered_for(
        setting.opened,
        Recipe(recover=Recover.parse("gptq,bias")),
        [widths_of(setting.opened, Recipe(), (4,)).choices[4]],
        setting.calibration,
        setting.learned,
    )
    assert with_bias.written


def test_nothing_is_done_where_nothing_is_switched_on(setting: Setting) -> None:
    """The model is the one that was given; a rule alone switches on."""
    widths = widths_of(setting.opened, Recipe(), (4,))
    choices = widths.choices.values()
    same = recovered_for(setting.opened, Recipe(), choices, setting.calibration, setting.learned)
    assert (same.opened, same.written) == (setting.opened, {})
    rule = Rule("op:Gemm", recover=Recover.parse("gptq"))
    one = recovered_for(
        setting.opened, Recipe(rules=(rule,)), choices, setting.calibration, setting.learned
    )
    gemm = next(la.name for la in setting.opened.graph.layers if la.op_type == "Gemm")
    assert {name for name, _ in one.written} == {gemm}
