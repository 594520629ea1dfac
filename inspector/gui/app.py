"""The program with a window."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from inspector import offload
from inspector.gui.collector import resting
from inspector.gui.main_window import TITLE, MainWindow
from inspector.gui.resources import app_icon


def application() -> QApplication:
    """The application, made if there is none yet."""
    present = QApplication.instance()
    if isinstance(present, QApplication):
        return present
    made = QApplication(sys.argv[:1])
    made.setApplicationName("quant-inspector")
    made.setApplicationDisplayName(TITLE)
    made.setDesktopFileName("quant-inspector")
    made.setWindowIcon(app_icon())
    return made


SWITCH_SECONDS = 0.001
"""How long a worker may hold the interpreter while the window waits for it."""


def run_window(
    model: Path | None = None, calibration: Path | None = None, recipe: Path | None = None
) -> int:
    """Open the window, with a model and what belongs to it, and run until it is closed.

    Returns:
        The exit code of the program.
    """
    offload.start()
    app = application()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        return _run(app, [path for path in (model, recipe, calibration) if path is not None])
    finally:
        offload.stop()


def _run(app: QApplication, paths: Sequence[Path]) -> int:
    with resting():
        window = MainWindow(plots_later=bool(paths))
        window.tasks.closing.connect(offload.stop)  # or the window would wait for what it computes
        window.show()
        if paths:
            window.open_paths(paths)
    # Ctrl+C in the terminal closes the window; Python sees it when its timer comes round.
    before = signal.signal(signal.SIGINT, lambda *_: window.close())
    ticker = QTimer()
    ticker.timeout.connect(lambda: None)
    ticker.start(200)
    try:
        return app.exec()
    finally:
        signal.signal(signal.SIGINT, before)
