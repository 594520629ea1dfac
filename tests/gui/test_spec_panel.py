"""The panel by mouse and keyboard: what it shows is what the arithmetic gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QAbstractSlider, QComboBox, QMenu, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from inspector.graph.grids import weight_grid
from inspector.gui.layer_rows import NAME, WEIGHTS
from inspector.gui.main_window import MainWindow
from inspector.gui.spec_below import BelowPopup
from inspector.gui.spec_percentile import STOPS, PercentileSlider, place_of
from inspector.gui.spec_presets import PRESETS
from inspector.quant.kernels import fake_quantize
from inspector.quant.metrics import sqnr_db
from inspector.quant.spec import QuantSpec
from inspector.report.units import decibel_text, value_text
from inspector.session.fitting import allowed_dtypes, fit
from inspector.session.targets import FOLDER_VARIABLE, load_target

Idle = Callable[[], None]
LAYER, OTHER, HEAD = "/block1/conv1/conv/Conv", "/block2/conv1/conv/Conv", "/head/Gemm"
NO_GRABS = ("does not support raise", "does not support grabbing the keyboard")
"""What a screen that is none says of popups."""
TIP = Qt.ItemDataRole.ToolTipRole
SHIFTER = """
title = "Shifter"
description = "Shifts."
[[weights]]
dtypes = ["int8"]
granularities = ["tensor", "channel"]
power_of_two = true
source = "me"
"""
CTRL_SHIFT = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


def combo(window: MainWindow, name: str) -> QComboBox:
    """A combo box by its object name."""
    found = window.findChild(QComboBox, name)
    assert isinstance(found, QComboBox)
    return found


def slider(window: MainWindow) -> PercentileSlider:
    """The slider of the weights' percentile, shown."""
    combo(window, "weightRange").setCurrentText("percentile")
    found = window.findChild(PercentileSlider, "weightPercentileSlider")
    assert found is not None
    assert found.isVisible()
    return found


def place(stops: PercentileSlider, number: int) -> QPoint:
    """Where a stop is painted."""
    return QPoint(round(7 + (stops.width() - 14) * number / (len(STOPS) - 1)), stops.height() // 2)


def weights(window: MainWindow, name: str = LAYER) -> QuantSpec:
    """What the weights of a layer get."""
    return window.document.specs_of(name).weights


def figure(window: MainWindow, title: str) -> str:
    """A figure of the weights as the panel shows it."""
    cells = window.panel.weight_figures._cells
    return next(value.text() for name, value in cells if name.text() == title)


def check_figures(window: MainWindow, name: str = LAYER) -> None:
    """What the panel shows of a layer's weights equals a computation from the values."""
    document = window.document
    layer, spec = document.layer(name), weights(window, name)
    assert layer.weight is not None
    values = document.model.constant(layer.weight)
    grid = weight_grid(layer, spec, document.model.constant)
    fresh = float(sqnr_db(values, fake_quantize(values, grid)))
    assert figure(window, "SQNR").removeprefix("≈ ") == decibel_text(fresh)
    ends = dict.fromkeys((value_text(float(grid.scale.min())), value_text(float(grid.scale.max()))))
    assert figure(window, "Scale") == " … ".join(ends)
    assert window.panel.weights.text.text() == str(spec)


def menu_action(menu: QMenu, text: str) -> QAction:
    """The entry of a menu whose text begins so."""
    menu.aboutToShow.emit()
    return next(action for action in menu.actions() if action.text().startswith(text))


def test_the_nines_have_room() -> None:
    """Stops lie evenly, what is between them between, and what is below at the start."""
    assert [place_of(stop) for stop in STOPS] == [0, 100, 200, 300, 400, 500, 600]
    assert place_of(99.97) == 350
    assert place_of(60.0) == 0


def test_the_slider_by_keyboard(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """Arrows lead from stop to stop, also from between; the figures are those of the arithmetic."""
    opened.presenter.select((LAYER,))
    stops = slider(opened)
    box = opened.panel.weights.percentile
    stops.setFocus()
    for key, shown in (
        (Qt.Key.Key_Right, 99.999),
        (Qt.Key.Key_Right, 100),
        (Qt.Key.Key_Right, 100),
        (Qt.Key.Key_Home, 99),
        (Qt.Key.Key_PageUp, 99.5),
    ):
        qtbot.keyClick(stops, key)
        assert box.text() == f"{shown:g} %"
        assert weights(opened).range.percentile == shown
    idle()
    check_figures(opened)
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, "99.97")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert stops.value() == place_of(99.97)
    qtbot.keyClick(stops, Qt.Key.Key_Left)
    assert box.text() == "99.95 %"
    idle()
    check_figures(opened)


def test_the_slider_by_mouse(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """It snaps beside a stop, a drag is one step, and the next drag another."""
    opened.presenter.select((LAYER,))
    stops = slider(opened)
    steps = len(opened.document.steps)
    left = Qt.MouseButton.LeftButton
    qtbot.mousePress(stops, left, pos=place(stops, 1) + QPoint(3, 0))
    assert weights(opened).range.percentile == 99.5
    for number in (2, 3, 5):
        qtbot.mouseMove(stops, place(stops, number) - QPoint(3, 0))
        assert weights(opened).range.percentile == STOPS[number]
    qtbot.mouseRelease(stops, left, pos=place(stops, 5))
    assert len(opened.document.steps) == steps + 1
    qtbot.mouseClick(stops, left, pos=place(stops, 0))
    assert len(opened.document.steps) == steps + 2
    idle()
    check_figures(opened)
    opened.panel.weights.percentile.setValue(95.0)
    qtbot.mouseClick(stops, left, pos=place(stops, 0))
    assert opened.panel.weights.percentile.text() == "99 %"
    for shown in (95, 99, 99.999):
        opened.bridge.undo()
        assert opened.panel.weights.percentile.text() == f"{shown:g} %"
    assert stops.value() == 500


def test_powers_of_two_are_chosen_and_shown(
    qtbot: QtBot, calibrated: MainWindow, idle: Idle
) -> None:
    """By a click and by Space; figures, text, badge and table follow; mixed sets all on."""
    calibrated.presenter.select((LAYER,))
    box = calibrated.panel.weights.pow2
    qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(8, box.height() // 2))
    idle()
    assert str(weights(calibrated)) == "int8:channel:minmax:sym:pow2"
    check_figures(calibrated)
    low, high = (np.frexp(float(part))[0] for part in _scales(calibrated))
    assert low == high == 0.5
    rows = calibrated.pane.table.model()
    shown = {
        rows.index(row, NAME).data(): rows.index(row, WEIGHTS).data()
        for row in range(rows.rowCount())
    }
    assert "int8" in shown[LAYER]
    assert "pow2" not in str(weights(calibrated, OTHER))
    calibrated.presenter.select((LAYER, OTHER))
    assert box.checkState() == Qt.CheckState.PartiallyChecked
    steps = len(calibrated.document.steps)
    box.setFocus()
    qtbot.keyClick(box, Qt.Key.Key_Space)
    assert weights(calibrated, OTHER).pow2
    assert weights(calibrated).pow2
    assert len(calibrated.document.steps) == steps + 1
    qtbot.keyClick(box, Qt.Key.Key_Space)
    assert not weights(calibrated, OTHER).pow2
    combo(calibrated, "weightDtype").setCurrentText("float")
    assert not box.isEnabled()


def _scales(window: MainWindow) -> tuple[float, float]:
    facts = window.bridge.weight_facts(LAYER)
    assert facts is not None
    assert facts.qparams is not None
    return float(facts.qparams.scale.min()), float(facts.qparams.scale.max())


def test_what_the_target_cannot_run_is_not_to_be_chosen(qtbot: QtBot, opened: MainWindow) -> None:
    """Disabled with the reason; keys skip it; the box says how many do not fit, and mends it."""
    opened.presenter.select((LAYER,))
    box = opened.panel.target.combo
    box.setFocus()
    qtbot.keyClicks(box, "TensorRT")
    assert opened.document.recipe.target == "tensorrt"
    target = load_target("tensorrt")
    reasons = allowed_dtypes(target, "weights", "Conv")
    dtypes = combo(opened, "weightDtype")
    refused = []
    for at in range(dtypes.count()):
        item = dtypes.model().item(at)
        assert item.isEnabled() == (not reasons[item.text()])
        if reasons[item.text()]:
            refused.append(item.text())
            assert reasons[item.text()] in dtypes.itemData(at, TIP)
    assert "uint8" in refused
    assert "int8" not in refused
    dtypes.setFocus()
    for _ in range(20):
        qtbot.keyClick(dtypes, Qt.Key.Key_Down)
        assert dtypes.currentText() not in refused
        assert not weights(opened).dtype.startswith("uint")
    combo(opened, "weightDtype").setCurrentText("uint8")  # as a recipe may say
    assert "uint8" in opened.panel.misfit.text()
    assert opened.panel.target.notice.text() == "1 layer does not fit"
    wanted = fit(target, opened.document.layer(LAYER), opened.document.specs_of(LAYER))
    qtbot.mouseClick(opened.panel.target.fit, Qt.MouseButton.LeftButton)
    assert opened.document.specs_of(LAYER) == wanted
    assert opened.panel.misfit.text() == ""
    assert opened.panel.target.row.isHidden()


def test_a_target_of_ones_own_that_wants_powers_of_two(
    opened: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is added and chosen; powers of two can be switched on and not off, with the reason."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "own"))
    profile = tmp_path / "shifter.toml"
    profile.write_text(SHIFTER, encoding="utf-8")
    opened.panel.target.profile_asked.emit(str(profile))
    assert opened.panel.target.combo.currentText() == "Shifter"
    count = len(opened.document.layers)
    assert opened.panel.target.notice.text() == f"{count} layers do not fit"
    assert opened.document.undo_label == "Target Shifter"
    opened.presenter.select((LAYER,))
    scales = opened.panel.weights.pow2
    assert scales.isEnabled()
    assert "powers of two" in opened.panel.misfit.text()
    scales.click()
    assert weights(opened).pow2
    assert not scales.isEnabled()
    assert "powers of two" in scales.toolTip()
    for action, preset in zip(opened.panel.bar.presets.actions(), PRESETS, strict=True):
        chosen = preset.weights
        takes = chosen.is_float or (chosen.dtype == "int8" and chosen.pow2)
        assert action.isEnabled() == takes, preset.title
    (tmp_path / "own" / "shifter.toml").unlink()
    opened.bridge.undo()
    opened.bridge.undo()
    opened.panel.target.target_chosen.emit("shifter")
    assert "no target 'shifter'" in opened.messages.text()
    assert opened.panel.target.combo.currentText() == "ONNX Runtime, CPU"


def test_a_mixed_selection_shows_it_and_edits_all(opened: MainWindow) -> None:
    """Every layer at once: mixed where they differ; one edit for all, one step."""
    names = tuple(layer.name for layer in opened.document.layers)
    opened.presenter.select((LAYER,))
    combo(opened, "weightDtype").setCurrentText("int5")
    combo(opened, "weightGranularity").setCurrentText("tensor")
    opened.presenter.select(names)
    dtypes = combo(opened, "weightDtype")
    assert (dtypes.currentIndex(), dtypes.placeholderText()) == (-1, "mixed")
    assert combo(opened, "weightGranularity").placeholderText() == "mixed"
    assert combo(opened, "weightRange").currentText() == "minmax (default)"
    assert opened.panel.weights.text.text() == "2 different specs"
    assert opened.panel.origin() == "9 default, 1 weights own choice · activations default"
    steps = len(opened.document.steps)
    dtypes.setCurrentText("int6")
    assert {weights(opened, name).dtype for name in names} == {"int6"}
    assert str(weights(opened).granularity) == "tensor"
    assert str(weights(opened, OTHER).granularity) == "channel"
    assert len(opened.document.steps) == steps + 1


@pytest.mark.qt_log_ignore(*NO_GRABS, extend=True)
def test_a_preset_by_keyboard(qtbot: QtBot, opened: MainWindow) -> None:
    """Space opens the menu, letters and Return choose; it is one step with its name."""
    opened.presenter.select((LAYER, OTHER))
    button = opened.findChild(QPushButton, "presetButton")
    assert button is not None
    wanted = next(preset for preset in PRESETS if preset.title == "4-bit weights")

    def choose() -> None:
        menu = button.menu()
        for _ in range(PRESETS.index(wanted) + 1):
            qtbot.keyClick(menu, Qt.Key.Key_Down)
        qtbot.keyClick(menu, Qt.Key.Key_Return)

    steps = len(opened.document.steps)
    QTimer.singleShot(0, choose)
    button.setFocus()
    qtbot.keyClick(button, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: len(opened.document.steps) == steps + 1)
    for name in (LAYER, OTHER):
        assert weights(opened, name) == wanted.weights.filled("weights")
        assert opened.document.specs_of(name).activations.dtype == "uint8"
    assert opened.document.undo_label == "2 layers: 4-bit weights"
    opened.bridge.undo()
    opened.presenter.select(())
    menu_action(button.menu(), "8 bits, 16-bit").trigger()
    assert str(opened.document.recipe.default.activations) == "uint16:tensor"
    assert opened.document.undo_label == "Default: 8 bits, 16-bit activations"


def test_specs_are_copied_and_pasted_by_keys(qtbot: QtBot, opened: MainWindow) -> None:
    """As two lines of text; what is wrong on the clipboard is told and changes nothing."""
    clipboard = QGuiApplication.clipboard()
    opened.presenter.select((LAYER,))
    combo(opened, "weightDtype").setCurrentText("int5")
    qtbot.keyClick(opened, Qt.Key.Key_C, CTRL_SHIFT)
    assert clipboard.text() == "int5\nuint8"
    opened.presenter.select((OTHER, HEAD))
    qtbot.keyClick(opened, Qt.Key.Key_V, CTRL_SHIFT)
    assert weights(opened, OTHER).dtype == weights(opened, HEAD).dtype == "int5"
    assert opened.document.undo_label == "2 layers: paste weights int5 and activations uint8"
    steps = len(opened.document.steps)
    for text, told in (
        ("int88\nuint8", "the weights are wrong"),
        ("int8\nuint8:percentil9", "the activations are wrong"),
        ("int8\nuint8:channel", "cannot be quantized per channel"),
        ("int8\nlog4", "Activations cannot be log4"),
        ("", "holds no spec"),
        ("int8", "holds no spec"),
        ("x" * 100_000 + "\ny", "holds no spec"),
        ("<script>\n" * 400, "holds no spec"),
    ):
        clipboard.setText(text)
        qtbot.keyClick(opened, Qt.Key.Key_V, CTRL_SHIFT)
        assert told in opened.messages.text(), text[:40]
    assert len(opened.document.steps) == steps
    opened.presenter.select((LAYER, "/stem/conv/Conv"))
    clipboard.setText("before")
    qtbot.keyClick(opened, Qt.Key.Key_C, CTRL_SHIFT)
    assert clipboard.text() == "before"
    assert "Nothing was copied" in opened.messages.text()


def test_the_same_for_other_layers(qtbot: QtBot, opened: MainWindow) -> None:
    """By operator, by group and all: one named step each, and the panel says where it is from."""
    panel, document = opened.panel, opened.document
    opened.presenter.select((HEAD,))
    combo(opened, "weightDtype").setCurrentText("int7")
    opened.presenter.select((LAYER,))
    assert panel.origin() == "default"
    combo(opened, "weightDtype").setCurrentText("int5")
    assert panel.origin() == "weights own choice\nactivations default"
    convs = [layer.name for layer in document.layers if layer.op_type == "Conv"]
    menu_action(panel.bar.apply, f"All Conv ({len(convs)})").trigger()
    assert {weights(opened, name).dtype for name in convs} == {"int5"}
    assert weights(opened, HEAD).dtype == "int7"
    assert document.undo_label == f"All Conv: same as {LAYER}"
    assert panel.origin() == "rule op:Conv"
    assert panel.reset.isHidden()
    opened.bridge.undo()
    inside = [layer.name for layer in document.layers if layer.name.startswith("/block1/")]
    qtbot.waitUntil(lambda: opened.stage.groups() is not None)
    menu_action(panel.bar.apply, f"All in /block1/ ({len(inside)})").trigger()
    changed = {name for name in convs if weights(opened, name).dtype == "int5"}
    assert changed == set(inside)
    assert document.undo_label == f"{len(inside)} layers: same as {LAYER}"
    menu_action(panel.bar.apply, "All layers").trigger()
    assert {weights(opened, layer.name).dtype for layer in document.layers} == {"int5"}
    assert document.recipe.rules == ()
    assert panel.origin() == "default"
    opened.presenter.select(())
    assert not menu_action(panel.bar.apply, "Select a layer").isEnabled()


@pytest.mark.qt_log_ignore(*NO_GRABS, extend=True)
def test_the_same_for_layers_below_a_number(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """The popup counts while one types, and Return applies to just those."""
    opened.presenter.select((HEAD,))
    combo(opened, "weightDtype").setCurrentText("int12")
    idle()
    known = opened.bridge.all_sqnr()
    limit = round(float(np.median(list(known.values()))), 1)
    below = {name for name, value in known.items() if value < limit}
    menu_action(opened.panel.bar.apply, "All with SQNR below").trigger()
    popup = opened.findChild(BelowPopup)
    assert popup is not None
    popup.box.selectAll()
    qtbot.keyClicks(popup.box, f"{limit}")
    assert popup.count.text() == f"{len(below)} layers"
    qtbot.keyClick(popup.box, Qt.Key.Key_Return)
    changed = {
        layer.name for layer in opened.document.layers if weights(opened, layer.name).bits == 12
    }
    assert changed == below | {HEAD}
    label = f"{len(below)} layers: same as {HEAD}, with SQNR below {limit:g} dB"
    assert opened.document.undo_label == label


def test_all_can_be_reached_and_named_and_nothing_is_cut(calibrated: MainWindow) -> None:
    """Every control takes the focus, has a name and a tooltip, and fits the narrowest panel."""
    calibrated.presenter.select((LAYER,))
    for role in ("weight", "activation"):
        combo(calibrated, f"{role}Range").setCurrentText("percentile")
    panel = calibrated.panel
    calibrated.columns.setSizes([10_000, panel.minimumWidth()])
    kinds = (QComboBox, QPushButton, QAbstractSlider)
    controls = [child for kind in kinds for child in panel.form.findChildren(kind)]
    controls += [panel.weights.percentile, panel.weights.pow2, panel.activations.pow2]
    shown = [control for control in controls if control.isVisible()]
    assert len(shown) >= 16
    for control in shown:
        assert control.focusPolicy() & Qt.FocusPolicy.TabFocus, control.objectName()
        assert control.accessibleName() or _text(control), control.objectName()
        assert control.toolTip(), control.objectName()
        assert control.width() >= control.minimumSizeHint().width(), control.objectName()
        right = control.mapTo(panel, QPoint(control.width(), 0)).x()
        assert right <= panel.viewport().width(), control.objectName()


def _text(control: QWidget) -> str:
    return control.text() if isinstance(control, QPushButton) else ""


@pytest.mark.parametrize("name", ["minmax", "percentile", "kl", "mse"])
def test_tooltips_say_what_a_method_does(opened: MainWindow, name: str) -> None:
    """Each in its own words, in a few short lines."""
    ranges = combo(opened, "activationRange")
    tip = str(ranges.itemData(ranges.findText(name), TIP))
    words = {"minmax": "outlier", "percentile": "share", "kl": "Kullback", "mse": "squared error"}
    assert words[name] in tip
    assert 2 <= len(tip.splitlines()) <= 4
    assert max(map(len, tip.splitlines())) <= 90
