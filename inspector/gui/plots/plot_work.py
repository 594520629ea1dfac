"""What plots wait for, found in the background one after the other; the newest wish counts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from inspector.cache import ByteCache
from inspector.errors import CancelledError, InspectorError
from inspector.gui.tasks import FRAME_MS, Context, Tasks
from inspector.quant.curves import Pause

PLOTS = "plots"


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """Something that a plot wants to show.

    Attributes:
        key: what the answer depends on.
        work: finds it, on another thread; calls the pause between its parts.
        show: gets the answer on the main thread.
    """

    key: Hashable
    work: Callable[[Pause], Any]
    show: Callable[[Any], None]


class PlotWork:
    """Answers that are known are given at once, all others in the order of the wishes.

    Args:
        tasks: what runs the work.
        refuse: gets an error that the user must know of.
        known: where answers are kept.
    """

    def __init__(
        self, tasks: Tasks, refuse: Callable[[InspectorError], None], known: ByteCache
    ) -> None:
        self._tasks = tasks
        self._refuse = refuse
        self._known = known
        self._wanted: dict[Hashable, Wish] = {}
        self._under_way: tuple[Hashable, ...] = ()

    def want(self, wishes: Sequence[Wish]) -> None:
        """These are all that is wanted now, the most urgent first."""
        missing: dict[Hashable, Wish] = {}
        for wish in wishes:
            found = self._known.get(wish.key)
            if found is not None:
                wish.show(found)
            else:
                missing[wish.key] = wish
        self._wanted = missing
        keys = tuple(missing)
        if not keys:
            self._under_way = ()
            self._tasks.cancel(PLOTS)
        elif keys != self._under_way or not self._tasks.is_busy(PLOTS):
            self._under_way = keys
            self._tasks.submit(
                PLOTS,
                partial(_run, tuple(missing.values())),
                self._done,
                early=self._arrived,
                after_ms=FRAME_MS,
            )

    def forget(self) -> None:
        """Another model: nothing that is known holds any more."""
        self._known.clear()
        self.want(())

    def _arrived(self, answer: tuple[Hashable, Any]) -> None:
        key, found = answer
        wish = self._wanted.pop(key, None)
        if isinstance(found, InspectorError):
            self._refuse(found)
            return
        self._known.put(key, found)
        if wish is not None:
            wish.show(found)

    def _done(self, _: None) -> None:
        self._under_way = ()


def _run(wishes: Sequence[Wish], context: Context) -> None:
    def pause() -> None:
        if context.cancelled():
            raise CancelledError
        context.breathe()

    for wish in wishes:
        context.tell((wish.key, _answer(wish, pause)))


def _answer(wish: Wish, pause: Pause) -> Any:
    try:
        return wish.work(pause)
    except CancelledError:
        raise
    except InspectorError as error:
        return error
