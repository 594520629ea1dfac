"""Raising the opset: the same function, names and weights, or a clear error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from inspector import offload
from inspector.errors import UnsupportedError
from inspector.onnxio.draft import whole_proto
from inspector.onnxio.loading import model_of
from inspector.onnxio.opset import opset_of, raise_opset

Build = Callable[..., ModelProto]
Run = Callable[..., list[np.ndarray]]


def _network(build: Build, opset: int) -> ModelProto:
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((8, 6, 3, 3)).astype(np.float32)
    clip = (
        helper.make_node("Clip", ["a"], ["b"], "clip", min=0.0, max=6.0)
        if opset < 11
        else helper.make_node("Clip", ["a", "low", "high"], ["b"], "clip")
    )
    ends = {} if opset < 11 else {"low": np.float32(0), "high": np.float32(6)}
    nodes = [
        helper.make_node("Conv", ["x", "w", "bias"], ["a"], "conv", pads=[1] * 4),
        clip,
        helper.make_node("GlobalAveragePool", ["b"], ["c"], "pool"),
        helper.make_node("Flatten", ["c"], ["d"], "flatten"),
        helper.make_node("Gemm", ["d", "v", "u"], ["e"], "gemm", transB=1),
        helper.make_node("Softmax", ["e"], ["y"], "softmax", axis=1),
    ]
    constants = {
        "w": wide,
        "bias": rng.standard_normal(8).astype(np.float32),
        "v": rng.standard_normal((5, 8)).astype(np.float32),
        "u": rng.standard_normal(5).astype(np.float32),
        **ends,
    }
    return build(nodes, {"x": ["N", 6, 7, 7]}, ["y"], constants, opset=opset)


@pytest.mark.parametrize("target", [13, 21, 25])
@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17])
def test_the_function_names_and_weights_stay(
    build: Build, run: Run, opset: int, target: int
) -> None:
    """Outputs are equal in onnxruntime before and after."""
    model = model_of(_network(build, opset))
    raised = raise_opset(model, target)
    assert opset_of(raised) == max(opset, target)
    proto = whole_proto(raised)
    names = {node.name for node in proto.graph.node}
    assert {node.name for node in model.proto.graph.node} <= names
    for name in ("w", "bias", "v", "u"):
        np.testing.assert_array_equal(raised.constant(name), model.constant(name))
    feeds = {"x": np.random.default_rng(1).standard_normal((2, 6, 7, 7)).astype(np.float32)}
    before = run(whole_proto(model).SerializeToString(), feeds)
    after = run(proto.SerializeToString(), feeds)
    np.testing.assert_allclose(after[0], before[0], rtol=1e-6, atol=1e-7)


def test_a_model_that_is_there_already_stays_itself(build: Build) -> None:
    """Nothing is lowered, and nothing is copied."""
    model = model_of(_network(build, 21))
    assert raise_opset(model, 13) is model


def test_metadata_and_other_domains_stay(build: Build) -> None:
    """Operators of other domains pass through the converter."""
    nodes = [
        helper.make_node("Gelu", ["x"], ["g"], "gelu", domain="com.microsoft"),
        helper.make_node("MatMul", ["g", "w"], ["y"], "mm"),
    ]
    proto = build(nodes, {"x": [2, 3]}, ["y"], {"w": np.eye(3, dtype=np.float32)})
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    helper.set_model_props(proto, {"author": "somebody"})
    raised = raise_opset(model_of(proto), 21)
    assert {o.domain: o.version for o in raised.proto.opset_import} == {"": 21, "com.microsoft": 1}
    assert [(e.key, e.value) for e in raised.proto.metadata_props] == [("author", "somebody")]


def test_what_cannot_be_converted_is_named(build: Build) -> None:
    """An operator that ONNX dropped."""
    nodes: list[Any] = [
        helper.make_node("Conv", ["x", "w"], ["a"], "conv"),
        helper.make_node("ImageScaler", ["a"], ["y"], "scale", scale=2.0),
    ]
    proto = build(nodes, {"x": [1, 1, 3, 3]}, ["y"], {"w": np.ones((1, 1, 1, 1), np.float32)})
    proto.opset_import[0].version = 8
    assert proto.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
    with pytest.raises(UnsupportedError, match="ImageScaler") as caught:
        raise_opset(model_of(proto), 13)
    assert "opset 13" in caught.value.hint


def test_a_model_of_other_domains_only(build: Build) -> None:
    """It names no opset of ONNX's own; the converter would stop at an assertion."""
    nodes: list[Any] = [helper.make_node("MatMul", ["x", "w"], ["y"], "fc")]
    proto = build(nodes, {"x": [1, 2]}, ["y"], {"w": np.ones((2, 2), np.float32)})
    proto.opset_import[0].domain = "ai.onnx.contrib"
    with pytest.raises(UnsupportedError, match="does not say which opset"):
        raise_opset(model_of(proto), 13)


def test_another_process_converts_and_refuses_alike(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same model, and the same words."""
    model = model_of(_network(build, 9))
    proto = _network(build, 9)
    proto.graph.node[0].ClearField("input")
    broken = model_of(proto)
    key = raise_opset(model, 13).key
    with pytest.raises(UnsupportedError) as here:
        raise_opset(broken, 13)
    monkeypatch.setattr(offload, "SMALL", 0)
    monkeypatch.setattr(offload, "WARM", ())
    offload.start()
    try:
        assert raise_opset(model, 13).key == key
        with pytest.raises(UnsupportedError) as there:
            raise_opset(broken, 13)
    finally:
        offload.stop()
    assert here.value.message == there.value.message
