"""Rounding by what a layer computes, against rounding to nearest and against all roundings."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import CancelledError
from inspector.quant.rounding import Doubles, Steps, adaround, gptq, row_errors

METHODS = {"gptq": gptq, "adaround": adaround}


def case(
    seed: int, groups: int, rows: int, columns: int, samples: int, bits: int
) -> tuple[Doubles, Doubles, Steps]:
    """Weights, moments of correlated inputs, and a grid for each row."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((groups, rows, columns))
    mix = rng.standard_normal((groups, columns, columns))
    x = rng.standard_normal((groups, samples, columns)) @ mix
    top = 2 ** (bits - 1) - 1
    scale = np.abs(weights).max(axis=2, keepdims=True) / top * np.ones_like(weights)
    return weights, x, Steps(scale, np.full_like(scale, -top), np.full_like(scale, top))


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 999),
    groups=st.integers(1, 3),
    rows=st.integers(1, 4),
    columns=st.integers(1, 8),
    samples=st.sampled_from([1, 4, 40]),
    bits=st.sampled_from([2, 4, 8]),
)
def test_no_row_is_worse_than_rounded_to_nearest(
    method: str, seed: int, groups: int, rows: int, columns: int, samples: int, bits: int
) -> None:
    """The error is that of the layer's outputs, and every value is on the grid."""
    weights, x, grid = case(seed, groups, rows, columns, samples, bits)
    moments = x.swapaxes(1, 2) @ x / samples
    chosen = METHODS[method](weights, moments, grid)
    steps = chosen / grid.scale
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-9)
    assert (np.rint(steps) >= grid.lowest).all()
    assert (np.rint(steps) <= grid.highest).all()
    nearest = grid.nearest(weights)
    error = row_errors(weights - chosen, moments)
    assert (error <= row_errors(weights - nearest, moments) + 1e-12).all()
    outputs = ((x @ (weights - chosen).swapaxes(1, 2)) ** 2).mean(axis=1)
    np.testing.assert_allclose(outputs, error, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_correlated_inputs_let_it_gain_most_of_what_there_is(method: str) -> None:
    """Against the best of all roundings up or down of each weight."""
    gained = best = 0.0
    for seed in range(20):
        weights, x, grid = case(seed, 1, 2, 7, 30, 3)
        moments = x.swapaxes(1, 2) @ x / 30
        floor = np.floor(weights / grid.scale)
        nearest = row_errors(weights - grid.nearest(weights), moments).sum()
        found = row_errors(weights - METHODS[method](weights, moments, grid), moments).sum()
        lowest = np.full((1, 2), np.inf)
        for up in itertools.product((0, 1), repeat=7):
            offer = np.clip(floor + np.array(up), grid.lowest, grid.highest) * grid.scale
            lowest = np.minimum(lowest, row_errors(weights - offer, moments))
        gained += nearest - found
        best += nearest - lowest.sum()
    assert gained > 0.75 * best


@pytest.mark.parametrize("method", METHODS)
def test_uncorrelated_inputs_leave_nothing_to_gain(method: str) -> None:
    """Then the nearest code is the best."""
    weights, _, grid = case(0, 2, 3, 5, 1, 4)
    moments = np.broadcast_to(np.eye(5), (2, 5, 5)).copy()
    np.testing.assert_allclose(METHODS[method](weights, moments, grid), grid.nearest(weights))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, 1e300])
def test_moments_that_say_nothing_leave_the_nearest(method: str, value: float) -> None:
    """Dead inputs, and such as overflowed."""
    weights, _, grid = case(1, 1, 3, 4, 1, 4)
    with np.errstate(all="ignore"):
        chosen = METHODS[method](weights, np.full((1, 4, 4), value), grid)
    assert np.isfinite(chosen).all()


@pytest.mark.parametrize("method", METHODS)
def test_it_can_be_stopped(method: str) -> None:
    """Whoever waits may say that enough is enough."""

    def stop() -> None:
        raise CancelledError

    weights, x, grid = case(2, 1, 2, 4, 9, 4)
    with pytest.raises(CancelledError):
        METHODS[method](weights, x.swapaxes(1, 2) @ x, grid, stop)
