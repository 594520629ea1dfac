"""What the right button opens on the graph, and what a stub that leads to many places opens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtWidgets import QMenu

from inspector.gui.bridge import Bridge
from inspector.gui.graph_badges import BadgePresenter
from inspector.gui.graph_menu import Around, Wishes, graph_menu, one_line
from inspector.gui.graph_view.cards import Card
from inspector.gui.graph_view.stubs import Stub
from inspector.gui.graph_view.view import GraphView
from inspector.gui.stage import Stage
from inspector.report.units import count_text

_MOST_PLACES = 30
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class GraphWishes:
    """What menus ask of the rest, beside specs and folding."""

    anchor: Callable[[], str | None]
    copy: Callable[[str], None]
    select: Callable[[Sequence[str]], None]
    upstream: Callable[[], None]
    downstream: Callable[[], None]


class MenuPresenter(QObject):
    """Opens the menus of a graph view; none outlives the picture that it is about.

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
        view: GraphView,
        badges: BadgePresenter,
        wishes: GraphWishes,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._stage, self._view = bridge, stage, view
        self._badges, self._wishes = badges, wishes
        self._open: QMenu | None = None
        view.menu_asked.connect(self._open_menu)
        view.stub_menu_asked.connect(self._open_stub_menu)
        stage.leaving.connect(self._close)

    def _open_menu(self, card: Card | None, place: QPoint) -> None:
        self._pop_up(graph_menu(self._view, self._around(card), self._all_wishes()), place)

    def _pop_up(self, menu: QMenu, place: QPoint) -> None:
        self._close()
        self._open = menu
        menu.aboutToHide.connect(self._forget)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()

    def _forget(self) -> None:
        self._open = None

    def _around(self, card: Card | None) -> Around:
        groups, known = self._stage.groups(), self._badges.layers()
        selected = self._view.selected()
        layers = tuple(name for name in selected if name in known)
        alike: tuple[str, ...] = ()
        if card is not None and card.name in known:
            operator = known[card.name].op_type
            alike = tuple(name for name, layer in known.items() if layer.op_type == operator)
        around = groups.groups_of(card.name) if groups and card and card.kind != "group" else ()
        closed = bool(self._stage.shown.folding.closed)
        graph = self._stage.graph()
        bodies: tuple[str, ...] = ()
        if card is not None and card.kind in ("node", "layer") and graph is not None:
            bodies = tuple(graph.node(card.name).subgraphs)
        unfit = tuple(name for name in layers if self._bridge.misfits.of(name))
        return Around(
            card, selected, layers, alike, tuple(around), bool(groups), closed, bodies, unfit
        )

    def _all_wishes(self) -> Wishes:
        bridge, stage, view, wishes = self._bridge, self._stage, self._view, self._wishes

        def close(path: str) -> None:
            stage.set_closed(stage.shown.folding.closed | {path}, anchor=wishes.anchor())

        return Wishes(
            set_specs=bridge.set_specs,
            same_as=bridge.same_specs,
            reset=bridge.reset_layers,
            make_fit=bridge.make_fit,
            copy=wishes.copy,
            select=wishes.select,
            upstream=wishes.upstream,
            downstream=wishes.downstream,
            show_in_table=self.table_asked.emit,
            properties=self.properties_asked.emit,
            open_card=stage.enter,
            open_body=stage.enter_body,
            close_group=close,
            close_all=lambda: stage.close_all(wishes.anchor()),
            open_all=lambda: stage.set_closed(frozenset(), anchor=wishes.anchor()),
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
            line = one_line(f"{item.title}  {item.name}", _LONGEST)
            menu.addAction(line.replace("&", "&&")).triggered.connect(
                lambda _checked=False, number=number: self._jump(stub.tensor, number)
            )
        if len(stub.others) > _MOST_PLACES:
            more = menu.addAction(f"and {count_text(len(stub.others) - _MOST_PLACES)} more")
            more.setEnabled(False)
        names = [name for number in stub.others for name in self._view.names_of(number)]
        if names:
            menu.addSeparator()
            menu.addAction(f"Select all {count_text(len(names))}").triggered.connect(
                lambda: self._wishes.select(names)
            )
        self._pop_up(menu, place)

    def _jump(self, tensor: str, number: int) -> None:
        self._view.show_tensor(tensor)
        self._view.glide_to(number)
