"""The sidebar: one scrolling page about a model, a node, several nodes or a tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFileDialog, QFrame, QScrollArea, QVBoxLayout, QWidget

from inspector.errors import InspectorError
from inspector.graph.model import Graph
from inspector.gui.properties import work
from inspector.gui.properties.export import file_name
from inspector.gui.properties.model_page import model_page, nodes_page
from inspector.gui.properties.node_page import node_page, small_constants
from inspector.gui.properties.page import Page, Pair, Target
from inspector.gui.properties.sheet import Sheet
from inspector.gui.properties.slices import Picture, Plane
from inspector.gui.properties.tensor_page import (
    distribution_figures,
    quantization_rows,
    tensor_page,
    waiting_figures,
)
from inspector.gui.properties.tensor_panel import TensorPanel
from inspector.gui.tasks import Tasks
from inspector.gui.theme import Theme
from inspector.onnxio.dequantized import DequantizedValues
from inspector.onnxio.loading import Model
from inspector.onnxio.values import Dequantization, Values
from inspector.quant.distribution import Histogram

CHANNEL, SLICE, EXPORT = "tensor", "tensor slice", "tensor export"
_BACKGROUND_NODES = 1500
"""More nodes than this are counted in the background."""
_BINS = 128
_NOTHING = Page("Nothing to show", "Open a model to see what it holds.")


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """The tensor that is shown."""

    graph: Graph
    name: str
    model: Model
    how: Dequantization | None


class PropertyPane(QWidget):
    """Says what is known of the thing that is looked at.

    Signals:
        tensor_asked: name of a tensor that was clicked.
        node_asked: name of a node that was clicked.
        body_asked: a node whose body shall be opened, and the attribute that holds it; "" for the
            body of a model function.
        failed: an InspectorError: a tensor's values cannot be read or written.
    """

    tensor_asked = Signal(str)
    node_asked = Signal(str)
    body_asked = Signal(str, str)
    failed = Signal(object)

    def __init__(self, tasks: Tasks | None = None, parent: QWidget | None = None) -> None:
        """An empty sidebar.

        Args:
            tasks: runs the work; without it the sidebar has its own, which `close_tasks` ends.
            parent: of the widget.
        """
        super().__init__(parent)
        self.setObjectName("propertyPane")
        self.setAccessibleName("Properties")
        self.setMinimumWidth(248)
        self._own_tasks = Tasks(self) if tasks is None else None
        self._tasks = tasks or self._own_tasks or Tasks(self)
        self._shown: _Shown | None = None
        self._opened: work.Opened | None = None
        self._figures: tuple[Pair, ...] = ()
        self.sheet = Sheet()
        self.sheet.setAccessibleName("Properties")
        self.panel = TensorPanel()
        self._arrange()
        self.sheet.asked.connect(self._follow)
        self.sheet.reached.connect(self._reach)
        self.panel.plane_asked.connect(self._paint_plane)
        self.panel.form_asked.connect(self._show_form)
        self.panel.export_asked.connect(self._ask_where_to_export)
        self.clear()

    # What others may ask for

    def clear(self) -> None:
        """Show nothing: no model is open."""
        self._begin(_NOTHING)

    def show_model(self, model: Model, graph: Graph) -> None:
        """Show what a model holds, and the graph of it that is in view."""
        if len(graph.nodes) > _BACKGROUND_NODES:
            self._begin_later(lambda: model_page(model, graph))
        else:
            self._begin(model_page(model, graph))

    def show_node(self, graph: Graph, name: str, model: Model) -> None:
        """Show a node; the values of small constants that it reads follow from the background."""
        self._begin(node_page(graph, name, model))
        if any(True for _ in small_constants(graph, graph.node(name))):
            self._submit(
                lambda _: node_page(graph, name, model, work.small_values(model, graph, name)),
                self.sheet.show_page,
            )

    def show_nodes(self, graph: Graph, names: Sequence[str]) -> None:
        """Show how many nodes of which kind there are, and what they hold together."""
        names = tuple(names)
        if len(names) > _BACKGROUND_NODES:
            self._begin_later(lambda: nodes_page(graph, names))
        else:
            self._begin(nodes_page(graph, names))

    def show_tensor(
        self,
        graph: Graph,
        name: str,
        model: Model,
        *,
        distribution: Histogram | None = None,
        dequantization: Dequantization | None = None,
    ) -> None:
        """Show a tensor, and the values of a constant.

        Args:
            graph: that holds the tensor.
            name: the tensor's.
            model: holds the values of constants.
            distribution: what calibration has seen of an activation.
            dequantization: how the integers of a constant become real numbers.
        """
        tensor = graph.tensors.get(name)
        constant = tensor is not None and tensor.constant
        figures = waiting_figures() if constant else ()
        if not constant and distribution is not None:
            figures = distribution_figures(distribution)
        shown = _Shown(graph, name, model, dequantization if constant else None)
        self._begin(self._tensor_page(shown, figures, None), shown)
        self._figures = figures
        if constant:
            self._submit(
                lambda _: work.open_values(model, graph, name, shown.how), self._values_found
            )
        elif distribution is not None and distribution.total:
            edges, counts = distribution.density(_BINS)
            self.panel.show_histogram(edges, counts, "what calibration has seen")

    def export_tensor(self, path: str | Path) -> None:
        """Write the values that are shown to a NumPy file, in the background."""
        values, shown, target = self.panel.values, self._shown, Path(path)
        if values is None or shown is None:
            return
        self.panel.export.setEnabled(False)
        read = (shown.model.path, *shown.model.external_files)
        self._tasks.submit(
            EXPORT,
            lambda context: work.export(context, values, target, read),
            self._export_done,
            f"Writing {target.name}",
        )

    def is_settled(self) -> bool:
        """Whether nothing of what is shown is still being computed."""
        return not any(self._tasks.is_busy(channel) for channel in (CHANNEL, SLICE, EXPORT))

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self.sheet.apply_theme(theme)
        self.panel.apply_theme(theme)

    def close_tasks(self) -> None:
        """Stop all work; wait for it where it is the sidebar's own."""
        for channel in (CHANNEL, SLICE, EXPORT):
            self._tasks.cancel(channel)
        if self._own_tasks is not None:
            self._own_tasks.close()

    # How it is built

    def _arrange(self) -> None:
        self.body = QWidget()
        self.body.setObjectName("propertyBody")
        column = QVBoxLayout(self.body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.sheet)
        column.addWidget(self.panel)
        column.addStretch(1)
        self.area = QScrollArea(self)
        self.area.setAccessibleName("Properties of what is chosen")
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setWidget(self.body)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.area)
        self.setFocusProxy(self.sheet)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the page as wide as the view."""
        super().resizeEvent(event)
        self.body.setMaximumWidth(max(self.width(), 1))

    # Showing

    def _begin(self, page: Page, shown: _Shown | None = None) -> None:
        """Show another thing; what was under way for the last one is dropped."""
        again = page.key == self.sheet.page.key
        self._tasks.cancel(CHANNEL)
        self._tasks.cancel(SLICE)
        self._shown, self._opened, self._figures = shown, None, ()
        self.panel.clear()
        self.sheet.show_page(page)
        if not again:
            self.area.verticalScrollBar().setValue(0)

    def _begin_later(self, make: Callable[[], Page]) -> None:
        self._submit(lambda _: make(), self._begin)

    def _submit(self, do: Callable[[Any], Any], done: Callable[[Any], None]) -> None:
        self._tasks.submit(CHANNEL, do, done)

    def _tensor_page(
        self, shown: _Shown, figures: tuple[Pair, ...], values: DequantizedValues | None
    ) -> Page:
        tensor = shown.graph.tensors.get(shown.name)
        constant = tensor is not None and tensor.constant
        return tensor_page(
            shown.graph,
            shown.name,
            figures=figures,
            figures_title="Statistics" if constant else "Statistics from calibration",
            quantization=quantization_rows(shown.how, values) if shown.how is not None else (),
        )

    def _values_found(self, found: work.Opened | InspectorError) -> None:
        shown = self._shown
        if shown is None:
            return
        if isinstance(found, InspectorError):
            self.sheet.show_page(self._tensor_page(shown, (), None))
            self.panel.show_trouble(str(found))
            self.failed.emit(found)
            return
        self._opened = found
        self.panel.show_values(
            found.real or found.stored, has_forms=found.real is not None, stored=False
        )
        if found.trouble is not None:
            self.panel.show_note(str(found.trouble))
        self._count()

    def _show_form(self, stored: bool) -> None:
        """Show the real numbers or the stored integers."""
        found = self._opened
        if found is None or found.real is None:
            return
        values: Values = found.stored if stored else found.real
        if values is not self.panel.values:
            self.panel.show_values(values, has_forms=True, stored=stored)
            self._count()

    def _count(self) -> None:
        """Compute the figures of what is shown."""
        values, found = self.panel.values, self._opened
        if values is None or found is None:
            return
        zero = _stored_zero(found.real) if values is not found.real else 0.0
        self._submit(lambda context: work.figures(context, values, zero), self._counted)

    def _counted(self, figures: work.Figures | InspectorError) -> None:
        shown, found = self._shown, self._opened
        if shown is None or found is None:
            return
        if isinstance(figures, InspectorError):
            self.failed.emit(figures)
            figures = work.Figures(())
        self._figures = figures.rows
        self.sheet.show_page(self._tensor_page(shown, figures.rows, found.real))
        if figures.summary is not None and figures.summary.count > 1:
            self.panel.show_histogram(figures.summary.edges, figures.summary.counts)

    def _paint_plane(self, values: Values, plane: Plane) -> None:
        self._tasks.submit(
            SLICE, lambda context: work.plane_picture(context, values, plane), self._painted
        )

    def _painted(self, picture: Picture | InspectorError | None) -> None:
        if isinstance(picture, InspectorError):
            self.failed.emit(picture)
            picture = None
        self.panel.show_picture(picture)

    # What the user does

    def _follow(self, target: Target) -> None:
        if target.kind == "tensor":
            self.tensor_asked.emit(target.name)
        elif target.kind == "node":
            self.node_asked.emit(target.name)
        else:
            self.body_asked.emit(target.name, target.attribute)

    def _reach(self, top: float, bottom: float) -> None:
        middle, half = round((top + bottom) / 2), round((bottom - top) / 2) + 8
        self.area.ensureVisible(0, middle, 0, half)

    def _ask_where_to_export(self) -> None:
        shown = self._shown
        if shown is None:
            return
        folder = shown.model.path.parent if shown.model.path else Path()
        name, _ = QFileDialog.getSaveFileName(
            self,
            "Export tensor",
            str(folder / file_name(shown.name)),
            "NumPy arrays (*.npy)",
        )
        if name:
            self.export_tensor(name)

    def _export_done(self, answer: str | InspectorError) -> None:
        self.panel.export.setEnabled(True)
        if isinstance(answer, InspectorError):
            self.failed.emit(answer)
        else:
            self.panel.show_exported(answer)


def _stored_zero(real: DequantizedValues | None) -> float | None:
    """The code that stands for zero; None where that differs along the tensor."""
    if real is None:
        return 0.0
    if real.shape != real.stored_shape:  # several codes in a byte
        return None
    zeros = np.unique(real.zero_point)
    return float(zeros[0]) if len(zeros) == 1 else None
