"""Work that is done in slices takes turns: the window answers between any two of them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

SLICE_SECONDS = 0.006
"""How long is worked in one go: longer would be felt."""


class Turns(QObject):
    """Does one slice in a turn of the event loop, whoever asked for it.

    With a timer for each who has work, one turn would hold a slice of every one of them.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: dict[Callable[[], None], None] = {}
        self._is_first = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._next)

    def __contains__(self, work: Callable[[], None]) -> bool:
        """Whether a piece of work waits for its turn."""
        return work in self._waiting

    def ask(self, work: Callable[[], None]) -> None:
        """Have a slice of work done in a later turn, after those who asked before.

        Args:
            work: does one slice, and asks again where more is left. It waits once, however often
                it is asked for.
        """
        self._waiting[work] = None
        if not self._timer.isActive():
            self._is_first = True
            self._timer.start(0)

    def forget(self, work: Callable[[], None]) -> None:
        """It need not be done any more."""
        self._waiting.pop(work, None)

    def _next(self) -> None:
        if self._is_first:  # still the turn in which was asked: it has had enough to do
            self._is_first = False
            self._timer.start(0)
            return
        work = next(iter(self._waiting), None)
        if work is None:
            return
        del self._waiting[work]
        try:
            work()
        finally:
            if self._waiting:
                self._timer.start(0)
