"""The QOperator format beside the QDQ model that it is made of, and beside the simulation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator

from inspector.evaluate.runtime import open_session
from inspector.onnxio.draft import whole_proto
from inspector.onnxio.runnable import runnable
from inspector.onnxio.writers.qoperator import to_qoperator

Build = Callable[..., ModelProto]
Quantize = Callable[..., Any]

_rng = np.random.default_rng(5)


def _values(*shape: int) -> np.ndarray:
    return _rng.standard_normal(shape).astype(np.float32)


def _residual(build: Build) -> ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], "c1", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("Conv", ["r", "w2"], ["c"], "c2", pads=[1] * 4, group=3),
        helper.make_node("LeakyRelu", ["c"], ["d"], "leaky", alpha=0.1),
        helper.make_node("Conv", ["d", "w3"], ["e"], "c3"),
        helper.make_node("Add", ["r", "e"], ["s"], "add"),
        helper.make_node("Concat", ["s", "r"], ["t"], "concat", axis=1),
        helper.make_node("MaxPool", ["t"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("AveragePool", ["p"], ["q"], "mean", kernel_shape=[2, 2]),
        helper.make_node("Conv", ["q", "w4", "b4"], ["u"], "c4"),
        helper.make_node("Flatten", ["u"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "g", "b5"], ["h"], "gemm", transB=1),
        helper.make_node("Gemm", ["h", "k"], ["y"], "last"),
    ]
    constants = {
        "w1": _values(6, 3, 3, 3), "b1": _values(6), "w2": _values(6, 2, 3, 3),
        "w3": _values(6, 6, 1, 1), "w4": _values(4, 12, 1, 1), "b4": _values(4),
        "g": _values(5, 36), "b5": _values(5), "k": _values(5, 3),
    }  # fmt: skip
    return build(nodes, {"x": [1, 3, 8, 8]}, ["y"], constants)


def _ops(model: Any) -> Counter[str]:
    return Counter(node.op_type for node in model.proto.graph.node)


def _outputs(model: Any, feeds: Any, *, optimize: bool) -> dict[str, np.ndarray]:
    return open_session(runnable(model), threads=1, optimize=optimize).run(feeds)


@pytest.mark.parametrize(("activations", "unsigned"), [("uint8", True), ("int8:sym", False)])
def test_every_kernel_has_its_operator(
    build: Build, quantized: Quantize, activations: str, unsigned: bool
) -> None:
    """Nothing but the ends of the model is in float, and the outputs are those of QDQ.

    A Relu that signed codes do not do by their ends stays, between quantizers.
    """
    made = quantized(_residual(build), "int8", activations, unsigned=unsigned)
    model = to_qoperator(made.written)
    ops = _ops(model)
    assert ops["QLinearConv"] == 4
    assert ops["QGemm"] == 2
    assert ops["QLinearAdd"] == ops["QLinearAveragePool"] == ops["QLinearLeakyRelu"] == 1
    assert not {"Conv", "Gemm", "Add", "AveragePool", "LeakyRelu"} & set(ops)
    assert ops["DequantizeLinear"] == ops["Relu"] == (0 if unsigned else 1)
    assert all(o.version == 1 for o in model.proto.opset_import if o.domain == "com.microsoft")
    proto = whole_proto(model)
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3]))
    onnx.checker.check_model(proto, full_check=True)
    for feeds, predicted in zip(made.feeds, made.predicted(), strict=True):
        for optimize in (False, True):
            found = _outputs(model, feeds, optimize=optimize)["y"]
            np.testing.assert_array_equal(found, _outputs(made.written, feeds, optimize=True)["y"])
            np.testing.assert_allclose(found, predicted["y"], rtol=1e-5, atol=1e-5)


def test_products(build: Build, quantized: Quantize) -> None:
    """MatMulInteger where floats are read, QLinearMatMul where a grid is; two activations too."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "m1"),
        helper.make_node("MatMul", ["a", "v"], ["b"], "m2"),
        helper.make_node("Transpose", ["b"], ["c"], "turn", perm=[1, 0]),
        helper.make_node("MatMul", ["b", "c"], ["d"], "both"),
        helper.make_node("Add", ["d", "bias"], ["y"], "add"),
    ]
    constants = {"w": _values(7, 6), "v": _values(6, 5), "bias": _values(4)}
    made = quantized(build(nodes, {"x": [4, 7]}, ["y"], constants), "int8", "uint8")
    model = to_qoperator(made.written)
    ops = _ops(model)
    assert ops["MatMulInteger"] + ops["QLinearMatMul"] == 3
    assert ops["MatMul"] == 0
    evaluator = ReferenceEvaluator(whole_proto(model))
    for feeds, predicted in zip(made.feeds, made.predicted(), strict=True):
        found = _outputs(model, feeds, optimize=True)["y"]
        np.testing.assert_allclose(found, predicted["y"], rtol=1e-5, atol=1e-4)
        if "QLinearMatMul" not in ops:
            np.testing.assert_allclose(evaluator.run(None, feeds)[0], found, rtol=1e-5, atol=1e-4)


def test_what_has_no_operator_stays_float(build: Build, quantized: Quantize) -> None:
    """Between quantizers, as in QDQ; a transposed convolution, and weights alone."""
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w"], ["a"], "up"),
        helper.make_node("Conv", ["a", "v"], ["b"], "alone"),
        helper.make_node("Exp", ["b"], ["y"], "exp"),
    ]
    constants = {"w": _values(3, 2, 2, 2), "v": _values(2, 2, 1, 1)}
    proto = build(nodes, {"x": [1, 3, 4, 4]}, ["y"], constants)
    made = quantized(proto, "int8", {"up": "uint8", "alone": "float"})
    model = to_qoperator(made.written)
    assert _ops(model) == _ops(made.written)
    assert model.proto.graph.node[-1].op_type == "Exp"


_STEPS = st.lists(
    st.sampled_from(["conv", "depth", "relu", "clip", "add", "pool", "mean", "leaky", "join"]),
    min_size=1,
    max_size=7,
)


def _random(build: Build, steps: list[str], seed: int) -> ModelProto:
    """A chain with skips, of 4 channels, that ends in a matrix."""
    rng = np.random.default_rng(seed)
    nodes: list[NodeProto] = []
    constants: dict[str, np.ndarray] = {
        "low": np.float32(0), "high": np.float32(2), "shape": np.array([2, -1]),
    }  # fmt: skip
    last = before = "x"
    for number, step in enumerate([*steps, "conv"]):
        name, out = f"{step}{number}", f"t{number}"
        inputs, op, more = [last], "Relu", {}
        if step in {"conv", "depth"}:
            group = 4 if step == "depth" else 1
            constants[f"w{number}"] = rng.standard_normal((4, 4 // group, 3, 3)).astype(np.float32)
            constants[f"b{number}"] = rng.standard_normal(4).astype(np.float32)
            inputs, op = [last, f"w{number}", f"b{number}"], "Conv"
            more = {"pads": [1] * 4, "group": group}
        elif step == "clip":
            inputs, op = [last, "low", "high"], "Clip"
        elif step == "add":
            inputs, op = [last, before], "Add"
        elif step == "leaky":
            op, more = "LeakyRelu", {"alpha": 0.2}
        elif step in {"pool", "mean"}:
            op = "MaxPool" if step == "pool" else "AveragePool"
            more = {"kernel_shape": [3, 3], "pads": [1] * 4}
        elif step == "join":
            inputs, op, more = [last, before], "Concat", {"axis": 2}
        nodes.append(helper.make_node(op, inputs, [out], name, **more))
        if step == "join":
            half = f"{out}_half"
            constants |= {"from": np.array([0]), "to": np.array([6]), "axis": np.array([2])}
            nodes.append(helper.make_node("Slice", [out, "from", "to", "axis"], [half], f"{name}s"))
            out = half
        before, last = last, out
    return build(nodes, {"x": [2, 4, 6, 6]}, [last], constants)


@given(steps=_STEPS, seed=st.integers(0, 999), weights=st.sampled_from(["int8", "int8:tensor"]))
@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_models_agree_within_a_step(
    build: Build, quantized: Quantize, steps: list[str], seed: int, weights: str
) -> None:
    """QDQ, QOperator and the simulation: apart by a step of the output's grid at most."""
    made = quantized(_random(build, steps, seed), weights, "uint8", samples=2)
    model = to_qoperator(made.written)
    (output,) = made.placement.graph.outputs
    point = next(p for site, p in made.plan.sites.items() if site.tensor == output)
    step = float(made.grids.points[point].scale)
    for feeds, predicted in zip(made.feeds, made.predicted(), strict=True):
        found = _outputs(model, feeds, optimize=False)[output]
        for other in (predicted[output], _outputs(made.written, feeds, optimize=True)[output]):
            assert np.abs(found - other).max() <= 1.01 * step
            assert np.mean(found != other) < 0.05
