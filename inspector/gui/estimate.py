"""The end-to-end figures of today's choices, without saving anything. Runs on a worker thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from inspector.cache import CachePool
from inspector.errors import CancelledError
from inspector.evaluate.classes import Classes, ClassMeter
from inspector.evaluate.data import Dataset
from inspector.evaluate.fidelity import Fidelity, FidelityMeter, class_output
from inspector.evaluate.layer_errors import LayerErrors, LayerRequest
from inspector.evaluate.preview import Preview, has_float8, on_output_grids
from inspector.evaluate.resume import Resumed
from inspector.evaluate.runtime import open_session
from inspector.evaluate.samples import Feeds
from inspector.evaluate.statistics import Calibration
from inspector.graph.grids import GridChooser, Grids
from inspector.gui.tasks import Context
from inspector.onnxio.runnable import runnable
from inspector.session.chosen import resolve
from inspector.session.opening import OpenModel
from inspector.session.recipe import Recipe
from inspector.session.writing import with_output_grids

MOST_SAMPLES = 8
_MOST_LANES = 4
_ASK_SECONDS = 0.02

_Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What the model does under a recipe, and with which numbers.

    Attributes:
        fidelity: how near its outputs are to the float model's; None without samples.
        classes: what it says of each sample; None without samples.
        grids: every scale and zero point, as they would be written.
        seconds: how long it took to find out.
    """

    fidelity: Fidelity | None
    classes: Classes | None
    grids: Grids
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class LayerJob:
    """All that is needed to find the error at each layer's output.

    Attributes:
        errors: finds it.
        request: the choice.
        samples: what to run on.
        grids: the numbers of the choice.
    """

    errors: LayerErrors
    request: LayerRequest
    samples: Sequence[Feeds]
    grids: Grids


class Estimator:
    """Keeps what does not change between estimates: the numbers chosen, the session, the outputs.

    One for each model and calibration. Requests may come from several threads; they run one after
    the other, and one that is cancelled while it waits gives its thread back at once.

    Samples run side by side, each on cores of its own: between the small steps of one sample
    several cores would wait for one another more than they compute. Each begins where the choice
    differs from the last one.
    """

    def __init__(self, opened: OpenModel, calibration: Calibration, caches: CachePool) -> None:
        self._opened, self._caches = opened, caches
        constant = opened.prepared.constant
        self._distributions = calibration.tensors
        known = caches.section("Grids")
        self._chooser = GridChooser(opened.graph, constant, self._distributions, known)
        self._lock = threading.Lock()
        self._preview: Preview | None = None
        self._resumed: Resumed | None = None
        self._layer_errors: LayerErrors | None = None
        self._lanes = 1
        self.sessions_built = 0
        self._data: Dataset | None = None
        self._samples: Dataset | None = None
        self._expected: list[tuple[_Arrays, _Arrays]] = []
        self._classes = class_output(opened.graph)

    def run(self, recipe: Recipe, data: Dataset | None, context: Context) -> Estimate:
        """Compare the model under a recipe with the float model on a few samples.

        Args:
            recipe: the choices.
            data: where the samples are from; None to choose the numbers alone.
            context: of the task.

        Raises:
            InspectorError: the recipe cannot be carried out.
            CancelledError: a newer request came.
        """
        with self._turn(context):
            started = time.perf_counter()
            grids = self._choose(recipe, context)
            if data is None:
                return Estimate(None, None, grids, time.perf_counter() - started)
            preview = self._preview
            if preview is None or data is not self._data or not preview.suits(grids):
                preview = self._prepare(data, grids, context)
                started = time.perf_counter()  # what is done once says nothing of the next change
            assert self._resumed is not None
            found = self._simulate(preview, self._resumed, grids, context)
            fidelity, classes = self._compare(found)
            return Estimate(fidelity, classes, grids, time.perf_counter() - started)

    def layer_job(self, recipe: Recipe, data: Dataset, context: Context) -> LayerJob:
        """Get ready to find the errors of layers; others have their turn while they are found.

        Raises:
            InspectorError: the recipe cannot be carried out.
            CancelledError: nobody wants them any more.
        """
        with self._turn(context):
            grids = self._choose(recipe, context)
            preview = self._prepare(data, grids, context)
            if self._layer_errors is None:
                self._layer_errors = LayerErrors(preview)
            samples = [feeds for feeds, _ in self._expected]
            return LayerJob(self._layer_errors, LayerRequest.of(preview, grids), samples, grids)

    def _choose(self, recipe: Recipe, context: Context) -> Grids:
        plan = self._opened.placement.plan(resolve(self._opened, recipe))
        grids = self._chooser.choose(plan, context.cancelled)
        return with_output_grids(self._opened.graph, recipe, grids, self._distributions)

    @contextmanager
    def _turn(self, context: Context) -> Iterator[None]:
        """Wait until it is this request's turn, or until nobody wants its answer any more."""
        while not self._lock.acquire(timeout=_ASK_SECONDS):
            if context.cancelled():
                raise CancelledError
        try:
            if context.cancelled():
                raise CancelledError
            yield
        finally:
            self._lock.release()

    def _prepare(self, data: Dataset, grids: Grids, context: Context) -> Preview:
        samples = preview_samples(data)
        if data is not self._data:
            session = open_session(runnable(self._opened.source))
            self._expected = [
                (feeds, session.run(feeds, cancel=context.cancelled)) for feeds in samples.samples()
            ]
            self._data, self._samples, self._resumed = data, samples, None
        lanes = min(cores(), len(samples), _MOST_LANES)
        known, threads = self._preview, max(1, cores() // lanes)
        if known is None or lanes != self._lanes or not known.suits(grids):
            self._lanes = lanes
            self._preview = Preview(
                self._opened.prepared,
                self._opened.placement,
                threads=threads,
                float8=has_float8(grids) or (known is not None and known.float8),
                dynamic=bool(grids.plan.dynamic),
                held=self._caches.section("Quantized weights"),
            )
            self._resumed = self._layer_errors = None
        assert self._preview is not None
        if self._resumed is None:
            feeds = [feeds for feeds, _ in self._expected]
            kept = self._caches.section("Activations at cuts")
            numbers = self._preview.numbers(grids)
            self._resumed = Resumed(self._preview, feeds, kept, numbers, threads=threads)
            self.sessions_built += 1
        return self._preview

    def _simulate(
        self, preview: Preview, resumed: Resumed, grids: Grids, context: Context
    ) -> Sequence[Mapping[str, NDArray[Any]]]:
        """The outputs of every sample, in order."""
        numbers = preview.numbers(grids)
        with ThreadPoolExecutor(self._lanes, thread_name_prefix="preview") as pool:
            return list(
                pool.map(
                    lambda sample: on_output_grids(
                        resumed.run(sample, numbers, context.cancelled), grids
                    ),
                    range(len(self._expected)),
                )
            )

    def _compare(self, found: Sequence[Mapping[str, NDArray[Any]]]) -> tuple[Fidelity, Classes]:
        meter, classes = FidelityMeter(self._classes), ClassMeter(self._classes)
        labels = None if self._samples is None else self._samples.labels
        for number, ((_, expected), outputs) in enumerate(zip(self._expected, found, strict=True)):
            meter.add(expected, outputs)
            classes.add(expected, outputs, None if labels is None else labels[number])
        return meter.result(), classes.result()


def preview_samples(data: Dataset) -> Dataset:
    """The few samples that figures are found on: such as calibration does not see."""
    return data.split_for_verification()[1].spread(MOST_SAMPLES)


def cores() -> int:
    """How many there are for this program."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
