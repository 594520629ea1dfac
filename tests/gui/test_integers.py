"""The tab of integers, driven as a user does, against figures that are computed apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from PySide6.QtCore import QPoint, QPointF, Qt
from pytestqt.qtbot import QtBot

from inspector.evaluate.layer_errors import LayerErrors, LayerRequest
from inspector.evaluate.preview import Preview
from inspector.evaluate.worked import Bench, Worked, work_through
from inspector.graph.conversions import conversions
from inspector.graph.grids import Grids, choose_grids
from inspector.graph.pipeline import pipeline_of
from inspector.gui.estimate import preview_samples
from inspector.gui.integers.pages import number_of, number_page, real, whole
from inspector.gui.integers.pane import IntegersPane
from inspector.gui.integers.stages import Stage, span, stages
from inspector.gui.main_window import MainWindow
from inspector.gui.properties.page import Page, Pair
from inspector.gui.properties.sheet import Sheet
from inspector.quant.kernels import dequantize, quantize
from inspector.quant.qparams import QParams
from inspector.quant.spec import QuantSpec
from inspector.report.conversion_text import headline
from inspector.session.chosen import resolve
from inspector.session.target_profile import ASSUMED, Accumulator

Idle = Callable[[], None]
LEFT = Qt.MouseButton.LeftButton


def grid(scale: float, zero: int = 0, qmin: int = -128, qmax: int = 127) -> QParams:
    """Of one scale."""
    return QParams(np.asarray(np.float32(scale)), np.asarray(np.int32(zero)), qmin, qmax)


def rows(page: Page) -> dict[str, str]:
    """Names and values of a page."""
    return {
        row.name: row.value
        for section in page.sections
        for row in section.rows
        if isinstance(row, Pair)
    }


def stage(pane: IntegersPane, kind: str) -> Stage:
    """One box of the diagram."""
    return next(one for one in pane.diagram.shown if one.kind == kind)


@pytest.fixture
def settled(qtbot: QtBot, window: MainWindow, idle: Idle) -> Idle:
    """Wait until the tab shows all that will come."""

    def wait() -> None:
        idle()
        qtbot.waitUntil(window.integers.is_settled, timeout=20_000)
        idle()

    return wait


@pytest.fixture
def pane(qtbot: QtBot, calibrated: MainWindow, settled: Idle) -> IntegersPane:
    """The tab in front, with the second layer chosen."""
    calibrated.presenter.select((calibrated.document.layers[1].name,))
    qtbot.keyClick(
        calibrated,
        Qt.Key.Key_N,
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
    )
    settled()
    assert calibrated.tabs.currentWidget() is calibrated.integers.tab
    return calibrated.integers.pane


def grids_apart(window: MainWindow) -> Grids:
    """The scales of today's recipe."""
    opened, document = window.document.opened, window.document
    assert document.calibration is not None
    plan = opened.placement.plan(resolve(opened, document.recipe))
    return choose_grids(opened.graph, plan, opened.prepared.constant, document.calibration.tensors)


def worked_apart(
    window: MainWindow, name: str, sample: int, index: tuple[int, ...] | None
) -> Worked:
    """One output of one sample."""
    opened, data = window.document.opened, window.document.dataset
    assert data is not None
    grids, preview = grids_apart(window), Preview(opened.prepared, opened.placement)
    errors, request = LayerErrors(preview), LayerRequest.of(preview, grids)
    feeds = list(preview_samples(data).samples())[sample]
    return work_through(
        Bench(opened.prepared, opened.placement, grids, request, errors), name, feeds, index
    )


def type_into(qtbot: QtBot, field: object, text: str) -> None:
    """Replace what a field says, key by key."""
    qtbot.mouseClick(field, LEFT)
    qtbot.keyClick(field, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClicks(field, text)


def check_worked(pane: IntegersPane, one: Worked) -> None:
    """The sheet says what was computed apart."""
    shown = rows(pane.worked.page)
    assert shown["Accumulator"] == whole(one.accumulator)
    assert shown["Float model"] == real(one.expected)
    assert shown["Result"] == real(one.real)
    if one.requantized is not None:
        at = f"Rounded + {one.requantized.zero_point}, clamped"
        assert shown[at] == whole(one.requantized.code)
        assert shown["as an integer m"] == whole(one.requantized.whole)
    assert pane.index.text() == ", ".join(map(str, one.index))


# The pipeline -------------------------------------------------------------------------------------


def test_the_pipeline_is_the_one_of_todays_choices(
    calibrated: MainWindow, pane: IntegersPane
) -> None:
    """Scales, reach, multiplier and bias, and the sums of the sample that is looked at."""
    name = calibrated.document.layers[1].name
    opened = calibrated.document.opened
    found = pipeline_of(opened.placement, grids_apart(calibrated), name, opened.prepared.constant)
    one = worked_apart(calibrated, name, 0, None)
    assert found.reach is not None
    assert found.requantization is not None
    assert found.bias is not None
    text = "\n".join(stage(pane, "sum").lines)
    assert span(found.reach.ends) in text
    assert span(one.seen) in text
    assert "32" in text
    assert span(found.requantization.multipliers) in stage(pane, "scale").title
    assert span((found.bias.lowest, found.bias.highest)) in stage(pane, "bias").lines[0]
    assert "Relu" in " ".join(stage(pane, "scale").lines)
    assert pane.title.full_text() == name
    assert pane.diagram.accessibleDescription().count("\n") == len(pane.diagram.shown) - 1


def test_it_follows_every_change(
    qtbot: QtBot, calibrated: MainWindow, pane: IntegersPane, settled: Idle
) -> None:
    """The number in the same moment, all else once the new scales are known; also an undo."""
    name = calibrated.document.layers[1].name
    before, code = pane.diagram.shown, rows(pane.number.page)["Code"]
    calibrated.bridge.set_specs([name], QuantSpec.parse("int6:channel"), None)
    assert rows(pane.number.page)["Code"] != code
    assert pane.stale.isVisible()
    settled()
    assert not pane.stale.isVisible()
    assert "int6" in stage(pane, "weight").title
    check_worked(pane, worked_apart(calibrated, name, 0, None))
    qtbot.keyClick(calibrated, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    settled()
    assert pane.diagram.shown == before


def test_nothing_is_computed_while_nobody_looks(calibrated: MainWindow, settled: Idle) -> None:
    """The tab is empty until it is turned to."""
    calibrated.presenter.select((calibrated.document.layers[1].name,))
    settled()
    layout = calibrated.integers.tab.layout()
    assert layout is not None
    assert layout.count() == 0


def test_power_of_two_scales_need_no_multiplier(
    calibrated: MainWindow, pane: IntegersPane, settled: Idle
) -> None:
    """The box says by how many bits, and codes are fixed-point numbers."""
    names = [layer.name for layer in calibrated.document.layers]
    pow2 = QuantSpec.parse("int8:sym:pow2"), QuantSpec.parse("int8:tensor:sym:pow2")
    calibrated.bridge.set_specs(names, *pow2)
    settled()
    assert stage(pane, "scale").title == ">> shift alone"
    assert "Q" in rows(pane.number.page)["Fixed point"]


def test_an_accumulator_that_may_overflow_is_a_warning() -> None:
    """As many channels as may overflow, and the gauge goes beyond its end."""
    wide = Accumulator(32, source="somewhere, page 1")
    narrow = Accumulator(8, note="of a toy")
    found = _pipeline_of_ones()
    box = next(one for one in stages(found, wide, (-3, 90)) if one.kind == "sum")
    assert not box.warns
    assert "somewhere, page 1" in box.tip
    assert any("seen ≈ −3 … 90: 8 bits" in line for line in box.lines)
    box = next(one for one in stages(found, narrow) if one.kind == "sum")
    assert box.warns
    assert "4 of 4 channels may overflow" in box.lines[1]
    assert box.gauge is not None
    assert (box.gauge.worst or 0) > box.gauge.width
    assert (
        "32 bits are assumed"
        in next(one for one in stages(found, ASSUMED) if one.kind == "sum").tip
    )


def _pipeline_of_ones() -> object:
    from inspector.graph.pipeline import Pipeline
    from inspector.quant.accumulator import Reach

    ends = np.full(4, -9000), np.full(4, 9000)
    one = grid(0.5)
    units = np.array([0.25], np.float32)
    return Pipeline(
        "a", "MatMul", (one,), one, 9, Reach(*ends), units, None, (0, 0), (), None, None, True
    )


# One number ---------------------------------------------------------------------------------------


def test_a_number_that_is_typed_is_shown_as_a_code(
    qtbot: QtBot, calibrated: MainWindow, pane: IntegersPane
) -> None:
    """In decimal, hexadecimal and binary, with what is lost: as the kernels have it."""
    facts = calibrated.bridge.weight_facts(calibrated.document.layers[1].name)
    assert facts is not None
    assert facts.qparams is not None
    scale = facts.qparams.scale.reshape(-1)[0]
    one = QParams(scale, np.asarray(0), facts.qparams.qmin, facts.qparams.qmax)
    for text in ("0.25", "-0.031", "1e9", "-inf"):
        type_into(qtbot, pane.value, text)
        value = np.float32(float(text))
        code = int(quantize(value, one))
        shown = rows(pane.number.page)
        assert shown["Code"] == whole(code)
        assert int(shown["Hex"], 16) == code & 0xFF
        assert int(shown["Binary"].replace(" ", ""), 2) == code & 0xFF
        assert shown["On the grid"] == real(float(dequantize(np.int32(code), one)))
        assert (shown["Clipped"] != "no") == (abs(value) > 128 * scale)


def test_codes_may_be_typed_too(qtbot: QtBot, pane: IntegersPane) -> None:
    """In two's complement; what is no number says what one would be."""
    for text, code in (("0xf3", -13), ("0b0000_1101", 13), ("0x7f", 127)):
        type_into(qtbot, pane.value, text)
        assert rows(pane.number.page)["Code"] == whole(code)
        assert float(rows(pane.number.page)["Error"]) == 0.0
    for text in ("", "abc", "0x1ff", "nan", "0b2", "1_0x"):
        type_into(qtbot, pane.value, text or " ")
        assert not pane.number.isVisible()
        assert "Type a number" in pane.number_reason.text()


def test_channels_have_scales_of_their_own(
    qtbot: QtBot, calibrated: MainWindow, pane: IntegersPane
) -> None:
    """The keys of the box go through them, and so does a click on a channel."""
    facts = calibrated.bridge.weight_facts(calibrated.document.layers[1].name)
    assert facts is not None
    assert facts.qparams is not None
    assert pane.row.maximum() == facts.qparams.rows - 1
    pane.row.setFocus()
    qtbot.keyClick(pane.row, Qt.Key.Key_Up)
    qtbot.keyClick(pane.row, Qt.Key.Key_Up)
    assert pane.row.value() == 2
    scale = float(facts.qparams.scale.reshape(-1)[2])
    assert rows(pane.number.page)["Code"] == whole(round(0.1 / scale))
    card = calibrated.plots.channels
    place = card.view.mapFromScene(card.box.mapViewToScene(QPointF(5.0, 1.0)))
    qtbot.mouseClick(card.view.viewport(), LEFT, pos=QPoint(place))
    assert pane.row.value() == 5


def test_a_click_into_a_histogram_picks_its_value(
    qtbot: QtBot, calibrated: MainWindow, pane: IntegersPane
) -> None:
    """On the grid of what the histogram is of."""
    plots = calibrated.plots
    for card, role in ((plots.activations, "activations"), (plots.weights, "weights")):
        low, high = card.box.viewRange()[0]
        value = low + 0.6 * (high - low)
        middle = card.box.viewRect().center().y()
        place = card.view.mapFromScene(card.box.mapViewToScene(QPointF(value, middle)))
        qtbot.mouseClick(card.view.viewport(), LEFT, pos=QPoint(place))
        assert pane.chosen_role == role
        assert float(pane.value.text()) == pytest.approx(value, abs=0.02 * (high - low))
        assert pane.number.isVisible()


def test_what_has_no_grid_says_why(
    qtbot: QtBot, calibrated: MainWindow, pane: IntegersPane, settled: Idle
) -> None:
    """Floats, and nothing chosen."""
    name = calibrated.document.layers[1].name
    calibrated.bridge.set_specs([name], QuantSpec.parse("float"), None)
    settled()
    assert "Left in float" in pane.number_reason.text()
    assert "weights are not quantized" in pane.reason.text()
    assert not pane.diagram.isVisible()
    assert not pane.worked.isVisible()
    assert not pane.place.isVisible()
    calibrated.presenter.select(())
    settled()
    assert "Select a layer" in pane.reason.text()
    assert "Select a layer" in pane.number_reason.text()
    assert pane.model.isVisible()


def test_without_data_the_weights_have_codes_all_the_same(
    qtbot: QtBot, opened: MainWindow, settled: Idle
) -> None:
    """And the rest says what it waits for."""
    opened.presenter.select((opened.document.layers[1].name,))
    opened.integers.come_forward()
    settled()
    pane = opened.integers.pane
    assert "Drop calibration data" in pane.reason.text()
    assert rows(pane.number.page)["Code"]
    pane.role.setFocus()
    qtbot.keyClick(pane.role, Qt.Key.Key_Down)
    assert "Drop calibration data" in pane.number_reason.text()
    assert not pane.model.isVisible()


def test_statistics_alone_have_no_sample_to_work_with(
    opened: MainWindow, settled: Idle, tmp_path: Path, sample_models: Path
) -> None:
    """The pipeline is there, the sum says what is missing."""
    from inspector.evaluate.statistics import save_calibration

    opened.open_path(sample_models / "digits_calibration.npz")
    settled()
    assert opened.document.calibration is not None
    saved = tmp_path / "seen.npz"
    save_calibration(opened.document.calibration, saved)
    opened.open_path(sample_models / "digits_cnn.onnx")
    settled()
    opened.open_path(saved)
    settled()
    opened.presenter.select((opened.document.layers[1].name,))
    opened.integers.come_forward()
    settled()
    pane = opened.integers.pane
    assert pane.diagram.isVisible()
    assert "no samples" in pane.worked_reason.text()


def test_numbers_on_the_ends_of_a_grid() -> None:
    """Neighbours that are not there are told; unsigned codes are no negative numbers."""
    page = rows(number_page(-200.0, grid(1.0), 0))
    assert page["Clipped"] == "to the lowest code"
    assert page["Next below"].startswith("none")
    assert page["Next above"] == "−127 = −127"
    unsigned = grid(0.5, 3, 0, 255)
    assert number_of("0xff", unsigned, 0) == 126.0
    assert number_of(" 2,5 ", unsigned, 0) == 2.5
    assert number_of("−0.25", unsigned, 0) == -0.25
    assert rows(number_page(math.inf, unsigned, 0))["Code"] == "255"


# One output ---------------------------------------------------------------------------------------


def test_an_output_is_worked_through(calibrated: MainWindow, pane: IntegersPane) -> None:
    """The one in the middle, of the first sample."""
    one = worked_apart(calibrated, calibrated.document.layers[1].name, 0, None)
    check_worked(pane, one)
    shown = rows(pane.worked.page)
    for term in one.terms:
        assert whole(term.product) in shown.values()


def test_any_element_of_any_sample_can_be_asked_for(
    qtbot: QtBot, calibrated: MainWindow, pane: IntegersPane, settled: Idle
) -> None:
    """By typing its place, by the keys of the sample, and by the button."""
    name = calibrated.document.layers[1].name
    type_into(qtbot, pane.index, "0, 3, 0, 0")
    qtbot.keyClick(pane.index, Qt.Key.Key_Return)
    settled()
    one = worked_apart(calibrated, name, 0, (0, 3, 0, 0))
    check_worked(pane, one)
    assert one.padded
    assert f"{one.padded} on the border of zeros" in rows(pane.worked.page)
    pane.sample.setFocus()
    qtbot.keyClick(pane.sample, Qt.Key.Key_Up)
    settled()
    assert pane.sample.value() == 2
    check_worked(pane, worked_apart(calibrated, name, 1, (0, 3, 0, 0)))
    qtbot.mouseClick(pane.another, LEFT)
    settled()
    index = tuple(int(part) for part in pane.index.text().split(", "))
    check_worked(pane, worked_apart(calibrated, name, 1, index))


def test_an_element_that_is_not_there_is_told(
    qtbot: QtBot, pane: IntegersPane, settled: Idle
) -> None:
    """And the next one that is there is shown again."""
    for text, words in (("0, 999, 0, 0", "There is no element"), ("a, b", "is no element")):
        type_into(qtbot, pane.index, text)
        qtbot.keyClick(pane.index, Qt.Key.Key_Return)
        settled()
        assert words in pane.worked_reason.text()
        assert pane.place.isVisible()
        assert pane.diagram.isVisible()
    type_into(qtbot, pane.index, "0, 0, 0, 0")
    qtbot.keyClick(pane.index, Qt.Key.Key_Return)
    settled()
    assert pane.worked.isVisible()
    assert not pane.worked_reason.isVisible()


# The whole model ----------------------------------------------------------------------------------


def click_row(qtbot: QtBot, sheet: Sheet, name: str) -> None:
    """Click the value of a row."""
    line = next(
        line
        for line in sheet.laid.lines
        if line.row is not None and line.row.name == name and line.row.target is not None
    )
    rect = sheet.laid.cells[line.value].rect
    qtbot.mouseClick(sheet, LEFT, pos=QPoint(round(rect.left()) + 3, round(rect.top()) + 9))


def test_the_model_says_what_its_islands_cost(
    qtbot: QtBot, calibrated: MainWindow, pane: IntegersPane, settled: Idle
) -> None:
    """As counted apart; a layer that is left in float makes one more."""
    opened = calibrated.document.opened
    found = conversions(opened.placement, grids_apart(calibrated))
    assert pane.model.page.subtitle == headline(found.counts.to_json())
    name = calibrated.document.layers[1].name
    calibrated.bridge.set_specs([name], QuantSpec.parse("float"), QuantSpec.parse("float"))
    settled()
    after = conversions(opened.placement, grids_apart(calibrated))
    assert pane.model.page.subtitle == headline(after.counts.to_json())
    assert after.counts.quantizes > found.counts.quantizes
    assert "island" in pane.model.page.subtitle


def test_a_click_on_an_operator_chooses_it(
    qtbot: QtBot, calibrated: MainWindow, pane: IntegersPane
) -> None:
    """The sums where scales meet lead to their nodes."""
    found = conversions(calibrated.document.opened.placement, grids_apart(calibrated))
    first = next(one for one in found.meetings if one.op_type == "Add")
    click_row(qtbot, pane.model, "Add")
    assert calibrated.selection.chosen.names
    chosen = calibrated.selection.chosen.names[0]
    assert chosen in {one.node for one in found.meetings}
    assert first.op_type == calibrated.document.opened.graph.node(chosen).op_type


def test_a_storm_of_edits_leaves_nothing_stale(
    qtbot: QtBot, calibrated: MainWindow, pane: IntegersPane, settled: Idle
) -> None:
    """Whatever was changed, looked at and taken back: in the end all is of today's choices."""
    rng = np.random.default_rng(7)
    names = [layer.name for layer in calibrated.document.layers]
    weights = ["int8:channel", "int4:tensor", "float", "int8:sym:pow2", "uint8:asym"]
    for _ in range(30):
        name = names[int(rng.integers(len(names)))]
        match int(rng.integers(5)):
            case 0:
                calibrated.presenter.select((name,))
            case 1:
                calibrated.bridge.undo()
            case 2:
                qtbot.mouseClick(pane.another, LEFT)
            case _:
                spec = QuantSpec.parse(weights[int(rng.integers(len(weights)))])
                calibrated.bridge.set_specs([name], spec, QuantSpec.parse("uint8"))
        qtbot.wait(int(rng.integers(12)))
    name = names[1]
    calibrated.presenter.select((name,))
    calibrated.bridge.set_specs([name], QuantSpec.parse("int7"), QuantSpec.parse("uint8"))
    settled()
    assert not pane.stale.isVisible()
    check_worked(pane, worked_apart(calibrated, name, pane.sample.value() - 1, None))
    assert "int7" in stage(pane, "weight").title
    found = conversions(calibrated.document.opened.placement, grids_apart(calibrated))
    assert pane.model.page.subtitle == headline(found.counts.to_json())
    assert pane.title.full_text() == name


def test_a_model_without_layers_says_so(opened: MainWindow, settled: Idle, tmp_path: Path) -> None:
    """And nothing of the model before stays."""
    opened.presenter.select((opened.document.layers[1].name,))
    opened.integers.come_forward()
    settled()
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"], name="relu")],
        "bare",
        [helper.make_tensor_value_info("x", 1, (1, 4))],
        [helper.make_tensor_value_info("y", 1, (1, 4))],
    )
    imports = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), tmp_path / "bare.onnx")
    opened.open_path(tmp_path / "bare.onnx")
    settled()
    pane = opened.integers.pane
    assert pane.reason.text() == "This model has no layers that can be quantized."
    assert not pane.number.isVisible()
    assert not pane.place.isVisible()
    assert not pane.model.isVisible()
