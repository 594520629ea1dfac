"""Which layers do not fit the target, and why: found when it is first asked for, then kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from inspector.errors import InspectorError
from inspector.graph.model import Layer
from inspector.progress import paced
from inspector.quant.spec import LayerSpecs
from inspector.session.document import Document
from inspector.session.fitting import Violation, violations
from inspector.session.profiles import profile_of
from inspector.session.target_profile import Target


@dataclass(frozen=True, slots=True)
class Misfit:
    """What a target does not take of one layer; true where there is something.

    Attributes:
        weights: why it does not take the weights as they are chosen; empty where it does.
        activations: the same of the activations.
    """

    weights: str = ""
    activations: str = ""

    def __bool__(self) -> bool:
        """Whether there is something."""
        return bool(self.weights or self.activations)

    @property
    def why(self) -> str:
        """All reasons, one a line, each once."""
        lines = (*self.weights.splitlines(), *self.activations.splitlines())
        return "\n".join(dict.fromkeys(lines))


FITS = Misfit()


class Misfits:
    """Judges layers; those of one kind that share their specs are judged once.

    Specs are told apart by identity: equal ones of a recipe are one object.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._target: Target | None = None
        self._key: tuple[str, str] | None = None
        self._kinds: dict[str, int] = {}
        self._known: dict[tuple[int, int], tuple[LayerSpecs, Misfit]] = {}
        self._counted: tuple[object, int] = (None, 0)
        self._expected: tuple[tuple[Layer, ...], dict[str, int]] = (), {}

    def model_changed(self) -> None:
        """Layers of one kind are judged alike: by operator, weight, and its axes."""
        layers = self._document.layers
        expected, kinds = self._expected
        self._kinds = kinds if expected is layers else kinds_of(layers)
        self._expected = (), {}
        self._key = None

    def expect(self, layers: tuple[Layer, ...], kinds: dict[str, int]) -> None:
        """Take over what :func:`kinds_of` found in the background of layers that will be opened."""
        self._expected = layers, kinds

    @property
    def key(self) -> tuple[str, str]:
        """What is judged against: the target's name and the format's."""
        recipe = self._document.recipe
        return recipe.target, recipe.format

    def target(self) -> Target | None:
        """What target and format take together; None where the profile is missing or wrong."""
        if self.key != self._key:
            self._known.clear()
            self._counted = (None, 0)
            self._key = self.key
            try:
                self._target = profile_of(self._document.recipe)
            except InspectorError:
                self._target = None  # whoever opened the recipe was told
        return self._target

    def reload(self) -> None:
        """The profile's file may be another."""
        self._key = None

    def of(self, name: str) -> Misfit:
        """What the target does not take of a layer."""
        if self.target() is None:
            return FITS
        specs = self._document.specs[name]
        key = (id(specs), self._kinds[name])
        found = self._known.get(key)
        if found is None or found[0] is not specs:
            found = specs, self._judge(name, specs)
            self._known[key] = found
        return found[1]

    def count(self) -> int:
        """How many layers do not fit. Cost: 5 ms for 20,000 layers, once for each change."""
        if self.target() is None:
            return 0
        specs = self._document.specs
        if self._counted[0] is not specs:
            self._counted = specs, self._count(specs)
        return self._counted[1]

    def _count(self, specs: Mapping[str, LayerSpecs]) -> int:
        cases = list(zip(map(id, specs.values()), self._kinds.values(), strict=True))
        first = dict(zip(reversed(cases), reversed(list(specs)), strict=True))
        return sum(count for case, count in Counter(cases).items() if self.of(first[case]))

    def names(self) -> tuple[str, ...]:
        """The layers that do not fit, in the model's order."""
        return tuple(name for name in self._kinds if self.of(name))

    def _judge(self, name: str, specs: LayerSpecs) -> Misfit:
        target = self.target()
        if target is None:
            return FITS
        layer = self._document.layer(name)
        found = violations(target, layer, specs)
        weights = _lines(found, "weights") if layer.weight is not None else ""
        return Misfit(weights, _lines(found, "activations")) if found else FITS


def _lines(found: tuple[Violation, ...], role: str) -> str:
    return "\n".join(violation.why for violation in found if violation.role in (role, "layer"))


def kinds_of(layers: Iterable[Layer]) -> dict[str, int]:
    """A number for the kind of each layer, by its name: targets judge layers of one kind alike."""
    numbers: dict[tuple[object, ...], int] = {}
    return {layer.name: numbers.setdefault(_kind(layer), len(numbers)) for layer in paced(layers)}


def _kind(layer: Layer) -> tuple[object, ...]:
    rank = None if layer.weight_shape is None else len(layer.weight_shape)
    return layer.op_type, rank, layer.channel_axis, layer.weight is None
