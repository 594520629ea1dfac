"""Undo and redo."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.session.history import History


def test_undo_and_redo_walk_over_the_values() -> None:
    """Both stop at the ends and say what they would do."""
    history = History(0)
    history.record(1, "one")
    history.record(2, "two")
    assert (history.undo_label, history.redo_label) == ("two", "")
    assert history.undo() == 1
    assert (history.undo_label, history.redo_label) == ("one", "two")
    assert history.undo() == 0
    assert not history.can_undo
    assert history.undo() == 0
    assert history.redo() == 1
    assert history.redo() == 2
    assert history.redo() == 2


def test_recording_drops_what_was_undone() -> None:
    """A new step after undo starts a new future."""
    history = History(0)
    history.record(1, "one")
    history.undo()
    history.record(2, "two")
    assert not history.can_redo
    assert [step.label for step in history.steps] == ["Start", "two"]


def test_a_drag_is_one_step_until_something_else_or_seal() -> None:
    """Only consecutive steps with the same key merge."""
    history = History(0)
    for value in (1, 2, 3):
        history.record(value, f"drag to {value}", "clip")
    assert [step.label for step in history.steps] == ["Start", "drag to 3"]
    history.seal()
    history.record(4, "drag to 4", "clip")
    history.record(5, "other", "other")
    history.record(6, "drag to 6", "clip")
    history.record(7, "plain")
    history.record(8, "plain")
    assert [step.value for step in history.steps] == [0, 3, 4, 5, 6, 7, 8]


def test_merging_never_swallows_the_start_or_an_undone_step() -> None:
    """Undo and redo end merging."""
    history = History(0)
    history.record(1, "drag", "clip")
    history.undo()
    history.record(2, "drag", "clip")
    assert [step.value for step in history.steps] == [0, 2]
    history.record(3, "drag", "clip")
    history.undo()
    history.redo()
    history.record(4, "drag", "clip")
    assert [step.value for step in history.steps] == [0, 3, 4]


def test_a_drag_back_to_its_start_is_no_step() -> None:
    """Nothing is left to undo."""
    history = History(0)
    history.record(1, "drag", "clip")
    assert history.record(0, "drag", "clip")
    assert history.value == 0
    assert not history.can_undo
    assert not history.is_dirty


def test_the_same_value_is_no_step() -> None:
    """Choosing what is chosen already does not fill the history."""
    history = History(0)
    assert not history.record(0, "nothing")
    assert not history.can_undo


def test_dirty_is_told_by_the_value() -> None:
    """Coming back to the saved value by any way is clean."""
    history = History(0)
    assert not history.is_dirty
    history.record(1, "one", "drag")
    assert history.is_dirty
    history.mark_saved()
    assert not history.is_dirty
    history.record(2, "two", "drag")
    assert history.is_dirty
    assert history.undo() == 1
    assert not history.is_dirty
    history.undo()
    assert history.is_dirty


def test_the_oldest_steps_go_first() -> None:
    """The limit counts what can be undone."""
    history = History(0, limit=3)
    for value in range(1, 8):
        history.record(value, str(value))
    assert [step.value for step in history.steps] == [4, 5, 6, 7]
    assert history.position == 3


def test_jumping_to_a_step() -> None:
    """A history list needs it."""
    history = History(0)
    for value in (1, 2, 3):
        history.record(value, str(value))
    assert history.go_to(1) == 1
    assert history.redo() == 2
    with pytest.raises(IndexError):
        history.go_to(9)
    assert history.value == 2


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["record", "undo", "redo", "seal", "save"]),
            st.integers(0, 3),
            st.sampled_from([None, "a", "b"]),
        ),
        max_size=40,
    )
)
def test_undoing_everything_comes_back_to_the_start(
    actions: list[tuple[str, int, str | None]],
) -> None:
    """Whatever was done, and no two neighbours are equal."""
    history = History(0)
    for action, value, key in actions:
        if action == "record":
            before = history.value
            assert history.record(value, "step", key) == (value != before)
        else:
            {"undo": history.undo, "redo": history.redo, "seal": history.seal}.get(
                action, history.mark_saved
            )()
        assert history.value == history.steps[history.position].value
        values = [step.value for step in history.steps]
        assert all(one != two for one, two in pairwise(values))
    while history.can_undo:
        history.undo()
    assert history.value == 0
