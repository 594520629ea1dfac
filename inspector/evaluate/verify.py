"""What a saved model does, beside what was predicted of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from inspector.evaluate.classes import ClassMeter
from inspector.evaluate.data import Dataset
from inspector.evaluate.fidelity import Fidelity, FidelityMeter, class_output
from inspector.evaluate.integers import as_fed, as_real, ends_of_file
from inspector.evaluate.preview import Preview
from inspector.evaluate.runtime import Session, open_session
from inspector.graph.grids import Grids
from inspector.graph.placement import Placement
from inspector.onnxio.loading import Model
from inspector.onnxio.runnable import runnable
from inspector.onnxio.writers.integer_io import End
from inspector.progress import Cancel, Progress

TOLERANCE_DB = 0.5
"""How far predicted and measured SQNR may be apart before a reason is looked for."""

ROUNDING_DB = 100.0
"""From this SQNR on an error is float32's own: no two orders of summation give the same figure."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of the labelled predictions that each model gets right, 0 to 1.

    Attributes:
        reference: the float model's.
        predicted: the simulation's.
        measured: the saved file's.
        labelled: how many predictions have a label.
    """

    reference: float
    predicted: float
    measured: float
    labelled: int

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "float": self.reference,
            "predicted": self.predicted,
            "measured": self.measured,
            "labelled": self.labelled,
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """Prediction and measurement of one saved file, both against the float model.

    Attributes:
        source: where the samples come from.
        random: they are random numbers.
        predicted: from the simulation.
        measured: from running the saved file in onnxruntime as it is.
        cause: why the two differ by more than TOLERANCE_DB, as far as it is known; else empty.
        accuracy: how often each is right; None where the samples have no labels.
    """

    source: str
    random: bool
    predicted: Fidelity
    measured: Fidelity
    cause: str = ""
    accuracy: Accuracy | None = None

    @property
    def agrees(self) -> bool:
        """Whether prediction and measurement are within TOLERANCE_DB, or both mere rounding."""
        a, b = self.predicted.sqnr_db, self.measured.sqnr_db
        if min(a, b) >= ROUNDING_DB:
            return True
        return a == b or abs(a - b) <= TOLERANCE_DB or (math.isnan(a) and math.isnan(b))


def verify(
    source: Model,
    prepared: Model,
    placement: Placement,
    grids: Grids,
    saved: Path,
    samples: Dataset,
    *,
    name: str = "",
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Verification:
    """Runs the float model, the simulation and the saved file on the same samples.

    Args:
        source: the model as the user gave it.
        prepared: the model that was quantized.
        placement: the sites of its graph.
        grids: what was written.
        saved: the file that was written.
        samples: what to run on.
        name: what to call the file in errors; its path by default.
        progress: told of (samples done, all samples).
        cancel: asked between runs and while one runs.

    Raises:
        RunError: onnxruntime refuses a model.
        CancelledError: `cancel` said so.

    Cost: three forward passes a sample; five where the figures differ.
    """
    title = str(source.path or "the model")
    reference = open_session(runnable(source), title=title)
    file, ends = open_session(saved, title=name), ends_of_file(saved)
    preview = Preview.suiting(grids, prepared, placement)
    classes = class_output(placement.graph)
    predicted, measured = FidelityMeter(classes), FidelityMeter(classes)
    right = ClassMeter(classes), ClassMeter(classes)
    for number, feeds in enumerate(samples.samples()):
        expected = reference.run(feeds, cancel=cancel)
        simulated, found = preview.run(grids, feeds, cancel), _run(file, feeds, ends, cancel)
        predicted.add(expected, simulated)
        measured.add(expected, found)
        if samples.labels is not None:
            right[0].add(expected, simulated, samples.labels[number])
            right[1].add(expected, found, samples.labels[number])
        if progress is not None:
            progress(number + 1, len(samples))
    result = Verification(
        samples.source,
        samples.random,
        predicted.result(),
        measured.result(),
        accuracy=_accuracy(*right),
    )
    if result.agrees:
        return result
    cause = _cause(reference, saved, samples, result.predicted, classes, cancel)
    return replace(result, cause=cause)


def _accuracy(predicted: ClassMeter, measured: ClassMeter) -> Accuracy | None:
    first, second = predicted.result(), measured.result()
    if first.accuracy is None or second.accuracy is None:
        return None
    return Accuracy(*first.accuracy, second.accuracy[1], first.labelled)


def _run(
    file: Session, feeds: Mapping[str, NDArray[Any]], ends: Sequence[End], cancel: Cancel | None
) -> dict[str, NDArray[Any]]:
    """A file's outputs in real numbers; it may take and give integers."""
    return as_real(file.run(as_fed(feeds, ends), cancel=cancel), ends)


def _cause(
    reference: Session,
    saved: Path,
    samples: Dataset,
    predicted: Fidelity,
    classes: str | None,
    cancel: Cancel | None,
) -> str:
    """Runs the file in other ways to see which one keeps the promise."""
    ways: tuple[tuple[dict[str, Any], str], ...] = (
        (
            {"precise": True},
            "onnxruntime's 8-bit kernels saturate 16-bit sums on this processor; the session "
            "option session.x64quantprecision=1 avoids it.",
        ),
        (
            {"optimize": False},
            "onnxruntime's graph optimizations change the numbers of this model; without them "
            "the file does what was predicted.",
        ),
    )
    for options, words in ways:
        session, ends = open_session(saved, **options), ends_of_file(saved)
        meter = FidelityMeter(classes)
        for feeds in samples.samples():
            meter.add(reference.run(feeds, cancel=cancel), _run(session, feeds, ends, cancel))
        if abs(meter.result().sqnr_db - predicted.sqnr_db) <= TOLERANCE_DB:
            return words
    return (
        "The cause is not known: neither integer kernels nor graph optimizations explain it. "
        "With few samples or very small errors, rounding alone can."
    )
