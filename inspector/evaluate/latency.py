"""How long two models take for the same sample, side by side."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inspector.evaluate.integers import as_fed, ends_of_file
from inspector.evaluate.runtime import Session, open_session, optimized_op_counts
from inspector.evaluate.samples import Feeds
from inspector.onnxio.loading import Model
from inspector.onnxio.runnable import Runnable, runnable
from inspector.progress import Cancel

RUNS = 20
SECONDS = 2.0
"""Timing stops after so long even if fewer runs are done; at least three of each are."""
_LEAST = 3


@dataclass(frozen=True, slots=True)
class Latency:
    """One model's times.

    Attributes:
        median_ms: of the runs.
        low_ms: the first quartile.
        high_ms: the third quartile.
        operators: how many nodes of each operator onnxruntime runs once it has fused what it can.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    operators: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "median_ms": self.median_ms,
            "quartiles_ms": [self.low_ms, self.high_ms],
            "operators": dict(self.operators),
        }


@dataclass(frozen=True, slots=True)
class Latencies:
    """Two models timed in turn, so that a machine that slows down slows both.

    Attributes:
        first: of the first model.
        second: of the second.
        runs: timed runs of each.
        threads: that onnxruntime was given.
    """

    first: Latency
    second: Latency
    runs: int
    threads: int

    @property
    def ratio(self) -> float:
        """Time of the second over that of the first."""
        return self.second.median_ms / self.first.median_ms

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "float": self.first.to_json(),
            "quantized": self.second.to_json(),
            "ratio": self.ratio,
            "runs": self.runs,
            "threads": self.threads,
        }


def compare_latency(
    first: Model, second: Path, feeds: Feeds, *, threads: int = 1, cancel: Cancel | None = None
) -> Latencies:
    """Time two models in turn on one sample, in onnxruntime with all its optimizations.

    Args:
        first: a model.
        second: the file of another one with the same inputs, or integers in their place.
        feeds: the sample.
        threads: for onnxruntime.
        cancel: asked while a model runs.

    Raises:
        RunError: onnxruntime failed.
        CancelledError: `cancel` said so.

    Cost: `RUNS` forward passes of each, or some `SECONDS`.
    """
    opened: tuple[tuple[Runnable | Path, Session], ...] = tuple(
        (what, open_session(what, threads=threads)) for what in (runnable(first), second)
    )
    given = feeds, as_fed(feeds, ends_of_file(second))
    for (_, session), sample in zip(opened, given, strict=True):
        session.run(sample, cancel=cancel)  # the first run allocates
    spent: tuple[list[float], list[float]] = ([], [])
    until = time.perf_counter() + SECONDS
    while len(spent[0]) < _LEAST or (len(spent[0]) < RUNS and time.perf_counter() < until):
        for (_, session), sample, times in zip(opened, given, spent, strict=True):
            start = time.perf_counter()
            session.run(sample, cancel=cancel)
            times.append(1e3 * (time.perf_counter() - start))
    found = [
        Latency(*_quartiles(times), optimized_op_counts(what))
        for (what, _), times in zip(opened, spent, strict=True)
    ]
    return Latencies(found[0], found[1], len(spent[0]), threads)


def _quartiles(times: list[float]) -> tuple[float, float, float]:
    low, median, high = np.percentile(times, [25, 50, 75])
    return float(median), float(low), float(high)
