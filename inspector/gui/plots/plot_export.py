"""A plot taken out of the window: to the clipboard as an image, or into a file."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QObject, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QGuiApplication, QImage, QImageWriter, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QFileDialog, QMenu

from inspector.errors import InspectorError, SaveError
from inspector.files import write_atomically
from inspector.gui.plots.histogram_plot import HistogramPlot
from inspector.gui.plots.plot_card import PlotCard
from inspector.gui.plots.range_ticks import HEIGHT
from inspector.gui.settings import read_setting, write_setting
from inspector.gui.theme import SPACE_S, TEXT_BODY, TEXT_SMALL

SCALE = 2.0
"""Pixels of an image for each pixel of the window."""
_TITLE, _NOTE = 20.0, 16.0
_FILTERS = {".svg": "SVG image (*.svg)", ".png": "PNG image (*.png)", ".csv": "Numbers (*.csv)"}
_SETTING = "plots/format"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def paint_card(painter: QPainter, card: PlotCard, subtitle: str = "") -> None:
    """Paint a card as it is, without its buttons, as large as `size_of` says."""
    size = size_of(card)
    painter.fillRect(QRectF(0, 0, size.width(), size.height()), QColor(card.theme.surface))
    width = size.width() - 2 * SPACE_S
    title = card.title.text() + (f" · {' '.join(subtitle.split())}" if subtitle else "")
    _write(painter, QRectF(SPACE_S, 4, width, _TITLE), title, card.theme.text, TEXT_BODY, bold=True)
    note = QRectF(SPACE_S, 4 + _TITLE, width, _NOTE)
    _write(painter, note, card.words(), card.theme.muted, TEXT_SMALL)
    top = 4 + _TITLE + _NOTE
    if isinstance(card, HistogramPlot):
        painter.save()
        painter.translate(card.ticks.x(), top)
        card.ticks.paint_on(painter)
        painter.restore()
        top += HEIGHT
    target = QRectF(card.view.x(), top, card.view.width(), card.view.height())
    card.view.render(painter, target, QRect(0, 0, card.view.width(), card.view.height()))


def size_of(card: PlotCard) -> QSize:
    """How large a card is on paper."""
    ticks = HEIGHT if isinstance(card, HistogramPlot) else 0
    return QSize(card.width(), round(4 + _TITLE + _NOTE + ticks + card.view.height() + 4))


def _write(
    painter: QPainter, place: QRectF, text: str, colour: str, pixels: int, *, bold: bool = False
) -> None:
    font = QFont(painter.font())
    font.setPixelSize(pixels)
    font.setBold(bold)
    painter.setFont(font)
    painter.setPen(QColor(colour))
    elided = painter.fontMetrics().elidedText(
        text, Qt.TextElideMode.ElideRight, round(place.width())
    )
    flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
    painter.drawText(place, int(flags | Qt.TextFlag.TextSingleLine), elided)


def image_of(card: PlotCard, subtitle: str = "") -> QImage:
    """A card as an image, twice as fine as the window."""
    size = size_of(card)
    image = QImage(size * SCALE, QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(SCALE)
    painter = QPainter(image)
    paint_card(painter, card, subtitle)
    painter.end()
    return image


def png_of(card: PlotCard, subtitle: str = "") -> bytes:
    """A card as the bytes of a PNG file."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    QImageWriter(buffer, QByteArray(b"png")).write(image_of(card, subtitle))
    return bytes(buffer.data().data())


def svg_of(card: PlotCard, subtitle: str = "") -> bytes:
    """A card as the bytes of an SVG file."""
    buffer, size = QBuffer(), size_of(card)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(size)
    generator.setViewBox(QRect(0, 0, size.width(), size.height()))
    generator.setTitle(card.title.text())
    painter = QPainter(generator)
    paint_card(painter, card, subtitle)
    painter.end()
    return bytes(buffer.data().data())


def csv_of(card: PlotCard) -> bytes:
    """The numbers of a card: a line of names, then one line for each row."""
    columns = card.table()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for name, _ in columns])
    longest = max((len(values) for _, values in columns), default=0)
    for row in range(longest):
        writer.writerow([_cell(values[row]) if row < len(values) else "" for _, values in columns])
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{float(value):.9g}"
    text = str(value)
    # A name that a spreadsheet would take for a formula.
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def save_card(card: PlotCard, path: Path, subtitle: str = "") -> None:
    """Write a card into a file, whose ending says as what.

    Raises:
        SaveError: the ending is unknown, or the file cannot be written; nothing was changed.
    """
    makers = {".svg": svg_of, ".png": png_of, ".csv": lambda card, _: csv_of(card)}
    make = makers.get(path.suffix.lower())
    if make is None:
        known = ", ".join(makers)
        raise SaveError(f"A plot cannot be saved as {path.name}.", f"Use one of {known}.")
    write_atomically(path, make(card, subtitle))


class PlotMenu(QObject):
    """What can be done with any plot, by its context menu.

    Signals:
        failed: an InspectorError that the user must know of.
    """

    failed = Signal(object)

    def __init__(self, card: PlotCard, parent: QObject) -> None:
        super().__init__(parent)
        self._card = card
        self.subtitle = ""
        card.menu_asked.connect(self._ask)

    def menu(self) -> QMenu:
        """The menu; what makes no sense now is disabled."""
        menu = QMenu(self._card)
        menu.setObjectName("plotMenu")
        shown = not self._card.is_empty()
        for text, act in (
            ("Copy as image", self.copy),
            ("Copy numbers", self.copy_numbers),
            ("Save as…", self.ask_where),
        ):
            menu.addAction(text, act).setEnabled(shown)
        menu.addSeparator()
        menu.addAction("Show all", self._card.show_all).setEnabled(shown and self._card.is_zoomed)
        return menu

    def copy(self) -> None:
        """Put the plot on the clipboard."""
        QGuiApplication.clipboard().setImage(image_of(self._card, self.subtitle))
        self._card.say("Copied as image")

    def copy_numbers(self) -> None:
        """Put the numbers on the clipboard, as a spreadsheet takes them."""
        text = csv_of(self._card).decode()
        rows = csv.reader(io.StringIO(text))
        lines = ("\t".join(" ".join(cell.split()) for cell in row) for row in rows)
        QGuiApplication.clipboard().setText("\n".join(lines))
        self._card.say("Copied numbers")

    def ask_where(self) -> None:
        """Save the plot where the user says."""
        ending = read_setting(_SETTING, ".svg")
        ending = ending if ending in _FILTERS else ".svg"
        name = re.sub(r"[^\w.-]+", "_", f"{self.subtitle} {self._card.title.text()}").strip("._")
        found, chosen = QFileDialog.getSaveFileName(
            self._card.window(),
            "Save plot",
            f"{name[-80:]}{ending}",
            ";;".join(_FILTERS.values()),
            _FILTERS[ending],
        )
        if not found:
            return
        path = Path(found)
        if path.suffix.lower() not in _FILTERS:
            added = next((end for end, text in _FILTERS.items() if text == chosen), ending)
            path = path.with_name(path.name + added)
            if path.exists():  # nobody was asked about replacing a file whose name is made here
                self.failed.emit(SaveError(f"{path} exists already.", "Choose another name."))
                return
        self.save(path)

    def save(self, path: Path) -> None:
        """Save the plot into a file."""
        try:
            save_card(self._card, path, self.subtitle)
        except InspectorError as error:
            self.failed.emit(error)
            return
        write_setting(_SETTING, path.suffix.lower())
        self._card.say(f"Saved {path.name}")

    def _ask(self, place: Any) -> None:
        menu = self.menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(place)
