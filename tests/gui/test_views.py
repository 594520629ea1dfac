"""What the views show stays true: after a storm of edits, sorted, reset, remembered."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QComboBox, QPushButton
from pytestqt.qtbot import QtBot

from inspector.graph.grids import weight_grid
from inspector.gui.layer_rows import NAME, PARAMETERS, SQNR, WEIGHTS
from inspector.gui.main_window import MainWindow
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import load_model
from inspector.quant.kernels import fake_quantize
from inspector.quant.metrics import sqnr_db

Idle = Callable[[], None]


def column(window: MainWindow, number: int) -> list[str]:
    """A column of the table as it is shown."""
    model = window.pane.table.model()
    return [str(model.index(row, number).data()) for row in range(model.rowCount())]


def test_nothing_stale_survives_a_storm_of_edits(calibrated: MainWindow, idle: Idle) -> None:
    """Random edits as fast as they come; then every figure equals a fresh computation."""
    dice = random.Random(7)
    names = [layer.name for layer in calibrated.document.layers]
    boxes = [
        calibrated.findChild(QComboBox, name)
        for name in ("weightDtype", "weightGranularity", "weightRange", "activationDtype")
    ]
    for _ in range(40):
        move = dice.random()
        if move < 0.4:
            calibrated.presenter.select(tuple(dice.sample(names, dice.randint(0, 3))))
        elif move < 0.5:
            calibrated.bridge.undo()
        elif move < 0.55:
            calibrated.bridge.redo()
        else:
            box = dice.choice(boxes)
            assert box is not None
            model, enabled = box.model(), Qt.ItemFlag.ItemIsEnabled
            rows = [r for r in range(box.count()) if model.index(r, 0).flags() & enabled]
            box.setCurrentIndex(dice.choice(rows))
    idle()
    document = calibrated.document
    shown = dict(zip(column(calibrated, NAME), column(calibrated, SQNR), strict=True))
    for layer in document.layers:
        assert not calibrated.bridge.is_stale(layer.name)
        spec = document.specs_of(layer.name).weights
        if layer.weight is None or spec.is_float:
            assert shown[layer.name] == "–"
            continue
        values = document.model.constant(layer.weight)
        grid = weight_grid(layer, spec, document.model.constant)
        fresh = float(sqnr_db(values, fake_quantize(values, grid)))
        figure = float(shown[layer.name].replace("∞", "inf"))
        assert figure == pytest.approx(fresh, abs=0.06), (layer.name, str(spec))


def test_numbers_sort_as_numbers(qtbot: QtBot, opened: MainWindow) -> None:
    """A click on a header sorts; a second one the other way round."""
    header = opened.pane.table.horizontalHeader()
    where = QPointF(header.sectionViewportPosition(PARAMETERS) + 8, 8).toPoint()
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=where)
    counts = [int(text.replace("\u2009", "")) for text in column(opened, PARAMETERS)]
    assert counts == sorted(counts)
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=where)
    counts = [int(text.replace("\u2009", "")) for text in column(opened, PARAMETERS)]
    assert counts == sorted(counts, reverse=True)


def test_selection_survives_sorting_and_filtering(opened: MainWindow) -> None:
    """Names, not rows, are what is selected."""
    opened.presenter.select(("/head/Gemm",))
    opened.pane.table.sortByColumn(SQNR, Qt.SortOrder.AscendingOrder)
    assert opened.pane.selected() == ("/head/Gemm",)
    assert opened.bridge.selected == ("/head/Gemm",)


def test_reset_takes_a_layers_own_choice_back(qtbot: QtBot, opened: MainWindow) -> None:
    """The button is there only where there is something to take back."""
    opened.presenter.select(("/head/Gemm",))
    button = opened.panel.reset
    assert not button.isVisible()
    box = opened.findChild(QComboBox, "weightDtype")
    assert box is not None
    box.setCurrentText("int3")
    assert button.isVisible()
    assert isinstance(button, QPushButton)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert not button.isVisible()
    assert set(column(opened, WEIGHTS)) == {"int8"}


def test_dragging_a_parameter_is_one_undo_step(opened: MainWindow) -> None:
    """Many values on the way, one step back."""
    opened.presenter.select(("/head/Gemm",))
    editor = opened.panel.weights
    editor.range.setCurrentText("percentile")
    steps = len(opened.document.steps)
    for share in (99.9, 99.8, 99.7, 99.6):
        editor.percentile.setValue(share)
    assert len(opened.document.steps) == steps + 1
    opened.bridge.undo()
    assert "percentile99.99" in str(opened.document.specs_of("/head/Gemm").weights)


def test_a_click_on_a_bar_selects_its_layer(opened: MainWindow) -> None:
    """The layer plot leads to the layer."""
    opened.plots.layers.picked.emit("/head/Gemm")
    assert opened.graph.selected() == ("/head/Gemm",)
    assert opened.pane.selected() == ("/head/Gemm",)


def test_the_layout_is_remembered(qtbot: QtBot, window: MainWindow) -> None:
    """A window opens as the last one was left."""
    window.stack.setCurrentWidget(window.columns)
    window.columns.moveSplitter(700, 1)
    left = window.columns.sizes()
    window.close()
    again = MainWindow()
    qtbot.addWidget(again)
    again.resize(1280, 800)
    again.stack.setCurrentWidget(again.columns)
    again.show()
    qtbot.waitExposed(again)
    assert again.columns.sizes() == pytest.approx(left, abs=4)
    again.close()


def test_nothing_is_cut_at_the_smallest_promised_size(calibrated: MainWindow) -> None:
    """1280 x 800: the window keeps that size, whatever it has to show."""
    calibrated.presenter.select(("/block1/conv1/conv/Conv",))
    for number in range(3):
        calibrated.messages.show_message("error", f"{number} " + "A long message. " * 12)
    calibrated.resize(1280, 800)
    assert (calibrated.width(), calibrated.height()) == (1280, 800)
    labels = calibrated.strip.figures.labels
    for label in (labels["size"], labels["sqnr"]):
        assert label.width() >= label.sizeHint().width()


def test_the_grid_shown_is_the_grid_saved(
    qtbot: QtBot, calibrated: MainWindow, idle: Idle, tmp_path: Path
) -> None:
    """Scale and zero point of every layer's input, from the panel's facts and from the file."""
    idle()
    target = tmp_path / "saved.onnx"
    calibrated.save_quantized(target)
    idle()
    written = load_model(target)
    graph = extract_graph(written)
    found = 0
    for layer in calibrated.document.layers:
        facts = calibrated.bridge.activation_facts(layer.name)
        node = next((n for n in graph.nodes if n.name == layer.name), None)
        if facts is None or facts.qparams is None or node is None:
            continue
        source = graph.producer(node.inputs[0])
        assert source is not None
        if source.op_type != "DequantizeLinear":
            continue
        scale = written.constant(source.inputs[1])
        assert float(facts.qparams.scale) == pytest.approx(float(scale), rel=1e-6), layer.name
        found += 1
    assert found == len(calibrated.document.layers)
