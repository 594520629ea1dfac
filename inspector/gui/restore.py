"""Brings a session back: the model, and when it is there the choices, the data and the view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject, QPointF, QSizeF
from PySide6.QtGui import QAction

from inspector.errors import InspectorError
from inspector.evaluate.image_options import ImageOptions
from inspector.graph.model import Graph
from inspector.gui.bridge import Bridge
from inspector.gui.files import Files
from inspector.gui.graph_view.view import GraphView
from inspector.gui.graph_view.viewport import MAX_SCALE, MIN_SCALE, centred
from inspector.gui.selection import Selection
from inspector.gui.stage import PICTURE, Stage, Step
from inspector.gui.tasks import MODEL, Task, Tasks
from inspector.session.autosave import Look, Session
from inspector.session.opening import OpenModel
from inspector.session.slots import Crashed

LABEL = "Restore the session"
_KEY = "key of a restored model"


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """What of a window belongs to a session, beside the document.

    Attributes:
        selection: what is chosen.
        stage: which graph is shown.
        graph: where it is looked at.
        rightwards: the switch for the direction of the layout.
    """

    selection: Selection
    stage: Stage
    graph: GraphView
    rightwards: QAction


def look_of(views: Views) -> Look:
    """How the graph is looked at now."""
    shown, view = views.stage.shown, views.graph
    seen = view.seen().center()
    drawn = view.picture() is not None
    return Look(
        tuple((step.node, step.attribute) for step in shown.path),
        shown.direction,
        min(max(view.scale(), MIN_SCALE), MAX_SCALE),
        (seen.x(), seen.y()) if drawn else None,
    )


class Restore(QObject):
    """Restores one session at a time.

    Args:
        bridge: tells when the model is there.
        files: opens it.
        tasks: of the window.
        views: what is set besides.
        done: told which session is back, with its choices.
        parent: of the object.
    """

    def __init__(
        self,
        bridge: Bridge,
        files: Files,
        tasks: Tasks,
        views: Views,
        done: Callable[[Crashed], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._files, self._tasks = bridge, files, tasks
        self._views, self._done = views, done
        self._wanted: Crashed | None = None
        self._look: Look | None = None
        bridge.model_changed.connect(self._model_arrived)
        files.opening.connect(self._another_is_opened)
        tasks.ended.connect(self._task_ended)
        views.stage.changed.connect(lambda _: self._see())

    @property
    def is_under_way(self) -> bool:
        """Whether a session is wanted whose model is not there yet."""
        return self._wanted is not None

    def is_of(self, crashed: Crashed) -> bool:
        """Whether it is this one."""
        return self._wanted is crashed

    def begin(self, crashed: Crashed) -> None:
        """Open the model of a session; the rest follows when it is there."""
        self._files.guard(lambda: self._open(crashed), "restoring a session")

    def _open(self, crashed: Crashed) -> None:
        session = crashed.session
        if session.recipe.pins is not None and session.model.exists():
            self._files.open_as_recipe(session.model)
        else:
            self._files.open_now([session.model])
        if session.data is not None:
            self._files.open_now([session.data])
        if self._tasks.is_busy(MODEL):
            self._wanted = crashed

    def _another_is_opened(self) -> None:
        """What was wanted is overtaken; it stays in its file."""
        self._wanted = self._look = None

    def _task_ended(self, task: Task) -> None:
        if task.channel == MODEL and not self._tasks.is_busy(MODEL):
            self._wanted = None

    def _model_arrived(self) -> None:
        document, crashed = self._bridge.document, self._wanted
        if crashed is None or not document.is_open:
            return
        session = crashed.session
        self._wanted = None
        self._files.images = ImageOptions.parse(session.images)
        self._bridge.preparing.when_prepared(session.recipe, lambda: self._choose(crashed))

    def _choose(self, crashed: Crashed) -> None:
        """Bring the choices back, and what follows from them."""
        document, session = self._bridge.document, crashed.session
        try:
            document.set_recipe(session.recipe, LABEL)
        except InspectorError as error:
            self._bridge.refused.emit(error)
            return
        if not session.unsaved:
            document.mark_saved()
        if session.random and session.data is None:
            self._files.use_random_inputs()
        self._show(session)
        self._compare_keys(session)
        self._done(crashed)

    def _compare_keys(self, session: Session) -> None:
        """Say so where the model's file is not what it was."""
        source = self._bridge.document.opened.source

        def compared(key: str) -> None:
            if session.model_key and key != session.model_key:
                self._files.message.emit(
                    "warning",
                    f"{session.model.name} is not the same model as before the crash.",
                    "Its choices were restored as far as they fit: look at them.",
                )

        self._tasks.submit(_KEY, lambda _: source.key, compared)

    # The view

    def _show(self, session: Session) -> None:
        views, document = self._views, self._bridge.document
        path = tuple(Step(node, attribute) for node, attribute in session.look.path)
        graph = _graph_at(document.opened, path)
        if graph is None:  # the model is another
            path, graph = (), document.opened.shown
        self._look = session.look
        views.rightwards.setChecked(session.look.direction == "right")
        known = {node.name for node in graph.nodes}
        names = tuple(name for name in session.selection if name in known)
        if path:
            views.selection.go_to(path, names)
        else:
            views.selection.choose(names)
        if session.tensor in graph.tensors:
            views.selection.pick(str(session.tensor))
        self._see()

    def _see(self) -> None:
        """Look where one looked before, as soon as the picture of it is there."""
        look, staged = self._look, self._views.stage.staged
        if look is None or staged is None or self._wanted is not None:
            return
        steps = tuple((step.node, step.attribute) for step in staged.shown.path)
        if (steps, staged.shown.direction) != (look.path, look.direction):
            return
        view = self._views.graph
        if look.centre is not None and view.picture() is not None:
            scale = min(max(look.scale, MIN_SCALE), MAX_SCALE)
            size = QSizeF(view.width(), view.height())
            view.camera.stop()
            view.camera.look_from(centred(QPointF(*look.centre), scale, size))
        if not self._tasks.is_busy(PICTURE):
            self._look = None


def _graph_at(opened: OpenModel, path: Sequence[Step]) -> Graph | None:
    """The graph at the end of a path; None where the path leads nowhere."""
    graph = opened.shown
    for step in path:
        node = next((node for node in graph.nodes if node.name == step.node), None)
        if node is None:
            return None
        called = (
            body
            for (domain, name, _), body in opened.functions.items()
            if (domain, name) == (node.domain, node.op_type)
        )
        body = node.subgraphs.get(step.attribute) or next(called, None)
        if body is None:
            return None
        graph = body
    return graph
