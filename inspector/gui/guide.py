"""What to do next, told once: a strip over the first model that is opened."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from inspector.gui.settings import read_setting, write_setting
from inspector.gui.theme import SPACE_M, SPACE_S

GUIDE_KEY = "guide/seen"
_TEXT = (
    "Next: drop calibration data on the window, click a layer and choose its types, "
    "then save the quantized model. Ctrl+K finds every command and layer."
)


class Guide(QFrame):
    """One sentence and a button; once dismissed it never comes back."""

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
        row.setContentsMargins(SPACE_M, SPACE_S, SPACE_S, SPACE_S)
        row.setSpacing(SPACE_M)
        row.addWidget(self.label, 1)
        row.addWidget(self.button, 0, Qt.AlignmentFlag.AlignVCenter)
        self.hide()

    def model_opened(self, *, has_layers: bool) -> None:
        """A model is open: show the strip if it was never dismissed, and can be followed."""
        self.setVisible(has_layers and read_setting(GUIDE_KEY, "no") != "yes")

    def dismiss(self) -> None:
        """Go away for good."""
        write_setting(GUIDE_KEY, "yes")
        self.hide()
