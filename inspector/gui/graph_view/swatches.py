"""What marks a number as missing, estimated or out of date, and a row that explains the marks."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from inspector.gui.theme import LIGHT, SPACE_M, SPACE_XS, TEXT_SMALL, Theme, heat

_BOX, _GAP, _LINE = 12, 5, 17
_KEPT = 0.35
"""How much is left of a colour that is out of date."""


@dataclass(frozen=True, slots=True)
class Notes:
    """What a legend says beside the colours.

    Attributes:
        floats: some layers are left in float.
        estimates: the numbers are estimates.
        stale: how many numbers are out of date.
        notice: why numbers are missing, or how far the work is; empty where all is well.
        lone: how many nodes have no partner in the model that is compared.
        can_update: numbers are missing or out of date until somebody asks for them.
    """

    floats: bool = False
    estimates: bool = False
    stale: int = 0
    notice: str = ""
    lone: int = 0
    can_update: bool = False


class Swatches(QWidget):
    """One mark beside the other with a word for each, in as many lines as they need."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("heatSwatches")
        font = self.font()
        font.setPixelSize(TEXT_SMALL)
        self.setFont(font)
        self._theme = LIGHT
        self._items: tuple[str, ...] = ()

    def show_notes(self, notes: Notes) -> None:
        """Explain the marks that there are, and no others."""
        marks = (
            ("float", notes.floats),
            ("estimate", notes.estimates),
            ("stale", notes.stale > 0),
            ("lone", notes.lone > 0),
        )
        self._items = tuple(name for name, wanted in marks if wanted)
        self.setVisible(bool(self._items))
        self.setAccessibleName(", ".join(_WORDS[item] for item in self._items))
        self.updateGeometry()
        self.update()

    def items(self) -> tuple[str, ...]:
        """Which marks are explained: float, estimate, stale, lone."""
        return self._items

    def apply_theme(self, theme: Theme) -> None:
        """Paint in a theme's colours."""
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        """As wide as it is given, as high as its lines."""
        places = self._places(max(self.width(), 200))
        return QSize(200, int(places[-1].y()) + _LINE if places else 0)

    def minimumSizeHint(self) -> QSize:
        """All lines."""
        return QSize(0, self.sizeHint().height())

    def _places(self, width: int) -> list[QPointF]:
        metrics, places = QFontMetrics(self.font()), []
        x = y = 0
        for item in self._items:
            wide = _BOX + _GAP + metrics.horizontalAdvance(_WORDS[item])
            if x and x + wide > width:
                x, y = 0, y + _LINE
            places.append(QPointF(x, y))
            x += wide + SPACE_M
        return places

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint the marks as the graph has them, and their words."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for item, at in zip(self._items, self._places(self.width()), strict=True):
            box = QRectF(at.x() + 0.5, at.y() + (_LINE - _BOX) / 2 + 0.5, _BOX - 1, _BOX - 1)
            self._mark(painter, item, box)
            painter.setPen(QColor(self._theme.muted))
            words = QRectF(box.right() + _GAP, at.y(), self.width(), _LINE)
            painter.drawText(words, int(Qt.AlignmentFlag.AlignVCenter), _WORDS[item])
        painter.end()

    def _mark(self, painter: QPainter, item: str, box: QRectF) -> None:
        theme = self._theme
        if item == "estimate":
            painter.setPen(QColor(theme.text))
            wide = box.adjusted(-SPACE_XS, -SPACE_XS, SPACE_XS, SPACE_XS)
            painter.drawText(wide, int(Qt.AlignmentFlag.AlignCenter), "≈")
        elif item == "lone":
            painter.fillRect(box, QColor(theme.raised))
            painter.setPen(QPen(QColor(theme.danger), 1.6, Qt.PenStyle.DashLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(box)
        elif item == "float":
            painter.fillRect(box, QColor(theme.category("layer")))
            painter.setPen(QPen(QColor("#ffffff"), 1.2))
            for part in (1 / 3, 2 / 3, 1.0):
                start = QPointF(box.left(), box.top() + part * box.height())
                painter.drawLine(start, QPointF(box.left() + part * box.width(), box.top()))
            painter.drawLine(
                QPointF(box.left() + box.width() / 2, box.bottom()),
                QPointF(box.right(), box.top() + box.height() / 2),
            )
        else:
            third = box.width() / 3
            for part in range(3):
                tone = heat(part / 2)
                tone.setAlphaF(_KEPT)
                left = box.left() + part * third
                painter.fillRect(QRectF(left, box.top(), third, box.height()), tone)


_WORDS = {
    "float": "left in float",
    "estimate": "estimated",
    "stale": "out of date",
    "lone": "no partner",
}
