"""The recipe of a quantized model, brought to the float model that it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from inspector.errors import UnsupportedError
from inspector.graph.model import Graph, Layer, Node
from inspector.graph.partners import Partners, match
from inspector.graph.placement import REST
from inspector.graph.preparations import NO_SKIP
from inspector.onnxio.unquantize.grids import spread, turned
from inspector.quant.pin import Pin, PinnedTensor, Pins, as_pins
from inspector.session.globs import escape
from inspector.session.importing import EVERYTHING, Imported
from inspector.session.opening import OpenModel, open_model, with_grids
from inspector.session.pinning import as_entries
from inspector.session.recipe import Recipe

_SHOWN = 3
_PRODUCTS = frozenset({"Gemm", "MatMul"})


@dataclass(frozen=True, slots=True, eq=False)
class Transfer:
    """What of a quantized model a float model can have.

    Attributes:
        recipe: the choices and grids, by the names of the float model.
        taken: how many layers have theirs.
        opened: the float model, with quantizers at the places of the recipe.
        misfits: how much found no place, or fits badly.
        notes: the same in words.
    """

    recipe: Recipe
    taken: int
    opened: OpenModel
    misfits: int
    notes: tuple[str, ...]


def transfer_to_file(imported: Imported, original: Path) -> Transfer:
    """The same for a file: with its foldings or without, whatever fits the weights better.

    Raises:
        InspectorError: as `transfer`, or the file is no model.
    """
    found: list[Transfer] = []
    errors: list[UnsupportedError] = []
    for skip in (NO_SKIP, EVERYTHING):
        try:
            found.append(transfer(imported, open_model(original, skip=skip)))
        except UnsupportedError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    return min(found, key=lambda one: one.misfits)


def transfer(imported: Imported, original: OpenModel) -> Transfer:
    """Finds the layers and tensors of an opened quantized model in its float original.

    Nodes are matched by name and structure (`inspector.graph.partners`). A tensor is that at the
    same input of the node that reads it, so activation functions that the quantizer left out do not
    matter.

    Raises:
        UnsupportedError: the models have no layer in common.

    Cost: linear in the number of nodes and edges.
    """
    return _Transfer(imported, original).run()


class _Transfer:
    def __init__(self, imported: Imported, original: OpenModel) -> None:
        self._imported = imported
        self._original = original
        self._here: Graph = imported.opened.graph
        self._there: Graph = original.graph
        self._by_name = {node.name: node for node in self._there.nodes}
        self._partners: Partners = match(self._here, self._there)
        self._lost: list[str] = []
        self._others: list[str] = []  # layers whose weights are others

    def run(self) -> Transfer:
        pins = self._imported.recipe.pins
        layers = {layer.name: layer for layer in self._here.layers}
        rules, constants = [], dict[str, PinnedTensor]()
        for rule in self._imported.recipe.rules:
            layer = layers.get(rule.exact_name or "")
            other = None if layer is None else self._layer(layer)
            if layer is None or other is None:
                self._lost.append(rule.exact_name or rule.layers)
                continue
            found = list(self._constants(layer, other, pins))
            has_weight = rule.weights is not None and not rule.weights.is_float
            if has_weight and other.weight not in {one.tensor for one in found}:
                self._lost.append(layer.name)
                continue
            if has_weight and not self._same_weights(layer, other):
                self._others.append(other.name)
            constants |= {one.tensor: one for one in found}
            rules.append(replace(rule, layers=escape(other.name)))
        if not rules:
            raise UnsupportedError(
                f"{self._imported.opened.path} has no layer in common with {self._original.path}.",
                "Take the float model that it was made from.",
            )
        reads = as_entries(self._reads(pins)) if pins is not None else []
        recipe = replace(
            self._imported.recipe,
            rules=tuple(rules),
            pins=as_pins([*constants.values(), *reads]),
            skip=self._original.skip,
        )
        opened = with_grids(self._original, recipe.pins)
        misfits = len(self._lost) + len(self._others)
        return Transfer(recipe, len(rules), opened, misfits, self._notes())

    def _node(self, name: str) -> Node | None:
        """The node of the original that computes the same as one of the file.

        The one of its name, without what onnxruntime adds to those of integer operators, if it is
        of the same kind; else a partner of that kind.
        """
        node = self._here.node(name)
        kinds = _PRODUCTS if node.op_type in _PRODUCTS else {node.op_type}
        for one in (name, name.removesuffix("_quant"), *self._partners.there.get(name, ())):
            found = self._by_name.get(one)
            if found is not None and found.op_type in kinds:
                return found
        return None

    def _layer(self, layer: Layer) -> Layer | None:
        node = self._node(layer.name)
        return None if node is None else self._there.find_layer(node.name)

    def _constants(self, layer: Layer, other: Layer, pins: Pins | None) -> Iterator[PinnedTensor]:
        """The grids of a layer's weight and bias; nothing where their shapes differ."""
        for name, target in ((layer.weight, other.weight), (layer.bias, other.bias)):
            pin = None if pins is None else pins.of(name)
            if name is None or target is None or pin is None:
                continue
            fitting = _fitting(pin, self._shape(self._here, name), self._shape(self._there, target))
            if fitting is not None:
                fenced = pins is not None and name in pins.fenced
                yield PinnedTensor(target, fitting, fenced=fenced)

    def _shape(self, graph: Graph, name: str) -> tuple[int, ...]:
        return tuple(dim for dim in graph.tensors[name].shape or () if isinstance(dim, int))

    def _reads(self, pins: Pins) -> Iterator[tuple[str, str, Pin]]:
        for (tensor, reader), pin in self._given(pins):
            if reader == REST:
                if tensor in self._there.outputs:
                    yield tensor, REST, pin
                else:
                    self._lost.append(tensor)
                continue
            other = self._node(reader)
            slots = [i for i, name in enumerate(self._here.node(reader).inputs) if name == tensor]
            if other is None or not all(other.input(slot) for slot in slots):
                self._lost.append(tensor)
                continue
            for name in dict.fromkeys(other.input(slot) for slot in slots):
                yield name, other.name, pin

    def _given(self, pins: Pins) -> Iterator[tuple[tuple[str, str], Pin]]:
        for entry in pins.entries:
            for reader in entry.readers:
                yield (entry.tensor, reader), entry.pin

    def _same_weights(self, layer: Layer, other: Layer) -> bool:
        """Whether most of a layer's weights are within a step of those of the file."""
        pins = self._imported.recipe.pins
        pin = None if pins is None else pins.of(layer.weight)
        if pin is None or layer.weight is None or other.weight is None:
            return True
        theirs = np.asarray(self._imported.opened.prepared.constant(layer.weight), np.float32)
        ours = np.asarray(self._original.prepared.constant(other.weight), np.float32)
        ours = ours if ours.shape == theirs.shape else ours.T
        scale = spread(pin.scale, pin, theirs.shape)
        return not theirs.size or bool(np.median(np.abs(ours - theirs) / scale) <= 1.0)

    def _notes(self) -> tuple[str, ...]:
        original = self._original.path.name
        notes = []
        if self._lost:
            notes.append(f"Not found in {original}: {_listed(self._lost)}.")
        if self._others:
            layers = _listed(self._others)
            notes.append(f"The weights of {original} are others than in the file at {layers}.")
        return tuple(notes)


def _listed(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    shown = ", ".join(f"'{name}'" for name in unique[:_SHOWN])
    return f"{shown} and {len(unique) - _SHOWN} more" if len(unique) > _SHOWN else shown


def _fitting(pin: Pin, here: tuple[int, ...], there: tuple[int, ...]) -> Pin | None:
    """The grid of a constant for one of another shape: equal, or a matrix that lies across."""
    if here == there:
        # A square matrix may lie across as well; operators of one name lie the same way.
        return pin
    if len(here) == 2 and here == there[::-1]:
        return turned(pin, (1, 0))
    return None
