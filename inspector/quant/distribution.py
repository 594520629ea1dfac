"""What is known of a tensor's values: everything (sorted), or a sketch that can be merged."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.errors import DataError
from inspector.quant.binning import (
    BINS_PER_SIDE,
    CHUNK,
    MIN_EXPONENT,
    Counter,
    Scratch,
    add_counts,
    bin_of,
)
from inspector.quant.rows import as_float32, extrema, normalized_axis, not_finite, to_rows

__all__ = ["BINS_PER_SIDE", "Distribution", "ExactDistribution", "Histogram"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_PREFIX_BLOCK = 1024
_SAVED = {"count": "i", "lo": "f", "hi": "f", "grid": "i", "counts": "i", "batches": "f"}
"""The arrays of a saved histogram, and the kind of number in each."""


@dataclass(frozen=True, slots=True, eq=False)
class Distribution(ABC):
    """What is known of the values that share a scale, row by row.

    Attributes:
        count: (rows,) how many values.
        lo: (rows,) the exact minimum; 0 for a row without values.
        hi: (rows,) the exact maximum; 0 for a row without values.
    """

    count: Integers
    lo: Floats
    hi: Floats

    @property
    def rows(self) -> int:
        """How many scales the values need: 1 per tensor, else the channels or blocks."""
        return int(self.lo.size)

    @property
    def total(self) -> int:
        """How many values there are in all rows."""
        return int(self.count.sum())

    @abstractmethod
    def density(self, bins: int, row: int | None = None) -> tuple[Floats, Floats]:
        """A histogram to look at.

        Args:
            bins: how many bins of equal width, from the minimum to the maximum.
            row: one row, or None for all of them together.

        Returns:
            (bins + 1,) edges and (bins,) counts.
        """


def _edges(lo: float, hi: float, bins: int) -> Floats:
    """Edges of equal bins; a single value gets room of its own size on both sides."""
    if lo == hi:
        room = abs(lo) / 2 or 0.5
        lo, hi = lo - room, hi + room
    return np.linspace(lo, hi, bins + 1)


def _prefix_sums(values: NDArray[np.floating[Any]]) -> Floats:
    """(rows, n+1) float64 sums of the first 0, 1, ... n values.

    Long rows are summed in blocks whose totals are added afterwards: the rounding error of the
    difference of two prefix sums then does not grow with the number of values between them.
    """
    rows, n = values.shape
    result = np.empty((rows, n + 1))
    result[:, 0] = 0.0
    if n <= _PREFIX_BLOCK * 8:
        np.cumsum(values, axis=1, dtype=np.float64, out=result[:, 1:])
        return result
    whole = n - n % _PREFIX_BLOCK
    inside = result[:, 1 : whole + 1].reshape(rows, -1, _PREFIX_BLOCK, copy=False)
    blocks = values[:, :whole].reshape(rows, -1, _PREFIX_BLOCK)
    np.cumsum(blocks, axis=2, dtype=np.float64, out=inside)
    ends = np.cumsum(inside[:, :, -1], axis=1)
    inside[:, 1:] += ends[:, :-1, None]
    np.cumsum(values[:, whole:], axis=1, dtype=np.float64, out=result[:, whole + 1 :])
    result[:, whole + 1 :] += ends[:, -1:]
    return result


@dataclass(frozen=True, slots=True, eq=False)
class ExactDistribution(Distribution):
    """Every value, sorted, with the prefix sums that give exact errors without the tensor.

    Attributes:
        values: (rows, n) float32, each row ascending, +inf beyond its count.
        sum1: (rows, n+1) float64 prefix sums of the values.
        sum2: (rows, n+1) float64 prefix sums of their squares.
    """

    values: NDArray[np.float32]
    sum1: Floats
    sum2: Floats

    @classmethod
    def of(
        cls, values: ArrayLike, *, axis: int | None = None, block: int = 0, name: str = ""
    ) -> ExactDistribution:
        """Sort a tensor once.

        Args:
            values: any shape; converted to float32.
            axis: None for one row; else one row per index of this axis.
            block: if not 0, one row per block of so many values along ``axis`` (the last block may
                be shorter), in the C order of ONNX's blocked scales.
            name: what an error calls the tensor.

        Raises:
            DataError: NaN or infinity, which the message counts, or values that are not numbers.
            UnsupportedError: the tensor has no such axis.
        """
        array = as_float32(values, name)
        if axis is not None:
            axis = normalized_axis(axis, array.ndim, name)
        if array.size:
            extrema(array, None, name)
        rows, count = to_rows(array, axis, block)
        ordered = np.sort(rows, axis=1)
        if not array.size:
            nothing = np.zeros(len(ordered))
            sums = np.zeros((len(ordered), 1))
            return cls(np.zeros_like(count), nothing, nothing, ordered, sums, sums)
        real = ordered
        if (count < ordered.shape[1]).any():
            real = np.where(np.isfinite(ordered), ordered, np.float32(0))
        last = np.take_along_axis(ordered, count[:, None] - 1, axis=1)[:, 0]
        return cls(
            count,
            ordered[:, 0].astype(np.float64),
            last.astype(np.float64),
            ordered,
            _prefix_sums(real),
            _prefix_sums(np.square(real, dtype=np.float64)),
        )

    def take(self, rows: slice | NDArray[np.intp]) -> ExactDistribution:
        """Some of the rows: views of them for a slice, else copies."""
        return ExactDistribution(
            self.count[rows],
            self.lo[rows],
            self.hi[rows],
            self.values[rows],
            self.sum1[rows],
            self.sum2[rows],
        )

    def density(self, bins: int, row: int | None = None) -> tuple[Floats, Floats]:
        """See `Distribution.density`; the counts are exact."""
        chosen = slice(None) if row is None else slice(row, row + 1)
        values, count = self.values[chosen], self.count[chosen]
        if not count.sum():
            return _edges(0.0, 0.0, bins), np.zeros(bins)
        edges = _edges(float(self.lo[chosen].min()), float(self.hi[chosen].max()), bins)
        if len(values) <= 64:
            inner = edges[1:-1].astype(np.float32)
            below = sum(np.searchsorted(line, inner) for line in values)
            bounds = np.concatenate(([0], below, [count.sum()]))
            return edges, np.diff(bounds).astype(np.float64)
        flat = values.reshape(-1) if count.sum() == values.size else values[np.isfinite(values)]
        scaled = (flat - np.float32(edges[0])) * np.float32(bins / (edges[-1] - edges[0]))
        index = np.clip(scaled, 0, bins - 1).astype(np.int32)
        return edges, np.bincount(index, minlength=bins).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Histogram(Distribution):
    """A sketch of one tensor's values (one row) that can be merged with others of its kind.

    Bin ``start + k`` covers [(start+k) * 2^exponent, (start+k+1) * 2^exponent). The exponent is
    the smallest one whose grid holds every value in `BINS_PER_SIDE` bins each side of zero, so it
    follows from the largest magnitude alone: merging is associative and commutative to the last
    count, and a merged histogram is that of all the values.

    Attributes:
        exponent: the width of a bin is 2^exponent.
        start: the index of the first bin kept, the one that holds the minimum.
        counts: int64 counts, up to the bin that holds the maximum.
        zeros: how many values are exactly zero.
        batches: (batches, 3) index, minimum and maximum of each batch, ascending by index.
    """

    exponent: int
    start: int
    counts: Integers
    zeros: int
    batches: Floats

    @classmethod
    def of(cls, values: ArrayLike, *, batch: int = 0, name: str = "") -> Histogram:
        """Count a tensor in one pass over it, without a copy of it.

        Args:
            values: any shape; converted to float32.
            batch: which batch of the data this is: moving averages run in this order.
            name: what an error calls the tensor.

        Raises:
            DataError: NaN or infinity, which the message counts, or values that are not numbers.
        """
        flat = as_float32(values, name).reshape(-1)
        if not flat.size:
            return cls.empty()
        counter = Counter(Scratch(min(CHUNK, flat.size)))
        if not counter.add(flat):
            raise not_finite(flat, name)
        exponent, start, counts = counter.counts()
        return cls(
            np.array([flat.size], np.int64),
            np.array([counter.lo]),
            np.array([counter.hi]),
            exponent,
            start,
            counts.copy(),
            counter.zeros,
            np.array([[batch, counter.lo, counter.hi]], np.float64),
        )

    @classmethod
    def empty(cls) -> Histogram:
        """The histogram of no values: merging it with another gives the other."""
        nothing = np.zeros(1)
        counts = np.zeros(1, np.int64)
        batches = np.zeros((0, 3))
        return cls(counts, nothing, nothing, MIN_EXPONENT, 0, counts, 0, batches)

    def merge(self, other: Histogram) -> Histogram:
        """The histogram of the values of both; batches of the same index become one."""
        if not other.total:
            return self
        if not self.total:
            return other
        exponent, start, counts = add_counts(
            (self.exponent, self.start, self.counts), (other.exponent, other.start, other.counts)
        )
        return Histogram(
            self.count + other.count,
            np.minimum(self.lo, other.lo),
            np.maximum(self.hi, other.hi),
            exponent,
            start,
            counts,
            self.zeros + other.zeros,
            _merge_batches(self.batches, other.batches),
        )

    def __eq__(self, other: object) -> bool:
        """Whether all that is known is the same, to the last count and bit."""
        if not isinstance(other, Histogram):
            return NotImplemented
        mine, theirs = self.to_arrays(), other.to_arrays()
        return all(np.array_equal(mine[key], theirs[key]) for key in mine)

    def edges(self) -> Floats:
        """(counts + 1,) the edges of the bins; the outer two are the exact minimum and maximum."""
        width = math.ldexp(1.0, self.exponent)
        edges = np.arange(self.start, self.start + self.counts.size + 1, dtype=np.float64) * width
        edges[0], edges[-1] = self.lo[0], self.hi[0]
        return edges

    def density(self, bins: int, row: int | None = None) -> tuple[Floats, Floats]:
        """See `Distribution.density`; a bin cut by an edge is shared in proportion."""
        edges = _edges(float(self.lo[0]), float(self.hi[0]), bins)
        if self.counts.size == 1:
            counts = np.zeros(bins)
            counts[bins // 2] = self.total
            return edges, counts
        below = np.concatenate(([0], np.cumsum(self.counts))).astype(np.float64)
        reached = np.asarray(np.interp(edges, self.edges(), below), np.float64)
        return edges, np.diff(reached)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays to save without pickle; `from_arrays` reads them back."""
        return {
            "count": self.count,
            "lo": self.lo,
            "hi": self.hi,
            "grid": np.array([self.exponent, self.start, self.zeros], np.int64),
            "counts": self.counts,
            "batches": self.batches,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], name: str = "") -> Histogram:
        """The inverse of `to_arrays`.

        Raises:
            DataError: an array is missing, or they do not fit together.
        """
        damaged = DataError(
            f"The saved statistics of the tensor '{name}' are damaged.",
            "Run the calibration again.",
        )
        try:
            fields = {key: np.asarray(arrays[key]) for key in _SAVED}
            if any(fields[key].dtype.kind != sort for key, sort in _SAVED.items()):
                raise damaged
            exponent, start, zeros = (int(number) for number in fields["grid"])
            lo, hi, count = (fields[key].reshape(1) for key in ("lo", "hi", "count"))
            result = cls(
                count.astype(np.int64),
                lo.astype(np.float64),
                hi.astype(np.float64),
                exponent,
                start,
                fields["counts"].astype(np.int64).reshape(-1),
                zeros,
                fields["batches"].astype(np.float64).reshape(-1, 3),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise damaged from error
        if not _is_sound(result):
            raise damaged
        return result


def _is_sound(found: Histogram) -> bool:
    """Whether the parts of a histogram read from a file agree with one another."""
    lo, hi = float(found.lo[0]), float(found.hi[0])
    if not (-math.inf < lo <= hi < math.inf) or not np.isfinite(found.batches).all():
        return False
    return bool(
        MIN_EXPONENT <= found.exponent <= 128
        and found.counts.size >= 1
        and found.counts.min() >= 0
        and int(found.counts.sum()) == found.total
        and found.start == bin_of(lo, found.exponent)
        and found.start + found.counts.size - 1 == bin_of(hi, found.exponent)
        and 0 <= found.zeros <= found.total
    )


def _merge_batches(first: Floats, second: Floats) -> Floats:
    """The batches of both, ascending by index; those of one index become one."""
    both = np.concatenate((first, second))
    if first.size and second.size and first[-1, 0] < second[0, 0]:
        return both
    index, place = np.unique(both[:, 0], return_inverse=True)
    lo, hi = np.full(index.size, np.inf), np.full(index.size, -np.inf)
    np.minimum.at(lo, place, both[:, 1])
    np.maximum.at(hi, place, both[:, 2])
    return np.stack((index, lo, hi), axis=1)
