"""What each layer alone does to the outputs: long work, whose figures come one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from inspector.errors import InspectorError
from inspector.evaluate.data import Dataset
from inspector.evaluate.statistics import Calibration
from inspector.gui.bridge import Bridge
from inspector.gui.heat_sources import NO_DATA, Source
from inspector.gui.heat_work import OutputWork
from inspector.gui.tasks import Context, Task, Tasks
from inspector.quant.spec import LayerSpecs

if TYPE_CHECKING:  # what only workers need is imported by them: the window starts sooner
    from inspector.evaluate.alone import Alone

CHANNEL = "output error of layers"

FEW = 16
"""So many layers are looked at again of themselves after a change; more when asked."""

_PAUSE_MS = 400
_TITLE = "Quantizing layers one at a time"


class OutputErrors(Source):
    """Output SQNR in dB with one layer quantized and all others in float.

    A figure depends on the layer's own specs and on nothing else that the user chooses. So figures
    of earlier choices are kept, and are there again after an undo.
    """

    _found = Signal(object, object)

    def __init__(self, bridge: Bridge, tasks: Tasks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._tasks = bridge, tasks
        self._results: dict[tuple[str, LayerSpecs], Alone] = {}
        self._nothing: set[tuple[str, LayerSpecs]] = set()  # what was looked at and gave no figure
        self._shown: dict[str, Alone] = {}
        self._stale: set[str] = set()
        self._names: tuple[str, ...] | None = None
        self._of: tuple[Calibration | None, Dataset | None] = (None, None)
        self._work: OutputWork | None = None
        self._task: Task | None = None
        self._stopped = False
        self._error = ""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self.ask)
        self._found.connect(self._take)
        tasks.ended.connect(self._ended)

    # What is known

    def value(self, name: str) -> float | None:
        """Of the layer's specs of today, else of earlier ones."""
        one = self._shown.get(name)
        return None if one is None else one.fidelity.sqnr_db

    def is_stale(self, name: str) -> bool:
        """Whether the layer had other specs then."""
        return name in self._stale

    def numbers(self) -> Mapping[str, float]:
        """All that are shown."""
        return {name: one.fidelity.sqnr_db for name, one in self._shown.items()}

    def stale_count(self) -> int:
        """How many layers have other specs now."""
        return len(self._stale)

    def notice(self) -> str:
        """How far the work is, or why there is none."""
        if not self._has_data():
            return NO_DATA
        if self._error:
            return self._error
        wanted, done = len(self._wanted()), len(self._shown) - len(self._stale)
        if self._task is not None and done < wanted:
            return f"{done} of {wanted} layers so far"
        if self._stopped and self._missing():
            return f"Stopped: {done} of {wanted} layers."
        return ""

    def waits_for_user(self) -> bool:
        """Whether figures are missing or out of date, and none is on its way."""
        if self._task is not None or self._timer.isActive() or not self._has_data():
            return False
        return bool(self._missing())

    def _has_data(self) -> bool:
        document = self._bridge.document
        return document.calibration is not None and document.dataset is not None

    def _wanted(self) -> tuple[str, ...]:
        """The layers of which something is to be quantized and may give a figure."""
        if self._names is None:
            specs, nothing = self._bridge.document.specs, self._nothing
            self._names = tuple(
                name
                for name, one in specs.items()
                if not _is_float(one) and not (nothing and (name, one) in nothing)
            )
        return self._names

    def _missing(self) -> list[str]:
        return [
            name
            for name in self._wanted()
            if name in self._stale or name not in self._shown or not self._shown[name].is_final
        ]

    # What is wanted

    def ask(self) -> None:
        """Look at the layers whose figures are missing or out of date, those selected first."""
        self._timer.stop()
        missing = self._missing()
        calibration, data = self._bridge.document.calibration, self._bridge.document.dataset
        if calibration is None or data is None or not missing:
            return
        document, chosen = self._bridge.document, set(self._bridge.selected)
        if self._work is None:
            self._work = OutputWork(document.opened, calibration, data)
        self._stopped, self._error = False, ""
        self._task = None  # what is replaced now was not stopped by the user
        names = tuple(sorted(missing, key=lambda name: name not in chosen))
        work, recipe, specs = self._work, document.recipe, document.specs

        def run(context: Context) -> InspectorError | None:
            try:
                work.run(recipe, names, lambda found: self._found.emit(work, found), context)
            except InspectorError as error:
                return error
            return None

        def done(error: InspectorError | None) -> None:
            self._done(names, specs, error)

        self._task = self._tasks.submit(CHANNEL, run, done, _TITLE)
        self.changed.emit()

    def stop(self) -> None:
        """Long work that nobody looks at slows down what somebody does."""
        self._timer.stop()
        self._task = None
        self._tasks.cancel(CHANNEL)

    def specs_changed(self, names: frozenset[str]) -> None:
        """Look again in a moment, if that is not long or was going on anyway."""
        self._names = None
        is_known = bool(self._results or self._nothing or self._shown)
        for name in names if is_known else ():
            specs = self._bridge.document.specs_of(name)
            known = self._results.get((name, specs))
            if _is_float(specs) or (name, specs) in self._nothing:
                self._shown.pop(name, None)
                self._stale.discard(name)
            elif known is not None:
                self._shown[name] = known
                self._stale.discard(name)
            elif name in self._shown:
                self._stale.add(name)
        if self.is_active and not self._stopped:
            under_way = self._task is not None or bool(self._error)
            if under_way or 0 < len(self._missing()) <= FEW:
                self._timer.start()
        self.changed.emit()

    def data_changed(self) -> None:
        """Figures of other samples, or of ranges from other data, cannot be compared."""
        calibration, data = self._of
        document = self._bridge.document
        if document.calibration is calibration and document.dataset is data:
            return
        self.reset()
        if self.is_active:
            self.ask()

    def reset(self) -> None:
        """Forget everything."""
        self.stop()
        self._of = self._bridge.document.calibration, self._bridge.document.dataset
        self._results.clear()
        self._nothing.clear()
        self._shown.clear()
        self._stale.clear()
        self._names, self._work = None, None
        self._stopped, self._error = False, ""
        self.changed.emit()

    # What comes

    def _take(self, work: OutputWork, found: tuple[Alone, ...]) -> None:
        """Keep figures, unless they are of fewer samples than those that are known."""
        if work is not self._work:
            return
        for one in found:
            known = self._results.get((one.layer, one.specs))
            if known is not None and known.fidelity.samples > one.fidelity.samples:
                continue
            self._results[one.layer, one.specs] = one
            if self._bridge.document.specs_of(one.layer) == one.specs:
                self._shown[one.layer] = one
                self._stale.discard(one.layer)
        if found:
            self.changed.emit()

    def _done(
        self,
        names: tuple[str, ...],
        specs: Mapping[str, LayerSpecs],
        error: InspectorError | None,
    ) -> None:
        self._task = None
        self._error = error.message if error is not None else ""
        if error is None:
            asked = ((name, specs[name]) for name in names)
            self._nothing |= {key for key in asked if key not in self._results}
            self._names = None
        self.changed.emit()

    def _ended(self, task: Task) -> None:
        """Without an answer: the user stopped it."""
        if task is self._task:
            self._task = None
            self._stopped = True
            self._timer.stop()
            self.changed.emit()


def _is_float(specs: LayerSpecs) -> bool:
    return specs.weights.is_float and specs.activations.is_float
