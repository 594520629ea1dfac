"""Comparing recipes by what they do, not by how they are written."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from inspector.graph.model import Layer
from inspector.quant.spec import LayerSpecs, QuantSpec
from inspector.session.recipe import DEFAULT_RECIPE, Recipe
from inspector.session.recipe_diff import Difference, recipe_diff
from inspector.session.rules import Rule

INT4, INT8, UINT8 = (QuantSpec.parse(text) for text in ("int4", "int8", "uint8"))
LAYERS = tuple(
    Layer(name, operator, weight, None, (f"{name}.in",), f"{name}.out", None, None)
    for name, operator, weight in (
        ("/a/Conv", "Conv", "a.w"),
        ("/b/Conv", "Conv", "b.w"),
        ("/c/MatMul", "MatMul", None),
    )
)
SPECS = st.sampled_from([QuantSpec.parse(t) for t in ("float", "int4:tensor", "int8", "uint8:kl")])
PATTERNS = st.sampled_from([layer.name for layer in LAYERS] + ["*", "/?/Conv", "op:Conv", "zzz"])
RECIPES = st.builds(
    Recipe,
    default=st.builds(LayerSpecs, SPECS, SPECS),
    rules=st.lists(st.builds(Rule, PATTERNS, SPECS, st.none() | SPECS), max_size=4).map(tuple),
)


def test_nothing_differs_from_itself() -> None:
    """Nor from the same said in other words."""
    assert recipe_diff(DEFAULT_RECIPE, DEFAULT_RECIPE, LAYERS) == ()
    said = DEFAULT_RECIPE.with_rule(Rule("*", INT8)).with_layer("/a/Conv", None, UINT8)
    assert recipe_diff(said, DEFAULT_RECIPE, LAYERS) == ()


def test_layers_are_told_in_order_by_field() -> None:
    """Weights and activations each by itself, with the specs that are really used."""
    other = DEFAULT_RECIPE.with_layer("/b/Conv", INT4, QuantSpec.parse("float"))
    found = recipe_diff(DEFAULT_RECIPE, other.with_layer("/a/Conv", INT4), LAYERS)
    assert found == (
        Difference("/a/Conv", "weights", "int8:channel:minmax:sym", "int4:channel:minmax:sym"),
        Difference("/b/Conv", "weights", "int8:channel:minmax:sym", "int4:channel:minmax:sym"),
        Difference("/b/Conv", "activations", "uint8:tensor:mse:asym", "float"),
    )


def test_weights_of_a_layer_without_any_do_not_count() -> None:
    """A MatMul of two activations has none that could differ."""
    other = DEFAULT_RECIPE.with_rule(Rule("op:MatMul", INT4))
    assert recipe_diff(DEFAULT_RECIPE, other, LAYERS) == ()


def test_the_whole_model_comes_first() -> None:
    """Target and format have no layer."""
    other = replace(DEFAULT_RECIPE.with_default(INT4), target="generic", format="qoperator")
    found = recipe_diff(DEFAULT_RECIPE, other, LAYERS)
    assert [(d.layer, d.field) for d in found[:2]] == [("", "target"), ("", "format")]
    assert [d.layer for d in found[2:]] == ["/a/Conv", "/b/Conv"]


@given(RECIPES, RECIPES)
def test_a_comparison_can_be_turned_round(one: Recipe, other: Recipe) -> None:
    """What differs here differs there, and what is not told is the same in both."""
    found = recipe_diff(one, other, LAYERS)
    turned = tuple(Difference(d.layer, d.field, d.other, d.this) for d in found)
    assert recipe_diff(other, one, LAYERS) == turned
    told = {(d.layer, d.field) for d in found}
    for layer in LAYERS:
        mine, theirs = one.resolve(layer), other.resolve(layer)
        assert ((layer.name, "activations") in told) == (mine.activations != theirs.activations)
        if layer.weight is not None:
            assert ((layer.name, "weights") in told) == (mine.weights != theirs.weights)
