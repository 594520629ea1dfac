"""A graph into a file: SVG, PNG or PDF, all of it or what is in view.

Qt paints on images and documents from any thread, so that this may run in the background; the look
gets pens and fonts of its own here, since two threads must not paint with one QFont.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PySide6.QtCore import QRectF

from inspector import __version__
from inspector.errors import CancelledError, SaveError
from inspector.files import atomic_file, check_target
from inspector.gui.export_parts import Sheet
from inspector.gui.export_pdf import POINTS, page_scale, write_pdf
from inspector.gui.export_png import raster_of, write_png
from inspector.gui.export_svg import write_svg
from inspector.gui.graph_view.brushes import Brushes
from inspector.gui.graph_view.painting import Look
from inspector.gui.graph_view.picture import LABEL_WIDTH, Picture
from inspector.progress import Cancel, Progress, pause
from inspector.report.units import bytes_text, percent_text, plural

FORMATS = {".svg": "SVG", ".png": "PNG", ".pdf": "PDF"}
MARGIN = 24.0
_MOST_LABELS = 1000
"""Where more labels reach over the edge, they get the room that the longest could need."""
_PROGRAM = f"Quant Inspector {__version__}"


@dataclass(frozen=True, slots=True)
class Size:
    """How large a graph becomes in a format.

    Attributes:
        width: in the unit.
        height: in the unit.
        unit: "px" or "pt".
        scale: at which it is drawn.
        note: what was done to make it fit; empty where nothing was.
    """

    width: float
    height: float
    unit: str
    scale: float
    note: str = ""

    @property
    def text(self) -> str:
        """Width and height with their unit."""
        return f"{self.width:.0f} × {self.height:.0f} {self.unit}"


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written.

    Attributes:
        path: of the file.
        form: "SVG", "PNG" or "PDF".
        size: of the drawing.
        bytes: of the file.
    """

    path: Path
    form: str
    size: Size
    bytes: int

    @property
    def note(self) -> str:
        """What was done to make the drawing fit; empty where nothing was."""
        return self.size.note

    @property
    def text(self) -> str:
        """What was written, where, and how large, on one line."""
        text = f"{self.path}: {self.form}, {self.size.text}, {bytes_text(self.bytes)}"
        return f"{text}; {self.note}" if self.note else text


def format_of(path: Path) -> str:
    """The format that a path's ending names.

    Raises:
        SaveError: it names none of those that can be written.
    """
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        kind = f"as {path.suffix[:20]}" if path.suffix else "without an ending"
        raise SaveError(
            f"{path.name} cannot be written: a graph cannot be saved {kind}.",
            f"End the name with {', '.join(list(FORMATS)[:-1])} or {list(FORMATS)[-1]}.",
        )
    return form


def whole_of(picture: Picture, look: Look) -> QRectF:
    """The area of all of a graph, with margins; labels of edges may reach beyond its cards.

    Cost: linear; at most some milliseconds.
    """
    bounds = QRectF(picture.bounds)
    boxes = picture.label_boxes
    beyond = (boxes[:, 0] < bounds.left()) | (boxes[:, 2] > bounds.right())
    numbers = np.flatnonzero(beyond)
    if len(numbers) <= _MOST_LABELS:
        half = np.array([_label_width(picture, look, n) for n in numbers.tolist()]) / 2
    else:
        half = np.full(len(numbers), LABEL_WIDTH / 2)
    if len(numbers):
        middle = picture.labels[numbers, 0]
        bounds.setLeft(min(bounds.left(), float((middle - half).min())))
        bounds.setRight(max(bounds.right(), float((middle + half).max())))
    return bounds.adjusted(-MARGIN, -MARGIN, MARGIN, MARGIN)


def _label_width(picture: Picture, look: Look, link: int) -> float:
    text = look.label(picture.scene.tensors[link])
    return min(look.brushes.metrics.horizontalAdvance(text), LABEL_WIDTH)


def size_of(area: QRectF, form: str, scale: float = 1.0) -> Size:
    """How large an area becomes in a format."""
    if form == "PNG":
        raster = raster_of(area, scale)
        note = _note(raster.scale, scale, "SVG keeps all of its detail")
        return Size(raster.width, raster.height, "px", raster.scale, note)
    width, height = area.width(), area.height()
    if form == "PDF":
        fitting = page_scale(width, height, scale)
        note = _note(fitting, scale, "no page of a PDF is longer")
        return Size(width * fitting * POINTS, height * fitting * POINTS, "pt", fitting, note)
    return Size(width * scale, height * scale, "px", scale)


def _note(fitting: float, scale: float, why: str) -> str:
    return f"scaled to {percent_text(fitting)} to fit; {why}" if fitting < scale else ""


def export_picture(
    picture: Picture,
    look: Look,
    path: Path,
    area: QRectF | None = None,
    *,
    scale: float = 1.0,
    title: str = "",
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Exported:
    """Draw a graph into a file, which is written whole or not at all. Runs on any thread.

    Args:
        picture: the graph, laid out.
        look: how it is painted.
        path: the file; its ending says which format.
        area: the part in view; by default all of it, with margins.
        scale: pixels of the result for each pixel of the picture.
        title: of the document; by default the graph's name.
        progress: told how far it is.
        cancel: asked whether to stop.

    Raises:
        SaveError: the ending is of no known format, or the file cannot be written.
        CancelledError: it was to stop; nothing was written.

    Cost: linear in what is shown; 20,000 nodes take 2 to 4 s as SVG or PDF.
    """
    form = format_of(path)
    target = check_target(path)

    def step(done: int, total: int) -> None:
        if cancel is not None and cancel():
            raise CancelledError
        if progress is not None:
            progress(done, total)
        pause()

    own = replace(look, brushes=Brushes(look.brushes.theme), badges=dict(look.badges))
    shown = whole_of(picture, own) if area is None else area
    name = title or picture.scene.graph.name or path.stem
    sheet = Sheet(picture, own, shown, scale, name, step)
    with atomic_file(target) as file:
        _write(file, sheet, form)
        step(1, 1)
    return Exported(path, form, size_of(shown, form, scale), target.stat().st_size)


def _write(file: BinaryIO, sheet: Sheet, form: str) -> None:
    if form == "PNG":
        write_png(file, sheet)
    elif form == "PDF":
        write_pdf(file, sheet, _PROGRAM)
    else:
        nodes = plural(len(sheet.picture.scene.graph.nodes), "node")
        write_svg(file, sheet, f"The graph of an ONNX model, {nodes}, drawn by {_PROGRAM}.")
