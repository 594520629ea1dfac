"""Two models side by side: what each tensor that both compute has lost, and where they part."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.evaluate.runtime import Session, open_session
from inspector.evaluate.samples import Feeds
from inspector.graph.model import Graph, Node
from inspector.graph.quantized import Quantized, find_quantized
from inspector.graph.roles import is_range_folded
from inspector.graph.stored import Stored
from inspector.onnxio.loading import Model
from inspector.onnxio.runnable import runnable
from inspector.progress import Cancel
from inspector.quant.metrics import decibels

PARTED_DB = 30.0
"""Models have parted where a tensor's SQNR is below this."""
BUDGET = 256 << 20
"""Bytes of tensors to hold at a time."""
_UNKNOWN_SIZE = 1 << 20
_SUFFIX = "_quantized"
_FLOATS = frozenset({"float32", "float64", "float16"})


@dataclass(frozen=True, slots=True)
class Pair:
    """A tensor of the first model and the one of the second that stands for it.

    Attributes:
        node: that computes it in the first model.
        op_type: of the node.
        first: name in the first model.
        second: name in the second.
        grid: what dequantizes the second; None where that is float already.
    """

    node: str
    op_type: str
    first: str
    second: str
    grid: Stored | None


@dataclass(frozen=True, slots=True)
class LayerDifference:
    """How far a tensor of the second model is from that of the first.

    Attributes:
        node: that computes it in the first model.
        op_type: of the node.
        tensor: its name in the first model.
        sqnr_db: over all samples; inf where they are equal.
        max_abs: the largest difference.
    """

    node: str
    op_type: str
    tensor: str
    sqnr_db: float
    max_abs: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.node,
            "op_type": self.op_type,
            "tensor": self.tensor,
            "sqnr_db": self.sqnr_db,
            "max_abs": self.max_abs,
        }


@dataclass(slots=True)
class _Sums:
    signal: float = 0.0
    noise: float = 0.0
    most: float = 0.0

    def add(self, expected: NDArray[Any], found: NDArray[Any]) -> None:
        exact = np.asarray(expected, np.float64)
        wrong = np.asarray(found, np.float64) - exact
        self.signal += float(np.square(exact).sum())
        self.noise += float(np.square(wrong).sum())
        self.most = max(self.most, float(np.abs(wrong).max(initial=0.0)))


@dataclass(slots=True)
class Beside:
    """Runs two models on the same samples and adds up how far their tensors are apart.

    Args:
        first: the reference.
        first_graph: its graph, with shapes as far as they are known.
        second: the other model.
        second_graph: its graph.
        threads: for onnxruntime; 0 for every core.

    Raises:
        RunError: onnxruntime refuses a model.
    """

    first: Model
    first_graph: Graph
    second: Model
    second_graph: Graph
    threads: int = 0
    pairs: tuple[Pair, ...] = field(init=False)
    _sums: dict[str, _Sums] = field(init=False)
    _sessions: tuple[Session, Session] = field(init=False)

    def __post_init__(self) -> None:
        """Match the tensors and open both models with them as outputs."""
        self.pairs = match(self.first_graph, self.second_graph)
        self._sums = {pair.first: _Sums() for pair in self.pairs}
        names = ([p.first for p in self.pairs], [p.second for p in self.pairs])
        self._sessions = (
            _open(self.first, self.first_graph, names[0], self.threads),
            _open(self.second, self.second_graph, names[1], self.threads),
        )

    def add(self, feeds: Feeds, cancel: Cancel | None = None) -> None:
        """Run both on a sample.

        Raises:
            RunError: onnxruntime failed.
            CancelledError: `cancel` said so.

        Cost: a forward pass of each, and more where not all tensors fit into BUDGET.
        """
        first, second = self._sessions
        for group in self._groups(feeds):
            expected = first.run(feeds, _once(pair.first for pair in group), cancel)
            found = second.run(feeds, _once(pair.second for pair in group), cancel)
            for pair in group:
                value = found[pair.second]
                if pair.grid is not None:
                    value = _dequantize(value, pair.grid, self.second)
                if value.shape == expected[pair.first].shape:
                    self._sums[pair.first].add(expected[pair.first], value)

    def result(self) -> tuple[LayerDifference, ...]:
        """What has been added up so far, in the order of the first model."""
        return tuple(
            LayerDifference(
                pair.node,
                pair.op_type,
                pair.first,
                float(decibels(sums.signal, sums.noise)),
                sums.most,
            )
            for pair in self.pairs
            for sums in (self._sums[pair.first],)
            if sums.signal > 0 or sums.noise > 0
        )

    def _groups(self, feeds: Feeds) -> Iterator[list[Pair]]:
        batch = max((value.shape[0] for value in feeds.values() if value.ndim), default=1)
        group: list[Pair] = []
        held = 0
        for pair in self.pairs:
            size = _bytes_of(self.first_graph, pair.first, batch)
            if group and held + size > BUDGET:
                yield group
                group, held = [], 0
            group.append(pair)
            held += size
        if group:
            yield group


def parting(differences: Sequence[LayerDifference], floor: float = PARTED_DB) -> str | None:
    """The first node, in the order of the model, behind which they have parted; None for none."""
    return next((one.node for one in differences if one.sqnr_db < floor), None)


def match(first: Graph, second: Graph) -> tuple[Pair, ...]:
    """The tensors that two models both compute, in the order of the first.

    By name: what a quantizer of the second gives for it, a tensor of integers that is named after
    it as onnxruntime's quantizer does, or else a float tensor of the same name. Where the names
    have nothing in common, by structure: operators of one kind that are as many in both correspond
    in order.

    Cost: linear in the number of nodes.
    """
    quantized = find_quantized(second)
    names = _Names(first, second, quantized)
    found = [
        pair for node, tensor in _computed(first) if (pair := names.pair(node, tensor)) is not None
    ]
    return tuple(found) or tuple(_by_structure(first, second, quantized))


def _computed(graph: Graph) -> Iterator[tuple[Node, str]]:
    """Every float tensor that a node computes; types that are not known count as float."""
    for node in graph.nodes:
        for tensor in node.outputs:
            known = graph.tensors.get(tensor)
            if known is None or known.constant or known.dtype not in (*_FLOATS, ""):
                continue
            yield node, tensor


class _Names:
    """Which tensor of the second model stands for one of the first, by its name."""

    def __init__(self, first: Graph, second: Graph, quantized: Quantized) -> None:
        self._first, self._second = first, second
        self._given: dict[str, tuple[str, Stored | None]] = {}
        for tensor, name in quantized.names.items():
            if tensor != name and second.tensors[tensor].dtype in _FLOATS:
                self._given.setdefault(name, (tensor, None))
        for tensor, grid in quantized.tensors.items():
            known = second.tensors.get(tensor)
            is_codes = known is not None and known.dtype not in _FLOATS
            if is_codes and tensor.endswith(_SUFFIX):
                self._given.setdefault(tensor.removesuffix(_SUFFIX), (tensor, grid))

    def pair(self, node: Node, tensor: str) -> Pair | None:
        """What stands for a tensor; None where there is nothing, or only what is behind it."""
        behind = self._folded(tensor)
        if behind is not None and not self._is_there(behind):
            return None  # a quantizer's range does that Relu: what is there is what comes out of it
        found = self._find(tensor)
        if found is None and is_range_folded(node):
            found = self._find(node.inputs[0])
        return None if found is None else Pair(node.name, node.op_type, tensor, *found)

    def _find(self, tensor: str) -> tuple[str, Stored | None] | None:
        if tensor in self._given:
            return self._given[tensor]
        known = self._second.tensors.get(tensor)
        computed = known is not None and known.producer is not None
        is_float = known is not None and known.dtype in (*_FLOATS, "")
        return (tensor, None) if computed and is_float else None

    def _folded(self, tensor: str) -> str | None:
        """What a Relu or Clip makes of a tensor that nobody else reads."""
        readers = self._first.tensors[tensor].consumers
        if len(readers) != 1 or tensor in self._first.outputs:
            return None
        node = self._first.node(readers[0])
        return node.outputs[0] if is_range_folded(node) else None

    def _is_there(self, tensor: str) -> bool:
        return tensor in self._given or tensor in self._second.tensors


def _by_structure(first: Graph, second: Graph, quantized: Quantized) -> Iterator[Pair]:
    theirs: dict[str, list[Node]] = {}
    for node in second.nodes:
        if node.name not in quantized.hidden:
            theirs.setdefault(quantized.title.get(node.name, node.op_type), []).append(node)
    ours: dict[str, list[tuple[Node, str]]] = {}
    for node, tensor in _computed(first):
        if tensor == node.outputs[0]:
            ours.setdefault(node.op_type, []).append((node, tensor))
    matched: dict[str, Pair] = {}
    for kind, nodes in ours.items():
        others = theirs.get(kind, [])
        if len(others) != len(nodes):
            continue
        for (node, tensor), other in zip(nodes, others, strict=True):
            output = other.outputs[0]
            grid = quantized.tensors.get(output)
            known = second.tensors.get(output)
            is_float = known is not None and known.dtype in _FLOATS
            if is_float or grid is not None:
                matched[node.name] = Pair(
                    node.name, kind, tensor, output, None if is_float else grid
                )
    return (matched[node.name] for node in first.nodes if node.name in matched)


def _open(model: Model, graph: Graph, names: Sequence[str], threads: int) -> Session:
    wanted = list(dict.fromkeys((*names, *graph.outputs)))
    return open_session(runnable(model, outputs=wanted), threads=threads, memory_pattern=False)


def _once(names: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _bytes_of(graph: Graph, tensor: str, batch: int) -> int:
    size = 4
    shape = graph.tensors[tensor].shape
    if shape is None:
        return _UNKNOWN_SIZE
    for axis, dim in enumerate(shape):
        size *= dim if isinstance(dim, int) else (batch if axis == 0 else 64)
    return size


def _dequantize(codes: NDArray[Any], grid: Stored, model: Model) -> NDArray[np.float64]:
    scale = np.asarray(model.constant(grid.scale), np.float64)
    zero = np.asarray(model.constant(grid.zero_point), np.float64) if grid.zero_point else 0.0
    if grid.axis is not None and scale.ndim == 1 and scale.size > 1:
        shape = [-1 if axis == grid.axis % codes.ndim else 1 for axis in range(codes.ndim)]
        scale, zero = scale.reshape(shape), np.asarray(zero).reshape(shape)
    return np.asarray((codes.astype(np.float64) - zero) * scale)


def lowest(differences: Sequence[LayerDifference]) -> LayerDifference | None:
    """The one that has lost most."""
    known = [one for one in differences if not math.isnan(one.sqnr_db)]
    return min(known, key=lambda one: one.sqnr_db, default=None)
