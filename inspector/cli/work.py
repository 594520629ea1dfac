"""Long work behind the command line: in a thread, so that Ctrl-C is heard while it runs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TextIO, TypeVar

from inspector.cli.interrupt import cancellable
from inspector.progress import Cancel, StageProgress

T = TypeVar("T")

_POLL_SECONDS = 0.1
_REDRAW_SECONDS = 0.1
_BAR_WIDTH = 30
STAGES = {
    "load": "Loading",
    "calibrate": "Calibrating",
    "quantize": "Quantizing",
    "save": "Saving",
    "verify": "Checking the saved file",
    "compare": "Comparing",
    "measure": "Quantizing one layer after another",
    "search": "Trying choices",
    "study": "Looking at the layers",
}


def run_work(work: Callable[[StageProgress, Cancel], T]) -> T:
    """Run work that can be cancelled, with a progress bar on stderr where that is a terminal.

    The main thread only waits: Python hears of signals between two steps of the main thread, and a
    run of onnxruntime is one step that can last minutes. A second Ctrl-C ends the process at once.

    Args:
        work: called with functions to tell of progress and to ask whether it was cancelled.

    Raises:
        CancelledError: it was cancelled.
        Exception: whatever the work raised.
    """
    cancelled, finished = threading.Event(), threading.Event()
    bar = ProgressBar(sys.stderr)
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work(bar.show, cancelled.is_set))
        except BaseException as error:  # carried over to the main thread, which raises it
            errors.append(error)
        finally:
            finished.set()

    threading.Thread(target=run, name="work", daemon=True).start()
    with cancellable(cancelled):
        try:
            # Not Thread.join, which must not be interrupted: Python 3.11 then takes the thread for
            # dead.
            while not finished.wait(_POLL_SECONDS):
                pass
        except KeyboardInterrupt:  # where nobody hears signals: called from Python
            cancelled.set()
            finished.wait()
        bar.clear()
        if errors:
            raise errors[0]
    return results[0]


def run_on(scheduler: str | None, work: Callable[[Executor | None, StageProgress, Cancel], T]) -> T:
    """The same for work that a cluster can do, where the user names one.

    Args:
        scheduler: its address; None for this machine.
        work: called with what runs its tasks (None for this machine), too.

    Raises:
        InspectorError: the cluster cannot be used.
        Exception: as `run_work`.
    """

    def connected(progress: StageProgress, cancel: Cancel) -> T:
        from inspector.evaluate.cluster import executor_at

        with executor_at(scheduler) as executor:
            return work(executor, progress, cancel)

    return run_work(connected)


class ProgressBar:
    """A line that shows how far a stage is; silent where the stream is no terminal.

    Args:
        stream: where to.
    """

    def __init__(self, stream: TextIO) -> None:
        """Show nothing yet."""
        self._stream = stream
        self._active = stream.isatty()
        self._drawn = 0.0
        self._stage = ""
        self._width = 0

    def show(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps of a stage are done; from any thread, cheap to call."""
        now = time.monotonic()
        if not self._active or (
            stage == self._stage and done < total and now - self._drawn < _REDRAW_SECONDS
        ):
            return
        self._drawn, self._stage = now, stage
        share = min(max(done / total, 0.0), 1.0) if total else 0.0
        filled = round(share * _BAR_WIDTH)
        line = f"{STAGES.get(stage, stage)}  [{'#' * filled:<{_BAR_WIDTH}}]  {done}/{total}"
        self._write(f"\r{line:<{self._width}}")
        self._width = len(line)

    def clear(self) -> None:
        """Take the line away."""
        if self._width:
            self._write("\r" + " " * self._width + "\r")
            self._width = 0

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
