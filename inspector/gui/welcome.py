"""What the empty window says: drop a model, open one, or try a sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.gui.resources import picture
from inspector.gui.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XL

_SAMPLES = {
    "digits_cnn": "A small residual network",
    "digits_mobile": "Depthwise-separable, hard to quantize per tensor",
    "digits_vit": "A vision transformer",
}


class Welcome(QWidget):
    """An invitation.

    Signals:
        open_asked: the user wants to choose a file.
        sample_asked: path of a sample model.
    """

    open_asked = Signal()
    sample_asked = Signal(object)

    def __init__(self, samples: Sequence[Path], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("welcome")
        self.open_button = QPushButton("Open a model…")
        self.open_button.setProperty("primary", "true")
        self.open_button.setObjectName("welcomeOpen")
        self.open_button.clicked.connect(self.open_asked)
        self.sample_buttons = [self._sample(path) for path in samples]
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
        return zone

    def _sample(self, path: Path) -> QPushButton:
        button = QPushButton(path.stem)
        button.setObjectName(f"sample_{path.stem}")
        button.setToolTip(_SAMPLES.get(path.stem, str(path)))
        button.clicked.connect(lambda: self.sample_asked.emit(path))
        return button
