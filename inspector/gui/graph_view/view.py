"""The graph view: shows a part of a picture, moves it, and says what the user does with it.

Mouse and keyboard are understood in `gestures`; painting is done in tiles (`tiles`, `area`) with
what is lit up over them (`overlay`). Its face to the window: a picture, a look and marks go in,
selections and wishes come out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSizeF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QHelpEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QToolTip, QWidget

from inspector.gui.graph_view.area import AreaPainter, numbers_within
from inspector.gui.graph_view.brushes import Brushes
from inspector.gui.graph_view.camera import Camera
from inspector.gui.graph_view.gestures import Gestures
from inspector.gui.graph_view.overlay import (
    Marks,
    find_marks,
    numbers_of,
    paint_marks,
    paint_rubber_band,
)
from inspector.gui.graph_view.painting import Badge, Look
from inspector.gui.graph_view.picking import card_at, link_at, stub_at
from inspector.gui.graph_view.picture import Picture
from inspector.gui.graph_view.stubs import Stub
from inspector.gui.graph_view.tiles import Tiles
from inspector.gui.graph_view.tooltips import card_tip, link_tip, stub_tip
from inspector.gui.theme import LIGHT, Theme

_MOVING_BUDGET, _RESTING_BUDGET = 0.006, 0.028
"""Seconds of painting in one frame: while something moves, and when all is still."""


class GraphView(QWidget):
    """The graph as cards and curves.

    Signals:
        selectionChanged: names of the selected nodes, when the user selects here.
        tensor_picked: the tensor whose line or pill was clicked.
        opened: the card that was double-clicked or entered, if there is something in it.
        properties_asked: Enter was pressed.
        leave_asked: Escape was pressed with nothing selected.
        menu_asked: (number of the card or None, global position).
        stub_menu_asked: (a stub that leads to many places, global position).
        view_changed: the part in sight became another.
    """

    selectionChanged = Signal(tuple)
    tensor_picked = Signal(str)
    opened = Signal(object)
    properties_asked = Signal()
    leave_asked = Signal()
    menu_asked = Signal(object, QPoint)
    stub_menu_asked = Signal(object, QPoint)
    view_changed = Signal()

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
        self._look = Look(Brushes(LIGHT))
        self._area: AreaPainter | None = None
        self._tiles = Tiles(self._paint_tile)
        self._selected: tuple[str, ...] = ()
        self._found: tuple[str, ...] = ()
        self._marks = Marks()
        self._tensor: str | None = None
        self._hovered: str | None = None
        self._opened = False
        self._is_sharp = False
        self._ring = False
        self.camera = Camera(self._size, self)
        self.camera.moved.connect(self._moved)
        self.camera.stopped.connect(self.update)

    # What others tell it

    def set_picture(self, picture: Picture | None, *, anchor: str | None = None) -> None:
        """Show another picture.

        Args:
            picture: what to show.
            anchor: a node that shall stay where it is on the screen; without one the view starts
                at the top, or at the selection if that is kept.
        """
        before = self._place_of(anchor)
        kept = picture is not None and anchor is not None
        self.camera.stop()
        self._picture = picture
        self._selected = tuple(n for n in self._selected if kept and self._knows(n))
        self._tensor = self._hovered = None
        self._new_look(self._look if kept else replace(self._look, badges={}))
        self._opened = kept
        self._is_sharp = False
        self._mark()
        after = self._place_of(anchor)
        if before is not None and after is not None:
            self.camera.pan(before.x() - after.x(), before.y() - after.y())
        elif kept and self._selected:
            self.reveal(self._selected[0])
        else:
            self._opened = False
            self._open()
        self.view_changed.emit()
        self.update()

    def set_badges(self, badges: Mapping[str, Badge]) -> None:
        """Say on each layer's card how it is quantized, and colour it."""
        before = self._look.badges
        changed = [n for n in badges.keys() | before.keys() if badges.get(n) != before.get(n)]
        heated = any(badge.colour is not None for badge in badges.values())
        self._show_badges(dict(badges), changed, heated=heated)

    def update_badges(self, badges: Mapping[str, Badge]) -> None:
        """Say something else on the cards of some layers."""
        before = self._look.badges
        changed = [name for name, badge in badges.items() if before.get(name) != badge]
        heated = any(badge.colour is not None for badge in badges.values())
        self._show_badges({**before, **badges}, changed, heated=heated or self._look.heated)

    def _show_badges(
        self, badges: Mapping[str, Badge], changed: Sequence[str], *, heated: bool
    ) -> None:
        if not changed:
            return
        look = replace(self._look, badges=badges, heated=heated)
        if heated != self._look.heated:
            self._new_look(look)
        else:
            self._look = look
            if self._picture is not None:
                self._area = AreaPainter(self._picture, look)
                self._spoil(changed)
        self.update()

    def set_label(self, label: Callable[[str], str]) -> None:
        """Write something else on the edges."""
        self._new_look(replace(self._look, label=label))

    def set_found(self, names: Iterable[str]) -> None:
        """Mark what a search found."""
        self._found = tuple(names)
        self._mark()

    def select(self, names: Sequence[str]) -> None:
        """Mark nodes as selected and glide to the first of them."""
        known = tuple(name for name in names if self._knows(name))
        if known == self._selected:
            return
        self._selected, self._tensor = known, None
        self._mark()
        if known and self._picture is not None:
            self.glide_to(self._picture.scene.place[known[0]])

    def show_tensor(self, tensor: str | None) -> None:
        """Light the way of a tensor up until something else is chosen, and bring it into sight."""
        self._tensor = tensor
        self._mark()
        if self._picture is not None and self._marks.ends:
            boxes, seen = self._picture.boxes, numbers_within(self._picture.boxes, self.seen())
            if self._marks.ends.isdisjoint(seen.tolist()):
                self.glide_to(min(self._marks.ends, key=lambda number: float(boxes[number, 1])))

    def apply_theme(self, theme: Theme) -> None:
        """Paint in a theme's colours."""
        self._new_look(replace(self._look, brushes=Brushes(theme)))
        self._tiles.clear()
        self.update()

    # What others ask

    def picture(self) -> Picture | None:
        """What is shown."""
        return self._picture

    def look(self) -> Look:
        """How it is painted."""
        return self._look

    def colours(self) -> AreaPainter | None:
        """The painter of the picture, which knows the colour of each card from afar."""
        return self._area

    def selected(self) -> tuple[str, ...]:
        """Names of the selected nodes."""
        return self._selected

    def chosen_tensor(self) -> str | None:
        """The tensor that was picked last, while nothing else is."""
        return self._tensor

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
        return self._opened and self._is_sharp

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
        numbers = sorted(self._marks.selected)
        if self._picture is not None and numbers:
            boxes = self._picture.boxes[numbers]
            low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
            self.camera.glide_to_area(QRectF(QPointF(*low.tolist()), QPointF(*high.tolist())))

    def full_size(self) -> None:
        """100 % about the middle."""
        self.camera.zoom(1.0 / self.camera.view.scale)

    # What the gestures ask

    def card_under(self, at: QPointF) -> int | None:
        """The number of the card under a point of the widget."""
        if self._picture is None:
            return None
        return card_at(self._picture, self.camera.view.to_picture(at))

    def stub_under(self, at: QPointF) -> Stub | None:
        """The stub under a point of the widget."""
        if self._picture is None:
            return None
        return stub_at(self._picture, self.camera.view.to_picture(at))

    def tensor_under(self, at: QPointF) -> str | None:
        """The tensor whose line, pill or stub is under a point of the widget."""
        picture = self._picture
        if picture is None:
            return None
        card = self.card_under(at)
        if card is not None:
            return picture.cards[card].name if picture.cards[card].is_pill else None
        stub = self.stub_under(at)
        if stub is not None:
            return stub.tensor
        link = link_at(picture, self.camera.view.to_picture(at), self.camera.view.scale)
        return None if link is None else picture.scene.tensors[link]

    def choose(self, names: Sequence[str]) -> None:
        """Select by the user's hand."""
        chosen = tuple(dict.fromkeys(names))
        if chosen != self._selected or self._tensor is not None:
            self._selected, self._tensor = chosen, None
            self._mark()
            self.selectionChanged.emit(chosen)

    def choose_within(self, band: QRectF, *, adding: bool) -> None:
        """Select the nodes that a rubber band touches."""
        if self._picture is None:
            return
        corners = (
            self.camera.view.to_picture(band.topLeft()),
            self.camera.view.to_picture(band.bottomRight()),
        )
        numbers = numbers_within(self._picture.boxes, QRectF(*corners))
        names = [name for number in numbers.tolist() for name in self.names_of(number)]
        self.choose((*self._selected, *names) if adding else names)

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
        if tensor != self._hovered:
            self._hovered = tensor
            self._mark()

    # Painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint what is in sight, as much as a frame has time for."""
        painter = QPainter(self)
        brushes = self._look.brushes
        painter.fillRect(self.rect(), brushes.canvas)
        if self._picture is not None and self._opened:
            budget = _MOVING_BUDGET if self.camera.is_moving() else _RESTING_BUDGET
            ratio = self.devicePixelRatioF()
            self._is_sharp = self._tiles.draw(
                painter, self.camera.view, self._size(), ratio, budget
            )
            if not self._is_sharp:
                QTimer.singleShot(0, self, self.update)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            paint_marks(painter, self._picture, self._marks, brushes, self.camera.view, self.seen())
        if self._gestures.band is not None:
            paint_rubber_band(painter, self._gestures.band, brushes)
        if self._ring and self.hasFocus():
            painter.setPen(QColor(brushes.theme.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _paint_tile(self, painter: QPainter, area: QRectF, scale: float) -> None:
        if self._area is not None:
            self._area.paint(painter, area, scale)

    # Events

    def event(self, event: QEvent) -> bool:
        """Tooltips and everything that mouse and keyboard do."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            self._tooltip(QPointF(event.pos()), event.globalPos())
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

    def _size(self) -> QSizeF:
        return QSizeF(self.width(), self.height())

    def _open(self) -> None:
        if self._picture is not None and self.isVisible():
            self.camera.open(self._picture.bounds, self._picture.direction)
            self._opened = True

    def _moved(self) -> None:
        self.view_changed.emit()
        self.update()

    def _new_look(self, look: Look) -> None:
        self._look = look
        self._area = AreaPainter(self._picture, look) if self._picture is not None else None
        self._tiles.clear()
        self.update()

    def _spoil(self, names: Iterable[str]) -> None:
        """Paint the cards of nodes anew."""
        if self._picture is not None:
            numbers = sorted(numbers_of(self._picture, names))
            self._tiles.spoil(self._picture.boxes[numbers] if numbers else np.zeros((0, 4)))

    def _knows(self, name: str) -> bool:
        return self._picture is not None and name in self._picture.scene.place

    def _place_of(self, name: str | None) -> QPointF | None:
        if name is None or not self._knows(name):
            return None
        return QPointF(self.card_rect(name).center())

    def _mark(self) -> None:
        tensor = self._hovered or self._tensor
        self._marks = find_marks(self._picture, self._selected, tensor, self._found)
        self.update()

    def _tooltip(self, at: QPointF, globally: QPoint) -> None:
        picture = self._picture
        card = self.card_under(at)
        text = ""
        if picture is not None and card is not None:
            text = card_tip(picture, card, self._look.badges)
        elif picture is not None:
            stub, tensor = self.stub_under(at), self.tensor_under(at)
            if stub is not None:
                text = stub_tip(picture, stub)
            elif tensor is not None:
                text = link_tip(picture.scene.graph, tensor)
        if text:
            QToolTip.showText(globally, text, self)
        else:
            QToolTip.hideText()
