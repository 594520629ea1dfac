"""Independent tasks on whatever runs them: threads of this process, or other executors."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, TypeVar

from inspector.errors import CancelledError, RunError
from inspector.evaluate.shipping import Doer, Kit, perform, versions
from inspector.progress import Cancel

T = TypeVar("T")
R = TypeVar("R")

_POLL_SECONDS = 0.1
_AHEAD = 2
"""Tasks handed over for each that can run at a time."""
_TRIES = 4
"""So often a task may be lost before it is taken to be the reason."""


class LostError(Exception):
    """The result of a task will not come, through no fault of the task; it can be asked again."""


class Remote(Executor):
    """Runs tasks in other processes, where they may be lost, or on other machines."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many tasks it runs at a time."""

    @abstractmethod
    def check(self) -> None:
        """Asked now and then while results are waited for.

        Raises:
            RunError: none will come any more.
        """

    @abstractmethod
    def abandon(self, key: str) -> None:
        """Stop what runs of a kit."""


def slots_of(executor: Executor | None) -> int:
    """How many tasks an executor runs at a time; of one that does not say, one for each core."""
    return executor.slots if isinstance(executor, Remote) else os.cpu_count() or 1


def ranges_of(count: int, pieces: int) -> list[tuple[int, int]]:
    """Numbers of samples in so many ranges, as equal as can be; fewer where there are fewer."""
    pieces = max(min(pieces, count), 1)
    ends = [count * number // pieces for number in range(pieces + 1)]
    return list(pairwise(ends))


def run_tasks(
    doer: Doer[T, R],
    tasks: Iterable[T],
    arrived: Callable[[R], None],
    *,
    executor: Executor | None = None,
    told: Callable[[], None] = lambda: None,
    cancel: Cancel | None = None,
) -> None:
    """Does every task; each result is handed over once, in this thread, in any order.

    Tasks are handed to the executor a few at a time, in their order, so that a cancel leaves little
    undone work behind. A task whose result is lost is handed over again, and what comes of it after
    all is dropped.

    Args:
        doer: does tasks. Threads use it as it is; to other processes its kit is sent.
        tasks: what to do.
        arrived: takes a result.
        executor: what runs them; by default as many threads as there are cores.
        told: called now and then by threads that do tasks.
        cancel: asked now and then.

    Raises:
        CancelledError: `cancel` said so.
        RunError: the executor cannot go on, or a task was lost again and again.
        Exception: what the first task that failed raised; the others are not begun.
    """
    own = ThreadPoolExecutor(os.cpu_count()) if executor is None else None
    with own if own is not None else nullcontext():
        runner = own if own is not None else executor
        assert runner is not None
        work = _Work(doer, runner, told, cancel)
        try:
            work.run(iter(tasks), arrived)
        finally:
            work.close()


@dataclass(frozen=True, slots=True)
class _Asked(Generic[T]):
    """A task that is under way, and how often it was handed over."""

    task: T
    tries: int


class _Work(Generic[T, R]):
    """Tasks under way."""

    def __init__(
        self,
        doer: Doer[T, R],
        runner: Executor,
        told: Callable[[], None],
        cancel: Cancel | None,
    ) -> None:
        self._doer, self._runner = doer, runner
        self._told, self._cancel = told, cancel
        self._kit: Kit | None = None if isinstance(runner, ThreadPoolExecutor) else doer.kit()
        self._versions = versions()
        self._pending: dict[Future[R], _Asked[T]] = {}

    def run(self, tasks: Any, arrived: Callable[[R], None]) -> None:
        most = _AHEAD * slots_of(self._runner)
        while True:
            while len(self._pending) < most and (task := next(tasks, None)) is not None:
                self._ask(task, 1)
            if not self._pending:
                return
            if self._cancel is not None and self._cancel():
                raise CancelledError
            wait(self._pending, _POLL_SECONDS, FIRST_COMPLETED)
            # Not what wait() says: a future that was cancelled counts there only once its executor
            # has noticed, which one that lost it does not.
            done = [future for future in self._pending if future.done()]
            if not done and isinstance(self._runner, Remote):
                self._runner.check()
            for future in done:
                self._take(future, self._pending.pop(future), arrived)

    def close(self) -> None:
        """Let go of what is still under way."""
        for future in self._pending:
            future.cancel()
        if self._pending and self._kit is not None and isinstance(self._runner, Remote):
            self._runner.abandon(self._kit.rest.key)

    def _ask(self, task: T, tries: int) -> None:
        try:
            if self._kit is None:
                future = self._runner.submit(self._doer.run, task, self._cancel, self._told)
            else:
                kit = self._kit
                future = self._runner.submit(perform, kit.models, kit.rest, task, self._versions)
        except BrokenExecutor as error:
            raise _broken() from error
        self._pending[future] = _Asked(task, tries)

    def _take(self, future: Future[R], asked: _Asked[T], arrived: Callable[[R], None]) -> None:
        lost = future.cancelled()  # not by us, who would not ask it any more
        if not lost:
            try:
                result = future.result()
            except LostError:
                lost = True
            except BrokenExecutor as error:
                raise _broken() from error
        if not lost:
            arrived(result)
        elif asked.tries < _TRIES:
            self._ask(asked.task, asked.tries + 1)
        else:
            raise RunError(
                f"A task was lost {_TRIES} times: whatever works on it ends.",
                "It may need more memory than the workers have.",
            )


def _broken() -> RunError:
    return RunError(
        "A process that did part of the work has ended.", "It may need more memory than there is."
    )
