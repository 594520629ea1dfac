"""Plots that are made late: after the first graph, page by page, in quiet moments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow

FIRST = ("weightHistogram", "activationHistogram", "errorPlot", "channelPlot", "layerErrorPlot")
LATE = (
    *("errorHistogram", "activationErrors", "channelRanges", "channelHeat", "weightBits"),
    *("weightTradeoff", "activationBits", "activationTradeoff", "layerChart"),
)


@pytest.fixture
def late(qtbot: QtBot) -> Iterator[MainWindow]:
    """A window as the command line opens it on a model."""
    made = MainWindow(plots_later=True)
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.show()
    yield made
    made.close_now()


def test_plots_come_after_the_graph_and_show_what_is_chosen(
    qtbot: QtBot, late: MainWindow, sample_models: Path
) -> None:
    """Whatever was chosen before they came; those of the other pages come by themselves."""
    assert late.plot_slot.pane is None
    late.open_path(sample_models / "digits_cnn.onnx")
    qtbot.waitUntil(lambda: bool(late.document.layers))
    name = late.document.layers[0].name
    late.presenter.select((name,))
    qtbot.waitUntil(lambda: late.plot_slot.pane is not None)
    plots = late.plots
    assert all(late.findChild(QWidget, name) is not None for name in FIRST)
    qtbot.waitUntil(lambda: not plots.weights.is_empty())
    assert plots.layers.isVisible()
    assert plots.weights.theme is late.themes.theme
    qtbot.waitUntil(lambda: all(late.findChild(QWidget, name) is not None for name in LATE))


def test_a_page_is_made_when_it_is_turned_to(opened: MainWindow) -> None:
    """And says at once why it is empty."""
    plots = opened.plots
    for page, late in (("Channels", plots.ranges), ("Trade-off", plots.weight_bits)):
        plots.pages.turn_to(page)
        assert late.made is not None
        assert late.made.isVisible()
        assert late.made.empty.text() == plots.weights.empty.text() != ""


def test_the_widths_of_plots_are_remembered(
    qtbot: QtBot, opened: MainWindow, sample_models: Path
) -> None:
    """For each page, whatever else has been made."""
    pages, ranges, heat = opened.plots.pages, opened.plots.ranges, opened.plots.heat
    pages.turn_to("Channels")
    wide = {ranges(): 500, heat(): 250, opened.plots.channels: 230}
    pages.splitter.setSizes([wide.get(card, 0) for card in pages.made()])
    before = ranges().width()
    assert before > heat().width() + 200
    pages.turn_to("Distribution")
    pages.turn_to("Channels")
    assert ranges().width() == pytest.approx(before, abs=3)
    pages.remember()
    again = MainWindow()
    qtbot.addWidget(again)
    again.resize(1280, 800)
    again.show()
    again.open_path(sample_models / "digits_cnn.onnx")
    qtbot.waitUntil(lambda: bool(again.document.layers))
    assert again.plots.ranges().width() == pytest.approx(before, abs=3)
    again.close_now()
