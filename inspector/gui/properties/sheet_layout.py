"""Where each text of a page goes, for one width. Made anew when page or width change.

A sheet is painted, not built from widgets: a hundred labels cost ten times as much as a page.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QTextLayout, QTextOption

from inspector.gui.properties.page import Block, Page, Pair, Prose, Section, Tone
from inspector.gui.properties.sheet_cells import (
    Cell,
    CellTone,
    Face,
    Faces,
    Laid,
    Line,
    Mark,
    units,
)
from inspector.gui.properties.words import LONG

LEFT, RIGHT = 16.0, 20.0
"""Margins; the sign that opens a row stands in the left one, that of copying in the right one."""
ROW, NEXT_ROW = 22.0, 17.0
_GAP = 12.0
_NAME_SHARE = 0.44
_BULLET = 12.0


def lay_out(page: Page, width: float, faces: Faces, opened: frozenset[str]) -> Laid:
    """Place every text of a page. Cost O(texts).

    Args:
        page: what is said.
        width: of the sheet, pixels.
        faces: the fonts.
        opened: keys of the rows that are open.
    """
    return _Setter(width, faces, opened).page(page)


class _Setter:
    """Goes down a page and remembers how far it has come."""

    def __init__(self, width: float, faces: Faces, opened: frozenset[str]) -> None:
        self._laid = Laid(width)
        self._faces = faces
        self._opened = opened
        self._y = 12.0
        self._inner = width - LEFT - RIGHT
        self._names = 0.0

    def page(self, page: Page) -> Laid:
        self._head(page)
        pairs = [r for s in page.sections for r in s.rows if isinstance(r, Pair) and r.name]
        metrics = self._faces.metrics["body"]
        widest = max((metrics.horizontalAdvance(pair.name[:60]) for pair in pairs), default=0.0)
        self._names = min(widest + _GAP, self._inner * _NAME_SHARE)
        for number, section in enumerate(page.sections):
            if section.rows:
                self._section(section, f"{number} {section.title}")
        self._laid.height = self._y + 10.0
        return self._laid

    def _head(self, page: Page) -> None:
        if not page.title:  # something else says what it is about
            self._y = 0.0
            return
        indent = 12.0 if page.colour else 0.0
        top, x, width = self._y, LEFT + indent, self._inner - indent
        self._text(page.title, QRectF(x, top, width, 20), "title", middle=True)
        self._y += 21
        if page.subtitle:
            self._text(page.subtitle, QRectF(x, self._y, width, 17), "body", "muted")
            self._y += 18
        if page.colour:
            bar = QRectF(LEFT, top + 1, 4, self._y - top - 2)
            self._laid.marks.append(Mark(bar, "bar", page.colour))
        self._y += 6

    def _section(self, section: Section, key: str) -> None:
        if section.title:
            self._y += 8
            rule = QRectF(LEFT, self._y, self._laid.width - LEFT - 12, 1)
            self._laid.marks.append(Mark(rule, "rule"))
            self._y += 9
            note = self._faces.metrics["small"].horizontalAdvance(section.note)
            head = QRectF(LEFT, self._y, self._inner - note - 8, 18)
            self._text(section.title, head, "head")
            if section.note:
                place = QRectF(head.right(), self._y, note + 9, 18)
                self._text(section.note, place, "small", "muted", right=True)
            self._y += 22
        all_shown = key in self._opened or not section.fold or len(section.rows) <= section.fold + 3
        rows = section.rows if all_shown else section.rows[: section.fold]
        for number, row in enumerate(rows):
            if isinstance(row, Pair):
                self._pair(row, f"{key} {number}")
            else:
                self._prose(row, f"{key} {number}")
        if not all_shown:
            self._more(f"Show all {len(section.rows)}", key)

    def _pair(self, pair: Pair, key: str) -> None:
        number, top = len(self._laid.lines), self._y
        height = NEXT_ROW if pair.small else ROW
        is_open = key in self._opened
        dot = 14.0 if pair.colour else 0.0
        if dot:
            mark = QRectF(LEFT, top + height / 2 - 4, 8, 8)
            self._laid.marks.append(Mark(mark, "dot", pair.colour))
        name_width = self._name_width(pair)
        name = None
        if pair.name:
            place = QRectF(LEFT + dot, top, name_width - dot - 8, height)
            tone: CellTone = "muted" if pair.value else "plain"
            name = self._text(pair.name, place, "body", tone, row=number, middle=True)
        x = LEFT + (0.0 if pair.flush else self._names)
        place = QRectF(x, top, self._laid.width - RIGHT - x, height)
        face: Face = "small" if pair.small else "digits" if pair.number else "body"
        value = len(self._laid.cells)
        full = pair.long or pair.value
        middle = pair.name in {"Name", "File"}
        if pair.target is not None:
            middle = " … " not in pair.value
        cell = self._text(
            pair.value, place, face, pair.tone, row=number, right=pair.number, middle=middle
        )
        cell.target = pair.target
        cut = cell.shown != full or (name is not None and name.shown != pair.name)
        cell.text = full
        opens = cut or bool(pair.doc)
        if is_open and opens:
            self._open_pair(pair, cell, name)
        else:
            self._y += height
        line = Line(QRectF(0, top, self._laid.width, self._y - top), key)
        line.opens, line.value, line.target, line.row = opens, value, pair.target, pair
        self._laid.lines.append(line)
        if opens and (pair.name or is_open):
            sign = QRectF(3, top + height / 2 - 5, 10, 10)
            self._laid.marks.append(Mark(sign, "open" if is_open else "closed"))

    def _name_width(self, pair: Pair) -> float:
        """A name has what a number leaves, and all where there is no value."""
        if not pair.value and not pair.long:
            return self._inner
        if pair.number:
            value = self._faces.metrics["digits"].horizontalAdvance(pair.value)
            return max(self._inner - value, self._names)
        return self._names

    def _open_pair(self, pair: Pair, cell: Cell, name: Cell | None) -> None:
        top = self._y + 3
        if name is not None and name.shown != pair.name:
            whole = QRectF(LEFT, top, self._inner, 0)
            bottom = self._wrapped(name, pair.name, whole, "body")
            top = bottom + 2
        x = LEFT if pair.doc or len(cell.text) > 120 else LEFT + self._names
        if cell.text != cell.shown:
            if x == LEFT and top == self._y + 3:
                top += ROW - 3
            place = QRectF(x, top, self._laid.width - RIGHT - x, 0)
            shown = cell.text if len(cell.text) <= LONG else cell.text[:LONG] + " …"
            self._y = self._wrapped(cell, shown, place, cell.face) + 3
        else:
            self._y = max(top - 3, self._y) + ROW
        if pair.doc:
            self._blocks(pair.doc, LEFT, "small", len(self._laid.lines), 0)
        self._y += 4

    def _prose(self, prose: Prose, key: str) -> None:
        self._y += 4
        top, number = self._y, len(self._laid.lines)
        self._laid.lines.append(Line(QRectF(), key))
        most = 0 if key in self._opened else prose.lines
        cut = self._blocks(prose.blocks, LEFT, "body", number, most, prose.tone)
        line = self._laid.lines[number]
        line.rect = QRectF(0, top, self._laid.width, self._y - top)
        if cut or key in self._opened:
            self._more("More" if cut else "Less", key)

    def _more(self, text: str, key: str) -> None:
        number = len(self._laid.lines)
        width = self._faces.metrics["small"].horizontalAdvance(text) + 4
        place = QRectF(LEFT, self._y, width, NEXT_ROW)
        self._text(text, place, "small", "link", row=number)
        self._laid.lines.append(Line(QRectF(0, self._y, self._laid.width, NEXT_ROW), key, True))
        self._y += NEXT_ROW + 3

    def _blocks(
        self,
        blocks: Sequence[Block],
        x: float,
        face: Face,
        row: int,
        most: int,
        tone: Tone = "plain",
    ) -> bool:
        """Place paragraphs, at most so many lines of them (0: all); whether something is left."""
        left = most or 1_000_000
        for block in blocks:
            if left <= 0:
                return True
            indent = _BULLET * (block.level + 1) if block.kind == "item" else 0.0
            pad = 6.0 if block.kind == "code" else 0.0
            place = QRectF(x + indent + pad, self._y + pad / 2, 0, 0)
            place.setWidth(self._laid.width - RIGHT - place.left() - pad)
            own: Face = "mono" if block.kind == "code" else face
            cell = Cell(place, block.text, block.text, own, tone, row)
            layout, height, used, cut = _wrap(block, place.width(), self._faces, own, left)
            if block.kind == "item":
                bullet = QRectF(place.left() - 9, self._y + 6, 4, 4)
                self._laid.marks.append(Mark(bullet, "bullet"))
            if block.kind == "code":
                back = place.adjusted(-pad, -pad / 2, pad, 0)
                back.setHeight(height + pad)
                self._laid.marks.append(Mark(back, "code"))
            cell.wrapped, cell.text_layout = True, layout
            cell.rect.setHeight(height)
            self._laid.cells.append(cell)
            self._y += height + pad + (2 if block.kind == "item" else 5)
            left -= used
            if cut:
                return True
        return False

    def _wrapped(self, cell: Cell, text: str, place: QRectF, face: Face) -> float:
        """Let a cell run over several lines; where it ends."""
        layout, height, _, _ = _wrap(Block(text), place.width(), self._faces, face, 1000)
        cell.rect = QRectF(place.left(), place.top(), place.width(), height)
        cell.text = cell.shown = text
        cell.right, cell.wrapped, cell.text_layout = False, True, layout
        return cell.rect.bottom()

    def _text(
        self,
        text: str,
        rect: QRectF,
        face: Face,
        tone: CellTone = "plain",
        *,
        row: int = -1,
        right: bool = False,
        middle: bool = False,
    ) -> Cell:
        mode = Qt.TextElideMode.ElideMiddle if middle else Qt.TextElideMode.ElideRight
        shown = self._faces.metrics[face].elidedText(text, mode, rect.width())
        cell = Cell(rect, text, shown, face, tone, row, right)
        self._laid.cells.append(cell)
        return cell


def _wrap(
    block: Block, width: float, faces: Faces, face: Face, most: int
) -> tuple[QTextLayout, float, int, bool]:
    """Break a block into lines: the layout, its height, the lines used, and whether it was cut."""
    font = faces.fonts["bold" if block.kind == "head" else face]
    layout = QTextLayout(block.text.replace("\n", "\u2028"), font)
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    layout.setTextOption(option)
    layout.setFormats(_formats(block, faces))
    layout.beginLayout()
    y, used, end = 0.0, 0, 0
    while used < most:
        line = layout.createLine()
        if not line.isValid():
            break
        line.setLineWidth(max(width, 20.0))
        line.setPosition(QPointF(0, y))
        y += line.height() + 1
        used += 1
        end = line.textStart() + line.textLength()
    layout.endLayout()
    return layout, y, used, used == most and end < units(block.text)


def _formats(block: Block, faces: Faces) -> list[QTextLayout.FormatRange]:
    found = []
    for span in block.spans:
        part = QTextLayout.FormatRange()
        part.start, part.length = span.start, span.length
        look = part.format
        look.setFont(faces.fonts["mono" if span.kind == "code" else "bold"])
        part.format = look
        found.append(part)
    return found
