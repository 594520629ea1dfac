"""The bar above the graph: where in the model one is, and what is folded away."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from inspector.gui.still import ElidedLabel
from inspector.gui.theme import SPACE_S, SPACE_XS
from inspector.report.units import plural

_WIDEST, _NARROWEST = 220, 56
"""Pixels of a step's text, at most, and at least before steps are left out."""
_PADDING = 20
_BETWEEN = 14
_HEIGHT = 30


class Steps(QWidget):
    """The way to the graph that is shown, in whatever width there is.

    Long titles are cut; of too many steps those in the middle go into a menu.

    Signals:
        asked: show the graph at this many steps from the model's.
    """

    asked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._titles: tuple[str, ...] = ()
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(0)

    def show_titles(self, titles: Sequence[str]) -> None:
        """Show another way; one of a single step says nothing and is not shown."""
        shown = tuple(" ".join(title.split()) or "(no name)" for title in titles)
        self._titles = shown if len(shown) > 1 else ()
        self._fill()

    def sizeHint(self) -> QSize:
        """One line."""
        return QSize(_NARROWEST, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """One line of whatever width there is."""
        return QSize(0, _HEIGHT)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the steps anew."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fill()

    def _fill(self) -> None:
        while (item := self._row.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        metrics = QFontMetrics(self.font())
        wished = [min(metrics.horizontalAdvance(title), _WIDEST) for title in self._titles]
        hidden = _left_out(len(wished), self.width())
        last = len(self._titles) - 1
        kept = [number for number in range(len(wished)) if number not in hidden]
        room = self.width() - (len(kept) + bool(hidden)) * (_PADDING + _BETWEEN)
        widest = _fitted([wished[number] for number in kept], room)
        for number in kept:
            if number:
                self._row.addWidget(QLabel("▸", self))
            if hidden and number == hidden[-1] + 1:
                self._row.addWidget(self._more(hidden))
                self._row.addWidget(QLabel("▸", self))
            mode = Qt.TextElideMode.ElideMiddle
            text = metrics.elidedText(self._titles[number], mode, widest)
            self._row.addWidget(self._last(text) if number == last else self._step(text, number))
        self._row.addStretch(1)

    def _last(self, text: str) -> QWidget:
        label = QLabel(text, self)
        label.setProperty("role", "section")
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setToolTip(self._titles[-1])
        label.setContentsMargins(SPACE_XS, 0, 0, 0)
        return label

    def _step(self, text: str, number: int) -> QWidget:
        button = QToolButton(self)
        button.setText(text.replace("&", "&&"))
        button.setToolTip(f"Go to {self._titles[number]}")
        button.setAutoRaise(True)
        button.clicked.connect(lambda: self.asked.emit(number))
        return button

    def _more(self, hidden: Sequence[int]) -> QWidget:
        button = QToolButton(self)
        button.setObjectName("trailMore")
        button.setText("…")
        button.setToolTip(f"{plural(len(hidden), 'step')} more")
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(button)
        for number in hidden:
            title = self._titles[number][:_WIDEST].replace("&", "&&")
            menu.addAction(title).triggered.connect(
                lambda _checked=False, number=number: self.asked.emit(number)
            )
        button.setMenu(menu)
        return button


def _left_out(count: int, width: int) -> range:
    """The steps in the middle that there is no room for, even cut."""
    most = max(width // (_NARROWEST + _PADDING + _BETWEEN), 2)
    if count <= most:
        return range(0)
    behind = max(most - 2, 1)  # beside the first one, and the mark of those that are left out
    return range(1, count - behind)


def _fitted(wished: Sequence[int], room: int) -> int:
    """How wide a text may be, so that all fit."""
    left, waiting = room, sorted(wished)
    for number, width in enumerate(waiting):
        share = left // (len(waiting) - number)
        if width > share:
            return max(share, _NARROWEST // 2)
        left -= width
    return _WIDEST


class Trail(QFrame):
    """The way to the graph that is shown, and switches for quantizers and for what is prepared.

    Hidden while there is nothing to say.

    Signals:
        asked: show the graph at this many steps from the model's.
        raw_asked: whether to show the operators that quantize.
        prepared_asked: whether to show the graph as it is quantized.
    """

    asked = Signal(int)
    raw_asked = Signal(bool)
    prepared_asked = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._raw = self._steps_shown = self._is_prepared = False
        self._folded = 0
        self._prepared_text = ""
        self.setObjectName("trail")
        self.setAccessibleName("Where in the model")
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE_S, SPACE_XS, SPACE_S, SPACE_XS)
        row.setSpacing(SPACE_S)
        self.steps = Steps(self)
        self.steps.asked.connect(self.asked)
        self.note = ElidedLabel(self, Qt.TextElideMode.ElideRight)
        self.note.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.note.setProperty("role", "muted")
        self.switch = QPushButton(self)
        self.switch.setObjectName("rawSwitch")
        self.switch.clicked.connect(lambda: self.raw_asked.emit(not self._raw))
        self.passes = QToolButton(self)
        self.passes.setObjectName("passesButton")
        self.passes.setText("Passes ▾")
        self.passes.setToolTip("What is done before quantization, and what of it is left out")
        self.passes.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.before_after = QPushButton(self)
        self.before_after.setObjectName("preparedSwitch")
        self.before_after.clicked.connect(lambda: self.prepared_asked.emit(not self._is_prepared))
        row.addWidget(self.steps, 3)
        row.addWidget(self.note, 2)
        row.addWidget(self.switch)
        row.addWidget(self.passes)
        row.addWidget(self.before_after)
        self.show_steps(())

    def show_steps(self, titles: Sequence[str]) -> None:
        """Show the way: the model and every step into it."""
        self.steps.show_titles(titles)
        self._steps_shown = len(titles) > 1
        self._show()

    def show_folded(self, folded: int, *, raw: bool) -> None:
        """Say how many quantizing operators there are, and whether they are folded away."""
        self._folded, self._raw = folded, raw
        self.switch.setText("Fold them" if raw else "Show raw")
        self._show()

    def set_passes(self, menu: QMenu) -> None:
        """The menu behind the button of passes."""
        self.passes.setMenu(menu)

    def show_prepared(self, text: str, *, prepared: bool) -> None:
        """Say what was done before quantization, and which of the two graphs is shown.

        Args:
            text: how many nodes are gone; empty where nothing was, or could be, done.
            prepared: the graph is shown as it is quantized.
        """
        self._prepared_text, self._is_prepared = text, prepared
        self.before_after.setText("Show the file's" if prepared else "Show as quantized")
        self.before_after.setToolTip(
            "Show the graph as it is in the file; what is done before quantization is grey in it"
            if prepared
            else "Show the graph after all that is done before quantization"
        )
        self._show()

    def _show(self) -> None:
        can_switch = self._can_switch()
        self.note.set_full_text(self._note())
        self.note.setVisible(self._folded > 0 or can_switch)
        self.switch.setVisible(self._folded > 0)
        self.passes.setVisible(can_switch)
        self.before_after.setVisible(can_switch)
        self.steps.setVisible(self._steps_shown)
        self.setVisible(self._steps_shown or self._folded > 0 or can_switch)

    def _can_switch(self) -> bool:
        """Whether the two graphs differ; who sees the prepared one can go back in any case."""
        return bool(self._prepared_text) or self._is_prepared

    def _note(self) -> str:
        """What is folded; in few words where three buttons stand beside it."""
        if not self._folded:
            return self._prepared_text or "Shown as it is quantized"
        where = "as nodes" if self._raw else "as badges"
        if self._can_switch():
            return f"{plural(self._folded, 'quantizer')} {where}"
        what = plural(self._folded, "quantizing operator")
        return f"{what} shown as nodes" if self._raw else f"{what} folded into badges"
