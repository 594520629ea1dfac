"""Models written piece by piece."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, helper

from inspector.onnxio import saving
from inspector.onnxio.draft import whole_proto
from inspector.onnxio.loading import load_model, model_of
from inspector.onnxio.saving import save_model
from inspector.onnxio.streaming import write_model

Build = Callable[..., ModelProto]


def _model(build: Build) -> Any:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("MatMul", ["x", "big"], ["a"], "m"),
        helper.make_node("Add", ["a", "small"], ["y"], "add"),
    ]
    constants = {
        "big": rng.standard_normal((100, 300)).astype(np.float32),
        "small": np.float32(1),
        "empty": np.zeros((0, 3), np.float32),
        "text": np.array(["a", "b"], object),
    }
    proto = build(nodes, {"x": [1, 100]}, ["y"], constants)
    helper.set_model_props(proto, {"author": "somebody"})
    return model_of(proto)


def test_it_reads_as_the_whole_does(build: Build) -> None:
    """Field by field what is written in one go."""
    model = _model(build)
    assert model.sources
    file = io.BytesIO()
    write_model(model, file)
    assert ModelProto.FromString(file.getvalue()) == whole_proto(model)
    assert len(file.getvalue()) == whole_proto(model).ByteSize()


def test_big_models_are_saved_so(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And found again; without a proto that holds all of it."""
    monkeypatch.setattr(saving, "_STREAMED", 1000)
    monkeypatch.setattr(saving, "whole_proto", lambda _: pytest.fail("it was held as a whole"))
    model = _model(build)
    save_model(model, tmp_path / "m.onnx")
    found = load_model(tmp_path / "m.onnx")
    np.testing.assert_array_equal(found.constant("big"), model.constant("big"))
    assert found.key == model.key


def test_quantized_weights_are_computed_one_at_a_time(
    build: Build, quantized: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each when it is written, and then no longer held."""
    monkeypatch.setattr(saving, "_STREAMED", 1000)
    rng = np.random.default_rng(1)
    constants = {f"w{i}": rng.standard_normal((200, 200)).astype(np.float32) for i in range(3)}
    nodes = [
        helper.make_node("MatMul", [f"t{i}", f"w{i}"], [f"t{i + 1}"], f"m{i}") for i in range(3)
    ]
    made = quantized(build(nodes, {"t0": [1, 200]}, ["t3"], constants), "int4:block32", "float")
    save_model(made.written, tmp_path / "m.onnx")
    assert ModelProto.FromString((tmp_path / "m.onnx").read_bytes()) == made.proto
