"""What can be done by the right button, entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget
from pytestqt.qtbot import QtBot

from inspector.graph.groups import Group
from inspector.gui.graph_menu import Around, Wishes, graph_menu, one_line
from inspector.gui.graph_view.cards import Card
from inspector.gui.spec_presets import PRESETS
from inspector.quant.spec import FLOAT

Calls = list[tuple[Any, ...]]
LAYER = Card("conv", "layer", "Conv", "layer", "conv", (), 200, 80)
BRANCHES = Card("if", "node", "If", "control", "", (), 80, 26, opens=True)
PILL = Card("image", "input", "image", "constant", "", (), 80, 26)
LONG = "<b>" + "名" * 400 + "</b>\n&File"
INNER = Group("/a/b/", "b", "/a/", ("conv", "relu"))
OUTER = Group("/a/", "a", "", ("conv", "relu", "add"))


@pytest.fixture
def calls() -> Calls:
    """What the menu asked for."""
    return []


@pytest.fixture
def wishes(calls: Calls) -> Wishes:
    """Notes every wish by its name."""

    def note(name: str) -> Callable[..., None]:
        return lambda *given: calls.append((name, *given))

    return Wishes(**{name: note(name) for name in Wishes.__slots__})


@pytest.fixture
def make(qtbot: QtBot, wishes: Wishes) -> Callable[[Around], QMenu]:
    """Makes menus."""
    parent = QWidget()
    qtbot.addWidget(parent)
    return lambda around: graph_menu(parent, around, wishes)


def entries(menu: QMenu) -> list[QAction]:
    """All entries, also those of menus in it."""
    found: list[QAction] = []
    for action in menu.actions():
        inner = action.menu()
        found += entries(inner) if isinstance(inner, QMenu) else [action]
    return [action for action in found if not action.isSeparator()]


def entry(menu: QMenu, name: str) -> QAction:
    """An entry by its object name."""
    return next(action for action in entries(menu) if action.objectName() == name)


def names(menu: QMenu) -> set[str]:
    """The object names of all entries."""
    return {action.objectName() for action in entries(menu)}


def test_every_entry_of_a_layer_asks_for_one_thing(
    make: Callable[[Around], QMenu], calls: Calls
) -> None:
    """One by one, with what each is asked about."""
    around = Around(LAYER, ("conv",), ("conv",), ("conv", "other"), (INNER, OUTER), True, True)
    menu = make(around)
    expected: dict[str, Calls] = {
        "menuFloat": [("set_specs", ("conv",), FLOAT, FLOAT)],
        "menuReset": [("reset", ("conv",))],
        "menuSame": [("same_as", "conv", ("conv", "other"))],
        "menuProperties": [("properties",)],
        "menuTable": [("show_in_table", "conv")],
        "menuCopy": [("copy", "conv")],
        "menuUpstream": [("upstream",)],
        "menuDownstream": [("downstream",)],
        "menuFoldAll": [("close_all",)],
        "menuOpenAll": [("open_all",)],
        "menuFit": [("fit",)],
        "menuFitSelection": [("fit_selection",)],
    }
    for name, wanted in expected.items():
        calls.clear()
        entry(menu, name).trigger()
        assert calls == wanted, name
    several = [action for action in entries(menu) if action.objectName() == "menuFold"]
    calls.clear()
    for action in several:
        action.trigger()
    assert calls == [("close_group", "/a/b/"), ("close_group", "/a/")]
    calls.clear()
    for action in entries(menu):
        if action.objectName() == "menuSelectGroup":
            action.trigger()
    assert calls == [("select", INNER.nodes), ("select", OUTER.nodes)]
    rest = {name for name in names(menu) if not name.startswith("menuSpec")}
    assert rest == {*expected, "menuFold", "menuSelectGroup"}


def test_every_spec_that_is_offered_is_set_as_it_says(
    make: Callable[[Around], QMenu], calls: Calls
) -> None:
    """For all chosen layers; float has an entry of its own."""
    menu = make(Around(LAYER, ("conv", "relu", "fc"), ("conv", "fc")))
    offered = [action for action in entries(menu) if action.objectName().startswith("menuSpec")]
    wanted = [preset for preset in PRESETS if preset.weights != FLOAT]
    assert [action.text() for action in offered] == [preset.title for preset in wanted]
    for action, preset in zip(offered, wanted, strict=True):
        calls.clear()
        action.trigger()
        assert calls == [("set_specs", ("conv", "fc"), preset.weights, preset.activations)]
    titles = [action.text() for action in menu.actions()]
    assert "Set spec of 2 layers" in titles
    assert "Leave in float of 2 layers" in titles
    assert "menuSame" not in names(menu)  # whose of the two would it be?


def test_what_can_be_opened_is_offered(make: Callable[[Around], QMenu], calls: Calls) -> None:
    """Each branch for itself where there are several."""
    menu = make(Around(BRANCHES, ("if",), bodies=("then_branch", "else_branch")))
    opens = [action for action in entries(menu) if action.objectName() == "menuOpen"]
    assert [action.text() for action in opens] == ["Open then_branch", "Open else_branch"]
    for action in opens:
        action.trigger()
    assert calls == [("open_body", "if", "then_branch"), ("open_body", "if", "else_branch")]
    calls.clear()
    entry(make(Around(BRANCHES, ("if",), bodies=("body",))), "menuOpen").trigger()
    assert calls == [("open_card", BRANCHES)]


def test_the_canvas_and_pills_have_a_short_menu(make: Callable[[Around], QMenu]) -> None:
    """Nothing about a node where there is none."""
    assert names(make(Around(None))) == {"menuFit"}
    assert names(make(Around(PILL, any_groups=True))) == {"menuFit", "menuFoldAll"}
    assert names(make(Around(None, ("conv",), ("conv",)))) == {"menuFit", "menuFitSelection"}


def test_hostile_names_stay_on_one_short_line(make: Callable[[Around], QMenu]) -> None:
    """No mnemonic, no markup, no width that covers the screen."""
    group = Group(LONG, LONG, "", (LONG,))
    card = Card(LONG, "layer", LONG, "layer", LONG, (), 200, 80, opens=True)
    menu = make(Around(card, (LONG,), (LONG,), (LONG, "b"), (group,), True, bodies=(LONG, "b")))
    for action in entries(menu):
        text = action.text()
        assert "\n" not in text
        assert len(text) < 120
        assert "&" not in text.replace("&&", "")
    assert one_line("a\n b\t c", 80) == "a b c"
