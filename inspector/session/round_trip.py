"""Whether a quantized model that was opened and is saved again still gives the same numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import RunError
from inspector.evaluate.data import Dataset
from inspector.evaluate.random_data import random_data
from inspector.evaluate.runtime import Session, open_session
from inspector.onnxio.loading import Model
from inspector.onnxio.runnable import runnable
from inspector.session.chosen import grids_of, resolve
from inspector.session.importing import Imported
from inspector.session.writing import write_model

SAMPLES = 2


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """What came of running both files on the same random inputs.

    Attributes:
        same: whether every output of every run is the same, bit for bit.
        text: the same in words, with where they differ and by how much, or why they were not run.
    """

    same: bool
    text: str


def written_again(imported: Imported) -> Model:
    """The model that is saved where nothing of an opened one was changed.

    Raises:
        InspectorError: it cannot be written.
    """
    opened, recipe = imported.opened, imported.recipe
    plan = opened.placement.plan(resolve(opened, recipe))
    grids = grids_of(opened, plan, None)
    return write_model(opened.prepared, opened.placement, recipe, grids)


def round_trip(source: Model, imported: Imported, samples: int = SAMPLES) -> RoundTrip:
    """Runs a quantized model and what is saved of it, with graph optimizations off and on.

    Cost: two sessions and `samples` forward passes of each model, twice.
    """
    again = written_again(imported)
    data = random_data(imported.opened.graph, samples=samples)
    for optimize, words in ((False, "off"), (True, "on")):
        try:
            first = open_session(runnable(source), optimize=optimize)
            second = open_session(runnable(again), optimize=optimize)
            found = _difference(first, second, data)
        except RunError as error:
            return RoundTrip(False, f"It could not be tried: {error.message}")
        if found:
            return RoundTrip(
                False, f"Saved again it gives other numbers, with optimizations {words}: {found}."
            )
    return RoundTrip(
        True,
        f"Saved again it gives the same numbers, bit for bit ({samples} random samples, "
        "optimizations off and on).",
    )


def _difference(first: Session, second: Session, data: Dataset) -> str:
    for feeds in data.samples():
        expected, found = first.run(feeds), second.run(feeds)
        for name, values in expected.items():
            if not _same_bits(values, found[name]):
                return f"'{name}' differs by up to {_distance(values, found[name]):.3g}"
    return ""


def _same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _distance(a: NDArray[Any], b: NDArray[Any]) -> float:
    if a.shape != b.shape or not np.issubdtype(a.dtype, np.number):
        return float("nan")
    return float(np.max(np.abs(a.astype(np.float64) - b.astype(np.float64)), initial=0.0))
