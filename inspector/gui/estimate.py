"""The end-to-end figures of today's choices, without saving anything. Runs on a worker thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from inspector.errors import CancelledError
from inspector.evaluate.data import Dataset
from inspector.evaluate.fidelity import Fidelity, FidelityMeter, class_output
from inspector.evaluate.preview import Preview
from inspector.evaluate.runtime import open_session
from inspector.evaluate.statistics import Calibration
from inspector.graph.grids import Grids
from inspector.gui.tasks import Context
from inspector.onnxio.runnable import runnable
from inspector.session.job import grids_of, resolve
from inspector.session.opening import OpenModel
from inspector.session.recipe import Recipe

MOST_SAMPLES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What the model does under a recipe, and with which numbers.

    Attributes:
        fidelity: how near its outputs are to the float model's.
        grids: every scale and zero point, as they would be written.
    """

    fidelity: Fidelity
    grids: Grids


class Estimator:
    """Keeps what does not change between estimates: the session and the float outputs.

    One for each model and data set. Requests may come from several threads; they run one after the
    other.
    """

    def __init__(self, opened: OpenModel, samples: Dataset) -> None:
        self._opened = opened
        self._samples = samples.spread(MOST_SAMPLES)
        self._lock = threading.Lock()
        self._preview: Preview | None = None
        self._expected: list[tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]] = []
        self._classes = class_output(opened.graph)

    def run(self, recipe: Recipe, calibration: Calibration, context: Context) -> Estimate:
        """Compare the model under a recipe with the float model on a few samples.

        Raises:
            InspectorError: the recipe cannot be carried out.
            CancelledError: a newer request came.
        """
        with self._lock:
            if context.cancelled():
                raise CancelledError
            plan = self._opened.placement.plan(resolve(self._opened, recipe))
            grids = grids_of(self._opened, plan, calibration)
            self._prepare(context)
            assert self._preview is not None
            meter = FidelityMeter(self._classes)
            for feeds, expected in self._expected:
                meter.add(expected, self._preview.run(grids, feeds, context.cancelled))
            return Estimate(meter.result(), grids)

    def _prepare(self, context: Context) -> None:
        if self._preview is None:
            self._preview = Preview(self._opened.prepared, self._opened.placement)
        if not self._expected:
            session = open_session(runnable(self._opened.source))
            self._expected = [
                (feeds, session.run(feeds, cancel=context.cancelled))
                for feeds in self._samples.samples()
            ]
