"""Where the numbers behind heat colours come from: one source for each kind of quantity."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QObject, Signal

from inspector.evaluate.statistics import Calibration
from inspector.graph.grids import Grids
from inspector.gui.bridge import Bridge
from inspector.gui.heat_work import ActivationAnswer, ActivationRequest, GridKey
from inspector.gui.tasks import Tasks
from inspector.session.quantities import Quantity, values

_ACTIVATIONS = "activation errors"
GridsOf = Callable[[], Grids | None]
"""Gives every scale and zero point of today's choices; None while they are not known."""

NO_DATA = "Open calibration data to see this."


class Source(QObject):
    """The numbers of one quantity; what takes long is found only while it is looked at.

    Attributes:
        is_active: somebody looks at the numbers.

    Signals:
        changed: numbers came, or went out of date.
    """

    changed = Signal()
    is_active = False

    def value(self, _name: str) -> float | None:
        """A layer's number; None where it has none, or none is known."""
        return None

    def is_stale(self, _name: str) -> bool:
        """Whether a layer's number belongs to earlier choices."""
        return False

    def numbers(self) -> Mapping[str, float]:
        """All numbers that are known, by layer."""
        return {}

    def stale_count(self) -> int:
        """How many numbers belong to earlier choices."""
        return 0

    def notice(self) -> str:
        """Why numbers are missing, or what is being done about it; empty where all is well."""
        return ""

    def waits_for_user(self) -> bool:
        """Whether numbers are missing or out of date until somebody asks for them."""
        return False

    def ask(self) -> None:
        """Find what is missing or out of date."""

    def enter(self) -> None:
        """Somebody looks at these numbers from now on."""
        self.is_active = True
        self.ask()

    def leave(self) -> None:
        """Nobody looks at these numbers for now."""
        self.is_active = False
        self.stop()

    def stop(self) -> None:
        """End the work that is under way; what was found stays."""

    def specs_changed(self, _names: frozenset[str]) -> None:
        """The choices for these layers are others now."""

    def data_changed(self) -> None:
        """What is known of the activations, or the grids, is something else now."""

    def reset(self) -> None:
        """Another model is open, or none."""


class WeightErrors(Source):
    """The bridge looks after these itself."""

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge

    def value(self, name: str) -> float | None:
        """Weight SQNR in dB."""
        return self._bridge.sqnr(name)

    def is_stale(self, name: str) -> bool:
        """As the bridge says; a layer without any number is waiting, not stale."""
        return self._bridge.is_stale(name) and self._bridge.sqnr(name) is not None

    def numbers(self) -> Mapping[str, float]:
        """All that are known."""
        return self._bridge.all_sqnr()

    def stale_count(self) -> int:
        """How many the bridge has yet to find anew."""
        return sum(1 for name in self._bridge.all_sqnr() if self._bridge.is_stale(name))


class Counts(Source):
    """What follows from the graph and the specs: found when asked for."""

    def __init__(self, quantity: Quantity, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._quantity = quantity
        self._bridge = bridge
        self._values: dict[str, float] | None = None

    def value(self, name: str) -> float | None:
        """Bytes, parameters or multiply-accumulates."""
        return self._all().get(name)

    def numbers(self) -> Mapping[str, float]:
        """Of all layers."""
        return self._all()

    def specs_changed(self, _names: frozenset[str]) -> None:
        """Sizes are others now."""
        self._values = None

    def reset(self) -> None:
        """Other layers."""
        self._values = None

    def _all(self) -> dict[str, float]:
        if self._values is None:
            layers = self._bridge.document.layers
            weights = {layer.name: self._bridge.weights_of(layer.name) for layer in layers}
            self._values = values(self._quantity, layers, weights)
        return self._values


class ActivationErrors(Source):
    """The errors of what enters each layer, on the grids that would be written.

    They cost little, so they are found in the background as soon as the grids are known, looked at
    or not; from a change until then they are out of date.
    """

    def __init__(
        self, bridge: Bridge, tasks: Tasks, grids: GridsOf, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._bridge, self._tasks, self._grids_of = bridge, tasks, grids
        self._values: Mapping[str, float] = {}
        self._by_grid: Mapping[GridKey, float] = {}
        self._calibration: Calibration | None = None
        self._grids: Grids | None = None
        self._stale: set[str] = set()

    def value(self, name: str) -> float | None:
        """Activation SQNR in dB."""
        return self._values.get(name)

    def is_stale(self, name: str) -> bool:
        """Whether the layer's grid may have changed since."""
        return name in self._stale

    def numbers(self) -> Mapping[str, float]:
        """All that are known."""
        return self._values

    def stale_count(self) -> int:
        """How many may have changed."""
        return len(self._stale)

    def notice(self) -> str:
        """There is nothing to say of activations without data."""
        return NO_DATA if self._bridge.document.calibration is None else ""

    def ask(self) -> None:
        """Look at the grids of today, if they are known and were not looked at."""
        grids, document = self._grids_of(), self._bridge.document
        if grids is None or grids is self._grids or document.calibration is None:
            return
        self._grids = grids
        request = ActivationRequest(document.calibration, grids, document.layers, self._by_grid)
        self._tasks.submit(_ACTIVATIONS, request.run, self._arrived)

    def specs_changed(self, names: frozenset[str]) -> None:
        """Their grids are not known until the whole model's are."""
        self._forget_request()
        self._stale |= names & self._values.keys()
        self.changed.emit()

    def data_changed(self) -> None:
        """Look at the grids that may be known now; with another calibration, at everything."""
        if self._bridge.document.calibration is not self._calibration:
            self.reset()
        self.ask()

    def reset(self) -> None:
        """Forget everything."""
        self._forget_request()
        self._calibration = self._bridge.document.calibration
        self._values, self._by_grid = {}, {}
        self._stale.clear()
        self.changed.emit()

    def _forget_request(self) -> None:
        self._tasks.cancel(_ACTIVATIONS)
        self._grids = None

    def _arrived(self, answer: ActivationAnswer) -> None:
        self._values, self._by_grid = answer.by_layer, answer.by_grid
        self._stale.clear()
        self.changed.emit()
