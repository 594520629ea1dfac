"""What the window says is what the file does: shared grids, room for biases, recipes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QPushButton
from pytestqt.qtbot import QtBot

from inspector.evaluate.statistics import save_calibration
from inspector.gui.layer_rows import ACTIVATIONS, NAME, SQNR
from inspector.gui.main_window import MainWindow
from inspector.quant.kernels import fake_quantize
from inspector.quant.metrics import sqnr_db

Idle = Callable[[], None]
STEM, LAYER = "/stem/conv/Conv", "/block1/conv1/conv/Conv"
DEAD = 3


def row_of(window: MainWindow, name: str) -> int:
    """Where a layer is in the table."""
    model = window.pane.table.model()
    return next(r for r in range(model.rowCount()) if model.index(r, NAME).data() == name)


def shown(window: MainWindow, name: str, column: int, role: Qt.ItemDataRole) -> str:
    """What the table says of a layer."""
    return str(window.pane.table.model().index(row_of(window, name), column).data(role))


def choose(window: MainWindow, layer: str, box: str, text: str) -> None:
    """Select a layer in the table, and choose in the panel."""
    window.pane.table.selectRow(row_of(window, layer))
    combo = window.findChild(QComboBox, box)
    assert combo is not None
    combo.setCurrentText(text)


def saved_scales(path: Path, layer: str, slot: int) -> np.ndarray:
    """The scales with which a layer's input is dequantized in a file."""
    graph = onnx.load(path).graph
    producers = {name: node for node in graph.node for name in node.output}
    values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    node = next(node for node in graph.node if node.name == layer)
    made = producers[node.input[slot]]
    assert made.op_type == "DequantizeLinear"
    return values[made.input[1]]


@pytest.fixture
def nearly_dead(sample_models: Path, tmp_path: Path) -> Path:
    """The sample network with a channel of tiny weights and an ordinary bias."""
    model = onnx.load(sample_models / "digits_cnn.onnx")
    norm = next(node for node in model.graph.node if node.op_type == "BatchNormalization")
    scales = next(item for item in model.graph.initializer if item.name == norm.input[1])
    values = numpy_helper.to_array(scales).copy()
    values[DEAD] = 1e-9
    scales.CopyFrom(numpy_helper.from_array(values, scales.name))
    path = tmp_path / "nearly_dead.onnx"
    onnx.save(model, path)
    return path


def test_weight_figures_have_room_for_the_bias(
    window: MainWindow, idle: Idle, nearly_dead: Path, sample_models: Path, tmp_path: Path
) -> None:
    """Once the activations are known, scale and SQNR are those of the file."""
    window.open_path(nearly_dead)
    idle()
    alone = window.bridge.weight_facts(STEM)
    assert alone is not None
    assert alone.qparams is not None
    window.open_path(sample_models / "digits_calibration.npz")
    idle()
    facts = window.bridge.weight_facts(STEM)
    assert facts is not None
    assert facts.qparams is not None
    assert facts.qparams.scale[DEAD] > 1000 * alone.qparams.scale[DEAD]
    target = tmp_path / "saved.onnx"
    window.save_quantized(target)
    idle()
    assert np.array_equal(facts.qparams.scale, saved_scales(target, STEM, 1))
    values = window.document.model.constant(window.document.layer(STEM).weight or "")
    real = sqnr_db(values, fake_quantize(values, facts.qparams))
    figure = float(shown(window, STEM, SQNR, Qt.ItemDataRole.DisplayRole))
    assert figure == pytest.approx(real, abs=0.051)
    assert not window.bridge.is_stale(STEM)


def test_another_spec_takes_the_room_away_again(
    window: MainWindow, idle: Idle, nearly_dead: Path, sample_models: Path
) -> None:
    """Activations in float need no int32 bias: the usual grid comes back."""
    window.open_paths([nearly_dead, sample_models / "digits_calibration.npz"])
    idle()
    choose(window, STEM, "activationDtype", "float")
    idle()
    facts = window.bridge.weight_facts(STEM)
    assert facts is not None
    assert facts.qparams is not None
    assert facts.qparams.scale[DEAD] < 1e-8
    window.bridge.undo()
    idle()
    facts = window.bridge.weight_facts(STEM)
    assert facts is not None
    assert facts.qparams is not None
    assert facts.qparams.scale[DEAD] > 1e-8


def test_a_shared_tensor_says_what_is_used_and_why(
    calibrated: MainWindow, idle: Idle, tmp_path: Path
) -> None:
    """A layer that asks for less than the tensor's other readers reads what they read."""
    choose(calibrated, LAYER, "activationDtype", "uint4")
    idle()
    assert shown(calibrated, LAYER, ACTIVATIONS, Qt.ItemDataRole.DisplayRole) == "uint8*"
    tip = shown(calibrated, LAYER, ACTIVATIONS, Qt.ItemDataRole.ToolTipRole)
    assert "uint8:tensor:mse:asym" in tip
    assert "one grid only" in tip
    assert "/stem/act/Relu" in tip
    facts = calibrated.bridge.activation_facts(LAYER)
    assert facts is not None
    assert facts.qparams is not None
    assert facts.qparams.qmax == 255
    target = tmp_path / "saved.onnx"
    calibrated.save_quantized(target)
    idle()
    assert float(facts.qparams.scale) == float(saved_scales(target, LAYER, 0))
    calibrated.bridge.undo()
    assert shown(calibrated, LAYER, ACTIVATIONS, Qt.ItemDataRole.DisplayRole) == "uint8"


def test_statistics_alone_give_the_grids_of_the_file(
    calibrated: MainWindow, idle: Idle, tmp_path: Path
) -> None:
    """Without samples there is no end-to-end figure, but the grids are the same."""
    statistics = tmp_path / "statistics.npz"
    assert calibrated.document.calibration is not None
    save_calibration(calibrated.document.calibration, statistics)
    before = calibrated.bridge.activation_facts(LAYER)
    calibrated.open_path(calibrated.document.opened.path)
    idle()
    calibrated.open_path(statistics)
    idle()
    after = calibrated.bridge.activation_facts(LAYER)
    assert before is not None
    assert after is not None
    assert before.qparams == after.qparams or (
        before.qparams is not None
        and after.qparams is not None
        and before.qparams.scale == after.qparams.scale
    )
    assert calibrated.bridge.fidelity is None
    assert calibrated.bridge.grids is not None
    assert calibrated.strip.text("sqnr") == ""


@pytest.fixture
def saved(calibrated: MainWindow, idle: Idle, tmp_path: Path) -> Path:
    """A model saved with a recipe of its own."""
    choose(calibrated, LAYER, "weightDtype", "int5")
    idle()
    target = tmp_path / "saved.onnx"
    calibrated.save_quantized(target)
    idle()
    assert target.exists()
    calibrated.messages.clear()
    return target


def test_a_saved_model_offers_its_recipe_for_the_float_model(
    qtbot: QtBot, calibrated: MainWindow, idle: Idle, saved: Path
) -> None:
    """It says what it is; one click opens the float model again, with the recipe."""
    float_model = calibrated.document.opened.path
    calibrated.open_path(saved)
    idle()
    assert "saved by Quant Inspector" in calibrated.messages.text()
    button = calibrated.findChild(QPushButton, "messageAction")
    assert button is not None
    assert float_model.name in button.text()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    idle()
    assert calibrated.document.opened.path == float_model
    assert calibrated.document.specs_of(LAYER).weights.dtype == "int5"
    assert calibrated.document.can_undo


def test_the_recipe_is_offered_when_the_float_model_is_opened(
    qtbot: QtBot, calibrated: MainWindow, idle: Idle, saved: Path
) -> None:
    """Whoever opens the float model by hand is asked as well; another model withdraws the offer."""
    float_model = calibrated.document.opened.path
    calibrated.open_path(saved)
    idle()
    calibrated.open_path(float_model)
    idle()
    assert calibrated.document.specs_of(LAYER).weights.dtype == "int8"
    button = calibrated.findChild(QPushButton, "messageAction")
    assert button is not None
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    idle()
    assert calibrated.document.specs_of(LAYER).weights.dtype == "int5"
    calibrated.bridge.undo()
    calibrated.open_path(float_model.with_name("digits_vit.onnx"))
    idle()
    assert all(message.offer is None for message in calibrated.messages.messages())


def test_open_recipe_takes_a_saved_model(calibrated: MainWindow, idle: Idle, saved: Path) -> None:
    """File > Open recipe reads it from the metadata; a model without one is told."""
    calibrated.bridge.undo()
    calibrated.files.open_recipe(saved)
    idle()
    assert calibrated.document.specs_of(LAYER).weights.dtype == "int5"
    calibrated.messages.clear()
    calibrated.files.open_recipe(calibrated.document.opened.path)
    idle()
    assert "holds no recipe" in calibrated.messages.text()
