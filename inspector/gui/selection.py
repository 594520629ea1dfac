"""What is chosen, everywhere in the window, and what was chosen before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from inspector.gui.stage import Path

_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class Chosen:
    """Nodes, or a tensor, of the graph at the end of a path."""

    names: tuple[str, ...] = ()
    tensor: str | None = None
    path: Path = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is chosen."""
        return not self.names and self.tensor is None


class Selection(QObject):
    """Holds what is chosen and its history.

    Signals:
        changed: the Chosen, whenever it becomes another.
    """

    changed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.chosen = Chosen()
        self._past: list[Chosen] = []
        self._future: list[Chosen] = []

    def choose(self, names: Iterable[str]) -> None:
        """Choose layers, which are nodes of the model's own graph; or nothing, wherever one is."""
        chosen = tuple(dict.fromkeys(names))
        self._become(Chosen(chosen, None, () if chosen else self.chosen.path))

    def choose_here(self, names: Iterable[str]) -> None:
        """Choose nodes of the graph that is shown."""
        self._become(Chosen(tuple(dict.fromkeys(names)), None, self.chosen.path))

    def pick(self, tensor: str) -> None:
        """Choose a tensor of the graph that is shown."""
        self._become(Chosen((), tensor, self.chosen.path))

    def go_to(self, path: Path, names: Iterable[str] = ()) -> None:
        """Another graph is shown, and these of its nodes are chosen."""
        if path != self.chosen.path:
            self._become(Chosen(tuple(names), None, path))

    def back(self) -> None:
        """What was chosen before."""
        if self._past:
            self._future.append(self.chosen)
            self._show(self._past.pop())

    def forward(self) -> None:
        """What was chosen before going back."""
        if self._future:
            self._past.append(self.chosen)
            self._show(self._future.pop())

    @property
    def can_go_back(self) -> bool:
        """Whether something was chosen before."""
        return bool(self._past)

    @property
    def can_go_forward(self) -> bool:
        """Whether there is a way forward again."""
        return bool(self._future)

    def forget(self) -> None:
        """Nothing is chosen, and nothing was: another model is open."""
        self._past.clear()
        self._future.clear()
        self._show(Chosen())

    def _become(self, chosen: Chosen) -> None:
        if chosen == self.chosen:
            return
        # What is left behind is worth coming back to only if something was chosen there.
        if not self.chosen.is_empty or self.chosen.path != chosen.path:
            self._past.append(self.chosen)
            del self._past[:-_REMEMBERED]
        self._future.clear()
        self._show(chosen)

    def _show(self, chosen: Chosen) -> None:
        self.chosen = chosen
        self.changed.emit(chosen)
