"""The legend of the heat colours: what they show, from where to where, and what marks mean."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from inspector.gui.graph_view.heat_bar import (
    HIGH,
    LOW,
    Axis,
    HeatBar,
    axis_for,
    stepped,
    stretched,
)
from inspector.gui.graph_view.range_end import RangeEnd
from inspector.gui.graph_view.swatches import Notes, Swatches
from inspector.gui.theme import LIGHT, RADIUS, SPACE_S, SPACE_XS, TEXT_BODY, TEXT_SMALL, Theme
from inspector.report.quantity_text import parse_quantity, quantity_text
from inspector.session.quantities import Better, Quantity, is_range

CARD_WIDTH, SMALL_WIDTH = 260, 172
_ROOMY = (760, 620)
"""From this width and height of the view on, the legend is never in the way."""
_LARGEST = 1e15
_NO_LIMIT = 16_777_215
"""Qt's own word for a height that is not limited."""
_LONGEST = 160
_MEANINGS: dict[Better, str] = {
    "high": "worse → better",
    "low": "small → large",
    "none": "small → large",
}


class HeatLegend(QFrame):
    """A small card in the lower left corner of its parent: what the heat colours mean.

    Signals:
        quantity_chosen: the key of a quantity; empty for no heat. Also when it is chosen again.
        range_changed: (low, high) as the user wants them.
        auto_asked: the range shall fit the quantity again.
        update_asked: what is missing or out of date shall be found.
    """

    quantity_chosen = Signal(str)
    range_changed = Signal(float, float)
    auto_asked = Signal()
    update_asked = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("heatLegend")
        self.setAccessibleName("Legend of the heat colours")
        self._view = parent
        self._theme: Theme = LIGHT
        self._quantity: Quantity | None = None
        self._ends = (0.0, 1.0)
        self._axis: Axis | None = None
        self._notes = Notes()
        self._is_auto = True
        self.chooser = QComboBox(self)
        self.chooser.setObjectName("heatQuantity")
        self.chooser.setAccessibleName("What the layers are coloured by")
        self.auto = QToolButton(self)
        self.auto.setObjectName("heatAuto")
        self.auto.setText("Auto")
        self.auto.setToolTip("Show the range that fits the quantity")
        self.bar = HeatBar(self)
        self.low = RangeEnd("heatLow", "Low end of the range", self)
        self.high = RangeEnd("heatHigh", "High end of the range", self)
        self.meaning = QLabel(self)
        self.swatches = Swatches(self)
        self.notice = QLabel(self)
        self.notice.setObjectName("heatNotice")
        self.update_button = QToolButton(self)
        self.update_button.setObjectName("heatUpdate")
        self.update_button.setText("Update")
        self.update_button.setToolTip("Find the numbers that are missing or out of date")
        self._lay_out()
        self._connect()
        self.apply_theme(LIGHT)
        parent.installEventFilter(self)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            application.focusChanged.connect(self._focus_moved)

    def _lay_out(self) -> None:
        self.notice.setWordWrap(True)
        self.notice.setTextFormat(Qt.TextFormat.PlainText)
        self.meaning.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.high.setAlignment(Qt.AlignmentFlag.AlignRight)
        for button in (self.auto, self.update_button):
            button.setProperty("small", True)
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        head, ends, foot = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        head.addWidget(self.chooser, 1)
        head.addWidget(self.auto)
        ends.addWidget(self.low)
        ends.addWidget(self.meaning, 1)
        ends.addWidget(self.high)
        foot.addWidget(self.notice, 1)
        foot.addWidget(self.update_button, 0, Qt.AlignmentFlag.AlignRight)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_S, SPACE_S, SPACE_S, SPACE_S)
        column.setSpacing(SPACE_XS)
        column.addLayout(head)
        column.addWidget(self.bar)
        column.addLayout(ends)
        column.addWidget(self.swatches)
        column.addLayout(foot)
        for row in (head, ends, foot):
            row.setSpacing(SPACE_XS)

    def _connect(self) -> None:
        self.chooser.activated.connect(self._choose)
        self.auto.clicked.connect(self.auto_asked)
        self.update_button.clicked.connect(self.update_asked)
        self.bar.moved.connect(self.range_changed)
        self.bar.edit_asked.connect(lambda end: self._end(end).edit())
        for end in (LOW, HIGH):
            field = self._end(end)
            field.typed.connect(lambda text, end=end: self._typed(end, text))
            field.left.connect(lambda: self._say(self._notes.notice))
            field.stepped.connect(lambda steps, end=end: self._stepped(end, steps))

    # What others tell it

    def set_quantities(self, quantities: Sequence[Quantity]) -> None:
        """What can be chosen, beside no heat at all."""
        self.chooser.clear()
        for number, quantity in enumerate(quantities):
            self.chooser.addItem(quantity.title, quantity.key)
            self.chooser.setItemData(number, quantity.explanation, Qt.ItemDataRole.ToolTipRole)
        self.chooser.addItem("No heat", "")

    def show_quantity(self, quantity: Quantity | None, low: float, high: float, auto: bool) -> None:
        """Show a quantity with its range.

        Args:
            quantity: None for no heat.
            low: number at the dark end.
            high: number at the bright end.
            auto: the range was not chosen by the user.
        """
        if quantity is not None:
            if (
                self._axis is None
                or quantity != self._quantity
                or (auto and not self.bar.is_held())
            ):
                self._axis = axis_for(quantity, low, high)
            self._axis = stretched(self._axis, low, high)
            self.bar.show_range(quantity, low, high, self._axis)
            self.low.show_text(quantity_text(quantity, low))
            self.high.show_text(quantity_text(quantity, high))
        self._quantity, self._ends = quantity, (low, high)
        key = "" if quantity is None else quantity.key
        self.chooser.setCurrentIndex(self.chooser.findData(key))
        self.chooser.setToolTip("" if quantity is None else quantity.explanation)
        self._is_auto = auto
        for part in (self.bar, self.low, self.meaning, self.high):
            part.setVisible(quantity is not None)
        self._unfold()

    def show_notes(self, notes: Notes) -> None:
        """Explain the marks on the layers, and say why numbers are missing."""
        self._notes = notes
        self.swatches.show_notes(notes)
        self.update_button.setVisible(notes.can_update)
        if not (self.low.is_refused() or self.high.is_refused()):
            self._say(notes.notice)
        self._place()

    def _say(self, text: str) -> None:
        text = " ".join(text.split())
        self.notice.setText(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
        self.notice.setVisible(bool(text))
        self._place()

    def apply_theme(self, theme: Theme) -> None:
        """Paint in a theme's colours."""
        self._theme = theme
        small = f"color: {theme.muted}; font-size: {TEXT_SMALL}px;"
        for label in (self.meaning, self.notice):
            label.setStyleSheet(small)
        for button in (self.auto, self.update_button):
            button.setStyleSheet(
                f"color: {theme.accent}; padding: 2px 4px; font-size: {TEXT_SMALL}px;"
            )
        self.chooser.setStyleSheet(f"font-size: {TEXT_BODY - 1}px; padding: 2px 6px;")
        for part in (self.bar, self.low, self.high, self.swatches):
            part.apply_theme(theme)
        self.update()

    # What the user does

    def _end(self, end: int) -> RangeEnd:
        return self.low if end == LOW else self.high

    def _choose(self, index: int) -> None:
        self.quantity_chosen.emit(self.chooser.itemData(index))

    def _typed(self, end: int, text: str) -> None:
        if self._quantity is None:
            return
        field, value = self._end(end), parse_quantity(self._quantity, text)
        wrong = _objection(self._quantity, self._ends, end, value)
        if wrong or value is None:
            field.refuse()
            self._say(wrong)
            return
        field.accept()
        self._ask(end, value)

    def _stepped(self, end: int, steps: float) -> None:
        if self._quantity is not None:
            self._ask(end, stepped(self._quantity, self._ends[end], steps))

    def _ask(self, end: int, value: float) -> None:
        low, high = (value, self._ends[HIGH]) if end == LOW else (self._ends[LOW], value)
        if self._quantity is not None and is_range(self._quantity, low, high):
            self.range_changed.emit(low, high)

    # Where it is

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay in the corner when the view changes its size."""
        if watched is self._view and event.type() == QEvent.Type.Resize:
            self._unfold()
        return super().eventFilter(watched, event)

    def event(self, event: QEvent) -> bool:
        """Unfold under the pointer and for the keyboard."""
        if event.type() in (QEvent.Type.Enter, QEvent.Type.Leave):
            self._unfold()
        return super().event(event)

    def _focus_moved(self, _before: QWidget | None, _now: QWidget | None) -> None:
        self._unfold()

    def is_folded(self) -> bool:
        """Whether only the colours and their range are shown, to leave room for the graph."""
        if self._quantity is None:
            return False
        size = self._view.size()
        roomy = size.width() >= _ROOMY[0] and size.height() >= _ROOMY[1]
        focus = QApplication.focusWidget()
        used = focus is not None and self.isAncestorOf(focus)
        used = used or self.underMouse() or self.chooser.view().isVisible()
        return not (roomy or used or self.bar.is_held())

    def _unfold(self) -> None:
        """Show all, or only what tells what the colours mean."""
        folded, quantity = self.is_folded(), self._quantity
        if quantity is not None:
            unit = f", {quantity.unit}" if quantity.unit else ""
            self.meaning.setText(
                f"{quantity.title}{unit}" if folded else _MEANINGS[quantity.better]
            )
        self.chooser.setVisible(not folded)
        for end in (self.low, self.high):
            end.setVisible(quantity is not None and not folded)
        self.auto.setVisible(quantity is not None and not self._is_auto and not folded)
        self.swatches.setMaximumHeight(0 if folded else _NO_LIMIT)
        self._place()

    def _place(self) -> None:
        layout = self.layout()
        assert layout is not None
        layout.activate()
        width = SMALL_WIDTH if self.is_folded() else CARD_WIDTH
        height = layout.totalHeightForWidth(width)
        height = layout.totalSizeHint().height() if height < 0 else height
        self.setFixedSize(width, height)
        self.move(SPACE_S, self._view.height() - height - SPACE_S)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint the card."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(self._theme.card_border), 1.0))
        painter.setBrush(QColor(self._theme.surface))
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.drawRoundedRect(frame, RADIUS, RADIUS)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click on the card is not one on the graph behind it."""
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Nor is the wheel."""
        event.accept()


def _objection(quantity: Quantity, ends: tuple[float, float], end: int, value: float | None) -> str:
    """Why a number cannot be an end of the range; empty where it can."""
    example = quantity_text(quantity, ends[end])
    if value is None:
        return f"This is no number. Type one like {example}."
    if abs(value) > _LARGEST:
        return "This number is too large."
    if quantity.scale == "log" and value < 1:
        return f"Type {quantity_text(quantity, 1)} or more: the scale is logarithmic."
    other = quantity_text(quantity, ends[1 - end])
    if end == LOW and value >= ends[HIGH]:
        return f"The low end has to be below {other}."
    if end == HIGH and value <= ends[LOW]:
        return f"The high end has to be above {other}."
    return ""
