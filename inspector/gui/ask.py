"""Asking for files: what to open, and where to save."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFileDialog

if TYPE_CHECKING:
    from inspector.gui.main_window import MainWindow

_OPEN_FILTER = (
    "Models, data and recipes (*.onnx *.npz *.npy *.toml *.png *.jpg *.jpeg *.bmp);;"
    "ONNX models (*.onnx);;Calibration data (*.npz *.npy);;Recipes (*.toml);;All files (*)"
)
_RECIPE_FILTER = (
    "Recipes, models saved with one, encodings (*.toml *.onnx *.encodings *.json *.cache *.table);;"
    "All files (*)"
)
_DATA_FILTER = "Calibration data (*.npz *.npy *.png *.jpg *.jpeg *.bmp);;All files (*)"


class Ask:
    """The dialogs of a window; what is chosen in them goes the way of drops."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window

    def for_file(self) -> None:
        """What to open."""
        names, _ = QFileDialog.getOpenFileNames(self._window, "Open", self._folder(), _OPEN_FILTER)
        if names:
            self._window.open_paths([Path(name) for name in names])

    def for_data(self) -> None:
        """What to calibrate with."""
        title = "Open calibration data"
        names, _ = QFileDialog.getOpenFileNames(self._window, title, self._folder(), _DATA_FILTER)
        if names:
            self._window.open_paths([Path(name) for name in names])

    def for_recipe(self) -> None:
        """Which recipe to take."""
        title = "Open recipe"
        name, _ = QFileDialog.getOpenFileName(self._window, title, self._folder(), _RECIPE_FILTER)
        if name:
            self._window.files.open_recipe(Path(name))

    def where_to_save(self) -> None:
        """Where the quantized model goes."""
        name, _ = QFileDialog.getSaveFileName(
            self._window,
            "Save quantized model",
            self._beside("_quantized.onnx"),
            "ONNX models (*.onnx)",
        )
        if name:
            self._window.save_quantized(name)

    def where_to_save_recipe(self) -> None:
        """Where the recipe goes."""
        name, _ = QFileDialog.getSaveFileName(
            self._window, "Save recipe", self._beside(".toml"), "Recipes (*.toml)"
        )
        if name:
            self._window.files.save_recipe(Path(name))

    def what_to_export(self) -> None:
        """How the graph is drawn into a file, and where that goes."""
        window, picture = self._window, self._window.graph.picture()
        if picture is not None and window.document.is_open:
            look, seen = window.graph.look(), window.graph.seen()
            window.handouts.graphs.ask(picture, look, seen, window.document.opened.path)

    def _folder(self) -> str:
        document = self._window.document
        return str(document.opened.path.parent) if document.is_open else ""

    def _beside(self, ending: str) -> str:
        path = self._window.document.opened.path
        return str(path.with_name(path.stem + ending))
