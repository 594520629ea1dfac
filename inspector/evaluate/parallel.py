"""Independent tasks on whatever runs them: threads of this process, or other executors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from typing import TypeVar

from inspector.errors import CancelledError
from inspector.progress import Cancel

T = TypeVar("T")
R = TypeVar("R")

_POLL_SECONDS = 0.1
_AHEAD = 4


def run_tasks(
    work: Callable[[T], R],
    tasks: Iterable[T],
    arrived: Callable[[R], None],
    *,
    executor: Executor | None = None,
    cancel: Cancel | None = None,
) -> None:
    """Runs every task once; results are handed over in this thread, in any order.

    Tasks are handed to the executor a few at a time, in their order, so that a cancel leaves little
    undone work behind.

    Args:
        work: does one task; for an executor of other processes both have to be picklable.
        tasks: what to do.
        arrived: takes a result.
        executor: what runs them; by default as many threads as there are cores.
        cancel: asked now and then.

    Raises:
        CancelledError: `cancel` said so.
        Exception: what the first task that failed raised; the others are not begun.
    """
    own = ThreadPoolExecutor(os.cpu_count()) if executor is None else None
    runner = own if own is not None else executor
    assert runner is not None
    waiting = iter(tasks)
    pending: set[Future[R]] = set()
    with own if own is not None else nullcontext():
        try:
            while True:
                while len(pending) < _AHEAD and (task := next(waiting, None)) is not None:
                    pending.add(runner.submit(work, task))
                if not pending:
                    return
                if cancel is not None and cancel():
                    raise CancelledError
                done, pending = wait(pending, _POLL_SECONDS, FIRST_COMPLETED)
                for future in done:
                    arrived(future.result())
        finally:
            for future in pending:
                future.cancel()
