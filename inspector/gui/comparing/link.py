"""Keeps two graph views together: what one shows or selects, the other shows or selects too."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent

from inspector.gui.comparing.alignment import Alignment, SideName, other_side
from inspector.gui.graph_view.view import GraphView
from inspector.gui.graph_view.viewport import Viewport, centred, fitted

_FIT_KEYS = (Qt.Key.Key_F, Qt.Key.Key_Home)


class Link(QObject):
    """Moves one view when the other is moved.

    Whichever is moved by hand leads. Both have the same zoom, and cards that are partners lie at
    the same place of both views, as far as the pictures let them.

    Signals:
        chosen: (side, names) that the user selected by hand.
    """

    chosen = Signal(str, tuple)

    def __init__(self, first: GraphView, second: GraphView, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._views: dict[SideName, GraphView] = {"first": first, "second": second}
        self._alignment: Alignment | None = None
        self._is_linked, self._is_busy = True, False
        self._sent: set[SideName] = set()
        for side, view in self._views.items():
            view.camera.moved.connect(lambda side=side: self._moved(side))
            view.selectionChanged.connect(lambda names, side=side: self._chosen(side, names))
            view.tensor_picked.connect(lambda tensor, side=side: self._picked(side, tensor))
            view.installEventFilter(self)

    @property
    def is_linked(self) -> bool:
        """Whether the views move and select together."""
        return self._is_linked

    def set_alignment(self, alignment: Alignment | None) -> None:
        """Other pictures are shown."""
        self._alignment = alignment
        self._sent.clear()
        self._lead("first")

    def set_linked(self, linked: bool) -> None:
        """Let the views move together, or each for itself."""
        self._is_linked = linked
        if linked:
            self._lead("first")

    def fit(self) -> None:
        """Show all of both graphs, at one zoom."""
        pictures = {side: view.picture() for side, view in self._views.items()}
        found = {
            side: fitted(picture.bounds, view.rect().toRectF().size())
            for side, view in self._views.items()
            if (picture := pictures[side]) is not None
        }
        if not found:
            return
        scale = min(view.scale for view in found.values())
        self._is_busy = True
        for side in found:
            picture, view = pictures[side], self._views[side]
            assert picture is not None
            view.camera.stop()
            size = view.rect().toRectF().size()
            view.camera.look_from(centred(picture.bounds.center(), scale, size))
        self._is_busy = False

    def choose(self, first: Sequence[str], second: Sequence[str]) -> None:
        """Select nodes of both models and bring them level, as from a table."""
        one, two = self._views["first"], self._views["second"]
        one.select(first)
        two.select(second)
        if first and second and self._is_linked:
            self._bring_level("second", one.camera.destination, first[0], second[0])

    # Inside

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The key that fits one graph fits both while they are linked."""
        if (
            self._is_linked
            and event.type() == QEvent.Type.KeyPress
            and isinstance(event, QKeyEvent)
            and event.key() in _FIT_KEYS
            and event.modifiers() == Qt.KeyboardModifier.NoModifier
        ):
            self.fit()
            return True
        return super().eventFilter(watched, event)

    def _moved(self, side: SideName) -> None:
        if self._is_busy or not self._is_linked or self._alignment is None:
            return
        if side in self._sent and self._views[side].camera.is_gliding():
            return  # it is on its way to where the other is, or will be
        self._sent.clear()
        self._lead(side)

    def _lead(self, side: SideName) -> None:
        """Bring the other view to where this one is."""
        view, other = self._views[side], self._views[other_side(side)]
        alignment = self._alignment
        if alignment is None or not self._is_linked or other.picture() is None:
            return
        middle = view.rect().toRectF().center()
        point = alignment.level(side, view.camera.view.to_picture(middle))
        self._is_busy = True
        other.camera.stop()
        other.camera.look_from(centred(point, view.scale(), other.rect().toRectF().size()))
        self._is_busy = False

    def _chosen(self, side: SideName, names: tuple[str, ...]) -> None:
        if self._alignment is not None and self._is_linked:
            other = other_side(side)
            partners = self._alignment.partners(side, names)
            self._views[other].select(partners)
            if names and partners:
                self._bring_level(other, self._views[side].camera.view, names[0], partners[0])
        self.chosen.emit(side, names)

    def _bring_level(self, side: SideName, lead: Viewport, name: str, partner: str) -> None:
        """Let a view glide until a card lies where its partner lies, or will lie, in the other."""
        view = self._views[side]
        mine, yours = view.picture(), self._views[other_side(side)].picture()
        if mine is None or yours is None:
            return
        there = lead.to_widget(yours.rect(yours.scene.place[name])).center()
        self._sent = {"first", "second"}
        view.camera.glide_to_view(_putting(mine.rect(mine.scene.place[partner]), there, lead.scale))

    def _picked(self, side: SideName, tensor: str) -> None:
        if self._alignment is not None and self._is_linked:
            other = self._views[other_side(side)]
            other.select(())
            other.show_tensor(self._alignment.tensors[side].get(tensor))


def _putting(rect: QRectF, there: QPointF, scale: float) -> Viewport:
    """The view in which the middle of a card lies at a point of the widget."""
    middle = rect.center()
    return Viewport(scale, there.x() - middle.x() * scale, there.y() - middle.y() * scale)
