"""How pictures become the model's input: presets, the options as text, and what comes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from inspector.errors import InspectorError
from inspector.evaluate.image_options import ImageOptions, ImagePlan
from inspector.evaluate.images import read_image
from inspector.evaluate.inputs import InputSpec
from inspector.evaluate.pixels import PixelHint
from inspector.gui.inputs import CalmComboBox
from inspector.gui.tasks import Tasks
from inspector.gui.theme import SPACE_L, SPACE_M, SPACE_S

_PREVIEW = "picture preview"
_SIDE = 176
_OWN = "Your own"
PRESETS = {
    "As the model suggests": "",
    "ImageNet: 0 to 1, mean and deviation taken out, RGB": (
        "channels=RGB scale=0.00392156862745098 mean=0.485,0.456,0.406 std=0.229,0.224,0.225"
    ),
    "0 to 255, RGB": "channels=RGB scale=1 mean=0 std=1",
    "0 to 255, BGR": "channels=BGR scale=1 mean=0 std=1",
    "0 to 1, RGB": "channels=RGB scale=0.00392156862745098 mean=0 std=1",
    "0 to 1, BGR": "channels=BGR scale=0.00392156862745098 mean=0 std=1",
    "−1 to 1, RGB": "channels=RGB scale=1 mean=127.5 std=127.5",
}
FITS = {
    "crop": "Shrink, and cut out the middle",
    "stretch": "Stretch to the size",
    "letterbox": "Shrink, and pad with gray",
}


class PictureDialog(QDialog):
    """Asks how pictures are fed; it does not block the window.

    Args:
        spec: the model's input.
        hint: what the model says of its pixels.
        options: what is set now.
        picture: one to show; None where there is none.
        tasks: of the window.
        parent: the window.

    Signals:
        chosen: the ImageOptions to use.
    """

    chosen = Signal(object)

    def __init__(
        self,
        spec: InputSpec,
        hint: PixelHint | None,
        options: ImageOptions,
        picture: Path | None,
        tasks: Tasks,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("pictureDialog")
        self.setWindowTitle("Pictures as input")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._spec, self._hint, self._picture, self._tasks = spec, hint, picture, tasks
        self._plan: ImagePlan | None = None
        self.preset = _combo("Values", "How pixels of 0 to 255 become the numbers of the input")
        self.preset.addItems([*PRESETS, _OWN])
        self.fit = _combo("Fit", "How a picture comes to the size of the input")
        for name, words in FITS.items():
            self.fit.addItem(words, name)
        self.text = QLineEdit(self)
        self.text.setAccessibleName("Options as text")
        self.text.setToolTip(
            "The same as --images on the command line: size, layout, channels, fit, short_side, "
            "scale, mean, std.\nA pixel p becomes (p × scale − mean) / std."
        )
        self.text.setPlaceholderText("what follows from the model")
        self.words = QLabel(self)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.words.setWordWrap(True)
        self.words.setMinimumWidth(420)
        self.image = QLabel(self)
        self.image.setAccessibleName("First picture as the model gets it")
        self.image.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.image.setVisible(picture is not None)
        self.image.setFixedHeight(_SIDE)
        self._build()
        self.preset.activated.connect(self._preset_chosen)
        self.fit.activated.connect(self._fit_chosen)
        self.text.textChanged.connect(self._follow)
        self.text.setText(str(options))
        self._follow()

    def options(self) -> ImageOptions | None:
        """What the text says; None while it is wrong."""
        try:
            return ImageOptions.parse(self.text.text())
        except InspectorError:
            return None

    def _build(self) -> None:
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.use = buttons.addButton("Use", QDialogButtonBox.ButtonRole.AcceptRole)
        self.use.setObjectName("usePictures")
        self.use.setProperty("primary", "true")
        self.use.setDefault(True)
        buttons.accepted.connect(self._use)
        buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.setHorizontalSpacing(SPACE_L)
        form.setVerticalSpacing(SPACE_S)
        form.addRow("&Values", self.preset)
        form.addRow("&Fit", self.fit)
        form.addRow("&Options", self.text)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_L)
        column.setSpacing(SPACE_M)
        column.addLayout(form)
        column.addWidget(self.words)
        column.addWidget(self.image)
        column.addWidget(buttons)

    # What the user does

    def _preset_chosen(self) -> None:
        wanted = PRESETS.get(self.preset.currentText())
        now = self.options()
        if wanted is None:
            return
        kept = ImageOptions() if now is None else now
        new = ImageOptions.parse(wanted)
        both = replace(kept, channels=new.channels, scale=new.scale, mean=new.mean, std=new.std)
        self.text.setText(str(both))

    def _fit_chosen(self) -> None:
        for name in ("crop", "stretch", "letterbox"):
            if name == self.fit.currentData():
                self.text.setText(str(replace(self.options() or ImageOptions(), fit=name)))

    def _use(self) -> None:
        options = self.options()
        if options is not None and self._plan is not None:
            self.chosen.emit(options)
            self.accept()

    # What is shown

    def _follow(self) -> None:
        self._plan = None
        try:
            options = ImageOptions.parse(self.text.text())
            self._plan = options.filled(self._spec, self._hint)
        except InspectorError as error:
            self._say(f"{error.message} {error.hint}".strip(), "danger")
        else:
            self._say(f"Pictures are fed as {self._plan}.", "muted")
            self.fit.setCurrentIndex(self.fit.findData(options.fit))
            self.preset.setCurrentText(_preset_of(options))
            self._show_picture(self._plan)
        self.use.setEnabled(self._plan is not None)

    def _say(self, text: str, role: str) -> None:
        self.words.setText(text)
        self.words.setProperty("role", role)
        self.words.style().polish(self.words)

    def _show_picture(self, plan: ImagePlan) -> None:
        path, spec = self._picture, self._spec
        if path is not None:
            self._tasks.submit(_PREVIEW, lambda _: seen_by_model(path, spec, plan), self._arrived)

    def _arrived(self, pixels: NDArray[np.uint8]) -> None:
        height, width, _ = pixels.shape
        image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        self.image.setPixmap(
            QPixmap.fromImage(image.copy()).scaledToHeight(
                _SIDE, Qt.TransformationMode.SmoothTransformation
            )
        )

    def done(self, result: int) -> None:
        """Close; a picture that is under way comes too late."""
        self._tasks.cancel(_PREVIEW)
        super().done(result)


def seen_by_model(path: Path, spec: InputSpec, plan: ImagePlan) -> NDArray[np.uint8]:
    """A picture cut and shrunk as it is fed, its channels in the order that they are fed in.

    Returns:
        (height, width, 3): of a model that takes blue first, blue stands where red does.
    """
    count = len(plan.mean)
    plain = replace(plan, layout="NHWC", scale=1.0, mean=(0.0,) * count, std=(1.0,) * count)
    pixels = read_image(path, InputSpec(spec.name, "uint8", spec.shape), plain)
    pixels = pixels[..., :3] if pixels.shape[-1] >= 3 else np.repeat(pixels[..., :1], 3, -1)
    return np.ascontiguousarray(pixels, np.uint8)


def _preset_of(options: ImageOptions) -> str:
    values = (options.channels, options.scale, options.mean, options.std)
    for name, text in PRESETS.items():
        known = ImageOptions.parse(text)
        if values == (known.channels, known.scale, known.mean, known.std):
            return name
    return _OWN


def _combo(name: str, tip: str) -> CalmComboBox:
    combo = CalmComboBox()
    combo.setObjectName(f"picture{name}")
    combo.setAccessibleName(name)
    combo.setToolTip(tip)
    return combo
