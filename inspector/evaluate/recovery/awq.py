"""AWQ: which channels of weights get finer steps, from the activations that they meet.

Lin et al., AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration, MLSys
2024, section 3.2: a channel is multiplied in the weights and divided where it is made, by its mean
magnitude to a power that is searched for each link. For weights alone: where activations are on
grids too, what the weights gain the activations lose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import CancelledError
from inspector.evaluate.data import Dataset
from inspector.evaluate.recovery.channel_stats import ChannelStats
from inspector.evaluate.recovery.reconstruct import POSITIONS
from inspector.evaluate.recovery.scaling import allowed, never_reached
from inspector.evaluate.runtime import open_session
from inspector.graph.channels import input_factors
from inspector.graph.grids import weight_grid
from inspector.graph.links import Link
from inspector.graph.model import Graph, Layer
from inspector.graph.unfolding import columns, to_rows
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.rescale import Rescaling
from inspector.onnxio.runnable import runnable
from inspector.progress import Cancel, Progress
from inspector.quant.equalize import activation_aware
from inspector.quant.kernels import fake_quantize
from inspector.quant.rounding import row_errors
from inspector.quant.spec import LayerSpecs

Doubles = NDArray[np.float64]

STRENGTHS = tuple(np.arange(20) / 20.0)
"""Powers that are tried, the authors' own; the first leaves everything as it is."""

BUDGET = 256 << 20
"""Bytes of second moments that are held at a time."""


def activation_aware_scaling(
    model: Model,
    graph: Graph,
    links: Sequence[Link],
    specs: Mapping[str, LayerSpecs],
    stats: Mapping[str, ChannelStats],
    samples: Dataset,
    *,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> list[Rescaling]:
    """The factors of each link with the least error of its readers' outputs.

    Args:
        model: the prepared model.
        graph: its graph.
        links: whose readers unfold.
        specs: how layers are quantized.
        stats: of what the readers read, and of what sources write where a Clip follows.
        samples: to look at activations with.
        cancel: asked between runs and while one runs.
        progress: told of (links done, all).

    Raises:
        RunError: onnxruntime failed.
        CancelledError: `cancel` said so.
    """
    found: list[Rescaling] = []
    for group in _groups(graph, links):
        moments = _moments(model, graph, group, samples, cancel)
        for link, known in zip(group, moments, strict=True):
            mean = stats[link.read].mean.reshape(link.channels, link.repeat).mean(axis=1)
            low, high = allowed(link, stats.get(link.written))
            offers = [np.clip(activation_aware(mean, power), low, high) for power in STRENGTHS]
            errors = []
            for factors in offers:
                if cancel is not None and cancel():
                    raise CancelledError
                errors.append(_error(model, graph, link, specs, known, factors))
            opened = never_reached(link, stats.get(link.written))
            found.append(Rescaling(link, offers[int(np.argmin(errors))], opened))
            if progress is not None:
                progress(len(found), len(links))
    return found


def _error(
    model: Model,
    graph: Graph,
    link: Link,
    specs: Mapping[str, LayerSpecs],
    moments: Mapping[str, Doubles],
    factors: Doubles,
) -> float:
    """The squared error of what all readers of a link compute, with its channels scaled."""
    features = np.repeat(factors, link.repeat)
    total = 0.0
    for name in link.readers:
        layer = graph.layer(name)
        assert layer.weight is not None
        weight = model.constant(layer.weight).astype(np.float64)
        scale = input_factors(layer, features, weight.ndim)
        scaled = (weight * scale).astype(np.float32)
        grid = weight_grid(layer, specs[name].weights, _giving(scaled))
        error = weight - fake_quantize(scaled, grid) / scale
        total += float(row_errors(to_rows(layer, error), moments[name]).sum())
    return total if np.isfinite(total) else np.inf


def _giving(values: NDArray[Any]) -> Callable[[str], NDArray[Any]]:
    return lambda _: values


def _groups(graph: Graph, links: Sequence[Link]) -> Iterator[list[Link]]:
    """Links in order, as many at a time as there is room for."""
    group: list[Link] = []
    used = 0
    for link in links:
        size = sum(_moment_bytes(graph.layer(name)) for name in link.readers)
        if group and used + size > BUDGET:
            yield group
            group, used = [], 0
        group.append(link)
        used += size
    if group:
        yield group


def _moment_bytes(layer: Layer) -> int:
    shape = to_rows(layer, np.empty(layer.weight_shape or (), np.int8)).shape
    return 8 * int(shape[0]) * int(shape[2]) ** 2


def _moments(
    model: Model, graph: Graph, links: Sequence[Link], samples: Dataset, cancel: Cancel | None
) -> list[dict[str, Doubles]]:
    """E[x x^T] of what each reader reads, by link and reader."""
    session = open_session(
        runnable(model, outputs=[link.read for link in links]), memory_pattern=False
    )
    needed = {value.name for value in session.inputs}
    most = max(POSITIONS // max(len(samples), 1), 1)
    found: list[dict[str, Doubles]] = [{} for _ in links]
    for number, feeds in enumerate(samples.samples()):
        given = {name: values for name, values in feeds.items() if name in needed}
        outputs = session.run(given, cancel=cancel)
        for link, known in zip(links, found, strict=True):
            for name in link.readers:
                rng = np.random.default_rng(number)
                layer, node = graph.layer(name), graph.node(name)
                x = columns(layer, node, outputs[link.read], most, rng)
                product = (x.swapaxes(1, 2) @ x).astype(np.float64) / len(samples)
                known[name] = product + known.get(name, 0.0)
    return found
