"""The simulated format: float weights on their grids, and no integer kernels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from inspector.evaluate.runtime import open_session, optimized_op_counts
from inspector.onnxio.draft import whole_proto
from inspector.onnxio.runnable import runnable
from inspector.onnxio.writers.qdq import write_qdq
from inspector.onnxio.writers.simulated import bake_decoded, to_simulated
from inspector.quant.kernels import fake_quantize

Build = Callable[..., ModelProto]
Quantize = Callable[..., Any]

_rng = np.random.default_rng(9)


def _values(*shape: int) -> np.ndarray:
    return _rng.standard_normal(shape).astype(np.float32)


def _model(build: Build) -> ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "c", "b"], ["a"], "conv", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("ConvTranspose", ["r", "t"], ["u"], "up"),
        helper.make_node("Flatten", ["u"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "g", "h"], ["i"], "gemm", transB=1),
        helper.make_node("MatMul", ["i", "m"], ["y"], "matmul"),
    ]
    constants = {
        "c": _values(4, 3, 3, 3), "b": _values(4), "t": _values(4, 2, 2, 2),
        "g": _values(6, 50), "h": _values(6), "m": _values(6, 32),
    }  # fmt: skip
    return build(nodes, {"x": [1, 3, 4, 4]}, ["y"], constants)


@pytest.mark.parametrize(
    ("weights", "activations"),
    [
        ("int8", "uint8"), ("int8", "float"), ("int4:block16", "uint8"), ("int3", "int8:sym"),
        ("uint8", "uint16"), ("int2", "uint4"), ("float", "uint8"),
    ],
)  # fmt: skip
def test_it_computes_what_was_predicted_in_floats(
    build: Build, quantized: Quantize, weights: str, activations: str
) -> None:
    """Within a step where a rounding tips over, as floats are added in another order."""
    made = quantized(_model(build), weights, activations)
    model = to_simulated(made.written)
    proto = whole_proto(model)
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(proto), full_check=True)
    kinds = {t.data_type for t in proto.graph.initializer if len(t.dims) > 1}
    assert kinds == {onnx.TensorProto.FLOAT}
    counts = optimized_op_counts(runnable(model))
    assert not {"QLinearConv", "QGemm", "QLinearMatMul", "MatMulInteger", "MatMulNBits"} & set(
        counts
    )
    largest = max(np.abs(one["y"]).max() for one in made.predicted())
    share = 0.3 if activations == "uint4" else 0.02
    sessions = [open_session(runnable(model), threads=1, optimize=o) for o in (False, True)]
    for feeds, predicted in zip(made.feeds, made.predicted(), strict=True):
        for session in sessions:
            found = session.run(feeds)["y"]
            np.testing.assert_allclose(found, predicted["y"], atol=share * largest)
            assert np.median(np.abs(found - predicted["y"])) < 0.2 * share * largest


def test_weights_are_on_their_grids(build: Build, quantized: Quantize) -> None:
    """Bit for bit, blocks and channels alike; ONNX's own evaluator runs the file."""
    made = quantized(_model(build), {
        "conv": "int4:channel", "up": "int8:tensor", "gemm": "int5:block16", "matmul": "int8",
    }, "uint8")  # fmt: skip
    proto = whole_proto(to_simulated(made.written))
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    read = {node.name: node.input[1] for node in proto.graph.node if node.input[1:]}
    for layer in made.placement.graph.layers:
        wanted = fake_quantize(made.model.constant(layer.weight), made.grids.weights[layer.name])
        np.testing.assert_array_equal(found[read[layer.name]], wanted)
    ops = Counter(node.op_type for node in proto.graph.node)
    assert ops["QuantizeLinear"] == ops["DequantizeLinear"] > 0
    (output,) = ReferenceEvaluator(proto).run(None, made.feeds[0])
    np.testing.assert_allclose(output, made.predicted()[0]["y"], rtol=0.05, atol=0.1)


@pytest.mark.parametrize("weights", ["log4", "binary:tensor", "ternary", "float16", "bfloat16"])
def test_decoded_weights_are_floats_too(build: Build, quantized: Quantize, weights: str) -> None:
    """No codes are packed, and nothing decodes them: the floats are those on the grid."""
    made = quantized(_model(build), weights, "float")
    model, grids = bake_decoded(made.model, made.placement.graph, made.grids)
    assert not grids.weights
    written = to_simulated(write_qdq(model, made.placement, grids))
    assert Counter(node.op_type for node in written.proto.graph.node) == Counter(
        node.op_type for node in made.model.proto.graph.node
    )
    for layer in made.placement.graph.layers:
        node = next(one for one in written.proto.graph.node if one.name == layer.name)
        wanted = fake_quantize(made.model.constant(layer.weight), made.grids.weights[layer.name])
        np.testing.assert_array_equal(written.constant(node.input[layer.weight_slot]), wanted)
