"""The prediction of files whose sums, products and means run as byte kernels too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper

from inspector.evaluate.preview import Preview
from inspector.evaluate.runtime import optimized_op_counts
from inspector.onnxio.runnable import runnable

Quantize = Callable[..., Any]


@pytest.mark.parametrize("weights", ["int8", "uint8:asym", "int8:tensor"])
@pytest.mark.parametrize(
    "activations", ["uint8", "uint8:minmax", "int8:sym", "uint8:range[-3.96875,4]"]
)
def test_files_of_byte_kernels_keep_the_promise_to_the_last_bit(
    quantized: Quantize, weights: str, activations: str
) -> None:
    """Sums, products and means as well, whose ties go to even codes as the kernels have them.

    The range set by hand gives every tensor the same grid of steps of 1/32 with an odd zero point,
    so that half of what the pool averages are ties.
    """
    made = quantized(_gated_network(), weights, activations, samples=12)
    kernels = optimized_op_counts(runnable(made.written))
    assert kernels["QLinearAdd"] == kernels["QLinearMul"] == 1
    assert kernels["QLinearAveragePool"] == kernels["QLinearGlobalAveragePool"] == 1
    for predicted, measured in zip(made.predicted(), made.measured(optimize=True), strict=True):
        for name, values in measured.items():
            np.testing.assert_array_equal(predicted[name], values)


def _gated_network() -> ModelProto:
    rng = np.random.default_rng(8)
    constants = {
        "w1": rng.standard_normal((8, 3, 3, 3)) / 4,
        "b1": rng.standard_normal(8),
        "w2": rng.standard_normal((8, 1, 3, 3)) / 2,
        "w3": rng.standard_normal((8, 8, 1, 1)) / 2,
        "b3": rng.standard_normal(8),
        "w4": rng.standard_normal((4, 8, 1, 1)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], name="first", pads=[1] * 4),
        helper.make_node("Conv", ["a", "w2"], ["d"], name="depthwise", group=8, pads=[1] * 4),
        helper.make_node("Add", ["d", "a"], ["s"], name="residual"),
        helper.make_node("Relu", ["s"], ["r"], name="relu"),
        helper.make_node(
            "AveragePool", ["r"], ["p"], name="half", kernel_shape=[2, 2], strides=[2, 2]
        ),
        helper.make_node("GlobalAveragePool", ["p"], ["g"], name="pool"),
        helper.make_node("Conv", ["g", "w3", "b3"], ["e"], name="gate"),
        helper.make_node("Mul", ["p", "e"], ["m"], name="excite"),
        helper.make_node("Conv", ["m", "w4"], ["y"], name="last"),
    ]
    graph = helper.make_graph(
        nodes,
        "gated",
        [helper.make_tensor_value_info("x", 1, (1, 3, 24, 20))],
        [helper.make_tensor_value_info("y", 1, (1, 4, 12, 10))],
        [numpy_helper.from_array(v.astype(np.float32), n) for n, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("activations", ["float", "uint16", "int4"])
def test_where_no_byte_kernel_runs_floats_are_predicted(
    quantized: Quantize, activations: str
) -> None:
    """One simulation serves every choice: here the float operators run."""
    made = quantized(_gated_network(), "int8", activations, samples=6)
    kernels = optimized_op_counts(runnable(made.written))
    assert not any(name.startswith("QLinear") for name in kernels)
    assert not _running(made)
    for predicted, measured in zip(made.predicted(), made.measured(optimize=False), strict=True):
        for name, values in measured.items():
            # A value or two may be next to a tie; the rest has the rounding of float32.
            error = np.abs(predicted[name] - values)
            assert float(np.median(error)) < 1e-6 * float(np.abs(values).max())


def test_narrow_widths_have_a_kernel_before_an_activation_alone(quantized: Quantize) -> None:
    """Seven bits are cut to their range in floats, but not between Add and Relu."""
    made = quantized(_gated_network(), "int8", "uint7", samples=12)
    kernels = optimized_op_counts(runnable(made.written))
    assert [name for name in kernels if name.startswith("QLinear")] == ["QLinearAdd"]
    assert _running(made) == {"residual"}
    for predicted, measured in zip(made.predicted(), made.measured(optimize=True), strict=True):
        error = np.abs(predicted["y"] - measured["y"])
        assert float(np.median(error)) < 1e-6 * float(np.abs(measured["y"]).max())


def _running(made: Any) -> set[str]:
    """The nodes whose byte kernels the prediction runs."""
    numbers = Preview(made.model, made.placement).numbers(made.grids)
    switches = {name: value for name, value in numbers.items() if name.endswith("/is_kernel")}
    assert len(switches) == 4
    return {name.split("/")[0] for name, value in switches.items() if value}
