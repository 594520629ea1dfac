"""From the numbers of a recipe to the model that is saved, in the form that the recipe names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from inspector.graph.grids import Grids, activation_grid, point_distribution
from inspector.graph.model import Graph
from inspector.graph.placement import REST, Placement, Plan, Point, Site, float_outputs
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.recurrent_weights import unfold_recurrent
from inspector.onnxio.writers.dynamic import write_dynamic
from inspector.onnxio.writers.integer_io import to_integer_io
from inspector.onnxio.writers.matmul_nbits import write_matmul_nbits
from inspector.onnxio.writers.qdq import QdqOptions, check_types, write_qdq
from inspector.onnxio.writers.qoperator import to_qoperator
from inspector.onnxio.writers.simulated import bake_decoded, to_simulated
from inspector.quant.distribution import Histogram
from inspector.quant.spec import QuantSpec
from inspector.session.opening import OpenModel
from inspector.session.recipe import RECIPE_KEY, Recipe
from inspector.session.targets import load_target

_REWRITES: dict[str, Callable[[Model], Model]] = {
    "qoperator": to_qoperator,
    "simulated": to_simulated,
}
"""Formats that are made of a QDQ model."""

_MOST_TEXT = 1 << 20
"""A recipe that is longer, for the grids that it gives, is not put into the file: the file has them
itself.
"""


def check_form(opened: OpenModel, recipe: Recipe, plan: Plan) -> None:
    """Makes sure, before any work, that a model can have the types of a plan.

    Raises:
        UnsupportedError: they need an opset that the model cannot be converted to.
    """
    del recipe
    check_types(opened.prepared, plan)


def write_model(model: Model, placement: Placement, recipe: Recipe, grids: Grids) -> Model:
    """The quantized model, not yet on disk.

    Args:
        model: the prepared model, or what was made of it so that quantizing costs less.
        placement: the sites of its graph.
        recipe: the choices.
        grids: their numbers.

    Raises:
        UnsupportedError: the types need an opset that the model cannot be converted to.

    Cost: linear in the nodes; codes of weights are computed when the model is saved.
    """
    unsigned = load_target(recipe.target).unsigned_kernels
    text = recipe.to_toml()
    options = QdqOptions(unsigned, {RECIPE_KEY: text} if len(text) <= _MOST_TEXT else {})
    graph = placement.graph
    model, grids = write_dynamic(model, graph, grids, unsigned_kernels=unsigned)
    if recipe.matmul_nbits:
        model, grids = write_matmul_nbits(model, graph, grids)
    if recipe.format == "simulated":
        model, grids = bake_decoded(model, graph, grids)
    written = write_qdq(model, placement, grids, options)
    rewrite = _REWRITES.get(recipe.format)
    if rewrite is not None:
        written = rewrite(written)
    written = unfold_recurrent(written)
    return to_integer_io(written, grids.outputs) if recipe.integer_io else written


def tensors_to_measure(graph: Graph, recipe: Recipe, plan: Plan) -> tuple[str, ...]:
    """The tensors whose values a recipe needs to know."""
    found = dict.fromkeys(name for point in plan.open_points for name in point.tensors)
    if recipe.integer_io and plan.points:
        found |= dict.fromkeys(float_outputs(graph))
    return tuple(found)


def with_output_grids(
    graph: Graph, recipe: Recipe, grids: Grids, distributions: Mapping[str, Histogram]
) -> Grids:
    """Grids with those of outputs that the plan leaves in float, where a recipe wants integers.

    They follow the default of activations, or uint8 where that is no type of its own.

    Raises:
        DataError: an output was not measured.
    """
    if not recipe.integer_io or not grids.plan.points:
        return grids
    default = recipe.default.activations
    fitting = default.is_affine and default.bits in {8, 16}
    spec = (default if fitting else QuantSpec("uint8")).filled("activations")
    found = {
        name: activation_grid(point_distribution(Point(spec, (name,)), distributions), spec)
        for name in float_outputs(graph)
        if Site(name, REST) not in grids.plan.sites
    }
    return replace(grids, outputs=found)
