"""The recipe of a quantized model for the float model that it was made from, by way of files."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from inspector.errors import RecipeError, UnsupportedError
from inspector.evaluate.data import load_data
from inspector.evaluate.runtime import open_session
from inspector.onnxio.loading import load_model
from inspector.session.import_file import import_file
from inspector.session.importing import open_as_recipe
from inspector.session.job import QuantizeRequest, quantize_model
from inspector.session.opening import open_model
from inspector.session.recipe import load_recipe
from inspector.session.transfer import transfer


class _Samples(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, path: Path, model: Path) -> None:
        data = load_data(path, open_model(model).graph, limit=8)
        self._left = list(data.samples())

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self._left.pop() if self._left else None


@pytest.fixture(scope="module")
def mobile(sample_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The sample with folded convolutions, quantized by onnxruntime; a form for each call."""
    folder = tmp_path_factory.mktemp("mobile")
    source = sample_models / "digits_mobile.onnx"
    logging.getLogger().setLevel(logging.ERROR)

    def make(form: QuantFormat) -> Path:
        target = folder / f"{form}.onnx"
        if not target.exists():
            samples = _Samples(sample_models / "digits_calibration.npz", source)
            options: dict[str, Any] = {"activation_type": QuantType.QUInt8, "per_channel": True}
            quantize_static(source, target, samples, quant_format=form, **options)
        return target

    return make


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
def test_the_float_original_gets_the_very_grids(
    sample_models: Path, mobile: Callable[..., Path], tmp_path: Path, form: QuantFormat
) -> None:
    """Quantized anew from the float weights it is as good as the file, and needs no data."""
    path, original = mobile(form), sample_models / "digits_mobile.onnx"
    recipe, output = tmp_path / "recipe.toml", tmp_path / "anew.onnx"
    found = import_file(path, recipe, original=original)
    assert found.trip is not None
    assert found.trip.same
    layers = open_model(original).graph.layers
    assert found.taken == len(layers)
    request = QuantizeRequest(original, output, load_recipe(recipe))
    assert quantize_model(request).recipe.pins is not None
    data = load_data(sample_models / "digits_evaluation.npz", open_model(original).graph, limit=8)
    floats, theirs, ours = (open_session(one, threads=1) for one in (original, path, output))
    for feeds in data.samples():
        expected, first, second = (one.run(feeds) for one in (floats, theirs, ours))
        for name, values in expected.items():
            error = [np.square(values - other[name]).sum() for other in (first, second)]
            assert error[1] <= 4 * error[0] + 1e-3


def test_layers_that_the_original_lacks_are_named(
    sample_models: Path, mobile: Callable[..., Path]
) -> None:
    """Another model altogether has nothing in common, which is an error."""
    found = open_as_recipe(mobile(QuantFormat.QDQ))
    with contextlib.suppress(UnsupportedError):
        moved = transfer(found, open_model(sample_models / "digits_vit.onnx"))
        # Some layers may resemble each other by their place: what is left over is told.
        assert any("Not found in digits_vit.onnx" in note for note in moved.notes)


def test_a_recipe_for_another_model_is_refused_by_name(
    sample_models: Path, mobile: Callable[..., Path], tmp_path: Path
) -> None:
    """Before any work."""
    recipe = tmp_path / "recipe.toml"
    import_file(mobile(QuantFormat.QDQ), recipe, verify=False)
    text = recipe.read_text(encoding="utf-8")
    rules = text[text.index("[[rule]]") : text.index("[[grid]]")]
    recipe.write_text(text.replace(rules, ""), encoding="utf-8")
    request = QuantizeRequest(
        sample_models / "digits_cnn.onnx", tmp_path / "out.onnx", load_recipe(recipe)
    )
    with pytest.raises(RecipeError, match="grids of another model"):
        quantize_model(request)
    assert load_model(sample_models / "digits_cnn.onnx")
