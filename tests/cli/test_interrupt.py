"""Signals: work stops and leaves nothing; without work the process ends at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inspector.cli import interrupt
from inspector.cli.interrupt import cancellable, hear_signals
from inspector.cli.work import run_work
from inspector.errors import CancelledError
from inspector.files import atomic_file, unfinished

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


class Ended(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def heard() -> Iterator[None]:
    """Signals are heard; afterwards every handler is the one it was."""
    before = [signal.getsignal(number) for number in SIGNALS]
    hear_signals()
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in place of the end of the process."""

    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(interrupt.os, "_exit", end)


@pytest.mark.parametrize("number", SIGNALS)
def test_work_is_asked_to_stop(number: int, heard: None) -> None:
    """It is waited for, and what it raises reaches the caller."""
    del heard
    stopped = []

    def work(_: object, cancel) -> None:
        while not cancel():
            time.sleep(0.005)
        stopped.append(True)
        raise CancelledError

    threading.Timer(0.05, lambda: os.kill(os.getpid(), number)).start()
    with pytest.raises(CancelledError):
        run_work(work)
    assert stopped == [True]


@pytest.mark.parametrize("number", SIGNALS)
def test_without_work_the_process_ends(number: int, heard: None, ends: None, capfd) -> None:
    """With one line, unless there is a result already."""
    del heard, ends
    with pytest.raises(Ended, match="130"):
        signal.raise_signal(number)
    assert capfd.readouterr().err == "quant-inspector: cancelled; nothing was written.\n"
    with cancellable(threading.Event()):
        pass
    with pytest.raises(Ended, match="130"):
        signal.raise_signal(number)
    assert capfd.readouterr().err == ""


def test_the_second_signal_ends_it_and_removes_files(
    tmp_path: Path, heard: None, ends: None, capfd
) -> None:
    """Half a file, and a folder with one in it."""
    del heard, ends
    folder = tmp_path / "staged"

    def half() -> None:
        with atomic_file(tmp_path / "target") as file, unfinished(folder):
            folder.mkdir()
            (folder / "model").touch()
            file.write(b"half")
            signal.raise_signal(signal.SIGINT)
            assert len(list(tmp_path.iterdir())) == 2
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                assert list(tmp_path.iterdir()) == []

    with cancellable(threading.Event()), pytest.raises(Ended, match="130"):
        half()
    assert "nothing was written" in capfd.readouterr().err


def test_ignored_signals_stay_ignored(heard: None) -> None:
    """As nohup wants it."""
    del heard
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    hear_signals()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    signal.raise_signal(signal.SIGHUP)


def test_ctrl_c_where_nobody_hears_signals() -> None:
    """Called from Python, the work is still waited for."""
    stopped = []

    def work(_: object, cancel) -> None:
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)
        while not cancel():
            time.sleep(0.005)
        stopped.append(True)
        raise CancelledError

    with pytest.raises(CancelledError):
        run_work(work)
    assert stopped == [True]


def test_a_terminated_process_leaves_nothing(model: Path, tmp_path: Path) -> None:
    """Whatever it was doing: importing, loading, calibrating."""
    out = tmp_path / "o.onnx"
    out.write_text("before")
    for seconds in (0.6, 2.0):
        running = subprocess.Popen(
            [
                *(sys.executable, "-m", "inspector", "quantize", str(model), "-o", str(out)),
                *("--random-data", "300000"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(seconds)
        running.terminate()
        printed, told = running.communicate(timeout=60)
        if running.returncode == -signal.SIGTERM:
            continue  # a slow machine: Python itself was starting still
        assert (running.returncode, printed) == (130, "")
        assert told == "quant-inspector: cancelled; nothing was written.\n"
        assert out.read_text() == "before"
        assert list(tmp_path.iterdir()) == [out]
