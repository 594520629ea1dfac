"""The end-to-end figures of today's choices, without saving anything. Runs on a worker thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from inspector.errors import CancelledError
from inspector.evaluate.data import Dataset
from inspector.evaluate.fidelity import Fidelity, FidelityMeter, class_output
from inspector.evaluate.preview import Preview
from inspector.evaluate.runtime import open_session
from inspector.evaluate.statistics import Calibration
from inspector.graph.grids import GridChooser, Grids
from inspector.gui.tasks import Context
from inspector.onnxio.runnable import runnable
from inspector.session.job import resolve
from inspector.session.opening import OpenModel
from inspector.session.recipe import Recipe

MOST_SAMPLES = 8
_ASK_SECONDS = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What the model does under a recipe, and with which numbers.

    Attributes:
        fidelity: how near its outputs are to the float model's; None without samples.
        grids: every scale and zero point, as they would be written.
    """

    fidelity: Fidelity | None
    grids: Grids


class Estimator:
    """Keeps what does not change between estimates: the numbers chosen, the session, the outputs.

    One for each model and calibration. Requests may come from several threads; they run one after
    the other, and one that is cancelled while it waits gives its thread back at once.
    """

    def __init__(self, opened: OpenModel, calibration: Calibration) -> None:
        self._opened = opened
        constant = opened.prepared.constant
        self._chooser = GridChooser(opened.graph, constant, calibration.tensors)
        self._lock = threading.Lock()
        self._preview: Preview | None = None
        self._data: Dataset | None = None
        self._expected: list[tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]] = []
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
            plan = self._opened.placement.plan(resolve(self._opened, recipe))
            grids = self._chooser.choose(plan, context.cancelled)
            if data is None:
                return Estimate(None, grids)
            preview = self._prepare(data, context)
            meter = FidelityMeter(self._classes)
            for feeds, expected in self._expected:
                meter.add(expected, preview.run(grids, feeds, context.cancelled))
            return Estimate(meter.result(), grids)

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

    def _prepare(self, data: Dataset, context: Context) -> Preview:
        if self._preview is None:
            self._preview = Preview(self._opened.prepared, self._opened.placement)
        if data is not self._data:
            session = open_session(runnable(self._opened.source))
            samples = data.split_for_verification()[1].spread(MOST_SAMPLES)
            self._expected = [
                (feeds, session.run(feeds, cancel=context.cancelled)) for feeds in samples.samples()
            ]
            self._data = data
        return self._preview
