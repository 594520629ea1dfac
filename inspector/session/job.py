"""The whole headless job: load, calibrate, choose, write, verify."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from inspector.errors import DataError, SaveError
from inspector.evaluate.calibrate import Calibration, calibrate
from inspector.evaluate.data import Dataset, load_data
from inspector.evaluate.image_options import ImageOptions
from inspector.evaluate.latency import compare_latency
from inspector.evaluate.pixels import pixel_hint
from inspector.evaluate.random_data import random_data
from inspector.evaluate.statistics import is_statistics, load_calibration
from inspector.evaluate.verify import Verification, verify
from inspector.files import check_not_read, check_target
from inspector.graph.conversions import conversions
from inspector.graph.grids import Grids
from inspector.graph.model import Layer
from inspector.memory import free_bytes
from inspector.onnxio.loading import Model, load_model
from inspector.onnxio.opset import opset_of
from inspector.onnxio.saving import save_model, staged_model
from inspector.onnxio.writers.integer_io import ends_of, float_ends
from inspector.progress import Cancel, StageProgress, of_stage
from inspector.quant.spec import LayerSpecs
from inspector.session.chosen import (
    check_weights,
    grids_of,
    no_data_error,
    resolve,
)
from inspector.session.clock import Clock
from inspector.session.effects import Effect, find_effects, worst_first
from inspector.session.fitting import check_fits, fit_recipe
from inspector.session.importing import open_for
from inspector.session.opening import OpenModel
from inspector.session.profiles import profile_of
from inspector.session.recipe import Recipe
from inspector.session.recovery import Recovery, recover
from inspector.session.result import LayerResult, QuantizeResult
from inspector.session.study import LayerStudy, study_layers
from inspector.session.writing import check_form, tensors_to_measure, with_output_grids, write_model

_COPIES = 3.5
"""How often a model's weights are in memory while its file is verified, at most; measured."""


@dataclass(frozen=True, slots=True)
class QuantizeRequest:
    """What to quantize, from what, to where.

    Attributes:
        model: the float model's file.
        output: the file to write.
        recipe: the choices.
        calibration: data to calibrate with, or statistics saved earlier; None for neither.
        images: how pictures become inputs.
        samples: at most so many samples are used; None for all.
        random_samples: so many samples of random data instead of `calibration`; None for none.
        seed: of the random data.
        force: allow the output to replace a file, the source among them.
        verify: run the saved file beside the float model and the prediction.
        fit: bring layers that do not fit the target into the nearest form that does; else they are
            an error.
        study: look at each layer more closely, and time both models, for a report.
        sensitivity: for the report, also quantize each layer alone.
    """

    model: Path
    output: Path
    recipe: Recipe = field(default_factory=Recipe)
    calibration: Path | None = None
    images: ImageOptions | None = None
    samples: int | None = None
    random_samples: int | None = None
    seed: int = 0
    force: bool = False
    verify: bool = True
    fit: bool = False
    study: bool = False
    sensitivity: bool = False


def quantize_model(
    request: QuantizeRequest,
    *,
    executor: Executor | None = None,
    progress: StageProgress | None = None,
    cancel: Cancel | None = None,
) -> QuantizeResult:
    """Does the whole job.

    Args:
        request: what to do.
        executor: what calibrates; by default threads, one for each core.
        progress: told of the stages.
        cancel: asked now and then.

    Raises:
        InspectorError: whatever is wrong with the request, told before work starts where it can be;
            nothing is left behind.
        CancelledError: `cancel` said so; nothing is left behind.
    """
    clock = Clock()
    check_output(request.model, request.output, force=request.force)
    check_not_read(request.output, [request.calibration])
    with clock("load"):
        opened = open_for(request.model, request.recipe)
        _check_weights_stay(opened, request.output)
        opened.require_quantizable()
        recipe = recipe_for_target(opened, request)
        specs = resolve(opened, recipe)
        plan = opened.placement.plan(specs)
        check_form(opened, recipe, plan)
        check_weights(opened, plan)
        data, statistics = read_data(opened, request, needed=bool(plan.open_points))
    # Without a run to prove the file, no sample needs to be held back from calibration.
    calibration_data, held_back = data, None
    if request.verify and data is not None:
        calibration_data, held_back = data.split_for_verification()
    with clock("calibrate"):
        calibration = statistics
        if calibration is None and plan.open_points and calibration_data is not None:
            calibration = calibrate(
                opened.prepared,
                tensors_to_measure(opened.graph, recipe, plan),
                calibration_data,
                executor=executor,
                source=opened.source,
                progress=of_stage(progress, "calibrate"),
                cancel=cancel,
            )
    recovery = None
    if recipe.recovers:
        if request.calibration is not None and statistics is not None:
            calibration_data = None  # what is there to verify on is random
        with clock("recover"):
            recovery = recover(
                opened,
                recipe,
                calibration,
                calibration_data,
                held_back,
                progress=progress,
                cancel=cancel,
            )
    result = save_quantized(
        opened,
        recipe,
        calibration,
        held_back,
        request.output,
        recovery=recovery,
        study=request.study,
        alone=request.sensitivity,
        learned=calibration_data,
        force=request.force,
        clock=clock,
        progress=progress,
        cancel=cancel,
    )
    notes = () if data is None else data.notes
    return replace(result, notes=notes, fitted=_fitted(opened, request.recipe, recipe))


def recipe_for_target(opened: OpenModel, request: QuantizeRequest) -> Recipe:
    """The recipe of a request, with every layer in a form that its target takes.

    Raises:
        InspectorError: some layer does not fit, and the request does not say to fit it.
    """
    layers = opened.graph.layers
    target = profile_of(request.recipe)
    specs = resolve(opened, request.recipe)
    if not request.fit:
        check_fits(target, layers, specs)
        return request.recipe
    return fit_recipe(target, layers, request.recipe, whole_model=True)


def _fitted(opened: OpenModel, before: Recipe, after: Recipe) -> tuple[str, ...]:
    if before == after:
        return ()
    layers = opened.graph.layers
    return tuple(la.name for la in layers if before.resolve(la) != after.resolve(la))


def save_quantized(
    opened: OpenModel,
    recipe: Recipe,
    calibration: Calibration | None,
    samples: Dataset | None,
    output: Path,
    *,
    recovery: Recovery | None = None,
    study: bool = False,
    alone: bool = False,
    learned: Dataset | None = None,
    force: bool = False,
    clock: Clock | None = None,
    progress: StageProgress | None = None,
    cancel: Cancel | None = None,
) -> QuantizeResult:
    """Writes an open model under a recipe, and proves what the file does.

    Args:
        opened: the model.
        recipe: the choices.
        calibration: what is known of the activations; None where none is quantized.
        samples: what to run the saved file on; None to leave it unproved.
        output: the file to write.
        recovery: what `recover` made of the same recipe and data, where the recipe asks for any.
        study: look at each layer more closely, and time both models.
        alone: quantize each layer alone as well, on some of the samples.
        learned: what methods of recovery learn from when layers are quantized alone.
        force: allow it to replace a file.
        clock: times the stages, where earlier ones were timed already.
        progress: told of the stages.
        cancel: asked now and then.

    Raises:
        InspectorError: something is wrong; the output is as it was before.
        ValueError: the recipe asks for recovery, and none is given.
    """
    if recipe.recovers and recovery is None:
        raise ValueError("The recipe asks for recovery, and none is given.")
    clock = clock or Clock()
    check_output(opened.path, output, force=force)
    _check_weights_stay(opened, output)
    opened.require_quantizable()
    specs = resolve(opened, recipe)
    effects: tuple[Effect, ...] = ()
    if alone and samples is not None and len(samples):
        with clock("sensitivity"):
            effects = find_effects(
                opened,
                recipe,
                specs,
                calibration,
                learned,
                samples,
                progress=progress,
                cancel=cancel,
            )
    with clock("quantize"):
        if recovery is None:
            plan = opened.placement.plan(specs)
            grids, model = grids_of(opened, plan, calibration), opened.prepared
        else:
            opened, grids, model = recovery.opened, recovery.grids, recovery.model
            calibration = recovery.calibration
        known = {} if calibration is None else calibration.tensors
        grids = with_output_grids(opened.graph, recipe, grids, known)
        written = write_model(model, opened.placement, recipe, grids)
        layers = _layer_results(opened, specs, grids, model)
    verification, latency = None, None
    studies: tuple[LayerStudy, ...] = ()
    if study:
        with clock("study"):
            studies = study_layers(
                opened,
                specs,
                grids,
                calibration,
                profile_of(recipe),
                model=model,
                first=[one.layer for one in worst_first(effects)],
                cancel=cancel,
            )
    with staged_model(output) as staged:
        with clock("save"):
            save_model(written, staged)
        with clock("verify"):
            if samples is not None and len(samples) and not too_large_to_run(opened.source):
                verification = verify(
                    opened.source,
                    model,
                    opened.placement,
                    grids,
                    staged,
                    samples,
                    name=str(output),
                    progress=of_stage(progress, "verify"),
                    cancel=cancel,
                )
        if study and samples is not None and len(samples):
            with clock("study"):
                latency = compare_latency(opened.source, staged, samples.feeds(0), cancel=cancel)
    result = _result(opened, recipe, calibration, written, output, layers, verification, clock)
    # Without activations on grids there is nothing to convert between.
    counts = conversions(opened.placement, grids).counts if grids.plan.points else None
    unproved = ""
    if samples is not None and verification is None and too_large_to_run(opened.source):
        unproved = "The file was not run: that needs more memory than there is free."
    result = replace(result, recovery=recovery, conversions=counts, unproved=unproved)
    return replace(result, studies=studies, latency=latency, effects=effects)


def too_large_to_run(model: Model) -> bool:
    """Whether running a model, its simulation and its file would need more memory than is free.

    onnxruntime lays weights out anew for its kernels, and a simulation holds its own.
    """
    free = free_bytes()
    return free is not None and _COPIES * model.size_bytes > free


def read_data(
    opened: OpenModel, request: QuantizeRequest, *, needed: bool
) -> tuple[Dataset | None, Calibration | None]:
    """The samples or the statistics that a request names; both None where it names neither.

    Raises:
        DataError: they do not fit the model, or are needed and missing.
    """
    if request.random_samples is not None:
        return random_data(opened.graph, samples=request.random_samples, seed=request.seed), None
    if request.calibration is None:
        if needed:
            raise no_data_error()
        return random_data(opened.graph, samples=4, seed=request.seed), None
    if is_statistics(request.calibration):
        calibration = load_calibration(request.calibration)
        if calibration.model_key != opened.prepared.key:
            raise DataError(
                f"{request.calibration}: these statistics were gathered from another model, or "
                "from this one with other passes left out.",
                f"Run quant-inspector calibrate on {opened.path} again.",
            )
        return random_data(opened.graph, samples=4, seed=request.seed), calibration
    data = load_data(
        request.calibration,
        opened.graph,
        images=request.images,
        hint=pixel_hint(opened.prepared, opened.graph),
        limit=request.samples,
    )
    return data, None


def check_output(source: Path, output: Path, *, force: bool) -> None:
    """Refuses a file that must not or cannot be written, before any work.

    Raises:
        SaveError: the folder is missing or read-only; or the file is the source and `force` is not
            set. Any other file there is replaced.
    """
    if output.exists() and source.exists() and output.samefile(source) and not force:
        raise SaveError(
            f"{output} is the model itself.",
            "Give another name with -o, or --force to replace it.",
        )
    check_target(output)


def _check_weights_stay(opened: OpenModel, output: Path) -> None:
    """Refuses to write over the model's external data; `force` is for its file alone."""
    if any(output.exists() and output.samefile(file) for file in opened.source.external_files):
        raise SaveError(f"{output} holds the weights of {opened.path}.", "Choose another name.")


def _layer_results(
    opened: OpenModel, specs: Mapping[str, LayerSpecs], grids: Grids, written: Model
) -> tuple[LayerResult, ...]:
    def result(layer: Layer) -> LayerResult:
        float_values = opened.prepared.constant
        # A mapped weight is a new view each time: whether it is another does not show in it.
        stored = None if written is opened.prepared else written.constant
        return LayerResult.of(layer, specs[layer.name], grids, float_values, stored)

    # One thread a core: numpy works on a weight without holding the interpreter.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return tuple(pool.map(result, opened.graph.layers))


def _result(
    opened: OpenModel,
    recipe: Recipe,
    calibration: Calibration | None,
    written: Model,
    output: Path,
    layers: tuple[LayerResult, ...],
    verification: Verification | None,
    clock: Clock,
) -> QuantizeResult:
    return QuantizeResult(
        model=opened.path,
        output=output,
        recipe=recipe,
        opset=opset_of(written),
        layers=layers,
        float_bytes=opened.source.file_bytes,
        quantized_bytes=load_model(output).file_bytes,
        ends=ends_of(written.metadata),
        float_ends=float_ends(written),
        calibration_source=calibration.source if calibration else "",
        calibration_samples=calibration.samples if calibration else 0,
        random_data=bool(calibration and calibration.random),
        verification=verification,
        passes=opened.passes,
        seconds=clock.seconds,
    )
