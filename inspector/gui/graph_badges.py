"""What is said on the cards of the graph: specs and heat, made in slices."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from PySide6.QtCore import QObject, QTimer

from inspector.graph.model import Graph, Layer
from inspector.gui import figures
from inspector.gui.bridge import Bridge
from inspector.gui.graph_pane import GraphPane
from inspector.gui.graph_view.look import Badge
from inspector.gui.heat import Heat
from inspector.gui.stage import Stage, Staged
from inspector.gui.turns import SLICE_SECONDS
from inspector.report.quantity_text import quantity_text
from inspector.report.units import plural
from inspector.session.opening import OpenModel
from inspector.session.provenance import Provenance, provenance_of
from inspector.session.quantities import WEIGHT_SQNR

_FEW = 100
"""So many badges are made at once; more wait for their turn."""
_MAP_MS = 60
"""The small map follows after so long: it is drawn as a whole each time."""


class BadgePresenter(QObject):
    """Keeps the badges of the picture, and the colours of the small map, as they should be."""

    def __init__(
        self,
        bridge: Bridge,
        stage: Stage,
        heat: Heat,
        pane: GraphPane,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._stage, self._heat, self._pane = bridge, stage, heat, pane
        self._heat_shown: object = None
        self._known: tuple[Graph | None, dict[str, Layer]] = (None, {})
        self._todo: dict[str, None] = {}
        self._groups: set[int] = set()
        self._map_timer = QTimer(self)
        self._map_timer.setSingleShot(True)
        self._map_timer.setInterval(_MAP_MS)
        self._map_timer.timeout.connect(self._colour_map)
        self.is_sketch = False
        self._fates: tuple[OpenModel, Provenance] | None = None
        heat.changed.connect(self._heat_changed)
        bridge.specs_changed.connect(self.refresh)
        bridge.facts_changed.connect(self.refresh)
        bridge.misfits_changed.connect(self.refresh)

    def is_settled(self) -> bool:
        """Whether all badges say what is known."""
        turns = self._bridge.turns
        waits = self._make_some in turns or self._show_folded in turns
        return not (waits or self._map_timer.isActive())

    def layers(self) -> dict[str, Layer]:
        """The layers on the picture, by name: those of the model's own graph."""
        document = self._bridge.document
        if self.is_sketch or not self._stage.is_main() or not document.is_open:
            return {}
        graph, known = self._known
        if graph is not document.graph:
            known = {layer.name: layer for layer in document.layers}
            self._known = document.graph, known
        return known

    def refresh(self, names: Iterable[str]) -> None:
        """Make the badges of layers anew: a few at once, many in slices, those selected first."""
        names = dict.fromkeys(names)
        if self._todo or len(names) > _FEW:
            first = {name: None for name in self._bridge.selected[:_FEW] if name in names}
            self._todo = {**first, **self._todo, **names}
            self._bridge.turns.ask(self._make_some)
        else:
            self._todo = names
            self._make_some()

    def show_all(self, staged: Staged) -> None:
        """Make all badges of a picture; those that it has stay until then."""
        known, surface = self.layers(), self._pane.view.surface
        kept = {name: badge for name, badge in surface.look.badges.items() if name in known}
        surface.set_badges({**kept, **dict(_stored_badges(staged))})
        self._todo.clear()
        self.refresh(known)
        self._bridge.turns.ask(self._show_folded)

    # Inside

    def _show_folded(self) -> None:
        staged = self._stage.staged
        if staged is not None and self._stage.is_current():
            self._show_fates(staged)

    def _show_fates(self, staged: Staged) -> None:
        """Say which nodes are no more when the model is quantized, and which are new then."""
        document = self._bridge.document
        known = Provenance()
        if not self.is_sketch and not staged.shown.path and document.layers:
            opened = document.opened
            if self._fates is None or self._fates[0] is not opened:
                self._fates = opened, provenance_of(opened)
            known = self._fates[1]
        graph = staged.picture.scene.graph
        is_file = not document.is_open or graph is not document.graph
        self._pane.view.surface.set_fates(
            known.gone if is_file else {}, {} if is_file else known.made
        )

    def _heat_changed(self) -> None:
        """All colours are others, or only those that are heard of anyway."""
        heat = self._heat
        shown = (heat.quantity, heat.range)
        if shown != self._heat_shown or heat.quantity is not WEIGHT_SQNR:
            self._heat_shown = shown
            self.refresh(self.layers())

    def _make_some(self) -> None:
        known, picture = self.layers(), self._pane.view.picture()
        made: dict[str, Badge] = {}
        until = time.monotonic() + SLICE_SECONDS
        for name in tuple(self._todo):
            if made and time.monotonic() > until:
                break
            del self._todo[name]
            if name in known:
                made[name] = self._badge(name)
        if picture is not None:
            self._groups.update(picture.groups_among(made))
        if not self._todo:
            made.update(self._group_badges(known))
        self._pane.view.surface.update_badges(made)
        if self._todo:
            self._bridge.turns.ask(self._make_some)
        elif not self._map_timer.isActive():
            self._map_timer.start()

    def _badge(self, name: str) -> Badge:
        document, heat = self._bridge.document, self._heat
        return figures.badge(
            document,
            document.layer(name),
            self._bridge.planned(name),
            figures.Shown(
                heat.title, heat.text(name), heat.colour(name), stale=heat.is_stale(name)
            ),
            self._bridge.misfits.of(name),
        )

    def _group_badges(self, known: dict[str, Layer]) -> Iterable[tuple[str, Badge]]:
        """The badges of the groups in which something changed: each that of its worst layer."""
        picture, groups = self._pane.view.picture(), self._groups
        self._groups = set()
        if picture is None:
            return
        for number in groups:
            item = picture.scene.items[number]
            members = [name for name in item.members if name in known]
            wrong = sum(bool(self._bridge.misfits.of(name)) for name in members)
            misfit = (
                f"{plural(wrong, 'layer')} in it {'does' if wrong == 1 else 'do'} not fit."
                if wrong
                else ""
            )
            yield item.name, replace(self._worst(members), misfit=misfit)

    def _worst(self, names: Iterable[str]) -> Badge:
        """The colour and the figure of the worst layer, or what all hold together."""
        heat = self._heat
        values = {name: value for name in names if (value := heat.value(name)) is not None}
        if heat.quantity is None or not values:
            return Badge("", "")
        is_high = heat.quantity.better == "high"
        worst = (min if is_high else max)(values, key=values.__getitem__)
        text = f"worst {heat.text(worst)}"
        if heat.quantity.better == "none":  # counts add up, errors do not
            text = f"in all {quantity_text(heat.quantity, sum(values.values()))}"
        return Badge(
            "",
            "",
            text,
            heat.colour(worst),
            stale=heat.is_stale(worst),
            title=f"{heat.title},",
        )

    def _colour_map(self) -> None:
        area = self._pane.view.surface.area
        if area is not None:
            self._pane.minimap.set_colours(area.shades)


def _stored_badges(staged: Staged) -> Iterable[tuple[str, Badge]]:
    """What the operators of a model that is quantized already say."""
    if staged.shown.folding.raw:
        return
    found = staged.quantized
    for name in (*found.weights, *(n for n in found.activations if n not in found.weights)):
        weights = found.weights.get(name)
        grids = dict.fromkeys(stored.spec for stored in found.activations.get(name, ()))
        yield name, Badge(weights.spec if weights else "", "/".join(filter(None, grids)))
