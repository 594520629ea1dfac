"""The pieces that a laid out page is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QFont, QFontDatabase, QFontMetricsF, QTextLayout
from PySide6.QtWidgets import QApplication

from inspector.gui.properties.page import Pair, Target
from inspector.gui.theme import TEXT_BODY, TEXT_SMALL, TEXT_TITLE

Face = Literal["title", "head", "body", "bold", "small", "mono", "digits"]
CellTone = Literal["plain", "muted", "link", "warning", "code"]
MarkKind = Literal["rule", "bar", "dot", "code", "bullet", "open", "closed"]


class Faces:
    """The fonts of a sheet, with their metrics."""

    def __init__(self) -> None:
        base = QApplication.font()
        self.fonts: dict[Face, QFont] = {
            "title": _sized(base, TEXT_TITLE, bold=True),
            "head": _sized(base, TEXT_BODY, bold=True),
            "body": _sized(base, TEXT_BODY - 1),
            "bold": _sized(base, TEXT_BODY - 1, bold=True),
            "small": _sized(base, TEXT_SMALL),
            "mono": _sized(
                QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont), TEXT_SMALL
            ),
            "digits": _sized(base, TEXT_BODY - 1),
        }
        self.fonts["digits"].setFeature(QFont.Tag("tnum"), 1)
        self.metrics = {face: QFontMetricsF(font) for face, font in self.fonts.items()}


def _sized(base: QFont, pixels: int, *, bold: bool = False) -> QFont:
    font = QFont(base)
    font.setPixelSize(pixels)
    if bold:
        font.setWeight(QFont.Weight.DemiBold)
    return font


def units(text: str) -> int:
    """How many places Qt counts in a text: letters beyond the basic plane take two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(slots=True, eq=False)
class Cell:
    """One text.

    Attributes:
        rect: where it is painted.
        text: all of it, which is what is copied.
        shown: the part that fits.
        face: its font.
        tone: its colour.
        row: number of the row it belongs to; -1 for heads.
        right: aligned on the right.
        target: where a click leads.
        wrapped: whether it runs over several lines.
        text_layout: its lines; made when it is wrapped, or when `layout` is asked for.
    """

    rect: QRectF
    text: str
    shown: str
    face: Face
    tone: CellTone = "plain"
    row: int = -1
    right: bool = False
    target: Target | None = None
    wrapped: bool = False
    text_layout: QTextLayout | None = None

    def layout(self, faces: Faces) -> QTextLayout:
        """The text laid out, for painting a selection and finding letters below the pointer."""
        if self.text_layout is None:
            self.text_layout = QTextLayout(self.shown, faces.fonts[self.face])
            self.text_layout.beginLayout()
            line = self.text_layout.createLine()
            line.setLineWidth(1e6)
            self.text_layout.endLayout()
        return self.text_layout

    def origin(self, faces: Faces) -> QPointF:
        """Where its layout is painted."""
        if self.wrapped:
            return self.rect.topLeft()
        metrics = faces.metrics[self.face]
        x = self.rect.left()
        if self.right:
            x = self.rect.right() - metrics.horizontalAdvance(self.shown)
        return QPointF(x, self.rect.top() + (self.rect.height() - metrics.height()) / 2)

    def full_place(self, place: int) -> int:
        """The place in the whole text of a place in the text as it is shown."""
        cut = self.shown.find("…") if self.shown != self.text else -1
        if cut < 0 or place <= units(self.shown[:cut]):
            return place
        return units(self.text) - (units(self.shown) - place)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something painted that is no text."""

    rect: QRectF
    kind: MarkKind
    colour: str = ""


@dataclass(slots=True, eq=False)
class Line:
    """A row of the page as it can be pointed at.

    Attributes:
        rect: over the whole width.
        key: what stays open under this name.
        opens: whether a click shows more or less of it.
        value: number of the cell that is copied, or -1.
        target: where Enter leads.
        row: what it shows; None for "More" and "Show all".
    """

    rect: QRectF
    key: str
    opens: bool = False
    value: int = -1
    target: Target | None = None
    row: Pair | None = None


@dataclass(slots=True, eq=False)
class Laid:
    """A page laid out."""

    width: float
    height: float = 0.0
    cells: list[Cell] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
