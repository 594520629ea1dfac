"""The search, against plain greedy flipping that we run here by ourselves, and against files."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inspector.errors import InspectorError, UnsupportedError
from inspector.evaluate.calibrate import Calibration, calibrate
from inspector.evaluate.data import Dataset, load_data
from inspector.evaluate.fidelity import Fidelity
from inspector.evaluate.judge import Judge
from inspector.evaluate.search import Goal, Point, Problem, Search
from inspector.evaluate.tally import Outcome
from inspector.quant.spec import LayerSpecs, QuantSpec
from inspector.session.gather import all_tensors
from inspector.session.job import QuantizeRequest, quantize_model
from inspector.session.opening import OpenModel, open_model
from inspector.session.recipe import Recipe, save_recipe
from inspector.session.samples import SampleRequest
from inspector.session.search import (
    Budget,
    Searched,
    SearchRequest,
    allowed_widths,
    search,
    search_opened,
)


class Setting:
    """A sample network, calibrated, with three samples to judge by."""

    def __init__(self, folder: Path, name: str, data: Path) -> None:
        """Calibrates."""
        self.opened: OpenModel = open_model(folder / f"{name}.onnx")
        found = load_data(data, self.opened.graph)
        self.samples: Dataset = found.spread(3)
        self.calibration: Calibration = calibrate(
            self.opened.prepared, all_tensors(self.opened), found.spread(16)
        )

    def search(self, budget: Budget, recipe: Recipe | None = None) -> Searched:
        """With 4 and 8 bits."""
        recipe = recipe or Recipe()
        widths = allowed_widths(self.opened, recipe, (4, 8))
        return search_opened(
            self.opened, self.calibration, self.samples, self.samples, recipe, widths, budget
        )

    def judge(self) -> Judge:
        """One that knows nothing yet."""
        opened = self.opened
        return Judge(
            opened.source,
            opened.prepared,
            opened.placement,
            self.calibration.tensors,
            self.samples,
        )


@pytest.fixture(scope="module")
def setting(sample_models: Path) -> Setting:
    """One of the samples; shared, as it is not changed."""
    return Setting(sample_models, "digits_mobile", sample_models / "digits_calibration.npz")


def plain_greedy(setting: Setting, problem: Problem) -> list[tuple[int, float]]:
    """Cost and SQNR on the way of flipping the layer to 4 bits that leaves the outputs nearest."""
    judge, count = setting.judge(), len(problem.layers)
    chosen = [1] * count  # option 1 is 8 bits
    free = set(range(count))

    def sqnr(options: list[int]) -> float:
        return judge.outcome(problem.specs(tuple(options))).fidelity.sqnr_db

    path = [(problem.cost(tuple(chosen)), sqnr(chosen))]
    while free:
        tried = {n: [0 if m == n else own for m, own in enumerate(chosen)] for n in sorted(free)}
        best = max(tried, key=lambda n: sqnr(tried[n]))
        chosen = tried[best]
        free.discard(best)
        path.append((problem.cost(tuple(chosen)), sqnr(chosen)))
    return path


@pytest.mark.parametrize("name", ["digits_cnn", "digits_mobile"])
def test_never_worse_than_plain_greedy(sample_models: Path, name: str) -> None:
    """At every budget that greedy flipping passes through, as both are really run."""
    setting = Setting(sample_models, name, sample_models / "digits_calibration.npz")
    found = setting.search(Budget("mean_bits", 6.0))
    problem = found.mix.problem
    assert all(len(options) == 2 for options in problem.options)
    for cost, sqnr in plain_greedy(setting, problem):
        ours = max(p.outcome.fidelity.sqnr_db for p in found.front if p.cost <= cost)
        assert ours >= sqnr - 1e-9


def test_the_front_is_a_front(setting: Setting) -> None:
    """Dearer is better; every point is what it says it is."""
    found = setting.search(Budget("max_size", 1.0))
    assert found.met
    judge = setting.judge()
    for earlier, later in itertools.pairwise(found.front):
        assert earlier.cost < later.cost
        assert earlier.outcome.fidelity.sqnr_db < later.outcome.fidelity.sqnr_db
    for point in found.front[:: max(len(found.front) // 4, 1)]:
        specs = found.mix.problem.specs(point.chosen)
        assert judge.outcome(specs) == point.outcome
        assert found.mix.size(specs) == point.cost


@pytest.mark.parametrize("bits", [4.0, 7.0])
def test_budgets_are_kept(setting: Setting, bits: float) -> None:
    """And used: the best point within them is taken."""
    found = setting.search(Budget("mean_bits", bits))
    specs = found.mix.problem.specs(found.best.chosen)
    assert found.mix.mean_bits(specs) <= bits + 1e-9
    within = [p for p in found.front if p.cost <= bits * found.mix.measure.unit]
    assert found.best.outcome.fidelity.sqnr_db == within[-1].outcome.fidelity.sqnr_db


def test_the_file_is_as_large_as_promised(setting: Setting, tmp_path: Path) -> None:
    """Within 3 %, whichever widths were chosen, and it does what was found."""
    path, data = setting.opened.path, setting.opened.path.parent / "digits_calibration.npz"
    request = SearchRequest(path, SampleRequest(data, limit=32), Budget("mean_bits", 5.5), runs=4)
    found = search(request)
    save_recipe(found.recipe, tmp_path / "mixed.toml")
    written = quantize_model(
        QuantizeRequest(path, tmp_path / "mixed.onnx", found.recipe, data, samples=32)
    )
    promised = found.to_json()["chosen"]["size_bytes"]
    assert written.quantized_bytes == pytest.approx(promised, rel=0.03)
    assert {la.name: la.weights for la in written.layers} == {
        name: one["weights"] for name, one in found.to_json()["chosen"]["layers"].items()
    }


def test_floors(setting: Setting) -> None:
    """The cheapest that reaches them is taken; one out of reach gives the nearest."""
    easy = setting.search(Budget("sqnr_db", 22.0))
    assert easy.met
    assert easy.best.outcome.fidelity.sqnr_db >= 22.0
    reaching = [p for p in easy.front if p.outcome.fidelity.sqnr_db >= 22.0]
    assert easy.best.cost == min(p.cost for p in reaching)
    hard = setting.search(Budget("sqnr_db", 90.0))
    assert not hard.met
    assert hard.best.outcome == hard.front[-1].outcome


def test_a_floor_in_classes(setting: Setting) -> None:
    """All samples keep their class, at less than 8 bits everywhere."""
    found = setting.search(Budget("top1_agreement", 1.0))
    assert found.met
    assert found.best.outcome.fidelity.top1_agreement == 1.0
    assert found.best.cost < max(point.cost for point in found.front) or len(found.front) == 1


def test_bit_operations_move_activations_too(setting: Setting) -> None:
    """Both operands have widths to choose; the count is that of HAWQ-V3."""
    found = setting.search(Budget("bit_operations", 0.01))
    assert max(len(options) for options in found.mix.problem.options) == 4
    specs = found.mix.problem.specs(found.best.chosen)
    expected = sum(
        (la.macs or 0)
        * specs[la.name].activations.bits
        * (specs[la.name].weights if la.weight else specs[la.name].activations).bits
        for la in setting.opened.graph.layers
    )
    assert found.mix.bit_operations(specs) == expected == found.best.cost


def test_out_of_reach_is_told_before_anything_is_run(setting: Setting) -> None:
    """With the nearest that can be."""
    with pytest.raises(UnsupportedError, match=r"nearest that can be is 4\.000 bits"):
        setting.search(Budget("mean_bits", 3.0))


def test_layers_in_float_stay_so(setting: Setting) -> None:
    """The recipe says what is quantized at all."""
    name = setting.opened.graph.layers[0].name
    floats = QuantSpec.parse("float")
    recipe = Recipe().with_layer(name, floats, floats)
    found = setting.search(Budget("mean_bits", 20.0), recipe)
    specs = found.mix.problem.specs(found.best.chosen)
    assert specs[name] == LayerSpecs(floats, floats)
    assert not any(one.is_float for layer, one in specs.items() if layer != name)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("max_size", 0.0), ("mean_bits", float("nan")), ("accuracy", 1.5), ("max_size", -1.0)],
)
def test_limits_that_are_none(kind: str, value: float) -> None:
    """Are refused when they are made."""
    with pytest.raises(InspectorError):
        Budget(kind, value)  # type: ignore[arg-type]


class FakeJudge:
    """Errors that do not add up: two layers that only hurt together."""

    def __init__(self) -> None:
        """Nothing asked yet."""
        self.asked = 0

    def outcomes(
        self,
        choices: list[dict[str, LayerSpecs]],
        told: Callable[[Outcome], None],
        cancel: object = None,
    ) -> None:
        """The choices' SQNR from a table of bits."""
        for choice in choices:
            self.asked += 1
            low = [name for name, specs in choice.items() if specs.weights.bits == 4]
            noise = 1e-4 + 1e-3 * len(low) + (0.5 if {"a", "b"} <= set(low) else 0.0)
            told(Outcome(Fidelity(-10 * float(np.log10(noise)), 1.0, None, {}, 1), None))


def test_neighbours_mend_what_the_program_cannot_know() -> None:
    """It would take both of two layers that hurt together; real runs find another pair."""
    eight, four = (
        LayerSpecs(QuantSpec.parse(f"int{bits}").filled("weights"), QuantSpec.parse("float"))
        for bits in (8, 4)
    )
    names = ("a", "b", "c", "d")
    problem = Problem(
        names,
        ((four, eight),) * 4,
        (np.array([4, 8]),) * 4,
        tuple(np.array([harm, 0.0]) for harm in (1e-3, 1.1e-3, 1.2e-3, 1.3e-3)),
    )
    work = Search(problem, FakeJudge(), Goal(most=24))  # type: ignore[arg-type]
    best: Point = work.run()
    low = {name for name, specs in problem.specs(best.chosen).items() if specs == four}
    assert len(low) == 2
    assert low != {"a", "b"}
