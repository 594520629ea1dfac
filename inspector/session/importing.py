"""A model that is quantized already, opened as its float model and the recipe that made it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from inspector.errors import UnsupportedError
from inspector.graph.grids import operator_axis
from inspector.graph.model import Graph, Layer
from inspector.graph.operators import QUANTIZATION
from inspector.graph.placement import place
from inspector.graph.preparations import PREPARATIONS
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.inference import forget_types
from inspector.onnxio.loading import Model, load_model
from inspector.onnxio.metadata import AS_IS_KEY, with_metadata
from inspector.onnxio.opset import QDQ_OPSET, raise_opset
from inspector.onnxio.saving import save_model
from inspector.onnxio.unquantize.model import Unquantized, unquantize
from inspector.quant.pin import BIAS, Pin, PinnedTensor, Pins, as_pins
from inspector.quant.qparams import block_axis
from inspector.quant.spec import FLOAT, RUN_TIME, Granularity, QuantSpec, spec_of_pin
from inspector.session.globs import escape
from inspector.session.opening import OpenModel, open_model, with_grids
from inspector.session.pinning import as_entries
from inspector.session.recipe import RECIPE_KEY, Recipe
from inspector.session.rules import Rule

EVERYTHING = frozenset(PREPARATIONS)
"""Nothing is folded in a float model that was read out of a quantized one: grids would not fit."""

_SHOWN = 3
TARGET = "generic"
"""The target of a recipe that was read back: what is stored is what the file stores."""


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """What became of a quantized model.

    Attributes:
        opened: the float model that it stands for, ready to be quantized again.
        recipe: its choices, with every grid as the file has it.
        kind: how the file is quantized: "QDQ", "QOperator", "dynamic" or "MatMulNBits".
        taken: how many layers it quantizes.
        notes: what of the file stays in the model as it is, or cannot be brought back.
    """

    opened: OpenModel
    recipe: Recipe
    kind: str
    taken: int
    notes: tuple[str, ...]


def is_quantized(graph: Graph) -> bool:
    """Whether a model holds quantizers or integer operators, as far as its main graph tells."""
    return any(node.op_type in QUANTIZATION for node in graph.nodes)


def open_as_recipe(source: Path | Model, target: str = TARGET) -> Imported:
    """Opens a quantized model as the float model it stands for and the recipe that made it.

    Raises:
        ModelError: the file is no model that can be read.
        UnsupportedError: it holds no quantizers, or only such as ONNX does not define.

    Cost: linear in the number of nodes; weights are read where they are used.
    """
    model = load_model(source) if isinstance(source, Path) else source
    found = unquantize(model)
    opened = _opened(found)
    pins = _pins(found)
    opened = with_grids(opened, pins)
    rules, notes = _rules(opened.graph, found, pins)
    notes += _unplaced(opened, found)
    if not rules:
        raise UnsupportedError(
            f"{model.path or 'The model'} has no layer whose quantizers can be read back.",
            " ".join((*_left_notes(found), *notes)[:2]),
        )
    recipe = Recipe(target=target, format=found.format, rules=rules, pins=pins, skip=EVERYTHING)
    recipe = replace(recipe.with_default(FLOAT, FLOAT), matmul_nbits=found.kind == "MatMulNBits")
    return Imported(opened, recipe, found.kind, len(rules), (*_left_notes(found), *notes))


def open_for(path: Path, recipe: Recipe) -> OpenModel:
    """Opens the model that a recipe is to be carried out on.

    A recipe with grids may be that of a quantized model: then its float model is opened, or the
    float model from which it was made, with quantizers at the places that the recipe names.

    Raises:
        ModelError: the file is no model that can be read.
        UnsupportedError: it is quantized, and its quantizers cannot be read back.
    """
    opened = open_model(path, skip=recipe.skip)
    if recipe.pins is None:
        return opened
    if is_quantized(opened.graph) and AS_IS_KEY not in opened.source.metadata:
        opened = open_as_recipe(opened.source).opened
    return with_grids(opened, recipe.pins)


def save_float(imported: Imported, output: Path) -> None:
    """Writes the float model that a quantized one stands for; it is opened without foldings.

    Raises:
        SaveError: it cannot be written.
    """
    entries = {RECIPE_KEY: None, AS_IS_KEY: "1"}
    save_model(with_metadata(imported.opened.source, entries), output)


def _opened(found: Unquantized) -> OpenModel:
    prepared, obstacle = found.model, None
    try:
        prepared = raise_opset(found.model, QDQ_OPSET)
    except UnsupportedError as error:
        obstacle = UnsupportedError(f"{found.model.path}: {error.message}", error.hint)
    graph = extract_graph(prepared)
    for one in (found.model, prepared):
        forget_types(one)
    return OpenModel(
        found.model, prepared, graph, place(graph), (), obstacle, graph, skip=EVERYTHING
    )


def _pins(found: Unquantized) -> Pins | None:
    constants = [
        PinnedTensor(name, pin, fenced=name in found.fenced)
        for name, pin in found.constants.items()
    ]
    return as_pins([*constants, *as_entries(found.reads)])


def _rules(
    graph: Graph, found: Unquantized, pins: Pins | None
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """A rule for each layer that the file quantizes, and what no layer has."""
    rules: list[Rule] = []
    taken: set[str] = set()
    for layer in graph.layers:
        weight = found.constants.get(layer.weight or "")
        reads = [pins.at(name, layer.name) for name in layer.activations] if pins else []
        read = next((pin for pin in reads if pin is not None), None)
        taken |= {name for name in (layer.weight, layer.bias) if name}
        activations = FLOAT if read is None else spec_of_pin(read).pinned_to(None)
        if layer.name in found.dynamic:
            activations = RUN_TIME
        weights = FLOAT if weight is None else _weight_spec(layer, weight)
        if not (weights.is_float and activations.is_float):
            rules.append(Rule(escape(layer.name), weights, activations))
    lost = [name for name in found.constants if name not in taken]
    notes = (
        f"The weight '{name}' belongs to no layer that can be quantized: it is saved in float."
        for name in lost
    )
    return tuple(rules), tuple(notes)


def _unplaced(opened: OpenModel, found: Unquantized) -> tuple[str, ...]:
    """What no quantizer can be put at in the float model, named."""
    sites = {(site.tensor, site.consumer) for site in opened.placement.sites}
    lost = [tensor for tensor, reader, _ in found.reads if (tensor, reader) not in sites]
    return tuple(f"The grid of '{name}' cannot be written again." for name in dict.fromkeys(lost))


def _weight_spec(layer: Layer, pin: Pin) -> QuantSpec:
    """The spec of a weight's grid, with its axis where that is not the one that is meant anyway."""
    if pin.dtype == BIAS:
        return FLOAT
    spec = spec_of_pin(pin).pinned_to(None)
    granularity, axis = spec.granularity, operator_axis(layer)
    if granularity is None or pin.axis is None:
        return spec
    rank = len(layer.weight_shape or ())
    meant = block_axis(axis, rank) if pin.block else None if axis is None else axis % rank
    if meant == pin.axis:
        return spec
    return replace(spec, granularity=Granularity(granularity.kind, granularity.size, pin.axis))


def _left_notes(found: Unquantized) -> tuple[str, ...]:
    """What stays in the model, one sentence for each reason."""
    notes = []
    for why, names in found.left.items():
        shown = ", ".join(f"'{name}'" for name in names[:_SHOWN])
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        notes.append(f"Left in the model as they are ({why}): {shown}{more}.")
    return tuple(notes)
