"""The chart of all layers, against figures that are computed apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from pytestqt.qtbot import QtBot

from inspector.evaluate.layer_errors import LayerErrors, LayerRequest
from inspector.evaluate.preview import Preview
from inspector.graph.grids import choose_grids
from inspector.gui.estimate import preview_samples
from inspector.gui.layer_chart import LayerChart, LayerSeries
from inspector.gui.layer_figures import CHANNEL
from inspector.gui.main_window import MainWindow
from inspector.gui.theme import DARK, LIGHT
from inspector.quant.spec import QuantSpec
from inspector.report.units import decibel_text
from inspector.session.chosen import resolve

Idle = Callable[[], None]


@pytest.fixture
def chart(qtbot: QtBot, calibrated: MainWindow, idle: Idle) -> LayerChart:
    """The chart in sight, with all its figures."""
    calibrated.plots.pages.turn_to("Layers")
    wait_for_figures(qtbot, calibrated, idle)
    return calibrated.plots.model()


def wait_for_figures(qtbot: QtBot, window: MainWindow, idle: Idle) -> None:
    """Wait until the chart shows all that will come."""
    figures, presenter = window.insight.layers, window.insight.chart
    qtbot.waitUntil(
        lambda: not figures.is_stale and bool(figures.outputs) and presenter.is_settled(),
        timeout=20_000,
    )
    idle()
    qtbot.waitUntil(presenter.is_settled)


def computed_apart(window: MainWindow) -> dict[str, float]:
    """The error at each layer's output under today's recipe."""
    opened, document = window.document.opened, window.document
    assert document.calibration is not None
    assert document.dataset is not None
    plan = opened.placement.plan(resolve(opened, document.recipe))
    grids = choose_grids(opened.graph, plan, opened.prepared.constant, document.calibration.tensors)
    preview = Preview(opened.prepared, opened.placement)
    samples = list(preview_samples(document.dataset).samples())
    return LayerErrors(preview).run(LayerRequest.of(preview, grids), samples)


def change(window: MainWindow, number: int, spec: str) -> None:
    """Quantize the weights of one layer in another way."""
    window.bridge.set_specs([window.document.layers[number].name], QuantSpec.parse(spec), None)


def test_all_three_figures_of_each_layer_are_shown(
    calibrated: MainWindow, chart: LayerChart
) -> None:
    """Weights as in the table, activations as in the graph, outputs as computed apart."""
    series, bridge = chart.series, calibrated.bridge
    names = [layer.name for layer in calibrated.document.layers]
    assert list(series.names) == names
    apart = computed_apart(calibrated)
    np.testing.assert_allclose(series.outputs, [apart[name] for name in names], atol=0.01)
    np.testing.assert_allclose(series.weights, [bridge.sqnr(name) for name in names])
    activations = calibrated.heat.numbers()["asqnr"]
    np.testing.assert_allclose(series.activations, [activations[name] for name in names])
    worst = min(apart, key=apart.__getitem__)
    assert worst in chart.words()
    assert decibel_text(apart[worst]) in chart.words()


def test_the_figures_before_the_last_change_stay_beside_the_new_ones(
    qtbot: QtBot, calibrated: MainWindow, chart: LayerChart, idle: Idle
) -> None:
    """They are greyed until the new ones come; after an undo they are there at once."""
    before = chart.series.outputs.copy()
    assert not np.isfinite(chart.series.before).any()
    change(calibrated, 2, "int3")
    qtbot.waitUntil(lambda: chart.series.is_stale)
    np.testing.assert_array_equal(chart.series.outputs, before)
    assert "earlier choice" in chart.words()
    wait_for_figures(qtbot, calibrated, idle)
    after = chart.series.outputs.copy()
    names = list(chart.series.names)
    apart = computed_apart(calibrated)
    np.testing.assert_allclose(after, [apart[name] for name in names], atol=0.01)
    np.testing.assert_array_equal(chart.series.before, before)
    assert after[2] < before[2] - 5
    calibrated.bridge.undo()
    assert not calibrated.insight.layers.is_stale
    qtbot.waitUntil(calibrated.insight.chart.is_settled)
    assert not chart.series.is_stale
    np.testing.assert_array_equal(chart.series.outputs, before)


def test_nothing_runs_while_nobody_looks(
    qtbot: QtBot, calibrated: MainWindow, chart: LayerChart, idle: Idle
) -> None:
    """Another page stops the work, and the chart catches up when it is seen again."""
    asked: list[str] = []
    calibrated.tasks.started.connect(lambda task: asked.append(task.channel))
    calibrated.plots.pages.turn_to("Error")
    change(calibrated, 1, "int4")
    idle()
    qtbot.wait(300)
    assert CHANNEL not in asked
    calibrated.plots.pages.turn_to("Layers")
    wait_for_figures(qtbot, calibrated, idle)
    assert CHANNEL in asked
    apart = computed_apart(calibrated)
    np.testing.assert_allclose(
        chart.series.outputs, [apart[name] for name in chart.series.names], atol=0.01
    )


def test_the_user_can_stop_it(
    qtbot: QtBot, calibrated: MainWindow, chart: LayerChart, idle: Idle
) -> None:
    """The work does not start again by itself, only with the next change."""
    change(calibrated, 1, "int4")
    qtbot.waitUntil(lambda: calibrated.tasks.is_busy(CHANNEL), timeout=10_000)
    calibrated.tasks.cancel(CHANNEL)
    assert calibrated.insight.layers.is_stopped
    qtbot.wait(300)
    assert not calibrated.tasks.is_busy(CHANNEL)
    change(calibrated, 1, "int5")
    wait_for_figures(qtbot, calibrated, idle)


def test_without_data_there_are_the_weights(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """And words that say what is missing."""
    opened.plots.pages.turn_to("Layers")
    idle()
    qtbot.waitUntil(opened.insight.chart.is_settled)
    series = opened.plots.model().series
    assert np.isfinite(series.weights).all()
    assert not np.isfinite(series.outputs).any()
    assert "calibration data" in opened.plots.model().words()


def test_a_click_selects_the_layer(qtbot: QtBot, calibrated: MainWindow, chart: LayerChart) -> None:
    """In both orders, and the pointer reads out its figures."""
    chart.order.setCurrentText("Worst first")
    outputs = chart.series.outputs
    order = np.argsort(outputs, kind="stable")
    assert chart.names() == [chart.series.names[number] for number in order]
    place = chart.box.mapViewToScene(QPointF(1.0, 1.0))
    at = chart.view.mapFromScene(place)
    qtbot.mouseMove(chart.view.viewport(), at)
    qtbot.mouseClick(chart.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    second = chart.series.names[int(order[1])]
    assert calibrated.bridge.selected == (second,)
    text = chart.read_at(1.0, 0.0)
    assert text.startswith(f"{second}: weights ")
    assert f"output ≈ {decibel_text(float(outputs[order[1]]))}" in text
    qtbot.keyClick(chart.view, Qt.Key.Key_Right)
    assert calibrated.bridge.selected == (chart.series.names[int(order[2])],)


def test_thousands_of_layers_are_drawn_as_the_worst_of_each_few(qtbot: QtBot) -> None:
    """A bar then stands for the lowest of its layers, and a click finds that one."""
    rng = np.random.default_rng(0)
    names = [f"layer {number}\n<b>" for number in range(5000)]
    values = rng.normal(30, 5, 5000)
    values[777] = -3.0
    values[10] = np.nan
    values[11] = np.inf
    chart = LayerChart()
    qtbot.addWidget(chart)
    chart.resize(900, 220)
    empty = np.full(5000, np.nan)
    chart.show_series(LayerSeries(names, empty, empty, values, empty, empty), (names[3],), "words")
    for theme in (LIGHT, DARK):
        chart.apply_theme(theme)
        chart.show()
        chart.grab()
    assert chart.read_at(770.0, 0.0).startswith("layer 777")
    picked: list[str] = []
    chart.picked.connect(picked.append)
    chart.clicked_at(QPointF(770.0, 0.0))
    assert picked == [names[777]]
    chart.order.setCurrentText("Worst first")
    assert chart.names()[0] == names[777]
    assert chart.names()[-1] == names[10]
    assert [title for title, _ in chart.table()] == ["layer", "output, dB"]


def test_layers_without_figures_are_no_trouble(qtbot: QtBot) -> None:
    """One layer, all infinite, or nothing known at all."""
    chart = LayerChart()
    qtbot.addWidget(chart)
    chart.show()
    for value in (np.inf, -np.inf, np.nan):
        one = np.array([value])
        chart.show_series(LayerSeries(("",), one, one, one, one, one), ("",), "")
        chart.grab()
    assert chart.read_at(0.0, 0.0).endswith("no figures yet")


def test_layers_can_be_sorted_by_what_changed(qtbot: QtBot) -> None:
    """Against A where something is pinned, else before; the difference is said and saved."""
    chart = LayerChart()
    qtbot.addWidget(chart)
    nan = np.nan
    outputs, before = np.array([30.0, 20.0, 25.0, nan]), np.array([31.0, 20.0, 25.5, 20.0])
    pinned = np.array([30.0, 26.0, 22.0, 20.0])
    none = np.full(4, nan)
    names = ("a", "b", "c", "d")
    chart.show_series(LayerSeries(names, none, none, outputs, before, pinned), (), "")
    chart.order.setCurrentText("Most changed")
    assert chart.names() == ["b", "c", "a", "d"]
    assert "−6.0 dB" in chart.read_at(0.0, 0.0)
    assert "+3.0 dB" in chart.read_at(1.0, 0.0)
    table = dict(chart.table())
    np.testing.assert_array_equal(table["difference to A, dB"], [-6.0, 3.0, 0.0, nan])
    chart.show_series(LayerSeries(names, none, none, outputs, before, none), (), "")
    assert chart.names() == ["a", "c", "b", "d"]
    assert "difference to A, dB" not in dict(chart.table())
    endless = np.array([np.inf, 20.0, 1.0, 2.0])
    chart.show_series(LayerSeries(names, none, none, endless, none, endless), (), "")
    assert "NaN" not in chart.read_at(0.0, 0.0)
