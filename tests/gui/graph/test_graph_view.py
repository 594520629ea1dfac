"""The graph view's gestures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QNativeGestureEvent,
    QPointingDevice,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from inspector.graph.model import Graph
from inspector.graph.scene import build_scene
from inspector.gui.graph_view.look import Badge
from inspector.gui.graph_view.picture import Picture, build_picture, card_fonts
from inspector.gui.graph_view.view import GraphView

LONG = "节点名称" * 80
NONE = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton
Fan = Callable[[int], Graph]


def settle(qtbot: QtBot, view: GraphView) -> None:
    """Wait until nothing glides."""
    qtbot.waitUntil(view.is_settled, timeout=5000)


def wheel(view: GraphView, at: QPoint, steps: int, modifiers: Qt.KeyboardModifier = NONE) -> None:
    """Turn the wheel over a point."""
    event = QWheelEvent(
        QPointF(at),
        QPointF(view.mapToGlobal(at)),
        QPoint(),
        QPoint(0, 120 * steps),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, event)


def drag(
    qtbot: QtBot,
    view: GraphView,
    start: QPoint,
    end: QPoint,
    modifiers: Qt.KeyboardModifier = NONE,
) -> None:
    """Drag with the left button, in steps as a hand does."""
    qtbot.mousePress(view, LEFT, modifiers, start)
    for step in range(1, 6):
        qtbot.mouseMove(view, start + (end - start) * step / 5)
    qtbot.mouseRelease(view, LEFT, modifiers, end)


def test_the_wheel_zooms_to_the_pointer(view: GraphView) -> None:
    """What is under the pointer stays under it."""
    name = view.node_names()[0]
    before = view.card_rect(name).center()
    scale = view.scale()
    wheel(view, before, 2)
    assert view.scale() > scale
    assert (view.card_rect(name).center() - before).manhattanLength() <= 2
    wheel(view, before, 1, Qt.KeyboardModifier.ShiftModifier)
    assert view.card_rect(name).center().x() > before.x() + 50


def test_dragging_pans_and_does_not_select(qtbot: QtBot, view: GraphView) -> None:
    """A drag that starts on a card moves the picture."""
    name = view.node_names()[0]
    start = view.card_rect(name).center()
    drag(qtbot, view, start, start + QPoint(60, 40))
    assert (view.card_rect(name).center() - start - QPoint(60, 40)).manhattanLength() <= 2
    assert view.selected() == ()


def test_clicks_select_and_add(qtbot: QtBot, view: GraphView) -> None:
    """A click selects one, Ctrl and Shift add and take away, the canvas clears."""
    first, second = view.node_names()[:2]
    qtbot.mouseClick(view, LEFT, NONE, view.card_rect(first).center())
    assert view.selected() == (first,)
    for modifier in (Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier):
        qtbot.mouseClick(view, LEFT, modifier, view.card_rect(second).center())
        assert view.selected() == (first, second)
        qtbot.mouseClick(view, LEFT, modifier, view.card_rect(second).center())
        assert view.selected() == (first,)
    qtbot.mouseClick(view, LEFT, NONE, QPoint(4, view.height() - 4))
    assert view.selected() == ()


def test_a_rubber_band_selects_many(qtbot: QtBot, view: GraphView) -> None:
    """Dragging with Shift or Ctrl draws a band around what shall be selected."""
    qtbot.keyClick(view, Qt.Key.Key_F)
    first, second = (view.card_rect(name) for name in view.node_names()[:2])
    around = first.united(second).adjusted(-8, -1, 8, 1)
    shift = Qt.KeyboardModifier.ShiftModifier
    drag(qtbot, view, around.topLeft(), around.bottomRight(), shift)
    assert set(view.selected()) >= set(view.node_names()[:2])
    assert len(view.selected()) < len(view.node_names())


def test_fit_and_keys(qtbot: QtBot, view: GraphView) -> None:
    """F shows all of it, 0 is 100 %, arrows walk the edges, Escape clears and then leaves."""
    qtbot.keyClick(view, Qt.Key.Key_F)
    assert all(view.rect().contains(view.card_rect(name)) for name in view.node_names())
    qtbot.keyClick(view, Qt.Key.Key_0)
    assert view.scale() == pytest.approx(1.0)
    walked: list[tuple[str, ...]] = []
    view.selectionChanged.connect(walked.append)
    for _ in range(4):
        qtbot.keyClick(view, Qt.Key.Key_Down)
    assert len(set(walked)) == 4
    qtbot.keyClick(view, Qt.Key.Key_Up)
    assert walked[-1] == walked[-3]
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert view.selected() == ()
    with qtbot.waitSignal(view.leave_asked):
        qtbot.keyClick(view, Qt.Key.Key_Escape)
    with qtbot.waitSignal(view.properties_asked):
        qtbot.keyClick(view, Qt.Key.Key_Return)


def test_arrows_come_back_the_way_they_went(
    fan: Fan, qtbot: QtBot, make_view: Callable[[Picture], GraphView]
) -> None:
    """Up from a node with one producer and down again ends where it began, in both directions."""
    for direction, ahead, back in (
        ("down", Qt.Key.Key_Down, Qt.Key.Key_Up),
        ("right", Qt.Key.Key_Right, Qt.Key.Key_Left),
    ):
        scene = build_scene(fan(7))
        assert direction in ("down", "right")
        view = make_view(build_picture(scene, card_fonts(), direction))
        view.choose(("r5",))
        qtbot.keyClick(view, back)
        assert view.selected() == ("root",)
        qtbot.keyClick(view, ahead)
        assert view.selected() == ("r5",)


def test_selecting_from_outside_glides_to_the_card(qtbot: QtBot, view: GraphView) -> None:
    """The card comes to the middle, at a zoom at which it can be read."""
    view.camera.zoom(0.1)
    name = view.node_names()[-1]
    told: list[object] = []
    view.selectionChanged.connect(told.append)
    view.select((name,))
    settle(qtbot, view)
    away = view.card_rect(name).center() - view.rect().center()
    assert away.manhattanLength() <= 4
    assert view.scale() >= 0.7
    assert told == []  # whoever selected from outside knows it already


def test_zoom_to_selection_shows_all_of_it(qtbot: QtBot, view: GraphView) -> None:
    """All selected cards are in sight."""
    names = (view.node_names()[0], view.node_names()[-1])
    view.choose(names)
    qtbot.keyClick(view, Qt.Key.Key_Z)
    settle(qtbot, view)
    assert all(view.rect().contains(view.card_rect(name)) for name in names)


def test_a_line_can_be_hovered_and_picked(qtbot: QtBot, view: GraphView) -> None:
    """The pointer on a line lights its tensor up; a click picks it."""
    picture = view.picture()
    assert picture is not None
    x, y = picture.drawing.route(1)[:2].mean(axis=0).tolist()
    at = view.camera.view.to_widget(QRectF(x, y, 0, 0)).topLeft().toPoint()
    qtbot.mouseMove(view, at)
    assert view.under(QPointF(at)).tensor == picture.scene.tensors[1]
    with qtbot.waitSignal(view.tensor_picked) as picked:
        qtbot.mouseClick(view, LEFT, NONE, at)
    assert picked.args == [picture.scene.tensors[1]]


def test_a_tensor_that_many_read_is_drawn_as_stubs_that_jump(
    fan: Fan, qtbot: QtBot, make_view: Callable[[Picture], GraphView]
) -> None:
    """No fan of lines, but a label at both ends that leads to the other."""
    picture = build_picture(build_scene(fan(60)), card_fonts())
    incoming = [stub for stub in picture.stubs if stub.incoming]
    leaving = [stub for stub in picture.stubs if not stub.incoming]
    assert len(incoming) == 60
    assert len(leaving) == 1
    assert len(leaving[0].others) == 60
    view = make_view(picture)
    stub = incoming[-1]
    view.camera.bring_in(QRectF(*stub.chip[:2], 1, 1))
    left, top, right, bottom = stub.chip
    chip = view.camera.view.to_widget(QRectF(left, top, right - left, bottom - top))
    qtbot.mouseClick(view, LEFT, NONE, chip.center().toPoint())
    settle(qtbot, view)
    assert (view.card_rect("root").center() - view.rect().center()).manhattanLength() <= 4
    left, top, right, bottom = leaving[0].chip
    chip = view.camera.view.to_widget(QRectF(left, top, right - left, bottom - top))
    with qtbot.waitSignal(view.stub_menu_asked) as asked:
        qtbot.mouseClick(view, LEFT, NONE, chip.center().toPoint())
    assert asked.args is not None
    assert asked.args[0] == leaving[0]


def test_the_right_button_selects_and_asks_for_a_menu(qtbot: QtBot, view: GraphView) -> None:
    """The menu is about what is under the pointer."""
    name = view.node_names()[2]
    at = view.card_rect(name).center()
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, view.mapToGlobal(at))
    with qtbot.waitSignal(view.menu_asked) as asked:
        QApplication.sendEvent(view, event)
    assert asked.args is not None
    assert asked.args[0].name == name
    assert view.selected() == (name,)


def test_another_picture_keeps_its_anchor_in_place(
    view: GraphView, picture: Picture, sample_models: Path
) -> None:
    """What the user looks at does not jump when something else is folded."""
    name = view.node_names()[4]
    before = view.card_rect(name).center()
    again = build_picture(picture.scene, card_fonts(), "right")
    view.set_picture(again, anchor=name, is_other=False)
    assert (view.card_rect(name).center() - before).manhattanLength() <= 2


def test_a_pinch_zooms_to_the_fingers(view: GraphView) -> None:
    """What is under them stays there; however hard one pinches."""
    name = view.node_names()[0]
    at = view.card_rect(name).center()

    def pinch(part: float) -> None:
        device = QPointingDevice.primaryPointingDevice()
        place, globally = QPointF(at), QPointF(view.mapToGlobal(at))
        kind = Qt.NativeGestureType.ZoomNativeGesture
        event = QNativeGestureEvent(kind, device, 2, place, place, globally, part, QPointF(), 0)
        QApplication.sendEvent(view, event)

    scale = view.scale()
    pinch(0.3)
    assert view.scale() == pytest.approx(1.3 * scale)
    assert (view.card_rect(name).center() - at).manhattanLength() <= 2
    for part in (-1.0, -3.0, 50.0):
        pinch(part)
        assert 0 < view.scale() <= 4


def test_the_middle_button_pans_and_the_right_one_does_not_end_it(
    qtbot: QtBot, view: GraphView
) -> None:
    """A second button while one is held means nothing."""
    middle = Qt.MouseButton.MiddleButton
    name = view.node_names()[0]
    start = view.card_rect(name).center()
    qtbot.mousePress(view, middle, NONE, start)
    qtbot.mouseMove(view, start + QPoint(30, 0))
    qtbot.mousePress(view, Qt.MouseButton.RightButton, NONE, start + QPoint(30, 0))
    qtbot.mouseRelease(view, Qt.MouseButton.RightButton, NONE, start + QPoint(30, 0))
    qtbot.mouseMove(view, start + QPoint(60, 0))
    qtbot.mouseRelease(view, middle, NONE, start + QPoint(60, 0))
    assert (view.card_rect(name).center() - start - QPoint(60, 0)).manhattanLength() <= 2
    assert view.selected() == ()


def test_escape_gives_a_rubber_band_up(qtbot: QtBot, view: GraphView) -> None:
    """Nothing is selected by it then, and nothing that was is lost."""
    name = view.node_names()[0]
    view.choose((name,))
    shift = Qt.KeyboardModifier.ShiftModifier
    qtbot.mousePress(view, LEFT, shift, QPoint(5, 5))
    qtbot.mouseMove(view, QPoint(300, 300))
    assert not view.grab().isNull()
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    qtbot.mouseRelease(view, LEFT, shift, QPoint(300, 300))
    assert view.selected() == (name,)


def test_a_picture_that_arrives_in_the_midst_of_a_drag(
    qtbot: QtBot, view: GraphView, picture: Picture
) -> None:
    """The drag goes on over it, from where the hand is."""
    name = view.node_names()[3]
    view.reveal(name)
    start = view.card_rect(name).center()
    qtbot.mousePress(view, LEFT, NONE, start)
    qtbot.mouseMove(view, start + QPoint(20, 10))
    again = build_picture(picture.scene, card_fonts(), "right")
    view.set_picture(again, anchor=name, is_other=False)
    qtbot.mouseMove(view, start + QPoint(50, 40))
    qtbot.mouseRelease(view, LEFT, NONE, start + QPoint(50, 40))
    assert (view.card_rect(name).center() - start - QPoint(50, 40)).manhattanLength() <= 3
    assert view.selected() == ()


def test_another_graph_begins_anew(fan: Fan, view: GraphView, qtbot: QtBot) -> None:
    """Nothing that was chosen, found or said of the one before is kept, nor where one looked."""
    names = view.node_names()
    view.choose(names[:2])
    view.set_found(names)
    view.surface.set_badges({names[0]: Badge("int8", "", "1 dB", QColor("#ff0000"))})
    view.camera.zoom(3)
    view.leave()
    assert view.under(QPointF(view.card_rect(names[0]).center())).card is None
    view.choose(names[:1])
    assert view.selected() == names[:2]
    view.set_picture(build_picture(build_scene(fan(3)), card_fonts()))
    assert view.selected() == ()
    assert view.look().badges == {}
    assert not view.is_left()
    assert all(view.rect().contains(view.card_rect(name)) for name in view.node_names())


def test_a_card_that_the_picture_before_did_not_have_comes_to_the_middle(
    fan: Fan, view: GraphView
) -> None:
    """Whoever climbs out of a subgraph sees the node that it belongs to."""
    last = view.node_names()[-1]
    scene = build_scene(fan(40))
    view.set_picture(build_picture(scene, card_fonts()), anchor="r30")
    assert last not in view.node_names()
    assert view.rect().adjusted(100, 100, -100, -100).contains(view.card_rect("r30").center())


def test_a_double_click_on_a_tensor_asks_for_its_properties(qtbot: QtBot, view: GraphView) -> None:
    """As Enter does for a node."""
    picture = view.picture()
    assert picture is not None
    view.bring_in(0)
    pill = view.camera.view.to_widget(picture.rect(0)).center().toPoint()
    with qtbot.waitSignal(view.properties_asked):
        qtbot.mouseDClick(view, LEFT, NONE, pill)
    with qtbot.assertNotEmitted(view.properties_asked):
        qtbot.mouseDClick(view, LEFT, NONE, QPoint(3, view.height() - 3))


def test_a_click_with_ctrl_on_a_line_loses_no_selection(qtbot: QtBot, view: GraphView) -> None:
    """Whoever gathers nodes and misses one keeps what is gathered."""
    picture = view.picture()
    assert picture is not None
    view.choose(view.node_names()[:2])
    x, y = picture.drawing.route(1)[:2].mean(axis=0).tolist()
    at = view.camera.view.to_widget(QRectF(x, y, 0, 0)).topLeft().toPoint()
    assert view.under(QPointF(at)).tensor is not None
    qtbot.mouseClick(view, LEFT, Qt.KeyboardModifier.ControlModifier, at)
    assert len(view.selected()) == 2
