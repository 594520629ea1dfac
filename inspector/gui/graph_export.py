"""Export graph: what of it, as what, into which file; the drawing is done in the background."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, QRectF, Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from inspector.files import check_target
from inspector.gui.export import FORMATS, Exported, export_picture, size_of, whole_of
from inspector.gui.graph_view.painting import Look
from inspector.gui.graph_view.picture import Picture
from inspector.gui.inputs import CalmComboBox
from inspector.gui.settings import read_setting, write_setting
from inspector.gui.tasks import Context, Tasks
from inspector.gui.theme import SPACE_L, SPACE_M, SPACE_S

EXPORT = "graph export"
_FORMAT_SETTING = "export/format"
_SCALES = (1.0, 2.0, 3.0, 4.0)


class ExportDialog(QDialog):
    """Asks what of the graph to export, in which format and how large.

    Args:
        picture: the graph.
        look: how it is painted.
        seen: the part of it that is in view.
        parent: the window.
    """

    def __init__(self, picture: Picture, look: Look, seen: QRectF, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("exportDialog")
        self.setWindowTitle("Export graph")
        self._whole = whole_of(picture, look)
        self._seen = seen & self._whole
        self.whole = QRadioButton("The &whole graph")
        self.whole.setChecked(True)
        self.in_view = QRadioButton("What is in &view")
        self.in_view.setEnabled(not self._seen.isEmpty())
        self.format = CalmComboBox()
        self.format.addItems(list(FORMATS.values()))
        self.format.setCurrentText(str(read_setting(_FORMAT_SETTING, "SVG")))
        self.scale = CalmComboBox()
        for scale in _SCALES:
            self.scale.addItem(f"{scale:.0%}".replace("%", " %"), scale)
        self.extent = QLabel()
        self.extent.setProperty("role", "muted")
        self.extent.setTextFormat(Qt.TextFormat.PlainText)
        self.extent.setWordWrap(True)
        self.extent.setMinimumWidth(320)
        self._build()
        self.whole.toggled.connect(self._show_size)
        self.format.currentTextChanged.connect(self._show_size)
        self.scale.currentIndexChanged.connect(self._show_size)
        self._show_size()

    def _build(self) -> None:
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button = buttons.addButton("Export…", QDialogButtonBox.ButtonRole.AcceptRole)
        self.accept_button.setProperty("primary", "true")
        self.accept_button.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.setHorizontalSpacing(SPACE_L)
        form.setVerticalSpacing(SPACE_S)
        form.addRow(self.whole)
        form.addRow(self.in_view)
        form.addRow("&Format", self.format)
        form.addRow("&Scale", self.scale)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_L)
        column.setSpacing(SPACE_M)
        column.addLayout(form)
        column.addWidget(self.extent)
        column.addWidget(buttons)

    @property
    def area(self) -> QRectF:
        """The part of the picture that is asked for."""
        return self._whole if self.whole.isChecked() else self._seen

    @property
    def factor(self) -> float:
        """How many times as large as the graph at 100 % it is to be."""
        return float(self.scale.currentData())

    @property
    def ending(self) -> str:
        """The ending of the chosen format's files."""
        chosen = self.format.currentText()
        return next(ending for ending, form in FORMATS.items() if form == chosen)

    def _show_size(self) -> None:
        size = size_of(self.area, self.format.currentText(), self.factor)
        self.extent.setText(f"{size.text}; {size.note}." if size.note else size.text)


class GraphExport(QObject):
    """Asks for a file and draws the graph into it.

    Signals:
        message: (kind, text, hint) for the message bar. Errors go the way of all tasks.
    """

    message = Signal(str, str, str)

    def __init__(self, tasks: Tasks, parent: QWidget) -> None:
        super().__init__(parent)
        self._tasks = tasks
        self._window = parent

    def ask(self, picture: Picture, look: Look, seen: QRectF, model: Path) -> ExportDialog:
        """Ask what to export, where to, and do so.

        Args:
            picture: the graph that is shown.
            look: how it is painted.
            seen: the part of it that is in view.
            model: the file that the graph is of; the picture is offered to go beside it.
        """
        dialog = ExportDialog(picture, look, seen, self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self._ask_where(dialog, picture, look, model))
        dialog.open()
        return dialog

    def export(
        self,
        picture: Picture,
        look: Look,
        path: Path,
        area: QRectF | None = None,
        *,
        scale: float = 1.0,
        title: str = "",
        overwrite: bool = True,
    ) -> None:
        """Draw a graph into a file, in the background; arguments as of `export_picture`."""
        kept = replace(look, badges=dict(look.badges))

        def work(context: Context) -> Exported:
            check_target(path, overwrite=overwrite)
            return export_picture(
                picture,
                kept,
                path,
                area,
                scale=scale,
                title=title,
                progress=context.progress,
                cancel=context.cancelled,
            )

        self._tasks.submit(EXPORT, work, self._done, f"Exporting {path.name}")

    def _ask_where(self, dialog: ExportDialog, picture: Picture, look: Look, model: Path) -> None:
        form, ending = dialog.format.currentText(), dialog.ending
        area, scale = dialog.area, dialog.factor
        write_setting(_FORMAT_SETTING, form)
        name, _ = QFileDialog.getSaveFileName(
            self._window,
            "Export graph",
            str(model.with_name(f"{model.stem}{ending}")),
            f"{form} (*{ending})",
        )
        if not name:
            return
        path = Path(name)
        # Nobody was asked about replacing a file whose name is only made here.
        made = path.suffix.lower() not in FORMATS
        path = path.with_name(path.name + ending) if made else path
        self.export(picture, look, path, area, scale=scale, title=model.name, overwrite=not made)

    def _done(self, exported: Exported) -> None:
        text = exported.text.replace(str(exported.path), exported.path.name, 1)
        self.message.emit("success", f"Exported {text}.", "")
