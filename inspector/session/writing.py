"""From the numbers of a recipe to the model that is saved, in the form that the recipe names."""

from __future__ import annotations

from inspector.graph.grids import Grids
from inspector.graph.placement import Placement, Plan
from inspector.onnxio.loading import Model
from inspector.onnxio.writers.matmul_nbits import write_matmul_nbits
from inspector.onnxio.writers.qdq import QdqOptions, check_types, write_qdq
from inspector.session.opening import OpenModel
from inspector.session.recipe import RECIPE_KEY, Recipe
from inspector.session.targets import load_target


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
    options = QdqOptions(
        unsigned_kernels=load_target(recipe.target).unsigned_kernels,
        metadata={RECIPE_KEY: recipe.to_toml()},
    )
    if recipe.matmul_nbits:
        model, grids = write_matmul_nbits(model, placement.graph, grids)
    return write_qdq(model, placement, grids, options)
