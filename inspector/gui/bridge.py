"""Between the widgets and the document: edits go in, events come out as Qt signals.

Widgets never touch the document; they tell the bridge what the user wants, and the bridge tells
them what changed. Work that takes time is asked of `Tasks`; its answers come back here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import QObject, Signal

from inspector.errors import InspectorError
from inspector.evaluate.fidelity import Fidelity
from inspector.graph.grids import Grids
from inspector.gui.as_saved import AsSaved, SavedResponse
from inspector.gui.evaluation import Evaluation
from inspector.gui.figures import on_grid
from inspector.gui.misfits import Misfits
from inspector.gui.planned import Planned
from inspector.gui.plans import Plans, WholePlan
from inspector.gui.preparing import Preparing
from inspector.gui.slices import Slices
from inspector.gui.spec_fields import SpecChange
from inspector.gui.tasks import Tasks
from inspector.gui.turns import SLICE_SECONDS, Turns
from inspector.gui.weight_queue import WeightAnswer, WeightQueue
from inspector.memory import give_memory_back
from inspector.quant.spec import QuantSpec
from inspector.session.document import Document
from inspector.session.edits import (
    Edit,
    change_layers,
    fit_layers,
    reset_layers,
    set_default,
    set_layers,
)
from inspector.session.events import (
    CalibrationChanged,
    DatasetChanged,
    Event,
    ModelChanged,
    RecipeChanged,
    SavedChanged,
)
from inspector.session.facts import TensorFacts, WeightRequest

_MEMORY = "memory"


class Bridge(QObject):
    """The document as the widgets see it.

    Signals:
        model_changed: another model is open, or none.
        specs_changed: names of the layers whose specs differ from before.
        facts_changed: names of the layers whose weight figures are new.
        misfits_changed: names of the layers that another target may take, or not take any more.
        prepared_anew: it is the same model as before, with other passes left out.
        calibration_changed: the activations are known, or not any more.
        dataset_changed: there are other samples, or none any more.
        fidelity_changed: the end-to-end figures are new, or are out of date.
        saved_changed: whether there are unsaved changes.
        refused: an InspectorError that the user must know of.
    """

    model_changed = Signal()
    specs_changed = Signal(object)
    facts_changed = Signal(object)
    misfits_changed = Signal(object)
    prepared_anew = Signal()
    calibration_changed = Signal()
    dataset_changed = Signal()
    fidelity_changed = Signal()
    saved_changed = Signal(bool)
    refused = Signal(object)

    def __init__(self, document: Document, tasks: Tasks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.document = document
        self.tasks = tasks
        self.evaluation = Evaluation(document, tasks, self)
        self.misfits = Misfits(document)
        self._sqnr: dict[str, float] = {}
        self._stale: set[str] = set()
        self._failed: set[str] = set()
        self.turns = Turns(self)
        self._unseen = Slices(self.turns, SLICE_SECONDS, self._look_at_one, self._looked)
        self._queue = WeightQueue(tasks, self._weight_request, self._weights_arrived)
        self._selected: tuple[str, ...] = ()
        self._plans = Plans(document)
        self.preparing = Preparing(document, tasks, self._plans.expect)
        self._as_saved = AsSaved(document, tasks)
        self._on_grid: dict[tuple[str, int], TensorFacts] = {}
        self._source = document.opened.source if document.is_open else None
        self.evaluation.changed.connect(self._evaluated)
        self.evaluation.refused.connect(self.refused)
        self._unsubscribe = document.subscribe(self._hear)

    def close(self) -> None:
        """Stop listening."""
        self._unsubscribe()

    # What the user wants

    def select(self, names: Sequence[str]) -> None:
        """These layers are what is edited now; their figures come first."""
        known = {layer.name for layer in self.document.layers}
        self._selected = tuple(name for name in names if name in known)
        self._unseen.prefer(self._selected)
        self._queue.prefer(self._selected)

    @property
    def selected(self) -> tuple[str, ...]:
        """The layers being edited."""
        return self._selected

    def change(self, change: SpecChange) -> None:
        """Change one part of the specs of the selection, or of the defaults without one."""
        if not self.document.is_open:
            return
        if self._selected:
            layers = [self.document.layer(name) for name in self._selected]
            self.apply(
                change_layers(layers, change.role, change.change, change.label, drag=change.drag)
            )
            return
        default = self.document.recipe.default
        spec = change.change(getattr(default, change.role))
        self.apply(set_default(**{change.role: spec}, drag=change.drag))

    def reset(self) -> None:
        """Take back what was chosen for the selected layers alone."""
        if self._selected:
            self.apply(reset_layers(self._selected))

    def reset_layers(self, names: Sequence[str]) -> None:
        """Take back what was chosen for these layers alone."""
        self.apply(reset_layers(names))

    def set_specs(
        self, names: Sequence[str], weights: QuantSpec | None, activations: QuantSpec | None
    ) -> None:
        """Give layers specs; None leaves weights or activations as they are."""
        self.apply(set_layers(names, weights=weights, activations=activations))

    def make_fit(self, names: Sequence[str]) -> None:
        """Change layers to what the target takes; those that fit keep what they have."""
        target = self.misfits.target()
        layers = [self.document.layer(name) for name in names if self.misfits.of(name)]
        if target is not None and layers:
            self.apply(fit_layers(target, layers))

    def same_specs(self, source: str, names: Sequence[str]) -> None:
        """Give layers the specs that another was given, as they were written."""
        chosen = self.document.recipe.chosen(self.document.layer(source))
        self.set_specs(names, chosen.weights, chosen.activations)

    def undo(self) -> None:
        """Take the last edit back."""
        self.go_to(self.document.position - 1)

    def redo(self) -> None:
        """Do it again."""
        self.go_to(self.document.position + 1)

    def go_to(self, position: int) -> None:
        """Jump to a step of the history, if there is one."""
        steps = self.document.steps
        if 0 <= position < len(steps):
            step = steps[position]

            def go() -> None:
                if step in self.document.steps:
                    self.document.go_to(position)

            self.preparing.when_prepared(step.value, go)

    def apply(self, edit: Edit) -> None:
        """Carry out an edit as a step of the history, or say why it cannot be."""
        try:
            recipe = edit.change(self.document.recipe)
            self.preparing.when_prepared(recipe, lambda: self._apply(edit))
        except InspectorError as error:
            self._refuse(error)

    def _apply(self, edit: Edit) -> None:
        try:
            self.document.apply(edit)
        except InspectorError as error:
            self._refuse(error)

    def _refuse(self, error: InspectorError) -> None:
        self.refused.emit(error)
        self.specs_changed.emit(frozenset(self._selected))

    # What is known

    def sqnr(self, name: str) -> float | None:
        """Weight SQNR of a layer in dB; None while it is not known or where there is none."""
        return self._sqnr.get(name)

    def all_sqnr(self) -> dict[str, float]:
        """Every weight SQNR known, by layer."""
        return dict(self._sqnr)

    @property
    def fidelity(self) -> Fidelity | None:
        """How near the outputs are to the float model's; of an earlier recipe while it is stale."""
        return self.evaluation.fidelity

    @property
    def fidelity_is_stale(self) -> bool:
        """Whether newer end-to-end figures are on their way."""
        return self.evaluation.is_stale

    @property
    def grids(self) -> Grids | None:
        """Every scale and zero point of today's choices; None while they are not known."""
        return self.evaluation.grids

    def is_stale(self, name: str) -> bool:
        """Whether a layer's figure belongs to an earlier spec."""
        return name in self._stale or name in self._unseen

    def is_settled(self) -> bool:
        """Whether every layer was looked at since its spec changed."""
        return not self._unseen

    def expect(self, plans: WholePlan) -> None:
        """Take over what was found in the background of the model that is about to be opened."""
        self._plans.expect(plans)
        self.misfits.expect(plans.graph.layers, plans.kinds)

    def planned(self, name: str) -> Planned:
        """What a layer really gets, and why where that is not what was asked for."""
        return self._plans.of(name)

    def weights_of(self, name: str) -> QuantSpec:
        """What a layer's weights really get: a look-up."""
        return self._plans.weights_of(name)

    def is_any_float(self) -> bool:
        """Whether some layer computes with its values as they are."""
        return self.document.is_open and self._plans.is_any_float()

    def weight_facts(self, name: str) -> TensorFacts | None:
        """All about a layer's weights, as soon as it is known.

        On the grid of the file: a bias that needs room may widen it once the activations are known.
        """
        layer = self.document.layer(name)
        spec = self.weights_of(name)
        facts = self.document.facts
        if name in self._failed or layer.weight is None:
            return None
        saved = self._as_saved.get(name, spec)
        if saved is not None:
            return saved
        if facts.is_sorted(layer, spec):
            try:
                return facts.weight(layer, spec)
            except InspectorError as error:
                self._fail(name, error)
                return None
        found = facts.known_weight(layer, spec)
        if found is None and name not in self._stale:  # it had to make room for others
            self._stale.add(name)
            self._queue.hurry(name)
        return found

    def activation_facts(self, name: str) -> TensorFacts | None:
        """All about the activations that enter a layer; None before calibration.

        The grid is the one that would be written, as soon as it is known: tensors that share a
        scale, or are read by several layers, may get another than each would on its own.
        """
        layer = self.document.layer(name)
        spec, tensor = self.planned(name).activations[0], layer.activations[0]
        try:
            own = self.document.facts.activation(tensor, spec)
        except InspectorError as error:
            self.refused.emit(error)
            return None
        calibration = self.document.calibration
        if own is None or self.grids is None or calibration is None:
            return own
        grid = self.grids.at(tensor, name)
        if grid is None:
            return own
        key = (tensor, id(grid))
        if key not in self._on_grid:
            self._on_grid[key] = on_grid(own, calibration.tensors[tensor], grid)
        return self._on_grid[key]

    # What changed

    def _hear(self, event: Event) -> None:
        match event:
            case ModelChanged():
                source = self.document.opened.source if self.document.is_open else None
                same, self._source = source is not None and source is self._source, source
                self._reset()
                self.model_changed.emit()
                self.calibration_changed.emit()
                self.fidelity_changed.emit()
                self.saved_changed.emit(self.document.is_dirty)
                self._unseen.add_later(layer.name for layer in self.document.layers)
                self._tidy()
                if same:
                    self.prepared_anew.emit()
            case RecipeChanged(layers):
                layers = self._plans.anew(layers)
                self._look_at(layers)
                self.specs_changed.emit(layers)
                self.evaluation.ask()
            case CalibrationChanged():
                self.evaluation.calibration_changed()
                self.calibration_changed.emit()
                self.evaluation.ask()
            case DatasetChanged():
                self.evaluation.ask()
                self.dataset_changed.emit()
            case SavedChanged(dirty):
                self.saved_changed.emit(dirty)

    def _reset(self) -> None:
        self._queue.clear()
        self.misfits.model_changed()
        self._sqnr, self._stale, self._failed = {}, set(), set()
        self._unseen.clear()
        self._selected = ()
        self.evaluation.reset()
        self._plans.forget()
        self._as_saved.clear()
        self._on_grid.clear()

    def _look_at(self, names: Iterable[str]) -> None:
        """Find the figures of layers: at once where that is quick, else in the background."""
        self._unseen.add(names)
        self._queue.prefer(self._selected)
        self._queue.work()

    def _looked(self, names: Sequence[str]) -> None:
        """Some of many were looked at after all that changed was told."""
        self._queue.work()
        self.facts_changed.emit(frozenset(names))
        self._tidy()
        self._look_at_saved()

    def _look_at_one(self, name: str, is_time_left: bool) -> None:
        layer = self.document.layer(name)
        if layer.weight is None:
            return
        self._failed.discard(name)
        spec = self.weights_of(name)
        known = self._as_saved.get(name, spec) or self.document.facts.known_weight(layer, spec)
        wanted = name in self._selected[:1] or (is_time_left and len(self._selected) > 1)
        if known is None and wanted and self.document.facts.is_sorted(layer, spec):
            known = self.weight_facts(name)
        if known is not None:
            self._learn(name, known)
        else:
            self._stale.add(name)
            self._queue.add(name)

    def _learn(self, name: str, facts: TensorFacts) -> None:
        self._stale.discard(name)
        if facts.profile is None:
            self._sqnr.pop(name, None)
        else:
            self._sqnr[name] = facts.profile.total_sqnr_db

    def _tidy(self) -> None:
        """Once a model and its figures are there, what it took to find them is no longer needed."""
        if self._queue.is_done and not self._unseen:
            self.tasks.submit(_MEMORY, lambda _: give_memory_back(), lambda _: None)

    def _weight_request(self, name: str) -> WeightRequest | None:
        layer = self.document.layer(name)
        return self.document.facts.weight_request(layer, self.weights_of(name))

    def _weights_arrived(self, answers: Sequence[WeightAnswer]) -> None:
        for name, answer in answers:
            if isinstance(answer, InspectorError):
                self._fail(name, answer)
            elif self.document.facts.accept(answer, hold=name in self._selected[:1]):
                if answer.request.spec == self.weights_of(name):
                    self._learn(name, answer.facts)
                else:
                    self._queue.add(name)
        self._queue.prefer(self._selected)
        self.facts_changed.emit(frozenset(name for name, _ in answers))
        self._queue.work()
        self._tidy()
        self._look_at_saved()

    def _look_at_saved(self) -> None:
        """Find the figures of weights that have another grid in the file, once all is known."""
        if self.grids is None or self._unseen or not self._queue.is_done:
            return
        concerned, usual = self._as_saved.ask(self.grids, self._saved_arrived)
        for name in usual:
            facts = self.weight_facts(name)
            if facts is not None:
                self._learn(name, facts)
        self._stale |= concerned
        if usual | concerned:
            self.facts_changed.emit(usual | concerned)

    def _saved_arrived(self, answer: SavedResponse | InspectorError) -> None:
        if isinstance(answer, InspectorError):
            self.refused.emit(answer)
            return
        self._as_saved.take(answer)
        for name, (spec, facts) in answer.facts.items():
            if spec == self.weights_of(name):
                self._learn(name, facts)
        self.facts_changed.emit(frozenset(answer.facts))

    def _fail(self, name: str, error: InspectorError) -> None:
        self._failed.add(name)
        self._stale.discard(name)
        self._sqnr.pop(name, None)
        self.refused.emit(error)

    # End to end

    def _evaluated(self) -> None:
        """The end-to-end figures are new or out of date, and with them the grids."""
        if self.evaluation.grids is not None:
            self._on_grid.clear()
        self._look_at_saved()
        self.fidelity_changed.emit()
