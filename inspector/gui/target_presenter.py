"""Between the box of targets and the document: which target, what does not fit it, and fitting."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction

from inspector.errors import InspectorError
from inspector.gui.bridge import Bridge
from inspector.gui.format_presenter import FormatPresenter
from inspector.gui.selection import Selection
from inspector.gui.spec_panel import SpecPanel
from inspector.session.edits import fit_layers, set_target
from inspector.session.fitting import explain
from inspector.session.targets import install_target, list_targets, load_target


class TargetPresenter(QObject):
    """Shows the target of the recipe, and carries out what is asked of it.

    Args:
        bridge: the document.
        selection: what is chosen.
        panel: with the box of targets.
        action: makes the selected layers fit, or all where none is selected.
    """

    def __init__(
        self,
        bridge: Bridge,
        selection: Selection,
        panel: SpecPanel,
        action: QAction,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._selection = bridge, selection
        self._box, self._panel, self._action = panel.target, panel, action
        self._shown: object = None
        self._formats = FormatPresenter(bridge, panel.format, self)
        self._box.set_targets(list_targets())
        self._box.target_chosen.connect(self._choose)
        self._box.fit_asked.connect(self._fit_all)
        self._box.select_asked.connect(lambda: selection.choose(bridge.misfits.names()))
        self._box.profile_asked.connect(self._add)
        panel.fit_asked.connect(self.fit_selection)
        action.triggered.connect(self.fit_selection)
        bridge.model_changed.connect(self._show)
        bridge.specs_changed.connect(lambda _: self._show())
        selection.changed.connect(lambda _: self._show_action())
        self._show()

    def fit_selection(self) -> None:
        """Make the selected layers fit; all of them where none is selected."""
        selected = self._bridge.selected
        if selected:
            self._bridge.make_fit(selected)
        else:
            self._fit_all()

    def _fit_all(self) -> None:
        target = self._bridge.misfits.target()
        if target is not None and self._bridge.misfits.count():
            layers = self._bridge.document.layers
            self._bridge.apply(fit_layers(target, layers, whole_model=True))

    def _show(self) -> None:
        document, misfits = self._bridge.document, self._bridge.misfits
        self._box.show_target(document.recipe.target, misfits.count())
        self._show_action()
        if misfits.key != self._shown and document.is_open:
            self._bridge.misfits_changed.emit(frozenset(layer.name for layer in document.layers))
        self._shown = misfits.key

    def _show_action(self) -> None:
        """What fitting would do, for the selection or for all."""
        document, misfits = self._bridge.document, self._bridge.misfits
        selected, target = self._bridge.selected, misfits.target()
        some = misfits.count() > 0
        # Two are enough to know that it is not one alone; of thousands not all are looked at.
        found = (name for name in selected if some and misfits.of(name))
        wrong = list(islice(found, 2))
        self._action.setEnabled(bool(wrong) if selected else some)
        text = ""
        if target is not None and len(wrong) == 1:
            layer = document.layer(wrong[0])
            text = explain(target, layer, document.specs_of(layer.name))
        self._panel.offer_fit(bool(wrong), text)

    def _choose(self, name: str) -> None:
        if not self._bridge.document.is_open:
            self._show()
            return
        try:
            title = load_target(name).title
        except InspectorError as error:
            self._bridge.refused.emit(error)
            self._show()
            return
        self._bridge.apply(set_target(name, title))

    def _add(self, path: str) -> None:
        try:
            name = install_target(Path(path))
        except InspectorError as error:
            self._bridge.refused.emit(error)
            return
        self._bridge.misfits.reload()
        self._shown = None
        self._box.set_targets(list_targets())
        self._choose(name)
        self._show()
