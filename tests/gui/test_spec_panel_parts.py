"""What the panel is made of, without a window: edits of many layers, text of specs, origins."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import InspectorError
from inspector.graph.model import Layer
from inspector.gui.spec_allowed import cases_of, operators_of, refusal, refusals
from inspector.gui.spec_clipboard import from_text, to_text
from inspector.gui.spec_edits import common_choice, default_edit, operator_edit, specs_edit
from inspector.gui.spec_origin import origin, origin_text
from inspector.gui.spec_presets import PRESETS
from inspector.quant.spec import DTYPES, Granularity, QuantSpec, RangeMethod
from inspector.session.fitting import allowed_dtypes
from inspector.session.recipe import Recipe, Rule
from inspector.session.target_profile import PRODUCT
from inspector.session.targets import load_target, target_names

HOSTILE = ("a\nb", "长" * 300, "<script>", "", "*[0]?", "op:Gemm", "\\x")
spec = QuantSpec.parse
dtypes = st.sampled_from([name for name in DTYPES if QuantSpec(name).is_affine])
ranges = st.one_of(
    st.none(),
    st.sampled_from([RangeMethod("minmax"), RangeMethod("kl"), RangeMethod("mse")]),
    st.floats(50.01, 100).map(lambda share: RangeMethod("percentile", percentile=share)),
)
specs = st.one_of(
    st.just(QuantSpec("float")),
    st.builds(
        QuantSpec,
        dtypes,
        st.sampled_from([None, Granularity("tensor")]),
        ranges,
        st.sampled_from([None, True, False]),
        st.booleans(),
    ),
)


def layer(name: str, op_type: str = "Conv", *, product: bool = False) -> Layer:
    """A layer of no model."""
    if product:
        return Layer(name, "MatMul", None, None, ("x", "z"), "y", None, None)
    return Layer(name, op_type, f"{name}.w", None, ("x",), "y", (4, 4), 0, 1)


LAYERS = (
    *(layer(name) for name in HOSTILE),
    layer("head", "Gemm"),
    layer("scores", product=True),
)


@given(st.one_of(st.none(), specs), specs)
def test_text_and_specs_are_inverse(weights: QuantSpec | None, activations: QuantSpec) -> None:
    """What was copied is what is pasted, also with the line end that an editor adds."""
    text = to_text((weights, activations))
    assert from_text(text) == from_text(text + "\n") == (weights, activations)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """With an error that says what to do, never otherwise."""
    hint, chosen = "", None
    try:
        chosen = from_text(text)
    except InspectorError as error:
        hint = error.hint
    assert hint or (chosen is not None and chosen != (None, None))


def test_an_operator_gets_a_rule_and_loses_what_was_said_before() -> None:
    """All its layers get the specs, no others do, and no dead rules are left."""
    recipe = Recipe(
        rules=(
            Rule("op:Conv", spec("int3"), spec("uint3")),
            Rule("*", None, spec("uint9")),
            Rule("head", spec("int2")),
        )
    ).with_layers(HOSTILE, spec("int5"), spec("uint5"))
    convs = [one for one in LAYERS if one.op_type == "Conv"]
    edit = operator_edit((spec("int6"), spec("uint6")), "Conv", convs, "c")
    after = edit.change(recipe)
    assert {str(after.chosen(one).weights) for one in convs} == {"int6"}
    assert {str(after.chosen(one).activations) for one in convs} == {"uint6"}
    assert after.chosen(LAYERS[-2]) == recipe.chosen(LAYERS[-2])
    assert [rule.layers for rule in after.rules] == ["*", "head", "op:Conv"]
    assert Recipe.parse(after.to_toml()) == after
    assert edit.label == "All Conv: same as c"


def test_only_activations_are_given_by_a_layer_without_weights() -> None:
    """The weights of others stay as they are."""
    recipe = Recipe().with_layers(HOSTILE, spec("int5"), spec("uint5"))
    chosen = common_choice(recipe, LAYERS[-1:])
    assert chosen == (None, spec("uint8"))
    after = default_edit(chosen, "scores").change(recipe)
    assert {str(after.chosen(one).weights) for one in LAYERS} == {"int5", "int8"}
    assert {str(after.chosen(one).activations) for one in LAYERS} == {"uint8"}
    mixed = specs_edit((spec("int4"), spec("uint4")), LAYERS, "x").change(recipe)
    assert mixed.override_for("scores").weights is None
    assert str(mixed.override_for("head").weights) == "int4"


def test_the_default_for_all_drops_every_rule() -> None:
    """A short recipe is left."""
    recipe = Recipe(rules=(Rule("op:Gemm", spec("int3")),)).with_layers(HOSTILE, spec("int5"))
    chosen = common_choice(recipe, LAYERS[:2])
    assert chosen is not None
    assert common_choice(recipe, LAYERS[-3:-1]) is None
    after = default_edit(chosen, "a").change(recipe)
    assert after.rules == ()
    assert str(after.default.weights) == "int5"


def test_origins_tell_choices_rules_and_defaults_apart() -> None:
    """The last rule that speaks of a role counts, as it does in resolving."""
    recipe = Recipe(
        rules=(Rule("op:Gemm", spec("int3")), Rule("*a*", None, spec("uint9")))
    ).with_layers(["head"], None, spec("uint5"))
    head, product, first = LAYERS[-2], LAYERS[-1], LAYERS[0]
    assert origin(recipe, head) == {"weights": "rule op:Gemm", "activations": "own choice"}
    assert origin(recipe, product) == {"activations": "default"}
    assert origin_text(recipe, [first]) == "weights default\nactivations rule *a*"
    assert origin_text(recipe, [product, LAYERS[1]]) == "default"
    assert origin_text(recipe, []) == ""
    assert "rule * *" in origin_text(recipe.with_rule(Rule("*\n*", spec("int4"))), [first])
    many = [replace(product, name=f"l{number}") for number in range(2000)]
    own = recipe.with_layers([one.name for one in many[:7]], None, spec("uint4"))
    assert origin_text(own, many) == "7 own choice, 1993 by rule or default"


@pytest.mark.parametrize("name", target_names())
def test_what_a_target_refuses_for_all_is_refused(name: str) -> None:
    """For one operator just its own answers; for several only what none of them takes."""
    target = load_target(name)
    for role in ("weights", "activations"):
        alone = refusals(target, role, ("Conv",), ("int8",))
        reasons = allowed_dtypes(target, role, "Conv")
        assert dict(alone.dtypes) == {dtype: why for dtype, why in reasons.items() if why}
        both = refusals(target, role, ("Conv", "Gemm"), ("int8",))
        other = allowed_dtypes(target, role, "Gemm")
        assert set(both.dtypes) == {dtype for dtype in DTYPES if reasons[dtype] and other[dtype]}
        for preset in PRESETS:
            chosen = getattr(preset, role)
            if chosen is None:
                continue
            why = refusal(target, role, ("Conv",), chosen)
            assert not (chosen.is_float and why)
            if reasons[chosen.dtype]:
                assert why == reasons[chosen.dtype]


def test_layers_are_judged_by_kind() -> None:
    """Equal ones are one case; products have no weights to judge."""
    recipe = Recipe().with_layers(["head"], spec("int4"))
    cases = cases_of(LAYERS, recipe.resolve_all(LAYERS))
    assert sorted((case.layer.op_type, case.count) for case in cases) == [
        ("Conv", len(HOSTILE)),
        ("Gemm", 1),
        ("MatMul", 1),
    ]
    assert operators_of(cases, "weights") == ("Conv", "Gemm")
    assert operators_of(cases, "activations") == ("Conv", "Gemm", PRODUCT)
