"""What whole choices do to the outputs, run for real and remembered."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from numpy.typing import NDArray

from inspector.evaluate.data import Dataset
from inspector.evaluate.fidelity import class_output
from inspector.evaluate.preview import Preview
from inspector.evaluate.runtime import open_session
from inspector.evaluate.tally import Outcome, Tally, total
from inspector.graph.grids import GridChooser
from inspector.graph.placement import Placement
from inspector.onnxio.loading import Model
from inspector.onnxio.runnable import runnable
from inspector.progress import Cancel
from inspector.quant.distribution import Histogram
from inspector.quant.spec import LayerSpecs

Choice = Mapping[str, LayerSpecs]


class Judge:
    """Runs the whole model under any choice, in one session that is built once.

    Samples run side by side, each in one thread, so that figures do not depend on the machine.
    To be asked from one thread at a time.

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
    ) -> None:
        """Runs nothing yet.

        Args:
            source: the model as the user gave it: the float reference.
            prepared: the model whose layers are quantized.
            placement: the sites of its graph.
            distributions: what calibration gathered, by tensor.
            samples: what to run on.
        """
        self._source, self._prepared, self._placement = source, prepared, placement
        self._feeds = [dict(feeds) for feeds in samples.samples()]
        self._labels = samples.labels
        self._chooser = GridChooser(placement.graph, prepared.constant, distributions)
        self._classes = class_output(placement.graph)
        self._preview: Preview | None = None
        self._expected: list[Mapping[str, NDArray[Any]]] = []
        self._known: dict[tuple[LayerSpecs, ...], Outcome] = {}

    @property
    def asked(self) -> int:
        """How many different choices were run."""
        return len(self._known)

    def knows(self, choice: Choice) -> bool:
        """Whether a choice was run before."""
        return tuple(choice.values()) in self._known

    def outcome(self, choice: Choice, cancel: Cancel | None = None) -> Outcome:
        """What a choice does.

        Args:
            choice: the filled specs of every layer, always in the same order.
            cancel: asked between runs and while they run.

        Raises:
            RunError: onnxruntime refuses the model or the samples.
            DataError: a tensor was not measured, or a weight holds no numbers.
            CancelledError: `cancel` said so.
        """
        key = tuple(choice.values())
        if key not in self._known:
            self._known[key] = self._run(choice, cancel)
        return self._known[key]

    def _run(self, choice: Choice, cancel: Cancel | None) -> Outcome:
        if self._preview is None:
            self._preview = Preview(self._prepared, self._placement, threads=1)
            session = open_session(runnable(self._source), threads=1)
            self._expected = [session.run(feeds, cancel=cancel) for feeds in self._feeds]
        preview = self._preview
        grids = self._chooser.choose(self._placement.plan(choice), cancel)
        numbers = preview.numbers(grids)

        def run(number: int) -> Tally:
            outputs = preview.run_with(numbers, self._feeds[number], cancel)
            labels = None if self._labels is None else self._labels[number]
            return Tally.of(self._classes, self._expected[number], outputs, labels)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return total(list(pool.map(run, range(len(self._feeds)))))
