"""One process that opens a model with data in a window and says what changes cost, as JSON.

python tests/benchmarks/live_probe.py MODEL DATA
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from inspector.gui.main_window import MainWindow

LONGEST = 300.0
MANY = 40


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print(json.dumps(_measure(options.model, options.data, options.rounds)))


def _measure(model: Path, data: Path, rounds: int) -> dict[str, float]:
    app, window = _window()
    for path in (model, data):
        window.open_path(path)
        _settle(app, window)
    found: dict[str, float] = {}
    for kind in ("first", "any", "last", "many"):
        passes, figures, painted = _edits(app, window, _changes(window, kind, rounds))
        found[f"{kind}_seconds"] = median(figures)
        found[f"{kind}_ratio"] = median(a / b for a, b in zip(figures, passes, strict=True))
        found[f"{kind}_painted_ms"] = 1000 * median(painted)
        found["float_seconds"] = median(passes)
    found["storm_seconds"] = _storm(app, window)
    found["samples"] = float(len(_samples(window)))
    window.close()
    return found


def _changes(window: MainWindow, kind: str, rounds: int) -> list[tuple[str, ...]]:
    """Whose weights are changed: the first layer's, the last one's, any one's, or of many."""
    names = [layer.name for layer in window.document.layers if layer.weight is not None]
    if kind == "many":
        return [tuple(names[:MANY])] * rounds
    at = {"first": [0], "last": [len(names) - 1]}.get(
        kind, [len(names) * (2 * i + 1) // (2 * rounds) for i in range(rounds)]
    )
    return [(names[at[i % len(at)]],) for i in range(rounds)]


def _edits(
    app: QApplication, window: MainWindow, changes: Sequence[tuple[str, ...]]
) -> tuple[list[float], list[float], list[float]]:
    """Seconds of the float passes, from each change to new figures, and to the last plot."""
    from inspector.quant.spec import QuantSpec

    passes, figures, painted = [], [], []
    specs = [QuantSpec.parse(text) for text in ("int6", "int5", "int7", "int4")]
    for number, names in enumerate(changes):
        window.presenter.select(names[:1])
        _settle(app, window)
        passes.append(_float_passes(window))
        arrived: list[float] = []

        def arrive(arrived: list[float] = arrived) -> None:
            if not window.bridge.evaluation.is_stale:
                arrived.append(time.perf_counter())

        window.bridge.evaluation.changed.connect(arrive)
        started = time.perf_counter()
        window.bridge.set_specs(names, specs[number % len(specs)], None)
        app.sendPostedEvents()
        app.processEvents()
        painted.append(time.perf_counter() - started)
        _wait(app, lambda arrived=arrived: bool(arrived))
        window.bridge.evaluation.changed.disconnect(arrive)
        figures.append(arrived[0] - started)
    return passes, figures, painted


def _storm(app: QApplication, window: MainWindow) -> float:
    """Seconds from the last of many quick changes to its figures: older runs give way to it."""
    from inspector.quant.spec import QuantSpec

    names = [layer.name for layer in window.document.layers if layer.weight is not None]
    for number in range(20):
        name = names[number % len(names)]
        window.bridge.set_specs([name], QuantSpec.parse(f"int{3 + number % 5}"), None)
        until = time.perf_counter() + 0.03
        _wait(app, lambda until=until: time.perf_counter() > until)
    started = time.perf_counter()
    _wait(app, lambda: not window.bridge.evaluation.is_stale)
    return time.perf_counter() - started


def _samples(window: MainWindow) -> list[dict[str, object]]:
    from inspector.gui.estimate import preview_samples

    data = window.document.dataset
    assert data is not None
    return list(preview_samples(data).samples())


def _float_passes(window: MainWindow) -> float:
    """Seconds that plain onnxruntime takes for the same samples, once it is warm."""
    import onnxruntime as ort

    known = window.property("float")
    if known is None:
        session = ort.InferenceSession(
            str(window.document.opened.path), providers=["CPUExecutionProvider"]
        )
        known = session, _samples(window)
        window.setProperty("float", known)
        _run(*known)
    return _run(*known)


def _run(session: object, samples: Sequence[dict[str, object]]) -> float:
    started = time.perf_counter()
    for feeds in samples:
        session.run(None, feeds)  # type: ignore[attr-defined]  # onnxruntime has no types
    return time.perf_counter() - started


def _window() -> tuple[QApplication, MainWindow]:
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
    window = MainWindow()
    window.tasks.closing.connect(offload.stop)
    window.resize(1280, 800)
    window.show()
    return app, window


def _settle(app: QApplication, window: MainWindow) -> None:
    views = (window.presenter, window.graphs, window.graph)
    _wait(app, lambda: not window.tasks.is_busy() and all(view.is_settled() for view in views))


def _wait(app: QApplication, done: Callable[[], bool]) -> None:
    until = time.perf_counter() + LONGEST
    while not done():
        if time.perf_counter() > until:
            raise TimeoutError("the window did not come to rest")
        app.processEvents()
        time.sleep(0.0005)


if __name__ == "__main__":
    main()
