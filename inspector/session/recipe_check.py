"""A recipe as it is being typed: read, checked against a model, wrong at a line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from inspector.errors import RecipeError
from inspector.graph.model import Layer
from inspector.session.globs import compile_pattern
from inspector.session.recipe import Recipe
from inspector.session.recipe_toml import RecipeTextError, close_matches, find_line
from inspector.session.targets import target_names

Part = Literal["", "default", "rule", "override"]
"""Of a recipe's text: the head, the defaults, a rule with a pattern, one for a single layer."""

_HEADER = re.compile(r"""\s*\[\[?\s*["']?([^]"'\s]+)""")
_LAYERS = re.compile(r"""\s*["']?layers["']?\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)')""")


def check_text(text: str, layers: Sequence[Layer] | None = None) -> Recipe:
    """Read the text of a recipe and make sure that it can be carried out.

    Args:
        text: TOML.
        layers: of the model; None where no model is open.

    Raises:
        RecipeTextError: anything is wrong; the line is known but for what concerns the whole text.

    Cost: linear in the text, some 1 s for 1 MB; to be run beside the window.
    """
    recipe = Recipe.parse(text)
    if recipe.target not in target_names():
        hint = close_matches(recipe.target, target_names(), "The targets are")
        raise RecipeTextError(
            f"There is no target {recipe.target!r}.", hint, find_line(text, "", 0, "target")
        )
    if layers is not None:
        _check_rules(recipe, text, layers)
    return recipe


def _check_rules(recipe: Recipe, text: str, layers: Sequence[Layer]) -> None:
    wrong = recipe.unmatched(layers)
    if not wrong:
        return
    number = recipe.rules.index(wrong[0])
    line = find_line(text, "rule", number, "layers")
    try:
        recipe.check_rules(layers)
    except RecipeError as error:
        where = f"Line {line}: " if line else ""
        raise RecipeTextError(where + error.message, error.hint, line) from error


def parts_of(lines: Sequence[str], first: int, last: int) -> list[Part]:
    """What each of some lines belongs to.

    Args:
        lines: of the text.
        first: the first that is asked for, from 0.
        last: the one after the last.

    Returns:
        The part of each of the lines `first` to `last`; empty lines belong to what they follow.

    Cost: linear in the lines asked for, and those back to the last header above them.
    """
    start = first
    while start > 0 and (start >= len(lines) or not _HEADER.match(lines[start])):
        start -= 1
    found: list[Part] = []
    part: Part = ""
    for number in range(start, min(last, len(lines))):
        header = _HEADER.match(lines[number])
        if header:
            part = _part(lines, number, header[1])
        found.append(part)
    return found[first - start :]


def _part(lines: Sequence[str], at: int, table: str) -> Part:
    if table == "default":
        return "default"
    if table != "rule":
        return ""
    for line in lines[at + 1 : at + 20]:
        if _HEADER.match(line):
            break
        if found := _LAYERS.match(line):
            name = found[2] if found[1] is None else _unescaped(found[1])
            return "rule" if compile_pattern(name).exact_name is None else "override"
    return "rule"


def _unescaped(written: str) -> str:
    """What stands between double quotes; of the escapes only those that names have."""
    return written.replace('\\"', '"').replace("\\\\", "\\")
