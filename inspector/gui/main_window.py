"""The window: puts the views together and hands what the user wants to those who do it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from inspector.gui import settings
from inspector.gui.actions import Actions
from inspector.gui.ask import Ask
from inspector.gui.bridge import Bridge
from inspector.gui.compare_actions import CompareActions
from inspector.gui.drops import dropped_files, welcome_files
from inspector.gui.files import Files
from inspector.gui.find_presenter import FindPresenter
from inspector.gui.graph_actions import connect_graph_actions
from inspector.gui.graph_pane import GraphPane
from inspector.gui.graph_presenter import GraphPresenter
from inspector.gui.graph_view.picture import card_fonts
from inspector.gui.guide import Guide
from inspector.gui.handouts import Handouts
from inspector.gui.heat import Heat, bind
from inspector.gui.help import show_about, show_shortcuts
from inspector.gui.insight import Insight
from inspector.gui.integers.presenter import IntegerPresenter
from inspector.gui.keeping import Keeping
from inspector.gui.layer_table import LayerPane
from inspector.gui.message_bar import MessageBar
from inspector.gui.mixing.presenter import MixingPresenter
from inspector.gui.panels import Panels
from inspector.gui.passes_menu import PassesPresenter
from inspector.gui.pictures import Pictures
from inspector.gui.plot_slot import PlotSlot
from inspector.gui.presenter import Presenter
from inspector.gui.properties.pane import PropertyPane
from inspector.gui.property_presenter import PropertyPresenter
from inspector.gui.resources import app_icon, sample_models
from inspector.gui.restore import Views
from inspector.gui.selection import Selection
from inspector.gui.side_by_side import FairSplitter, arranged, tabs_of
from inspector.gui.spec_panel import SpecPanel
from inspector.gui.spec_presenter import SpecPresenter
from inspector.gui.stage import Stage
from inspector.gui.status_strip import StatusStrip
from inspector.gui.target_presenter import TargetPresenter
from inspector.gui.tasks import Tasks
from inspector.gui.theme import MODES, Theme, ThemeManager
from inspector.gui.welcome import Welcome
from inspector.session.document import Document
from inspector.session.opening import Sketch

if TYPE_CHECKING:
    from inspector.gui.plots.plot_pane import PlotPane

TITLE = "Quant Inspector"
_GRAPH_ACTIONS = (
    *("Prepared", "Fit", "FullSize", "Rightwards", "Raw", "Attributes", "Names", "TensorNames"),
    *("FoldAll", "OpenAll", "Properties", "Export", "Find", "FindNext", "FindPrevious"),
)


class MainWindow(QMainWindow):
    """Layers, graph, panel and plots of one model.

    Args:
        document: what is open; none by default.
        plots_later: make the plots when the first graph is on the screen, instead of now.
    """

    def __init__(self, document: Document | None = None, *, plots_later: bool = False) -> None:
        super().__init__()
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        self.setObjectName("mainWindow")
        self.setWindowIcon(app_icon())
        self.setAcceptDrops(True)
        self.themes = ThemeManager(application, self)
        self.tasks = Tasks(self)
        self.document = document or Document()
        self.bridge = Bridge(self.document, self.tasks, self)
        self.files = Files(self.bridge, self.tasks, self)
        self.stage = Stage(self.tasks, card_fonts(), self)
        self.selection = Selection(self)
        self.heat = Heat(self.bridge, self.tasks, lambda: self.bridge.grids, self)
        self.ask = Ask(self)
        self.actions_ = Actions(self)
        self._build()
        self._connect()
        self._keep()
        self.apply_theme(self.themes.theme)
        self._model_changed()
        self._restore()
        if plots_later:
            self.graph.painted.connect(self.plot_slot.make_soon)
        else:
            self.plot_slot.make()

    # What others may ask for

    def open_path(self, path: str | Path) -> None:
        """Open a model, calibration data or a recipe, as a drop does."""
        self.files.open_paths([Path(path)])

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open several at once: the model first."""
        self.files.open_paths(paths)

    def save_quantized(self, path: str | Path) -> None:
        """Write the quantized model, in the background, and check what it does."""
        self.files.save_quantized(Path(path))

    def calibrate(self) -> None:
        """Calibrate with the data that is there or on its way, or ask for some."""
        if self.files.is_calibrating:
            return
        if self.document.is_open and not self.files.calibrate_again():
            self.ask.for_data()

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours everywhere."""
        for part in (
            self.actions_,
            self.pane,
            self.graph_pane,
            self.plot_slot,
            self.messages,
            self.properties,
            self.panels,
            self.integers,
        ):
            part.apply_theme(theme)
        for action in self.actions_.themes.actions():
            action.setChecked(action.data() == self.themes.mode)

    # Dropping and closing

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Welcome files."""
        welcome_files(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        paths = dropped_files(event)
        if paths and not self.comparing.take(paths, event.modifiers()):
            self.open_paths(paths)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask where choices would be lost; else remember the layout, stop all work, and go."""
        if not self.keeping.may_close(self.close):
            event.ignore()
            return
        settings.write_bytes("window/geometry", self.saveGeometry())
        self.plot_slot.remember()
        for name, splitter in self._splitters().items():
            settings.write_bytes(f"window/{name}", splitter.state())
        self.hide()
        for dialog in self.findChildren(QDialog):
            dialog.close()
        self.bridge.close()
        self.tasks.close()
        self.keeping.close()
        event.accept()

    def close_now(self) -> None:
        """Close without a question, whatever is lost."""
        self.keeping.let_close()
        self.close()

    # How it is built

    def _build(self) -> None:
        self.pane = LayerPane()
        self.graph_pane = GraphPane(self.tasks)
        self.graph = self.graph_pane.view
        self.panel = SpecPanel()
        self.properties = PropertyPane(self.tasks)
        self.tabs = tabs_of((("Quantize", self.panel), ("Properties", self.properties)))
        self.plot_slot = PlotSlot(self.tasks)
        self.messages = MessageBar()
        self.handouts = Handouts(self.document, self.tasks, self, self.messages.tell)
        self.guide = Guide()
        self.strip = StatusStrip()
        self.welcome = Welcome(sample_models())
        self.presenter = Presenter(
            self.bridge, self.selection, self.pane, self.panel, self.strip, self
        )
        self.insight = Insight(
            self, self.bridge, self.selection, self.heat, self.actions_, self.strip
        )
        views = self.presenter, self.plot_slot, self.actions_
        self.mixing = MixingPresenter(self.bridge, self.selection, self.heat, *views, self)
        self.choices = SpecPresenter(
            self.bridge, self.stage, self.selection, self.panel, self.actions_, self
        )
        self.targets = TargetPresenter(
            self.bridge, self.selection, self.panel, self.actions_["actionMakeFit"], self
        )
        self.graphs = GraphPresenter(
            self.bridge, self.stage, self.selection, self.heat, self.graph_pane, self
        )
        self.finds = FindPresenter(
            self.bridge,
            self.stage,
            self.selection,
            self.heat,
            self.tasks,
            self.graph_pane.find_bar,
            self.graph,
            self,
        )
        self.sidebar = PropertyPresenter(
            self.bridge,
            self.stage,
            self.selection,
            self.tabs,
            self.properties,
            self,
        )
        self.passes = PassesPresenter(self.bridge, self.actions_.passes, self)
        self.integers = IntegerPresenter(self.bridge, self.selection, self.tabs, self)
        bind(self.heat, self.graph_pane.legend)
        self.views, self.rows, self.columns = arranged(
            self.pane, self.graph_pane, self.plot_slot, self.tabs
        )
        self.stack = QStackedWidget()
        self.stack.addWidget(self.welcome)
        self.stack.addWidget(self.columns)
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.messages)
        column.addWidget(self.guide)
        column.addWidget(self.stack, 1)
        self.setCentralWidget(centre)
        self.setStatusBar(self.strip)
        self.pane.filter.setAcceptDrops(False)

    def _connect(self) -> None:
        actions = self.actions_
        actions["actionOpen"].triggered.connect(self.ask.for_file)
        actions["actionOpenRecipe"].triggered.connect(self.ask.for_recipe)
        actions["actionCalibrate"].triggered.connect(self.calibrate)
        actions["actionRandom"].triggered.connect(self.files.use_random_inputs)
        actions["actionSave"].triggered.connect(self.ask.where_to_save)
        actions["actionSaveRecipe"].triggered.connect(self.ask.where_to_save_recipe)
        actions["actionQuit"].triggered.connect(self.close)
        actions["actionUndo"].triggered.connect(self.bridge.undo)
        actions["actionRedo"].triggered.connect(self.bridge.redo)
        actions["actionFilter"].triggered.connect(self._filter)
        connect_graph_actions(
            self.actions_, self.graph_pane, self.stage, self.graphs, self.selection, self.finds
        )
        self.passes.show_in(self.graph_pane.trail, actions)
        self.graphs.model_shown.connect(self.sidebar.set_model)
        actions["actionExport"].triggered.connect(self.ask.what_to_export)
        self.handouts.connect(actions)
        actions["actionProperties"].triggered.connect(self.sidebar.come_forward)
        actions["actionIntegers"].triggered.connect(self.integers.come_forward)
        self.graphs.properties_asked.connect(self.sidebar.come_forward)
        self.graphs.table_asked.connect(self.pane.show_layer)
        self.stage.changed.connect(self._staged)
        actions["actionShortcuts"].triggered.connect(
            lambda: show_shortcuts(self, self.actions_.keys())
        )
        actions["actionAbout"].triggered.connect(lambda: show_about(self))
        actions.themes.triggered.connect(self._theme_chosen)
        self.themes.changed.connect(self.apply_theme)
        self.tasks.started.connect(self.strip.work_started)
        self.tasks.progressed.connect(self.strip.work_progressed)
        self.tasks.ended.connect(self.strip.work_ended)
        self.strip.cancel_asked.connect(self._cancel)
        self.messages.changed.connect(self.guide.give_way)
        self.files.opening.connect(self.messages.withdraw_notes)
        self.files.sketched.connect(self._sketched)
        self.files.withdrawn.connect(self._withdrawn)
        self.files.message.connect(self.messages.tell)
        self.files.offered.connect(self.messages.tell)
        self.bridge.model_changed.connect(self._model_changed)
        self.bridge.specs_changed.connect(self._history_changed)
        self.bridge.saved_changed.connect(self._history_changed)
        self.plot_slot.made.connect(self._plots_made)
        self.welcome.open_asked.connect(self.ask.for_file)
        self.welcome.sample_asked.connect(self.open_path)

    def _keep(self) -> None:
        """Last of all, so that what is restored finds everything in its place."""
        views = Views(self.selection, self.stage, self.graph, self.actions_["actionRightwards"])
        self.panels = Panels(self, self.bridge, self.selection, self.actions_, self.ask, self.tabs)
        self.comparing = CompareActions(self.bridge, self.actions_, self.themes, self)
        self.pictures = Pictures(self, self.bridge, self.files, self.messages, self.actions_)
        self.keeping = Keeping(self, self.files, self.bridge, self.ask, views, self.messages)
        self.keeping.show_recent(self.actions_.recent, self.welcome)
        self.keeping.show_guide(self.guide)

    @property
    def plots(self) -> PlotPane:
        """The plots, made now if they are not there yet."""
        return self.plot_slot.make()

    def _plots_made(self, plots: PlotPane) -> None:
        plots.random_asked.connect(self.files.use_random_inputs)
        self.presenter.show_plots(plots)
        self.integers.listen_to(plots)
        self.insight.show_plots(plots)
        self.mixing.show_plots(plots)

    def _sketched(self, sketch: Sketch) -> None:
        """A model can be drawn already; the rest of it is on its way."""
        self.graphs.sketch(sketch)
        self.sidebar.set_model(sketch.source)

    def _withdrawn(self) -> None:
        """The model that was drawn already did not come."""
        self.sidebar.set_model(None)
        self.graphs.take_back()
        self._model_changed()

    def _staged(self) -> None:
        """There is a graph to look at."""
        self.stack.setCurrentWidget(self.columns)

    def _restore(self) -> None:
        self.resize(1280, 800)
        self.restoreGeometry(settings.read_bytes("window/geometry"))
        for name, splitter in self._splitters().items():
            splitter.restore(settings.read_bytes(f"window/{name}"))

    def _splitters(self) -> dict[str, FairSplitter]:
        return {"views": self.views, "rows": self.rows, "columns": self.columns}

    # What the user does

    def _filter(self) -> None:
        self.pane.filter.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.pane.filter.selectAll()

    def _cancel(self, channel: str) -> None:
        self.tasks.cancel(channel)
        self.messages.show_message("info", "Cancelled. Nothing was changed.")

    def _theme_chosen(self) -> None:
        chosen = self.actions_.themes.checkedAction()
        for mode in MODES:
            if chosen is not None and mode == chosen.data():
                self.themes.set_mode(mode)

    # What changed

    def _model_changed(self) -> None:
        self.messages.withdraw_offers()
        is_open = self.document.is_open
        self.stack.setCurrentWidget(self.columns if is_open else self.welcome)
        (self.graph if is_open else self.welcome.open_button).setFocus()
        for name in _GRAPH_ACTIONS:
            self.actions_[f"action{name}"].setEnabled(is_open)
        for name in ("SaveRecipe", "OpenRecipe", "Filter"):
            self.actions_[f"action{name}"].setEnabled(bool(self.document.layers))
        self.graph_pane.legend.setVisible(bool(self.document.layers))
        self.plot_slot.setVisible(not is_open or bool(self.document.layers))
        possible = bool(self.document.layers) and self.document.opened.obstacle is None
        needing = ("Calibrate", "Random", "Save", "Encodings", "Report", "Sensitivity", "Search")
        for name in needing:
            self.actions_[f"action{name}"].setEnabled(possible)
        if is_open:
            path = self.document.opened.path
            self.setWindowTitle(f"{path.name}[*] – {TITLE}")
            self.setWindowFilePath(str(path))
            self.setWindowTitle(f"{path.name}[*] – {TITLE}")
        else:
            self.setWindowTitle(f"[*]{TITLE}")
        self._history_changed()

    def _history_changed(self) -> None:
        document = self.document
        self.setWindowModified(document.is_dirty)
        for name, verb, possible, label in (
            ("actionUndo", "Undo", document.can_undo, document.undo_label),
            ("actionRedo", "Redo", document.can_redo, document.redo_label),
        ):
            action = self.actions_[name]
            action.setEnabled(possible)
            action.setText(f"{verb} {label}".strip())
            keys = action.shortcut().toString()
            action.setToolTip(
                f"{verb} {label} ({keys})" if possible else f"Nothing to {verb.lower()}"
            )
