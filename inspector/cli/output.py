"""What the commands print: one JSON object, or aligned text with units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from inspector.report.json_text import json_text
from inspector.report.units import plural


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object; see `json_text`."""
    click.echo(json_text(value))


def table(rows: Sequence[Sequence[str]], header: Sequence[str], right: Iterable[int] = ()) -> str:
    """Columns aligned under their header.

    Args:
        rows: the cells of each row.
        header: one word a column.
        right: the columns of numbers, which are aligned to the right.
    """
    to_right = frozenset(right)
    lines = [[printable(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in to_right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Lines of a name and what it is, aligned; a pair without text is left out."""
    shown = [(printable(name), printable(text)) for name, text in pairs if text]
    width = max((len(name) for name, _ in shown), default=0)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in shown)


def count(value: float) -> str:
    """A number of things, in three digits: 950, 12.3 k, 4.56 M, 7.89 G."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= 0.9995 * size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f}"


def data_text(data: Mapping[str, Any]) -> str:
    """Where samples come from and how many; empty if there are none."""
    if not data.get("source"):
        return ""
    samples = f", {plural(data['samples'], 'sample')}" if data.get("samples") else ""
    random = "; random inputs say little about real data" if data.get("random") else ""
    return f"{data['source']}{samples}{random}"


def printable(text: str) -> str:
    """The text with what would control a terminal shown as its code: names come from files."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
