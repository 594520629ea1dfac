"""Between the graph view and the rest: pictures, what is chosen in them, the small map."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject, QRectF, Signal
from PySide6.QtGui import QGuiApplication

from inspector.graph.model import Graph
from inspector.graph.paths import downstream, upstream
from inspector.graph.recurrent import operator_name
from inspector.graph.stored import Values
from inspector.gui.bridge import Bridge
from inspector.gui.graph_badges import BadgePresenter
from inspector.gui.graph_menus import GraphWishes, MenuPresenter
from inspector.gui.graph_pane import GraphPane
from inspector.gui.graph_view.cards import labels_of
from inspector.gui.heat import Heat
from inspector.gui.selection import Chosen, Selection
from inspector.gui.stage import Stage, Staged
from inspector.gui.staged import Functions
from inspector.onnxio.loading import Model
from inspector.session.opening import Sketch

REACH = "reach"


class GraphPresenter(QObject):
    """Shows what the stage chooses, and what is chosen in it.

    Signals:
        table_asked: show a layer in the table.
        properties_asked: show the properties of what is chosen.
        model_shown: the Model of which the graph is shown: the file's, or as it is quantized.
    """

    table_asked = Signal(str)
    properties_asked = Signal()
    model_shown = Signal(object)

    def __init__(
        self,
        bridge: Bridge,
        stage: Stage,
        selection: Selection,
        heat: Heat,
        pane: GraphPane,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._stage, self._selection = bridge, stage, selection
        self._pane, self._view = pane, pane.view
        self._tensor_names = False
        self._is_prepared = False
        self._source: object = None
        self._shown: object = None
        self._badges = BadgePresenter(bridge, stage, heat, pane, self)
        self._menus = MenuPresenter(bridge, stage, pane.view, self._badges, self._wishes(), self)
        self._connect()

    def is_settled(self) -> bool:
        """Whether all badges say what is known."""
        return self._badges.is_settled()

    def sketch(self, sketch: Sketch) -> None:
        """Show a model that is on its way: no layer of it is known yet."""
        self._badges.is_sketch = True
        self._selection.forget()
        self._stage.open(sketch.graph, sketch.functions, sketch.source.constant)

    def take_back(self) -> None:
        """The model that was on its way did not come: show the one that is open."""
        document = self._bridge.document
        self._badges.is_sketch = False
        if document.is_open:
            self._selection.forget()
            self._stage.open(*self._asked_for())
            self.model_shown.emit(self._model())
        else:
            self._close()

    def set_prepared(self, on: bool) -> None:
        """Show the graph as it is quantized, or as it is in the file."""
        if on == self._is_prepared:
            return
        self._is_prepared = on
        document = self._bridge.document
        if document.is_open and not self._badges.is_sketch:
            self._open_again()

    def _open_again(self) -> None:
        """Show another graph of the same model; what is chosen in both stays chosen."""
        names = self._selection.chosen.names if self._stage.is_main() else ()
        self._stage.open(*self._asked_for())
        graph = self._stage.graph()
        assert graph is not None
        known = {node.name for node in graph.nodes}
        self._selection.go_to((), [name for name in names if name in known])
        self.model_shown.emit(self._model())
        self._learn()
        self._show_steps()

    def _model(self) -> Model:
        opened = self._bridge.document.opened
        return opened.prepared if self._is_prepared else opened.source

    def _asked_for(self) -> tuple[Graph, Functions, Values]:
        """The graph that is to be shown of the open model, and who reads its constants."""
        opened = self._bridge.document.opened
        if self._is_prepared:
            return opened.graph, opened.functions, opened.prepared.constant
        return opened.shown, opened.functions, opened.source.constant

    def set_tensor_names(self, names: bool) -> None:
        """Write names instead of shapes on the edges."""
        self._tensor_names = names
        self._label()

    def anchor(self) -> str | None:
        """What shall stay in its place when the picture changes.

        What is selected, if it is in sight, else what is nearest to the middle.
        """
        picture, selected = self._view.picture(), self._view.selected()
        if picture is None or not self._stage.is_current():
            return None
        seen = self._view.seen()
        if selected and seen.intersects(picture.rect(picture.scene.place[selected[0]])):
            return selected[0]
        number = picture.nearest(seen.center())
        return None if number is None else picture.scene.items[number].members[0]

    # Wiring

    def _connect(self) -> None:
        self._stage.leaving.connect(self._view.leave)
        self._stage.changed.connect(self._show)
        self._stage.failed.connect(self._close)
        self._selection.changed.connect(self._chosen)
        self._bridge.model_changed.connect(self._model_changed)
        view, trail = self._view, self._pane.trail
        view.selectionChanged.connect(self._selection.choose_here)
        view.tensor_picked.connect(self._selection.pick)
        view.opened.connect(self._stage.enter)
        view.leave_asked.connect(self._stage.leave)
        view.properties_asked.connect(self.properties_asked)
        view.copy_asked.connect(self.copy_names)
        view.view_changed.connect(self._seen_changed)
        self._menus.table_asked.connect(self.table_asked)
        self._menus.properties_asked.connect(self.properties_asked)
        trail.asked.connect(lambda count: self._stage.go_to(self._stage.shown.path[:count]))
        trail.raw_asked.connect(lambda raw: self._stage.set_raw(raw, self.anchor()))
        minimap = self._pane.minimap
        minimap.centre_asked.connect(view.camera.look_at)
        minimap.zoom_asked.connect(lambda factor: view.camera.zoom(factor))

    # The picture

    def _show(self, staged: Staged) -> None:
        view, chosen = self._view, self._selection.chosen
        before = view.picture()
        same = self._shown is not None and before is not None and self._shown == _place_of(staged)
        self._shown = _place_of(staged)
        view.set_picture(staged.picture, anchor=staged.anchor, is_other=not same)
        self._learn()
        if chosen.path != staged.shown.path:
            self._selection.go_to(staged.shown.path, [staged.left] if staged.left else [])
        elif not same or view.selected() != self._on_cards(chosen.names):
            self._mark(chosen)
        self._show_trail(staged)
        self._map()
        self._badges.show_all(staged)

    def _learn(self) -> None:
        """What is known of the tensors by now."""
        graph = self._stage.graph()
        if graph is not None:
            self._view.set_graph(graph)
        self._label()

    def _close(self) -> None:
        self._stage.close()
        self._shown = None
        self._view.set_picture(None)
        self._show_steps()
        self._map()

    def _label(self) -> None:
        graph = self._stage.graph()
        if graph is not None:
            self._view.surface.set_label(labels_of(graph, names=self._tensor_names))

    def _show_trail(self, staged: Staged) -> None:
        self._show_steps()
        raw = staged.shown.folding.raw
        self._pane.trail.show_folded(len(staged.quantized.hidden), raw=raw)

    def _show_steps(self) -> None:
        document = self._bridge.document
        known = document.is_open and not self._badges.is_sketch
        root = document.opened.path.name if known else "Model"
        self._pane.trail.show_steps([root, *(step.title for step in self._stage.shown.path)])

    def _map(self) -> None:
        picture, area = self._view.picture(), self._view.surface.area
        if picture is not None and area is not None:
            self._pane.minimap.set_boxes(picture.boxes, area.shades, picture.bounds)
            self._seen_changed()
        else:
            self._pane.minimap.set_boxes(np.zeros((0, 4)), np.zeros((0, 3), np.uint8), QRectF())

    def _seen_changed(self) -> None:
        self._pane.minimap.set_seen(self._view.seen())

    def _model_changed(self) -> None:
        document, was_sketch = self._bridge.document, self._badges.is_sketch
        self._badges.is_sketch = False
        if not document.is_open:
            self._selection.forget()
            self._close()
            return
        source, before = document.opened.source, self._source
        self._source = source
        if was_sketch and not self._is_prepared:
            self._stage.learn(*self._asked_for(), anchor=self.anchor())
            self.model_shown.emit(self._model())
        elif source is before:  # prepared otherwise: the file's own graph is what it was
            if self._is_prepared:
                self._open_again()
        else:
            self._selection.forget()
            self._stage.open(*self._asked_for())
            self.model_shown.emit(self._model())
        self._learn()
        self._show_steps()
        staged = self._stage.staged
        if staged is not None and self._stage.is_current():
            self._badges.show_all(staged)

    def _wishes(self) -> GraphWishes:
        return GraphWishes(
            self.anchor,
            QGuiApplication.clipboard().setText,
            self._selection.choose_here,
            self.select_upstream,
            self.select_downstream,
        )

    # What is chosen

    def _chosen(self, chosen: Chosen) -> None:
        if chosen.path != self._stage.shown.path:
            self._stage.go_to(chosen.path)
        if self._stage.is_current():
            self._mark(chosen)

    def _mark(self, chosen: Chosen) -> None:
        self._view.select(self._on_cards(chosen.names))
        if chosen.tensor is not None or not chosen.names:
            self._view.show_tensor(chosen.tensor)

    def _on_cards(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The cards of what is chosen: both weights of a recurrent operator have the same one."""
        known = self._badges.layers()
        found = (operator_name(known[name]) if name in known else name for name in names)
        return tuple(dict.fromkeys(found))

    def copy_names(self) -> None:
        """Put the names of what is chosen on the clipboard, one in a line."""
        chosen = self._selection.chosen
        names = chosen.names if chosen.tensor is None else (chosen.tensor,)
        if names:
            QGuiApplication.clipboard().setText("\n".join(names))

    def _reach(self, *, up: bool) -> None:
        graph, names = self._stage.graph(), self._selection.chosen.names
        if graph is None or not names or not self._stage.is_current():
            return

        def found(reached: tuple[str, ...]) -> None:
            if self._stage.is_current() and self._selection.chosen.names == names:
                self._selection.choose_here(reached)

        self._bridge.tasks.submit(REACH, lambda _: _reached(graph, names, up=up), found)

    def select_upstream(self) -> None:
        """Select everything that what is chosen depends on."""
        self._reach(up=True)

    def select_downstream(self) -> None:
        """Select everything that depends on what is chosen."""
        self._reach(up=False)


def _reached(graph: Graph, names: tuple[str, ...], *, up: bool) -> tuple[str, ...]:
    """What nodes need, or what needs them, in the graph's order."""
    reached = (upstream if up else downstream)(graph, names)
    return tuple(node.name for node in graph.nodes if node.name in reached)


def _place_of(staged: Staged) -> tuple[object, object]:
    """Which graph a picture is of."""
    return staged.model, staged.shown.path
