"""What one term of a query says of every item of a graph: whether it fits, how well, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inspector.graph.search_figures import Figures, compare, quantized, values, with_specs
from inspector.graph.search_numbers import amount_text, quantity
from inspector.graph.search_query import Comparison, Field, Is, Term, Words
from inspector.graph.search_table import Table, attribute_text, shape_text
from inspector.graph.search_text import Mask, Pattern, ShapePattern

Ranks = NDArray[np.int16]
EXACT, START, LAST, PART, OPERATOR, OWN, TENSOR, OTHER = range(8)
"""How well a text fits, best first: the whole name, its beginning, the last part of its path, any
part of it; the operator; the name of a constant or input; a node's tensor; the rest."""
NOT: Final = 1_000
"""The rank of what does not fit."""

_EVERYWHERE: Final[tuple[Field, ...]] = ("name", "op", "tensor", "dtype", "shape", "spec")
_ITSELF: Final[tuple[Field, ...]] = ("name", "op", "spec")


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """A term over all items.

    Attributes:
        ranks: (items,) how well each fits; NOT where it does not.
        reason: of an item that fits: why, or "" where its name says it.
        excluded: items that fit are not wanted.
    """

    ranks: Ranks
    reason: Callable[[int], str]
    excluded: bool


def check(table: Table, figures: Figures, term: Term) -> Check:
    """Look at all items. O(nodes + tensors)."""
    match term:
        case Comparison():
            numbers = values(table, figures, term.quantity)
            kind = quantity(term.quantity)
            return Check(
                _ranks(compare(numbers, term), EXACT),
                lambda item: amount_text(float(numbers[item]), kind),
                term.excluded,
            )
        case Is():
            return Check(
                _ranks(_states(table, figures, term), EXACT),
                lambda item: _state_reason(table, figures, term, item),
                term.excluded,
            )
        case Words():
            word = _Word(table, figures, term)
            return Check(word.ranks(), word.reason, term.excluded)


def _ranks(mask: Mask, rank: int) -> Ranks:
    return np.where(mask, np.int16(rank), np.int16(NOT))


def _states(table: Table, figures: Figures, term: Is) -> Mask:
    found = np.zeros(table.items, dtype=np.bool_)
    if term.state == "quantized":
        return quantized(table, figures)
    if term.state == "constant":
        found[: table.nodes] = [node.op_type == "Constant" for node in table.graph.nodes]
        found[table.nodes :] = [table.tensors[number].constant for number in table.own]
        return found
    layers = [layer.name for layer in table.graph.layers]
    for name in layers if term.state == "layer" else (*layers, *figures.specs):
        if name in table.place:
            found[table.place[name]] = True
    return found if term.state == "layer" else found & ~quantized(table, figures)


def _state_reason(table: Table, figures: Figures, term: Is, item: int) -> str:
    node = table.node(item)
    if term.state == "quantized" and node is not None:
        return f"spec {' / '.join(dict.fromkeys(figures.specs.get(node.name, ())))}"
    return "left in float" if term.state == "float" else ""


class _Word:
    """A text that is looked for in one field or in those that a plain word means."""

    def __init__(self, table: Table, figures: Figures, words: Words) -> None:
        self._table = table
        self._figures = figures
        literal, whole = words.literal, words.whole
        self._pattern = Pattern(
            words.text, literal=literal, whole=whole, loose=words.field == "any"
        )
        self._shape = ShapePattern(words.text, literal=literal, whole=whole)
        look: dict[Field, tuple[Callable[[], Ranks], Callable[[int], str | None]]] = {
            "name": (self._in_names, self._name_reason),
            "op": (self._in_ops, self._op_reason),
            "tensor": (self._in_tensors, self._tensor_reason),
            "dtype": (self._in_dtypes, self._dtype_reason),
            "shape": (self._in_shapes, self._shape_reason),
            "spec": (self._in_specs, self._spec_reason),
            "attr": (self._in_attributes, self._attribute_reason),
        }
        # What is not wanted is meant itself: not what reads its tensors.
        plain = _ITSELF if words.excluded else _EVERYWHERE
        fields = plain if words.field == "any" else (words.field,)
        self._look = [look[field] for field in fields]

    def ranks(self) -> Ranks:
        """How well each item fits in the field where it fits best."""
        found = [ranks() for ranks, _ in self._look]
        return found[0] if len(found) == 1 else np.minimum.reduce(found)

    def reason(self, item: int) -> str:
        """Where the text was found, in the best field."""
        for _, reason in self._look:
            text = reason(item)
            if text is not None:
                return text
        return ""

    def _in_names(self) -> Ranks:
        table, pattern = self._table, self._pattern
        own = _name_ranks(pattern, table.own_names)
        own[(own > EXACT) & (own < NOT)] = OWN
        return np.concatenate((_name_ranks(pattern, table.names), own))

    def _in_ops(self) -> Ranks:
        found = np.zeros(self._table.items, dtype=np.bool_)
        found[: self._table.nodes] = _taken(self._pattern.mask(self._table.ops), self._table.op_of)
        return _ranks(found, OPERATOR)

    def _in_tensors(self) -> Ranks:
        mask = self._pattern.mask(self._table.tensor_names)
        ranks = _ranks(self._table.held.spread(mask), TENSOR)
        own = ranks[self._table.nodes :]
        own[own == TENSOR] = OWN
        return ranks

    def _in_dtypes(self) -> Ranks:
        mask = _taken(self._pattern.mask(self._table.dtypes), self._table.dtype_of)
        return _ranks(self._table.held.spread(mask), OTHER)

    def _in_shapes(self) -> Ranks:
        mask = _taken(self._shape.mask(self._table.shapes), self._table.shape_of)
        return _ranks(self._table.held.spread(mask), OTHER)

    def _in_specs(self) -> Ranks:
        fits = with_specs(
            self._table, self._figures, lambda specs: self._fitting(specs) is not None
        )
        return _ranks(fits, OTHER)

    def _in_attributes(self) -> Ranks:
        mask = self._pattern.mask(self._table.attributes)
        return _ranks(self._table.attributes_held.spread(mask), OTHER)

    def _name_reason(self, item: int) -> str | None:
        table = self._table
        first = table.nodes
        name = table.names[item] if item < first else table.own_names[item - first]
        return "" if self._pattern.test(name) else None

    def _op_reason(self, item: int) -> str | None:
        node = self._table.node(item)
        fits = node is not None and self._pattern.test(node.op_type.casefold())
        return f"operator {node.op_type}" if node is not None and fits else None

    def _tensor_reason(self, item: int) -> str | None:
        names = self._table.tensor_names
        return self._held(item, lambda n: self._pattern.test(names[n]), lambda t: t.name)

    def _dtype_reason(self, item: int) -> str | None:
        fits = self._entries(self._table.dtypes, self._table.dtype_of, self._pattern.test)
        return self._held(item, fits, lambda tensor: tensor.dtype)

    def _shape_reason(self, item: int) -> str | None:
        fits = self._entries(self._table.shapes, self._table.shape_of, self._shape.test)
        return self._held(item, fits, lambda tensor: shape_text(tensor.shape))

    def _spec_reason(self, item: int) -> str | None:
        node = self._table.node(item)
        text = None if node is None else self._fitting(self._figures.specs.get(node.name, ()))
        return None if text is None else f"spec {text}"

    def _attribute_reason(self, item: int) -> str | None:
        node = self._table.node(item)
        texts = () if node is None else (attribute_text(*pair) for pair in node.attributes.items())
        return next((text for text in texts if self._pattern.test(text.casefold())), None)

    def _fitting(self, specs: Sequence[str]) -> str | None:
        """The first spec text that fits."""
        return next((text for text in specs if self._pattern.test(text.casefold())), None)

    @staticmethod
    def _entries(
        texts: Sequence[str], places: NDArray[np.int32], test: Callable[[str], bool]
    ) -> Callable[[int], bool]:
        """Whether the text of a tensor fits."""
        return lambda number: bool(places[number] >= 0 and test(texts[places[number]]))

    def _held(self, item: int, fits: Callable[[int], bool], text: Callable[..., str]) -> str | None:
        """A text of the item's first tensor that fits, and what that is to a node."""
        for position, number in enumerate(self._table.held.of(item).tolist()):
            if fits(number):
                role = self._table.role(item, position)
                return f"{role} {text(self._table.tensors[number])}" if role else ""
        return None


def _taken(mask: Mask, places: NDArray[np.int32]) -> Mask:
    """The mask at each place; place -1 is in no mask."""
    return np.append(mask, np.False_)[places]


def _name_ranks(pattern: Pattern, names: Sequence[str]) -> Ranks:
    mask = pattern.mask(names)
    ranks = _ranks(mask, PART)
    if pattern.plain:
        hits = np.flatnonzero(mask)
        ranks[hits] = [_name_rank(names[hit], pattern.text) for hit in hits.tolist()]
    return ranks


def _name_rank(name: str, word: str) -> int:
    """How well a name fits a word that it holds; a slash at its beginning does not count."""
    begin = name.find(word)
    if begin == 0 or (begin == 1 and name[0] == "/"):
        return EXACT if len(name) == begin + len(word) else START
    if name.endswith(word) and name[-len(word) - 1] in "/.:":
        return LAST
    return PART
