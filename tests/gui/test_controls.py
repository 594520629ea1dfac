"""Each control of the panel by mouse and by key: what is shown then is what quantizing gives.

Weights are looked at in a layer, activations in the first one, whose input is the data itself: both
are quantized here with `inspector.quant`, value by value, and held to the panel and the histogram.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QComboBox, QDoubleSpinBox
from pytestqt.qtbot import QtBot

from inspector.gui.main_window import MainWindow
from inspector.gui.plots.histogram_plot import HistogramPlot
from inspector.gui.spec_combo import SpecCombo
from inspector.gui.spec_editor import SpecEditor
from inspector.gui.spec_panel import FigureGrid
from inspector.quant.kernels import fake_quantize, outside
from inspector.quant.metrics import sqnr_db
from inspector.quant.qparams import QParams, weight_qparams
from inspector.quant.spec import QuantSpec, Role
from inspector.report.units import decibel_text, percent_text, value_text

Idle = Callable[[], None]
ROLES: tuple[Role, ...] = ("weights", "activations")
LEFT = Qt.MouseButton.LeftButton
FIELDS = ("dtype", "granularity", "range", "flags")


@pytest.fixture
def shown(calibrated: MainWindow, idle: Idle) -> MainWindow:
    """The first layer, with data."""
    calibrated.selection.choose((calibrated.document.layers[0].name,))
    idle()
    return calibrated


def editor(window: MainWindow, role: Role) -> SpecEditor:
    """The fields of a role."""
    return window.panel.weights if role == "weights" else window.panel.activations


def figures(window: MainWindow, role: Role) -> dict[str, str]:
    """What the panel says of a role."""
    panel = window.panel
    grid: FigureGrid = panel.weight_figures if role == "weights" else panel.activation_figures
    return {name.text(): value.text() for name, value in grid._cells if name.isVisibleTo(grid)}


def values_of(window: MainWindow, role: Role, data: Path) -> np.ndarray:
    """The values themselves: the weight, or the pictures that calibration saw."""
    document, layer = window.document, window.document.layers[0]
    if role == "weights":
        assert layer.weight is not None
        return np.asarray(document.opened.prepared.constant(layer.weight), np.float32)
    assert document.dataset is not None
    used, _ = document.dataset.split_for_verification()
    return np.concatenate([feeds["image"] for feeds in used.samples()])


def spec_of(window: MainWindow, role: Role) -> QuantSpec:
    """What is chosen."""
    specs = window.document.specs_of(window.document.layers[0].name)
    return specs.weights if role == "weights" else specs.activations


def check(window: MainWindow, role: Role, data: Path) -> None:
    """Hold all that is shown to the values, quantized on the grid that they get."""
    spec, said = spec_of(window, role), figures(window, role)
    card: HistogramPlot = window.plots.weights if role == "weights" else window.plots.activations
    assert editor(window, role).text.text() == str(spec)
    if spec.is_float:
        assert said["Quantized"] == "no, left in float"
        return
    values = values_of(window, role, data)
    qp = weight_qparams(values, spec, 0)
    assert spec.range is not None
    if role == "activations" and spec.range.kind not in {"minmax", "range"}:
        return  # chosen from the histogram, batch by batch or behind what reads it
    assert said["Scale"].split(" … ")[0] == value_text(float(qp.scale.min()))
    assert said["Grid"] == f"{value_text(float(qp.lo.min()))} … {value_text(float(qp.hi.max()))}"
    if role == "weights":
        _check_errors(said, values, qp)
    shape = card.shape()
    assert shape is not None
    assert shape.low == pytest.approx(float(qp.lo.min()))
    assert shape.high == pytest.approx(float(qp.hi.max()))
    assert shape.counts.sum() == values.size


def _check_errors(said: dict[str, str], values: np.ndarray, qp: QParams) -> None:
    after = fake_quantize(values, qp)
    assert said["SQNR"] == decibel_text(float(sqnr_db(values, after)))
    assert said["Clipped"] == percent_text(float(outside(values, qp).mean()))
    zeroed = (values != 0) & (after == 0)
    assert said["To zero"] == percent_text(float(zeroed.mean()))


@pytest.fixture
def data(sample_models: Path) -> Path:
    """What the window was calibrated with."""
    return sample_models / "digits_calibration.npz"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("field", FIELDS)
def test_choices_by_key(
    qtbot: QtBot, shown: MainWindow, idle: Idle, data: Path, role: Role, field: str
) -> None:
    """Down goes to the next that can be chosen, Up back; Home and End to the ends."""
    combo: SpecCombo = getattr(editor(shown, role), field)
    combo.setFocus()
    seen = set()
    keys = (Qt.Key.Key_Home, Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_End, Qt.Key.Key_Up)
    for key in keys:
        qtbot.keyClick(combo, key)
        idle()
        seen.add(str(spec_of(shown, role)))
        check(shown, role, data)
    assert len(seen) > (0 if combo.count() == 1 else 1) or field == "granularity"
    while shown.document.can_undo:
        shown.bridge.undo()
    idle()
    check(shown, role, data)


@pytest.mark.qt_log_ignore("does not support", "grabbing")
@pytest.mark.parametrize("role", ROLES)
def test_choices_by_mouse(
    qtbot: QtBot, shown: MainWindow, idle: Idle, data: Path, role: Role
) -> None:
    """A click opens the list, another takes an entry of it."""
    before = QApplication.doubleClickInterval()
    QApplication.setDoubleClickInterval(1)  # a list takes no release that soon after it opened
    try:
        for field, wanted in (("dtype", "uint6"), ("range", "minmax"), ("flags", "asym")):
            combo: SpecCombo = getattr(editor(shown, role), field)
            _take(qtbot, combo, wanted)
            idle()
            assert wanted in str(spec_of(shown, role))
            check(shown, role, data)
    finally:
        QApplication.setDoubleClickInterval(before)


def _take(qtbot: QtBot, combo: QComboBox, text: str) -> None:
    """Choose the first entry that begins so, with the mouse."""
    number = next(n for n in range(combo.count()) if combo.itemText(n).startswith(text))
    qtbot.mouseClick(combo, LEFT, pos=QPoint(combo.width() - 12, combo.height() // 2))
    view = combo.view()
    qtbot.waitUntil(view.isVisible)
    qtbot.wait(30)
    index = combo.model().index(number, 0)
    view.scrollTo(index)
    place = view.visualRect(index).center()
    qtbot.mouseMove(view.viewport(), place)
    view.setCurrentIndex(index)
    qtbot.mouseClick(view.viewport(), LEFT, pos=place)
    qtbot.waitUntil(lambda: not view.isVisible())


@pytest.mark.parametrize("role", ROLES)
def test_ends_by_hand(qtbot: QtBot, shown: MainWindow, idle: Idle, data: Path, role: Role) -> None:
    """Typed numbers are the range, and both clip lines stand where the grid ends."""
    fields = editor(shown, role)
    fields.range.setFocus()
    fields.range.setCurrentIndex(fields.range.findText("range"))
    fields.range.activated.emit(fields.range.currentIndex())
    idle()
    for box, text in ((fields.low, "-0.125"), (fields.high, "0.3")):
        _type(qtbot, box, text)
        idle()
        check(shown, role, data)
    method = spec_of(shown, role).range
    assert method is not None
    assert (method.lo, method.hi) == (-0.125, 0.3)
    card = shown.plots.weights if role == "weights" else shown.plots.activations
    shape = card.shape()
    assert shape is not None
    assert card.lines.low.value() == pytest.approx(shape.low)
    assert card.lines.high.value() == pytest.approx(shape.high)


def _type(qtbot: QtBot, box: QDoubleSpinBox, text: str) -> None:
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)


@pytest.mark.parametrize("role", ROLES)
def test_powers_of_two_by_key_and_mouse(
    qtbot: QtBot, shown: MainWindow, idle: Idle, data: Path, role: Role
) -> None:
    """Every scale is one then, and is not after."""
    fields = editor(shown, role)
    fields.range.setCurrentIndex(fields.range.findText("minmax"))
    fields.range.activated.emit(fields.range.currentIndex())
    fields.pow2.setFocus()
    qtbot.keyClick(fields.pow2, Qt.Key.Key_Space)
    idle()
    assert spec_of(shown, role).pow2
    check(shown, role, data)
    scale = float(figures(shown, role)["Scale"].split(" … ")[0])
    assert np.log2(scale) == pytest.approx(round(np.log2(scale)), abs=1e-3)
    qtbot.mouseClick(fields.pow2, LEFT, pos=QPoint(8, fields.pow2.height() // 2))
    idle()
    assert not spec_of(shown, role).pow2
    check(shown, role, data)
