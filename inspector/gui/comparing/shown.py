"""Fills the window of a comparison with what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inspector.gui.comparing.alignment import SIDES, SideName
from inspector.gui.comparing.tensor_table import TensorRow
from inspector.gui.comparing.window import ComparisonWindow, SidePane
from inspector.gui.comparing.work import Painted, Prepared, Source
from inspector.gui.graph_view.cards import labels_of
from inspector.gui.graph_view.swatches import Notes
from inspector.report.units import bytes_text, plural
from inspector.session.quantities import DIFFERENCE, Quantity

if TYPE_CHECKING:
    from inspector.session.comparison import Comparison, Side

STALE = "Choices have changed since: Compare again"
USUAL_ENDS = DIFFERENCE.fixed or (0.0, 1.0)


class Shown:
    """What is shown in a window of a comparison.

    Args:
        window: the window.
    """

    def __init__(self, window: ComparisonWindow) -> None:
        self._window = window
        self._panes: dict[SideName, SidePane] = {"first": window.first, "second": window.second}

    def clear(self, sources: Sequence[Source] = ()) -> None:
        """Show nothing but the names of models that are on their way."""
        window = self._window
        window.link.set_alignment(None)
        for side, pane in self._panes.items():
            pane.view.set_picture(None)
            pane.legend.hide()
            title = sources[SIDES.index(side)].title if sources else ""
            pane.head.show_model(title, "")
            self._show_map(pane)
        if sources:
            window.setWindowTitle(f"Compare: {sources[0].title} with {sources[1].title}")
        self.show_comparison(None)

    def show_models(self, sources: Sequence[Source], found: Prepared) -> None:
        """Show the graphs of both models."""
        for side, pane in self._panes.items():
            picture, view = found.pictures[side], pane.view
            view.set_picture(picture)
            view.surface.set_label(labels_of(picture.scene.graph, names=False))
            view.surface.set_badges(found.badges[side])
            pane.legend.set_quantities((DIFFERENCE,))
            self._show_map(pane)
        self._window.link.set_alignment(found.alignment)
        self.show_heads(sources, found.sides, stale=False)

    def show_heads(
        self, sources: Sequence[Source], sides: Mapping[SideName, Side], *, stale: bool
    ) -> None:
        """Say which models these are, and whether one is of earlier choices."""
        for source, (side, pane) in zip(sources, self._panes.items(), strict=True):
            model = sides[side]
            lone = f", {len(model.lone)} without partner" if model.lone else ""
            text = f"{bytes_text(model.file_bytes)}, {plural(model.stock.nodes, 'node')}{lone}"
            is_old = stale and source.choices is not None
            pane.head.show_model(
                source.title, STALE if is_old else text, str(model.path), stale=is_old
            )

    def show_comparison(
        self, found: Comparison | None, rows: Sequence[TensorRow] | None = None
    ) -> None:
        """Show the figures.

        Args:
            found: what is known; None while nothing is.
            rows: the tensors, where they are others than those that are shown.
        """
        window = self._window
        if found is None:
            window.summary.show_figures((), (), ())
            window.told.set_full_text("")
            window.source.set_full_text("")
            window.parting.hide()
            window.table.show_rows((), worst_first=True, parted=0.0)
            return
        from inspector.report import comparison as words

        window.summary.show_figures(
            words.summary_rows(found),
            words.nearness_rows(found),
            words.speed_lines(found),
            words.warnings(found),
            found.data_notes,
        )
        samples = plural(found.fidelity.samples, "sample")
        name = "random inputs" if found.random else Path(found.source).name
        window.told.set_full_text(words.parting_text(found))
        window.source.set_full_text(f"Run on {name}, {samples}")
        window.parting.setVisible(found.parted_at is not None)
        if rows is not None:
            self.show_table(rows)

    def show_table(self, rows: Sequence[TensorRow]) -> None:
        """Show the tensors in the order that is chosen."""
        from inspector.evaluate.beside import PARTED_DB

        window = self._window
        worst = window.order.currentIndex() == 0
        window.table.show_rows(rows, worst_first=worst, parted=PARTED_DB)
        chosen = window.first.view.selected()
        if chosen:
            window.table.show_node(chosen, second=False)

    def show_painted(
        self, painted: Painted, prepared: Prepared, ends: tuple[float, float] | None
    ) -> None:
        """Say the figures on the cards of one side, in heat colours, and explain these."""
        side, pane = painted.side, self._panes[painted.side]
        pane.view.surface.set_badges(painted.badges)
        self._show_map(pane)
        legend, lone = pane.legend, len(prepared.sides[side].lone)
        quantity: Quantity | None = None if ends is None else DIFFERENCE
        legend.show_quantity(quantity, *(ends or USUAL_ENDS), auto=ends == USUAL_ENDS)
        legend.show_notes(Notes(lone=lone))
        legend.setVisible(side == "first" or bool(lone))

    @staticmethod
    def _show_map(pane: SidePane) -> None:
        picture, area = pane.view.picture(), pane.view.surface.area
        if picture is None or area is None:
            pane.minimap.hide()
        elif pane.minimap.shows(picture.boxes):
            pane.minimap.set_colours(area.shades)
        else:
            pane.minimap.set_boxes(picture.boxes, area.shades, picture.bounds)
            pane.minimap.set_seen(pane.view.seen())
