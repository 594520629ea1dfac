"""A trained classifier with every layer dynamic: what a user asks first is what it still sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inspector.evaluate.data import load_data
from inspector.evaluate.pixels import pixel_hint
from inspector.evaluate.runtime import open_session
from inspector.quant.spec import QuantSpec
from inspector.session.job import QuantizeRequest, quantize_model
from inspector.session.opening import open_model
from inspector.session.recipe import Recipe, Rule


def test_five_best_classes_of_photographs_stay(shared_models: Path, tmp_path: Path) -> None:
    """uint8 weights, no calibration data, every convolution in integers."""
    source = shared_models / "float" / "squeezenet1.1_imagenet.onnx"
    uint8 = QuantSpec.parse("uint8:tensor")
    recipe = Recipe(format="dynamic").with_rule(Rule("op:Conv", uint8, QuantSpec("uint8")))
    output = tmp_path / "dynamic.onnx"
    result = quantize_model(QuantizeRequest(source, output, recipe, verify=False))
    assert all(layer.dynamic for layer in result.layers)
    assert result.quantized_bytes < 0.27 * result.float_bytes
    opened = open_model(source)
    hint = pixel_hint(opened.prepared, opened.graph)
    pictures = shared_models / "inputs" / "images_permissive"
    data = load_data(pictures, opened.graph, hint=hint, limit=4)
    sessions = [open_session(file) for file in (source, output)]
    same = 0
    for feeds in data.samples():
        best = [
            np.argsort(-next(iter(session.run(feeds).values())).reshape(-1))[:5]
            for session in sessions
        ]
        assert len(set(best[0]) & set(best[1])) >= 4
        same += set(best[0]) == set(best[1])
    assert same >= 3
