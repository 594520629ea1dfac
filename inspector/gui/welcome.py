"""What the empty window says: drop a model, open one, or try a sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.gui.recent import short_path
from inspector.gui.resources import picture
from inspector.gui.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XL

_SAMPLES = {
    "digits_cnn": "A small residual network",
    "digits_mobile": "Depthwise-separable, hard to quantize per tensor",
    "digits_vit": "A vision transformer",
}


_MOST_RECENT = 5


class Welcome(QWidget):
    """An invitation.

    Signals:
        open_asked: the user wants to choose a file.
        sample_asked: path of a sample model.
        recent_asked: path of a model that was open before.
    """

    open_asked = Signal()
    sample_asked = Signal(object)
    recent_asked = Signal(object)

    def __init__(self, samples: Sequence[Path], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("welcome")
        self.open_button = QPushButton("Open a model…")
        self.open_button.setProperty("primary", "true")
        self.open_button.setObjectName("welcomeOpen")
        self.open_button.clicked.connect(self.open_asked)
        self.sample_buttons = [self._sample(path) for path in samples]
        self.recent = QVBoxLayout()
        self.recent.setSpacing(0)
        self.recent_buttons: list[QPushButton] = []
        outer = QVBoxLayout(self)
        outer.addStretch(1)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self._zone())
        row.addStretch(1)
        outer.addLayout(row)
        outer.addStretch(1)

    def _zone(self) -> QFrame:
        zone = QFrame(self)
        zone.setObjectName("dropZone")
        column = QVBoxLayout(zone)
        column.setContentsMargins(
            SPACE_XL * 2, SPACE_XL + SPACE_L, SPACE_XL * 2, SPACE_XL + SPACE_L
        )
        column.setSpacing(SPACE_S)
        logo = QLabel()
        logo.setPixmap(picture("quant-inspector", 64, self.devicePixelRatioF()))
        title = QLabel("Drop an ONNX model here")
        title.setProperty("role", "hero")
        text = QLabel("See what quantization does to it, and decide it layer by layer.")
        text.setProperty("role", "muted")
        for label in (logo, title, text):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(label)
        column.addSpacing(SPACE_M)
        button = QHBoxLayout()
        button.addStretch(1)
        button.addWidget(self.open_button)
        button.addStretch(1)
        column.addLayout(button)
        if self.sample_buttons:
            column.addSpacing(SPACE_L)
            hint = QLabel("or try a sample")
            hint.setProperty("role", "small")
            hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(hint)
            row = QHBoxLayout()
            row.setSpacing(SPACE_S)
            row.addStretch(1)
            for sample in self.sample_buttons:
                row.addWidget(sample)
            row.addStretch(1)
            column.addLayout(row)
        column.addLayout(self.recent)
        return zone

    def show_recent(self, paths: Sequence[Path]) -> None:
        """Show the models that were open before, newest first."""
        while (item := self.recent.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self.recent_buttons = [self._recent(path) for path in paths[:_MOST_RECENT]]
        if self.recent_buttons:
            hint = QLabel("or go on with")
            hint.setProperty("role", "small")
            hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
            hint.setContentsMargins(0, SPACE_L, 0, SPACE_S)
            self.recent.addWidget(hint)
        for button in self.recent_buttons:
            self.recent.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)

    def _recent(self, path: Path) -> QPushButton:
        button = QPushButton(short_path(path).replace("&", "&&"))
        button.setProperty("link", "true")
        button.setToolTip(str(path))
        button.clicked.connect(lambda: self.recent_asked.emit(path))
        return button

    def _sample(self, path: Path) -> QPushButton:
        button = QPushButton(path.stem)
        button.setObjectName(f"sample_{path.stem}")
        button.setToolTip(_SAMPLES.get(path.stem, str(path)))
        button.clicked.connect(lambda: self.sample_asked.emit(path))
        return button
