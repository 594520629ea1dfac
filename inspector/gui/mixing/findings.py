"""What is found in the background of a model and its data: how such work lives and dies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal

from inspector.errors import DataError
from inspector.evaluate.data import Dataset
from inspector.evaluate.statistics import Calibration
from inspector.gui.bridge import Bridge
from inspector.gui.tasks import Context, Task


class Findings(QObject):
    """Figures that come one after the other, for a model, its data and its choices of then.

    Args:
        channel: of the tasks that find them: a newer one takes the place of an older.
        bridge: to the document.
        parent: owns this.

    Signals:
        changed: figures came, went out of date, or others are shown.
    """

    changed = Signal()

    def __init__(self, channel: str, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._channel = channel
        self._bridge = bridge
        self._task: Task | None = None
        self._stopped = False
        self._data: tuple[Calibration, Dataset] | None = None
        bridge.model_changed.connect(self._reset)
        for source in (bridge.calibration_changed, bridge.dataset_changed):
            source.connect(self._data_changed)
        bridge.specs_changed.connect(lambda _: self.changed.emit())
        bridge.tasks.ended.connect(self._ended)

    @property
    def is_running(self) -> bool:
        """Whether figures are on their way."""
        return self._task is not None

    @property
    def was_stopped(self) -> bool:
        """Whether the user ended the work before it was done."""
        return self._stopped

    @property
    def has_data(self) -> bool:
        """Whether there is what it takes."""
        document = self._bridge.document
        return document.calibration is not None and document.dataset is not None

    def _begin(self, why: str) -> tuple[Calibration, Dataset] | None:
        """What is known is forgotten; the data for new work, None where there is none.

        Args:
            why: what data is needed for, to tell the user who has none.
        """
        document = self._bridge.document
        if not document.is_open:
            return None
        calibration, dataset = document.calibration, document.dataset
        if calibration is None or dataset is None:
            self._bridge.refused.emit(
                DataError(
                    f"There is no data to {why}.",
                    "Open calibration data first, or use random inputs for a first look.",
                )
            )
            return None
        self._forget()
        self._data = calibration, dataset
        return self._data

    def _submit(
        self, work: Callable[[Context], Any], title: str, take: Callable[[Any], None]
    ) -> None:
        """Start work that tells of its findings as they come."""
        self._task = self._bridge.tasks.submit(
            self._channel, work, self._finished, title, early=take
        )
        self.changed.emit()

    def _clear(self) -> None:
        """Forget what was found."""
        raise NotImplementedError

    def _finished(self, result: Any) -> None:
        """The work is done; `result` is what it returned."""
        del result
        self._task = None
        self.changed.emit()

    def _ended(self, task: Task) -> None:
        """Without an answer: the user stopped it, or it failed."""
        if task is self._task:
            self._task = None
            self._stopped = True
            self.changed.emit()

    def _data_changed(self) -> None:
        """Figures of other samples, or of ranges from other data, cannot be compared."""
        document = self._bridge.document
        if self._data is not None and self._data != (document.calibration, document.dataset):
            self._reset()
        self.changed.emit()

    def _forget(self) -> None:
        self._task = None
        self._stopped = False
        self._bridge.tasks.cancel(self._channel)
        self._clear()

    def _reset(self) -> None:
        self._forget()
        self._data = None
        self.changed.emit()
