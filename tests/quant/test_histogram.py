"""The mergeable histogram: parts computed apart join to the histogram of the whole."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inspector.errors import DataError
from inspector.quant.distribution import BINS_PER_SIDE, Histogram

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
tame = st.floats(-8, 8, width=32)
parts = st.lists(
    arrays(np.float32, st.integers(0, 40), elements=finite | tame), min_size=1, max_size=4
)


def _joined(histograms: list[Histogram]) -> Histogram:
    result = Histogram.empty()
    for histogram in histograms:
        result = result.merge(histogram)
    return result


def _plain_counts(values: np.ndarray, exponent: int) -> dict[int, int]:
    """Counts by bin, value by value, in exact arithmetic."""
    found: dict[int, int] = {}
    for value in values.tolist():
        index = math.floor(math.ldexp(value, -exponent))
        found[index] = found.get(index, 0) + 1
    return found


@given(parts)
@settings(deadline=None)
def test_merging_gives_the_histogram_of_the_concatenation(pieces: list[np.ndarray]) -> None:
    """Merging gives the histogram of the concatenation."""
    assert _joined([Histogram.of(piece) for piece in pieces]) == Histogram.of(
        np.concatenate(pieces)
    )


@given(parts)
@settings(deadline=None)
def test_merging_is_associative_and_commutative(pieces: list[np.ndarray]) -> None:
    """Merging is associative and commutative."""
    found = [Histogram.of(piece, batch=i % 3) for i, piece in enumerate(pieces)]
    right = Histogram.empty()
    for histogram in reversed(found):
        right = histogram.merge(right)
    assert _joined(found) == right == _joined(found[::-1])


@given(arrays(np.float32, st.integers(1, 60), elements=finite | tame))
@settings(deadline=None)
def test_every_value_is_in_its_bin(values: np.ndarray) -> None:
    """Every value is in its bin."""
    found = Histogram.of(values, name="x")
    assert found.total == values.size
    assert (found.lo[0], found.hi[0]) == (values.min(), values.max())
    assert found.zeros == (values == 0).sum()
    expected = _plain_counts(values, found.exponent)
    kept = {found.start + i: int(n) for i, n in enumerate(found.counts) if n}
    assert kept == expected
    assert -BINS_PER_SIDE <= min(kept) <= max(kept) < BINS_PER_SIDE


@given(arrays(np.float32, st.integers(0, 40), elements=finite))
@settings(deadline=None)
def test_saved_arrays_read_back_the_same(values: np.ndarray) -> None:
    """Saved arrays read back the same."""
    found = Histogram.of(values, batch=3)
    saved = found.to_arrays()
    assert all(array.dtype != object for array in saved.values())
    assert Histogram.from_arrays(saved) == found


@pytest.mark.parametrize("size", [65535, 65536, 65537, 200_000])
def test_growth_between_chunks_loses_nothing(size: int) -> None:
    """Growth between chunks loses nothing."""
    rng = np.random.default_rng(size)
    values = (rng.standard_normal(size) * np.geomspace(1e-3, 1e4, size)).astype(np.float32)
    found = Histogram.of(values)
    index = np.floor(np.ldexp(values.astype(np.float64), -found.exponent)).astype(int)
    assert np.array_equal(found.counts, np.bincount(index - found.start))
    assert found == _joined([Histogram.of(part) for part in np.array_split(values[::-1], 7)])


@pytest.mark.parametrize(
    "values",
    [
        [0.0, 0.0, -0.0],
        [3.5],
        [-7.0] * 5,
        [1e-45, -1e-45, 3e-40],
        [3.4028235e38, -3.4028235e38, 1e-45, -1e-45],
        [-1e-30, -2e-30],
        [-8.0, 8.0, -8.000001],
        [float(2**13), -float(2**13)],
    ],
)
def test_odd_values(values: list[float]) -> None:
    """Odd values."""
    array = np.array(values, np.float32)
    found = Histogram.of(array)
    assert found.total == array.size
    assert (found.lo[0], found.hi[0]) == (array.min(), array.max())
    assert found == _joined([Histogram.of(value) for value in array])
    edges, counts = found.density(16)
    assert (np.diff(edges) > 0).all()
    assert counts.sum() == pytest.approx(array.size)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "int64", "bool", "uint16"])
def test_other_number_types_are_converted(dtype: str) -> None:
    """Other number types are converted."""
    values = np.array([0, 1, 1, 0, 1]).astype(dtype)
    assert Histogram.of(values) == Histogram.of(values.astype(np.float32))


def test_an_empty_tensor_adds_nothing() -> None:
    """An empty tensor adds nothing."""
    empty = Histogram.of(np.zeros((3, 0), np.float32))
    some = Histogram.of([1.0, 2.0])
    assert empty.total == 0
    assert empty.merge(some) == some.merge(empty) == some
    assert empty.density(8)[1].sum() == 0


def test_views_that_are_not_contiguous_are_read_in_place() -> None:
    """Views that are not contiguous are read in place."""
    values = np.arange(24, dtype=np.float32).reshape(4, 6)
    assert Histogram.of(values.T[::2]) == Histogram.of(values.T[::2].copy())


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_errors_that_name_the_tensor(bad: float) -> None:
    """NaN and infinity are errors that name the tensor."""
    values = np.ones(100_000, np.float32)
    values[77_777] = bad
    with pytest.raises(DataError, match="'conv1_out'"):
        Histogram.of(values, name="conv1_out")


@pytest.mark.parametrize(
    "values", [np.array([1e300]), np.array([1j]), np.array(["a"]), np.array([None])]
)
def test_what_is_not_a_float32_number_is_an_error(values: np.ndarray) -> None:
    """What is not a float32 number is an error."""
    with pytest.raises(DataError, match="'x'"):
        Histogram.of(values, name="x")


def test_batches_are_kept_in_order_and_joined_by_index() -> None:
    """Batches are kept in order and joined by index."""
    found = _joined(
        [Histogram.of([float(i), -1.0], batch=i) for i in (5, 2, 9)]
        + [Histogram.of([7.0], batch=2)]
    )
    assert found.batches.tolist() == [[2, -1, 7], [5, -1, 5], [9, -1, 9]]


@pytest.mark.parametrize("key", ["count", "lo", "hi", "grid", "counts", "batches"])
def test_damaged_arrays_are_refused(key: str) -> None:
    """Damaged arrays are refused."""
    saved = Histogram.of([1.0, 2.0, -3.0]).to_arrays()
    without = {name: array for name, array in saved.items() if name != key}
    with pytest.raises(DataError, match="'relu'"):
        Histogram.from_arrays(without, "relu")
    longer = np.append(saved[key], saved[key])
    for wrong in (
        np.array([math.nan]),
        np.array(["x"]),
        np.array([1j]),
        longer[: saved[key].size + 1],
    ):
        with pytest.raises(DataError):
            Histogram.from_arrays({**saved, key: wrong}, "relu")


def test_density_shares_bins_in_proportion() -> None:
    """Density shares bins in proportion."""
    rng = np.random.default_rng(1)
    values = rng.standard_normal(100_000).astype(np.float32)
    edges, counts = Histogram.of(values).density(64)
    exact, _ = np.histogram(values, edges)
    assert counts.sum() == pytest.approx(values.size)
    assert np.abs(counts - exact).max() < 0.002 * values.size
