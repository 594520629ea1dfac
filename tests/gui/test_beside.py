"""What is pinned as A, on the plots of the layer beside today's choice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow
from inspector.gui.plots.beside import Beside
from inspector.quant.kernels import fake_quantize
from inspector.quant.metrics import sqnr_db
from inspector.quant.qparams import weight_qparams
from inspector.quant.spec import QuantSpec

Idle = Callable[[], None]
NOW = QuantSpec.parse("int4:channel:mse")


@pytest.fixture
def pinned(qtbot: QtBot, calibrated: MainWindow, idle: Idle) -> MainWindow:
    """A layer at 4 bits, of which 8 bits are pinned."""
    window = calibrated
    window.selection.choose((layer(window),))
    idle()
    qtbot.keyClick(window, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    window.bridge.set_specs([layer(window)], NOW, QuantSpec.parse("uint4:tensor:minmax"))
    idle()
    return window


def layer(window: MainWindow) -> str:
    """The layer that is looked at."""
    return window.document.layers[3].name


def dtype_of_a(window: MainWindow) -> str:
    """A's type of the weights, as it is drawn; empty where it is not."""
    shown = beside(window).shown("weights")
    return "" if shown is None else shown.facts.spec.dtype


def beside(window: MainWindow) -> Beside:
    """What lies over the plots."""
    return window.plots.beside


def test_both_are_drawn(pinned: MainWindow) -> None:
    """A's SQNR is that of its own spec, computed apart; the words say so."""
    document, name = pinned.document, layer(pinned)
    shown = beside(pinned).shown("weights")
    assert shown is not None
    snapshot = pinned.insight.snapshots.pinned
    assert snapshot is not None
    spec = snapshot.recipe.resolve(document.layer(name)).weights
    weight = document.layer(name).weight
    assert weight is not None
    values = np.asarray(document.opened.prepared.constant(weight), np.float32)
    apart = sqnr_db(values, fake_quantize(values, weight_qparams(values, spec, 0)))
    assert shown.facts.profile is not None
    assert shown.facts.profile.total_sqnr_db == pytest.approx(apart, abs=0.01)
    assert shown.facts.spec == spec
    for card in (pinned.plots.weights, pinned.plots.error, pinned.plots.channels):
        words = [o.word for o in beside(pinned)._overlays["weights"] if o.card is card]
        assert words[0].isVisible()
        assert str(spec) in words[0].toolTip()
    top = pinned.plots.channels.box.viewRange()[1][1]
    assert top >= shown.facts.profile.sqnr_db.max()


def test_activations_lie_on_the_grid_that_a_would_be_written_with(pinned: MainWindow) -> None:
    """Which is the one of the estimate, not one of the tensor alone."""
    shown = beside(pinned).shown("activations")
    snapshot = pinned.insight.snapshots.pinned
    assert shown is not None
    assert snapshot is not None
    assert snapshot.grids is not None
    tensor = pinned.document.layer(layer(pinned)).activations[0]
    grid = snapshot.grids.at(tensor, layer(pinned))
    assert grid is not None
    assert shown.facts.qparams is not None
    assert float(shown.facts.qparams.scale.reshape(-1)[0]) == float(grid.scale.reshape(-1)[0])


def test_plots_that_are_made_later_show_it_too(pinned: MainWindow, idle: Idle) -> None:
    """At A's width, with A's SQNR."""
    pinned.plots.pages.turn_to("Trade-off")
    idle()
    shown = beside(pinned).shown("weights")
    assert shown is not None
    assert shown.facts.profile is not None
    card = pinned.plots.weight_bits()
    overlay = next(o for o in beside(pinned)._overlays["weights"] if o.card is card)
    assert overlay.word.isVisible()
    assert "8:" in overlay.word.toolTip() or "int8" in overlay.word.toolTip()


def test_swapping_changes_sides_and_unpinning_takes_it_away(
    qtbot: QtBot, pinned: MainWindow, idle: Idle
) -> None:
    """And what is the same today as pinned is drawn once."""
    control = Qt.KeyboardModifier.ControlModifier
    qtbot.keyClick(pinned, Qt.Key.Key_B, control)
    idle()
    qtbot.waitUntil(lambda: dtype_of_a(pinned) == "int4")
    assert pinned.document.specs_of(layer(pinned)).weights.dtype == "int8"
    other = pinned.document.layers[0].name
    pinned.selection.choose((other,))
    qtbot.waitUntil(lambda: beside(pinned).shown("weights") is None)
    pinned.selection.choose((layer(pinned),))
    qtbot.waitUntil(lambda: beside(pinned).shown("weights") is not None)
    qtbot.keyClick(pinned, Qt.Key.Key_P, control | Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: beside(pinned).shown("weights") is None)
    assert not any(o.word.isVisible() for o in beside(pinned)._overlays["weights"])


def test_a_channel_of_both(pinned: MainWindow, idle: Idle) -> None:
    """Picking a channel picks it of A as well; A of one scale has none."""
    pinned.plots.channels.picked.emit(2)
    idle()
    shown = beside(pinned).shown("weights")
    assert shown is not None
    assert shown.row == 2
    name = layer(pinned)
    pinned.bridge.set_specs([name], QuantSpec.parse("int8:tensor"), None)
    pinned.insight.snapshots.pin()
    pinned.bridge.set_specs([name], NOW, None)
    idle()
    pinned.plots.channels.picked.emit(1)
    idle()
    shown = beside(pinned).shown("weights")
    assert shown is not None
    assert shown.facts.qparams is not None
    assert shown.facts.qparams.rows == 1


def test_float_has_nothing_to_draw(qtbot: QtBot, pinned: MainWindow, idle: Idle) -> None:
    """Where A leaves the layer in float."""
    name = layer(pinned)
    pinned.bridge.set_specs([name], QuantSpec.parse("float"), QuantSpec.parse("float"))
    pinned.insight.snapshots.pin()
    pinned.bridge.set_specs([name], NOW, QuantSpec.parse("uint8"))
    idle()
    qtbot.waitUntil(lambda: beside(pinned).shown("weights") is None)
    assert beside(pinned).shown("activations") is None
