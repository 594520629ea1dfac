"""Fills the tab of integers while somebody looks at it, and follows every change."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from inspector.errors import InspectorError
from inspector.graph.conversions import Conversions
from inspector.graph.grids import Grids
from inspector.gui.bridge import Bridge
from inspector.gui.integers.model_page import model_page
from inspector.gui.integers.pages import number_of, number_page, worked_page
from inspector.gui.integers.pane import IntegersPane
from inspector.gui.integers.stages import Stage
from inspector.gui.integers.work import (
    Choice,
    PipelineAnswer,
    Place,
    WorkedAnswer,
    find_layer,
    find_model,
)
from inspector.gui.selection import Selection
from inspector.gui.tasks import Tasks
from inspector.gui.theme import LIGHT, Theme
from inspector.quant.qparams import QParams
from inspector.quant.spec import Role

if TYPE_CHECKING:
    from inspector.gui.plots.plot_pane import PlotPane

LAYER, MODEL = "integers of a layer", "integers of the model"
TITLE = "Integers"

_NO_LAYER = "Select a layer in the graph or the table to see what it does in integers."
_NO_LAYERS = "This model has no layers that can be quantized."
_NO_DATA = "Drop calibration data: the scales of activations follow from it."
_NO_SAMPLES = "There are only statistics of the data, no samples to compute with. Drop samples."
_WAIT = "Computing…"
_REFUSED = "Today's choices cannot be computed: see the message above."


class IntegerPresenter(QObject):
    """The number is shown at once; the pipeline, one output and the model come from a worker.

    Args:
        bridge: the document.
        selection: what is chosen.
        tabs: the right column, which gets the tab.
        parent: of the object.
    """

    def __init__(
        self,
        bridge: Bridge,
        selection: Selection,
        tabs: QTabWidget,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._selection, self._tabs = bridge, selection, tabs
        self._tasks: Tasks = bridge.tasks
        self._theme = LIGHT
        self.tab = QWidget()
        QVBoxLayout(self.tab).setContentsMargins(0, 0, 0, 0)
        tabs.addTab(self.tab, TITLE)
        self._pane: IntegersPane | None = None
        self._layer = ""
        self._asked: Place | None = None
        self._model: tuple[Grids, Conversions] | None = None
        self._early: PipelineAnswer | None = None
        self._drawn = ""
        self._shape: tuple[int, ...] = ()
        self._picked: tuple[Role, float] | None = None
        self._is_fresh = False
        tabs.currentChanged.connect(lambda _: self._look())
        selection.changed.connect(lambda _: self._changed())
        bridge.model_changed.connect(self._changed)
        bridge.specs_changed.connect(lambda _: self._specs_changed())
        bridge.facts_changed.connect(lambda _: self._show_number())
        bridge.calibration_changed.connect(self._changed)
        bridge.fidelity_changed.connect(self._changed)

    def listen_to(self, plots: PlotPane) -> None:
        """The plots have been made: a click there picks a number."""
        plots.weights.value_picked.connect(lambda value: self._pick("weights", value))
        plots.activations.value_picked.connect(lambda value: self._pick("activations", value))
        plots.row_picked.connect(self._pick_row)

    @property
    def pane(self) -> IntegersPane:
        """What the tab holds: made when it is first wanted."""
        if self._pane is None:
            pane = self._pane = IntegersPane()
            layout = self.tab.layout()
            assert layout is not None
            layout.addWidget(pane)
            pane.apply_theme(self._theme)
            pane.number_asked.connect(self._show_number)
            pane.place_asked.connect(self._place_asked)
            pane.another_asked.connect(self._another)
            pane.node_asked.connect(lambda name: self._selection.choose((name,)))
        return self._pane

    def come_forward(self) -> None:
        """Show the tab, and keep it there as a click on it would."""
        self._tabs.setCurrentWidget(self.tab)
        self._tabs.tabBarClicked.emit(self._tabs.indexOf(self.tab))

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme
        if self._pane is not None:
            self._pane.apply_theme(theme)

    def is_settled(self) -> bool:
        """Whether nothing of what is shown is still being computed."""
        return not any(self._tasks.is_busy(channel) for channel in (LAYER, MODEL))

    # What changed

    def _is_seen(self) -> bool:
        return self._tabs.currentWidget() is self.tab

    def _look(self) -> None:
        if self._is_seen() and not self._is_fresh:
            self._refresh()

    def _changed(self) -> None:
        self._is_fresh = False
        if self._is_seen():
            self._refresh()
        else:
            self._tasks.cancel(LAYER)
            self._tasks.cancel(MODEL)

    def _specs_changed(self) -> None:
        """The number follows at once, all else with the scales of the new choice."""
        self._is_fresh = False
        self._show_number()

    def _refresh(self) -> None:
        """Show what is known at once, and ask for the rest."""
        self._is_fresh = True
        pane, selected = self.pane, self._bridge.selected
        name = selected[0] if selected else ""
        if name != self._layer:
            self._layer, self._asked, self._shape = name, None, ()
            pane.forget_place()
            pane.show_worked(None)
        more = f"The first of {len(selected)} selected layers" if len(selected) > 1 else ""
        pane.show_layer(name or "No layer selected", more)
        if self._picked is not None:
            self._take_picked()
        self._show_number()
        choice = self._choice()
        waits = choice is None and self._bridge.fidelity_is_stale
        pane.set_stale(waits)
        if waits:  # what was shown stays, faded, until the new figures are there
            self._tasks.cancel(LAYER)
            self._tasks.cancel(MODEL)
            return
        self._ask_model(choice)
        if choice is None or not name:
            self._tasks.cancel(LAYER)
            self._drawn = ""
            pane.show_reason(self._why_nothing() if name else self._why_no_layer())
            pane.show_worked(None, "" if not name else self._why_nothing())
            return
        self._ask_layer(choice)

    def _why_no_layer(self) -> str:
        document = self._bridge.document
        return _NO_LAYER if document.layers or not document.is_open else _NO_LAYERS

    def _why_nothing(self) -> str:
        if self._bridge.document.calibration is None:
            return _NO_DATA
        return _WAIT if self._tasks.is_busy() else _REFUSED

    def _choice(self) -> Choice | None:
        document, evaluation = self._bridge.document, self._bridge.evaluation
        grids, estimator = self._bridge.grids, evaluation.estimator()
        if grids is None or estimator is None:
            return None
        return Choice(document.opened, grids, document.recipe, estimator, document.dataset)

    # One number

    def _pick(self, role: Role, value: float) -> None:
        """A value was clicked in a histogram; it is there when the tab is next looked at."""
        self._picked = role, value
        if self._is_seen():
            self._take_picked()
            self._show_number()

    def _take_picked(self) -> None:
        assert self._picked is not None
        role, value = self._picked
        self._picked = None
        self.pane.choose_role(role)
        self.pane.choose_value(value)

    def _pick_row(self, row: int) -> None:
        if self._is_seen():
            self.pane.choose_role("weights")
            self.pane.choose_row(row)
            self._show_number()

    def _show_number(self) -> None:
        if not self._is_seen() or self._pane is None:
            return
        pane, role = self._pane, self._pane.chosen_role
        grid, reason = self._grid(role)
        pane.show_rows(
            0 if grid is None else grid.rows, "block" if grid and grid.block else "channel"
        )
        if grid is None:
            pane.show_number(None, reason)
            return
        row = min(pane.row.value(), grid.rows - 1)
        try:
            value = number_of(pane.value.text(), grid, row)
        except (ValueError, OverflowError):
            pane.show_number(None, "Type a number, such as −0.25, or a code, such as 0x1f.")
            return
        pane.show_number(number_page(value, grid, row))

    def _grid(self, role: Role) -> tuple[QParams | None, str]:
        """The grid of the chosen layer, or why there is none."""
        if not self._layer or not self._bridge.selected:
            return None, self._why_no_layer()
        layer = self._bridge.document.layer(self._layer)
        if role == "weights" and layer.weight is None:
            return None, "This layer has no weights of its own: choose its activations."
        if role == "activations" and self._bridge.document.calibration is None:
            return None, _NO_DATA
        known = self._bridge.weight_facts if role == "weights" else self._bridge.activation_facts
        facts = known(self._layer)
        if facts is None:
            return None, "Reading the values…"
        return facts.qparams, "Left in float: there is no grid."

    # The pipeline and one output

    def _ask_layer(self, choice: Choice) -> None:
        asked = self._asked
        place = Place(self._layer, self.pane.sample.value() - 1, asked.index if asked else None)
        if choice.data is None:
            self.pane.show_worked(None, _NO_SAMPLES)
        self._tasks.submit(
            LAYER,
            lambda context: find_layer(choice, place, context),
            self._worked_arrived,
            early=self._pipeline_arrived,
        )

    def _pipeline_arrived(self, answer: PipelineAnswer | InspectorError) -> None:
        if isinstance(answer, InspectorError):
            self._early, self._drawn = None, ""
            self.pane.show_reason(str(answer))
            self.pane.show_worked(None, "There is no integer arithmetic to work through.")
            return
        self._early = answer
        if answer.layer != self._drawn or self._bridge.document.dataset is None:
            self._draw(answer.stages)

    def _draw(self, stages: Sequence[Stage]) -> None:
        self._drawn = self._layer
        self.pane.show_stages(stages)

    def _worked_arrived(self, answer: WorkedAnswer | InspectorError | None) -> None:
        if answer is None:
            return
        if isinstance(answer, InspectorError):
            if self._early is not None:
                self._draw(self._early.stages)
            self.pane.show_worked(None, str(answer), place=True)
            return
        self._shape = answer.worked.shape
        accumulator = answer.accumulator.bits
        self._draw(answer.stages)
        self.pane.show_worked(worked_page(answer.worked, accumulator))
        self.pane.show_place(answer.worked.index, answer.worked.shape, answer.samples)

    def _place_asked(self) -> None:
        """Another sample or element."""
        if not self._layer:
            return
        text = self.pane.index.text()
        index: tuple[int, ...] | None = None
        if text.strip():
            try:
                index = tuple(int(part) for part in text.replace(",", " ").split())
            except ValueError:
                why = f"{text} is no element: write numbers, as in 0, 3, 7."
                self.pane.show_worked(None, why, place=True)
                return
        self._work_at(index)

    def _another(self) -> None:
        if self._shape and 0 not in self._shape:
            self._work_at(tuple(random.randrange(size) for size in self._shape))

    def _work_at(self, index: tuple[int, ...] | None) -> None:
        self._asked = Place(self._layer, 0, index)
        choice = self._choice()
        if choice is not None and self._layer:
            self._ask_layer(choice)

    # The whole model

    def _ask_model(self, choice: Choice | None) -> None:
        if choice is None:
            self._tasks.cancel(MODEL)
            self._model = None
            self.pane.show_model(None)
            return
        if self._model is not None and self._model[0] is choice.grids:
            self._show_model(self._model[1])
            return
        self._tasks.submit(
            MODEL,
            lambda _: find_model(choice),
            lambda found: self._model_arrived(choice.grids, found),
        )

    def _model_arrived(self, grids: Grids, found: Conversions) -> None:
        self._model = grids, found
        self._show_model(found)

    def _show_model(self, found: Conversions) -> None:
        graph = self._bridge.document.opened.graph
        self.pane.show_model(model_page(found, graph, self._layer))
