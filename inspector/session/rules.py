"""Rules, and how they decide the specs of layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from inspector.graph.model import Layer
from inspector.quant.recover import Recover
from inspector.quant.spec import RUN_TIME, LayerSpecs, QuantSpec, Role
from inspector.session.globs import Pattern, compile_pattern


@dataclass(frozen=True, slots=True)
class Rule:
    """What is chosen for the layers that a pattern matches.

    Attributes:
        layers: a pattern for layer names, or `op:` and one for operators (see `globs`).
        weights: the whole spec of the weights, or None to leave it as it is.
        activations: the same for the activations that the layer reads.
        recover: what is done so that quantizing costs less, or None to leave it as it is.
    """

    layers: str
    weights: QuantSpec | None = None
    activations: QuantSpec | None = None
    recover: Recover | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing of the layers it matches."""
        return self.weights is None and self.activations is None and self.recover is None

    @property
    def pins_something(self) -> bool:
        """Whether it asks for grids that the recipe gives."""
        specs = (self.weights, self.activations)
        return any(spec is not None and spec.is_pinned for spec in specs)

    def without(self, role: Role | None = None) -> Rule | None:
        """The rule without what it says of one role, or at all; None if nothing is left of it."""
        if role is None:
            return None
        left = replace(self, weights=None) if role == "weights" else replace(self, activations=None)
        return None if left.is_empty else left

    @property
    def pattern(self) -> Pattern:
        """The compiled pattern."""
        return compile_pattern(self.layers)

    @property
    def exact_name(self) -> str | None:
        """The layer that this rule is an override of; None with wildcards or operators."""
        return self.pattern.exact_name


class RuleIndex:
    """Rules made ready to answer for many layers.

    Exact names and exact operators are looked up, only patterns with wildcards are tried one by
    one: the cost of a layer grows with the wildcards, not with the overrides.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Sort the rules by what they are matched with."""
        self._rules = tuple(rules)
        self._by_name: dict[str, list[int]] = {}
        self._by_operator: dict[str, list[int]] = {}
        self._wildcards: list[tuple[int, Pattern]] = []
        for position, rule in enumerate(self._rules):
            pattern = rule.pattern
            if pattern.literal is None:
                self._wildcards.append((position, pattern))
            elif pattern.by_operator:
                self._by_operator.setdefault(pattern.literal, []).append(position)
            else:
                self._by_name.setdefault(pattern.literal, []).append(position)

    def matching(self, layer: Layer) -> list[int]:
        """The positions of the rules that match the layer, in order."""
        found = [position for position, pattern in self._wildcards if pattern.matches(layer)]
        if exact := self._by_name.get(layer.name):
            found += exact
        if exact := self._by_operator.get(layer.op_type):
            found += exact
        found.sort()
        return found

    def speaks_of(self, layer: Layer) -> bool:
        """Whether a rule says how the layer is quantized."""
        rules = (self._rules[position] for position in self.matching(layer))
        return any(rule.weights or rule.activations for rule in rules)

    def resolve(self, layer: Layer, default: LayerSpecs, *, dynamic: bool = False) -> LayerSpecs:
        """The specs of a layer with every field set; equal ones are the same object."""
        return filled_specs(*self.chosen(layer, default), dynamic=dynamic)

    def chosen(self, layer: Layer, default: LayerSpecs) -> tuple[QuantSpec, QuantSpec]:
        """What was written for a layer: the default, and over it each matching rule by field."""
        weights, activations = default.weights, default.activations
        for position in self.matching(layer):
            rule = self._rules[position]
            weights = weights if rule.weights is None else rule.weights
            activations = activations if rule.activations is None else rule.activations
        return weights, activations

    def recover(self, layer: Layer, default: Recover) -> Recover:
        """What is done for a layer: the default, or what the last rule that speaks of it says."""
        for position in reversed(self.matching(layer)):
            found = self._rules[position].recover
            if found is not None:
                return found
        return default

    def overrides(self, name: str) -> Iterator[Rule]:
        """The rules for exactly this layer, in order."""
        return (self._rules[position] for position in self._by_name.get(name, ()))

    def unmatched(self, layers: Iterable[Layer]) -> tuple[Rule, ...]:
        """The rules that match none of the layers, in order."""
        names: set[str] = set()
        operators: set[str] = set()
        open_wildcards = dict(self._wildcards)
        for layer in layers:
            names.add(layer.name)
            operators.add(layer.op_type)
            for position in [p for p, pattern in open_wildcards.items() if pattern.matches(layer)]:
                del open_wildcards[position]
        left = list(open_wildcards)
        left += _missing(self._by_name, names) + _missing(self._by_operator, operators)
        return tuple(self._rules[position] for position in sorted(left))


@lru_cache(maxsize=4096)
def filled_specs(
    weights: QuantSpec, activations: QuantSpec, *, dynamic: bool = False
) -> LayerSpecs:
    """Both specs with every field set; one object for equal specs, so that comparing is cheap."""
    dynamic = dynamic and not activations.is_float
    if dynamic and activations.range is None:
        activations = replace(activations, range=RUN_TIME.range)
    return LayerSpecs(weights.filled("weights"), activations.filled("activations"), dynamic)


def _missing(index: Mapping[str, list[int]], present: set[str]) -> list[int]:
    return [position for key, found in index.items() if key not in present for position in found]
