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


def hear_signals() -> None:
    """Answer signals until the process ends; those that its parent ignores (nohup) stay ignored."""
    _State.words = NOTHING_WRITTEN
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _on_signal)


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
