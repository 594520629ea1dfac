"""What mouse, wheel, trackpad and keyboard mean in the graph view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt
from PySide6.QtGui import (
    QContextMenuEvent,
    QInputDevice,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QNativeGestureEvent,
    QWheelEvent,
)

from inspector.gui.graph_view.cards import Card
from inspector.gui.graph_view.walking import neighbour

if TYPE_CHECKING:
    from inspector.gui.graph_view.view import GraphView

_DRAG = 4
_STEP = 1.2
_ADDING = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
_LEFT = Qt.MouseButton.LeftButton
_ARROWS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Right)


class Gestures:
    """Turns a view's events into what the view can do."""

    def __init__(self, view: GraphView) -> None:
        self._view = view
        self._pressed: QPointF | None = None
        self._from = QPointF()
        self._button = Qt.MouseButton.NoButton
        self._dragged = self._banding = False
        self._came_from: int | None = None
        self.band: QRectF | None = None

    def stop(self) -> None:
        """What is under way means nothing any more: the picture is of another graph."""
        self.band, self._came_from, self._banding = None, None, False

    def handle(self, event: QEvent) -> bool:
        """Do what an event asks for; False for events that mean nothing here."""
        match event:
            case QMouseEvent():
                return self._mouse(event)
            case QWheelEvent():
                return self._wheel(event)
            case QNativeGestureEvent():
                return self._pinch(event)
            case QKeyEvent() if event.type() == QEvent.Type.KeyPress:
                return self._key(event)
            case QContextMenuEvent():
                return self._menu(event)
        if event.type() == QEvent.Type.Leave:
            self._view.hover(None)
        return False

    # Mouse

    def _mouse(self, event: QMouseEvent) -> bool:
        match event.type():
            case QEvent.Type.MouseButtonPress:
                return self._press(event)
            case QEvent.Type.MouseMove:
                return self._move(event)
            case QEvent.Type.MouseButtonRelease:
                return self._release(event)
            case QEvent.Type.MouseButtonDblClick:
                return self._double(event)
        return False

    def _press(self, event: QMouseEvent) -> bool:
        if event.button() not in (_LEFT, Qt.MouseButton.MiddleButton):
            return False
        self._view.setFocus(Qt.FocusReason.MouseFocusReason)
        self._pressed = self._from = event.position()
        self._button = event.button()
        self._dragged = False
        self._banding = bool(event.modifiers() & _ADDING) and self._button == _LEFT
        return True

    def _move(self, event: QMouseEvent) -> bool:
        at = event.position()
        if self._pressed is None:
            self._hover(at)
            return True
        delta = at - self._pressed
        if not self._dragged and delta.manhattanLength() <= _DRAG:
            return True
        if self._banding:
            self.band = QRectF(self._from, at).normalized()
            self._view.update()
        else:
            self._view.setCursor(Qt.CursorShape.ClosedHandCursor)
            self._view.camera.pan(delta.x(), delta.y())
            self._pressed = at
        self._dragged = True
        return True

    def _hover(self, at: QPointF) -> None:
        under = self._view.under(at)
        over = under.tensor is not None or under.card is not None
        shape = Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor
        if self._view.cursor().shape() != shape:
            self._view.setCursor(shape)
        self._view.hover(under.tensor)

    def _release(self, event: QMouseEvent) -> bool:
        if event.button() != self._button:
            return False
        clicked = self._pressed is not None and not self._dragged
        self._pressed = None
        self._view.unsetCursor()
        band, self.band = self.band, None
        if band is not None:
            self._view.choose_within(band, adding=True)
            self._view.update()
        elif clicked and event.button() == _LEFT:
            self._click(event)
        return True

    def _click(self, event: QMouseEvent) -> None:
        """Select what was clicked; with Ctrl or Shift, add or remove it."""
        view, under = self._view, self._view.under(event.position())
        adding = bool(event.modifiers() & _ADDING)
        if under.stub is not None:
            view.follow(under.stub, event.globalPosition().toPoint())
        elif under.tensor is not None and not adding:
            view.pick_tensor(under.tensor)
        elif under.card is not None and under.tensor is None:
            self._click_card(under.card, adding=adding)
        elif not adding:
            view.choose(())

    def _click_card(self, number: int, *, adding: bool) -> None:
        view = self._view
        names, chosen = view.names_of(number), view.selected()
        gone = frozenset(names)
        if not adding:
            view.choose(names)
        elif gone <= frozenset(chosen):
            view.choose([name for name in chosen if name not in gone])
        else:
            view.choose((*chosen, *names))

    def _double(self, event: QMouseEvent) -> bool:
        under = self._view.under(event.position())
        card = self._card(under.card)
        if card is not None and card.opens:
            self._view.opened.emit(card)
        elif under.stub is None and (card is not None or under.tensor is not None):
            self._view.properties_asked.emit()
        return True

    def _card(self, number: int | None) -> Card | None:
        picture = self._view.picture()
        return None if number is None or picture is None else picture.cards[number]

    def _menu(self, event: QContextMenuEvent) -> bool:
        by_mouse = event.reason() == QContextMenuEvent.Reason.Mouse
        view, picture = self._view, self._view.picture()
        if by_mouse:
            number, place = view.under(QPointF(event.pos())).card, event.globalPos()
        else:
            chosen = view.selected()
            number = picture.scene.place.get(chosen[-1]) if picture and chosen else None
            rect = view.card_rect(chosen[-1]) if number is not None else view.rect()
            place = view.mapToGlobal(rect.center())
        card = self._card(number)
        if number is not None and card is not None and not card.is_pill:
            names = view.names_of(number)
            if frozenset(names).isdisjoint(view.selected()):
                view.choose(names)
        view.menu_asked.emit(card, place)
        return True

    # Wheel and trackpad

    def _wheel(self, event: QWheelEvent) -> bool:
        """A wheel zooms to the pointer; two fingers on a trackpad move the picture."""
        pixels, angle = event.pixelDelta(), event.angleDelta()
        modifiers = event.modifiers()
        pad = event.device().type() == QInputDevice.DeviceType.TouchPad
        if pad and not pixels.isNull() and not modifiers & Qt.KeyboardModifier.ControlModifier:
            self._view.camera.pan(pixels.x(), pixels.y())
        elif modifiers & Qt.KeyboardModifier.ShiftModifier:
            self._view.camera.pan(angle.y() or angle.x(), 0)
        elif angle.y():
            self._view.camera.zoom(_STEP ** (angle.y() / 120), event.position())
        event.accept()
        return True

    def _pinch(self, event: QNativeGestureEvent) -> bool:
        if event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self._view.camera.zoom(1.0 + event.value(), event.position())
        return True

    # Keyboard

    def _key(self, event: QKeyEvent) -> bool:
        """Fit, zoom, walk along the edges, open and climb back."""
        view, key = self._view, event.key()
        if event.matches(QKeySequence.StandardKey.Copy):
            view.copy_asked.emit()
            return True
        if event.modifiers() & (
            Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
        ):
            return False
        match key:
            case Qt.Key.Key_F | Qt.Key.Key_Home:
                view.fit()
            case Qt.Key.Key_Z:
                view.fit_selection()
            case Qt.Key.Key_Plus | Qt.Key.Key_Equal:
                view.camera.zoom(_STEP)
            case Qt.Key.Key_Minus:
                view.camera.zoom(1 / _STEP)
            case Qt.Key.Key_0 | Qt.Key.Key_1:
                view.full_size()
            case Qt.Key.Key_Escape:
                self._escape()
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                view.properties_asked.emit()
            case _ if key in _ARROWS:
                self._walk(Qt.Key(key))
            case _:
                return False
        return True

    def _escape(self) -> None:
        if self.band is not None:
            self.band, self._pressed, self._banding = None, None, False
            self._view.update()
        elif self._view.selected() or self._view.chosen_tensor() is not None:
            self._view.choose(())
        else:
            self._view.leave_asked.emit()

    def _walk(self, key: Qt.Key) -> None:
        picture, chosen = self._view.picture(), self._view.selected()
        if picture is None or self._view.is_left():
            return
        start = picture.scene.place.get(chosen[-1]) if chosen else None
        number = neighbour(picture, start, key, self._came_from)
        if number is not None:
            self._came_from = start
            self._view.choose(self._view.names_of(number))
            self._view.bring_in(number)
