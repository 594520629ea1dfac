"""Known functions that exporters write out as several operators, found by what they compute.

How a GELU is written differs from exporter to exporter: which factor comes first, Mul or Div, Pow
or products. So a candidate is any group of element-wise operators and means that has one way in
and one way out; it is recognized if its values are those of a known function, on numbers that tell
them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inspector.errors import InspectorError
from inspector.graph.formulas import (
    ANCHORS,
    FUNCTIONS,
    NORMALIZATIONS,
    is_computed,
    number,
    value_of,
)
from inspector.graph.model import Graph, Node, Unit
from inspector.graph.operators import is_onnx_domain
from inspector.progress import paced

KINDS: Final = (*FUNCTIONS, *NORMALIZATIONS)
"""What can be recognized."""

Values = Callable[[str], NDArray[Any]]
"""Reads a constant by its name."""

_MOST_NODES = 14
_MOST_BEHIND = 7
"""Operators between an anchor and the end of a unit, at most."""
_POINTS: Final = np.concatenate([np.linspace(-8, 8, 65), [-0.013, 0.007, 0.11, -0.37]])
_MOST_CHANNELS = 1 << 16
_TOLERANCE: Final = {"float32": 2e-6, "float16": 2e-3}
"""How far the constants of an exporter may be from those of the formula."""


@dataclass(frozen=True, slots=True, eq=False)
class NormalForm:
    """A normalization along the last axis: normal(x, epsilon) * scale + bias.

    Attributes:
        kind: one of `inspector.graph.formulas.NORMALIZATIONS`.
        epsilon: what is added to the mean of squares.
        scale: (channels,) factors.
        bias: (channels,) what is added.
    """

    kind: str
    epsilon: float
    scale: NDArray[np.float64]
    bias: NDArray[np.float64]


def find_units(graph: Graph, values: Values, kinds: Collection[str] = KINDS) -> tuple[Unit, ...]:
    """The units of a main graph, in graph order; none shares a node with another.

    Args:
        graph: the graph, with shapes as far as they are known.
        values: reads its constants; asked for single numbers, and vectors of a normalization.
        kinds: those that are looked for.

    Cost: linear in the number of nodes.
    """
    wanted = frozenset(op for kind in kinds for op in ANCHORS[kind])
    if not any(node.op_type in wanted for node in graph.nodes):
        return ()
    return _Finder(graph, values, frozenset(kinds)).run(wanted)


def normal_forms(graph: Graph, values: Values) -> Callable[[Unit], NormalForm | None]:
    """What gives the numbers of units that normalize; None for others, and of unknown width."""
    return _Finder(graph, values, frozenset(NORMALIZATIONS)).normal_form


class _Finder:
    """The state of one search."""

    def __init__(self, graph: Graph, values: Values, kinds: frozenset[str]) -> None:
        self._graph, self._values, self._kinds = graph, values, kinds
        self._order = {node.name: number for number, node in enumerate(graph.nodes)}
        self._outputs = frozenset(graph.outputs)
        self._taken: set[str] = set()
        self._known: dict[str, NDArray[np.float64] | None] = {}

    def run(self, anchors: Collection[str]) -> tuple[Unit, ...]:
        found: list[Unit] = []
        for node in paced(self._graph.nodes):
            if node.op_type not in anchors or node.name in self._taken or not self._fits(node):
                continue
            unit = self._around(node)
            if unit is not None:
                found.append(unit)
                self._taken.update(unit.nodes)
        return tuple(found)

    def _around(self, anchor: Node) -> Unit | None:
        """The unit that an operator belongs to, the largest if there are several."""
        kinds = [k for k in KINDS if k in self._kinds and anchor.op_type in ANCHORS[k]]
        for end in reversed(list(self._behind(anchor))):
            groups = [
                Unit("", tuple(sorted(nodes, key=self._order.__getitem__)), source, end.outputs[0])
                for nodes, source in self._grown(end)
                if anchor.name in nodes and len(nodes) > 1
            ]
            for kind in kinds:  # behind a mean that was taken away, LayerNorm ends as RMSNorm does
                for group in groups:
                    if self._is(kind, group):
                        return replace(group, kind=kind)
        return None

    def _behind(self, anchor: Node) -> Iterator[Node]:
        """The operators at which a unit may end: each reads alone what the one before writes."""
        node = anchor
        for _ in range(_MOST_BEHIND):
            yield node
            tensor = self._graph.tensors[node.outputs[0]]
            readers = tensor.consumers
            if len(readers) != 1 or tensor.name in self._outputs:
                return
            node = self._graph.node(readers[0])
            if not self._fits(node):
                return

    def _grown(self, end: Node) -> Iterator[tuple[set[str], str]]:
        """Groups with one way in that end at an operator, the smaller ones first.

        What is computed last is taken in first, so that no way in is read by what is inside.
        """
        nodes = {end.name}
        reads = set(self._activations(end))
        while len(nodes) <= _MOST_NODES and reads:
            if len(reads) == 1:
                yield nodes, next(iter(reads))
            made = [(self._place(name), name) for name in reads]
            place, latest = max(made)
            if place < 0 or not self._may_enter(latest, nodes):
                return
            node = self._graph.nodes[place]
            nodes = nodes | {node.name}
            reads = (reads - {latest}) | set(self._activations(node))

    def _place(self, tensor: str) -> int:
        producer = self._graph.tensors[tensor].producer
        return -1 if producer is None else self._order[producer]

    def _may_enter(self, tensor: str, nodes: Collection[str]) -> bool:
        """Whether what computes a tensor can be inside: nobody outside reads it."""
        known = self._graph.tensors[tensor]
        assert known.producer is not None
        return (
            tensor not in self._outputs
            and set(known.consumers) <= set(nodes)
            and self._fits(self._graph.node(known.producer))
        )

    def _fits(self, node: Node) -> bool:
        return (
            is_onnx_domain(node.domain)
            and is_computed(node.op_type)
            and not node.outer_inputs
            and len(node.outputs) == 1
            and node.name not in self._taken
            and all(self._is_known(name) for name in node.inputs if name)
        )

    def _is_known(self, name: str) -> bool:
        tensor = self._graph.tensors.get(name)
        return tensor is not None and (not tensor.constant or self._constant(name) is not None)

    def _activations(self, node: Node) -> list[str]:
        return [name for name in node.inputs if name and not self._graph.tensors[name].constant]

    def _constant(self, name: str) -> NDArray[np.float64] | None:
        """A number, or a vector along the last axis; None for other constants."""
        if name not in self._known:
            shape = self._graph.tensors[name].shape
            found = None
            if shape is not None and all(isinstance(dim, int) for dim in shape):
                sizes = [dim for dim in shape if isinstance(dim, int)]
                if all(dim == 1 for dim in sizes[:-1]) and 0 < (sizes or [1])[-1] <= _MOST_CHANNELS:
                    found = self._read(name)
            self._known[name] = found
        return self._known[name]

    def _read(self, name: str) -> NDArray[np.float64] | None:
        try:
            values = np.asarray(self._values(name))
        except (InspectorError, KeyError):
            return None
        return values.astype(np.float64).reshape(-1) if values.dtype.kind in "fiu" else None

    # What a group computes

    def _is(self, kind: str, group: Unit) -> bool:
        source = self._graph.tensors[group.source]
        if source.dtype not in _TOLERANCE or not self._keeps_rank(group.nodes, source.shape):
            return False
        if kind in FUNCTIONS:
            if not all(self._is_elementwise(name) for name in group.nodes):
                return False
            found = self._evaluate(group, _POINTS)
            return found is not None and _alike(found, FUNCTIONS[kind](_POINTS), source.dtype)
        means = [n for n in map(self._graph.node, group.nodes) if n.op_type == "ReduceMean"]
        rank = len(source.shape or ())
        if not means or not all(self._is_over_last(node, rank) for node in means):
            return False
        form = self.normal_form(group)
        return form is not None and form.kind == kind

    def normal_form(self, group: Unit) -> NormalForm | None:
        """What a group that normalizes along the last axis is, if it is that."""
        channels = (self._graph.tensors[group.source].shape or (None,))[-1]
        if not isinstance(channels, int) or not 1 < channels <= _MOST_CHANNELS:
            return None
        rng = np.random.default_rng(0)
        # Far from the mean in every channel, so that scale and bias follow exactly.
        rows = rng.uniform(1, 2, (3, channels)) * np.where(np.arange(channels) % 2, 1.0, -1.0)
        rows[1] = -rows[0]
        rows[2] = rng.normal(0.3, 1.0, channels)
        found = self._evaluate(group, rows)
        epsilon = self._epsilon(group.nodes)
        if found is None or epsilon is None or found.shape != rows.shape:
            return None
        for kind in NORMALIZATIONS:
            normal = NORMALIZATIONS[kind](rows, epsilon)
            scale = (found[0] - found[1]) / (normal[0] - normal[1])
            bias = found[0] - scale * normal[0]
            if np.isfinite(scale).all() and _alike(found[2], scale * normal[2] + bias):
                return NormalForm(kind, epsilon, scale, bias)
        return None

    def _is_over_last(self, node: Node, rank: int) -> bool:
        axes = node.attributes.get("axes")
        if node.input(1):
            given = self._constant(node.inputs[1])
            axes = None if given is None else tuple(int(axis) for axis in given)
        return (
            isinstance(axes, tuple)
            and len(axes) == 1
            and axes[0] in {-1, rank - 1}
            and number(node, "keepdims", 1) == 1
        )

    def _epsilon(self, names: tuple[str, ...]) -> float | None:
        """What is added before the root; None where there are several roots."""
        roots = [n for n in map(self._graph.node, names) if self._is_root(n)]
        if len(roots) != 1:
            return None
        producer = self._graph.producer(roots[0].inputs[0])
        if producer is None or producer.name not in names or producer.op_type != "Add":
            return 0.0
        added = [self._constant(n) for n in producer.inputs if self._graph.tensors[n].constant]
        return float(added[0][0]) if added and added[0] is not None and added[0].size == 1 else 0.0

    def _is_root(self, node: Node) -> bool:
        if node.op_type != "Pow":
            return node.op_type == "Sqrt"
        exponent = self._constant(node.inputs[1]) if len(node.inputs) == 2 else None
        return exponent is not None and exponent.size == 1 and abs(float(exponent[0])) == 0.5

    def _keeps_rank(self, names: tuple[str, ...], shape: tuple[object, ...] | None) -> bool:
        """Whether no constant has more axes than what enters, which would add axes to it."""
        tensors = self._graph.tensors
        read = {name for node in map(self._graph.node, names) for name in node.inputs if name}
        ranks = [len(tensors[name].shape or ()) for name in read if tensors[name].constant]
        return max(ranks, default=0) <= (0 if shape is None else len(shape))

    def _is_elementwise(self, name: str) -> bool:
        node = self._graph.node(name)
        constants = [
            self._constant(n) for n in node.inputs if n and self._graph.tensors[n].constant
        ]
        return node.op_type != "ReduceMean" and all(
            c is not None and c.size == 1 for c in constants
        )

    def _evaluate(self, group: Unit, given: NDArray[np.float64]) -> NDArray[np.float64] | None:
        known: dict[str, NDArray[np.float64]] = {group.source: given}
        for node in map(self._graph.node, group.nodes):
            operands: list[NDArray[np.float64] | None] = []
            for name in node.inputs:
                value = known.get(name) if name else None
                operands.append(self._constant(name) if name and value is None else value)
            try:
                with np.errstate(all="ignore"):
                    result = value_of(node, operands)
            except (ValueError, TypeError, IndexError):  # constants of other sizes
                return None
            if result is None:
                return None
            known[node.outputs[0]] = result
        return known[group.output]


def _alike(found: NDArray[np.float64], wanted: NDArray[np.float64], dtype: str = "float32") -> bool:
    near = _TOLERANCE[dtype]
    return found.shape == wanted.shape and bool(np.allclose(found, wanted, rtol=near, atol=near))
