"""What today's choices do to each layer: a change is planned where it matters, when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inspector.graph.model import Graph
from inspector.graph.placement import Placement
from inspector.graph.regions import Regions
from inspector.graph.roles import stays_float
from inspector.gui.misfits import kinds_of
from inspector.gui.planned import Planned, planned
from inspector.progress import paced
from inspector.quant.spec import FLOAT, LayerSpecs, QuantSpec
from inspector.session.document import Document

_FEW = 64
"""So many layers are looked at right away, to tell which of them a change really concerns."""
_MANY = 512
"""From so many on all layers are taken to be concerned."""


@dataclass(frozen=True, slots=True, eq=False)
class WholePlan:
    """What certain choices do to every layer of a model.

    Attributes:
        graph: the model's.
        specs: the choices, filled, by layer.
        regions: the parts of the graph that are planned apart.
        floats: names of the layers that do not compute in float32 and are left alone.
        layers: what each layer gets, by its name.
        kinds: of each layer, for judging them.
    """

    graph: Graph
    specs: Mapping[str, LayerSpecs]
    regions: Regions
    floats: frozenset[str]
    layers: Mapping[str, Planned]
    kinds: dict[str, int]


def plan_all(placement: Placement, specs: Mapping[str, LayerSpecs]) -> WholePlan:
    """The plan of the whole model, and what it does to each layer.

    Cost: 0.4 s for 20,000 nodes.
    """
    graph, plan = placement.graph, placement.plan(specs)
    layers = {
        layer.name: planned(graph, plan, layer, specs[layer.name]) for layer in paced(graph.layers)
    }
    regions, kinds = Regions(placement), kinds_of(graph.layers)
    return WholePlan(graph, specs, regions, _floats(graph), layers, kinds)


def _floats(graph: Graph) -> frozenset[str]:
    return frozenset(layer.name for layer in graph.layers if stays_float(graph, layer))


class Plans:
    """The plan of a document's model under its present choices.

    Args:
        document: whose model and choices.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._ready: WholePlan | None = None
        self._graph: Graph | None = None
        self._regions: Regions | None = None
        self._floats: frozenset[str] = frozenset()
        self._layers: dict[str, Planned] = {}

    def expect(self, ready: WholePlan) -> None:
        """Take over what was found in the background of a model that is about to be opened."""
        self._ready = ready

    def forget(self) -> None:
        """The model is another now."""
        self._graph = None
        self._layers = {}

    def of(self, name: str) -> Planned:
        """What a layer really gets, and why where that is not what was asked for.

        Cost: a look-up, or linear in the size of the region that the layer reads.
        """
        regions = self._known_regions()
        if name not in self._layers:
            document, region = self._document, regions.read_by(name)
            plan = regions.plan(region, document.specs)
            for reader in region.readers:
                if reader not in self._layers:
                    layer, asked = document.layer(reader), document.specs_of(reader)
                    self._layers[reader] = planned(document.graph, plan, layer, asked)
        return self._layers[name]

    def weights_of(self, name: str) -> QuantSpec:
        """What a layer's weights really get: a look-up."""
        self._known_regions()
        layer, asked = self._document.layer(name), self._document.specs_of(name).weights
        return FLOAT if layer.weight is None or name in self._floats else asked

    def is_any_float(self) -> bool:
        """Whether some layer computes with its values as they are. Cost: 3 ms for 5,000 layers."""
        self._known_regions()
        document = self._document
        for layer in document.layers:
            asked = document.specs_of(layer.name)
            if layer.name in self._floats or (
                asked.activations.is_float and (layer.weight is None or asked.weights.is_float)
            ):
                given = self.of(layer.name)
                if given.weights.is_float and all(spec.is_float for spec in given.activations):
                    return True
        return False

    def anew(self, layers: frozenset[str]) -> frozenset[str]:
        """The layers that a change may concern.

        Of few: those whose own specs differ, or what they get. Of many: all that read what one of
        them reads or writes; what they get is found when it is asked for.

        Args:
            layers: whose specs differ from before.
        """
        regions = self._known_regions()
        if len(layers) > _MANY:
            self._layers.clear()
            return layers.union(layer.name for layer in self._document.layers)
        around = dict.fromkeys(region for name in layers for region in regions.around(name))
        readers = {reader for region in around for reader in region.readers}
        before = {name: self._layers.pop(name, None) for name in readers}
        if len(readers) > _FEW:
            return layers | readers
        return layers | {name for name in readers if before[name] != self.of(name)}

    def _known_regions(self) -> Regions:
        """Of the model that is open; with what was found beside, if it is for it."""
        document, ready = self._document, self._ready
        if self._regions is None or self._graph is not document.graph:
            self._graph, self._layers = document.graph, {}
            if ready is not None and ready.graph is document.graph:
                self._regions, self._floats = ready.regions, ready.floats
                if ready.specs == document.specs:
                    self._layers = dict(ready.layers)
            else:
                self._regions = Regions(document.opened.placement)
                self._floats = _floats(document.graph)
            self._ready = None
        return self._regions
