"""Move factors and shifts of channels between weights; the float function stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from inspector.graph.channels import input_factors, output_factors, response
from inspector.graph.links import Link
from inspector.graph.model import Graph, Layer
from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.own_bias import bias_tensor, shaped_bias

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Rescaling:
    """What is done to the channels of a link.

    Attributes:
        link: the link.
        factors: (channels,) what they are divided by where they are made.
        opened: its Clip becomes a Relu: nothing reaches its upper end.
    """

    link: Link
    factors: Doubles
    opened: bool = False


def rescale(model: Model, graph: Graph, changes: Sequence[Rescaling]) -> Model:
    """Divide channels where they are made and multiply them where they are read.

    Args:
        model: the prepared model.
        graph: its graph, in which the links were found.
        changes: at most one for each link.

    Cost: one pass over each weight that is changed.
    """
    draft = Draft(model)
    nodes = {node.name: node for node in draft.graph.node}
    for change in changes:
        link = change.link
        _divide(draft, graph, link.source, change.factors)
        features = np.repeat(change.factors, link.repeat)
        for name in link.readers:
            layer = graph.layer(name)
            assert layer.weight is not None
            weight = draft.constant(layer.weight)
            factors = input_factors(layer, features, weight.ndim)
            draft.set_constant(layer.weight, (weight * factors).astype(weight.dtype))
        if change.opened and link.clip is not None:
            _make_relu(nodes[link.clip])
    draft.sweep()
    return draft.finish()


def absorb(model: Model, graph: Graph, shifts: Mapping[str, tuple[Link, Doubles]]) -> Model:
    """Take a constant from channels where they are made, and give what it does to the readers.

    Nagel et al. 2019, section 4.1.3 ("absorbing high biases"): r(Wx + b - c) = r(Wx + b) - c where
    Wx + b >= c, so b2 + W2 c makes it good. The readers need biases of their own.

    Args:
        model: the prepared model.
        graph: its graph.
        shifts: by the links' source: the link, which has to be bare, and (channels,) what is taken
            away.
    """
    draft = Draft(model)
    for source, (link, shift) in shifts.items():
        _add_to_bias(draft, graph, graph.layer(source), -shift)
        features = np.repeat(shift, link.repeat)
        for name in link.readers:
            layer = graph.layer(name)
            assert layer.weight is not None
            more = response(layer, draft.constant(layer.weight), features)
            _add_to_bias(draft, graph, layer, more)
    return draft.finish()


def _divide(draft: Draft, graph: Graph, source: str, factors: Doubles) -> None:
    node = graph.node(source)
    if node.op_type == "LayerNormalization":
        for name in (name for name in node.inputs[1:3] if name):
            _set(draft, name, draft.constant(name) / factors)
        return
    layer = graph.layer(source)
    assert layer.weight is not None
    weight = draft.constant(layer.weight)
    _set(draft, layer.weight, weight / output_factors(layer, factors, weight.ndim))
    bias = bias_tensor(graph, layer)
    if bias is not None:
        values = draft.constant(bias)
        _set(draft, bias, values / shaped_bias(factors, values))


def _add_to_bias(draft: Draft, graph: Graph, layer: Layer, more: Doubles) -> None:
    name = bias_tensor(graph, layer)
    assert name is not None
    values = draft.constant(name)
    _set(draft, name, values + shaped_bias(more, values))


def _set(draft: Draft, name: str, values: NDArray[Any]) -> None:
    draft.set_constant(name, values.astype(draft.constant(name).dtype))


def _make_relu(node: NodeProto) -> None:
    node.op_type = "Relu"
    del node.input[1:]
    del node.attribute[:]
