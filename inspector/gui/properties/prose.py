"""The light markup of operator documentation, read into blocks. No HTML, no links, no surprises."""

from __future__ import annotations

import re
from functools import lru_cache
from textwrap import dedent

from inspector.gui.properties.page import Block, BlockKind, Span

MOST_TEXT = 20_000
"""Characters of one documentation that are read: a file may hold any amount."""

_ITEM = re.compile(r"^(\s*)(?:[*+-]|\d{1,3}[.)])\s+")
_HEAD = re.compile(r"^#{1,6}\s+")
_MARK = re.compile(r"`([^`\n]+)`|\*\*([^*\n]+)\*\*|\[([^\]\n]*)\]\([^)\n]*\)")
_BOILERPLATE = "This operator has **optional** inputs/outputs"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@lru_cache(maxsize=256)
def blocks(text: str) -> tuple[Block, ...]:
    """A documentation as blocks. Cost O(characters).

    Paragraphs are joined from their lines; ``code``, **bold** and the text of [links](...) are
    recognized, fences and deeply indented lines are code. Everything else, HTML too, is text.
    """
    text = dedent(text[:MOST_TEXT].expandtabs(4)).strip("\n")
    reader = _Reader()
    for line in text.split("\n"):
        reader.line(_CONTROL.sub("", line.rstrip()))
    reader.finish()
    return tuple(reader.found)


def plain(text: str) -> tuple[Block, ...]:
    """A text of the model's own, line by line, with no markup at all."""
    text = _CONTROL.sub("", text[:MOST_TEXT].replace("\r\n", "\n").expandtabs(4)).strip()
    return (Block(text),) if text else ()


def one_line(text: str, most: int = 300) -> str:
    """A name from a file as one line: control characters are shown as ␣."""
    short = text if len(text) <= most else f"{text[: most // 2]}…{text[-(most // 2) :]}"
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029]", "␣", short)


class _Reader:
    """Goes through lines and keeps the block that is being read."""

    def __init__(self) -> None:
        self.found: list[Block] = []
        self._kind: BlockKind = "text"
        self._level = 0
        self._lines: list[str] = []
        self._fenced = False

    def line(self, line: str) -> None:
        bare = line.strip()
        if bare.startswith("```"):
            self.finish()
            self._fenced = not self._fenced
            return
        if self._fenced:
            self._kind = "code"
            self._lines.append(line)
            return
        if not bare:
            self.finish()
            return
        item = _ITEM.match(line)
        if _HEAD.match(bare):
            self.finish()
            self._kind, self._lines = "head", [_HEAD.sub("", bare)]
            self.finish()
        elif item:
            self.finish()
            self._kind, self._level = "item", min(len(item[1]) // 2, 3)
            self._lines = [line[item.end() :].strip()]
        elif line.startswith("    ") and self._kind != "item" and (not self._lines or self._code()):
            self._kind = "code"
            self._lines.append(line[4:])
        else:
            if self._code() or bare.startswith(_BOILERPLATE):
                self.finish()
            self._lines.append(bare)

    def finish(self) -> None:
        lines, kind = self._lines, self._kind
        if lines and kind == "code":
            text = "\n".join(lines).strip("\n")
            if self.found and self.found[-1].kind == "code":
                text = f"{self.found.pop().text}\n\n{text}"
            self.found.append(Block(text, "code"))
        elif lines:
            text, spans = _spans(re.sub(r"\s+", " ", " ".join(lines)).replace('\\"', '"'))
            self.found.append(Block(text, kind, spans, self._level if kind == "item" else 0))
        self._kind, self._level, self._lines = "text", 0, []

    def _code(self) -> bool:
        return self._kind == "code"


def _spans(text: str) -> tuple[str, tuple[Span, ...]]:
    """The text without its marks, and where they were."""
    parts: list[str] = []
    spans: list[Span] = []
    end = length = 0
    for mark in _MARK.finditer(text):
        before = text[end : mark.start()]
        inner = mark[1] or mark[2] or mark[3] or ""
        parts += [before, inner]
        length += len(before)
        if mark[1] or mark[2]:
            spans.append(Span(length, len(inner), "code" if mark[1] else "bold"))
        length += len(inner)
        end = mark.end()
    parts.append(text[end:])
    return "".join(parts), tuple(spans)
