"""Keeps the end-to-end figures of the strip, and the classes behind them, up to date."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from inspector.gui.bridge import Bridge
from inspector.gui.classes_popup import ClassesPopup
from inspector.gui.status_strip import StatusStrip


class StripPresenter(QObject):
    """From the evaluation to the strip, and from a click there to the classes."""

    def __init__(self, bridge: Bridge, strip: StatusStrip, window: QWidget) -> None:
        super().__init__(window)
        self._evaluation, self._strip = bridge.evaluation, strip
        self.popup = ClassesPopup(window)
        strip.classes_asked.connect(self.popup.open)
        bridge.fidelity_changed.connect(self._show)

    def _show(self) -> None:
        """The old classes stay in sight until the new ones are there, as the figures do."""
        evaluation = self._evaluation
        estimate = evaluation.estimate
        self._strip.show_fidelity(evaluation.fidelity, stale=evaluation.is_stale)
        classes = None if estimate is None else estimate.classes
        measured = estimate is not None and estimate.fidelity is not None
        seconds = estimate.seconds if estimate is not None and measured else None
        self._strip.show_classes(classes, seconds)
        self.popup.set_predictions(() if classes is None else classes.predictions)
