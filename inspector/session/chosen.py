"""What a recipe comes to for an open model: checked specs, and the numbers of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspector.errors import DataError, RecipeError, UnsupportedError
from inspector.graph.grids import Grids, choose_grids, require_holdable
from inspector.graph.model import Layer
from inspector.graph.placement import Plan
from inspector.quant.rows import extrema
from inspector.quant.spec import LayerSpecs, QuantSpec
from inspector.session.opening import OpenModel
from inspector.session.pinning import check_bound, check_pins
from inspector.session.recipe import Recipe
from inspector.session.target_rules import ROLES

if TYPE_CHECKING:  # what only workers need is imported by them: the window starts sooner
    from inspector.evaluate.calibrate import Calibration


def resolve(opened: OpenModel, recipe: Recipe) -> dict[str, LayerSpecs]:
    """The specs of every layer, checked.

    Raises:
        InspectorError: the recipe does not fit the model, or asks for what cannot be done.
    """
    recipe.check(opened.graph.layers)
    if recipe.pins is not None:
        check_pins(opened.graph, recipe.pins)
    specs = recipe.resolve_all(opened.graph.layers)
    for name, chosen in specs.items():
        for role in ROLES:
            spec: QuantSpec = getattr(chosen, role)
            if spec.is_float:
                continue
            try:
                spec.require_computable(role)
            except UnsupportedError as error:
                raise UnsupportedError(f"Layer {name!r}: {error.message}", error.hint) from None
            kind = spec.granularity.kind if spec.granularity else "tensor"
            if role == "activations" and kind != "tensor":
                raise RecipeError(
                    f"Layer {name!r}: activations cannot be quantized per {kind} ({spec}).",
                    "Use the granularity tensor for activations.",
                )
        _check_axis(opened.graph.layer(name), chosen.weights)
        check_bound(opened.graph.layer(name), chosen)
    return specs


def _check_axis(layer: Layer, spec: QuantSpec) -> None:
    axis = spec.granularity.axis if spec.granularity is not None else None
    rank = len(layer.weight_shape or ())
    if axis is not None and layer.weight is not None and not -rank <= axis < rank:
        raise RecipeError(
            f"Layer {layer.name!r}: its weight has {rank} dimensions, no axis {axis} ({spec}).",
            f"Name an axis from 0 to {rank - 1}.",
        )


def check_weights(opened: OpenModel, plan: Plan) -> None:
    """Makes sure, before any work, that the weights to quantize are numbers.

    Raises:
        DataError: one holds NaN or infinity, or what its type cannot hold; it is named.

    Cost: one pass over the weights.
    """
    for name in plan.weights:
        weight = opened.graph.layer(name).weight or ""
        values = np.asarray(opened.prepared.constant(weight), np.float32)
        if values.size:
            extrema(values, None, weight)
        if plan.weights[name].is_cast:
            require_holdable(values, plan.weights[name], name)


def measured_tensors(plan: Plan) -> tuple[str, ...]:
    """The tensors whose values a plan needs to know."""
    return tuple(dict.fromkeys(name for point in plan.open_points for name in point.tensors))


def grids_of(opened: OpenModel, plan: Plan, calibration: Calibration | None) -> Grids:
    """All numbers of a plan from what calibration gathered.

    Raises:
        DataError: activations are to be quantized and nothing is known of them.
    """
    if plan.open_points and calibration is None:
        raise no_data_error()
    tensors = calibration.tensors if calibration is not None else {}
    return choose_grids(opened.graph, plan, opened.prepared.constant, tensors)


def no_data_error() -> DataError:
    """What to tell a user who quantizes activations without data."""
    return DataError(
        "Activations are to be quantized, and there is no data to calibrate them with.",
        "Give data with --calibration PATH, or --random-data N for a try, "
        "or leave activations alone with --activations float.",
    )
