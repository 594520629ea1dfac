"""Counting values on a dyadic grid, the arithmetic of the mergeable histogram.

Bin i covers [i * 2^e, (i+1) * 2^e). Halving the resolution (e + 1) joins the bins 2i and 2i+1
exactly, so a histogram can grow, or meet another one, without reading its data again.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inspector.quant.rows import FloatArray, extrema

SIDE_BITS = 13
BINS_PER_SIDE = 1 << SIDE_BITS
MIN_EXPONENT = -126
"""The finest grid: 2^126 is the last power of two whose products with it stay in float32."""

_CHUNK = 1 << 16
"""Values counted at a time: the scratch arrays of one chunk stay in a core's cache."""

Counts = NDArray[np.int64]


class Binned(NamedTuple):
    """Counts of the bins start, start+1, ... of width 2^exponent, and exact facts beside them."""

    exponent: int
    start: int
    counts: Counts
    lo: float
    hi: float
    zeros: int


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


def add_counts(
    first: tuple[int, int, Counts], second: tuple[int, int, Counts]
) -> tuple[int, int, Counts]:
    """The sum of two (exponent, start, counts), on the coarser grid of the two."""
    exponent = max(first[0], second[0])
    parts = [coarsen(start, counts, exponent - own) for own, start, counts in (first, second)]
    start = min(part[0] for part in parts)
    stop = max(part[0] + part[1].size for part in parts)
    total = np.zeros(stop - start, np.int64)
    for begin, counts in parts:
        total[begin - start : begin - start + counts.size] += counts
    return exponent, start, total


def count_values(flat: FloatArray, name: str) -> Binned:
    """Count a tensor that is not empty, in one pass over memory.

    Args:
        flat: (n,) float32, n > 0.
        name: what an error calls the tensor.

    Raises:
        DataError: NaN or infinity among the values.
    """
    counter = _Counter(min(_CHUNK, flat.size))
    for begin in range(0, flat.size, _CHUNK):
        chunk = flat[begin : begin + _CHUNK]
        lo, hi = extrema(chunk, None, name)
        counter.add(chunk, float(lo), float(hi))
    return counter.result()


class _Counter:
    """The state of one pass: a full window of bins, and scratch memory."""

    def __init__(self, chunk: int) -> None:
        self._exponent = MIN_EXPONENT
        self._window = np.zeros(2 * BINS_PER_SIDE, np.int64)
        self._scaled = np.empty(chunk, np.float32)
        # By way of int32: converting float32 to int64 has no vector instruction.
        self._whole = np.empty(chunk, np.int32)
        self._bins = np.empty(chunk, np.intp)
        self._lo, self._hi = math.inf, -math.inf
        self._zeros = 0

    def add(self, chunk: FloatArray, lo: float, hi: float) -> None:
        exponent = max(self._exponent, exponent_for(max(-lo, hi)))
        if self._lo > self._hi:  # nothing is counted yet
            self._exponent = exponent
        self._lo, self._hi = min(lo, self._lo), max(hi, self._hi)
        if exponent > self._exponent:
            start, counts = coarsen(-BINS_PER_SIDE, self._window, exponent - self._exponent)
            self._window = np.zeros(2 * BINS_PER_SIDE, np.int64)
            self._window[BINS_PER_SIDE + start :][: counts.size] = counts
            self._exponent = exponent
        if lo <= 0.0 <= hi:
            self._zeros += int(np.count_nonzero(chunk == 0))
        first = bin_of(lo, exponent)
        scaled = self._scaled[: chunk.size]
        if exponent > 0:
            # Tiny values times 2^-e could underflow to -0 and leave their bin; whole numbers
            # cannot, and floor(floor(x) / 2^e) = floor(x / 2^e).
            np.floor(chunk, out=scaled)
            np.multiply(scaled, np.float32(math.ldexp(1.0, -exponent)), out=scaled)
        else:
            np.multiply(chunk, np.float32(math.ldexp(1.0, -exponent)), out=scaled)
        np.floor(scaled, out=scaled)
        np.subtract(scaled, np.float32(first), out=scaled)
        whole, bins = self._whole[: chunk.size], self._bins[: chunk.size]
        np.copyto(whole, scaled, casting="unsafe")
        np.copyto(bins, whole)
        found = np.bincount(bins)
        offset = BINS_PER_SIDE + first
        self._window[offset : offset + found.size] += found

    def result(self) -> Binned:
        start = bin_of(self._lo, self._exponent)
        stop = bin_of(self._hi, self._exponent) + 1
        counts = self._window[BINS_PER_SIDE + start : BINS_PER_SIDE + stop].copy()
        return Binned(self._exponent, start, counts, self._lo, self._hi, self._zeros)
