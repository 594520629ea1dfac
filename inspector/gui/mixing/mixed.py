"""The search for mixed precision in the background, and what it has found so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from inspector.evaluate.data import Dataset
from inspector.evaluate.statistics import Calibration
from inspector.graph.model import Layer
from inspector.gui.bridge import Bridge
from inspector.gui.cluster import hired, scheduler, titled
from inspector.gui.mixing.findings import Findings
from inspector.gui.tasks import Context
from inspector.quant.spec import LayerSpecs, QuantSpec
from inspector.session.edits import Edit
from inspector.session.opening import OpenModel
from inspector.session.recipe import Recipe

if TYPE_CHECKING:  # what only workers need is imported by them: the window starts sooner
    from inspector.evaluate.search import Point
    from inspector.session.mixing import Kind, Mix
    from inspector.session.search import Searched

CHANNEL = "mixed precision"
WIDTHS = ((4, 8), (4, 6, 8), (3, 4, 8), (2, 4, 8), (4, 8, 16))
"""What may be mixed; what the target does not take is left out."""
_ANY = 1e12
_MERGE = "mixed precision"
_TITLE = "Looking for mixed precision"


@dataclass(frozen=True, slots=True)
class Limit:
    """What a search is asked for.

    Attributes:
        kind: of the budget; see `inspector.session.mixing.Budget`.
        title: in words.
        unit: behind the number; "" for the whole front, which has none.
        factor: of the number to what the budget counts in.
        usual: what stands there at first.
    """

    kind: Kind
    title: str
    unit: str = ""
    factor: float = 1.0
    usual: float = _ANY

    @property
    def is_open(self) -> bool:
        """Whether there is no limit: the whole front is wanted."""
        return not self.unit


LIMITS = (
    Limit("max_size", "Any size"),
    Limit("bit_operations", "Any bit ops"),
    Limit("max_size", "Size ≤", "MB", 1.0, 1.0),
    Limit("mean_bits", "Bits ≤", "mean", 1.0, 6.0),
    Limit("bit_operations", "Bit ops ≤", "G", 1.0, 10.0),
    Limit("sqnr_db", "SQNR ≥", "dB", 1.0, 30.0),
    Limit("top1_agreement", "Top-1 ≥", "%", 0.01, 99.0),
    Limit("accuracy", "Accuracy ≥", "%", 0.01, 95.0),
)
"""What can be asked for; the first two show all that can be had."""


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
    limit: Limit
    value: float
    scheduler: str | None

    def run(self, context: Context) -> Searched:
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
            return search_opened(
                self.opened,
                self.calibration,
                self.dataset,
                samples,
                self.recipe,
                widths,
                Budget(self.limit.kind, self.value * self.limit.factor),
                executor=executor,
                told=tell,
                pause=context.breathe,
                progress=lambda _, done, total: context.progress(done, total),
                cancel=context.cancelled,
            )


class MixedSearch(Findings):
    """The choices that were run, the front among them, the one that is tried and the best."""

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(CHANNEL, bridge, parent)
        self._request: Request | None = None
        self.mix: Mix | None = None
        self.tried: list[Tried] = []
        self.searched: Searched | None = None
        self._numbers: dict[Key, int] = {}
        self._today: tuple[Recipe, int] | None = None
        self._number: int | None = None
        self.bits: tuple[int, ...] = WIDTHS[0]
        self.limit = LIMITS[0]
        self.value = self.limit.usual

    def run(self) -> None:
        """Search, in the place of what was found."""
        data = self._begin("judge choices by")
        if data is None:
            return
        document = self._bridge.document
        value = _ANY if self.limit.is_open else self.value
        address = scheduler()
        self._request = Request(
            document.opened, *data, document.recipe, self.bits, self.limit, value, address
        )
        self._submit(self._request.run, titled(_TITLE, address), self._take)

    def choose(self, bits: tuple[int, ...], limit: Limit, value: float) -> None:
        """Mix other widths, or keep to another limit, from the next search on."""
        self.bits, self.limit, self.value = bits, limit, value

    @property
    def asked(self) -> Limit:
        """What the search that is shown was asked for."""
        return self.limit if self._request is None else self._request.limit

    def best(self) -> int | None:
        """The number of the choice that the limit led to; None without limit, or before the end."""
        searched = self.searched
        if searched is None or self.asked.is_open:
            return None
        points = [one.point for one in self.tried]
        return next((n for n, point in enumerate(points) if point is searched.best), None)

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

    def _finished(self, result: Searched) -> None:
        self.searched = result
        super()._finished(result)

    def _clear(self) -> None:
        self.mix, self.tried, self._today, self.searched = None, [], None, None
        self._numbers = {}
        self._request = None
