"""Counting values on a dyadic grid, the arithmetic of the mergeable histogram.

Bin i covers [i * 2^e, (i+1) * 2^e). Halving the resolution (e + 1) joins the bins 2i and 2i+1
exactly, so a histogram can grow, or meet another one, without reading its data again.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from inspector.quant.rows import FloatArray

SIDE_BITS = 13
BINS_PER_SIDE = 1 << SIDE_BITS
MIN_EXPONENT = -126
"""The finest grid: 2^126 is the last power of two whose products with it stay in float32."""

CHUNK = 1 << 16
"""Values counted at a time: with their bin numbers they take 1.1 MB, which stays in a cache."""

Counts = NDArray[np.int64]
Binned = tuple[int, int, Counts]
"""(exponent, start, counts): counts of the bins start, start + 1, ... of width 2^exponent."""


def exponent_for(peak: float) -> int:
    """The smallest exponent whose grid holds -peak and peak in `BINS_PER_SIDE` bins each side."""
    if peak == 0.0:
        return MIN_EXPONENT
    return max(math.frexp(peak)[1] - SIDE_BITS, MIN_EXPONENT)


def bin_of(value: float, exponent: int) -> int:
    """The index of the bin that holds ``value``."""
    return math.floor(math.ldexp(value, -exponent))


def coarsen(start: int, counts: Counts, steps: int) -> tuple[int, Counts]:
    """The same counts on bins 2^steps as wide."""
    # Beyond SIDE_BITS + 1 halvings all is in bins -1 and 0, and stays there.
    for _ in range(min(steps, SIDE_BITS + 1)):
        before = start & 1
        size = before + counts.size
        padded = np.zeros(size + (size & 1), np.int64)
        padded[before:size] = counts
        counts = padded[0::2] + padded[1::2]
        start >>= 1
    return start, counts


def add_counts(first: Binned, second: Binned) -> Binned:
    """The sum of two counts, on the coarser grid of the two."""
    exponent = max(first[0], second[0])
    parts = [coarsen(start, counts, exponent - own) for own, start, counts in (first, second)]
    start = min(part[0] for part in parts)
    stop = max(part[0] + part[1].size for part in parts)
    total = np.zeros(stop - start, np.int64)
    for begin, counts in parts:
        total[begin - start : begin - start + counts.size] += counts
    return exponent, start, total


class Scratch:
    """The memory that one thread counts in; it serves any tensor.

    Args:
        size: values in a chunk; about 17 bytes each are allocated, and 128 kB for the bins.
    """

    def __init__(self, size: int = CHUNK) -> None:
        self.size = size
        self.scaled = np.empty(size, np.float32)
        self.whole = np.empty(size, np.int32)
        self.bins = np.empty(size, np.intp)
        self.zero = np.empty(size, np.bool_)
        self.window = np.zeros(2 * BINS_PER_SIDE, np.int64)


class Counter:
    """Counts one tensor, chunk by chunk in one pass over memory, in the window of a scratch memory.

    Args:
        scratch: its window must hold nothing; `clear` leaves it so.
        exponent: of the grid to start with, which only ever grows coarser.

    Attributes:
        lo: the smallest value so far.
        hi: the largest value so far.
        zeros: how many values were exactly zero.
    """

    def __init__(self, scratch: Scratch, exponent: int = MIN_EXPONENT) -> None:
        self._scratch = scratch
        self._exponent = exponent
        self.lo, self.hi = math.inf, -math.inf
        self.zeros = 0

    def add(self, flat: FloatArray) -> bool:
        """Count values; False, and no more, when NaN or infinity is met.

        Args:
            flat: (n,) float32.
        """
        size = self._scratch.size
        return all(self._add(flat[start : start + size]) for start in range(0, flat.size, size))

    def _add(self, chunk: FloatArray) -> bool:
        lo, hi = float(chunk.min()), float(chunk.max())  # NaN carries through both
        if not (math.isfinite(lo) and math.isfinite(hi)):
            return False
        needed = exponent_for(max(-lo, hi))
        if needed > self._exponent:
            self._grow(needed)
        self.lo, self.hi = min(self.lo, lo), max(self.hi, hi)
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
        # Cutting off is the floor of what is not negative. By way of int32 it is twice as fast, as
        # converting float32 to int64 has no vector instruction; bincount copies what is not intp.
        whole = self._scratch.whole[: chunk.size]
        np.copyto(whole, scaled, casting="unsafe")
        np.copyto(bins, whole)
        return bins

    def _grow(self, exponent: int) -> None:
        if self.lo <= self.hi:
            window = self._scratch.window
            start, counts = coarsen(-BINS_PER_SIDE, window, exponent - self._exponent)
            window[:] = 0
            window[BINS_PER_SIDE + start :][: counts.size] = counts
        self._exponent = exponent

    def counts(self) -> Binned:
        """What was counted, at least one value; the counts are a view of the window."""
        start = bin_of(self.lo, self._exponent)
        stop = bin_of(self.hi, self._exponent) + 1
        window = self._scratch.window[BINS_PER_SIDE + start : BINS_PER_SIDE + stop]
        return self._exponent, start, window

    def clear(self) -> None:
        """Leave the window as it was found: all zeros."""
        self._scratch.window[:] = 0
