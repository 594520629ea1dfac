"""How much error has gathered at the output of each layer, all choices together.

The simulation is run on a few samples as it is chosen and once more with all in float, and what
each layer computes is compared, before it is rounded for those who read it. A layer's figure tells
what its own weights and inputs lose, and all that was lost before it; so it falls along the graph
and rises again where errors are averaged or cut off.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inspector.evaluate.preview import Numbers, Preview
from inspector.evaluate.runtime import Session, open_session
from inspector.evaluate.samples import Feeds
from inspector.graph.grids import Grids
from inspector.graph.model import Graph
from inspector.graph.placement import Placement
from inspector.onnxio.exposing import expose_layers
from inspector.progress import Cancel, Progress
from inspector.quant.metrics import decibels
from inspector.quant.spec import FLOAT, LayerSpecs

BUDGET = 256 << 20
"""Bytes of layers' outputs that are held at a time, of both runs together."""

_UNKNOWN_BYTES = 16 << 20
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True, eq=False)
class LayerRequest:
    """What one choice is, in numbers.

    Attributes:
        chosen: the simulation's own inputs for it.
        steps: real value of one unit of a layer's output, where that is not 1.
    """

    chosen: Numbers
    steps: Mapping[str, float]

    @classmethod
    def of(cls, preview: Preview, grids: Grids) -> LayerRequest:
        """The numbers of some grids; quick for those that were asked for before."""
        return cls(preview.numbers(grids), preview.output_steps(grids))


@dataclass(frozen=True, slots=True, eq=False)
class LayerValues:
    """What a layer computes with for one sample.

    Attributes:
        reads: its activations, in steps of their grids.
        output: what it writes, in steps where `LayerRequest.steps` has its step; not rounded yet.
        expected: what it writes with all in float.
    """

    reads: tuple[NDArray[np.float32], ...]
    output: NDArray[np.float32]
    expected: NDArray[np.float32]


class LayerErrors:
    """Compares what layers compute, quantized and in float, in one session for both.

    Cost: two forward passes a sample with all layers' outputs taken; more where these would need
    more memory than BUDGET. Sums alone are kept. The session holds no weights.
    """

    def __init__(self, preview: Preview, *, threads: int = 0) -> None:
        """Builds the session.

        Args:
            preview: whose simulation is run; it shares its weights.
            threads: within an operator; 0 means one for every core.

        Raises:
            RunError: onnxruntime refuses the model.
        """
        placement = preview.placement
        exposed = expose_layers(preview.simulation, placement.graph.layers)
        self._names, self._reads = exposed.names, exposed.reads
        self._graph = placement.graph
        self._session: Session = open_session(
            exposed.runnable, threads=threads, memory_pattern=False, spinning=False
        )
        self._float = preview.numbers(all_float(placement))

    def run(
        self,
        request: LayerRequest,
        samples: Sequence[Feeds],
        *,
        cancel: Cancel | None = None,
        progress: Progress | None = None,
        budget: int = BUDGET,
    ) -> dict[str, float]:
        """The accumulated SQNR at each layer's output in dB, over all samples together.

        Args:
            request: the choice.
            samples: what to run on.
            cancel: asked between runs and while one runs.
            progress: told of (samples done, all samples).
            budget: bytes to hold at a time.

        Raises:
            RunError: onnxruntime failed.
            CancelledError: `cancel` said so.
        """
        sums = {name: _Sums() for name in self._names}
        for number, feeds in enumerate(samples):
            for group in self._groups(feeds, budget):
                wanted = list(dict.fromkeys(self._names[name] for name in group))
                runs = (
                    self._session.run({**feeds, **numbers}, wanted, cancel)
                    for numbers in (self._float, request.chosen)
                )
                expected, found = runs
                for name in group:
                    tensor = self._names[name]
                    sums[name].add(expected[tensor], found[tensor], request.steps.get(name, 1.0))
            if progress is not None:
                progress(number + 1, len(samples))
        return {name: one.decibels() for name, one in sums.items()}

    def values(
        self, request: LayerRequest, layer: str, feeds: Feeds, cancel: Cancel | None = None
    ) -> LayerValues | None:
        """What one layer reads and writes for one sample; None where it does not read steps.

        Raises:
            RunError: onnxruntime failed.
            CancelledError: `cancel` said so.

        Cost: two forward passes.
        """
        output, reads = self._names.get(layer), self._reads.get(layer)
        if output is None or reads is None:
            return None
        found = self._session.run(
            {**feeds, **request.chosen}, list(dict.fromkeys((output, *reads))), cancel
        )
        expected = self._session.run({**feeds, **self._float}, [output], cancel)
        return LayerValues(tuple(found[name] for name in reads), found[output], expected[output])

    def _groups(self, feeds: Feeds, budget: int) -> Iterator[list[str]]:
        """Layers in graph order, as many at a time as there is room for."""
        group: list[str] = []
        used = 0
        for name in self._names:
            size = 2 * _bytes(self._graph, self._graph.layer(name).output, feeds)
            if group and used + size > budget:
                yield group
                group, used = [], 0
            group.append(name)
            used += size
        if group:
            yield group


@dataclass(slots=True)
class _Sums:
    """Powers of what is expected and of how far it was missed."""

    signal: float = 0.0
    error: float = 0.0
    _seen: bool = field(default=False)

    def add(self, expected: NDArray[np.float32], found: NDArray[np.float32], step: float) -> None:
        if expected.dtype.kind != "f" or expected.shape != found.shape:
            return
        self._seen = self._seen or expected.size > 0
        first = expected.astype(np.float64).reshape(-1)
        second = found.astype(np.float64).reshape(-1)
        second *= step
        second -= first
        finite = np.isfinite(second)
        if not finite.all():  # infinities of masks, which both have
            first, second = first[finite], second[finite]
        self.signal += float(first @ first)
        self.error += float(second @ second)

    def decibels(self) -> float:
        return float(decibels(self.signal, self.error)) if self._seen else math.nan


def all_float(placement: Placement) -> Grids:
    """The numbers with which nothing is quantized."""
    specs = {layer.name: LayerSpecs(FLOAT, FLOAT) for layer in placement.graph.layers}
    return Grids(placement.plan(specs), (), {}, {})


def _bytes(graph: Graph, tensor: str, feeds: Feeds) -> int:
    """How large a tensor is for a sample, as far as its shape is known."""
    known = graph.tensors.get(tensor)
    if known is None or known.shape is None:
        return _UNKNOWN_BYTES
    sizes: dict[object, int] = {}
    for name in graph.inputs:
        if name in feeds:
            sizes |= dict(zip(graph.tensors[name].shape or (), feeds[name].shape, strict=False))
    dims = [dim if isinstance(dim, int) else sizes.get(dim) for dim in known.shape]
    if any(dim is None for dim in dims):
        return _UNKNOWN_BYTES
    return _FLOAT_BYTES * math.prod(dim for dim in dims if dim is not None)
