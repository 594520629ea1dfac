"""The text form of what is done so that quantizing costs less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import RecipeError
from inspector.quant.recover import METHODS, NO_RECOVERY, Recover


@given(st.sets(st.sampled_from(sorted(METHODS))))
def test_printing_and_parsing_are_inverse(methods: set[str]) -> None:
    """Any set of methods survives being written and read."""
    chosen = NO_RECOVERY
    for method in methods:
        chosen = chosen.switched(method, True)
    assert Recover.parse(str(chosen)) == chosen


def test_methods_come_in_the_order_in_which_they_are_carried_out() -> None:
    """The text form does not depend on the order of switching on."""
    switched = NO_RECOVERY
    for name in reversed(METHODS):
        switched = switched.switched(name, True)
    assert list(switched.methods) == [name for name in METHODS if name in switched]


def test_none_is_nothing() -> None:
    """Nothing has a name."""
    assert Recover.parse("none") == NO_RECOVERY
    assert str(NO_RECOVERY) == "none"
    assert not NO_RECOVERY
    assert Recover.parse("bias").switched("bias", False) == NO_RECOVERY


def test_spaces_and_capitals_do_not_matter() -> None:
    """People write lists in their own ways."""
    assert "bias" in Recover.parse(" Bias ")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no name"),
        ("bias,", "no name"),
        ("bais", "no recovery method 'bais'"),
        ("none,bias", "no recovery method 'none'"),
        ("bias bias", "no recovery method"),
    ],
)
def test_what_is_wrong_is_said(text: str, what: str) -> None:
    """An unknown name is told with those that there are."""
    with pytest.raises(RecipeError, match=what) as error:
        Recover.parse(text)
    assert "bias" in error.value.hint
