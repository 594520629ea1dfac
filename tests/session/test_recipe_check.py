"""A recipe as it is typed: what is wrong, at which line; and which line belongs to what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.graph.model import Layer
from inspector.quant.spec import QuantSpec
from inspector.session.globs import escape
from inspector.session.recipe import DEFAULT_RECIPE, Recipe
from inspector.session.recipe_check import check_text, parts_of
from inspector.session.recipe_toml import RecipeTextError
from inspector.session.rules import Rule

INT4 = QuantSpec.parse("int4")
HEAD = 'version = 1\ntarget = "ort-cpu"\nformat = "qdq"\n'
WRONG = [
    ("version = 1\n[default\n", 2, "TOML"),
    (HEAD + '[default]\nweights = "int99"\n', 5, "int99"),
    (HEAD + '[default]\nwieghts = "int8"\n', 5, "wieghts"),
    (HEAD + '[[rule]]\nlayers = "classifier"\n', 5, "nothing follows"),
    (HEAD + '[[rule]]\nlayers = "*"\nweights = "int8"\n[[rule]]\nlayers = "nix"\n'
     'weights = "int8"\n', 8, "matches no layer"),
    ('version = 1\ntarget = "ort-cpuu"\n', 2, "ort-cpu"),
    ('version = 1\nformat = "qqq"\n', 2, "qqq"),
    ("", None, "version"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "named"), WRONG)
def test_what_is_wrong_has_a_line(
    layers: tuple[Layer, ...], text: str, line: int | None, named: str
) -> None:
    """And says what, with the remedy."""
    with pytest.raises(RecipeTextError) as caught:
        check_text(text, layers)
    assert caught.value.line == line
    assert named in str(caught.value)


def test_what_is_right_is_read(layers: tuple[Layer, ...]) -> None:
    """With comments, and with rules that this model knows."""
    recipe = DEFAULT_RECIPE.with_layer("classifier", INT4)
    text = recipe.to_toml().replace("[[rule]]", "# the last one\n[[rule]]")
    assert check_text(text, layers) == recipe
    assert check_text(HEAD + '[[rule]]\nlayers = "nix"\nweights = "int8"\n').rules


def test_parts_are_told_apart() -> None:
    """Head, defaults, rules with patterns and overrides; names of whatever letters."""
    recipe = DEFAULT_RECIPE
    for layers in ("op:Conv", "/a/*", escape("a*b"), escape('quo"te'), escape("back\\slash")):
        recipe = recipe.with_rule(Rule(layers, INT4))
    lines = recipe.to_toml().splitlines()
    parts = parts_of(lines, 0, len(lines))
    assert parts[:5] == ["", "", "", "", "default"]
    rules = [part for part, line in zip(parts, lines, strict=True) if line == "[[rule]]"]
    assert rules == ["rule", "rule", "override", "override", "override"]


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@given(
    st.lists(st.tuples(NAMES, st.booleans()), max_size=5), st.integers(0, 30), st.integers(0, 30)
)
def test_parts_of_a_piece_are_those_of_the_whole(
    rules: list[tuple[str, bool]], first: int, count: int
) -> None:
    """Wherever one begins to look; and each rule is what the recipe takes it for."""
    recipe = Recipe(
        rules=tuple(Rule(escape(name) if exact else f"{name}*", INT4) for name, exact in rules)
    )
    lines = recipe.to_toml().splitlines()
    whole = parts_of(lines, 0, len(lines))
    assert parts_of(lines, first, first + count) == whole[first : first + count]
    heads = [part for part, line in zip(whole, lines, strict=True) if line == "[[rule]]"]
    exact = [rule.exact_name is not None for rule in recipe.rules]
    assert heads == ["override" if each else "rule" for each in exact]


@given(st.lists(st.text(max_size=30), max_size=20), st.integers(0, 25), st.integers(0, 25))
def test_any_text_has_parts(lines: list[str], first: int, count: int) -> None:
    """A part for each line that is there, whatever is typed."""
    assert len(parts_of(lines, first, first + count)) == len(lines[first : first + count])
