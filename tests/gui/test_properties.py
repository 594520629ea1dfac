"""The sidebar on the screen: pages, links, keys, the values of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from inspector.graph.model import Graph
from inspector.gui.properties.page import Pair
from inspector.gui.properties.pane import PropertyPane
from inspector.gui.properties.sheet_cells import Line
from inspector.gui.tasks import Tasks
from inspector.gui.theme import DARK
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import Model, load_model, model_of
from inspector.onnxio.values import Dequantization
from inspector.quant.distribution import Histogram

LONG = "/block/" * 50 + "<img src=x>\n名前"


def build() -> tuple[Model, Graph]:
    """A quantized convolution, a node with sixty attributes, strings, a scalar, a function."""
    rng = np.random.default_rng(0)
    codes = np.clip(np.rint(rng.normal(size=(8, 4, 3, 3)) * 40), -127, 127).astype(np.int8)
    many = {f"attribute_{n:02}": list(range(1000)) if n % 3 else "text " * 90 for n in range(60)}
    function = helper.make_function(
        "com.example",
        "Twice",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    nodes = [
        helper.make_node("DequantizeLinear", ["w8", "s", "z"], ["w"], "dq", axis=0),
        helper.make_node("Conv", ["x", "w", "bias"], ["c"], "conv", kernel_shape=[3, 3]),
        helper.make_node("Clip", ["c", "scalar"], ["clipped"], "clip"),
        helper.make_node("Odd", ["clipped"], ["odd"], LONG, domain="com.example", **many),
        helper.make_node("Twice", ["odd"], ["y"], "twice", domain="com.example"),
        helper.make_node("Identity", ["strings"], ["t"], "text"),
    ]
    graph = helper.make_graph(
        nodes,
        "main",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4, 8, 8])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
            helper.make_tensor_value_info("t", TensorProto.STRING, [2]),
        ],
        [
            numpy_helper.from_array(codes, "w8"),
            numpy_helper.from_array(rng.uniform(0.01, 0.1, 8).astype(np.float32), "s"),
            numpy_helper.from_array(np.zeros(8, np.int8), "z"),
            numpy_helper.from_array(rng.normal(size=8).astype(np.float32), "bias"),
            numpy_helper.from_array(np.float32(-1e-5), "scalar"),
            helper.make_tensor("strings", TensorProto.STRING, [2], [b"<script>", "名".encode()]),
            numpy_helper.from_array(np.zeros((0, 3), np.float32), "empty"),
            TensorProto(name="damaged", data_type=1, dims=[9], raw_data=b"1234"),
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)]
    model = model_of(
        helper.make_model(graph, opset_imports=opsets, functions=[function], ir_version=9)
    )
    return model, extract_graph(model)


@pytest.fixture(scope="module")
def odd() -> tuple[Model, Graph]:
    """A small model with much in it."""
    return build()


@pytest.fixture
def pane(qtbot: QtBot) -> Iterator[PropertyPane]:
    """A sidebar of 300 pixels with tasks of its own."""
    tasks = Tasks()
    made = PropertyPane(tasks)
    qtbot.addWidget(made)
    made.resize(300, 800)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.close_tasks()
    tasks.close()


@pytest.fixture
def settle(qtbot: QtBot, pane: PropertyPane) -> Callable[[], None]:
    """Wait until nothing is being computed."""

    def wait() -> None:
        qtbot.waitUntil(pane.is_settled, timeout=20_000)
        pane.grab()

    return wait


def line(pane: PropertyPane, name: str, value: str = "") -> Line:
    """The row of a name, or of a value."""
    for found in pane.sheet.laid.lines:
        row = found.row
        if row is not None and row.name == name and value in row.value:
            return found
    raise AssertionError(f"no row {name} {value} in\n{pane.sheet.page.text()}")


def shown(pane: PropertyPane, name: str) -> str:
    """What a row says."""
    row = line(pane, name).row
    assert isinstance(row, Pair)
    return row.value


def click(qtbot: QtBot, pane: PropertyPane, found: Line, *, value: bool = False) -> None:
    """Click on the name of a row, or on its value."""
    qtbot.waitUntil(lambda: pane.is_settled() and pane.sheet.height() == _height(pane))
    key = (found.key, found.opens)
    found = next(other for other in pane.sheet.laid.lines if (other.key, other.opens) == key)
    rect = pane.sheet.laid.cells[found.value].rect if value else found.rect
    point = QPoint(round(rect.left()) + (3 if value else 30), round(found.rect.top()) + 9)
    qtbot.mouseClick(pane.sheet, Qt.MouseButton.LeftButton, pos=point)


def _height(pane: PropertyPane) -> int:
    QApplication.processEvents()
    return round(pane.sheet.laid.height)


def overflow(pane: PropertyPane) -> list[str]:
    """Texts that reach beyond the sidebar."""
    return [
        cell.shown
        for cell in pane.sheet.laid.cells
        if cell.rect.right() > pane.sheet.width() or cell.rect.left() < 0
    ]


def test_links_lead_to_tensors_nodes_and_bodies(
    qtbot: QtBot, pane: PropertyPane, odd: tuple[Model, Graph]
) -> None:
    """Each emits what was clicked."""
    model, graph = odd
    pane.show_node(graph, "conv", model)
    with qtbot.waitSignal(pane.tensor_asked) as tensor:
        click(qtbot, pane, line(pane, "X"), value=True)
    assert tensor.args == ["x"]
    with qtbot.waitSignal(pane.node_asked) as node:
        click(qtbot, pane, line(pane, "", "to clip"), value=True)
    assert node.args == ["clip"]
    pane.show_node(graph, "twice", model)
    with qtbot.waitSignal(pane.body_asked) as body:
        click(qtbot, pane, line(pane, "Function"), value=True)
    assert body.args == ["twice", ""]


def test_a_row_opens_and_tells_what_it_means(
    qtbot: QtBot, pane: PropertyPane, odd: tuple[Model, Graph]
) -> None:
    """A click on the name shows the documentation below; another hides it."""
    model, graph = odd
    pane.show_node(graph, "conv", model)
    height = pane.sheet.height()
    click(qtbot, pane, line(pane, "group"))
    assert pane.sheet.height() > height
    assert any("number of groups" in cell.shown for cell in pane.sheet.laid.cells)
    assert "number of groups" in pane.sheet.tip(line(pane, "group"))
    click(qtbot, pane, line(pane, "group"))
    assert pane.sheet.height() == height


def test_documentation_is_folded_to_three_lines(
    qtbot: QtBot, pane: PropertyPane, shared_models: Path
) -> None:
    """More shows all of it, Less folds it again."""
    model = load_model(shared_models / "float" / "byte_bilstm_sentence.onnx")
    graph = extract_graph(model)
    name = next(node.name for node in graph.nodes if node.op_type == "LSTM")
    pane.show_node(graph, name, model)
    height = pane.sheet.height()
    more = next(found for found in pane.sheet.laid.lines if found.opens and found.row is None)
    click(qtbot, pane, more)
    assert "Less" in [cell.shown for cell in pane.sheet.laid.cells]
    assert pane.sheet.height() > height
    less = next(found for found in pane.sheet.laid.lines if found.opens and found.row is None)
    click(qtbot, pane, less)
    assert pane.sheet.height() == height


def test_nothing_flows_over(
    pane: PropertyPane, odd: tuple[Model, Graph], settle: Callable[[], None]
) -> None:
    """Sixty attributes, long names and values fit any width, folded and open."""
    model, graph = odd
    pane.show_node(graph, LONG, model)
    for width in (248, 300, 400):
        pane.resize(width, 700)
        settle()
        assert not overflow(pane)
    for found in list(pane.sheet.laid.lines):
        if found.opens:
            pane.sheet.toggle(found.key)
    settle()
    assert not overflow(pane)
    bar = pane.area.horizontalScrollBar()
    assert bar.maximum() == 0
    assert len(pane.sheet.laid.cells) < 600


def test_text_from_files_is_never_markup(pane: PropertyPane, odd: tuple[Model, Graph]) -> None:
    """Tooltips are escaped; everything else is painted as it is."""
    model, graph = odd
    pane.show_node(graph, LONG, model)
    assert "&lt;img" in pane.sheet.tip(line(pane, "Name"))
    assert "<img" not in pane.sheet.tip(line(pane, "Name"))


def test_names_are_copied_whole(qtbot: QtBot, pane: PropertyPane, odd: tuple[Model, Graph]) -> None:
    """By the sign at the end of the row, by the keyboard, and from the menu."""
    model, graph = odd
    pane.show_node(graph, LONG, model)
    clipboard = QApplication.clipboard()
    row = line(pane, "Name")
    end = QPoint(round(row.rect.right()) - 10, round(row.rect.center().y()))
    clipboard.clear()
    qtbot.mouseClick(pane.sheet, Qt.MouseButton.LeftButton, pos=end)
    assert clipboard.text() == LONG
    clipboard.clear()
    qtbot.keyClick(pane.sheet, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert clipboard.text() == LONG
    menu = pane.sheet.menu_at(QPointF(40, row.rect.center().y()))
    actions = {action.text(): action for action in menu.actions()}
    actions["Copy with name"].trigger()
    assert clipboard.text() == f"Name = {LONG}"
    actions["Copy all"].trigger()
    assert "attribute_07" in clipboard.text()
    menu.deleteLater()


def test_text_is_selected_with_the_pointer(
    qtbot: QtBot, pane: PropertyPane, odd: tuple[Model, Graph]
) -> None:
    """A drag selects; a double click takes all, also what is cut."""
    model, graph = odd
    pane.show_node(graph, "conv", model)
    cell = pane.sheet.laid.cells[line(pane, "kernel_shape").value]
    start = QPointF(cell.rect.left(), cell.rect.center().y())
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    for kind, point in (
        (QEvent.Type.MouseButtonPress, start),
        (QEvent.Type.MouseMove, start + QPointF(200, 0)),
        (QEvent.Type.MouseButtonRelease, start + QPointF(200, 0)),
    ):
        held = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else left
        QApplication.sendEvent(pane.sheet, QMouseEvent(kind, point, point, left, held, none))
    assert pane.sheet.selected_text() == "[3, 3]"
    pane.show_node(graph, LONG, model)
    cell = pane.sheet.laid.cells[line(pane, "Name").value]
    assert "…" in cell.shown
    middle = QPoint(round(cell.rect.left()) + 20, round(cell.rect.center().y()))
    qtbot.mouseDClick(pane.sheet, Qt.MouseButton.LeftButton, pos=middle)
    assert pane.sheet.selected_text() == LONG


def test_the_keyboard_reaches_everything(
    qtbot: QtBot, pane: PropertyPane, odd: tuple[Model, Graph]
) -> None:
    """Down walks the rows, Space opens, Enter follows."""
    model, graph = odd
    pane.show_node(graph, "conv", model)
    lines = pane.sheet.laid.lines
    group = next(n for n, found in enumerate(lines) if found.row and found.row.name == "group")
    for _ in range(group + 1):
        qtbot.keyClick(pane.sheet, Qt.Key.Key_Down)
    height = pane.sheet.height()
    qtbot.keyClick(pane.sheet, Qt.Key.Key_Space)
    assert pane.sheet.height() > height
    qtbot.keyClick(pane.sheet, Qt.Key.Key_Left)
    assert pane.sheet.height() == height
    link = next(n for n, found in enumerate(lines) if found.target is not None)
    for _ in range(link - group):
        qtbot.keyClick(pane.sheet, Qt.Key.Key_Down)
    with qtbot.waitSignal(pane.tensor_asked) as asked:
        qtbot.keyClick(pane.sheet, Qt.Key.Key_Return)
    assert asked.args == ["x"]


def test_small_constants_follow_from_the_background(
    pane: PropertyPane, odd: tuple[Model, Graph], settle: Callable[[], None]
) -> None:
    """The bounds of a Clip are read with its page."""
    model, graph = odd
    pane.show_node(graph, "clip", model)
    settle()
    assert line(pane, "", "= −1e−05").rect.isValid()


def test_an_integer_weight_is_shown_dequantized(
    pane: PropertyPane, odd: tuple[Model, Graph], settle: Callable[[], None]
) -> None:
    """With scale, zero point and axis; its integers are one click away."""
    model, graph = odd
    pane.show_tensor(graph, "w8", model, dequantization=Dequantization("s", "z", 0))
    assert shown(pane, "Minimum") == "…"
    settle()
    codes, scale = model.constant("w8"), model.constant("s")
    real = codes * scale[:, None, None, None]
    assert float(shown(pane, "Minimum").replace("−", "-")) == pytest.approx(real.min(), rel=1e-5)
    assert shown(pane, "Granularity") == "per channel, axis 0"
    assert "(8)" in shown(pane, "Scale")
    assert shown(pane, "Zero point") == "0"
    assert shown(pane, "Sparsity").endswith(f"({(codes == 0).sum()} zeros)")
    assert pane.panel.table.values.value(1, 2) == pytest.approx(real[0, 0, 1, 2])
    pane.panel.boxes[0].number.setValue(3)
    settle()
    assert pane.panel.table.values.value(1, 2) == pytest.approx(real[3, 0, 1, 2])
    picture = pane.panel.heat.picture()
    assert picture is not None
    np.testing.assert_allclose(picture.pixels, real[3, 0], rtol=1e-6)
    pane.panel.stored.click()
    settle()
    assert pane.panel.table.values.value(1, 2) == codes[3, 0, 1, 2]
    assert shown(pane, "Minimum") == str(codes.min()).replace("-", "−")
    assert shown(pane, "Distinct values") == str(len(np.unique(codes)))


def test_scales_that_do_not_fit_leave_the_integers(
    pane: PropertyPane, odd: tuple[Model, Graph], settle: Callable[[], None]
) -> None:
    """And say so."""
    model, graph = odd
    pane.show_tensor(graph, "w8", model, dequantization=Dequantization("bias", "", 1))
    settle()
    assert "do not fit" in pane.panel.trouble.text()
    assert pane.panel.trouble.isVisible()
    assert pane.panel.values is not None
    assert pane.panel.values.dtype == "int8"
    assert not pane.panel.stored.isVisible()


@pytest.mark.parametrize(
    ("tensor", "rows", "name", "text"),
    [
        ("bias", 8, "Mean", ""),
        ("scalar", 1, "Value", "−1e−05"),
        ("strings", 2, "Strings", "2"),
        ("empty", 0, "Values", "none"),
    ],
)
def test_constants_of_every_kind(
    pane: PropertyPane,
    odd: tuple[Model, Graph],
    settle: Callable[[], None],
    tensor: str,
    rows: int,
    name: str,
    text: str,
) -> None:
    """A vector, a single number, text, and nothing at all."""
    model, graph = odd
    pane.show_tensor(graph, tensor, model)
    settle()
    assert pane.panel.table.values.rowCount() == rows
    assert text in shown(pane, name)
    assert pane.panel.table.isVisible() == (rows > 0)
    assert not pane.panel.heat.isVisible()


def test_damaged_values_are_told_in_place(
    qtbot: QtBot, pane: PropertyPane, odd: tuple[Model, Graph], settle: Callable[[], None]
) -> None:
    """The rest of the page stays."""
    model, graph = odd
    with qtbot.waitSignal(pane.failed):
        pane.show_tensor(graph, "damaged", model)
    settle()
    assert "do not fit" in pane.panel.trouble.text()
    assert shown(pane, "Type") == "float32"


def test_an_activation_has_the_figures_of_calibration(
    pane: PropertyPane, odd: tuple[Model, Graph], settle: Callable[[], None]
) -> None:
    """Where there are any."""
    model, graph = odd
    pane.show_tensor(graph, "c", model)
    assert pane.panel.histogram is None
    seen = Histogram.of(np.array([-1.0, 0.0, 3.0], np.float32))
    pane.show_tensor(graph, "c", model, distribution=seen)
    settle()
    assert shown(pane, "Maximum") == "3"
    assert pane.panel.histogram is not None
    assert pane.panel.histogram.shape() is not None
    assert shown(pane, "Computed by") == "conv"
    assert shown(pane, "Read by") == "clip"


def test_only_the_last_tensor_is_shown(
    pane: PropertyPane, odd: tuple[Model, Graph], settle: Callable[[], None]
) -> None:
    """Whatever was still being computed for others is dropped."""
    model, graph = odd
    for _ in range(10):
        pane.show_tensor(graph, "w8", model)
        pane.show_tensor(graph, "bias", model)
    pane.show_node(graph, "conv", model)
    settle()
    assert pane.sheet.page.title == "Conv"
    assert pane.panel.values is None
    assert not pane.panel.values_area.isVisible()


def test_values_are_exported_as_they_are_shown(
    qtbot: QtBot,
    pane: PropertyPane,
    odd: tuple[Model, Graph],
    settle: Callable[[], None],
    tmp_path: Path,
) -> None:
    """Dequantized or stored; an error is told and nothing is left behind."""
    model, graph = odd
    pane.show_tensor(graph, "w8", model, dequantization=Dequantization("s", "z", 0))
    settle()
    pane.export_tensor(tmp_path / "w.npy")
    settle()
    real = model.constant("w8") * model.constant("s")[:, None, None, None]
    np.testing.assert_allclose(np.load(tmp_path / "w.npy"), real, rtol=1e-6)
    assert "w.npy" in pane.panel.exported.full_text()
    pane.panel.stored.click()
    settle()
    pane.export_tensor(tmp_path / "q.npy")
    settle()
    np.testing.assert_array_equal(np.load(tmp_path / "q.npy"), model.constant("w8"))
    with qtbot.waitSignal(pane.failed) as failed:
        pane.export_tensor(tmp_path / "no" / "q.npy")
    assert "no folder" in failed.args[0].message
    assert pane.panel.export.isEnabled()


def test_pages_of_models_and_of_many_nodes(
    pane: PropertyPane, odd: tuple[Model, Graph], settle: Callable[[], None]
) -> None:
    """Small ones at once, large ones from the background."""
    model, graph = odd
    pane.show_model(model, graph)
    assert shown(pane, "Nodes") == "6"
    pane.show_nodes(graph, ["conv", "clip"])
    assert pane.sheet.page.title == "2 nodes"
    pane.show_nodes(graph, ["conv", "clip"] * 2000)
    settle()
    assert pane.sheet.page.title == "4\u2009000 nodes"
    pane.clear()
    assert pane.sheet.page.title == "Nothing to show"


def test_both_themes_are_painted(
    pane: PropertyPane, odd: tuple[Model, Graph], settle: Callable[[], None]
) -> None:
    """The text of a theme is on the page."""
    model, graph = odd
    pane.show_tensor(graph, "w8", model)
    settle()

    def colours() -> set[Any]:
        image = pane.sheet.grab().toImage()
        return {image.pixel(x, y) for x in range(16, 120) for y in range(10, 120)}

    light = colours()
    pane.apply_theme(DARK)
    settle()
    assert colours() != light


def test_pages_of_real_models(
    pane: PropertyPane, shared_models: Path, settle: Callable[[], None]
) -> None:
    """Every node and tensor of some odd and quantized models has a page that fits."""
    names = (
        "odd/ort_if_mul.onnx",
        "odd/ort_function_with_variadics.onnx",
        "odd/ort_sparse_initializer_handling.onnx",
        "quantized/ort_conv.int4_weights.qdq.onnx",
    )
    troubles: list[object] = []
    pane.failed.connect(troubles.append)
    for name in names:
        model = load_model(shared_models / name)
        graph = extract_graph(model)
        pane.show_model(model, graph)
        for node in graph.nodes:
            pane.show_node(graph, node.name, model)
            settle()
            assert not overflow(pane)
            for body in node.subgraphs.values():
                for tensor in body.tensors:
                    pane.show_tensor(body, tensor, model)
                    settle()
        for tensor in graph.tensors:
            pane.show_tensor(graph, tensor, model)
            settle()
            assert not overflow(pane)
    assert not troubles
