"""What is chosen, and the ways back and forward through what was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.gui.selection import Chosen, Selection
from inspector.gui.stage import Step

INSIDE = (Step("if", "then_branch"),)


@pytest.fixture
def selection(qtbot: object) -> Selection:
    """Nothing chosen yet."""
    return Selection()


def told(selection: Selection) -> list[Chosen]:
    """What the selection tells from now on."""
    heard: list[Chosen] = []
    selection.changed.connect(heard.append)
    return heard


def test_choosing_the_same_again_tells_nothing(selection: Selection) -> None:
    """Repeats within a choice count once; an equal choice is none."""
    heard = told(selection)
    selection.choose(("a", "b", "a"))
    selection.choose_here(["a", "b"])
    assert heard == [Chosen(("a", "b"))]
    selection.pick("t")
    selection.pick("t")
    assert heard[1:] == [Chosen((), "t")]


def test_layers_are_those_of_the_models_own_graph(selection: Selection) -> None:
    """A layer that is chosen in the table leads out of a subgraph; a node of it does not."""
    selection.go_to(INSIDE, ["leaf"])
    assert selection.chosen == Chosen(("leaf",), None, INSIDE)
    selection.choose_here(["other"])
    assert selection.chosen.path == INSIDE
    selection.choose(())
    assert selection.chosen == Chosen((), None, INSIDE)
    selection.choose(["layer"])
    assert selection.chosen == Chosen(("layer",), None, ())
    selection.back()
    selection.back()
    assert selection.chosen == Chosen(("other",), None, INSIDE)


def test_going_to_the_graph_that_is_shown_keeps_what_is_chosen(selection: Selection) -> None:
    """The picture arrives after the choice was made."""
    selection.choose_here(["a"])
    heard = told(selection)
    selection.go_to(())
    assert selection.chosen.names == ("a",)
    assert heard == []


def test_empty_choices_are_not_come_back_to(selection: Selection) -> None:
    """Clearing is no step of its own."""
    for names in (("a",), (), ("b",), ()):
        selection.choose_here(names)
    selection.back()
    assert selection.chosen.names == ("b",)
    selection.back()
    assert selection.chosen.names == ("a",)
    selection.back()
    assert not selection.can_go_back
    assert selection.can_go_forward
    selection.forget()
    assert not selection.can_go_forward
    assert selection.chosen.is_empty


def test_only_so_many_are_remembered(selection: Selection) -> None:
    """The history does not grow without end; its oldest part goes."""
    for number in range(1000):
        selection.choose_here((str(number),))
    steps = 0
    while selection.can_go_back:
        selection.back()
        steps += 1
    assert 100 <= steps < 1000
    assert selection.chosen.names == (str(999 - steps),)


_MOVES = st.one_of(
    st.builds(
        lambda names: lambda s: s.choose_here(names), st.lists(st.sampled_from("abc"), max_size=2)
    ),
    st.builds(lambda names: lambda s: s.choose(names), st.lists(st.sampled_from("ab"), max_size=2)),
    st.builds(lambda name: lambda s: s.pick(name), st.sampled_from("tu")),
    st.builds(lambda path: lambda s: s.go_to(path), st.sampled_from([(), INSIDE])),
    st.just(Selection.back),
    st.just(Selection.forward),
)


@given(st.lists(_MOVES, max_size=12), st.integers(1, 6))
def test_back_and_forward_undo_one_another(
    moves: list[Callable[[Selection], None]], steps: int
) -> None:
    """As many steps forward as there were back lead to the same choice."""
    selection = Selection()
    for move in moves:
        move(selection)
    before, gone = selection.chosen, 0
    for _ in range(steps):
        if selection.can_go_back:
            selection.back()
            gone += 1
    for _ in range(gone):
        assert selection.can_go_forward
        selection.forward()
    assert selection.chosen == before
