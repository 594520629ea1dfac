"""The strip at the bottom: size, end-to-end error, data, and the work under way."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QStatusBar,
    QWidget,
)

from inspector.evaluate.fidelity import Fidelity
from inspector.gui.spec_panel import ElidedLabel
from inspector.gui.tasks import Task
from inspector.gui.theme import SPACE_M, SPACE_S
from inspector.report.units import bytes_text, cosine_text, decibel_text, percent_text

_FIELDS = ("size", "sqnr", "cosine", "top1")
_TIPS = {
    "size": "Weights and biases in float, and as they would be stored",
    "sqnr": "Signal-to-quantization-noise ratio of the model's outputs on a few samples",
    "cosine": "Cosine similarity of the model's outputs with the float model's",
    "top1": "Share of samples for which the most likely class stays the same",
}


class StatusStrip(QStatusBar):
    """Figures on the left, progress on the right.

    Signals:
        cancel_asked: the work that is shown shall stop; carries its channel.
    """

    cancel_asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self._labels = {name: QLabel(self) for name in _FIELDS}
        self._shown: list[Task] = []
        self.progress = QProgressBar(self)
        self.progress.setObjectName("progressBar")
        self.progress.setAccessibleName("Progress")
        self.progress.setTextVisible(False)
        self.progress.setFixedWidth(160)
        self.work = QLabel(self)
        self.cancel = QPushButton("Cancel", self)
        self.cancel.setObjectName("cancelButton")
        self.cancel.setToolTip("Stop the work under way")
        self.cancel.clicked.connect(self._cancel)
        box = QWidget(self)
        row = QHBoxLayout(box)
        row.setContentsMargins(SPACE_M, 2, SPACE_M, 2)
        row.setSpacing(SPACE_M + SPACE_S)
        for name, label in self._labels.items():
            label.setTextFormat(Qt.TextFormat.RichText)
            label.setToolTip(_TIPS[name])
            row.addWidget(label)
            label.hide()
        self._data = ElidedLabel(self)
        self._data.setAccessibleName("Calibration data")
        row.addWidget(self._data, 1)
        for widget in (self.work, self.progress, self.cancel):
            row.addWidget(widget)
            widget.hide()
        self.addWidget(box, 1)
        self.setMinimumHeight(34)

    def text(self, name: str) -> str:
        """What a figure says, without markup."""
        if name == "data":
            return self._data.full_text()
        label = self._labels[name]
        return "" if label.isHidden() else label.text().replace("<b>", "").replace("</b>", "")

    def show_size(self, before: int, after: int) -> None:
        """Bytes of the weights in float and quantized; nothing for a model without layers."""
        if before == 0:
            self._show("size", "")
            return
        share = percent_text(after / before)
        self._show("size", f"Weights {bytes_text(before)} → <b>≈ {bytes_text(after)}</b> ({share})")

    def show_fidelity(self, fidelity: Fidelity | None, *, stale: bool) -> None:
        """End-to-end figures; grey while newer ones are on their way."""
        for name in ("sqnr", "cosine", "top1"):
            self._labels[name].setEnabled(not stale)
        if fidelity is None:
            for name in ("sqnr", "cosine", "top1"):
                self._show(name, "")
            return
        self._show("sqnr", f"Output SQNR <b>≈ {decibel_text(fidelity.sqnr_db)}</b>")
        self._show("cosine", f"Cosine <b>≈ {cosine_text(fidelity.cosine)}</b>")
        top1 = fidelity.top1_agreement
        self._show("top1", "" if top1 is None else f"Top-1 <b>≈ {percent_text(top1)}</b>")

    def show_data(self, text: str, *, random: bool = False) -> None:
        """Where the statistics come from; random numbers stand out."""
        self._data.set_full_text(text)
        self._data.setVisible(bool(text))
        self._data.setProperty("role", "warning" if random else "muted")
        self._data.style().polish(self._data)

    def _show(self, name: str, text: str) -> None:
        label = self._labels[name]
        label.setText(text)
        label.setVisible(bool(text))

    # Work under way

    def work_started(self, task: Task) -> None:
        """Show work that has a title."""
        if task.title:
            self._shown.append(task)
            self.progress.setRange(0, 0)
            self._show_work()

    def work_progressed(self, task: Task, done: int, total: int) -> None:
        """Show how far the newest work is."""
        if self._shown and task is self._shown[-1]:
            self.progress.setRange(0, max(total, 1))
            self.progress.setValue(done)

    def work_ended(self, task: Task) -> None:
        """Show what is still under way."""
        if task in self._shown:
            self._shown.remove(task)
            self._show_work()

    def _show_work(self) -> None:
        busy = bool(self._shown)
        self.work.setText(self._shown[-1].title if busy else "")
        for widget in (self.work, self.progress, self.cancel):
            widget.setVisible(busy)

    def _cancel(self) -> None:
        if self._shown:
            self.cancel_asked.emit(self._shown[-1].channel)
