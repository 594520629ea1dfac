"""How long work tells how far it is, and hears that it is to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""Told of (done, total) as work goes on."""

StageProgress = Callable[[str, int, int], None]
"""Told of (stage, done, total) as work of several stages goes on."""

Cancel = Callable[[], bool]
"""Asked now and then; True stops the work. `threading.Event.is_set` is one."""


def of_stage(progress: StageProgress | None, stage: str) -> Progress | None:
    """The progress of one stage; None where nobody wants to know."""
    if progress is None:
        return None
    return lambda done, total: progress(stage, done, total)


Pause = Callable[[], None]
"""Called now and then by long work, to let other work go first."""

_PACE = 128
_pause: ContextVar[Pause] = ContextVar("_pause", default=lambda: None)


@contextmanager
def pausing(pause: Pause) -> Iterator[None]:
    """Within this block, :func:`pause` and :func:`paced` of this thread call this."""
    token = _pause.set(pause)
    try:
        yield
    finally:
        _pause.reset(token)


def pause() -> None:
    """Let other work go first, if whoever runs this work asked for it."""
    _pause.get()()


def paced(items: Iterable[T]) -> Iterator[T]:
    """The same items, with a pause before every hundred or so of them."""
    wait = _pause.get()
    for number, item in enumerate(items):
        if not number % _PACE:
            wait()
        yield item
