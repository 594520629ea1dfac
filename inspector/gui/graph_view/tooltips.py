"""What hovering tells: everything in full, where a card cuts it off."""

from __future__ import annotations

from html import escape

from inspector.graph.model import Graph, Node
from inspector.gui.graph_view.cards import PILLS, constant_lines, shape_text, value_text
from inspector.gui.graph_view.look import Badge, Look
from inspector.gui.graph_view.picking import Under
from inspector.gui.graph_view.picture import Picture
from inspector.gui.graph_view.stubs import Stub
from inspector.report.units import plural

_MOST_LINES = 24
_LONGEST = 400


def tip_of(picture: Picture, graph: Graph, under: Under, look: Look) -> str:
    """What the pointer is on; empty where there is nothing to tell.

    Args:
        picture: what is shown.
        graph: the same graph as it is known by now.
        under: what is under the pointer.
        look: what is said on the cards.
    """
    if under.card is not None:
        return card_tip(picture, graph, under.card, look)
    if under.stub is not None:
        return stub_tip(picture, under.stub)
    return link_tip(graph, under.tensor) if under.tensor is not None else ""


def card_tip(picture: Picture, graph: Graph, number: int, look: Look) -> str:
    """A card: its name and operator, all constants and attributes, its specs and figure."""
    card = picture.cards[number]
    if card.kind in PILLS:
        return link_tip(graph, card.name)
    lines = [card.name]
    if card.kind == "group":
        lines += [text for _, text in card.lines]
        lines.append("Double-click to open it")
    else:
        node = graph.node(card.name)
        lines += _node_lines(node, card.title)
        written = picture.scene.constants.get(node.name, ())
        lines += [f"{label} {text}" for label, text in constant_lines(graph, node, written)]
        lines += [f"{name}: {plural(len(g.nodes), 'node')}" for name, g in node.subgraphs.items()]
        lines += ["Double-click to go into it"] if card.opens else []
        folded = picture.scene.items[number].members[1:]
        lines += [f"holds {plural(len(folded), 'more node')}"] if folded else []
        lines += [look.folded[card.name]] if look.is_folded(card) else []
        lines += [look.made[card.name]] if card.name in look.made else []
    badge = look.badges.get(card.name)
    if badge is not None:
        lines += _badge_lines(badge)
    return _html(lines)


def _node_lines(node: Node, title: str) -> list[str]:
    operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    lines = [operator if operator == title else f"{title} ({operator})"]
    for name, value in node.attributes.items():
        if not isinstance(value, Graph):
            lines.append(f"{name} = {value_text(value)}")
    return lines


def _badge_lines(badge: Badge) -> list[str]:
    return [*_said(badge), *([badge.misfit] if badge.misfit else [])]


def _said(badge: Badge) -> list[str]:
    if badge.is_float:
        return ["left in float", *([badge.why] if badge.why else [])]
    lines = [f"weights {badge.weights}"] if badge.weights else []
    lines += [f"activations {badge.activations}"] if badge.activations else []
    if badge.figure:
        state = " (of an earlier choice)" if badge.stale else ""
        lines.append(f"{badge.title} {badge.figure}{state}".strip())
    return [*lines, badge.why] if badge.why else lines


def link_tip(graph: Graph, tensor: str) -> str:
    """A tensor: its name, type and shape."""
    known = graph.tensors.get(tensor)
    lines = [tensor]
    if known is not None:
        lines.append(f"{known.dtype} {shape_text(known.shape)}".strip())
        lines.append(plural(len(known.consumers), "reader"))
    return _html([line for line in lines if line])


def stub_tip(picture: Picture, stub: Stub) -> str:
    """A stub: the tensor, and where it leads."""
    items = picture.scene.items
    names = [items[other].name for other in stub.others[:8]]
    lines = [stub.tensor, "comes from" if stub.incoming else "goes to", *names]
    if len(stub.others) > len(names):
        lines.append(f"and {len(stub.others) - len(names)} more")
    return _html([*lines, "Click to go there"])


def _html(lines: list[str]) -> str:
    """Lines as rich text, so that long ones wrap and nothing in a file is read as markup."""
    shown = lines[:_MOST_LINES]
    if len(lines) > _MOST_LINES:
        shown.append(f"and {len(lines) - _MOST_LINES} more lines")
    short = (line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…" for line in shown)
    return "<qt>" + "<br>".join(escape(line) for line in short) + "</qt>"
