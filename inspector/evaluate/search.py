"""Mixed precision: widths for all layers at once, such that little harm is done at little cost.

Harm done by layers alone adds up in the integer program of `allocation`. Real harm does not quite:
errors cancel, or meet. So what the program proposes, and what plain greedy flipping passes through,
is run for real, and from the best of it neighbours are tried. What comes out is the front of all
that was run: at every cost it is at least as good as either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspector.evaluate.allocation import Front, allocate, greedy
from inspector.evaluate.judge import Judge
from inspector.evaluate.tally import Outcome
from inspector.progress import Cancel, Progress
from inspector.quant.spec import LayerSpecs

Figure = Literal["sqnr_db", "top1_agreement", "accuracy"]
Options = tuple[int, ...]
"""The number of the option of each layer."""

PROPOSALS = 24
"""So many choices of the integer program are run."""
MEASURED_GREEDY = 300
"""Greedy flipping whose every step tries all layers for real runs at most so many choices."""
_TRIES, _ROUNDS = 8, 4


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What can be chosen for each layer.

    Attributes:
        layers: all layers of the model, in graph order.
        options: the specs that each may get.
        costs: what each option costs: whole numbers of bits, bytes or bit operations.
        harms: noise over signal power at the outputs that each option adds, as estimated.
    """

    layers: tuple[str, ...]
    options: tuple[tuple[LayerSpecs, ...], ...]
    costs: tuple[NDArray[np.int64], ...]
    harms: tuple[NDArray[np.float64], ...]

    def specs(self, chosen: Options) -> dict[str, LayerSpecs]:
        """The specs of every layer."""
        named = zip(self.layers, self.options, chosen, strict=True)
        return {name: options[number] for name, options, number in named}

    def cost(self, chosen: Options) -> int:
        """What a choice costs."""
        return sum(int(c[n]) for c, n in zip(self.costs, chosen, strict=True))

    def harm(self, chosen: Options) -> float:
        """The harm of a choice, as estimated."""
        return sum(float(h[n]) for h, n in zip(self.harms, chosen, strict=True))


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted: the best at a cost, or the cheapest of a quality.

    Attributes:
        figure: what counts as quality.
        most: the highest cost; None for any.
        least: the lowest figure; None for any.
    """

    figure: Figure = "sqnr_db"
    most: int | None = None
    least: float | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A choice that was run.

    Attributes:
        chosen: the option of each layer.
        cost: what it costs.
        estimate: its noise over signal power, as the integer program sees it.
        outcome: what it really does.
        origin: where it comes from: "program", "greedy" or "neighbour".
    """

    chosen: Options
    cost: int
    estimate: float
    outcome: Outcome
    origin: str

    def quality(self, figure: Figure) -> tuple[float, float]:
        """Its figure, and its SQNR to tell equal ones apart; minus infinity for none."""
        sqnr = self.outcome.fidelity.sqnr_db
        sqnr = -math.inf if math.isnan(sqnr) else sqnr
        if figure == "sqnr_db":
            return sqnr, 0.0
        found = (
            self.outcome.accuracy if figure == "accuracy" else self.outcome.fidelity.top1_agreement
        )
        return (-math.inf if found is None else found), sqnr


@dataclass(slots=True)
class Search:
    """One search, as it goes on.

    Attributes:
        problem: what can be chosen.
        judge: runs choices.
        goal: what is wanted.
        told: told of each point that was run.
        progress: told of (choices run, about how many there will be).
        cancel: asked between runs and while they run.
        points: what was run so far.
    """

    problem: Problem
    judge: Judge
    goal: Goal
    told: Callable[[Point], None] = lambda point: None
    progress: Progress | None = None
    cancel: Cancel | None = None
    points: dict[Options, Point] = field(default_factory=dict)
    _expected: int = 0

    def run(self) -> Point:
        """Does the search.

        Returns:
            The point that is nearest to the goal: the best that meets it, or else what comes
            nearest; see `meets`.

        Raises:
            RunError: onnxruntime refuses the model or the samples.
            DataError: a tensor was not measured, or a weight holds no numbers.
            CancelledError: `cancel` said so.
        """
        front = allocate(self.problem.costs, self.problem.harms)
        costs, harms = self.problem.costs, self.problem.harms
        path = [*greedy(costs, harms), *greedy(costs, harms, by_saving=False)]
        proposals = self._proposals(front)
        self._expected = len(dict.fromkeys([*proposals, *path])) + _TRIES * _ROUNDS
        self._try(proposals, "program")
        self._try(path, "greedy")
        self._measured_greedy(path[0])
        if self.goal.least is not None:
            self._bisect(front)
        for _ in range(_ROUNDS):
            best = self.best()
            tries = list(self._neighbours(best))
            self._try(tries, "neighbour")
            if self.best() is best:
                break
        return self.best()

    def meets(self, point: Point) -> bool:
        """Whether a point is what is wanted."""
        goal = self.goal
        cheap = goal.most is None or point.cost <= goal.most
        return cheap and (goal.least is None or point.quality(goal.figure)[0] >= goal.least)

    def best(self) -> Point:
        """Of the points so far the best that meets the goal, or else what comes nearest."""
        figure, met = self.goal.figure, [p for p in self.points.values() if self.meets(p)]
        if met and self.goal.least is not None:
            return min(met, key=lambda p: (p.cost, *(-q for q in p.quality(figure))))
        if met:
            return max(met, key=lambda p: (*p.quality(figure), -p.cost))
        if self.goal.least is not None:
            return max(self.points.values(), key=lambda p: (*p.quality(figure), -p.cost))
        return min(self.points.values(), key=lambda p: p.cost)

    def front(self) -> list[Point]:
        """The points that no other beats in cost and figure, by ascending cost."""
        return unbeaten(self.points.values(), self.goal.figure)

    def _proposals(self, front: Front) -> list[Options]:
        numbers = front.spread(PROPOSALS)
        if self.goal.most is not None:
            own = front.within(self.goal.most)
            numbers = [*([] if own is None else [own]), *numbers]
        return [front.choice(number) for number in dict.fromkeys(numbers)]

    def _try(self, choices: Iterable[Options], origin: str) -> None:
        new = [chosen for chosen in dict.fromkeys(choices) if chosen not in self.points]
        waiting = iter(new)

        def take(outcome: Outcome) -> None:
            chosen = next(waiting)
            cost, harm = self.problem.cost(chosen), self.problem.harm(chosen)
            point = Point(chosen, cost, harm, outcome, origin)
            self.points[chosen] = point
            self.told(point)
            if self.progress is not None:
                done = len(self.points)
                self.progress(done, max(self._expected, done + 1))

        self.judge.outcomes([self.problem.specs(chosen) for chosen in new], take, self.cancel)

    def _measured_greedy(self, start: Options) -> None:
        """Greedy flipping that judges each step by real runs, for models that are small enough."""
        free = sum(len(np.unique(cost)) - 1 for cost in self.problem.costs)
        layers = sum(len(cost) > 1 for cost in self.problem.costs)
        if free * layers / 2 > MEASURED_GREEDY:
            return
        self._expected += free * layers // 2
        self._try([start], "greedy")
        for worth in (_least_harm, _least_harm_for_what_it_saves):
            at = self.points[start]
            while steps := list(self._moves(at.chosen, down=True)):
                self._try(steps, "greedy")
                at = max((self.points[step] for step in steps), key=partial(worth, at))

    def _bisect(self, front: Front) -> None:
        """Looks along the program's front for the cheapest that has the figure wanted."""
        low, high = 0, len(front) - 1
        while low < high:
            middle = (low + high) // 2
            chosen = front.choice(middle)
            self._try([chosen], "program")
            if self.meets(self.points[chosen]):
                high = middle
            else:
                low = middle + 1

    def _neighbours(self, best: Point) -> Iterator[Options]:
        """The most promising choices that differ in one layer or two, and were not run."""
        found: dict[Options, float] = {}
        ups = list(self._moves(best.chosen, down=False))
        downs = list(self._moves(best.chosen, down=True))
        for up in ups:
            found[up] = self.problem.harm(up)
            for down in self._moves(up, down=True):
                found[down] = self.problem.harm(down)
        for down in downs:
            found[down] = self.problem.harm(down)
        allowed = [c for c in found if c not in self.points and self._may_be_better(c, best)]
        yield from sorted(allowed, key=lambda c: (found[c], self.problem.cost(c)))[:_TRIES]

    def _may_be_better(self, chosen: Options, best: Point) -> bool:
        cost = self.problem.cost(chosen)
        if self.goal.most is not None:
            return cost <= self.goal.most
        return cost < best.cost if self.meets(best) else True

    def _moves(self, chosen: Options, *, down: bool) -> Iterator[Options]:
        """The choices in which one layer has the next cheaper, or the next better, option."""
        for layer, number in enumerate(chosen):
            values = self.problem.costs[layer] if down else self.problem.harms[layer]
            lower = np.flatnonzero(values < values[number])
            if lower.size:
                step = int(lower[np.argmax(values[lower])])
                yield (*chosen[:layer], step, *chosen[layer + 1 :])


def unbeaten(points: Iterable[Point], figure: Figure) -> list[Point]:
    """The points that no other beats in cost and figure, by ascending cost."""
    ordered = sorted(points, key=lambda p: (p.cost, *(-q for q in p.quality(figure))))
    found: list[Point] = []
    for point in ordered:
        if not found or point.quality(figure) > found[-1].quality(figure):
            found.append(point)
    return found


def _least_harm(_: Point, step: Point) -> tuple[float, float]:
    return -_harm(step), -float(step.cost)


def _least_harm_for_what_it_saves(at: Point, step: Point) -> tuple[float, float]:
    return -(_harm(step) - _harm(at)) / max(at.cost - step.cost, 1), -float(step.cost)


def _harm(point: Point) -> float:
    """Noise over signal power at the outputs; the share of other classes where none is known."""
    fidelity = point.outcome.fidelity
    if math.isnan(fidelity.sqnr_db):
        return 1.0 - (fidelity.top1_agreement or 0.0)
    return harm_of(fidelity.sqnr_db)


def harm_of(sqnr_db: float) -> float:
    """Noise over signal power; a large number where there is no end to it."""
    return float(min(10 ** (-sqnr_db / 10), 1e12)) if sqnr_db > -120 else 1e12


def costs_of(values: Sequence[Sequence[float]]) -> tuple[NDArray[np.int64], ...]:
    """Costs as the program takes them: whole numbers."""
    return tuple(np.array(np.round(one), np.int64) for one in values)
