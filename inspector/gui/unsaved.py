"""What happens to choices that are not saved when their model is to be closed or replaced."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QMessageBox, QWidget

from inspector.gui.files import SAVE, Files
from inspector.gui.tasks import Task, Tasks
from inspector.report.units import plural
from inspector.session.document import Document

Ask = Callable[[], None]


class Unsaved(QObject):
    """Asks, without ever stopping the program, and goes on when the answer is there.

    Args:
        window: over which it is asked.
        files: writes what is to be saved.
        tasks: runs that.
        ask_where: opens the dialog that saves the quantized model.
        ask_where_recipe: the same for the recipe.
    """

    def __init__(
        self, window: QWidget, files: Files, tasks: Tasks, ask_where: Ask, ask_where_recipe: Ask
    ) -> None:
        super().__init__(window)
        self._window, self._files, self._tasks = window, files, tasks
        self._ask_where, self._ask_where_recipe = ask_where, ask_where_recipe
        self._box: QMessageBox | None = None
        self._then: Ask | None = None
        tasks.ended.connect(self._ended)

    @property
    def box(self) -> QMessageBox | None:
        """The question that is being asked, if one is."""
        return self._box

    def check(self, then: Ask, what: str) -> None:
        """Go on at once where nothing would be lost, else ask first.

        Args:
            then: what would lose the choices.
            what: what that is, as the question ends ("closing").
        """
        if self._document.is_dirty:
            self._ask(then, what)
        else:
            then()

    def give_up(self) -> None:
        """Forget the question, and what was to happen after it."""
        self._then = None
        box, self._box = self._box, None
        if box is not None:
            box.close()

    @property
    def _document(self) -> Document:
        return self._files.document

    def _ask(self, then: Ask, what: str) -> None:
        self.give_up()
        document = self._document
        name = " ".join(document.opened.path.name.split())[:80]
        changes = f"{plural(document.position, 'change')}, the last: {document.undo_label}."
        box = QMessageBox(self._window)
        box.setObjectName("unsavedDialog")
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setIcon(QMessageBox.Icon.NoIcon)
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setWindowTitle("Choices not saved")
        box.setText(f"Save what was chosen for {name} before {what}?")
        box.setInformativeText(" ".join(changes.split())[:200] if document.can_undo else "")
        self._add_buttons(box)
        self._box, self._then = box, then
        box.finished.connect(lambda _: self._answered(box))
        box.open()

    def _add_buttons(self, box: QMessageBox) -> None:
        roles = QMessageBox.ButtonRole
        possible = self._document.opened.obstacle is None
        save = box.addButton("Save quantized…", roles.AcceptRole)
        recipe = box.addButton("Save recipe…", roles.AcceptRole)
        discard = box.addButton("Discard", roles.DestructiveRole)
        cancel = box.addButton("Cancel", roles.RejectRole)
        for button, name in (
            (save, "unsavedSave"),
            (recipe, "unsavedRecipe"),
            (discard, "unsavedDiscard"),
            (cancel, "unsavedCancel"),
        ):
            button.setObjectName(name)
        save.setEnabled(possible)
        box.setDefaultButton(save if possible else recipe)
        box.setEscapeButton(cancel)

    def _answered(self, box: QMessageBox) -> None:
        if self._box is not box:
            return
        self._box = None
        button = box.clickedButton()
        answers = {
            "unsavedSave": self._save,
            "unsavedRecipe": self._save_recipe,
            "unsavedDiscard": self._go_on,
        }
        answer = answers.get(button.objectName() if button is not None else "", self._stay)
        # Once the box is done with its own events: what follows may end the window.
        QTimer.singleShot(0, self, answer)

    # The answers

    def _go_on(self) -> None:
        then, self._then = self._then, None
        if then is not None:
            then()

    def _stay(self) -> None:
        self._then = None

    def _save_recipe(self) -> None:
        self._ask_where_recipe()
        if self._document.is_dirty:
            self._then = None
        else:
            self._go_on()

    def _save(self) -> None:
        """Saving takes time: what was to happen follows when it is done, and done well."""
        then, self._then = self._then, None
        self._ask_where()
        if self._tasks.is_busy(SAVE):
            self._then = then

    def _ended(self, task: Task) -> None:
        """A save is over: it may be the one that was chosen, or one that ran already."""
        if task.channel != SAVE or self._then is None:
            return
        if not self._document.is_dirty:
            then = self._then
            self.give_up()  # nothing is left to ask
            then()
        elif self._box is None:
            self._then = None
