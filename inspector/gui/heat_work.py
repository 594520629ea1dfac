"""What is computed in the background for heat colours: frozen requests and their answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspector.errors import CancelledError
from inspector.evaluate.data import Dataset
from inspector.evaluate.statistics import Calibration
from inspector.graph.grids import Grids, identity
from inspector.graph.model import Layer
from inspector.gui.tasks import Context
from inspector.quant.profile import error_profile
from inspector.session.chosen import resolve
from inspector.session.opening import OpenModel
from inspector.session.recipe import Recipe

if TYPE_CHECKING:  # what only workers need is imported by them: the window starts sooner
    from inspector.evaluate.alone import Alone

MOST_SAMPLES = 4
"""Layers differ by many dB; a few samples tell them apart, and each costs a pass for each layer."""

_ASK_SECONDS = 0.02
_TELL_SECONDS = 0.1

GridKey = tuple[str, bytes]
"""A tensor and the grid that it is on."""


@dataclass(frozen=True, slots=True, eq=False)
class ActivationAnswer:
    """Activation SQNR in dB by layer, and by tensor and grid for the next request."""

    by_layer: Mapping[str, float]
    by_grid: Mapping[GridKey, float]


@dataclass(frozen=True, slots=True, eq=False)
class ActivationRequest:
    """The errors of what enters each layer, on the grids that would be written.

    Attributes:
        calibration: the histograms.
        grids: of the whole model.
        layers: whose first activation is looked at.
        known: what was found before.
    """

    calibration: Calibration
    grids: Grids
    layers: tuple[Layer, ...]
    known: Mapping[GridKey, float]

    def run(self, context: Context) -> ActivationAnswer:
        """Find the errors; some tenths of a millisecond for each that is new.

        Raises:
            CancelledError: other grids are known by now.
        """
        by_layer: dict[str, float] = {}
        by_grid: dict[GridKey, float] = {}
        for layer in self.layers:
            tensor = layer.activations[0]
            grid = self.grids.at(tensor, layer.name)
            values = self.calibration.tensors.get(tensor)
            if grid is None or values is None:
                continue
            if context.cancelled():
                raise CancelledError
            key = (tensor, identity(grid))
            if key not in by_grid:
                found = self.known.get(key)
                by_grid[key] = error_profile(values, grid).total_sqnr_db if found is None else found
            by_layer[layer.name] = by_grid[key]
        return ActivationAnswer(by_layer, by_grid)


class OutputWork:
    """Quantizes layers one at a time; keeps its session from request to request.

    One for each model, calibration and data. Requests may come from several threads; they run one
    after the other, and one that is cancelled while it waits gives its thread back at once.
    """

    def __init__(self, opened: OpenModel, calibration: Calibration, data: Dataset) -> None:
        from inspector.evaluate.alone import OneByOne

        self._opened = opened
        self._lock = threading.Lock()
        samples = data.split_for_verification()[1].spread(MOST_SAMPLES)
        self._samples = len(samples)
        self._runner = OneByOne(
            opened.source, opened.prepared, opened.placement, calibration.tensors, samples
        )

    def run(
        self,
        recipe: Recipe,
        layers: tuple[str, ...],
        tell: Callable[[tuple[Alone, ...]], None],
        context: Context,
    ) -> None:
        """Find the output error of each of these layers alone.

        Args:
            recipe: how they are quantized.
            layers: which, in the order wanted.
            tell: gets what was found, a few times a second.
            context: of the task.

        Raises:
            InspectorError: the recipe cannot be carried out, or the model cannot be run.
            CancelledError: it was stopped; what was found until then has been told.
        """
        specs = resolve(self._opened, recipe)
        gathered: list[Alone] = []
        told = time.monotonic()
        done = 0
        with self._turn(context):
            try:
                for one in self._runner.run(specs, layers, context.cancelled):
                    gathered.append(one)
                    done += 1
                    context.progress(done, len(layers) * self._samples)
                    if time.monotonic() - told >= _TELL_SECONDS:
                        tell(tuple(gathered))
                        gathered.clear()
                        told = time.monotonic()
            finally:
                tell(tuple(gathered))

    @contextmanager
    def _turn(self, context: Context) -> Iterator[None]:
        while not self._lock.acquire(timeout=_ASK_SECONDS):
            if context.cancelled():
                raise CancelledError
        try:
            yield
        finally:
            self._lock.release()
