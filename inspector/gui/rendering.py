"""A model drawn into a file without a window: the work behind `quant-inspector render`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QApplication

from inspector.errors import CancelledError
from inspector.graph.layout import Direction
from inspector.graph.quantized import Quantized, find_quantized
from inspector.graph.scene import Folding, build_scene
from inspector.gui.export import Exported, export_picture
from inspector.gui.graph_view.brushes import Brushes
from inspector.gui.graph_view.cards import Detail, labels_of
from inspector.gui.graph_view.painting import Badge, Look
from inspector.gui.graph_view.picture import (
    BODY_PIXELS,
    Picture,
    build_picture,
    card_font,
    card_fonts,
)
from inspector.gui.theme import DARK, LIGHT
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.functions import function_graphs
from inspector.onnxio.loading import load_model
from inspector.progress import Cancel, StageProgress, of_stage

ThemeName = Literal["light", "dark"]
_THEMES = {"light": LIGHT, "dark": DARK}


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """What is to be drawn, and how.

    Attributes:
        model: the ONNX file.
        output: the file to write; its ending says which format.
        theme: the colours.
        direction: where edges lead.
        raw: show the operators that quantize as nodes of their own.
        attributes: show the attributes of the nodes.
        scale: pixels of the result for each pixel of the window at 100 %.
    """

    model: Path
    output: Path
    theme: ThemeName = "light"
    direction: Direction = "down"
    raw: bool = False
    attributes: bool = False
    scale: float = 1.0


def start_qt() -> QApplication:
    """What Qt needs before it knows fonts; on the main thread, and to be kept while one draws."""
    present = QApplication.instance()
    return present if isinstance(present, QApplication) else QApplication(["quant-inspector"])


def has_fonts() -> bool:
    """Whether there is a font to write with; where there is none, Qt draws empty boxes."""
    return QFontMetricsF(card_font(BODY_PIXELS)).inFont("A")


def render_model(
    request: RenderRequest, progress: StageProgress | None = None, cancel: Cancel | None = None
) -> Exported:
    """Load a model, lay its graph out and draw it into a file. Runs on any thread.

    Raises:
        ModelError: the file is no model that can be read.
        SaveError: the picture cannot be written.
        CancelledError: it was to stop; nothing was written.
    """
    loading = of_stage(progress, "load")
    if loading is not None:
        loading(0, 1)
    picture, look = picture_of(request)
    if cancel is not None and cancel():
        raise CancelledError
    return export_picture(
        picture,
        look,
        request.output,
        scale=request.scale,
        title=request.model.name,
        progress=of_stage(progress, "save"),
        cancel=cancel,
    )


def picture_of(request: RenderRequest) -> tuple[Picture, Look]:
    """The graph of a model as it is in the file, with what its quantizers say.

    Raises:
        ModelError: the file is no model that can be read.
    """
    model = load_model(request.model)
    graph = extract_graph(model)
    quantized = find_quantized(graph)
    badges = {} if request.raw else stored_badges(quantized)
    picture = build_picture(
        build_scene(graph, Folding(raw=request.raw), quantized=quantized),
        card_fonts(),
        request.direction,
        Detail(attributes=request.attributes),
        badges=False,  # nothing is chosen here: no room for what cards would say of it
        marked=frozenset(badges),
        bodies=frozenset((domain, name) for domain, name, _ in function_graphs(model)),
    )
    brushes = Brushes(_THEMES[request.theme])
    return picture, Look(brushes, badges, labels_of(graph, names=False))


def stored_badges(quantized: Quantized) -> dict[str, Badge]:
    """What the operators of a model that is quantized already say, by node name."""
    badges = {}
    for name in dict.fromkeys((*quantized.weights, *quantized.activations)):
        weights = quantized.weights.get(name)
        grids = dict.fromkeys(stored.spec for stored in quantized.activations.get(name, ()))
        badges[name] = Badge(weights.spec if weights else "", "/".join(filter(None, grids)))
    return badges
