"""The heat colours of layers: which quantity, in which range, and how sure each number is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QColor

from inspector.gui.bridge import Bridge
from inspector.gui.graph_view.legend import HeatLegend
from inspector.gui.graph_view.swatches import Notes
from inspector.gui.heat_outputs import OutputErrors
from inspector.gui.heat_sources import ActivationErrors, Counts, GridsOf, Source, WeightErrors
from inspector.gui.tasks import Tasks
from inspector.gui.theme import heat
from inspector.report.quantity_text import quantity_text
from inspector.session.quantities import (
    ACTIVATION_SQNR,
    COMPUTE,
    OUTPUT_ERROR,
    PARAMETERS,
    QUANTITIES,
    SIZE,
    WEIGHT_SQNR,
    Quantity,
    default_range,
    find_quantity,
    is_range,
    place,
    places,
)

_GATHER_MS = 40
_STEPS = 256
_SEARCH_NAMES = {
    "sqnr": WEIGHT_SQNR.key,
    "asqnr": ACTIVATION_SQNR.key,
    "osqnr": OUTPUT_ERROR.key,
    "size": SIZE.key,
}


class Heat(QObject):
    """The chosen quantity of every layer as a colour and a text.

    Numbers can be asked for at any time and are those of this moment: `changed` says only that a
    repaint is worth it. Dark violet is always the low end and yellow the high one; the legend says
    which of them is better.

    Args:
        bridge: the document and what is known of it.
        tasks: where long work is done.
        grids: gives every scale and zero point of today's choices; None while they are not known.

    Signals:
        changed: numbers, quantity or range are others now; many changes at once are one signal.
    """

    changed = Signal()

    def __init__(
        self, bridge: Bridge, tasks: Tasks, grids: GridsOf, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._sources: dict[str, Source] = {
            WEIGHT_SQNR.key: WeightErrors(bridge, self),
            ACTIVATION_SQNR.key: ActivationErrors(bridge, tasks, grids, self),
            OUTPUT_ERROR.key: OutputErrors(bridge, tasks, self),
            **{one.key: Counts(one, bridge, self) for one in (SIZE, PARAMETERS, COMPUTE)},
        }
        self._none = Source(self)
        self._quantity: Quantity | None = WEIGHT_SQNR
        self._ranges: dict[str, tuple[float, float]] = {}
        self._automatic: tuple[float, float] | None = None
        self._any_float: bool | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_GATHER_MS)
        self._timer.timeout.connect(self.changed)
        for key, source in self._sources.items():
            source.changed.connect(lambda key=key: self._source_changed(key))
        bridge.model_changed.connect(self._model_changed)
        bridge.specs_changed.connect(self._specs_changed)
        bridge.facts_changed.connect(self._gather)
        bridge.calibration_changed.connect(self._data_changed)
        bridge.fidelity_changed.connect(self._data_changed)

    def add_source(self, key: str, source: Source) -> None:
        """Take the numbers of a quantity from here."""
        self._sources[key] = source
        source.changed.connect(lambda: self._source_changed(key))

    # What is shown

    @property
    def quantity(self) -> Quantity | None:
        """What is shown; None for no heat."""
        return self._quantity

    @property
    def title(self) -> str:
        """What the quantity is called; empty for no heat."""
        return "" if self._quantity is None else self._quantity.title

    @property
    def range(self) -> tuple[float, float]:
        """The numbers at the ends of the colours."""
        if self._quantity is None:
            return 0.0, 1.0
        chosen = self._ranges.get(self._quantity.key)
        if chosen is not None:
            return chosen
        if self._automatic is None:
            self._automatic = default_range(self._quantity, self._source().numbers().values())
        return self._automatic

    @property
    def is_automatic(self) -> bool:
        """Whether the range is not one that the user chose."""
        return self._quantity is None or self._quantity.key not in self._ranges

    def choose(self, key: str) -> None:
        """Show another quantity, by its key; any other text for none.

        Choosing the one that is shown already asks for what is missing or out of date.
        """
        quantity = find_quantity(key)
        if quantity is not self._quantity:
            self._source().leave()
            self._quantity = quantity
            self._automatic = None
        self._source().enter()
        self._tell()

    def set_range(self, low: float, high: float) -> None:
        """Show other ends; what can be no range is ignored."""
        if self._quantity is not None and is_range(self._quantity, low, high):
            self._ranges[self._quantity.key] = low, high
            self._tell()

    def set_automatic(self) -> None:
        """Show the range that fits the quantity."""
        if self._quantity is not None and self._ranges.pop(self._quantity.key, None) is not None:
            self._tell()

    def refresh(self) -> None:
        """Ask for what is missing or out of date."""
        self._source().ask()

    # Of one layer

    def value(self, name: str) -> float | None:
        """A layer's number; None where there is none, or none is known yet."""
        found = self._source().value(name)
        return None if found is None or math.isnan(found) else found

    def colour(self, name: str) -> QColor | None:
        """A layer's colour; None where its number is not known."""
        value = self.value(name)
        if value is None or self._quantity is None:
            return None
        where = place(self._quantity, value, *self.range)
        return None if where is None else heat(where)

    def text(self, name: str) -> str:
        """A layer's number with its unit, ≈ before an estimate; empty where it is not known."""
        value = self.value(name)
        if value is None or self._quantity is None:
            return ""
        sign = "≈ " if self._quantity.is_estimate else ""
        return sign + quantity_text(self._quantity, value)

    def is_stale(self, name: str) -> bool:
        """Whether a layer's number belongs to earlier choices."""
        return self._source().is_stale(name)

    def is_estimate(self, name: str) -> bool:
        """Whether a layer's number is an estimate."""
        estimate = self._quantity is not None and self._quantity.is_estimate
        return estimate and self.value(name) is not None

    # Of all

    def over(self, names: Sequence[str], base: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Puts heat colours over others where they are known: for the overview of a graph.

        Args:
            names: of n nodes.
            base: (n, 3) colours.

        Returns:
            (n, 3) colours, of at most 256 steps.

        Cost: linear in the number of names, a microsecond for each layer.
        """
        if self._quantity is None:
            return base
        found = np.asarray([self._number(name) for name in names], np.float64)
        where = places(self._quantity, found, *self.range)
        known = ~np.isnan(where)
        result = base.copy()
        result[known] = _TABLE[np.rint(where[known] * (_STEPS - 1)).astype(np.intp)]
        return result

    def numbers(self) -> dict[str, dict[str, float]]:
        """Every number known, by the names that a search calls the quantities, then by layer."""
        return {
            name: {layer: value for layer, value in found.items() if not math.isnan(value)}
            for name, key in _SEARCH_NAMES.items()
            if (found := self._sources[key].numbers())
        }

    def notes(self) -> Notes:
        """What the legend has to say beside the colours. Cost: linear in the number of layers."""
        if self._quantity is None:
            return Notes()
        source = self._source()
        return Notes(
            floats=self._has_float_layers(),
            estimates=self._quantity.is_estimate,
            stale=source.stale_count(),
            notice=source.notice() if self._bridge.document.layers else "",
            can_update=source.waits_for_user(),
        )

    def _number(self, name: str) -> float:
        found = self._source().value(name)
        return math.nan if found is None else found

    def _has_float_layers(self) -> bool:
        if self._any_float is None:
            self._any_float = self._bridge.is_any_float()
        return self._any_float

    def _source(self) -> Source:
        return self._none if self._quantity is None else self._sources[self._quantity.key]

    # What changed

    def _model_changed(self) -> None:
        self._any_float = None
        self._ranges.clear()
        for source in self._sources.values():
            source.reset()
        if self._bridge.document.is_open:
            self._source().enter()
        self._gather()

    def _specs_changed(self, names: object) -> None:
        assert isinstance(names, frozenset)
        self._any_float = None
        for source in self._sources.values():
            source.specs_changed(names)
        self._gather()

    def _data_changed(self) -> None:
        for source in self._sources.values():
            source.data_changed()
        self._gather()

    def _source_changed(self, key: str) -> None:
        if self._quantity is not None and self._quantity.key == key:
            self._gather()

    def _gather(self) -> None:
        self._automatic = None
        if not self._timer.isActive():
            self._timer.start()

    def _tell(self) -> None:
        self._timer.stop()
        self._automatic = None
        self.changed.emit()


def bind(heat: Heat, legend: HeatLegend) -> None:
    """Let a legend show the heat, and let its user change it."""

    def show() -> None:
        legend.show_quantity(heat.quantity, *heat.range, auto=heat.is_automatic)
        legend.show_notes(heat.notes())

    legend.set_quantities(QUANTITIES)
    legend.quantity_chosen.connect(heat.choose)
    legend.range_changed.connect(heat.set_range)
    legend.auto_asked.connect(heat.set_automatic)
    legend.update_asked.connect(heat.refresh)
    heat.changed.connect(show)
    show()


def _table() -> NDArray[np.uint8]:
    tones = [heat(step / (_STEPS - 1)) for step in range(_STEPS)]
    return np.asarray([(tone.red(), tone.green(), tone.blue()) for tone in tones], np.uint8)


_TABLE = _table()
