"""Layers alone and all but one, against the simulation and the other way to find them."""

from __future__ import annotations

import json
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import CancelledError
from inspector.evaluate.alone import OneByOne
from inspector.evaluate.calibrate import Calibration, calibrate
from inspector.evaluate.data import Dataset, load_data
from inspector.evaluate.fidelity import FidelityMeter
from inspector.evaluate.first_order import spearman
from inspector.evaluate.parallel import run_tasks
from inspector.evaluate.preview import Preview
from inspector.evaluate.runtime import open_session
from inspector.evaluate.sensitivity import WAYS, Bench, Case, Found, Task, measure_cases
from inspector.evaluate.tally import Tally, total
from inspector.graph.grids import choose_grids
from inspector.onnxio.runnable import runnable
from inspector.quant.spec import FLOAT, LayerSpecs
from inspector.session.gather import all_tensors
from inspector.session.opening import OpenModel, open_model
from inspector.session.recipe import Recipe
from inspector.session.widths import Widths, widths_of


class Setting:
    """The sample network with a bench on three samples."""

    def __init__(self, folder: Path) -> None:
        """Calibrates."""
        self.opened: OpenModel = open_model(folder / "digits_mobile.onnx")
        data = load_data(folder / "digits_evaluation.npz", self.opened.graph)
        self.samples: Dataset = data.spread(3)
        self.calibration: Calibration = calibrate(
            self.opened.prepared, all_tensors(self.opened), data.spread(16)
        )
        self.widths: Widths = widths_of(self.opened, Recipe(), (4, 8))
        self.names = self.widths.layers(8)

    def bench(self) -> Bench:
        """One that has not run yet."""
        opened = self.opened
        return Bench(
            opened.source,
            opened.prepared,
            opened.placement,
            self.calibration.tensors,
            self.samples,
            self.widths.choices,
        )

    def all_found(self, cases: list[Case], **options: object) -> dict[Case, Found]:
        """By case."""
        bench, found = self.bench(), {}

        def take(parts: tuple[Found, ...]) -> None:
            found.update((one.case, one) for one in parts)

        measure_cases(bench, cases, take, **options)  # type: ignore[arg-type]
        return found


@pytest.fixture(scope="module")
def setting(sample_models: Path) -> Setting:
    """Shared: it is not changed."""
    return Setting(sample_models)


def test_both_is_what_a_layer_alone_does(setting: Setting) -> None:
    """The same figures as from one whole forward pass for each."""
    cases = [Case(name, 4, "both") for name in setting.names]
    found = setting.all_found(cases)
    opened = setting.opened
    one_by_one = OneByOne(
        opened.source,
        opened.prepared,
        opened.placement,
        setting.calibration.tensors,
        setting.samples,
    )
    for one in one_by_one.run(setting.widths.choices[4], setting.names):
        if one.is_final:
            outcome = total(found[Case(one.layer, 4, "both")].tallies)
            assert outcome.fidelity.sqnr_db == pytest.approx(one.fidelity.sqnr_db, abs=1e-3)
            assert outcome.fidelity.top1_agreement == one.fidelity.top1_agreement


@pytest.mark.parametrize("way", WAYS)
def test_every_way_is_the_plan_that_it_says(setting: Setting, way: str) -> None:
    """Against the whole simulation of that plan and the float model."""
    name = setting.names[len(setting.names) // 2]
    own = setting.widths.choices[8][name]
    floats = dict.fromkeys(setting.names, LayerSpecs(FLOAT, FLOAT))
    chosen = {
        "both": {**floats, name: own},
        "weights": {**floats, name: LayerSpecs(own.weights, FLOAT)},
        "activations": {**floats, name: LayerSpecs(FLOAT, own.activations)},
        "rest": {**setting.widths.choices[8], name: LayerSpecs(FLOAT, FLOAT)},
    }[way]
    opened = setting.opened
    plan = opened.placement.plan(chosen)
    grids = choose_grids(opened.graph, plan, opened.prepared.constant, setting.calibration.tensors)
    preview = Preview(opened.prepared, opened.placement, threads=1)
    reference = open_session(runnable(opened.source), threads=1)
    meter = FidelityMeter(None)
    for feeds in setting.samples.samples():
        meter.add(reference.run(feeds), preview.run(grids, feeds))
    case = Case(name, 8, way)  # type: ignore[arg-type]
    outcome = total(setting.all_found([case])[case].tallies)
    assert outcome.fidelity.sqnr_db == pytest.approx(meter.result().sqnr_db, abs=1e-3)


def test_figures_do_not_depend_on_who_runs_what(setting: Setting) -> None:
    """One thread or three, whole tasks or sample by sample: equal to the last bit."""
    cases = [Case(name, bits, "both") for name in setting.names[:5] for bits in (4, 8)]
    first = setting.all_found(cases)
    with ThreadPoolExecutor(3) as pool:
        second = setting.all_found(cases, executor=pool)
    bench, third = setting.bench(), {}
    for case in reversed(cases):
        parts = [bench.run(Task((case,), n, n + 1))[0] for n in (2, 0, 1)]
        parts.sort(key=lambda one: one.start)
        third[case] = [tally for one in parts for tally in one.tallies]
    for case in cases:
        wanted = total(first[case].tallies)
        assert total(second[case].tallies) == wanted
        assert total(third[case]) == wanted


def test_labels_give_accuracy(setting: Setting) -> None:
    """Of the float model and of each case: the share of samples that have their own class."""
    bench = setting.bench()
    labels = setting.samples.labels
    assert labels is not None
    session = open_session(runnable(setting.opened.source), threads=1)
    outputs = [next(iter(session.run(f).values())) for f in setting.samples.samples()]
    right = np.mean([np.argmax(o) == int(n) for o, n in zip(outputs, labels.ravel(), strict=True)])
    assert total(bench.reference()).accuracy == pytest.approx(right)
    assert total(bench.reference()).fidelity.sqnr_db == math.inf


def test_a_cancel_is_heard(setting: Setting) -> None:
    """Between runs; the work ends with that error and no other."""
    asked = threading.Event()
    bench = setting.bench()
    cases = [Case(name, 8, "both") for name in setting.names]
    seen: list[Found] = []

    def take(found: tuple[Found, ...]) -> None:
        seen.extend(found)
        asked.set()

    begun = threading.Semaphore(1)
    run = bench.run

    def work(task: Task, *others: Any) -> tuple[Found, ...]:
        if not begun.acquire(blocking=False):
            asked.wait(30)  # else all might be done before the first is heard of
        return run(task, *others)

    with patch.object(bench, "run", work), pytest.raises(CancelledError):
        run_tasks(bench, bench.tasks(cases), take, cancel=asked.is_set)
    assert 0 < len(seen) < len(cases)


floats = st.floats(-1e3, 1e3, width=32)


@given(st.lists(st.tuples(floats, floats, st.integers(-1, 3)), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_sums_add_up_and_can_be_kept(rows: list[tuple[float, float, int]]) -> None:
    """Through JSON and back, and in parts: the outcome is that of one meter over all."""
    tallies, meter = [], FidelityMeter("y")
    for first, second, label in rows:
        expected = {"y": np.array([[first, 0.0, 1.0, 2.0]], np.float32)}
        other = {"y": np.array([[second, 0.0, 1.0, 2.0]], np.float32)}
        meter.add(expected, other)
        tallies.append(Tally.of("y", expected, other, np.array([label])))
    kept = [Tally.from_json("y", json.loads(json.dumps(one.to_json()))) for one in tallies]
    assert total(kept) == total(tallies)
    assert total(tallies).fidelity == meter.result()
    known = [(s, label) for _, s, label in rows if label >= 0]
    right = [int(np.argmax([np.float32(s), 0.0, 1.0, 2.0])) == label for s, label in known]
    assert total(tallies).accuracy == (np.mean(right) if known else None)


@given(st.permutations(range(8)))
@settings(max_examples=30, deadline=None)
def test_rank_correlation_without_ties(order: list[int]) -> None:
    """1 - 6 sum d^2 / n (n^2 - 1), Spearman's own formula."""
    n = len(order)
    squared = sum((a - b) ** 2 for a, b in enumerate(order))
    expected = 1 - 6 * squared / (n * (n * n - 1))
    assert spearman(range(n), [math.exp(x) for x in order]) == pytest.approx(expected)


def test_rank_correlation_with_ties_and_without_ranks() -> None:
    """Ties share a rank (worked by hand); equal values have no order."""
    assert spearman([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(0.9486832980505138)
    assert spearman([1, 1, 1], [1, 2, 3]) is None
    assert spearman([1], [2]) is None
