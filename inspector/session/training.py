"""Handing a recipe over to PyTorch: a script that trains a model with it, and what it starts from.

Two files are written: the script, which needs nothing of this program, and beside it the model with
the scales of the recipe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector.errors import SaveError, UnsupportedError
from inspector.evaluate.calibrate import Calibration
from inspector.evaluate.fidelity import class_output
from inspector.files import check_not_read, check_target, write_atomically
from inspector.graph.grids import Grids
from inspector.graph.model import Graph, Node
from inspector.graph.operators import is_onnx_domain
from inspector.graph.placement import Site
from inspector.onnxio.saving import save_model
from inspector.onnxio.writers.qdq import QdqOptions
from inspector.onnxio.writers.trainable import write_trainable
from inspector.progress import Cancel, StageProgress
from inspector.quant.spec import QuantSpec
from inspector.session.handover import Numbers, prepare
from inspector.session.job import QuantizeRequest
from inspector.session.recipe import RECIPE_KEY
from inspector.session.script import known_operators, script_text
from inspector.session.targets import load_target

_FORMATS = ("qdq", "qoperator", "weight-only")
_CASTS = (1, 2, 3, 5, 6, 7, 9, 11)
"""ONNX's numbers of the types that PyTorch has as well."""
_MOST_ROWS = 60


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What was written.

    Attributes:
        script: the script.
        start: the model that it starts from.
        trained: the name of the model that it writes unless told another.
        layers: how many layers have a quantized weight, or read quantized activations.
        calibration_source: the data that scales were chosen from, for the user.
        calibration_samples: how many samples.
        random_data: whether they were random numbers.
    """

    script: Path
    start: Path
    trained: str
    layers: int
    calibration_source: str
    calibration_samples: int
    random_data: bool

    def to_json(self) -> dict[str, Any]:
        """Plain data, in the form that other programs build on."""
        return {
            "script": str(self.script),
            "start": str(self.start),
            "trained": self.trained,
            "layers": self.layers,
            "calibration": {
                "source": self.calibration_source,
                "samples": self.calibration_samples,
                "random": self.random_data,
            },
        }


def start_of(script: Path) -> Path:
    """The model that is written beside a script."""
    return script.with_name(f"{script.stem}_start.onnx")


def write_training(
    job: QuantizeRequest, *, progress: StageProgress | None = None, cancel: Cancel | None = None
) -> TrainingResult:
    """Load, calibrate, choose, and write the script that is the job's output.

    Raises:
        InspectorError: something is wrong, or cannot be trained this way; nothing is written.
        CancelledError: `cancel` said so; nothing is written.
    """
    check_files(job.output, (job.model, job.calibration))
    _check_format(job.recipe.format)
    outputs = (job.output, start_of(job.output))
    numbers, calibration = prepare(job, outputs, progress=progress, cancel=cancel)
    return write_script(numbers, calibration, job.output)


def check_files(script: Path, read: Iterable[Path | None]) -> None:
    """Refuses files that cannot be written, before any work.

    Raises:
        SaveError: so it is; or the script's name does not end in .py.
    """
    if script.suffix != ".py":
        raise SaveError(f"{script} is to be a Python script.", "Give it a name that ends in .py.")
    for path in (script, start_of(script)):
        check_target(path)
        check_not_read(path, read)


def write_script(numbers: Numbers, calibration: Calibration | None, script: Path) -> TrainingResult:
    """Write the script, and the model that it starts from.

    Raises:
        UnsupportedError: the model, or what was chosen for it, cannot be trained this way.
        SaveError: a file cannot be written.
    """
    opened, grids, recipe = numbers.opened, numbers.grids, numbers.recipe
    _check_format(recipe.format)
    check_trainable(opened.graph, grids)
    start, trained = start_of(script), f"{script.stem}_trained.onnx"
    unsigned = load_target(recipe.target).unsigned_kernels
    options = QdqOptions(unsigned, metadata={RECIPE_KEY: recipe.to_toml()})
    notes = _notes(opened.graph)
    model = write_trainable(numbers.model, opened.placement, grids, options, notes)
    words = {
        "TITLE": f"Train {opened.path.name} with fake quantization, and write it as Q/DQ ONNX",
        "SCRIPT": script.name,
        "START": start.name,
        "TRAINED": trained,
        "LAYERS": _table(opened.graph, grids),
    }
    text = script_text(words, {node.op_type for node in model.proto.graph.node})
    save_model(model, start)
    write_atomically(script, text.encode())
    quantized = {site.consumer for site in grids.plan.sites} | set(grids.plan.weights)
    return TrainingResult(
        script=script,
        start=start,
        trained=trained,
        layers=sum(layer.name in quantized for layer in opened.graph.layers),
        calibration_source=calibration.source if calibration else "",
        calibration_samples=calibration.samples if calibration else 0,
        random_data=bool(calibration and calibration.random),
    )


def check_trainable(graph: Graph, grids: Grids) -> None:
    """Makes sure that a script can do what a model does, and what was chosen for it.

    Raises:
        UnsupportedError: it cannot; operators or layers are named.
    """
    missing = Counter(why for node in graph.nodes if (why := _why_not(node)))
    if missing:
        words = ", ".join(f"{what} ({count} of them)" for what, count in sorted(missing.items()))
        raise UnsupportedError(
            f"A training script cannot do these operators of the model: {words}.",
            "Train it in the framework that it comes from, with the scales of `encodings`.",
        )
    specs: dict[str, QuantSpec] = dict(grids.plan.weights)
    for site, number in grids.plan.sites.items():
        specs.setdefault(site.consumer, grids.plan.points[number].spec)
    if not specs and not grids.plan.dynamic:
        raise UnsupportedError("Nothing is quantized, so there is nothing to train for.")
    odd = [f"{name or 'an output'} ({spec})" for name, spec in specs.items() if not spec.is_affine]
    odd += sorted(grids.plan.dynamic)
    if odd:
        raise UnsupportedError(
            "A training script rounds to integers on fixed grids, which these are not: "
            f"{', '.join(odd)}.",
            "Choose int or uint types, and the format qdq.",
        )


def _check_format(name: str) -> None:
    if name not in _FORMATS:
        raise UnsupportedError(
            f"A training script writes Q/DQ models, not the format {name}.",
            "Choose --format qdq.",
        )


def _why_not(node: Node) -> str:
    """The operator, where a script cannot do it; else nothing."""
    name = node.op_type if is_onnx_domain(node.domain) else f"{node.domain}:{node.op_type}"
    if name not in known_operators():
        return name
    get = node.attributes.get
    if name == "Cast" and get("to") not in _CASTS:
        return "Cast to another type"
    if name in {"Resize", "Upsample"}:
        mode, place = get("mode", "nearest"), get("coordinate_transformation_mode", "half_pixel")
        is_nearest = mode == "nearest" and place in {"asymmetric", "half_pixel"}
        is_linear = mode == "linear" and name == "Resize" and place != "asymmetric"
        if not (is_nearest or is_linear) or get("axes") or place == "tf_crop_and_resize":
            return f"{name} ({mode!r}, {place!r})"
    return ""


def _notes(graph: Graph) -> dict[str, Any]:
    """What a script has to know beside what is trained."""
    classes = class_output(graph)
    tensor = None if classes is None else graph.tensors[classes]
    if tensor is not None and tensor.dtype != "float32":
        classes = None
    producer = None if classes is None else graph.producer(classes)
    shapes = [graph.tensors[name].shape for name in graph.inputs if name in graph.tensors]
    first = next((shape[0] for shape in shapes if shape), None)
    return {
        "classes": classes,
        "probabilities": producer is not None and producer.op_type == "Softmax",
        "batch": first if isinstance(first, int) and first > 0 else None,
    }


def _table(graph: Graph, grids: Grids) -> str:
    """What each layer gets, for whoever reads the script."""
    rows = []
    for layer in graph.layers:
        weights = grids.plan.weights.get(layer.name)
        numbers = (grids.plan.sites.get(Site(name, layer.name)) for name in layer.activations)
        read = [grids.plan.points[number].spec for number in numbers if number is not None]
        rows.append((layer.name, str(weights or "float"), str(read[0] if read else "float")))
    wide = [max(len(row[n]) for row in rows[:_MOST_ROWS]) for n in (0, 1)]
    lines = [f"    {a:<{wide[0]}}  {b:<{wide[1]}}  {c}" for a, b, c in rows[:_MOST_ROWS]]
    if len(rows) > _MOST_ROWS:
        lines.append(f"    ... and {len(rows) - _MOST_ROWS} more")
    return "\n".join(["Weights and activations of each layer:", "", *lines])
