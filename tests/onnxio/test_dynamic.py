"""Activations quantized when the model runs: the file, the simulation and ONNX's own evaluator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, helper
from onnx.reference import ReferenceEvaluator

from inspector.evaluate.runtime import open_session
from inspector.onnxio.draft import whole_proto
from inspector.onnxio.runnable import runnable
from inspector.onnxio.writers.dynamic import write_dynamic
from inspector.onnxio.writers.qdq import write_qdq

Build = Callable[..., ModelProto]
Quantize = Callable[..., Any]

_rng = np.random.default_rng(11)


def _values(*shape: int) -> np.ndarray:
    return _rng.standard_normal(shape).astype(np.float32)


def _model(build: Build) -> ModelProto:
    """Convolutions with and without groups and bias, products of all kinds; x is read twice."""
    nodes = [
        helper.make_node("Conv", ["x", "c1", "b1"], ["a"], "conv", pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("Conv", ["r", "c2"], ["d"], "grouped", group=2, auto_pad="SAME_UPPER"),
        helper.make_node("Conv", ["x", "c3"], ["e"], "second", pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Add", ["d", "e"], ["s"], "add"),
        helper.make_node("Flatten", ["s"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "g", "b2"], ["h"], "gemm", transB=1),
        helper.make_node("MatMul", ["h", "m"], ["i"], "matmul"),
        helper.make_node("Gemm", ["i", "n"], ["j"], "plain"),
        helper.make_node("MatMul", ["l", "j"], ["y"], "left"),
    ]
    constants = {
        "c1": _values(6, 3, 3, 3), "b1": _values(6), "c2": _values(4, 3, 3, 3),
        "c3": _values(4, 3, 3, 3), "g": _values(10, 64), "b2": _values(10), "m": _values(10, 7),
        "n": _values(7, 5), "l": _values(3, 2),
    }  # fmt: skip
    return build(nodes, {"x": [2, 3, 8, 8]}, ["y"], constants)


def _written(made: Any, *, unsigned: bool = True) -> Any:
    graph = made.placement.graph
    model, grids = write_dynamic(made.model, graph, made.grids, unsigned_kernels=unsigned)
    return write_qdq(model, made.placement, grids)


def _near(found: np.ndarray, wanted: np.ndarray, share: float = 1e-5) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=share * np.abs(wanted).max())


@pytest.mark.parametrize("unsigned", [True, False])
@pytest.mark.parametrize(
    "weights", ["int8:tensor", "int8:tensor:asym", "int8", "uint8:sym", "int5:tensor", "uint6:sym"]
)
def test_it_does_what_was_predicted(
    build: Build, quantized: Quantize, weights: str, unsigned: bool
) -> None:
    """In onnxruntime with and without its optimizations, and in ONNX's reference evaluator."""
    chosen = dict.fromkeys(("conv", "grouped", "second", "gemm", "matmul", "plain"), weights)
    made = quantized(_model(build), {**chosen, "left": "int8:tensor"}, "uint8", dynamic=True)
    assert made.plan.dynamic == {*chosen, "left"}
    assert not made.plan.points
    written = _written(made, unsigned=unsigned)
    proto = whole_proto(written)
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(proto), full_check=True)
    evaluator = ReferenceEvaluator(proto)
    sessions = [open_session(runnable(written), threads=1, optimize=o) for o in (False, True)]
    for feeds, predicted in zip(made.feeds, made.predicted(), strict=True):
        (reference,) = evaluator.run(None, feeds)
        _near(reference, predicted["y"])
        # Signed weights saturate the sums of onnxruntime's kernels on processors without VNNI.
        for session in sessions if unsigned else ():
            _near(session.run(feeds)["y"], predicted["y"])


def test_one_grid_for_each_tensor(build: Build, quantized: Quantize) -> None:
    """Both readers of x share what was found of it, and no float weight is left."""
    made = quantized(_model(build), "int8:tensor", "uint8", dynamic=True)
    proto = whole_proto(_written(made))
    ops = [node.op_type for node in proto.graph.node]
    assert ops.count("DynamicQuantizeLinear") == 6
    assert ops.count("ConvInteger") == 3
    assert ops.count("MatMulInteger") == 4
    names = {tensor.name for tensor in proto.graph.initializer}
    assert not names & {"c1", "c2", "c3", "g", "m", "n", "l"}


def test_what_has_no_kernel_keeps_integer_weights_alone(build: Build, quantized: Quantize) -> None:
    """A zero point for each channel of a convolution, scales per row, and transposed inputs."""
    nodes = [
        helper.make_node("Conv", ["x", "c"], ["a"], "conv"),
        helper.make_node("Reshape", ["a", "shape"], ["b"]),
        helper.make_node("Gemm", ["b", "g"], ["d"], "turned", transA=1),
        helper.make_node("MatMul", ["l", "d"], ["y"], "left"),
    ]
    constants = {
        "c": _values(4, 3, 1, 1), "shape": np.array([4, 16]), "g": _values(4, 6),
        "l": _values(3, 16),
    }  # fmt: skip
    proto = build(nodes, {"x": [1, 3, 4, 4]}, ["y"], constants)
    made = quantized(proto, {"conv": "uint8", "turned": "int8", "left": "int8"}, "uint8",
                     dynamic=True)  # fmt: skip
    assert made.plan.dynamic == frozenset()
    assert set(made.plan.weights) == {"conv", "turned", "left"}
    session = open_session(runnable(_written(made)), threads=1)
    for feeds, predicted in zip(made.feeds, made.predicted(), strict=True):
        _near(session.run(feeds)["y"], predicted["y"], 1e-4)


@given(
    scale=st.sampled_from([1e-30, 1e-3, 1.0, 1e4]),
    shift=st.sampled_from([-3.0, 0.0, 3.0]),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=12)
def test_any_range_of_values(
    build: Build, quantized: Quantize, scale: float, shift: float, seed: int
) -> None:
    """The range holds zero, whatever the values; a tensor of zeros stays one."""
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((9, 4)).astype(np.float32)
    node = helper.make_node("MatMul", ["x", "w"], ["y"], "m")
    made = quantized(build([node], {"x": [5, 9]}, ["y"], {"w": weight}), "int8", "uint8",
                     dynamic=True)  # fmt: skip
    session = open_session(runnable(_written(made)), threads=1)
    for values in (rng.standard_normal((5, 9)) + shift, np.zeros((5, 9))):
        feeds = {"x": (values * scale).astype(np.float32)}
        (predicted,) = made.predicted([feeds])
        _near(session.run(feeds)["y"], predicted["y"])
