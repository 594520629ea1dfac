"""Which factors the links of a model are scaled by: equalization, SmoothQuant, absorbed biases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.evaluate.recovery.channel_stats import ChannelStats
from inspector.graph.channels import (
    input_extent,
    input_factors,
    output_extent,
    output_factors,
)
from inspector.graph.links import Link
from inspector.graph.model import Graph
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.rescale import Rescaling
from inspector.quant.equalize import LIMIT, equalizing, settle, smoothing

Doubles = NDArray[np.float64]


def equalize(
    model: Model, graph: Graph, links: Sequence[Link], stats: Mapping[str, ChannelStats]
) -> list[Rescaling]:
    """Cross-layer equalization of links between layers (Nagel et al. 2019, section 4.1).

    The paper makes each ReLU6 a ReLU, which changes the function where values reach 6. Here a Clip
    becomes a Relu only if no sample reaches its end; else it stays, channels that reach it are not
    scaled, and others only as far as they do not reach it then.

    Args:
        model: the prepared model.
        graph: its graph.
        links: between two layers each.
        stats: of what the links' sources write, for links with a Clip.
    """
    weights = {name: _weight(model, graph, name) for name in _layers_of(links)}

    def wanted(index: int) -> Doubles:
        link = links[index]
        made = output_extent(graph.layer(link.source), weights[link.source])
        read = _read_extent(graph, link, weights)
        return equalizing(made, read)

    def scale(index: int, factors: Doubles) -> None:
        link = links[index]
        values = weights[link.source]
        values /= output_factors(graph.layer(link.source), factors, values.ndim)
        features = np.repeat(factors, link.repeat)
        for name in link.readers:
            values = weights[name]
            values *= input_factors(graph.layer(name), features, values.ndim)

    bounds = [allowed(link, stats.get(link.written)) for link in links]
    totals = settle(len(links), wanted, scale, bounds)
    return [
        Rescaling(link, total, never_reached(link, stats.get(link.written)))
        for link, total in zip(links, totals, strict=True)
    ]


def smooth(
    model: Model,
    graph: Graph,
    links: Sequence[Link],
    stats: Mapping[str, ChannelStats],
    written: Mapping[str, ChannelStats],
    strength: float,
) -> list[Rescaling]:
    """SmoothQuant migration (Xiao et al. 2023) for every link whose readers read quantized values.

    Args:
        model: the prepared model.
        graph: its graph.
        links: the links.
        stats: of what the links' readers read.
        written: of what the links' sources write, for links with a Clip.
        strength: see `smoothing`.
    """
    found: list[Rescaling] = []
    for link in links:
        weights = {name: _weight(model, graph, name) for name in link.readers}
        activations = stats[link.read].largest.reshape(link.channels, link.repeat).max(axis=1)
        low, high = allowed(link, written.get(link.written))
        factors = smoothing(activations, _read_extent(graph, link, weights), strength)
        opened = never_reached(link, written.get(link.written))
        found.append(Rescaling(link, np.clip(factors, low, high), opened))
    return found


def absorbable(link: Link, stats: ChannelStats) -> Doubles:
    """How much can be taken from each channel of a bare link so that no sample notices.

    Nagel et al. 2019 take what a Gaussian of the batch normalization's numbers stays above; here it
    is what every sample stays above.
    """
    shift = np.maximum(stats.low, 0.0)
    return np.asarray(np.where(stats.high < link.top, shift, 0.0))


def _layers_of(links: Sequence[Link]) -> list[str]:
    return list(dict.fromkeys(name for link in links for name in (link.source, *link.readers)))


def _weight(model: Model, graph: Graph, name: str) -> Doubles:
    weight = graph.layer(name).weight
    assert weight is not None
    return np.array(model.constant(weight), np.float64)


def _read_extent(graph: Graph, link: Link, weights: Mapping[str, Doubles]) -> Doubles:
    """The largest weight that meets each channel, over all readers."""
    found = np.zeros(link.channels)
    for name in link.readers:
        extent = input_extent(graph.layer(name), weights[name])
        found = np.maximum(found, extent.reshape(link.channels, link.repeat).max(axis=1))
    return found


def never_reached(link: Link, stats: ChannelStats | None) -> bool:
    """Whether a link has a Clip whose upper end no sample reaches."""
    return link.clip is not None and stats is not None and bool((stats.high < link.top).all())


def allowed(link: Link, stats: ChannelStats | None) -> tuple[Doubles, Doubles]:
    """The least and the most that channels may be divided by."""
    low, high = np.full(link.channels, 1.0 / LIMIT), np.full(link.channels, LIMIT)
    if link.clip is None or never_reached(link, stats):
        return low, high
    if stats is None:
        return np.ones_like(low), np.ones_like(high)
    reached = stats.high >= link.top
    low = np.where(reached, 1.0, np.clip(stats.high / link.top, 1.0 / LIMIT, 1.0))
    return low, np.where(reached, 1.0, high)
