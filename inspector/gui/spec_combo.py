"""A combo box for one part of a spec: it says what each choice means, and what cannot be chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QSizePolicy, QWidget

from inspector.gui.inputs import CalmComboBox
from inspector.gui.spec_choices import DEFAULT, Choice

MIXED = "mixed"
NOTHING = "–"
_TIP = int(Qt.ItemDataRole.ToolTipRole)
_MEANING = int(Qt.ItemDataRole.UserRole) + 1


class SpecCombo(CalmComboBox):
    """Offers the values of one field.

    Args:
        choices: what there is, in this order.
        what: the field, as a tooltip explains it.
        default: the first entry leaves the field open.
    """

    def __init__(
        self, choices: Sequence[Choice], what: str, *, default: bool, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._what = what
        self._default = default
        self._tips = {choice.text: choice.tip for choice in choices}
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMaxVisibleItems(18)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumContentsLength(8)
        if default:
            self._add("default", None, DEFAULT)
        for choice in choices:
            self._add(choice.text, choice.value, choice.tip)
        self.setCurrentIndex(-1)
        self.setToolTip(what)

    def show_values(self, values: Sequence[Any], filled: Iterable[str] = ()) -> None:
        """Show what is chosen: one value, or that it is mixed, or nothing.

        Args:
            values: as written, of each layer; None where it is left open.
            filled: the words of what really holds, for the entry that leaves it open.
        """
        if self._default:
            self._show_default(set(filled))
        first = values[0] if values else None
        if not values or any(value != first for value in values):
            self.setPlaceholderText(MIXED if values else NOTHING)
            self.setCurrentIndex(-1)
        else:
            at = next((at for at in range(self.count()) if self.itemData(at) == first), -1)
            if at < 0:  # else it is not seen, and yet all around it would be laid out anew
                self.setPlaceholderText(str(first))
            self.setCurrentIndex(at)
        at = self.currentIndex()
        self.setToolTip(str(self.itemData(at, _TIP)) if at >= 0 else self._what)

    def offer(self, values: Iterable[Any], tip: str = "") -> None:
        """Make sure that values which were set elsewhere (block48@1) are in the list.

        Args:
            values: of the field; None is none.
            tip: what they mean; by default what the field is.
        """
        present = [self.itemData(at) for at in range(self.count())]
        for value in values:
            if value is not None and value not in present:
                self._add(str(value), value, tip or self._what)
                present.append(value)

    def refuse(self, reasons: Mapping[Any, str]) -> None:
        """Show what cannot be chosen, and why, and let the rest be chosen."""
        model = self.model()
        assert isinstance(model, QStandardItemModel)
        for at in range(self.count()):
            reason = reasons.get(self.itemData(at), "")
            item = model.item(at)
            if item.isEnabled() == bool(reason):
                item.setEnabled(not reason)
            meaning = str(self.itemData(at, _MEANING))
            tip = f"{reason}\n\n{meaning}" if reason else meaning
            if self.itemData(at, _TIP) != tip:
                self.setItemData(at, tip, _TIP)
        at = self.currentIndex()
        if at >= 0:
            self.setToolTip(str(self.itemData(at, _TIP)))

    def _show_default(self, words: set[str]) -> None:
        word = words.pop() if len(words) == 1 else MIXED
        self.setItemText(0, f"{word} (default)")
        known = self._tips.get(word, "")
        self._explain(0, f"{DEFAULT}\n\n{known}" if known else DEFAULT)

    def _add(self, text: str, value: Any, tip: str) -> None:
        self.addItem(text, value)
        self._explain(self.count() - 1, tip)

    def _explain(self, at: int, tip: str) -> None:
        self.setItemData(at, tip, _MEANING)
        self.setItemData(at, tip, _TIP)
