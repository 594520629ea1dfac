"""What the commands print: one JSON object, or aligned text with units."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object; what is not a finite number becomes null, for JSON has no other."""
    click.echo(json_text(value))


def json_text(value: Mapping[str, Any]) -> str:
    """One JSON object, indented; see `print_json`."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()  # a numpy scalar
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


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


def megabytes(size: float) -> str:
    """A size in bytes, in MB (or kB below one tenth of that)."""
    return f"{size / 1e6:.2f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def decibel(value: float | None) -> str:
    """A ratio in dB; equal outputs have an infinite one."""
    if value is None or math.isnan(value):
        return "-"
    return "exact" if value == math.inf else f"{value:.2f} dB"


def percent(value: float | None) -> str:
    """A share from 0 to 1 in %."""
    return "-" if value is None or math.isnan(value) else f"{100 * value:.1f} %"


def number(value: float | None, digits: int = 6) -> str:
    """A plain number with so many decimals."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


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
    samples = f", {data['samples']} samples" if data.get("samples") else ""
    random = "; random inputs say little about real data" if data.get("random") else ""
    return f"{data['source']}{samples}{random}"


def printable(text: str) -> str:
    """The text with what would control a terminal shown as its code: names come from files."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
