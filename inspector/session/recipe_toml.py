"""The file form of a recipe: TOML, checked to the last key, written the same way each time."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from inspector.errors import DataError, RecipeError, SpecError
from inspector.graph.preparations import NO_SKIP, PREPARATIONS, in_order
from inspector.quant.pin import PinnedTensor, Pins, as_pins
from inspector.quant.recover import Recover
from inspector.quant.spec import QuantSpec
from inspector.session.formats import FORMATS
from inspector.session.pin_text import KEYS, grid_lines, read_entry
from inspector.session.rules import Rule
from inspector.session.toml_text import quote

VERSION = 1
MAX_BYTES = 64_000_000
"""Grids that are given per block take some bytes for each."""
_TOP_KEYS = (
    "version",
    "target",
    "format",
    "matmul_nbits",
    "integer_io",
    "skip",
    "default",
    "rule",
    "grid",
)
_RULE_KEYS = ("layers", "weights", "activations", "recover")
_DEFAULT_KEYS = ("weights", "activations", "recover")
_EXAMPLES: dict[str, str] = {
    "weights": "int8:channel:minmax",
    "activations": "uint8:tensor:mse",
    "recover": "bias",
    "target": "ort-cpu",
    "format": "qdq",
}


class RecipeTextError(RecipeError):
    """The text of a recipe is wrong at a place.

    Args:
        message: what is wrong, naming the source, the line and the key.
        hint: what would be right.
        line: the line, from 1, or None where it is not known.
    """

    def __init__(self, message: str, hint: str = "", line: int | None = None) -> None:
        """See the class."""
        super().__init__(message, hint)
        self.line = line


@dataclass(frozen=True, slots=True)
class RecipeFields:
    """What the text of a recipe says; None or False where it says nothing."""

    target: str | None
    format: str | None
    weights: QuantSpec | None
    activations: QuantSpec | None
    recover: Recover | None
    rules: tuple[Rule, ...]
    matmul_nbits: bool = False
    integer_io: bool = False
    skip: frozenset[str] = NO_SKIP
    pins: Pins | None = None


def read_toml(text: str, source: str = "") -> RecipeFields:
    """Read the text of a recipe.

    Args:
        text: TOML.
        source: what to call it in an error: its path, or "" for "the recipe".

    Raises:
        RecipeTextError: anything in it is wrong; it names the source, the line, the key and the
            remedy.
    """
    return _Reader(text, source).read()


def write_toml(fields: RecipeFields) -> str:
    """The text of a recipe; `read_toml` gives the same fields back."""
    lines = [f"version = {VERSION}"]
    lines += _entries(("target", fields.target), ("format", fields.format))
    lines += ["matmul_nbits = true"] if fields.matmul_nbits else []
    lines += ["integer_io = true"] if fields.integer_io else []
    if fields.skip:
        lines.append(f"skip = [{', '.join(map(quote, in_order(fields.skip)))}]")
    specs = _entries(
        ("weights", fields.weights),
        ("activations", fields.activations),
        ("recover", fields.recover),
    )
    if specs:
        lines += ["", "[default]", *specs]
    for rule in fields.rules:
        lines += ["", "[[rule]]"]
        lines += _entries(
            ("layers", rule.layers),
            ("weights", rule.weights),
            ("activations", rule.activations),
            ("recover", rule.recover),
        )
    if fields.pins is not None:
        lines += grid_lines(fields.pins)
    return "\n".join(lines) + "\n"


def close_matches(wrong: str, right: Iterable[str], what: str) -> str:
    """A hint that names what was probably meant, or else everything there is."""
    choices = list(right)
    near = difflib.get_close_matches(wrong, choices, n=2, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(repr(choice) for choice in near)}?"
    return f"{what}: {', '.join(choices)}."


@dataclass(frozen=True, slots=True)
class _Place:
    """A table of the file: "" for the top, "default", or "rule" and "grid" with a number from 0."""

    table: str = ""
    number: int = 0

    @property
    def label(self) -> str:
        if self.table in {"rule", "grid"}:
            return f"[[{self.table}]] number {self.number + 1}"
        return f"[{self.table}]" if self.table else ""


class _Reader:
    """Reads one text; knows where it is, so that errors can say it."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source or "The recipe"

    def read(self) -> RecipeFields:
        data = self._load()
        # The version first: a later version may well have other keys.
        self._check_version(data)
        top = _Place()
        self._check_keys(data, _TOP_KEYS, top)
        default = self._default(data)
        target, form = (self._string(data, key, top) for key in ("target", "format"))
        if target == "":
            raise self._error(top, "target", "is empty.", "Name a target, such as 'ort-cpu'.")
        if form is not None and form not in FORMATS:
            hint = close_matches(form, FORMATS, "The formats are")
            raise self._error(top, "format", f"is {_shown(form)}, which is not a format.", hint)
        return RecipeFields(
            target=target,
            format=form,
            weights=self._spec(default, "weights", _Place("default")),
            activations=self._spec(default, "activations", _Place("default")),
            recover=self._recover(default, _Place("default")),
            rules=self._rules(data),
            matmul_nbits=self._flag(data, "matmul_nbits"),
            integer_io=self._flag(data, "integer_io"),
            skip=self._skip(data),
            pins=self._pins(data),
        )

    def _load(self) -> dict[str, Any]:
        # UTF-8 needs at least a byte a character, so this never lets too much through.
        if len(self._text) > MAX_BYTES:
            raise RecipeTextError(
                f"{self._source} is larger than {MAX_BYTES / 1e6:g} MB.", "Is it a recipe at all?"
            )
        try:
            return tomllib.loads(self._text)
        except RecursionError as error:
            raise RecipeTextError(f"{self._source} is nested too deeply.") from error
        except ValueError as error:  # TOMLDecodeError, and numbers too long for Python
            found = re.search(r"at line (\d+)", str(error))
            at_end = self._text.count("\n") + 1 if "end of document" in str(error) else None
            line = int(found[1]) if found else at_end
            raise RecipeTextError(
                f"{self._source} is not valid TOML: {error}.",
                'A recipe has lines such as weights = "int8:channel".',
                line,
            ) from error

    def _check_version(self, data: Mapping[str, Any]) -> None:
        top = _Place()
        if "version" not in data:
            hint = f"Write version = {VERSION} in its first line."
            raise RecipeTextError(f"{self._source} has no version.", hint)
        version = data["version"]
        if isinstance(version, bool) or not isinstance(version, int):
            raise self._error(
                top, "version", f"is {_shown(version)}, not an integer.", f"Write {VERSION}."
            )
        if version > VERSION:
            raise self._error(
                top,
                "version",
                f"is {_shown(version)}; this program reads version {VERSION}.",
                "Update Quant Inspector to read it.",
            )
        if version != VERSION:
            raise self._error(
                top, "version", f"is {_shown(version)}, which never was.", f"Write {VERSION}."
            )

    def _default(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        default = data.get("default", {})
        if not isinstance(default, dict):
            hint = 'Write [default] on a line of its own and weights = "int8" below it.'
            raise self._error(_Place(), "default", f"is {_shown(default)}, not a table.", hint)
        self._check_keys(default, _DEFAULT_KEYS, _Place("default"))
        return default

    def _rules(self, data: Mapping[str, Any]) -> tuple[Rule, ...]:
        rules = data.get("rule", [])
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            hint = "Write [[rule]], with two brackets, on a line of its own above each rule."
            raise self._error(_Place(), "rule", "is not a list of tables.", hint)
        return tuple(self._rule(rule, _Place("rule", number)) for number, rule in enumerate(rules))

    def _rule(self, data: Mapping[str, Any], place: _Place) -> Rule:
        self._check_keys(data, _RULE_KEYS, place)
        layers = self._string(data, "layers", place)
        if not layers or layers == "op:":
            what = "is missing." if layers is None else "is empty."
            hint = 'Write a pattern for layer names such as "/features/*", or "op:Conv".'
            raise self._error(place, "layers", what, hint)
        weights = self._spec(data, "weights", place)
        activations = self._spec(data, "activations", place)
        rule = Rule(layers, weights, activations, self._recover(data, place))
        if rule.is_empty:
            hint = "Give it weights, activations or both."
            raise self._error(place, "layers", f"is {_shown(layers)}, but nothing follows.", hint)
        return rule

    def _pins(self, data: Mapping[str, Any]) -> Pins | None:
        grids = data.get("grid", [])
        if not isinstance(grids, list) or not all(isinstance(one, dict) for one in grids):
            hint = "Write [[grid]], with two brackets, on a line of its own above each grid."
            raise self._error(_Place(), "grid", "is not a list of tables.", hint)
        return as_pins(self._grid(one, _Place("grid", number)) for number, one in enumerate(grids))

    def _grid(self, data: Mapping[str, Any], place: _Place) -> PinnedTensor:
        self._check_keys(data, KEYS, place)
        try:
            return read_entry(data)
        except DataError as error:
            key, _, what = error.message.partition(": ")
            raise self._error(place, key, f"is wrong: {what}", error.hint) from error

    def _spec(self, data: Mapping[str, Any], key: str, place: _Place) -> QuantSpec | None:
        text = self._string(data, key, place)
        if text is None:
            return None
        try:
            return QuantSpec.parse(text)
        except SpecError as error:
            raise self._error(place, key, f"is wrong: {error.message}", error.hint) from error

    def _recover(self, data: Mapping[str, Any], place: _Place) -> Recover | None:
        text = self._string(data, "recover", place)
        try:
            return None if text is None else Recover.parse(text)
        except RecipeError as error:
            raise self._error(place, "recover", f"is wrong: {error.message}", error.hint) from error

    def _string(self, data: Mapping[str, Any], key: str, place: _Place) -> str | None:
        value = data.get(key)
        if value is None or isinstance(value, str):
            return value
        hint = f'Write a text in quotes, such as {key} = "{_EXAMPLES.get(key, "*")}".'
        raise self._error(place, key, f"is {_shown(value)}, not a text.", hint)

    def _flag(self, data: Mapping[str, Any], key: str) -> bool:
        value = data.get(key, False)
        if not isinstance(value, bool):
            hint = f"Write {key} = true, or leave it out."
            raise self._error(_Place(), key, f"is {_shown(value)}, not true or false.", hint)
        return value

    def _skip(self, data: Mapping[str, Any]) -> frozenset[str]:
        value = data.get("skip", [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            hint = 'Write a list of passes, such as skip = ["fold_pad"].'
            raise self._error(_Place(), "skip", f"is {_shown(value)}, not a list of texts.", hint)
        for name in value:
            if name not in PREPARATIONS:
                hint = close_matches(name, PREPARATIONS, "The passes are")
                what = f"has {_shown(name)}, which is not a pass that can be left out."
                raise self._error(_Place(), "skip", what, hint)
        return frozenset(value)

    def _check_keys(self, data: Mapping[str, Any], known: tuple[str, ...], place: _Place) -> None:
        for key in data:
            if key not in known:
                where = f"{place.label} may have" if place.label else "A recipe may have"
                hint = close_matches(key, known, where)
                raise self._error(place, key, "is not a key of a recipe.", hint)

    def _error(self, place: _Place, key: str, what: str, hint: str) -> RecipeTextError:
        line = find_line(self._text, place.table, place.number, key)
        where = f", line {line}" if line else ""
        table = f" in {place.label}" if place.label else ""
        return RecipeTextError(
            f"{self._source}{where}: {_shown_key(key)}{table} {what}", hint, line
        )


def find_line(text: str, table: str, number: int, key: str) -> int | None:
    """The line, from 1, where a key of a table is set; that of the table if the key is not there.

    Args:
        text: the recipe.
        table: "" for the keys at the top, "default" or "rule".
        number: which of the tables of that name, from 0.
        key: the key.

    Returns:
        None where a simple search by lines does not find it, as in inline tables.
    """
    name = re.escape(key)
    wanted = re.compile(rf"""\s*(?:{name}|"{name}"|'{name}')\s*[=.]""")
    current, counts, table_line = "", {"": 0}, None
    for at, line in enumerate(text.split("\n"), start=1):
        header = re.match(r"""\s*\[\[?\s*["']?([^]"'\s]+)["']?\s*\]""", line)
        if header:
            current = header[1]
            counts[current] = counts.get(current, -1) + 1
            if not table and current == key:
                return at
        here = current == table and counts[current] == number
        if here and header:
            table_line = at
        if here and wanted.match(line):
            return at
    return table_line


def _entries(*pairs: tuple[str, object]) -> list[str]:
    return [f"{key} = {quote(str(value))}" for key, value in pairs if value is not None]


def _shown(value: object) -> str:
    """A value from the file as an error shows it, shortened."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer too long to print, a table too deep
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= 60 else text[:57] + "..."


def _shown_key(key: str) -> str:
    return key if key.isprintable() and len(key) <= 60 else _shown(key)
