"""Writing a report in the format that its file name asks for."""

from __future__ import annotations

from pathlib import Path

from inspector.errors import UnsupportedError
from inspector.files import check_target, write_atomically
from inspector.report.data import ReportData, to_json
from inspector.report.html import to_html
from inspector.report.json_text import json_text

FORMATS = (".html", ".json")
"""The suffixes that a report's file may have."""


def check_report(path: Path) -> None:
    """Refuses, before any work, a report that could not be written.

    Raises:
        UnsupportedError: its suffix names no format that there is.
        SaveError: its folder is missing or cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise UnsupportedError(
            f"{path}: reports of the kind {path.suffix or 'without a suffix'} cannot be written.",
            f"Name a file that ends with {' or '.join(FORMATS)}.",
        )
    check_target(path)


def write_report(data: ReportData, path: Path) -> None:
    """Writes a report; what was there before is replaced only by a whole new file.

    Raises:
        UnsupportedError: the suffix names no format that there is.
        SaveError: it cannot be written.
    """
    check_report(path)
    is_html = path.suffix.lower() == ".html"
    text = to_html(data) if is_html else json_text(to_json(data)) + "\n"
    write_atomically(path, text.encode("utf-8", "backslashreplace"))
