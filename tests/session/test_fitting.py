"""What fits a target, and the nearest that does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import RecipeError
from inspector.graph.model import Layer
from inspector.quant.spec import DTYPES, FLOAT, Granularity, LayerSpecs, QuantSpec, RangeMethod
from inspector.session.document import Document
from inspector.session.edits import fit_layers, set_layers, set_target
from inspector.session.fitting import (
    allowed_dtypes,
    check_fits,
    explain,
    fit,
    fit_recipe,
    for_target,
    misfits,
    violations,
)
from inspector.session.opening import open_model
from inspector.session.recipe import DEFAULT_RECIPE, Recipe, Rule
from inspector.session.target_profile import PRODUCT, Form, Operator, Pair, Target
from inspector.session.target_rules import Place, goes_together
from inspector.session.targets import load_target, target_names

SHAPES = {"Conv": (8, 4, 3, 3), "ConvTranspose": (4, 8, 2, 2), "Gemm": (8, 4), "MatMul": (4, 8)}
AXES = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0, "MatMul": 1}


def _layer(op_type: str, shape: tuple[int, ...] | None = None, name: str = "layer") -> Layer:
    shape = shape or SHAPES[op_type]
    return Layer(name, op_type, "w", None, ("x",), "y", shape, AXES[op_type])


def _product(name: str = "product") -> Layer:
    return Layer(name, "MatMul", None, None, ("x", "z"), "y", None, None, None, (0, 1))


def _specs(weights: str, activations: str) -> LayerSpecs:
    return LayerSpecs(
        QuantSpec.parse(weights).filled("weights"),
        QuantSpec.parse(activations).filled("activations"),
    )


# What profiles, layers and specs there may be -------------------------------------------------

AFFINE = [dtype for dtype in DTYPES if dtype.removeprefix("u").startswith("int")]
GRANULARITIES = st.one_of(
    st.just(Granularity("tensor")),
    st.builds(Granularity, st.just("channel"), axis=st.none() | st.integers(-2, 3)),
    st.builds(Granularity, st.just("block"), size=st.integers(1, 300)),
)
RANGES = st.sampled_from(
    [RangeMethod("minmax"), RangeMethod("kl"), RangeMethod("percentile", percentile=99.5)]
)
QUANTIZED = st.builds(
    QuantSpec,
    st.sampled_from(DTYPES[1:]),
    st.none() | GRANULARITIES,
    st.none() | RANGES,
    st.none() | st.booleans(),
    st.booleans(),
)
SPECS = st.builds(LayerSpecs, st.just(FLOAT) | QUANTIZED, st.just(FLOAT) | QUANTIZED)
LAYERS = st.sampled_from(
    [*(_layer(op) for op in SHAPES), _layer("Conv", (8, 4, 3)), _layer("Gemm", (3,)), _product()]
)


def _some(values: Any, most: int = 4) -> Any:
    return st.lists(st.sampled_from(values), max_size=most, unique=True).map(tuple)


OPERATORS = _some([*SHAPES, PRODUCT], 3)
FORMS = st.builds(
    Form,
    dtypes=_some(DTYPES[1:]).filter(bool),
    granularities=_some(["tensor", "channel", "block"]).filter(bool),
    block_sizes=_some([16, 32, 128]),
    output_channels=st.booleans(),
    symmetric=st.booleans(),
    power_of_two=st.booleans(),
    operators=OPERATORS,
)
PAIRS = st.builds(Pair, _some(DTYPES, 8), _some(DTYPES, 8), OPERATORS)
MADE = st.builds(
    Target,
    st.just("made"),
    st.just("Made"),
    st.just("Of a test."),
    weights=st.lists(FORMS, max_size=3).map(tuple),
    activations=st.lists(FORMS, max_size=3).map(tuple),
    operators=st.lists(st.builds(Operator, OPERATORS, _some([2, 4])), max_size=2).map(tuple),
    pairs=st.lists(PAIRS, max_size=3).map(tuple),
)
TARGETS = st.sampled_from(target_names()).map(load_target) | MADE


@given(TARGETS, LAYERS, SPECS)
def test_what_was_fitted_fits(target: Target, layer: Layer, specs: LayerSpecs) -> None:
    """And fitting it again changes nothing; whoever fits is left alone."""
    fitted = fit(target, layer, specs)
    assert violations(target, layer, fitted) == ()
    assert fit(target, layer, fitted) == fitted
    if not violations(target, layer, specs):
        assert fitted == specs
        assert explain(target, layer, specs) == ""
    else:
        assert fitted != specs
        assert explain(target, layer, specs)


@given(TARGETS, LAYERS, SPECS)
def test_float_stays_and_bits_are_not_lost(target: Target, layer: Layer, specs: LayerSpecs) -> None:
    """Fewer bits only where the target has no types with as many that go together."""
    fitted = fit(target, layer, specs)
    roles = ("weights", "activations") if layer.weight else ("activations",)
    pairs = [(getattr(specs, role), getattr(fitted, role)) for role in roles]
    assert all(after.is_float for before, after in pairs if before.is_float)
    if any(after.bits < before.bits for before, after in pairs):
        assert not _enough(target, layer, specs)


def _enough(target: Target, layer: Layer, specs: LayerSpecs) -> bool:
    """Whether some types, each with the bits asked for, go together; by trying all."""
    place = Place.of(layer)

    def offered(role: Any) -> set[str]:
        asked = getattr(specs, role)
        found = {"float"} if asked.is_float else set()
        for dtype in AFFINE:
            if not asked.is_float and QuantSpec(dtype).bits < asked.bits:
                continue
            if not allowed_dtypes(target, role, place.operator, dtypes=[dtype])[dtype]:
                found.add(dtype)
        return found

    activations = offered("activations")
    if not place.has_weight:
        return bool(activations)
    return any(
        goes_together(target, place.operator, weights, activation)
        for weights in offered("weights")
        for activation in activations
    )


@given(TARGETS, LAYERS, SPECS)
def test_reasons_are_sentences(target: Target, layer: Layer, specs: LayerSpecs) -> None:
    """Each names the target, ends in a full stop and is on one line."""
    for violation in violations(target, layer, specs):
        assert violation.role in {"weights", "activations", "layer"}
        assert violation.what
        assert violation.why.startswith(target.title)
        assert violation.why.endswith(".")
        assert "\n" not in violation.why
        assert violation.source or target.name == "made"


@given(TARGETS, LAYERS, st.sampled_from(DTYPES[1:]))
def test_what_is_offered_is_what_fits(target: Target, layer: Layer, dtype: str) -> None:
    """A type has a reason against it exactly if a spec of that type violates something by it."""
    place = Place.of(layer)
    spec = QuantSpec(dtype).filled("activations")
    wrong = violations(target, layer, LayerSpecs(FLOAT, spec))
    if not any(violation.role == "layer" for violation in wrong):
        offered = allowed_dtypes(target, "activations", place.operator, dtypes=[dtype])
        refused = any(violation.what == dtype for violation in wrong)
        assert bool(offered[dtype]) == refused


# Recipes and documents ------------------------------------------------------------------------


@pytest.fixture
def layers() -> tuple[Layer, ...]:
    """Two convolutions and a matrix."""
    names = ("Conv", "Conv", "Gemm")
    return tuple(_layer(op, name=f"{op}{number}") for number, op in enumerate(names))


def test_defaults_follow_the_target_until_somebody_changes_them() -> None:
    """There and back again."""
    there = for_target(DEFAULT_RECIPE, "tensorrt")
    assert (there.target, str(there.default.activations)) == ("tensorrt", "int8:tensor:mse:sym")
    assert for_target(there, "ort-cpu") == DEFAULT_RECIPE
    chosen = DEFAULT_RECIPE.with_default(weights=QuantSpec("int4"))
    assert for_target(chosen, "tensorrt").default == chosen.default
    lost = replace(DEFAULT_RECIPE, target="gone")
    assert for_target(lost, "tensorrt") == there
    with pytest.raises(RecipeError, match="no target 'toaster'"):
        for_target(there, "toaster")


def test_only_what_does_not_fit_gets_a_rule(layers: tuple[Layer, ...]) -> None:
    """One rule for the matrix; the others keep what they have."""
    recipe = for_target(DEFAULT_RECIPE, "amct")
    fitted = fit_recipe(load_target("amct"), layers, recipe, whole_model=True)
    assert fitted.default == recipe.default
    assert [rule.layers for rule in fitted.rules] == ["Gemm2"]
    assert fit_recipe(load_target("amct"), layers, fitted, whole_model=True) == fitted


def test_a_default_that_fits_nobody_is_changed(layers: tuple[Layer, ...]) -> None:
    """Instead of a rule for each layer."""
    fitted = fit_recipe(load_target("tensorrt"), layers, DEFAULT_RECIPE, whole_model=True)
    assert fitted.rules == ()
    assert str(fitted.default.activations) == "int8:tensor:mse:sym"
    assert fitted.default.weights == DEFAULT_RECIPE.default.weights


RULES = st.lists(
    st.builds(
        Rule,
        st.sampled_from(["Conv0", "Conv*", "op:Gemm", "*", "Gemm2"]),
        st.none() | st.just(FLOAT) | QUANTIZED,
        QUANTIZED,
    ),
    max_size=4,
).map(tuple)


@given(TARGETS, RULES, SPECS, st.booleans())
def test_a_fitted_recipe_gives_each_layer_its_fit(
    target: Target, rules: tuple[Rule, ...], default: LayerSpecs, whole: bool
) -> None:
    """Whether the defaults may change or not."""
    layers = tuple(_layer(op, name=name) for name, op in (("Conv0", "Conv"), ("Gemm2", "Gemm")))
    layers += (_product("p"),)
    recipe = Recipe(default=default, rules=rules)
    fitted = fit_recipe(target, layers, recipe, whole_model=whole)
    for layer in layers:
        wanted = fit(target, layer, recipe.resolve(layer))
        assert fitted.resolve(layer).activations == wanted.activations
        if layer.weight is not None:
            assert fitted.resolve(layer).weights == wanted.weights
    if not whole:
        assert fitted.default == recipe.default
    assert misfits(target, layers, fitted.resolve_all(layers)) == {}
    check_fits(target, layers, fitted.resolve_all(layers))


def test_the_error_names_layer_reason_and_remedy(layers: tuple[Layer, ...]) -> None:
    """And counts the others."""
    target = load_target("tensorrt")
    recipe = DEFAULT_RECIPE
    with pytest.raises(RecipeError) as caught:
        check_fits(target, layers, recipe.resolve_all(layers))
    assert str(caught.value) == (
        "Layer 'Conv0' does not fit the target 'tensorrt': TensorRT takes activations as int8, "
        "not as uint8. 2 more layers do not fit either. "
        "Choose activations 'int8:tensor:mse:sym' for it; --fit does so for every layer."
    )
    with pytest.raises(RecipeError, match=r"1 more layer does not fit either\."):
        check_fits(target, layers[:2], recipe.resolve_all(layers))


def test_explanations_have_a_line_for_each_role() -> None:
    """From what, to what, and why."""
    text = explain(load_target("tensorrt"), _layer("Conv"), _specs("int4", "uint8"))
    first, second = text.split("\n")
    assert first.startswith("Weights: int4:channel:minmax:sym becomes int8:channel:minmax:sym. ")
    assert "takes weights as int8" in first
    assert second.startswith("Activations: uint8:tensor:mse:asym becomes int8:tensor:mse:sym. ")


@pytest.fixture
def document(sample_models: Any) -> Document:
    """A small network."""
    return Document(open_model(sample_models / "digits_cnn.onnx"))


def test_targets_and_fits_are_steps_of_the_history(document: Document) -> None:
    """One each, with a name, and taken back in one."""
    names = [layer.name for layer in document.layers]
    document.apply(set_layers(names[:2], weights=QuantSpec("int4")))
    document.apply(set_target("tensorrt", "TensorRT"))
    target = load_target(document.recipe.target)
    assert set(misfits(target, document.layers, document.specs)) == set(names[:2])
    changed = document.apply(fit_layers(target, document.layers, whole_model=True))
    assert changed == set(names[:2])
    assert misfits(target, document.layers, document.specs) == {}
    assert [step.label for step in document.steps][-2:] == [
        "Target TensorRT",
        "All layers: fit TensorRT",
    ]
    document.undo()
    assert set(misfits(target, document.layers, document.specs)) == set(names[:2])
    document.undo()
    assert document.recipe.target == "ort-cpu"


def test_twenty_thousand_layers_are_judged_by_look_up(
    monkeypatch: pytest.MonkeyPatch, make_layer: Callable[..., Layer]
) -> None:
    """Layers that are alike are judged once."""
    from inspector.session import target_rules

    judged: list[object] = []
    real = target_rules.spec_violations

    def spy(*arguments: Any) -> Any:
        judged.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(target_rules, "spec_violations", spy)
    layers = [make_layer(f"layer{number}", "Gemm") for number in range(20_000)]
    form = Form(("int8",), ("tensor",), symmetric=True, source="Data sheet, 1")
    target = Target("t", "T", "T.", weights=(form,), activations=(form,))
    specs = dict.fromkeys([layer.name for layer in layers], _specs("int8", "uint8"))
    assert len(misfits(target, layers, specs)) == 20_000
    assert len(judged) <= 2
