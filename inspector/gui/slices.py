"""Names worked off for some milliseconds at a time, so that the window answers in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from inspector.gui.turns import Turns


class Slices:
    """Names that wait for their turn, each at most once.

    Args:
        turns: gives the slices their turns.
        seconds: how long may be worked in one go; one name is worked off in any case.
        each: does the work for a name; is told whether there is time left for more than is due.
        later: gets the names that were worked off in a later turn of the event loop.
    """

    def __init__(
        self,
        turns: Turns,
        seconds: float,
        each: Callable[[str, bool], None],
        later: Callable[[list[str]], None],
    ) -> None:
        self._turns = turns
        self._seconds, self._each, self._later = seconds, each, later
        self._first: tuple[str, ...] = ()
        self._waiting: dict[str, None] = {}

    def __contains__(self, name: object) -> bool:
        """Whether a name waits."""
        return name in self._waiting

    def __bool__(self) -> bool:
        """Whether any name waits."""
        return bool(self._waiting)

    def clear(self) -> None:
        """Forget all names."""
        self._first = ()
        self._waiting.clear()
        self._turns.forget(self._work_later)

    def prefer(self, names: Iterable[str]) -> None:
        """These come first where they wait."""
        self._first = tuple(names)

    def add(self, names: Iterable[str]) -> None:
        """Work off names: as many as there is time for now, the rest later."""
        self._waiting.update(dict.fromkeys(names))
        self._work()

    def add_later(self, names: Iterable[str]) -> None:
        """Work off names, but not now: there is much else to do in this turn."""
        self._waiting.update(dict.fromkeys(names))
        if self._waiting:
            self._turns.ask(self._work_later)

    def _work_later(self) -> None:
        self._later(self._work())

    def _work(self) -> list[str]:
        until = time.monotonic() + self._seconds
        done: list[str] = []
        first = (name for name in self._first if name in self._waiting)
        for name in dict.fromkeys((*first, *self._waiting)):
            if done and time.monotonic() > until:
                break
            del self._waiting[name]
            done.append(name)
            self._each(name, time.monotonic() < until)
        if self._waiting:
            self._turns.ask(self._work_later)
        return done
