"""A recipe from the encodings of another tool."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inspector.errors import UnsupportedError
from inspector.files import read_limited
from inspector.graph.model import Layer
from inspector.quant.spec import FLOAT, Granularity, QuantSpec, RangeMethod
from inspector.session.globs import escape
from inspector.session.opening import OpenModel
from inspector.session.recipe import Recipe, Rule, save_recipe
from inspector.session.target_profile import PRODUCT

if TYPE_CHECKING:  # the window knows which files these are without reading one
    from inspector.onnxio.encodings.reading import Given, Taken

SUFFIXES = frozenset({".encodings", ".table", ".cache", ".json"})
"""Of the files that can be taken over."""
_LIMIT = 64 << 20
_SAME = 0.01
"""Per channel, ranges this near to the smallest and largest values are those."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """What became of a file.

    Attributes:
        kind: what the file is.
        recipe: its choices.
        taken: how many layers it speaks of.
        notes: what of the file a recipe cannot say.
    """

    kind: str
    recipe: Recipe
    taken: int
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind, "layers": self.taken, "notes": list(self.notes)}


def take_over(opened: OpenModel, path: Path, target: str = "generic") -> Takeover:
    """Make the recipe that gives an open model the ranges and types of a file.

    Layers that the file does not speak of stay in float.

    Raises:
        InspectorError: the file cannot be read, is of no known kind, or speaks of another model.
    """
    from inspector.onnxio.encodings.reading import read_sidecar

    data = read_limited(path, _LIMIT)
    try:
        found = read_sidecar(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UnsupportedError(f"{path} is no text.") from error
    except UnsupportedError as error:
        raise UnsupportedError(f"{path}: {error.message}", error.hint) from error
    rules, other_channels, several = [], [], []
    for layer in opened.graph.layers:
        weights, is_near = _weights(opened, layer, found)
        activations, is_one = _activations(layer, found)
        if weights is None and activations is None:
            continue
        if not is_near:
            other_channels.append(layer.name)
        if not is_one:
            several.append(layer.name)
        rules.append(Rule(escape(layer.name), weights, activations or FLOAT))
    if not rules:
        raise UnsupportedError(
            f"{path} ({found.kind}) names no tensor or layer of {opened.path.name}.",
            "Take the model that it was made for.",
        )
    recipe = Recipe(target=target).with_default(FLOAT, FLOAT)
    recipe = replace(recipe, rules=tuple(rules))
    return Takeover(found.kind, recipe, len(rules), _notes(other_channels, several))


def _weights(opened: OpenModel, layer: Layer, found: Taken) -> tuple[QuantSpec | None, bool]:
    """The spec of a layer's weight, and whether it has the file's very ranges."""
    if layer.weight is None:
        return None, True
    given = found.tensors.get(layer.weight) or found.weights.get(layer.name)
    if given is None:
        # A cache of activations says nothing of weights: they are left to the builder.
        return (QuantSpec("int8") if _is_read(layer, found) else None), True
    if len(given.lo) == 1:
        return _spec(given, given.lo[0], given.hi[0]), True
    spec = replace(_spec(given, 0.0, 0.0), granularity=Granularity("channel"))
    spec = replace(spec, range=RangeMethod("minmax"))
    values = np.asarray(opened.prepared.constant(layer.weight), np.float32)
    axis = layer.channel_axis
    if axis is None or values.shape[axis] != len(given.hi):
        raise UnsupportedError(
            f"{layer.name} has {1 if axis is None else values.shape[axis]} channels, and the file "
            f"{len(given.hi)} scales for it.",
            "Take the model that the file was made for.",
        )
    others = tuple(i for i in range(values.ndim) if i != axis)
    reach = np.abs(values).max(axis=others)
    widest = np.maximum(np.abs(given.lo), np.abs(given.hi))
    return spec, bool(np.allclose(reach, widest, rtol=_SAME, atol=1e-12))


def _is_read(layer: Layer, found: Taken) -> bool:
    return layer.name in found.inputs or any(n in found.tensors for n in layer.activations)


def _activations(layer: Layer, found: Taken) -> tuple[QuantSpec | None, bool]:
    """The spec of what a layer reads, and whether all of it has the file's very ranges."""
    named = [found.tensors[name] for name in layer.activations if name in found.tensors]
    given: Sequence[Given] = named or [
        found.inputs[name] for name in (layer.name,) if name in found.inputs
    ]
    if not given:
        return None, True
    lo, hi = min(one.lo[0] for one in given), max(one.hi[0] for one in given)
    widest = max(given, key=lambda one: one.bits)
    symmetric = all(one.symmetric for one in given)
    same = all(
        math.isclose(one.lo[0], lo, rel_tol=1e-6) and math.isclose(one.hi[0], hi, rel_tol=1e-6)
        for one in given
    )
    return _spec(replace(widest, symmetric=symmetric), lo, hi), same


def _spec(given: Given, lo: float, hi: float) -> QuantSpec:
    kind = "int" if given.symmetric else "uint"
    return QuantSpec(
        f"{kind}{given.bits}",
        Granularity("tensor"),
        RangeMethod("range", lo=float(lo), hi=float(hi)) if lo < hi else RangeMethod("minmax"),
        given.symmetric,
    )


def _notes(other_channels: Sequence[str], several: Sequence[str]) -> tuple[str, ...]:
    notes = []
    if other_channels:
        notes.append(
            f"{len(other_channels)} layers have ranges per channel that are not the smallest and "
            f"largest values ({other_channels[0]}); a recipe has minmax for them."
        )
    if several:
        notes.append(
            f"{len(several)} {PRODUCT}s read two activations with ranges of their own "
            f"({several[0]}); a recipe has the range of both."
        )
    return tuple(notes)


def take_over_file(model: OpenModel, path: Path, output: Path, target: str) -> Takeover:
    """The same, written as a recipe file.

    Raises:
        InspectorError: as `take_over`, or the recipe cannot be written.
    """
    found = take_over(model, path, target)
    found.recipe.check(model.graph.layers)
    save_recipe(found.recipe, output)
    return found
