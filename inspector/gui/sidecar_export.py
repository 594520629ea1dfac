"""Export encodings: for which toolchain, what will be in the file, and where it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from inspector.errors import InspectorError
from inspector.files import check_not_read
from inspector.gui.inputs import CalmComboBox
from inspector.gui.settings import read_setting, write_setting
from inspector.gui.tasks import Context, Tasks
from inspector.gui.theme import SPACE_L, SPACE_M, SPACE_S
from inspector.onnxio.encodings import FORMATS, Format, Sidecar
from inspector.session.document import Document
from inspector.session.handover import HandoverResult, Numbers, numbers_of, write_sidecar

SIDECAR, PREVIEW = "sidecar", "sidecar preview"
_FORMAT_SETTING = "sidecar/format"
_MOST_LINES = 400
"""Lines of a file that are shown before it is written."""


@dataclass(frozen=True, slots=True)
class _Preview:
    """What a file would hold, or why there can be none."""

    sidecar: Sidecar | None
    refusal: str = ""


class SidecarDialog(QDialog):
    """Asks which file to write and shows what would be in it; it does not block the window.

    Args:
        numbers: finds what the present choices come to; called in the background.
        tasks: of the window.
        parent: the window.
    """

    def __init__(
        self, numbers: Callable[[Context], Numbers], tasks: Tasks, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setObjectName("sidecarDialog")
        self.setWindowTitle("Export encodings")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._find, self._tasks = numbers, tasks
        self.numbers: Numbers | None = None
        self.format = _combo("For", "The toolchain that the file is for")
        for form in FORMATS.values():
            self.format.addItem(form.title, form.name)
        self.format.setCurrentIndex(
            max(self.format.findData(read_setting(_FORMAT_SETTING, "aimet")), 0)
        )
        self.version = _combo("Version", "Version of the format")
        self.float_model = QCheckBox("Also write the &float model whose tensors the file names")
        self.float_model.setToolTip(
            "Batch normalization and the like are folded before quantization, so some tensors of\n"
            "the file may not be in the model that is open."
        )
        self.text = QPlainTextEdit()
        self.text.setObjectName("sidecarText")
        self.text.setAccessibleName("What the file will hold")
        self.text.setReadOnly(True)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.notes = QLabel()
        self.notes.setObjectName("sidecarNotes")
        self.notes.setTextFormat(Qt.TextFormat.PlainText)
        self.notes.setWordWrap(True)
        self._build()
        self.format.currentIndexChanged.connect(self._format_chosen)
        self.version.currentIndexChanged.connect(self._show)
        self._format_chosen()

    def _build(self) -> None:
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button = buttons.addButton("Export…", QDialogButtonBox.ButtonRole.AcceptRole)
        self.accept_button.setProperty("primary", "true")
        self.accept_button.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self._form = QFormLayout()
        self._form.setHorizontalSpacing(SPACE_L)
        self._form.setVerticalSpacing(SPACE_S)
        self._form.addRow("&For", self.format)
        self._form.addRow("&Version", self.version)
        self._form.addRow(self.float_model)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_L)
        column.setSpacing(SPACE_M)
        column.addLayout(self._form)
        column.addWidget(self.text, 1)
        column.addWidget(self.notes)
        column.addWidget(buttons)
        self.resize(620, 560)

    @property
    def chosen(self) -> Format:
        """The format."""
        return FORMATS[str(self.format.currentData())]

    @property
    def chosen_version(self) -> str:
        """The version of the format; "" where it has none."""
        return self.version.currentText()

    def _format_chosen(self) -> None:
        self.version.blockSignals(True)
        self.version.clear()
        self.version.addItems(list(self.chosen.versions))
        self.version.blockSignals(False)
        self._form.setRowVisible(self.version, len(self.chosen.versions) > 1)
        self._show()

    def _show(self) -> None:
        """Find what the file would hold; what was shown before is of another file."""
        self.accept_button.setEnabled(False)
        self.text.setEnabled(False)
        form, version, known = self.chosen, self.chosen_version, self.numbers

        def work(context: Context) -> tuple[Numbers | None, _Preview]:
            try:
                numbers = known or self._find(context)
            except InspectorError as error:
                return None, _Preview(None, str(error))
            try:
                return numbers, _Preview(_shortened(form.write(numbers.encodings(), version)))
            except InspectorError as error:
                return numbers, _Preview(None, str(error))

        self._tasks.submit(PREVIEW, work, self._found, "")

    def _found(self, found: tuple[Numbers | None, _Preview]) -> None:
        self.numbers, preview = found
        sidecar = preview.sidecar
        self.text.setEnabled(sidecar is not None)
        self.text.setPlainText("" if sidecar is None else sidecar.text)
        self.notes.setText(preview.refusal if sidecar is None else "\n".join(sidecar.notes))
        self.accept_button.setEnabled(sidecar is not None)

    def done(self, result: int) -> None:
        """Nobody waits for what the file would hold any more."""
        self._tasks.cancel(PREVIEW)
        super().done(result)


class SidecarExport(QObject):
    """Asks for a toolchain and a file, and hands the present choices over.

    Signals:
        message: (kind, text, hint) for the message bar. Errors go the way of all tasks.
    """

    message = Signal(str, str, str)

    def __init__(self, document: Document, tasks: Tasks, parent: QWidget) -> None:
        super().__init__(parent)
        self._document = document
        self._tasks = tasks
        self._window = parent

    def ask(self) -> SidecarDialog:
        """Ask what to hand over, where to, and do so."""
        document = self._document
        opened, recipe = document.opened, document.recipe
        calibration, data = document.calibration, document.dataset

        def numbers(context: Context) -> Numbers:
            opened.require_quantizable()

            def progress(_stage: str, done: int, total: int) -> None:
                context.progress(done, total)

            return numbers_of(
                opened, recipe, calibration, data, progress=progress, cancel=context.cancelled
            )

        dialog = SidecarDialog(numbers, self._tasks, self._window)
        dialog.accepted.connect(lambda: self._ask_where(dialog))
        dialog.open()
        return dialog

    def _ask_where(self, dialog: SidecarDialog) -> None:
        form, version, numbers = dialog.chosen, dialog.chosen_version, dialog.numbers
        if numbers is None:
            return
        write_setting(_FORMAT_SETTING, form.name)
        model = numbers.opened.path
        name, _ = QFileDialog.getSaveFileName(
            self._window,
            "Export encodings",
            str(model.with_name(model.stem + form.suffix)),
            f"{form.title} (*{form.suffix});;All files (*)",
        )
        if not name:
            return
        output = Path(name)
        floats = None
        if dialog.float_model.isChecked():
            floats = output.with_name(f"{output.stem}_float.onnx")
        calibration = self._document.calibration

        def work(_: Context) -> HandoverResult:
            for path in (output, floats):
                if path is not None:
                    check_not_read(path, (model, *numbers.opened.source.external_files))
            return write_sidecar(numbers, calibration, form, version, output, floats)

        self._tasks.submit(SIDECAR, work, self._done, f"Exporting {output.name}")

    def _done(self, result: HandoverResult) -> None:
        also = "" if result.float_model is None else f" and {result.float_model.name}"
        what = f"{result.format.title} {result.version}".strip()
        random = (
            "From random inputs: they say little about real data." if result.random_data else ""
        )
        self.message.emit(
            "warning" if random else "success",
            f"Exported {result.output.name}{also} ({what}, {result.entries} entries).",
            " ".join((*result.notes, random)).strip(),
        )


def _shortened(sidecar: Sidecar) -> Sidecar:
    lines = sidecar.text.split("\n", _MOST_LINES)
    if len(lines) <= _MOST_LINES:
        return sidecar
    return Sidecar("\n".join([*lines[:_MOST_LINES], "…"]), sidecar.entries, sidecar.notes)


def _combo(name: str, tip: str) -> CalmComboBox:
    combo = CalmComboBox()
    combo.setAccessibleName(name)
    combo.setToolTip(tip)
    return combo
