"""How long two models take for the same sample, and how much memory, side by side.

All of it is found in a process of its own, so that neither the window nor anything else of the
program takes part in it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.evaluate.integers import as_fed, ends_of_file
from inspector.evaluate.runtime import open_session, optimized_nodes, runtime_version
from inspector.evaluate.samples import Feeds
from inspector.graph.kernels import Kernels, find_kernels
from inspector.graph.model import Graph, Node
from inspector.graph.quantized import Quantized, find_quantized
from inspector.memory import forget_peak, give_memory_back, peak_bytes, resident_bytes
from inspector.offload import call_apart
from inspector.onnxio.extract import extract_structure
from inspector.onnxio.loading import Model, load_model
from inspector.onnxio.runnable import Runnable, runnable
from inspector.progress import Cancel

RUNS = 20
SECONDS = 2.0
"""Timing stops after so long even if fewer runs are done; at least three of each are."""
_LEAST = 3

What = Path | Runnable
Sample = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Latency:
    """What one model takes.

    Attributes:
        median_ms: of the runs.
        low_ms: the first quartile.
        high_ms: the third quartile.
        kernels: what onnxruntime runs once it has fused what it can.
        memory_bytes: the most that loading and running it needs, beside onnxruntime itself; None
            where the system does not say.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    kernels: Kernels = field(default_factory=Kernels)
    memory_bytes: int | None = None

    @property
    def operators(self) -> Mapping[str, int]:
        """How many nodes of each operator run."""
        return self.kernels.operators

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "median_ms": self.median_ms,
            "quartiles_ms": [self.low_ms, self.high_ms],
            "memory_bytes": self.memory_bytes,
            "operators": dict(self.operators),
            "kernels": self.kernels.to_json(),
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


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One of the two models.

    Attributes:
        what: its file, or the model as the runtime takes it.
        feeds: what it is fed.
        graph: its graph, with the names of its file.
        quantized: what its quantizers say.
    """

    what: What
    feeds: Sample
    graph: Graph
    quantized: Quantized

    @classmethod
    def of(
        cls,
        model: Model,
        feeds: Sample,
        graph: Graph | None = None,
        quantized: Quantized | None = None,
    ) -> Entry:
        """A model with what it is fed; its file is run where there is one."""
        path = model.path
        what: What = path if path is not None and path.is_file() else _portable(runnable(model))
        graph = graph or extract_structure(model)
        return cls(what, feeds, graph, quantized or find_quantized(graph))


def compare_latency(
    first: Model, second: Path, feeds: Feeds, *, threads: int = 1, cancel: Cancel | None = None
) -> Latencies:
    """As :func:`measure`, for a model and the file of another one.

    Args:
        first: a model.
        second: the file of another one with the same inputs, or integers in their place.
        feeds: the sample, as the first takes it.
        threads: for onnxruntime.
        cancel: asked meanwhile.
    """
    fed = as_fed(feeds, ends_of_file(second))
    entries = Entry.of(first, feeds), Entry.of(load_model(second), fed)
    return measure(*entries, threads=threads, cancel=cancel)


def measure(
    first: Entry, second: Entry, *, threads: int = 1, cancel: Cancel | None = None
) -> Latencies:
    """Run two models in turn on one sample, in onnxruntime with all its optimizations.

    Raises:
        RunError: onnxruntime failed.
        CancelledError: `cancel` said so.

    Cost: `RUNS` forward passes of each, or some `SECONDS`, and a second for the process.
    """
    sides = tuple((one.what, dict(one.feeds)) for one in (first, second))
    taken = call_apart(take_times, sides, threads, cancel=cancel)
    kernels = [
        find_kernels(one.graph, one.quantized, nodes)
        for one, nodes in zip((first, second), taken.nodes, strict=True)
    ]
    found = [
        Latency(*_quartiles(times), counts, memory)
        for times, counts, memory in zip(taken.spent, kernels, taken.memory, strict=True)
    ]
    return Latencies(found[0], found[1], len(taken.spent[0]), threads)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was measured, as it travels between processes.

    Attributes:
        spent: milliseconds of each run of each model.
        memory: bytes of each model, where they are known.
        nodes: what each model runs.
    """

    spent: tuple[list[float], list[float]]
    memory: tuple[int | None, int | None]
    nodes: tuple[tuple[Node, ...], tuple[Node, ...]]


def take_times(sides: tuple[tuple[What, dict[str, Any]], ...], threads: int) -> Taken:
    """Measure two models here; runs in the process that :func:`measure` starts.

    Raises:
        RunError: onnxruntime failed.
    """
    runtime_version()  # has it imported: that is not what a model takes
    memory = [_in_a_fork(partial(_memory_of, what, feeds, threads)) for what, feeds in sides]
    opened = [(open_session(what, threads=threads), feeds) for what, feeds in sides]
    for session, feeds in opened:
        session.run(feeds)  # the first run allocates
    spent: tuple[list[float], list[float]] = ([], [])
    until = time.perf_counter() + SECONDS
    while len(spent[0]) < _LEAST or (len(spent[0]) < RUNS and time.perf_counter() < until):
        for (session, feeds), times in zip(opened, spent, strict=True):
            start = time.perf_counter()
            session.run(feeds)
            times.append(1e3 * (time.perf_counter() - start))
    nodes = [optimized_nodes(what) for what, _ in sides]
    return Taken(spent, (memory[0], memory[1]), (nodes[0], nodes[1]))


def _memory_of(what: What, feeds: dict[str, Any], threads: int) -> int | None:
    """How much memory loading and running a model takes at most, beside what is there already."""
    _run_once(what, feeds, threads)  # the runtime's own code and tables come into memory
    give_memory_back()
    forget_peak()
    before = resident_bytes()
    _run_once(what, feeds, threads)
    most = peak_bytes()
    return None if before is None or most is None else max(most - before, 0)


def _run_once(what: What, feeds: dict[str, Any], threads: int) -> None:
    open_session(what, threads=threads).run(feeds)


def _in_a_fork(work: Callable[[], int | None]) -> int | None:
    """The answer of a copy of this process, which leaves nothing behind; None where it fails."""
    if not hasattr(os, "fork") or resident_bytes() is None:
        return None
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return int(text) if text.isdigit() else None


def _portable(r: Runnable) -> Runnable:
    return replace(r, arrays=dict(r.arrays))


def _quartiles(times: list[float]) -> tuple[float, float, float]:
    low, median, high = np.percentile(times, [25, 50, 75])
    return float(median), float(low), float(high)
