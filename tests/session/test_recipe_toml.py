"""Wrong recipes, each told with its line, its key and what would be right."""

from __future__ import annotations

import contextlib
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import RecipeError
from inspector.session.recipe import Recipe
from inspector.session.recipe_toml import MAX_BYTES, RecipeTextError, find_line
from inspector.session.toml_text import quote

V = "version = 1\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        # Recovery
        (V + '[default]\nrecover = "bais"\n', 3, "no recovery method 'bais'"),
        (V + '[[rule]]\nlayers = "*"\nrecover = 1\n', 4, "not a text"),
        # TOML itself
        ("version = ", 1, "not valid TOML"),
        (V + "[default\n", 2, "not valid TOML"),
        (V + "[default]\nweights = int8\n", 3, "not valid TOML"),
        (V + "version = 1\n", 2, "not valid TOML"),
        (V + '[[rule]]\nlayers = "a\n', 3, "not valid TOML"),
        (V + "a = " + "[" * 5000, None, "nested too deeply"),
        (V + "a = " + "9" * 5000, None, "not valid TOML"),
        # the version
        ("", None, "no version.*version = 1"),
        ('target = "ort-cpu"\n', None, "no version"),
        ('version = "1"\n', 1, "version is '1', not an integer"),
        ("version = 1.0\n", 1, "version is 1.0, not an integer"),
        ("version = true\n", 1, "version is True, not an integer"),
        ("\nversion = 2\nfuture = 1", 2, "reads version 1.*Update Quant Inspector"),
        ("version = 0\n", 1, "never was"),
        ("version = -1\n", 1, "never was"),
        ("version = 0x" + "f" * 9000, 1, "too large to show"),
        # keys
        (V + "formt = 'qdq'\n", 2, "formt is not a key.*'format'"),
        (V + "rules = []\n", 2, "rules is not a key.*'rule'"),
        (
            V + "zzz = 1\n",
            2,
            "zzz is not a key.*version, target, format, matmul_nbits",
        ),
        (V + "[defaults]\n", 2, "defaults is not a key.*'default'"),
        (V + "[default]\n\nweigths = 'int8'\n", 4, r"weigths in \[default\].*'weights'"),
        (V + "[default]\nlayers = '*'\n", 3, r"layers in \[default\] is not a key"),
        (V + "[default.weights]\ndtype = 'int8'\n", None, "weights.*not a text"),
        (V + "[[rule]]\nlayers='*'\nweights='int8'\nbits=3\n", 5, r"bits in \[\[rule\]\] number 1"),
        # types
        (V + "target = 3\n", 2, 'target is 3, not a text.*target = "ort-cpu"'),
        (V + "target = ''\n", 2, "target is empty"),
        (V + "format = ['qdq']\n", 2, "format is .*not a text"),
        (V + "default = 'int8'\n", 2, "default is 'int8', not a table"),
        (V + "rule = 'a'\n", 2, "rule is not a list of tables"),
        (V + "rule = ['a']\n", 2, "rule is not a list of tables"),
        (V + "[rule]\nlayers = '*'\n", 2, "rule is not a list of tables.*two brackets"),
        (V + "[default]\nweights = 8\n", 3, r"weights in \[default\] is 8, not a text"),
        (V + "[[rule]]\nlayers = ['a', 'b']\nweights = 'int8'\n", 3, "layers.*not a text"),
        (V + "[[rule]]\nlayers = 'a'\nweights = 1979-05-27\n", 4, "weights.*not a text"),
        # values
        (V + "format = 'QDQ'\n", 2, "format is 'QDQ', which is not a format.*qdq"),
        (V + "format = 'q-operator'\n", 2, "Did you mean 'qoperator'"),
        (
            V + "[default]\nweights = 'int88'\n",
            3,
            r"line 3: weights in \[default\] is wrong.*int88",
        ),
        (V + "[default]\nactivations = ''\n", 3, "activations.*is wrong"),
        (V + "[default]\nactivations = 'uint8:percentile101'\n", 3, "activations.*percentile"),
        (V + "[default]\nweights = 'int8:blok32'\n", 3, "weights.*blok32"),
        (V + "[default]\nweights = 'float:tensor'\n", 3, "weights.*float"),
        (V + "[default]\nweights = 'int8:sym:asym'\n", 3, "weights.*asym"),
        # rules
        (V + "[[rule]]\nweights = 'int8'\n", 2, r"layers in \[\[rule\]\] number 1 is missing"),
        (V + "[[rule]]\nlayers = ''\nweights = 'int8'\n", 3, "layers.*is empty"),
        (V + "[[rule]]\nlayers = 'op:'\nweights = 'int8'\n", 3, "layers.*is empty"),
        (V + "[[rule]]\nlayers = 'a'\n", 3, "nothing follows"),
        (V + "[[rule]]\n", 2, "layers.*is missing"),
        (
            V + "[[rule]]\nlayers='a'\nweights='int8'\n[[rule]]\nlayers='b'\nweights='i'\n",
            7,
            r"line 7: weights in \[\[rule\]\] number 2",
        ),
        (V + "rule = [{layers = 'a', weights = 'i'}]\n", None, "weights in .*is wrong"),
    ],
)
def test_wrong_recipes(text: str, line: int | None, message: str) -> None:
    """Each error names the source, the line where it is known, and what is wrong."""
    with pytest.raises(RecipeTextError, match="(?s)" + message) as caught:
        Recipe.parse(text, "my.toml")
    error = caught.value
    assert error.message.startswith("my.toml")
    assert error.line == line
    if line and "TOML" not in error.message:
        assert f"my.toml, line {line}: " in error.message
    assert "\n" not in str(error)


def test_without_a_source_it_is_the_recipe() -> None:
    """Text typed into the window has no path."""
    with pytest.raises(RecipeTextError, match=r"^The recipe, line 2: zzz is not a key"):
        Recipe.parse(V + "zzz = 1")


def test_too_large_a_text_is_not_parsed() -> None:
    """The limit holds for text as for files."""
    with pytest.raises(RecipeTextError, match="larger than 64 MB"):
        Recipe.parse("#" * (MAX_BYTES + 1))


@given(st.text(st.characters(codec="utf-8"), max_size=60))
@settings(deadline=None)
def test_any_text_is_a_recipe_or_a_recipe_error(text: str) -> None:
    """No other exception, whatever the text."""
    for candidate in (text, V + text, V + "[default]\nweights = " + quote(text)):
        with contextlib.suppress(RecipeError):
            recipe = Recipe.parse(candidate)
            assert Recipe.parse(recipe.to_toml()) == recipe


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(["target", "format", "default", "rule", "other"]), JSONISH)
@settings(deadline=None)
def test_any_value_for_any_key_is_told(key: str, value: object) -> None:
    """Whatever the type, with its line."""
    text = f"{V}{key} = {_toml(value)}\n"
    # An empty array is a recipe without rules, and any text may turn out to name a target.
    if (key, value) == ("rule", []) or (key == "target" and isinstance(value, str) and value):
        assert Recipe.parse(text).rules == ()
        return
    with pytest.raises(RecipeTextError) as caught:
        Recipe.parse(text)
    assert caught.value.line == 2
    assert key in caught.value.message


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_quoted_texts_are_toml(text: str) -> None:
    """By the standard library, on one line."""
    assert tomllib.loads("a = " + quote(text)) == {"a": text}
    assert "\n" not in quote(text)


def test_a_line_is_found_or_not() -> None:
    """By a simple search, so None is an answer."""
    text = 'a = 1\n[default] # x\n"weights" = 2\n[[rule]]\nb=1\n[[ rule ]]\n  layers.x = 3\n'
    assert find_line(text, "", 0, "a") == 1
    assert find_line(text, "", 0, "default") == 2
    assert find_line(text, "default", 0, "weights") == 3
    assert find_line(text, "default", 0, "gone") == 2
    assert find_line(text, "rule", 1, "layers") == 7
    assert find_line(text, "rule", 2, "layers") is None
    assert find_line(text, "", 0, "zzz") is None


def _toml(value: object) -> str:
    if value is None:
        return "1979-05-27"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return quote(value) if isinstance(value, str) else str(value)
