"""Between the find bar and the rest: the index of what is shown, and the figures of its nodes."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer

from inspector.graph.search import Figures, Match, SearchIndex
from inspector.gui.bridge import Bridge
from inspector.gui.find_bar import FindBar
from inspector.gui.graph_view.view import GraphView
from inspector.gui.heat import Heat
from inspector.gui.selection import Selection
from inspector.gui.stage import GROUPS, Stage, Staged
from inspector.gui.tasks import MODEL, Tasks

INDEX = "index"
_LATER_MS = 400


class FindPresenter(QObject):
    """Keeps the index of the shown graph, and goes to what is found."""

    def __init__(
        self,
        bridge: Bridge,
        stage: Stage,
        selection: Selection,
        heat: Heat,
        tasks: Tasks,
        bar: FindBar,
        view: GraphView,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._stage, self._selection = bridge, stage, selection
        self._heat, self._tasks, self._bar = heat, tasks, bar
        bar.set_figures(self._figures)
        bar.found.connect(self._go_to)
        bar.matchesChanged.connect(view.set_found)
        stage.changed.connect(self._index)
        stage.leaving.connect(self._left)
        bridge.model_changed.connect(self._changed)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_LATER_MS)
        self._later.timeout.connect(self._learn)
        for signal in (bridge.specs_changed, heat.changed, bridge.calibration_changed):
            signal.connect(lambda *_: bar.refresh_figures())
        self._indexed: object = None

    def open(self) -> None:
        """Bring the bar up, over an index that is not put off any longer."""
        if self._later.isActive():
            self._later.stop()
            self._learn()
        self._bar.open()

    def _index(self, staged: Staged) -> None:
        graph = staged.picture.scene.graph
        if graph is not self._indexed and self._stage.is_current():
            self._changed()

    def _changed(self) -> None:
        """What was indexed is gone; the new picture comes first."""
        if self._stage.graph() is not self._indexed:
            if not self._bar.isVisible():
                self._bar.set_index(None)
            self._later.start()

    def _left(self) -> None:
        """Another graph is to be shown: what was found in the one before is nowhere now."""
        self._tasks.cancel(INDEX)
        self._indexed = None
        self._bar.set_index(None)

    def _learn(self) -> None:
        """Index the graph as it is known by now, one thing after the other.

        Before inference it has few shapes, and whatever Python does beside the window slows it.
        """
        graph = self._stage.graph()
        if graph is None:
            return
        if not self._bar.isVisible() and any(map(self._tasks.is_busy, (MODEL, GROUPS))):
            self._later.start()
            return
        self._indexed = graph
        self._tasks.submit(INDEX, lambda context: SearchIndex(graph), self._bar.set_index)

    def _figures(self) -> Figures:
        bridge = self._bridge
        if not bridge.document.is_open or not self._stage.is_main():
            return Figures()
        specs = {}
        for layer in bridge.document.layers:
            given = bridge.planned(layer.name)
            texts = dict.fromkeys(str(spec) for spec in (given.weights, *given.activations))
            specs[layer.name] = tuple(texts)
        return Figures(specs, self._heat.numbers())

    def _go_to(self, match: Match) -> None:
        if not self._stage.is_current():
            return
        if match.kind == "tensor":
            self._selection.pick(match.name)
        else:
            self._selection.choose_here((match.name,))
