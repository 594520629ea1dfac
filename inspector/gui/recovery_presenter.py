"""Between the tab of recovery and the document: switches become edits, figures come from a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt

from inspector.graph.model import Layer
from inspector.gui.bridge import Bridge
from inspector.gui.recovery_tab import RecoveryTab, Row
from inspector.gui.selection import Selection
from inspector.gui.tasks import Context, Task, Tasks
from inspector.quant.recover import METHODS, TITLES, Recover
from inspector.report.units import decibel_text, percent_text, plural
from inspector.session.edits import switch_recovery
from inspector.session.recipe import Recipe

if TYPE_CHECKING:  # what only workers need is imported by them: the window starts sooner
    from inspector.session.recovery import Recovery, RecoveryStep

CHANNEL = "recovery"
_MOST_REASONS = 3


class RecoveryPresenter(QObject):
    """Shows what is switched on for the selection, switches it, and finds out what it brings.

    Args:
        bridge: the document.
        tasks: runs what takes time.
        selection: what is chosen; others have told the bridge of it before.
        tab: what is shown.
    """

    def __init__(
        self,
        bridge: Bridge,
        tasks: Tasks,
        selection: Selection,
        tab: RecoveryTab,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._tasks, self._tab = bridge, tasks, tab
        self._found: tuple[Recipe, Recovery] | None = None
        self._running: Task | None = None
        tab.switched.connect(self._switch)
        tab.run_asked.connect(self._run)
        bridge.model_changed.connect(self._forget)
        bridge.calibration_changed.connect(self._forget)
        bridge.specs_changed.connect(lambda _: self.refresh())
        selection.changed.connect(lambda _: self.refresh())
        tasks.ended.connect(self._ended)
        self.refresh()

    def refresh(self) -> None:
        """Show what is switched on now, and whether the figures are of that."""
        document = self._bridge.document
        layers = self._selected()
        weighted = [layer for layer in layers if layer.weight is not None]
        title, subtitle = "All layers", "What layers get that no rule speaks of"
        if not document.is_open:
            title, subtitle = "No model", "Open a model to choose how it is quantized."
        elif layers:
            title = layers[0].name if len(layers) == 1 else plural(len(layers), "layer")
            subtitle = "" if weighted else "No weights, so there is nothing to recover here"
        chosen = self._chosen(weighted)
        able = document.is_open and bool(weighted or not layers)
        states = {method: _state(method, chosen) for method in METHODS}
        self._tab.show_choice(title, subtitle, states, able=able)
        self._show_run()
        self._show_found()

    # Switching

    def _selected(self) -> list[Layer]:
        return [self._bridge.document.layer(name) for name in self._bridge.selected]

    def _chosen(self, layers: Sequence[Layer]) -> list[Recover]:
        recipe = self._bridge.document.recipe
        if not layers:
            return [recipe.recover]
        return list(recipe.recover_all(layers).values())

    def _switch(self, method: str, on: bool) -> None:
        if self._bridge.document.is_open:
            layers = [layer for layer in self._selected() if layer.weight is not None]
            self._bridge.apply(switch_recovery(layers, method, on))
        self.refresh()

    # Figures

    def _why_not(self) -> str:
        """Why there can be no figures now."""
        document = self._bridge.document
        if not document.is_open:
            return "Open a model first."
        if not document.recipe.recovers:
            return "Switch something on, for all layers or for some."
        if document.dataset is None:
            return "Drop calibration data on the window: methods learn from samples."
        if document.calibration is None:
            return "Calibrate first."
        return "Working…" if self._running is not None else ""

    def _show_run(self) -> None:
        self._tab.show_run("Find out what it brings", self._why_not())

    def _run(self) -> None:
        if self._why_not():
            return
        document = self._bridge.document
        opened, recipe = document.opened, document.recipe
        calibration, data = document.calibration, document.dataset
        assert data is not None
        learned, held_back = data.split_for_verification()

        def work(context: Context) -> Recovery:
            from inspector.session.recovery import recover

            opened.require_quantizable()
            return recover(
                opened,
                recipe,
                calibration,
                learned,
                held_back,
                progress=lambda _stage, done, total: context.progress(done, total),
                cancel=context.cancelled,
            )

        def done(found: Recovery) -> None:
            self._found = recipe, found
            self._show_found()

        self._running = self._tasks.submit(CHANNEL, work, done, "Recovering accuracy")
        self._show_run()

    def _ended(self, task: Task) -> None:
        if task is self._running:
            self._running = None
            self._show_run()

    def _forget(self) -> None:
        """Another model or other statistics: what was found is of neither."""
        self._tasks.cancel(CHANNEL)
        self._found = None
        self.refresh()

    def _show_found(self) -> None:
        if self._found is None:
            self._tab.show_figures((), "")
            return
        recipe, found = self._found
        stale = recipe != self._bridge.document.recipe
        self._tab.show_figures(
            [_row(step) for step in found.steps], _words(found, stale), stale=stale
        )


def _state(method: str, chosen: Sequence[Recover]) -> Qt.CheckState:
    on = sum(method in one for one in chosen)
    if on == len(chosen):
        return Qt.CheckState.Checked
    return Qt.CheckState.PartiallyChecked if on else Qt.CheckState.Unchecked


def _row(step: RecoveryStep) -> Row:
    fidelity = step.fidelity
    top1 = fidelity.top1_agreement
    cells = (
        f"+ {step.method}" if step.method else "without",
        decibel_text(fidelity.sqnr_db),
        "–" if top1 is None else percent_text(top1),
        str(len(step.layers)) if step.method else "",
    )
    return Row(cells, "\n".join([TITLES.get(step.method, ""), *step.left[:20]]).strip())


def _words(found: Recovery, stale: bool) -> str:
    """What the figures are of, and what was left alone."""
    measured = found.steps[0].fidelity.samples
    lines = ["Out of date: the choices have changed since."] if stale else []
    lines.append(
        f"Predicted on {plural(measured, 'sample')} that the methods did not see; they learned "
        f"from {found.samples}. The saved file has all that is switched on; figures elsewhere in "
        "the window are without it."
    )
    left = [reason for step in found.steps for reason in step.left]
    lines += [f"Left alone: {reason}" for reason in left[:_MOST_REASONS]]
    if len(left) > _MOST_REASONS:
        lines.append(f"… and {len(left) - _MOST_REASONS} more")
    return "\n".join(lines)
