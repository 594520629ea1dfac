"""The choice of the form in which the model is saved."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from inspector.gui.inputs import CalmComboBox
from inspector.gui.spec_check import MixedCheckBox
from inspector.gui.theme import SPACE_S, SPACE_XS
from inspector.session.formats import FORMATS, why_no_integer_io
from inspector.session.recipe import Recipe

_TIP = int(Qt.ItemDataRole.ToolTipRole)
_MATMUL_TIP = (
    "Write products by weights of 2, 4 or 8 bits as onnxruntime's operator MatMulNBits, which "
    "multiplies by them as they are. Layers that it does not take get DequantizeLinear."
)
_INTEGER_TIP = (
    "The file takes and gives integers, as many accelerators want it: their scales and zero points "
    "are told when it is saved, in its metadata and in reports."
)


class FormatBox(QWidget):
    """Chooses the form of the file, and what is particular to it.

    Signals:
        format_chosen: the user chose another; its name in a recipe.
        nbits_chosen: whether weights alone are to be written as MatMulNBits.
        integers_chosen: whether the file is to take and give integers.
    """

    format_chosen = Signal(str)
    nbits_chosen = Signal(bool)
    integers_chosen = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = ""
        self.combo = CalmComboBox(self)
        self.combo.setObjectName("formatBox")
        self.combo.setAccessibleName("Form of the saved file")
        self.combo.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.combo.setMinimumContentsLength(8)
        self.combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        for number, (name, form) in enumerate(FORMATS.items()):
            self.combo.addItem(form.title, name)
            self.combo.setItemData(number, _tip(form.title, form.description), _TIP)
        self.nbits = self._check("formatMatMulNBits", "Write as MatMulNBits", _MATMUL_TIP)
        self.integers = self._check("formatIntegers", "Integers in and out", _INTEGER_TIP)
        self._arrange()
        self.combo.activated.connect(self._activated)
        self.nbits.clicked.connect(self.nbits_chosen)
        self.integers.clicked.connect(self.integers_chosen)

    def show_recipe(self, recipe: Recipe) -> None:
        """Show what a recipe says of the file."""
        self._name = recipe.format
        with QSignalBlocker(self.combo):
            self.combo.setCurrentIndex(self.combo.findData(recipe.format))
        form = FORMATS.get(recipe.format)
        self.combo.setToolTip("" if form is None else _tip(form.title, form.description))
        self.nbits.setVisible(recipe.format == "weight-only")
        self.nbits.setChecked(recipe.matmul_nbits)
        why = why_no_integer_io(recipe.format)
        self.integers.setChecked(recipe.integer_io)
        self.integers.setEnabled(not why or recipe.integer_io)
        self.integers.setToolTip(_paragraph(why or _INTEGER_TIP))

    def _check(self, name: str, text: str, tip: str) -> MixedCheckBox:
        box = MixedCheckBox(text, self)
        box.setObjectName(name)
        box.setToolTip(_paragraph(tip))
        return box

    def _activated(self, at: int) -> None:
        name = self.combo.itemData(at)
        with QSignalBlocker(self.combo):  # until whoever listens shows another
            self.combo.setCurrentIndex(self.combo.findData(self._name))
        if name != self._name:
            self.format_chosen.emit(name)

    def _arrange(self) -> None:
        label = QLabel("Save as", self)
        label.setProperty("role", "muted")
        label.setBuddy(self.combo)
        line = QHBoxLayout()
        line.setSpacing(SPACE_S)
        line.addWidget(label)
        line.addWidget(self.combo, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_XS)
        column.addLayout(line)
        column.addWidget(self.nbits)
        column.addWidget(self.integers)
        self.setFocusProxy(self.combo)


def _tip(title: str, description: str) -> str:
    return f"<p><b>{escape(title)}</b></p><p>{escape(description)}</p>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"
