"""A recipe that is pinned, to be compared with today's: A beside B."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from inspector.errors import InspectorError
from inspector.evaluate.fidelity import Fidelity
from inspector.graph.grids import Grids
from inspector.gui.bridge import Bridge
from inspector.gui.evaluation import answered
from inspector.gui.layer_figures import LayerFigures, Outputs
from inspector.gui.tasks import Tasks
from inspector.session.edits import replace_recipe
from inspector.session.recipe import Recipe

if TYPE_CHECKING:  # what only workers need is imported by them: the window starts sooner
    from inspector.gui.estimate import Estimate

CHANNEL = "snapshot"
SWAP = "Swap with A"


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What is pinned.

    Attributes:
        recipe: the choices.
        fidelity: its end-to-end figures; None while they are not known.
        grids: every scale and zero point, as they would be written; None while not known.
        outputs: SQNR at each layer's output, where that was found.
    """

    recipe: Recipe
    fidelity: Fidelity | None
    outputs: Outputs
    grids: Grids | None = None


class Snapshots(QObject):
    """Pins, swaps and unpins; finds the figures of what is pinned where they are not known.

    Today's figures come first: those of A wait until they are there.

    Signals:
        changed: something else is pinned, or its figures are new.
        refused: an InspectorError: A cannot be evaluated.
    """

    changed = Signal()
    refused = Signal(object)

    def __init__(
        self, bridge: Bridge, tasks: Tasks, layers: LayerFigures, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._bridge, self._tasks, self._layers = bridge, tasks, layers
        self._swapped: tuple[Snapshot, Snapshot] | None = None
        self._failed: Recipe | None = None
        self.pinned: Snapshot | None = None
        bridge.model_changed.connect(self.unpin)
        bridge.calibration_changed.connect(self._forget_figures)
        bridge.specs_changed.connect(self._follow_history)
        bridge.fidelity_changed.connect(self._evaluate)
        layers.changed.connect(self._layers_changed)

    @property
    def can_pin(self) -> bool:
        """Whether there is something to pin."""
        return bool(self._bridge.document.layers)

    def pin(self) -> None:
        """Today's recipe is A from now on."""
        if self.can_pin:
            self._swapped = None
            self._set(self._today())

    def unpin(self) -> None:
        """There is no A any more."""
        self._swapped = None
        self._set(None)

    def swap(self) -> None:
        """A becomes today's recipe and today's becomes A, in one step of the history."""
        if self.pinned is None or self.pinned.recipe == self._bridge.document.recipe:
            return
        first, second = self.pinned, self._today()
        self._swapped = first, second
        self._bridge.apply(replace_recipe(first.recipe, SWAP))
        if self._bridge.document.recipe is not first.recipe:
            self._swapped = None
        elif self.pinned is not None and self.pinned.recipe is first.recipe:
            self._set(second)

    def _today(self) -> Snapshot:
        evaluation, recipe = self._bridge.evaluation, self._bridge.document.recipe
        fidelity = None if evaluation.is_stale else evaluation.fidelity
        grids = None if evaluation.is_stale else self._bridge.grids
        return Snapshot(recipe, fidelity, self._layers.of(recipe), grids)

    def _set(self, snapshot: Snapshot | None) -> None:
        self._tasks.cancel(CHANNEL)
        self._failed = None
        self.pinned = snapshot
        known = snapshot is None or bool(snapshot.outputs)
        self._layers.stand_beside(None if snapshot is None or known else snapshot.recipe)
        self.changed.emit()
        self._evaluate()

    def _follow_history(self) -> None:
        """Undoing a swap gives both their places back; so does doing it again."""
        if self._swapped is None:
            return
        recipe, (first, second) = self._bridge.document.recipe, self._swapped
        for here, other in ((first, second), (second, first)):
            pinned = self.pinned
            if recipe is here.recipe and pinned is not None and pinned.recipe is here.recipe:
                self._set(other)
                return

    # Figures of A

    def _forget_figures(self) -> None:
        """Other ranges give other figures."""
        if self.pinned is not None:
            self._swapped = None
            self._set(replace(self.pinned, fidelity=None, outputs={}, grids=None))

    def _evaluate(self) -> None:
        """Find what is missing, once today's figures are there."""
        evaluation, data = self._bridge.evaluation, self._bridge.document.dataset
        estimator, pinned = evaluation.estimator(), self.pinned
        if evaluation.is_stale:
            self._tasks.cancel(CHANNEL)
            return
        ready = evaluation.estimate is not None and estimator is not None and data is not None
        if pinned is None or pinned.fidelity is not None or not ready or estimator is None:
            return
        if pinned.recipe is self._bridge.document.recipe:
            self._take(pinned, evaluation.estimate)
            return
        if self._failed is pinned.recipe or self._tasks.is_busy(CHANNEL):
            return
        self._tasks.submit(
            CHANNEL,
            lambda context: answered(lambda: estimator.run(pinned.recipe, data, context)),
            lambda answer: self._take(pinned, answer),
        )

    def _take(self, of: Snapshot, answer: Estimate | InspectorError | None) -> None:
        if self.pinned is not of or answer is None:
            return
        if isinstance(answer, InspectorError):
            self._failed = of.recipe
            self.refused.emit(answer)
            return
        self.pinned = replace(of, fidelity=answer.fidelity, grids=answer.grids)
        self.changed.emit()

    def _layers_changed(self) -> None:
        """What was found for today's recipe may be what is pinned."""
        if self.pinned is None or self.pinned.outputs:
            return
        found = self._layers.of(self.pinned.recipe)
        if found:
            self.pinned = replace(self.pinned, outputs=found)
            self._layers.stand_beside(None)
            self.changed.emit()
