"""Writing a report in the format that its file name asks for."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from inspector.errors import UnsupportedError
from inspector.files import check_target, write_atomically
from inspector.report.data import ReportData, to_json
from inspector.report.html import to_html

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
    if path.suffix.lower() == ".html":
        text = to_html(data)
    else:
        text = json.dumps(_finite(to_json(data)), indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, text.encode("utf-8"))


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN: null stands for them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value
