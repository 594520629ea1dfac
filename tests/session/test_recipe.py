"""Recipes: what they decide, how they change, and how they are written."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import RecipeError, SaveError
from inspector.graph.model import Layer
from inspector.quant.spec import FLOAT, LayerSpecs, QuantSpec
from inspector.session.formats import FORMATS
from inspector.session.globs import escape
from inspector.session.job import QuantizeRequest, quantize_model
from inspector.session.recipe import DEFAULT_RECIPE, Recipe, Rule, load_recipe, save_recipe
from inspector.session.recipe_toml import MAX_BYTES

INT4 = QuantSpec.parse("int4:block32")
INT16 = QuantSpec.parse("int16:tensor:mse")
UINT8 = QuantSpec.parse("uint8:tensor:percentile99.99:asym")

SPECS = st.sampled_from(
    [
        QuantSpec.parse(text)
        for text in (
            "float",
            "int8",
            "uint4:block32@-1:kl",
            "int7:channel@0:range[-1.5,2]:sym:pow2",
            "fp8e4m3",
            "log4",
            "binary",
            "uint16:tensor:percentile99.999:asym",
        )
    ]
)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
NAMES = TEXTS | st.sampled_from(["/features/0/Conv", "a", "b", "op:Conv", "x*", r"back\slash"])
RULES = st.builds(
    Rule,
    st.one_of(NAMES.map(escape), NAMES.filter(lambda text: text != "op:")),
    SPECS,
    st.none() | SPECS,
) | st.builds(Rule, NAMES.map(escape), st.none(), SPECS)
RECIPES = st.builds(
    Recipe,
    default=st.builds(LayerSpecs, SPECS, SPECS),
    rules=st.lists(RULES, max_size=5).map(tuple),
    target=TEXTS,
    format=st.sampled_from([name for name, form in FORMATS.items() if not form.on_request]),
    matmul_nbits=st.booleans(),
    integer_io=st.booleans(),
)


def _layer(name: str, op_type: str = "Conv") -> Layer:
    return Layer(name, op_type, None, None, (), "", None, None)


@given(RECIPES)
@settings(deadline=None)
def test_parsing_is_the_inverse_of_printing(recipe: Recipe) -> None:
    """And printing is stable."""
    text = recipe.to_toml()
    assert Recipe.parse(text) == recipe
    assert Recipe.parse(text).to_toml() == text


def test_the_text_is_the_documented_one() -> None:
    """To the letter, so that recipes diff well."""
    recipe = Recipe(
        default=LayerSpecs(QuantSpec.parse("int8:channel:minmax"), UINT8),
        rules=(Rule("/features/0/*", INT16), Rule("op:Gemm", activations=FLOAT)),
    )
    assert recipe.to_toml() == (
        'version = 1\ntarget = "ort-cpu"\nformat = "qdq"\n\n[default]\n'
        'weights = "int8:channel:minmax"\nactivations = "uint8:tensor:percentile99.99:asym"\n\n'
        '[[rule]]\nlayers = "/features/0/*"\nweights = "int16:tensor:mse"\n\n'
        '[[rule]]\nlayers = "op:Gemm"\nactivations = "float"\n'
    )


def test_what_is_left_out_is_the_default() -> None:
    """The shortest recipe is its version."""
    assert Recipe.parse("version = 1") == DEFAULT_RECIPE
    assert str(DEFAULT_RECIPE.default.weights) == "int8"
    assert str(DEFAULT_RECIPE.default.activations) == "uint8"
    recipe = Recipe.parse('version = 1\n[default]\nactivations = "float"')
    assert recipe.default == LayerSpecs(DEFAULT_RECIPE.default.weights, FLOAT)


def test_later_rules_win_field_by_field() -> None:
    """Weights and activations are decided apart."""
    recipe = Recipe(
        rules=(
            Rule("op:Conv", weights=INT4, activations=INT16),
            Rule("/a/*", weights=INT16),
            Rule("/a/b", activations=FLOAT),
        )
    )
    default = DEFAULT_RECIPE.resolve(_layer("x"))
    assert recipe.resolve(_layer("x", "Gemm")) == default
    assert recipe.resolve(_layer("x")) == LayerSpecs(
        INT4.filled("weights"), INT16.filled("activations")
    )
    assert recipe.resolve(_layer("/a/b")) == LayerSpecs(INT16.filled("weights"), FLOAT)
    assert recipe.resolve(_layer("/a/b", "Gemm")) == LayerSpecs(INT16.filled("weights"), FLOAT)


def test_specs_are_filled_by_what_the_tensor_is() -> None:
    """What a view shows has no open fields."""
    specs = DEFAULT_RECIPE.resolve(_layer("x"))
    assert str(specs.weights) == "int8:channel:minmax:sym"
    assert str(specs.activations) == "uint8:tensor:mse:asym"


@given(RECIPES, st.lists(st.tuples(NAMES, st.sampled_from(["Conv", "op:Conv"])), max_size=6))
@settings(deadline=None)
def test_the_index_agrees_with_trying_each_rule(
    recipe: Recipe, subjects: list[tuple[str, str]]
) -> None:
    """The look-up is only a faster way to the same answer."""
    layers = [_layer(*subject) for subject in subjects]
    resolved = recipe.resolve_all(layers)
    for layer in {layer.name: layer for layer in layers}.values():
        weights, activations = recipe.default.weights, recipe.default.activations
        for rule in recipe.rules:
            if rule.pattern.matches(layer):
                weights = rule.weights or weights
                activations = rule.activations or activations
        assert recipe.resolve(layer) == LayerSpecs(
            weights.filled("weights"), activations.filled("activations")
        )
        assert resolved[layer.name] is recipe.resolve(layer)
    assert recipe.unmatched(layers) == tuple(
        rule for rule in recipe.rules if not any(rule.pattern.matches(layer) for layer in layers)
    )


@given(RECIPES, NAMES, SPECS, st.none() | SPECS)
@settings(deadline=None)
def test_an_override_wins_and_touches_no_other_layer(
    recipe: Recipe, name: str, weights: QuantSpec, activations: QuantSpec | None
) -> None:
    """Whatever the rules before it, and whatever the name."""
    layer, other = _layer(name), _layer(name + "'")
    changed = recipe.with_layer(name, weights, activations)
    before, after = recipe.resolve(layer), changed.resolve(layer)
    assert after.weights == weights.filled("weights")
    wanted = before.activations if activations is None else activations.filled("activations")
    assert after.activations == wanted
    assert changed.resolve(other) == recipe.resolve(other)
    assert changed.is_overridden(layer)
    assert changed.with_layer(name, weights, activations) == changed
    assert Recipe.parse(changed.to_toml()) == changed
    assert not changed.without_layer(name).is_overridden(layer)


@given(RECIPES, st.lists(NAMES, max_size=4), SPECS)
@settings(deadline=None)
def test_many_overrides_at_once_are_as_one_after_the_other(
    recipe: Recipe, names: list[str], spec: QuantSpec
) -> None:
    """The batch form is only faster."""
    one_by_one = recipe
    for name in names:
        one_by_one = one_by_one.with_layer(name, activations=spec)
    assert recipe.with_layers(names, activations=spec) == one_by_one


def test_one_layer_has_one_rule_and_keeps_its_place() -> None:
    """Changing a layer twice does not pile up rules."""
    recipe = DEFAULT_RECIPE.with_layer("a", INT4).with_layer("b", INT4)
    recipe = recipe.with_layer("a", INT16).with_layer("a", activations=FLOAT)
    assert recipe.rules == (Rule("a", INT16, FLOAT), Rule("b", INT4))
    assert recipe.override_for("a") == Rule("a", INT16, FLOAT)
    assert recipe.override_for("c") is None
    assert recipe.without_layer("a", "weights").override_for("a") == Rule("a", None, FLOAT)
    assert recipe.without_layer("a", "weights").without_layer("a", "activations") == (
        recipe.without_layer("a")
    )
    assert recipe.without_layers(["a", "b"]) == DEFAULT_RECIPE
    assert DEFAULT_RECIPE.without_layer("a") is DEFAULT_RECIPE
    assert DEFAULT_RECIPE.with_layer("a") is DEFAULT_RECIPE


def test_an_override_overruled_by_a_pattern_does_not_come_back_by_accident() -> None:
    """A new override carries only what was set now."""
    recipe = Recipe(rules=(Rule("a", INT4), Rule("*", INT16))).with_layer("a", activations=FLOAT)
    assert recipe.resolve(_layer("a")) == LayerSpecs(INT16.filled("weights"), FLOAT)


def test_rules_with_patterns_are_no_overrides() -> None:
    """Reset never removes a rule that speaks of other layers too."""
    recipe = Recipe(rules=(Rule("a*", INT4), Rule("op:Conv", INT4)))
    assert not recipe.is_overridden("a*")
    assert not recipe.is_overridden(_layer("ab"))
    assert recipe.without_layer("a*") is recipe


def test_recipes_are_values() -> None:
    """The compiled index takes no part in comparing."""
    recipe = DEFAULT_RECIPE.with_layer("a", INT4)
    recipe.resolve(_layer("a"))
    assert recipe == DEFAULT_RECIPE.with_layer("a", INT4)
    assert hash(recipe) == hash(DEFAULT_RECIPE.with_layer("a", INT4))
    assert recipe.with_default(weights=INT16).resolve(_layer("b")).weights.bits == 16


def test_many_layers_and_many_overrides_are_resolved_by_look_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No pattern is tried for an exact name or operator."""
    layers = [_layer(f"/block.{number}/Conv") for number in range(20_000)]
    recipe = DEFAULT_RECIPE.with_layers([layer.name for layer in layers], INT4)
    recipe = recipe.with_rule(Rule("op:Conv", activations=FLOAT))
    tries = []
    pattern = type(recipe.rules[0].pattern)
    monkeypatch.setattr(pattern, "matches", lambda *_: tries.append(1))
    resolved = recipe.resolve_all(layers)
    assert len(resolved) == 20_000
    assert len(set(map(id, resolved.values()))) == 1
    assert not tries


def test_check_accepts_the_default(layers: tuple[Layer, ...]) -> None:
    """On both targets."""
    DEFAULT_RECIPE.check(layers)
    Recipe(target="generic", rules=(Rule("*", INT4),)).check(layers)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Recipe(format="qqd"), "no format 'qqd'.*'qdq'"),
        (Recipe(target="ort"), "no target 'ort'.*ort-cpu"),
        (Recipe(rules=(Rule("/feature/0/*", INT4),)), "'/feature/0/.*matches no layer.*/features"),
        (Recipe(rules=(Rule("op:conv", INT4),)), "'op:conv' matches no layer.*'op:Conv'"),
        (Recipe(rules=(Rule("x", INT4), Rule("y", INT4))), "'x' .and 1 more. matches no layer"),
        (Recipe(rules=(Rule("CLASSIFIER", INT4),)), "'classifier'"),
        (Recipe(rules=(Rule("model/dense[1]", INT4),)), r"'model/dense\[0\]'"),
    ],
)
def test_check_names_what_does_not_fit(
    recipe: Recipe, message: str, layers: tuple[Layer, ...]
) -> None:
    """With the nearest thing that would."""
    with pytest.raises(RecipeError, match=message):
        recipe.check(layers)


def test_a_model_without_layers_matches_no_rule() -> None:
    """But the default recipe fits it."""
    with pytest.raises(RecipeError, match="no such layers at all"):
        Recipe(rules=(Rule("*", INT4),)).check(())
    DEFAULT_RECIPE.check(())


def test_saving_and_loading(tmp_path: Path) -> None:
    """Permissions stay, nothing else is left in the folder."""
    path = tmp_path / "my recipe.toml"
    recipe = DEFAULT_RECIPE.with_layer("schön*", INT4)
    save_recipe(recipe, path)
    assert load_recipe(path) == recipe
    assert path.read_bytes().decode() == recipe.to_toml()
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600
    path.chmod(0o640)
    save_recipe(DEFAULT_RECIPE, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_saving_through_a_link_keeps_the_link(tmp_path: Path) -> None:
    """The file behind it changes."""
    (tmp_path / "link.toml").symlink_to(tmp_path / "real.toml")
    save_recipe(DEFAULT_RECIPE, tmp_path / "link.toml")
    assert (tmp_path / "link.toml").is_symlink()
    assert load_recipe(tmp_path / "real.toml") == DEFAULT_RECIPE


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "is a folder"),
        ("missing/recipe.toml", "no folder .*missing"),
        ("x" * 300, "cannot be written|could not be written"),
        ("nul\0.toml", "cannot be written"),
        ("/dev/null", "not a regular file"),
    ],
)
def test_saving_where_it_cannot_be(tmp_path: Path, name: str, message: str) -> None:
    """One clear error each, and devices are never replaced."""
    with pytest.raises(SaveError, match=message):
        save_recipe(DEFAULT_RECIPE, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no partial file beside it."""
    path = tmp_path / "recipe.toml"
    save_recipe(DEFAULT_RECIPE, path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SaveError, match=r"disk is full.*recipe\.toml"):
        save_recipe(DEFAULT_RECIPE.with_layer("a", INT4), path)
    assert load_recipe(path) == DEFAULT_RECIPE
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def _folder(path: Path) -> None:
    path.mkdir()


def _long(path: Path) -> None:
    """A file that takes no room on most disks."""
    path.touch()
    os.truncate(path, MAX_BYTES + 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "does not exist"),
        (_folder, "is a folder"),
        (lambda path: path.write_bytes(b"version = 1\n# \xff"), "not UTF-8.*byte 14"),
        (_long, "larger than 64 MB"),
        (lambda path: path.write_bytes(b"\xff\xfev\0e\0"), "not UTF-8"),
        (lambda path: path.write_bytes(b"\0\0\0\0"), "not valid TOML"),
        (lambda path: path.write_text("version = 2"), "r.toml, line 1: version is 2"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (lambda path: path.symlink_to(path), "r.toml"),
    ],
)
def test_files_that_are_no_recipe(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    """Each error names the file and a next step."""
    path = tmp_path / "r.toml"
    make(path)
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(path)
    assert "r.toml" in caught.value.message
    assert caught.value.hint


def test_a_saved_model_gives_its_recipe_back(sample_models: Path, tmp_path: Path) -> None:
    """Whatever was chosen can be read from the metadata and used again."""
    recipe = DEFAULT_RECIPE.with_rule(Rule("op:Gemm", QuantSpec.parse("int16:tensor:mse"), None))
    saved = tmp_path / "small.onnx"
    request = QuantizeRequest(
        sample_models / "digits_cnn.onnx",
        saved,
        recipe,
        calibration=sample_models / "digits_calibration.npz",
        samples=8,
        verify=False,
    )
    quantize_model(request)
    assert load_recipe(saved) == recipe


def test_a_model_without_recipe_is_refused_as_one(sample_models: Path) -> None:
    """A float model holds no recipe, and says so."""
    with pytest.raises(RecipeError, match="holds no recipe"):
        load_recipe(sample_models / "digits_cnn.onnx")
