"""The strip at the bottom: size, end-to-end error, data, and the work under way."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QStatusBar,
    QWidget,
)

from inspector.evaluate.classes import Classes
from inspector.evaluate.fidelity import Fidelity
from inspector.gui.figure_row import FigureRow
from inspector.gui.still import ElidedLabel
from inspector.gui.tasks import Task
from inspector.gui.theme import SPACE_M, SPACE_S
from inspector.report.units import bytes_text, cosine_text, decibel_text, percent_text, plural

_TIPS = {
    "size": "Weights and biases in float, and as they would be stored",
    "bits": "Mean number of bits of a weight, without scales and biases",
    "sqnr": "Signal-to-quantization-noise ratio of the model's outputs on a few samples",
    "cosine": "Cosine similarity of the model's outputs with the float model's",
    "top1": "Share of predictions for which the most likely class stays the same.\n"
    "Click to see the most likely classes of each sample.",
    "accuracy": "Share of predictions that are right, in float and quantized",
    "time": "How long the last evaluation on the samples took",
}
_DROPPED = ("cosine", "time", "bits", "accuracy", "size", "top1")
"""What is left out where there is no room, the first one first."""
_END_TO_END = ("sqnr", "cosine", "top1", "accuracy", "time")


class StatusStrip(QStatusBar):
    """Figures on the left, progress on the right.

    Signals:
        cancel_asked: the work that is shown shall stop; carries its channel.
        classes_asked: the user wants to see the most likely classes.
    """

    cancel_asked = Signal(str)
    classes_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self.figures = FigureRow(_TIPS, _DROPPED, SPACE_M + SPACE_S, self)
        self.figures.labels["top1"].asked.connect(self.classes_asked)
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
        row.addWidget(self.figures)
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
        return self.figures.text(name)

    def show_size(self, before: int, after: int, bits: float | None = None) -> None:
        """What the weights take; nothing for a model without layers.

        Args:
            before: bytes of weights and biases in float.
            after: the same quantized.
            bits: of a weight, on average; None where there are no weights.
        """
        if before == 0:
            self._show("size", "")
            self._show("bits", "")
            return
        share = percent_text(after / before)
        self._show("size", f"Weights {bytes_text(before)} → <b>≈ {bytes_text(after)}</b> ({share})")
        self._show("bits", "" if bits is None else f"<b>{bits:.3g}</b> bits")

    def show_fidelity(
        self, fidelity: Fidelity | None, *, stale: bool, pinned: Fidelity | None = None
    ) -> None:
        """End-to-end figures; grey while newer ones are on their way.

        Args:
            fidelity: of today's recipe (B); None where it is not known.
            stale: it is of an earlier recipe.
            pinned: of the snapshot (A), to stand beside it.
        """
        for name in _END_TO_END:
            self.figures.labels[name].setEnabled(not stale)
        if fidelity is None:
            for name in _END_TO_END:
                self._show(name, "")
            return
        other = None if pinned is None else decibel_text(pinned.sqnr_db)
        sqnr = _beside(decibel_text(fidelity.sqnr_db), other)
        self._show("sqnr", f"Output SQNR {sqnr}")
        other = None if pinned is None else cosine_text(pinned.cosine)
        cosine = _beside(cosine_text(fidelity.cosine), other)
        self._show("cosine", f"Cosine {cosine}")
        top1 = fidelity.top1_agreement
        other = None if pinned is None else percent_text(pinned.top1_agreement)
        text = _beside(percent_text(top1), other)
        self._show("top1", "" if top1 is None else f"Top-1 {text}")

    def show_classes(self, classes: Classes | None, seconds: float | None) -> None:
        """What follows the end-to-end figures.

        Args:
            classes: what the model says of each sample.
            seconds: how long the evaluation took; None where there was none.
        """
        accuracy = None if classes is None else classes.accuracy
        text = ""
        if accuracy is not None:
            text = f"Accuracy {percent_text(accuracy[0])} → <b>≈ {percent_text(accuracy[1])}</b>"
        self._show("accuracy", text)
        if classes is not None:
            of = plural(classes.labelled, "labelled prediction")
            self.figures.labels["accuracy"].setToolTip(f"{_TIPS['accuracy']}: of {of}")
        self._show("time", "" if seconds is None else duration_text(seconds))
        self.figures.labels["top1"].lead_on(classes is not None and bool(classes.predictions))

    def show_data(self, text: str, *, random: bool = False) -> None:
        """Where the statistics come from; random numbers stand out."""
        self._data.set_full_text(text)
        self._data.setVisible(bool(text))
        self._data.setProperty("role", "warning" if random else "muted")
        self._data.style().polish(self._data)

    def _show(self, name: str, text: str) -> None:
        self.figures.set_text(name, text)

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


def duration_text(seconds: float) -> str:
    """How long something took: 12 ms, 1.4 s."""
    if seconds < 0.9995:
        return f"{max(1000 * seconds, 1):.0f} ms"
    return f"{seconds:.1f} s"


def _beside(today: str, pinned: str | None) -> str:
    """An estimate, beside that of the snapshot where there is one."""
    return f"<b>≈ {today}</b>" if not pinned else f"B <b>≈ {today}</b>, A {pinned}"
