"""The process for long computations: same answers, and nothing that happens there stays here."""

from __future__ import annotations

import math
import operator
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inspector import offload
from inspector.errors import CancelledError, InspectorError, ModelError
from inspector.graph.model import Tensor

BIG = offload.SMALL
_PATIENCE = 60.0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A child that imports nothing ahead, so that tests need not wait for that."""
    monkeypatch.setattr(offload, "WARM", ())
    offload.start()
    yield
    offload.stop()


def _wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    """Whether a process runs; one that nobody has asked how it ended does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def test_without_a_child_work_is_done_in_place() -> None:
    """The command line starts none."""
    assert offload.call(os.getpid, size=10**6) == os.getpid()


def test_big_work_is_done_elsewhere_and_small_work_in_place(started: None) -> None:
    """The child is another process, the same one for each call."""
    first, second = (offload.call(os.getpid, size=BIG) for _ in range(2))
    assert first == second != os.getpid()
    assert offload.call(os.getpid, size=BIG - 1) == os.getpid()


def test_starting_twice_is_starting_once(started: None) -> None:
    """One child, whoever starts."""
    before = offload.call(os.getpid, size=BIG)
    offload.start()
    assert offload.call(os.getpid, size=BIG) == before


def test_arguments_and_results_travel(started: None) -> None:
    """Numbers, bytes of several megabytes, objects of ours."""
    assert offload.call(math.comb, 40, 20, size=BIG) == math.comb(40, 20)
    block = os.urandom(1 << 20) * 5
    assert offload.call(operator.concat, block, b"!", size=BIG) == block + b"!"
    tensor = Tensor("新\n<x>", "float32", (1, "N", None))
    assert offload.call(operator.getitem, (tensor,), 0, size=BIG) == tensor


def test_calls_wait_for_one_another(started: None) -> None:
    """Threads that call at once each get their own answer."""
    found: dict[int, int] = {}

    def work(number: int) -> None:
        found[number] = offload.call(math.factorial, number, size=BIG)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: math.factorial(n) for n in range(12)}


def test_work_can_be_asked_for_and_fetched_later(started: None) -> None:
    """Between asking and fetching the program goes on."""
    answer = offload.ask(math.factorial, 20, size=BIG)
    small = offload.ask(math.factorial, 3, size=1)
    assert (small.result(), answer.result()) == (6, math.factorial(20))


def test_errors_of_the_work_are_raised_here(started: None) -> None:
    """They keep their kind and words; the child lives on."""
    with pytest.raises(ZeroDivisionError):
        offload.call(operator.truediv, 1, 0, size=BIG)
    with pytest.raises(ValueError, match="math domain error"):
        offload.call(math.sqrt, -1, size=BIG)
    with pytest.raises(TypeError, match="pickle"):  # a result that cannot travel
        offload.call(threading.Lock, size=BIG)
    assert offload.call(os.getpid, size=BIG) != os.getpid()


def test_our_errors_can_travel() -> None:
    """Message and hint arrive."""
    fine, error = offload.pickle.loads(offload._failure(ModelError("No.", "Yes.")))
    assert not fine
    assert isinstance(error, ModelError)
    assert (error.message, error.hint) == ("No.", "Yes.")


def test_what_the_work_prints_does_not_disturb(started: None) -> None:
    """Compiled libraries print to the standard output, which is a pipe to the program."""
    assert offload.call(os.write, 1, b"warning!\n", size=BIG) == 9
    assert offload.call(os.getpid, size=BIG) != os.getpid()


def test_functions_without_a_name_are_refused(started: None) -> None:
    """A lambda or a function in a function cannot be found in another process."""

    def local() -> int:
        return 1

    for function in (local, lambda: 1):
        with pytest.raises(ValueError, match="cannot be found by its name"):
            offload.call(function, size=BIG)


def test_a_crash_is_an_error_and_the_next_call_works(started: None) -> None:
    """What ends the child twice ends with a message; nothing is tried in this process."""
    before = offload.call(os.getpid, size=BIG)
    with pytest.raises(InspectorError, match=r"SIGABRT|exit code"):
        offload.call(os.abort, size=BIG)
    with pytest.raises(InspectorError, match="exit code 3"):
        offload.call(os._exit, 3, size=BIG)
    assert offload.call(os.getpid, size=BIG) not in {before, os.getpid()}


def test_a_child_that_was_ended_by_others_is_replaced(started: None) -> None:
    """The system ends processes when memory is short: the call is done by a new one."""
    pid = offload.call(os.getpid, size=BIG)
    os.kill(pid, 9)
    assert offload.call(math.factorial, 5, size=BIG) == 120
    assert not _lives(pid)


def test_a_call_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit, once, with a message that says so."""
    monkeypatch.setattr(offload, "LIMIT_SECONDS", 1.0)
    monkeypatch.setattr(offload, "WARM", ())
    offload.start()
    try:
        with pytest.raises(InspectorError, match="within 1 seconds"):
            offload.call(time.sleep, 600, size=BIG)
        assert offload.call(math.factorial, 5, size=BIG) == 120
    finally:
        offload.stop()


def test_stopping_ends_what_is_under_way(started: None) -> None:
    """Whoever waits hears that it was cancelled, and the process is gone."""
    pid = offload.call(os.getpid, size=BIG)
    running = offload.ask(time.sleep, 600, size=BIG)
    waiting = offload.ask(time.sleep, 600, size=BIG)
    offload.stop()
    for answer in (running, waiting):
        with pytest.raises(CancelledError):
            answer.result()
    assert not _lives(pid)
    assert offload.call(os.getpid, size=BIG) == os.getpid()


def test_stopping_at_once_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child may still be starting."""
    made: list[offload._Child] = []
    usual = offload._Child

    def remember(limit: float) -> offload._Child:
        made.append(usual(limit))
        return made[-1]

    monkeypatch.setattr(offload, "_Child", remember)
    offload.start()
    offload.stop()
    offload.stop()
    assert all(child._process.returncode is not None for child in made)


@pytest.mark.parametrize("executable", ["", "/nowhere/python", sys.executable + "-none"])
def test_where_no_child_can_be_had_work_is_done_in_place(
    monkeypatch: pytest.MonkeyPatch, executable: str
) -> None:
    """A program without an interpreter of its own, say, or a system that allows no processes."""
    monkeypatch.setattr(sys, "executable", executable)
    offload.start()
    try:
        assert offload.call(os.getpid, size=BIG) == os.getpid()
    finally:
        offload.stop()


def test_a_child_that_cannot_import_the_program_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends before it says that it is ready."""
    monkeypatch.setattr(offload, "_BOOT", "raise SystemExit(1)")
    offload.start()
    try:
        assert offload.call(os.getpid, size=BIG) == os.getpid()
    finally:
        offload.stop()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
@pytest.mark.parametrize("busy", [False, True])
def test_the_child_ends_with_the_program_however_that_ends(tmp_path: Path, busy: bool) -> None:
    """Also when the program is killed, and when the child is at work."""
    script = tmp_path / "program.py"
    script.write_text(
        "import os, time\n"
        "from inspector import offload\n"
        "print('started', flush=True)\n"  # once: the child does not run this file
        "offload.start()\n"
        "print(offload.call(os.getpid, size=10**6), flush=True)\n"
        f"task = offload.ask(time.sleep, 600, size=10**6) if {busy} else None\n"
        "time.sleep(0.2)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = str(Path(offload.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    first, pid = done.stdout.split()
    assert first == "started"
    _wait_until(lambda: not _lives(int(pid)))


def test_the_child_imports_neither_window_nor_runtime() -> None:
    """It would take their memory and their time to start."""
    code = (
        "import sys, importlib\n"
        "from inspector import offload\n"
        "for name in offload.WARM: importlib.import_module(name)\n"
        "print([n for n in ('PySide6', 'onnxruntime', 'inspector.gui') if n in sys.modules])"
    )
    root = str(Path(offload.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_work_apart_has_a_process_of_its_own_and_can_be_stopped() -> None:
    """Answers and errors come back; a cancelled one leaves no process."""
    assert offload.call_apart(os.getpid) != os.getpid()
    with pytest.raises(ValueError, match="invalid literal"):
        offload.call_apart(int, "x")
    asked = iter((False, True))
    with pytest.raises(CancelledError):
        offload.call_apart(time.sleep, 60, cancel=lambda: next(asked))
