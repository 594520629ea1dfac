"""The picture of a graph for a report: each layer with its specs, coloured by what it loses."""

from __future__ import annotations

import tempfile
from pathlib import Path

from inspector.graph.quantized import find_quantized
from inspector.graph.scene import Folding, build_scene
from inspector.gui.export import export_picture
from inspector.gui.graph_view.brushes import Brushes
from inspector.gui.graph_view.cards import labels_of
from inspector.gui.graph_view.look import Badge, Look
from inspector.gui.graph_view.picture import build_picture, card_fonts
from inspector.gui.theme import LIGHT, heat
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import load_model
from inspector.report.units import decibel_text
from inspector.session.quantities import WEIGHT_SQNR, default_range, place
from inspector.session.result import LayerResult, QuantizeResult

MOST_NODES = 1500
"""Larger graphs are left out of reports: nobody could read them there."""


def report_graph(result: QuantizeResult) -> str:
    """The float model's graph as an svg element; "" where it is too large for a report.

    Qt has to be started (`inspector.gui.rendering.start_qt`).

    Raises:
        ModelError: the file is no model that can be read any more.
    """
    graph = extract_graph(load_model(result.model))
    if len(graph.nodes) > MOST_NODES:
        return ""
    quantized = find_quantized(graph)
    picture = build_picture(build_scene(graph, Folding(), quantized=quantized), card_fonts())
    look = Look(Brushes(LIGHT), _badges(result), labels_of(graph, names=False), heated=True)
    with tempfile.TemporaryDirectory(prefix="quant-inspector-") as folder:
        path = Path(folder) / "graph.svg"
        export_picture(picture, look, path, title=result.model.name)
        text = path.read_text("utf-8")
    return text[text.index("<svg") :]


def _badges(result: QuantizeResult) -> dict[str, Badge]:
    known = [one.weight_sqnr_db for one in result.layers if one.weight_sqnr_db is not None]
    low, high = default_range(WEIGHT_SQNR, known)
    return {one.name: _badge(one, low, high) for one in result.layers}


def _badge(layer: LayerResult, low: float, high: float) -> Badge:
    value = layer.weight_sqnr_db
    where = None if value is None else place(WEIGHT_SQNR, value, low, high)
    return Badge(
        layer.weights or "",
        layer.activations,
        "" if value is None else decibel_text(value),
        None if where is None else heat(where),
        not layer.is_quantized,
        title=WEIGHT_SQNR.title,
    )
