"""What of a model the graph view shows: which graph, what of it is folded, in which direction.

The view knows one picture at a time; here is where the next one comes from. A request is frozen, a
worker lays it out, and the newest picture wins.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from PySide6.QtCore import QObject, QTimer, Signal

from inspector.graph.groups import Groups, find_groups
from inspector.graph.layout import Direction
from inspector.graph.model import Graph, Node
from inspector.graph.stored import Values
from inspector.gui.graph_view.cards import Card, Detail, Fonts
from inspector.gui.staged import Functions, Known, Path, Request, Shown, Staged, Step, lay_out
from inspector.gui.tasks import MODEL, Task, Tasks

__all__ = ["GROUPS", "PICTURE", "Path", "Shown", "Stage", "Staged", "Step"]

PICTURE, GROUPS = "picture", "groups"
_LATER_MS = 250


class Stage(QObject):
    """Chooses what is shown and has it laid out.

    Signals:
        leaving: another graph was asked for than the one of the picture that is there.
        changed: a Staged is there.
        failed: no picture of what was asked for can be made, and there was none of this model.
        groups_found: the groups of the graph that is shown are known.
    """

    leaving = Signal()
    changed = Signal(object)
    failed = Signal()
    groups_found = Signal()

    def __init__(self, tasks: Tasks, fonts: Fonts, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tasks = tasks
        self._fonts = fonts
        self._root: Graph | None = None
        self._functions: Functions = MappingProxyType({})
        self._values: Values | None = None
        self._known = Known()
        self.shown = Shown()
        self.staged: Staged | None = None
        self._close_found: tuple[str | None] | None = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_LATER_MS)
        self._later.timeout.connect(self._find_groups)
        tasks.failed.connect(self._failed)

    # The model

    def open(
        self, graph: Graph, functions: Functions | None = None, values: Values | None = None
    ) -> None:
        """Show another model, as it is in its file.

        Args:
            graph: the model's own.
            functions: bodies of the functions that it defines.
            values: reads its constants, for what only they tell of quantizers.
        """
        self._root, self._functions = graph, functions or MappingProxyType({})
        self._values, self._known = values, Known()
        self.shown = self._closed_as_before(())
        self._build(None)

    def close(self) -> None:
        """Show no model."""
        for channel in (PICTURE, GROUPS):
            self._tasks.cancel(channel)
        self._later.stop()
        self._root, self._functions, self._values = None, MappingProxyType({}), None
        self._known, self.staged = Known(), None
        self.shown = self._closed_as_before(())

    def learn(
        self,
        graph: Graph,
        functions: Functions,
        values: Values | None = None,
        *,
        anchor: str | None = None,
    ) -> None:
        """The same model, with the types and shapes that were inferred since.

        Args:
            graph: the model's own, with the nodes that are known already.
            functions: bodies of the functions that it defines.
            values: reads its constants.
            anchor: the node that stays where it is, should more cards open now.
        """
        more = functions.keys() != self._functions.keys()
        self._root, self._functions, self._values = graph, functions, values
        if more:  # the nodes that call them can be opened now
            self._build(anchor)

    def graph(self) -> Graph | None:
        """The graph that is asked for, as it is known by now; None without a model."""
        return None if self._root is None else self._at(self.shown.path)

    def is_current(self) -> bool:
        """Whether the picture that is there is of the graph that was asked for last."""
        staged = self.staged
        return (
            staged is not None
            and staged.model is self._known
            and staged.shown.path == self.shown.path
        )

    def is_main(self) -> bool:
        """Whether the model's own graph is shown, whose layers can be quantized."""
        return not self.shown.path

    def groups(self) -> Groups | None:
        """The groups of the graph that is shown, if they are known yet."""
        return self.staged.groups if self.staged is not None and self.is_current() else None

    # What the user asks for

    def enter(self, card: Card) -> None:
        """Open a group, or go into a node's subgraph or function."""
        if card.kind == "group":
            self.set_closed(self.shown.folding.closed - {card.name}, anchor=self._first_of(card))
            return
        graph = self.graph()
        if graph is None or card.is_pill or not self.is_current():
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

    def go_to(self, path: Path) -> None:
        """Show the graph at the end of a path."""
        before = self.shown.path
        if path == before or self._root is None:
            return
        self.shown = self._closed_as_before(path)
        if self.staged is not None and self.is_current() and self.staged.shown == self.shown:
            self._tasks.cancel(PICTURE)  # back before the other one was there
            self.changed.emit(self.staged)
            return
        left = before[len(path)].node if before[: len(path)] == path else None
        self._build(left, left=left)

    def set_closed(self, closed: frozenset[str], *, anchor: str | None) -> None:
        """Fold these groups and no others; the anchor's card stays where it is."""
        self._known.closed[self.shown.path] = closed
        self.shown = replace(self.shown, folding=replace(self.shown.folding, closed=closed))
        self._build(anchor)

    def close_all(self, anchor: str | None) -> None:
        """Fold the outermost groups, as soon as they are known."""
        groups = self.groups()
        self._close_found = (anchor,) if groups is None and self.is_current() else None
        if groups is None:
            self._find_groups()
        else:
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

    def _closed_as_before(self, path: Path) -> Shown:
        """What is asked for with another path: the groups in it are folded as they were."""
        closed = self._known.closed.get(path, frozenset())
        return replace(self.shown, path=path, folding=replace(self.shown.folding, closed=closed))

    def _at(self, path: Path) -> Graph:
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

    def _build(self, anchor: str | None, *, left: str | None = None) -> None:
        graph = self.graph()
        if graph is None:
            return
        request = Request(
            graph,
            self.shown,
            self._known,
            self._fonts,
            frozenset((domain, name) for domain, name, _ in self._functions),
            self._values if self.is_main() else None,
            anchor,
            left,
        )
        self._tasks.submit(PICTURE, lambda _: lay_out(request), self._arrived)
        if not self.is_current():
            self.leaving.emit()

    def _arrived(self, staged: Staged) -> None:
        groups = self._known.groups.get(staged.picture.scene.graph)  # found meanwhile, perhaps
        self.staged = replace(staged, groups=groups)
        self.changed.emit(self.staged)
        self._later.start()

    def _failed(self, task: Task, _error: object) -> None:
        """No picture came: what is there stays, if it is of this model."""
        if task.channel != PICTURE:
            return
        if self.staged is not None and self.staged.model is self._known:
            self.shown = self.staged.shown
            self.changed.emit(self.staged)
        else:
            self.close()
            self.failed.emit()

    def _find_groups(self) -> None:
        """Find the groups once the picture is on the screen, which comes first."""
        if self.staged is None:
            return
        graph = self.staged.picture.scene.graph
        if self._tasks.is_busy(MODEL) and self._close_found is None:
            self._later.start()  # one thing after the other: each slows the window
            return
        if graph not in self._known.groups:
            self._tasks.submit(
                GROUPS,
                lambda context: find_groups(graph),
                lambda groups: self._learn_groups(graph, groups),
            )

    def _learn_groups(self, graph: Graph, groups: Groups) -> None:
        self._known.groups[graph] = groups
        if self.staged is not None and self.staged.picture.scene.graph is graph:
            self.staged = replace(self.staged, groups=groups)
            self.groups_found.emit()
            if self._close_found is not None and self.is_current():
                self.close_all(*self._close_found)
