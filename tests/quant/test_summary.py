"""The figures of a tensor, against NumPy on the whole of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from inspector.errors import CancelledError
from inspector.quant.summary import BINS, Summary, summarize

NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")


def summary(array: NDArray[Any], chunk: int = 7, **options: Any) -> Summary:
    """The summary of an array that is read in small pieces."""

    def pieces() -> Iterator[NDArray[Any]]:
        for start in range(0, array.size, chunk):
            yield array[start : start + chunk]

    return summarize(pieces, **options)


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from(NUMBERS).flatmap(lambda kind: hnp.arrays(np.dtype(kind), st.integers(1, 60))),
    st.integers(1, 70),
)
def test_the_figures_are_those_of_numpy(array: NDArray[Any], chunk: int) -> None:
    """Counts and ends are exact for every type and cut; moments to rounding, without overflow."""
    found = summary(array, chunk)
    wide = array.astype(np.longdouble)
    finite = wide[np.isfinite(wide)]
    assert found.count == array.size
    assert found.nans == np.isnan(wide).sum()
    assert found.infinities == np.isinf(wide).sum()
    assert found.zeros == (wide == 0).sum()
    assert found.counts.sum() == finite.size
    assert len(found.counts) <= BINS
    if not finite.size:
        assert found.minimum is None
        assert found.mean is None
        return
    assert found.minimum == finite.min()
    assert found.maximum == finite.max()
    assert found.edges[0] <= found.minimum
    assert found.edges[-1] >= found.maximum
    peak = float(np.abs(finite).max())
    assert found.mean is not None
    assert found.std is not None
    assert found.mean / (peak or 1.0) == pytest.approx(float(finite.mean() / (peak or 1)), abs=1e-9)
    assert found.std / (peak or 1.0) == pytest.approx(float(finite.std() / (peak or 1)), abs=1e-9)


@pytest.mark.parametrize("kind", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float4_e2m1fn"])
def test_small_floats_are_counted_code_by_code(kind: str) -> None:
    """Types that NumPy has no name for give the figures of their values."""
    array = np.random.default_rng(0).normal(size=500).astype(getattr(ml_dtypes, kind))
    found, real = summary(array), array.astype(np.float64)
    assert found.distinct == len(np.unique(real))
    assert found.mean == pytest.approx(real.mean())
    assert found.maximum == real.max()


def test_zero_is_where_the_zero_point_is() -> None:
    """Sparsity counts the codes that stand for zero."""
    codes = np.array([128, 128, 0, 255], np.uint8)
    assert summary(codes, zero=128.0).sparsity == 0.5
    assert summary(codes.astype(np.int32), zero=128.0).zeros == 2


def test_bins_of_integers_hold_as_many_integers_each() -> None:
    """A uniform tensor of integers has a flat histogram, with no comb on it."""
    found = summary(np.arange(0, 1280, dtype=np.int32).repeat(3), 100)
    assert set(found.counts) == {30.0}
    few = summary(np.array([-2, 0, 3], np.int8))
    assert few.edges.tolist() == [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5]


@pytest.mark.parametrize("kind", [np.float32, np.int8, np.int64])
def test_zeros_that_a_file_leaves_out_count(kind: type) -> None:
    """A sparse tensor has the figures of the dense one."""
    stored = np.array([3, 5, 7], kind)
    sparse, dense = summary(stored, absent=9), summary(np.append(stored, np.zeros(9, kind)))
    for name in ("count", "minimum", "maximum", "zeros", "distinct"):
        assert getattr(sparse, name) == getattr(dense, name)
    assert sparse.mean == pytest.approx(dense.mean)
    assert sparse.std == pytest.approx(dense.std)
    np.testing.assert_array_equal(sparse.counts, dense.counts)
    assert summarize(lambda: [], absent=4).sparsity == 1.0


@pytest.mark.parametrize("value", [1.7e308, -1.7e308, 5e-324, 0.0, 3.0])
def test_one_value_has_room_on_both_sides(value: float) -> None:
    """And edges that can be drawn, however large it is."""
    found = summary(np.full(3, value))
    assert np.isfinite(found.edges).all()
    assert found.edges[0] <= value <= found.edges[-1]
    assert (found.std, found.counts.tolist()) == (0.0, [3.0])


def test_nothing_has_no_figures() -> None:
    """A tensor without values, and one without finite values."""
    assert summary(np.zeros(0, np.float32)).count == 0
    found = summary(np.array([np.nan, np.inf], np.float32))
    assert (found.minimum, found.nans, found.infinities) == (None, 1, 1)


def test_reading_stops_when_it_is_cancelled() -> None:
    """The next chunk is not read."""
    read: list[int] = []

    def pieces() -> Iterator[NDArray[Any]]:
        for number in range(1000):
            read.append(number)
            yield np.ones(4, np.float32)

    with pytest.raises(CancelledError):
        summarize(pieces, cancelled=lambda: len(read) > 3)
    assert len(read) < 6
