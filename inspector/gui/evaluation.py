"""The end-to-end figures that the window shows: when they are asked for, and how old they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, Signal

from inspector.errors import CancelledError, InspectorError
from inspector.evaluate.fidelity import Fidelity
from inspector.graph.grids import Grids
from inspector.gui.tasks import FRAME_MS, Tasks
from inspector.session.document import Document

if TYPE_CHECKING:  # what only workers need is imported by them: the window starts sooner
    from inspector.gui.estimate import Estimate, Estimator

T = TypeVar("T")
CHANNEL = "estimate"


@dataclass(slots=True)
class Runs:
    """What became of the evaluations of a model.

    Attributes:
        asked: how many were begun.
        answered: how many were finished.
        replaced: how many were stopped, because a newer one was asked for meanwhile.
    """

    asked: int = 0
    answered: int = 0
    replaced: int = 0


class Evaluation(QObject):
    """The estimate of today's recipe.

    Signals:
        changed: there is another estimate, or it became out of date.
        refused: an InspectorError: today's recipe cannot be estimated.

    Attributes:
        estimate: the last one; None where there is none, or nothing that it could be of.
        is_stale: it is of an earlier recipe; a newer one is on its way.
        runs: what became of those that were asked for.
    """

    changed = Signal()
    refused = Signal(object)

    def __init__(self, document: Document, tasks: Tasks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._document, self._tasks = document, tasks
        self._estimator: Estimator | None = None
        self.estimate: Estimate | None = None
        self.is_stale = False
        self.runs = Runs()

    @property
    def sessions_built(self) -> int:
        """How many simulations were built since the calibration; a change needs none."""
        return 0 if self._estimator is None else self._estimator.sessions_built

    @property
    def fidelity(self) -> Fidelity | None:
        """How near the outputs are to the float model's, also while that is out of date."""
        return None if self.estimate is None else self.estimate.fidelity

    @property
    def grids(self) -> Grids | None:
        """Every scale and zero point of today's choices; None while they are not known."""
        return None if self.estimate is None or self.is_stale else self.estimate.grids

    def estimator(self) -> Estimator | None:
        """What finds figures of any recipe; None without layers or without a calibration."""
        calibration = self._document.calibration
        if calibration is None or not self._document.layers:
            return None
        if self._estimator is None:
            from inspector.gui.estimate import Estimator

            self._estimator = Estimator(self._document.opened, calibration, self._document.caches)
        return self._estimator

    def calibration_changed(self) -> None:
        """Other ranges: nothing that was chosen from the old ones holds any more."""
        self._estimator = None

    def reset(self) -> None:
        """Forget everything: another model is open."""
        self._tasks.cancel(CHANNEL)
        self._estimator, self.estimate, self.is_stale = None, None, False
        self.runs = Runs()

    def ask(self) -> None:
        """Find the figures of today's recipe, in the place of any older ones under way."""
        estimator, data = self.estimator(), self._document.dataset
        if estimator is None:
            self._tasks.cancel(CHANNEL)
            self.estimate, self.is_stale = None, False
            self.changed.emit()
            return
        self.is_stale = self.estimate is not None
        recipe = self._document.recipe
        self.runs.asked += 1
        self.runs.replaced += self._tasks.is_busy(CHANNEL)
        self._tasks.submit(
            CHANNEL,
            lambda context: answered(lambda: estimator.run(recipe, data, context)),
            self._arrived,
            after_ms=FRAME_MS,
        )
        self.changed.emit()

    def _arrived(self, answer: Estimate | InspectorError) -> None:
        self.is_stale = False
        self.runs.answered += 1
        if isinstance(answer, InspectorError):
            self.estimate = None
            self.refused.emit(answer)
        else:
            self.estimate = answer
        self.changed.emit()


def answered(work: Callable[[], T]) -> T | InspectorError:
    """What the work gives, or the error that belongs to it and not to the whole program."""
    try:
        return work()
    except CancelledError:
        raise
    except InspectorError as error:
        return error
