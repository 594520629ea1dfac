"""Passes that are left out: in recipes, in the job, in statistics, and from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from inspector.errors import DataError, RecipeError
from inspector.onnxio.loading import load_model
from inspector.session.edits import switch_passes
from inspector.session.gather import calibrate_model
from inspector.session.job import QuantizeRequest, quantize_model
from inspector.session.opening import open_model, prepared_otherwise
from inspector.session.recipe import Recipe, load_recipe
from inspector.session.recipe_diff import recipe_diff
from inspector.session.samples import SampleRequest

SKIP = frozenset({"fold_batch_norm"})


@pytest.fixture
def model(sample_models: Path, tmp_path: Path) -> Path:
    """A small model with normalizations, where it can be written beside."""
    return Path(shutil.copy(sample_models / "digits_cnn.onnx", tmp_path))


def test_a_recipe_says_what_is_left_out() -> None:
    """In the order in which the passes run, and not at all where there is none."""
    recipe = Recipe(skip=frozenset({"fold_pad", "drop_identity"}))
    text = recipe.to_toml()
    assert 'skip = ["drop_identity", "fold_pad"]' in text
    assert Recipe.parse(text) == recipe
    assert "skip" not in Recipe().to_toml()
    (found,) = recipe_diff(recipe, Recipe(), ())
    assert (found.this, found.other) == ("drop_identity, fold_pad", "none")


@pytest.mark.parametrize("value", ['"fold_pad"', "[1]", '["fold_pads"]', '["name_nodes"]'])
def test_a_wrong_list_is_refused_with_its_line(value: str) -> None:
    """What is wrong, where, and what would be right."""
    with pytest.raises(RecipeError, match="line 2: skip") as caught:
        Recipe.parse(f"version = 1\nskip = {value}\n")
    assert "fold_pad" in caught.value.hint or "The passes are" in caught.value.hint


def test_switching_is_an_edit() -> None:
    """Off and on again; both say which pass."""
    off = switch_passes(["fold_pad"], on=False)
    assert off.label == "Fold Pad off"
    skipped = off.change(Recipe())
    assert skipped.skip == {"fold_pad"}
    assert switch_passes(["fold_pad"], on=True).change(skipped) == Recipe()


def test_a_model_is_prepared_otherwise_from_what_is_open(model: Path) -> None:
    """The file is not read again; the same choice gives the same model back."""
    opened = open_model(model)
    other = prepared_otherwise(opened, SKIP)
    assert other.source is opened.source
    assert other.shown is opened.shown
    assert other.skip == SKIP
    kinds = [node.op_type for node in other.graph.nodes]
    assert kinds.count("BatchNormalization") == 9
    assert other.prepared.key == open_model(model, skip=SKIP).prepared.key
    assert prepared_otherwise(other, SKIP) is other


def test_a_saved_model_gives_the_same_numbers_from_its_recipe(
    model: Path, sample_models: Path, tmp_path: Path
) -> None:
    """What was left out is in the metadata, so that the same file comes of it again."""
    data = sample_models / "digits_calibration.npz"
    saved = tmp_path / "saved.onnx"
    request = QuantizeRequest(model, saved, Recipe(skip=SKIP), data, samples=8)
    result = quantize_model(request)
    assert [p.name for p in result.passes if p.skipped] == ["fold_batch_norm"]
    found = result.verification
    assert found is not None
    assert found.predicted.sqnr_db == pytest.approx(found.measured.sqnr_db, abs=1e-6)
    recipe = load_recipe(saved)
    assert recipe.skip == SKIP
    again = tmp_path / "again.onnx"
    quantize_model(QuantizeRequest(model, again, recipe, data, samples=8))
    assert load_model(again).key == load_model(saved).key


def test_statistics_belong_to_what_is_left_out(
    model: Path, sample_models: Path, tmp_path: Path
) -> None:
    """Tensors have other values where other passes ran."""
    statistics = tmp_path / "statistics.npz"
    samples = SampleRequest(sample_models / "digits_calibration.npz", limit=4)
    calibrate_model(model, statistics, samples, skip=SKIP)
    request = QuantizeRequest(model, tmp_path / "q.onnx", Recipe(), statistics, verify=False)
    with pytest.raises(DataError, match="other passes left out"):
        quantize_model(request)
    quantize_model(
        QuantizeRequest(model, request.output, Recipe(skip=SKIP), statistics, verify=False)
    )
    assert request.output.exists()
