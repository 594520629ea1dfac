"""Patterns for layers."""

from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.graph.model import Layer
from inspector.session.globs import compile_pattern, escape, nearest_layers

NAMES = st.text(st.characters(codec="utf-8"), max_size=12) | st.text(r"ab*?\[]/:op", max_size=12)


def _layer(name: str, op_type: str = "Conv") -> Layer:
    return Layer(name, op_type, None, None, (), "", None, None)


@given(NAMES, NAMES)
def test_an_escaped_name_matches_that_name_and_no_other(name: str, other: str) -> None:
    """Overrides rest on this."""
    pattern = compile_pattern(escape(name))
    assert pattern.exact_name == name
    assert pattern.matches(_layer(name))
    assert pattern.matches(_layer(other)) == (name == other)


@given(st.text("ab*?", max_size=10), st.text("ab\n", max_size=12))
def test_stars_and_question_marks_match_as_fnmatch_has_them(pattern: str, name: str) -> None:
    """The standard library is the reference where both mean the same."""
    assert compile_pattern(pattern).matches(_layer(name)) == fnmatch.fnmatchcase(name, pattern)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("/features/*", "/features/0/Conv", True),
        ("/features/?/Conv", "/features/10/Conv", False),
        ("dense[0]", "dense[0]", True),
        ("dense[0]", "dense0", False),
        ("dense[*]", "dense[12]", True),
        ("Dense*", "dense", False),
        ("onnx::Conv_*", "onnx::Conv_12", True),
        (r"a\*", "ab", False),
        (r"a\*", "a*", True),
        (r"a\b", r"a\b", True),
        (r"a\\b", r"a\b", True),
        ("a\\", "a\\", True),
        (r"\op:Conv", "op:Conv", True),
        ("op:Conv", "op:Conv", False),
        ("Conv", "/features/0/Conv", False),
        ("*", "", True),
    ],
)
def test_patterns_by_example(pattern: str, name: str, *, matches: bool) -> None:
    """Brackets are literal, backslashes only where they must be."""
    assert compile_pattern(pattern).matches(_layer(name, "Gemm")) is matches


def test_operators_are_matched_by_their_type() -> None:
    """`op:` looks at the operator and at nothing else."""
    assert compile_pattern("op:Conv").matches(_layer("x", "Conv"))
    assert not compile_pattern("op:Conv").matches(_layer("Conv", "ConvTranspose"))
    assert compile_pattern("op:Conv*").matches(_layer("x", "ConvTranspose"))
    assert compile_pattern("op:Conv").exact_name is None


def test_a_row_of_stars_does_not_explode() -> None:
    """A hostile recipe cannot hang the program."""
    started = time.perf_counter()
    assert not compile_pattern("*a" * 30 + "b").matches(_layer("a" * 3000))
    # Backtracking would take longer than the age of the universe.
    assert time.perf_counter() - started < 60


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        ("/feature/0/Conv", "/features/0/Conv"),
        ("/features/0", "/features/0/Conv"),
        ("CLASSIFIER", "classifier"),
        ("op:gemm", "op:Gemm"),
        ("op:Softmax*", "op:Conv"),
        ("nothing like it at all", "/features/0/Conv"),
    ],
)
def test_the_nearest_are_named(pattern: str, first: str, layers: tuple[Layer, ...]) -> None:
    """A wrong pattern is answered with what was probably meant."""
    assert nearest_layers(pattern, layers)[0] == first
