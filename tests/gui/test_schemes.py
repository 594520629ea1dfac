"""Types with a table of levels in the window: chosen by key, shown, dragged, predicted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from inspector.evaluate.fidelity import FidelityMeter
from inspector.evaluate.preview import Preview
from inspector.evaluate.runtime import open_session
from inspector.graph.grids import choose_grids, weight_grid
from inspector.gui.estimate import preview_samples
from inspector.gui.main_window import MainWindow
from inspector.onnxio.runnable import runnable
from inspector.quant.kernels import fake_quantize
from inspector.quant.metrics import sqnr_db
from inspector.quant.qparams import QParams
from inspector.quant.spec import LayerSpecs
from inspector.report.units import decibel_text
from inspector.session.chosen import resolve

Idle = Callable[[], None]
LAYER = "/block1/conv1/conv/Conv"


def combo(window: MainWindow, name: str) -> QComboBox:
    """A combo box by its object name."""
    found = window.findChild(QComboBox, name)
    assert isinstance(found, QComboBox)
    return found


def can_choose(box: QComboBox, text: str) -> bool:
    """Whether an entry is to be chosen."""
    model = box.model()
    assert isinstance(model, QStandardItemModel)
    return model.item(box.findText(text)).isEnabled()


def specs(window: MainWindow) -> LayerSpecs:
    """What the layer gets."""
    return window.document.specs_of(LAYER)


def grid_of(window: MainWindow) -> tuple[np.ndarray, QParams]:
    """The layer's weight and its grid, from the arithmetic."""
    layer = window.document.layer(LAYER)
    assert layer.weight is not None
    values = window.document.model.constant(layer.weight)
    return values, weight_grid(layer, specs(window).weights, window.document.model.constant)


def test_types_are_typed_and_shown(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """Chosen by keys; table, figures and plots follow, and undo takes it back."""
    opened.presenter.select((LAYER,))
    box = combo(opened, "weightDtype")
    before = specs(opened)
    box.setFocus()
    qtbot.keyClicks(box, "fp8e5")
    assert specs(opened).weights.dtype == "fp8e5m2"
    for dtype in ("fp8e4m3", "log4", "binary", "ternary"):
        box.setCurrentText(dtype)
        assert specs(opened).weights.dtype == dtype
        idle()
        values, grid = grid_of(opened)
        found = opened.plots.weights.shape()
        assert found is not None
        assert found.low == pytest.approx(float(grid.lo.min()))
        cells = {name.text(): value.text() for name, value in opened.panel.weight_figures._cells}
        assert decibel_text(float(sqnr_db(values, fake_quantize(values, grid)))) in cells["SQNR"]
        assert opened.plots.error.curve() is not None
        assert "→" in opened.plots.error.read_at(0.01, 0.0)
    while opened.document.undo_label:
        opened.document.undo()
    assert specs(opened) == before


def test_what_a_type_cannot_have_is_not_to_be_chosen(qtbot: QtBot, opened: MainWindow) -> None:
    """KL supposes even levels, zero points are for integers, activations are never decoded."""
    opened.presenter.select((LAYER,))
    box, ranges = combo(opened, "weightDtype"), combo(opened, "weightRange")
    assert can_choose(ranges, "kl")
    box.setCurrentText("log4")
    assert not can_choose(ranges, "kl")
    flags = combo(opened, "weightFlags")
    qtbot.waitUntil(lambda: not can_choose(flags, "asym"))  # a frame after the figures
    assert not can_choose(combo(opened, "weightGranularity"), "block32")
    activations = combo(opened, "activationDtype")
    assert can_choose(activations, "fp8e5m2")
    assert not can_choose(activations, "binary")
    box.setCurrentText("int8")
    qtbot.waitUntil(lambda: can_choose(ranges, "kl"))


def test_what_another_type_cannot_have_is_forgotten(opened: MainWindow) -> None:
    """From int8 by KL with a zero point in blocks to a type that has none of these."""
    opened.presenter.select((LAYER,))
    for name, text in (("Range", "kl"), ("Flags", "asym"), ("Granularity", "block32")):
        combo(opened, f"weight{name}").setCurrentText(text)
    assert str(specs(opened).weights) == "int8:block32:kl:asym"
    combo(opened, "weightDtype").setCurrentText("ternary")
    assert str(specs(opened).weights) == "ternary:channel:mse:sym"


def test_dragging_an_end_moves_the_scale(opened: MainWindow, idle: Idle) -> None:
    """A drag is one undo step, and both ends move."""
    opened.presenter.select((LAYER,))
    combo(opened, "weightDtype").setCurrentText("fp8e4m3")
    combo(opened, "weightGranularity").setCurrentText("tensor")
    idle()
    card = opened.plots.weights
    shape = card.shape()
    assert shape is not None
    assert shape.places is not None
    assert len(shape.places) == 253
    steps = len(opened.document.steps)
    card.lines.high.setPos(0.2)
    card.lines.high.sigDragged.emit(card.lines.high)
    idle()
    card.lines.high.sigPositionChangeFinished.emit(card.lines.high)
    idle()
    assert len(opened.document.steps) == steps + 1
    _, grid = grid_of(opened)
    assert float(grid.hi) == pytest.approx(0.2, rel=1e-6)
    assert float(grid.lo) == -float(grid.hi)


def test_the_whole_model_with_float8_activations(calibrated: MainWindow, idle: Idle) -> None:
    """The figure of the model is that of a computation apart, and comes back with the choice."""
    calibrated.presenter.select((LAYER,))
    idle()
    before = calibrated.strip.text("sqnr")
    combo(calibrated, "activationDtype").setCurrentText("fp8e5m2")
    idle()
    assert decibel_text(predicted(calibrated)) in calibrated.strip.text("sqnr")
    assert calibrated.strip.text("sqnr") != before
    calibrated.document.undo()
    idle()
    assert calibrated.strip.text("sqnr") == before


def predicted(window: MainWindow) -> float:
    """The output SQNR of today's recipe, in dB."""
    opened, document = window.document.opened, window.document
    assert document.calibration is not None
    assert document.dataset is not None
    plan = opened.placement.plan(resolve(opened, document.recipe))
    grids = choose_grids(opened.graph, plan, opened.prepared.constant, document.calibration.tensors)
    preview = Preview(opened.prepared, opened.placement, float8=True)
    session, meter = open_session(runnable(opened.source)), FidelityMeter(None)
    for feeds in preview_samples(document.dataset).samples():
        meter.add(session.run(feeds), preview.run(grids, feeds))
    return meter.result().sqnr_db


def test_the_zero_point_is_shown_on_both_kinds_of_codes(calibrated: MainWindow, idle: Idle) -> None:
    """As uint8 and as int8, 128 apart; symmetric signed codes have nothing to show."""
    calibrated.presenter.select((LAYER,))
    idle()
    names = {
        name.text(): value.text() for name, value in calibrated.panel.activation_figures._cells
    }
    own, _, other = names["Zero point"].removesuffix(")").partition(" (int8: ")
    number = int(own)
    assert 0 <= number <= 255
    assert int(other.replace("\N{MINUS SIGN}", "-")) == number - 128
    weights = {
        name.text() for name, _ in calibrated.panel.weight_figures._cells if name.isVisible()
    }
    assert "Zero point" not in weights
