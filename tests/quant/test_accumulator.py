"""How far sums go, against sums over every input."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.quant.accumulator import (
    Reach,
    bits_for,
    headroom_bits,
    limits,
    reach_of_sums,
    share_used,
)


@given(
    st.lists(st.integers(-4, 4), min_size=1, max_size=4),
    st.integers(-3, 0),
    st.integers(0, 3),
    st.integers(-20, 20),
)
def test_the_ends_are_reached_and_never_left(
    weights: list[int], low: int, high: int, bias: int
) -> None:
    """By no input, in no partial sum, with the bias first or last."""
    steps = np.array(weights, np.int64)
    codes = np.array([bias], np.int64)
    parts = np.array([steps[steps > 0].sum()]), np.array([steps[steps < 0].sum()])
    found = reach_of_sums(*parts, (low, high), (codes, codes))
    seen: set[int] = set()
    for inputs in itertools.product(range(low, high + 1), repeat=len(weights)):
        products = [x * w for x, w in zip(inputs, weights, strict=True)]
        for order in ([bias, *products], [*products, bias]):
            seen.update(itertools.accumulate(order))
    lowest, highest = found.ends
    assert min(seen) >= lowest
    assert max(seen) <= highest
    ends = {sum(p) for p in itertools.product(*[(low * w, high * w) for w in weights])}
    assert lowest == min(0, bias) + min(ends)
    assert highest == max(0, bias) + max(ends)


@given(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70))
def test_the_width_is_the_narrowest_that_holds_both(one: int, other: int) -> None:
    """One bit less does not."""
    bits = bits_for(min(one, other), max(one, other))
    low, high = limits(bits)
    assert all(low <= x <= high for x in (one, other))
    if bits > 1:
        low, high = limits(bits - 1)
        assert not all(low <= x <= high for x in (one, other))


def test_known_widths() -> None:
    """As every table of two's complement has them."""
    assert [bits_for(a, b) for a, b in ((0, 0), (-1, 0), (-128, 127), (-129, 0), (0, 128))] == [
        1, 1, 8, 9, 9,
    ]  # fmt: skip
    assert limits(32) == (-2147483648, 2147483647)


@pytest.mark.parametrize(
    ("lowest", "highest", "bits", "room"),
    [(-128, 0, 8, 0.0), (0, 0, 8, math.inf), (-64, 10, 8, 1.0), (-512, 0, 8, -2.0)],
)
def test_headroom_is_counted_in_doublings(
    lowest: int, highest: int, bits: int, room: float
) -> None:
    """0 at the very end, negative beyond."""
    assert headroom_bits(lowest, highest, bits) == room
    assert share_used(lowest, highest, bits) == 2.0**-room


def test_channels_that_overflow_are_counted() -> None:
    """On either side."""
    reach = Reach(np.array([-200, -5, 0]), np.array([0, 127, 128]))
    assert (reach.bits, reach.overflowing(8), reach.overflowing(9)) == (9, 2, 0)
