"""A graph as SVG: text stays text, and the file is a fraction of what Qt alone would write.

Qt draws each part into a picture of its own, of which only the shapes are taken over. It repeats
every property of the pen and the font at every shape; what is the default is left out here.
"""

from __future__ import annotations

import re
from typing import BinaryIO
from xml.sax.saxutils import escape, quoteattr

from PySide6.QtCore import QBuffer, QIODevice, QSize
from PySide6.QtGui import QFontInfo, QPainter
from PySide6.QtSvg import QSvgGenerator

from inspector.errors import SaveError
from inspector.gui.export_parts import CELL, Part, Sheet, parts_of
from inspector.gui.graph_view.brushes import Brushes

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What may not be in any XML, not even as a code."""
_FRAGMENT = re.compile(r"<defs>(.*?)</defs>\s*(<g\b[^>]*>)(.*)</svg>", re.DOTALL)
_DEFINED = re.compile(r"<(mask|pattern|linearGradient|radialGradient)\b.*?</\1>", re.DOTALL)
_IDENTITY = re.compile(r'\bid="([^"]*)"')
_GROUP_FONT = re.compile(
    r'\nfont-family="[^"]*" font-size="[^"]*" font-weight="[^"]*" font-style="[^"]*" *\n>'
)
_FAMILY = re.compile(r' font-family="[^"]*"')
_EMPTY = re.compile(r"<g\b[^>]*>\s*</g>\s*")
_DEFAULTS = (
    ' transform="matrix(1,0,0,1,0,0)"',
    ' fill-opacity="1"',
    ' stroke-opacity="1"',
    ' stroke-width="1"',
    ' stroke-linecap="square"',
    ' stroke-linejoin="bevel"',
    ' fill-rule="evenodd"',
    ' vector-effect="none"',
    ' xml:space="preserve"',
    ' font-weight="400"',
    ' font-style="normal"',
)
"""What shapes say and their surroundings say already. No text holds these: quotes are escaped."""
_ROOT = (
    '<g fill="none" stroke="black" stroke-width="1" fill-rule="evenodd" stroke-linecap="square" '
    'stroke-linejoin="bevel" font-weight="400" font-style="normal">'
)
_ALIKE = {"DejaVu Sans": "Verdana", "Bitstream Vera Sans": "Verdana"}
"""Fonts that are as wide as others, for machines without them."""


def write_svg(file: BinaryIO, sheet: Sheet, description: str) -> tuple[float, float]:
    """Write a whole SVG document.

    Returns:
        Its width and height in pixels.

    Raises:
        CancelledError: the sheet's step asked for it.
        SaveError: Qt does not paint.

    Cost: linear, about 0.15 ms and 1.6 kB a card; the memory of one part.
    """
    area, canvas = sheet.area, sheet.look.brushes.canvas.color().name()
    width, height = area.width() * sheet.scale, area.height() * sheet.scale
    left, top, wide, high = map(_number, (area.x(), area.y(), area.width(), area.height()))
    file.write(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'version="1.1" width="{_number(width)}" height="{_number(height)}" '
        f'viewBox="{left} {top} {wide} {high}" '
        f"font-family={quoteattr(_families(sheet.look.brushes))}>\n"
        f"<title>{_text(sheet.title)}</title>\n<desc>{_text(description)}</desc>\n"
        f'<rect x="{left}" y="{top}" width="{wide}" height="{high}" fill="{canvas}"/>\n'
        f"{_ROOT}\n".encode()
    )
    defined: set[str] = set()
    parts = parts_of(sheet)
    for number, part in enumerate(parts):
        sheet.step(number, len(parts))
        file.write(_group(part, defined).encode())
    file.write(b"</g>\n</svg>\n")
    return width, height


def _group(part: Part, defined: set[str]) -> str:
    """The shapes of a part as one group."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(QSize(int(CELL), int(CELL)))
    painter = QPainter()
    if not painter.begin(generator):
        raise SaveError("The graph cannot be drawn as SVG.", "Try PNG or PDF.")
    try:
        part.paint(painter)
    finally:
        painter.end()
    whole = bytes(buffer.data().data()).decode("utf-8", "replace")
    found = _FRAGMENT.search(_ILLEGAL.sub("\ufffd", whole))
    if found is None:
        raise SaveError("The graph cannot be drawn as SVG.", "Try PNG or PDF.")
    definitions, _, shapes = found.groups()
    place = f'<g transform="translate({_number(part.x)},{_number(part.y)})">'
    return f"{place}{_new_definitions(definitions, defined)}{_short(shapes)}\n"


def _new_definitions(text: str, defined: set[str]) -> str:
    """The definitions that no part before has brought."""
    new = []
    for found in _DEFINED.finditer(text):
        identity = _IDENTITY.search(found.group())
        if identity is not None and identity.group(1) not in defined:
            defined.add(identity.group(1))
            new.append(found.group())
    return f"<defs>{''.join(new)}</defs>" if new else ""


def _short(shapes: str) -> str:
    """The same shapes without what they would inherit anyway."""
    shapes = _GROUP_FONT.sub(">", shapes)
    for default in _DEFAULTS:
        shapes = shapes.replace(default, "")
    shapes = _EMPTY.sub("", _FAMILY.sub("", shapes))
    return shapes.replace(" \n >", ">").replace("\n\n", "\n").replace(' "/>', '"/>')


def _families(brushes: Brushes) -> str:
    """The font that the cards were measured for, and what to take where it is not known."""
    family = QFontInfo(brushes.body).family()
    names = [family, _ALIKE.get(family, ""), "sans-serif"]
    return ", ".join(name for name in names if name and not name.startswith("."))


def _text(text: str) -> str:
    return escape(_ILLEGAL.sub("\ufffd", text))


def _number(value: float) -> str:
    """With two decimals, where there are any: six digits in all would not do."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
