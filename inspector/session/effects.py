"""What each layer of a recipe does to the outputs alone, and whether that calls for training.

Post-training methods are tried first: they cost minutes. Where a layer still takes the outputs far
away after them, its weights have to be learned again with the quantization in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inspector.evaluate.alone import OneByOne
from inspector.evaluate.calibrate import Calibration
from inspector.evaluate.data import Dataset
from inspector.evaluate.fidelity import Fidelity
from inspector.evaluate.search import harm_of
from inspector.evaluate.sensitivity import Bench, Case, Found, measure_cases
from inspector.evaluate.tally import total
from inspector.progress import Cancel, Progress, StageProgress, of_stage
from inspector.quant.recover import ROUNDING, Recover
from inspector.quant.spec import LayerSpecs
from inspector.session.opening import OpenModel
from inspector.session.recipe import Recipe
from inspector.session.recovery import Recovered, recovered_for

SAMPLES = 8
_OWN = 0
"""Stands for the recipe's own choice where a width is asked for."""
TOO_LOW_DB = 20.0
"""A layer that alone leaves the outputs with less is too bad: its noise is a tenth of the signal's
amplitude, before any other layer adds its own."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A layer quantized as the recipe says, all others in float.

    Attributes:
        layer: the layer.
        fidelity: of the outputs.
        share: of the noise that all layers make alone, 0 to 1.
        recover: what is switched on for it.
        training: what to do where it is too bad, as a sentence; "" where it is not.
    """

    layer: str
    fidelity: Fidelity
    share: float
    recover: str
    training: str

    @property
    def sqnr_too_low(self) -> bool:
        """Whether it alone is already too bad."""
        return self.fidelity.sqnr_db < TOO_LOW_DB

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **self.fidelity.to_json(),
            "noise_share": self.share,
            "recover": self.recover,
            "training": self.training,
        }


def find_effects(
    opened: OpenModel,
    recipe: Recipe,
    specs: Mapping[str, LayerSpecs],
    calibration: Calibration | None,
    learned: Dataset | None,
    samples: Dataset,
    *,
    progress: StageProgress | None = None,
    cancel: Cancel | None = None,
) -> tuple[Effect, ...]:
    """Quantizes each layer alone, with what the recipe does so that it costs less.

    Args:
        opened: the model.
        recipe: the choices.
        specs: the filled specs of every layer.
        calibration: what is known of the activations; None where none is quantized.
        learned: what methods of recovery learn from; needed where the recipe has any.
        samples: what to run on; at most `SAMPLES` of them are used.
        progress: told of ("measure", cases done, all cases).
        cancel: asked between runs and while one runs.

    Raises:
        RunError: onnxruntime refuses the model or the samples.
        CancelledError: `cancel` said so.

    Cost: half a forward pass for each layer and sample.
    """
    recovered = recovered_for(
        opened, recipe, [specs], calibration, learned, progress=progress, cancel=cancel
    )
    names = [name for name, one in specs.items() if not one.is_float]
    samples, report = samples.spread(SAMPLES), of_stage(progress, "measure")
    run = _whole_runs if any(_needs_whole_runs(specs[name]) for name in names) else _short_runs
    found = run(recovered, specs, names, samples, report, cancel)
    harms = {name: harm_of(one.sqnr_db) for name, one in found.items()}
    every = sum(harms.values())
    switched = recipe.recover_all(opened.graph.layers)
    return tuple(
        Effect(
            layer.name,
            found[layer.name],
            harms[layer.name] / every if every else 0.0,
            str(switched[layer.name]),
            training_advice(found[layer.name].sqnr_db, specs[layer.name], switched[layer.name]),
        )
        for layer in opened.graph.layers
        if layer.name in found
    )


def _needs_whole_runs(specs: LayerSpecs) -> bool:
    """Float8 and grids that are found at run time have a simulation of their own."""
    return specs.dynamic or specs.activations.dtype.startswith("fp8")


def _short_runs(
    recovered: Recovered,
    specs: Mapping[str, LayerSpecs],
    names: Sequence[str],
    samples: Dataset,
    progress: Progress | None,
    cancel: Cancel | None,
) -> dict[str, Fidelity]:
    """Only what lies behind each layer is run."""
    model = recovered.opened
    found: dict[str, Fidelity] = {}
    bench = Bench(
        model.source,
        model.prepared,
        model.placement,
        recovered.tensors,
        samples,
        {_OWN: specs},
        recovered.written,
    )

    def take(parts: tuple[Found, ...]) -> None:
        found.update((p.case.layer, total(p.tallies).fidelity) for p in parts if p.tallies)
        if progress is not None:
            progress(len(found), len(names))

    measure_cases(bench, [Case(name, _OWN, "both") for name in names], take, cancel=cancel)
    return found


def _whole_runs(
    recovered: Recovered,
    specs: Mapping[str, LayerSpecs],
    names: Sequence[str],
    samples: Dataset,
    progress: Progress | None,
    cancel: Cancel | None,
) -> dict[str, Fidelity]:
    """The same figures from runs of the whole model."""
    model = recovered.opened
    found: dict[str, Fidelity] = {}
    bench = OneByOne(
        model.source,
        model.prepared,
        model.placement,
        recovered.tensors,
        samples,
        recovered.written,
    )
    for done, one in enumerate(bench.run(specs, names, cancel), start=1):
        found[one.layer] = one.fidelity
        if progress is not None:
            progress(done, len(names) * len(samples))
    return found


def training_advice(sqnr_db: float, specs: LayerSpecs, recover: Recover) -> str:
    """What to do about a layer that alone does this to the outputs; "" where nothing is needed.

    Args:
        sqnr_db: of the outputs.
        specs: of the layer.
        recover: what is switched on for it.
    """
    if not sqnr_db < TOO_LOW_DB:
        return ""
    is_rounded = any(method in ROUNDING for method in recover.methods)
    if specs.weights.is_affine and not specs.weights.is_float and not is_rounded:
        return "Try --recover gptq,bias or adaround,bias for it before you think of training."
    after = f" after {recover}" if recover.methods else ""
    return (
        f"What can be done without training does not do{after}: give it more bits, or train it "
        "with this quantization (`quant-inspector qat`)."
    )


def worst_first(effects: Sequence[Effect]) -> list[Effect]:
    """The one that takes the outputs farthest away first."""
    return sorted(effects, key=lambda one: -one.share)
