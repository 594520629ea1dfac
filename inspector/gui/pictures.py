"""How pictures are fed to the open model: kept for it, asked for, and doubted where it must be."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from inspector.errors import DataError
from inspector.evaluate.classes import doubt_of
from inspector.evaluate.image_options import ImageOptions
from inspector.evaluate.inputs import input_specs
from inspector.evaluate.pixels import pixel_hint
from inspector.gui.actions import Actions
from inspector.gui.bridge import Bridge
from inspector.gui.files import Files
from inspector.gui.message_bar import MessageBar, Offer
from inspector.gui.picture_dialog import PictureDialog


class Pictures(QObject):
    """Connects the dialog with the data.

    Args:
        window: what the dialog belongs to.
        bridge: tells of models and figures.
        files: calibrates, with the options that stand there.
        messages: where it is said how pictures are fed.
        actions: of the window, one of which asks for the dialog.
    """

    def __init__(
        self,
        window: QWidget,
        bridge: Bridge,
        files: Files,
        messages: MessageBar,
        actions: Actions,
    ) -> None:
        super().__init__(window)
        self._window, self._bridge, self._files = window, bridge, files
        self._messages, self._action = messages, actions["actionImages"]
        self._doubted: object = None
        self.dialog: PictureDialog | None = None
        self._action.triggered.connect(self.ask)
        bridge.model_changed.connect(self._model_changed)
        bridge.fidelity_changed.connect(self._doubt)
        files.pictures_fed.connect(self._fed)
        self._model_changed()

    def ask(self) -> None:
        """Show the dialog, once."""
        document = self._bridge.document
        if not document.is_open or not self._action.isEnabled():
            return
        if self.dialog is not None:
            self.dialog.activateWindow()
            return
        dialog = PictureDialog(
            input_specs(document.graph)[0],
            pixel_hint(document.opened.prepared, document.graph),
            self._files.images,
            self._first_picture(),
            self._bridge.tasks,
            self._window,
        )
        dialog.chosen.connect(self._chosen)
        dialog.finished.connect(self._closed)
        self.dialog = dialog
        dialog.show()

    def _closed(self) -> None:
        self.dialog = None

    def _chosen(self, options: ImageOptions) -> None:
        self._files.images = options
        path = self._files.calibrated_from
        data = self._bridge.document.dataset
        if path is not None and data is not None and data.pictures:
            self._files.open_now([path])

    def _model_changed(self) -> None:
        if self.dialog is not None:
            self.dialog.reject()
        self._action.setEnabled(self._takes_pictures())

    def _takes_pictures(self) -> bool:
        document = self._bridge.document
        if not document.is_open or not document.layers:
            return False
        try:
            specs = input_specs(document.graph)
            if len(specs) != 1:
                return False
            ImageOptions().filled(specs[0])
        except DataError:
            return False
        return True

    def _first_picture(self) -> Path | None:
        data = self._bridge.document.dataset
        return data.pictures[0] if data is not None and data.pictures else None

    def _fed(self, note: str) -> None:
        offer = Offer("Change…", self.ask, passing=True)
        self._messages.show_message("info", note, "", offer)

    def _doubt(self) -> None:
        """Say so, once for each data, where labels and the float model have nothing in common."""
        data, estimate = self._bridge.document.dataset, self._bridge.evaluation.estimate
        classes = None if estimate is None else estimate.classes
        if data is None or data is self._doubted or classes is None or classes.accuracy is None:
            return
        text = doubt_of(classes.accuracy[0], classes.labelled)
        if not text:
            return
        self._doubted = data
        if data.pictures and self._action.isEnabled():
            hint = "Or pictures are fed otherwise than the model was trained with."
            self._messages.show_message(
                "warning", text, hint, Offer("Pictures as input…", self.ask)
            )
        else:
            self._messages.show_message("warning", text)
