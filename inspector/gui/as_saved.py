"""Weights whose grid in the file is not the one that their spec alone would give.

A bias that would not fit into int32 widens its layer's weight scales, which is known only together
with the activations. Their figures are then found anew, in the background.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from inspector.errors import CancelledError, InspectorError
from inspector.graph.grids import Grids, identity
from inspector.gui.evaluation import answered
from inspector.gui.figures import on_grid
from inspector.gui.tasks import Context, Tasks
from inspector.quant.qparams import QParams
from inspector.quant.spec import QuantSpec
from inspector.session.document import Document
from inspector.session.facts import TensorFacts, WeightRequest

_SAVED = "saved weights"


@dataclass(frozen=True, slots=True, eq=False)
class SavedRequest:
    """What a worker needs: the requests of the weights concerned, with their true grids."""

    items: tuple[tuple[WeightRequest, QParams], ...]

    def run(self, context: Context) -> SavedResponse:
        """Find the figures.

        Raises:
            InspectorError: a weight cannot be read.
            CancelledError: other grids are known by now.
        """
        found: dict[str, tuple[QuantSpec, TensorFacts]] = {}
        for request, grid in self.items:
            if context.cancelled():
                raise CancelledError
            own = request.run()
            facts = on_grid(own.facts, own.distribution, grid)
            found[request.layer.name] = request.spec, facts
        return SavedResponse(found)


@dataclass(frozen=True, slots=True, eq=False)
class SavedResponse:
    """Specs of weights, and their facts on the grids that would be written, by layer."""

    facts: Mapping[str, tuple[QuantSpec, TensorFacts]]


class AsSaved:
    """Knows which weights have another grid in the file, and their figures on it."""

    def __init__(self, document: Document, tasks: Tasks) -> None:
        self._document, self._tasks = document, tasks
        self._facts: dict[str, tuple[QuantSpec, TensorFacts]] = {}
        self._usual: dict[str, QParams] = {}

    def clear(self) -> None:
        """Nothing is known of the file."""
        self._tasks.cancel(_SAVED)
        self._facts.clear()
        self._usual.clear()

    def get(self, layer: str, spec: QuantSpec) -> TensorFacts | None:
        """The figures of a layer's weights on the grid of the file; None if it is the usual one."""
        known = self._facts.get(layer)
        return known[1] if known is not None and known[0] == spec else None

    def take(self, response: SavedResponse) -> None:
        """Keep the answer to a request."""
        self._facts.update(response.facts)

    def ask(
        self, grids: Grids, done: Callable[[SavedResponse | InspectorError], None]
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Find anew what has another grid under these, in the place of what was asked before.

        Args:
            grids: every scale and zero point.
            done: gets the answer, or why there is none.

        Returns:
            The layers that are looked at, and those that have their usual grid again.
        """
        request, usual = self.compare(grids)
        self._tasks.cancel(_SAVED)
        if request.items:
            self._tasks.submit(_SAVED, lambda context: answered(lambda: request.run(context)), done)
        return frozenset(item.layer.name for item, _ in request.items), usual

    def compare(self, grids: Grids) -> tuple[SavedRequest, frozenset[str]]:
        """What is to be found anew under these grids.

        Returns:
            The request, and the layers that have their usual grid again.
        """
        items: list[tuple[WeightRequest, QParams]] = []
        usual: set[str] = set()
        facts = self._document.facts
        for name, grid in grids.weights.items():
            if self._usual.get(name) is grid:  # nothing has changed about it
                continue
            layer, spec = self._document.layer(name), grids.plan.weights[name]
            own = facts.known_weight(layer, spec)
            if own is not None and own.qparams is None:
                continue
            if own is not None and own.qparams is not None and _same(own.qparams, grid):
                self._usual[name] = grid
                if self._facts.pop(name, None) is not None:
                    usual.add(name)
                continue
            self._usual.pop(name, None)
            known = self.get(name, spec)
            if known is not None and known.qparams is not None and _same(known.qparams, grid):
                continue
            request = facts.weight_request(layer, spec)
            if request is not None:
                items.append((request, grid))
        return SavedRequest(tuple(items)), frozenset(usual)


def _same(one: QParams, other: QParams) -> bool:
    if one.scale.size == other.scale.size == 1:
        # One block is the whole tensor, and is written as that.
        ends = (one.qmin, one.qmax, float(one.scale.item()), int(one.zero_point.item()))
        return ends == (
            other.qmin,
            other.qmax,
            float(other.scale.item()),
            int(other.zero_point.item()),
        )
    return identity(one) == identity(other)
