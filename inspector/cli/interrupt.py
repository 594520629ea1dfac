"""Ctrl-C and requests to end: heard at any moment, and never as an exception out of nowhere.

Python's own answer to Ctrl-C, a KeyboardInterrupt wherever the program is, leaves modules half
imported, comes out of C extensions as an ImportError, and in some places ends the process without
a word. Here a signal asks running work to stop, which leaves nothing behind; where no work runs
there is nothing to clean up, and the process ends at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from inspector.files import remove_unfinished

INTERRUPTED = 130
"""The exit code: that of a process ended by Ctrl-C, by the convention of shells."""

NOTHING_WRITTEN = "quant-inspector: cancelled; nothing was written."

_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class _State:
    """What a signal has to know of the program.

    Attributes:
        work: told that it should stop; None where no work runs.
        words: what to say when the process ends.
    """

    work: threading.Event | None = None
    words: str = NOTHING_WRITTEN


@contextmanager
def signals_heard() -> Iterator[None]:
    """Answer signals while the block runs; those that the caller ignores (nohup) stay ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.words = NOTHING_WRITTEN
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    taken = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    for number in taken:
        signal.signal(number, _on_signal)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number] or signal.SIG_DFL)


@contextmanager
def cancellable(cancelled: threading.Event) -> Iterator[None]:
    """Let the first signal set `cancelled` while the block runs, and the second end the process."""
    _State.work = cancelled
    try:
        yield
        _State.words = ""  # from here on there is a result
    finally:
        _State.work = None


def _on_signal(number: int, frame: FrameType | None) -> None:
    del number, frame
    work = _State.work
    if work is not None and not work.is_set():
        work.set()
        if sys.stderr.isatty():
            _say("\nCancelling ... (Ctrl-C again to quit at once)")
        return
    remove_unfinished()
    if _State.words:
        _say(_State.words)
    os._exit(INTERRUPTED)


def _say(text: str) -> None:
    """Straight to the descriptor: what was interrupted may be in the middle of writing to it."""
    with suppress(OSError):
        os.write(2, (text + "\n").encode())
