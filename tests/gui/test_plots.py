"""The plots in the window: pages, ticks, read-outs, and that what is shown is what is so."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent, QEnterEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu, QTabBar
from pytestqt.qtbot import QtBot

from inspector.errors import SaveError
from inspector.gui import spec_fields as fields
from inspector.gui.main_window import MainWindow
from inspector.gui.plots.bar_plots import ChannelPlot
from inspector.gui.plots.channel_plots import ChannelRangePlot
from inspector.gui.plots.plot_card import PlotCard
from inspector.gui.plots.plot_export import PlotMenu, csv_of, image_of, save_card, svg_of
from inspector.quant.curves import BITS, tradeoff
from inspector.quant.distribution import ExactDistribution
from inspector.quant.kernels import fake_quantize
from inspector.quant.metrics import sqnr_db
from inspector.quant.qparams import weight_qparams
from inspector.quant.ranges import choose_range
from inspector.quant.spec import QuantSpec, RangeMethod
from inspector.quant.spread import channel_boxes
from inspector.session import effort
from inspector.session.facts import weight_facts

Idle = Callable[[], None]


@pytest.fixture
def chosen(opened: MainWindow, idle: Idle) -> MainWindow:
    """A window in which a layer is chosen and all about it is known."""
    name = next(layer.name for layer in opened.document.layers if layer.parameters > 500)
    opened.presenter.select((name,))
    idle()
    return opened


def weights(window: MainWindow) -> np.ndarray:
    """The chosen layer's weight."""
    layer = window.document.layer(window.bridge.selected[0])
    return np.asarray(window.document.model.constant(layer.weight or ""))


def change(window: MainWindow, **parts: object) -> None:
    """Change the spec of the chosen layer's weights."""
    window.bridge.change(
        fields.SpecChange("weights", "changed", lambda spec: replace(spec, **parts))
    )


def hover(card: PlotCard, x: float, y: float) -> str:
    """What a card says when the pointer is on a place."""
    scene = card.box.mapViewToScene(QPointF(x, y))
    card.plot.scene().sigMouseMoved.emit(scene)
    return card.note.full_text()


def test_pages_show_their_plots_and_are_remembered(
    qtbot: QtBot, chosen: MainWindow, idle: Idle
) -> None:
    """The first page has what was always there; tabs by mouse and key lead to the others."""
    tabs = chosen.findChild(QTabBar, "plotPages")
    assert tabs is not None
    seen = [card.objectName() for card in chosen.plots.pages.made() if card.isVisible()]
    first = ["weightHistogram", "activationHistogram", "errorPlot", "channelPlot", "layerErrorPlot"]
    assert seen == first
    tabs.setFocus()
    qtbot.keyClick(tabs, Qt.Key.Key_Right)
    idle()
    assert chosen.plots.weight_errors().isVisible()
    assert not chosen.plots.weights.isVisible()
    place = tabs.tabRect(3).center()
    qtbot.mouseClick(tabs, Qt.MouseButton.LeftButton, pos=place)
    idle()
    assert chosen.plots.weight_bits().isVisible()
    again = MainWindow()
    qtbot.addWidget(again)
    assert again.plots.pages.page.name == "Trade-off"
    again.close()


def test_the_plots_say_whose_they_are(opened: MainWindow, idle: Idle) -> None:
    """Where several layers are chosen they show the first; with one or none there is no doubt."""
    names = tuple(layer.name for layer in opened.document.layers)
    pages = opened.plots.pages
    for some in (names[:1], names[:2], names, ()):
        opened.presenter.select(some)
        idle()
        first = f"{some[0]}: first of {len(some)} layers" if len(some) > 1 else ""
        assert pages.of.full_text() == first


def test_every_plot_has_text_that_fits(chosen: MainWindow, idle: Idle) -> None:
    """Titles are whole at 1280x800, on every page and with a name for everybody."""
    for number in range(chosen.plots.pages.tabs.count()):
        chosen.plots.pages.tabs.setCurrentIndex(number)
        idle()
        for card in chosen.plots.pages.seen():
            assert card.title.width() >= card.title.sizeHint().width()
            assert card.accessibleName()
            assert card.view.accessibleName()


def test_ticks_are_what_each_method_chooses(qtbot: QtBot, chosen: MainWindow, idle: Idle) -> None:
    """The methods' ranges come from the background; a click on one chooses it."""
    change(chosen, granularity=QuantSpec.parse("int8:tensor").granularity, dtype="int4")
    idle()
    strip = chosen.plots.weights.ticks
    spec = chosen.document.specs_of(chosen.bridge.selected[0]).weights
    dist = ExactDistribution.of(weights(chosen))
    assert [tick.method.kind for tick in strip.ticks()] == ["minmax", "percentile", "kl", "mse"]
    for tick in strip.ticks():
        expected = choose_range(dist, replace(spec, range=tick.method))
        assert (tick.low, tick.high) == (float(expected.lo[0]), float(expected.hi[0]))
    rects = strip.label_rects()
    assert all(rect.left() >= 0 and rect.right() <= strip.width() + 0.5 for rect in rects)
    ordered = sorted(rects, key=lambda rect: rect.left())
    assert all(a.right() <= b.left() for a, b in itertools.pairwise(ordered))
    place = rects[3].center().toPoint()
    qtbot.mouseMove(strip, place)
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=place)
    method = chosen.document.specs_of(chosen.bridge.selected[0]).weights.range
    assert method == RangeMethod("mse")
    strip.setFocus()
    qtbot.keyClick(strip, Qt.Key.Key_Right)
    for _ in range(4):
        qtbot.keyClick(strip, Qt.Key.Key_Left)
    qtbot.keyClick(strip, Qt.Key.Key_Return)
    lowest = min(strip.ticks(), key=lambda tick: tick.high).method
    assert chosen.document.specs_of(chosen.bridge.selected[0]).weights.range == lowest


def test_the_curves_are_what_quantizing_gives(chosen: MainWindow, idle: Idle) -> None:
    """SQNR by bits and the trade-off, against the tensor quantized apart."""
    change(chosen, granularity=QuantSpec.parse("int8:tensor").granularity, dtype="int5")
    chosen.plots.pages.turn_to("Trade-off")
    idle()
    layer, values = chosen.document.layer(chosen.bridge.selected[0]), weights(chosen)
    spec = chosen.document.specs_of(layer.name).weights
    curves = chosen.plots.weight_bits().curves()
    assert len(curves) == 4
    for method, curve in curves.items():
        for bits in (3, 6):
            own = replace(spec, dtype=f"int{bits}", range=method)
            expected = sqnr_db(values, fake_quantize(values, weight_qparams(values, own, 0)))
            assert curve[bits - BITS[0]] == pytest.approx(expected, abs=1e-3)
    present = chosen.plots.weight_bits().present()
    assert present is not None
    assert present.bits == 5
    assert present.sqnr == pytest.approx(curves[present.method][5 - BITS[0]])
    found = chosen.plots.weight_tradeoff().tradeoff()
    assert found is not None
    assert np.array_equal(found.total, tradeoff(ExactDistribution.of(values), spec).total)
    assert "5 bits" in hover(chosen.plots.weight_bits(), 5.2, 10.0)
    assert "rounding" in hover(chosen.plots.weight_tradeoff(), -1.6, -20.0)


def test_dragging_the_threshold_sets_the_range(chosen: MainWindow, idle: Idle) -> None:
    """The marker of the trade-off is a clip line too."""
    chosen.plots.pages.turn_to("Trade-off")
    change(chosen, granularity=QuantSpec.parse("int8:tensor").granularity)
    idle()
    plot, steps = chosen.plots.weight_tradeoff(), len(chosen.document.steps)
    for place in (-1.2, -1.4, -1.5):
        plot.line.setValue(place)
        plot.line.sigDragged.emit(plot.line)
    plot.line.sigPositionChangeFinished.emit(plot.line)
    method = chosen.document.specs_of(chosen.bridge.selected[0]).weights.range
    assert method is not None
    assert method.hi == pytest.approx(2.0**-1.5, rel=1e-3) or method.lo == pytest.approx(
        -(2.0**-1.5), rel=1e-3
    )
    assert len(chosen.document.steps) == steps + 1


def test_channels_side_by_side(chosen: MainWindow, idle: Idle) -> None:
    """Boxes and heat are of the weight; a click picks the channel everywhere."""
    chosen.plots.pages.turn_to("Channels")
    idle()
    values = weights(chosen).reshape(len(weights(chosen)), -1)
    boxes, heat = chosen.plots.ranges().boxes(), chosen.plots.heat().heat()
    assert boxes is not None
    assert heat is not None
    assert np.array_equal(boxes.hi, values.max(axis=1)[boxes.order])
    assert heat.counts.sum() == values.size
    chosen.plots.ranges().clicked_at(QPointF(len(values) - 1, 0.0))
    widest = int(boxes.order[-1])
    assert f"channel {widest}:" in hover(chosen.plots.ranges(), len(values) - 1, 0.0)
    chosen.plots.pages.turn_to("Distribution")
    idle()
    shape = chosen.plots.weights.shape()
    assert shape is not None
    assert f"channel {widest}" in shape.note
    assert shape.counts.sum() == values[widest].size
    facts = chosen.bridge.weight_facts(chosen.bridge.selected[0])
    assert facts is not None
    assert facts.qparams is not None
    assert facts.qparams.hi.reshape(-1)[widest] == pytest.approx(shape.high)


def test_errors_of_weights_and_activations(calibrated: MainWindow, idle: Idle) -> None:
    """Both are in steps of their grids, and are found again after a change."""
    calibrated.presenter.select((calibrated.document.layers[1].name,))
    calibrated.plots.pages.turn_to("Error")
    idle()
    before = calibrated.plots.weight_errors().errors()
    assert before is not None
    assert before.rms == pytest.approx(1 / np.sqrt(12), abs=0.06)
    assert calibrated.plots.activation_errors().errors() is not None
    change(calibrated, range=RangeMethod("range", lo=-0.05, hi=0.05))
    idle()
    after = calibrated.plots.weight_errors().errors()
    assert after is not None
    assert after.rms > 2 * before.rms
    assert "values" in hover(calibrated.plots.weight_errors(), 0.0, 1.0)


def test_hover_zoom_and_reset(qtbot: QtBot, chosen: MainWindow) -> None:
    """The pointer reads values with units; what was zoomed stays until it is taken back."""
    card = chosen.plots.weights
    words = card.words()
    shape = card.shape()
    assert shape is not None
    text = hover(card, float(shape.edges[3]) + 1e-9, 1.0)
    assert text != words
    assert "values" in text
    assert "dB" in hover(chosen.plots.channels, 1.0, 2.0)
    assert "dB" in hover(chosen.plots.layers, 0.0, 2.0)
    assert "→" in hover(chosen.plots.error, 0.01, 0.0)
    whole = card.box.viewRange()[0]
    card.view.setFocus()
    qtbot.keyClick(card.view, Qt.Key.Key_Plus)
    assert card.is_zoomed
    assert card.all.isVisible()
    zoomed = card.box.viewRange()[0]
    assert zoomed[1] - zoomed[0] < whole[1] - whole[0]
    change(chosen, dtype="int6")
    assert card.box.viewRange()[0] == pytest.approx(zoomed)
    qtbot.mouseClick(card.all, Qt.MouseButton.LeftButton)
    assert not card.is_zoomed
    assert card.box.viewRange()[0] == pytest.approx(whole)
    qtbot.keyClick(card.view, Qt.Key.Key_Minus)
    other = next(name for name in (layer.name for layer in chosen.document.layers)
                 if name not in chosen.bridge.selected)  # fmt: skip
    chosen.presenter.select((other,))
    assert not card.is_zoomed


def test_copy_and_save(
    qtbot: QtBot, chosen: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an image, as a drawing and as numbers; trouble is told."""
    card = chosen.plots.weights
    menu = next(one for one in chosen.plots.findChildren(PlotMenu) if one._card is card)
    for action in menu.menu().actions()[:2]:
        assert action.isEnabled()
        action.trigger()
    assert "count" in QGuiApplication.clipboard().text().splitlines()[0]
    menu.copy()
    image = QGuiApplication.clipboard().image()
    assert image.width() == 2 * card.width()
    assert len({image.pixel(x, y) for x in range(0, image.width(), 7) for y in (60, 140)}) > 2
    for ending in (".svg", ".png", ".csv"):
        path = tmp_path / f"plot{ending}"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, path=path: (str(path), ""))
        menu.ask_where()
        assert path.stat().st_size > 200
    rows = (tmp_path / "plot.csv").read_text().splitlines()
    shape = card.shape()
    assert shape is not None
    assert sum(float(row.split(",")[2] or 0) for row in rows[1:]) == shape.counts.sum()
    assert b"<svg" in svg_of(card, "<script>")
    assert b"<script>" not in svg_of(card, "<script>")
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "none" / "a.svg"), "")
    )
    menu.ask_where()
    assert "no folder" in chosen.messages.text()
    with pytest.raises(SaveError, match=r"as plot\.gif"):
        save_card(card, tmp_path / "plot.gif")


def test_every_plot_can_be_saved(calibrated: MainWindow, idle: Idle) -> None:
    """Each has numbers of equal columns, and an image."""
    calibrated.presenter.select((calibrated.document.layers[1].name,))
    for name in ("actionSensitivity", "actionSearch"):
        calibrated.actions_[name].trigger()
        idle()
    for number in range(calibrated.plots.pages.tabs.count()):
        calibrated.plots.pages.tabs.setCurrentIndex(number)
        idle()
        for card in calibrated.plots.pages.seen():
            assert not card.is_empty(), card.objectName()
            head, *rows = csv_of(card).decode().splitlines()
            assert rows
            assert head
            assert not image_of(card).isNull()
            assert card.words()


def test_names_do_not_become_markup_or_formulas(chosen: MainWindow) -> None:
    """Hostile layer names stay what they are."""
    names = ["=1+1", "<b>bold</b>\nsecond", ""]
    layers = chosen.plots.layers
    layers.show_layers(names, [1.0, None, 3.0], names[:1], "worst <i>one</i>")
    assert layers.note.textFormat() == Qt.TextFormat.PlainText
    assert "\n" not in hover(layers, 1.0, 0.5)
    assert b"\n'=1+1,1" in csv_of(layers)


def test_nothing_chosen_says_so(chosen: MainWindow, idle: Idle) -> None:
    """No figure of a layer is left behind."""
    chosen.presenter.select(())
    for number in range(4):
        chosen.plots.pages.tabs.setCurrentIndex(number)
        idle()
        for card in chosen.plots.pages.seen():
            if card is not chosen.plots.layers:
                assert card.is_empty()
                assert card.table() == ()
    assert not chosen.tasks.is_busy()


def test_keys_reach_the_menu_and_the_layers(
    qtbot: QtBot, chosen: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The menu key opens the menu of the plot in focus; arrows go from layer to layer."""
    asked: list[QPoint] = []
    monkeypatch.setattr(QMenu, "popup", lambda _, place: asked.append(place))
    card = chosen.plots.layers
    card.view.setFocus()
    assert card.view.hasFocus()
    place = QPoint(9, 9)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, place, place)
    QApplication.sendEvent(card.view, event)
    assert asked == [place]
    before = chosen.bridge.selected
    qtbot.keyClick(card.view, Qt.Key.Key_Right)
    assert chosen.bridge.selected != before


def test_what_takes_long_is_found_in_the_background(
    chosen: MainWindow, idle: Idle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method that tries many ranges for many channels does not hold the window up."""
    monkeypatch.setattr(effort, "QUICK_MS", 0.01)
    before = chosen.plots.weights.shape()
    change(chosen, range=RangeMethod("kl"))
    assert chosen.plots.weights.shape() is before
    assert chosen.plots.weights.note.full_text().startswith("Computing")
    idle()
    after = chosen.plots.weights.shape()
    assert after is not before
    assert not chosen.plots.weights.note.full_text().startswith("Computing")
    layer = chosen.document.layer(chosen.bridge.selected[0])
    grid = weight_qparams(weights(chosen), chosen.document.specs_of(layer.name).weights, 0)
    assert after is not None
    assert after.high == pytest.approx(float(grid.hi.max()))


def test_many_blocks_are_drawn_as_columns(qtbot: QtBot) -> None:
    """More channels than pixels: each column reaches as far as any that it stands for."""
    values = np.random.default_rng(3).normal(size=(30_000, 4)).astype(np.float32)
    card = ChannelRangePlot()
    qtbot.addWidget(card)
    card.resize(300, 200)
    boxes = channel_boxes(ExactDistribution.of(values, axis=0))
    card.show_boxes(boxes, (boxes.lo[np.argsort(boxes.order)],) * 2, 17, "block")
    card.show()
    assert not card.grab().isNull()
    card.box.setXRange(29_990, 29_999, padding=0)
    assert not card.grab().isNull()
    assert "block" in hover(card, 29_995, 0.0)


def test_an_empty_weight_has_nothing_to_show(chosen: MainWindow) -> None:
    """Zero values are no error of the program."""
    spec = QuantSpec.parse("int8:channel").filled("weights")
    for shape in ((0, 3), (3, 0)):
        values = np.zeros(shape, np.float32)
        facts = weight_facts(values, spec, 0)
        dist = ExactDistribution.of(values, axis=0)
        for number in range(4):
            chosen.plots.pages.tabs.setCurrentIndex(number)
            chosen.plots.show_weights(f"empty {shape} {number}", facts, dist, "")
    assert chosen.plots.error.is_empty() or chosen.plots.error.words()


def test_a_button_over_each_plot_asks_for_its_menu(qtbot: QtBot) -> None:
    """While the pointer is on it; nobody has to know of the right button."""
    card = ChannelPlot()  # alone: the menu itself is not wanted here
    qtbot.addWidget(card)
    card.show_channels(np.arange(4.0), 1, "")
    card.show()
    qtbot.waitExposed(card)
    assert card.more.isHidden()
    QApplication.sendEvent(card, QEnterEvent(QPointF(5, 5), QPointF(5, 5), QPointF(5, 5)))
    assert card.more.isVisible()
    assert card.view.geometry().contains(card.more.geometry().center())
    with qtbot.waitSignal(card.menu_asked):
        qtbot.mouseClick(card.more, Qt.MouseButton.LeftButton)
    QApplication.sendEvent(card, QEvent(QEvent.Type.Leave))
    assert card.more.isHidden()
    card.show_empty("Nothing")
    QApplication.sendEvent(card, QEnterEvent(QPointF(5, 5), QPointF(5, 5), QPointF(5, 5)))
    assert card.more.isHidden()
