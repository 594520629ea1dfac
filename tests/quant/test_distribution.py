"""The exact distribution: sorted rows and their prefix sums."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inspector.errors import DataError, UnsupportedError
from inspector.quant.distribution import ExactDistribution


def test_rows_are_sorted_and_summed() -> None:
    """Rows are sorted and summed."""
    values = np.random.default_rng(0).standard_normal((3, 20, 5)).astype(np.float32)
    found = ExactDistribution.of(values, axis=1)
    rows = np.moveaxis(values, 1, 0).reshape(20, -1)
    assert found.rows == 20
    assert found.count.tolist() == [15] * 20
    assert found.total == 300
    assert np.array_equal(found.values, np.sort(rows, axis=1))
    assert np.array_equal(found.lo, rows.min(axis=1))
    assert np.array_equal(found.hi, rows.max(axis=1))
    assert found.sum1[:, -1] == pytest.approx(rows.sum(axis=1, dtype=np.float64))
    assert found.sum2[:, 4] == pytest.approx(np.square(found.values[:, :4]).sum(axis=1))


@pytest.mark.parametrize("rows", [1, 3])
def test_long_prefix_sums_are_as_good_as_exact_ones(rows: int) -> None:
    """Long prefix sums are as good as exact ones."""
    values = np.random.default_rng(1).standard_normal((rows, 30_001)).astype(np.float32)
    found = ExactDistribution.of(values, axis=0)
    for row in range(rows):
        ordered = found.values[row].astype(float)
        for place in (0, 1, 1023, 1024, 1025, 15_000, 29_696, 30_000, 30_001):
            assert found.sum1[row, place] == pytest.approx(math.fsum(ordered[:place]), abs=1e-9)
            square = math.fsum(ordered[:place] ** 2)
            assert found.sum2[row, place] == pytest.approx(square, rel=1e-13)


def test_the_last_block_may_be_shorter() -> None:
    """The last block may be shorter."""
    values = np.arange(14, dtype=np.float32).reshape(2, 7)
    found = ExactDistribution.of(values, axis=1, block=3)
    assert found.count.tolist() == [3, 3, 1, 3, 3, 1]
    assert found.hi.tolist() == [2, 5, 6, 9, 12, 13]
    assert found.sum1[:, -1].tolist() == [3, 12, 6, 24, 33, 13]
    edges, counts = found.density(4)
    assert counts.sum() == 14
    assert (edges[0], edges[-1]) == (0, 13)


@pytest.mark.parametrize("shape", [(40, 50), (100, 20)])
def test_density_counts_every_value(shape: tuple[int, int]) -> None:
    """Density counts every value."""
    values = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    found = ExactDistribution.of(values, axis=0)
    edges, counts = found.density(32)
    expected, _ = np.histogram(values, edges)
    assert counts.sum() == values.size
    assert np.abs(counts - expected).max() <= 2
    edges, counts = found.density(8, row=3)
    assert (edges[0], edges[-1]) == (values[3].min(), values[3].max())
    assert counts.tolist() == np.histogram(values[3], edges)[0].tolist()


@pytest.mark.parametrize("value", [0.0, 2.0, -1e-30])
def test_a_single_value_has_room_on_both_sides(value: float) -> None:
    """A single value has room on both sides."""
    edges, counts = ExactDistribution.of([value] * 7).density(10)
    assert edges[0] < value < edges[-1]
    assert counts.sum() == 7


def test_no_values() -> None:
    """No values."""
    found = ExactDistribution.of(np.zeros((2, 0)))
    assert (found.rows, found.total) == (1, 0)
    assert (found.lo[0], found.hi[0]) == (0, 0)
    assert found.density(4)[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_errors_that_name_the_tensor(bad: float) -> None:
    """NaN and infinity are errors that name the tensor."""
    with pytest.raises(DataError, match="'embedding' holds"):
        ExactDistribution.of(np.array([[1.0, bad], [2.0, 3.0]]), axis=0, name="embedding")


def test_an_axis_that_does_not_exist_is_an_error() -> None:
    """An axis that does not exist is an error."""
    with pytest.raises(UnsupportedError, match="'w' has 2 dimensions"):
        ExactDistribution.of(np.ones((2, 2)), axis=2, name="w")
