"""Long computations in a process of their own, so that the window keeps answering.

Shape inference and layout keep Python's lock for long: on a thread they would stop the window as
if they ran in it. Between :func:`start` and :func:`stop` they run in one child process instead,
where a crash takes nothing down with it. Without a child (the command line, small work, no process
to be had) they run where they are called.

The child is a fresh interpreter (nothing is forked: Qt has threads) that never runs the program's
own start. A function travels by its name, arguments and results as pickles over two pipes; when its
end of them closes, however the program ended, the child ends too.
"""

from __future__ import annotations

import gc
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError as FutureCancelledError
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from importlib import import_module
from typing import IO, Any, Final, Generic, TypeVar

from inspector.errors import CancelledError, InspectorError
from inspector.memory import give_memory_back

T = TypeVar("T")

SMALL: Final = 1500
"""Work of a smaller size (nodes, say) takes a few milliseconds and is done in place."""

LIMIT_SECONDS: Final = 180.0
"""A call that takes longer hangs."""

WARM: Final = ("inspector.onnxio.inference", "inspector.graph.layout")
"""What the child imports before it is asked anything: names alone, for they stand above this."""

_START_SECONDS = 60.0
_POLL_SECONDS = 0.05
_READY = b"ready"
_PROTOCOL = 5
_BOOT = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from inspector.offload import serve; serve(float(sys.argv[1]))"
)
# One thread is enough for what runs there, and each further one of a library costs memory.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


class Answer(Generic[T]):
    """What a call will give; see :func:`ask`."""

    def __init__(
        self, function: Callable[..., T], args: Sequence[Any], future: Future[Any] | None
    ) -> None:
        self._function, self._args, self._future = function, args, future

    def result(self) -> T:
        """Wait for it; raises what the function raised, and as :func:`call`."""
        if self._future is None:
            return self._function(*self._args)
        try:
            return self._future.result()  # type: ignore[no-any-return]  # as the function says
        except FutureCancelledError as error:
            raise CancelledError from error
        except _NoChildError:
            return self._function(*self._args)


def start() -> None:
    """Have a child process from now on. It starts in the background; twice is as good as once."""
    with _State.lock:
        if _State.helper is None:
            _State.helper = _Helper(LIMIT_SECONDS)


def stop() -> None:
    """End the child, whatever it is doing, and wait until it is gone; calls run in place again."""
    with _State.lock:
        helper, _State.helper = _State.helper, None
    if helper is not None:
        helper.close()


def ask(function: Callable[..., T], *args: Any, size: int) -> Answer[T]:
    """Begin a call that :meth:`Answer.result` ends; other work may be done in between.

    In place it begins when its result is asked for. Calls are done one after the other.

    Args:
        function: of a module, found there by its name; no method of an object, no lambda.
        args: what can be pickled; best a few flat objects, for pickling many holds Python's lock.
        size: how much work it is; below `SMALL` it is done in place.

    Raises:
        ValueError: if the function cannot be found by its name.
    """
    helper = _State.helper
    if helper is None or size < SMALL:
        return Answer(function, args, None)
    request = pickle.dumps((_name_of(function), args), protocol=_PROTOCOL)
    return Answer(function, args, helper.submit(request))


def call(function: Callable[..., T], *args: Any, size: int) -> T:
    """Run a function in the child process, or in place; see :func:`ask`.

    Raises:
        InspectorError: if the child ended in the middle of it, twice, or did not come to an end.
        CancelledError: if :func:`stop` was called meanwhile.
    """
    return ask(function, *args, size=size).result()


def call_apart(
    function: Callable[..., T], *args: Any, cancel: Callable[[], bool] | None = None
) -> T:
    """Run a function in a process of its own, which ends with it.

    For what is measured: nothing else of the program takes its time or its memory. Without a
    process to be had it runs in place.

    Args:
        function: as for :func:`ask`.
        args: as for :func:`ask`.
        cancel: asked while it runs; the process is ended at once where it says so.

    Raises:
        InspectorError: if the process ended in the middle of it, or did not come to an end.
        CancelledError: `cancel` said so.
    """
    helper = _Helper(LIMIT_SECONDS)
    try:
        answer = helper.submit(pickle.dumps((_name_of(function), args), protocol=_PROTOCOL))
        while not answer.done():
            if cancel is not None and cancel():
                raise CancelledError
            wait((answer,), timeout=_POLL_SECONDS)
        return answer.result()  # type: ignore[no-any-return]  # as the function says
    except _NoChildError:
        return function(*args)
    finally:
        helper.close()


def _name_of(function: Callable[..., Any]) -> str:
    name = f"{function.__module__}:{function.__qualname__}"
    if name.startswith("__main__:") or "<" in name:
        raise ValueError(f"{name} cannot be found by its name in another process")
    return name


class _NoChildError(Exception):
    """There is no process to be had here at all."""


class _EndedError(Exception):
    """The child ended; says how."""


class _Child:
    """One process, and the pipes to it."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self.hung = False
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, str(limit), *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_ENVIRONMENT},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    def greet(self) -> None:
        """Wait until it is there; raises _EndedError if it is not."""
        if self._within(_START_SECONDS, self._read) != _READY:
            raise _EndedError("it did not start")

    def ask(self, request: bytes) -> bytes:
        """Send a request and wait for its answer; raises _EndedError."""

        def exchange() -> bytes:
            assert self._process.stdin is not None
            _write(self._process.stdin, request)
            return self._read()

        return self._within(self._limit, exchange)

    def kill(self) -> None:
        """End it at once, from any thread; who waits for an answer hears of it."""
        self._process.kill()

    def close(self) -> None:
        """Let go of a process that has ended or is to end."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):  # what was not sent when it ended
                pipe.close()
        self._process.wait()

    def _within(self, seconds: float, work: Callable[[], bytes]) -> bytes:
        def too_long() -> None:
            self.hung = True
            self.kill()

        timer = threading.Timer(seconds, too_long)
        timer.daemon = True
        timer.start()
        try:
            return work()
        except (OSError, EOFError) as error:
            raise _EndedError(self._how()) from error
        finally:
            timer.cancel()

    def _read(self) -> bytes:
        assert self._process.stdout is not None
        return _read(self._process.stdout)

    def _how(self) -> str:
        if self.hung:
            return f"it did not come to an end within {self._limit:.0f} seconds"
        self.kill()  # it may have closed its pipe and live on
        code = self._process.wait()
        if code >= 0:
            return f"it ended with the exit code {code}"
        try:
            return f"it was ended by the signal {signal.Signals(-code).name}"
        except ValueError:
            return f"it was ended by the signal {-code}"


class _Helper:
    """The child, started anew where it ended, and the one thread that speaks with it."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._child: _Child | None = None
        self._was_there = self._closed = False
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="offload")
        self._thread.submit(self._warm_up)

    def submit(self, request: bytes) -> Future[Any]:
        """Queue a call."""
        try:
            return self._thread.submit(self._run, request)
        except RuntimeError:  # closed in this moment
            never: Future[Any] = Future()
            never.cancel()
            return never

    def close(self) -> None:
        """End the child and the thread."""
        with self._lock:
            self._closed = True
            if self._child is not None:
                self._child.kill()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._drop()

    def _warm_up(self) -> None:
        with suppress(_NoChildError, _EndedError):
            self._started()

    def _run(self, request: bytes) -> Any:
        for again in (True, False):
            try:
                return _value(self._started().ask(request))
            except _EndedError as error:
                how, hung = error, self._child is not None and self._child.hung
                self._drop()
            if self._closed:
                raise CancelledError
            if hung or not again:
                break
        raise InspectorError(
            f"The process that works beside the window failed: {how}.",
            "The model may be damaged, or too large for this machine's memory.",
        ) from how

    def _started(self) -> _Child:
        """The child; a new one where there is none."""
        if self._child is not None:
            return self._child
        try:
            child = _Child(self._limit)
        except (OSError, ValueError) as error:
            raise self._no_child() from error
        with self._lock:
            self._child = child
            if self._closed:
                child.kill()
        try:
            child.greet()
        except _EndedError as error:
            self._drop()
            if self._closed:
                raise
            raise self._no_child() from error
        self._was_there = True
        return child

    def _no_child(self) -> Exception:
        """What it means that no child can be started: one that was there has crashed."""
        return _EndedError("it cannot be started again") if self._was_there else _NoChildError()

    def _drop(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.close()


class _State:
    """The child process of this program, while there is one."""

    helper: _Helper | None = None
    lock = threading.Lock()


def _value(answer: bytes) -> Any:
    """What an answer says: the value, or an error, which is raised."""
    fine, value = pickle.loads(answer)
    if fine:
        return value
    raise value


def _write(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(len(message).to_bytes(8, "little"))
    pipe.write(message)
    pipe.flush()


def _read(pipe: IO[bytes]) -> bytes:
    """The next message; EOFError where the other end has closed."""
    head = pipe.read(8)
    size = int.from_bytes(head, "little")
    message = pipe.read(size) if len(head) == 8 else b""
    if len(head) < 8 or len(message) < size:
        raise EOFError
    return message


def serve(limit: float) -> None:
    """Answer calls until the program has gone; this is all that the child runs.

    Args:
        limit: seconds after which a call is given up, even where the program has died meanwhile
            and the call keeps Python's lock.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the program, which ends this
    calls, answers = _pipes()
    _write(answers, _READY)
    for name in WARM:
        with suppress(ImportError):  # a call of it will say so
            import_module(name)
    gc.disable()  # work makes no cycles, and looking for them costs more than it does
    gc.freeze()
    while True:
        request = calls.get()
        _set_alarm(limit)
        answer = _answer(request)
        _set_alarm(0)
        del request
        _write(answers, answer)
        del answer
        gc.collect()
        give_memory_back()


def _pipes() -> tuple[queue.SimpleQueue[bytes], IO[bytes]]:
    """The calls as they come, and where to answer. What libraries print goes nowhere."""
    incoming, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    calls: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen() -> None:
        with suppress(OSError, EOFError):
            while True:
                calls.put(_read(incoming))
        os._exit(0)  # the program has gone; nobody waits for what is under way

    threading.Thread(target=listen, name="calls", daemon=True).start()
    return calls, answers


def _set_alarm(seconds: float) -> None:
    """Let the system end this process after some seconds (a little after the program would)."""
    if hasattr(signal, "alarm"):
        signal.alarm(int(seconds) + 5 if seconds else 0)


def _answer(request: bytes) -> bytes:
    try:
        name, args = pickle.loads(request)
        module, _, path = name.partition(":")
        function: Any = import_module(module)
        for part in path.split("."):
            function = getattr(function, part)
        return pickle.dumps((True, function(*args)), protocol=_PROTOCOL)
    except Exception as error:  # it belongs to who called
        return _failure(error)


def _failure(error: Exception) -> bytes:
    try:
        message = pickle.dumps((False, error), protocol=_PROTOCOL)
        pickle.loads(message)
    except Exception:  # errors of compiled code need not be picklable
        text = RuntimeError(f"{type(error).__name__}: {error}")
        return pickle.dumps((False, text), protocol=_PROTOCOL)
    return message
