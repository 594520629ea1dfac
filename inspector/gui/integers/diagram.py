"""The integer pipeline of a layer, drawn: two operands, a sum, and the way to the output."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QHelpEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from inspector.gui.integers.stages import Gauge, Stage
from inspector.gui.theme import LIGHT, RADIUS, SPACE_L, SPACE_S, TEXT_SMALL, Theme

_TITLE, _LINE = 20.0, 15.0
_PAD, _GAP, _ARROW = 7.0, 20.0, 4.0
_GAUGE = 16.0
_FADED = 0.45


class PipelineView(QWidget):
    """Boxes from top to bottom; the two operands side by side."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("integerPipeline")
        self.setAccessibleName("Integer pipeline")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._theme = LIGHT
        self._stages: tuple[Stage, ...] = ()
        self._boxes: list[QRectF] = []
        self._is_stale = False
        self._faces()

    @property
    def shown(self) -> tuple[Stage, ...]:
        """What the boxes say."""
        return self._stages

    def show_stages(self, stages: Sequence[Stage]) -> None:
        """Draw these."""
        self._stages = tuple(stages)
        lines = (" ".join((one.title, *one.lines)) for one in self._stages)
        self.setAccessibleDescription("\n".join(lines))
        self._lay_out()

    def set_stale(self, is_stale: bool) -> None:
        """Fade what is of an earlier choice."""
        if is_stale != self._is_stale:
            self._is_stale = is_stale
            self.update()

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme
        self.update()

    def box(self, kind: str) -> QRectF:
        """Where the box of a stage is, in pixels."""
        return next(b for b, one in zip(self._boxes, self._stages, strict=True) if one.kind == kind)

    # Where things are

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the boxes to the width."""
        super().resizeEvent(event)
        self._lay_out()

    def changeEvent(self, event: QEvent) -> None:
        """Take on another font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._faces()
            self._lay_out()

    def _faces(self) -> None:
        self._small, self._bold = QFont(self.font()), QFont(self.font())
        self._small.setPixelSize(TEXT_SMALL)
        self._bold.setPixelSize(TEXT_SMALL + 1)
        self._bold.setWeight(QFont.Weight.DemiBold)

    def _lay_out(self) -> None:
        left, width = float(SPACE_L), self.width() - 2.0 * SPACE_L
        half = (width - SPACE_S) / 2
        self._boxes = []
        y = 4.0
        for number, stage in enumerate(self._stages):
            height = _height(stage)
            if number < 2:
                pair = max(_height(one) for one in self._stages[:2])
                self._boxes.append(QRectF(left + number * (half + SPACE_S), y, half, pair))
                y += (pair + _GAP) if number else 0.0
            else:
                self._boxes.append(QRectF(left, y, width, height))
                y += height + _GAP
        self.setFixedHeight(round(y - _GAP + 6) if self._stages else 0)
        self.update()

    # Painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint boxes and arrows."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._is_stale:
            painter.setOpacity(_FADED)
        for number, (stage, box) in enumerate(zip(self._stages, self._boxes, strict=True)):
            self._paint_box(painter, stage, box)
            if number >= 2:
                above = self._boxes[:2] if number == 2 else [self._boxes[number - 1]]
                for source in above:
                    self._paint_arrow(painter, source, box)

    def _paint_box(self, painter: QPainter, stage: Stage, box: QRectF) -> None:
        theme = self._theme
        painter.setPen(QPen(QColor(theme.warning if stage.warns else theme.card_border), 1))
        painter.setBrush(QColor(theme.card))
        painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
        inner = box.adjusted(_PAD + 2, _PAD, -_PAD, -_PAD)
        row = QRectF(inner.left(), inner.top(), inner.width(), _TITLE - 4)
        self._text(painter, self._bold, theme.text, row, stage.title)
        colour = theme.warning if stage.warns else theme.muted
        for line in stage.lines:
            row = QRectF(row.left(), row.bottom(), row.width(), _LINE)
            self._text(painter, self._small, colour, row, line)
        if stage.gauge is not None:
            place = QRectF(row.left(), row.bottom() + 7, row.width() - 2, 5)
            self._paint_gauge(painter, stage.gauge, place)

    def _text(self, painter: QPainter, font: QFont, colour: str, row: QRectF, text: str) -> None:
        painter.setFont(font)
        painter.setPen(QColor(colour))
        shown = QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideRight, row.width())
        painter.drawText(row, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)

    def _paint_gauge(self, painter: QPainter, gauge: Gauge, place: QRectF) -> None:
        """The accumulator's bits, those of the worst case and those seen."""
        theme = self._theme
        widest = max(gauge.width, gauge.worst or 0, gauge.seen or 0)
        painter.setPen(Qt.PenStyle.NoPen)
        for bits, colour in (
            (gauge.width, theme.raised),
            (gauge.worst, theme.warning if (gauge.worst or 0) > gauge.width else theme.original),
            (gauge.seen, theme.quantized),
        ):
            if bits is None:
                continue
            part = QRectF(place)
            part.setWidth(place.width() * bits / widest)
            painter.setBrush(QColor(colour))
            painter.drawRoundedRect(part, 2, 2)
        end = place.left() + place.width() * gauge.width / widest
        painter.setPen(QPen(QColor(theme.muted), 1))
        painter.drawLine(QPointF(end, place.top() - 2), QPointF(end, place.bottom() + 2))

    def _paint_arrow(self, painter: QPainter, source: QRectF, target: QRectF) -> None:
        x = source.center().x()
        start, end = QPointF(x, source.bottom() + 1), QPointF(x, target.top() - 1)
        painter.setPen(QPen(QColor(self._theme.edge), 1))
        painter.drawLine(start, QPointF(x, end.y() - _ARROW))
        head = QPainterPath(end)
        head.lineTo(end.x() - _ARROW, end.y() - _ARROW - 2)
        head.lineTo(end.x() + _ARROW, end.y() - _ARROW - 2)
        head.closeSubpath()
        painter.fillPath(head, QColor(self._theme.edge))

    # Words

    def event(self, event: QEvent) -> bool:
        """Tell what a box means."""
        if event.type() != QEvent.Type.ToolTip or not isinstance(event, QHelpEvent):
            return super().event(event)
        place = QPointF(event.pos())
        for stage, box in zip(self._stages, self._boxes, strict=True):
            if box.contains(place):
                text = "\n".join((stage.title, *stage.lines, "", stage.tip))
                QToolTip.showText(event.globalPos(), text, self, box.toRect())
                return True
        QToolTip.hideText()
        return True


def _height(stage: Stage) -> float:
    gauge = _GAUGE if stage.gauge is not None else 0.0
    return 2 * _PAD + _TITLE - 4 + _LINE * len(stage.lines) + gauge
