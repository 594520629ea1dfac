"""An estimate of how much each layer matters, from one run of the float model.

The errors of a layer's weights and of what enters it are taken as noise, white and independent of
the values (Widrow and Kollar 2008, "Quantization Noise", chapter 4). How much of it reaches the
model's outputs, relative to their power, follows the graph backwards: sums of products and means
let noise through by the sum of their squared coefficients, and the signal by what it really has
behind them; where tensors meet (Add, Concat) each brings as much noise as it has of the power of
the sum; all other operators pass relative noise on. Nothing nonlinear is in it, so it is good for
an order, not for decibels.
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
_MEANS = frozenset({"AveragePool", "GlobalAveragePool", "ReduceMean"})


@dataclass(frozen=True, slots=True)
class Gains:
    """How relative noise power passes through a model.

    Attributes:
        tensors: the share of a tensor's that reaches the model's outputs; 0 where none is given.
        layers: what a layer's output has of that of its weight, and of each of its inputs.
    """

    tensors: Mapping[str, float]
    layers: Mapping[str, float]

    def of_layer(self, layer: Layer) -> float:
        """What the model's outputs have of the noise of a layer's operands."""
        return self.tensors.get(layer.output, 0.0) * self.layers[layer.name]


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
    powers = _powers(model, graph, feeds, cancel)
    layers = {layer.name: _layer_gain(layer, model.constant, powers) for layer in graph.layers}
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


def _layer_gain(layer: Layer, constant: Constants, powers: _Powers) -> float:
    """The noise that a layer lets through over the signal, for white noise."""
    known = [powers.get(name) for name in (layer.output, *layer.activations)]
    output, first, *others = known
    if output is None or first is None or not output.mean:
        return 1.0
    if layer.weight is None:
        second = others[0] if others else None
        return 1.0 if second is None else first.last * first.mean * second.mean / output.mean
    shape = layer.weight_shape or ()
    channels = 1 if layer.channel_axis is None else shape[layer.channel_axis]
    values = np.asarray(constant(layer.weight), np.float32)
    coefficients = float(np.square(values, dtype=np.float64).sum()) / max(channels, 1)
    if layer.op_type == "ConvTranspose":  # each input is spread over the outputs
        coefficients *= first.count / max(shape[0], 1) / (output.count / max(channels, 1))
    return coefficients * first.mean / output.mean


def _shares(
    graph: Graph, node: Node, powers: _Powers, layers: Mapping[str, float]
) -> dict[str, float]:
    """How much of each input's relative noise a node's output has."""
    names = [n for n in node.inputs if n and not graph.tensors[n].constant]
    if node.name in layers:
        return dict.fromkeys(graph.layer(node.name).activations, layers[node.name])
    output = powers.get(node.outputs[0]) if node.outputs else None
    known = {name: powers[name] for name in names if name in powers}
    if _is(node, _MEANS) and output is not None and output.total and names[0] in known:
        first = known[names[0]]
        values = math.prod(_kernel(node)) or first.count / max(output.count, 1)
        return {names[0]: first.mean / output.mean / values}
    if _is(node, _SUMS) and len(names) > 1:
        total = sum(one.mean for one in known.values())
        if node.op_type == "Concat":
            total = sum(one.total for one in known.values())
            return {n: one.total / total if total else 1.0 for n, one in known.items()}
        total = output.mean if output is not None else total
        return {n: one.mean / total if total else 1.0 for n, one in known.items()}
    return dict.fromkeys((*names, *node.outer_inputs), 1.0)


def _kernel(node: Node) -> tuple[int, ...]:
    """The extents of a pooling operator's window; a single 0 for means over whole axes."""
    found = node.attributes.get("kernel_shape")
    return tuple(int(n) for n in found if isinstance(n, int)) if isinstance(found, tuple) else (0,)


def _is(node: Node, operators: frozenset[str]) -> bool:
    return node.op_type in operators and is_onnx_domain(node.domain)


def _powers(model: Model, graph: Graph, feeds: Feeds, cancel: Cancel | None) -> dict[str, _Power]:
    """The power of each tensor that noise is judged against."""
    wanted: dict[str, None] = {}
    layers = {layer.name for layer in graph.layers}
    for node in graph.nodes:
        if node.name in layers or _is(node, _SUMS | _MEANS):
            wanted.update(dict.fromkeys(n for n in (*node.inputs, *node.outputs) if n))
    tensors = [graph.tensors[name] for name in wanted]
    computed = [
        tensor.name
        for tensor in tensors
        if tensor.producer is not None and tensor.dtype == "float32" and not tensor.constant
    ]
    found = {name: _power(feeds[name]) for name in wanted if name in feeds}
    if computed:
        session = open_session(runnable(model, outputs=computed), threads=1, memory_pattern=False)
        read = {value.name for value in session.inputs}
        values = session.run({n: v for n, v in feeds.items() if n in read}, cancel=cancel)
        found |= {name: _power(values[name]) for name in computed}
    return found


def _power(values: NDArray[Any]) -> _Power:
    if values.dtype.kind != "f":
        return _Power(0.0, values.size, 1)
    wide = values.astype(np.float64).reshape(-1)
    total = float(np.square(wide[np.isfinite(wide)]).sum())
    return _Power(total, values.size, values.shape[-1] if values.ndim else 1)
