"""The integer program, against trying everything."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.evaluate.allocation import Front, allocate, greedy

Problem = tuple[list[np.ndarray], list[np.ndarray]]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """A few layers with a few options each; costs and harms in any order, also equal ones."""
    costs, harms = [], []
    for _ in range(draw(st.integers(1, 5))):
        options = draw(st.integers(1, 3))
        numbers = st.lists(st.integers(0, 20), min_size=options, max_size=options)
        costs.append(np.array(draw(numbers), np.int64))
        harms.append(np.array(draw(numbers), np.float64) / 8)
    return costs, harms


def sums(problem: Problem, choice: tuple[int, ...]) -> tuple[int, float]:
    """What a choice costs, and the harm that it does."""
    costs, harms = problem
    return (
        sum(int(c[o]) for c, o in zip(costs, choice, strict=True)),
        sum(float(h[o]) for h, o in zip(harms, choice, strict=True)),
    )


@given(problems())
@settings(max_examples=150, deadline=None)
def test_the_front_is_that_of_all_choices(problem: Problem) -> None:
    """Every limit: the least harm; and the choices are what they are said to be."""
    front = allocate(*problem)
    assert front.is_exact
    every = [sums(problem, c) for c in itertools.product(*(range(len(c)) for c in problem[0]))]
    for limit in range(-1, 101, 3):
        allowed = [harm for cost, harm in every if cost <= limit]
        index = front.within(limit)
        assert (index is None) == (not allowed)
        if index is not None:
            assert front.harms[index] == min(allowed)
            assert front.costs[index] <= limit
    for index in range(len(front)):
        assert sums(problem, front.choice(index)) == (front.costs[index], front.harms[index])


@given(problems(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_greedy_goes_down_and_is_never_better(problem: Problem, by_saving: bool) -> None:
    """From the least harm of all to the least cost of all; at each cost the front is as good."""
    front, path = allocate(*problem), greedy(*problem, by_saving=by_saving)
    found = [sums(problem, choice) for choice in path]
    assert found[0][1] == front.harms.min()
    assert found[-1][0] == front.costs.min()
    assert all(later[0] < earlier[0] for earlier, later in itertools.pairwise(found))
    for cost, harm in found:
        index = front.within(cost)
        assert index is not None
        assert front.harms[index] <= harm


def big(layers: int) -> Problem:
    """Layers like those of a network: sizes that differ much, harms that fall with width."""
    rng = np.random.default_rng(4)
    sizes = rng.integers(1000, 1_000_000, layers)
    base = np.exp(rng.normal(0, 2, layers))
    return (
        [np.array([n // 2, n, 2 * n]) for n in sizes],
        [np.array([h, h / 250, h / 6e4]) for h in base],
    )


def check(front: Front, problem: Problem) -> None:
    """Ascending, descending, and the sums are those of the choices."""
    assert (np.diff(front.costs) > 0).all()
    assert (np.diff(front.harms) < 0).all()
    for index in front.spread(20):
        cost, harm = sums(problem, front.choice(index))
        assert cost == front.costs[index]
        assert harm == pytest.approx(front.harms[index])


def test_large_models_are_thinned_a_little() -> None:
    """With room for fewer choices the front is a little above the one with room for more."""
    problem = big(60)
    rough, fine = allocate(*problem, most=500), allocate(*problem, most=20_000)
    assert not rough.is_exact
    for front in (rough, fine):
        check(front, problem)
    for limit in np.linspace(fine.costs[0], fine.costs[-1], 30):
        a, b = rough.within(limit), fine.within(limit)
        assert a is not None
        assert b is not None
        assert rough.harms[a] <= 1.05 * fine.harms[b]
    path = [sums(problem, choice) for choice in greedy(*problem)]
    for cost, harm in path:
        index = fine.within(cost)
        assert index is not None
        assert fine.harms[index] <= harm * (1 + 1e-9)


def test_a_spread_has_both_ends() -> None:
    """And no more than asked for, but for one."""
    front = allocate(*big(20))
    chosen = front.spread(12)
    assert chosen[0] == 0
    assert chosen[-1] == len(front) - 1
    assert len(chosen) <= 13
