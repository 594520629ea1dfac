"""The graph view: shows a part of a picture, moves it, and says what the user does with it.

Mouse and keyboard are understood in `gestures`; what is painted is kept by the `surface`, with what
is lit up over it (`overlay`). Its face to the window: a picture, a look and marks go in, selections
and wishes come out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSizeF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QHelpEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QToolTip, QWidget

from inspector.graph.model import Graph
from inspector.gui.graph_view.boxes import numbers_within
from inspector.gui.graph_view.camera import Camera
from inspector.gui.graph_view.gestures import Gestures
from inspector.gui.graph_view.look import Look
from inspector.gui.graph_view.marks import Marking
from inspector.gui.graph_view.overlay import (
    paint_focus,
    paint_marks,
    paint_rubber_band,
    paint_veil,
)
from inspector.gui.graph_view.picking import Under, find_under
from inspector.gui.graph_view.picture import Picture
from inspector.gui.graph_view.stubs import Stub
from inspector.gui.graph_view.surface import Surface
from inspector.gui.graph_view.tooltips import tip_of
from inspector.gui.theme import Theme

_MOVING_BUDGET, _RESTING_BUDGET = 0.004, 0.012
"""Seconds of painting in one frame: while something moves, and when all is still."""
_MOST_PARTS = 8
"""So many cards are painted anew one by one; of more, all between them as well."""
_VEIL_MS = 200
"""How long a picture that is out of date stays as it was, before it is veiled."""


class GraphView(QWidget):
    """The graph as cards and curves; what is said on them goes to its `surface`.

    Attributes:
        share: of the time of a frame that is spent on this view.

    Signals:
        selectionChanged: names of the selected nodes, when the user selects here.
        tensor_picked: the tensor whose line or pill was clicked.
        opened: the card that was double-clicked or entered, if there is something in it.
        properties_asked: Enter was pressed.
        leave_asked: Escape was pressed with nothing selected.
        copy_asked: what is chosen is to be copied.
        menu_asked: (number of the card or None, global position).
        stub_menu_asked: (a stub that leads to many places, global position).
        view_changed: the part in sight became another.
        painted: all that is in sight of a new picture is on the screen.
    """

    selectionChanged = Signal(tuple)
    tensor_picked = Signal(str)
    opened = Signal(object)
    properties_asked = Signal()
    leave_asked = Signal()
    copy_asked = Signal()
    menu_asked = Signal(object, QPoint)
    stub_menu_asked = Signal(object, QPoint)
    view_changed = Signal()
    painted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._gestures = Gestures(self)
        self.setObjectName("graphView")
        self.setAccessibleName("Graph")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(240, 160)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._picture: Picture | None = None
        self._known: Graph | None = None
        self.share = 1.0
        self.surface = Surface(self.update, self._repaint)
        self._marking = Marking()
        self._opened = self._ring = self._left = self._is_new = False
        self._veil = QTimer(self)
        self._veil.setSingleShot(True)
        self._veil.setInterval(_VEIL_MS)
        self._veil.timeout.connect(self.update)
        self.camera = Camera(self._size, self)
        self.camera.moved.connect(self._moved)
        self.camera.stopped.connect(self.update)

    # What others tell it

    def set_picture(
        self, picture: Picture | None, *, anchor: str | None = None, is_other: bool = True
    ) -> None:
        """Show another picture.

        Args:
            picture: what to show.
            anchor: a node that stays where it is on the screen if it is there already, and is
                brought into the middle if it is not.
            is_other: the picture is of another graph: nothing of what was chosen is kept, and
                without an anchor the view starts at the top. Else it stays where it is.
        """
        before = self._place_of(anchor) if not is_other else None
        self.camera.stop()
        if is_other:
            self._gestures.stop()
        self._picture, self._left, self._is_new = picture, False, True
        self._known = picture.scene.graph if picture is not None else None
        self._veil.stop()
        self.surface.show(picture, is_other=is_other)
        self._marking.show(picture, is_other=is_other)
        self._opened = self._opened and not is_other and picture is not None
        self._open()
        after = self._place_of(anchor)
        if before is not None and after is not None:
            self.camera.pan(before.x() - after.x(), before.y() - after.y())
        elif anchor is not None and after is not None and self._opened:
            self.camera.look_at(self.camera.view.to_picture(after))
        self.view_changed.emit()
        self.update()

    def leave(self) -> None:
        """Another graph will be shown: what is there can be looked at, and nothing else."""
        self._left = self._picture is not None
        self.hover(None)
        self._veil.start()

    def set_graph(self, graph: Graph) -> None:
        """The same graph, as it is known by now: tooltips tell more then."""
        self._known = graph

    def set_found(self, names: Iterable[str]) -> None:
        """Mark what a search found."""
        self._marking.find(names)
        self.update()

    def select(self, names: Sequence[str]) -> None:
        """Mark nodes as selected and glide to the first of them."""
        place = self._picture.scene.place if self._picture is not None else {}
        known = tuple(name for name in names if name in place)
        if known == self.selected():
            return
        self._marking.select(known)
        self.update()
        if known:
            self.glide_to(place[known[0]])

    def show_tensor(self, tensor: str | None) -> None:
        """Light the way of a tensor up until something else is chosen, and bring it into sight."""
        self._marking.pick(tensor)
        self.update()
        ends = self._marking.marks.ends
        if self._picture is not None and ends:
            boxes, seen = self._picture.boxes, numbers_within(self._picture.boxes, self.seen())
            if ends.isdisjoint(seen.tolist()):
                self.glide_to(min(ends, key=lambda number: float(boxes[number, 1])))

    def apply_theme(self, theme: Theme) -> None:
        """Paint in a theme's colours."""
        self.surface.apply_theme(theme)

    # What others ask

    def picture(self) -> Picture | None:
        """What is shown."""
        return self._picture

    def look(self) -> Look:
        """How it is painted."""
        return self.surface.look

    def selected(self) -> tuple[str, ...]:
        """Names of the selected nodes."""
        return self._marking.selected

    def chosen_tensor(self) -> str | None:
        """The tensor that was picked last, while nothing else is."""
        return self._marking.tensor

    def names_of(self, number: int) -> tuple[str, ...]:
        """The nodes that a click on a card selects: itself, or all of a group."""
        if self._picture is None:
            return ()
        item = self._picture.scene.items[number]
        return item.members if item.kind == "group" else item.members[:1]

    def node_names(self) -> tuple[str, ...]:
        """Names of the nodes that have a card of their own."""
        items = self._picture.scene.items if self._picture is not None else ()
        return tuple(item.name for item in items if item.kind == "node")

    def scale(self) -> float:
        """Widget pixels in a pixel of the picture."""
        return self.camera.view.scale

    def seen(self) -> QRectF:
        """The part of the picture that is in sight."""
        return self.camera.seen()

    def card_rect(self, name: str) -> QRect:
        """Where the card that shows a node is in this widget; KeyError where there is none."""
        if self._picture is None:
            raise KeyError(name)
        rect = self._picture.rect(self._picture.scene.place[name])
        return self.camera.view.to_widget(rect).toRect()

    def is_sharp(self) -> bool:
        """Whether all that was painted last is as it should be."""
        return self._opened and self.surface.is_sharp

    def is_settled(self) -> bool:
        """Whether nothing moves."""
        return not self.camera.is_gliding()

    # How the view moves

    def reveal(self, name: str) -> None:
        """Bring the card that shows a node into sight at once, where it is not."""
        if self._picture is not None:
            self.bring_in(self._picture.scene.place[name])

    def bring_in(self, number: int) -> None:
        """Bring the card of a number into sight at once, where it is not."""
        if self._picture is not None:
            self.camera.bring_in(self._picture.rect(number))

    def glide_to(self, number: int) -> None:
        """Glide to the card of a number."""
        if self._picture is not None and self._opened:
            self.camera.glide_to(self._picture.rect(number))

    def fit(self) -> None:
        """Show all of the graph."""
        if self._picture is not None:
            self.camera.fit(self._picture.bounds)

    def fit_selection(self) -> None:
        """Show all that is selected, as large as it can be read."""
        numbers = sorted(self._marking.marks.selected)
        if self._picture is not None and numbers:
            self.camera.glide_to_area(self._picture.area(numbers))

    def full_size(self) -> None:
        """100 % about the middle."""
        self.camera.zoom(1.0 / self.camera.view.scale)

    # What the gestures ask

    def is_left(self) -> bool:
        """Whether the picture is of a graph that is being left: nothing in it can be chosen."""
        return self._left

    def under(self, at: QPointF) -> Under:
        """What is under a point of the widget."""
        if self._picture is None or self._left:
            return Under()
        return find_under(self._picture, self.camera.view.to_picture(at), self.scale())

    def tip(self, at: QPointF) -> str:
        """What hovering over a point of the widget tells."""
        if self._picture is None or self._known is None:
            return ""
        return tip_of(self._picture, self._known, self.under(at), self.look())

    def choose(self, names: Sequence[str]) -> None:
        """Select by the user's hand."""
        if self._left:
            return
        chosen = tuple(dict.fromkeys(names))
        if chosen != self.selected() or self.chosen_tensor() is not None:
            self._marking.select(chosen)
            self.update()
            self.selectionChanged.emit(chosen)

    def choose_within(self, band: QRectF, *, adding: bool) -> None:
        """Select the nodes that a rubber band touches."""
        if self._picture is None or self._left:
            return
        corners = (
            self.camera.view.to_picture(band.topLeft()),
            self.camera.view.to_picture(band.bottomRight()),
        )
        numbers = numbers_within(self._picture.boxes, QRectF(*corners))
        names = [name for number in numbers.tolist() for name in self.names_of(number)]
        self.choose((*self.selected(), *names) if adding else names)

    def pick_tensor(self, tensor: str) -> None:
        """Choose a tensor by the user's hand."""
        self.choose(())
        self.show_tensor(tensor)
        self.tensor_picked.emit(tensor)

    def follow(self, stub: Stub, globally: QPoint) -> None:
        """Go to the other end of a stub, or ask which."""
        if len(stub.others) == 1:
            self.show_tensor(stub.tensor)
            self.glide_to(stub.others[0])
        else:
            self.stub_menu_asked.emit(stub, globally)

    def hover(self, tensor: str | None) -> None:
        """Light the way of a tensor up while the pointer is on it."""
        if self._marking.hover(tensor):
            self.update()

    # Painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint what is in sight, as much as a frame has time for."""
        painter = QPainter(self)
        brushes, view = self.look().brushes, self.camera.view
        painter.fillRect(self.rect(), brushes.canvas)
        if self._picture is not None and self._opened:
            budget = _MOVING_BUDGET if self.camera.is_moving() else _RESTING_BUDGET
            budget *= self.share
            if not self.surface.draw(painter, view, self._size(), self.devicePixelRatioF(), budget):
                QTimer.singleShot(0, self, self.update)
            elif self._is_new:
                self._is_new = False
                QTimer.singleShot(0, self, self.painted.emit)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            paint_marks(painter, self._picture, self._marking.marks, self.look(), view, self.seen())
        if self._left and not self._veil.isActive():
            paint_veil(painter, self.rect(), brushes)
        if self._gestures.band is not None:
            paint_rubber_band(painter, self._gestures.band, brushes)
        if self._ring and self.hasFocus():
            paint_focus(painter, self.rect(), brushes)
        painter.end()

    # Events

    def event(self, event: QEvent) -> bool:
        """Tooltips and everything that mouse and keyboard do."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self.tip(QPointF(event.pos())), self)
            return True
        return self._gestures.handle(event) or super().event(event)

    def showEvent(self, event: QShowEvent) -> None:
        """The first look at a picture waits until there is a size to look through."""
        super().showEvent(event)
        if not self._opened:
            self._open()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """A ring is shown to those who came by the keyboard."""
        self._ring = event.reason() in (
            Qt.FocusReason.TabFocusReason,
            Qt.FocusReason.BacktabFocusReason,
            Qt.FocusReason.ShortcutFocusReason,
        )
        super().focusInEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the middle in the middle."""
        old, new = event.oldSize(), event.size()
        if not self._opened or not old.isValid():
            self._open()
        elif self._picture is not None:
            self.camera.pan((new.width() - old.width()) / 2, 0)
        self.view_changed.emit()

    # Inside

    def _repaint(self, boxes: NDArray[np.float64]) -> None:
        """Paint parts of the picture (n, 4) anew."""
        if len(boxes) > _MOST_PARTS:
            boxes = np.concatenate((boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)))[None]
        for left, top, right, bottom in boxes.tolist():
            part = self.camera.view.to_widget(QRectF(left, top, right - left, bottom - top))
            self.update(part.adjusted(-2, -2, 2, 2).toAlignedRect())

    def _size(self) -> QSizeF:
        return QSizeF(self.width(), self.height())

    def _open(self) -> None:
        picture = self._picture
        if picture is not None and self.isVisible() and not self._opened:
            self.camera.open(picture.bounds, picture.direction, picture.start)
            self._opened = True

    def _moved(self) -> None:
        self.view_changed.emit()
        self.update()

    def _knows(self, name: str) -> bool:
        return self._picture is not None and name in self._picture.scene.place

    def _place_of(self, name: str | None) -> QPointF | None:
        if name is None or not self._knows(name):
            return None
        return QPointF(self.card_rect(name).center())
