"""The graph view: paints what is in sight of a picture and answers mouse and keyboard.

Its face to the rest of the window is narrow: ``set_picture``, ``select``, ``set_badges``,
``apply_theme`` in, ``selectionChanged`` out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QShowEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QToolTip, QWidget

from inspector.gui.graph_view import painting
from inspector.gui.graph_view.cards import Card
from inspector.gui.graph_view.legend import Legend, paint_legend
from inspector.gui.graph_view.painting import Badge, Brushes
from inspector.gui.graph_view.picture import Picture
from inspector.gui.graph_view.viewport import Viewport, fitted, opening, revealing
from inspector.gui.graph_view.walking import neighbour
from inspector.gui.theme import LIGHT, Theme

READABLE = 0.7
_DRAG = 4


class GraphView(QWidget):
    """The graph as cards and curves; pan by dragging, zoom with the wheel.

    Signals:
        selectionChanged: names of the selected nodes, when the user selects here.
    """

    selectionChanged = Signal(tuple)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("graphView")
        self.setAccessibleName("Graph")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(240, 160)
        self.setMouseTracking(True)
        self._picture: Picture | None = None
        self._brushes = Brushes(LIGHT)
        self._badges: Mapping[str, Badge] = {}
        self._legend: Legend | None = None
        self._selected: tuple[str, ...] = ()
        self._view = Viewport()
        self._opened = False
        self._ring = False
        self._pressed: QPointF | None = None
        self._dragged = False

    # What others tell it

    def set_picture(self, picture: Picture | None) -> None:
        """Show another graph, from its top."""
        self._picture = picture
        self._selected = ()
        self._badges = {}
        self._opened = False
        self._open()
        self.update()

    def select(self, names: Sequence[str]) -> None:
        """Mark nodes as selected and bring the first of them into view."""
        known = tuple(name for name in names if self._picture and name in self._picture.index)
        if known == self._selected:
            return
        self._selected = known
        if known:
            self.reveal(known[0])
        self.update()

    def set_badges(self, badges: Mapping[str, Badge], legend: Legend | None = None) -> None:
        """Say on each layer's card how it is quantized."""
        self._badges = dict(badges)
        self._legend = legend
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        """Paint in a theme's colours."""
        self._brushes = Brushes(theme)
        self.update()

    # What others ask

    def selected(self) -> tuple[str, ...]:
        """Names of the selected nodes."""
        return self._selected

    def node_names(self) -> tuple[str, ...]:
        """Names of all nodes on the picture."""
        return tuple(self._picture.index) if self._picture else ()

    def scale(self) -> float:
        """The zoom; 1 is 100 %."""
        return self._view.scale

    def card_rect(self, name: str) -> QRect:
        """Where a node's card is in this widget; KeyError where there is none."""
        if self._picture is None:
            raise KeyError(name)
        rect = self._picture.rect(self._picture.index[name])
        return self._view.to_widget(rect).toRect()

    def reveal(self, name: str) -> None:
        """Bring a card into view."""
        if self._picture is not None:
            rect = self._picture.rect(self._picture.index[name])
            self._look(revealing(self._view, rect, self._size()))

    def fit(self) -> None:
        """Show all of the graph."""
        if self._picture is not None:
            self._look(fitted(self._picture.bounds, self._size()))

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom about a point of the widget, or its middle."""
        middle = QPointF(self.width() / 2, self.height() / 2)
        self._look(self._view.zoomed(factor, at or middle))

    def full_size(self) -> None:
        """100 % about the middle."""
        self.zoom(1.0 / self._view.scale)

    # Painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint what is in sight."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._brushes.canvas)
        if self._picture is not None:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.save()
            painter.translate(self._view.x, self._view.y)
            painter.scale(self._view.scale, self._view.scale)
            self._paint_edges(painter, self._picture)
            self._paint_cards(painter, self._picture)
            painter.restore()
            if self._legend is not None:
                paint_legend(painter, self.rect(), self._legend, self._brushes)
        if self._ring and self.hasFocus():
            painter.setPen(QColor(self._brushes.theme.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _in_sight(self, boxes: NDArray[np.float64]) -> list[int]:
        seen = self._view.seen(self._size())
        hit = (boxes[:, 0] <= seen.right()) & (boxes[:, 2] >= seen.left())
        hit &= (boxes[:, 1] <= seen.bottom()) & (boxes[:, 3] >= seen.top())
        return [int(i) for i in np.flatnonzero(hit)]

    def _paint_edges(self, painter: QPainter, picture: Picture) -> None:
        shown = self._in_sight(picture.path_boxes)
        if self._view.scale < painting.CARD_SCALE:
            painter.setPen(self._brushes.hairline)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for index in shown:
                painter.drawPath(picture.paths[index])
            return
        for index in shown:
            tip = QPointF(*picture.arrows[index])
            painting.paint_edge(
                painter, picture.paths[index], tip, self._brushes, cut=picture.cut[index]
            )
        if self._view.scale >= painting.TEXT_SCALE:
            for index in shown:
                place = picture.labels[index]
                if place is not None:
                    label = picture.wires[index].label
                    painting.paint_label(painter, label, place, self._brushes)

    def _paint_cards(self, painter: QPainter, picture: Picture) -> None:
        flat = self._view.scale < painting.CARD_SCALE
        text = self._view.scale >= painting.TEXT_SCALE
        for index in self._in_sight(picture.boxes):
            card, rect = picture.cards[index], picture.rect(index)
            chosen = card.name in self._selected and card.kind in ("node", "layer")
            if flat and not chosen:
                painting.paint_flat(painter, card, rect, self._brushes)
                continue
            badge = self._badges.get(card.name) if card.kind == "layer" else None
            painting.paint_card(painter, card, rect, self._brushes, badge, chosen=chosen, text=text)

    # Mouse and keyboard

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Start a click or a drag."""
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._pressed = event.position()
            self._dragged = False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Pan while a button is held."""
        if self._pressed is None:
            over = self._card_at(event.position()) is not None
            shape = Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor
            self.setCursor(shape)
            return
        delta = event.position() - self._pressed
        if self._dragged or delta.manhattanLength() > _DRAG:
            self._dragged = True
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self._look(self._view.moved(delta.x(), delta.y()))
            self._pressed = event.position()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Select what was clicked; with Ctrl or Shift, add or remove it."""
        clicked = self._pressed is not None and not self._dragged
        self._pressed = None
        self.unsetCursor()
        if not clicked or event.button() != Qt.MouseButton.LeftButton:
            return
        card = self._card_at(event.position())
        name = card.name if card is not None and card.kind in ("node", "layer") else None
        adding = event.modifiers() & (
            Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        )
        if name is None:
            self._choose(self._selected if adding else ())
        elif adding and name in self._selected:
            self._choose(tuple(other for other in self._selected if other != name))
        else:
            self._choose((*self._selected, name) if adding else (name,))

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom to the pointer."""
        steps = event.angleDelta().y() / 120
        if steps:
            self.zoom(1.2**steps, event.position())
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Fit, zoom, clear, and walk along the edges."""
        key = event.key()
        if key in (Qt.Key.Key_F, Qt.Key.Key_Home):
            self.fit()
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom(1.2)
        elif key == Qt.Key.Key_Minus:
            self.zoom(1 / 1.2)
        elif key == Qt.Key.Key_0:
            self.full_size()
        elif key == Qt.Key.Key_Escape:
            self._choose(())
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._walk(Qt.Key(key))
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """Tooltips in full, and zoom by pinching."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            self._tooltip(event.pos(), event.globalPos())
            return True
        if isinstance(event, QNativeGestureEvent):
            if event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
                self.zoom(1.0 + event.value(), event.position())
            return True
        return super().event(event)

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
            self._view = self._view.moved((new.width() - old.width()) / 2, 0)

    # Inside

    def _size(self) -> QSizeF:
        return QSizeF(self.width(), self.height())

    def _open(self) -> None:
        if self._picture is not None and self.isVisible():
            self._view = opening(self._picture.bounds, self._size(), READABLE)
            self._opened = True

    def _look(self, view: Viewport) -> None:
        if view != self._view:
            self._view = view
            self.update()

    def _choose(self, names: tuple[str, ...]) -> None:
        if names != self._selected:
            self._selected = names
            self.update()
            self.selectionChanged.emit(names)

    def _walk(self, key: Qt.Key) -> None:
        if self._picture is None:
            return
        start = self._selected[-1] if self._selected else None
        name = neighbour(self._picture, start, key)
        if name is not None:
            self._choose((name,))
            self.reveal(name)

    def _card_at(self, point: QPointF) -> Card | None:
        if self._picture is None or not len(self._picture.boxes):
            return None
        at, boxes = self._view.to_picture(point), self._picture.boxes
        hit = (boxes[:, 0] <= at.x()) & (at.x() <= boxes[:, 2])
        hit &= (boxes[:, 1] <= at.y()) & (at.y() <= boxes[:, 3])
        found = np.flatnonzero(hit)
        return self._picture.cards[int(found[0])] if len(found) else None

    def _tooltip(self, at: QPoint, globally: QPoint) -> None:
        card = self._card_at(QPointF(at))
        if card is None:
            QToolTip.hideText()
            return
        lines = [card.name, card.title] if card.kind in ("node", "layer") else [card.title]
        lines += [f"{label} {text}" for label, text in card.lines]
        badge = self._badges.get(card.name)
        if badge is not None and not badge.is_float:
            lines += [f"weights {badge.weights}"] if badge.weights else []
            lines += [f"activations {badge.activations}"]
            lines += [f"weight SQNR {badge.figure}"] if badge.figure else []
            lines += [badge.why] if badge.why else []
        QToolTip.showText(globally, "\n".join(lines), self)
