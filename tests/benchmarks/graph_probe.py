"""One process that opens a model in a window and says what that took, as JSON.

python tests/benchmarks/graph_probe.py MODEL          in a window that is open already
python tests/benchmarks/graph_probe.py MODEL --cold T  a new program, started at the time T
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from inspector.gui.main_window import MainWindow

ZOOMS = (2.0, 1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
FRAMES = 40
LONGEST = 120.0


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--cold", type=float)
    parser.add_argument("--size", default="1280x800")
    options = parser.parse_args()
    print(json.dumps(_cold(options) if options.cold else _warm(options)))


def _window(size: str, *, plots_later: bool = False) -> tuple[QApplication, MainWindow]:
    from PySide6.QtCore import QSettings

    from inspector import offload
    from inspector.gui.app import SWITCH_SECONDS, application
    from inspector.gui.main_window import MainWindow

    QSettings.setPath(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, tempfile.mkdtemp(prefix="probe")
    )
    offload.start()
    app = application()
    sys.setswitchinterval(SWITCH_SECONDS)
    window = MainWindow(plots_later=plots_later)
    window.tasks.closing.connect(offload.stop)
    window.resize(*(int(part) for part in size.split("x")))
    window.show()
    return app, window


def _cold(options: argparse.Namespace) -> dict[str, float]:
    app, window = _window(options.size, plots_later=True)  # as the command line does
    window.open_path(options.model)
    _wait(app, lambda: _is_painted(window))
    found = {"cold_seconds": time.time() - options.cold}
    window.close()
    return found


def _warm(options: argparse.Namespace) -> dict[str, float]:
    app, window = _window(options.size)
    _wait(app, lambda: False, seconds=1.5)
    found = _opening(app, window, options.model)
    found |= _frames(app, window)
    found |= _answers(app, window)
    window.close()
    return found


def _opening(app: QApplication, window: MainWindow, model: Path) -> dict[str, float]:
    import numpy as np
    from PySide6.QtCore import QTimer

    beats: list[tuple[float, float]] = []

    def beat() -> None:
        beats.append((time.perf_counter(), time.thread_time()))

    heart = QTimer()
    heart.setInterval(0)
    heart.timeout.connect(beat)
    heart.start()
    start = time.perf_counter()
    beat()
    window.open_path(model)
    _wait(app, lambda: _is_painted(window))
    painted = time.perf_counter() - start
    megabytes = _megabytes()
    _wait(app, lambda: _is_quiet(window))
    heart.stop()
    turns = np.diff(np.array(beats), axis=0)
    return {
        "painted_seconds": painted,
        "ready_seconds": time.perf_counter() - start,
        "longest_gap_ms": 1e3 * float(turns[:, 0].max()),
        "longest_turn_ms": 1e3 * float(turns[:, 1].max()),
        "painted_megabytes": megabytes,
        "megabytes": _megabytes(),
        "nodes": len(window.graph.node_names()),
    }


def _frames(app: QApplication, window: MainWindow) -> dict[str, float]:
    """The time of frames while panning at many zooms, and while zooming through them."""
    import numpy as np
    from PySide6.QtCore import QPointF

    view, camera = window.graph, window.graph.camera
    picture = view.picture()
    assert picture is not None
    middle = picture.rect(len(picture.cards) // 2).center()
    gc.collect()
    pans, worst = [], 0.0
    for zoom in ZOOMS:
        camera.zoom(zoom / view.scale())
        camera.look_at(middle)
        _wait(app, lambda: False, seconds=0.2)
        times = [_timed(lambda: camera.pan(-9, -31), view.repaint) for _ in range(FRAMES)]
        pans += times
        worst = max(worst, float(np.percentile(times, 95)))
    camera.zoom(ZOOMS[0] / view.scale())
    camera.look_at(middle)
    _wait(app, lambda: False, seconds=0.2)
    at = QPointF(view.width() / 3, view.height() / 3)
    zooms = [_timed(lambda: camera.zoom(1 / 1.2, at), view.repaint) for _ in range(30)]
    zooms += [_timed(lambda: camera.zoom(1.2, at), view.repaint) for _ in range(30)]
    return {
        "pan_p95_ms": worst,
        "pan_median_ms": float(np.median(pans)),
        "zoom_p95_ms": float(np.percentile(zooms, 95)),
    }


def _answers(app: QApplication, window: MainWindow) -> dict[str, float]:
    """The time from a click to the selection shown, and from a key to the results."""
    view, bar = window.graph, window.graph_pane.find_bar
    names = view.node_names()
    layers = [layer.name for layer in window.document.layers]
    chosen = [*names[:: max(1, len(names) // 10)], *layers[:: max(1, len(layers) // 10)]]
    _wait(app, lambda: _is_quiet(window))
    selects = [_timed(lambda n=name: view.choose((n,)), window.repaint) for name in chosen]
    bar.open()
    finds = []
    for text in ("conv", "matmul layers.7", "shape:1x8x16", "op:Add", "sqnr<40", "x"):
        start = time.perf_counter()
        bar.field.setText(text)
        _wait(app, lambda: not window.tasks.is_busy("find") and bar.matches() is not None)
        finds.append(1e3 * (time.perf_counter() - start))
    return {"select_ms": max(selects), "find_ms": max(finds)}


def _timed(move: Callable[[], None], paint: Callable[[], None]) -> float:
    start = time.perf_counter()
    move()
    paint()
    return 1e3 * (time.perf_counter() - start)


def _is_painted(window: MainWindow) -> bool:
    """Whether cards are on the screen, all that belong there."""
    return window.graph.picture() is not None and window.graph.is_sharp()


def _is_quiet(window: MainWindow) -> bool:
    views = (window.presenter, window.graphs, window.graph)
    return not window.tasks.is_busy() and all(view.is_settled() for view in views)


def _wait(app: QApplication, done: Callable[[], bool], seconds: float = LONGEST) -> None:
    end = time.perf_counter() + seconds
    while not done() and time.perf_counter() < end:
        app.processEvents()
        time.sleep(0.0002)


def _megabytes() -> float:
    """What of the process is in memory now."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return float("nan")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
