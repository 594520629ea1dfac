"""How near the outputs of one model are to another's."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import CancelledError, InspectorError, ModelError
from inspector.evaluate.beside import PARTED_DB, Beside, LayerDifference, parting
from inspector.evaluate.data import Dataset
from inspector.evaluate.fidelity import Fidelity, FidelityMeter, class_output
from inspector.evaluate.latency import Latency, compare_latency
from inspector.evaluate.runtime import Session, ValueInfo, open_session
from inspector.evaluate.samples import Feeds
from inspector.graph.model import Graph
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import Model, load_model
from inspector.progress import Cancel, StageProgress
from inspector.session.samples import SampleRequest


@dataclass(frozen=True, slots=True)
class Side:
    """One of two models that are compared.

    Attributes:
        path: its file.
        file_bytes: size on disk, with external data.
        accuracy: share of samples whose label has the highest score; None without labels.
        milliseconds: median time of a run.
        latency: of one sample, run in turn with the other model; None where it was not taken.
    """

    path: Path
    file_bytes: int
    accuracy: float | None
    milliseconds: float
    latency: Latency | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "model": str(self.path),
            "file_bytes": self.file_bytes,
            "accuracy": self.accuracy,
            "milliseconds": self.milliseconds,
            "latency": None if self.latency is None else self.latency.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same samples.

    Attributes:
        a: the reference.
        b: the other.
        source: where the samples come from.
        random: they are random numbers.
        fidelity: of b's outputs to a's.
        layers: how far the tensors are apart that both compute, in the order of a.
        layers_note: why that is not known; empty where it is.
    """

    a: Side
    b: Side
    source: str
    random: bool
    fidelity: Fidelity
    layers: tuple[LayerDifference, ...] = ()
    layers_note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data, in the form that other programs build on."""
        return {
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            "data": {
                "source": self.source,
                "samples": self.fidelity.samples,
                "random": self.random,
            },
            **self.fidelity.to_json(),
            "per_output": {
                name: {"sqnr_db": value} for name, value in self.fidelity.per_output.items()
            },
            "layers": [one.to_json() for one in self.layers],
            "layers_note": self.layers_note,
            "parted_at": parting(self.layers),
            "parted_below_db": PARTED_DB,
        }


@dataclass(slots=True)
class _Runner:
    """Runs one model, keeping time and score."""

    session: Session
    path: Path
    seconds: list[float] = field(default_factory=list)
    right: int = 0
    labelled: int = 0

    def run(self, feeds: Mapping[str, NDArray[Any]], cancel: Cancel | None) -> dict[str, Any]:
        start = time.perf_counter()
        outputs = self.session.run(feeds, cancel=cancel)
        self.seconds.append(time.perf_counter() - start)
        return outputs

    def score(self, scores: NDArray[Any], label: NDArray[np.int64]) -> None:
        """Count a prediction; a label below 0 is none."""
        predicted = scores.argmax(axis=-1).ravel()
        wanted = np.asarray(label).ravel()
        if wanted.size not in (1, predicted.size):
            return
        known = np.broadcast_to(wanted >= 0, predicted.shape)
        self.right += int(np.sum((predicted == wanted) & known))
        self.labelled += int(np.sum(known))

    def side(self, file_bytes: int) -> Side:
        accuracy = self.right / self.labelled if self.labelled else None
        return Side(self.path, file_bytes, accuracy, 1e3 * float(np.median(self.seconds)))


def compare_models(
    a: Path,
    b: Path,
    data: SampleRequest,
    *,
    progress: StageProgress | None = None,
    cancel: Cancel | None = None,
) -> Comparison:
    """Run two models on the same samples.

    Args:
        a: the reference, usually the float model.
        b: the other.
        data: what to run them on.
        progress: told of ("compare", samples done, all samples).
        cancel: asked now and then.

    Raises:
        InspectorError: a model cannot be loaded or run, the two have not the same inputs and
            outputs, or the data does not fit them.
        CancelledError: `cancel` said so.
    """
    first, second = load_model(a), load_model(b)
    graph = extract_graph(first)
    samples = data.open(first, graph)
    runners = (_Runner(open_session(a), a), _Runner(open_session(b), b))
    _check_same(runners[0], runners[1])
    classes = class_output(graph)
    meter = FidelityMeter(classes)
    layers = _Layers(first, graph, second)
    for number, feeds in enumerate(samples.samples()):
        outputs = [runner.run(feeds, cancel) for runner in runners]
        _check_shapes(outputs[0], outputs[1], b)
        meter.add(outputs[0], outputs[1])
        _score(runners, outputs, classes, samples, number)
        layers.add(feeds, cancel)
        if progress is not None:
            progress("compare", number + 1, len(samples))
    times = compare_latency(first, b, samples.feeds(0), cancel=cancel)
    return Comparison(
        replace(runners[0].side(first.file_bytes), latency=times.first),
        replace(runners[1].side(second.file_bytes), latency=times.second),
        samples.source,
        samples.random,
        meter.result(),
        layers.result(),
        layers.note,
    )


class _Layers:
    """Compares the models layer by layer as long as that goes: outputs are compared all the same.

    Args:
        first: the reference.
        graph: its graph.
        second: the other model.
    """

    def __init__(self, first: Model, graph: Graph, second: Model) -> None:
        self.note = ""
        self._beside: Beside | None = None
        try:
            self._beside = Beside(first, graph, second, extract_graph(second))
        except InspectorError as error:
            self._give_up(error)

    def add(self, feeds: Feeds, cancel: Cancel | None) -> None:
        if self._beside is None:
            return
        try:
            self._beside.add(feeds, cancel)
        except CancelledError:
            raise
        except InspectorError as error:
            self._give_up(error)

    def result(self) -> tuple[LayerDifference, ...]:
        found = () if self._beside is None else self._beside.result()
        if not found and not self.note:
            self.note = "No tensor of one model has a counterpart in the other."
        return found

    def _give_up(self, error: InspectorError) -> None:
        self._beside = None
        self.note = error.message


def _score(
    runners: tuple[_Runner, _Runner],
    outputs: list[dict[str, Any]],
    classes: str | None,
    samples: Dataset,
    number: int,
) -> None:
    if classes is None or samples.labels is None:
        return
    for runner, found in zip(runners, outputs, strict=True):
        runner.score(found[classes], samples.labels[number])


def _check_same(a: _Runner, b: _Runner) -> None:
    """Refuse models that do not read and compute the same.

    Raises:
        ModelError: it names the first difference.
    """
    pairs = (
        ("input", a.session.inputs, b.session.inputs),
        ("output", a.session.outputs, b.session.outputs),
    )
    for kind, ours, theirs in pairs:
        mine, others = _types(ours), _types(theirs)
        if mine != others:
            raise ModelError(
                f"{a.path} and {b.path} do not have the same {kind}s: {_shown(mine)} "
                f"and {_shown(others)}.",
                "Compare a model with a quantized form of it.",
            )


def _types(values: tuple[ValueInfo, ...]) -> dict[str, str]:
    return {value.name: value.dtype for value in values}


def _shown(types: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({dtype})" for name, dtype in types.items()) or "none"


def _check_shapes(a: Mapping[str, Any], b: Mapping[str, Any], path: Path) -> None:
    for name, value in a.items():
        ours, theirs = getattr(value, "shape", None), getattr(b[name], "shape", None)
        if ours != theirs:
            raise ModelError(
                f"{path}: the output '{name}' is {theirs}, and the other model's {ours}.",
                "Compare a model with a quantized form of it.",
            )
