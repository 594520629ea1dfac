"""The error at each layer's output under today's choices, found while somebody looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from inspector.errors import InspectorError
from inspector.evaluate.data import Dataset
from inspector.gui.bridge import Bridge
from inspector.gui.evaluation import answered
from inspector.gui.tasks import Context, Task, Tasks
from inspector.session.recipe import Recipe

if TYPE_CHECKING:  # what only workers need is imported by them: the window starts sooner
    from inspector.gui.estimate import Estimator

CHANNEL = "errors of layers"
_PAUSE_MS = 150
_KEPT = 8
"""So many recipes' figures are kept, for undo and for what is pinned."""
_TITLE = "Comparing the outputs of all layers"
_NONE: Mapping[str, float] = MappingProxyType({})

Outputs = Mapping[str, float]
"""SQNR in dB by layer."""


class LayerFigures(QObject):
    """Accumulated output SQNR by layer, of today's recipe and of the one before.

    The end-to-end figures come first: work here starts when they are there, and gives way as soon
    as something is changed.

    Signals:
        changed: figures are new, or out of date.

    Attributes:
        outputs: the last figures; empty where there are none.
        before: those of the recipe before; empty where there was none.
        recipe: what `outputs` are of; None where there are none.
        error: why there are none, where that is known.
    """

    changed = Signal()

    def __init__(self, bridge: Bridge, tasks: Tasks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._tasks = bridge, tasks
        self._is_active = False
        self._stopped: Recipe | None = None
        self._task: Task | None = None
        self._of: tuple[Estimator | None, Dataset | None] = (None, None)
        self._known: list[tuple[Recipe, Outputs]] = []
        self._beside: Recipe | None = None
        self.outputs = self.before = _NONE
        self.recipe: Recipe | None = None
        self.error = ""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self._ask)
        bridge.model_changed.connect(self._forget)
        bridge.specs_changed.connect(self._give_way)
        bridge.fidelity_changed.connect(self._evaluated)
        tasks.ended.connect(self._ended)

    @property
    def is_stale(self) -> bool:
        """Whether the figures are of an earlier recipe."""
        return self.recipe is not None and self.recipe is not self._bridge.document.recipe

    @property
    def is_stopped(self) -> bool:
        """Whether the user stopped the work for today's recipe."""
        return self._stopped is self._bridge.document.recipe

    def set_active(self, is_active: bool) -> None:
        """Whether somebody looks at the figures."""
        self._is_active = is_active
        if is_active:
            self._stopped = None
            self._start()
        else:
            self._cancel()

    def is_settled(self) -> bool:
        """Whether nothing is about to start."""
        return not self._timer.isActive()

    # What is wanted

    def _evaluated(self) -> None:
        evaluation, document = self._bridge.evaluation, self._bridge.document
        estimator, data = self._of
        if evaluation.estimator() is not estimator or document.dataset is not data:
            self._forget()
        if not evaluation.is_stale:
            self._start()

    def _start(self) -> None:
        """Wait a moment: one who drags is not done yet."""
        evaluation = self._bridge.evaluation
        ready = evaluation.estimate is not None and not evaluation.is_stale
        if self._is_active and ready and self._next() is not None:
            self._timer.start()

    def _next(self) -> Recipe | None:
        """Whose figures are missing: today's come first."""
        today = self._bridge.document.recipe
        if self.is_stopped or self.error:
            return None
        if self.recipe is not today:
            return today
        return None if self._beside is None or self.of(self._beside) else self._beside

    def stand_beside(self, recipe: Recipe | None) -> None:
        """Find the figures of a pinned recipe too, once today's are there; None for none."""
        if recipe is not self._beside:
            self._beside = recipe
            self._start()

    def _give_way(self) -> None:
        self.error = ""
        self._cancel()
        recipe = self._bridge.document.recipe
        known = self.of(recipe)
        if known:
            self._show(recipe, known)
        self.changed.emit()

    def of(self, recipe: Recipe) -> Outputs:
        """The figures of one of the last recipes, as after an undo; empty where there are none."""
        return next((found for one, found in self._known if one is recipe), _NONE)

    def _show(self, recipe: Recipe, outputs: Outputs) -> None:
        if self.recipe is not None and self.recipe is not recipe:
            self.before = self.outputs
        self.outputs, self.recipe, self.error = outputs, recipe, ""

    def _cancel(self) -> None:
        self._timer.stop()
        self._task = None
        self._tasks.cancel(CHANNEL)

    def _forget(self) -> None:
        """Other samples or another model: nothing can be compared with what was."""
        self._cancel()
        document = self._bridge.document
        self._of = self._bridge.evaluation.estimator(), document.dataset
        self._known.clear()
        self.outputs = self.before = _NONE
        self.recipe = self._stopped = None
        self.error = ""
        self.changed.emit()

    def _ask(self) -> None:
        document, estimator = self._bridge.document, self._bridge.evaluation.estimator()
        data, recipe = document.dataset, self._next()
        if estimator is None or data is None or recipe is None:
            return

        def run(context: Context) -> Outputs:
            job = estimator.layer_job(recipe, data, context)
            return job.errors.run(
                job.request, job.samples, cancel=context.cancelled, progress=context.progress
            )

        self._task = self._tasks.submit(
            CHANNEL,
            lambda context: answered(lambda: run(context)),
            lambda answer: self._arrived(recipe, answer),
            _TITLE,
        )

    # What comes

    def _arrived(self, recipe: Recipe, answer: Outputs | InspectorError) -> None:
        self._task = None
        if isinstance(answer, InspectorError):
            self.error = answer.message
            if recipe is self._bridge.document.recipe:
                self.outputs, self.recipe = _NONE, None
        else:
            self._known = [(recipe, answer), *self._known[: _KEPT - 1]]
            if recipe is self._bridge.document.recipe:
                self._show(recipe, answer)
        self.changed.emit()
        self._start()

    def _ended(self, task: Task) -> None:
        """Without an answer: the user stopped it."""
        if task is self._task:
            self._task = None
            self._stopped = self._bridge.document.recipe
            self.changed.emit()
