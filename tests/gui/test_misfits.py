"""Layers that a target does not take: marked in the table and on the cards, and made to fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage, QPainter
from pytestqt.qtbot import QtBot

from inspector.gui.graph_view.brushes import WARNING, Brushes
from inspector.gui.graph_view.cards import Card
from inspector.gui.graph_view.look import Badge, Look
from inspector.gui.graph_view.painting import paint_card
from inspector.gui.graph_view.tooltips import card_tip
from inspector.gui.layer_rows import ACTIVATIONS, NAME, WEIGHTS
from inspector.gui.main_window import MainWindow
from inspector.gui.theme import DARK, LIGHT
from inspector.quant.spec import QuantSpec
from inspector.session.edits import set_target
from inspector.session.fitting import explain, fit, violations
from inspector.session.targets import load_target

Idle = Callable[[], None]
LEFT = Qt.MouseButton.LeftButton
TIP = int(Qt.ItemDataRole.ToolTipRole)
COLOUR = int(Qt.ItemDataRole.ForegroundRole)
TARGET = "tensorrt"


@pytest.fixture
def unfit(opened: MainWindow, idle: Idle) -> MainWindow:
    """Two layers with choices that TensorRT does not take; neither is selected."""
    opened.bridge.apply(set_target(TARGET, "TensorRT"))
    first, second = layers(opened)
    opened.bridge.set_specs([first], QuantSpec.parse("int4:tensor"), None)
    opened.bridge.set_specs([second], None, QuantSpec.parse("uint8"))
    idle()
    return opened


def layers(window: MainWindow) -> tuple[str, str]:
    """The two layers."""
    names = [layer.name for layer in window.document.layers]
    return names[1], names[3]


def reason(window: MainWindow, name: str) -> str:
    """Why a layer does not fit, found apart."""
    document, target = window.document, load_target(TARGET)
    found = violations(target, document.layer(name), document.specs_of(name))
    return "\n".join(dict.fromkeys(violation.why for violation in found))


def cell(window: MainWindow, name: str, column: int, role: int = 0) -> object:
    """What a cell of the table shows."""
    number = window.pane.model.number(name)
    assert number is not None
    return window.pane.model.index(number, column).data(role)


def card_of(window: MainWindow, name: str) -> Card:
    """A layer's card."""
    picture = window.graph.picture()
    assert picture is not None
    return picture.cards[picture.scene.place[name]]


def test_table_and_cards_say_why(unfit: MainWindow) -> None:
    """In the cells that are to blame, and on these cards alone."""
    first, second = layers(unfit)
    assert cell(unfit, first, WEIGHTS) == "int4 !"
    assert cell(unfit, first, ACTIVATIONS) == "int8"
    assert cell(unfit, second, WEIGHTS) == "int8"
    assert cell(unfit, second, ACTIVATIONS) == "uint8 !"
    assert QColor(cell(unfit, first, WEIGHTS, COLOUR)) == QColor(unfit.themes.theme.warning)  # type: ignore[arg-type]
    for name, column in ((first, WEIGHTS), (second, ACTIVATIONS)):
        why = reason(unfit, name)
        assert why
        assert why in str(cell(unfit, name, column, TIP))
        assert why in str(cell(unfit, name, NAME, TIP))
    badges = unfit.graph.surface.look.badges
    marked = {name for name, badge in badges.items() if badge.misfit}
    assert marked == {first, second}
    graph = unfit.stage.graph()
    assert graph is not None
    picture = unfit.graph.picture()
    assert picture is not None
    card = picture.scene.place[first]
    tip = card_tip(picture, graph, card, unfit.graph.surface.look)
    assert reason(unfit, first) in tip


def test_the_filter_finds_them(qtbot: QtBot, unfit: MainWindow) -> None:
    """By what the panel says of them."""
    qtbot.keyClicks(unfit.pane.filter, "does not fit")
    assert unfit.pane.proxy.rowCount() == 2


def test_one_is_made_to_fit(qtbot: QtBot, unfit: MainWindow, idle: Idle) -> None:
    """As the tooltip of the button says; the other stays, and one step takes it back."""
    first, second = layers(unfit)
    unfit.selection.choose((first,))
    target, document = load_target(TARGET), unfit.document
    asked = document.specs_of(first)
    wanted = fit(target, document.layer(first), asked)
    assert unfit.panel.misfit.text() == reason(unfit, first)
    assert unfit.panel.fit.toolTip() == explain(target, document.layer(first), asked)
    qtbot.mouseClick(unfit.panel.fit, LEFT)
    idle()
    assert document.specs_of(first) == wanted
    assert cell(unfit, first, WEIGHTS) == wanted.weights.dtype
    assert not unfit.graph.surface.look.badges[first].misfit
    assert unfit.graph.surface.look.badges[second].misfit
    assert unfit.panel.fit.isHidden()
    assert unfit.panel.target.notice.text() == "1 layer does not fit"
    unfit.bridge.undo()
    assert document.specs_of(first) == asked


def test_all_are_selected_and_made_to_fit(qtbot: QtBot, unfit: MainWindow, idle: Idle) -> None:
    """From the notice; the keys work on the selection."""
    qtbot.mouseClick(unfit.panel.target.select, LEFT)
    assert set(unfit.bridge.selected) == set(layers(unfit))
    assert unfit.panel.misfit.text() == "2 layers of these do not fit TensorRT."
    keys = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(unfit, Qt.Key.Key_T, keys)
    idle()
    assert unfit.bridge.misfits.names() == ()
    assert not any(badge.misfit for badge in unfit.graph.surface.look.badges.values())
    assert unfit.panel.target.row.isHidden()
    assert not unfit.actions_["actionMakeFit"].isEnabled()
    unfit.bridge.undo()
    unfit.selection.choose(())
    qtbot.mouseClick(unfit.panel.target.fit, LEFT)
    assert unfit.bridge.misfits.count() == 0


def test_another_target_marks_anew(unfit: MainWindow, idle: Idle) -> None:
    """Also layers whose specs stay the same."""
    _, second = layers(unfit)
    unfit.bridge.apply(set_target("generic", "Generic"))
    idle()
    target, document = load_target("generic"), unfit.document
    for layer in document.layers:
        wrong = bool(violations(target, layer, document.specs_of(layer.name)))
        assert bool(unfit.bridge.misfits.of(layer.name)) == wrong
        assert bool(unfit.graph.surface.look.badges[layer.name].misfit) == wrong
    assert cell(unfit, second, ACTIVATIONS) == "uint8"


def test_counts_are_those_of_single_layers(unfit: MainWindow) -> None:
    """However they share their specs; and nothing is wrong without a profile."""
    misfits, document = unfit.bridge.misfits, unfit.document
    alone = [n for n in document.specs if reason(unfit, n)]
    assert misfits.count() == len(alone) == 2
    assert list(misfits.names()) == alone


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("scale", [1.0, 0.4, 0.1])
def test_the_mark_is_seen_at_every_zoom(qapp: object, theme: object, scale: float) -> None:
    """Some pixels of amber, and none without the misfit."""
    card = Card("conv", "layer", "Conv", "layer", "conv", (), 200.0, 100.0)

    def amber(misfit: str) -> int:
        image = QImage(220, 120, QImage.Format.Format_RGB32)
        image.fill(QColor("#000000"))
        look = Look(Brushes(theme), {"conv": Badge("int4", "uint8", "9 dB", misfit=misfit)})  # type: ignore[arg-type]
        painter = QPainter(image)
        painter.scale(scale, scale)
        from PySide6.QtCore import QRectF

        paint_card(painter, card, QRectF(10, 10, 200, 100), look, scale)
        painter.end()
        wanted = QColor(WARNING).rgb()
        return sum(image.pixel(x, y) == wanted for x in range(220) for y in range(120))

    assert amber("It does not fit.") >= 9
    assert amber("") == 0


def test_the_menu_of_a_card_offers_it(unfit: MainWindow, idle: Idle, sample_models: Path) -> None:
    """For the layers of the selection that do not fit."""
    from inspector.gui.graph_menu import graph_menu

    first, _ = layers(unfit)
    unfit.selection.choose((first, unfit.document.layers[0].name))
    presenter = unfit.graphs._menus
    around = presenter._around(card_of(unfit, first))
    assert around.unfit == (first,)
    menu = graph_menu(unfit, around, presenter._all_wishes())
    action = next(a for a in menu.actions() if a.objectName() == "menuMakeFit")
    assert action.text() == "Make it fit the target (1 of 2)"
    action.trigger()
    idle()
    assert unfit.bridge.misfits.names() == (layers(unfit)[1],)
    menu.deleteLater()
