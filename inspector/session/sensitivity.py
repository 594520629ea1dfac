"""The headless sensitivity analysis: how much each layer matters, at some widths.

    from pathlib import Path
    from inspector.session.samples import SampleRequest
    from inspector.session.sensitivity import SensitivityRequest, analyse

    request = SensitivityRequest(Path("model.onnx"), SampleRequest(Path("data.npz")), bits=(4, 8))
    for row in analyse(request).ranking(4):
        print(row.case.layer, row.outcome.fidelity.sqnr_db)

The work is a set of independent tasks over (layers, width, samples); `analyse` takes any
`concurrent.futures.Executor` to run them on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspector.errors import CancelledError, InspectorError, UnsupportedError
from inspector.evaluate.calibrate import calibrate
from inspector.evaluate.data import Dataset
from inspector.evaluate.first_order import spearman
from inspector.evaluate.sensitivity import WAYS, Bench, Case, Found, Way, measure_cases
from inspector.evaluate.tally import Outcome, Tally, total
from inspector.progress import Cancel, Progress, StageProgress, of_stage
from inspector.session.estimates import decibels_of, estimate
from inspector.session.gather import all_tensors
from inspector.session.importing import open_for
from inspector.session.opening import OpenModel
from inspector.session.recipe import Recipe
from inspector.session.recovery import Recovered, recovered_for
from inspector.session.samples import SampleRequest
from inspector.session.sensitivity_file import ResultsFile, results_key
from inspector.session.widths import Widths, widths_of

DEFAULT_BITS = (4, 8)
DEFAULT_SAMPLES = 8


@dataclass(frozen=True, slots=True)
class SensitivityRequest:
    """What to find out.

    Attributes:
        model: the float model's file.
        data: samples, to calibrate with and to run on.
        recipe: says which layers are quantized and how, but for the width; what it does so that
            quantizing costs less is done for each width (see `recovered_for`).
        bits: the widths.
        ways: what is quantized; see `inspector.evaluate.sensitivity.Way`.
        runs: on how many samples each case is run; they are kept from calibration where there are
            enough.
        output: a file that keeps what is found; what it holds of the same model, data and recipe is
            not run again.
    """

    model: Path
    data: SampleRequest
    recipe: Recipe = field(default_factory=Recipe)
    bits: tuple[int, ...] = DEFAULT_BITS
    ways: tuple[Way, ...] = WAYS
    runs: int = DEFAULT_SAMPLES
    output: Path | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One case with what was found.

    Attributes:
        case: the case.
        op_type: the layer's operator.
        weights: the spec of its weight; None where it has none.
        activations: the spec of what enters it.
        outcome: of the outputs; None where the case quantizes nothing.
        estimate_db: the first-order estimate of the output SQNR; None for "rest".
    """

    case: Case
    op_type: str
    weights: str | None
    activations: str
    outcome: Outcome | None
    estimate_db: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        outcome = None if self.outcome is None else self.outcome.to_json()
        return {
            "layer": self.case.layer,
            "op_type": self.op_type,
            "bits": self.case.bits,
            "way": self.case.way,
            "weights": self.weights,
            "activations": self.activations,
            **(outcome or dict.fromkeys(("sqnr_db", "cosine", "top1_agreement", "accuracy"))),
            "estimated_sqnr_db": self.estimate_db,
        }


@dataclass(frozen=True, slots=True)
class SensitivityResult:
    """What was found.

    Attributes:
        request: what was asked.
        rows: in the order of the graph, of the widths and of the ways.
        refused: layers that the target does not take a width of, by width.
        reference: the float model: its accuracy.
        classes: the output that holds a score for each class; None where none does.
        source: where the samples come from.
        random: they are random numbers.
        calibrated: on how many samples.
        samples: on how many each case was run.
        held_back: these were kept from calibration.
        reused: how many cases were in the file already.
        agreement: Spearman's rank correlation of the estimate with what was measured, of layers
            alone, by width; None where there is nothing to rank.
        seconds: by stage.
        found: what the request's file holds: whoever writes the figures into it keeps that beside
            them, for the next run. Empty without such a file.
    """

    request: SensitivityRequest
    rows: tuple[Row, ...]
    refused: Mapping[int, tuple[str, ...]]
    reference: Outcome
    classes: str | None
    source: str
    random: bool
    calibrated: int
    samples: int
    held_back: bool
    reused: int
    agreement: Mapping[int, float | None]
    seconds: Mapping[str, float]
    found: Mapping[str, Any]

    def ranking(self, bits: int, way: Way = "both") -> list[Row]:
        """The layers at a width, the one that hurts most first."""
        rows = [r for r in self.rows if r.case.bits == bits and r.case.way == way and r.outcome]
        # With all layers but one, the one that hurts most is the one without which all is best.
        sign = -1.0 if way == "rest" else 1.0
        return sorted(rows, key=lambda r: sign * _sqnr(r))

    def to_json(self) -> dict[str, Any]:
        """Plain data, in the form that other programs build on."""
        return {
            "model": str(self.request.model),
            "target": self.request.recipe.target,
            "bits": list(self.request.bits),
            "ways": list(self.request.ways),
            "data": {
                "source": self.source,
                "calibrated": self.calibrated,
                "samples": self.samples,
                "held_back": self.held_back,
                "random": self.random,
            },
            "has_classes": self.classes is not None,
            "float_accuracy": self.reference.accuracy,
            "layers": [row.to_json() for row in self.rows],
            "refused": {str(bits): list(names) for bits, names in self.refused.items()},
            "ranking": {
                str(bits): [row.case.layer for row in self.ranking(bits)]
                for bits in self.request.bits
            },
            "estimate": {
                "spearman": {str(bits): value for bits, value in self.agreement.items()},
            },
            "reused": self.reused,
            "seconds": dict(self.seconds),
        }


def analyse(
    request: SensitivityRequest,
    *,
    executor: Executor | None = None,
    found: Callable[[Found], None] = lambda one: None,
    progress: StageProgress | None = None,
    cancel: Cancel | None = None,
) -> SensitivityResult:
    """Does the whole analysis.

    Args:
        request: what to find out.
        executor: what runs the work; by default threads, one for each core.
        found: told of each case as soon as it is done, in this thread.
        progress: told of ("calibrate", done, all) and ("measure", done, all).
        cancel: asked now and then; what was found until then stays in the request's file.

    Raises:
        InspectorError: something is wrong with the model, the data, the recipe or the file.
        CancelledError: `cancel` said so.

    Cost: see `Bench`; for one way about as many half forward passes as there are cases times
    samples.
    """
    start = time.perf_counter()
    opened = open_for(request.model, request.recipe)
    opened.require_quantizable()
    widths = widths_of(opened, request.recipe, request.bits)
    data = request.data.open(opened.prepared, opened.graph)
    calibration_data, samples = divided(data, request.runs)
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
    recovered = recovered_for(
        opened,
        request.recipe,
        widths.choices.values(),
        calibration,
        calibration_data,
        progress=progress,
        cancel=cancel,
    )
    opened, calibration = recovered.opened, recovered.calibration or calibration
    bench = bench_of(recovered, samples, widths)
    cases = [
        Case(name, bits, way)
        for bits in request.bits
        for name in widths.layers(bits)
        for way in request.ways
    ]
    file = None
    if request.output is not None:
        key = results_key(opened, request.recipe, calibration, samples)
        file = ResultsFile(request.output, key, bench.classes)
    tallies, reused = _measure(
        bench, cases, file, executor, found, of_stage(progress, "measure"), cancel
    )
    estimates = estimate(opened, calibration, samples, widths, cancel)
    rows = tuple(_row(opened, widths, case, tallies[case], estimates) for case in cases)
    return SensitivityResult(
        request=request,
        rows=rows,
        refused={bits: tuple(sorted(widths.refused[bits])) for bits in request.bits},
        reference=total(bench.reference(cancel)),
        classes=bench.classes,
        source=data.source,
        random=data.random,
        calibrated=len(calibration_data),
        samples=len(samples),
        held_back=len(calibration_data) + len(samples) == len(data),
        reused=reused,
        agreement={bits: agreement(rows, bits) for bits in request.bits},
        seconds={
            "load": loaded - start,
            "calibrate": calibrated - loaded,
            "measure": time.perf_counter() - calibrated,
        },
        found={} if file is None else file.content(),
    )


def divided(data: Dataset, runs: int) -> tuple[Dataset, Dataset]:
    """The samples to calibrate with, and those to run on: others, where half of them can be spared.

    Raises:
        UnsupportedError: there are no samples.
    """
    if not len(data):
        raise UnsupportedError(f"{data.source} holds no samples.", "Give at least one.")
    if len(data) < 2 * runs:
        return data, data.spread(runs)
    return data.split(runs)


def bench_of(recovered: Recovered, samples: Dataset, widths: Widths) -> Bench:
    """What runs the cases of a model."""
    opened = recovered.opened
    return Bench(
        opened.source,
        opened.prepared,
        opened.placement,
        recovered.tensors,
        samples,
        widths.choices,
        recovered.written,
    )


def _sqnr(row: Row) -> float:
    """Of a row that has an outcome; a model without float outputs is ranked by its classes."""
    assert row.outcome is not None
    fidelity = row.outcome.fidelity
    if math.isnan(fidelity.sqnr_db):
        return math.nan if fidelity.top1_agreement is None else fidelity.top1_agreement
    return fidelity.sqnr_db


def _measure(
    bench: Bench,
    cases: list[Case],
    file: ResultsFile | None,
    executor: Executor | None,
    found: Callable[[Found], None],
    progress: Progress | None,
    cancel: Cancel | None,
) -> tuple[dict[Case, tuple[Tally, ...]], int]:
    """The sums of every case, and how many of them were known already."""
    wanted = set(cases)
    known = {} if file is None else {c: t for c, t in file.known.items() if c in wanted}
    tallies = dict(known)
    done = len(known)

    def take(parts: tuple[Found, ...]) -> None:
        nonlocal done
        for one in parts:
            tallies[one.case] = one.tallies
            found(one)
        done += len(parts)
        if file is not None:
            file.add(parts)
        if progress is not None:
            progress(done, len(cases))

    missing = [case for case in cases if case not in known]
    try:
        measure_cases(bench, missing, take, executor=executor, cancel=cancel)
    except InspectorError as error:
        if file is None:
            raise
        file.save()
        if not isinstance(error, CancelledError):
            raise
        kept = f"What was found is in {file.path}; the same command goes on from there."
        raise CancelledError(error.message, kept) from error
    if file is not None:
        file.save()
    return tallies, len(known)


def agreement(rows: tuple[Row, ...], bits: int) -> float | None:
    """Spearman's rank correlation of estimate and measurement over the layers alone at a width."""
    known = [
        (row.estimate_db, _sqnr(row))
        for row in rows
        if row.case.bits == bits
        and row.case.way == "both"
        and row.outcome is not None
        and row.estimate_db is not None
    ]
    return spearman([one for one, _ in known], [other for _, other in known])


def _row(
    opened: OpenModel,
    widths: Widths,
    case: Case,
    tallies: tuple[Tally, ...],
    estimates: Mapping[Case, float],
) -> Row:
    layer = opened.graph.layer(case.layer)
    specs = widths.choices[case.bits][case.layer]
    power = estimates.get(case)
    return Row(
        case,
        layer.op_type,
        None if layer.weight is None else str(specs.weights),
        str(specs.activations),
        total(tallies) if tallies else None,
        None if power is None else decibels_of(power),
    )
