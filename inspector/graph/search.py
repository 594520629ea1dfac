r"""Finding nodes and tensors by what they are and by how they quantize.

A search is words with spaces between them, and all of them must hold:

======================= ========================================================================
``conv layer1``         a word is part of a name, operator, tensor name, dtype, shape or spec; upper
                        and lower case are one
``"a b"``               quotes keep spaces, and take the meaning from everything inside
``-relu``               not this word in name, operator or spec; ``-`` works before all that follows
``name:conv``           part of one field: ``name op tensor dtype shape spec attr``
``op=Conv``             all of the field
``op:Conv*``            ``*`` is any run of characters and ``?`` is one: then all of the field too
``shape:64x3x?x?``      neighbouring sizes of a shape (``x`` or ``×``); ``?`` is any one size, ``*``
                        any run of them
``attr:group=32``       attributes read "name=value", lists "3,3"
``sqnr<20``             a figure (``sqnr asqnr osqnr error params macs size bits inputs
                        outputs``: SQNR of weights, activations and outputs) with ``< <= > >= =``;
                        numbers as ``1e6 1M 1.5k 20dB 2MB 4KiB``. ``=`` holds within the decimals
                        that are written. A figure that is not known is on neither side
``is:layer``            also ``is:float`` (a layer that stays in float), ``is:quantized``,
                        ``is:constant``
======================= ========================================================================

Unfinished quotes end with the text. Results are ordered by how well their names fit and then as in
the graph: the exact name, its beginning, the last part of its path, any part; then the operator,
tensors, and the rest. A graph's constants, inputs and outer tensors are found behind its nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from inspector.graph.model import Graph
from inspector.graph.search_checks import NOT, Check, check
from inspector.graph.search_figures import Figures
from inspector.graph.search_numbers import QUANTITIES
from inspector.graph.search_query import HELP, Query, QueryError, parse
from inspector.graph.search_table import Table, build_table, shape_text

__all__ = [
    "HELP", "QUANTITIES", "Figures", "Found", "Match", "Query", "QueryError", "SearchIndex", "parse"
]  # fmt: skip

NO_FIGURES = Figures()


@dataclass(frozen=True, slots=True)
class Match:
    """Something that was found.

    Attributes:
        kind: "node", or "tensor" for a constant, input or outer tensor.
        name: of the node or tensor, unique among those of its kind.
        title: a node's operator; "Constant", "Input" or "Tensor".
        detail: why it was found, where the name does not say it ("operator Conv", "output
            1×64×56×56", "SQNR 12.3 dB"); a tensor's type and shape come first.
    """

    kind: Literal["node", "tensor"]
    name: str
    title: str
    detail: str


class Found(Sequence[Match]):
    """What a search found, best first. Each match is made when it is asked for."""

    def __init__(self, table: Table, checks: Sequence[Check], items: NDArray[np.intp]) -> None:
        self._table = table
        self._checks = checks
        self._items = items

    def __len__(self) -> int:
        """How many matches there are."""
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Match: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Match, ...]: ...

    def __getitem__(self, index: int | slice) -> Match | tuple[Match, ...]:
        """A match, or some of them."""
        if isinstance(index, slice):
            return tuple(self._match(int(item)) for item in self._items[index])
        return self._match(int(self._items[index]))

    def __iter__(self) -> Iterator[Match]:
        """All matches, best first."""
        return (self._match(item) for item in self._items.tolist())

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes that were found, best first. O(matches)."""
        nodes, count = self._table.graph.nodes, self._table.nodes
        return tuple(nodes[item].name for item in self._items.tolist() if item < count)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all matches, best first. O(matches)."""
        nodes, count = self._table.graph.nodes, self._table.nodes
        tensor = self._table.tensor
        return tuple(
            nodes[item].name if item < count else tensor(item).name for item in self._items.tolist()
        )

    def _match(self, item: int) -> Match:
        reasons = [check.reason(item) for check in self._checks]
        node = self._table.node(item)
        if node is not None:
            return Match("node", node.name, node.op_type, _joined(reasons))
        tensor = self._table.tensor(item)
        known = f"{tensor.dtype} {shape_text(tensor.shape) if tensor.shape is not None else ''}"
        inputs = self._table.graph.inputs
        title = "Constant" if tensor.constant else "Input" if tensor.name in inputs else "Tensor"
        return Match("tensor", tensor.name, title, _joined([known.strip(), *reasons]))


def _joined(texts: Sequence[str]) -> str:
    return " · ".join(dict.fromkeys(text for text in texts if text))


class SearchIndex:
    """A graph laid out for searching. Never changes; may be used on any thread.

    Args:
        graph: what to search. Laying it out is O(nodes + tensors + attributes): some 60 ms at
            20,000 nodes.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._table = build_table(graph)

    def find(self, query: Query, figures: Figures = NO_FIGURES) -> tuple[Match, ...]:
        """Everything that a query finds, best first."""
        return tuple(self.search(query, figures))

    def search(self, query: Query, figures: Figures = NO_FIGURES) -> Found:
        """The same as :meth:`find`, with each match made when it is asked for.

        O(nodes + tensors) for each term: some 5 ms for a word at 20,000 nodes.
        """
        table = self._table
        if not query.terms:
            return Found(table, (), np.empty(0, dtype=np.intp))
        found: list[Check] = []
        ranks = np.zeros(table.items, dtype=np.int32)
        wanted = np.ones(table.items, dtype=np.bool_)
        for term in query.terms:
            one = check(table, figures, term)
            wanted &= (one.ranks < NOT) != one.excluded
            if not one.excluded:
                ranks += one.ranks
                found.append(one)
            if not wanted.any():
                break
        items = np.flatnonzero(wanted)
        return Found(table, found, items[np.argsort(ranks[items], kind="stable")])
