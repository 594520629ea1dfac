"""How the texts and signs of a sheet are painted."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen, QPolygonF, QTextCharFormat, QTextLayout

from inspector.gui.properties.sheet_cells import Cell, Faces, Laid, Line, Mark
from inspector.gui.theme import Theme

_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_SINGLE = int(Qt.TextFlag.TextSingleLine | Qt.TextFlag.TextDontClip)


def copy_sign(line: Line) -> QRectF:
    """Where the sign that copies a row's value is."""
    return QRectF(line.rect.right() - 19, line.rect.top(), 18, min(line.rect.height(), 22))


class SheetPainter:
    """Paints with a theme's colours."""

    def __init__(self, faces: Faces, theme: Theme) -> None:
        self._faces = faces
        self._theme = theme
        self._tones = {
            "plain": QPen(QColor(theme.text)),
            "muted": QPen(QColor(theme.muted)),
            "link": QPen(QColor(theme.accent)),
            "warning": QPen(QColor(theme.warning)),
            "code": QPen(QColor(theme.text)),
        }
        self._selection = QTextCharFormat()
        self._selection.setBackground(QColor(theme.selection))
        self._raised = QBrush(QColor(theme.raised))

    def paint(
        self,
        painter: QPainter,
        laid: Laid,
        area: QRectF,
        selected: tuple[Cell, int, int] | None,
        hovered: int,
    ) -> None:
        """Paint all that is in an area. Cost O(texts), a painter's call for those in it."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for mark in laid.marks:
            if mark.rect.intersects(area):
                self._mark(painter, mark)
        top, bottom = area.top(), area.bottom()
        for cell in laid.cells:
            if cell.rect.top() <= bottom and cell.rect.bottom() >= top and cell.shown:
                self._cell(painter, cell, selected, hovered)

    def _cell(
        self,
        painter: QPainter,
        cell: Cell,
        selected: tuple[Cell, int, int] | None,
        hovered: int,
    ) -> None:
        painter.setPen(self._tones[cell.tone])
        chosen = selected is not None and selected[0] is cell and selected[1] != selected[2]
        if cell.wrapped or chosen:
            ranges = []
            if selected is not None and chosen:
                start, end = sorted(selected[1:])
                part = QTextLayout.FormatRange()
                part.start, part.length, part.format = start, end - start, self._selection
                ranges.append(part)
            cell.layout(self._faces).draw(painter, cell.origin(self._faces), ranges)
            return
        painter.setFont(self._faces.fonts[cell.face])
        painter.drawText(cell.rect, (_RIGHT if cell.right else _LEFT) | _SINGLE, cell.shown)
        if cell.tone == "link" and cell.row == hovered and cell.target is not None:
            metrics = self._faces.metrics[cell.face]
            origin, width = cell.origin(self._faces), metrics.horizontalAdvance(cell.shown)
            y = origin.y() + metrics.ascent() + 1.5
            painter.drawLine(QPointF(origin.x(), y), QPointF(origin.x() + width, y))

    def _mark(self, painter: QPainter, mark: Mark) -> None:
        theme = self._theme
        painter.setPen(Qt.PenStyle.NoPen)
        if mark.kind in {"open", "closed"}:
            self._chevron(painter, mark.rect.center(), is_open=mark.kind == "open")
        elif mark.kind == "rule":
            painter.fillRect(mark.rect, QColor(theme.border))
        elif mark.kind == "code":
            painter.setBrush(self._raised)
            painter.drawRoundedRect(mark.rect, 4, 4)
        elif mark.kind == "bullet":
            painter.setBrush(QColor(theme.muted))
            painter.drawEllipse(mark.rect)
        else:
            painter.setBrush(QColor(theme.category(mark.colour)))
            painter.drawRoundedRect(mark.rect, 2, 2)

    def _chevron(self, painter: QPainter, at: QPointF, *, is_open: bool) -> None:
        painter.setPen(QPen(QColor(self._theme.muted), 1.3))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        corners = [(-3.0, -1.5), (0.0, 1.5), (3.0, -1.5)]
        if not is_open:
            corners = [(y, x) for x, y in corners]
        painter.drawPolyline(QPolygonF([at + QPointF(x, y) for x, y in corners]))

    def highlight(self, painter: QPainter, line: Line, *, copied: bool) -> None:
        """Show that a row can be opened or copied."""
        if line.value < 0:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._raised)
        painter.drawRoundedRect(line.rect.adjusted(2, 0, -1, 0), 4, 4)
        centre = copy_sign(line).center()
        colour = self._theme.success if copied else self._theme.muted
        painter.setPen(QPen(QColor(colour), 1.3))
        if copied:
            corners = [(-4, 0), (-1, 3), (4, -3)]
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPolyline(QPolygonF([centre + QPointF(x, y) for x, y in corners]))
            return
        painter.drawRoundedRect(QRectF(centre.x() - 4.5, centre.y() - 4.5, 6.5, 7.5), 1.5, 1.5)
        painter.drawRoundedRect(QRectF(centre.x() - 2, centre.y() - 2, 6.5, 7.5), 1.5, 1.5)

    def focus(self, painter: QPainter, line: Line) -> None:
        """Show which row the keys are on."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(self._theme.accent), 1.2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(line.rect.adjusted(2.5, 0.5, -1.5, -0.5), 4, 4)
