"""The recipe: everything the user has decided, as one frozen value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from inspector.errors import InspectorError, RecipeError
from inspector.files import read_limited, write_atomically
from inspector.graph.model import Layer
from inspector.graph.preparations import NO_SKIP
from inspector.quant.pin import Pins
from inspector.quant.recover import NO_RECOVERY, Recover
from inspector.quant.spec import FLOAT, LayerSpecs, QuantSpec, Role
from inspector.session.formats import FORMATS, Format, why_no_integer_io
from inspector.session.globs import escape, nearest_layers
from inspector.session.pinning import bound, unbound
from inspector.session.recipe_toml import (
    MAX_BYTES,
    VERSION,
    RecipeFields,
    close_matches,
    read_toml,
    write_toml,
)
from inspector.session.rules import Rule, RuleIndex, filled_specs
from inspector.session.target_profile import PRODUCT
from inspector.session.target_rules import Place
from inspector.session.targets import target_names

if TYPE_CHECKING:
    from inspector.onnxio.loading import Model

__all__ = [
    "DEFAULT_RECIPE",
    "RECIPE_KEY",
    "Recipe",
    "Rule",
    "load_recipe",
    "recipe_of_model",
    "save_recipe",
]

RECIPE_KEY = "quant_inspector.recipe"
"""The metadata entry of a saved model that holds its recipe."""

_DEFAULT = LayerSpecs(QuantSpec.parse("int8"), QuantSpec.parse("uint8"))


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is quantized.

    Attributes:
        default: the specs of layers that no rule speaks of; fields left open are filled in by what
            the tensor is (`QuantSpec.filled`).
        rules: later rules win, each field (weights, activations) by itself.
        target: the name of a hardware profile.
        format: the form of the saved file, one of `FORMATS`.
        recover: what is done so that quantizing costs less, in layers that no rule speaks of.
        matmul_nbits: weights alone that onnxruntime's MatMulNBits takes are written as that.
        integer_io: the file takes and gives integers where its inputs and outputs are on grids.
        skip: passes before quantization that are left out; see `inspector.graph.preparations`.
        pins: grids that are given for tensors, and with them where quantizers stand; None where
            the program decides.
        version: of the file form.
    """

    default: LayerSpecs = _DEFAULT
    rules: tuple[Rule, ...] = ()
    target: str = "ort-cpu"
    format: str = "qdq"
    recover: Recover = NO_RECOVERY
    matmul_nbits: bool = False
    integer_io: bool = False
    skip: frozenset[str] = NO_SKIP
    pins: Pins | None = None
    version: int = VERSION
    _index: RuleIndex | None = field(default=None, init=False, repr=False, compare=False)

    # ---- asking --------------------

    @property
    def index(self) -> RuleIndex:
        """The rules, compiled when first asked for."""
        if self._index is None:
            # Frozen for everyone else: the index follows from `rules` and takes no part in
            # comparing.
            object.__setattr__(self, "_index", RuleIndex(self.rules))
        assert self._index is not None
        return self._index

    def resolve(self, layer: Layer) -> LayerSpecs:
        """The specs of one layer, with every field filled in."""
        dynamic = self.format == "dynamic"
        specs = self.index.resolve(layer, self._default_of(layer), dynamic=dynamic)
        return specs if self.pins is None else bound(specs, layer, self.pins)

    def chosen(self, layer: Layer) -> LayerSpecs:
        """The specs of one layer as they were written, with the fields open that were left open."""
        return LayerSpecs(*self.index.chosen(layer, self._default_of(layer)))

    def resolve_all(self, layers: Iterable[Layer]) -> dict[str, LayerSpecs]:
        """The specs of many layers by their names; equal specs are the same object."""
        index = self.index
        asked = self._on_request
        dynamic = self.format == "dynamic"
        known: dict[tuple[int, int], LayerSpecs] = {}
        found: dict[str, LayerSpecs] = {}
        for layer in layers:
            default = self.default
            operator = PRODUCT if layer.weight is None else layer.op_type
            if operator in asked:
                default = self._default_of(layer)
            weights, activations = index.chosen(layer, default)
            key = id(weights), id(activations)  # both live as long as the recipe
            if key not in known:
                known[key] = filled_specs(weights, activations, dynamic=dynamic)
            specs = known[key]
            found[layer.name] = specs if self.pins is None else bound(specs, layer, self.pins)
        return found

    def recover_all(self, layers: Iterable[Layer]) -> dict[str, Recover]:
        """What is done for each of many layers so that quantizing costs less, by their names."""
        return {layer.name: self.index.recover(layer, self.recover) for layer in layers}

    @property
    def recovers(self) -> bool:
        """Whether anything is to be done so that quantizing costs less, for some layer."""
        return bool(self.recover) or any(rule.recover for rule in self.rules)

    @property
    def _on_request(self) -> frozenset[str]:
        known: Format | None = FORMATS.get(self.format)
        return frozenset() if known is None else known.on_request

    def _default_of(self, layer: Layer) -> LayerSpecs:
        """The defaults, or float where the form of the file wants to be asked for a layer."""
        asked = self._on_request
        if asked and Place.of(layer).operator in asked and not self.index.speaks_of(layer):
            return LayerSpecs(FLOAT, FLOAT)
        return self.default

    def unmatched(self, layers: Iterable[Layer]) -> tuple[Rule, ...]:
        """The rules that match none of the layers."""
        return self.index.unmatched(layers)

    def override_for(self, name: str) -> Rule | None:
        """What is set for exactly this layer (several such rules seen as one), or None."""
        found: Rule | None = None
        for rule in self.index.overrides(name):
            found = rule if found is None else _over(found, rule)
        return found

    def is_overridden(self, layer: Layer | str) -> bool:
        """Whether a rule names exactly this layer, as against defaults and rules with patterns."""
        name = layer if isinstance(layer, str) else layer.name
        return next(self.index.overrides(name), None) is not None

    def check(self, layers: Iterable[Layer] | None = None) -> None:
        """Make sure that the recipe can be carried out on a model.

        Args:
            layers: the layers of the model; None leaves the rules' patterns unchecked.

        Raises:
            RecipeError: the format or target is unknown, or a rule matches no layer.
        """
        if self.format not in FORMATS:
            hint = close_matches(self.format, FORMATS, "The formats are")
            raise RecipeError(f"There is no format {self.format!r}.", hint)
        if self.integer_io and (why := why_no_integer_io(self.format)):
            raise RecipeError(
                why, "Choose the format qdq, qoperator or simulated, or leave integer_io out."
            )
        if self.target not in target_names():
            hint = close_matches(self.target, target_names(), "The targets are")
            raise RecipeError(f"There is no target {self.target!r}.", hint)
        if layers is not None:
            self.check_rules(tuple(layers))

    def check_rules(self, layers: Sequence[Layer], known: Iterable[Rule] = ()) -> None:
        """Make sure that every rule matches a layer.

        Args:
            layers: the layers of the model.
            known: rules that need no look, because they matched before.

        Raises:
            RecipeError: a rule matches none; it names the nearest layers.
        """
        seen = set(known)
        fresh = [rule for rule in self.rules if rule not in seen]
        if not fresh:
            return
        index = self.index if len(fresh) == len(self.rules) else RuleIndex(fresh)
        if wrong := index.unmatched(layers):
            raise _unmatched_error(wrong, layers)

    # ---- changing: each returns a new recipe --------------------

    def with_default(
        self, weights: QuantSpec | None = None, activations: QuantSpec | None = None
    ) -> Recipe:
        """Other defaults; None leaves one as it is."""
        default = LayerSpecs(
            self.default.weights if weights is None else weights,
            self.default.activations if activations is None else activations,
        )
        return replace(self, default=default)

    def with_rule(self, rule: Rule) -> Recipe:
        """One more rule at the end, where it wins over all others."""
        return replace(self, rules=(*self.rules, rule))

    def with_layer(
        self,
        name: str,
        weights: QuantSpec | None = None,
        activations: QuantSpec | None = None,
    ) -> Recipe:
        """Set what one layer gets, whatever other rules say; None leaves a field as it is."""
        return self.with_layers((name,), weights, activations)

    def with_layers(
        self,
        names: Iterable[str],
        weights: QuantSpec | None = None,
        activations: QuantSpec | None = None,
    ) -> Recipe:
        """Set the same specs for each of many layers, as one override each; see `with_rules`."""
        return self.with_rules(names, Rule("", weights, activations))

    def with_rules(self, names: Iterable[str], said: Rule) -> Recipe:
        """Say the same of each of many layers, as one override each.

        An override behind all rules with patterns is changed in its place. One before such a rule
        may be overruled by it, so a new one is put at the end, with only what is set now.

        Args:
            names: the layers.
            said: what is said of them; None leaves a field as it is, and so does its pattern.
        """
        if said.is_empty:
            return self
        said = replace(said, weights=unbound(said.weights), activations=unbound(said.activations))
        rules = list(self.rules)
        places = self._last_overrides()
        for name in dict.fromkeys(names):
            place = places.get(name)
            if place is None:
                places[name] = len(rules)
                rules.append(replace(said, layers=escape(name)))
            else:
                rules[place] = _over(rules[place], said)
        return replace(self, rules=tuple(rules))

    def without_layer(self, name: str, role: Role | None = None) -> Recipe:
        """Take back what was set for exactly this layer.

        Args:
            name: the layer.
            role: "weights" or "activations" to take back only that.
        """
        return self.without_layers((name,), role)

    def without_layers(self, names: Iterable[str], role: Role | None = None) -> Recipe:
        """Take back the overrides of many layers; see `without_layer`."""
        gone = frozenset(names)
        rules = tuple(
            kept
            for rule in self.rules
            if (kept := rule.without(role) if rule.exact_name in gone else rule) is not None
        )
        return self if rules == self.rules else replace(self, rules=rules)

    def _last_overrides(self) -> dict[str, int]:
        """The positions of overrides that no rule with a pattern follows, by layer."""
        places: dict[str, int] = {}
        for position in range(len(self.rules) - 1, -1, -1):
            name = self.rules[position].exact_name
            if name is None:
                break
            places.setdefault(name, position)
        return places

    # ---- as text --------------------

    @classmethod
    def parse(cls, text: str, source: str = "") -> Recipe:
        """Read the TOML form.

        Args:
            text: the recipe.
            source: its path, for errors.

        Raises:
            RecipeTextError: anything is wrong; it has the line, if that is known.
        """
        fields = read_toml(text, source)
        form = fields.format or "qdq"
        recipe = cls(FORMATS[form].default or _DEFAULT, fields.rules, format=form)
        return replace(
            recipe.with_default(fields.weights, fields.activations),
            recover=recipe.recover if fields.recover is None else fields.recover,
            target=recipe.target if fields.target is None else fields.target,
            matmul_nbits=fields.matmul_nbits,
            integer_io=fields.integer_io,
            skip=fields.skip,
            pins=fields.pins,
        )

    def to_toml(self) -> str:
        """The TOML form; `parse` gives an equal recipe back."""
        return write_toml(
            RecipeFields(
                target=self.target,
                format=self.format,
                matmul_nbits=self.matmul_nbits,
                integer_io=self.integer_io,
                skip=self.skip,
                weights=self.default.weights,
                activations=self.default.activations,
                recover=self.recover or None,
                rules=self.rules,
                pins=self.pins,
            )
        )


DEFAULT_RECIPE = Recipe()


def load_recipe(path: Path) -> Recipe:
    """Read a recipe file, or the recipe that a saved model was quantized with.

    Raises:
        RecipeError: it cannot be read, is too large, not UTF-8, or anything in it is wrong; or a
            model holds no recipe.
    """
    if path.suffix.lower() == ".onnx":
        # Imported here: a recipe of text needs no onnx.
        from inspector.onnxio.loading import load_model

        return recipe_of_model(load_model(path))
    try:
        text = read_limited(path, MAX_BYTES).decode("utf-8-sig")  # Windows editors write a mark
    except UnicodeDecodeError as error:
        raise RecipeError(
            f"{path} is not UTF-8 text (byte {error.start}).", "A recipe is a TOML file."
        ) from error
    except InspectorError as error:
        raise RecipeError(error.message, error.hint or "Name a recipe, a TOML file.") from error
    return Recipe.parse(text, str(path))


def recipe_of_model(model: Model) -> Recipe:
    """The recipe that a model was quantized with, which it carries in its metadata.

    Raises:
        RecipeError: it carries none, or one that is wrong.
    """
    where = str(model.path or "the model")
    text = model.metadata.get(RECIPE_KEY)
    if text is None:
        raise RecipeError(
            f"{where} holds no recipe: it was not saved by this program.",
            "Name a recipe, a TOML file.",
        )
    return Recipe.parse(text, f"{where} (metadata)")


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe file, whole or not at all.

    Raises:
        SaveError: it cannot be written.
    """
    write_atomically(path, recipe.to_toml().encode("utf-8"))


def _over(rule: Rule, other: Rule) -> Rule:
    return Rule(
        rule.layers,
        rule.weights if other.weights is None else other.weights,
        rule.activations if other.activations is None else other.activations,
        rule.recover if other.recover is None else other.recover,
    )


def _unmatched_error(wrong: Sequence[Rule], layers: Sequence[Layer]) -> RecipeError:
    first = wrong[0].layers
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    message = f"The rule for {first!r}{more} matches no layer that can be quantized."
    near = nearest_layers(first, layers)
    if not near:
        return RecipeError(message, "The model has no such layers at all.")
    names = ", ".join(f"'{pattern}'" for pattern in near)
    return RecipeError(message, f"The nearest are {names}.")
