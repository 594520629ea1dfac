"""Opening one model after another leaves nothing of those before."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication, QWidget

from inspector.gui.main_window import MainWindow

Idle = Callable[[], None]
MODELS, SETTLED = 20, 6
MEGABYTES = 6


@pytest.fixture
def heavy(tmp_path: Path) -> list[Path]:
    """Two models with some megabytes of weights, which differ."""
    paths = []
    for number in range(2):
        rng = np.random.default_rng(number)
        side = (MEGABYTES << 20) // 4096
        weight = rng.standard_normal((side, 1024)).astype(np.float32)
        nodes = [
            helper.make_node("MatMul", ["x", "w"], ["h"], f"layer{number}"),
            helper.make_node("Relu", ["h"], ["y"], "relu"),
        ]
        graph = helper.make_graph(
            nodes,
            "heavy",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", side])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", weight.shape[1]])],
            [numpy_helper.from_array(weight, "w")],
        )
        path = tmp_path / f"heavy{number}.onnx"
        opset = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
        paths.append(path)
    return paths


def resident() -> float:
    """Megabytes of memory that this process takes now; skips where that is not told."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("This system does not say how much memory a process takes")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def census(window: MainWindow) -> tuple[int, int, int]:
    """How many widgets and objects belong to a window, and how many widgets to nobody."""
    return (
        len(window.findChildren(QWidget)),
        len(window.findChildren(QObject)),
        len(QApplication.topLevelWidgets()),
    )


def test_twenty_models_leave_nothing(window: MainWindow, idle: Idle, heavy: list[Path]) -> None:
    """No widget, no object, no model; of memory no more than noise.

    All of them together hold more than a hundred megabytes of weights.
    """
    for number in range(window.plots.pages.tabs.count()):
        window.plots.pages.tabs.setCurrentIndex(number)  # plots are made when they are first seen
    models: list[weakref.ref[object]] = []
    before = (0, 0, 0)
    taken = 0.0
    for number in range(MODELS):
        window.open_path(heavy[number % 2])
        idle()
        name = f"layer{number % 2}"
        assert window.document.layer(name).name == name
        window.selection.choose((name,))
        idle()
        models.append(weakref.ref(window.document.opened.source))
        if number == SETTLED:
            gc.collect()
            before, taken = census(window), resident()
    gc.collect()
    assert census(window) == before
    alive = [number for number, model in enumerate(models) if model() is not None]
    assert alive == [MODELS - 1]
    assert resident() - taken < 5 * MEGABYTES
