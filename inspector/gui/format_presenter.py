"""Between the box of formats and the document."""

from __future__ import annotations

from PySide6.QtCore import QObject

from inspector.gui.bridge import Bridge
from inspector.gui.format_box import FormatBox
from inspector.session.edits import Edit, set_format, set_integer_io, set_matmul_nbits


class FormatPresenter(QObject):
    """Shows the form of the file that the recipe names, and carries out what the box asks for.

    Args:
        bridge: the document.
        box: the box.
    """

    def __init__(self, bridge: Bridge, box: FormatBox, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._box = bridge, box
        box.format_chosen.connect(lambda name: self._apply(set_format(name)))
        box.nbits_chosen.connect(lambda on: self._apply(set_matmul_nbits(on)))
        box.integers_chosen.connect(lambda on: self._apply(set_integer_io(on)))
        bridge.model_changed.connect(self._show)
        bridge.specs_changed.connect(lambda _: self._show())
        self._show()

    def _show(self) -> None:
        self._box.show_recipe(self._bridge.document.recipe)

    def _apply(self, edit: Edit) -> None:
        if self._bridge.document.is_open:
            self._bridge.apply(edit)
        self._show()
