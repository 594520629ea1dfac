"""Messages that do not block: what happened, and the next step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from inspector.gui.resources import icon
from inspector.gui.theme import LIGHT, SPACE_M, SPACE_S, SPACE_XS, Theme

Kind = Literal["info", "success", "warning", "error"]
MOST = 3
_PASSING_MS = 12_000
_KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
_SIGNS = {"info": "Note", "success": "Done", "warning": "Warning", "error": "Error"}


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """Something that a message offers to do.

    Attributes:
        label: of the button.
        run: does it.
        passing: it can also be reached elsewhere, so the message may pass by itself.
    """

    label: str
    run: Callable[[], None]
    passing: bool = False


class Message(QFrame):
    """One message with a button that closes it, and maybe one for the next step.

    Signals:
        gone: it was taken away.
    """

    gone = Signal()

    def __init__(
        self,
        kind: Kind,
        text: str,
        hint: str,
        theme: Theme,
        parent: QWidget,
        offer: Offer | None = None,
    ) -> None:
        super().__init__(parent)
        self.offer = offer
        self.setObjectName("message")
        self.setProperty("kind", kind)
        self.kind = kind
        self.text = text
        self.hint = hint
        sign = QLabel(_SIGNS[kind], self)
        sign.setProperty("role", "figure")
        sign.setAlignment(Qt.AlignmentFlag.AlignTop)
        sign.setContentsMargins(0, SPACE_XS, 0, 0)
        body = QLabel(f"{text} {hint}".strip(), self)
        body.setTextFormat(Qt.TextFormat.PlainText)
        body.setWordWrap(True)
        # The smallest height is reckoned at the smallest width: keep it from growing the window.
        body.setMinimumWidth(480)
        body.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        body.setAlignment(Qt.AlignmentFlag.AlignTop)
        body.setContentsMargins(0, SPACE_XS, 0, SPACE_XS)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        body.setSizePolicy(policy)
        self._close = QToolButton(self)
        self._close.setAccessibleName("Close message")
        self._close.setToolTip("Close")
        self._close.setProperty("small", "true")
        self._close.setIconSize(QSize(12, 12))
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE_M, SPACE_XS, SPACE_S, SPACE_XS)
        row.setSpacing(SPACE_M)
        row.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(body, 1)
        self.button: QPushButton | None = None
        if offer is not None:
            self.button = QPushButton(offer.label, self)
            self.button.setObjectName("messageAction")
            self.button.clicked.connect(self._accept)
            row.addWidget(self.button, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        self._close.clicked.connect(self.dismiss)
        self.apply_theme(theme)

    def apply_theme(self, theme: Theme) -> None:
        """Draw the close button in the theme's colours."""
        self._close.setIcon(icon("close", theme.muted, theme.muted))

    def _accept(self) -> None:
        offer = self.offer
        self.dismiss()
        if offer is not None:
            offer.run()

    def dismiss(self) -> None:
        """Take the message away."""
        self.hide()
        self.setParent(None)
        self.gone.emit()
        self.deleteLater()


class MessageBar(QWidget):
    """The newest messages, one under the other; nothing at all when there are none.

    Signals:
        changed: how many there are now.
    """

    changed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("messageBar")
        self.setAccessibleName("Messages")
        self._theme = LIGHT
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(1)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_message(
        self, kind: Kind, text: str, hint: str = "", offer: Offer | None = None
    ) -> Message:
        """Add a message.

        A note of success passes by itself; errors, and messages with an offer, stay until closed.
        """
        for message in self.messages():
            if (message.kind, message.text) == (kind, text):
                message.dismiss()
        for message in self.messages()[: -(MOST - 1)]:
            message.dismiss()
        message = Message(kind, text, hint, self._theme, self, offer)
        self._column.addWidget(message)
        message.gone.connect(self._count)
        self._count()
        if kind in ("info", "success") and (offer is None or offer.passing):
            timer = QTimer(message)
            timer.setSingleShot(True)
            timer.timeout.connect(message.dismiss)
            timer.start(_PASSING_MS)
        return message

    def _count(self) -> None:
        self.changed.emit(len(self.messages()))

    def tell(self, kind: str, text: str, hint: str = "", offer: Offer | None = None) -> None:
        """The same for signals, whose arguments have no type of their own.

        Raises:
            KeyError: there is no such kind.
        """
        self.show_message(_KINDS[kind], text, hint, offer)

    def messages(self) -> list[Message]:
        """What is shown, oldest first."""
        # Not by the items of the layout: Python would keep their wrappers after they are gone.
        direct = Qt.FindChildOption.FindDirectChildrenOnly
        return self.findChildren(Message, options=direct)

    def text(self) -> str:
        """Everything shown, one message a line."""
        return "\n".join(f"{m.text} {m.hint}".strip() for m in self.messages())

    def withdraw_notes(self) -> None:
        """Take back all but errors: another model is being opened, and they spoke of the last."""
        for message in self.messages():
            if message.kind != "error":
                message.dismiss()

    def withdraw_offers(self) -> None:
        """Take away what was offered for a model that is not open any more."""
        for message in self.messages():
            if message.offer is not None:
                message.dismiss()

    def clear(self) -> None:
        """Take all messages away."""
        for message in self.messages():
            message.dismiss()

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme
        for message in self.messages():
            message.apply_theme(theme)
