"""An estimate of how much each layer matters, from one run of the float model.

The errors of a layer's weights and of what enters it are taken as noise, independent of the values
(Widrow and Kollar 2008, "Quantization Noise", chapter 4). How much of it reaches the model's
outputs, relative to their power, follows the graph backwards. A sum of products lets white noise
through by the sum of its squared coefficients, and the signal by what it really has behind it; an
error that is as correlated as the signal keeps its share. Errors that come from earlier layers are
neither, so they are put halfway between the two in dB. Where tensors meet (Add, Concat) each
brings as much noise as it has of the power of the sum; all other operators pass relative noise on.
Nothing nonlinear is in it, so it is good for an order, not for decibels; how good it is for a
model, its rank correlation with the measured figures tells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.evaluate.runtime import open_session
from inspector.evaluate.samples import Feeds
from inspector.graph.grids import Constants, Grids
from inspector.graph.model import Graph, Layer, Node
from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.loading import Model
from inspector.onnxio.runnable import runnable
from inspector.progress import Cancel
from inspector.quant.distribution import Histogram
from inspector.quant.metrics import rounding_sqnr_db
from inspector.quant.profile import error_profile

_SUMS = frozenset({"Add", "Sub", "Sum", "Concat"})


@dataclass(frozen=True, slots=True)
class LayerGains:
    """What a layer's output has of the relative noise power of an operand.

    Attributes:
        white: where the noise is as strong in all channels, as rounding to one grid makes it.
        shaped: where it is as strong as the signal in each channel: what came from layers before,
            and what errors of weights make of the input.
    """

    white: float
    shaped: float


@dataclass(frozen=True, slots=True)
class Gains:
    """How relative noise power passes through a model.

    Attributes:
        tensors: the share of a tensor's that reaches the model's outputs; 0 where none is given.
        layers: what a layer's output has of that of its operands.
    """

    tensors: Mapping[str, float]
    layers: Mapping[str, LayerGains]

    def of_weights(self, layer: Layer) -> float:
        """What the model's outputs have of the noise of a layer's weights."""
        return self.tensors.get(layer.output, 0.0) * self.layers[layer.name].shaped

    def of_activations(self, layer: Layer) -> float:
        """What the model's outputs have of white noise on what enters a layer."""
        return self.tensors.get(layer.output, 0.0) * self.layers[layer.name].white


def gains(model: Model, graph: Graph, feeds: Feeds, cancel: Cancel | None = None) -> Gains:
    """Runs the float model once and follows it backwards.

    Args:
        model: the prepared model.
        graph: its graph.
        feeds: one sample.
        cancel: asked while the model runs.

    Raises:
        RunError: onnxruntime refuses the model or the sample.
        CancelledError: `cancel` said so.

    Cost: one run, with memory for the tensors around layers, sums and means.
    """
    powers, channels = _powers(model, graph, feeds, cancel)
    layers = {la.name: _layer_gains(la, model.constant, powers, channels) for la in graph.layers}
    found: dict[str, float] = {name: 1.0 / len(graph.outputs) for name in graph.outputs}
    for node in reversed(graph.nodes):
        behind = sum(found.get(name, 0.0) for name in node.outputs if name)
        if behind:
            for name, share in _shares(graph, node, powers, layers).items():
                found[name] = found.get(name, 0.0) + behind * share
    return Gains(found, layers)


def noise(
    grids: Grids,
    graph: Graph,
    constant: Constants,
    distributions: Mapping[str, Histogram],
    layer: str,
) -> tuple[float, float]:
    """The relative noise power of a layer's weight, and of what enters it; 0 for what stays float.

    Args:
        grids: the numbers of a choice.
        graph: the graph.
        constant: gives a weight's values.
        distributions: what calibration gathered, by tensor.
        layer: whose operands.

    Cost: one pass over the weight.
    """
    known = graph.layer(layer)
    weights = activations = 0.0
    grid = grids.weights.get(layer)
    if grid is not None and known.weight is not None:
        weights = _ratio(rounding_sqnr_db(constant(known.weight), grid))
    for name in known.activations:
        read = grids.at(name, layer)
        if read is not None:
            activations += _ratio(error_profile(distributions[name], read).total_sqnr_db)
    return weights, activations


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation, with the mean rank for equal values.

    Source: Spearman 1904; the correlation of the ranks (Kendall 1948, "Rank Correlation Methods").

    Returns:
        -1 to 1; None for fewer than two pairs, or where all values of one side are equal.
    """
    ranks = [_ranks(np.asarray(values, np.float64)) for values in (first, second)]
    if len(ranks[0]) < 2 or any(np.ptp(one) == 0 for one in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle = ends - (counts - 1) / 2
    return np.asarray(middle[inverse], np.float64)


def _ratio(sqnr_db: float) -> float:
    """Noise over signal; none where there is no number to compare."""
    return 0.0 if math.isnan(sqnr_db) else float(10 ** (-sqnr_db / 10))


@dataclass(frozen=True, slots=True)
class _Power:
    """The sum of a tensor's squared values, how many there are, and how long its last axis is."""

    total: float
    count: int
    last: int

    @property
    def mean(self) -> float:
        return self.total / max(self.count, 1)


_Powers = Mapping[str, _Power]


def _layer_gains(
    layer: Layer, constant: Constants, powers: _Powers, channels: Mapping[str, NDArray[np.float64]]
) -> LayerGains:
    """What a layer lets through of noise on its inputs, relative to the power of its output."""
    known = [powers.get(name) for name in (layer.output, *layer.activations)]
    output, first, *others = known
    if output is None or first is None or not output.mean:
        return LayerGains(1.0, 1.0)
    if layer.weight is None:
        second = others[0] if others else None
        if second is None:
            return LayerGains(1.0, 1.0)
        gain = first.last * first.mean * second.mean / output.mean
        return LayerGains(gain, gain)
    inputs = _coefficients(layer, np.asarray(constant(layer.weight), np.float32))
    if layer.op_type == "ConvTranspose":  # each input is spread over the outputs
        outputs = inputs.size * output.count / max(first.count, 1)
    else:
        outputs = 1.0 if layer.channel_axis is None else _outputs(layer)
    own = channels.get(layer.name)
    shaped = inputs @ own if own is not None and own.size == inputs.size else None
    white = float(inputs.sum()) * first.mean / outputs / output.mean
    return LayerGains(white, white if shaped is None else float(shaped) / outputs / output.mean)


def _outputs(layer: Layer) -> float:
    """How many output channels share the coefficients of `_coefficients`."""
    assert layer.weight_shape is not None
    assert layer.channel_axis is not None
    return float(max(layer.weight_shape[layer.channel_axis], 1))


def _coefficients(layer: Layer, weight: NDArray[np.float32]) -> NDArray[np.float64]:
    """The sum of the squared coefficients that each input channel has, over all outputs."""
    squared = np.square(weight, dtype=np.float64)
    if layer.op_type == "Conv":
        parts = squared.reshape(layer.group, -1, squared.shape[1], *squared.shape[2:])
        found = parts.sum(axis=(1, *range(3, parts.ndim))).reshape(-1)
        return np.asarray(found, np.float64)
    if layer.op_type == "ConvTranspose":
        return np.asarray(squared.sum(axis=tuple(range(1, squared.ndim))), np.float64)
    if squared.ndim == 1:
        return squared
    axis = layer.channel_axis if layer.channel_axis is not None else squared.ndim - 1
    others = {n for n in range(squared.ndim) if n not in (squared.ndim - 1, squared.ndim - 2)}
    return np.asarray(squared.sum(axis=tuple({axis, *others})), np.float64)


def _shares(
    graph: Graph, node: Node, powers: _Powers, layers: Mapping[str, LayerGains]
) -> dict[str, float]:
    """How much of each input's relative noise a node's output has."""
    names = [n for n in node.inputs if n and not graph.tensors[n].constant]
    if node.name in layers:
        if not graph.layer(node.name).activation_slots:
            return {}  # a recurrent operator reads them itself
        return dict.fromkeys(
            graph.layer(node.name).activations, math.sqrt(layers[node.name].shaped)
        )
    output = powers.get(node.outputs[0]) if node.outputs else None
    known = {name: powers[name] for name in names if name in powers}
    if _is(node, _SUMS) and len(names) > 1:
        total = sum(one.mean for one in known.values())
        if node.op_type == "Concat":
            total = sum(one.total for one in known.values())
            return {n: one.total / total if total else 1.0 for n, one in known.items()}
        total = output.mean if output is not None else total
        return {n: one.mean / total if total else 1.0 for n, one in known.items()}
    return dict.fromkeys((*names, *node.outer_inputs), 1.0)


def _is(node: Node, operators: frozenset[str]) -> bool:
    return node.op_type in operators and is_onnx_domain(node.domain)


def _powers(
    model: Model, graph: Graph, feeds: Feeds, cancel: Cancel | None
) -> tuple[dict[str, _Power], dict[str, NDArray[np.float64]]]:
    """The power of each tensor that noise is judged against, and by channel what enters layers."""
    wanted: dict[str, None] = {}
    layers = {layer.name for layer in graph.layers}
    for node in graph.nodes:
        if node.name in layers or _is(node, _SUMS):
            wanted.update(dict.fromkeys(n for n in (*node.inputs, *node.outputs) if n))
    tensors = [graph.tensors[name] for name in wanted]
    computed = [
        tensor.name
        for tensor in tensors
        if tensor.producer is not None and tensor.dtype == "float32" and not tensor.constant
    ]
    values = {name: feeds[name] for name in wanted if name in feeds}
    if computed:
        session = open_session(runnable(model, outputs=computed), threads=1, memory_pattern=False)
        read = {value.name for value in session.inputs}
        values |= session.run({n: v for n, v in feeds.items() if n in read}, cancel=cancel)
    found = {name: _power(one) for name, one in values.items()}
    channels = {
        layer.name: _by_channel(values[layer.activations[0]], layer)
        for layer in graph.layers
        if layer.weight is not None and layer.activations[0] in values
    }
    return found, channels


def _by_channel(values: NDArray[Any], layer: Layer) -> NDArray[np.float64]:
    """The mean square of each input channel."""
    axis = 1 if layer.op_type.startswith("Conv") else values.ndim - 1
    if layer.weight_slot == 0:
        axis = max(values.ndim - 2, 0)
    if values.dtype.kind != "f" or not values.ndim:
        return np.zeros(0)
    others = tuple(n for n in range(values.ndim) if n != axis)
    wide = np.square(np.nan_to_num(values, posinf=0.0, neginf=0.0), dtype=np.float64)
    return np.asarray(wide.mean(axis=others), np.float64)


def _power(values: NDArray[Any]) -> _Power:
    if values.dtype.kind != "f":
        return _Power(0.0, values.size, 1)
    wide = values.astype(np.float64).reshape(-1)
    total = float(np.square(wide[np.isfinite(wide)]).sum())
    return _Power(total, values.size, values.shape[-1] if values.ndim else 1)
