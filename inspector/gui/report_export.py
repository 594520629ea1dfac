"""Report: what quantizing does to the open model, looked at first and then saved."""

from __future__ import annotations

import shlex
import tempfile
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from inspector.files import check_not_read, write_atomically
from inspector.gui.message_bar import Offer
from inspector.gui.report_graph import report_graph
from inspector.gui.report_pdf import to_pdf
from inspector.gui.saving import SaveRequest
from inspector.gui.tasks import Context, Tasks
from inspector.gui.theme import SPACE_M
from inspector.report.data import ReportData, report_data
from inspector.report.tables import to_markdown
from inspector.report.write import check_report, write_report
from inspector.session.document import Document

REPORT = "report"
_FILTERS = "Web page (*.html);;PDF (*.pdf);;Markdown (*.md);;Table of layers (*.csv);;Data (*.json)"


class ReportDialog(QDialog):
    """Shows a report without its pictures; it does not block the window.

    Signals:
        save_asked: the ReportData is to be saved.
        sensitivity_asked: the same report is wanted with what each layer does alone.
    """

    save_asked = Signal(object)
    sensitivity_asked = Signal()

    def __init__(self, data: ReportData, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("reportDialog")
        self.setWindowTitle(f"Report: {data.result.model.name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.text = QTextBrowser()
        self.text.setObjectName("reportText")
        self.text.setAccessibleName("Report")
        self.text.setOpenLinks(False)
        self.text.setMarkdown(to_markdown(data))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.save = buttons.addButton("Save as…", QDialogButtonBox.ButtonRole.ActionRole)
        self.save.setProperty("primary", "true")
        self.save.setDefault(True)
        self.save.clicked.connect(lambda: self.save_asked.emit(data))
        self.sensitivity = buttons.addButton(
            "Add sensitivity", QDialogButtonBox.ButtonRole.ActionRole
        )
        self.sensitivity.setToolTip(
            "Quantize each layer alone as well, and say which ones call for training"
        )
        self.sensitivity.setVisible(not data.result.effects)
        self.sensitivity.clicked.connect(self._ask_sensitivity)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_M, SPACE_M, SPACE_M, SPACE_M)
        column.setSpacing(SPACE_M)
        column.addWidget(self.text)
        column.addWidget(buttons)
        self.resize(900, 700)

    def _ask_sensitivity(self) -> None:
        self.sensitivity_asked.emit()
        self.accept()


class ReportExport(QObject):
    """Makes reports of the present choices.

    Signals:
        offered: (kind, text, hint, Offer) for the message bar. Errors go the way of all tasks.
    """

    offered = Signal(str, str, str, object)

    def __init__(self, document: Document, tasks: Tasks, parent: QWidget) -> None:
        super().__init__(parent)
        self._document = document
        self._tasks = tasks
        self._window = parent

    def make(self, *, sensitivity: bool = False) -> None:
        """Quantize, run and time the model in the background, and show what came of it.

        Args:
            sensitivity: also quantize each layer alone.
        """
        request = SaveRequest.of(self._document, study=True, sensitivity=sensitivity)

        def work(context: Context) -> ReportData:
            with tempfile.TemporaryDirectory(prefix="quant-inspector-") as folder:
                written = Path(folder) / f"{request.opened.path.stem}_quantized.onnx"
                result = request.run(written, context)
                graph = report_graph(result)
                shown = replace(result, output=Path(written.name))
                return report_data(shown, _command(request), graph=graph, written=written)

        self._tasks.submit(REPORT, work, self._made, f"Report on {request.opened.path.name}")

    def save(self, data: ReportData, path: Path) -> None:
        """Write a report, in the background; its suffix says in which format."""

        def work(_: Context) -> Path:
            check_report(path, more=(".pdf",))
            check_not_read(path, (data.result.model,))
            if path.suffix.lower() == ".pdf":
                write_atomically(path, to_pdf(data))
            else:
                write_report(data, path)
            return path

        self._tasks.submit(REPORT, work, self._saved, f"Saving {path.name}")

    def _made(self, data: ReportData) -> None:
        dialog = ReportDialog(data, self._window)
        dialog.save_asked.connect(self._ask_where)
        dialog.sensitivity_asked.connect(lambda: self.make(sensitivity=True))
        dialog.open()

    def _ask_where(self, data: ReportData) -> None:
        model = data.result.model
        name, _ = QFileDialog.getSaveFileName(
            self._window, "Save report", str(model.with_name(f"{model.stem}_report.html")), _FILTERS
        )
        if name:
            self.save(data, Path(name))

    def _saved(self, path: Path) -> None:
        offer = Offer("Open it", lambda: _open(path))
        self.offered.emit("success", f"Report saved as {path.name}.", "", offer)


def _open(path: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))


def _command(request: SaveRequest) -> str:
    """The command line that makes the same report, from a recipe that is saved first."""
    data = [] if request.data is None else ["--calibration", request.data.source]
    parts = ["quant-inspector", "report", str(request.opened.path), "-o", "report.html"]
    more = ["--sensitivity"] if request.sensitivity else []
    return shlex.join([*parts, "--recipe", "recipe.toml", *data, *more])
