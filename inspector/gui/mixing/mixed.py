"""The search for mixed precision in the background, and what it has found so far."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from inspector.errors import DataError
from inspector.evaluate.data import Dataset
from inspector.evaluate.statistics import Calibration
from inspector.gui.bridge import Bridge
from inspector.gui.estimate import cores, preview_samples
from inspector.gui.tasks import Context, Task
from inspector.session.edits import Edit
from inspector.session.opening import OpenModel
from inspector.session.recipe import Recipe

if TYPE_CHECKING:  # what only workers need is imported by them: the window starts sooner
    from inspector.evaluate.search import Point
    from inspector.session.mixing import Kind, Mix

CHANNEL = "mixed precision"
WIDTHS = ((4, 8), (4, 6, 8), (3, 4, 8), (2, 4, 8), (4, 8, 16))
"""What may be mixed; what the target does not take is left out."""
COSTS: tuple[Kind, ...] = ("max_size", "bit_operations")
_MERGE = "mixed precision"
_ANY = {"max_size": 1e12, "bit_operations": 1e12}
_TITLE = "Looking for mixed precision"


@dataclass(frozen=True, slots=True)
class Told:
    """A choice that was run, and what its numbers mean."""

    mix: Mix
    point: Point


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What to look for: all that a worker needs."""

    opened: OpenModel
    calibration: Calibration
    dataset: Dataset
    recipe: Recipe
    bits: tuple[int, ...]
    cost: Kind

    def run(self, context: Context) -> None:
        """Look for it, and tell each choice that was run; one core is left to the window."""
        from inspector.session.mixing import Budget
        from inspector.session.search import allowed_widths, search_opened

        samples = preview_samples(self.dataset)
        widths = allowed_widths(self.opened, self.recipe, self.bits)
        with ThreadPoolExecutor(max(cores() - 1, 1)) as pool:
            search_opened(
                self.opened,
                self.calibration,
                samples,
                self.recipe,
                widths,
                Budget(self.cost, _ANY[self.cost]),
                executor=pool,
                told=lambda mix, point: context.tell(Told(mix, point)),
                progress=lambda _, done, total: context.progress(done, total),
                cancel=context.cancelled,
            )


class MixedSearch(QObject):
    """The choices that were run, the front among them, and the one that is tried.

    Signals:
        changed: choices came, went out of date, or another is tried.
    """

    changed = Signal()

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._task: Task | None = None
        self._request: Request | None = None
        self._stopped = False
        self.mix: Mix | None = None
        self.points: list[Point] = []
        self.bits: tuple[int, ...] = WIDTHS[0]
        self.cost: Kind = COSTS[0]
        bridge.model_changed.connect(self._reset)
        bridge.calibration_changed.connect(self._data_changed)
        bridge.specs_changed.connect(lambda _: self.changed.emit())
        bridge.tasks.ended.connect(self._ended)

    @property
    def is_running(self) -> bool:
        """Whether choices are on their way."""
        return self._task is not None

    @property
    def was_stopped(self) -> bool:
        """Whether the user ended the search before it was done."""
        return self._stopped

    @property
    def has_data(self) -> bool:
        """Whether there is what it takes."""
        document = self._bridge.document
        return document.calibration is not None and document.dataset is not None

    def run(self) -> None:
        """Search, in the place of what was found."""
        document = self._bridge.document
        if not document.is_open:
            return
        calibration, dataset = document.calibration, document.dataset
        if calibration is None or dataset is None:
            self._bridge.refused.emit(
                DataError(
                    "There is no data to judge choices by.",
                    "Open calibration data first, or use random inputs for a first look.",
                )
            )
            return
        self._forget()
        recipe = document.recipe
        self._request = Request(document.opened, calibration, dataset, recipe, self.bits, self.cost)
        self._task = self._bridge.tasks.submit(
            CHANNEL, self._request.run, lambda _: self._done(), _TITLE, early=self._take
        )
        self.changed.emit()

    def choose(self, bits: tuple[int, ...], cost: Kind) -> None:
        """Mix other widths, or count another cost, from the next search on."""
        self.bits, self.cost = bits, cost

    def front(self) -> list[Point]:
        """The choices that no other beats, by ascending cost."""
        from inspector.evaluate.search import unbeaten

        return unbeaten(self.points, "sqnr_db")

    def today(self) -> Point | None:
        """The choice that the document has now; None if it was not run."""
        if self.mix is None:
            return None
        return next((point for point in reversed(self.points) if self._is_today(point)), None)

    def is_stale(self) -> bool:
        """Whether what was found belongs to choices, a target or data of before.

        Choices that were found here are at home in the search that found them.
        """
        request, document = self._request, self._bridge.document
        if request is None or not self.points:
            return False
        if document.recipe.target != request.recipe.target:
            return True
        return document.recipe != request.recipe and self.today() is None

    def try_out(self, point: Point) -> None:
        """Make a choice today's; however many are tried, one undo takes them all back."""
        from inspector.session.mixing import recipe_of_specs

        mix, opened = self.mix, self._bridge.document.opened
        if mix is None:
            return
        specs = mix.problem.specs(point.chosen)

        def change(recipe: Recipe) -> Recipe:
            base = recipe if self._request is None else self._request.recipe
            return recipe_of_specs(opened, base, specs)

        label = f"mixed precision, {mix.mean_bits(specs):.2f} bits a weight"
        self._bridge.apply(Edit(label, change, _MERGE))

    def _is_today(self, point: Point) -> bool:
        assert self.mix is not None
        own = self.mix.problem.specs(point.chosen)
        present = self._bridge.document.specs
        layers = {layer.name: layer for layer in self.mix.layers}
        return all(
            present[name].activations == one.activations
            and (layers[name].weight is None or present[name].weights == one.weights)
            for name, one in own.items()
        )

    def _take(self, told: Told) -> None:
        self.mix = told.mix
        self.points.append(told.point)
        self.changed.emit()

    def _done(self) -> None:
        self._task = None
        self.changed.emit()

    def _ended(self, task: Task) -> None:
        """Without an answer: the user stopped it, or it failed."""
        if task is self._task:
            self._task = None
            self._stopped = True
            self.changed.emit()

    def _data_changed(self) -> None:
        request, document = self._request, self._bridge.document
        if request is None:
            return
        if (document.calibration, document.dataset) != (request.calibration, request.dataset):
            self._reset()

    def _forget(self) -> None:
        self._task = None
        self._stopped = False
        self._bridge.tasks.cancel(CHANNEL)
        self.mix, self.points = None, []

    def _reset(self) -> None:
        self._forget()
        self._request = None
        self.changed.emit()
