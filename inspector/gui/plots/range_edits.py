"""From gestures on plots to changes of specs: a drag is one step of the history."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from inspector.gui import spec_fields as fields
from inspector.gui.inputs import LARGEST
from inspector.gui.plots.shown import Subject, preview, rows_apart
from inspector.quant.spec import LayerSpecs, QuantSpec, RangeMethod, Role

_REST_MS = 120
"""After so long without a move the change is made, though the line is still held."""


class RangeEdits(QObject):
    """Turns what was done to the range of one role into changes.

    While the pointer moves, only what the plots show follows, so that they keep up; the change
    follows when the pointer rests or lets go, and with it all else.

    Args:
        role: weights or activations.
        parent: the owner.

    Signals:
        changed: a SpecChange.
        previewed: a Subject under the range that is being dragged.
    """

    changed = Signal(object)
    previewed = Signal(object)

    def __init__(self, role: Role, parent: QObject) -> None:
        super().__init__(parent)
        self._role: Role = role
        self._subject: Subject | None = None
        self._written: RangeMethod | None = None
        self._before: dict[str, RangeMethod | None] = {}
        self._layer = ""
        self._drags = 0
        self._late: tuple[float, float] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REST_MS)
        self._timer.timeout.connect(self._catch_up)

    def show(self, layer: str, chosen: LayerSpecs) -> None:
        """What is written down for the layer; a method is remembered until it is wanted back."""
        if layer != self._layer:  # what was dragged there is not for this one
            self._timer.stop()
            self._late = None
        self._layer = layer
        spec = chosen.weights if self._role == "weights" else chosen.activations
        self._written = spec.range
        if spec.range is None or spec.range.kind != "range":
            self._before[layer] = spec.range

    def set_subject(self, subject: Subject | None) -> None:
        """What is shown now."""
        self._subject = subject

    def forget(self) -> None:
        """Another model."""
        self._timer.stop()
        self._before.clear()
        self._late = None

    # What the user does

    def move(self, low: float, high: float) -> None:
        """A range is being dragged."""
        subject = self._subject
        if subject is None or subject.values is None or subject.facts.qparams is None:
            return
        self._late = low, high
        self._timer.start()
        self.previewed.emit(preview(subject, low, high, rows_apart(subject)))

    def rest(self, low: float, high: float) -> None:
        """The drag is over."""
        self._timer.stop()
        self._late = None
        self._set(low, high)
        self._drags += 1

    def choose(self, method: RangeMethod) -> None:
        """Another method."""
        self._emit(method, f"range to {method}", None)

    def reset(self) -> None:
        """The method from before a range was set by hand."""
        before = self._before.get(self._layer)
        if self._written is not None and self._written.kind == "range":
            self._emit(before, f"range to {before or 'default'}", None)

    def _catch_up(self) -> None:
        if self._late is not None:
            low, high = self._late
            self._late = None
            self._set(low, high)

    def _set(self, low: float, high: float) -> None:
        method = RangeMethod("range", lo=max(low, -LARGEST), hi=min(high, LARGEST))
        self._emit(method, f"range to {method}", f"{self._role} range on plot {self._drags}")

    def _emit(self, method: RangeMethod | None, label: str, drag: str | None) -> None:
        def change(spec: QuantSpec) -> QuantSpec:
            return fields.set_range(spec, method)

        self.changed.emit(fields.SpecChange(self._role, f"{self._role} {label}", change, drag))
