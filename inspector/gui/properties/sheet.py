"""A page, painted: texts are selected, copied, followed and opened by mouse and keyboard."""

from __future__ import annotations

import html
from bisect import bisect_left

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QContextMenuEvent,
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QApplication, QMenu, QSizePolicy, QToolTip, QWidget

from inspector.gui.properties.page import Page, Pair, Target, copied
from inspector.gui.properties.sheet_cells import Cell, Faces, Laid, Line
from inspector.gui.properties.sheet_layout import lay_out
from inspector.gui.properties.sheet_paint import SheetPainter, copy_sign
from inspector.gui.theme import LIGHT, Theme

_TIP_TEXT = 700
_EMPTY = Page("")
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class Sheet(QWidget):
    """Shows a page.

    Signals:
        asked: a Target that was clicked.
        reached: the keys are on another row: its top and bottom in pixels.
    """

    asked = Signal(object)
    reached = Signal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._faces = Faces()
        self._painter = SheetPainter(self._faces, LIGHT)
        self._page = _EMPTY
        self._opened: frozenset[str] = frozenset()
        self._laid = Laid(0)
        self._tops: list[float] = []
        self._hovered = -1
        self._current = -1
        self._pressed: Cell | None = None
        self._selected: tuple[Cell, int, int] | None = None
        self._copied = -1

    # What is shown

    @property
    def page(self) -> Page:
        """What is shown."""
        return self._page

    @property
    def laid(self) -> Laid:
        """Where it is shown."""
        return self._laid

    def show_page(self, page: Page) -> None:
        """Show another page; one of the same key keeps what was opened and selected."""
        if page == self._page:
            return
        if page.key != self._page.key:
            self._opened, self._selected, self._current = frozenset(), None, -1
        self._page = page
        self.setAccessibleDescription(page.text()[:4000])
        self._lay_out()

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._painter = SheetPainter(self._faces, theme)
        self.update()

    def toggle(self, key: str) -> None:
        """Open a row or close it again."""
        self._opened ^= {key}
        self._lay_out()

    def selected_text(self) -> str:
        """The selected part of a text, whole where its end is not seen."""
        if self._selected is None:
            return ""
        cell, start, end = self._selected
        first, last = (cell.full_place(place) for place in sorted((start, end)))
        raw = cell.text.encode("utf-16-le", "surrogatepass")[2 * first : 2 * last]
        return copied(raw.decode("utf-16-le", "replace").replace("\u2028", "\n"))

    def _lay_out(self) -> None:
        selected = self._selected
        self._laid = lay_out(self._page, float(self.width()), self._faces, self._opened)
        self._tops = [line.rect.top() for line in self._laid.lines]
        if selected is not None:
            self._selected = None
        self._hovered, self._copied, self._pressed = -1, -1, None
        self._current = min(self._current, len(self._laid.lines) - 1)
        self.setFixedHeight(round(self._laid.height))
        self.update()

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what is in view."""
        painter = QPainter(self)
        area = QRectF(event.rect())
        if self._hovered >= 0:
            self._painter.highlight(painter, self._laid.lines[self._hovered], copied=self._done())
        if self._current >= 0 and self.hasFocus():
            self._painter.focus(painter, self._laid.lines[self._current])
        self._painter.paint(painter, self._laid, area, self._selected, self._hovered)

    def _done(self) -> bool:
        return self._copied == self._hovered

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the page to another width."""
        super().resizeEvent(event)
        if self._laid.width != self.width():
            self._lay_out()

    # Pointing

    def line_at(self, point: QPointF) -> int:
        """Number of the row at a point; -1 where there is none."""
        number = bisect_left(self._tops, point.y() + 1e-9) - 1
        found = 0 <= number < len(self._laid.lines)
        return number if found and self._laid.lines[number].rect.contains(point) else -1

    def cell_at(self, point: QPointF) -> Cell | None:
        """The text at a point."""
        for cell in self._laid.cells:
            if cell.rect.contains(point):
                return cell
        return None

    def _link_at(self, point: QPointF) -> Cell | None:
        cell = self.cell_at(point)
        if cell is None or cell.tone != "link" or cell.wrapped:
            return None
        start = cell.origin(self._faces).x()
        width = self._faces.metrics[cell.face].horizontalAdvance(cell.shown)
        return cell if start <= point.x() <= start + width else None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to select."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self._pressed = self.cell_at(event.position())
        self._selected = None
        if self._pressed is not None:
            place = self._place(self._pressed, event.position())
            self._selected = (self._pressed, place, place)
        self._current = self.line_at(event.position())
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on selecting, or show what can be clicked."""
        point = event.position()
        if self._pressed is not None and event.buttons() & Qt.MouseButton.LeftButton:
            if self._selected is not None:
                cell, start, _ = self._selected
                self._selected = (cell, start, self._place(cell, point))
                self.update()
            return
        self._hover(self.line_at(point), point)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Follow a link, copy, or open the row, unless something was selected."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        point, pressed = event.position(), self._pressed
        self._pressed = None
        if self.selected_text():
            return
        number = self.line_at(point)
        if number < 0:
            return
        line, link = self._laid.lines[number], self._link_at(point)
        if line.value >= 0 and copy_sign(line).contains(point):
            self._copy_line(number)
        elif link is not None and link is pressed and link.target is not None:
            self.asked.emit(link.target)
        elif line.opens and point.y() <= line.rect.top() + 24:
            self.toggle(line.key)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Select the whole text."""
        cell = self.cell_at(event.position())
        if cell is not None and cell.tone != "link":
            self._selected = (cell, 0, len(cell.layout(self._faces).text()))
            self._pressed = None
            self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Take the highlight away."""
        super().leaveEvent(event)
        self._hover(-1, QPointF(-1, -1))

    def _hover(self, number: int, point: QPointF) -> None:
        if number != self._hovered:
            self._hovered, self._copied = number, -1
            self.update()
        link = self._link_at(point)
        line = self._laid.lines[number] if number >= 0 else None
        sign = line is not None and line.value >= 0 and copy_sign(line).contains(point)
        cell = self.cell_at(point)
        shape = Qt.CursorShape.ArrowCursor
        if link is not None or sign or (line is not None and line.opens and cell is None):
            shape = Qt.CursorShape.PointingHandCursor
        elif cell is not None:
            shape = Qt.CursorShape.IBeamCursor
        self.setCursor(shape)

    def _place(self, cell: Cell, point: QPointF) -> int:
        layout, inside = cell.layout(self._faces), point - cell.origin(self._faces)
        for number in range(layout.lineCount()):
            line = layout.lineAt(number)
            if inside.y() < line.y() + line.height() + 1 or number == layout.lineCount() - 1:
                return int(line.xToCursor(inside.x()))
        return 0

    # Keys

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show where the keys are."""
        super().focusInEvent(event)
        keys = {Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason}
        if event.reason() in keys and self._current < 0 and self._laid.lines:
            self._go(0)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Walk the rows, follow, open and copy."""
        line = self._laid.lines[self._current] if self._current >= 0 else None
        key = event.key()
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif key in (Qt.Key.Key_Down, Qt.Key.Key_Up):
            self._go(self._current + (1 if key == Qt.Key.Key_Down else -1))
        elif key in _ENTER and line is not None and line.target is not None:
            self.asked.emit(line.target)
        elif line is not None and line.opens and self._turns(key, line.key in self._opened):
            self.toggle(line.key)
        else:
            super().keyPressEvent(event)

    def _turns(self, key: int, is_open: bool) -> bool:
        """Whether a key opens or closes a row."""
        if key == Qt.Key.Key_Right:
            return not is_open
        return key in _ENTER or key == Qt.Key.Key_Space or (key == Qt.Key.Key_Left and is_open)

    def _go(self, number: int) -> None:
        if not self._laid.lines:
            return
        self._current = min(max(number, 0), len(self._laid.lines) - 1)
        rect = self._laid.lines[self._current].rect
        self.reached.emit(rect.top(), rect.bottom())
        self.update()

    # Copying and telling

    def copy(self) -> None:
        """Copy what is selected, else the value of the current row."""
        text = self.selected_text()
        if text:
            QApplication.clipboard().setText(text)
        elif self._current >= 0:
            self._copy_line(self._current)

    def _copy_line(self, number: int) -> None:
        line = self._laid.lines[number]
        if line.value >= 0:
            QApplication.clipboard().setText(copied(self._laid.cells[line.value].text))
            self._copied = number
            self.update()

    def menu_at(self, point: QPointF) -> QMenu:
        """What can be done with the text at a point."""
        menu = QMenu(self)
        number, selected = self.line_at(point), self.selected_text()
        line = self._laid.lines[number] if number >= 0 else None
        if selected:
            self._offer(menu, "Copy", selected)
        elif line is not None and line.value >= 0:
            self._offer(menu, "Copy", copied(self._laid.cells[line.value].text))
        if line is not None and line.row is not None and line.row.name:
            self._offer(menu, "Copy with name", _both(line.row, self._laid.cells[line.value].text))
        self._offer(menu, "Copy all", copied(self._page.text()))
        if line is not None and line.target is not None:
            menu.addSeparator()
            self._offer_target(menu, line.target)
        return menu

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer to copy."""
        menu = self.menu_at(QPointF(event.pos()))
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(event.globalPos())

    def _offer(self, menu: QMenu, title: str, text: str) -> None:
        action = QAction(title, menu)
        action.triggered.connect(lambda: QApplication.clipboard().setText(text))
        menu.addAction(action)

    def _offer_target(self, menu: QMenu, target: Target) -> None:
        titles = {"tensor": "Show tensor", "node": "Go to node", "body": "Open body"}
        action = QAction(titles[target.kind], menu)
        action.triggered.connect(lambda: self.asked.emit(target))
        menu.addAction(action)

    def event(self, event: QEvent) -> bool:
        """Tell in full what is cut, and what an attribute means."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            number = self.line_at(QPointF(event.pos()))
            text = "" if number < 0 else self.tip(self._laid.lines[number])
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)

    def tip(self, line: Line) -> str:
        """What a row says when the pointer rests on it, as rich text with everything escaped."""
        if line.row is None:
            return ""
        name, value = line.row.name, line.row.long or line.row.value
        said = [f"{name}: {value}" if name and value else name or value]
        said += [block.text for block in line.row.doc[:4]]
        parts = [part if len(part) <= _TIP_TEXT else part[:_TIP_TEXT] + " …" for part in said]
        return "".join(f"<p>{html.escape(part)}</p>" for part in parts)


def _both(row: Pair, value: str) -> str:
    return f"{row.name} = {copied(value)}"
