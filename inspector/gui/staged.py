"""One picture of a model: what was asked for, and how it is laid out. Runs on a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inspector.errors import InspectorError
from inspector.graph.groups import Groups, find_groups
from inspector.graph.layout import Direction
from inspector.graph.model import Graph
from inspector.graph.quantized import Quantized, find_quantized
from inspector.graph.scene import Folding, build_scene
from inspector.graph.stored import Values
from inspector.graph.unit_cards import with_units
from inspector.gui.graph_view.cards import Detail, Fonts, Operator
from inspector.gui.graph_view.picture import Picture, build_picture

FunctionKey = tuple[str, str, str]
"""Domain, name and overload of a function of the model."""

Functions = Mapping[FunctionKey, Graph]
Path = tuple["Step", ...]
"""The steps from a model's own graph to one inside it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step into a node: a subgraph by its attribute, or a function of the model without one."""

    node: str
    attribute: str = ""

    @property
    def title(self) -> str:
        """As the breadcrumb says it."""
        return f"{self.node} ({self.attribute})" if self.attribute else self.node


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of a model.

    Attributes:
        path: the steps from the model's graph to the one that is shown.
        folding: what of it is folded away.
        direction: where its edges lead.
        detail: what is on its cards.
    """

    path: Path = ()
    folding: Folding = field(default_factory=Folding)
    direction: Direction = "down"
    detail: Detail = field(default_factory=Detail)


@dataclass(slots=True, eq=False)
class Known:
    """What is known of the graphs of one model; found once each, on a worker."""

    quantized: dict[Graph, Quantized] = field(default_factory=dict)
    groups: dict[Graph, Groups] = field(default_factory=dict)
    closed: dict[Path, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Staged:
    """A picture, with what was asked for and what was found on the way.

    Attributes:
        shown: what was asked for.
        picture: of it.
        quantized: what the quantizers of the graph say.
        groups: those of the graph, if they are known yet.
        anchor: the node whose card shall stay in its place, or come into sight.
        left: the node whose inside was left.
        model: tells the pictures of one model from those of another.
    """

    shown: Shown
    picture: Picture
    quantized: Quantized
    groups: Groups | None
    anchor: str | None
    left: str | None
    model: object


@dataclass(frozen=True, slots=True)
class Request:
    """What a worker needs for a picture."""

    graph: Graph
    shown: Shown
    known: Known
    fonts: Fonts
    bodies: frozenset[Operator]
    values: Values | None
    anchor: str | None
    left: str | None
    room: float = 0.0


def lay_out(request: Request) -> Staged:
    """Lay out what is to be shown of a graph. Runs on a worker."""
    graph, shown, known = request.graph, request.shown, request.known
    quantized = known.quantized.get(graph)
    if quantized is None:
        quantized = known.quantized[graph] = _quantized(graph, request.values)
    groups = known.groups.get(graph)
    if groups is None and shown.folding.closed:
        groups = known.groups[graph] = find_groups(graph)
    cards = with_units(quantized, graph)
    scene = build_scene(graph, shown.folding, groups=groups, quantized=cards)
    marked = frozenset((*quantized.weights, *quantized.activations))
    picture = build_picture(
        scene,
        request.fonts,
        shown.direction,
        shown.detail,
        badges=not shown.path,
        marked=frozenset() if shown.folding.raw else marked,
        bodies=request.bodies,
        room=request.room,
    )
    return Staged(shown, picture, quantized, groups, request.anchor, request.left, known)


def _quantized(graph: Graph, values: Values | None) -> Quantized:
    """What the quantizers of a graph say, with what only constants tell where those can be read."""
    try:
        return find_quantized(graph, values)
    except (InspectorError, KeyError):
        return find_quantized(graph)
