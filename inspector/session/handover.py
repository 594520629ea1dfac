"""Handing a recipe over to other toolchains: a sidecar file with its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector.errors import SaveError
from inspector.evaluate.calibrate import Calibration, calibrate
from inspector.evaluate.data import Dataset
from inspector.files import check_not_read, check_target, write_atomically
from inspector.graph.grids import Grids
from inspector.onnxio.encodings import Encodings, Format, collect, format_of
from inspector.onnxio.loading import Model
from inspector.onnxio.saving import save_model
from inspector.progress import Cancel, StageProgress, of_stage
from inspector.session.chosen import check_weights, grids_of, measured_tensors, resolve
from inspector.session.importing import open_for
from inspector.session.job import QuantizeRequest, read_data, recipe_for_target
from inspector.session.opening import OpenModel
from inspector.session.recipe import Recipe
from inspector.session.recovery import recover


@dataclass(frozen=True, slots=True)
class HandoverRequest:
    """What to hand over.

    Attributes:
        job: the model, the choices, the data, and the sidecar file as its output.
        to: name of the format; see `inspector.onnxio.encodings.FORMATS`.
        version: of the format; None for its usual one.
        float_model: also write the float model whose tensors the file names: the foldings before
            quantization (of BatchNormalization, say) take some away and make others.
    """

    job: QuantizeRequest
    to: str
    version: str | None = None
    float_model: Path | None = None


@dataclass(frozen=True, slots=True)
class HandoverResult:
    """What was handed over.

    Attributes:
        output: the file written.
        format: its format.
        version: of the format; "" where it has none.
        entries: how many tensors or layers it tells of.
        notes: what whoever uses it has to know.
        float_model: the float model written with it.
        calibration_source: the data, for the user.
        calibration_samples: how many samples the ranges were chosen from.
        random_data: whether they were random numbers.
    """

    output: Path
    format: Format
    version: str
    entries: int
    notes: tuple[str, ...]
    float_model: Path | None
    calibration_source: str
    calibration_samples: int
    random_data: bool

    def to_json(self) -> dict[str, Any]:
        """Plain data, in the form that other programs build on."""
        return {
            "output": str(self.output),
            "to": self.format.name,
            "version": self.version,
            "entries": self.entries,
            "notes": list(self.notes),
            "float_model": None if self.float_model is None else str(self.float_model),
            "calibration": {
                "source": self.calibration_source,
                "samples": self.calibration_samples,
                "random": self.random_data,
            },
        }


def hand_over(
    request: HandoverRequest,
    *,
    progress: StageProgress | None = None,
    cancel: Cancel | None = None,
) -> HandoverResult:
    """Load, calibrate, choose, and write the sidecar file.

    Raises:
        InspectorError: something is wrong, or the format cannot express a choice; nothing is left.
        CancelledError: `cancel` said so; nothing is left.
    """
    job, form = request.job, format_of(request.to)
    version = form.version(request.version)
    _check_files(request)
    outputs = [path for path in (job.output, request.float_model) if path is not None]
    chosen, calibration = prepare(job, outputs, progress=progress, cancel=cancel)
    return write_sidecar(chosen, calibration, form, version, job.output, request.float_model)


def prepare(
    job: QuantizeRequest,
    outputs: Sequence[Path],
    *,
    progress: StageProgress | None = None,
    cancel: Cancel | None = None,
) -> tuple[Numbers, Calibration | None]:
    """Load, calibrate and choose, for whoever writes something else than a quantized model.

    Args:
        job: the model, the choices and the data.
        outputs: files that will be written.
        progress: told of the stages.
        cancel: asked now and then.

    Raises:
        InspectorError: something is wrong.
        CancelledError: `cancel` said so.
    """
    opened = open_for(job.model, job.recipe)
    for path in outputs:
        check_not_read(path, opened.source.external_files)
    opened.require_quantizable()
    recipe = recipe_for_target(opened, job)
    plan = opened.placement.plan(resolve(opened, recipe))
    check_weights(opened, plan)
    data, calibration = read_data(opened, job, needed=bool(plan.points))
    if calibration is None and plan.points and data is not None:
        tensors = measured_tensors(plan)
        told = of_stage(progress, "calibrate")
        calibration = calibrate(opened.prepared, tensors, data, progress=told, cancel=cancel)
    chosen = numbers_of(opened, recipe, calibration, data, progress=progress, cancel=cancel)
    return chosen, calibration


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """What a recipe comes to for a model.

    Attributes:
        opened: the model.
        model: the float model whose tensors the numbers are for.
        grids: the numbers.
        recipe: whose numbers they are.
        is_recovered: its weights are not those of the file, so that quantizing costs less.
    """

    opened: OpenModel
    model: Model
    grids: Grids
    recipe: Recipe
    is_recovered: bool = False

    def encodings(self) -> Encodings:
        """What sidecar files are made of."""
        opened = self.opened
        return collect(opened.path.name, opened.placement, self.grids, self.model.constant)


def numbers_of(
    opened: OpenModel,
    recipe: Recipe,
    calibration: Calibration | None,
    data: Dataset | None,
    *,
    progress: StageProgress | None = None,
    cancel: Cancel | None = None,
) -> Numbers:
    """The scales and zero points of a recipe, and the weights that they are for.

    Raises:
        DataError: something is to be known of the activations, and is not.
        CancelledError: `cancel` said so.
    """
    if recipe.recovers:
        found = recover(opened, recipe, calibration, data, progress=progress, cancel=cancel)
        return Numbers(found.opened, found.model, found.grids, recipe, is_recovered=True)
    plan = opened.placement.plan(resolve(opened, recipe))
    return Numbers(opened, opened.prepared, grids_of(opened, plan, calibration), recipe)


def write_sidecar(
    numbers: Numbers,
    calibration: Calibration | None,
    form: Format,
    version: str,
    output: Path,
    float_model: Path | None = None,
) -> HandoverResult:
    """Write numbers, and the float model that they are for.

    Raises:
        UnsupportedError: the format cannot express a choice; the layer is named.
        SaveError: a file cannot be written.
    """
    encodings = numbers.encodings()
    made = form.write(encodings, version)
    if float_model is not None:
        save_model(numbers.model, float_model)
    write_atomically(output, made.text.encode())
    notes = made.notes
    if float_model is None:
        notes = (*notes, *_other_tensors(numbers, encodings))
    return HandoverResult(
        output=output,
        format=form,
        version=version,
        entries=made.entries,
        notes=notes,
        float_model=float_model,
        calibration_source=calibration.source if calibration else "",
        calibration_samples=calibration.samples if calibration else 0,
        random_data=bool(calibration and calibration.random),
    )


def _other_tensors(numbers: Numbers, encodings: Encodings) -> tuple[str, ...]:
    """What to say where a file speaks of tensors that the source model does not have."""
    if numbers.is_recovered:
        return ("The weights were changed so that quantizing costs less; write them as well.",)
    known = numbers.opened.shown.tensors
    other = [one.name for one in encodings.tensors if one.name not in known]
    if not other:
        return ()
    name = numbers.opened.path.name
    return (
        f"{len(other)} of {len(encodings.tensors)} tensors are not in {name}, as foldings made "
        f"them ({other[0]}). Write the float model that has them as well.",
    )


def _check_files(request: HandoverRequest) -> None:
    job = request.job
    check_target(job.output)
    check_not_read(job.output, (job.model, job.calibration))
    if request.float_model is None:
        return
    check_target(request.float_model)
    check_not_read(request.float_model, (job.model, job.calibration))
    if request.float_model.absolute() == job.output.absolute():
        raise SaveError(f"{job.output} is to be two files at once.", "Name two files.")
