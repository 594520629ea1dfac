"""Export for training: a PyTorch script that starts from the present choices."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from inspector.gui.saving import check_known
from inspector.gui.tasks import Context, Tasks
from inspector.session.document import Document
from inspector.session.handover import numbers_of
from inspector.session.training import TrainingResult, check_files, write_script

TRAINING = "training script"


class TrainingExport(QObject):
    """Asks for a file, and writes a script that trains the model with the present choices.

    Signals:
        message: (kind, text, hint) for the message bar. Errors go the way of all tasks.
    """

    message = Signal(str, str, str)

    def __init__(self, document: Document, tasks: Tasks, parent: QWidget) -> None:
        super().__init__(parent)
        self._document = document
        self._tasks = tasks
        self._window = parent

    def ask(self) -> None:
        """Ask where to, and write."""
        model = self._document.opened.path
        name, _ = QFileDialog.getSaveFileName(
            self._window,
            "Export for training",
            str(model.with_name(f"{model.stem}_train.py")),
            "PyTorch script (*.py)",
        )
        if name:
            path = Path(name)
            self.save(path if path.suffix else path.with_suffix(".py"))

    def save(self, script: Path) -> None:
        """Write the script, and the model that it starts from, in the background."""
        document = self._document
        opened, recipe = document.opened, document.recipe
        calibration, data = document.calibration, document.dataset

        def work(context: Context) -> TrainingResult:
            check_files(script, (opened.path, *opened.source.external_files))
            opened.require_quantizable()
            check_known(opened, recipe, calibration)

            def progress(_stage: str, done: int, total: int) -> None:
                context.progress(done, total)

            numbers = numbers_of(
                opened, recipe, calibration, data, progress=progress, cancel=context.cancelled
            )
            return write_script(numbers, calibration, script)

        self._tasks.submit(TRAINING, work, self._done, f"Exporting {script.name}")

    def _done(self, result: TrainingResult) -> None:
        random = "Its scales come from random inputs. " if result.random_data else ""
        self.message.emit(
            "warning" if random else "success",
            f"Exported {result.script.name} and {result.start.name}.",
            f"{random}Run it where PyTorch is: python {result.script.name} --data train.npz",
        )
