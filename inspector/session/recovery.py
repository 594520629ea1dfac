"""Carries out what a recipe says is to be done so that quantizing costs less."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from inspector.errors import DataError
from inspector.evaluate.calibrate import Calibration, calibrate
from inspector.evaluate.data import Dataset
from inspector.evaluate.fidelity import Fidelity, FidelityMeter, class_output
from inspector.evaluate.preview import Numbers, Preview, Written, has_float8
from inspector.evaluate.recovery.bias import correct_biases, corrected
from inspector.evaluate.recovery.moving import MOVING, move
from inspector.evaluate.recovery.reconstruct import ROUNDINGS, reconstruct
from inspector.evaluate.recovery.shelf import shelf
from inspector.evaluate.recovery.walk import Walk
from inspector.evaluate.runtime import open_session
from inspector.graph.grids import Grids, choose_grids, identity
from inspector.graph.model import Layer
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.own_bias import bias_tensor, own_bias, replace_constants
from inspector.onnxio.runnable import runnable
from inspector.progress import Cancel, StageProgress, of_stage
from inspector.quant.distribution import Histogram
from inspector.quant.recover import Recover
from inspector.quant.spec import LayerSpecs
from inspector.session.opening import OpenModel, with_prepared
from inspector.session.recipe import Recipe

MOST_SAMPLES = 64
"""Samples that layers are visited with: more hardly change means and correlations."""

_STAGES = {
    "equalize": "Equalizing",
    "absorb": "Absorbing biases",
    "smooth": "Smoothing activations",
    "awq": "Scaling weights",
    "gptq": "Rounding weights",
    "adaround": "Learning how to round",
    "bias": "Correcting biases",
}


@dataclass(frozen=True, slots=True)
class RecoveryStep:
    """What one method did.

    Attributes:
        method: its name; "" for what the model does without any.
        layers: names of the layers that it changed.
        left: why others that it was switched on for were left alone.
        fidelity: how near the quantized outputs are to the float model's with this method and those
            before it; predicted, on the samples of `Recovery.source`.
    """

    method: str
    layers: tuple[str, ...]
    left: tuple[str, ...]
    fidelity: Fidelity

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "method": self.method,
            "layers": list(self.layers),
            "left": list(self.left),
            **self.fidelity.to_json(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Recovery:
    """A model with what was done so that quantizing costs less.

    Attributes:
        opened: the model to quantize: its float function is that of the one given.
        calibration: the statistics of its activations.
        grids: its scales and zero points.
        model: `opened.prepared` with the weights and biases that are written: on the grids, they
            are what the methods chose.
        steps: what the model does without any method, and with each of them.
        samples: how many samples the methods saw.
        source: where the samples come from that `steps` were measured on.
    """

    opened: OpenModel
    calibration: Calibration | None
    grids: Grids
    model: Model
    steps: tuple[RecoveryStep, ...]
    samples: int
    source: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "samples": self.samples,
            "measured_on": self.source,
            "steps": [step.to_json() for step in self.steps],
        }


def recover(
    opened: OpenModel,
    recipe: Recipe,
    calibration: Calibration | None,
    data: Dataset | None,
    held_back: Dataset | None = None,
    *,
    progress: StageProgress | None = None,
    cancel: Cancel | None = None,
) -> Recovery:
    """Does what a recipe switches on, one method after the other, and measures each.

    Args:
        opened: the model.
        recipe: the choices.
        calibration: what is known of the activations; None where none is quantized.
        data: the samples that the methods learn from; at most `MOST_SAMPLES` of them are used.
        held_back: samples to measure on, which the methods do not see; `data` if there are none.
        progress: told of each method as a stage.
        cancel: asked between runs and while one runs.

    Raises:
        DataError: there are no samples, or nothing is known of the activations.
        RunError: onnxruntime failed.
        CancelledError: `cancel` said so.
    """
    if data is None or not len(data):
        raise no_samples_error()
    measured = held_back if held_back is not None and len(held_back) else data.spread(16)
    job = _Job(opened, recipe, calibration, data, measured, progress, cancel)
    return job.run()


def no_samples_error() -> DataError:
    """What to tell a user whose recipe recovers, where there is nothing to learn from."""
    return DataError(
        "What is recovered is learned from samples, and there are none.",
        "Give samples with --calibration PATH (saved statistics hold none), "
        "or --random-data N for a try.",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Recovered:
    """A model on which choices are compared, with what a recipe does so that they cost less.

    Attributes:
        opened: the model, its factors moved.
        calibration: the statistics of its activations.
        written: weights as methods that round them chose them, for every choice that was named.
    """

    opened: OpenModel
    calibration: Calibration | None
    written: Written

    @property
    def tensors(self) -> Mapping[str, Histogram]:
        """What is known of the activations, by tensor."""
        return {} if self.calibration is None else self.calibration.tensors


def recovered_for(
    opened: OpenModel,
    recipe: Recipe,
    choices: Iterable[Mapping[str, LayerSpecs]],
    calibration: Calibration | None,
    data: Dataset | None,
    *,
    progress: StageProgress | None = None,
    cancel: Cancel | None = None,
) -> Recovered:
    """Does what a recipe switches on for choices that are to be compared, such as several widths.

    Factors are moved once. The weights of each choice are rounded on what they read in the float
    model, so that any mix can be tried without rounding again; `recover` does it on what the
    quantized layers before them compute, and makes good some of their errors, so that what is
    written in the end is better still. Biases are not corrected: what is wrong with a mean depends
    on all other layers.

    Args:
        opened: the model.
        recipe: says what is switched on.
        choices: the filled specs of every layer.
        calibration: what is known of the activations that are quantized.
        data: the samples that the methods learn from.
        progress: told of each method as a stage.
        cancel: asked between runs and while one runs.

    Raises:
        DataError: there are no samples.
        RunError: onnxruntime failed.
        CancelledError: `cancel` said so.
    """
    if not recipe.recovers:
        return Recovered(opened, calibration, {})
    if data is None or not len(data):
        raise no_samples_error()
    job = _Job(opened, recipe, calibration, data, None, progress, cancel)
    return job.compare(choices)


class _Job:
    """One recovery on its way: the model as it is so far."""

    def __init__(
        self,
        opened: OpenModel,
        recipe: Recipe,
        calibration: Calibration | None,
        data: Dataset,
        measured: Dataset | None,
        progress: StageProgress | None,
        cancel: Cancel | None,
    ) -> None:
        self._opened = opened
        self._recipe = recipe
        self._calibration = calibration
        self._data = data
        self._samples = data.spread(MOST_SAMPLES)
        self._measured = measured
        self._progress = progress
        self._cancel = cancel
        layers = opened.graph.layers
        self._specs: Mapping[str, LayerSpecs] = recipe.resolve_all(layers)
        self._switched = recipe.recover_all(layers)
        self._biases: dict[str, NDArray[Any]] = {}
        self._weights: dict[str, NDArray[Any]] = {}
        self._reference = open_session(runnable(opened.source))
        self._steps: list[RecoveryStep] = []

    def run(self) -> Recovery:
        left = self._give_biases()
        self._choose_grids()
        self._measure("", ())
        self._move()
        self._round()
        if names := self._layers_with("bias"):
            self._correct_biases(names, left)
        return Recovery(
            self._opened,
            self._calibration,
            self._grids,
            self._model(),
            tuple(self._steps),
            len(self._samples),
            "" if self._measured is None else self._measured.source,
        )

    def compare(self, choices: Iterable[Mapping[str, LayerSpecs]]) -> Recovered:
        """See `recovered_for`."""
        self._give_biases()
        self._switched = {
            name: Recover(tuple(one for one in on.methods if one != "bias"))
            for name, on in self._switched.items()
        }
        self._choose_grids()
        self._move()
        written: dict[tuple[str, bytes], NDArray[Any]] = {}
        for specs in choices:
            self._specs, self._weights = specs, {}
            self._choose_grids()
            self._round()
            for layer in self._opened.graph.layers:
                if layer.weight in self._weights and layer.name in self._grids.weights:
                    key = layer.name, identity(self._grids.weights[layer.name])
                    written[key] = self._weights[layer.weight]
        return Recovered(self._opened, self._calibration, written)

    def _move(self) -> None:
        for method in MOVING:
            if names := self._layers_with(method):
                self._move_channels(method, names)

    def _round(self) -> None:
        for method in ROUNDINGS:
            if names := self._layers_with(method):
                self._round_weights(method, names)

    def _layers_with(self, method: str) -> tuple[str, ...]:
        """The layers that a method is switched on for and that have weights."""
        return tuple(
            layer.name
            for layer in self._opened.graph.layers
            if method in self._switched[layer.name] and layer.weight is not None
        )

    def _layer(self, name: str) -> Layer:
        return self._opened.graph.layer(name)

    # The model as it is -----------------------------------------------------------------------

    def _model(self) -> Model:
        return replace_constants(self._opened.prepared, {**self._weights, **self._biases})

    def _choose_grids(self) -> None:
        plan = self._opened.placement.plan(self._specs)
        known = self._calibration.tensors if self._calibration is not None else {}
        self._grids = choose_grids(self._opened.graph, plan, self._opened.prepared.constant, known)

    def _preview(self) -> Preview:
        return Preview.suiting(self._grids, self._model(), self._opened.placement)

    def _preview_of(self, model: Model) -> Preview:
        return Preview(model, self._opened.placement, float8=has_float8(self._grids))

    @contextmanager
    def _walk(self, method: str) -> Iterator[Walk]:
        """A visit of all layers as they are so far, beside those of the float model."""
        preview = self._preview_of(self._opened.prepared)
        with shelf() as held:
            yield Walk(
                preview,
                self._grids,
                self._samples.samples(),
                held,
                chosen=self._chosen(),
                cancel=self._cancel,
                progress=of_stage(self._progress, _STAGES[method]),
            )

    def _chosen(self) -> Numbers | None:
        """The numbers of the simulation that is walked, where weights are others by now."""
        if not self._weights:
            return None
        return Preview(self._model(), self._opened.placement).numbers(self._grids)

    def _measure(self, method: str, layers: tuple[str, ...], left: tuple[str, ...] = ()) -> None:
        """Adds a step with what the model does now, where that is wanted."""
        if self._measured is None:
            return
        preview = self._preview()
        numbers = preview.numbers(self._grids)
        meter = FidelityMeter(class_output(self._opened.graph))
        for feeds in self._measured.samples():
            expected = self._reference.run(feeds, cancel=self._cancel)
            meter.add(expected, preview.run_with(numbers, feeds, self._cancel))
        self._steps.append(RecoveryStep(method, layers, left, meter.result()))

    def _move_channels(self, method: str, names: tuple[str, ...]) -> None:
        """A method that leaves the float function as it is; activations are measured anew."""
        opened = self._opened
        moved = move(
            method,
            opened.prepared,
            opened.graph,
            self._specs,
            names,
            self._samples,
            cancel=self._cancel,
            progress=of_stage(self._progress, _STAGES[method]),
        )
        if moved.layers:
            self._opened = with_prepared(opened, moved.model)
            if self._calibration is not None:
                self._calibration = calibrate(
                    self._opened.prepared,
                    tuple(self._calibration.tensors),
                    self._data,
                    progress=of_stage(self._progress, "calibrate"),
                    cancel=self._cancel,
                )
            self._choose_grids()
        self._measure(method, moved.layers, moved.left)

    # The methods ------------------------------------------------------------------------------

    def _give_biases(self) -> tuple[str, ...]:
        wanted = {*self._layers_with("bias"), *self._layers_with("absorb")}
        prepared, report = own_bias(self._opened.prepared, self._opened.graph, wanted)
        if prepared is not self._opened.prepared:
            self._opened = with_prepared(self._opened, prepared)
        return report.left

    def _round_weights(self, method: str, names: tuple[str, ...]) -> None:
        opened = self._opened
        with self._walk(method) as walk:
            found = reconstruct(
                walk,
                opened.graph,
                self._grids,
                opened.prepared.constant,
                dict.fromkeys(names, method),
                self._layers_with("bias"),
                len(self._samples),
                alone=self._measured is None,
                cancel=self._cancel,
            )
        for name, values in found.weights.items():
            self._weights[self._layer(name).weight or ""] = values
        self._measure(method, tuple(found.weights), tuple(found.left))

    def _correct_biases(self, names: tuple[str, ...], left: tuple[str, ...]) -> None:
        graph = self._opened.graph
        tensors = {n: t for n in names if (t := bias_tensor(graph, self._layer(n))) is not None}
        with self._walk("bias") as walk:
            shifts = correct_biases(walk, tensors.keys())
        for name, shift in shifts.items():
            tensor = tensors[name]
            old = self._biases.get(tensor, self._opened.prepared.constant(tensor))
            scale = self._grids.bias_scales.get(name)
            self._biases[tensor] = corrected(old, shift, scale)
        self._measure("bias", tuple(shifts), left)
