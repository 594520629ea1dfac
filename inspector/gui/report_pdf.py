"""A report as PDF pages: the same sections as on the HTML page, with text and plots as vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMarginsF, QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QFontMetricsF,
    QPageLayout,
    QPageSize,
    QPainter,
    QPdfWriter,
    QTextOption,
)
from PySide6.QtSvg import QSvgRenderer

from inspector.report.charts import PAPER, SVG, histogram, layer_bars
from inspector.report.content import (
    ISLANDS,
    Column,
    Table,
    advice_lines,
    conversion_table,
    effect_lines,
    fidelity_table,
    latency_table,
    layer_table,
    origin_rows,
    recovery_table,
    study_lines,
    violation_lines,
    worst_layers,
)
from inspector.report.data import ReportData
from inspector.report.snippet import python_snippet

_DPI = 96
_MARGIN_MM = 14.0
_GAP = 6.0
_FOOTER = 22.0
_CELL = 8.0
_MOST_STRIPS = 12
_OVERLAP = 130.0
"""So much of a graph that is cut into strips stands in two of them: no card is cut in both."""
_WARNING = "#8a4b00"


def to_pdf(data: ReportData) -> bytes:
    """The report as a PDF file of A4 pages. Qt has to be started.

    Cost: some milliseconds a page.
    """
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setTitle(f"{data.result.model.name}: quantization report")
    writer.setResolution(_DPI)
    margins = QMarginsF(_MARGIN_MM, _MARGIN_MM, _MARGIN_MM, _MARGIN_MM)
    portrait, size = QPageLayout.Orientation.Portrait, QPageSize(QPageSize.PageSizeId.A4)
    writer.setPageLayout(QPageLayout(size, portrait, margins, QPageLayout.Unit.Millimeter))
    painter = QPainter(writer)
    try:
        _write(_Pages(writer, painter, data.result.model.name), data)
    finally:
        painter.end()
    buffer.close()
    return bytes(content.data())


def _write(pages: _Pages, data: ReportData) -> None:
    result = data.result
    pages.text(result.model.name, size=16, bold=True)
    pages.text(
        f"Quantized to {result.output.name} ({result.recipe.format}, opset {result.opset}, "
        f"target {result.recipe.target})",
        colour=PAPER.soft,
    )
    for warning in data.warnings:
        pages.text(warning, colour=_WARNING, bold=True)
    pages.text(data.verdict, size=10)
    for title, table, note in (
        ("The whole model, against float", fidelity_table(data), ""),
        ("What was done so that quantizing costs less", recovery_table(data), ""),
        ("Between floats and integers", conversion_table(data), ISLANDS),
        ("Time for one sample", latency_table(data), data.latency_note),
    ):
        if table is not None:
            pages.heading(title)
            pages.table(table)
            pages.text(note, colour=PAPER.soft)
    if data.graph:
        pages.graph("The graph", data.graph)
    pages.heading("Layers")
    pages.picture(layer_bars([layer.weight_sqnr_db for layer in result.layers], PAPER))
    pages.table(layer_table(data))
    _write_worst(pages, data)
    if lines := violation_lines(data):
        pages.heading("What the target does not take")
        for line in lines:
            pages.text(line)
    pages.heading("Where this comes from")
    rows = tuple(origin_rows(data))
    pages.table(Table((Column(""), Column("")), rows))
    pages.code("Do it again", data.command)
    pages.code("Recipe", result.recipe.to_toml())
    if data.interface.inputs:
        pages.code("Run it: Python", python_snippet(data.interface))


def _write_worst(pages: _Pages, data: ReportData) -> None:
    for index, study in enumerate(worst_layers(data)):
        plots = [] if study.weight is None else [histogram(study.weight, "Weight", PAPER)]
        plots += [histogram(one, "Activation", PAPER) for one in study.activations]
        pages.keep(250)
        if index == 0:
            pages.heading("What loses most")
        pages.text(study.name, bold=True)
        pages.pictures(plots)
        for line in (*effect_lines(data, study.name), *study_lines(study)):
            pages.text(line)
        for line in advice_lines(data, study):
            pages.text(line, colour=PAPER.mark)


class _Pages:
    """Text, tables and pictures one below the other, on as many pages as they need."""

    def __init__(self, writer: QPdfWriter, painter: QPainter, title: str) -> None:
        self._writer, self._painter, self._title = writer, painter, title
        page = writer.pageLayout().paintRectPixels(_DPI)
        self._width, self._height = float(page.width()), float(page.height()) - _FOOTER
        self._family = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont).family()
        self._y = 0.0
        self._number = 1
        self._foot()

    def keep(self, height: float) -> None:
        """Begin a new page unless so much fits on this one."""
        if self._y + height > self._height and self._y > 0:
            self._writer.newPage()
            self._number += 1
            self._y = 0.0
            self._foot()

    def heading(self, text: str) -> None:
        """The title of a section, never alone at the end of a page."""
        self.keep(90)
        self._y += 2 * _GAP
        self.text(text, size=11, bold=True)

    def text(
        self, text: str, *, size: int = 8, bold: bool = False, colour: str = PAPER.text
    ) -> None:
        """A paragraph; nothing for an empty one."""
        if not text:
            return
        with self._pen(self._font(size, bold=bold), colour):
            for line in text.split("\n"):
                height = self._measure(line, self._width)
                self.keep(height)
                area = QRectF(0, self._y, self._width, height)
                self._painter.drawText(area, line, _WRAPPED)
                self._y += height
        self._y += _GAP

    def code(self, title: str, text: str) -> None:
        """A section of text with a fixed width."""
        self.heading(title)
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPointSize(7)
        with self._pen(font, PAPER.text):
            for line in text.rstrip("\n").split("\n"):
                height = self._measure(line or " ", self._width)
                self.keep(height)
                area = QRectF(0, self._y, self._width, height)
                self._painter.drawText(area, line, _WRAPPED)
                self._y += height

    def picture(self, svg: str) -> None:
        """A picture as wide as the page at most, and never higher than one."""
        if svg:
            self.pictures([svg], most=self._height - 60)

    def graph(self, title: str, svg: str) -> None:
        """A picture of any height on a page of its own, in strips side by side."""
        self.keep(self._height)
        self.heading(title)
        picture = _renderer(svg)
        size = picture.viewBoxF()
        room = self._height - self._y - _GAP

        def strip_scale(count: int) -> float:
            tall = size.height() / count + (_OVERLAP if count > 1 else 0.0)
            return min(1.0, (self._width / count - _CELL) / size.width(), room / tall)

        count = max(range(1, _MOST_STRIPS + 1), key=strip_scale)
        scale = strip_scale(count)
        tall = size.height() / count
        for index in range(count):
            top = size.top() + index * tall
            part = QRectF(size.left(), top, size.width(), tall + (_OVERLAP if count > 1 else 0.0))
            part = part & size
            picture.setViewBox(part)
            x = index * (size.width() * scale + _CELL)
            area = QRectF(x, self._y, part.width() * scale, part.height() * scale)
            self._painter.save()
            self._painter.setClipRect(area)  # a picture is drawn beyond its view box
            picture.render(self._painter, area)
            self._painter.restore()
        self._y = self._height

    def pictures(self, svgs: Sequence[str], most: float = 150.0) -> None:
        """Pictures side by side, as far as there is room for two in a row."""
        for start in range(0, len(svgs), 2):
            row = [_renderer(svg) for svg in svgs[start : start + 2]]
            room = self._width if len(svgs) == 1 else (self._width - _CELL) / 2
            sizes = [_within(one, room, most) for one in row]
            height = max(size[1] for size in sizes)
            self.keep(height)
            for index, (one, (wide, tall)) in enumerate(zip(row, sizes, strict=True)):
                one.render(self._painter, QRectF(index * (room + _CELL), self._y, wide, tall))
            self._y += height + _GAP

    def table(self, table: Table) -> None:
        """A table whose head stands on each page that it reaches."""
        widths = self._widths(table)
        head = tuple(column.title for column in table.columns)
        if any(head):
            self.keep(60)
            self._row(table, head, widths, bold=True)
        for row in table.rows:
            if self._row_height(row, widths) + self._y > self._height:
                self.keep(self._height)
                if any(head):
                    self._row(table, head, widths, bold=True)
            self._row(table, row, widths)
        self._y += _GAP

    # Inside

    def _widths(self, table: Table) -> list[float]:
        metrics = QFontMetricsF(self._font(7, bold=True), self._writer)
        words = (column.title.split() or [""] for column in table.columns)  # titles may wrap
        columns = zip(words, zip(*table.rows, strict=True), strict=True) if table.rows else ()
        natural = [
            max(metrics.horizontalAdvance(text) for text in (*title, *cells)) + 2 * _CELL
            for title, cells in columns
        ]
        natural = natural or [self._width / len(table.columns)] * len(table.columns)
        return _shared(natural, [column.number for column in table.columns], self._width)

    def _row_height(self, cells: Sequence[str], widths: Sequence[float]) -> float:
        with self._pen(self._font(7), PAPER.text):
            heights = [
                self._measure(text, width - _CELL)
                for text, width in zip(cells, widths, strict=True)
            ]
        return max(heights, default=0.0) + _GAP

    def _row(
        self, table: Table, cells: Sequence[str], widths: Sequence[float], *, bold: bool = False
    ) -> None:
        height = self._row_height(cells, widths)
        x = 0.0
        with self._pen(self._font(7, bold=bold), PAPER.soft if bold else PAPER.text):
            for column, text, width in zip(table.columns, cells, widths, strict=True):
                side = _TO_THE_RIGHT if column.number else _WRAPPED
                area = QRectF(x, self._y + _GAP / 2, width - _CELL, height - _GAP / 2)
                self._painter.drawText(area, text, side)
                x += width
        self._painter.setPen(QColor(PAPER.line))
        self._y += height
        line = round(self._y)
        self._painter.drawLine(0, line, round(self._width), line)

    def _font(self, size: int, *, bold: bool = False) -> QFont:
        font = QFont(self._family, size)
        font.setBold(bold)
        return font

    def _measure(self, text: str, width: float) -> float:
        room = QRectF(0, 0, width, 1e6)
        return float(self._painter.boundingRect(room, text or " ", _WRAPPED).height())

    @contextmanager
    def _pen(self, font: QFont, colour: str) -> Iterator[None]:
        self._painter.save()
        self._painter.setFont(font)
        self._painter.setPen(QColor(colour))
        yield
        self._painter.restore()

    def _foot(self) -> None:
        with self._pen(self._font(7), PAPER.soft):
            area = QRectF(0, self._height + 6, self._width, _FOOTER - 6)
            self._painter.drawText(area, f"{self._title}: quantization report", _WRAPPED)
            self._painter.drawText(area, str(self._number), _TO_THE_RIGHT)


def _shared(natural: Sequence[float], fixed: Sequence[bool], room: float) -> list[float]:
    """Widths of columns: those that are wide give way to the others where there is no room."""
    spare = room - sum(natural)
    if spare >= 0:
        return [width + spare / len(natural) for width in natural]
    widths = list(natural)
    open_ones = [index for index, keeps in enumerate(fixed) if not keeps]
    left = max(room - sum(w for w, keeps in zip(natural, fixed, strict=True) if keeps), room * 0.3)
    for index in sorted(open_ones, key=lambda index: natural[index]):
        widths[index] = min(natural[index], left / len(open_ones))
        left -= widths[index]
        open_ones = open_ones[1:]
    return widths


def _wrapping(side: Qt.AlignmentFlag) -> QTextOption:
    option = QTextOption(side | Qt.AlignmentFlag.AlignTop)
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    return option


_WRAPPED = _wrapping(Qt.AlignmentFlag.AlignLeft)
_TO_THE_RIGHT = _wrapping(Qt.AlignmentFlag.AlignRight)


def _renderer(svg: str) -> QSvgRenderer:
    alone = svg if "xmlns=" in svg[:400] else svg.replace("<svg ", f'<svg xmlns="{SVG}" ', 1)
    return QSvgRenderer(QByteArray(alone.encode()))


def _within(picture: QSvgRenderer, width: float, height: float) -> tuple[float, float]:
    """The size of a picture, not larger than it is, that fits into an area."""
    size = picture.defaultSize()
    wide, tall = max(size.width(), 1), max(size.height(), 1)
    scale = min(1.0, width / wide, height / tall)
    return wide * scale, tall * scale
