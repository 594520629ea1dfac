"""Between the graph view and the rest: pictures, badges, heat, the small map, the menu."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from PySide6.QtCore import QObject, QPoint, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu

from inspector.graph.model import Graph, Layer
from inspector.graph.paths import downstream, upstream
from inspector.gui import figures
from inspector.gui.bridge import Bridge
from inspector.gui.graph_menu import Around, Wishes, graph_menu
from inspector.gui.graph_pane import GraphPane
from inspector.gui.graph_view.cards import Card, labels_of
from inspector.gui.graph_view.painting import Badge
from inspector.gui.graph_view.stubs import Stub
from inspector.gui.heat import Heat
from inspector.gui.selection import Chosen, Selection
from inspector.gui.stage import Stage, Staged
from inspector.session.quantities import WEIGHT_SQNR

_SLICE = 120
"""Badges made in one go: more would be felt."""
_MOST_PLACES = 30


class GraphPresenter(QObject):
    """Shows what the stage chooses, with badges and heat, and does what the menu asks.

    Signals:
        table_asked: show a layer in the table.
        properties_asked: show the properties of what is chosen.
    """

    table_asked = Signal(str)
    properties_asked = Signal()

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
        self._bridge, self._stage, self._selection, self._heat = bridge, stage, selection, heat
        self._pane, self._view = pane, pane.view
        self._heat_shown: object = None
        self._todo: dict[str, None] = {}
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._make_some)
        self._connect()

    def is_settled(self) -> bool:
        """Whether all badges say what is known."""
        return not self._timer.isActive()

    def sketch(self, graph: Graph) -> None:
        """Show a model that is on its way: no layer of it is known yet."""
        self._is_sketch = True
        self._stage.open(graph)

    def take_back(self) -> None:
        """The model that was on its way did not come: show the one that is open."""
        document = self._bridge.document
        self._is_sketch = False
        if document.is_open:
            self._stage.open(document.opened.shown, document.opened.functions)
        else:
            self._view.set_picture(None)

    def refresh(self, names: Iterable[str]) -> None:
        """Make the badges of layers anew: a few at once, many in slices."""
        self._todo.update(dict.fromkeys(names))
        self._make_some()

    def set_tensor_names(self, names: bool) -> None:
        """Write names instead of shapes on the edges."""
        self._tensor_names = names
        self._label()

    def anchor(self) -> str | None:
        """What shall stay in its place when the picture changes: the selection, or the middle."""
        selected = self._view.selected()
        if selected:
            return selected[0]
        picture = self._view.picture()
        number = self._view.card_under(self._view.rect().center().toPointF())
        if picture is None or number is None or picture.cards[number].is_pill:
            return None
        return picture.scene.items[number].members[0]

    # Wiring

    def _connect(self) -> None:
        self._tensor_names = self._is_sketch = False
        self._stage.changed.connect(self._show)
        self._heat.changed.connect(self._heat_changed)
        self._bridge.specs_changed.connect(self.refresh)
        self._bridge.facts_changed.connect(self.refresh)
        self._selection.changed.connect(self._chosen)
        self._bridge.model_changed.connect(self._model_changed)
        view, trail = self._view, self._pane.trail
        view.selectionChanged.connect(self._selection.choose)
        view.tensor_picked.connect(self._selection.pick)
        view.opened.connect(self._stage.enter)
        view.leave_asked.connect(self._stage.leave)
        view.properties_asked.connect(self.properties_asked)
        view.menu_asked.connect(self._open_menu)
        view.stub_menu_asked.connect(self._open_stub_menu)
        view.view_changed.connect(self._seen_changed)
        trail.asked.connect(lambda count: self._stage.go_to(self._stage.shown.path[:count]))
        trail.raw_asked.connect(lambda raw: self._stage.set_raw(raw, self.anchor()))
        minimap = self._pane.minimap
        minimap.centre_asked.connect(view.camera.look_at)
        minimap.zoom_asked.connect(lambda factor: view.camera.zoom(factor))

    # The picture

    def _show(self, staged: Staged) -> None:
        anchor = staged.anchor
        self._view.set_picture(staged.picture, anchor=anchor)
        self._label()
        self._selection.go_to(staged.shown.path)
        self._show_trail(staged)
        self._map()
        self._all_badges()

    def _label(self) -> None:
        graph = self._stage.graph()
        if graph is not None:
            self._view.set_label(labels_of(graph, names=self._tensor_names))

    def _show_trail(self, staged: Staged) -> None:
        self._show_steps()
        raw = staged.shown.folding.raw
        self._pane.trail.show_folded(len(staged.quantized.hidden), raw=raw)

    def _show_steps(self) -> None:
        document = self._bridge.document
        known = document.is_open and not self._is_sketch
        root = document.opened.path.name if known else "Model"
        self._pane.trail.show_steps([root, *(step.title for step in self._stage.shown.path)])

    def _map(self) -> None:
        picture, colours = self._view.picture(), self._view.colours()
        if picture is not None and colours is not None:
            self._pane.minimap.set_boxes(picture.boxes, colours.shades, picture.bounds)
            self._seen_changed()

    def _seen_changed(self) -> None:
        self._pane.minimap.set_seen(self._view.seen())

    def _model_changed(self) -> None:
        document = self._bridge.document
        self._is_sketch = False
        if document.is_open:
            self._stage.learn(document.opened.shown, document.opened.functions)
            self._label()
            self._show_steps()
            self._all_badges()

    # Badges

    def _heat_changed(self) -> None:
        """All colours are others, or only those that are heard of anyway."""
        heat = self._heat
        shown = (heat.quantity, heat.range)
        if shown != self._heat_shown or heat.quantity is not WEIGHT_SQNR:
            self._heat_shown = shown
            self.refresh(self._layers())

    def _all_badges(self) -> None:
        staged = self._stage.staged
        if staged is None:
            return
        self._todo.clear()
        self._view.set_badges(dict(_stored_badges(staged)))
        self.refresh(self._layers())

    def _layers(self) -> dict[str, Layer]:
        """The layers on the picture, by name: those of the model's own graph."""
        document = self._bridge.document
        if self._is_sketch or not self._stage.is_main() or not document.is_open:
            return {}
        return {layer.name: layer for layer in document.layers}

    def _make_some(self) -> None:
        known = self._layers()
        made: dict[str, Badge] = {}
        for name in list(islice(self._todo, _SLICE)):
            del self._todo[name]
            if name in known:
                made[name] = self._badge(name)
        self._view.update_badges(made)
        if self._todo:
            self._timer.start()
        else:
            self._timer.stop()
            self._colour_map()

    def _badge(self, name: str) -> Badge:
        document, heat = self._bridge.document, self._heat
        return figures.badge(
            document,
            document.layer(name),
            self._bridge.planned(name),
            figures.Shown(
                heat.title, heat.text(name), heat.colour(name), stale=heat.is_stale(name)
            ),
        )

    def _colour_map(self) -> None:
        colours = self._view.colours()
        if colours is not None:
            self._pane.minimap.set_colours(colours.shades)

    # What is chosen

    def _chosen(self, chosen: Chosen) -> None:
        if chosen.path != self._stage.shown.path:
            self._stage.go_to(chosen.path)
        self._view.select(chosen.names)
        if chosen.tensor is not None or not chosen.names:
            self._view.show_tensor(chosen.tensor)

    def _reach(self, *, up: bool) -> None:
        graph = self._stage.graph()
        if graph is not None:
            found = (upstream if up else downstream)(graph, self._selection.chosen.names)
            self._selection.choose(node.name for node in graph.nodes if node.name in found)

    def select_upstream(self) -> None:
        """Select everything that what is chosen depends on."""
        self._reach(up=True)

    def select_downstream(self) -> None:
        """Select everything that depends on what is chosen."""
        self._reach(up=False)

    # Menus

    def _open_menu(self, card: Card | None, place: QPoint) -> None:
        menu = graph_menu(self._view, self._around(card), self._wishes())
        menu.popup(place)
        menu.aboutToHide.connect(menu.deleteLater)

    def _around(self, card: Card | None) -> Around:
        groups, known = self._stage.groups(), self._layers()
        selected = self._view.selected()
        layers = tuple(name for name in selected if name in known)
        alike: tuple[str, ...] = ()
        if card is not None and card.name in known:
            operator = known[card.name].op_type
            alike = tuple(name for name, layer in known.items() if layer.op_type == operator)
        around = groups.groups_of(card.name) if groups and card and card.kind != "group" else ()
        closed = bool(self._stage.shown.folding.closed)
        return Around(card, selected, layers, alike, tuple(around), bool(groups), closed)

    def _wishes(self) -> Wishes:
        bridge, stage, view = self._bridge, self._stage, self._view

        def close(path: str) -> None:
            stage.set_closed(stage.shown.folding.closed | {path}, anchor=self.anchor())

        return Wishes(
            set_specs=bridge.set_specs,
            same_as=bridge.same_specs,
            reset=bridge.reset_layers,
            copy=QGuiApplication.clipboard().setText,
            select=self._selection.choose,
            upstream=self.select_upstream,
            downstream=self.select_downstream,
            show_in_table=self.table_asked.emit,
            properties=self.properties_asked.emit,
            open_card=stage.enter,
            close_group=close,
            close_all=lambda: stage.close_all(self.anchor()),
            open_all=lambda: stage.set_closed(frozenset(), anchor=self.anchor()),
            fit=view.fit,
            fit_selection=view.fit_selection,
        )

    def _open_stub_menu(self, stub: Stub, place: QPoint) -> None:
        """The places that a tensor goes to, to choose one from."""
        picture = self._view.picture()
        if picture is None:
            return
        menu = QMenu(self._view)
        menu.setObjectName("stubMenu")
        for number in stub.others[:_MOST_PLACES]:
            item = picture.scene.items[number]
            line = " ".join(f"{item.title}  {item.name}".split())[:80].replace("&", "&&")
            menu.addAction(line).triggered.connect(
                lambda _checked=False, number=number: self._jump(stub.tensor, number)
            )
        if len(stub.others) > _MOST_PLACES:
            more = menu.addAction(f"and {len(stub.others) - _MOST_PLACES} more")
            more.setEnabled(False)
        menu.addSeparator()
        names = [name for number in stub.others for name in self._view.names_of(number)]
        menu.addAction(f"Select all {len(names)}").triggered.connect(
            lambda: self._selection.choose(names)
        )
        menu.popup(place)
        menu.aboutToHide.connect(menu.deleteLater)

    def _jump(self, tensor: str, number: int) -> None:
        self._view.show_tensor(tensor)
        self._view.glide_to(number)


def _stored_badges(staged: Staged) -> Iterable[tuple[str, Badge]]:
    """What the operators of a model that is quantized already say."""
    if staged.shown.folding.raw:
        return
    found = staged.quantized
    for name in (*found.weights, *(n for n in found.activations if n not in found.weights)):
        weights = found.weights.get(name)
        grids = dict.fromkeys(stored.spec for stored in found.activations.get(name, ()))
        yield name, Badge(weights.spec if weights else "", "/".join(filter(None, grids)))
