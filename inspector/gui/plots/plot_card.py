"""A plot with its title, one line of words, and something to say when there is nothing to plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QEnterEvent,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from inspector.gui.plots.items import PixelItem
from inspector.gui.plots.plot_view import PlotView
from inspector.gui.still import ElidedLabel, StillLabel
from inspector.gui.theme import LIGHT, SPACE_S, SPACE_XS, TEXT_SMALL, Theme

BOTTOM_PIXELS = 30
"""Room for the numbers below a plot and for what they are of."""
_ZOOM = 1.25
_PAN = 0.1
_FARTHEST = 1.0
"""How many times the width of all there is one may look beyond either end."""

Table = Sequence[tuple[str, "NDArray[Any] | Sequence[Any]"]]
"""Columns with their names."""


class PlotCard(QFrame):
    """The frame that all plots share; `plot` is what pyqtgraph paints.

    The wheel zooms, dragging moves what is seen, a double click shows all again.

    Signals:
        menu_asked: the context menu is wanted at a place on the screen.
    """

    menu_asked = Signal(object)

    def __init__(
        self,
        name: str,
        title: str,
        axes: tuple[str, str],
        parent: QWidget | None = None,
        left: Any = None,
        bottom: Any = None,
        *,
        zoom: tuple[bool, bool] = (True, False),
    ) -> None:
        """An empty plot.

        Args:
            name: of the widget.
            title: above the plot.
            axes: what runs along the bottom and up the left side, with the unit.
            parent: of the widget.
            left: the axis on the left, where the usual one will not do.
            bottom: the axis at the bottom, where the usual one will not do.
            zoom: whether one may zoom across, and up and down.
        """
        super().__init__(parent)
        self._axes = dict(zip(("bottom", "left"), axes, strict=True))
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setMinimumWidth(170)
        self.theme = LIGHT
        self.title = QLabel(title, self)
        self.title.setProperty("role", "section")
        self.note = ElidedLabel(self, Qt.TextElideMode.ElideRight)
        self.note.setProperty("role", "small")
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        own = {"left": left, "bottom": bottom}
        self.view = PlotView(self, {s: axis for s, axis in own.items() if axis is not None}, self)
        self.view.setAccessibleName(title)
        self.plot = self.view.plot
        self.box = self.plot.box
        self.empty = StillLabel(self)
        self.empty.setProperty("role", "muted")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.all = QToolButton(self)
        self.all.setText("all")
        self.all.setProperty("small", "true")
        self.all.setToolTip("Show all again (double click, Home)")
        self.all.setAccessibleName(f"{title}: show all")
        self.all.hide()
        self.more = QToolButton(self)
        self.more.setText("⋯")
        self.more.setProperty("small", "true")
        self.more.setToolTip("Copy this plot, or save it (right click, or the menu key)")
        self.more.setAccessibleName(f"{title}: copy or save")
        self.more.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the plot has a key for it
        self.more.hide()
        self.header = QHBoxLayout()
        self._stack = QStackedLayout()
        self._words = ""
        self._reading = False
        self._home: tuple[tuple[float, float], tuple[float, float]] | None = None
        self._zoom = zoom
        self.is_zoomed = False
        self._arrange()
        self._calm()
        self.all.clicked.connect(self.show_all)
        self.more.clicked.connect(self._ask_for_menu)
        self.box.sigRangeChangedManually.connect(self._zoomed)
        scene = self.plot.scene()
        scene.sigMouseMoved.connect(self._moved)
        scene.sigMouseClicked.connect(self._clicked)
        self._stack.setCurrentIndex(1)

    # What is shown

    def add(self, item: Any) -> None:
        """Put something on the plot; what is seen does not follow it."""
        self.box.addItem(item, ignoreBounds=True)
        if isinstance(item, PixelItem):
            self.box.sigRangeChanged.connect(item.follow)

    def show_empty(self, text: str) -> None:
        """Say why there is nothing to plot."""
        self.empty.set_words(text)
        self._reading = False
        self._set_words("")
        self._stack.setCurrentIndex(1)
        self.all.hide()

    def is_empty(self) -> bool:
        """Whether there is nothing to plot."""
        return self._stack.currentIndex() == 1

    def show_plot(self, note: str) -> None:
        """Show the plot with a line of words."""
        self._set_words(note)
        self._stack.setCurrentIndex(0)
        self.all.setVisible(self.is_zoomed)

    def words(self) -> str:
        """The line of words, whatever the pointer is on."""
        return self._words

    def say(self, text: str) -> None:
        """Say something in the place of the words, until the pointer leaves or they change."""
        self.note.set_full_text(text)

    def _set_words(self, text: str) -> None:
        self._words = text
        if not self._reading:
            self.note.set_full_text(text)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self.theme = theme
        self.view.setBackground(theme.surface)
        for side in ("bottom", "left"):
            axis = self.plot.axis(side)
            axis.setPen(pg.mkPen(theme.border))
            axis.setTextPen(pg.mkPen(theme.muted))
            axis.setLabel(
                self._axes[side], **{"color": theme.muted, "font-size": f"{TEXT_SMALL - 1}px"}
            )

    def table(self) -> Table:
        """What is shown as columns of numbers, for a CSV file."""
        return ()

    # Zoom

    def set_home(self, x: tuple[float, float], y: tuple[float, float], padding: float) -> None:
        """What is seen when all is shown; it is shown now unless the user zoomed in."""
        home = tuple((low - padding * (high - low), high + padding * (high - low))
                     for low, high in (x, y))  # fmt: skip
        first, second = home
        if self._home == (first, second):
            return
        self._home = first, second
        if not self.is_zoomed:
            self.show_all()

    def show_all(self) -> None:
        """Take back what was zoomed."""
        self.is_zoomed = False
        self.all.hide()
        if self._home is None:
            return
        x, y = self._home
        self.box.setLimits(xMin=None, xMax=None, yMin=None, yMax=None)
        self.box.setRange(xRange=x, yRange=y, padding=0)
        wide, high = _FARTHEST * (x[1] - x[0]), _FARTHEST * (y[1] - y[0])
        self.box.setLimits(xMin=x[0] - wide, xMax=x[1] + wide, yMin=y[0] - high, yMax=y[1] + high)
        self.box.updateMatrix()  # else the next frame finds that out, and asks for another

    def forget_zoom(self) -> None:
        """Something else is shown from now on: all of it is seen at first."""
        self._home = None
        self.is_zoomed = self._reading = False
        self.all.hide()

    def _zoomed(self, *_: object) -> None:
        self.is_zoomed = True
        self.all.setVisible(not self.is_empty())

    # Pointer and keys

    def read_at(self, _x: float, _y: float) -> str:
        """What is known of a place on the plot, in words with units; empty for nothing."""
        return ""

    def place_of(self, scene: QPointF) -> QPointF | None:
        """A point of the scene in the plot's coordinates; None beside the plot."""
        if self.is_empty() or not self.box.sceneBoundingRect().contains(scene):
            return None
        return QPointF(self.box.mapSceneToView(scene))

    def clicked_at(self, _place: QPointF) -> None:
        """The plot was clicked."""

    def key_pressed(self, event: QKeyEvent) -> bool:
        """Answer a key that was pressed while the plot has the focus."""
        key = event.key()
        across, up = (float(on) for on in self._zoom)
        steps = {
            Qt.Key.Key_Left: (-_PAN * across, 0.0),
            Qt.Key.Key_Right: (_PAN * across, 0.0),
            Qt.Key.Key_Up: (0.0, _PAN * up),
            Qt.Key.Key_Down: (0.0, -_PAN * up),
        }
        if self.is_empty() or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            return False
        if key in (Qt.Key.Key_Home, Qt.Key.Key_0):
            self.show_all()
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            factor = _ZOOM if key == Qt.Key.Key_Minus else 1 / _ZOOM
            self.box.scaleBy((factor if across else 1.0, factor if up else 1.0))
            self._zoomed()
        elif (step := steps.get(Qt.Key(key))) is not None and step != (0.0, 0.0):
            seen = self.box.viewRect()
            self.box.translateBy(x=step[0] * seen.width(), y=step[1] * seen.height())
            self._zoomed()
        else:
            return False
        return True

    def focus_changed(self, _focused: bool) -> None:
        """The plot has got the focus, or lost it."""
        self.update()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Show that there is a menu, over the corner of the plot."""
        super().enterEvent(event)
        size = self.more.sizeHint()
        self.more.setGeometry(
            self.width() - size.width() - SPACE_S,
            self.view.y() + SPACE_XS,
            size.width(),
            size.height(),
        )
        self.more.setVisible(not self.is_empty())
        self.more.raise_()

    def leaveEvent(self, event: QEvent) -> None:
        """Say what the plot shows again."""
        super().leaveEvent(event)
        self.more.hide()
        self._reading = False
        self.note.set_full_text(self._words)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for the menu, by mouse or key."""
        self.menu_asked.emit(event.globalPos())

    def _ask_for_menu(self) -> None:
        self.menu_asked.emit(self.more.mapToGlobal(self.more.rect().bottomLeft()))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a ring while the plot has the focus."""
        super().paintEvent(event)
        if self.view.hasFocus():
            painter = QPainter(self)
            painter.setPen(QPen(QColor(self.theme.accent), 1))
            painter.drawRect(QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5))

    def _moved(self, scene: QPointF) -> None:
        place = self.place_of(scene)
        text = "" if place is None else self.read_at(place.x(), place.y())
        self._reading = bool(text)
        self.note.set_full_text(" ".join(text.split("\n")) or self._words)

    def _clicked(self, event: Any) -> None:
        place = self.place_of(event.scenePos())
        if place is None or event.isAccepted():
            return
        if event.double():
            self.show_all()
        elif event.button() == Qt.MouseButton.LeftButton:
            self.clicked_at(place)

    # How it is built

    def _arrange(self) -> None:
        self.header.setSpacing(SPACE_XS)
        self.header.addWidget(self.title)
        self.header.addStretch(1)
        self.header.addWidget(self.all)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(SPACE_S, SPACE_XS, SPACE_S, SPACE_XS)
        self.body.setSpacing(2)
        self.body.addLayout(self.header)
        self.body.addWidget(self.note)
        self._stack.addWidget(self.view)
        self._stack.addWidget(self.empty)
        self.body.addLayout(self._stack, 1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def _calm(self) -> None:
        """Few lines, no buttons: the data speaks."""
        self.view.setFrameShape(QFrame.Shape.NoFrame)
        self.box.setMouseEnabled(x=self._zoom[0], y=self._zoom[1])
        self.box.disableAutoRange()
        font = self.font()
        font.setPixelSize(TEXT_SMALL - 1)
        for side in ("bottom", "left"):
            axis = self.plot.axis(side)
            axis.setStyle(tickFont=font, tickLength=-4, maxTickLevel=0, tickTextOffset=4)
            axis.enableAutoSIPrefix(False)
        self.plot.axis("bottom").setHeight(BOTTOM_PIXELS)
