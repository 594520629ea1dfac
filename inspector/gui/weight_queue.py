"""The weights whose figures are waited for, worked off in the background a few at a time.

A model may have thousands of small weights: one at a time they would wait for the window between
any two of them, all at once the one that is looked at would wait for all. Each batch also costs
the window a look at all that is new.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from inspector.errors import CancelledError, InspectorError
from inspector.gui.collector import resting
from inspector.gui.tasks import Context, Tasks
from inspector.session.facts import WeightRequest, WeightResponse

WEIGHTS = "weights"
_BATCH_SECONDS = 0.15
_BATCH = 512
_LEAST_BATCH = 32

WeightAnswer = tuple[str, "WeightResponse | InspectorError"]
"""A layer's name, and its figures or why there are none."""


@dataclass(frozen=True, slots=True)
class _Done:
    answers: tuple[WeightAnswer, ...]
    left: tuple[str, ...]


class WeightQueue:
    """Names of layers in the order in which they are worked off, each at most once.

    Args:
        tasks: what runs the work.
        request_of: what a worker is to run for a layer; None where there is nothing to do.
        take: gets the answers, on the main thread.
    """

    def __init__(
        self,
        tasks: Tasks,
        request_of: Callable[[str], WeightRequest | None],
        take: Callable[[Sequence[WeightAnswer]], None],
    ) -> None:
        self._tasks = tasks
        self._request_of = request_of
        self._take = take
        self._waiting: dict[str, None] = {}
        self._hurry = threading.Event()
        self._size = _BATCH

    @property
    def is_done(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self._waiting and not self._tasks.is_busy(WEIGHTS)

    def add(self, name: str) -> None:
        """Put a layer at the end, unless it waits already."""
        self._waiting[name] = None

    def prefer(self, names: Iterable[str]) -> None:
        """Put layers that wait at the front, and let them not wait for a whole batch."""
        first = {name: None for name in names if name in self._waiting}
        if first:
            self._waiting = {**first, **self._waiting}
            self._hurry.set()

    def hurry(self, name: str) -> None:
        """Work off a layer next."""
        self.add(name)
        self.prefer((name,))
        self.work()

    def clear(self) -> None:
        """Forget all, and stop what is under way."""
        self._waiting.clear()
        self._tasks.cancel(WEIGHTS)

    def work(self) -> None:
        """Start with the next few, unless some are under way."""
        while self._waiting and not self._tasks.is_busy(WEIGHTS):
            names = [name for name, _ in zip(self._waiting, range(self._size), strict=False)]
            for name in names:
                del self._waiting[name]
            requests = [(name, self._request_of(name)) for name in names]
            batch = [(name, request) for name, request in requests if request is not None]
            if batch:
                self._hurry = threading.Event()
                self._tasks.submit(WEIGHTS, partial(_run, batch, self._hurry), self._arrived)

    def _arrived(self, done: _Done) -> None:
        # What is asked for and not done has to be asked for again, which costs the window time.
        self._size = min(max(2 * len(done.answers), _LEAST_BATCH), _BATCH)
        self._waiting = {**dict.fromkeys(done.left), **self._waiting}
        self._take(done.answers)


def _run(
    batch: Sequence[tuple[str, WeightRequest]], hurry: threading.Event, context: Context
) -> _Done:
    """As many as can be done in a short time, but one at least; and no more when told to hurry."""
    until = time.monotonic() + _BATCH_SECONDS
    answers: list[WeightAnswer] = []
    with resting():  # what is found stays: to look at all of it again and again stops the window
        for name, request in batch:
            if answers and (time.monotonic() > until or hurry.is_set() or context.cancelled()):
                break
            answers.append((name, _answer(request)))
            context.breathe()
    return _Done(tuple(answers), tuple(name for name, _ in batch[len(answers) :]))


def _answer(request: WeightRequest) -> WeightResponse | InspectorError:
    try:
        return request.run()
    except CancelledError:
        raise
    except InspectorError as error:
        return error
