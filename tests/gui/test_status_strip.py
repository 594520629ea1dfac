"""The strip's end-to-end figures and the classes behind them, against those computed apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QTableWidget
from pytestqt.qtbot import QtBot

from inspector.evaluate.data import load_data
from inspector.evaluate.fidelity import FidelityMeter, class_output
from inspector.evaluate.preview import Preview
from inspector.evaluate.runtime import open_session
from inspector.graph.grids import choose_grids
from inspector.gui.estimate import preview_samples
from inspector.gui.figure_row import FigureRow
from inspector.gui.main_window import MainWindow
from inspector.gui.status_strip import StatusStrip, duration_text
from inspector.onnxio.runnable import runnable
from inspector.quant.spec import QuantSpec
from inspector.report.units import cosine_text, decibel_text, percent_text
from inspector.session.chosen import resolve

Idle = Callable[[], None]
LEFT = Qt.MouseButton.LeftButton


def computed_apart(window: MainWindow) -> tuple[FidelityMeter, list[np.ndarray], list[np.ndarray]]:
    """The figures of today's recipe, and the class scores of both models."""
    opened, document = window.document.opened, window.document
    assert document.calibration is not None
    assert document.dataset is not None
    plan = opened.placement.plan(resolve(opened, document.recipe))
    grids = choose_grids(opened.graph, plan, opened.prepared.constant, document.calibration.tensors)
    classes = class_output(opened.graph)
    assert classes is not None
    meter = FidelityMeter(classes)
    session = open_session(runnable(opened.source))
    preview = Preview(opened.prepared, opened.placement)
    scores: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for feeds in preview_samples(document.dataset).samples():
        expected, found = session.run(feeds), preview.run(grids, feeds)
        meter.add(expected, found)
        scores[0].append(expected[classes])
        scores[1].append(found[classes])
    return meter, *scores


def softmax(values: np.ndarray) -> np.ndarray:
    """Probabilities of one row of scores."""
    powers = np.exp(values.astype(np.float64) - values.max())
    return np.asarray(powers / powers.sum())


def change_a_layer(window: MainWindow, bits: str = "int3") -> None:
    """Make a choice that costs much."""
    window.bridge.set_specs([window.document.layers[1].name], QuantSpec.parse(bits), None)


def test_the_strip_shows_what_is_computed_apart(calibrated: MainWindow, idle: Idle) -> None:
    """SQNR, cosine and agreement, also after a change."""
    before = calibrated.strip.text("sqnr")
    change_a_layer(calibrated)
    idle()
    expected = computed_apart(calibrated)[0].result()
    assert expected.top1_agreement is not None
    strip = calibrated.strip
    assert strip.text("sqnr") == f"Output SQNR ≈ {decibel_text(expected.sqnr_db)}" != before
    assert strip.text("cosine") == f"Cosine ≈ {cosine_text(expected.cosine)}"
    assert strip.text("top1") == f"Top-1 ≈ {percent_text(expected.top1_agreement)}"
    assert strip.text("time").endswith(("ms", " s"))


def test_the_mean_bits_follow_every_change(calibrated: MainWindow, idle: Idle) -> None:
    """Weighted by the number of weights; float counts 32."""
    assert calibrated.strip.text("bits") == "8 bits"
    layers = [layer for layer in calibrated.document.layers if layer.weight_shape is not None]
    counts = [int(np.prod(layer.weight_shape or ())) for layer in layers]
    calibrated.bridge.set_specs([layers[0].name], QuantSpec.parse("int4"), None)
    calibrated.bridge.set_specs([layers[1].name], QuantSpec.parse("float"), None)
    bits = [4, 32] + [8] * (len(layers) - 2)
    idle()
    mean = float(np.dot(counts, bits)) / sum(counts)
    assert calibrated.strip.text("bits") == f"{mean:.3g} bits"


def test_figures_are_grey_while_they_are_old(
    qtbot: QtBot, calibrated: MainWindow, idle: Idle
) -> None:
    """They stay in sight, greyed, until the new ones are there."""
    before = calibrated.strip.text("sqnr")
    change_a_layer(calibrated)
    labels = calibrated.strip.figures.labels
    assert calibrated.strip.text("sqnr") == before
    assert not any(labels[name].isEnabled() for name in ("sqnr", "cosine", "top1", "time"))
    idle()
    assert calibrated.strip.text("sqnr") != before
    assert all(labels[name].isEnabled() for name in ("sqnr", "cosine", "top1", "time"))


def test_a_click_on_top_1_shows_the_classes(
    qtbot: QtBot, calibrated: MainWindow, idle: Idle
) -> None:
    """As probabilities, float beside quantized, for each sample in turn."""
    change_a_layer(calibrated, "int2")
    idle()
    qtbot.mouseClick(calibrated.strip.figures.labels["top1"], LEFT)
    popup = calibrated.insight.strip.popup
    assert popup.isVisible()
    _, expected, found = computed_apart(calibrated)
    for number in range(len(expected)):
        check_table(popup.table, softmax(expected[number][0]), softmax(found[number][0]))
        assert popup.title.text().startswith(f"Sample {number + 1} (")
        qtbot.keyClick(popup.table, Qt.Key.Key_Right)
    assert popup.title.text().startswith("Sample 1 (")
    back = popup.findChild(QPushButton, "previousSample")
    assert back is not None
    qtbot.mouseClick(back, LEFT)
    assert popup.title.text().startswith(f"Sample {len(expected)} (")
    qtbot.keyClick(popup.table, Qt.Key.Key_Escape)
    assert not popup.isVisible()


def check_table(table: QTableWidget, expected: np.ndarray, found: np.ndarray) -> None:
    """The five likeliest of the float model in order, and every class that is in either list."""
    rows = [[table.item(r, c).text() for c in range(4)] for r in range(table.rowCount())]
    best = list(np.argsort(-expected, kind="stable")[:5])
    assert [int(row[0].split()[0]) for row in rows[:5]] == best
    both = set(best) | set(np.argsort(-found, kind="stable")[:5])
    assert {int(row[0].split()[0]) for row in rows} == both
    for name, first, second, change in rows:
        one, other = expected[int(name.split()[0])], found[int(name.split()[0])]
        assert (first, second) == (percent_text(one), percent_text(other))
        assert float(change.replace("−", "-")) == pytest.approx(100 * (other - one), abs=0.006)


def test_the_keyboard_opens_the_classes(qtbot: QtBot, calibrated: MainWindow) -> None:
    """Tab leads to the figure and Enter opens it."""
    label = calibrated.strip.figures.labels["top1"]
    assert label.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert label.accessibleName()
    qtbot.keyClick(label, Qt.Key.Key_Return)
    assert calibrated.insight.strip.popup.isVisible()


def test_labels_in_the_data_give_an_accuracy(
    opened: MainWindow, idle: Idle, sample_models: Path, tmp_path: Path
) -> None:
    """Of the float model and of the quantized one, on the same samples."""
    with np.load(sample_models / "digits_calibration.npz") as stored:
        images = stored["image"]
    session = onnxruntime.InferenceSession(str(sample_models / "digits_cnn.onnx"))
    labels = session.run(None, {"image": images})[0].argmax(axis=-1)
    path = tmp_path / "labelled.npz"
    np.savez(path, image=images, labels=labels.astype(np.int64))
    opened.open_path(path)
    idle()
    change_a_layer(opened, "int2")
    idle()
    _, expected, found = computed_apart(opened)
    data = load_data(path, opened.document.opened.graph)
    right = preview_samples(data).labels
    assert right is not None
    shares = [
        np.mean([s[0].argmax() == r for s, r in zip(scores, right, strict=True)])
        for scores in (expected, found)
    ]
    assert shares[0] == 1.0
    text = f"Accuracy {percent_text(shares[0])} → ≈ {percent_text(shares[1])}"
    assert opened.strip.text("accuracy") == text
    opened.strip.classes_asked.emit()
    assert "is right" in opened.insight.strip.popup.words.text()
    assert "✓" in "".join(
        opened.insight.strip.popup.table.item(row, 0).text()
        for row in range(opened.insight.strip.popup.table.rowCount())
    )


def test_without_labels_there_is_no_accuracy(calibrated: MainWindow) -> None:
    """Nothing stands where nothing is known."""
    assert calibrated.strip.text("accuracy") == ""


def test_figures_give_way_where_there_is_no_room(qtbot: QtBot) -> None:
    """The least important first, and none is ever cut."""
    row = FigureRow({"a": "", "b": "", "c": ""}, ("b", "a"), 10)
    qtbot.addWidget(row)
    row.resize(600, 30)
    row.show()
    for name in "abc":
        row.set_text(name, f"<b>a long figure</b> {name}")
    assert all(label.isVisible() for label in row.labels.values())
    row.resize(row.sizeHint().width() - 1, 30)
    assert [n for n, label in row.labels.items() if label.isVisible()] == ["a", "c"]
    row.resize(row.minimumSizeHint().width(), 30)
    assert [n for n, label in row.labels.items() if label.isVisible()] == ["c"]
    assert row.text("b") == "a long figure b"
    row.set_text("a", "")
    row.resize(600, 30)
    assert [n for n, label in row.labels.items() if label.isVisible()] == ["b", "c"]


def test_the_strip_never_widens_the_window(qtbot: QtBot, calibrated: MainWindow) -> None:
    """With all figures and work under way it fits the smallest window that is promised."""
    strip = calibrated.strip
    strip.show_size(123_400_000, 45_600_000, 7.123)
    for widget in (strip.work, strip.progress, strip.cancel):
        widget.show()
    strip.work.setText("Quantizing layers one at a time")
    assert isinstance(strip, StatusStrip)
    assert strip.minimumSizeHint().width() < 900


def test_durations_are_short() -> None:
    """Milliseconds below a second, never zero."""
    assert [duration_text(s) for s in (0.0, 0.0123, 0.999, 1.449)] == [
        "1 ms", "12 ms", "999 ms", "1.4 s",
    ]  # fmt: skip
