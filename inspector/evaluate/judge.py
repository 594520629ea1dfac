"""What whole choices do to the outputs, run for real and remembered."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from inspector.evaluate.data import Dataset
from inspector.evaluate.fidelity import class_output
from inspector.evaluate.parallel import Remote, ranges_of, run_tasks
from inspector.evaluate.preview import Numbers, Preview, Written
from inspector.evaluate.runtime import open_session
from inspector.evaluate.shipping import Kit
from inspector.evaluate.tally import Outcome, Tally, total
from inspector.graph.grids import GridChooser
from inspector.graph.placement import Placement
from inspector.onnxio.loading import Model
from inspector.onnxio.runnable import runnable
from inspector.progress import Cancel
from inspector.quant.distribution import Histogram
from inspector.quant.spec import LayerSpecs

Choice = Mapping[str, LayerSpecs]
_TASKS = 2
"""So many tasks there are at least for each that another place runs at a time."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A choice on some samples.

    Attributes:
        number: of the choice among those that are asked for together.
        choice: the filled specs of every layer.
        start: number of the first sample.
        stop: number behind the last.
    """

    number: int
    choice: Choice
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Tried:
    """What a trial gave: the tallies of its samples."""

    trial: Trial
    tallies: tuple[Tally, ...]


class Judge:
    """Runs the whole model under any choice, in one session that is built once.

    Samples run side by side, each in one thread, so that figures do not depend on the machine; with
    an executor of other processes, choices do as well.

    Cost: one forward pass a sample for each choice that was not asked for before. The samples and
    the float model's outputs are kept.
    """

    def __init__(
        self,
        source: Model,
        prepared: Model,
        placement: Placement,
        distributions: Mapping[str, Histogram],
        samples: Dataset,
        written: Written | None = None,
        *,
        executor: Executor | None = None,
    ) -> None:
        """Runs nothing yet.

        Args:
            source: the model as the user gave it: the float reference.
            prepared: the model whose layers are quantized.
            placement: the sites of its graph.
            distributions: what calibration gathered, by tensor.
            samples: what to run on.
            written: weights that a method of recovery rounded; see `Preview`.
            executor: other processes to run choices; any other executor is not used.
        """
        self._written = written
        self._source, self._prepared, self._placement = source, prepared, placement
        self._distributions, self._samples = distributions, samples
        self._executor = executor if isinstance(executor, Remote) else None
        self._feeds = [dict(feeds) for feeds in samples.samples()]
        self._labels = samples.labels
        self._chooser = GridChooser(placement.graph, prepared.constant, distributions)
        self._classes = class_output(placement.graph)
        self._preview: Preview | None = None
        self._expected: list[Mapping[str, NDArray[Any]]] = []
        self._known: dict[tuple[LayerSpecs, ...], Outcome] = {}
        self._lock = threading.Lock()

    @property
    def asked(self) -> int:
        """How many different choices were run."""
        return len(self._known)

    def knows(self, choice: Choice) -> bool:
        """Whether a choice was run before."""
        return _key(choice) in self._known

    def outcome(self, choice: Choice, cancel: Cancel | None = None) -> Outcome:
        """What a choice does; see `outcomes`."""
        found: list[Outcome] = []
        self.outcomes([choice], found.append, cancel)
        return found[0]

    def outcomes(
        self,
        choices: Sequence[Choice],
        told: Callable[[Outcome], None],
        cancel: Cancel | None = None,
    ) -> None:
        """What choices do. To be asked from one thread at a time.

        Args:
            choices: the filled specs of every layer, always in the same order.
            told: told of each choice, in their order, as soon as it and those before it are done.
            cancel: asked between runs and while they run.

        Raises:
            RunError: onnxruntime refuses the model or the samples.
            DataError: a tensor was not measured, or a weight holds no numbers.
            CancelledError: `cancel` said so.
        """
        if self._executor is not None:
            self._run_elsewhere(self._executor, choices, told, cancel)
            return
        for choice in choices:
            key = _key(choice)
            if key not in self._known:
                self._known[key] = self._run_here(choice, cancel)
            told(self._known[key])

    def run(
        self,
        task: Trial,
        cancel: Cancel | None = None,
        told: Callable[[], None] = lambda: None,
    ) -> Tried:
        """Runs a choice on some samples, one after another; raises as `outcomes`.

        Safe to call from several threads at once.
        """
        preview, numbers = self._numbers(task.choice, cancel)
        tallies: list[Tally] = []
        for number in range(task.start, task.stop):
            tallies.append(self._tally(preview, numbers, number, cancel))
            told()
        return Tried(task, tuple(tallies))

    def kit(self) -> Kit:
        """What another process makes an equal judge of."""
        return Kit.of(
            (self._source, self._prepared),
            Judge,
            self._placement,
            self._distributions,
            self._samples.held(),
            self._written,
        )

    def _run_here(self, choice: Choice, cancel: Cancel | None) -> Outcome:
        preview, numbers = self._numbers(choice, cancel)

        def run(number: int) -> Tally:
            return self._tally(preview, numbers, number, cancel)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return total(list(pool.map(run, range(len(self._feeds)))))

    def _run_elsewhere(
        self,
        executor: Remote,
        choices: Sequence[Choice],
        told: Callable[[Outcome], None],
        cancel: Cancel | None,
    ) -> None:
        new = list({_key(c): c for c in choices if not self.knows(c)}.values())
        pieces = -(-_TASKS * executor.slots // max(len(new), 1))
        ranges = ranges_of(len(self._feeds), pieces)
        tasks = [Trial(n, choice, *ends) for n, choice in enumerate(new) for ends in ranges]
        parts: dict[int, list[Tried]] = {}
        waiting = deque(choices)

        def tell() -> None:
            while waiting and (outcome := self._known.get(_key(waiting[0]))) is not None:
                waiting.popleft()
                told(outcome)

        def take(tried: Tried) -> None:
            known = parts.setdefault(tried.trial.number, [])
            known.append(tried)
            if len(known) == len(ranges):
                known.sort(key=lambda one: one.trial.start)
                of_all = [tally for one in known for tally in one.tallies]
                self._known[_key(tried.trial.choice)] = total(of_all)
                tell()

        tell()
        run_tasks(self, tasks, take, executor=executor, cancel=cancel)

    def _numbers(self, choice: Choice, cancel: Cancel | None) -> tuple[Preview, Numbers]:
        with self._lock:
            if self._preview is None:
                session = open_session(runnable(self._source), threads=1)
                self._expected = [session.run(feeds, cancel=cancel) for feeds in self._feeds]
                self._preview = Preview(
                    self._prepared, self._placement, threads=1, written=self._written
                )
            grids = self._chooser.choose(self._placement.plan(choice), cancel)
            return self._preview, self._preview.numbers(grids)

    def _tally(
        self, preview: Preview, numbers: Numbers, number: int, cancel: Cancel | None
    ) -> Tally:
        outputs = preview.run_with(numbers, self._feeds[number], cancel)
        labels = None if self._labels is None else self._labels[number]
        return Tally.of(self._classes, self._expected[number], outputs, labels)


def _key(choice: Choice) -> tuple[LayerSpecs, ...]:
    return tuple(choice.values())
