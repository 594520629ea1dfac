"""The panels that come up when they are asked for: history, palette, recipe, recovery."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QTabWidget, QWidget

from inspector.gui.actions import Actions
from inspector.gui.ask import Ask
from inspector.gui.bridge import Bridge
from inspector.gui.cluster import ClusterDialog
from inspector.gui.commands import commands
from inspector.gui.diagnostics import Diagnostics, remembered_limit
from inspector.gui.history_list import HistoryList
from inspector.gui.palette import CommandPalette
from inspector.gui.recipe_presenter import RecipePresenter
from inspector.gui.recipe_tab import RecipeTab
from inspector.gui.recovery_presenter import RecoveryPresenter
from inspector.gui.recovery_tab import RecoveryTab
from inspector.gui.selection import Selection
from inspector.gui.theme import Theme

_FILTER = "Recipes and models saved with one (*.toml *.onnx);;All files (*)"


class Panels(QObject):
    """Builds and connects them.

    Args:
        window: what they lie over.
        bridge: tells what changes.
        selection: what is chosen.
        actions: of the window.
        ask: asks for files.
        tabs: the right column, which gets the tabs of the recipe and of recovery.
    """

    def __init__(
        self,
        window: QWidget,
        bridge: Bridge,
        selection: Selection,
        actions: Actions,
        ask: Ask,
        tabs: QTabWidget,
    ) -> None:
        super().__init__(window)
        self._window, self._bridge, self._ask = window, bridge, ask
        self.tab = RecipeTab()
        tabs.addTab(self.tab, "Recipe")
        tabs.tabBar().setDrawBase(False)  # a line that no theme colours
        self.recipe = RecipePresenter(bridge, bridge.tasks, selection, tabs, self.tab, self)
        self.recovery_tab = RecoveryTab()
        tabs.addTab(self.recovery_tab, "Recover")
        self.recovery = RecoveryPresenter(bridge, bridge.tasks, selection, self.recovery_tab, self)
        self.history = HistoryList(window)
        self.palette = CommandPalette(
            window,
            lambda: commands(actions, bridge.document),
            self.recipe.choose_layer,
        )
        self._diagnostics: Diagnostics | None = None
        self.cluster: ClusterDialog | None = None
        bridge.document.caches.set_limit(remembered_limit())
        self._connect(actions)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        for part in (self.tab, self.history, self.palette):
            part.apply_theme(theme)

    def _connect(self, actions: Actions) -> None:
        bridge = self._bridge
        actions["actionHistory"].triggered.connect(self._open_history)
        actions["actionDiagnostics"].triggered.connect(self._open_diagnostics)
        actions["actionCluster"].triggered.connect(self._open_cluster)
        actions["actionPalette"].triggered.connect(self.palette.open)
        actions["actionRecipe"].triggered.connect(self.recipe.come_forward)
        self.tab.open_asked.connect(self._ask.for_recipe)
        self.tab.save_asked.connect(self._ask.where_to_save_recipe)
        self.tab.compare_asked.connect(self._ask_for_comparison)
        self.history.asked.connect(bridge.go_to)
        bridge.model_changed.connect(self._model_changed)
        bridge.specs_changed.connect(lambda _: self._follow())

    def _model_changed(self) -> None:
        layers = self._bridge.document.layers
        names = [layer.name for layer in layers]
        self.palette.set_layers(names, [layer.op_type for layer in layers])
        self._follow()

    def _open_history(self) -> None:
        if not self.history.isVisible():
            self._show_steps()
        self.history.open()

    def _open_diagnostics(self) -> None:
        if self._diagnostics is None:
            self._diagnostics = Diagnostics(self._bridge, self._window)
        self._diagnostics.hide()  # what is shown anew comes to the front
        self._diagnostics.show()

    def _open_cluster(self) -> None:
        if self.cluster is not None:
            self.cluster.activateWindow()
            return
        self.cluster = ClusterDialog(self._bridge.tasks, self._window)
        self.cluster.finished.connect(self._cluster_closed)
        self.cluster.show()

    def _cluster_closed(self) -> None:
        assert self.cluster is not None
        self.cluster.deleteLater()
        self.cluster = None

    def _follow(self) -> None:
        if self.history.isVisible():
            self._show_steps()

    def _show_steps(self) -> None:
        document = self._bridge.document
        self.history.show_steps([step.label for step in document.steps], document.position)

    def _ask_for_comparison(self) -> None:
        document = self._bridge.document
        folder = str(document.opened.path.parent) if document.is_open else ""
        name, _ = QFileDialog.getOpenFileName(self._window, "Compare with", folder, _FILTER)
        if name:
            self.recipe.compare_with(Path(name))
