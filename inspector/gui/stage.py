"""What of a model the graph view shows: which graph, what of it is folded, in which direction.

The view knows one picture at a time; here is where the next one comes from. A request is frozen, a
worker lays it out, and the newest picture wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from PySide6.QtCore import QObject, QTimer, Signal

from inspector.graph.groups import Groups, find_groups
from inspector.graph.layout import Direction
from inspector.graph.model import Graph, Node
from inspector.graph.quantized import Quantized, find_quantized
from inspector.graph.scene import Folding, build_scene
from inspector.gui.graph_view.cards import Card, Detail, Fonts
from inspector.gui.graph_view.picture import Picture, build_picture
from inspector.gui.tasks import Tasks

FunctionKey = tuple[str, str, str]
"""Domain, name and overload of a function of the model."""

Functions = Mapping[FunctionKey, Graph]
PICTURE, GROUPS = "picture", "groups"
_LATER_MS = 250


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
        tensor_names: whether edges are labelled with names instead of shapes.
    """

    path: tuple[Step, ...] = ()
    folding: Folding = field(default_factory=Folding)
    direction: Direction = "down"
    detail: Detail = field(default_factory=Detail)
    tensor_names: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Staged:
    """A picture, with what was asked for and what was found on the way."""

    shown: Shown
    picture: Picture
    quantized: Quantized
    groups: Groups | None
    anchor: str | None


@dataclass(slots=True)
class _Known:
    """What is known of the graphs of one model; found once each, on a worker."""

    quantized: dict[Graph, Quantized] = field(default_factory=dict)
    groups: dict[Graph, Groups] = field(default_factory=dict)


class Stage(QObject):
    """Chooses what is shown and has it laid out.

    Signals:
        changed: a Staged is there.
        groups_found: the groups of the graph that is shown are known.
    """

    changed = Signal(object)
    groups_found = Signal()

    def __init__(self, tasks: Tasks, fonts: Fonts, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tasks = tasks
        self._fonts = fonts
        self._root: Graph | None = None
        self._functions: Functions = MappingProxyType({})
        self._known = _Known()
        self.shown = Shown()
        self.staged: Staged | None = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_LATER_MS)
        self._later.timeout.connect(self._find_groups)

    # The model

    def open(self, graph: Graph, functions: Functions | None = None) -> None:
        """Show another model, as it is in its file."""
        self._root, self._functions = graph, functions or MappingProxyType({})
        self._known = _Known()
        self.shown = replace(
            self.shown, path=(), folding=replace(self.shown.folding, closed=frozenset())
        )
        self._build(None)

    def learn(self, graph: Graph, functions: Functions) -> None:
        """The same model, with the types and shapes that were inferred since."""
        self._root, self._functions = graph, functions
        if functions:  # the nodes that call them can be opened now
            self._build(None)

    def graph(self) -> Graph | None:
        """The graph that is shown, as it is known by now."""
        return None if self._root is None else self._at(self.shown.path)

    def is_main(self) -> bool:
        """Whether the model's own graph is shown, whose layers can be quantized."""
        return not self.shown.path

    def groups(self) -> Groups | None:
        """The groups of the graph that is shown, if they are known yet."""
        return self.staged.groups if self.staged is not None else None

    # What the user asks for

    def enter(self, card: Card) -> None:
        """Open a group, or go into a node's subgraph or function."""
        if card.kind == "group":
            self.set_closed(self.shown.folding.closed - {card.name}, anchor=self._first_of(card))
            return
        graph = self.graph()
        if graph is None:
            return
        node = graph.node(card.name)
        bodies = list(node.subgraphs)
        if bodies:
            self.go_to((*self.shown.path, Step(node.name, bodies[0])))
        elif self.function_of(node) is not None:
            self.go_to((*self.shown.path, Step(node.name)))

    def enter_body(self, node: str, attribute: str) -> None:
        """Go into one of a node's subgraphs, or into the function that it calls."""
        self.go_to((*self.shown.path, Step(node, attribute)))

    def leave(self) -> bool:
        """Climb back to the graph around this one; False where there is none."""
        if not self.shown.path:
            return False
        self.go_to(self.shown.path[:-1])
        return True

    def go_to(self, path: tuple[Step, ...]) -> None:
        """Show the graph at the end of a path."""
        before = self.shown.path
        folding = replace(self.shown.folding, closed=frozenset())
        self.shown = replace(self.shown, path=path, folding=folding)
        left = before[len(path)].node if before[: len(path)] == path != before else None
        self._build(left)

    def set_closed(self, closed: frozenset[str], *, anchor: str | None) -> None:
        """Fold these groups and no others; the anchor's card stays where it is."""
        self.shown = replace(self.shown, folding=replace(self.shown.folding, closed=closed))
        self._build(anchor)

    def close_all(self, anchor: str | None) -> None:
        """Fold the outermost groups."""
        groups = self.groups()
        if groups is not None:
            top = frozenset(path for path, group in groups.items() if not group.parent)
            self.set_closed(top, anchor=anchor)

    def set_raw(self, raw: bool, anchor: str | None) -> None:
        """Show the operators that quantize as nodes of their own, or folded away."""
        self.shown = replace(self.shown, folding=replace(self.shown.folding, raw=raw))
        self._build(anchor)

    def set_direction(self, direction: Direction, anchor: str | None) -> None:
        """Lay out downwards or rightwards."""
        self.shown = replace(self.shown, direction=direction)
        self._build(anchor)

    def set_detail(self, detail: Detail, anchor: str | None) -> None:
        """Show more or less on the cards."""
        self.shown = replace(self.shown, detail=detail)
        self._build(anchor)

    def function_of(self, node: Node) -> Graph | None:
        """The body of the function that a node calls, if it calls one of the model."""
        for (domain, name, _), body in self._functions.items():
            if (domain, name) == (node.domain, node.op_type):
                return body
        return None

    # Inside

    def _at(self, path: tuple[Step, ...]) -> Graph:
        assert self._root is not None
        graph = self._root
        for step in path:
            node = graph.node(step.node)
            body = node.subgraphs.get(step.attribute) or self.function_of(node)
            if body is None:
                break
            graph = body
        return graph

    def _first_of(self, card: Card) -> str | None:
        """A node of a group, which stays where the group's card is."""
        if self.staged is None:
            return None
        scene = self.staged.picture.scene
        return next((i.members[0] for i in scene.items if i.name == card.name and i.members), None)

    def _build(self, anchor: str | None) -> None:
        graph = self.graph()
        if graph is None:
            return
        shown, known, fonts = self.shown, self._known, self._fonts
        bodies = frozenset(name for _, name, _ in self._functions)
        self._tasks.submit(
            PICTURE,
            lambda _: _stage(graph, shown, known, fonts, bodies, anchor),
            self._arrived,
        )

    def _arrived(self, staged: Staged) -> None:
        self.staged = staged
        self.changed.emit(staged)
        self._later.start()

    def _find_groups(self) -> None:
        """Find the groups once the picture is on the screen, which comes first."""
        if self.staged is None:
            return
        graph = self.staged.picture.scene.graph
        if graph not in self._known.groups:
            self._tasks.submit(
                GROUPS,
                lambda _: find_groups(graph),
                lambda groups: self._learn_groups(graph, groups),
            )

    def _learn_groups(self, graph: Graph, groups: Groups) -> None:
        self._known.groups[graph] = groups
        if self.staged is not None and self.staged.picture.scene.graph is graph:
            self.staged = replace(self.staged, groups=groups)
            self.groups_found.emit()


def _stage(
    graph: Graph,
    shown: Shown,
    known: _Known,
    fonts: Fonts,
    bodies: frozenset[str],
    anchor: str | None,
) -> Staged:
    """Lay out what is to be shown of a graph. Runs on a worker."""
    quantized = known.quantized.get(graph)
    if quantized is None:
        quantized = known.quantized[graph] = find_quantized(graph)
    groups = known.groups.get(graph)
    if groups is None and shown.folding.closed:
        groups = known.groups[graph] = find_groups(graph)
    scene = build_scene(graph, shown.folding, groups=groups, quantized=quantized)
    marked = frozenset((*quantized.weights, *quantized.activations))
    picture = build_picture(
        scene,
        fonts,
        shown.direction,
        shown.detail,
        badges=not shown.path,
        marked=frozenset() if shown.folding.raw else marked,
        bodies=bodies,
    )
    return Staged(shown, picture, quantized, groups, anchor)
