"""Writing a report in the format that its file name asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from inspector.errors import UnsupportedError
from inspector.files import check_target, write_atomically
from inspector.report.data import ReportData, to_json
from inspector.report.html import to_html
from inspector.report.json_text import json_text
from inspector.report.tables import to_csv, to_markdown

_WRITERS: dict[str, Callable[[ReportData], str]] = {
    ".html": to_html,
    ".json": lambda data: json_text(to_json(data)) + "\n",
    ".csv": to_csv,
    ".md": to_markdown,
}
FORMATS = tuple(_WRITERS)
"""The suffixes that a report's file may have."""


def check_report(path: Path, more: tuple[str, ...] = ()) -> None:
    """Refuses, before any work, a report that could not be written.

    Args:
        path: the file.
        more: further suffixes that whoever asks can write.

    Raises:
        UnsupportedError: its suffix names no format that there is.
        SaveError: its folder is missing or cannot be written.
    """
    check_kind(path, "reports", (*FORMATS, *more))


def check_kind(path: Path, what: str, known: tuple[str, ...]) -> None:
    """Refuses a file that could not be written; `what` is to be in it, with one of known suffixes.

    Raises:
        UnsupportedError: its suffix is none of these.
        SaveError: its folder is missing or cannot be written.
    """
    if path.suffix.lower() not in known:
        raise UnsupportedError(
            f"{path}: {what} of the kind {path.suffix or 'without a suffix'} cannot be written.",
            f"Name a file that ends with {', '.join(known[:-1])} or {known[-1]}.",
        )
    check_target(path)


def write_report(data: ReportData, path: Path) -> None:
    """Writes a report; what was there before is replaced only by a whole new file.

    Raises:
        UnsupportedError: the suffix names no format that there is.
        SaveError: it cannot be written.
    """
    check_report(path)
    text = _WRITERS[path.suffix.lower()](data)
    write_atomically(path, text.encode("utf-8", "backslashreplace"))
