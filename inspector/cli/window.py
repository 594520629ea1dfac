"""No command: the window."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from inspector.cli.options import PATH, debug
from inspector.errors import InspectorError
from inspector.gui.collector import resting


@click.command("window", add_help_option=False)
@click.argument("model", type=PATH, required=False)
@click.option("--calibration", type=PATH)
@click.option("--recipe", type=PATH)
@debug
def command(model: Path | None, calibration: Path | None, recipe: Path | None) -> int:
    """Open the window on a model, or empty."""
    for path in (model, calibration, recipe):
        _check_exists(path)
    _check_display()
    try:
        with resting():  # of all that is imported, nothing is garbage
            from inspector.gui.app import run_window
    except ImportError as error:
        raise InspectorError(
            f"The window cannot be opened: {error}.",
            "Install the system's graphics libraries (on Debian: apt install libgl1 libegl1 "
            "libxkbcommon0 libdbus-1-3), or use a command without a window: quant-inspector -h.",
        ) from error
    return run_window(model, calibration, recipe)


def _check_exists(path: Path | None) -> None:
    try:
        missing = path is not None and not path.exists()
    except (OSError, ValueError):  # a name that no file can have
        missing = True
    if missing:
        raise InspectorError(f"There is no file {str(path)!r}.", "Check the path.")


def _check_display() -> None:
    """Qt ends the process with a core dump where there is no display: say it before."""
    given = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in given):
        raise InspectorError(
            "There is no display to open a window on.",
            "Use a command without a window: quant-inspector --help lists them.",
        )
