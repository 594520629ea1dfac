"""What to do next, told once: a strip over the first model that is opened."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from inspector.gui.settings import read_setting, write_setting
from inspector.gui.theme import SPACE_M, SPACE_S, SPACE_XS

GUIDE_KEY = "guide/seen"
_TEXT = (
    "Next: drop calibration data on the window, click a layer and choose its types, "
    "then save the quantized model. Ctrl+K finds every command and layer."
)


class Guide(QFrame):
    """One sentence and a button; once dismissed it never comes back.

    It makes room for messages, which matter now, and comes back when they are gone.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("guide")
        self.setAccessibleName("First steps")
        self.label = QLabel(_TEXT)
        self.label.setWordWrap(True)
        self.label.setMinimumWidth(320)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.label.setSizePolicy(policy)
        self.button = QPushButton("Got it")
        self.button.setObjectName("guideDismiss")
        self.button.setAccessibleDescription("Do not show these first steps again")
        self.button.clicked.connect(self.dismiss)
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE_M, SPACE_XS, SPACE_S, SPACE_XS)
        row.setSpacing(SPACE_M)
        row.addWidget(self.label, 1)
        row.addWidget(self.button, 0, Qt.AlignmentFlag.AlignVCenter)
        self._is_wanted = self._gives_way = False
        self.hide()

    def model_opened(self, *, has_layers: bool) -> None:
        """A model is open: show the strip if it was never dismissed, and can be followed."""
        self._is_wanted = has_layers and read_setting(GUIDE_KEY, "no") != "yes"
        self.setVisible(self._is_wanted and not self._gives_way)

    def give_way(self, messages: int) -> None:
        """So many messages stand above it now."""
        self._gives_way = messages > 0
        self.setVisible(self._is_wanted and not self._gives_way)

    def dismiss(self) -> None:
        """Go away for good."""
        write_setting(GUIDE_KEY, "yes")
        self._is_wanted = False
        self.hide()
