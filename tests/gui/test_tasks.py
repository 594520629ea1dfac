"""Requests and responses: the newest wins, answers that come too late are dropped."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from PySide6.QtCore import QTimer
from pytestqt.qtbot import QtBot

from inspector.errors import CancelledError, ModelError
from inspector.gui.tasks import Context, Tasks


@pytest.fixture
def tasks(qtbot: QtBot) -> Iterator[Tasks]:
    """A runner that is closed at the end."""
    made = Tasks()
    yield made
    made.close()


def test_answers_arrive_on_the_main_thread(qtbot: QtBot, tasks: Tasks) -> None:
    """The work runs elsewhere, the callback here."""
    threads: list[threading.Thread] = []
    work_threads: list[threading.Thread] = []

    def work(_: Context) -> int:
        work_threads.append(threading.current_thread())
        return 42

    answers: list[int] = []

    def done(value: int) -> None:
        threads.append(threading.current_thread())
        answers.append(value)

    tasks.submit("sum", work, done)
    qtbot.waitUntil(lambda: answers == [42])
    assert threads == [threading.main_thread()]
    assert work_threads[0] is not threading.main_thread()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own here")
def test_the_window_has_a_core_before_workers(qtbot: QtBot, tasks: Tasks) -> None:
    """Threads that work starts are behind the window as well; the window is where it was."""

    def nice() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def work(_: Context) -> tuple[int, int]:
        with ThreadPoolExecutor(1) as pool:
            return nice(), pool.submit(nice).result()

    before, found = nice(), list[tuple[int, int]]()
    tasks.submit("any", work, found.append)
    qtbot.waitUntil(lambda: bool(found))
    assert min(found[0]) > before == nice()


def test_only_the_newest_answer_is_delivered(qtbot: QtBot, tasks: Tasks) -> None:
    """An older request is told to stop, and its answer is dropped."""
    started, release = threading.Event(), threading.Event()
    cancelled: list[bool] = []

    def slow(context: Context) -> str:
        started.set()
        release.wait(5)
        cancelled.append(context.cancelled())
        return "old"

    answers: list[str] = []
    tasks.submit("figure", slow, answers.append)
    qtbot.waitUntil(started.is_set)
    for number in range(20):
        tasks.submit("figure", lambda _, n=number: f"new {n}", answers.append)
    release.set()
    qtbot.waitUntil(lambda: "new 19" in answers and not tasks.is_busy())
    assert answers == ["new 19"]
    assert cancelled == [True]


def test_channels_do_not_disturb_one_another(qtbot: QtBot, tasks: Tasks) -> None:
    """A request replaces only those of its own kind."""
    answers: set[str] = set()
    tasks.submit("one", lambda _: "a", answers.add)
    tasks.submit("other", lambda _: "b", answers.add)
    qtbot.waitUntil(lambda: answers == {"a", "b"})


def test_errors_are_told_but_not_cancellations(qtbot: QtBot, tasks: Tasks) -> None:
    """An error is a signal; being stopped is none."""
    failures: list[object] = []
    tasks.failed.connect(lambda _task, error: failures.append(error))

    def refuse(_: Context) -> None:
        raise ModelError("No.")

    def stop(_: Context) -> None:
        raise CancelledError

    tasks.submit("a", refuse, lambda _: None)
    tasks.submit("b", stop, lambda _: None)
    qtbot.waitUntil(lambda: not tasks.is_busy())
    assert [type(failure) for failure in failures] == [ModelError]


def test_closing_waits_and_delivers_nothing(qtbot: QtBot) -> None:
    """After close no callback comes, whatever the work still answers."""
    tasks = Tasks()
    started = threading.Event()
    answers: list[int] = []

    def work(context: Context) -> int:
        started.set()
        while not context.cancelled():
            threading.Event().wait(0.002)
        return 1

    tasks.submit("a", work, answers.append)
    qtbot.waitUntil(started.is_set)
    tasks.close()
    qtbot.wait(20)
    assert answers == []
    assert not tasks.is_busy()


def test_parts_of_an_answer_arrive_before_it(qtbot: QtBot, tasks: Tasks) -> None:
    """In order, on the main thread."""
    heard: list[tuple[object, bool]] = []

    def hear(value: object) -> None:
        heard.append((value, threading.current_thread() is threading.main_thread()))

    def work(context: Context) -> str:
        context.tell("one")
        context.tell("two")
        return "all"

    tasks.submit("model", work, hear, early=hear)
    qtbot.waitUntil(lambda: not tasks.is_busy())
    assert heard == [("one", True), ("two", True), ("all", True)]


def test_parts_of_an_answer_that_nobody_wants_are_dropped(qtbot: QtBot, tasks: Tasks) -> None:
    """Told after the request was replaced or cancelled; or told to nobody."""
    started, release = threading.Event(), threading.Event()
    heard: list[object] = []

    def old(context: Context) -> str:
        started.set()
        release.wait(5)
        context.tell("old part")
        return "old"

    def new(context: Context) -> str:
        context.tell("new part")
        return "new"

    tasks.submit("model", old, heard.append, early=heard.append)
    qtbot.waitUntil(started.is_set)
    tasks.submit("model", new, heard.append, early=heard.append)
    release.set()
    qtbot.waitUntil(lambda: "new" in heard)
    tasks.submit("model", new, lambda _: None)
    task = tasks.submit("other", old, heard.append, early=heard.append)
    tasks.cancel(task.channel)
    qtbot.waitUntil(lambda: not tasks.is_busy())
    qtbot.wait(20)
    assert heard == ["new part", "new"]


def test_nothing_is_started_after_closing(qtbot: QtBot) -> None:
    """Who hears that work has ended may want to start other work."""
    tasks = Tasks()
    ran: list[int] = []
    tasks.ended.connect(lambda _: tasks.submit("b", lambda _: ran.append(1), lambda _: None))
    tasks.submit("a", lambda context: context.cancelled(), lambda _: None)
    tasks.close()
    qtbot.wait(20)
    assert ran == []
    assert not tasks.is_busy()


def test_work_gives_way_to_a_channel(qtbot: QtBot, tasks: Tasks) -> None:
    """Until its answer is there; what was told before has arrived by then."""
    heard: list[str] = []
    release = threading.Event()

    def slow(_: Context) -> str:
        release.wait(10)
        return "picture"

    def draw(_: object) -> None:
        tasks.submit("picture", slow, heard.append)

    def work(context: Context) -> str:
        context.tell("sketch")
        context.give_way("picture", 30.0)
        heard.append("went on")
        return "model"

    tasks.submit("model", work, heard.append, early=draw)
    qtbot.waitUntil(lambda: tasks.is_busy("picture"))
    qtbot.wait(30)
    assert heard == []
    release.set()
    qtbot.waitUntil(lambda: not tasks.is_busy())
    assert heard == ["picture", "went on", "model"]


def test_work_does_not_wait_for_ever(qtbot: QtBot, tasks: Tasks) -> None:
    """Not for a channel that stays busy, nor when it was cancelled meanwhile."""
    release = threading.Event()
    over: list[str] = []
    tasks.submit("picture", lambda _: release.wait(20), lambda _: None)

    def wait(name: str, seconds: float) -> None:
        def work(context: Context) -> None:
            context.give_way("picture", seconds)
            over.append(name)

        tasks.submit(name, work, lambda _: None)

    wait("short", 0.05)
    qtbot.waitUntil(lambda: over == ["short"])
    wait("long", 600.0)
    qtbot.wait(20)
    assert over == ["short"]
    tasks.cancel("long")
    qtbot.waitUntil(lambda: over == ["short", "long"])
    release.set()


def test_work_that_breathes_lets_the_window_go_first(qtbot: QtBot, tasks: Tasks) -> None:
    """What the main thread has to do is done before the work goes on."""
    order: list[str] = []
    ready, go = threading.Event(), threading.Event()

    def work(context: Context) -> None:
        context.breathe()
        ready.set()
        go.wait(10)
        time.sleep(0.01)
        context.breathe()
        order.append("work")

    tasks.submit("a", work, lambda _: order.append("answer"))
    qtbot.waitUntil(ready.is_set)
    QTimer.singleShot(0, lambda: (go.set(), time.sleep(0.05), order.append("window")))
    qtbot.waitUntil(lambda: "answer" in order)
    assert order == ["window", "work", "answer"]


def test_closing_can_make_work_end(qtbot: QtBot) -> None:
    """Who can end what a worker waits for hears of it before the window waits for the worker."""
    tasks = Tasks()
    release, started = threading.Event(), threading.Event()

    def work(_: Context) -> bool:
        started.set()
        return release.wait(60)

    tasks.closing.connect(release.set)
    tasks.submit("a", work, lambda _: None)
    qtbot.waitUntil(started.is_set)
    tasks.close()
    assert release.is_set()


def test_work_that_begins_later_counts_from_now_on(qtbot: QtBot, tasks: Tasks) -> None:
    """The channel is busy at once; what is replaced or cancelled before it begins never runs."""
    ran: list[str] = []
    answers: list[str] = []

    def work(name: str) -> str:
        ran.append(name)
        return name

    tasks.submit("figure", lambda _: work("old"), answers.append, after_ms=20)
    assert tasks.is_busy("figure")
    tasks.submit("figure", lambda _: work("new"), answers.append, after_ms=20)
    tasks.submit("plot", lambda _: work("unwanted"), answers.append, after_ms=20)
    tasks.cancel("plot")
    assert ran == []
    qtbot.waitUntil(lambda: answers == ["new"])
    qtbot.wait(30)
    assert ran == ["new"]
    assert not tasks.is_busy()
