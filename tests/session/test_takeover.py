"""Encodings of other tools become recipes that give the same numbers again."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspector.errors import InspectorError
from inspector.evaluate.calibrate import Calibration, calibrate
from inspector.evaluate.data import load_data
from inspector.onnxio.encodings import FORMATS
from inspector.quant.spec import QuantSpec
from inspector.session.chosen import grids_of, resolve
from inspector.session.gather import all_tensors
from inspector.session.handover import Numbers
from inspector.session.opening import OpenModel, open_model
from inspector.session.recipe import DEFAULT_RECIPE, Recipe
from inspector.session.takeover import take_over


@pytest.fixture(scope="module")
def opened(sample_models: Path) -> OpenModel:
    """The sample network."""
    return open_model(sample_models / "digits_cnn.onnx")


@pytest.fixture(scope="module")
def calibration(opened: OpenModel, sample_models: Path) -> Calibration:
    """What its activations are like."""
    data = load_data(sample_models / "digits_calibration.npz", opened.graph, limit=16)
    return calibrate(opened.prepared, all_tensors(opened), data)


def numbers(opened: OpenModel, calibration: Calibration, recipe: Recipe) -> Numbers:
    """What a recipe comes to."""
    plan = opened.placement.plan(resolve(opened, recipe))
    return Numbers(opened, opened.prepared, grids_of(opened, plan, calibration), recipe)


@pytest.mark.parametrize(
    ("name", "version", "weights", "activations"),
    [
        *(("aimet", version, "int8", "uint8") for version in FORMATS["aimet"].versions),
        *(("qnn", version, "int8:tensor", "int8:sym") for version in FORMATS["qnn"].versions),
        ("aimet", "1.0.0", "int4", "int16:sym"),
        ("tensorrt", "8601", "int8", "int8:sym"),
        ("ncnn", "", "int8", "int8:sym"),
    ],
)
def test_there_and_back(
    opened: OpenModel,
    calibration: Calibration,
    tmp_path: Path,
    name: str,
    version: str,
    weights: str,
    activations: str,
) -> None:
    """What was written gives, taken over, the same scales and zero points."""
    recipe = DEFAULT_RECIPE.with_default(QuantSpec.parse(weights), QuantSpec.parse(activations))
    before = numbers(opened, calibration, recipe)
    path = tmp_path / f"net{FORMATS[name].suffix}"
    path.write_text(FORMATS[name].write(before.encodings(), version).text)
    found = take_over(opened, path)
    assert found.taken == len(opened.graph.layers)
    assert found.notes == ()
    after = numbers(opened, calibration, Recipe.parse(found.recipe.to_toml()))
    for layer in opened.graph.layers:
        tensor = layer.activations[0]
        one, other = (n.grids.at(tensor, layer.name) for n in (before, after))
        assert one is not None
        assert other is not None
        np.testing.assert_allclose(other.scale, one.scale, rtol=1e-5)
        shift = (one.qmin + one.qmax + 1) // 2 - (other.qmin + other.qmax + 1) // 2
        assert int(other.zero_point) + shift == int(one.zero_point)
        pair = before.grids.weights[layer.name], after.grids.weights[layer.name]
        np.testing.assert_allclose(pair[1].scale, pair[0].scale, rtol=1e-5)


def test_ranges_that_a_recipe_cannot_say_are_told(
    opened: OpenModel, calibration: Calibration, tmp_path: Path
) -> None:
    """Per channel there is minmax alone."""
    recipe = DEFAULT_RECIPE.with_default(QuantSpec.parse("int4:channel:mse"), None)
    made = numbers(opened, calibration, recipe).encodings()
    path = tmp_path / "net.encodings"
    path.write_text(FORMATS["aimet"].write(made, "1.0.0").text)
    found = take_over(opened, path)
    assert "minmax" in found.notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"encodings": 5}',
        '{"encodings": [{"name": "x", "output_dtype": "int8", "y_scale": -1}]}',
        '{"encodings": [{"name": "x", "output_dtype": "int99", "y_scale": 1}]}',
        '{"encodings": [{"output_dtype": "int8", "y_scale": 1}]}',
        '{"encodings": [{"name": "other", "output_dtype": "int8", "y_scale": 1}]}',
        '{"activation_encodings": {"x": [{"bitwidth": 8, "min": "a", "max": 1}]}}',
        '{"activation_encodings": [{"name": "x", "dtype": "INT", "bw": 8}]}',
        "TRT-8601-X\nimage: zz\n",
        "TRT-8601-X\n",
        "conv 5 x\n",
        "\x00\x01",
        "[" * 5000,
    ],
)
def test_what_is_no_encoding_is_one_clear_error(
    opened: OpenModel, tmp_path: Path, text: str
) -> None:
    """It names the file, and nothing else is raised."""
    path = tmp_path / "bad.encodings"
    path.write_text(text)
    with pytest.raises(InspectorError, match=r"bad\.encodings"):
        take_over(opened, path)


def test_spoiled_files_never_crash(
    opened: OpenModel, calibration: Calibration, tmp_path: Path
) -> None:
    """Whatever a value is replaced with: a recipe or an error."""
    made = numbers(opened, calibration, DEFAULT_RECIPE).encodings()
    dice = random.Random(5)
    for name, version in (("aimet", "0.6.1"), ("aimet", "1.0.0"), ("aimet", "2.0.0")):
        whole = FORMATS[name].write(made, version).text
        for _ in range(25):
            content = json.loads(whole)
            _spoil(content, dice)
            path = tmp_path / "net.encodings"
            path.write_text(json.dumps(content))
            with contextlib.suppress(InspectorError):
                assert take_over(opened, path).taken


def _spoil(value: Any, dice: random.Random) -> None:
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = dice.choice(keys)
        inner = value[key]
        if isinstance(inner, dict | list) and inner and dice.random() < 0.8:
            value = inner
            continue
        value[key] = dice.choice([None, "x", -1, 1e400, [], {}, 0, True])
        return
