"""Histograms that grow sample by sample, the inner loop of calibration.

The result is what `Histogram.of` of every sample and `Histogram.merge` of all of them give, to the
last count, at less cost: the grid that earlier samples needed is the first guess for the next one,
and nothing is allocated for a sample but the counts of a chunk.
"""

from __future__ import annotations

import threading

import numpy as np

from inspector.quant.binning import MIN_EXPONENT, Binned, Counter, Scratch, add_counts
from inspector.quant.distribution import Histogram
from inspector.quant.rows import FloatArray, not_finite


class Accumulator:
    """The histogram of one tensor over all samples so far; any thread may add to it."""

    def __init__(self, name: str) -> None:
        """Start without values; `name` is what an error calls the tensor."""
        self._name = name
        self._lock = threading.Lock()
        self._counts: Binned | None = None
        self._total = 0
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
        known = self._counts
        counter = Counter(scratch, MIN_EXPONENT if known is None else known[0])
        try:
            if not counter.add(flat):
                raise not_finite(flat, self._name)
            with self._lock:
                self._counts = _joined(self._counts, counter.counts())
                self._total += flat.size
                self._zeros += counter.zeros
                self._batches.append((batch, counter.lo, counter.hi))
        finally:
            counter.clear()

    def histogram(self) -> Histogram:
        """What was counted so far."""
        if self._counts is None:
            return Histogram.empty()
        batches = np.array(sorted(self._batches), np.float64)
        exponent, start, counts = self._counts
        return Histogram(
            np.array([self._total], np.int64),
            batches[:, 1].min(keepdims=True),
            batches[:, 2].max(keepdims=True),
            exponent,
            start,
            counts,
            self._zeros,
            batches,
        )


def _joined(known: Binned | None, sample: Binned) -> Binned:
    """Add a sample's counts to those so far, in place where they lie within."""
    exponent, start, counts = sample
    if known is None:
        return exponent, start, counts.copy()
    at = start - known[1]
    if known[0] != exponent or at < 0 or at + counts.size > known[2].size:
        return add_counts(known, sample)
    known[2][at : at + counts.size] += counts
    return known
