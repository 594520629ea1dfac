"""Python's garbage collector, kept from stopping the window.

It looks at every object now and then, and a large model is hundreds of thousands of them: while a
model is opened it would start again and again, and each time afterwards it would take as long as
some ten frames. So it rests while the program starts, while a model is opened and while the figures
of its weights are found, and what was made then it leaves alone for good. Objects that are not part
of a cycle never need it: they go when the last reference to them goes, as ever.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _State:
    """How many are resting now, and whether the collector was at work before the first."""

    lock = threading.Lock()
    depth = 0
    was_enabled = False


@contextmanager
def resting() -> Iterator[None]:
    """No automatic collection in any thread while one of these blocks runs.

    When the last one ends, what is there is set aside as lasting.
    """
    with _State.lock:
        if not _State.depth:
            _State.was_enabled = gc.isenabled()
            gc.disable()
        _State.depth += 1
    try:
        yield
    finally:
        with _State.lock:
            _State.depth -= 1
            if not _State.depth:
                gc.freeze()
                if _State.was_enabled:
                    gc.enable()
