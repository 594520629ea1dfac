"""Give layers a bias of their own, so that it can be changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.graph.model import Graph, Layer
from inspector.graph.roles import added_bias
from inspector.onnxio.draft import Draft
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.report import PassReport
from inspector.onnxio.passes.rewrite import Constants, bias_name

_NAME = "own_bias"


def own_bias(model: Model, graph: Graph, layers: Collection[str]) -> tuple[Model, PassReport]:
    """See that each of some layers has a bias with one number a channel that no other node reads.

    Conv, ConvTranspose and Gemm get one of zeros where they have none. A MatMul has one where a
    constant is added behind it; one without is left, as are biases of other shapes.

    Args:
        model: the prepared model.
        graph: its graph.
        layers: names of layers.

    Returns:
        The model, and in the report how many biases are new and which layers have none in the end.
    """
    draft = Draft(model)
    constants = Constants(draft)
    nodes = {node.name: node for node in draft.graph.node}
    changed, left = 0, []
    for layer in graph.layers:
        if layer.name not in layers:
            continue
        place = _place(graph, layer)
        if place is None:
            left.append(f"{layer.name}: it has no bias, and cannot be given one")
            continue
        name, slot, wanted = place
        node = nodes[name]
        present = constants.get(node, slot) if constants.has(node, slot) else None
        shape = _shape(layer) if present is None or layer.op_type != "MatMul" else present.shape
        alone = present is not None and constants.uses[node.input[slot]] == 1
        if alone and present is not None and present.shape == shape:
            continue
        dtype = np.float32 if present is None else present.dtype
        values = np.broadcast_to(np.zeros(1, dtype) if present is None else present, shape).copy()
        constants.put(node, slot, values, wanted)
        changed += 1
    if not changed:
        return model, PassReport(_NAME, 0, tuple(left))
    return draft.finish(), PassReport(_NAME, changed, tuple(left))


def bias_tensor(graph: Graph, layer: Layer) -> str | None:
    """The constant that is a layer's bias, one number a channel; None where there is none."""
    place = _place(graph, layer)
    if place is None:
        return None
    return graph.node(place[0]).input(place[1]) or None


def replace_constants(model: Model, values: Mapping[str, NDArray[Any]]) -> Model:
    """The same model with other values of some initializers, of the same shapes and types."""
    if not values:
        return model
    draft = Draft(model)
    for name, array in values.items():
        draft.set_constant(name, array)
    return draft.finish()


def _place(graph: Graph, layer: Layer) -> tuple[str, int, str] | None:
    """The node and input position of a layer's bias, and a name for a new one."""
    if layer.weight is None or layer.weight_shape is None or layer.channel_axis is None:
        return None
    node = graph.node(layer.name)
    if layer.op_type == "MatMul":
        added = added_bias(graph, layer)
        if added is None or layer.weight_slot == 0:
            return None
        shape = graph.tensors[added.constant].shape or ()
        channels = layer.weight_shape[layer.channel_axis]
        if not shape or shape[-1] != channels or any(dim != 1 for dim in shape[:-1]):
            return None
        return added.node, graph.node(added.node).inputs.index(added.constant), ""
    if layer.weight_slot == 0 or (node.input(2) and layer.bias is None):
        return None
    if layer.bias is not None:
        shape = graph.tensors[layer.bias].shape or ()
        (channels,) = _shape(layer)
        if any(dim not in {1, channels} for dim in shape) or any(dim != 1 for dim in shape[:-1]):
            return None
    return layer.name, 2, bias_name(layer.weight)


def _shape(layer: Layer) -> tuple[int]:
    assert layer.weight_shape is not None
    assert layer.channel_axis is not None
    channels = layer.weight_shape[layer.channel_axis]
    return (channels * layer.group if layer.op_type == "ConvTranspose" else channels,)


def shaped_bias(values: NDArray[Any], bias: NDArray[Any]) -> NDArray[Any]:
    """One number a channel in the shape of a bias."""
    return values.reshape(bias.shape)
