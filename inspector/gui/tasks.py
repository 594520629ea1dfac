"""Background work by request and response.

Work is a function of a frozen request; it runs on another thread and gives back a frozen response,
which is delivered on the main thread. In each channel only the newest request counts: a newer one
cancels the older, and an answer that comes too late is dropped. Workers touch no widget and no
document.
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from PySide6.QtCore import QObject, QTimer, Signal

from inspector.errors import CancelledError
from inspector.progress import pausing

T = TypeVar("T")
MODEL = "model"
"""The channel on which a model is opened: what can wait for it does."""
_WORKERS = 3
_NICE = 5
"""A thread that does not have this gets three times the share of a core that they both want."""
_PROGRESS_SECONDS = 0.05
_BREATH_SECONDS = 0.004
"""Work that breathes holds the window up no longer than this, while the window waits for it."""
_PATIENCE_SECONDS = 0.1
FRAME_MS = 20
"""Until then what a change shows at once is painted: what may wait begins so much later."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One request under way.

    Attributes:
        number: rises with every request.
        channel: tasks of one channel replace one another.
        title: what is being done, for the progress bar; empty for work nobody waits for.
    """

    number: int
    channel: str
    title: str
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Ask the work to stop; what it still answers is dropped."""
        self._cancelled.set()

    def is_cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._cancelled.is_set()


def _give_way_to_the_window() -> None:
    """Let the window have a core first; threads that this one starts inherit that.

    Elsewhere than on Linux threads have no such number of their own.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # some sandboxes forbid it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _start_threads(pool: ThreadPoolExecutor) -> None:
    """Start all threads now: to start one, the window would wait for those that are at work."""
    started = threading.Event()
    for _ in range(_WORKERS):
        pool.submit(started.wait)
    started.set()


@dataclass(frozen=True, slots=True)
class _Outcome:
    task: Task
    value: Any = None
    error: BaseException | None = None


class Context:
    """What work may ask and tell while it runs."""

    def __init__(
        self,
        task: Task,
        move: Callable[[Task, int, int], None],
        hand: Callable[[_Outcome], None],
        gate: Gate,
    ) -> None:
        self._task = task
        self._move = move
        self._hand = hand
        self._gate = gate
        self._moved = self._breathed = 0.0

    def cancelled(self) -> bool:
        """Whether the work should stop."""
        return self._task.is_cancelled()

    def progress(self, done: int, total: int) -> None:
        """Tell how far the work is; may be called as often as one likes."""
        now = time.monotonic()
        if now - self._moved >= _PROGRESS_SECONDS or done >= total:
            self._moved = now
            self._move(self._task, done, total)

    def tell(self, value: Any) -> None:
        """Give a part of the answer before the rest is there.

        It goes to what `early` of the request is, on the main thread, before the answer and under
        the same rule: only while this is the newest request of its channel.
        """
        self._hand(_Outcome(self._task, value))

    def breathe(self) -> None:
        """Let the window go first; to be called between parts of long work, as often as one likes.

        Python runs one thread at a time, so whatever the window does meanwhile would take twice as
        long.
        """
        if time.monotonic() - self._breathed >= _BREATH_SECONDS:
            self._gate.pass_through(_PATIENCE_SECONDS)
            self._breathed = time.monotonic()

    def give_way(self, channel: str, seconds: float) -> None:
        """Wait until a channel has nothing to do and the window is at rest, for some seconds.

        What was told before has arrived by then.
        """
        until = time.monotonic() + seconds
        while not self.cancelled() and (now := time.monotonic()) < until:
            passed = self._gate.pass_through(min(until - now, _PATIENCE_SECONDS))
            if passed and not self._gate.is_busy(channel):
                if time.monotonic() - now < _BREATH_SECONDS:
                    return
            else:
                time.sleep(_BREATH_SECONDS)


class Gate(QObject):
    """Where work waits for the window: what is asked here is answered after what it does now."""

    _asked = Signal(object)

    def __init__(self, current: Mapping[str, Task], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._current = current
        self._asked.connect(self._answer)

    def pass_through(self, seconds: float) -> bool:
        """Wait until the main thread has come by; False if it did not in that time."""
        asked = threading.Event()
        self._asked.emit(asked)
        return asked.wait(seconds)

    def is_busy(self, channel: str) -> bool:
        """Whether a channel waits for an answer."""
        return channel in self._current

    def _answer(self, asked: threading.Event) -> None:
        asked.set()


class Tasks(QObject):
    """Runs work in the background; all signals and callbacks arrive on the main thread.

    Signals:
        started: a task with a title began to count.
        progressed: (task, done, total).
        ended: a task is over, whatever came of it.
        failed: (task, error); not for work that was cancelled or replaced.
        closing: all was cancelled; what can make work end sooner is to do so now.
    """

    started = Signal(object)
    progressed = Signal(object, int, int)
    ended = Signal(object)
    failed = Signal(object, object)
    closing = Signal()
    _arrived = Signal(object)
    _told = Signal(object)
    _moved = Signal(object, int, int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(
            _WORKERS, thread_name_prefix="work", initializer=_give_way_to_the_window
        )
        _start_threads(self._pool)
        self._numbers = itertools.count(1)
        self._current: dict[str, Task] = {}
        self._callbacks: dict[int, Callable[[Any], None]] = {}
        self._early: dict[int, Callable[[Any], None]] = {}
        self._futures: dict[int, Future[None]] = {}
        self._closed = False
        self._gate = Gate(self._current, self)
        self._arrived.connect(self._deliver)
        self._told.connect(self._deliver_early)
        self._moved.connect(self._report)

    def submit(
        self,
        channel: str,
        work: Callable[[Context], T],
        done: Callable[[T], None],
        title: str = "",
        *,
        early: Callable[[Any], None] | None = None,
        after_ms: int = 0,
    ) -> Task:
        """Start work in the place of what the channel was doing.

        Args:
            channel: what kind of answer this is.
            work: runs on another thread; raises an InspectorError for what the user must know.
            done: gets the answer on the main thread, if it is still wanted.
            title: shown with the progress; empty for work that is not shown.
            early: gets each value that the work tells before its answer.
            after_ms: begin so much later: what the window paints meanwhile has the cores for
                itself. To whoever asks, the channel is busy from now on.

        Returns:
            The task; cancelled already once all is closed.
        """
        self.cancel(channel)
        task = Task(next(self._numbers), channel, title)
        if self._closed:
            task.cancel()
            return task
        self._current[channel] = task
        self._callbacks[task.number] = done
        if early is not None:
            self._early[task.number] = early
        self.started.emit(task)
        if after_ms:
            QTimer.singleShot(after_ms, self, lambda: self._start(task, work))
        else:
            self._start(task, work)
        return task

    def _start(self, task: Task, work: Callable[[Context], Any]) -> None:
        if not task.is_cancelled():
            self._futures[task.number] = self._pool.submit(self._run, task, work)

    def cancel(self, channel: str) -> None:
        """Stop what a channel is doing; its answer will not be delivered."""
        task = self._current.pop(channel, None)
        if task is None:
            return
        task.cancel()
        self._callbacks.pop(task.number, None)
        self._early.pop(task.number, None)
        future = self._futures.get(task.number)
        if future is not None and future.cancel():
            self._futures.pop(task.number, None)
        self.ended.emit(task)

    def is_busy(self, channel: str | None = None) -> bool:
        """Whether a channel (or any) waits for an answer."""
        return bool(self._current) if channel is None else channel in self._current

    def close(self) -> None:
        """Cancel everything and wait until the threads are done."""
        self._closed = True
        for channel in list(self._current):
            self.cancel(channel)
        self.closing.emit()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, task: Task, work: Callable[[Context], Any]) -> None:
        try:
            context = Context(task, self._moved.emit, self._told.emit, self._gate)
            with pausing(context.breathe):
                outcome = _Outcome(task, value=work(context))
        except Exception as error:
            outcome = _Outcome(task, error=error)
        self._arrived.emit(outcome)

    def _deliver(self, outcome: _Outcome) -> None:
        task = outcome.task
        self._futures.pop(task.number, None)
        done = self._callbacks.pop(task.number, None)
        self._early.pop(task.number, None)
        if self._closed or done is None or self._current.get(task.channel) is not task:
            return
        del self._current[task.channel]
        if outcome.error is None:
            done(outcome.value)
        elif not isinstance(outcome.error, CancelledError):
            log.debug("%s failed", task.title or task.channel, exc_info=outcome.error)
            self.failed.emit(task, outcome.error)
        self.ended.emit(task)

    def _deliver_early(self, told: _Outcome) -> None:
        early = self._early.get(told.task.number)
        if early is not None and not self._closed:
            early(told.value)

    def _report(self, task: Task, done: int, total: int) -> None:
        if self._current.get(task.channel) is task:
            self.progressed.emit(task, done, total)
