"""How much each layer matters: the outputs when it alone is quantized, or all but it.

A *case* is a layer, a width and a way. The work is a set of independent tasks, each some cases on
some samples, whose results are sums that add up to the same figures however the work was divided
and whoever did it. Within a process the layers before a change are not run again (`downstream`).

Figures of layers alone are what first-order methods build on (HAWQ-V3, Yao et al. 2021,
arXiv:2011.10680, section 3.4, takes the trace of the Hessian for them); here they are measured.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal, get_args

from numpy.typing import NDArray

from inspector.evaluate.data import Dataset
from inspector.evaluate.downstream import Downstream
from inspector.evaluate.fidelity import class_output
from inspector.evaluate.parallel import Remote, ranges_of, run_tasks
from inspector.evaluate.preview import Preview, Written
from inspector.evaluate.runtime import open_session
from inspector.evaluate.shipping import Kit
from inspector.evaluate.tally import Tally
from inspector.graph.grids import GridChooser, Grids
from inspector.graph.placement import Placement, Plan
from inspector.onnxio.loading import Model
from inspector.onnxio.runnable import runnable
from inspector.progress import Cancel
from inspector.quant.distribution import Histogram
from inspector.quant.spec import FLOAT, LayerSpecs

Way = Literal["both", "weights", "activations", "rest"]
"""What is quantized: a layer's weights and activations, one of the two, or all layers but it."""

WAYS: tuple[Way, ...] = get_args(Way)
_ALL_FLOAT = LayerSpecs(FLOAT, FLOAT)
_CASES = 6
"""So many layers make a task: enough to share a piece of the model, few enough to be soon done."""
_TASKS = 2
"""So many tasks there are at least for each that can run at a time."""


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """One thing to find out.

    Attributes:
        layer: the layer.
        bits: the width.
        way: what is quantized.
    """

    layer: str
    bits: int
    way: Way


@dataclass(frozen=True, slots=True)
class Task:
    """Some cases on some samples.

    Attributes:
        cases: near to one another in the model, and all of them "rest" of one width, or none.
        start: number of the first sample.
        stop: number behind the last.
    """

    cases: tuple[Case, ...]
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Found:
    """What one case does.

    Attributes:
        case: the case.
        start: number of the first sample.
        tallies: of each sample; empty where the case quantizes nothing.
    """

    case: Case
    start: int
    tallies: tuple[Tally, ...]


class Bench:
    """A model on its samples, on which tasks are run; safe to use from several threads at once.

    Cost: for each case and sample what lies behind the layer; see `Downstream`. The outputs of the
    float model are kept for all samples.
    """

    def __init__(
        self,
        source: Model,
        prepared: Model,
        placement: Placement,
        distributions: Mapping[str, Histogram],
        samples: Dataset,
        choices: Mapping[int, Mapping[str, LayerSpecs]],
        written: Written | None = None,
        *,
        threads: int = 1,
    ) -> None:
        """Runs nothing yet.

        Args:
            source: the model as the user gave it: the float reference.
            prepared: the model whose layers are quantized.
            placement: the sites of its graph.
            distributions: what calibration gathered, by tensor.
            samples: what to run on.
            choices: the filled specs of every layer, by width.
            written: weights that a method of recovery rounded; see `Preview`.
            threads: within an operator. With one, figures do not depend on the machine, and tasks
                that run side by side use the other cores.
        """
        self._written = written
        self._source, self._prepared, self._placement = source, prepared, placement
        self._distributions = distributions
        self._samples, self._choices, self._threads = samples, choices, threads
        self._feeds = [dict(feeds) for feeds in samples.samples()]
        self._chooser = GridChooser(placement.graph, prepared.constant, distributions)
        self._classes = class_output(placement.graph)
        self._preview: Preview | None = None
        self._expected: list[dict[str, NDArray[Any]]] = []
        self._downstream: tuple[int | None, Downstream] | None = None
        self._lock = threading.Lock()

    @property
    def classes(self) -> str | None:
        """The output that holds a score for each class; None where outputs are not classes."""
        return self._classes

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return len(self._feeds)

    def kit(self) -> Kit:
        """What another process makes an equal bench of."""
        return Kit.of(
            (self._source, self._prepared),
            Bench,
            self._placement,
            self._distributions,
            self._samples.held(),
            self._choices,
            self._written,
        )

    def tasks(self, cases: Sequence[Case], least: int = 1) -> list[Task]:
        """Divides cases into tasks, those that share most next to one another.

        Args:
            cases: what to find out.
            least: if there are fewer tasks over all samples than this, samples are divided too.
        """
        order = {layer.name: n for n, layer in enumerate(self._placement.graph.layers)}
        alone = [case for case in cases if case.way != "rest"]
        rest = [case for case in cases if case.way == "rest"]
        widths = dict.fromkeys(case.bits for case in rest)
        groups = [alone, *([case for case in rest if case.bits == bits] for bits in widths)]
        parts: list[tuple[Case, ...]] = []
        for group in groups:
            group.sort(key=lambda case: order[case.layer])
            parts += _parts(group)
        ranges = ranges_of(len(self._feeds), -(-least // max(len(parts), 1)))
        return [Task(part, start, stop) for part in parts for start, stop in ranges]

    def run(
        self,
        task: Task,
        cancel: Cancel | None = None,
        told: Callable[[], None] = lambda: None,
    ) -> tuple[Found, ...]:
        """Does a task.

        Args:
            task: of `tasks`, or any part of one.
            cancel: asked between runs and while one runs.
            told: called after each sample of each case.

        Raises:
            RunError: onnxruntime refuses the model or the samples.
            DataError: a tensor was not measured, or a weight holds no numbers.
            CancelledError: `cancel` said so.
        """
        expected = self._references(cancel)
        first = task.cases[0]
        downstream = self._near(first.bits if first.way == "rest" else None, cancel)
        found: list[Found] = []
        for case in task.cases:
            with self._lock:
                plan = self.plan(case)
                grids = self._chooser.choose(plan, cancel) if _quantizes(plan, case) else None
            change = None if grids is None else downstream.change(grids)
            tallies: list[Tally] = []
            for number in range(task.start, task.stop):
                if change is not None:
                    outputs = downstream.run(change, number, cancel)
                    tallies.append(self._tally(expected[number], outputs, number))
                told()
            found.append(Found(case, task.start, tuple(tallies)))
        return tuple(found)

    def reference(self, cancel: Cancel | None = None) -> tuple[Tally, ...]:
        """The float model beside itself, of each sample: its accuracy.

        Raises:
            RunError: onnxruntime refuses the model or the samples.
            CancelledError: `cancel` said so.
        """
        expected = self._references(cancel)
        return tuple(self._tally(one, one, number) for number, one in enumerate(expected))

    def plan(self, case: Case) -> Plan:
        """What a case quantizes."""
        specs = self._choices[case.bits]
        own = specs[case.layer]
        if case.way == "rest":
            return self._placement.plan({**specs, case.layer: _ALL_FLOAT})
        chosen = LayerSpecs(
            FLOAT if case.way == "activations" else own.weights,
            FLOAT if case.way == "weights" else own.activations,
        )
        everywhere = dict.fromkeys(specs, _ALL_FLOAT)
        return self._placement.plan({**everywhere, case.layer: chosen})

    def _tally(
        self, expected: dict[str, NDArray[Any]], outputs: dict[str, NDArray[Any]], number: int
    ) -> Tally:
        labels = self._samples.labels
        own = None if labels is None else labels[number]
        return Tally.of(self._classes, expected, outputs, own)

    def _references(self, cancel: Cancel | None) -> list[dict[str, NDArray[Any]]]:
        with self._lock:
            if len(self._expected) < len(self._feeds):
                session = open_session(runnable(self._source), threads=self._threads)
                self._expected = [session.run(feeds, cancel=cancel) for feeds in self._feeds]
            return self._expected

    def _near(self, bits: int | None, cancel: Cancel | None) -> Downstream:
        """Runs choices near the float model (None), or near all layers at a width."""
        with self._lock:
            if self._downstream is None or self._downstream[0] != bits:
                if self._preview is None:
                    self._preview = Preview(
                        self._prepared,
                        self._placement,
                        threads=self._threads,
                        written=self._written,
                    )
                base, expected = self._base(bits, cancel)
                self._downstream = None  # its memory is wanted for the next
                near = Downstream(self._preview, base, self._feeds, expected, threads=self._threads)
                self._downstream = bits, near
            return self._downstream[1]

    def _base(self, bits: int | None, cancel: Cancel | None) -> tuple[Grids, list[Grids]]:
        if bits is None:
            cases = [
                Case(n, width, "both") for width in self._choices for n in self._choices[width]
            ]
            plan = self._placement.plan(dict.fromkeys(self._choices[cases[0].bits], _ALL_FLOAT))
        else:
            cases = [Case(name, bits, "rest") for name in self._choices[bits]]
            plan = self._placement.plan(self._choices[bits])
        expected = [self._chooser.choose(self.plan(case), cancel) for case in cases]
        return self._chooser.choose(plan, cancel), expected


def measure_cases(
    bench: Bench,
    cases: Sequence[Case],
    arrived: Callable[[tuple[Found, ...]], None],
    *,
    executor: Executor | None = None,
    told: Callable[[], None] = lambda: None,
    cancel: Cancel | None = None,
) -> None:
    """Finds out all cases, on all samples of a bench.

    Args:
        bench: runs them.
        cases: what to find out.
        arrived: takes some cases that are done, in this thread; each case once.
        executor: what runs the tasks; by default a thread for each core. The figures are the same
            to the last bit whatever it is.
        told: called now and then by the threads that do the work.
        cancel: asked now and then.

    Raises:
        InspectorError: as `Bench.run` and `run_tasks`.
    """
    # Threads share what a task has found out of its cases, so samples are not divided among them.
    tasks = bench.tasks(cases, _TASKS * executor.slots if isinstance(executor, Remote) else 1)
    ranges = len({task.start for task in tasks})
    under_way: dict[tuple[Case, ...], list[tuple[Found, ...]]] = {}

    def take(parts: tuple[Found, ...]) -> None:
        key = tuple(part.case for part in parts)
        known = under_way.setdefault(key, [])
        known.append(parts)
        if len(known) == ranges:
            del under_way[key]
            arrived(_joined(known))

    run_tasks(bench, tasks, take, executor=executor, told=told, cancel=cancel)


def _joined(ranges: list[tuple[Found, ...]]) -> tuple[Found, ...]:
    """The same cases on all samples, from ranges of them in any order."""
    ranges.sort(key=lambda parts: parts[0].start)
    return tuple(
        Found(of_one[0].case, of_one[0].start, tuple(t for one in of_one for t in one.tallies))
        for of_one in zip(*ranges, strict=True)
    )


def _quantizes(plan: Plan, case: Case) -> bool:
    """Whether a case changes anything: of what has no weight, no weight can be quantized."""
    return bool(plan.weights or plan.sites) or case.way == "rest"


def _parts(cases: Sequence[Case]) -> Iterator[tuple[Case, ...]]:
    """Cases of some layers at a time, all of each layer's together."""
    part: list[Case] = []
    layers: set[str] = set()
    for case in cases:
        if case.layer not in layers and len(layers) == _CASES:
            yield tuple(part)
            part, layers = [], set()
        part.append(case)
        layers.add(case.layer)
    if part:
        yield tuple(part)
