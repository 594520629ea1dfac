"""What is lit up on a picture: what is selected, found, pointed at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from inspector.gui.graph_view.picture import Picture


@dataclass(frozen=True, slots=True)
class Marks:
    """What is lit up on a picture, by number.

    Attributes:
        selected: the selected cards.
        found: the cards that a search found.
        links: the links of the tensor under the pointer or chosen.
        ends: the cards at the ends of those links.
    """

    selected: frozenset[int] = frozenset()
    found: frozenset[int] = frozenset()
    links: tuple[int, ...] = ()
    ends: frozenset[int] = frozenset()


class Marking:
    """Keeps what is marked by name, and its marks on the picture that is there."""

    def __init__(self) -> None:
        self.selected: tuple[str, ...] = ()
        self.tensor: str | None = None
        self.marks = Marks()
        self._found: tuple[str, ...] = ()
        self._hovered: str | None = None
        self._picture: Picture | None = None

    def show(self, picture: Picture | None, *, is_other: bool) -> None:
        """Mark the same on another picture; nothing, where it is of another graph."""
        self._picture, self._hovered = picture, None
        if is_other:
            self.selected, self._found, self.tensor = (), (), None
        self.marks = Marks(numbers_of(picture, self.selected), numbers_of(picture, self._found))
        self._light()

    def select(self, names: tuple[str, ...]) -> None:
        """Mark nodes as selected, and no tensor as chosen."""
        self.selected, self.tensor = names, None
        self.marks = replace(self.marks, selected=numbers_of(self._picture, names))
        self._light()

    def find(self, names: Iterable[str]) -> None:
        """Mark nodes as found."""
        self._found = tuple(names)
        self.marks = replace(self.marks, found=numbers_of(self._picture, self._found))

    def pick(self, tensor: str | None) -> None:
        """Light the way of a tensor up until another is picked."""
        self.tensor = tensor
        self._light()

    def hover(self, tensor: str | None) -> bool:
        """Light the way of the tensor under the pointer up; whether that changes anything."""
        changed = tensor != self._hovered
        if changed:
            self._hovered = tensor
            self._light()
        return changed

    def _light(self) -> None:
        links, ends = _ways(self._picture, self._hovered or self.tensor)
        self.marks = replace(self.marks, links=links, ends=ends)


def numbers_of(picture: Picture | None, names: Iterable[str]) -> frozenset[int]:
    """The cards that show nodes, or groups by their paths."""
    if picture is None:
        return frozenset()
    names = tuple(names)
    found = {*map(picture.scene.place.get, names)}
    if picture.groups:
        found.update(map(picture.groups.get, names))
    return frozenset(number for number in found if number is not None)


def _ways(picture: Picture | None, tensor: str | None) -> tuple[tuple[int, ...], frozenset[int]]:
    """The links of a tensor, and the cards at their ends or in which it is written."""
    if picture is None or tensor is None:
        return (), frozenset()
    links = picture.links_of(tensor)
    ends = frozenset(picture.scene.links[links].ravel().tolist())
    return tuple(links.tolist()), ends or _holders(picture, tensor)


def _holders(picture: Picture, tensor: str) -> frozenset[int]:
    """The cards in which a tensor without a line is written: those that read a constant."""
    known = picture.scene.graph.tensors.get(tensor)
    return numbers_of(picture, known.consumers) if known is not None else frozenset()
