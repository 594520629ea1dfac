"""How cards and pills are painted. Plain functions: one pass over what is in view.

What is shown follows from the zoom: everything while its text is readable; below that the title
alone, as large as the card lets it be; then shapes; then flat colours.
"""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen

from inspector.gui.graph_view.brushes import ELIDE_END, ELIDE_MIDDLE, ELIDE_START, Brushes
from inspector.gui.graph_view.cards import (
    HEADER_HEIGHT,
    LABEL_GAP,
    LINE_HEIGHT,
    OPENS_WIDTH,
    PADDING,
    Card,
)
from inspector.gui.graph_view.lines import paint_labels, paint_links, paint_stub
from inspector.gui.graph_view.look import CARD_SCALE, TEXT_SCALE, Badge, Look

__all__ = [
    "TEXT_SCALE",
    "Badge",
    "Look",
    "far_colour",
    "flat_colour",
    "paint_card",
    "paint_labels",
    "paint_links",
    "paint_stub",
]

HEAT_WIDTH = 5.0
RADIUS = 6.0
_SHOWN_TITLES = (11.0, 10.0, 9.0)
"""Sizes in which titles are shown from afar, in pixels of the screen."""
_LEAST_CUT = 44.0
"""Pixels of the screen that a title needs to be shown in part."""
_MARK_ROOM = 20.0
"""Pixels before a title for the sign that the target does not take the layer."""
_CENTRE = int(Qt.AlignmentFlag.AlignCenter)
_NO_CLIP = int(Qt.TextFlag.TextDontClip)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


def paint_card(painter: QPainter, card: Card, rect: QRectF, look: Look, scale: float) -> None:
    """One card or pill, as much of it as the zoom lets one read."""
    if card.is_pill:
        _pill(painter, card, rect, look, scale)
        return
    brushes, badge = look.brushes, look.badge_of(card)
    if scale < CARD_SCALE:
        if badge is not None and badge.stale:
            painter.fillRect(rect, brushes.card)  # or lines would shine through
        painter.fillRect(rect, flat_colour(card, badge, look))
        if badge is not None and badge.misfit:
            painter.fillRect(_corner(rect, 6.0 / scale), brushes.warning)
        return
    shape = QPainterPath()
    shape.addRoundedRect(rect, RADIUS, RADIUS)
    painter.setPen(Qt.PenStyle.NoPen)
    if card.kind == "group":
        _pile(painter, rect, brushes)
    painter.fillPath(shape, brushes.card)
    if scale >= TEXT_SCALE:
        _readable(painter, card, rect, badge, look)
    else:
        _far(painter, card, rect, badge, look, scale)
    alone = badge is not None and badge.is_float
    border = brushes.float_border if alone else brushes.border
    painter.setPen(brushes.lone_border if badge is not None and badge.lone else border)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(shape)


def flat_colour(card: Card, badge: Badge | None, look: Look) -> QColor:
    """The one colour of a card that is too small for anything else."""
    shade = badge.shade if badge is not None and look.heated else None
    if shade is not None:
        return shade
    if badge is not None and badge.lone:
        return look.brushes.lone
    return far_colour("constant" if look.is_folded(card) else card.category, look)


def far_colour(category: str, look: Look) -> QColor:
    """The colour of a kind of card from afar: faint where others show heat."""
    if not look.heated:
        return look.brushes.header(category).color()
    faded = QColor(look.brushes.theme.edge)
    faded.setAlphaF(0.45)
    return faded


def _pile(painter: QPainter, rect: QRectF, brushes: Brushes) -> None:
    """The edges of more cards behind a group's."""
    painter.setPen(brushes.border)
    painter.setBrush(brushes.raised)
    for step in (6.0, 3.0):
        painter.drawRoundedRect(rect.translated(step, step), RADIUS, RADIUS)
    painter.setPen(Qt.PenStyle.NoPen)


def _header_shape(rect: QRectF) -> QPainterPath:
    """The upper part of a card: rounded above, straight below unless it is all of the card."""
    header = QRectF(rect.left(), rect.top(), rect.width(), min(HEADER_HEIGHT, rect.height()))
    shape = QPainterPath()
    shape.setFillRule(Qt.FillRule.WindingFill)
    shape.addRoundedRect(header, RADIUS, RADIUS)
    if rect.height() > HEADER_HEIGHT:
        shape.addRect(header.adjusted(0, RADIUS, 0, 0))
    return shape


def _readable(painter: QPainter, card: Card, rect: QRectF, badge: Badge | None, look: Look) -> None:
    brushes = look.brushes
    header = _header_shape(rect)
    _fill_header(painter, card, header, badge, look)
    figure = badge.figure if badge is not None else ""
    is_unfit = badge is not None and bool(badge.misfit)
    if is_unfit:
        _misfit(painter, rect, brushes)
    _title(painter, card, rect, look, figure, indent=_MARK_ROOM if is_unfit else 0.0)
    top = _subtitle(painter, card, rect, brushes)
    top = _lines(painter, card, rect, top, brushes)
    if badge is None:
        return
    if card.kind == "layer":
        _specs(painter, rect, top, badge, brushes)
    if figure:
        _figure(painter, card, rect, badge, brushes)
    if badge.colour is not None:
        _heat_bar(painter, rect, badge)


def _fill_header(
    painter: QPainter, card: Card, shape: QPainterPath, badge: Badge | None, look: Look
) -> None:
    """The operator's colour; hatched for a layer left in float, plain for what is folded away."""
    folded = look.is_folded(card) or (badge is not None and badge.lone)
    painter.fillPath(shape, look.brushes.raised if folded else look.brushes.header(card.category))
    if badge is not None and badge.is_float and not folded:
        painter.fillPath(shape, look.brushes.hatch)


def _title_pen(card: Card, badge: Badge | None, look: Look) -> QPen:
    plain = look.is_folded(card) or (badge is not None and badge.lone)
    return look.brushes.muted if plain else look.brushes.white


def _heat_bar(painter: QPainter, rect: QRectF, badge: Badge) -> None:
    """The heat colour along the card's left side, where it meets no text."""
    shade = badge.shade
    if shade is None:
        return
    if rect.height() <= HEADER_HEIGHT:
        return  # the dot in its header is all that there is room for
    bar = QRectF(rect.left(), rect.top() + HEADER_HEIGHT, HEAT_WIDTH, rect.height())
    bar.setBottom(rect.bottom() - RADIUS)
    painter.fillRect(bar, shade)


def _misfit(painter: QPainter, rect: QRectF, brushes: Brushes) -> None:
    """An amber disc with a ! at the beginning of the header."""
    middle = rect.top() + HEADER_HEIGHT / 2
    disc = QRectF(rect.left() + PADDING - 1, middle - 7.5, 15, 15)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(brushes.warning)
    painter.drawEllipse(disc)
    painter.setFont(brushes.strong)
    painter.setPen(brushes.on_warning)
    painter.drawText(disc, _CENTRE | _NO_CLIP, "!")


def _corner(rect: QRectF, side: float) -> QRectF:
    """The upper left corner of a card that is too small for a sign, where there is that much."""
    return QRectF(rect.left(), rect.top(), min(side, rect.width()), min(side, rect.height()))


def _far(
    painter: QPainter, card: Card, rect: QRectF, badge: Badge | None, look: Look, scale: float
) -> None:
    """Header colour over all of the card's head, and the title as large as it can be read."""
    brushes = look.brushes
    heat = badge.shade if badge is not None and look.heated else None
    fill = QPainterPath()
    fill.addRoundedRect(rect, RADIUS, RADIUS)
    _fill_header(painter, card, fill, badge, look)
    if heat is not None:
        width = max(HEAT_WIDTH, 5.0 / scale)
        bar = QRectF(rect.left(), rect.top(), width, rect.height())
        painter.fillRect(bar, brushes.card)
        painter.fillRect(bar, heat)
    if badge is not None and badge.misfit:
        painter.fillRect(_corner(rect, max(HEAT_WIDTH, 8.0 / scale)), brushes.warning)
    painter.setPen(_title_pen(card, badge, look))
    _far_title(painter, card.title, rect.adjusted(3, 0, -3, 0), brushes, scale)


def _far_title(
    painter: QPainter, title: str, inner: QRectF, brushes: Brushes, scale: float
) -> None:
    """The title in the largest of the readable sizes in which all of it fits, or its beginning."""
    for pixels in _SHOWN_TITLES:
        font, metrics = brushes.sized(round(pixels / scale))
        if metrics.capHeight() * 1.6 > inner.height():
            continue
        shown = title
        if metrics.horizontalAdvance(title) > inner.width():
            if pixels > _SHOWN_TITLES[-1] or inner.width() * scale < _LEAST_CUT:
                continue
            shown = metrics.elidedText(title, ELIDE_END, inner.width())
        painter.setFont(font)
        painter.drawText(inner, _CENTRE | _NO_CLIP, shown)
        return


def _title(
    painter: QPainter, card: Card, rect: QRectF, look: Look, figure: str, *, indent: float
) -> None:
    brushes = look.brushes
    painter.setFont(brushes.title)
    painter.setPen(_title_pen(card, look.badge_of(card), look))
    inner = QRectF(rect.left() + PADDING, rect.top(), rect.width() - 2 * PADDING, HEADER_HEIGHT)
    inner.setLeft(inner.left() + indent)
    taken = brushes.metrics.horizontalAdvance(figure) + 22 if figure else 0.0
    taken += OPENS_WIDTH if card.opens else 0.0
    title = brushes.elided(card.title, inner.width() - taken, font="title")
    bare = rect.height() <= HEADER_HEIGHT and not card.opens and not figure
    painter.drawText(inner, _CENTRE if bare else _LEFT, title)
    if card.opens:
        painter.drawText(inner, _RIGHT, "▸")


def _subtitle(painter: QPainter, card: Card, rect: QRectF, brushes: Brushes) -> float:
    top = rect.top() + HEADER_HEIGHT + 4
    if not card.subtitle:
        return top
    row = _row(rect, top)
    painter.setFont(brushes.body)
    painter.setPen(brushes.muted)
    painter.drawText(row, _LEFT, brushes.elided(card.subtitle, row.width(), ELIDE_START))
    return top + LINE_HEIGHT


def _lines(painter: QPainter, card: Card, rect: QRectF, top: float, brushes: Brushes) -> float:
    for label, value in card.lines:
        row = _row(rect, top)
        indent = 0.0
        if label:
            painter.setFont(brushes.strong)
            painter.setPen(brushes.text)
            needed = LABEL_GAP + brushes.metrics.horizontalAdvance(value)
            shown = brushes.elided(
                label, max(row.width() * 0.6, row.width() - needed), font="strong"
            )
            painter.drawText(row, _LEFT, shown)
            indent = brushes.strong_metrics.horizontalAdvance(shown) + LABEL_GAP
        painter.setFont(brushes.body)
        painter.setPen(brushes.text if label else brushes.muted)
        rest = row.adjusted(indent, 0, 0, 0)
        painter.drawText(rest, _LEFT, brushes.elided(value, rest.width()))
        top += LINE_HEIGHT
    return top


def _row(rect: QRectF, top: float) -> QRectF:
    return QRectF(rect.left() + PADDING, top, rect.width() - 2 * PADDING, LINE_HEIGHT)


def _specs(painter: QPainter, rect: QRectF, top: float, badge: Badge, brushes: Brushes) -> None:
    top += 4
    painter.setPen(brushes.rule)
    painter.drawLine(QPointF(rect.left() + 1, top), QPointF(rect.right() - 1, top))
    top += 3
    if badge.is_float:
        painter.setFont(brushes.body)
        painter.setPen(brushes.muted)
        painter.drawText(_row(rect, top), _LEFT, "left in float")
        return
    for label, spec in (("W", badge.weights), ("A", badge.activations)):
        if not spec:
            continue
        row = _row(rect, top)
        painter.setFont(brushes.strong)
        painter.setPen(brushes.accent)
        painter.drawText(row, _LEFT, label)
        rest = row.adjusted(16, 0, 0, 0)
        painter.setFont(brushes.body)
        painter.setPen(brushes.text)
        painter.drawText(rest, _LEFT, brushes.elided(spec, rest.width()))
        top += LINE_HEIGHT


def _figure(painter: QPainter, card: Card, rect: QRectF, badge: Badge, brushes: Brushes) -> None:
    """The chosen quantity at the right end of the header, with its heat colour; faint if stale."""
    room = PADDING + (OPENS_WIDTH if card.opens else 0.0)
    header = QRectF(rect.left(), rect.top(), rect.width() - room, HEADER_HEIGHT)
    painter.setFont(brushes.body)
    painter.setPen(brushes.faint_white if badge.stale else brushes.white)
    painter.drawText(header, _RIGHT, badge.figure)
    if badge.colour is not None:
        width = brushes.metrics.horizontalAdvance(badge.figure)
        dot = QRectF(header.right() - width - 15, header.center().y() - 4.5, 9, 9)
        painter.setPen(brushes.white)
        painter.setBrush(Qt.BrushStyle.NoBrush if badge.stale else badge.colour)
        painter.drawEllipse(dot)


def _pill(painter: QPainter, card: Card, rect: QRectF, look: Look, scale: float) -> None:
    brushes = look.brushes
    if scale < CARD_SCALE:
        painter.fillRect(rect, brushes.raised)
        return
    painter.setPen(brushes.border)
    if card.kind == "outer":
        painter.setPen(brushes.float_border)
    painter.setBrush(brushes.raised)
    painter.drawRoundedRect(rect, rect.height() / 2, rect.height() / 2)
    painter.setPen(brushes.text)
    inner = rect.adjusted(PADDING, 0, -PADDING, 0)
    if scale < TEXT_SCALE:
        _far_title(painter, card.title, inner, brushes, scale)
    else:
        painter.setFont(brushes.title)
        title = brushes.elided(card.title, inner.width(), ELIDE_MIDDLE, font="title")
        painter.drawText(inner, _CENTRE, title)
