"""What is written on each card, and how big it is. Built off the main thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from inspector.graph.model import Dim, Graph, Node, Tensor
from inspector.graph.operators import category

Measure = Callable[[str], float]
Kind = Literal["node", "layer", "input", "output"]

HEADER_HEIGHT = 26.0
LINE_HEIGHT = 17.0
PILL_HEIGHT = 26.0
PADDING = 10.0
BADGE_WIDTH = 200.0
LABEL_GAP = 6.0
MAX_WIDTH = 320.0
SYMBOL_LENGTH = 8

_SLOTS = {
    "Conv": ("X", "W", "B"),
    "ConvTranspose": ("X", "W", "B"),
    "Gemm": ("A", "B", "C"),
    "MatMul": ("A", "B"),
    "BatchNormalization": ("X", "scale", "B", "mean", "var"),
    "LayerNormalization": ("X", "scale", "B"),
    "InstanceNormalization": ("input", "scale", "B"),
    "PRelu": ("X", "slope"),
    "Clip": ("input", "min", "max"),
    "Reshape": ("data", "shape"),
    "Slice": ("data", "starts", "ends", "axes", "steps"),
    "Gather": ("data", "indices"),
    "Pad": ("data", "pads", "value"),
    "Resize": ("X", "roi", "scales", "sizes"),
    "Unsqueeze": ("data", "axes"),
    "Squeeze": ("data", "axes"),
    "Split": ("input", "split"),
    "LSTM": ("X", "W", "R", "B", "lengths", "initial_h", "initial_c", "P"),
    "GRU": ("X", "W", "R", "B", "lengths", "initial_h"),
    "QuantizeLinear": ("x", "scale", "zero point"),
    "DequantizeLinear": ("x", "scale", "zero point"),
}
_LETTERS = ("A", "B", "C", "D", "E", "F")


@dataclass(frozen=True, slots=True)
class Fonts:
    """How wide a text is, in pixels, in the fonts of a card."""

    title: Measure
    strong: Measure
    body: Measure


@dataclass(frozen=True, slots=True)
class Card:
    """One node, graph input or graph output as it is drawn.

    Attributes:
        name: of the node or tensor.
        kind: a layer's card has room for its badge.
        title: the operator, or the tensor's name on a pill.
        category: which header colour.
        subtitle: the layer's name; empty for others.
        lines: (label, text) of each constant input.
        width: pixels.
        height: pixels.
    """

    name: str
    kind: Kind
    title: str
    category: str
    subtitle: str
    lines: tuple[tuple[str, str], ...]
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Wire:
    """A tensor that flows from one card to another (by their numbers)."""

    source: int
    target: int
    tensor: str
    label: str


def shape_text(shape: tuple[Dim, ...] | None) -> str:
    """A shape as it is written on edges: 1×64×56×56, with ? for what is not known."""
    if shape is None:
        return ""
    return "×".join(_dim_text(dim) for dim in shape)


def _dim_text(dim: Dim) -> str:
    """A number, a short name that the model gives, or ?; names made up by tools say nothing."""
    if isinstance(dim, int):
        return str(dim)
    if dim is None or not 0 < len(dim) <= SYMBOL_LENGTH or dim.startswith("unk__"):
        return "?"
    return dim


def build_cards(graph: Graph, fonts: Fonts) -> tuple[Card, ...]:
    """Cards of the graph inputs, the nodes in graph order, and the graph outputs."""
    layers = {layer.name for layer in graph.layers}
    cards = [_pill(name, "input", fonts) for name in graph.inputs]
    cards += [_node_card(graph, node, node.name in layers, fonts) for node in graph.nodes]
    cards += [_pill(name, "output", fonts) for name in graph.outputs]
    return tuple(cards)


def build_wires(graph: Graph) -> tuple[Wire, ...]:
    """All edges; constants are written on the cards that read them and have none."""
    first = len(graph.inputs)
    sources = {name: index for index, name in enumerate(graph.inputs)}
    for index, node in enumerate(graph.nodes, start=first):
        sources.update({name: index for name in node.outputs if name})
    wires: dict[tuple[int, int, str], None] = {}
    for index, node in enumerate(graph.nodes, start=first):
        for name in (*node.inputs, *node.outer_inputs):
            if name in sources:
                wires[(sources[name], index, name)] = None
    for index, name in enumerate(graph.outputs, start=first + len(graph.nodes)):
        if name in sources:
            wires[(sources[name], index, name)] = None
    return tuple(Wire(a, b, name, _label(graph, name)) for a, b, name in wires)


def _label(graph: Graph, tensor: str) -> str:
    known = graph.tensors.get(tensor)
    return shape_text(known.shape) if known is not None else ""


def _pill(name: str, kind: Literal["input", "output"], fonts: Fonts) -> Card:
    width = min(fonts.title(name) + 2 * PADDING + 8, MAX_WIDTH)
    return Card(name, kind, name, "constant", "", (), width, PILL_HEIGHT)


def _node_card(graph: Graph, node: Node, is_layer: bool, fonts: Fonts) -> Card:
    lines = tuple(_constants(graph, node))
    widest = max((fonts.strong(a) + LABEL_GAP + fonts.body(b) for a, b in lines), default=0.0)
    width = max(fonts.title(node.op_type), widest) + 2 * PADDING
    height = HEADER_HEIGHT + LINE_HEIGHT * len(lines) + (8 if lines else 0)
    if is_layer:
        width = max(width, BADGE_WIDTH)
        height = HEADER_HEIGHT + LINE_HEIGHT * (len(lines) + 3) + 17
    return Card(
        node.name,
        "layer" if is_layer else "node",
        node.op_type,
        category(node.op_type),
        node.name if is_layer else "",
        lines,
        min(max(width, 52.0), MAX_WIDTH),
        height,
    )


def _constants(graph: Graph, node: Node) -> Iterator[tuple[str, str]]:
    for slot, name in enumerate(node.inputs):
        tensor = graph.tensors.get(name)
        if tensor is not None and tensor.constant and tensor.producer is None:
            yield _slot_name(node.op_type, slot, len(node.inputs)), _constant_text(tensor)


def _slot_name(op_type: str, slot: int, count: int) -> str:
    names = _SLOTS.get(op_type, _LETTERS if count <= len(_LETTERS) else ())
    return names[slot] if slot < len(names) else str(slot)


def _constant_text(tensor: Tensor) -> str:
    text = shape_text(tensor.shape)
    return f"⟨{text}⟩" if text else "⟨scalar⟩"
