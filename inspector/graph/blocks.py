"""Blocks of nodes that repeat one after the other, found by their structure.

A block is told by its operators, their attributes and how they are wired inside. Candidates come
from the distances between nodes that look alike; where a block begins is chosen so that as few
tensors as possible cross its ends.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.graph.model import Graph, Node
from inspector.graph.operators import category
from inspector.graph.quantizers import is_quantizer
from inspector.progress import paced

CONSTANT, GIVEN = -1, -2
"""What a wiring says of an input that no operator computes: a constant, or one from outside."""

_PERIODS = 24
_ROUNDS = 2
_GLUE = 5
_WORK = frozenset({
    "layer", "matmul", "attention", "activation", "normalization", "pool", "recurrent",
    "quantization", "control",
})  # fmt: skip

Signature = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive operators [start, end) that are wired as those of the blocks beside it."""

    start: int
    end: int
    signature: Signature


class Wiring:
    """Which operators read which, by their numbers.

    Args:
        graph: the graph.
        operators: its nodes that count, in graph order; quantizers are looked through.

    Attributes:
        kinds: one number for all operators of the same type and attributes.
        inputs: of each operator what it reads, by input position: the number of an operator,
            CONSTANT or GIVEN; left out inputs are CONSTANT.
        tensors: of each input that an operator computes which of its outputs it is.
    """

    def __init__(self, graph: Graph, operators: Sequence[Node]) -> None:
        self.operators = operators
        known: dict[Hashable, int] = {}
        self.kinds = [known.setdefault(_kind(node), len(known)) for node in paced(operators)]
        self._given = self._numbers(graph, operators)
        given = self._given
        self.inputs = [
            tuple(given.get(name, CONSTANT if not name else GIVEN) for name in _reads(node))
            for node in paced(operators)
        ]

    def _numbers(self, graph: Graph, operators: Sequence[Node]) -> dict[str, int]:
        """Tensor -> the number of the operator that computes it, or CONSTANT."""
        found = {name: CONSTANT for name, tensor in graph.tensors.items() if tensor.constant}
        counted = {node.name: number for number, node in enumerate(operators)}
        for node in paced(graph.nodes):
            number = counted.get(node.name)
            if number is None and is_quantizer(node):
                number = found.get(node.input(0))
            if number is not None:
                found.update(dict.fromkeys((name for name in node.outputs if name), number))
        return found

    def signature(self, members: Sequence[int]) -> Signature:
        """What is the same for nodes of the same structure: kinds, and the wiring among them.

        Args:
            members: numbers of operators, ascending.

        Inputs from outside are numbered as they come, so that it counts which of them are the same.
        """
        inside = {number: index for index, number in enumerate(members)}
        outside: dict[int, int] = {}
        parts: list[Hashable] = []
        for number in members:
            parts.append(self.kinds[number])
            parts.append(
                tuple(
                    inside[source]
                    if source in inside
                    else CONSTANT
                    if source == CONSTANT
                    else GIVEN - outside.setdefault(source, len(outside))
                    for source in self.inputs[number]
                )
            )
        return tuple(parts)


def find_blocks(wiring: Wiring) -> list[Block]:
    """Runs of two or more equal blocks, in order and apart from each other.

    Cost: near-linear; a fixed number of passes of numpy over the operators.
    """
    count = len(wiring.operators)
    if count < 4:
        return []
    looks = np.array(wiring.kinds, np.int64)
    crossing = _crossing(wiring)
    free = np.ones(count, bool)
    found: list[Block] = []
    for period in _periods(looks, _gaps(_refined(wiring)) + _gaps(looks)):
        runs = sorted(_runs(looks, period, free), key=lambda run: run[0] - run[1])
        for start, end in runs:
            blocks = _aligned(wiring, crossing, free, start, end, period)
            blocks = [block for block in blocks if _is_worth(wiring, block)]
            for block in blocks:
                free[block.start : block.end] = False
            found += blocks
    return sorted(found, key=lambda block: block.start)


def _refined(wiring: Wiring) -> NDArray[np.int64]:
    """One number for all operators that look alike, also in what they read (Weisfeiler, Leman)."""
    looks = wiring.kinds
    for _ in range(_ROUNDS):
        known: dict[Hashable, int] = {}
        looks = [
            known.setdefault(
                (look, *(looks[source] if source >= 0 else source for source in inputs)),
                len(known),
            )
            for look, inputs in zip(looks, wiring.inputs, strict=True)
        ]
    return np.array(looks, np.int64)


def _crossing(wiring: Wiring) -> NDArray[np.int64]:
    """How many operators' results are needed across each end: [k] counts those from before k."""
    count = len(wiring.operators)
    last = np.arange(count)
    for number, inputs in enumerate(wiring.inputs):
        for source in inputs:
            if source >= 0:
                last[source] = number
    change = np.zeros(count + 2, np.int64)
    change[1 : count + 1] += 1
    np.subtract.at(change, last + 1, 1)
    return np.cumsum(change)[: count + 1]


def _gaps(looks: NDArray[np.int64]) -> list[int]:
    """How far apart operators that look alike are, the distances between most of them first."""
    order = np.argsort(looks, kind="stable")
    gaps = np.diff(order)[np.diff(looks[order]) == 0]
    lengths, counts = np.unique(gaps[gaps >= 2], return_counts=True)
    best: list[int] = lengths[np.argsort(-counts * lengths, kind="stable")].tolist()
    return best[:_PERIODS]


def _periods(looks: NDArray[np.int64], lengths: Iterable[int]) -> list[int]:
    """Those lengths that blocks may have: the ones that repeat most operators, short ones first."""
    free = np.ones(len(looks), bool)
    saved = {
        period: sum(end - start - period for start, end in _runs(looks, period, free))
        for period in dict.fromkeys(lengths)
    }
    return sorted((period for period in saved if saved[period]), key=lambda p: (-saved[p], p))


def _runs(looks: NDArray[np.int64], period: int, free: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Ranges in which operators look like those one period on; about two periods at least."""
    same = (looks[:-period] == looks[period:]) & free[:-period] & free[period:]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    long = ends - starts >= max(period // 2, 1)
    return [(int(a), int(b) + period) for a, b in zip(starts[long], ends[long], strict=True)]


def _aligned(
    wiring: Wiring,
    crossing: NDArray[np.int64],
    free: NDArray[np.bool_],
    start: int,
    end: int,
    period: int,
) -> list[Block]:
    """The blocks of one run, cut where fewest tensors cross, and there before a constant is read.

    What is read from outside the first block looks unlike what the others read from the one before,
    so the blocks before and behind the run are tried too.
    """
    shifts = range(start, max(min(start + period, end - period + 1), start + 1))

    def begins(shift: int) -> list[int]:
        return [
            begin
            for begin in range(shift - period, end + 1, period)
            if begin >= 0 and begin + period <= len(free) and free[begin : begin + period].all()
        ]

    def cost(shift: int) -> tuple[int, bool, int, int]:
        cuts = begins(shift)
        inside = [int(crossing[cut]) for cut in cuts if start <= cut <= end - period]
        most = max(inside, default=len(free))
        return most, CONSTANT not in wiring.inputs[shift], -len(cuts), shift

    first = min(shifts, key=cost)
    blocks = [
        Block(begin, begin + period, wiring.signature(range(begin, begin + period)))
        for begin in begins(first)
    ]
    return list(_repeated(blocks))


def _repeated(blocks: Sequence[Block]) -> Iterable[Block]:
    """Those that are like one right beside them."""
    for number, block in enumerate(blocks):
        for other in (*blocks[max(number - 1, 0) : number], *blocks[number + 1 : number + 2]):
            touch = other.end == block.start or block.end == other.start
            if touch and other.signature == block.signature:
                yield block
                break


def _is_worth(wiring: Wiring, block: Block) -> bool:
    """Whether a block is more than a few nodes that work on shapes."""
    operators = wiring.operators[block.start : block.end]
    return len(operators) > _GLUE or any(category(node.op_type) in _WORK for node in operators)


def _kind(node: Node) -> Hashable:
    """Type and attributes, without the values of tensors."""
    plain = tuple(
        (name, value)
        for name, value in sorted(node.attributes.items())
        if isinstance(value, (int, float, str, bytes, tuple)) and not _has_graph(value)
    )
    return node.op_type, node.domain, plain


def _has_graph(value: object) -> bool:
    return isinstance(value, tuple) and any(
        not isinstance(item, (int, float, str, bytes)) for item in value
    )


def _reads(node: Node) -> tuple[str, ...]:
    return (*node.inputs, *node.outer_inputs) if node.outer_inputs else node.inputs
