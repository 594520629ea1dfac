"""The menu of what is done to a model before it is quantized: each pass with its count."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from inspector.graph.preparations import PREPARATIONS
from inspector.gui.bridge import Bridge
from inspector.gui.trail import Trail
from inspector.onnxio.passes.report import PassReport
from inspector.report.units import plural
from inspector.session.edits import switch_passes

if TYPE_CHECKING:
    from inspector.gui.actions import Actions


class PassesMenu(QMenu):
    """Lists the passes with what they changed, and lets each be left out.

    Signals:
        switched: (name of a pass, whether it shall run).
        all_asked: let all of them run.
    """

    switched = Signal(str, bool)
    all_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("&Before quantization", parent)
        self.setObjectName("passesMenu")
        self.setToolTipsVisible(True)
        self.passes: dict[str, QAction] = {}
        for name, one in PREPARATIONS.items():
            action = self.addAction(one.title)
            action.setObjectName(f"pass_{name}")
            action.setCheckable(True)
            action.setToolTip(one.summary)
            action.triggered.connect(lambda on, name=name: self.switched.emit(name, on))
            self.passes[name] = action
        self.addSeparator()
        self.everything = self.addAction("Run all of them")
        self.everything.setObjectName("pass_all")
        self.everything.triggered.connect(self.all_asked)

    def show_passes(self, reports: Iterable[PassReport], skip: frozenset[str]) -> None:
        """Show what each pass did; none did anything where there is no model."""
        found = {report.name: report for report in reports}
        for name, action in self.passes.items():
            one, report = PREPARATIONS[name], found.get(name)
            action.setEnabled(report is not None)
            action.setChecked(report is not None and name not in skip)
            count = 0 if report is None else report.changed
            said = "off" if name in skip and report is not None else str(count) if count else ""
            # A tab is where a shortcut stands: a column of its own.
            action.setText(f"{one.title}\t{said}")
            lines = [one.summary, *([plural(count, one.counted)] if count else [])]
            action.setToolTip("\n".join([*lines, *(report.left[:3] if report else ())]))
        self.everything.setEnabled(bool(skip) and bool(found))


class PassesPresenter(QObject):
    """Shows the passes of the open model, and carries out what the menu asks for."""

    def __init__(self, bridge: Bridge, menu: PassesMenu, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._menu = bridge, menu
        menu.switched.connect(lambda name, on: self._switch([name], on))
        menu.all_asked.connect(lambda: self._switch(bridge.document.recipe.skip, True))
        bridge.model_changed.connect(self.refresh)
        bridge.specs_changed.connect(lambda _: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Show what is so now."""
        document = self._bridge.document
        reports = document.opened.passes if document.is_open else ()
        self._menu.show_passes(reports, document.recipe.skip)

    def show_in(self, trail: Trail, actions: Actions) -> None:
        """Show what was done above the graph, with the menu and the switch for before and after."""
        trail.set_passes(self._menu)
        prepared = actions["actionPrepared"]

        def show() -> None:
            is_open = self._bridge.document.is_open
            trail.show_prepared(self._text(), prepared=is_open and prepared.isChecked())

        trail.prepared_asked.connect(prepared.setChecked)
        prepared.toggled.connect(lambda _: show())
        self._bridge.model_changed.connect(show)
        show()

    def _text(self) -> str:
        document = self._bridge.document
        if not document.layers:
            return ""
        opened = document.opened
        gone = len(opened.shown.nodes) - len(opened.graph.nodes)
        if opened.skip:
            return f"{plural(len(opened.skip), 'pass')} left out"
        if gone > 0:
            return f"{plural(gone, 'node')} folded before quantization"
        changed = sum(one.changed for one in opened.passes if one.name in PREPARATIONS)
        return f"{plural(changed, 'change')} before quantization" if changed else ""

    def _switch(self, names: Iterable[str], on: bool) -> None:
        if self._bridge.document.is_open:
            self._bridge.apply(switch_passes(names, on))
        self.refresh()  # a worker prepares the model first: until then nothing is other
