"""What a dropped path is, and the work of reading it. Runs on worker threads; touches no widget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from inspector.errors import CancelledError, DataError, InspectorError, RecipeError
from inspector.evaluate.data import Dataset, load_data
from inspector.evaluate.image_options import ImageOptions
from inspector.evaluate.images import IMAGE_SUFFIXES
from inspector.evaluate.pixels import pixel_hint
from inspector.evaluate.statistics import Calibration, is_statistics, load_calibration
from inspector.graph.given import given_sites
from inspector.graph.model import Graph
from inspector.graph.operators import QUANTIZATION
from inspector.gui.collector import resting
from inspector.gui.plans import WholePlan, plan_all
from inspector.gui.stage import PICTURE
from inspector.gui.tasks import Context
from inspector.report.units import plural
from inspector.session.opening import OpenModel, Sketch, open_model, read_structure
from inspector.session.pinning import check_pins
from inspector.session.recipe import DEFAULT_RECIPE, Recipe, load_recipe, recipe_of_model
from inspector.session.takeover import SUFFIXES, take_over

if TYPE_CHECKING:  # what only some workers need is imported by them: the window starts sooner
    from inspector.onnxio.loading import Model
    from inspector.session.importing import Imported

Kind = Literal["model", "data", "recipe"]
_DRAWING_SECONDS = 10.0
"""How long the rest of a model waits until it is drawn."""
_DATA_SUFFIXES = frozenset({".npz", ".npy", ".pb"}) | IMAGE_SUFFIXES


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A model made ready, what its first choices do to it, and the recipe it was saved with.

    Attributes:
        model: ready to be quantized.
        plans: what the first choices do to each layer.
        recipe: the recipe that its metadata hold.
        read_back: the choices that were read out of a quantized model; None for other models.
        offers: it is quantized, and may be opened as its float model and recipe.
    """

    model: OpenModel
    plans: WholePlan
    recipe: Recipe | None = None
    read_back: Imported | None = None
    offers: bool = False


def kind_of(path: Path) -> Kind:
    """What a file or folder is, by its ending.

    Raises:
        InspectorError: there is nothing there.
    """
    if not path.exists():
        raise InspectorError(f"{path} does not exist.", "Check the name, or choose another file.")
    if path.is_dir() or path.suffix.lower() in _DATA_SUFFIXES:
        return "data"
    return "recipe" if path.suffix.lower() in {".toml", *SUFFIXES} else "model"


def read_model(path: Path, context: Context, *, as_recipe: bool = False) -> Opened:
    """Load a model, tell its Sketch, from which it can be drawn, and make it ready.

    Args:
        path: the file.
        context: of the task.
        as_recipe: a model that is quantized is read back: what is opened is its float model.

    Raises:
        ModelError: the file is no model that can be read; nothing was told if it has no graph.
        UnsupportedError: its quantizers cannot be read back.
        CancelledError: another model is to be opened by now.
    """
    with resting():
        sketch = read_structure(path)
        if as_recipe and is_quantized(sketch.graph):
            return _read_back(sketch.source, context)
        if context.cancelled():
            raise CancelledError
        context.tell(sketch)
        context.give_way(PICTURE, _DRAWING_SECONDS)
        if context.cancelled():
            raise CancelledError
        opened = open_model(sketch)
        context.breathe()
        specs = DEFAULT_RECIPE.resolve_all(opened.graph.layers)
        plans = plan_all(opened.placement, specs)
        return Opened(opened, plans, _carried(opened), offers=is_quantized(sketch.graph))


def _read_back(source: Model, context: Context) -> Opened:
    """The float model of a quantized one, with the choices that were read out of that."""
    from inspector.session.importing import open_as_recipe

    found = open_as_recipe(source)
    opened = found.opened
    context.tell(Sketch(opened.source, opened.shown, opened.functions))
    context.give_way(PICTURE, _DRAWING_SECONDS)
    if context.cancelled():
        raise CancelledError
    specs = found.recipe.resolve_all(opened.graph.layers)
    return Opened(opened, plan_all(opened.placement, specs), read_back=found)


def is_quantized(graph: Graph) -> bool:
    """Whether a model holds quantizers or integer operators, as far as its main graph tells."""
    return any(node.op_type in QUANTIZATION for node in graph.nodes)


def _carried(opened: OpenModel) -> Recipe | None:
    """The recipe in a model's metadata; none, or one that cannot be read, is no hindrance."""
    try:
        return recipe_of_model(opened.source)
    except RecipeError:
        return None


def read_recipe(path: Path, opened: OpenModel, target: str) -> tuple[Recipe, tuple[str, ...]]:
    """Load a recipe from its own file, from a model that was saved with one, or from encodings.

    Args:
        path: the file.
        opened: the model that encodings are for.
        target: the hardware of a recipe that is made from encodings, which name none.

    Returns:
        The recipe, and what of encodings it cannot say.

    Raises:
        RecipeError: it is wrong, or the model holds none.
        ModelError: the file is no model that can be read.
        UnsupportedError: these are no encodings, or those of another model.
    """
    if path.suffix.lower() in SUFFIXES:
        found = take_over(opened, path, target)
        return found.recipe, found.notes
    recipe = load_recipe(path)
    return recipe, _unplaced(recipe, opened)


def _unplaced(recipe: Recipe, opened: OpenModel) -> tuple[str, ...]:
    """Makes sure that the grids of a recipe are those of a model, and says which have no place.

    Raises:
        RecipeError: they are of another model.
    """
    if recipe.pins is None:
        return ()
    check_pins(opened.graph, recipe.pins)
    missing = set(given_sites(opened.graph, recipe.pins)).difference(opened.placement.sites)
    if not missing:
        return ()
    return (
        f"{plural(len(missing), 'grid')} of the recipe stand where no layer reads: they are left "
        "out here. The command line's quantize has all of them.",
    )


def read_data(path: Path, opened: OpenModel, images: ImageOptions) -> Dataset | Calibration:
    """Open calibration data, or statistics that were gathered before.

    Args:
        path: what was dropped.
        opened: the model.
        images: how pictures are prepared, as far as the user says.

    Raises:
        DataError: it fits neither the model nor any form that is known.
    """
    if path.is_file() and is_statistics(path):
        return load_calibration(path)
    hint = pixel_hint(opened.prepared, opened.graph)
    return load_data(path, opened.graph, images=images, hint=hint)


def run_calibration(
    opened: OpenModel, data: Dataset, context: Context, scheduler: str | None = None
) -> Calibration:
    """Gather the statistics of everything that any choice may quantize.

    Args:
        opened: the model.
        data: the samples.
        context: is told of progress, and says when to stop.
        scheduler: of the cluster that does it; None for this machine.

    Raises:
        DataError: a sample does not fit, or an activation is not finite.
        RunError: onnxruntime refuses the model.
        CancelledError: the user stopped it.
    """
    # For workers: the window starts sooner.
    from inspector.evaluate.calibrate import calibrate
    from inspector.evaluate.cluster import executor_at

    if not opened.placement.measured:
        raise DataError(
            f"{opened.path.name} has no activations to quantize.",
            "Only Conv, ConvTranspose, Gemm and MatMul layers in float can be quantized.",
        )
    used, _ = data.split_for_verification()
    with executor_at(scheduler) as executor:
        return calibrate(
            opened.prepared,
            opened.placement.measured,
            used,
            executor=executor,
            source=opened.source,
            progress=context.progress,
            cancel=context.cancelled,
        )
