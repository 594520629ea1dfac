"""Tasks on executors that are late, lose results and do things twice: the figures stay the same."""

from __future__ import annotations

import pickle
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import CancelledError, DataError, RunError, UnsupportedError
from inspector.evaluate import shipping
from inspector.evaluate.calibrate import calibrate
from inspector.evaluate.cluster import executor_at
from inspector.evaluate.data import load_data
from inspector.evaluate.parallel import LostError, Remote, ranges_of, run_tasks
from inspector.evaluate.samples import Feeds
from inspector.evaluate.shipping import Kit, Shipment
from inspector.progress import Cancel
from inspector.quant.recover import Recover
from inspector.session.gather import all_tensors
from inspector.session.opening import open_model
from inspector.session.recipe import Recipe
from inspector.session.samples import SampleRequest
from inspector.session.search import Budget, SearchRequest, search
from inspector.session.sensitivity import SensitivityRequest, analyse


@dataclass(frozen=True)
class Sent:
    """Stands for a shipment that was sent before."""

    key: str


class Careless(Remote):
    """Other processes as they may be: all that goes there and back is pickled.

    They take tasks in any order, do some twice, and lose the results of some, never one more often
    than `losses` times.
    """

    def __init__(self, seed: int, slots: int = 3, losses: int = 2) -> None:
        """Nothing to do yet."""
        self._random, self._slots, self._losses = random.Random(seed), slots, losses
        self._pool = ThreadPoolExecutor(1)
        self._lock = threading.Lock()
        self._queue: list[tuple[Future[Any], bytes, Callable[..., Any]]] = []
        self._shipped: dict[str, Shipment[Any]] = {}
        self.lost: Counter[bytes] = Counter()
        self.abandoned: list[str] = []
        self.largest_task = 0

    @property
    def slots(self) -> int:
        """As many as it was told."""
        return self._slots

    def check(self) -> None:
        """It always goes on."""

    def abandon(self, key: str) -> None:
        """Note it."""
        self.abandoned.append(key)
        shipping.abandon(key)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Queue it."""
        answer: Future[Any] = Future()
        small = [self._ship(one) if isinstance(one, Shipment) else one for one in args]
        pickled = pickle.dumps(small)
        self.largest_task = max(self.largest_task, len(pickled))
        with self._lock:
            self._queue.append((answer, pickled, fn))
        self._pool.submit(self._one)
        return answer

    def _ship(self, shipment: Shipment[Any]) -> Sent:
        if shipment.key not in self._shipped:
            self._shipped[shipment.key] = pickle.loads(pickle.dumps(shipment, protocol=5))
        return Sent(shipment.key)

    def _one(self) -> None:
        with self._lock:
            answer, pickled, fn = self._queue.pop(self._random.randrange(len(self._queue)))
        args = [
            self._shipped[one.key] if isinstance(one, Sent) else one
            for one in pickle.loads(pickled)
        ]
        if self._random.random() < 0.3 and self.lost[pickled] < self._losses:
            self.lost[pickled] += 1
            if self._random.random() < 0.5:
                answer.cancel()
            else:
                answer.set_exception(LostError())
            return
        if not answer.set_running_or_notify_cancel():
            return
        try:
            for _ in range(self._random.choice((1, 1, 2))):
                result = pickle.loads(pickle.dumps(fn(*args)))
            answer.set_result(result)
        except Exception as error:  # told to who waits
            answer.set_exception(error)


class Squares:
    """A doer that needs nothing."""

    def run(
        self, task: int, cancel: Cancel | None = None, told: Callable[[], None] = lambda: None
    ) -> tuple[int, int]:
        """The number and its square; refuses those below zero."""
        if task < 0:
            raise DataError(f"{task} is below zero.")
        told()
        return task, task * task

    def kit(self) -> Kit:
        """No models."""
        return Kit.of((), Squares)


@given(st.integers(0, 40), st.integers(1, 5), st.integers(0, 1 << 20))
@settings(max_examples=25, deadline=None)
def test_every_result_comes_once(count: int, slots: int, seed: int) -> None:
    """Whatever is lost, late or done twice."""
    found: list[tuple[int, int]] = []
    run_tasks(Squares(), range(count), found.append, executor=Careless(seed, slots))
    assert sorted(found) == [(n, n * n) for n in range(count)]


def test_a_task_that_is_always_lost_ends_the_work() -> None:
    """It may be what ends the workers."""
    with pytest.raises(RunError, match="lost 4 times"):
        run_tasks(Squares(), range(100), lambda _: None, executor=Careless(1, losses=99))


def test_the_first_failure_ends_the_work() -> None:
    """It comes out as it was raised, and what had not begun is not begun."""
    begun: list[int] = []

    class Fails(Squares):
        def run(self, task: int, *others: Any) -> tuple[int, int]:
            begun.append(task)
            return super().run(-1 if task == 3 else task, *others)

    with ThreadPoolExecutor(1) as pool, pytest.raises(DataError, match="below zero"):
        run_tasks(Fails(), range(100), lambda found: None, executor=pool)
    assert len(begun) < 20
    executor = Careless(2)
    with pytest.raises(DataError, match="below zero"):
        run_tasks(Squares(), [1, 2, -3, *range(20)], lambda found: None, executor=executor)
    assert len(executor.abandoned) == 1


def test_a_cancel_stops_other_processes() -> None:
    """What they do for this work is given up, and asked for again it is done."""
    executor, doer, seen = Careless(3), Squares(), []
    with pytest.raises(CancelledError):
        run_tasks(doer, range(50), seen.append, executor=executor, cancel=lambda: len(seen) > 5)
    assert len(seen) < 20
    assert len(executor.abandoned) == 1
    run_tasks(doer, range(50), seen.append, executor=executor)
    assert len(seen) > 50


def test_other_versions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a worker that comes later; the message names both."""
    kit = Squares().kit()
    asked = {**shipping.versions(), "numpy": "1.0"}
    with pytest.raises(UnsupportedError, match=r"numpy \d.*numpy 1\.0"):
        shipping.perform(kit.models, kit.rest, 3, asked)


def test_without_the_extra_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install; this machine alone needs nothing."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UnsupportedError, match=r"quant-inspector\[distributed\]"):
        executor_at("tcp://127.0.0.1:8786").__enter__()
    with executor_at(None) as executor:
        assert executor is None


@given(st.integers(0, 50), st.integers(0, 20))
def test_ranges_are_all_of_it(count: int, pieces: int) -> None:
    """Every number once, in order, in pieces that differ by one at most."""
    ranges = ranges_of(count, pieces)
    assert [n for start, stop in ranges for n in range(start, stop)] == list(range(count))
    sizes = {stop - start for start, stop in ranges}
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("seed", "recover"), [(0, ""), (1, ""), (2, "gptq,bias")])
def test_sensitivity_is_the_same_to_the_last_bit(
    sample_models: Path, seed: int, recover: str
) -> None:
    """Calibration and every figure, in other parts and another order; tasks are light."""
    request = SensitivityRequest(
        sample_models / "digits_mobile.onnx",
        SampleRequest(sample_models / "digits_calibration.npz", limit=20),
        recipe=replace(Recipe(), recover=Recover.parse(recover)) if recover else Recipe(),
        bits=(4,),
        ways=("both", "rest"),
        runs=3,
    )
    executor = Careless(seed, slots=1 + 4 * seed)
    here, there = analyse(request), analyse(request, executor=executor)
    assert here.rows == there.rows
    assert here.reference == there.reference
    assert here.agreement == there.agreement
    assert sum(executor.lost.values()) > 0
    assert executor.largest_task < request.model.stat().st_size


def test_search_is_the_same_to_the_last_bit(sample_models: Path) -> None:
    """The recipe, the whole front, and how much was tried."""
    request = SearchRequest(
        sample_models / "digits_cnn.onnx",
        SampleRequest(sample_models / "digits_calibration.npz", limit=20),
        Budget("mean_bits", 6.0),
        runs=2,
    )
    here, there = search(request), search(request, executor=Careless(4, slots=2))
    assert here.recipe == there.recipe
    assert here.front == there.front
    assert here.asked == there.asked


@given(st.integers(1, 9), st.integers(0, 1 << 20))
@settings(max_examples=6, deadline=None)
def test_statistics_add_up(slots: int, seed: int) -> None:
    """Histograms of parts merge to those of the whole, counts and batches."""
    folder = Path(__file__).resolve().parents[2] / "sample_models"
    opened = open_model(folder / "digits_cnn.onnx")
    data = load_data(folder / "digits_calibration.npz", opened.graph, limit=12)
    tensors = all_tensors(opened)
    here = calibrate(opened.prepared, tensors, data)
    told: list[tuple[int, int]] = []
    there = calibrate(
        opened.prepared,
        tensors,
        data,
        executor=Careless(seed, slots),
        source=opened.source,
        progress=lambda done, every: told.append((done, every)),
    )
    assert here.tensors == there.tensors
    assert (here.model_key, here.samples) == (there.model_key, there.samples)
    assert told[-1] == (12, 12)


def test_a_bad_sample_is_named_by_its_number(sample_models: Path) -> None:
    """In the whole data, not in the part that was sent."""
    opened = open_model(sample_models / "digits_cnn.onnx")
    data = load_data(sample_models / "digits_calibration.npz", opened.graph, limit=12).held()

    def spoilt(index: int, feeds: Feeds) -> Feeds:
        return {n: v * float("nan") if index == 7 else v for n, v in feeds.items()}

    (held,) = data.parts
    feeds = tuple(spoilt(n, held.read(n)) for n in range(len(held)))
    spoilt_data = type(data).of(data.source, [type(held)(feeds)])  # type: ignore[call-arg]
    with pytest.raises(DataError, match="Sample 7 of"):
        calibrate(opened.prepared, all_tensors(opened), spoilt_data, executor=Careless(5, losses=0))
