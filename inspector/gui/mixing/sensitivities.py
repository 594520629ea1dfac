"""How much each layer matters, as it is found in the background: long work, shown as it comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from inspector.errors import InspectorError
from inspector.evaluate.data import Dataset
from inspector.evaluate.statistics import Calibration
from inspector.gui.bridge import Bridge
from inspector.gui.cluster import hired, scheduler, titled
from inspector.gui.heat_sources import NO_DATA, Source
from inspector.gui.mixing.findings import Findings
from inspector.gui.tasks import Context
from inspector.quant.spec import LayerSpecs
from inspector.session.opening import OpenModel
from inspector.session.recipe import Recipe

if TYPE_CHECKING:  # what only workers need is imported by them: the window starts sooner
    from inspector.evaluate.sensitivity import Case, Found, Way
    from inspector.evaluate.tally import Outcome
    from inspector.session.widths import Widths

CHANNEL = "sensitivity of layers"
BITS = (4, 8)
SHOWN_WAYS: tuple[Way, ...] = ("both", "weights", "activations", "rest")
_TITLE = "Quantizing layers one at a time, at several widths"


@dataclass(frozen=True, slots=True)
class Part:
    """Something that was found.

    Attributes:
        widths: what layers get at each width; with the first part.
        estimates: SQNR in dB as the first-order estimate sees it; with the first part.
        outcomes: of cases that are done.
    """

    widths: Widths | None = None
    estimates: Mapping[Case, float] | None = None
    outcomes: Mapping[Case, Outcome] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What to find out: all that a worker needs."""

    opened: OpenModel
    calibration: Calibration
    dataset: Dataset
    recipe: Recipe
    scheduler: str | None

    def run(self, context: Context) -> None:
        """Find it, and tell it part by part; the window keeps one core."""
        from inspector.evaluate.sensitivity import Case, measure_cases
        from inspector.evaluate.tally import total
        from inspector.gui.estimate import cores, preview_samples
        from inspector.session.estimates import decibels_of, estimate
        from inspector.session.recovery import recovered_for
        from inspector.session.search import allowed_widths
        from inspector.session.sensitivity import bench_of

        samples = preview_samples(self.dataset)
        widths = allowed_widths(self.opened, self.recipe, BITS)
        found = estimate(self.opened, self.calibration, samples, widths, context.cancelled)
        estimates = {case: decibels_of(power) for case, power in found.items()}
        context.tell(Part(widths=widths, estimates=estimates))
        recovered = recovered_for(
            self.opened,
            self.recipe,
            widths.choices.values(),
            self.calibration,
            self.dataset,
            cancel=context.cancelled,
        )
        bench = bench_of(recovered, samples, widths)
        done, every = 0, len(SHOWN_WAYS) * sum(len(widths.layers(bits)) for bits in widths.choices)

        def take(parts: tuple[Found, ...]) -> None:
            nonlocal done
            done += len(parts)
            outcomes = {one.case: total(one.tallies) for one in parts if one.tallies}
            context.tell(Part(outcomes=outcomes))
            context.progress(done, every)

        with hired(self.scheduler, max(cores() - 1, 1)) as executor:
            for way in SHOWN_WAYS:  # the figures of most use first, of all layers
                cases = [Case(n, bits, way) for bits in widths.choices for n in widths.layers(bits)]
                measure_cases(
                    bench,
                    cases,
                    take,
                    executor=executor,
                    told=context.breathe,
                    cancel=context.cancelled,
                )


class Sensitivities(Findings):
    """What is known of how much each layer matters; `changed` also when another width is shown."""

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(CHANNEL, bridge, parent)
        self._whole: object = None
        self.widths: Widths | None = None
        self.outcomes: dict[tuple[str, int, Way], Outcome] = {}
        self.estimates: dict[tuple[str, int, Way], float] = {}
        self.bits = BITS[0]

    def run(self) -> None:
        """Find all figures, in the place of those that are known."""
        data = self._begin("run the model on")
        if data is not None:
            document = self._bridge.document
            self._whole = _whole(document.recipe)
            address = scheduler()
            request = Request(document.opened, *data, document.recipe, address)
            self._submit(request.run, titled(_TITLE, address), self._take)

    def show(self, bits: int) -> None:
        """Show the figures of another width."""
        if bits != self.bits:
            self.bits = bits
            self.changed.emit()

    def sqnr(self, name: str, way: Way = "both") -> float | None:
        """Output SQNR in dB at the width that is shown; None where it is not known."""
        found = self.outcomes.get((name, self.bits, way))
        return None if found is None else found.fidelity.sqnr_db

    def is_stale(self, name: str) -> bool:
        """Whether a layer would be quantized in another way today."""
        if self.widths is None or name not in self.widths.base:
            return False
        if self._whole != _whole(self._bridge.document.recipe):
            return True
        now, then = self._bridge.document.specs_of(name), self.widths.base[name]
        return now != then and _at(now, self.bits) != _at(then, self.bits)

    def _take(self, part: Part) -> None:
        if part.widths is not None and part.estimates is not None:
            self.widths = part.widths
            self.estimates = {_key(case): value for case, value in part.estimates.items()}
            if self.bits not in part.widths.choices:
                self.bits = next(iter(part.widths.choices))
        self.outcomes.update((_key(case), one) for case, one in (part.outcomes or {}).items())
        self.changed.emit()

    def _clear(self) -> None:
        self.widths = None
        self.outcomes, self.estimates = {}, {}


def _whole(recipe: Recipe) -> object:
    """What of a recipe concerns the figures of all layers: the target, and what is recovered."""
    recovered = [(rule.layers, rule.recover) for rule in recipe.rules if rule.recover is not None]
    return recipe.target, recipe.recover, recovered


def _key(case: Case) -> tuple[str, int, Way]:
    return case.layer, case.bits, case.way


def _at(specs: LayerSpecs, bits: int) -> LayerSpecs | None:
    from inspector.session.widths import at_width

    try:
        return at_width(specs, bits)
    except InspectorError:
        return None


class SensitivitySource(Source):
    """The heat of the graph: output SQNR of each layer alone at the width that is shown."""

    def __init__(self, sensitivities: Sensitivities, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._of = sensitivities
        sensitivities.changed.connect(self.changed)

    def value(self, name: str) -> float | None:
        """Output SQNR in dB."""
        return self._of.sqnr(name)

    def is_stale(self, name: str) -> bool:
        """As the sensitivities say."""
        return self._of.sqnr(name) is not None and self._of.is_stale(name)

    def numbers(self) -> Mapping[str, float]:
        """All that are known at the width shown."""
        return {
            name: one.fidelity.sqnr_db
            for (name, bits, way), one in self._of.outcomes.items()
            if way == "both" and bits == self._of.bits
        }

    def stale_count(self) -> int:
        """How many layers would be quantized in another way today."""
        return sum(1 for name in self.numbers() if self._of.is_stale(name))

    def notice(self) -> str:
        """At which width, and what is missing."""
        if not self._of.has_data:
            return NO_DATA
        known = len(self.numbers())
        if self._of.is_running and not known:
            return "Quantizing one layer after another…"
        return f"At {self._of.bits} bits" if known else ""

    def waits_for_user(self) -> bool:
        """Whether figures are missing or out of date, and none is on its way."""
        if self._of.is_running or not self._of.has_data:
            return False
        return not self._of.outcomes or self.stale_count() > 0

    def ask(self) -> None:
        """Find them, unless they are known or on their way."""
        if self.waits_for_user() and not self._of.was_stopped:
            self._of.run()
