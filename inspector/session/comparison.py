"""How near one model is to another: outputs, tensor by tensor, sizes, types, time and memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import CancelledError, DataError, InspectorError
from inspector.evaluate.beside import PARTED_DB, Beside, LayerDifference, parting
from inspector.evaluate.data import Dataset
from inspector.evaluate.fidelity import Fidelity, FidelityMeter, class_output
from inspector.evaluate.joint import Joint, Known
from inspector.evaluate.latency import Entry, Latencies, Latency, measure
from inspector.evaluate.outputs import OutputDifference, OutputMeter
from inspector.evaluate.runtime import Session, open_session
from inspector.evaluate.samples import Feeds
from inspector.onnxio.runnable import runnable
from inspector.progress import Cancel, StageProgress
from inspector.session.pairing import (
    FLOAT,
    ModelPair,
    Stock,
    lone_nodes,
    open_pair,
    stock_of,
    types_by_node,
)
from inspector.session.samples import SampleRequest


@dataclass(frozen=True, slots=True)
class Side:
    """One of two models that are compared.

    Attributes:
        path: its file.
        file_bytes: size on disk, with external data.
        stock: what it is made of.
        lone: its nodes that have no partner in the other.
        accuracy: share of samples whose label has the highest score; None without labels.
        milliseconds: median time of a run while they were compared; None where they were not.
        latency: of one sample, run in turn with the other model; None where it was not taken.
    """

    path: Path
    file_bytes: int
    stock: Stock
    lone: tuple[str, ...] = ()
    accuracy: float | None = None
    milliseconds: float | None = None
    latency: Latency | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "model": str(self.path),
            "file_bytes": self.file_bytes,
            **self.stock.to_json(),
            "without_partner": list(self.lone),
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
        outputs: how each output differs.
        layers: how far the tensors are apart that both compute, in the order of a.
        layers_note: why that is not known; empty where it is.
        types: node of a, and node of b -> how its weights and activations are stored.
        notes: what a reader must know of how the two were compared.
        data_notes: how the samples are fed.
        latencies: how long both take; None where it was not measured.
    """

    a: Side
    b: Side
    source: str
    random: bool
    fidelity: Fidelity
    outputs: tuple[OutputDifference, ...] = ()
    layers: tuple[LayerDifference, ...] = ()
    layers_note: str = ""
    types: tuple[Mapping[str, str], Mapping[str, str]] = field(default_factory=lambda: ({}, {}))
    notes: tuple[str, ...] = ()
    data_notes: tuple[str, ...] = ()
    latencies: Latencies | None = None

    @property
    def parted_at(self) -> str | None:
        """The first node of a behind which they have parted; None for none."""
        return parting(self.layers)

    def types_of(self, layer: LayerDifference) -> tuple[str, str]:
        """How both store a layer: "int8:channel / uint8:tensor"."""
        return self.types[0].get(layer.node, FLOAT), self.types[1].get(layer.other, FLOAT)

    def with_latencies(self, found: Latencies) -> Comparison:
        """The same with the times of both."""
        a, b = replace(self.a, latency=found.first), replace(self.b, latency=found.second)
        return replace(self, a=a, b=b, latencies=found)

    def to_json(self) -> dict[str, Any]:
        """Plain data, in the form that other programs build on."""
        times = self.latencies
        return {
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            "data": {
                "source": self.source,
                "samples": self.fidelity.samples,
                "random": self.random,
            },
            **self.fidelity.to_json(),
            "per_output": {one.name: one.to_json() for one in self.outputs},
            "layers": [{**one.to_json(), "types": list(self.types_of(one))} for one in self.layers],
            "layers_note": self.layers_note,
            "parted_at": self.parted_at,
            "parted_below_db": PARTED_DB,
            "latency": None
            if times is None
            else {"ratio": times.ratio, "runs": times.runs, "threads": times.threads},
            "notes": [*self.notes, *self.data_notes],
        }


@dataclass(slots=True)
class _Runner:
    """Runs one model, keeping time and score."""

    session: Session
    seconds: list[float] = field(default_factory=list)
    right: int = 0
    labelled: int = 0

    def run(self, feeds: Mapping[str, NDArray[Any]], cancel: Cancel | None) -> dict[str, Any]:
        start = time.perf_counter()
        outputs = self.session.run(feeds, cancel=cancel)
        self.seconds.append(time.perf_counter() - start)
        return outputs

    def score(self, scores: NDArray[Any], label: NDArray[np.int64]) -> bool:
        """Count a prediction; a label below 0 is none. False where the label fits none."""
        predicted = scores.argmax(axis=-1).ravel()
        wanted = np.asarray(label).ravel()
        if wanted.size not in (1, predicted.size):
            return False
        known = np.broadcast_to(wanted >= 0, predicted.shape)
        self.right += int(np.sum((predicted == wanted) & known))
        self.labelled += int(np.sum(known))
        return True

    def judge(self, side: Side) -> Side:
        accuracy = self.right / self.labelled if self.labelled else None
        return replace(side, accuracy=accuracy, milliseconds=1e3 * float(np.median(self.seconds)))


def compare_models(
    a: Path,
    b: Path,
    data: SampleRequest,
    *,
    progress: StageProgress | None = None,
    cancel: Cancel | None = None,
) -> Comparison:
    """Run two models on the same samples, and time them.

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
    pair = open_pair(a, b)
    joint = pair.require_joint()
    samples = data.open(pair.first.model, joint.graph)

    def tell(done: Comparison) -> None:
        if progress is not None:
            progress("compare", done.fidelity.samples, len(samples))

    found = compare_pair(pair, samples, tell=tell, cancel=cancel)
    return found.with_latencies(measure_pair(pair, samples, cancel=cancel))


def compare_pair(
    pair: ModelPair,
    samples: Dataset,
    *,
    threads: int = 0,
    tell: Callable[[Comparison], None] = lambda _: None,
    cancel: Cancel | None = None,
) -> Comparison:
    """Run two models that are matched on the same samples.

    Args:
        pair: the models.
        samples: opened for the graph of `pair.joint`.
        threads: for onnxruntime; 0 for every core.
        tell: gets what is known after each sample.
        cancel: asked now and then.

    Raises:
        InspectorError: there are no samples, or a model cannot be run on them.
        CancelledError: `cancel` said so.
    """
    joint = pair.require_joint()
    if not len(samples):
        raise DataError(f"{samples.source} holds no samples.", "Give data with at least one.")
    work = _Work(pair, joint, samples, threads)
    found = work.comparison()
    for number, sample in enumerate(samples.samples()):
        work.add(number, sample, cancel)
        found = work.comparison()
        tell(found)
    return found


def measure_pair(
    pair: ModelPair, samples: Dataset, *, threads: int = 1, cancel: Cancel | None = None
) -> Latencies:
    """How long both take for the first sample, and how much memory; see `measure`."""
    feeds = pair.require_joint().feeds(samples.feeds(0))
    entries = [
        Entry.of(known.model, given, known.graph, known.quantized)
        for known, given in zip((pair.first, pair.second), feeds, strict=True)
    ]
    return measure(entries[0], entries[1], threads=threads, cancel=cancel)


def sides_of(pair: ModelPair) -> tuple[Side, Side]:
    """What is known of both models before they run."""
    lone = lone_nodes(pair)
    first, second = (
        Side(
            Path(known.model.path or known.title),
            known.model.file_bytes,
            stock_of(known),
            tuple(node.name for node in known.graph.nodes if node.name in alone),
        )
        for known, alone in zip((pair.first, pair.second), lone, strict=True)
    )
    return first, second


class _Work:
    """Adds up what a comparison says, sample by sample."""

    def __init__(self, pair: ModelPair, joint: Joint, samples: Dataset, threads: int) -> None:
        self._joint, self._samples = joint, samples
        self._sides = sides_of(pair)
        self._runners = _runner(pair.first, threads), _runner(pair.second, threads)
        classes = class_output(joint.graph)
        self._classes = classes if classes in joint.outputs else None
        self._meter = OutputMeter(FidelityMeter(self._classes))
        self._layers = _Layers(pair, joint, threads)
        self._types = types_by_node(pair.first), types_by_node(pair.second)
        self._notes = dict.fromkeys((*_matching_notes(pair), *joint.notes))

    def add(self, number: int, sample: Feeds, cancel: Cancel | None) -> None:
        """Run both on a sample."""
        feeds = self._joint.feeds(sample)
        found = [one.run(fed, cancel) for one, fed in zip(self._runners, feeds, strict=True)]
        first, second = self._joint.results(found[0], found[1])
        self._meter.add(first, second)
        if self._classes is not None and self._samples.labels is not None:
            label = self._samples.labels[number]
            for runner, outputs in zip(self._runners, (first, second), strict=True):
                if not runner.score(outputs[self._classes], label):
                    self._notes["The labels do not fit the outputs: there is no accuracy."] = None
        self._layers.add(sample, cancel)

    def comparison(self) -> Comparison:
        """What is known so far."""
        fidelity, outputs = self._meter.result()
        sides = self._sides
        if fidelity.samples:
            sides = self._runners[0].judge(sides[0]), self._runners[1].judge(sides[1])
        return Comparison(
            sides[0],
            sides[1],
            self._samples.source,
            self._samples.random,
            fidelity,
            outputs,
            self._layers.result(),
            self._layers.note,
            self._types,
            tuple(self._notes),
            () if self._samples.random else self._samples.notes,
        )


class _Layers:
    """Compares the models layer by layer as long as that goes: outputs are compared all the same.

    Args:
        pair: the models.
        joint: how samples go to both.
        threads: for onnxruntime.
    """

    def __init__(self, pair: ModelPair, joint: Joint, threads: int) -> None:
        self.note = ""
        self._beside: Beside | None = None
        if not pair.partners.pairs:
            self.note = "No tensor of one model has a counterpart in the other."
            return
        try:
            self._beside = Beside(pair.first, pair.second, joint, pair.partners, threads)
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
        return () if self._beside is None else self._beside.result()

    def _give_up(self, error: InspectorError) -> None:
        self._beside = None
        self.note = error.message


def _matching_notes(pair: ModelPair) -> tuple[str, ...]:
    """What to know of how the nodes were matched, where that is not the usual way."""
    matched, found = len(pair.partners.there), pair.partners
    count = matched + len(lone_nodes(pair)[0])
    if 2 * matched < count:
        text = f"Only {matched} of {count} operators have a partner: these may be other networks."
        return (text,)
    if 2 * found.by_structure > matched:
        return ("Names have little in common: most operators were matched by their order.",)
    return ()


def _runner(known: Known, threads: int) -> _Runner:
    """As the file is run: what others would see."""
    path = known.model.path
    there = path is not None and path.is_file()
    what = path if there and path is not None else runnable(known.model)
    return _Runner(open_session(what, threads=threads, title=known.title))
