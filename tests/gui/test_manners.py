"""Numbers as people type them, a filter that forgets nothing, help, and what a close leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFileDialog,
    QLabel,
    QPushButton,
    QStyleOptionViewItem,
)
from pytestqt.qtbot import QtBot

from inspector import __version__
from inspector.gui.layer_rows import NAME, OPERATOR, PARAMETERS, LayerRow
from inspector.gui.layer_table import NameDelegate
from inspector.gui.main_window import MainWindow
from inspector.gui.plots.histogram_plot import CountAxis
from inspector.report.units import count_text

Idle = Callable[[], None]
LAYER = "/block1/conv1/conv/Conv"


def type_number(qtbot: QtBot, window: MainWindow, name: str, text: str) -> str:
    """Type into a number box and press Enter; what it shows then."""
    box = window.findChild(QDoubleSpinBox, name)
    assert box is not None
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)
    return box.text()


def set_range(window: MainWindow, kind: str) -> None:
    """Choose the range method of the selected layer's activations."""
    combo = window.findChild(QComboBox, "activationRange")
    assert combo is not None
    combo.setCurrentText(kind)


@pytest.mark.parametrize(
    ("typed", "percentile"),
    [("99.5", 99.5), ("99,9", 99.9), ("abc", 99.99), ("0", 99.99), ("150", 99.99), ("", 99.99)],
)
def test_a_percentile_is_typed(
    qtbot: QtBot, opened: MainWindow, typed: str, percentile: float
) -> None:
    """With a point or a comma; what is no percentile changes nothing."""
    opened.presenter.select((LAYER,))
    set_range(opened, "percentile")
    text = type_number(qtbot, opened, "activationPercentile", typed)
    assert text == f"{percentile:g} %"
    spec = opened.document.specs_of(LAYER).activations
    assert spec.range is not None
    assert spec.range.percentile == percentile


def test_ends_of_a_range_are_typed(qtbot: QtBot, calibrated: MainWindow, idle: Idle) -> None:
    """Small ends keep their digits; ends that make no range are not taken over."""
    calibrated.presenter.select((LAYER,))
    set_range(calibrated, "range")
    assert type_number(qtbot, calibrated, "activationRangeHigh", "3e-7") == "3e-07"
    assert type_number(qtbot, calibrated, "activationRangeLow", "-1,5") == "-1.5"
    spec = calibrated.document.specs_of(LAYER).activations
    assert spec.range is not None
    assert (spec.range.lo, spec.range.hi) == (-1.5, 3e-7)
    assert type_number(qtbot, calibrated, "activationRangeLow", "3e-7") == "-1.5"
    assert type_number(qtbot, calibrated, "activationRangeLow", "nan") == "-1.5"
    assert type_number(qtbot, calibrated, "activationRangeLow", "-1e99") == "-1.5"
    assert calibrated.document.specs_of(LAYER).activations == spec
    idle()
    assert calibrated.messages.text() == ""


def test_a_filter_does_not_change_the_selection(qtbot: QtBot, opened: MainWindow) -> None:
    """What the filter hides stays selected, and is marked again when it comes back."""
    opened.pane.table.selectRow(1)
    chosen = opened.bridge.selected
    assert chosen
    opened.pane.filter.setFocus()
    qtbot.keyClicks(opened.pane.filter, "gemm")
    assert opened.bridge.selected == chosen
    assert opened.panel.title.full_text() == chosen[0]
    qtbot.keyClick(opened.pane.filter, Qt.Key.Key_Escape)
    assert opened.pane.filter.text() == ""
    assert opened.pane.selected() == chosen


def test_the_keys_are_shown(qtbot: QtBot, opened: MainWindow) -> None:
    """F1 shows them beside the window, which stays usable; a second time there is one still."""
    for _ in range(2):
        qtbot.keyClick(opened, Qt.Key.Key_F1)
    dialogs = [d for d in opened.findChildren(QDialog, "shortcutsDialog") if d.isVisible()]
    assert len(dialogs) == 1
    assert not dialogs[0].isModal()
    texts = {label.text() for label in dialogs[0].findChildren(QLabel)}
    assert {"Ctrl+S", "Ctrl+F", "Ctrl+Q", "F1"} <= texts


def test_about_names_version_and_licences(opened: MainWindow) -> None:
    """Of the program, and of all that it stands on."""
    opened.actions_["actionAbout"].trigger()
    dialog = opened.findChild(QDialog, "aboutDialog")
    assert dialog is not None
    text = "\n".join(label.text() for label in dialog.findChildren(QLabel))
    for part in (__version__, "Apache License 2.0", "LGPL-3.0-only", "onnxruntime", "numpy"):
        assert part in text


def test_closing_the_window_closes_its_dialogs(opened: MainWindow) -> None:
    """Nothing is left that would keep the program running."""
    opened.actions_["actionAbout"].trigger()
    opened.actions_["actionShortcuts"].trigger()
    opened.close()
    assert not [w for w in QApplication.topLevelWidgets() if w.isVisible()]


def test_one_wrong_file_does_not_hold_up_the_others(
    window: MainWindow, idle: Idle, sample_models: Path, tmp_path: Path
) -> None:
    """The others are opened; of several models the first is, and the message says so."""
    cnn, vit = sample_models / "digits_cnn.onnx", sample_models / "digits_vit.onnx"
    window.open_paths([tmp_path / "missing.toml", cnn, vit])
    idle()
    assert window.document.opened.path == cnn
    assert "missing.toml does not exist" in window.messages.text()
    assert "the first of 2 models" in window.messages.text()


def test_a_save_that_ends_after_another_model_was_opened(
    window: MainWindow, idle: Idle, sample_models: Path, tmp_path: Path
) -> None:
    """It is told, and does not mark the choices for the new model as saved."""
    window.open_paths([sample_models / "digits_cnn.onnx", sample_models / "digits_calibration.npz"])
    idle()
    combo = window.findChild(QComboBox, "weightDtype")
    assert combo is not None
    combo.setCurrentText("int6")
    idle()
    window.save_quantized(tmp_path / "saved.onnx")
    window.open_path(sample_models / "digits_mobile.onnx")
    discard = window.findChild(QPushButton, "unsavedDiscard")
    assert discard is not None
    discard.click()
    idle()
    assert (tmp_path / "saved.onnx").exists()
    assert "Saved saved.onnx" in window.messages.text()
    assert window.document.opened.path.name == "digits_mobile.onnx"


def test_the_error_plot_shows_both_wings(opened: MainWindow) -> None:
    """A symmetric grid is seen whole, with clipping on either side."""
    opened.pane.table.selectRow(1)
    (low, high), _ = opened.plots.error.box.viewRange()
    facts = opened.bridge.weight_facts(opened.bridge.selected[0])
    assert facts is not None
    assert facts.qparams is not None
    assert facts.profile is not None
    row = int(np.argmin(facts.profile.sqnr_db))
    assert low < float(facts.qparams.lo[row])
    assert high > float(facts.qparams.hi[row])


def test_counts_on_an_axis() -> None:
    """Powers of ten where heights are logarithms, with no more of them than have room."""
    axis = CountAxis(log=True)
    ticks = axis.tickValues(0.0, 5.2, 200.0)[0][1]
    assert axis.tickStrings(ticks, 1.0, 1.0) == ["1", "10", "100", "1k", "10k", "100k"]
    assert len(axis.tickValues(0.0, 5.2, 60.0)[0][1]) <= 3
    axis.set_log(False)
    assert axis.tickStrings([0.0, 1500.0, 2e6], 1.0, 1.0) == ["0", "1.5k", "2M"]


def test_names_that_have_no_room_stay_apart(opened: MainWindow) -> None:
    """The operator at the end goes first: what is left tells the layers apart."""
    table = opened.pane.table
    delegate = table.itemDelegateForColumn(NAME)
    assert isinstance(delegate, NameDelegate)
    texts = []
    for row in range(table.model().rowCount()):
        index = table.model().index(row, NAME)
        option = QStyleOptionViewItem()
        option.rect = QRect(0, 0, 60, 26)
        delegate.initStyleOption(option, index)
        texts.append(option.text)
    assert "/block1/conv1/conv" in texts
    assert len(set(texts)) == len(texts)


def test_calibrate_waits_for_data_that_is_on_its_way(
    opened: MainWindow, idle: Idle, sample_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pressed while the first calibration runs, the action asks for nothing."""

    def ask(*_: object) -> tuple[list[str], str]:
        pytest.fail("a dialog asked for data that was given already")

    monkeypatch.setattr(QFileDialog, "getOpenFileNames", ask)
    action = opened.findChild(QAction, "actionCalibrate")
    opened.open_path(sample_models / "digits_calibration.npz")
    action.trigger()
    idle()
    assert opened.document.calibration is not None
    action.trigger()
    idle()
    assert opened.document.calibration is not None


def test_no_number_in_the_table_is_cut(window: MainWindow) -> None:
    """Millions of parameters and long operator names get the room they need."""
    row = LayerRow("layer", "ConvTranspose", "int8", "uint8", 40.0, 123_456_789)
    window.pane.add_rows([row])
    table = window.pane.table
    for column, text in ((OPERATOR, row.op_type), (PARAMETERS, count_text(row.parameters))):
        assert table.columnWidth(column) > table.fontMetrics().horizontalAdvance(text) + 8
