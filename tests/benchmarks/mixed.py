"""What it costs to find out how much each layer matters, and how good the fronts of the search are.

python tests/benchmarks/mixed.py cost MODEL DATA WAY,WAY...     # one run; prints JSON
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import onnxruntime as ort
from cases import Case
from tables import number, table

if TYPE_CHECKING:
    from inspector.evaluate.judge import Judge
    from inspector.session.search import Searched

BITS = (4, 8)
SAMPLES = 8
TARGET = 1.3
"""The most of the time of as many float forward passes that layers alone may take."""
_PART = 6
"""So large a part of the plain passes is run, half of it before and half after the analysis."""


@dataclass(frozen=True, slots=True)
class SensitivityCost:
    """One analysis beside plain onnxruntime in the same process.

    Attributes:
        layers: how many layers were quantized one at a time.
        passes: layers x widths x samples.
        ours: seconds of the analysis, from a calibrated model on.
        plain: seconds of as many forward passes of the float model in onnxruntime, from a part of
            them that was run in the same process.
        spearman: rank correlation of the first-order estimate with what was measured, by width.
        estimate: seconds that the estimate took, for all widths.
    """

    layers: int
    passes: int
    ours: float
    plain: float
    spearman: dict[str, float | None]
    estimate: float


def measure(model: Path, data: Path, ways: tuple[str, ...] = ("both",)) -> SensitivityCost:
    """In a process of its own; see `SensitivityCost`."""
    command = [sys.executable, __file__, "cost", str(model), str(data), ",".join(ways)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the analysis of {model} failed:\n{done.stderr}")
    return SensitivityCost(**json.loads(done.stdout.splitlines()[-1]))


def run_once(model: Path, data: Path, ways: tuple[str, ...]) -> dict[str, object]:
    """One analysis in this process, measured."""
    from inspector.evaluate.calibrate import calibrate
    from inspector.evaluate.data import load_data
    from inspector.evaluate.first_order import spearman
    from inspector.evaluate.sensitivity import Case, measure_cases
    from inspector.evaluate.tally import total
    from inspector.session.estimates import decibels_of, estimate
    from inspector.session.gather import all_tensors
    from inspector.session.opening import open_model
    from inspector.session.recipe import Recipe
    from inspector.session.recovery import Recovered
    from inspector.session.sensitivity import bench_of
    from inspector.session.widths import widths_of

    opened = open_model(model)
    samples = load_data(data, opened.graph).spread(SAMPLES)
    calibration = calibrate(opened.prepared, all_tensors(opened), samples)
    widths = widths_of(opened, Recipe(), BITS)
    layers = widths.layers(BITS[0])
    passes = len(layers) * len(BITS) * SAMPLES
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    feeds = [dict(one) for one in samples.samples()]
    session.run(None, feeds[0])

    def plain(count: int) -> float:
        start = time.perf_counter()
        for turn in range(count):
            session.run(None, feeds[turn % SAMPLES])
        return time.perf_counter() - start

    part = max(passes // _PART // 2, 1)
    before = plain(part)
    found = {}
    start = time.perf_counter()
    bench = bench_of(Recovered(opened, calibration, {}), samples, widths)
    cases = [Case(name, bits, way) for bits in BITS for name in layers for way in ways]
    measure_cases(bench, cases, lambda parts: found.update({p.case: p for p in parts}))
    ours = time.perf_counter() - start
    after = plain(part)
    assert len(found) == len(cases)
    start = time.perf_counter()
    guessed = estimate(opened, calibration, samples, widths)
    seconds = time.perf_counter() - start
    ranks = {}
    for bits in BITS:
        own = [case for case in cases if case.bits == bits and case.way == "both"]
        measured = [total(found[case].tallies).fidelity.sqnr_db for case in own]
        ranks[str(bits)] = spearman([decibels_of(guessed[case]) for case in own], measured)
    return {
        "layers": len(layers),
        "passes": passes,
        "ours": ours,
        "plain": (before + after) * passes / (2 * part),
        "spearman": ranks,
        "estimate": seconds,
    }


def cost_table(found: dict[str, SensitivityCost]) -> str:
    """One row an analysis."""
    rows = [
        [
            name,
            str(one.layers),
            str(one.passes),
            number(one.ours),
            number(one.plain),
            number(one.ours / one.plain),
            number(one.estimate),
            ", ".join(
                f"{number(value)} at {bits}" if value is not None else "—"
                for bits, value in one.spearman.items()
            ),
        ]
        for name, one in found.items()
    ]
    header = [
        *("model, ways", "layers", "passes", "ours s", "plain s"),
        *(f"ours / plain (target {TARGET})", "estimate s", "Spearman of the estimate at bits"),
    ]
    return table(header, rows)


# Fronts ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fronts:
    """The search beside plain greedy flipping, both really run on the same samples.

    Attributes:
        budgets: how many budgets greedy flipping passes through.
        worse: at how many of them the search is worse.
        gain: mean difference in dB over the budgets.
        most: the largest.
        asked: how many choices the search ran.
        seconds: that it took.
    """

    budgets: int
    worse: int
    gain: float
    most: float
    asked: int
    seconds: float


def fronts(
    case: Case, told: Callable[[str], None] = lambda line: None, *, samples: int = 8
) -> Fronts:
    """Of one of `cases.all_cases`, weights of 4 and 8 bits, by mean bits."""
    import tempfile

    import numpy as np

    from inspector.evaluate.calibrate import calibrate
    from inspector.evaluate.data import load_data
    from inspector.evaluate.judge import Judge
    from inspector.session.gather import all_tensors
    from inspector.session.opening import open_model
    from inspector.session.recipe import Recipe
    from inspector.session.search import Budget, allowed_widths, search_opened

    opened = open_model(case.model)
    calibration_feeds, judged_feeds = case.read(0)
    with tempfile.TemporaryDirectory() as folder:

        def stored(name: str, feeds: list[dict[str, np.ndarray]]) -> Path:
            path = Path(folder) / name
            joined = {key: np.concatenate([one[key] for one in feeds]) for key in feeds[0]}
            np.savez(path, **joined)
            return path

        data = load_data(stored("calibration.npz", calibration_feeds[:32]), opened.graph)
        judged = load_data(stored("judged.npz", judged_feeds), opened.graph).spread(samples)
        calibration = calibrate(opened.prepared, all_tensors(opened), data)
        start = time.perf_counter()
        widths = allowed_widths(opened, Recipe(), BITS)
        budget = Budget("mean_bits", 32.0)
        found = search_opened(opened, calibration, judged, judged, Recipe(), widths, budget)
        seconds = time.perf_counter() - start
        told(f"{case.model.stem}: {found.asked} choices")
        judge = Judge(opened.source, opened.prepared, opened.placement, calibration.tensors, judged)
        path = _plain_greedy(found, judge)
    gains = []
    for cost, sqnr in path:
        ours = max(p.outcome.fidelity.sqnr_db for p in found.front if p.cost <= cost)
        gains.append(ours - sqnr)
    worse = sum(gain < -1e-6 for gain in gains)
    mean = sum(gains) / len(gains)
    return Fronts(len(path), worse, mean, max(gains), found.asked, seconds)


def _plain_greedy(found: Searched, judge: Judge) -> list[tuple[int, float]]:
    """From 8 bits everywhere on, the layer first that does least harm alone, and so on.

    The order is by measured harm of each layer alone, as most tools do it; each step is run.
    """
    problem = found.mix.problem
    free = [n for n, options in enumerate(problem.options) if len(options) > 1]
    order = sorted(free, key=lambda n: float(problem.harms[n][0] - problem.harms[n][-1]))
    chosen = [len(options) - 1 for options in problem.options]
    path = []
    for layer in chain([None], order):
        if layer is not None:
            chosen[layer] = 0
        outcome = judge.outcome(problem.specs(tuple(chosen)))
        path.append((problem.cost(tuple(chosen)), outcome.fidelity.sqnr_db))
    return path


def fronts_table(found: dict[str, Fronts]) -> str:
    """One row a model."""
    rows = [
        [
            name,
            str(one.budgets),
            str(one.worse),
            number(one.gain),
            number(one.most),
            str(one.asked),
            number(one.seconds),
        ]
        for name, one in found.items()
    ]
    header = [
        *("model", "budgets", "search worse at", "search better by dB, mean", "most"),
        *("choices run", "seconds"),
    ]
    return table(header, rows)


if __name__ == "__main__":
    _, _, model_path, data_path, way_names = sys.argv
    print(json.dumps(run_once(Path(model_path), Path(data_path), tuple(way_names.split(",")))))
