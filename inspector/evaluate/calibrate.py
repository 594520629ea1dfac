"""Calibration: one streaming run over the data gathers the histogram of every activation."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from typing import Any

from numpy.typing import NDArray

from inspector.errors import CancelledError, DataError
from inspector.evaluate.accumulate import Accumulator
from inspector.evaluate.data import Dataset
from inspector.evaluate.parallel import ranges_of, run_tasks, slots_of
from inspector.evaluate.runtime import Session, ValueInfo, open_session
from inspector.evaluate.samples import Feeds, HeldSamples
from inspector.evaluate.shipping import Kit
from inspector.evaluate.statistics import Calibration, load_calibration, save_calibration
from inspector.graph.model import Dim
from inspector.onnxio.loading import Model
from inspector.onnxio.probing import shape_probe
from inspector.onnxio.runnable import runnable
from inspector.progress import Cancel, Progress
from inspector.quant.binning import Scratch
from inspector.quant.distribution import Histogram
from inspector.quant.rows import as_float32

__all__ = ["Calibration", "calibrate", "load_calibration", "save_calibration"]

DEFAULT_BUDGET = 512 << 20
_MAX_LANES = 4
"""Samples in flight at a time. More would only wait: one thread counts at a time."""
_WORKING_FACTOR = 1.5
"""Memory that a run needs, over that of the tensors it hands out."""
_POLL_SECONDS = 0.05
_PART_SAMPLES, _PART_BYTES = 16, 64 << 20
"""So many samples are sent to another process at a time; fewer where they are large."""
_ITEM_BYTES = {"float32": 4, "float16": 2, "float64": 8}


@dataclass(frozen=True, slots=True)
class _Schedule:
    """How the work is divided: tensors over runs, and cores over samples."""

    groups: tuple[tuple[str, ...], ...]
    lanes: int
    threads: int


def calibrate(
    model: Model,
    tensors: Sequence[str],
    data: Dataset,
    *,
    budget_bytes: int = DEFAULT_BUDGET,
    executor: Executor | None = None,
    source: Model | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Calibration:
    """Run a model over samples and count the values of its activations.

    Samples run side by side, one core or more each, and are forgotten once they are counted, so the
    memory needed does not depend on their number. When the tensors of one sample exceed the budget
    they are gathered in several runs over the data, some tensors in each.

    Args:
        model: the model, as prepared.
        tensors: names of tensors with floats: inputs of the graph, or what its nodes compute.
        data: the samples.
        budget_bytes: memory to use over that of the model. A single tensor that is larger than this
            is gathered all the same.
        executor: what runs parts of the data, whose statistics add up to the same whatever the
            parts are; by default this process does it all.
        source: what `model` was made from. It is sent to other processes together with it, since
            later work on the same two needs both there.
        progress: told how many runs are done, of how many; on the calling thread.
        cancel: asked now and then, on the calling thread, whether to stop.

    Raises:
        DataError: a tensor is not of floats, or holds NaN or infinity for some sample; or a sample
            cannot be read.
        ModelError: a tensor is not in the model.
        RunError: the runtime refuses the model or a sample.
        CancelledError: `cancel` said so.
    """
    if not len(data):
        raise DataError(f"{data.source} holds no samples.", "Give at least one.")
    if executor is None:
        tensors_found = _Gathering(model, tensors, budget_bytes, _cores()).over(
            data, 0, progress, cancel
        )
    else:
        gatherer = Gatherer(source or model, model, tensors, budget_bytes)
        tensors_found = _in_parts(gatherer, data, executor, progress, cancel)
    return Calibration(model.key, data.source, len(data), data.random, data.seed, tensors_found)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some samples of a data set.

    Attributes:
        source: where they come from, for the user.
        start: the number of the first.
        feeds: the samples.
    """

    source: str
    start: int
    feeds: tuple[Feeds, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """The statistics of a part: of how many samples, and the histogram of each tensor."""

    samples: int
    tensors: Mapping[str, Histogram]


class Gatherer:
    """Gathers the statistics of parts, each on one core; safe to use from several threads."""

    def __init__(
        self, source: Model, model: Model, tensors: Sequence[str], budget_bytes: int
    ) -> None:
        """Runs nothing yet; see `calibrate`."""
        self._source, self._model = source, model
        self._tensors, self._budget = tuple(tensors), budget_bytes
        self._local = threading.local()

    def run(
        self,
        task: Part,
        cancel: Cancel | None = None,
        told: Callable[[], None] = lambda: None,
    ) -> Gathered:
        """Gathers the statistics of a part; raises as `calibrate`."""
        gathering: _Gathering | None = getattr(self._local, "gathering", None)
        if gathering is None:
            gathering = _Gathering(self._model, self._tensors, self._budget, 1)
            self._local.gathering = gathering
        data = Dataset.of(task.source, [HeldSamples(task.feeds)])
        found = gathering.over(data, task.start, lambda done, total: told(), cancel)
        return Gathered(len(data), found)

    def kit(self) -> Kit:
        """What another process makes an equal one of."""
        models = (self._source, self._model)
        return Kit.of(models, Gatherer, self._tensors, self._budget)


def _in_parts(
    gatherer: Gatherer,
    data: Dataset,
    executor: Executor,
    progress: Progress | None,
    cancel: Cancel | None,
) -> dict[str, Histogram]:
    """The statistics of all parts, merged as they come: the order does not matter."""
    found: dict[str, Histogram] = {}
    done = 0

    def take(part: Gathered) -> None:
        nonlocal done
        for name, histogram in part.tensors.items():
            found[name] = found[name].merge(histogram) if name in found else histogram
        done += part.samples
        if progress is not None:
            progress(done, len(data))

    run_tasks(gatherer, _parts(data, slots_of(executor)), take, executor=executor, cancel=cancel)
    return found


def _parts(data: Dataset, slots: int) -> Iterator[Part]:
    """The data in parts, read one after another when they are asked for."""
    part, position = data.order[data.largest()].tolist()
    size = _ITEM_BYTES["float32"] * data.parts[part].size_of(position)
    most = max(min(_PART_SAMPLES, _PART_BYTES // max(size, 1)), 1)
    pieces = max(-(-len(data) // most), min(2 * slots, len(data)))
    for start, stop in ranges_of(len(data), pieces):
        yield Part(data.source, start, tuple(data.samples(start, stop)))


class _Gathering:
    """The work on one machine, with what can be used again for further samples."""

    def __init__(self, model: Model, tensors: Sequence[str], budget_bytes: int, cores: int) -> None:
        self._model, self._tensors = model, tensors
        self._budget, self._cores = budget_bytes, cores
        self._session: Session | None = None

    def over(
        self, data: Dataset, start: int, progress: Progress | None, cancel: Cancel | None
    ) -> dict[str, Histogram]:
        """Run over samples, the first of which is number `start`."""
        accumulators = {name: Accumulator(name) for name in self._tensors}
        first = data.feeds(data.largest())
        given = [name for name in accumulators if name in first]
        computed = [name for name in accumulators if name not in first]
        _check_floats((name, first[name].dtype.name) for name in given)
        schedule = self._schedule(computed, data, first)
        done, total = 0, len(data) * len(schedule.groups)
        for group in schedule.groups:
            if self._session is None and group:
                self._session = _open(self._model, group, schedule.threads)
            crew = _Crew(self._session if group else None, data, start, given, accumulators)
            for _ in crew.work(schedule.lanes, cancel):
                done += 1
                if progress is not None:
                    progress(done, total)
            given = []
            if len(schedule.groups) > 1:
                self._session = None
        return {name: accumulator.histogram() for name, accumulator in accumulators.items()}

    def _schedule(self, computed: Sequence[str], data: Dataset, first: Feeds) -> _Schedule:
        """Decide how to divide the work; opens the session where one run gathers everything."""
        if not computed:
            return _Schedule(((),), 1, 1)
        lanes = min(self._cores, len(data), _MAX_LANES)
        threads = max(1, self._cores // lanes)
        if self._session is None:
            self._session = _open(self._model, computed, threads)
            _check_floats((o.name, o.dtype) for o in self._session.outputs)
        sizes = _tensor_bytes(self._model, self._session, first)
        need = sum(sizes.values()) * _WORKING_FACTOR
        if need * lanes <= self._budget:
            return _Schedule((tuple(computed),), lanes, threads)
        self._session = None
        lanes = max(1, int(self._budget // max(need, 1)))
        groups = _groups(sizes, self._budget / _WORKING_FACTOR)
        return _Schedule(groups, min(lanes, len(data)), max(1, self._cores // lanes))


class _Crew:
    """Threads that take samples in turn, run the model on them and count what comes out."""

    def __init__(
        self,
        session: Session | None,
        data: Dataset,
        start: int,
        given: Sequence[str],
        accumulators: dict[str, Accumulator],
    ) -> None:
        self._session = session
        self._data = data
        self._start = start
        self._given = given
        self._accumulators = accumulators
        self._stop = threading.Event()
        self._done: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._next = iter(range(len(data)))
        self._turn = threading.Lock()
        self._counting = threading.Lock()

    def work(self, lanes: int, cancel: Cancel | None) -> Iterator[None]:
        """Take all samples; yields once for each that is done."""
        with ThreadPoolExecutor(lanes, thread_name_prefix="calibrate") as pool:
            crew = [pool.submit(self._lane) for _ in range(lanes)]
            try:
                for _ in range(len(self._data)):
                    self._wait(crew, cancel)
                    yield
            finally:
                self._stop.set()

    def _wait(self, crew: Sequence[Future[None]], cancel: Cancel | None) -> None:
        while True:
            if cancel is not None and cancel():
                raise CancelledError
            failed = next((f for f in crew if f.done() and f.exception() is not None), None)
            if failed is not None:
                failed.result()
            try:
                return self._done.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue

    def _lane(self) -> None:
        scratch = Scratch()
        while not self._stop.is_set():
            with self._turn:
                index = next(self._next, None)
            if index is None:
                return
            try:
                self._count(index, scratch)
            except CancelledError:
                return  # another lane failed, or the user cancelled: it is told from there
            self._done.put(None)

    def _count(self, index: int, scratch: Scratch) -> None:
        feeds, number = self._data.feeds(index), self._start + index
        found: dict[str, NDArray[Any]] = {name: feeds[name] for name in self._given}
        if self._session is not None:
            found |= self._session.run(feeds, cancel=self._stop.is_set)
        # One lane counts while the others run the model. Two that count at a time would hand
        # Python's lock back and forth at every step, which costs more than they gain.
        with self._counting:
            for name in list(found):
                try:
                    values = as_float32(found.pop(name), name)
                    self._accumulators[name].add(values, number, scratch)
                except DataError as error:
                    message = f"Sample {number} of {self._data.source}: {error.message}"
                    raise DataError(message, error.hint) from error


def _open(model: Model, outputs: Sequence[str], threads: int) -> Session:
    return open_session(
        runnable(model, outputs=outputs),
        threads=threads,
        spinning=False,
        memory_pattern=False,
        title=_title(model),
    )


def _groups(sizes: dict[str, int], room: float) -> tuple[tuple[str, ...], ...]:
    """Fill groups with tensors in order, each with as many as there is room for."""
    groups: list[list[str]] = [[]]
    used = 0
    for name, size in sizes.items():
        if groups[-1] and used + size > room:
            groups.append([])
            used = 0
        groups[-1].append(name)
        used += size
    return tuple(tuple(group) for group in groups)


def _tensor_bytes(model: Model, session: Session, first: Feeds) -> dict[str, int]:
    """Find how large the session's outputs are for one sample."""
    symbols: dict[Dim, int] = {}
    for value in session.inputs:
        symbols |= dict(zip(value.shape or (), first[value.name].shape, strict=False))
    sizes: dict[str, int] = {}
    unknown: list[ValueInfo] = []
    for value in session.outputs:
        dims = [d if isinstance(d, int) else symbols.get(d) for d in _dims(value)]
        known = [d for d in dims if d is not None]
        sizes[value.name] = prod(known) * _ITEM_BYTES[value.dtype]
        if len(known) < len(dims):
            unknown.append(value)
    if unknown:
        probe = open_session(shape_probe(model, [v.name for v in unknown]), title=_title(model))
        shapes = probe.run(first).values()
        for value, shape in zip(unknown, shapes, strict=True):
            sizes[value.name] = prod(shape.tolist()) * _ITEM_BYTES[value.dtype]
    return sizes


def _dims(value: ValueInfo) -> tuple[Dim, ...]:
    return (None,) if value.shape is None else value.shape


def _check_floats(types: Iterable[tuple[str, str]]) -> None:
    wrong = [f"'{name}' ({dtype})" for name, dtype in types if dtype not in _ITEM_BYTES]
    if wrong:
        raise DataError(
            f"Only tensors of floats can be calibrated, not {', '.join(wrong)}.",
            "Leave them out.",
        )


def _title(model: Model) -> str:
    return str(model.path) if model.path else ""


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
