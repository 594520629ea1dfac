"""The commands that compare two models; who carries them out is imported when first asked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QWidget

from inspector.gui.actions import Actions
from inspector.gui.bridge import Bridge
from inspector.gui.theme import ThemeManager

if TYPE_CHECKING:
    from inspector.gui.comparing.presenter import ComparisonPresenter

BESIDE = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.AltModifier
"""A model that is dropped with one of these held down is opened beside the one that is open."""


class CompareActions(QObject):
    """Brings the commands to the comparison.

    Args:
        bridge: the document.
        actions: of the window.
        themes: tells which theme is in force.
        window: over which the comparison lies.
    """

    def __init__(
        self, bridge: Bridge, actions: Actions, themes: ThemeManager, window: QWidget
    ) -> None:
        super().__init__(window)
        self._bridge, self._themes, self._window = bridge, themes, window
        self._compare, self._choices = actions["actionCompare"], actions["actionCompareChoices"]
        self._compare.triggered.connect(lambda: self.presenter.ask_for_model())
        self._choices.triggered.connect(lambda: self.presenter.compare_with_choices())
        bridge.model_changed.connect(self._enable)
        self._enable()

    @cached_property
    def presenter(self) -> ComparisonPresenter:
        """Who compares."""
        from inspector.gui.comparing.presenter import ComparisonPresenter

        return ComparisonPresenter(self._bridge, self._themes, self._window)

    def take(self, paths: Sequence[Path], modifiers: Qt.KeyboardModifier) -> bool:
        """Compare with a model that was dropped, if that is what is meant; says whether it is."""
        if not modifiers & BESIDE or not self._bridge.document.is_open or len(paths) != 1:
            return False
        if paths[0].suffix.lower() != ".onnx":
            return False
        self.presenter.compare_with(paths[0])
        return True

    def _enable(self) -> None:
        document = self._bridge.document
        self._compare.setEnabled(document.is_open)
        possible = bool(document.layers) and document.opened.obstacle is None
        self._choices.setEnabled(possible)
