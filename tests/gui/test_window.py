"""The window driven as a user does: drops, clicks and keys, up to a saved file that runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QComboBox, QLineEdit, QPushButton, QTableView, QWidget
from pytestqt.qtbot import QtBot

from inspector.gui.layer_rows import ACTIVATIONS, NAME, SQNR, WEIGHTS
from inspector.gui.main_window import MainWindow
from inspector.quant.distribution import ExactDistribution
from inspector.quant.kernels import fake_quantize
from inspector.quant.metrics import sqnr_db
from inspector.quant.qparams import weight_qparams
from inspector.quant.spec import QuantSpec

Idle = Callable[[], None]
LAYER = "/block1/conv1/conv/Conv"


def drop(window: MainWindow, *paths: Path) -> bool:
    """Drop files on the middle of the window; returns whether they were taken."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    middle = QPointF(window.rect().center())
    copy, left = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    none = Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(middle.toPoint(), copy, data, left, none)
    QApplication.sendEvent(window, enter)
    if not enter.isAccepted():
        return False
    event = QDropEvent(middle, copy, data, left, none)
    QApplication.sendEvent(window, event)
    return event.isAccepted()


def combo(window: MainWindow, name: str) -> QComboBox:
    """A combo box by its object name."""
    found = window.findChild(QComboBox, name)
    assert isinstance(found, QComboBox)
    return found


def click_card(qtbot: QtBot, window: MainWindow, name: str, *, ctrl: bool = False) -> None:
    """Click a node's card, after bringing it into view."""
    window.graph.reveal(name)
    keys = Qt.KeyboardModifier.ControlModifier if ctrl else Qt.KeyboardModifier.NoModifier
    where = window.graph.card_rect(name).center()
    qtbot.mouseClick(window.graph, Qt.MouseButton.LeftButton, keys, where)


def cell(window: MainWindow, name: str, column: int) -> str:
    """What the table shows of a layer."""
    table = window.pane.table.model()
    for row in range(table.rowCount()):
        if table.index(row, NAME).data() == name:
            return str(table.index(row, column).data())
    raise KeyError(name)


def test_every_name_of_the_contract_is_there(opened: MainWindow) -> None:
    """Automation finds widgets and actions by these names."""
    sides = ("Dtype", "Granularity", "Range", "Flags", "Histogram")
    names = [f"{role}{side}" for role in ("weight", "activation") for side in sides]
    names += ["graphView", "layerTable", "layerFilter", "specPanel", "errorPlot", "channelPlot"]
    names += ["layerErrorPlot", "messageBar", "progressBar", "cancelButton"]
    for name in names:
        assert opened.findChild(QWidget, name) is not None, name
    for name in ("Open", "Calibrate", "Save", "Undo", "Redo", "Find"):
        assert opened.findChild(QAction, f"action{name}") is not None, name


def test_an_empty_window_invites(qtbot: QtBot, window: MainWindow, idle: Idle) -> None:
    """A click on a sample opens it."""
    assert window.welcome.isVisible()
    button = window.findChild(QPushButton, "sample_digits_cnn")
    assert button is not None
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    idle()
    assert window.document.is_open
    assert not window.welcome.isVisible()
    assert "digits_cnn.onnx" in window.windowTitle()


def test_a_dropped_model_shows_its_layers(
    window: MainWindow, idle: Idle, sample_models: Path
) -> None:
    """Table and graph hold the same layers, and the weights are looked at by themselves."""
    assert drop(window, sample_models / "digits_cnn.onnx")
    idle()
    names = {layer.name for layer in window.document.layers}
    assert names <= set(window.graph.node_names())
    assert window.pane.table.model().rowCount() == len(names)
    assert all(float(cell(window, name, SQNR)) > 20 for name in names)


def test_model_and_data_can_be_dropped_together(
    window: MainWindow, idle: Idle, sample_models: Path
) -> None:
    """The data waits for the model, in whatever order they come."""
    data = sample_models / "digits_calibration.npz"
    assert drop(window, data, sample_models / "digits_cnn.onnx")
    idle()
    assert window.document.calibration is not None
    assert "digits_calibration.npz" in window.strip.text("data")
    assert "≈" in window.strip.text("sqnr")


def test_a_click_on_a_card_selects_everywhere(qtbot: QtBot, opened: MainWindow) -> None:
    """Graph, table, panel and plots speak of the same layer."""
    click_card(qtbot, opened, LAYER)
    assert opened.pane.selected() == (LAYER,)
    assert opened.panel.title.full_text() == LAYER
    assert not opened.plots.weights.is_empty()
    click_card(qtbot, opened, "/head/Gemm", ctrl=True)
    assert set(opened.pane.selected()) == {LAYER, "/head/Gemm"}
    assert opened.panel.title.full_text() == "2 layers"


def test_a_click_in_the_table_selects_everywhere(
    qtbot: QtBot, opened: MainWindow, idle: Idle
) -> None:
    """The graph follows the table."""
    table = opened.findChild(QTableView, "layerTable")
    assert isinstance(table, QTableView)
    where = table.visualRect(table.model().index(2, NAME)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    name = table.model().index(2, NAME).data()
    assert opened.graph.selected() == (name,)
    idle()
    assert opened.graph.rect().contains(opened.graph.card_rect(name))


def test_find_goes_to_what_it_finds(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """Ctrl+F, a word, Enter: the first node found is selected, also while the bar stays open."""
    qtbot.keyClick(opened, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    field = opened.findChild(QLineEdit, "findField")
    assert isinstance(field, QLineEdit)
    assert field.hasFocus()
    qtbot.keyClicks(field, "op:gemm")
    idle()
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert opened.graph.selected() == ("/head/Gemm",)
    assert opened.pane.selected() == ("/head/Gemm",)
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert opened.graph.hasFocus()


def test_find_knows_figures(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """Layers are found by their error, as the table shows it."""
    qtbot.keyClick(opened, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    field = opened.findChild(QLineEdit, "findField")
    known = opened.bridge.all_sqnr()
    worst = min(known, key=lambda name: known[name])
    qtbot.keyClicks(field, f"sqnr<{known[worst] + 0.01:.2f}")
    idle()
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert opened.graph.selected() == (worst,)


def test_the_filter_goes_to_the_table(qtbot: QtBot, opened: MainWindow) -> None:
    """Its keys, a word, Enter: the first layer found is selected."""
    keys = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(opened, Qt.Key.Key_F, keys)
    assert opened.pane.filter.hasFocus()
    qtbot.keyClicks(opened.pane.filter, "gemm")
    assert opened.pane.table.model().rowCount() == 1
    qtbot.keyClick(opened.pane.filter, Qt.Key.Key_Return)
    assert opened.graph.selected() == ("/head/Gemm",)


def test_a_choice_by_keyboard_shows_its_true_cost(
    qtbot: QtBot, opened: MainWindow, idle: Idle
) -> None:
    """What table and panel show is what the arithmetic says of the weight."""
    click_card(qtbot, opened, LAYER)
    box = combo(opened, "weightDtype")
    box.setFocus()
    qtbot.keyClicks(box, "int4")
    idle()
    assert cell(opened, LAYER, WEIGHTS) == "int4"
    layer = opened.document.layer(LAYER)
    assert layer.weight is not None
    values = opened.document.model.constant(layer.weight)
    spec = QuantSpec.parse("int4").filled("weights")
    grid = weight_qparams(values, spec, layer.channel_axis, layer.weight)
    expected = float(sqnr_db(values, fake_quantize(values, grid)))
    assert float(cell(opened, LAYER, SQNR)) == pytest.approx(expected, abs=0.06)
    assert opened.isWindowModified()
    shape = opened.plots.weights.shape()
    assert shape is not None
    assert shape.counts.sum() == values.size


def test_undo_and_redo_by_keyboard(qtbot: QtBot, opened: MainWindow) -> None:
    """Every view follows the history."""
    click_card(qtbot, opened, LAYER)
    combo(opened, "weightDtype").setCurrentText("int4")
    combo(opened, "weightGranularity").setCurrentText("tensor")
    undo = opened.findChild(QAction, "actionUndo")
    assert undo is not None
    assert "granularity to tensor" in undo.text()
    control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    for _ in range(2):
        qtbot.keyClick(opened, Qt.Key.Key_Z, control)
    assert cell(opened, LAYER, WEIGHTS) == "int8"
    assert combo(opened, "weightDtype").currentText() == "int8"
    assert not opened.isWindowModified()
    assert not undo.isEnabled()
    qtbot.keyClick(opened, Qt.Key.Key_Z, control | shift)
    assert cell(opened, LAYER, WEIGHTS) == "int4"


def test_a_mixed_selection_is_edited_together(qtbot: QtBot, opened: MainWindow) -> None:
    """Mixed values are shown as such; a choice goes to all layers, in one step."""
    click_card(qtbot, opened, LAYER)
    combo(opened, "activationDtype").setCurrentText("int16")
    click_card(qtbot, opened, "/head/Gemm", ctrl=True)
    box = combo(opened, "activationDtype")
    assert box.currentIndex() == -1
    assert box.placeholderText() == "mixed"
    box.setCurrentText("uint4")
    asked = [opened.document.specs_of(name).activations.dtype for name in (LAYER, "/head/Gemm")]
    assert asked == ["uint4", "uint4"]
    assert cell(opened, "/head/Gemm", ACTIVATIONS) == "uint4"
    opened.bridge.undo()
    assert cell(opened, LAYER, ACTIVATIONS) == "int16"


def test_without_a_selection_the_defaults_are_edited(opened: MainWindow) -> None:
    """The panel then speaks of all layers."""
    assert opened.panel.title.full_text() == "All layers"
    combo(opened, "weightDtype").setCurrentText("int6")
    layers = [layer for layer in opened.document.layers if layer.weight is not None]
    assert all(cell(opened, layer.name, WEIGHTS) == "int6" for layer in layers)


def test_percentile_and_hand_set_range(qtbot: QtBot, calibrated: MainWindow, idle: Idle) -> None:
    """Parameters appear with their method, and change the spec."""
    click_card(qtbot, calibrated, LAYER)
    editor = calibrated.panel.activations
    assert not editor.percentile.isVisible()
    editor.range.setCurrentText("percentile")
    assert editor.percentile.isVisible()
    editor.percentile.setValue(99.5)
    assert "percentile99.5" in str(calibrated.document.specs_of(LAYER).activations)
    editor.range.setCurrentText("range")
    editor.high.setValue(2.5)
    idle()
    facts = calibrated.bridge.activation_facts(LAYER)
    assert facts is not None
    assert facts.qparams is not None
    assert float(facts.qparams.hi) == pytest.approx(2.5, rel=0.01)
    shape = calibrated.plots.activations.shape()
    assert shape is not None
    assert shape.high == pytest.approx(float(facts.qparams.hi))


def test_float_leaves_a_layer_alone(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """The other controls have nothing to say then."""
    click_card(qtbot, opened, LAYER)
    combo(opened, "weightDtype").setCurrentText("float")
    idle()
    assert not combo(opened, "weightRange").isEnabled()
    assert cell(opened, LAYER, SQNR) == "–"
    combo(opened, "weightDtype").setCurrentText("int8")
    assert combo(opened, "weightRange").isEnabled()


def test_random_inputs_are_named_as_such(qtbot: QtBot, opened: MainWindow, idle: Idle) -> None:
    """They help where there is no data, and say what they are."""
    click_card(qtbot, opened, LAYER)
    assert opened.plots.activations.is_empty()
    assert "Drop calibration data" in opened.plots.activations.empty.text()
    qtbot.mouseClick(opened.plots.random, Qt.MouseButton.LeftButton)
    idle()
    assert not opened.plots.activations.is_empty()
    assert "random inputs" in opened.strip.text("data")
    assert "random inputs" in opened.messages.text()


def test_a_picked_channel_shows_its_own_histogram(
    qtbot: QtBot, opened: MainWindow, idle: Idle
) -> None:
    """Picking a channel narrows the histogram to it."""
    click_card(qtbot, opened, LAYER)
    opened.plots.channels.picked.emit(3)
    layer = opened.document.layer(LAYER)
    values = opened.document.model.constant(layer.weight or "")
    shape = opened.plots.weights.shape()
    assert shape is not None
    one = ExactDistribution.of(values[3], name="channel")
    assert shape.counts.sum() == values[3].size
    assert shape.edges[0] == pytest.approx(float(one.lo[0]), rel=1e-6)
    assert "channel 3" in shape.note


def test_the_saved_file_runs_and_is_proved(
    qtbot: QtBot,
    calibrated: MainWindow,
    idle: Idle,
    sample_models: Path,
    tmp_path: Path,
) -> None:
    """Predicted and measured agree, and onnxruntime runs what was saved."""
    click_card(qtbot, calibrated, LAYER)
    combo(calibrated, "weightDtype").setCurrentText("int4")
    target = tmp_path / "quantized.onnx"
    with qtbot.waitSignal(calibrated.files.saved, timeout=60_000) as arrived:
        calibrated.save_quantized(target)
    idle()
    result = arrived.args[0] if arrived.args else None
    assert result is not None
    assert result.verification is not None
    assert result.verification.agrees
    assert "predicted" in calibrated.messages.text()
    assert not calibrated.isWindowModified()
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    with np.load(sample_models / "digits_evaluation.npz") as data:
        images = data["image"] if "image" in data else data[data.files[0]]
        labels = next((data[n] for n in data.files if n.startswith("label")), None)
    scores = session.run(None, {session.get_inputs()[0].name: images.astype(np.float32)})[0]
    assert labels is not None
    assert float((np.asarray(scores).argmax(axis=1) == labels).mean()) > 0.9


def test_saving_without_data_says_what_to_do(
    opened: MainWindow, idle: Idle, tmp_path: Path
) -> None:
    """No data, quantized activations: a message, and no file."""
    target = tmp_path / "out.onnx"
    opened.save_quantized(target)
    idle()
    assert "Drop calibration data" in opened.messages.text()
    assert not target.exists()


def test_a_recipe_can_be_saved_and_dropped(
    qtbot: QtBot, opened: MainWindow, idle: Idle, tmp_path: Path
) -> None:
    """A recipe comes back as it was, as one undo step."""
    click_card(qtbot, opened, LAYER)
    combo(opened, "weightDtype").setCurrentText("int5")
    recipe = tmp_path / "choice.toml"
    opened.files.save_recipe(recipe)
    assert not opened.isWindowModified()
    opened.bridge.undo()
    assert drop(opened, recipe)
    idle()
    assert cell(opened, LAYER, WEIGHTS) == "int5"


def test_closing_the_message(qtbot: QtBot, opened: MainWindow, idle: Idle, tmp_path: Path) -> None:
    """A message goes when its button is clicked."""
    opened.open_path(tmp_path / "nothing.onnx")
    message = opened.messages.messages()[0]
    qtbot.mouseClick(message._close, Qt.MouseButton.LeftButton, pos=QPoint(3, 3))
    assert opened.messages.messages() == []
