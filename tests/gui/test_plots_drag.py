"""Clip lines that are dragged, by mouse and by key: one undo step, and figures that are exact."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from inspector.gui import spec_fields as fields
from inspector.gui.main_window import MainWindow
from inspector.gui.plots import shown
from inspector.gui.plots.histogram_plot import HistogramPlot
from inspector.gui.plots.items import spread, visible_steps
from inspector.gui.plots.shown import Subject, preview, with_range
from inspector.quant.distribution import ExactDistribution
from inspector.quant.kernels import fake_quantize, outside
from inspector.quant.metrics import sqnr_db
from inspector.quant.qparams import weight_qparams
from inspector.quant.spec import QuantSpec, RangeMethod
from inspector.report.units import percent_text
from inspector.session.facts import weight_facts

Idle = Callable[[], None]
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def chosen(opened: MainWindow, idle: Idle) -> MainWindow:
    """A window in which a layer is chosen."""
    layers = [layer for layer in opened.document.layers if layer.parameters > 500]
    opened.presenter.select((layers[0].name,))
    idle()
    return opened


def place_of(card: HistogramPlot, value: float) -> QPoint:
    """Where a value is on the screen."""
    middle = card.box.viewRect().center().y()
    return QPoint(card.view.mapFromScene(card.box.mapViewToScene(QPointF(value, middle))))


def mouse(card: HistogramPlot, kind: QEvent.Type, place: QPoint) -> None:
    """One event of the pointer, and all that follows from it."""
    port = card.view.viewport()
    held = LEFT if kind != QEvent.Type.MouseButtonRelease else Qt.MouseButton.NoButton
    button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else LEFT
    where = QPointF(place)
    event = QMouseEvent(
        kind,
        where,
        QPointF(port.mapToGlobal(place)),
        button,
        held,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(port, event)
    QApplication.processEvents()
    QApplication.processEvents()


@contextmanager
def dragging(card: HistogramPlot, start: float, way: list[int]) -> Iterator[None]:
    """Take the line at a value, move by these pixels from there, and let go in the end."""
    place = place_of(card, start)
    mouse(card, QEvent.Type.MouseButtonPress, place)
    for step in way:
        time.sleep(0.012)  # the plots take no more than 100 moves a second
        mouse(card, QEvent.Type.MouseMove, place + QPoint(step, 0))
    yield
    mouse(card, QEvent.Type.MouseButtonRelease, place + QPoint(way[-1], 0))


def method_of(window: MainWindow, role: str) -> RangeMethod:
    """How the range of the chosen layer is chosen."""
    method = getattr(window.document.specs_of(window.bridge.selected[0]), role).range
    assert isinstance(method, RangeMethod)
    return method


def change(window: MainWindow, text: str) -> None:
    """Give the chosen layer's weights another spec."""
    spec = QuantSpec.parse(text)
    window.bridge.change(fields.SpecChange("weights", "changed", lambda _: spec))


@pytest.mark.parametrize("text", ["int4:tensor", "int8:channel", "uint8:tensor:asym"])
def test_a_drag_sets_the_range_in_one_step(chosen: MainWindow, idle: Idle, text: str) -> None:
    """By mouse: every view follows, and what is shown is what quantizing gives."""
    change(chosen, text)
    idle()
    card, steps = chosen.plots.weights, len(chosen.document.steps)
    low, high = card.lines.range()
    seen = card.box.viewRange()
    with dragging(card, high, [-6, -12, -19, -27]):
        assert card.lines.is_moving
        moved = card.shape()
        assert moved is not None
        assert moved.high is not None
        assert moved.high < 0.95 * high
        assert card.box.viewRange() == seen
        assert card.note.full_text() == card.words()
        figures = chosen.panel.weight_figures.findChildren(QLabel)
        assert any(card.words().split(" clipped")[0] == label.text() for label in figures)
    idle()
    method = method_of(chosen, "weights")
    assert method.hi is not None
    assert method.lo is not None
    assert 0 < method.hi < 0.95 * high
    if "asym" in text:
        assert method.lo == pytest.approx(low, rel=1e-3)
    else:
        assert method.lo == -method.hi
    layer = chosen.document.layer(chosen.bridge.selected[0])
    values = chosen.document.model.constant(layer.weight or "")
    grid = weight_qparams(values, chosen.document.specs_of(layer.name).weights, 0)
    shape = card.shape()
    assert shape is not None
    assert (shape.low, shape.high) == pytest.approx((float(grid.lo.min()), float(grid.hi.max())))
    expected = sqnr_db(values, fake_quantize(values, grid))
    found = chosen.bridge.sqnr(layer.name)
    assert found == pytest.approx(expected, abs=1e-3)
    assert shape.note.startswith(f"{percent_text(float(outside(values, grid).mean()))} clipped")
    assert len(chosen.document.steps) == steps + 1
    assert "range[" in chosen.document.undo_label
    with dragging(card, card.lines.range()[1], [-4, -9]):
        pass
    assert len(chosen.document.steps) == steps + 2
    chosen.bridge.undo()
    chosen.bridge.undo()
    assert str(chosen.document.recipe.chosen(layer).weights) == text


def test_a_double_click_brings_the_method_back(chosen: MainWindow, idle: Idle) -> None:
    """The one that was chosen before the range was set by hand, here or in the panel."""
    change(chosen, "int6:tensor:mse")
    idle()
    card = chosen.plots.weights
    card.lines.reset_asked.emit()
    assert method_of(chosen, "weights").kind == "mse"
    with dragging(card, card.lines.range()[0], [4, 9]):
        pass
    assert method_of(chosen, "weights").kind == "range"
    place = place_of(card, card.lines.range()[0])
    for kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease):
        mouse(card, kind, place)
    for kind in (QEvent.Type.MouseButtonDblClick, QEvent.Type.MouseButtonRelease):
        mouse(card, kind, place)
    assert method_of(chosen, "weights") == RangeMethod("mse")
    assert not card.lines.is_moving


def test_keys_move_a_line(
    qtbot: QtBot, chosen: MainWindow, idle: Idle, sample_models: Path
) -> None:
    """Arrows move one end, with Shift further; a burst of them is one step."""
    chosen.open_path(sample_models / "digits_calibration.npz")
    idle()
    card, steps = chosen.plots.activations, len(chosen.document.steps)
    low, high = card.lines.range()
    wide = float(card.box.viewRect().width())
    card.view.setFocus()
    qtbot.keyClick(card.view, Qt.Key.Key_Left)
    qtbot.keyClick(card.view, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: method_of(chosen, "activations").kind == "range")
    method = method_of(chosen, "activations")
    assert method.hi == pytest.approx(high - 0.055 * wide, rel=1e-3)
    assert method.lo == pytest.approx(low, abs=1e-3 * wide)
    qtbot.keyClick(card.view, Qt.Key.Key_Left)
    qtbot.keyClick(card.view, Qt.Key.Key_Down)
    assert len(chosen.document.steps) == steps + 1
    assert card.lines.keyed == "low"
    qtbot.keyClick(card.view, Qt.Key.Key_Left)
    chosen.pane.table.setFocus()
    assert len(chosen.document.steps) == steps + 2
    moved = method_of(chosen, "activations").lo
    assert moved is not None
    assert moved < low
    idle()
    facts = chosen.bridge.activation_facts(chosen.bridge.selected[0])
    assert facts is not None
    assert facts.spec.range == method_of(chosen, "activations")
    card.view.setFocus()
    qtbot.keyClick(card.view, Qt.Key.Key_Backspace)
    assert method_of(chosen, "activations").kind == "mse"


def test_an_estimate_while_dragging_and_exact_figures_after(
    chosen: MainWindow, idle: Idle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where exact figures would not keep up, some channels stand for all, and it is said."""
    change(chosen, "int8:channel")
    idle()
    monkeypatch.setattr(shown, "_FRAME_NS", 300.0)
    card, steps = chosen.plots.weights, len(chosen.document.steps)
    with dragging(card, card.lines.range()[1], [-5, -10]):
        assert card.words().startswith("≈")
        assert chosen.plots.channels.words().startswith("≈")
        assert len(chosen.document.steps) == steps
    assert not card.words().startswith("≈")
    assert len(chosen.document.steps) == steps + 1
    with dragging(card, card.lines.range()[1], [-5, -10]):
        late = len(chosen.document.steps)
        QApplication.processEvents()
        chosen.plots._of_weights.edits._catch_up()
        assert len(chosen.document.steps) == late + 1
        assert not card.words().startswith("≈")
    assert len(chosen.document.steps) == late + 1


def test_float_has_nothing_to_drag(chosen: MainWindow, idle: Idle) -> None:
    """No lines, no ticks, and keys do no harm."""
    change(chosen, "float")
    idle()
    card = chosen.plots.weights
    assert not card.lines.are_shown()
    assert card.ticks.ticks() == ()
    assert card.words() == "left in float"


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 9), st.floats(0.05, 3.0), st.booleans())
def test_the_estimate_is_that_of_its_rows(
    rows: int, every: int, reach: float, symmetric: bool
) -> None:
    """With every row it is exact; else each row has the figures of one that was looked at."""
    values = np.random.default_rng(rows).normal(size=(rows, 50)).astype(np.float32)
    spec = QuantSpec.parse(f"int4:channel:{'sym' if symmetric else 'asym'}").filled("weights")
    subject = Subject(
        "weights", "layer", weight_facts(values, spec, 0), ExactDistribution.of(values, axis=0)
    )
    found = preview(subject, -reach, reach, every).facts
    exact = weight_facts(values, with_range(spec, -reach, reach), 0)
    assert found.qparams is not None
    assert found.profile is not None
    assert exact.qparams is not None
    assert exact.profile is not None
    assert np.array_equal(found.qparams.scale, exact.qparams.scale)
    assert np.array_equal(found.profile.sqnr_db[::every], exact.profile.sqnr_db[::every])
    assert len(found.profile.sqnr_db) == rows
    assert found.levels is not None
    assert found.levels.sum() == pytest.approx(values.size)
    assert found.exact == (every == 1)
    if every == 1:
        assert found.profile.total_sqnr_db == exact.profile.total_sqnr_db


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0, 300), min_size=0, max_size=12), st.floats(1, 30))
def test_labels_keep_apart(wanted: list[float], apart: float) -> None:
    """In their order, within bounds, and where there is room without overlap."""
    placed = spread(wanted, apart, 0.0, 300.0)
    assert len(placed) == len(wanted)
    assert all(-1e-6 <= place <= 300.0 + 1e-6 for place in placed)
    ordered = sorted(placed)
    least = min(apart, 300.0 / max(len(wanted) - 1, 1))
    assert all(b - a >= least - 1e-6 for a, b in pairwise(ordered))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 900), st.integers(1, 400), st.integers(0, 9))
def test_no_spike_is_lost_between_pixels(bins: int, pixels: int, seed: int) -> None:
    """However few pixels there are, the highest bin is drawn, where it is."""
    heights = np.random.default_rng(seed).exponential(size=bins)
    edges = np.linspace(0, pixels, bins + 1)
    x, y = visible_steps(edges, heights)
    assert len(x) == len(y) + 1 <= max(pixels + 2, bins + 1 if bins <= pixels + 1 else 0)
    assert y.max() == heights.max()
    top = int(heights.argmax())
    drawn = int(y.argmax())
    assert x[drawn] - 1.0 <= edges[top] <= x[drawn + 1] + 1.0
    assert x[0] == edges[0]
    assert x[-1] == edges[-1]


def test_a_range_without_width_is_refused_by_the_lines(chosen: MainWindow, idle: Idle) -> None:
    """Zero stays inside, and something is always kept."""
    change(chosen, "uint8:tensor:asym")
    idle()
    lines = chosen.plots.weights.lines
    lines.move("high", -5.0)
    low, high = lines.range()
    assert low < 0.0 <= high
    lines.move("low", 5.0)
    low, high = lines.range()
    assert low < high
    assert low <= 0.0
    lines.rest()
    spec = chosen.document.specs_of(chosen.bridge.selected[0]).weights
    assert spec == replace(spec, range=RangeMethod("range", lo=low, hi=high))
