"""Keeps the end-to-end figures of the strip, and the classes behind them, up to date."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from inspector.gui.bridge import Bridge
from inspector.gui.classes_popup import ClassesPopup
from inspector.gui.snapshot import Snapshots
from inspector.gui.status_strip import StatusStrip


class StripPresenter(QObject):
    """From the evaluation to the strip, and from a click there to the classes."""

    def __init__(
        self, bridge: Bridge, snapshots: Snapshots, strip: StatusStrip, window: QWidget
    ) -> None:
        super().__init__(window)
        self._evaluation, self._snapshots, self._strip = bridge.evaluation, snapshots, strip
        self.popup = ClassesPopup(window)
        strip.classes_asked.connect(self.popup.open)
        bridge.fidelity_changed.connect(self._show)
        snapshots.changed.connect(self._show)

    def _show(self) -> None:
        """The old classes stay in sight until the new ones are there, as the figures do."""
        evaluation, pinned = self._evaluation, self._snapshots.pinned
        estimate = evaluation.estimate
        beside = None if pinned is None else pinned.fidelity
        self._strip.show_fidelity(evaluation.fidelity, stale=evaluation.is_stale, pinned=beside)
        classes = None if estimate is None else estimate.classes
        measured = estimate is not None and estimate.fidelity is not None
        seconds = estimate.seconds if estimate is not None and measured else None
        self._strip.show_classes(classes, seconds)
        self.popup.set_predictions(() if classes is None else classes.predictions)
