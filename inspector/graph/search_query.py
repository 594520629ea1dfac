"""The language of a search: from the text that was typed to what must be true of a node.

See :mod:`inspector.graph.search` for the grammar.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast

from inspector.errors import InspectorError
from inspector.graph.search_numbers import QUANTITIES, example, parse_amount, quantity

Field = Literal["any", "name", "op", "tensor", "dtype", "shape", "spec", "attr"]
Relation = Literal["<", "<=", ">", ">=", "="]
State = Literal["layer", "float", "quantized", "constant"]

MOST_TERMS: Final = 12
STATES: Final[tuple[State, ...]] = ("layer", "float", "quantized", "constant")
HELP: Final = (
    ("conv layer1", "both words, wherever they are"),
    ('"a b"', "with its space; * and ? as they are"),
    ("-relu", "without it in name, operator or spec"),
    ("op:Conv*  name:*/fc", "one field; also tensor: dtype: spec:"),
    ("op=Conv", "the whole field, not part of it"),
    ("shape:64x3x?x?", "? is any size, * any run of sizes"),
    ("attr:group=32", "an attribute and its value"),
    ("sqnr<20  asqnr<30", "SQNR in dB of weights, of activations"),
    ("params>1M  macs>=1G", "with < <= > >= ="),
    ("size>2MB  bits<=4", "also osqnr error inputs outputs"),
    ("is:layer", "also is:float is:quantized is:constant"),
)
"""Examples and what they mean, for people."""

_FIELD = re.compile(r"(name|op|tensor|dtype|shape|spec|attr|is)([:=])", re.IGNORECASE)
_COMPARED = re.compile(r"([^\W\d]\w*)(\s*)(<=|>=|==|!=|[<>=≤≥])\s*(\S*)")
_TURNED = re.compile(r"[-+]?[\d.]\w*\s*[<>≤≥]=?\s*([^\W\d]\w*)")
_QUOTED = re.compile(r'"([^"]*)"?')
_WILDCARDS = re.compile(r"[*?]+")
_BARE = re.compile(r"\S+")
_RELATIONS: Final = {"==": "=", "≤": "<=", "≥": ">="}


class QueryError(InspectorError):
    """The text of a search is wrong.

    Args:
        message: what is wrong.
        hint: what would be right.
        position: where in the text it begins.
        length: how much of the text it is about; 0 where something is missing.
        unfinished: it may become right when more is typed.
    """

    def __init__(
        self, message: str, hint: str, position: int, length: int, *, unfinished: bool = False
    ) -> None:
        super().__init__(message, hint)
        self.position = position
        self.length = length
        self.unfinished = unfinished


@dataclass(frozen=True, slots=True)
class Words:
    """A text that must be found.

    Attributes:
        field: where.
        text: case-folded; with wildcards unless it was quoted.
        literal: a * or ? stands for itself.
        whole: it is all of the field, not a part of it.
        excluded: it must not be found.
    """

    field: Field
    text: str
    literal: bool = False
    whole: bool = False
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """A figure that must lie on one side of a number.

    Attributes:
        quantity: the figure's name.
        relation: how it compares with the number.
        value: the number, in the quantity's unit.
        tolerance: how far from it is still equal.
        excluded: it must not lie there (or not be known).
    """

    quantity: str
    relation: Relation
    value: float
    tolerance: float = 0.0
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Is:
    """What a node or tensor must be, or (excluded) must not be."""

    state: State
    excluded: bool = False


Term: TypeAlias = Words | Comparison | Is


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: all terms must hold. Without terms nothing is looked for."""

    terms: tuple[Term, ...] = ()

    @property
    def needles(self) -> tuple[str, ...]:
        """Case-folded texts that the names of the best matches hold, for lighting them up."""
        found = (
            (term.text,) if term.literal else _WILDCARDS.split(term.text)
            for term in self.terms
            if isinstance(term, Words) and term.field in ("any", "name") and not term.excluded
        )
        return tuple(dict.fromkeys(part for parts in found for part in parts if part))

    @property
    def quantities(self) -> tuple[str, ...]:
        """The figures that it compares."""
        names = (term.quantity for term in self.terms if isinstance(term, Comparison))
        return tuple(dict.fromkeys(names))


def parse(text: str, quantities: Collection[str] = ()) -> Query:
    """Read a search.

    Args:
        text: as it was typed.
        quantities: names of figures that are known besides QUANTITIES.

    Raises:
        QueryError: if a figure is not known, a number is none, something is missing, or there are
            more than MOST_TERMS terms.
    """
    known = {*QUANTITIES, *(name.lower() for name in quantities)}
    terms: list[Term] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        start = position
        excluded = text[position] == "-"
        position += excluded
        term, position = _term(text, start, position, known, excluded=excluded)
        if term is not None:
            terms.append(term)
        if len(terms) > MOST_TERMS:
            raise QueryError(
                f"A search has at most {MOST_TERMS} words.",
                "Put a text with spaces in quotes.",
                start,
                len(text) - start,
            )
    return Query(tuple(terms))


def _term(
    text: str, start: int, position: int, known: set[str], *, excluded: bool
) -> tuple[Term | None, int]:
    """The term at a position (behind its minus sign), and where the text goes on."""
    field = _FIELD.match(text, position)
    if field is not None:
        return _field_term(text, start, field, excluded=excluded)
    if _QUOTED.match(text, position) is None:
        compared = _COMPARED.match(text, position)
        if compared is not None and (compared[1].lower() in known or not compared[2]):
            return _comparison(compared, known, excluded=excluded), compared.end()
        turned = _TURNED.match(text, position)
        if turned is not None and turned[1].lower() in known:
            raise QueryError(
                "The number stands before the figure.",
                f"Write {example(quantity(turned[1].lower()))}.",
                turned.start(),
                turned.end() - turned.start(),
            )
    value, literal, position = _value(text, position)
    if not value:
        return None, position
    return Words("any", value.casefold(), literal=literal, excluded=excluded), position


def _value(text: str, position: int) -> tuple[str, bool, int]:
    """A quoted or bare text, whether it was quoted, and where it ends."""
    quoted = _QUOTED.match(text, position)
    if quoted is not None:
        return quoted[1], True, quoted.end()
    bare = _BARE.match(text, position)
    return (bare[0], False, bare.end()) if bare is not None else ("", False, position)


def _field_term(text: str, start: int, field: re.Match[str], *, excluded: bool) -> tuple[Term, int]:
    name = field[1].lower()
    value, literal, end = _value(text, field.end())
    if name == "is":
        return _is(value, field, excluded=excluded), end
    if not value:
        raise QueryError(
            f"Nothing stands after {field[0]}",
            f"Write for example {_FIELD_EXAMPLES[name]}.",
            start,
            end - start,
            unfinished=True,
        )
    words = Words(cast(Field, name), value.casefold(), literal, field[2] == "=", excluded)
    return words, end


_FIELD_EXAMPLES: Final = {
    "name": "name:*/fc",
    "op": "op:Conv",
    "tensor": "tensor:weight",
    "dtype": "dtype:int8",
    "shape": "shape:1x64x?x?",
    "spec": "spec:int4",
    "attr": "attr:group=32",
}


def _is(value: str, field: re.Match[str], *, excluded: bool) -> Is:
    wanted = value.casefold()
    for state in STATES:
        if state == wanted:
            return Is(state, excluded)
    choices = ", ".join(f"is:{state}" for state in STATES)
    raise QueryError(
        f"is:{_short(value)} is not known." if value else "Nothing stands after is:",
        f"Known are {choices}.",
        field.start(),
        len(field[0]) + len(value),
        unfinished=any(state.startswith(wanted) for state in STATES),
    )


def _comparison(found: re.Match[str], known: set[str], *, excluded: bool) -> Comparison:
    name, sign, text = found[1].lower(), found[3], found[4]
    if name not in known:
        raise QueryError(
            f"No figure is called {_short(found[1])}.",
            f"Known are {', '.join(sorted(known))}. To look for this text put it in quotes.",
            found.start(1),
            len(found[1]),
        )
    kind = quantity(name)
    if sign == "!=":
        raise QueryError(
            "!= is not known.", f"Write -{name}={text or 4}.", found.start(3), len(sign)
        )
    amount = parse_amount(text, kind)
    if amount is None:
        raise QueryError(
            f"{_short(text)} is not a number."
            if text
            else f"A number is missing after {name}{sign}",
            f"Write for example {example(kind)}.",
            found.start(4),
            len(text),
            unfinished=text in ("", "-", "+", ".", "−"),
        )
    relation = cast(Relation, _RELATIONS.get(sign, sign))
    return Comparison(name, relation, amount.value, amount.tolerance, excluded)


def _short(text: str) -> str:
    """A text in quotes, cut where it is longer than a message can hold."""
    return f"“{text if len(text) <= 24 else text[:23] + '…'}”"
