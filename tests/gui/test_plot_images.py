"""What each plot paints, against small stored images; see `StoredImages` in conftest.py.

Fonts differ between machines: numbers and names are left out, and the room that they take is fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from inspector.gui.layer_chart import LayerChart, LayerSeries
from inspector.gui.plots.bar_plots import ChannelPlot, LayerErrorPlot
from inspector.gui.plots.channel_plots import ChannelHeatPlot, ChannelRangePlot
from inspector.gui.plots.curve_plots import BitsPlot, Present, TradeoffPlot
from inspector.gui.plots.error_plot import ErrorHistogramPlot, ErrorPlot
from inspector.gui.plots.histogram_plot import HistogramPlot
from inspector.gui.plots.items import LabelItem
from inspector.gui.plots.plot_card import PlotCard
from inspector.gui.plots.shapes import HistogramShape, error_curve, quantized_steps
from inspector.gui.theme import DARK, LIGHT, Theme
from inspector.quant.curves import BITS, tradeoff
from inspector.quant.distribution import ExactDistribution
from inspector.quant.profile import level_counts
from inspector.quant.qparams import QParams, weight_qparams
from inspector.quant.spec import QuantSpec, RangeMethod
from inspector.quant.spread import channel_boxes, channel_heat, error_histogram

THEMES = {"light": LIGHT, "dark": DARK}
WIDE, HIGH = 240, 150
MOST = 0.09
"""Of a block that may differ: plots have thin lines, and one of them fills but a tenth of it."""
LEFT, BOTTOM = 24, 14
"""Pixels of the axes."""
SPEC = QuantSpec.parse("int4:channel:minmax").filled("weights")


def values() -> np.ndarray:
    """Of 12 channels, each wider than the one before; no library's random numbers are needed."""
    steps = np.linspace(-1.0, 1.0, 400)
    bell = np.sign(steps) * steps**2
    return np.float32([(0.2 + 0.1 * row) * bell + 0.02 * (row % 3) for row in range(12)])


def grid() -> QParams:
    """One for each channel."""
    return weight_qparams(values(), SPEC, 0)


def one_grid() -> QParams:
    """One for all channels."""
    spec = QuantSpec.parse("int4:tensor:range[-0.9,0.9]").filled("weights")
    return weight_qparams(values(), spec)


def distribution() -> ExactDistribution:
    """Of the values, channel by channel."""
    return ExactDistribution.of(values(), axis=0)


def histogram(*, log: bool = False) -> HistogramPlot:
    """With clip lines, levels and the quantized histogram."""
    card = HistogramPlot("histogram", "Weights", log=log)
    counts, edges = np.histogram(values(), 48)
    qp = one_grid()
    flat = ExactDistribution.of(values())
    drawn = quantized_steps(qp, 0, level_counts(flat, qp), float(edges[1] - edges[0]))
    step, low, high = float(qp.scale.reshape(-1)[0]), float(qp.lo.min()), float(qp.hi.max())
    card.show_shape(
        HistogramShape(edges, counts.astype(float), *drawn, step, 16, low, high, True, "")
    )
    return card


def logarithmic() -> HistogramPlot:
    """The same with logarithmic counts."""
    return histogram(log=True)


def sawtooth() -> ErrorPlot:
    """Teeth, and wings on both sides."""
    card, qp = ErrorPlot(), one_grid()
    low, high = float(qp.lo.min()), float(qp.hi.max())
    curve = error_curve(qp, 0, -1.3, 1.3)
    card.show_curve(*curve, float(qp.scale.reshape(-1)[0]), (-1.3, 1.3), "", (low, high))
    return card


def errors() -> ErrorHistogramPlot:
    """How often each error is."""
    card = ErrorHistogramPlot("errors", "Weight errors")
    card.show_errors(error_histogram(distribution(), grid()))
    return card


def channel_ranges() -> ChannelRangePlot:
    """Boxes, with one picked."""
    card, qp = ChannelRangePlot(), grid()
    ends = qp.lo.reshape(-1).astype(float), qp.hi.reshape(-1).astype(float)
    card.show_boxes(channel_boxes(distribution()), ends, 4, "channel")
    return card


def channel_values() -> ChannelHeatPlot:
    """Channel by bin."""
    card = ChannelHeatPlot()
    card.show_heat(channel_heat(distribution()), 4, "channel")
    return card


def channel_sqnr() -> ChannelPlot:
    """Bars, and a mark."""
    card = ChannelPlot()
    card.show_channels(np.linspace(12.0, 30.0, 12), 5, "")
    return card


def bits() -> BitsPlot:
    """Two methods, and the present choice."""
    card = BitsPlot("bits", "SQNR by bits")
    line = 6.02 * np.array(BITS, np.float64)
    curves = {RangeMethod("minmax"): line - 6.0, RangeMethod("mse"): np.minimum(line, 60.0)}
    card.show_curves(curves, Present(RangeMethod("mse"), 8, 48.0), "")
    return card


def clip_or_round() -> TradeoffPlot:
    """Three curves, the present threshold and its dot."""
    card = TradeoffPlot("tradeoff", "Clip or round")
    spec = QuantSpec.parse("int4:tensor:minmax").filled("weights")
    card.show_tradeoff(tradeoff(ExactDistribution.of(values()), spec), (0.9, -18.0))
    return card


def layers() -> LayerErrorPlot:
    """Bars, one of them chosen."""
    card = LayerErrorPlot()
    names = [f"layer{number}" for number in range(9)]
    card.show_layers(names, [30.0 - 2 * n if n != 4 else None for n in range(9)], ["layer2"], "")
    return card


def model() -> LayerChart:
    """Bars with every kind of mark."""
    card = LayerChart()
    names = tuple(f"layer{number}" for number in range(8))
    falling = np.linspace(36.0, 18.0, 8)
    series = LayerSeries(
        names, falling + 6, falling + 3, falling, np.r_[falling[:4] + 8, falling[4:]], falling - 6
    )
    card.show_series(series, ("layer3",), "")
    return card


PLOTS: tuple[Callable[[], PlotCard], ...] = (
    *(histogram, logarithmic, sawtooth, errors, channel_ranges, channel_values),
    *(channel_sqnr, bits, clip_or_round, layers, model),
)


def paint(qtbot: QtBot, card: PlotCard, theme: Theme) -> QImage:
    """A plot without its texts."""
    qtbot.addWidget(card)
    card.apply_theme(theme)
    for side in ("left", "bottom"):
        axis = card.plot.axis(side)
        axis.setStyle(showValues=False)
        axis.showLabel(False)
    card.plot.axis("left").setWidth(LEFT)
    card.plot.axis("bottom").setHeight(BOTTOM)
    for item in card.box.allChildItems():
        if isinstance(item, LabelItem):
            item.setVisible(False)
    card.view.setFixedSize(WIDE, HIGH)
    card.show()
    qtbot.waitExposed(card)
    card.show_all()
    card.view.clearFocus()  # with it, the end that the keys move is drawn stronger
    return card.view.grab().toImage()


@pytest.mark.parametrize("mode", THEMES)
@pytest.mark.parametrize("make", PLOTS)
def test_it_looks_as_it_did(
    qtbot: QtBot, stored_images: Any, make: Callable[[], PlotCard], mode: str
) -> None:
    """Each plot in each theme."""
    image = paint(qtbot, make(), THEMES[mode])
    stored_images.hold(f"plot_{make.__name__}_{mode}", image, MOST)


def other_values() -> HistogramPlot:
    """A bin is missing."""
    card = histogram()
    shape = card.shape()
    assert shape is not None
    shape.counts[20:24] = 0
    card.show_shape(shape)
    return card


def other_choice() -> BitsPlot:
    """Another width is marked."""
    card = bits()
    card.show_curves(card.curves(), Present(RangeMethod("mse"), 4, 24.0), "")
    return card


def other_mark() -> ChannelPlot:
    """Another channel is marked."""
    card = channel_sqnr()
    card.show_channels(np.linspace(12.0, 30.0, 12), 9, "")
    return card


FAULTS = ((histogram, other_values), (bits, other_choice), (channel_sqnr, other_mark))
"""Small things that may go wrong, and where they must be noticed."""


@pytest.mark.parametrize(("right", "wrong"), FAULTS)
def test_the_tolerance_hides_no_fault(
    qtbot: QtBot, stored_images: Any, right: Callable[[], PlotCard], wrong: Callable[[], PlotCard]
) -> None:
    """And what is the same is the same."""
    first = paint(qtbot, right(), LIGHT)
    assert stored_images.differing(first, paint(qtbot, right(), LIGHT)) == 0
    assert stored_images.differing(first, paint(qtbot, wrong(), LIGHT)) > MOST


def test_themes_differ(qtbot: QtBot, stored_images: Any) -> None:
    """Dark is dark."""
    light = stored_images.pixels(paint(qtbot, histogram(), LIGHT))
    dark = stored_images.pixels(paint(qtbot, histogram(), DARK))
    assert light.mean() > 170
    assert dark.mean() < 90
