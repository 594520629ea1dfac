"""The buttons above the specs: presets, the same for other layers, copy and paste."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QSizePolicy, QWidget

from inspector.gui.spec_presets import PRESETS
from inspector.gui.theme import SPACE_XS


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that a menu offers.

    Attributes:
        text: what.
        run: does it.
        tip: what is good to know; why it cannot be done where it cannot.
        able: whether it can be done.
        name: the object name of the action.
    """

    text: str
    run: Callable[[], None]
    tip: str = ""
    able: bool = True
    name: str = ""


class SpecBar(QWidget):
    """Three buttons with menus.

    Signals:
        preset_asked: a Preset for the selection.
        applying: the menu of other layers is about to be shown, and to be filled.
    """

    preset_asked = Signal(object)
    applying = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.presets = QMenu(self)
        self.presets.setObjectName("presetMenu")
        self.apply = QMenu(self)
        self.apply.setObjectName("applyMenu")
        self.more = QMenu(self)
        self.more.setObjectName("moreMenu")
        self.presets_button = self._button("Presets", self.presets, "presetButton")
        self.presets_button.setToolTip("Specs that are chosen often, for the selection")
        self.apply_button = self._button("Apply to…", self.apply, "applyButton")
        self.apply_button.setToolTip("Give other layers the same spec")
        self.more_button = self._button("⋯", self.more, "moreButton")
        self.more_button.setAccessibleName("More")
        self.more_button.setToolTip("Copy and paste specs")
        self.more_button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._fill_presets()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_XS)
        row.addWidget(self.presets_button, 1)
        row.addWidget(self.apply_button, 1)
        row.addWidget(self.more_button)
        self.apply.aboutToShow.connect(self.applying)

    def set_actions(self, actions: Sequence[QAction]) -> None:
        """What the last button offers."""
        self.more.addActions(list(actions))

    def show_presets(self, reasons: Sequence[str]) -> None:
        """Show which presets the target cannot run, by the reason of each; empty for those it can.

        Args:
            reasons: in the order of `PRESETS`.
        """
        for action, preset, reason in zip(self.presets.actions(), PRESETS, reasons, strict=True):
            action.setEnabled(not reason)
            tip = f"{preset.tip}.\n{preset.specs_text}"
            action.setToolTip(f"{reason}\n\n{tip}" if reason else tip)

    def offer(self, entries: Sequence[Entry | None]) -> None:
        """Fill the menu of other layers; None is a line between."""
        self.apply.clear()
        for entry in entries:
            if entry is None:
                self.apply.addSeparator()
                continue
            action = self.apply.addAction(entry.text.replace("&", "&&"))
            action.setObjectName(entry.name)
            action.setToolTip(entry.tip)
            action.setEnabled(entry.able)
            action.triggered.connect(lambda _checked=False, run=entry.run: run())

    def _fill_presets(self) -> None:
        for number, preset in enumerate(PRESETS):
            action = self.presets.addAction(preset.title)
            action.setObjectName(f"preset{number}")
            action.triggered.connect(
                lambda _checked=False, preset=preset: self.preset_asked.emit(preset)
            )
        self.show_presets([""] * len(PRESETS))

    def _button(self, text: str, menu: QMenu, name: str) -> QPushButton:
        menu.setToolTipsVisible(True)
        button = QPushButton(text, self)
        button.setObjectName(name)
        button.setProperty("small", "true")
        button.setIconSize(QSize(12, 12))
        button.setMenu(menu)
        return button
