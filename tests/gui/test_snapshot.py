"""A beside B: pinning, swapping, and what the strip and the chart show of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow
from inspector.gui.snapshot import SWAP
from inspector.quant.spec import QuantSpec
from inspector.report.units import decibel_text

Idle = Callable[[], None]
CTRL = Qt.KeyboardModifier.ControlModifier


def change(window: MainWindow, spec: str) -> None:
    """Quantize the weights of one layer in another way."""
    window.bridge.set_specs([window.document.layers[1].name], QuantSpec.parse(spec), None)


def decibels(window: MainWindow) -> str:
    """Today's output SQNR."""
    fidelity = window.bridge.fidelity
    assert fidelity is not None
    return decibel_text(fidelity.sqnr_db)


def test_the_strip_shows_both(qtbot: QtBot, calibrated: MainWindow, idle: Idle) -> None:
    """What was pinned keeps its figure while today's recipe changes."""
    first = decibels(calibrated)
    qtbot.keyClick(calibrated, Qt.Key.Key_P, CTRL)
    assert calibrated.strip.text("sqnr") == f"Output SQNR B ≈ {first}, A {first}"
    assert not calibrated.actions_["actionSwap"].isEnabled()
    change(calibrated, "int3")
    idle()
    second = decibels(calibrated)
    assert second != first
    assert calibrated.strip.text("sqnr") == f"Output SQNR B ≈ {second}, A {first}"
    assert " A " in calibrated.strip.text("cosine")
    calibrated.actions_["actionUnpin"].trigger()
    assert calibrated.strip.text("sqnr") == f"Output SQNR ≈ {second}"
    assert not calibrated.actions_["actionUnpin"].isEnabled()


def test_swapping_is_one_step_and_undo_takes_both_back(calibrated: MainWindow, idle: Idle) -> None:
    """A and B change places, also on the way back and forth through the history."""
    document, snapshots = calibrated.document, calibrated.insight.snapshots
    first, recipe_a = decibels(calibrated), document.recipe
    snapshots.pin()
    change(calibrated, "int3")
    idle()
    second, recipe_b = decibels(calibrated), document.recipe
    steps = len(document.steps)
    calibrated.actions_["actionSwap"].trigger()
    idle()
    assert len(document.steps) == steps + 1
    assert document.undo_label == SWAP
    assert document.recipe == recipe_a
    assert calibrated.strip.text("sqnr") == f"Output SQNR B ≈ {first}, A {second}"
    calibrated.bridge.undo()
    idle()
    assert document.recipe == recipe_b
    assert snapshots.pinned is not None
    assert snapshots.pinned.recipe == recipe_a
    assert calibrated.strip.text("sqnr") == f"Output SQNR B ≈ {second}, A {first}"
    calibrated.bridge.redo()
    idle()
    assert snapshots.pinned.recipe == recipe_b
    assert calibrated.strip.text("sqnr") == f"Output SQNR B ≈ {first}, A {second}"


def test_other_data_gives_both_other_figures(
    calibrated: MainWindow, idle: Idle, tmp_path: Path
) -> None:
    """What is pinned is evaluated again, on the ranges and samples of today."""
    first = decibels(calibrated)
    calibrated.insight.snapshots.pin()
    change(calibrated, "int4")
    path = tmp_path / "other.npz"
    images = np.random.default_rng(1).normal(size=(16, 1, 16, 16)).astype(np.float32)
    shape = calibrated.document.graph.tensors[calibrated.document.graph.inputs[0]].shape
    assert shape is not None
    images = np.resize(images, (16, *[d if isinstance(d, int) else 1 for d in shape[1:]]))
    np.savez(path, image=images)
    calibrated.open_path(path)
    idle()
    pinned = calibrated.insight.snapshots.pinned
    assert pinned is not None
    assert pinned.fidelity is not None
    assert decibel_text(pinned.fidelity.sqnr_db) != first
    calibrated.insight.snapshots.swap()
    idle()
    assert decibels(calibrated) == decibel_text(pinned.fidelity.sqnr_db)


def test_the_chart_shows_both(qtbot: QtBot, calibrated: MainWindow, idle: Idle) -> None:
    """Marks where the outputs of A are, and how many layers are better."""
    calibrated.plots.pages.turn_to("Layers")
    figures, chart = calibrated.insight.layers, calibrated.plots.model()
    qtbot.waitUntil(lambda: bool(figures.outputs), timeout=20_000)
    first = dict(figures.outputs)
    calibrated.insight.snapshots.pin()
    change(calibrated, "int3")
    qtbot.waitUntil(lambda: not figures.is_stale, timeout=20_000)
    qtbot.waitUntil(calibrated.insight.chart.is_settled)
    expected = [first[name] for name in chart.series.names]
    np.testing.assert_array_equal(chart.series.pinned, expected)
    assert "output of A" in chart.legend.text()
    difference = np.array([figures.outputs[name] for name in chart.series.names]) - expected
    assert f"{int((difference < -0.05).sum())} worse" in chart.words()
    assert f"A {decibel_text(expected[1])}" in chart.read_at(1.0, 0.0)


def test_the_chart_finds_what_was_pinned_while_nobody_looked(
    qtbot: QtBot, calibrated: MainWindow, idle: Idle
) -> None:
    """Today's figures come first, then those of A."""
    calibrated.insight.snapshots.pin()
    change(calibrated, "int3")
    idle()
    calibrated.plots.pages.turn_to("Layers")
    chart = calibrated.plots.model()
    qtbot.waitUntil(lambda: bool(np.isfinite(chart.series.pinned).any()), timeout=20_000)
    pinned, outputs = chart.series.pinned.copy(), chart.series.outputs.copy()
    assert outputs[2] < pinned[2] - 3
    calibrated.actions_["actionSwap"].trigger()
    qtbot.waitUntil(lambda: not calibrated.insight.layers.is_stale, timeout=20_000)
    qtbot.waitUntil(calibrated.insight.chart.is_settled)
    np.testing.assert_array_equal(chart.series.outputs, pinned)
    np.testing.assert_array_equal(chart.series.pinned, outputs)


def test_another_model_has_no_snapshot(
    calibrated: MainWindow, idle: Idle, sample_models: Path
) -> None:
    """A recipe of another model means nothing here."""
    calibrated.insight.snapshots.pin()
    calibrated.open_path(sample_models / "digits_mobile.onnx")
    idle()
    assert calibrated.insight.snapshots.pinned is None
    assert " A " not in calibrated.strip.text("sqnr")
