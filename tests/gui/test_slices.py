"""Names worked off in slices: all of them, each once, and those that are wanted first."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from inspector.gui.slices import Slices


@pytest.mark.usefixtures("qapp")
def test_what_there_is_time_for_is_done_at_once() -> None:
    """And nobody is told of it later."""
    done: list[str] = []
    later: list[list[str]] = []
    slices = Slices(60.0, lambda name, _: done.append(name), later.append)
    slices.prefer(["c"])
    slices.add("abcab")
    assert (done, bool(slices), later) == (["c", "a", "b"], False, [])


def test_without_time_one_is_done_in_each_turn(qtbot: QtBot) -> None:
    """The window goes on in between; a name that waits is not added twice."""
    done: list[tuple[str, bool]] = []
    later: list[list[str]] = []
    slices = Slices(0.0, lambda name, is_time: done.append((name, is_time)), later.append)
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
    slices = Slices(0.0, lambda name, _: done.append(name), lambda _: None)
    slices.add("abc")
    slices.clear()
    qtbot.wait(5)
    assert done == ["a"]
