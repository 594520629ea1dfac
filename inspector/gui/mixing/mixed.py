"""The search for mixed precision in the background, and what it has found so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from inspector.errors import DataError
from inspector.evaluate.data import Dataset
from inspector.evaluate.statistics import Calibration
from inspector.graph.model import Layer
from inspector.gui.bridge import Bridge
from inspector.gui.cluster import hired, scheduler, titled
from inspector.gui.tasks import Context, Task
from inspector.quant.spec import LayerSpecs, QuantSpec
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


Key = tuple[tuple[QuantSpec | None, QuantSpec], ...]
"""What a choice gives each layer, in graph order."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A choice that was run.

    Attributes:
        mix: what its numbers mean.
        point: the choice.
        bits: of a weight, on average.
        key: what tells it from other choices.
    """

    mix: Mix
    point: Point
    bits: float
    key: Key

    @classmethod
    def of(cls, mix: Mix, point: Point) -> Tried:
        """Of a point. Cost: linear in the layers; for workers."""
        specs = mix.problem.specs(point.chosen)
        return cls(mix, point, mix.mean_bits(specs), key_of(mix.layers, specs))


def key_of(layers: Sequence[Layer], specs: Mapping[str, LayerSpecs]) -> Key:
    """What tells a choice from others: the specs of weights where there are any, and the rest."""
    return tuple(
        (None if layer.weight is None else specs[layer.name].weights, specs[layer.name].activations)
        for layer in layers
    )


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What to look for: all that a worker needs."""

    opened: OpenModel
    calibration: Calibration
    dataset: Dataset
    recipe: Recipe
    bits: tuple[int, ...]
    cost: Kind
    scheduler: str | None

    def run(self, context: Context) -> None:
        """Look for it, and tell each choice that was run; the window keeps one core."""
        from inspector.session.mixing import Budget
        from inspector.session.search import allowed_widths, search_opened

        def tell(mix: Mix, point: Point) -> None:
            context.tell(Tried.of(mix, point))
            context.breathe()

        from inspector.gui.estimate import cores, preview_samples

        samples = preview_samples(self.dataset)
        widths = allowed_widths(self.opened, self.recipe, self.bits)
        with hired(self.scheduler, max(cores() - 1, 1)) as executor:
            search_opened(
                self.opened,
                self.calibration,
                self.dataset,
                samples,
                self.recipe,
                widths,
                Budget(self.cost, _ANY[self.cost]),
                executor=executor,
                told=tell,
                pause=context.breathe,
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
        self.tried: list[Tried] = []
        self._numbers: dict[Key, int] = {}
        self._today: tuple[Recipe, int] | None = None
        self._number: int | None = None
        self.bits: tuple[int, ...] = WIDTHS[0]
        self.cost: Kind = COSTS[0]
        bridge.model_changed.connect(self._reset)
        for source in (bridge.calibration_changed, bridge.dataset_changed):
            source.connect(self._data_changed)
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
        address = scheduler()
        self._request = Request(
            document.opened, calibration, dataset, recipe, self.bits, self.cost, address
        )
        self._task = self._bridge.tasks.submit(
            CHANNEL,
            self._request.run,
            lambda _: self._done(),
            titled(_TITLE, address),
            early=self._take,
        )
        self.changed.emit()

    def choose(self, bits: tuple[int, ...], cost: Kind) -> None:
        """Mix other widths, or count another cost, from the next search on."""
        self.bits, self.cost = bits, cost

    def front(self) -> list[Point]:
        """The choices that no other beats, by ascending cost."""
        from inspector.evaluate.search import unbeaten

        return unbeaten((one.point for one in self.tried), "sqnr_db")

    def today(self) -> int | None:
        """The number of the choice that the document has now; None if it was not run.

        Cost: linear in the layers, once for each recipe.
        """
        document = self._bridge.document
        state = document.recipe, len(self.tried)
        if self._today is None or self._today[0] is not state[0] or self._today[1] != state[1]:
            self._today = state
            known = self.mix is not None and document.is_open
            key = key_of(document.layers, document.specs) if known else ()
            self._number = self._numbers.get(key)
        return self._number

    def is_stale(self) -> bool:
        """Whether what was found belongs to choices, a target or data of before.

        Choices that were found here are at home in the search that found them.
        """
        request, document = self._request, self._bridge.document
        if request is None or not self.tried:
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

    def _take(self, tried: Tried) -> None:
        self.mix = tried.mix
        self._numbers[tried.key] = len(self.tried)
        self.tried.append(tried)
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
        present = document.calibration, document.dataset
        if request is not None and present != (request.calibration, request.dataset):
            self._reset()
        self.changed.emit()

    def _forget(self) -> None:
        self._task = None
        self._stopped = False
        self._bridge.tasks.cancel(CHANNEL)
        self.mix, self.tried, self._today = None, [], None
        self._numbers = {}

    def _reset(self) -> None:
        self._forget()
        self._request = None
        self.changed.emit()
