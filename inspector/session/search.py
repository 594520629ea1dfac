"""The headless search for a mixed-precision recipe within a budget or above a floor.

from pathlib import Path
from inspector.session.samples import SampleRequest
from inspector.session.search import Budget, SearchRequest, search

request = SearchRequest(
Path("model.onnx"), SampleRequest(Path("data.npz")), Budget("mean_bits", 6.0)
)
found = search(request)
print(found.chosen.outcome.fidelity.sqnr_db, found.recipe.to_toml())
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspector.errors import UnsupportedError
from inspector.evaluate.calibrate import Calibration, calibrate
from inspector.evaluate.data import Dataset
from inspector.evaluate.judge import Judge
from inspector.evaluate.search import Point, Search
from inspector.evaluate.sensitivity import Case, Found, Way, measure_cases
from inspector.evaluate.tally import total
from inspector.progress import Cancel, StageProgress, of_stage
from inspector.session.gather import all_tensors
from inspector.session.importing import open_for
from inspector.session.mixing import Budget, Measure, Mix, problem_of, recipe_of_specs
from inspector.session.opening import OpenModel
from inspector.session.recipe import Recipe
from inspector.session.recovery import recovered_for
from inspector.session.samples import SampleRequest
from inspector.session.sensitivity import bench_of, divided
from inspector.session.widths import Widths, widths_of

__all__ = ["Budget", "SearchRequest", "SearchResult", "search", "search_opened"]

DEFAULT_BITS = (4, 8)
DEFAULT_SAMPLES = 16


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to look for.

    Attributes:
        model: the float model's file.
        data: samples, to calibrate with and to judge by.
        budget: the limit.
        recipe: says what is quantized at all, and how but for the width.
        bits: the widths to choose from; those that the target takes are used.
        runs: on how many samples choices are judged; they are kept from calibration where there are
            enough.
    """

    model: Path
    data: SampleRequest
    budget: Budget
    recipe: Recipe = field(default_factory=Recipe)
    bits: tuple[int, ...] = DEFAULT_BITS
    runs: int = DEFAULT_SAMPLES


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What was found.

    Attributes:
        request: what was asked.
        recipe: the choice that was made, as a recipe.
        chosen: that choice as it was run.
        met: it is within the budget, or above the floor; else it is the nearest that can be.
        front: the choices that no other beats, by ascending cost; `chosen` need not be among them.
        mix: what could be chosen.
        reference_accuracy: of the float model; None without labels or classes.
        source: where the samples come from.
        random: they are random numbers.
        calibrated: on how many samples.
        samples: on how many choices were judged.
        held_back: these were kept from calibration.
        asked: how many choices were run.
        seconds: by stage.
    """

    request: SearchRequest
    recipe: Recipe
    chosen: Point
    met: bool
    front: tuple[Point, ...]
    mix: Mix
    reference_accuracy: float | None
    source: str
    random: bool
    calibrated: int
    samples: int
    held_back: bool
    asked: int
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain data, in the form that other programs build on."""
        budget = self.request.budget
        return {
            "model": str(self.request.model),
            "target": self.recipe.target,
            "budget": {"kind": budget.kind, "value": budget.value},
            "met": self.met,
            "bits": list(self.mix.bits),
            "data": {
                "source": self.source,
                "calibrated": self.calibrated,
                "samples": self.samples,
                "held_back": self.held_back,
                "random": self.random,
            },
            "float_accuracy": self.reference_accuracy,
            "chosen": self.mix.to_json(self.chosen),
            "front": [self.mix.to_json(point) for point in self.front],
            "asked": self.asked,
            "seconds": dict(self.seconds),
        }


def search(
    request: SearchRequest,
    *,
    executor: Executor | None = None,
    progress: StageProgress | None = None,
    cancel: Cancel | None = None,
) -> SearchResult:
    """Does the whole search.

    Args:
        request: what to look for.
        executor: what runs the work; by default threads, one for each core.
        progress: told of ("calibrate" | "measure" | "search", done, all).
        cancel: asked now and then.

    Raises:
        InspectorError: something is wrong with the model, the data or the recipe, or the budget is
            one that no choice can meet, which is told before anything is run.
        CancelledError: `cancel` said so.
    """
    start = time.perf_counter()
    opened = open_for(request.model, request.recipe)
    opened.require_quantizable()
    widths = allowed_widths(opened, request.recipe, request.bits)
    data = request.data.open(opened.prepared, opened.graph)
    calibration_data, samples = divided(data, request.runs)
    request.budget.check(opened, widths, samples)
    loaded = time.perf_counter()
    calibration = calibrate(
        opened.prepared,
        all_tensors(opened),
        calibration_data,
        executor=executor,
        source=opened.source,
        progress=of_stage(progress, "calibrate"),
        cancel=cancel,
    )
    calibrated = time.perf_counter()
    found = search_opened(
        opened,
        calibration,
        calibration_data,
        samples,
        request.recipe,
        widths,
        request.budget,
        executor=executor,
        progress=progress,
        cancel=cancel,
    )
    return SearchResult(
        request=request,
        recipe=recipe_of_specs(opened, request.recipe, found.mix.problem.specs(found.best.chosen)),
        chosen=found.best,
        met=found.met,
        front=found.front,
        mix=found.mix,
        reference_accuracy=found.reference_accuracy,
        source=data.source,
        random=data.random,
        calibrated=len(calibration_data),
        samples=len(samples),
        held_back=len(calibration_data) + len(samples) == len(data),
        asked=found.asked,
        seconds={
            "load": loaded - start,
            "calibrate": calibrated - loaded,
            "search": time.perf_counter() - calibrated,
        },
    )


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search of an open model gave; see `SearchResult`."""

    best: Point
    met: bool
    front: tuple[Point, ...]
    mix: Mix
    reference_accuracy: float | None
    asked: int


def search_opened(
    opened: OpenModel,
    calibration: Calibration,
    learned: Dataset,
    samples: Dataset,
    recipe: Recipe,
    widths: Widths,
    budget: Budget,
    *,
    executor: Executor | None = None,
    told: Callable[[Mix, Point], None] = lambda mix, point: None,
    pause: Callable[[], None] = lambda: None,
    progress: StageProgress | None = None,
    cancel: Cancel | None = None,
) -> Searched:
    """Searches an open model that was calibrated.

    Args:
        opened: the model.
        calibration: what is known of all its activations.
        learned: what the recipe's methods of recovery learn from.
        samples: what choices are judged by.
        recipe: says what is quantized at all; what it does so that quantizing costs less is done
            for each width (see `recovered_for`).
        widths: of `allowed_widths`.
        budget: the limit.
        executor: what runs the work; by default threads, one for each core.
        told: told of each choice that was run.
        pause: called now and then, to let other work go first.
        progress: told of ("measure" | "search", done, all).
        cancel: asked now and then.

    Raises:
        InspectorError: the budget cannot be met by any choice, or the model cannot be run.
        CancelledError: `cancel` said so.
    """
    budget.check(opened, widths, samples)
    measure = Measure.of(opened, recipe, widths, calibration, budget)
    budget.goal(problem_of(opened, widths, measure, {}))  # before all work: can it be met?
    ways: tuple[Way, ...] = ("weights", "activations") if measure.both_vary else ("weights",)
    recovered = recovered_for(
        opened,
        recipe,
        widths.choices.values(),
        calibration,
        learned,
        progress=progress,
        cancel=cancel,
    )
    opened = recovered.opened
    bench = bench_of(recovered, samples, widths)
    cases = [
        Case(name, bits, way)
        for bits in widths.choices
        for name in widths.layers(bits)
        for way in ways
    ]
    harms: dict[Case, float] = {}
    report = of_stage(progress, "measure")

    def take(parts: tuple[Found, ...]) -> None:
        for one in parts:
            outcome = total(one.tallies) if one.tallies else None
            harms[one.case] = measure.harm(outcome)
        if report is not None:
            report(len(harms), len(cases))

    measure_cases(bench, cases, take, executor=executor, told=pause, cancel=cancel)
    reference = total(bench.reference(cancel)).accuracy
    mix = problem_of(opened, widths, measure, harms)
    judge = Judge(
        opened.source,
        opened.prepared,
        opened.placement,
        recovered.tensors,
        samples,
        recovered.written,
        executor=executor,
    )
    work = Search(
        mix.problem,
        judge,
        budget.goal(mix),
        told=lambda point: told(mix, point),
        progress=of_stage(progress, "search"),
        cancel=cancel,
    )
    best = work.run()
    return Searched(best, work.meets(best), tuple(work.front()), mix, reference, judge.asked)


def allowed_widths(opened: OpenModel, recipe: Recipe, bits: tuple[int, ...]) -> Widths:
    """The recipe at those of some widths that the target takes of any layer.

    Raises:
        UnsupportedError: it takes none of them.
        InspectorError: the recipe does not fit the model.
    """
    error: UnsupportedError | None = None
    taken: list[int] = []
    for width in sorted(bits):
        try:
            widths_of(opened, recipe, (width,))
            taken.append(width)
        except UnsupportedError as refused:
            error = refused
    if not taken:
        assert error is not None
        raise error
    return widths_of(opened, recipe, tuple(taken))
