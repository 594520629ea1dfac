"""What one wants to know of a tensor at a glance, from one or two reads of its values.

Types of up to 16 bits are counted code by code, from which everything follows exactly. Others are
read twice: for the range, then for moments and histogram, in units of a power of two above the
largest magnitude, so that nothing overflows or vanishes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import CancelledError

Floats = NDArray[np.float64]
Chunks = Callable[[], Iterable[NDArray[Any]]]

BINS = 128


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """The figures of a tensor.

    Attributes:
        count: all values, also those that are not numbers.
        minimum: the smallest finite value, an int for integers; None where there is none.
        maximum: the largest finite value.
        mean: of the finite values.
        std: standard deviation of the finite values, of the tensor as the whole population.
        zeros: how many equal the value that stands for zero.
        nans: how many are NaN.
        infinities: how many are infinite.
        distinct: how many different finite values there are, for types of up to 16 bits.
        edges: (bins + 1,) edges of the histogram; of integers halfway between them.
        counts: (bins,) finite values in each bin.
    """

    count: int
    minimum: int | float | None
    maximum: int | float | None
    mean: float | None
    std: float | None
    zeros: int
    nans: int
    infinities: int
    distinct: int | None
    edges: Floats
    counts: Floats

    @property
    def sparsity(self) -> float:
        """Share of the values that stand for zero."""
        return self.zeros / self.count if self.count else 0.0


def summarize(
    chunks: Chunks,
    *,
    zero: float = 0.0,
    absent: int = 0,
    bins: int = BINS,
    cancelled: Callable[[], bool] = lambda: False,
) -> Summary:
    """The figures of a tensor that is read chunk by chunk. Cost O(values), memory of a chunk.

    Args:
        chunks: gives all values anew each time it is called, in arrays of one real dtype.
        zero: the value that stands for zero: the zero point of integer codes.
        absent: how many further values are zeros that the chunks leave out.
        bins: at most so many in the histogram.
        cancelled: asked before each chunk.

    Raises:
        CancelledError: `cancelled` said so.
    """

    def watched() -> Iterable[NDArray[Any]]:
        for chunk in chunks():
            if cancelled():
                raise CancelledError()
            if chunk.size:
                yield chunk

    first = next(iter(watched()), None)
    if first is None:
        return _nothing(absent, zero)
    if first.dtype.itemsize <= 2:
        return _counted(watched(), first.dtype, zero, absent, bins)
    return _streamed(watched, first.dtype.kind in "iu", zero, absent, bins)


def _nothing(absent: int, zero: float) -> Summary:
    if not absent:
        return Summary(0, None, None, None, None, 0, 0, 0, 0, np.zeros(2), np.zeros(1))
    zeros = absent if zero == 0 else 0
    edges, counts = np.array([-0.5, 0.5]), np.array([float(absent)])
    return Summary(absent, 0, 0, 0.0, 0.0, zeros, 0, 0, 1, edges, counts)


def _counted(
    chunks: Iterable[NDArray[Any]], dtype: np.dtype[Any], zero: float, absent: int, bins: int
) -> Summary:
    """By the number of each code."""
    codes = np.dtype(np.uint8) if dtype.itemsize == 1 else np.dtype(np.uint16)
    times = np.zeros(1 << (8 * codes.itemsize), np.int64)
    for chunk in chunks:
        # Any byte but 0 is true, whatever a file holds.
        bits = (chunk.view(np.uint8) != 0) if dtype.kind == "b" else chunk.view(codes)
        times += np.bincount(bits.view(codes), minlength=times.size)
    integer = dtype.kind in "biu"
    table = np.arange(times.size).astype(codes)
    with np.errstate(invalid="ignore"):
        real = np.asarray(table if dtype.kind == "b" else table.view(dtype)).astype(np.float64)
    times[0] += absent  # the code of zero
    used = times > 0
    real, times = real[used], times[used]
    nans, infinite = np.isnan(real), np.isinf(real)
    finite = ~(nans | infinite)
    values, weights = real[finite], times[finite]
    counts = (
        int(times.sum()),
        int(times[real == zero].sum()),
        int(times[nans].sum()),
        int(times[infinite].sum()),
    )
    count, zeros, nan_count, infinities = counts
    if not values.size:
        nothing = (np.zeros(2), np.zeros(1))
        return Summary(count, None, None, None, None, zeros, nan_count, infinities, 0, *nothing)
    mean = float(np.average(values, weights=weights))
    std = math.sqrt(float(np.average((values - mean) ** 2, weights=weights)))
    low, high = float(values.min()), float(values.max())
    binner = Binner(low, high, integer, bins)
    heights = np.bincount(binner.index(values), weights, binner.bins).astype(np.float64)
    return Summary(
        count,
        int(low) if integer else low,
        int(high) if integer else high,
        mean,
        std,
        zeros,
        nan_count,
        infinities,
        len(np.unique(values)),
        binner.edges,
        heights,
    )


@dataclass(slots=True)
class _Range:
    """What the first read finds."""

    count: int = 0
    zeros: int = 0
    nans: int = 0
    infinities: int = 0
    low: Any = None
    high: Any = None

    def add(self, chunk: NDArray[Any], zero: float) -> None:
        self.count += chunk.size
        self.zeros += int(np.count_nonzero(chunk == zero))
        finite = chunk
        if chunk.dtype.kind not in "iu":
            finite = _finite(chunk)
            lost = chunk.size - finite.size
            if lost:
                nans = int(np.count_nonzero(np.isnan(chunk)))
                self.nans += nans
                self.infinities += lost - nans
        if finite.size:
            self.include(finite.min().item(), finite.max().item())

    def include(self, low: Any, high: Any) -> None:
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)


def _finite(chunk: NDArray[Any]) -> NDArray[Any]:
    """The finite values; the chunk itself where all are."""
    if chunk.dtype.kind in "iu":
        return chunk
    keep = np.isfinite(chunk)
    return chunk if keep.all() else chunk[keep]


@dataclass(slots=True)
class _Moments:
    """Count, mean and squared deviations, merged (Chan, Golub and LeVeque 1983, equation 2.1)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, count: int, mean: float, squares: float) -> None:
        total = self.count + count
        if not total:
            return
        step = mean - self.mean
        self.squares += squares + step * step * self.count * count / total
        self.mean += step * count / total
        self.count = total


def _streamed(chunks: Chunks, integer: bool, zero: float, absent: int, bins: int) -> Summary:
    """By two reads."""
    found = _Range()
    for chunk in chunks():
        found.add(chunk, zero)
    if absent:
        found.count += absent
        found.zeros += absent if zero == 0 else 0
        found.include(0 if integer else 0.0, 0 if integer else 0.0)
    known = (found.zeros, found.nans, found.infinities, None)
    if found.low is None:
        return Summary(found.count, None, None, None, None, *known, np.zeros(2), np.zeros(1))
    exponent = math.frexp(float(max(-found.low, found.high, 0)))[1]
    binner = Binner(found.low, found.high, integer, bins)
    moments, heights = _Moments(), np.zeros(binner.bins)
    for chunk in chunks():
        finite = _finite(chunk)
        if finite.size:
            heights += np.bincount(binner.index(finite), minlength=binner.bins)
            scaled = np.ldexp(finite.astype(np.float64), -exponent)
            mean = float(scaled.mean())
            scaled -= mean
            moments.add(finite.size, mean, float(scaled @ scaled))
    if absent:
        moments.add(absent, 0.0, 0.0)
        heights[binner.index(np.zeros(1))] += absent
    mean = math.ldexp(moments.mean, exponent)
    std = math.ldexp(math.sqrt(moments.squares / moments.count), exponent)
    if found.low == found.high:  # not to the last bit only
        mean, std = float(found.low), 0.0
    return Summary(
        found.count,
        found.low,
        found.high,
        mean,
        std,
        *known,
        binner.edges,
        heights,
    )


class Binner:
    """Bins of equal width from the smallest to the largest value.

    Bins of integers hold the same number of integers each: otherwise some bins could hold one more
    than others, and the histogram would show a comb that is not there.

    Args:
        low: the smallest value.
        high: the largest.
        integer: whether all values are integers.
        most: at most so many bins.
    """

    def __init__(self, low: float, high: float, integer: bool, most: int) -> None:
        self._low = low
        self._whole = integer and high - low < 2**52
        if self._whole:
            self._width = max(1, -(-(int(high) - int(low) + 1) // most))
            self.bins = -(-(int(high) - int(low) + 1) // self._width)
            self.edges: Floats = float(low) - 0.5 + np.arange(self.bins + 1.0) * self._width
            return
        self._exponent = math.frexp(max(abs(float(low)), abs(float(high))))[1]
        first, last = math.ldexp(low, -self._exponent), math.ldexp(high, -self._exponent)
        self.bins = most if first < last else 1
        if first == last:
            room = abs(first) / 2 or 0.5
            first, last = first - room, last + room
        self._first, self._factor = first, self.bins / (last - first)
        most_real = np.finfo(np.float64).max
        with np.errstate(over="ignore"):
            edges = np.ldexp(np.linspace(first, last, self.bins + 1), self._exponent)
        self.edges = np.clip(edges, -most_real, most_real)
        if self.bins > 1:
            self.edges[0], self.edges[-1] = low, high

    def index(self, values: NDArray[Any]) -> NDArray[np.intp]:
        """(n,) which bin each value is in; all must lie in the range."""
        if self._whole:
            # The difference of two int32 may need more bits; that of two uint64 here does not.
            wide = values.astype(np.int64) if values.dtype.kind == "i" else values
            offset = wide - wide.dtype.type(self._low)
            whole: NDArray[np.intp] = (offset // self._width).astype(np.intp)
            return whole
        scaled = np.ldexp(values.astype(np.float64), -self._exponent)
        scaled -= self._first
        scaled *= self._factor
        return np.clip(scaled, 0, self.bins - 1).astype(np.intp)
