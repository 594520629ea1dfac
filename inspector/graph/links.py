"""Where a factor can be moved from one operator's weights into those of the layers behind it.

A channel may be divided by a positive number where it is made and multiplied by it where it is
read, if all between treat channels by themselves and f(a x) = a f(x): the float function stays.
Cross-layer equalization, SmoothQuant and AWQ differ only in the numbers that they choose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from inspector.graph.model import Graph, Layer, Node
from inspector.graph.operators import is_onnx_domain
from inspector.graph.placement import clip_ends
from inspector.graph.roles import added_bias

_ALONE = frozenset({"Relu", "LeakyRelu", "PRelu", "Identity", "Dropout"})
"""Each value by itself, and positively homogeneous."""

_POOLS = frozenset({"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"})
_FLAT = frozenset({"Flatten", "Reshape"})
_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})


@dataclass(frozen=True, slots=True)
class Link:
    """Channels that one operator makes and layers read.

    Attributes:
        source: the name of the node that makes them: a layer, or a LayerNormalization.
        written: what it writes, behind a bias that is added.
        readers: the names of the layers, in graph order.
        read: the tensor that they read.
        channels: how many there are.
        repeat: values of `read` along its channel axis for each: more than 1 behind Flatten.
        clip: the one Clip between that cuts at 0 and at `top`; None where there is none.
        top: the upper end of that Clip.
        bare: nothing between or in the readers fills in zeros (padding), so that channels may be
            shifted as well.
        written_axis: the axis of the channels in `written`; -1 is the last.
        read_axis: the same in `read`.
    """

    source: str
    written: str
    readers: tuple[str, ...]
    read: str
    channels: int
    repeat: int = 1
    clip: str | None = None
    top: float = float("inf")
    bare: bool = True
    written_axis: int = 1
    read_axis: int = 1


def find_links(graph: Graph, constant: Callable[[str], NDArray[Any]]) -> tuple[Link, ...]:
    """All links of a graph, in its order.

    Args:
        graph: a graph.
        constant: gives the values of small constants (ends of Clip).

    Cost: linear in the number of nodes.
    """
    layers = {layer.name: layer for layer in graph.layers}
    found: list[Link] = []
    for node in graph.nodes:
        layer = layers.get(node.name)
        start = _of_layer(graph, layer) if layer is not None else _of_norm(graph, node)
        if start is not None:
            link = _Path(graph, constant, layers, node, *start).follow()
            if link is not None:
                found.append(link)
    return tuple(found)


def input_axis(layer: Layer) -> int:
    """The axis of a weight that runs along what the layer reads; of a Conv: within its group."""
    assert layer.channel_axis is not None
    assert layer.weight_shape is not None
    match layer.op_type:
        case "Conv":
            return 1
        case "ConvTranspose":
            return 0
        case "Gemm":
            return 1 - layer.channel_axis
    return len(layer.weight_shape) - 2


def _of_layer(graph: Graph, layer: Layer) -> tuple[str, int] | None:
    """(what a layer writes, its channels) where the layer can be scaled by output channel."""
    if layer.weight is None or layer.channel_axis is None or layer.weight_shape is None:
        return None
    if layer.weight_slot == 0 or not _owns(graph, layer.weight):
        return None
    channels = layer.weight_shape[layer.channel_axis]
    node = graph.node(layer.name)
    if layer.op_type == "MatMul":
        added = added_bias(graph, layer)
        if added is None:
            return layer.output, channels
        fits = _fits(graph, added.constant, channels) and _owns(graph, added.constant)
        return (graph.node(added.node).outputs[0], channels) if fits else None
    if layer.op_type == "ConvTranspose":
        channels *= layer.group
    if node.input(2) and not (
        layer.bias is not None and _fits(graph, layer.bias, channels) and _owns(graph, layer.bias)
    ):
        return None
    return layer.output, channels


def _of_norm(graph: Graph, node: Node) -> tuple[str, int] | None:
    if node.op_type != "LayerNormalization" or not is_onnx_domain(node.domain):
        return None
    shape = graph.tensors[node.input(1)].shape or ()
    if node.attributes.get("axis", -1) != -1 and len(shape) != 1:
        return None
    if len(shape) != 1 or not isinstance(shape[0], int):
        return None
    owned = (name for name in node.inputs[1:3] if name)
    if not all(graph.tensors[n].constant and _owns(graph, n) for n in owned):
        return None
    return node.outputs[0], shape[0]


def _owns(graph: Graph, name: str) -> bool:
    return len(graph.tensors[name].consumers) == 1


def _fits(graph: Graph, name: str, channels: int) -> bool:
    shape = graph.tensors[name].shape or ()
    return bool(shape) and shape[-1] == channels and all(dim == 1 for dim in shape[:-1])


class _Path:
    """The way from where channels are made to where layers read them."""

    def __init__(
        self,
        graph: Graph,
        constant: Callable[[str], NDArray[Any]],
        layers: dict[str, Layer],
        source: Node,
        written: str,
        channels: int,
    ) -> None:
        self._graph = graph
        self._constant = constant
        self._layers = layers
        self._source = source
        self._written = written
        self._channels = channels
        # Channels are axis 1 of what convolutions write, and the last of what products write.
        self._spatial = source.op_type in _CONVOLUTIONS
        self._repeat = 1
        self._clip: str | None = None
        self._top = float("inf")
        self._bare = True

    def follow(self) -> Link | None:
        tensor = self._written
        while True:
            if tensor in self._graph.outputs:
                return None
            readers = self._graph.consumers(tensor)
            if readers and all(self._reads(node, tensor) for node in readers):
                return self._link(readers, tensor)
            if len(readers) != 1 or not self._passes(readers[0], tensor):
                return None
            tensor = readers[0].outputs[0]

    def _link(self, readers: tuple[Node, ...], tensor: str) -> Link:
        bare = self._bare and all(_is_unpadded(node) for node in readers)
        names = tuple(node.name for node in readers)
        return Link(
            self._source.name,
            self._written,
            names,
            tensor,
            self._channels,
            self._repeat,
            self._clip,
            self._top,
            bare,
            1 if self._source.op_type in _CONVOLUTIONS else -1,
            1 if self._spatial else -1,
        )

    def _reads(self, node: Node, tensor: str) -> bool:
        """Whether a node is a layer whose weight can take up a factor for each channel."""
        layer = self._layers.get(node.name)
        if layer is None or layer.weight is None or layer.weight_shape is None:
            return False
        if layer.channel_axis is None or layer.weight_slot != 1 or node.inputs.count(tensor) != 1:
            return False
        if node.op_type == "Gemm" and node.attributes.get("transA", 0):
            return False
        if (node.op_type in _CONVOLUTIONS) != self._spatial or not _owns(self._graph, layer.weight):
            return False
        size = layer.weight_shape[input_axis(layer)]
        size *= layer.group if node.op_type == "Conv" else 1
        return size == self._channels * self._repeat

    def _passes(self, node: Node, tensor: str) -> bool:
        """Whether a node treats channels by themselves; notes what it does to them."""
        if not is_onnx_domain(node.domain) or node.input(0) != tensor:
            return False
        if node.op_type in _ALONE:
            return True
        if node.op_type == "Clip":
            return self._passes_clip(node)
        if node.op_type in _POOLS:
            self._bare = self._bare and _is_unpadded(node)
            return self._spatial and len(node.outputs) == 1
        return node.op_type in _FLAT and self._flattens(node, tensor)

    def _passes_clip(self, node: Node) -> bool:
        if any(name and not self._graph.tensors[name].constant for name in node.inputs[1:]):
            return False
        low, high = clip_ends(node, self._constant)
        if low != 0.0 or self._clip is not None or high <= 0.0:
            return False
        if high < 3e38:
            self._clip, self._top = node.name, float(high)
        return True

    def _flattens(self, node: Node, tensor: str) -> bool:
        """Whether a node makes (N, C, ...) to (N, C * ...)."""
        before = self._graph.tensors[tensor].shape
        after = self._graph.tensors[node.outputs[0]].shape
        if not self._spatial or before is None or after is None or len(after) != 2:
            return False
        repeat = 1
        for dim in before[2:]:
            if not isinstance(dim, int):
                return False
            repeat *= dim
        if before[1] != self._channels or after[1] != self._channels * repeat:
            return False
        self._spatial, self._repeat = False, repeat
        return True


def _is_unpadded(node: Node) -> bool:
    pads = node.attributes.get("pads", ())
    automatic = node.attributes.get("auto_pad", "NOTSET")
    text = automatic.decode() if isinstance(automatic, bytes) else automatic
    clean = not isinstance(pads, tuple) or not any(pads)
    return clean and text in {"NOTSET", "VALID", ""} and node.op_type != "ConvTranspose"
