"""Two models side by side, driven as a user does: keys, clicks, drops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, load, numpy_helper, save
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from inspector.gui.comparing.alignment import align
from inspector.gui.comparing.presenter import ComparisonPresenter
from inspector.gui.comparing.tensor_table import NAME
from inspector.gui.comparing.window import ComparisonWindow
from inspector.gui.graph_view.painting import flat_colour
from inspector.gui.main_window import MainWindow
from inspector.gui.spec_fields import SpecChange
from inspector.quant.spec import QuantSpec

LEFT, CENTRE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def noisy(sample_models: Path, tmp_path: Path) -> Path:
    """The sample network with noise in one weight and an operator more."""
    proto = load(sample_models / "digits_cnn.onnx")
    node = next(n for n in proto.graph.node if n.op_type == "Conv" and "conv2" in n.name)
    weight = next(w for w in proto.graph.initializer if w.name == node.input[1])
    values = numpy_helper.to_array(weight)
    noise = np.random.default_rng(2).standard_normal(values.shape).astype(np.float32)
    weight.CopyFrom(numpy_helper.from_array(values + 0.5 * values.std() * noise, weight.name))
    read = proto.graph.input[0].name
    proto.graph.node.append(helper.make_node("Tanh", [read], ["extra"], "more"))
    proto.graph.output.append(helper.make_tensor_value_info("extra", TensorProto.FLOAT, None))
    path = tmp_path / "noisy.onnx"
    save(proto, path)
    return path


@pytest.fixture
def compared(
    qtbot: QtBot, calibrated: MainWindow, idle: Callable[[], None], noisy: Path
) -> ComparisonPresenter:
    """The sample beside it, all figures there."""
    presenter = calibrated.comparing.presenter
    presenter.compare_with(noisy)
    settle(qtbot, presenter)
    return presenter


def settle(qtbot: QtBot, presenter: ComparisonPresenter) -> None:
    """Wait until all is found and painted and nothing moves."""

    def still() -> bool:
        views = presenter.window.first.view, presenter.window.second.view
        return presenter.is_settled() and all(v.is_settled() and v.is_sharp() for v in views)

    qtbot.waitUntil(still, timeout=30_000)


def middle(window: ComparisonWindow, side: str, name: str) -> QPoint:
    """Where a card's head is in its view."""
    view = window.first.view if side == "first" else window.second.view
    rect = view.card_rect(name)
    return QPoint(rect.center().x(), rect.top() + 6)


def test_figures_table_and_heat_say_where_they_part(compared: ComparisonPresenter) -> None:
    """The noisy layer is where they part; every matched card has its figure and colour."""
    window, found = compared.window, compared.comparison()
    assert found is not None
    assert found.parted_at is not None
    assert "conv2" in found.parted_at
    assert found.parted_at in window.told.full_text()
    rows = window.table.rows
    losses = [rows.row(number).sqnr_db for number in range(rows.rowCount())]
    assert losses == sorted(losses)
    assert rows.rowCount() == len(found.layers) > 20
    badge = window.second.view.look().badges[found.parted_at]
    assert badge.figure.endswith(" dB")
    assert badge.colour is not None
    assert window.first.legend.isVisible()
    assert "16 samples" in window.source.full_text()
    window.order.setCurrentIndex(1)
    window.order.activated.emit(1)
    numbers = [rows.row(number).number for number in range(rows.rowCount())]
    assert numbers == sorted(numbers)


def test_what_has_no_partner_is_marked(compared: ComparisonPresenter) -> None:
    """In its colour, at every zoom, and in words."""
    view = compared.window.second.view
    badge = view.look().badges["more"]
    assert badge.lone
    picture = view.picture()
    assert picture is not None
    card = picture.cards[picture.scene.place["more"]]
    colour = flat_colour(card, badge, view.look())
    assert colour.name() == view.look().brushes.lone.name()
    view.reveal("more")
    assert "No partner" in view.tip(QPointF(view.card_rect("more").center()))
    assert "1 without partner" in compared.window.second.head.what.text()


def test_a_click_selects_on_both_sides_and_brings_level(
    qtbot: QtBot, compared: ComparisonPresenter
) -> None:
    """And marks the row; on the other side too."""
    window, found = compared.window, compared.comparison()
    assert found is not None
    names = [layer.node for layer in found.layers]
    view, other = window.first.view, window.second.view
    view.reveal(names[4])
    settle(qtbot, compared)
    qtbot.mouseClick(view, LEFT, CENTRE, middle(window, "first", names[4]))
    settle(qtbot, compared)
    assert view.selected() == (names[4],)
    assert other.selected() == (found.layers[4].other,)
    one, two = view.card_rect(names[4]), other.card_rect(found.layers[4].other)
    assert abs(one.center().y() - two.center().y()) <= 2
    current = window.table.currentIndex()
    assert window.table.rows.row(current.row()).node == names[4]
    qtbot.mouseClick(other, LEFT, CENTRE, middle(window, "second", found.layers[4].other))
    assert names[4] in view.selected()


def test_views_move_together_until_they_are_unlinked(
    qtbot: QtBot, compared: ComparisonPresenter
) -> None:
    """Pan and zoom of either lead the other; F shows both; then each moves for itself."""
    window = compared.window
    one, two = window.first.view, window.second.view
    before = two.seen()
    one.camera.pan(0, -120)
    assert two.seen().top() > before.top()
    two.camera.zoom(0.5)
    assert one.scale() == pytest.approx(two.scale())
    qtbot.keyClick(one, Qt.Key.Key_F)
    for view in (one, two):
        picture = view.picture()
        assert picture is not None
        assert view.seen().contains(picture.bounds)
    assert one.scale() == pytest.approx(two.scale())
    qtbot.mouseClick(window.linked, LEFT, CENTRE, QPoint(10, window.linked.height() // 2))
    assert not window.link.is_linked
    before = two.seen()
    one.camera.pan(0, -50)
    name = one.node_names()[0]
    qtbot.mouseClick(one, LEFT, CENTRE, middle(window, "first", name))
    assert two.seen() == before
    assert two.selected() == ()


def test_a_row_is_gone_to_by_click_and_by_key(qtbot: QtBot, compared: ComparisonPresenter) -> None:
    """Both sides show it; so does the button of where they part."""
    window, found = compared.window, compared.comparison()
    assert found is not None
    table = window.table
    place = table.visualRect(table.rows.index(2, NAME)).center()
    qtbot.mouseClick(table.viewport(), LEFT, CENTRE, place)
    settle(qtbot, compared)
    row = table.rows.row(2)
    assert window.first.view.selected() == (row.node,)
    assert window.second.view.selected() == (row.other,)
    rect = window.first.view.card_rect(row.node)
    assert window.first.view.rect().contains(rect.center())
    level = window.second.view.card_rect(row.other).center().y()
    assert abs(rect.center().y() - level) <= 2
    table.setFocus()
    qtbot.keyClick(table, Qt.Key.Key_Down)
    assert window.first.view.selected() == (table.rows.row(3).node,)
    qtbot.mouseClick(window.parting, LEFT)
    assert window.first.view.selected() == (found.parted_at,)


def test_time_is_measured_and_saved_in_the_report(
    qtbot: QtBot, compared: ComparisonPresenter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a process of its own; then everything is in the file."""
    window = compared.window
    qtbot.mouseClick(window.summary.measure, LEFT)
    settle(qtbot, compared)
    text = window.summary.text.toPlainText()
    for part in ("Time of a run", "Memory", "Operators run", "1 thread"):
        assert part in text
    report = tmp_path / "both.html"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(report), ""))
    qtbot.mouseClick(window.save, LEFT)
    settle(qtbot, compared)
    assert "Time of a run" in report.read_text()
    assert window.messages.messages()[-1].kind == "success"


def test_todays_choices_are_compared_and_go_out_of_date(
    qtbot: QtBot, calibrated: MainWindow, idle: Callable[[], None]
) -> None:
    """What would be saved now is made, compared, and made again when asked."""
    calibrated.actions_["actionCompareChoices"].trigger()
    presenter = calibrated.comparing.presenter
    settle(qtbot, presenter)
    found = presenter.comparison()
    assert found is not None
    assert found.fidelity.sqnr_db > 10
    assert any("uint8" in types for types, _ in found.b.stock.specs)
    before = found.fidelity.sqnr_db
    calibrated.selection.choose((calibrated.document.layers[0].name,))
    coarse = QuantSpec.parse("int2").filled("weights")
    calibrated.bridge.change(SpecChange("weights", "coarse", lambda _: coarse))
    idle()
    assert "changed since" in presenter.window.second.head.what.text()
    qtbot.mouseClick(presenter.window.again, LEFT)
    settle(qtbot, presenter)
    found = presenter.comparison()
    assert found is not None
    assert found.fidelity.sqnr_db < before
    assert "changed since" not in presenter.window.second.head.what.text()


def test_swapping_makes_the_second_the_reference(
    qtbot: QtBot, compared: ComparisonPresenter
) -> None:
    """The marks go to the other side."""
    qtbot.mouseClick(compared.window.swap, LEFT)
    settle(qtbot, compared)
    assert compared.window.first.view.look().badges["more"].lone
    found = compared.comparison()
    assert found is not None
    assert found.a.path.name == "noisy.onnx"


def dropped(window: Any, path: Path, modifiers: Qt.KeyboardModifier) -> None:
    """Drop a file."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    action = Qt.DropAction.CopyAction
    window.dropEvent(QDropEvent(QPointF(5, 5), action, mime, LEFT, modifiers))


def test_drops_with_shift_compare_and_drops_on_the_comparison_replace(
    qtbot: QtBot, calibrated: MainWindow, sample_models: Path, noisy: Path
) -> None:
    """A model beside the open one, another in its place, data to run both on."""
    dropped(calibrated, noisy, Qt.KeyboardModifier.ShiftModifier)
    presenter = calibrated.comparing.presenter
    settle(qtbot, presenter)
    assert calibrated.document.opened.path.name == "digits_cnn.onnx"
    window = presenter.window
    assert window.second.head.name.full_text() == "noisy.onnx"
    dropped(window, sample_models / "digits_cnn.onnx", CENTRE)
    settle(qtbot, presenter)
    found = presenter.comparison()
    assert found is not None
    assert found.fidelity.sqnr_db == np.inf
    assert found.parted_at is None
    dropped(window, sample_models / "digits_evaluation.npz", CENTRE)
    settle(qtbot, presenter)
    assert "digits_evaluation.npz" in window.source.full_text()


def test_what_cannot_be_compared_is_told_and_both_graphs_are_shown(
    qtbot: QtBot, calibrated: MainWindow, tmp_path: Path
) -> None:
    """Other inputs: one message. No model at all: one message, and nothing breaks."""
    graph = helper.make_graph(
        [helper.make_node("Relu", ["z"], ["y"], "only")],
        "net",
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])],
    )
    path = tmp_path / "other.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    presenter = calibrated.comparing.presenter
    presenter.compare_with(path)
    settle(qtbot, presenter)
    window = presenter.window
    (message,) = window.messages.messages()
    assert message.kind == "error"
    assert "other.onnx" in message.text
    assert window.second.view.node_names() == ("only",)
    assert not window.summary.measure.isEnabled()
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    presenter.compare_with(broken)
    qtbot.waitUntil(presenter.is_settled)
    (message,) = window.messages.messages()
    assert "broken.onnx" in message.text
    assert calibrated.messages.messages() == []


def test_data_of_other_inputs_is_refused_in_words(
    qtbot: QtBot, calibrated: MainWindow, sample_models: Path, tmp_path: Path
) -> None:
    """Swapped, the samples of the open model do not name the inputs of the reference."""
    proto = load(sample_models / "digits_cnn.onnx")
    old = proto.graph.input[0].name
    proto.graph.input[0].name = "pixels"
    for node in proto.graph.node:
        for number, name in enumerate(node.input):
            if name == old:
                node.input[number] = "pixels"
    path = tmp_path / "renamed.onnx"
    save(proto, path)
    presenter = calibrated.comparing.presenter
    presenter.compare_with(path)
    settle(qtbot, presenter)
    found = presenter.comparison()
    assert found is not None
    assert found.fidelity.sqnr_db == np.inf
    assert any("pixels" in note for note in found.notes)
    qtbot.mouseClick(presenter.window.swap, LEFT)
    settle(qtbot, presenter)
    (message,) = presenter.window.messages.messages()
    assert "other model" in message.text


def test_keys_lead_from_side_to_side_and_out(qtbot: QtBot, compared: ComparisonPresenter) -> None:
    """Tab, then Escape once for the selection and once for the window; the models are let go."""
    window = compared.window
    window.first.view.setFocus()
    qtbot.waitUntil(window.first.view.hasFocus)
    qtbot.keyClick(window.first.view, Qt.Key.Key_Tab)
    assert window.second.view.hasFocus()
    qtbot.keyClick(window.second.view, Qt.Key.Key_Tab, Qt.KeyboardModifier.ShiftModifier)
    assert window.first.view.hasFocus()
    name = window.first.view.node_names()[0]
    window.first.view.choose((name,))
    qtbot.keyClick(window.first.view, Qt.Key.Key_Escape)
    assert window.isVisible()
    assert window.second.view.selected() == ()
    qtbot.keyClick(window.first.view, Qt.Key.Key_Escape)
    assert not window.isVisible()
    assert window.second.view.picture() is None
    assert compared.comparison() is None


def test_work_can_be_cancelled(qtbot: QtBot, calibrated: MainWindow, noisy: Path) -> None:
    """The graphs stay as far as they came; comparing again goes on."""
    presenter = calibrated.comparing.presenter
    presenter.compare_with(noisy)
    window = presenter.window
    assert window.cancel.isVisible()
    qtbot.mouseClick(window.cancel, LEFT)
    assert presenter.is_settled()
    assert not window.cancel.isVisible()
    qtbot.mouseClick(window.again, LEFT)
    settle(qtbot, presenter)
    assert presenter.comparison() is not None


def test_everything_has_a_name(compared: ComparisonPresenter) -> None:
    """For those who do not see it, and for automation."""
    window = compared.window
    for widget in (window.first.view, window.second.view, window.table, window.summary.text):
        assert widget.accessibleName()
        assert widget.objectName().startswith("comparison")
    for widget in (window.order, window.progress, window.source):
        assert widget.accessibleName()


def test_level_is_smooth_and_exact_on_a_card(compared: ComparisonPresenter) -> None:
    """A card's middle maps to its partner's; a pixel further maps near to that."""
    window, found = compared.window, compared.comparison()
    assert found is not None
    first, second = window.first.view.picture(), window.second.view.picture()
    assert first is not None
    assert second is not None
    prepared = compared.prepared
    assert prepared is not None
    alignment = align(first, second, prepared.pair.partners)
    name, other = found.layers[6].node, found.layers[6].other
    here = first.rect(first.scene.place[name]).center()
    there = second.rect(second.scene.place[other]).center()
    level = alignment.level("first", here)
    assert abs(level.y() - there.y()) < 12
    moved = alignment.level("first", here + QPointF(0, 1))
    assert abs(moved.y() - level.y()) < 6


def test_it_looks_the_same_in_both_themes(qtbot: QtBot, compared: ComparisonPresenter) -> None:
    """The canvas follows the theme of the main window, and is painted anew."""
    window = compared.window
    main = window.parent()
    assert isinstance(main, MainWindow)
    tones = []
    for mode in ("dark", "light"):
        main.themes.set_mode(mode)
        QApplication.processEvents()
        settle(qtbot, compared)
        image = window.second.view.grab().toImage()
        tones.append(image.pixelColor(3, image.height() // 2).lightness())
        assert window.second.view.look().brushes.theme.dark == (mode == "dark")
    assert tones[0] < 60 < 200 < tones[1]
