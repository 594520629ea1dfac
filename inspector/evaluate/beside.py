"""Two models side by side: what each tensor that both compute has lost, and where they part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.evaluate.joint import Joint, Known
from inspector.evaluate.runtime import Session, open_session
from inspector.evaluate.samples import Feeds
from inspector.graph.model import Graph
from inspector.graph.partners import Pair, Partners, Value
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


@dataclass(frozen=True, slots=True)
class LayerDifference:
    """How far a tensor of the second model is from that of the first.

    Attributes:
        node: that computes it in the first model.
        op_type: of the node.
        tensor: its name in the first model.
        sqnr_db: over all samples; inf where they are equal.
        max_abs: the largest difference.
        other: the node that computes it in the second model.
    """

    node: str
    op_type: str
    tensor: str
    sqnr_db: float
    max_abs: float
    other: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.node,
            "other": self.other,
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
        """Count the values of a sample; infinities of one sign agree, and so do NaNs."""
        exact, other = np.asarray(expected, np.float64), np.asarray(found, np.float64)
        with np.errstate(invalid="ignore"):
            wrong = other - exact
        if not np.isfinite(wrong).all():
            agree = (exact == other) | (np.isnan(exact) & np.isnan(other))
            wrong = np.where(agree, 0.0, np.where(np.isnan(wrong), np.inf, wrong))
            exact = np.where(np.isfinite(exact), exact, 0.0)
        self.signal += float(np.square(exact).sum())
        self.noise += float(np.square(wrong).sum())
        self.most = max(self.most, float(np.abs(wrong).max(initial=0.0)))


@dataclass(slots=True)
class Beside:
    """Runs two models on the same samples and adds up how far their tensors are apart.

    Args:
        first: the reference.
        second: the other model.
        joint: how samples go to both.
        partners: what their nodes and tensors are to one another.
        threads: for onnxruntime; 0 for every core.

    Raises:
        RunError: onnxruntime refuses a model.
    """

    first: Known
    second: Known
    joint: Joint
    partners: Partners
    threads: int = 0
    _sums: dict[str, _Sums] = field(init=False)
    _sessions: tuple[Session, Session] = field(init=False)

    def __post_init__(self) -> None:
        """Open both models with the tensors as outputs that both have."""
        pairs = self.partners.pairs
        self._sums = {pair.name: _Sums() for pair in pairs}
        self._sessions = (
            _open(self.first, [pair.first.tensor for pair in pairs], self.threads),
            _open(self.second, [pair.second.tensor for pair in pairs], self.threads),
        )

    def add(self, sample: Feeds, cancel: Cancel | None = None) -> None:
        """Run both on a sample.

        Raises:
            RunError: onnxruntime failed.
            CancelledError: `cancel` said so.

        Cost: a forward pass of each, and more where not all tensors fit into BUDGET.
        """
        first, second = self._sessions
        feeds = self.joint.feeds(sample)
        for group in self._groups(sample):
            expected = first.run(feeds[0], _once(pair.first.tensor for pair in group), cancel)
            found = second.run(feeds[1], _once(pair.second.tensor for pair in group), cancel)
            for pair in group:
                one = _real(expected[pair.first.tensor], pair.first, self.first.model)
                two = _real(found[pair.second.tensor], pair.second, self.second.model)
                if one is not None and two is not None and one.shape == two.shape:
                    self._sums[pair.name].add(one, two)

    def result(self) -> tuple[LayerDifference, ...]:
        """What has been added up so far, in the order of the first model."""
        return tuple(
            LayerDifference(
                pair.node,
                pair.op_type,
                pair.first.tensor,
                float(decibels(sums.signal, sums.noise)),
                sums.most,
                pair.other,
            )
            for pair in self.partners.pairs
            for sums in (self._sums[pair.name],)
            if sums.signal > 0 or sums.noise > 0
        )

    def _groups(self, sample: Feeds) -> Iterator[list[Pair]]:
        batch = max((value.shape[0] for value in sample.values() if value.ndim), default=1)
        group: list[Pair] = []
        held = 0
        for pair in self.partners.pairs:
            size = _bytes_of(self.first.graph, pair.first.tensor, batch)
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


def _open(known: Known, names: Sequence[str], threads: int) -> Session:
    wanted = list(dict.fromkeys((*names, *_computed(known.graph))))
    exposed = runnable(known.model, outputs=wanted)
    return open_session(exposed, threads=threads, memory_pattern=False, title=known.title)


def _computed(graph: Graph) -> Iterator[str]:
    """The outputs of a model that a node computes: others cannot be asked for."""
    for name in graph.outputs:
        known = graph.tensors.get(name)
        if known is not None and known.producer is not None and not known.constant:
            yield name


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


def _real(found: Any, value: Value, model: Model) -> NDArray[Any] | None:
    """Values in real numbers; None for what is no tensor of numbers."""
    if not isinstance(found, np.ndarray):
        return None
    if value.grid is not None:
        return _dequantize(found, value.grid, model)
    return found if found.dtype.kind == "f" else None


def _dequantize(codes: NDArray[Any], grid: Stored, model: Model) -> NDArray[np.float64]:
    scale = np.asarray(model.constant(grid.scale), np.float64)
    zero = np.asarray(model.constant(grid.zero_point), np.float64) if grid.zero_point else 0.0
    if grid.axis is not None and scale.ndim == 1 and scale.size > 1:
        shape = [-1 if axis == grid.axis % codes.ndim else 1 for axis in range(codes.ndim)]
        scale, zero = scale.reshape(shape), np.asarray(zero).reshape(shape)
    return np.asarray((codes.astype(np.float64) - zero) * scale)
