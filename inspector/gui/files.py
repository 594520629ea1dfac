"""Opening and saving: everything that goes through the disk, run in the background."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from inspector.errors import InspectorError
from inspector.evaluate.data import Dataset
from inspector.evaluate.image_options import ImageOptions
from inspector.evaluate.random_data import random_data
from inspector.evaluate.statistics import Calibration
from inspector.gui.bridge import Bridge
from inspector.gui.cluster import scheduler, titled
from inspector.gui.message_bar import Offer
from inspector.gui.opening import (
    Kind,
    Opened,
    kind_of,
    read_data,
    read_model,
    read_recipe,
    run_calibration,
)
from inspector.gui.saving import SaveRequest
from inspector.gui.tasks import MODEL, Context, Task, Tasks
from inspector.report.units import bytes_text, decibel_text, percent_text, plural
from inspector.session.document import Document
from inspector.session.opening import OpenModel, Sketch
from inspector.session.recipe import DEFAULT_RECIPE, Recipe, save_recipe
from inspector.session.result import QuantizeResult

if TYPE_CHECKING:
    from inspector.session.importing import Imported

DATA, RECIPE, SAVE = "data", "recipe", "save"
RANDOM_SAMPLES = 8
Guard = Callable[[Callable[[], None], str], None]
"""Does what would lose the present choices, at once or when the user agrees; and what that is."""
_ORDER = {"model": 0, "recipe": 1, "data": 2}

log = logging.getLogger(__name__)


class Files(QObject):
    """Reads what is opened or dropped into the document, and writes what is saved.

    Attributes:
        guard: stands before whatever puts another model in the place of the present one.
        images: how pictures are fed to the open model, as far as the user says.
        calibrated_from: the file or folder that the present calibration came from, if one did.

    Signals:
        opening: another model is being read.
        sketched: the Sketch of a model that can be drawn already, and will be the document's.
        withdrawn: that model cannot be opened after all; the document's is to be drawn again.
        message: (kind, text, hint) for the message bar.
        offered: (kind, text, hint, Offer) for the message bar.
        saved: the result of a save.
        pictures_fed: how the pictures of the data are fed.
    """

    opening = Signal()
    sketched = Signal(object)
    withdrawn = Signal()
    message = Signal(str, str, str)
    offered = Signal(str, str, str, object)
    saved = Signal(object)
    pictures_fed = Signal(str)

    def __init__(self, bridge: Bridge, tasks: Tasks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._tasks = tasks
        self._sketch: Sketch | None = None
        self._later: list[tuple[Path, Kind]] = []
        self._carried: tuple[Path, Recipe] | None = None
        self.guard: Guard = lambda act, _what: act()
        self.images = ImageOptions()
        self.calibrated_from: Path | None = None
        tasks.failed.connect(self._failed)
        tasks.ended.connect(self._ended)
        bridge.refused.connect(self._refused)
        bridge.prepared_anew.connect(self._prepared_anew)

    @property
    def document(self) -> Document:
        """The document that is read into."""
        return self._bridge.document

    # Opening

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open models, recipes and data; where one is a model, once the guard lets it."""
        if any(path.exists() and kind_of(path) == "model" for path in paths):
            self.guard(lambda: self.open_now(paths), "opening another model")
        else:
            self.open_now(paths)

    def open_now(self, paths: Sequence[Path]) -> None:
        """The same whatever is lost; recipes and data wait for a model that is on its way."""
        found: list[tuple[Path, Kind]] = []
        for path in paths:
            try:
                found.append((path, kind_of(path)))
            except InspectorError as error:
                self._refused(error)
        models = [path for path, kind in found if kind == "model"]
        for path, kind in sorted(found, key=lambda item: _ORDER[item[1]]):
            if kind != "model" or path == models[0]:
                self._open(path, kind)
        if len(models) > 1:
            text = f"{models[0].name} is opened, the first of {len(models)} models."
            self.message.emit("info", text, "One model at a time is open in this window.")

    def open_recipe(self, path: Path) -> None:
        """Open a recipe, or take it from a model that was saved with one."""
        self._open(path, "recipe")

    def open_as_recipe(self, path: Path) -> None:
        """Open a quantized model as the float model it stands for, with its choices.

        A model that is not quantized is opened as any other.
        """
        self._open(path, "model", as_recipe=True)

    def _open(self, path: Path, kind: Kind, *, as_recipe: bool = False) -> None:
        if kind == "model":
            self._later.clear()
            self.opening.emit()
            for channel in (DATA, RECIPE):
                self._tasks.cancel(channel)
            # What was drawn of a model that did not arrive stays until this one is drawn.
            drawn, self._sketch = self._sketch, None
            self._tasks.submit(
                MODEL,
                lambda context: read_model(path, context, as_recipe=as_recipe),
                self._model_arrived,
                f"Opening {path.name}",
                early=self._sketch_arrived,
            )
            self._sketch = drawn
        elif self._tasks.is_busy(MODEL):
            self._later.append((path, kind))
        elif not self.document.is_open:
            what = "a recipe" if kind == "recipe" else "calibration data"
            self._refused(
                InspectorError(
                    f"{path.name} looks like {what}, and no model is open.", "Open a model first."
                )
            )
        elif kind == "recipe":
            opened, target = self.document.opened, self.document.recipe.target
            self._tasks.submit(
                RECIPE,
                lambda _: read_recipe(path, opened, target),
                lambda found: self._recipe_arrived(path, *found),
                f"Opening {path.name}",
            )
        else:
            opened, images = self.document.opened, self.images
            self._calibrate_with(lambda: read_data(path, opened, images), path.name, path)

    def use_random_inputs(self) -> None:
        """Calibrate with random numbers, which every figure made from them says."""
        if self.document.is_open:
            graph = self.document.graph
            self._calibrate_with(
                lambda: random_data(graph, samples=RANDOM_SAMPLES), "random inputs"
            )

    @property
    def is_calibrating(self) -> bool:
        """Whether data is being read and counted, or will be once the model is there."""
        return self._tasks.is_busy(DATA) or any(kind == "data" for _, kind in self._later)

    def calibrate_again(self) -> bool:
        """Calibrate with the data that is there; False where there is none."""
        data = self.document.dataset
        if data is None:
            return False
        self._calibrate_with(lambda: data, data.source, self.calibrated_from)
        return True

    def _calibrate_with(
        self, read: Callable[[], Dataset | Calibration], name: str, path: Path | None = None
    ) -> None:
        opened, address = self.document.opened, scheduler()

        def work(context: Context) -> tuple[Dataset | None, Calibration]:
            import_module("inspector.gui.estimate")  # asked for as soon as this is there
            data = read()
            if isinstance(data, Calibration):
                return None, data
            return data, run_calibration(opened, data, context, address)

        def arrived(found: tuple[Dataset | None, Calibration]) -> None:
            self.calibrated_from = path
            self._data_arrived(found)

        title = titled(f"Calibrating with {Path(name).name}", address)
        self._tasks.submit(DATA, work, arrived, title)

    def _sketch_arrived(self, sketch: Sketch) -> None:
        self._sketch = sketch
        self.sketched.emit(sketch)

    def _ended(self, task: Task) -> None:
        """A model that failed, or was given up, after it was drawn."""
        if task.channel == MODEL and self._sketch is not None:
            self._sketch = None
            self.withdrawn.emit()

    def _model_arrived(self, opened: Opened) -> None:
        self._sketch = None
        before = self.document.opened if self.document.is_open else None
        if before is None or before.path != opened.model.path:
            self.images = ImageOptions()
        self._bridge.expect(opened.plans)
        found = opened.read_back
        recipe = DEFAULT_RECIPE if found is None else found.recipe
        self.document.set_model(opened.model, recipe, specs=opened.plans.specs)
        obstacle = opened.model.obstacle
        if found is not None:
            self._tell_of_grids(opened.model.path, found)
        elif opened.recipe is not None:
            self._tell_of_recipe(opened.model.path, opened.recipe, before)
        elif obstacle is not None:
            self.message.emit("warning", obstacle.message, obstacle.hint)
        elif opened.offers:
            text = f"{opened.model.path.name} is quantized already: its quantizers are shown."
            self.offered.emit("info", text, "", self._offer_to_read(opened.model.path))
        elif not opened.model.graph.layers:
            self.message.emit(
                "warning",
                f"{opened.model.path.name} has no Conv, ConvTranspose, Gemm or MatMul layer in "
                "float: there is nothing to quantize.",
                "You can look at it all the same.",
            )
        elif self._carried is not None and not self._later:
            self._offer_recipe(*self._carried)
        later, self._later = self._later, []
        for path, kind in later:
            self._open(path, kind)

    def _tell_of_recipe(self, path: Path, recipe: Recipe, before: OpenModel | None) -> None:
        """Say that a model was saved here, and offer its recipe for the model open before."""
        self._carried = (path, recipe)
        text = f"{path.name} was saved by Quant Inspector and carries its recipe."
        if before is None or before.path == path or not _fits(recipe, before):
            hint = "Open its float model to work on with that recipe."
            self.offered.emit("info", text, hint, self._offer_to_read(path))
            return

        def use() -> None:
            self._open(before.path, "model")
            self._open(path, "recipe")

        offer = Offer(
            f"Use its recipe on {before.path.name}",
            lambda: self.guard(use, "opening another model"),
        )
        self.offered.emit("info", text, "", offer)

    def _offer_to_read(self, path: Path) -> Offer:
        """To open a quantized model as its float model, with the grids of the file."""
        return Offer(
            "Open as a recipe",
            lambda: self.guard(lambda: self.open_as_recipe(path), "opening the model anew"),
        )

    def _tell_of_grids(self, path: Path, found: Imported) -> None:
        layers = plural(len(found.opened.graph.layers), "layer")
        text = (
            f"{path.name} ({found.kind}) is open as its float model: {found.taken} of {layers} "
            "have the grids of the file."
        )
        hint = "Saved without a change it gives the same numbers."
        self.message.emit("success", text, "" if found.notes else hint)
        for note in found.notes:
            self.message.emit("info", note, "")

    def _offer_recipe(self, path: Path, recipe: Recipe) -> None:
        """A float model is open, and the recipe of one that was saved is at hand."""
        if recipe == self.document.recipe or not _fits(recipe, self.document.opened):
            return
        text = f"{path.name}, which was open before, carries a recipe that fits this model."
        offer = Offer("Use its recipe", lambda: self._recipe_arrived(path, recipe))
        self.offered.emit("info", text, "", offer)

    def _recipe_arrived(self, path: Path, recipe: Recipe, notes: Sequence[str] = ()) -> None:
        self._bridge.preparing.when_prepared(recipe, lambda: self._take_recipe(path, recipe, notes))

    def _take_recipe(self, path: Path, recipe: Recipe, notes: Sequence[str]) -> None:
        try:
            changed = self.document.set_recipe(recipe, f"Open recipe {path.name}")
        except InspectorError as error:
            self._refused(error)
            return
        self.document.mark_saved()
        text = f"Recipe of {path.name}: {plural(len(changed), 'layer')} changed."
        if not changed:
            text = f"Recipe of {path.name}: nothing is different, it was in use already."
        self.message.emit("success", text, "")
        for note in notes:
            self.message.emit("info", note, "")

    def _data_arrived(self, arrived: tuple[Dataset | None, Calibration]) -> None:
        data, calibration = arrived
        try:
            self.document.set_calibration(calibration)
        except InspectorError as error:
            self._refused(error)
            return
        self.document.set_dataset(data)
        if data is not None and data.random:
            self.message.emit(
                "warning",
                "The activations come from random inputs: their figures say little.",
                "Drop real calibration data when you have it.",
            )
        elif data is not None:
            fed, notes = data.notes[:1], data.notes
            if data.pictures:
                self.pictures_fed.emit(fed[0])
                notes = notes[1:]
            for note in notes:
                self.message.emit("info", note, "")

    def _prepared_anew(self) -> None:
        """The tensors are others: what is known of them has to be found again."""
        if not self.calibrate_again() and self.calibrated_from is not None:
            self.message.emit(
                "info",
                f"{self.calibrated_from.name} holds statistics of the model as it was prepared "
                "before.",
                "Drop calibration data, or statistics that were gathered with the same passes.",
            )

    # Saving

    def save_quantized(self, path: Path) -> None:
        """Write the quantized model and prove what it does."""
        if not self.document.is_open:
            self._refused(InspectorError("There is no model to save.", "Open a model first."))
            return
        document, request = self.document, SaveRequest.of(self.document)

        def saved(result: QuantizeResult) -> None:
            still = document.is_open and document.opened is request.opened
            if still and document.recipe == request.recipe:
                document.mark_saved()
            self._saved(result)

        def work(context: Context) -> QuantizeResult:
            return request.run(path, context)

        self._tasks.submit(SAVE, work, saved, f"Saving {path.name}")

    def save_recipe(self, path: Path) -> None:
        """Write the recipe alone."""
        try:
            save_recipe(self.document.recipe, path)
        except InspectorError as error:
            self._refused(error)
            return
        self.document.mark_saved()
        self.message.emit("success", f"Recipe saved as {path.name}.", "")

    def _saved(self, result: QuantizeResult) -> None:
        sizes = f"{bytes_text(result.float_bytes)} → {bytes_text(result.quantized_bytes)}"
        text = f"Saved {result.output.name}: {sizes}. {verification_text(result)}"
        found = result.verification
        disagrees = found is not None and not found.agrees
        cause = found.cause if found is not None and disagrees else ""
        self.message.emit("warning" if disagrees else "success", text.strip(), cause)
        self.saved.emit(result)

    # Errors

    def _failed(self, task: Task, error: Exception) -> None:
        if isinstance(error, InspectorError):
            self._refused(error)
            return
        log.error("%s failed", task.title or task.channel, exc_info=error)
        what = task.title or "Work in the background"
        self.message.emit(
            "error",
            f"{what} failed: {type(error).__name__}: {error}",
            "This is a fault in Quant Inspector; the log has the details.",
        )

    def _refused(self, error: InspectorError) -> None:
        self.message.emit("error", error.message, error.hint)


def _fits(recipe: Recipe, opened: OpenModel) -> bool:
    """Whether a model has layers, and all that the recipe has rules for."""
    try:
        recipe.check_rules(opened.graph.layers)
    except InspectorError:
        return False
    return bool(opened.graph.layers) and opened.obstacle is None


def verification_text(result: QuantizeResult) -> str:
    """Predicted and measured figures of a saved file, in one sentence."""
    found = result.verification
    if found is None:
        return ""
    predicted, measured = found.predicted, found.measured
    text = (
        f"Output SQNR predicted {decibel_text(predicted.sqnr_db)}, "
        f"measured {decibel_text(measured.sqnr_db)}"
    )
    if measured.top1_agreement is not None:
        text += f"; top-1 agreement {percent_text(measured.top1_agreement)}"
    where = " of random inputs" if found.random else ""
    return f"{text} ({plural(measured.samples, 'sample')}{where})."
