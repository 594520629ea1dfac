"""Names worked off in slices: all of them, each once, and those that are wanted first."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QTimer
from pytestqt.qtbot import QtBot

from inspector.gui.slices import Slices
from inspector.gui.turns import Turns


@pytest.mark.usefixtures("qapp")
def test_what_there_is_time_for_is_done_at_once() -> None:
    """And nobody is told of it later."""
    done: list[str] = []
    later: list[list[str]] = []
    slices = Slices(Turns(), 60.0, lambda name, _: done.append(name), later.append)
    slices.prefer(["c"])
    slices.add("abcab")
    assert (done, bool(slices), later) == (["c", "a", "b"], False, [])


def test_without_time_one_is_done_in_each_turn(qtbot: QtBot) -> None:
    """The window goes on in between; a name that waits is not added twice."""
    done: list[tuple[str, bool]] = []
    later: list[list[str]] = []
    slices = Slices(Turns(), 0.0, lambda name, is_time: done.append((name, is_time)), later.append)
    slices.add("abcd")
    assert done == [("a", False)]
    assert "b" in slices
    slices.prefer("d")
    slices.add("b")
    qtbot.waitUntil(lambda: not slices)
    qtbot.waitUntil(lambda: [name for name, _ in done] == ["a", "d", "b", "c"])
    assert [name for names in later for name in names] == ["b", "c"]


def test_what_is_forgotten_is_not_done(qtbot: QtBot) -> None:
    """Also what was to be done in the next turn."""
    done: list[str] = []
    slices = Slices(Turns(), 0.0, lambda name, _: done.append(name), lambda _: None)
    slices.add("abc")
    slices.clear()
    qtbot.wait(5)
    assert done == ["a"]


def test_added_for_later_nothing_is_done_at_once(qtbot: QtBot) -> None:
    """All of it is told of."""
    done: list[str] = []
    later: list[list[str]] = []
    slices = Slices(Turns(), 60.0, lambda name, _: done.append(name), later.append)
    slices.add_later("ab")
    assert not done
    qtbot.waitUntil(lambda: later == [["a", "b"]])


def test_a_turn_holds_one_slice_of_one_piece_of_work(qtbot: QtBot) -> None:
    """They take turns; what is asked for twice is done once, what is forgotten not at all."""
    turns, seen = Turns(), QTimer()
    done: list[str] = []

    def one() -> None:
        done.append("one")
        if done.count("one") < 3:
            turns.ask(one)

    def other() -> None:
        done.append("other")

    def never() -> None:
        done.append("never")

    seen.timeout.connect(lambda: done.append("-"))
    for work in (one, other, never, one):
        turns.ask(work)
    turns.forget(never)
    assert one in turns
    assert never not in turns
    seen.start(0)
    qtbot.waitUntil(lambda: done.count("one") == 3)
    text = "".join(done).replace("-", " ").split()
    assert text == ["one", "other", "one", "one"]
