"""Carries out the methods that move factors and shifts of channels between weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from inspector.evaluate.data import Dataset
from inspector.evaluate.recovery.awq import activation_aware_scaling
from inspector.evaluate.recovery.channel_stats import channel_stats
from inspector.evaluate.recovery.scaling import absorbable, equalize, smooth
from inspector.graph.links import Link, find_links
from inspector.graph.model import Graph
from inspector.graph.unfolding import unfolds
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.own_bias import bias_tensor
from inspector.onnxio.passes.rescale import absorb, rescale
from inspector.progress import Cancel, Progress
from inspector.quant.spec import LayerSpecs

MOVING = ("equalize", "absorb", "smooth", "awq")
"""The methods that are done here."""

SMOOTHING = 0.5
"""How much SmoothQuant moves: what its authors take for most models."""


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """What a method did.

    Attributes:
        model: the model, of the same float function.
        layers: names of the layers whose weights or biases are others now.
        left: why layers were left alone.
    """

    model: Model
    layers: tuple[str, ...]
    left: tuple[str, ...]


def move(
    method: str,
    model: Model,
    graph: Graph,
    specs: Mapping[str, LayerSpecs],
    chosen: Collection[str],
    samples: Dataset,
    *,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> Moved:
    """Does one of `MOVING` wherever all layers that it would change are chosen.

    Args:
        method: which.
        model: the prepared model.
        graph: its graph.
        specs: how layers are quantized.
        chosen: names of the layers that it is switched on for.
        samples: to look at activations with.
        cancel: asked between runs and while one runs.
        progress: told of (samples done, all).

    Raises:
        RunError: onnxruntime failed.
        CancelledError: `cancel` said so.
    """
    names = frozenset(chosen)
    links = [
        link
        for link in find_links(graph, model.constant)
        if names.issuperset(_layers(graph, link)) and _suits(method, graph, link, specs)
    ]
    wanted = _tensors(method, links)
    counts = None if method == "awq" else progress  # that is not its long part
    stats = channel_stats(
        model, wanted, samples.samples(), len(samples), cancel=cancel, progress=counts
    )
    changed = links
    match method:
        case "equalize":
            model = rescale(model, graph, equalize(model, graph, links, stats))
        case "smooth":
            model = rescale(model, graph, smooth(model, graph, links, stats, stats, SMOOTHING))
        case "awq":
            found = activation_aware_scaling(
                model, graph, links, specs, stats, samples, cancel=cancel, progress=progress
            )
            model = rescale(model, graph, found)
        case _:
            shifts = {link.source: (link, absorbable(link, stats[link.written])) for link in links}
            shifts = {name: one for name, one in shifts.items() if one[1].any()}
            model = absorb(model, graph, shifts)
            changed = [link for link, _ in shifts.values()]
    layers = dict.fromkeys(name for link in changed for name in _layers(graph, link))
    return Moved(model, tuple(layers), _left(method, links, chosen))


def _layers(graph: Graph, link: Link) -> tuple[str, ...]:
    """The layers that a link changes."""
    known = {layer.name for layer in graph.layers}
    return tuple(name for name in (link.source, *link.readers) if name in known)


def _suits(method: str, graph: Graph, link: Link, specs: Mapping[str, LayerSpecs]) -> bool:
    names = _layers(graph, link)
    between_layers = len(names) == 1 + len(link.readers)
    if method == "equalize":
        return between_layers and not any(specs[name].weights.is_float for name in names)
    if method == "smooth":
        # Convolutions of one filter a channel would pay more in weights than activations gain.
        products = all(graph.layer(name).op_type in {"MatMul", "Gemm"} for name in link.readers)
        return products and not any(specs[name].activations.is_float for name in link.readers)
    if method == "awq":
        read = [specs[name] for name in link.readers]
        alone = all(one.activations.is_float and not one.weights.is_float for one in read)
        return alone and all(unfolds(graph.layer(name)) for name in link.readers)
    biased = all(bias_tensor(graph, graph.layer(name)) is not None for name in names)
    return between_layers and link.bare and biased


def _tensors(method: str, links: Sequence[Link]) -> dict[str, int]:
    """The tensors to look at, with the axis of their channels."""
    found: dict[str, int] = {}
    for link in links:
        if method == "absorb" or link.clip is not None:
            found[link.written] = link.written_axis
        if method in {"smooth", "awq"}:
            found[link.read] = link.read_axis
    return found


def _left(method: str, links: Sequence[Link], chosen: Collection[str]) -> tuple[str, ...]:
    if links:
        return ()
    extra = " (of layers whose activations stay float)" if method == "awq" else ""
    return (
        f"{method}: no operator makes channels that only such layers read{extra}, with nothing "
        "between but what treats each channel by itself",
    )
