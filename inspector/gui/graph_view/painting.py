"""How cards, edges and pills are painted. Plain functions: one pass over what is in view."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFontMetricsF,
    QPainter,
    QPainterPath,
    QPen,
    QPolygonF,
)

from inspector.gui.graph_view.cards import (
    HEADER_HEIGHT,
    LABEL_GAP,
    LINE_HEIGHT,
    PADDING,
    Card,
)
from inspector.gui.graph_view.picture import BODY_PIXELS, TITLE_PIXELS, card_font
from inspector.gui.theme import Theme

TEXT_SCALE = 0.55
"""Below this zoom text would be too small to read and is left out."""
CARD_SCALE = 0.22
"""Below this zoom a card is one flat rectangle."""
RADIUS = 6.0
_CENTRE = int(Qt.AlignmentFlag.AlignCenter)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


@dataclass(frozen=True, slots=True)
class Badge:
    """What the quantizer says on a layer's card.

    Attributes:
        weights: spec in text form; empty for a layer without weights.
        activations: spec in text form.
        figure: the layer's error with its unit; empty where it is not known.
        colour: heat colour of the error; None where it is not known.
        is_float: the layer is left alone.
        why: why the layer does not get what was asked for; empty where it does.
    """

    weights: str
    activations: str
    figure: str = ""
    colour: QColor | None = None
    is_float: bool = False
    why: str = ""


class Brushes:
    """Pens, brushes and fonts of a theme, made once."""

    def __init__(self, theme: Theme) -> None:
        self.theme = theme
        self.title = card_font(TITLE_PIXELS, bold=True)
        self.body = card_font(BODY_PIXELS)
        self.strong = card_font(BODY_PIXELS, bold=True)
        self.metrics = QFontMetricsF(self.body)
        self.strong_metrics = QFontMetricsF(self.strong)
        self.title_metrics = QFontMetricsF(self.title)
        self.text = QPen(QColor(theme.text))
        self.muted = QPen(QColor(theme.muted))
        self.accent = QPen(QColor(theme.accent))
        self.white = QPen(QColor("#ffffff"))
        self.edge = QPen(QColor(theme.edge), 1.2)
        self.hairline = QPen(QColor(theme.edge), 1.0)
        self.hairline.setCosmetic(True)
        self.stub = QPen(QColor(theme.edge), 1.2, Qt.PenStyle.DashLine)
        self.border = QPen(QColor(theme.card_border), 1.0)
        self.chosen = QPen(QColor(theme.accent), 2.4)
        self.rule = QPen(QColor(theme.border), 1.0)
        self.card = QBrush(QColor(theme.card))
        self.canvas = QBrush(QColor(theme.canvas))
        self.raised = QBrush(QColor(theme.raised))
        self.headers = {name: QBrush(QColor(c)) for name, c in theme.categories.items()}

    def header(self, category: str) -> QBrush:
        """The brush of an operator category."""
        return self.headers.get(category, self.headers["other"])


def paint_flat(painter: QPainter, card: Card, rect: QRectF, brushes: Brushes) -> None:
    """A card too small to show more than its category."""
    painter.fillRect(rect, brushes.header(card.category))


def paint_card(
    painter: QPainter,
    card: Card,
    rect: QRectF,
    brushes: Brushes,
    badge: Badge | None,
    *,
    chosen: bool,
    text: bool,
) -> None:
    """One card with header, constants and badge."""
    if card.kind in ("input", "output"):
        _pill(painter, card, rect, brushes, text=text)
        return
    pen = brushes.chosen if chosen else brushes.border
    shape = QPainterPath()
    shape.addRoundedRect(rect, RADIUS, RADIUS)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(brushes.card)
    painter.drawPath(shape)
    painter.setBrush(brushes.header(card.category))
    painter.drawPath(_header_shape(rect))
    if text:
        _title(painter, card, rect, brushes)
        top = _subtitle(painter, card, rect, brushes)
        top = _lines(painter, card, rect, top, brushes)
        if card.kind == "layer" and badge is not None:
            _badge(painter, rect, top, badge, brushes)
            if badge.figure:
                header = QRectF(rect.left(), rect.top(), rect.width() - PADDING, HEADER_HEIGHT)
                _figure(painter, header, badge, brushes)
    elif badge is not None and badge.colour is not None:
        bar = QRectF(rect.left() + 8, rect.bottom() - 14, rect.width() - 16, 6)
        painter.fillRect(bar, badge.colour)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(shape)


def _header_shape(rect: QRectF) -> QPainterPath:
    """The upper part of a card: rounded above, straight below unless it is all of the card."""
    header = QRectF(rect.left(), rect.top(), rect.width(), HEADER_HEIGHT)
    shape = QPainterPath()
    shape.setFillRule(Qt.FillRule.WindingFill)
    shape.addRoundedRect(header, RADIUS, RADIUS)
    if rect.height() > HEADER_HEIGHT:
        shape.addRect(header.adjusted(0, RADIUS, 0, 0))
    return shape


def _title(painter: QPainter, card: Card, rect: QRectF, brushes: Brushes) -> None:
    painter.setFont(brushes.title)
    painter.setPen(brushes.white)
    inner = QRectF(rect.left() + PADDING, rect.top(), rect.width() - 2 * PADDING, HEADER_HEIGHT)
    title = brushes.title_metrics.elidedText(
        card.title, Qt.TextElideMode.ElideRight, inner.width() + 1
    )
    painter.drawText(inner, _LEFT if rect.height() > HEADER_HEIGHT else _CENTRE, title)


def _subtitle(painter: QPainter, card: Card, rect: QRectF, brushes: Brushes) -> float:
    top = rect.top() + HEADER_HEIGHT + 4
    if not card.subtitle:
        return top
    _row(painter, rect, top, card.subtitle, brushes, brushes.muted, Qt.TextElideMode.ElideLeft)
    return top + LINE_HEIGHT


def _lines(painter: QPainter, card: Card, rect: QRectF, top: float, brushes: Brushes) -> float:
    for label, value in card.lines:
        row = QRectF(rect.left() + PADDING, top, rect.width() - 2 * PADDING, LINE_HEIGHT)
        painter.setFont(brushes.strong)
        painter.setPen(brushes.text)
        painter.drawText(row, _LEFT, label)
        indent = brushes.strong_metrics.horizontalAdvance(label) + LABEL_GAP
        painter.setFont(brushes.body)
        rest = row.adjusted(indent, 0, 0, 0)
        painter.drawText(rest, _LEFT, _elided(value, rest.width(), brushes))
        top += LINE_HEIGHT
    return top


def _row(
    painter: QPainter,
    rect: QRectF,
    top: float,
    text: str,
    brushes: Brushes,
    pen: QPen,
    mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
) -> None:
    row = QRectF(rect.left() + PADDING, top, rect.width() - 2 * PADDING, LINE_HEIGHT)
    painter.setFont(brushes.body)
    painter.setPen(pen)
    painter.drawText(row, _LEFT, _elided(text, row.width(), brushes, mode))


def _elided(
    text: str,
    width: float,
    brushes: Brushes,
    mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
) -> str:
    return brushes.metrics.elidedText(text, mode, width + 1)


def _badge(painter: QPainter, rect: QRectF, top: float, badge: Badge, brushes: Brushes) -> None:
    top += 4
    painter.setPen(brushes.rule)
    painter.drawLine(QPointF(rect.left() + 1, top), QPointF(rect.right() - 1, top))
    top += 3
    if badge.is_float:
        _row(painter, rect, top, "left in float", brushes, brushes.muted)
        return
    for label, spec in (("W", badge.weights), ("A", badge.activations)):
        if not spec:
            continue
        row = QRectF(rect.left() + PADDING, top, rect.width() - 2 * PADDING, LINE_HEIGHT)
        painter.setFont(brushes.strong)
        painter.setPen(brushes.accent)
        painter.drawText(row, _LEFT, label)
        rest = row.adjusted(16, 0, 0, 0)
        painter.setFont(brushes.body)
        painter.setPen(brushes.text)
        painter.drawText(rest, _LEFT, _elided(spec, rest.width(), brushes))
        top += LINE_HEIGHT


def _figure(painter: QPainter, header: QRectF, badge: Badge, brushes: Brushes) -> None:
    """The error at the right end of the header, with its heat colour."""
    painter.setFont(brushes.body)
    painter.setPen(brushes.white)
    painter.drawText(header, _RIGHT, badge.figure)
    if badge.colour is not None:
        width = brushes.metrics.horizontalAdvance(badge.figure)
        painter.setBrush(badge.colour)
        painter.drawEllipse(QRectF(header.right() - width - 14, header.center().y() - 4, 8, 8))


def _pill(painter: QPainter, card: Card, rect: QRectF, brushes: Brushes, *, text: bool) -> None:
    painter.setPen(brushes.border)
    painter.setBrush(brushes.raised)
    painter.drawRoundedRect(rect, rect.height() / 2, rect.height() / 2)
    if text:
        painter.setFont(brushes.title)
        painter.setPen(brushes.text)
        inner = rect.adjusted(PADDING, 0, -PADDING, 0)
        title = brushes.title_metrics.elidedText(
            card.title, Qt.TextElideMode.ElideMiddle, inner.width() + 1
        )
        painter.drawText(inner, _CENTRE, title)


def paint_edge(
    painter: QPainter, path: QPainterPath, tip: QPointF, brushes: Brushes, *, cut: bool
) -> None:
    """A curve with its arrowhead."""
    painter.setPen(brushes.stub if cut else brushes.edge)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(path)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(brushes.edge.color())
    x, y = tip.x(), tip.y()
    painter.drawPolygon(
        QPolygonF([QPointF(x, y), QPointF(x - 3.6, y - 7), QPointF(x + 3.6, y - 7)])
    )


def paint_label(painter: QPainter, text: str, centre: QPointF, brushes: Brushes) -> None:
    """The shape of a tensor on its edge, on a patch of canvas that hides the line behind it."""
    width = brushes.metrics.horizontalAdvance(text)
    patch = QRectF(centre.x() - width / 2 - 3, centre.y() - 8, width + 6, 15)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(brushes.canvas)
    painter.drawRect(patch)
    painter.setFont(brushes.body)
    painter.setPen(brushes.muted)
    painter.drawText(patch, _CENTRE, text)
