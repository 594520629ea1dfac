"""A window without a screen, and clocks for what it does."""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from inspector.gui.main_window import MainWindow

LONGEST = 300.0


@dataclass(frozen=True, slots=True)
class Painted:
    """What it took from a call to the last paint that follows from it.

    Attributes:
        wall_ms: until the last paint was over.
        cpu_ms: of the main thread until then.
    """

    wall_ms: float
    cpu_ms: float


class Live:
    """A window with a model and its data, and what is measured of it."""

    def __init__(self, *paths: Path) -> None:
        """Open the window, then the files one after the other, and wait until all is known."""
        self.app, self.window = _window()
        self._paints = _Paints(self.window)
        for path in paths:
            self.window.open_path(path)
            self.settle()

    def settle(self) -> None:
        """Wait until nothing is under way."""
        window = self.window
        views = (window.presenter, window.graphs, window.graph)
        self.wait(lambda: not window.tasks.is_busy() and all(view.is_settled() for view in views))

    def wait(self, done: Callable[[], bool], seconds: float = LONGEST) -> None:
        """Let the window work until something is true."""
        until = time.perf_counter() + seconds
        while not done():
            if time.perf_counter() > until:
                raise TimeoutError("the window did not come to rest")
            self.app.processEvents()
            time.sleep(0.0005)

    def idle(self, seconds: float) -> None:
        """Let the window work for a time."""
        until = time.perf_counter() + seconds
        self.wait(lambda: time.perf_counter() > until)

    def painted(self, act: Callable[[], None]) -> Painted:
        """Do something, and wait for the last paint that follows from it at once.

        What comes later from the background is not waited for.
        """
        self._paints.count = 0
        started, used = time.perf_counter(), time.thread_time()
        act()
        while True:
            before = self._paints.count
            self.app.sendPostedEvents()
            self.app.processEvents()
            if before and self._paints.count == before:
                break
            last = time.perf_counter(), time.thread_time()
            if last[0] - started > LONGEST:
                raise TimeoutError("nothing was painted")
        return Painted(1e3 * (last[0] - started), 1e3 * (last[1] - used))

    def close(self) -> None:
        """End the program."""
        self.window.close_now()


class Pulse:
    """Beats whenever the event loop comes by; the longest time without is how long it stood."""

    def __init__(self) -> None:
        """Start to beat."""
        from PySide6.QtCore import QTimer

        self._beats = [time.perf_counter()]
        self._timer = QTimer()
        self._timer.setInterval(0)
        self._timer.timeout.connect(lambda: self._beats.append(time.perf_counter()))
        self._timer.start()

    def gaps_ms(self) -> list[float]:
        """The times between beats since the start, the longest first."""
        self._timer.stop()
        self._beats.append(time.perf_counter())
        gaps = (1e3 * (later - earlier) for earlier, later in itertools.pairwise(self._beats))
        return sorted(gaps, reverse=True)


class _Paints:
    """Counts how often the window is painted."""

    def __init__(self, window: MainWindow) -> None:
        from PySide6.QtCore import QEvent, QObject

        counter = self

        class Filter(QObject):
            def eventFilter(self, _: QObject, event: QEvent) -> bool:
                if event.type() == QEvent.Type.UpdateRequest:
                    counter.count += 1
                return False

        self.count = 0
        self._filter = Filter()
        window.installEventFilter(self._filter)


def _window() -> tuple[QApplication, MainWindow]:
    from PySide6.QtCore import QSettings

    from inspector import offload
    from inspector.gui.app import SWITCH_SECONDS, application
    from inspector.gui.main_window import MainWindow

    folder = tempfile.mkdtemp(prefix="probe")
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)
    os.environ["QUANT_INSPECTOR_STATE"] = folder
    offload.start()
    app = application()
    sys.setswitchinterval(SWITCH_SECONDS)
    window = MainWindow()
    window.tasks.closing.connect(offload.stop)
    window.resize(1280, 800)
    window.show()
    return app, window
