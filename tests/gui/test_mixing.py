"""The page of widths: the ranking of layers, mixed precision, and what follows from a click."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from inspector.evaluate.fidelity import FidelityMeter
from inspector.evaluate.preview import Preview
from inspector.evaluate.runtime import open_session
from inspector.graph.grids import choose_grids
from inspector.gui.estimate import preview_samples
from inspector.gui.layer_rows import ALONE
from inspector.gui.main_window import MainWindow
from inspector.gui.mixing.front_plot import FrontPlot
from inspector.gui.mixing.sensitivities import CHANNEL
from inspector.gui.mixing.sensitivity_plot import SensitivityPlot
from inspector.gui.plots.plot_card import PlotCard
from inspector.onnxio.runnable import runnable
from inspector.quant.spec import FLOAT, LayerSpecs, QuantSpec

Idle = Callable[[], None]


def settle(qtbot: QtBot, window: MainWindow, idle: Idle) -> None:
    """Wait until all is found and shown."""
    idle()
    qtbot.waitUntil(window.mixing.is_settled, timeout=10_000)
    idle()


@pytest.fixture
def ranked(qtbot: QtBot, calibrated: MainWindow, idle: Idle) -> MainWindow:
    """A window in which the sensitivities were asked for by the command."""
    calibrated.actions_["actionSensitivity"].trigger()
    settle(qtbot, calibrated, idle)
    return calibrated


@pytest.fixture
def searched(qtbot: QtBot, calibrated: MainWindow, idle: Idle) -> MainWindow:
    """A window in which mixed precision was looked for by the command."""
    calibrated.actions_["actionSearch"].trigger()
    settle(qtbot, calibrated, idle)
    return calibrated


def test_data_that_comes_later_is_seen(
    qtbot: QtBot, opened: MainWindow, idle: Idle, sample_models: Path
) -> None:
    """Also while the page is in front: it does not go on asking for data."""
    opened.plots.pages.turn_to("Widths")
    settle(qtbot, opened, idle)
    chart = opened.findChild(SensitivityPlot)
    assert chart is not None
    assert not chart.run.isEnabled()

    opened.open_path(sample_models / "digits_calibration.npz")
    settle(qtbot, opened, idle)
    assert chart.run.isEnabled()
    assert "when it alone is quantized" in chart.empty.text()


def click_plot(qtbot: QtBot, card: PlotCard, place: QPointF) -> None:
    """Click on a plot at a place in its own coordinates."""
    scene = card.box.mapViewToScene(place)
    point = card.view.mapFromScene(scene)
    qtbot.mouseMove(card.view.viewport(), point)
    qtbot.mouseClick(card.view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(point))


def alone(window: MainWindow, name: str, text: tuple[str, str]) -> float:
    """Output SQNR with one layer quantized, from whole runs of the simulation."""
    document = window.document
    opened, calibration, dataset = document.opened, document.calibration, document.dataset
    assert calibration is not None
    assert dataset is not None
    own = LayerSpecs(
        QuantSpec.parse(text[0]).filled("weights"), QuantSpec.parse(text[1]).filled("activations")
    )
    floats = {layer.name: LayerSpecs(FLOAT, FLOAT) for layer in opened.graph.layers}
    plan = opened.placement.plan({**floats, name: own})
    grids = choose_grids(opened.graph, plan, opened.prepared.constant, calibration.tensors)
    preview, meter = Preview(opened.prepared, opened.placement), FidelityMeter(None)
    reference = open_session(runnable(opened.source))
    for feeds in preview_samples(dataset).samples():
        meter.add(reference.run(feeds), preview.run(grids, feeds))
    return meter.result().sqnr_db


def test_the_ranking_is_what_layers_do_alone(ranked: MainWindow) -> None:
    """Worst first; every figure there; one of them against whole runs."""
    chart, ranking = ranked.plots.sensitivity(), ranked.plots.sensitivity().ranking
    names = {layer.name for layer in ranked.document.layers}
    assert ranked.plots.pages.page.name == "Widths"
    assert set(ranking.names) == names
    assert (np.diff(ranking.both) >= 0).all()
    for values in (ranking.weights, ranking.activations, ranking.rest, ranking.estimate):
        assert np.isfinite(values).all()
    assert ranking.both[0] == pytest.approx(
        alone(ranked, ranking.names[0], ("int4", "uint4")), abs=0.01
    )
    assert ranking.names[0] in chart.words()
    # The table has a column that sorts as the chart does, and the chart can be copied.
    table = ranked.pane.table
    assert not table.isColumnHidden(ALONE)
    table.sortByColumn(ALONE, Qt.SortOrder.AscendingOrder)
    shown = [table.model().index(n, 0).data() for n in range(table.model().rowCount())]
    assert shown == list(ranking.names)
    columns = dict(chart.table())
    assert len(columns["layer"]) == len(columns["layer alone, dB"]) == 10


def test_clicks_and_keys(qtbot: QtBot, ranked: MainWindow, idle: Idle) -> None:
    """A click selects a layer everywhere; another width is shown in chart, table and heat."""
    chart = ranked.plots.sensitivity()
    names = chart.ranking.names
    click_plot(qtbot, chart, QPointF(2.0, float(chart.ranking.both[2]) / 2))
    assert ranked.bridge.selected == (names[2],)
    assert ranked.pane.selected() == (names[2],)
    qtbot.keyClick(chart.view, Qt.Key.Key_Right)
    assert ranked.bridge.selected == (names[3],)
    ranked.heat.choose("sensitivity")
    worst = chart.ranking.names[0]
    before = ranked.heat.value(worst)
    qtbot.keyClick(chart.bits_box, Qt.Key.Key_Down)
    settle(qtbot, ranked, idle)
    assert ranked.mixing.sensitivities.bits == 8
    after = ranked.heat.value(worst)
    assert before is not None
    assert after is not None
    assert after > before + 10
    row = ranked.pane.model.row(ranked.pane.model.number(worst) or 0)
    assert row.alone is not None
    assert (row.alone.sqnr, row.alone.bits) == (after, 8)


def test_without_figures_there_is_no_column(calibrated: MainWindow) -> None:
    """And the chart invites."""
    assert calibrated.pane.table.isColumnHidden(ALONE)
    calibrated.plots.pages.turn_to("Widths")
    assert calibrated.plots.sensitivity().is_empty()
    assert calibrated.plots.sensitivity().run.isEnabled()


def test_figures_of_earlier_choices_are_greyed(
    qtbot: QtBot, ranked: MainWindow, idle: Idle
) -> None:
    """Another range method makes a layer's figure old; another width does not."""
    name, other = ranked.document.layers[1].name, ranked.document.layers[2].name
    ranked.bridge.set_specs([name], QuantSpec.parse("int8:mse"), None)
    ranked.bridge.set_specs([other], QuantSpec.parse("int5"), None)
    settle(qtbot, ranked, idle)
    ranking = ranked.plots.sensitivity().ranking
    stale = {n for n, old in zip(ranking.names, ranking.stale, strict=True) if old}
    assert stale == {name}
    assert "earlier" in ranked.plots.sensitivity().words()
    ranked.bridge.undo()
    ranked.bridge.undo()
    settle(qtbot, ranked, idle)
    assert not ranked.plots.sensitivity().ranking.stale.any()


def test_it_can_be_stopped(qtbot: QtBot, calibrated: MainWindow, idle: Idle) -> None:
    """What was found until then stays, and it can be asked for again."""
    known = calibrated.mixing.sensitivities
    calibrated.actions_["actionSensitivity"].trigger()
    qtbot.waitUntil(lambda: known.widths is not None, timeout=10_000)
    qtbot.mouseClick(
        calibrated.strip.findChild(QPushButton, "cancelButton"), Qt.MouseButton.LeftButton
    )
    settle(qtbot, calibrated, idle)
    assert not calibrated.tasks.is_busy(CHANNEL)
    assert known.was_stopped or len(known.outcomes) == 80
    calibrated.plots.pages.turn_to("Widths")
    qtbot.mouseClick(calibrated.plots.sensitivity().run, Qt.MouseButton.LeftButton)
    settle(qtbot, calibrated, idle)
    assert len(known.outcomes) == 80


def test_without_data_the_commands_say_what_to_do(
    qtbot: QtBot, opened: MainWindow, idle: Idle
) -> None:
    """In the message bar; nothing is started."""
    for name in ("actionSensitivity", "actionSearch"):
        opened.actions_[name].trigger()
        idle()
        assert opened.messages.isVisible()
        assert not opened.mixing.sensitivities.is_running
        assert not opened.mixing.mixed.is_running


def test_the_front_can_be_clicked(qtbot: QtBot, searched: MainWindow, idle: Idle) -> None:
    """A click makes a choice today's, with live figures; one undo takes any number back."""
    front, document = searched.plots.front(), searched.document
    before, steps = document.recipe, document.undo_label
    places = [n for n, mixture in enumerate(front.mixtures) if mixture.on_front]
    places.sort(key=lambda n: front.mixtures[n].cost)
    for number in (places[len(places) // 2], places[1]):
        click_plot(qtbot, front, front.place_at(number))
        settle(qtbot, searched, idle)
        assert front.today == number
        assert front.mixtures[number].words() in front.words()
        found = searched.bridge.fidelity
        assert found is not None
        assert found.sqnr_db == pytest.approx(front.mixtures[number].sqnr, abs=0.05)
    assert {spec.weights.bits for spec in document.specs.values()} == {4, 8}
    assert "mixed precision" in document.undo_label
    searched.actions_["actionUndo"].trigger()
    settle(qtbot, searched, idle)
    assert document.recipe == before
    assert document.undo_label == steps
    # Keys walk along the front, the cheaper to the left.
    qtbot.keyClick(front.view, Qt.Key.Key_Left)
    settle(qtbot, searched, idle)
    first = front.today
    qtbot.keyClick(front.view, Qt.Key.Key_Left)
    settle(qtbot, searched, idle)
    assert first is not None
    assert front.today is not None
    assert front.mixtures[front.today].cost < front.mixtures[first].cost


def test_a_front_of_earlier_choices_says_so(
    qtbot: QtBot, searched: MainWindow, idle: Idle, sample_models: Path
) -> None:
    """After another change; not after its own."""
    front = searched.plots.front()
    click_plot(qtbot, front, front.place_at(0))
    settle(qtbot, searched, idle)
    assert not searched.mixing.mixed.is_stale()
    name = searched.document.layers[0].name
    searched.bridge.set_specs([name], QuantSpec.parse("int8:mse"), None)
    settle(qtbot, searched, idle)
    assert searched.mixing.mixed.is_stale()
    assert "earlier" in front.words()
    # Of another model nothing is left.
    searched.bridge.undo()
    searched.bridge.undo()
    searched.open_path(sample_models / "digits_mobile.onnx")
    settle(qtbot, searched, idle)
    assert searched.plots.front().is_empty()
    assert searched.mixing.mixed.tried == []


def limited(qtbot: QtBot, window: MainWindow, idle: Idle, title: str, number: str) -> FrontPlot:
    """A search within a limit, asked for by keys."""
    window.plots.pages.turn_to("Widths")
    settle(qtbot, window, idle)
    front = window.plots.front()
    box = front.limit
    box.setCurrentIndex(box.findText(title))
    box.activated.emit(box.currentIndex())
    assert front.value.isVisibleTo(front)
    front.value.selectAll()
    qtbot.keyClicks(front.value, number)
    qtbot.keyClick(front.value, Qt.Key.Key_Return)
    settle(qtbot, window, idle)
    return front


def test_a_limit_leads_to_one_choice(qtbot: QtBot, calibrated: MainWindow, idle: Idle) -> None:
    """The best within it is named, and a click takes it; one undo takes it back."""
    front = limited(qtbot, calibrated, idle, "Bits ≤", "5.5")
    mixed = calibrated.mixing.mixed
    number = mixed.best()
    assert number is not None
    within = [m.sqnr for m in front.mixtures if m.bits <= 5.5]
    assert front.mixtures[number].sqnr == max(within)
    assert "best within the limit" in front.words()
    assert "bits a weight" in dict(front.table())
    before = calibrated.document.recipe
    qtbot.mouseClick(front.take, Qt.MouseButton.LeftButton)
    settle(qtbot, calibrated, idle)
    assert front.today == number
    assert not front.take.isVisibleTo(front)
    calibrated.bridge.undo()
    assert calibrated.document.recipe == before


def test_a_floor_that_no_choice_reaches(qtbot: QtBot, calibrated: MainWindow, idle: Idle) -> None:
    """The nearest that can be is named."""
    front = limited(qtbot, calibrated, idle, "SQNR ≥", "120")
    number = calibrated.mixing.mixed.best()
    assert number is not None
    assert front.mixtures[number].sqnr == max(m.sqnr for m in front.mixtures)
    assert "none reaches it; the nearest" in front.words()


def test_a_budget_below_the_cheapest_choice(
    qtbot: QtBot, calibrated: MainWindow, idle: Idle
) -> None:
    """Nothing is run; what can be had is told."""
    front = limited(qtbot, calibrated, idle, "Size ≤", "0.001")
    assert "the nearest that can be is" in calibrated.messages.text()
    assert calibrated.mixing.mixed.tried == []
    assert front.run.isEnabled()
    front = limited(qtbot, calibrated, idle, "Accuracy ≥", "90")
    assert "no labels" in calibrated.messages.text()
