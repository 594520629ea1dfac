"""Where samples lie in arrays, and which types may be fed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import DataError
from inspector.evaluate.inputs import (
    InputSpec,
    SampleLayout,
    batch_symbol,
    check_dtype,
    convert,
    sample_layout,
)
from inspector.graph.model import Dim


def spec(*shape: Dim, dtype: str = "float32") -> InputSpec:
    """Describe an input."""
    return InputSpec("x", dtype, shape)


@pytest.mark.parametrize(
    ("wanted", "given", "layout"),
    [
        (("N", 3, 8, 8), (5, 3, 8, 8), SampleLayout(5)),
        ((1, 3, 8, 8), (5, 3, 8, 8), SampleLayout(5)),
        ((None, 3, None, None), (5, 3, 9, 7), SampleLayout(5)),
        ((4, 3), (9, 3), SampleLayout(2, rows=4, left_over=1)),
        (("N", 3, 8, 8), (3, 8, 8), SampleLayout(1, lifted=True)),
        (("N", 3, 8, 8), (6, 1, 3, 8, 8), SampleLayout(6, stacked=True)),
        ((2, 1, 16), (7, 2, 1, 16), SampleLayout(7, stacked=True)),
        ((), (), SampleLayout(1)),
        ((), (9,), SampleLayout(9, stacked=True)),
        (("length",), (16000,), SampleLayout(1, rows=16000)),
        (("length",), (3, 16000), SampleLayout(3, stacked=True)),
        ((2,), (2,), SampleLayout(1, rows=2)),
        ((1,), (6,), SampleLayout(6)),
        ((2,), (4,), None),
        ((4, 3), (3, 3), None),
        ((4, 3), (3,), None),
        (("N", 3, 8, 8), (5, 8, 8, 3), None),
        (("N", 3, 8, 8), (8, 8), None),
        (("N", 3), (0, 3), None),
        ((), (0,), None),
    ],
)
def test_layout(wanted: tuple[Dim, ...], given: tuple[int, ...], layout: Any) -> None:
    """Samples lie where the shapes say."""
    assert sample_layout(spec(*wanted), given, None) == layout


def test_batch_symbol_marks_the_axis() -> None:
    """Batch symbol marks the axis."""
    state, lengths = spec(2, "batch", 128), spec("batch")
    assert batch_symbol([lengths, spec("batch", "sequence"), state]) == "batch"
    assert sample_layout(state, (2, 6, 128), "batch") == SampleLayout(6, axis=1)
    assert sample_layout(lengths, (6,), "batch") == SampleLayout(6)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 4), st.integers(1, 9), st.booleans(), st.lists(st.integers(1, 3), max_size=3))
def test_samples_are_the_rows_in_order(
    rows: int, count: int, stacked: bool, inner: list[int]
) -> None:
    """Samples are the rows in order."""
    wanted = spec(rows, 2, *inner)
    shape = (count, rows, 2, *inner) if stacked else (count * rows, 2, *inner)
    array = np.arange(np.prod(shape)).reshape(shape)
    layout = sample_layout(wanted, shape, None)
    assert layout is not None
    assert layout.count == count
    size = 1 if layout.stacked else rows
    parts = [layout.take(array[i * size : (i + 1) * size]) for i in range(count)]
    assert all(p.shape == wanted.shape for p in parts)
    np.testing.assert_array_equal(np.concatenate(parts).reshape(-1), array.reshape(-1))


@pytest.mark.parametrize(
    ("have", "want", "remark"),
    [
        ("float64", "float32", False),
        ("float16", "float32", False),
        ("float32", "float16", False),
        ("int32", "int64", False),
        ("int64", "int32", False),
        ("uint8", "int64", False),
        ("bool", "int64", False),
        ("bool", "bool", False),
        ("uint8", "float32", True),
        ("int64", "float32", True),
        ("bool", "float32", True),
    ],
)
def test_types_that_may_be_fed(have: str, want: str, remark: bool) -> None:
    """Types that may be fed."""
    assert bool(check_dtype(spec(2, dtype=want), "file", np.dtype(have))) is remark
    values = np.array([0, 1], have)
    found = convert(values, spec(2, dtype=want), "file")
    assert found.dtype == want
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("have", "want"), [("float32", "int64"), ("float64", "bool"), ("int64", "bool")]
)
def test_types_that_may_not_be_fed(have: str, want: str) -> None:
    """Types that may not be fed."""
    with pytest.raises(DataError, match=rf"a\.npz is {have}.*'x' wants {want}"):
        check_dtype(spec(2, dtype=want), "a.npz", np.dtype(have))


@pytest.mark.parametrize(
    ("values", "want", "words"),
    [
        (np.array([1.0, np.nan]), "float32", "NaN"),
        (np.array([1.0, -np.inf], np.float32), "float32", "infinity"),
        (np.array([1e300]), "float32", "too large for float32"),
        (np.array([70000.0], np.float32), "float16", "too large for float16"),
        (np.array([2**40]), "int32", str(2**40)),
        (np.array([-1]), "uint8", "holds -1"),
        (np.array([300]), "uint8", "holds 300"),
    ],
)
def test_values_that_may_not_be_fed(values: np.ndarray, want: str, words: str) -> None:
    """Values that may not be fed."""
    with pytest.raises(DataError, match=words) as caught:
        convert(values, spec(None, dtype=want), "a.npz, sample 3")
    assert "a.npz, sample 3" in caught.value.message


def test_zero_axes_survive() -> None:
    """Zero axes survive."""
    found = convert(np.int64(16000), spec(dtype="int64"), "file")  # type: ignore[arg-type]
    assert found.shape == ()
    assert found == 16000
