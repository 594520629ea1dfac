"""What mixed precision is about: options, what they cost, and budgets in a user's words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from inspector.errors import UnsupportedError
from inspector.evaluate.calibrate import Calibration
from inspector.evaluate.data import Dataset
from inspector.evaluate.fidelity import class_output
from inspector.evaluate.search import Figure, Goal, Point, Problem, costs_of, harm_of
from inspector.evaluate.sensitivity import Case
from inspector.evaluate.tally import Outcome
from inspector.graph.model import Layer
from inspector.onnxio.tensors import stored_bytes as bytes_of_type
from inspector.quant.spec import LayerSpecs
from inspector.session.chosen import grids_of, resolve
from inspector.session.opening import OpenModel
from inspector.session.quantities import stored_bytes
from inspector.session.recipe import Recipe
from inspector.session.widths import Widths
from inspector.session.writing import write_model

Kind = Literal["max_size", "mean_bits", "bit_operations", "sqnr_db", "top1_agreement", "accuracy"]

_BITS_UNIT = 1000
"""Mean bits are told apart to a thousandth of a bit."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit to what a model may cost, or to how bad it may be.

    Attributes:
        kind: "max_size" (MB of the file), "mean_bits" (of a weight), "bit_operations" (in units of
            10^9: multiply-accumulates times the bits of both operands, Yao et al. 2021, section
            4.1) are the most; "sqnr_db", "top1_agreement" and "accuracy" (0 to 1) the least.
        value: the limit.
    """

    kind: Kind
    value: float

    def __post_init__(self) -> None:
        """Refuse a number that is no limit.

        Raises:
            UnsupportedError: it is none.
        """
        is_share = self.kind in {"top1_agreement", "accuracy"}
        if self.kind not in get_args(Kind):
            raise UnsupportedError(f"There is no budget {self.kind!r}.")
        if not math.isfinite(self.value) or (self.kind != "sqnr_db" and self.value <= 0):
            raise UnsupportedError(
                f"The limit {self.value:g} is not a number above 0.", "Give another."
            )
        if is_share and self.value > 1:
            raise UnsupportedError(
                f"A share of {self.value:g} is more than all.", "Give a number up to 1, or in %."
            )

    @property
    def figure(self) -> Figure:
        """What counts as quality under this budget."""
        if self.kind == "top1_agreement" or self.kind == "accuracy":
            return self.kind
        return "sqnr_db"

    @property
    def is_cost(self) -> bool:
        """Whether it limits what a model costs, not how bad it may be."""
        return self.kind in {"max_size", "mean_bits", "bit_operations"}

    def check(self, opened: OpenModel, widths: Widths, samples: Dataset) -> None:
        """Refuse a floor that no model of this kind has a figure for.

        Raises:
            UnsupportedError: there are no classes, no labels or no shapes; the message says which.
        """
        classes = class_output(opened.graph)
        if self.kind in {"top1_agreement", "accuracy"} and classes is None:
            raise UnsupportedError(
                f"{opened.path}: its outputs are not classes, so there is no top-1.",
                "Give a floor in dB (--min-sqnr).",
            )
        if self.kind == "accuracy" and samples.labels is None:
            raise UnsupportedError(
                f"{samples.source} has no labels, so there is no accuracy.",
                "Give another floor (--min-top1, --min-sqnr), or data with labels.",
            )
        if self.kind == "bit_operations" and not any(la.macs for la in opened.graph.layers):
            raise UnsupportedError(
                f"{opened.path}: the shapes of its layers are not known, so nobody can count "
                "operations.",
                "Give a budget of size or of mean bits (--max-size, --mean-bits).",
            )

    def goal(self, mix: Mix) -> Goal:
        """The same in the costs of a problem.

        Raises:
            UnsupportedError: not even the cheapest choice is within it; the message names that.
        """
        if not self.is_cost:
            return Goal(self.figure, least=self.value)
        most = math.floor(self.value * mix.measure.unit + 1e-6)
        least = sum(int(cost.min()) for cost in mix.problem.costs)
        if least > most:
            nearest = mix.measure.text(least)
            raise UnsupportedError(
                f"No choice of {_listed(mix.bits)} bits is within {mix.measure.text(most)}: the "
                f"nearest that can be is {nearest}.",
                f"Ask for {nearest} or more, or allow fewer bits (--bits).",
            )
        return Goal(self.figure, most=most)


@dataclass(frozen=True, slots=True)
class Measure:
    """What choices cost under a budget.

    Attributes:
        kind: of the budget.
        unit: costs to one of the budget's own units.
        beside: a layer's share of the bytes of the file beside what layers store (other constants,
            nodes, names), by the width of its weight: fewer bits need other nodes.
        weights: how many weights there are.
        both_vary: widths of activations are to be chosen as well.
        by_classes: the outputs have no floats, so that harm is the share of other classes.
    """

    kind: Kind
    unit: float
    beside: Mapping[int, float]
    weights: int
    both_vary: bool
    by_classes: bool

    @classmethod
    def of(
        cls,
        opened: OpenModel,
        recipe: Recipe,
        widths: Widths,
        calibration: Calibration,
        budget: Budget,
    ) -> Measure:
        """Of a model; files are made in memory to see how large they are beside their weights."""
        graph = opened.graph
        weights = sum(_weights(layer) for layer in graph.layers)
        unit = {"mean_bits": _BITS_UNIT * max(weights, 1), "bit_operations": 1e9}
        floats = any(
            graph.tensors[name].dtype in {"float32", "float16", "float64", ""}
            for name in graph.outputs
            if name in graph.tensors
        )
        beside = _bytes_beside(opened, recipe, widths, calibration)
        return cls(
            budget.kind,
            float(unit.get(budget.kind, 1e6)),
            beside,
            weights,
            budget.kind == "bit_operations",
            not floats,
        )

    def cost(self, layer: Layer, specs: LayerSpecs) -> float:
        """What an option of a layer costs."""
        if self.kind == "mean_bits":
            return _BITS_UNIT * _weights(layer) * specs.weights.bits
        if self.kind == "bit_operations":
            return (layer.macs or 0) * _operand_bits(layer, specs)
        return self.bytes_of(layer, specs)

    def bytes_of(self, layer: Layer, specs: LayerSpecs) -> int:
        """A layer's part of the file."""
        known = self.beside.get(specs.weights.bits) if layer.weight is not None else None
        share = max(self.beside.values()) if known is None else known
        return round(stored_bytes(layer, specs.weights) + share)

    def harm(self, outcome: Outcome | None) -> float:
        """What a layer alone does; nothing where nothing of it is quantized."""
        if outcome is None:
            return 0.0
        if self.by_classes:
            return 1.0 - (outcome.fidelity.top1_agreement or 0.0)
        return harm_of(outcome.fidelity.sqnr_db)

    def text(self, cost: float) -> str:
        """A cost in words."""
        value = cost / self.unit
        return {
            "mean_bits": f"{value:.3f} bits a weight",
            "bit_operations": f"{value:.4g} G bit operations",
        }.get(self.kind, f"{value:.4g} MB")


@dataclass(frozen=True, slots=True)
class Mix:
    """A problem with what its choices mean.

    Attributes:
        problem: what can be chosen.
        measure: what it costs.
        bits: the widths.
        layers: all layers of the model.
    """

    problem: Problem
    measure: Measure
    bits: tuple[int, ...]
    layers: tuple[Layer, ...]

    def size(self, specs: Mapping[str, LayerSpecs]) -> int:
        """Bytes of the file."""
        return sum(self.measure.bytes_of(layer, specs[layer.name]) for layer in self.layers)

    def mean_bits(self, specs: Mapping[str, LayerSpecs]) -> float:
        """Bits of a weight, on average."""
        bits = sum(_weights(layer) * specs[layer.name].weights.bits for layer in self.layers)
        return bits / max(self.measure.weights, 1)

    def bit_operations(self, specs: Mapping[str, LayerSpecs]) -> float:
        """Multiply-accumulates times the bits of both operands, where shapes are known."""
        return float(sum((la.macs or 0) * _operand_bits(la, specs[la.name]) for la in self.layers))

    def to_json(self, point: Point) -> dict[str, Any]:
        """A choice as plain data."""
        specs = self.problem.specs(point.chosen)
        return {
            "size_bytes": self.size(specs),
            "mean_bits": self.mean_bits(specs),
            "bit_operations": self.bit_operations(specs),
            **point.outcome.to_json(),
            "estimated_sqnr_db": (
                -10 * math.log10(point.estimate) if point.estimate > 0 else math.inf
            ),
            "origin": point.origin,
            "layers": {
                layer.name: {
                    "weights": None if layer.weight is None else str(specs[layer.name].weights),
                    "activations": str(specs[layer.name].activations),
                }
                for layer in self.layers
            },
        }


def problem_of(
    opened: OpenModel, widths: Widths, measure: Measure, harms: Mapping[Case, float]
) -> Mix:
    """What can be chosen for each layer, with what it costs and the harm it does.

    Args:
        opened: the model.
        widths: the recipe at each width.
        measure: what counts as cost.
        harms: of each layer alone, by weights (and by activations where both vary).
    """
    options: list[tuple[LayerSpecs, ...]] = []
    costs: list[list[float]] = []
    found: list[list[float]] = []
    for layer in opened.graph.layers:
        own = _options(layer, widths, measure, harms)
        options.append(tuple(specs for specs, _ in own))
        costs.append([measure.cost(layer, specs) for specs, _ in own])
        found.append([harm for _, harm in own])
    layers = opened.graph.layers
    problem = Problem(
        tuple(layer.name for layer in layers),
        tuple(options),
        costs_of(costs),
        tuple(np.array(one) for one in found),
    )
    return Mix(problem, measure, tuple(widths.choices), layers)


def _options(
    layer: Layer, widths: Widths, measure: Measure, harms: Mapping[Case, float]
) -> list[tuple[LayerSpecs, float]]:
    """The specs that a layer may get, each with its harm; those that it has where none varies."""
    name = layer.name
    taken = [bits for bits in widths.choices if name in widths.layers(bits)]
    if not taken:
        return [(widths.base[name], 0.0)]
    found: dict[LayerSpecs, float] = {}
    for bits in taken:
        own = widths.choices[bits][name]
        weight_harm = harms.get(Case(name, bits, "weights"), 0.0)
        if not measure.both_vary:
            found[LayerSpecs(own.weights, widths.base[name].activations)] = weight_harm
            continue
        for other in taken:
            mixed = LayerSpecs(own.weights, widths.choices[other][name].activations)
            if layer.weight is None and bits != other:
                continue
            if widths.takes(layer, mixed):
                harm = weight_harm + harms.get(Case(name, other, "activations"), 0.0)
                found[mixed] = harm
    kept = {s: h for s, h in found.items() if measure.both_vary or widths.takes(layer, s)}
    return list(kept.items()) or [(widths.base[name], 0.0)]


def recipe_of_specs(opened: OpenModel, recipe: Recipe, specs: Mapping[str, LayerSpecs]) -> Recipe:
    """The recipe with other specs for those layers that it gives others."""
    now = resolve(opened, recipe)
    groups: dict[tuple[Any, Any], list[str]] = {}
    for layer in opened.graph.layers:
        before, after = now[layer.name], specs[layer.name]
        weights = after.weights if after.weights != before.weights else None
        activations = after.activations if after.activations != before.activations else None
        if layer.weight is None:
            weights = None
        if weights is not None or activations is not None:
            groups.setdefault((weights, activations), []).append(layer.name)
    for (weights, activations), names in groups.items():
        recipe = recipe.with_layers(names, weights, activations)
    return recipe


def _bytes_beside(
    opened: OpenModel, recipe: Recipe, widths: Widths, calibration: Calibration
) -> dict[int, float]:
    """How much larger a written file is than what its layers store, for each of them, by width."""
    found: dict[int, float] = {}
    layers = opened.graph.layers
    for bits, specs in widths.choices.items():
        grids = grids_of(opened, opened.placement.plan(specs), calibration)
        written = write_model(opened.prepared, opened.placement, recipe, grids)
        stored = sum(bytes_of_type(s.elem_type, s.shape) for s in written.sources.values())
        own = sum(stored_bytes(layer, specs[layer.name].weights) for layer in layers)
        found[bits] = max(int(written.proto.ByteSize()) + stored - own, 0) / len(layers)
    return found


def _weights(layer: Layer) -> int:
    return math.prod(layer.weight_shape or (0,)) if layer.weight is not None else 0


def _operand_bits(layer: Layer, specs: LayerSpecs) -> int:
    """The product of the widths of what a layer multiplies."""
    other = specs.activations if layer.weight is None else specs.weights
    return other.bits * specs.activations.bits


def _listed(bits: tuple[int, ...]) -> str:
    words = [str(width) for width in bits]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
