"""Which width each layer gets, if what it costs and the harm it does simply add up.

That is the integer program of HAWQ-V3 (Yao et al. 2021, arXiv:2011.10680, equation 8): one option
for each layer, the least sum of harms under a limit on the sum of costs. For one limit it is the
multiple-choice knapsack problem; here it is solved for all limits at once, exactly, by the list of
choices that no other beats (Nemhauser and Ullmann 1969, "Discrete dynamic programming and capital
allocation"; for many options a layer: Kellerer, Pferschy and Pisinger 2004, section 11.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_STATES = 40_000
"""So many choices are kept after each layer; beyond, the best of each narrow range of costs."""

Harms = Sequence[NDArray[np.float64]]
Costs = Sequence[NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class Front:
    """The choices that no other beats in both sums, by ascending cost and descending harm.

    Attributes:
        costs: (n,) sum of costs of each.
        harms: (n,) sum of harms of each.
        is_exact: nothing was left out.
    """

    costs: NDArray[np.int64]
    harms: NDArray[np.float64]
    is_exact: bool
    _steps: tuple[tuple[NDArray[np.int32], NDArray[np.int16]], ...]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.costs)

    def choice(self, index: int) -> tuple[int, ...]:
        """The option of each layer, in their order."""
        found: list[int] = []
        for before, option in reversed(self._steps):
            found.append(int(option[index]))
            index = int(before[index])
        return tuple(reversed(found))

    def within(self, limit: float) -> int | None:
        """The one with the least harm of those that cost no more than a limit; None if none is."""
        count = int(np.searchsorted(self.costs, limit, side="right"))
        return count - 1 if count else None

    def spread(self, count: int) -> list[int]:
        """At most so many of them, both ends among them, spread over costs and over harms."""
        if len(self) <= count:
            return list(range(len(self)))
        by_cost = np.linspace(self.costs[0], self.costs[-1], (count + 1) // 2)
        by_rank = np.linspace(0, len(self) - 1, count - len(by_cost) + 1).round().astype(np.int64)
        chosen = np.minimum(np.searchsorted(self.costs, by_cost), len(self) - 1)
        return sorted({*chosen.tolist(), *by_rank.tolist()})


def allocate(costs: Costs, harms: Harms, *, most: int = MOST_STATES) -> Front:
    """All choices that no other beats.

    Args:
        costs: for each layer what each of its options costs, 0 or more.
        harms: for each layer the harm that each of its options does; finite.
        most: choices kept after each layer.

    Cost: linear in layers, options and the choices kept; 113 layers of 3 options take 1 s.
    """
    total_cost, total_harm = np.zeros(1, np.int64), np.zeros(1)
    steps: list[tuple[NDArray[np.int32], NDArray[np.int16]]] = []
    is_exact = True
    for cost, harm in zip(costs, harms, strict=True):
        count = len(total_cost)
        all_costs = (total_cost[None] + cost[:, None]).reshape(-1)
        all_harms = (total_harm[None] + harm[:, None]).reshape(-1)
        kept = _unbeaten(all_costs, all_harms)
        if len(kept) > most:
            kept, is_exact = _thinned(kept, all_costs[kept], most), False
        steps.append(((kept % count).astype(np.int32), (kept // count).astype(np.int16)))
        total_cost, total_harm = all_costs[kept], all_harms[kept]
    return Front(total_cost, total_harm, is_exact, tuple(steps))


def greedy(costs: Costs, harms: Harms, *, by_saving: bool = True) -> list[tuple[int, ...]]:
    """Plain greedy flipping: from the least harm on, step by step to the least cost.

    Args:
        costs: for each layer what each of its options costs.
        harms: for each layer the harm that each of its options does.
        by_saving: each step takes that layer one option down that does the least further harm for
            what it saves; else the one that does the least further harm, whatever it saves.

    Returns:
        The choices on the way, the first the one with the least harm.
    """
    orders = [np.lexsort((harm, -cost)) for cost, harm in zip(costs, harms, strict=True)]
    ladders = [
        _ladder(order, cost, harm) for order, cost, harm in zip(orders, costs, harms, strict=True)
    ]
    at = [0] * len(ladders)
    found = [tuple(ladder[0] for ladder in ladders)]
    while True:
        best, best_ratio = None, np.inf
        for layer, ladder in enumerate(ladders):
            if at[layer] + 1 == len(ladder):
                continue
            now, down = ladder[at[layer]], ladder[at[layer] + 1]
            saved = float(costs[layer][now] - costs[layer][down])
            ratio = float(harms[layer][down] - harms[layer][now]) / (saved if by_saving else 1.0)
            if ratio < best_ratio:
                best, best_ratio = layer, ratio
        if best is None:
            return found
        at[best] += 1
        found.append(tuple(ladder[position] for ladder, position in zip(ladders, at, strict=True)))


def _ladder(
    order: NDArray[np.intp], cost: NDArray[np.int64], harm: NDArray[np.float64]
) -> list[int]:
    """A layer's options from the dearest down, each cheaper than the one before.

    The first is the one with the least harm: what costs more and does no less harm is no option.
    """
    start = int(np.lexsort((cost, harm))[0])
    ladder = [start]
    for option in order.tolist():
        if cost[option] < cost[ladder[-1]]:
            ladder.append(int(option))
    return ladder


def _unbeaten(costs: NDArray[np.int64], harms: NDArray[np.float64]) -> NDArray[np.intp]:
    """The positions of those that are cheaper or less harmful than each other one, by cost."""
    order = np.lexsort((harms, costs))
    sorted_harms = harms[order]
    before = np.minimum.accumulate(np.concatenate(([np.inf], sorted_harms[:-1])))
    return np.asarray(order[sorted_harms < before], np.intp)


def _thinned(kept: NDArray[np.intp], costs: NDArray[np.int64], most: int) -> NDArray[np.intp]:
    """Of each of many equal ranges of cost the last: the one with the least harm. And the first."""
    cells = ((costs - costs[0]) * (most - 1) // max(int(costs[-1] - costs[0]), 1)).astype(np.int64)
    last = np.flatnonzero(np.append(np.diff(cells) > 0, True))
    return np.asarray(kept[np.union1d([0], last)], np.intp)
