"""What the sidebar says, as plain frozen data: made by the builders, painted by the sheet.

All texts are plain: nothing from a file is ever read as markup.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Tone = Literal["plain", "muted", "link", "warning"]
SpanKind = Literal["code", "bold"]
BlockKind = Literal["text", "item", "code", "head"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a link leads.

    Attributes:
        kind: a tensor, a node, or the body of a node.
        name: of the tensor or node.
        attribute: of the node, that holds the body; "" for the body of a model function.
    """

    kind: Literal["tensor", "node", "body"]
    name: str
    attribute: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a block that looks different."""

    start: int
    length: int
    kind: SpanKind


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, an item of a list, lines of code, or a heading.

    Attributes:
        text: without markup.
        kind: what it is.
        spans: what looks different in it.
        level: how deep an item is nested.
    """

    text: str
    kind: BlockKind = "text"
    spans: tuple[Span, ...] = ()
    level: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """A name and a value on one line.

    Attributes:
        name: on the left; empty to go on with the pair above.
        value: on the right, cut to one line until the row is opened.
        tone: how the value looks.
        target: where a click on the value leads.
        doc: told below when the row is opened, and as a tooltip.
        number: aligned on the right, in digits of one width.
        colour: operator category of a dot before the name; "" for none.
        flush: without a name, and no room is left for one.
        small: goes on with what is above, in smaller letters.
        long: what an opened row shows in place of the value, where that is only its beginning.
    """

    name: str
    value: str
    tone: Tone = "plain"
    target: Target | None = None
    doc: tuple[Block, ...] = ()
    number: bool = False
    colour: str = ""
    long: str = ""
    flush: bool = False
    small: bool = False


@dataclass(frozen=True, slots=True)
class Prose:
    """Documentation, folded to a few lines until it is opened."""

    blocks: tuple[Block, ...]
    lines: int = 3
    tone: Tone = "plain"


Row: TypeAlias = Pair | Prose


@dataclass(frozen=True, slots=True)
class Section:
    """A head with rows below.

    Attributes:
        title: the head; empty for rows right below the page's title.
        rows: what is said.
        note: small, at the right end of the head.
        fold: how many rows are shown until more are asked for; 0 for all.
    """

    title: str
    rows: tuple[Row, ...]
    note: str = ""
    fold: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """All that the sidebar says of one thing.

    Attributes:
        title: the operator, or the tensor's or file's name.
        subtitle: one line of what it is.
        sections: in order; those without rows are left out.
        colour: operator category of the mark before the title; "" for none.
        key: of the thing; a page with the same key keeps what was opened.
    """

    title: str
    subtitle: str = ""
    sections: tuple[Section, ...] = field(default_factory=tuple)
    colour: str = ""
    key: str = ""

    def text(self) -> str:
        """All of it as plain text, for the clipboard and for screen readers."""
        lines = [self.title, self.subtitle]
        for section in self.sections:
            lines += ["", section.title] if section.title else [""]
            for row in section.rows:
                if isinstance(row, Prose):
                    lines += [block.text for block in row.blocks]
                else:
                    lines.append(f"{row.name}\t{copied(row.long or row.value)}")
        return "\n".join(lines).strip()


def copied(text: str) -> str:
    """A text as other programs read it: minus signs and numbers without typography."""
    return text.replace("\u2212", "-").replace("\u2009", "")
