"""What a target and a form of file take together, and what follows from it for choices."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import RecipeError
from inspector.graph.model import Layer
from inspector.quant.spec import FLOAT, LayerSpecs, QuantSpec
from inspector.session.fitting import check_fits, fit, for_format, violations
from inspector.session.formats import FORMATS
from inspector.session.profiles import in_format, profile_of
from inspector.session.recipe import DEFAULT_RECIPE, Recipe, Rule
from inspector.session.targets import load_target, target_names

CONV = Layer("c", "Conv", "w", None, ("x",), "y", (4, 3, 3, 3), 0, 1)
MATMUL = Layer("m", "MatMul", "v", None, ("x",), "z", (8, 4), 1, 1)
PRODUCT = Layer("p", "MatMul", None, None, ("a", "b"), "z", None, None, None, (0, 1))
LAYERS = (CONV, MATMUL, PRODUCT)
WEIGHTS = ("float", "int8", "int3:block16", "uint8:channel@1", "int4", "int8:asym", "int16")
ACTIVATIONS = ("float", "uint8", "int8:sym", "uint16", "uint8:sym", "uint8:pow2")


def _specs(weights: str, activations: str) -> LayerSpecs:
    return LayerSpecs(
        QuantSpec.parse(weights).filled("weights"),
        QuantSpec.parse(activations).filled("activations"),
    )


@given(
    st.sampled_from(target_names()),
    st.sampled_from(list(FORMATS)),
    st.sampled_from(LAYERS),
    st.sampled_from(WEIGHTS),
    st.sampled_from(ACTIVATIONS),
)
@settings(deadline=None, max_examples=200)
def test_both_are_asked(
    target: str, form: str, layer: Layer, weights: str, activations: str
) -> None:
    """What both take, they take together; what fits together fits both; and all can be mended."""
    specs, own = _specs(weights, activations), load_target(target)
    both, alone = in_format(own, form), FORMATS[form].profile
    apart = violations(own, layer, specs) + violations(alone, layer, specs)
    if not violations(both, layer, specs):
        assert apart == ()
    fitted = fit(both, layer, specs)
    assert violations(both, layer, fitted) == ()
    assert violations(own, layer, fitted) == ()
    assert violations(alone, layer, fitted) == ()


def test_the_reason_names_target_and_form() -> None:
    """So that a reader knows which of them to change."""
    profile = profile_of(Recipe(format="weight-only"))
    (found,) = violations(profile, CONV, _specs("int8", "uint8"))
    assert found.why == "ONNX Runtime, CPU (Weight-only) takes activations as float, not as uint8."
    (found,) = violations(profile_of(Recipe(format="qoperator")), CONV, _specs("int3", "uint8"))
    assert "takes weights as int8" in found.why
    assert "not as int3" in found.why
    dynamic = profile_of(Recipe(format="dynamic"))
    (found,) = violations(dynamic, MATMUL, _specs("int8", "uint8:pow2"))
    assert "when the model runs" in found.why


def test_the_nearest_that_works_is_named() -> None:
    """Before any work: the layer, the reason and the remedy."""
    specs = {"m": _specs("int8:block32", "uint8")}
    with pytest.raises(RecipeError, match=r"Layer 'm' does not fit.*per block") as caught:
        check_fits(profile_of(Recipe(format="qoperator")), (MATMUL,), specs)
    assert "int8:channel" in caught.value.hint


def test_defaults_that_nobody_chose_follow_the_form() -> None:
    """As they follow the target; others stay."""
    followed = for_format(DEFAULT_RECIPE, "weight-only")
    assert followed.default == LayerSpecs(QuantSpec("int8"), FLOAT)
    assert for_format(followed, "qdq") == DEFAULT_RECIPE
    own = DEFAULT_RECIPE.with_default(QuantSpec.parse("int4"))
    assert for_format(own, "weight-only") == replace(own, format="weight-only")
    assert Recipe.parse('version = 1\nformat = "weight-only"').default.activations == FLOAT


def test_what_is_only_done_on_request_stays_float() -> None:
    """Convolutions of the dynamic format, until a rule speaks of them."""
    recipe = for_format(DEFAULT_RECIPE, "dynamic")
    assert recipe.resolve(CONV).is_float
    assert recipe.resolve_all(LAYERS)["p"].is_float
    assert not recipe.resolve(MATMUL).is_float
    asked = recipe.with_rule(Rule("op:Conv", QuantSpec.parse("uint8")))
    assert asked.resolve(CONV) == replace(_specs("uint8", "uint8:minmax"), dynamic=True)
    assert asked.resolve_all(LAYERS)["p"].is_float
