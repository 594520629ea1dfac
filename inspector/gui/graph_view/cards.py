"""What is written on each card, and how big it is. Built off the main thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from inspector.graph.model import Dim, Graph, Node, Tensor
from inspector.graph.operators import LAYERS, category, is_onnx_domain
from inspector.graph.scene import Item, Scene, Written
from inspector.onnxio.tensors import type_of_attribute
from inspector.report.units import count_tick, plural

Measure = Callable[[str], float]
Operator = tuple[str, str]
"""Domain and name."""
Kind = Literal["node", "layer", "group", "input", "output", "outer"]
PILLS = frozenset({"input", "output", "outer"})

HEADER_HEIGHT = 26.0
LINE_HEIGHT = 17.0
PILL_HEIGHT = 26.0
PADDING = 10.0
BADGE_WIDTH = 200.0
LABEL_GAP = 6.0
OPENS_WIDTH = 16.0
"""Room for the mark of a card that can be opened."""
MIN_WIDTH, MAX_WIDTH = 52.0, 320.0
SYMBOL_LENGTH = 8
_SHOWN_ATTRIBUTES = 12
_SHOWN_CONSTANTS = 12
_VALUE_LENGTH = 60
_GROUP_ROOM = 110.0
"""Beside a group's title, for the figure of its worst layer."""

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
class Detail:
    """What cards show beside their operator and constants."""

    attributes: bool = False
    names: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One item of the scene as it is drawn.

    Attributes:
        name: of the node, group or tensor.
        kind: a layer's card has room for its badge.
        title: the operator, the group, or the tensor's name on a pill.
        category: which header colour.
        subtitle: the layer's name; empty for others.
        lines: (label, text) of each constant input, attribute or count.
        width: pixels.
        height: pixels.
        opens: a double click goes into what the card stands for.
    """

    name: str
    kind: Kind
    title: str
    category: str
    subtitle: str
    lines: tuple[tuple[str, str], ...]
    width: float
    height: float
    opens: bool = False

    @property
    def is_pill(self) -> bool:
        """Whether it stands for a tensor and not for nodes."""
        return self.kind in PILLS


@dataclass(slots=True)
class _Maker:
    """Makes the cards of one scene; equal cards are measured once."""

    scene: Scene
    fonts: Fonts
    detail: Detail
    badges: bool
    marked: frozenset[str]
    bodies: frozenset[Operator]
    room: float
    widths: dict[tuple[str, tuple[tuple[str, str], ...], str, float], float] = field(
        default_factory=dict
    )

    def card(self, item: Item) -> Card:
        if item.kind in PILLS:
            return self._pill(item)
        if item.kind == "group":
            return self._group(item)
        return self._node(item)

    def _pill(self, item: Item) -> Card:
        width = min(self.fonts.title(item.name) + 2 * PADDING + 8, MAX_WIDTH)
        kind: Kind = "input" if item.kind == "input" else "output"
        kind = "outer" if item.kind == "outer" else kind
        return Card(item.name, kind, item.name, "constant", "", (), width, PILL_HEIGHT)

    def _group(self, item: Item) -> Card:
        graph = self.scene.graph
        layers = sum(1 for name in item.members if graph.node(name).op_type in LAYERS)
        lines = [("", plural(len(item.members), "node"))]
        lines += [("", plural(layers, "layer"))] if layers else []
        size = _constant_bytes(self.scene, item.members)
        lines += [("", size)] if size else []
        groups = self.scene.groups
        like = groups[item.name].like if groups is not None and item.name in groups else 1
        lines += [("", f"×{like} in this graph")] if like > 1 else []
        return self._sized(
            item.name, "group", item.title, "group", "", tuple(lines), opens=True, room=_GROUP_ROOM
        )

    def _node(self, item: Item) -> Card:
        node = self.scene.graph.node(item.name)
        is_layer = self.badges and is_onnx_domain(node.domain) and node.op_type in LAYERS
        is_layer = is_layer or item.name in self.marked
        lines = tuple(self._lines(node))
        subtitle = node.name if is_layer or self.detail.names else ""
        opens = bool(node.subgraphs) or (node.domain, node.op_type) in self.bodies
        kind: Kind = "layer" if is_layer else "node"
        found = self.scene.quantized
        written = self.scene.constants.get(item.name, ())
        specs = 2 if any(slot < 2 for slot, _ in written) else 1
        if item.name in self.marked:
            specs = (item.name in found.weights) + (item.name in found.activations)
        return self._sized(
            item.name,
            kind,
            item.title,
            category(item.title if is_layer or node.domain == "" else node.op_type),
            subtitle,
            lines,
            opens=opens,
            specs=specs,
            room=0.0 if is_layer else self.room,
        )

    def _sized(
        self,
        name: str,
        kind: Kind,
        title: str,
        colour: str,
        subtitle: str,
        lines: tuple[tuple[str, str], ...],
        *,
        opens: bool,
        specs: int = 0,
        room: float = 0.0,
    ) -> Card:
        key = (title, lines, subtitle if kind != "layer" else "", room)
        width = self.widths.get(key)
        if width is None:
            gap = LABEL_GAP
            rows = [self.fonts.strong(a) + (gap if a else 0) + self.fonts.body(b) for a, b in lines]
            name_width = self.fonts.body(key[2]) if key[2] else 0.0
            heading = self.fonts.title(title) + (OPENS_WIDTH if opens else 0) + room
            width = max(heading, name_width, *rows, 0.0) + 2 * PADDING
            self.widths[key] = width
        rows_shown = len(lines) + (1 if subtitle else 0)
        height = HEADER_HEIGHT + LINE_HEIGHT * rows_shown + (8 if rows_shown else 0)
        if kind == "layer":
            width = max(width, BADGE_WIDTH)
            height = HEADER_HEIGHT + LINE_HEIGHT * (len(lines) + 1 + specs) + 17
        width = min(max(width, MIN_WIDTH), MAX_WIDTH)
        return Card(name, kind, title, colour, subtitle, lines, width, height, opens)

    def _lines(self, node: Node) -> Iterator[tuple[str, str]]:
        graph = self.scene.graph
        written = self.scene.constants.get(node.name, ())
        yield from constant_lines(graph, node, written[:_SHOWN_CONSTANTS])
        if len(written) > _SHOWN_CONSTANTS:
            yield "", f"and {len(written) - _SHOWN_CONSTANTS} more constants"
        for attribute, body in node.subgraphs.items():
            yield attribute, plural(len(body.nodes), "node")
        if self.detail.attributes:
            yield from _attributes(node)


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


def build_cards(
    scene: Scene,
    fonts: Fonts,
    detail: Detail | None = None,
    *,
    badges: bool = True,
    marked: frozenset[str] = frozenset(),
    bodies: frozenset[Operator] = frozenset(),
    room: float = 0.0,
) -> tuple[Card, ...]:
    """A card for each item of a scene.

    Args:
        scene: what is shown.
        fonts: measures of the card's fonts.
        detail: what is shown beside the constants; nothing by default.
        badges: whether layers get room for a badge: those of the main graph do.
        marked: other nodes with a badge: those of a model that is quantized already.
        bodies: operators that are functions of the model, whose bodies can be looked at.
        room: pixels beside the title of every other node, for a figure.

    Cost: linear, about 60 ms for 20,000 nodes.
    """
    maker = _Maker(scene, fonts, detail or Detail(), badges, marked, bodies, room)
    return tuple(maker.card(item) for item in scene.items)


def constant_lines(graph: Graph, node: Node, written: Written) -> Iterator[tuple[str, str]]:
    """The constants that are written in a card: what the operator calls each, and its shape."""
    for slot, name in written:
        tensor = graph.tensors.get(name)
        if tensor is not None:
            yield _slot_name(node.op_type, slot, len(node.inputs)), _constant_text(tensor)


def _slot_name(op_type: str, slot: int, count: int) -> str:
    names = _SLOTS.get(op_type, _LETTERS if count <= len(_LETTERS) else ())
    return names[slot] if slot < len(names) else str(slot)


def _constant_text(tensor: Tensor) -> str:
    text = shape_text(tensor.shape)
    return f"⟨{text}⟩" if text else "⟨scalar⟩"


def _attributes(node: Node) -> Iterator[tuple[str, str]]:
    shown = [
        (name, type_of_attribute(node.domain, name, value) or value_text(value))
        for name, value in node.attributes.items()
        if not isinstance(value, Graph)
    ]
    yield from shown[:_SHOWN_ATTRIBUTES]
    if len(shown) > _SHOWN_ATTRIBUTES:
        yield "", f"and {len(shown) - _SHOWN_ATTRIBUTES} more attributes"


def value_text(value: Any) -> str:
    """An attribute's value on one short line."""
    if isinstance(value, np.ndarray):
        if value.size > 8:
            return f"{value.dtype}[{shape_text(value.shape)}]"
        value = tuple(value.ravel().tolist())
    if isinstance(value, tuple):
        shown = ", ".join(value_text(item) for item in value[:8])
        return f"{shown}, … {len(value)}" if len(value) > 8 else shown
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= _VALUE_LENGTH else text[: _VALUE_LENGTH - 1] + "…"


def _constant_bytes(scene: Scene, members: tuple[str, ...]) -> str:
    """How many parameters the nodes of a group hold, in short."""
    total = 0
    for member in members:
        for _, name in scene.constants.get(member, ()):
            tensor = scene.graph.tensors.get(name)
            total += (tensor.size or 0) if tensor is not None else 0
    return f"{count_tick(total)} parameters" if total else ""


def labels_of(graph: Graph, *, names: bool) -> Callable[[str], str]:
    """What is written on a tensor's edge: its shape, or its name."""
    tensors: Mapping[str, Tensor] = graph.tensors

    def shape(tensor: str) -> str:
        known = tensors.get(tensor)
        return shape_text(known.shape) if known is not None else ""

    return (lambda tensor: tensor) if names else shape
