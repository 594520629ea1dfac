"""A check box that shows off, on and mixed clearly in both themes."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from PySide6.QtWidgets import QCheckBox, QStyle, QStyleOptionButton

_SIDE = 15.0
_TICK = ((3.6, 7.8), (6.4, 10.6), (11.4, 4.6))
_BRIGHT = 0.5


class MixedCheckBox(QCheckBox):
    """Can show that some are on and some are off; a click then sets all on."""

    def show_states(self, states: set[bool]) -> None:
        """Show what is chosen, by one or by many."""
        mixed = len(states) > 1
        self.setTristate(mixed)
        on = Qt.CheckState.Checked if True in states else Qt.CheckState.Unchecked
        self.setCheckState(Qt.CheckState.PartiallyChecked if mixed else on)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A box in the theme's own colours, and the text."""
        option = QStyleOptionButton()
        self.initStyleOption(option)
        part, style = QStyle.SubElement.SE_CheckBoxIndicator, self.style()
        centre = QRectF(style.subElementRect(part, option, self)).center()
        box = QRectF(0, 0, _SIDE, _SIDE)
        box.moveCenter(centre)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_box(painter, box)
        text = style.subElementRect(QStyle.SubElement.SE_CheckBoxContents, option, self)
        role = QPalette.ColorRole.WindowText
        group = QPalette.ColorGroup.Normal if self.isEnabled() else QPalette.ColorGroup.Disabled
        painter.setPen(self.palette().color(group, role))
        line = int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
        painter.drawText(text, line, self.text())
        painter.end()

    def _paint_box(self, painter: QPainter, box: QRectF) -> None:
        colours = self.palette()
        empty = self.checkState() == Qt.CheckState.Unchecked
        accent = colours.color(QPalette.ColorRole.Accent)
        edge = accent if self.hasFocus() else colours.color(QPalette.ColorRole.PlaceholderText)
        fill = colours.color(QPalette.ColorRole.Base)
        if not empty:
            fill = accent if self.isEnabled() else colours.color(QPalette.ColorRole.Mid)
            edge = colours.color(QPalette.ColorRole.WindowText) if self.hasFocus() else fill
        painter.setPen(QPen(edge, 1.4))
        painter.setBrush(fill)
        painter.drawRoundedRect(box, 3.0, 3.0)
        if empty:
            return
        dark = QColor(Qt.GlobalColor.black)
        mark = dark if fill.lightnessF() > _BRIGHT else QColor(Qt.GlobalColor.white)
        pen = QPen(mark, 1.8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self.checkState() == Qt.CheckState.PartiallyChecked:
            middle = box.center()
            painter.drawLine(middle - QPointF(3.5, 0), middle + QPointF(3.5, 0))
        else:
            painter.drawPolyline(QPolygonF([box.topLeft() + QPointF(x, y) for x, y in _TICK]))
