"""What can be done with a node of the graph, by the right button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from PySide6.QtWidgets import QMenu, QWidget

from inspector.graph.groups import Group
from inspector.gui.graph_view.cards import Card
from inspector.gui.spec_presets import PRESETS
from inspector.quant.spec import FLOAT, QuantSpec

_SHOWN = 48


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the menu can ask for."""

    set_specs: Callable[[Sequence[str], QuantSpec | None, QuantSpec | None], None]
    same_as: Callable[[str, Sequence[str]], None]
    reset: Callable[[Sequence[str]], None]
    make_fit: Callable[[Sequence[str]], None]
    copy: Callable[[str], None]
    select: Callable[[Sequence[str]], None]
    upstream: Callable[[], None]
    downstream: Callable[[], None]
    show_in_table: Callable[[str], None]
    properties: Callable[[], None]
    open_card: Callable[[Card], None]
    open_body: Callable[[str, str], None]
    close_group: Callable[[str], None]
    close_all: Callable[[], None]
    open_all: Callable[[], None]
    fit: Callable[[], None]
    fit_selection: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Around:
    """What the menu needs to know about the place where it opens.

    Attributes:
        card: what is under the pointer; None on the canvas.
        selected: all selected nodes.
        layers: those of them that can be quantized.
        alike: layers with the operator of the card's, that one included.
        groups: the groups around the card, the innermost first.
        any_groups: whether the graph has groups at all.
        any_closed: whether some are folded.
        bodies: the attributes of the card's node that hold graphs.
        unfit: those of `layers` that do not fit the target.
    """

    card: Card | None
    selected: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    any_groups: bool = False
    any_closed: bool = False
    bodies: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()


def graph_menu(parent: QWidget, around: Around, wishes: Wishes) -> QMenu:
    """The menu for a place in the graph."""
    menu = QMenu(parent)
    menu.setObjectName("graphMenu")
    menu.setToolTipsVisible(True)
    card = around.card
    if card is not None and not card.is_pill:
        _layer_part(menu, around, wishes)
        _node_part(menu, card, around, wishes)
    _group_part(menu, around, wishes)
    _add(menu, "Fit graph", wishes.fit, "menuFit")
    if around.selected:
        _add(menu, "Zoom to selection", wishes.fit_selection, "menuFitSelection")
    return menu


def _add(menu: QMenu, text: str, wish: Callable[[], None], name: str) -> None:
    action = menu.addAction(text.replace("&", "&&"))
    action.setObjectName(name)
    action.triggered.connect(lambda: wish())


def _layer_part(menu: QMenu, around: Around, wishes: Wishes) -> None:
    names, card = around.layers, around.card
    if not names or card is None:
        return
    many = f" of {len(names)} layers" if len(names) > 1 else ""
    specs = menu.addMenu(f"Set spec{many}")
    specs.setObjectName("menuSpecs")
    for number, preset in enumerate(PRESETS):
        if preset.weights == FLOAT:
            continue  # that has an entry of its own
        wish = partial(wishes.set_specs, names, preset.weights, preset.activations)
        _add(specs, preset.title, wish, f"menuSpec{number}")
    _add(menu, f"Leave in float{many}", lambda: wishes.set_specs(names, FLOAT, FLOAT), "menuFloat")
    if around.unfit:
        wrong = f" ({len(around.unfit)} of {len(names)})" if len(names) > 1 else ""
        _add(
            menu,
            f"Make it fit the target{wrong}",
            lambda: wishes.make_fit(around.unfit),
            "menuMakeFit",
        )
    _add(menu, "Reset to default", lambda: wishes.reset(names), "menuReset")
    if len(around.alike) > 1 and len(names) == 1:
        text = f"Same spec for all {len(around.alike)} {one_line(card.title)}"
        _add(menu, text, lambda: wishes.same_as(names[0], around.alike), "menuSame")
    menu.addSeparator()


def _node_part(menu: QMenu, card: Card, around: Around, wishes: Wishes) -> None:
    if len(around.bodies) > 1:
        for body in around.bodies:
            text = f"Open {one_line(body)}"
            _add(menu, text, partial(wishes.open_body, card.name, body), "menuOpen")
    elif card.opens:
        _add(menu, "Open", lambda: wishes.open_card(card), "menuOpen")
    _add(menu, "Properties", wishes.properties, "menuProperties")
    if around.layers:
        _add(
            menu,
            "Show in the table",
            lambda: wishes.show_in_table(around.layers[0]),
            "menuTable",
        )
    _add(menu, "Copy name", lambda: wishes.copy(card.name), "menuCopy")
    menu.addSeparator()
    _add(menu, "Select everything upstream", wishes.upstream, "menuUpstream")
    _add(menu, "Select everything downstream", wishes.downstream, "menuDownstream")
    menu.addSeparator()


def _group_part(menu: QMenu, around: Around, wishes: Wishes) -> None:
    for group in around.groups[:4]:
        text = f"Fold {one_line(group.path)} ({len(group.nodes)} nodes)"
        _add(menu, text, partial(wishes.close_group, group.path), "menuFold")
        _add(
            menu,
            f"Select all of {one_line(group.path)}",
            partial(wishes.select, group.nodes),
            "menuSelectGroup",
        )
    if around.any_groups:
        _add(menu, "Fold all groups", wishes.close_all, "menuFoldAll")
    if around.any_closed:
        _add(menu, "Open all groups", wishes.open_all, "menuOpenAll")
    if around.any_groups or around.any_closed:
        menu.addSeparator()


def one_line(text: str, longest: int = _SHOWN) -> str:
    """A name as a menu can show it."""
    line = " ".join(text.split())
    half = longest // 2
    return line if len(line) <= longest else f"{line[:half]}…{line[-half:]}"
