"""Histograms that grow are the ones that are merged, to the last count."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import DataError
from inspector.evaluate.accumulate import Accumulator
from inspector.quant.binning import CHUNK, Scratch
from inspector.quant.distribution import Histogram


@st.composite
def samples(draw: st.DrawFn) -> list[np.ndarray]:
    """Make a few arrays of many magnitudes, signs and sizes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = []
    for _ in range(draw(st.integers(1, 4))):
        size = draw(st.sampled_from([0, 1, 2, 7, 1000, CHUNK - 1, CHUNK, 2 * CHUNK + 3]))
        exponent = draw(st.sampled_from([-149, -130, -126, -60, -3, 0, 2, 13, 14, 40, 120]))
        values = rng.standard_normal(size) * draw(st.sampled_from([0.0, 1.0, 1.0, 3.0]))
        values *= rng.choice([0.0, 1.0, 2.0**-20], size)
        sign = draw(st.sampled_from(["both", "positive", "negative"]))
        values = values if sign == "both" else np.abs(values) * (1 if sign == "positive" else -1)
        found.append(np.ldexp(values, exponent).astype(np.float32))
    return found


@settings(deadline=None, max_examples=60)
@given(samples())
def test_equals_merged_histograms(found: list[np.ndarray]) -> None:
    """Equals merged histograms."""
    scratch, accumulator, merged = Scratch(), Accumulator("t"), Histogram.empty()
    for batch, values in enumerate(found):
        accumulator.add(values, batch, scratch)
        merged = merged.merge(Histogram.of(values, batch=batch))
        assert not scratch.window.any()
    assert accumulator.histogram() == merged


def test_order_and_threads_do_not_matter() -> None:
    """Order and threads do not matter."""
    rng = np.random.default_rng(1)
    found = [(rng.standard_normal(5000) * 2.0**b).astype(np.float32) for b in range(12)]
    wanted = Histogram.empty()
    for batch, values in enumerate(found):
        wanted = wanted.merge(Histogram.of(values, batch=batch))
    accumulator = Accumulator("t")

    def add(lane: int) -> None:
        scratch = Scratch()
        for batch in range(lane, 12, 3):
            accumulator.add(found[batch], batch, scratch)

    lanes = [threading.Thread(target=add, args=(lane,)) for lane in (2, 1, 0)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    assert accumulator.histogram() == wanted


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, CHUNK + 5])
def test_not_finite_is_told_and_leaves_no_trace(bad: float, at: int) -> None:
    """Not finite is told and leaves no trace."""
    values = np.ones(CHUNK + 10, np.float32)
    accumulator, scratch = Accumulator("relu7"), Scratch()
    accumulator.add(values, 0, scratch)
    before = accumulator.histogram()
    values[at] = bad
    with pytest.raises(DataError, match="'relu7'"):
        accumulator.add(values, 1, scratch)
    assert accumulator.histogram() == before
    assert not scratch.window.any()
