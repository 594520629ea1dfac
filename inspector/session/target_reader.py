"""The file form of a hardware profile: TOML, checked to the last key."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from inspector.errors import RecipeError, SpecError
from inspector.quant.spec import DTYPES, LayerSpecs, QuantSpec
from inspector.session.recipe_toml import close_matches, find_line
from inspector.session.target_profile import (
    PRODUCT,
    Accumulator,
    Bias,
    Default,
    Form,
    Operator,
    Pair,
    Target,
)

MAX_BYTES = 256_000
MAX_ENTRIES = 200
"""Entries of a table, and items of a list."""

MAX_TEXT = 1000
"""Characters of a text."""

_T = TypeVar("_T")
_GRANULARITIES = ("tensor", "channel", "block")
_BIAS_DTYPES = ("float", "int8", "int16", "int32", "int64")
_TOP = (
    "title", "description", "unsigned_kernels", "default", "operator", "weights", "activations",
    "pair", "bias", "accumulator",
)  # fmt: skip
_FORM = (
    "dtypes", "granularities", "block_sizes", "output_channels", "symmetric", "power_of_two",
    "operators", "opset", "com_microsoft", "note", "source",
)  # fmt: skip


def read_profile(text: str, name: str, path: Path | None = None) -> Target:
    """Read the text of a profile.

    Args:
        text: TOML.
        name: what the target is called in a recipe.
        path: the file, for errors.

    Raises:
        RecipeError: anything in it is wrong; it names the file, the line and the entry, and says
            what would be right.

    Cost: linear in the text, of which there is little.
    """
    return _Reader(text, name, path).read()


class _Reader:
    def __init__(self, text: str, name: str, path: Path | None) -> None:
        self._text = text
        self._name = name
        self._path = path

    def read(self) -> Target:
        data = self._load()
        top = _Entry(self, data, "", 0)
        top.allow(_TOP)
        return Target(
            name=self._name,
            title=top.text("title", required=True, most=80),
            description=top.text("description", required=True),
            weights=self._entries(data, "weights", _form),
            activations=self._entries(data, "activations", _form),
            operators=self._entries(data, "operator", _operator),
            pairs=self._entries(data, "pair", _pair),
            biases=self._entries(data, "bias", _bias),
            accumulators=self._entries(data, "accumulator", _accumulator),
            default=self._default(data),
            unsigned_kernels=top.flag("unsigned_kernels"),
            path=self._path,
        )

    def error(self, table: str, number: int, key: str, what: str, hint: str) -> RecipeError:
        """An error at a key of a table."""
        line = find_line(self._text, table, number, key)
        place = f", line {line}" if line else ""
        inside = ""
        if table == "default":
            inside = " in [default]"
        elif table:
            inside = f" in [[{table}]] number {number + 1}"
        return RecipeError(f"{self._label()}{place}: {_shown_key(key)}{inside} {what}", hint)

    def _label(self) -> str:
        return str(self._path) if self._path else f"The target profile {self._name}"

    def _load(self) -> dict[str, Any]:
        if len(self._text) > MAX_BYTES:
            raise RecipeError(
                f"{self._label()} is larger than {MAX_BYTES / 1e3:g} kB.",
                "Is it a target profile at all?",
            )
        try:
            return tomllib.loads(self._text)
        except RecursionError as error:
            raise RecipeError(f"{self._label()} is nested too deeply.") from error
        except ValueError as error:  # TOMLDecodeError, and numbers too long for Python
            raise RecipeError(
                f"{self._label()} is not valid TOML: {_short(str(error))}.",
                'A profile has lines such as dtypes = ["int8"].',
            ) from error

    def _entries(
        self, data: Mapping[str, Any], table: str, make: Callable[[_Entry], _T]
    ) -> tuple[_T, ...]:
        found = data.get(table, [])
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            hint = f"Write [[{table}]], with two brackets, on a line of its own above each entry."
            raise self.error("", 0, table, "is not a list of tables.", hint)
        if len(found) > MAX_ENTRIES:
            hint = f"A profile may have {MAX_ENTRIES} of them."
            raise self.error("", 0, table, f"has {len(found)} entries.", hint)
        return tuple(make(_Entry(self, entry, table, at)) for at, entry in enumerate(found))

    def _default(self, data: Mapping[str, Any]) -> Default | None:
        found = data.get("default")
        if found is None:
            return None
        if not isinstance(found, dict):
            hint = 'Write [default] on a line of its own and weights = "int8" below it.'
            raise self.error("", 0, "default", "is not a table.", hint)
        entry = _Entry(self, found, "default", 0)
        entry.allow(("weights", "activations", "source"))
        specs = LayerSpecs(entry.spec("weights"), entry.spec("activations"))
        return Default(specs, entry.source())


class _Entry:
    """One table of the file."""

    def __init__(self, reader: _Reader, data: Mapping[str, Any], table: str, number: int) -> None:
        self._reader = reader
        self._data = data
        self._table = table
        self._number = number

    def error(self, key: str, what: str, hint: str) -> RecipeError:
        return self._reader.error(self._table, self._number, key, what, hint)

    def allow(self, known: tuple[str, ...]) -> None:
        for key in self._data:
            if key not in known:
                hint = close_matches(key, known, "The keys here are")
                raise self.error(key, "is not known.", hint)

    def text(self, key: str, *, required: bool = False, most: int = MAX_TEXT) -> str:
        value = self._data.get(key)
        if value is None and not required:
            return ""
        hint = f'Write a text in quotes, such as {key} = "{_EXAMPLES.get(key, "...")}".'
        if value is None:
            raise self.error(key, "is missing.", hint)
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, f"is {_shown(value)}, not a text.", hint)
        if len(value) > most:
            raise self.error(key, f"has {len(value)} characters.", f"{most} are enough.")
        return " ".join("".join(c if c.isprintable() else " " for c in value).split())

    def source(self) -> str:
        return self.text("source", required=True)

    def flag(self, key: str) -> bool:
        value = self._data.get(key, False)
        if not isinstance(value, bool):
            raise self.error(key, f"is {_shown(value)}, neither true nor false.", "Write true.")
        return value

    def number(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self._data.get(key, default)
        if value is None:
            raise self.error(key, "is missing.", f"Write a number from {low} to {high}.")
        if key in self._data:
            self._check_number(key, value, low, high)
        return int(value)

    def numbers(self, key: str, low: int, high: int) -> tuple[int, ...]:
        found = self._list(key, f"{key} = [{low}]", required=False)
        for value in found:
            self._check_number(key, value, low, high)
        return tuple(found)

    def words(
        self, key: str, known: tuple[str, ...] | None, what: str, *, required: bool = False
    ) -> tuple[str, ...]:
        example = known[0] if known else "Conv"
        found = self._list(key, f'{key} = ["{example}"]', required=required)
        for value in found:
            fine = isinstance(value, str) and (known is None or value in known)
            if not fine or not value.isprintable() or not 0 < len(value) <= 100:
                hint = "Write each in quotes."
                if known is not None and isinstance(value, str):
                    hint = close_matches(value, known, "There are")
                raise self.error(key, f"has {_shown(value)}, which is not {what}.", hint)
        return tuple(dict.fromkeys(found))

    def dtypes(self, key: str, *, floats: bool, required: bool = True) -> tuple[str, ...]:
        known = DTYPES if floats else tuple(dtype for dtype in DTYPES if dtype != "float")
        return self.words(key, known, "a type", required=required)

    def operators(self, key: str = "operators", *, required: bool = False) -> tuple[str, ...]:
        what = f"an operator, such as Conv, or {PRODUCT} for two activations"
        return self.words(key, None, what, required=required)

    def spec(self, key: str) -> QuantSpec:
        text = self.text(key, required=True)
        try:
            return QuantSpec.parse(text)
        except SpecError as error:
            raise self.error(key, f"is wrong: {error.message}", error.hint) from error

    def _check_number(self, key: str, value: object, low: int, high: int) -> None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not isinstance(value, int) or not low <= value <= high:
            hint = f"Write whole numbers from {low} to {high}."
            raise self.error(key, f"has {_shown(value)}.", hint)

    def _list(self, key: str, example: str, *, required: bool) -> list[Any]:
        value = self._data.get(key)
        if value is None and not required:
            return []
        if value is None:
            raise self.error(key, "is missing.", f"Write a list, such as {example}.")
        if not isinstance(value, list):
            raise self.error(key, "is not a list.", f"Write {example}.")
        if not value:
            raise self.error(key, "is empty.", f"Write {example}, or leave it out if it may be.")
        if len(value) > MAX_ENTRIES:
            raise self.error(key, f"has {len(value)} items.", f"It may have {MAX_ENTRIES}.")
        return value


def _form(entry: _Entry) -> Form:
    entry.allow(_FORM)
    form = Form(
        dtypes=entry.dtypes("dtypes", floats=False),
        granularities=entry.words("granularities", _GRANULARITIES, "a granularity", required=True),
        block_sizes=entry.numbers("block_sizes", 1, 1_000_000),
        output_channels=entry.flag("output_channels"),
        symmetric=entry.flag("symmetric"),
        power_of_two=entry.flag("power_of_two"),
        operators=entry.operators(),
        opset=entry.number("opset", 1, 1000, default=0),
        com_microsoft=entry.flag("com_microsoft"),
        note=entry.text("note"),
        source=entry.source(),
    )
    if form.block_sizes and "block" not in form.granularities:
        hint = 'Add "block" to the granularities, or leave the sizes out.'
        raise entry.error("block_sizes", "is given, but no blocks are taken.", hint)
    return form


def _operator(entry: _Entry) -> Operator:
    entry.allow(("names", "ranks", "note", "source"))
    return Operator(
        names=entry.operators("names", required=True),
        ranks=entry.numbers("ranks", 1, 16),
        note=entry.text("note"),
        source=entry.source(),
    )


def _pair(entry: _Entry) -> Pair:
    entry.allow(("weights", "activations", "operators", "note", "source"))
    return Pair(
        weights=entry.dtypes("weights", floats=True),
        activations=entry.dtypes("activations", floats=True),
        operators=entry.operators(),
        note=entry.text("note"),
        source=entry.source(),
    )


def _bias(entry: _Entry) -> Bias:
    entry.allow(("dtypes", "scale", "note", "source"))
    return Bias(
        dtypes=entry.words("dtypes", _BIAS_DTYPES, "a type of a bias", required=True),
        scale=entry.text("scale"),
        note=entry.text("note"),
        source=entry.source(),
    )


def _accumulator(entry: _Entry) -> Accumulator:
    entry.allow(("bits", "operators", "activations", "note", "source"))
    return Accumulator(
        bits=entry.number("bits", 8, 128),
        operators=entry.operators(),
        activations=entry.dtypes("activations", floats=False, required=False),
        note=entry.text("note"),
        source=entry.source(),
    )


_EXAMPLES = {
    "title": "My NPU",
    "description": "The accelerator of my board.",
    "source": "Data sheet of 2024, section 3.2",
    "weights": "int8:channel",
    "activations": "int8:tensor:sym",
}


def _shown(value: object) -> str:
    """A value of the file as an error shows it, on one line and shortened."""
    try:
        return _short(repr(value))
    except (ValueError, RecursionError):  # an integer too long to print, a table too deep
        return f"a {type(value).__name__} too large to show"


def _shown_key(key: str) -> str:
    return _short(key) if key.isidentifier() and key.isascii() else _shown(key)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:77] + "..."
