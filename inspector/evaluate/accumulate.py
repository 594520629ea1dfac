"""Histograms that grow sample by sample, the inner loop of calibration.

The result is what `Histogram.of` of every sample and `Histogram.merge` of all of them give, to the
last count, at less cost: the grid that earlier samples needed is the first guess for the next one,
so that the extrema, the check for NaN and the counts come from one pass over memory, chunk by chunk
in a core's cache, and nothing is allocated for a sample but the counts of a chunk.
"""

from __future__ import annotations

import math
import threading

import numpy as np
from numpy.typing import NDArray

from inspector.quant.binning import (
    BINS_PER_SIDE,
    MIN_EXPONENT,
    add_counts,
    bin_of,
    coarsen,
    exponent_for,
)
from inspector.quant.distribution import Histogram
from inspector.quant.rows import FloatArray, not_finite

_CHUNK = 1 << 16
"""Values counted at a time: with their bin numbers they take 1.1 MB, which stays in a cache."""


class Scratch:
    """The memory that one thread counts in; it serves any tensor."""

    def __init__(self) -> None:
        """Allocate it, about 1.3 MB."""
        self.scaled = np.empty(_CHUNK, np.float32)
        self.whole = np.empty(_CHUNK, np.int32)
        self.bins = np.empty(_CHUNK, np.intp)
        self.zero = np.empty(_CHUNK, np.bool_)
        self.window = np.zeros(2 * BINS_PER_SIDE, np.int64)


class Accumulator:
    """The histogram of one tensor over all samples so far; any thread may add to it."""

    def __init__(self, name: str) -> None:
        """Start without values; `name` is what an error calls the tensor."""
        self._name = name
        self._lock = threading.Lock()
        self._grid = (MIN_EXPONENT, 0, np.zeros(1, np.int64))
        self._count = 0
        self._zeros = 0
        self._batches: list[tuple[int, float, float]] = []

    def add(self, values: FloatArray, batch: int, scratch: Scratch) -> None:
        """Count one sample.

        Args:
            values: float32, any shape; nothing happens when it is empty.
            batch: the number of the sample.
            scratch: of the calling thread.

        Raises:
            DataError: NaN or infinity among the values.
        """
        flat = values.reshape(-1)
        if not flat.size:
            return
        counted = _Count(self._grid[0], scratch)
        try:
            for begin in range(0, flat.size, _CHUNK):
                if not counted.add(flat[begin : begin + _CHUNK]):
                    raise not_finite(flat, self._name)
            exponent, start, counts = counted.grid()
            with self._lock:
                self._grid = _joined(self._grid if self._count else None, exponent, start, counts)
                self._count += flat.size
                self._zeros += counted.zeros
                self._batches.append((batch, counted.lo, counted.hi))
        finally:
            counted.clear()

    def histogram(self) -> Histogram:
        """What was counted so far."""
        if not self._count:
            return Histogram.empty()
        batches = np.array(sorted(self._batches), np.float64)
        exponent, start, counts = self._grid
        return Histogram(
            np.array([self._count], np.int64),
            batches[:, 1].min(keepdims=True),
            batches[:, 2].max(keepdims=True),
            exponent,
            start,
            counts,
            self._zeros,
            batches,
        )


class _Count:
    """One sample's counts, in the window of a scratch memory."""

    def __init__(self, exponent: int, scratch: Scratch) -> None:
        self._exponent = exponent
        self._scratch = scratch
        self.lo, self.hi = math.inf, -math.inf
        self.zeros = 0

    def add(self, chunk: FloatArray) -> bool:
        """Count a chunk; False when it holds NaN or infinity."""
        lo, hi = float(chunk.min()), float(chunk.max())  # NaN carries through both
        if not (math.isfinite(lo) and math.isfinite(hi)):
            return False
        self.lo, self.hi = min(self.lo, lo), max(self.hi, hi)
        needed = exponent_for(max(-lo, hi))
        if needed > self._exponent:
            self._grow(needed)
        if lo <= 0.0 <= hi:
            zero = np.equal(chunk, 0.0, out=self._scratch.zero[: chunk.size])
            self.zeros += int(np.count_nonzero(zero))
        first = bin_of(lo, self._exponent)
        found = np.bincount(self._bins(chunk, first))
        at = BINS_PER_SIDE + first
        self._scratch.window[at : at + found.size] += found
        return True

    def _bins(self, chunk: FloatArray, first: int) -> NDArray[np.intp]:
        """Number the bin of each value, from `first`."""
        scaled, bins = self._scratch.scaled[: chunk.size], self._scratch.bins[: chunk.size]
        factor = np.float32(math.ldexp(1.0, -self._exponent))
        if self._exponent > 0:
            # Tiny values times 2^-e could underflow to -0 and leave their bin; whole numbers
            # cannot, and floor(floor(x) / 2^e) = floor(x / 2^e).
            np.floor(chunk, out=scaled)
            np.multiply(scaled, factor, out=scaled)
        else:
            np.multiply(chunk, factor, out=scaled)
        if first:
            np.floor(scaled, out=scaled)
            np.subtract(scaled, np.float32(first), out=scaled)
        # Cutting off is the floor of what is not negative. By way of int32 it is twice as fast, and
        # bincount copies what is not intp.
        whole = self._scratch.whole[: chunk.size]
        np.copyto(whole, scaled, casting="unsafe")
        np.copyto(bins, whole)
        return bins

    def _grow(self, exponent: int) -> None:
        window = self._scratch.window
        start, counts = coarsen(-BINS_PER_SIDE, window, exponent - self._exponent)
        window[:] = 0
        window[BINS_PER_SIDE + start :][: counts.size] = counts
        self._exponent = exponent

    def grid(self) -> tuple[int, int, NDArray[np.int64]]:
        """(exponent, start, counts) of the sample; the counts are a view of the window."""
        start = bin_of(self.lo, self._exponent)
        stop = bin_of(self.hi, self._exponent) + 1
        counts = self._scratch.window[BINS_PER_SIDE + start : BINS_PER_SIDE + stop]
        return self._exponent, start, counts

    def clear(self) -> None:
        """Leave the window as it was found: all zeros."""
        self._scratch.window[:] = 0


def _joined(
    grid: tuple[int, int, NDArray[np.int64]] | None,
    exponent: int,
    start: int,
    counts: NDArray[np.int64],
) -> tuple[int, int, NDArray[np.int64]]:
    """Add a sample's counts to those so far, in place where they lie within."""
    if grid is None:
        return exponent, start, counts.copy()
    inside = grid[1] <= start and start + counts.size <= grid[1] + grid[2].size
    if grid[0] != exponent or not inside:
        return add_counts(grid, (exponent, start, counts))
    at = start - grid[1]
    grid[2][at : at + counts.size] += counts
    return grid
