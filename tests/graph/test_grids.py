"""The numbers of a plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper

from inspector.errors import DataError
from inspector.graph.grids import (
    BIAS_LIMIT,
    choose_grids,
    identity,
    make_room_for_bias,
    quantize_bias,
    weight_grid,
)
from inspector.graph.model import Layer
from inspector.quant.qparams import QParams, weight_qparams
from inspector.quant.spec import QuantSpec

Quantize = Callable[..., Any]


def _model(
    nodes: list[Any], constants: dict[str, np.ndarray], shape: list[int], output: str = "y"
) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info(output, 1, None)],
        [numpy_helper.from_array(v.astype(np.float32), n) for n, v in constants.items()],
    )
    imports = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def _layer(shape: tuple[int, ...], channel_axis: int | None) -> Layer:
    return Layer("l", "MatMul", "w", None, ("x",), "y", shape, channel_axis, 1)


def test_a_vector_is_one_channel() -> None:
    """Per channel, which is the default for weights, means per tensor there."""
    values = np.float32([1.0, -3.0, 2.0])
    grid = weight_grid(
        _layer((3,), None), QuantSpec.parse("int8").filled("weights"), lambda _: values
    )
    assert grid.axis is None
    assert grid.scale == pytest.approx(3.0 / 127)


def test_one_block_is_the_tensor() -> None:
    """Onnxruntime takes no block size with a single scale."""
    values = np.float32([[1.0], [-3.0]])
    spec = QuantSpec.parse("int8:block4").filled("weights")
    grid = weight_grid(_layer((2, 1), 1), spec, lambda _: values)
    assert (grid.axis, grid.block, grid.scale.shape) == (None, 0, ())


def test_readers_of_one_tensor_share_or_differ_as_their_specs_do(quantized: Quantize) -> None:
    """`at` tells what a consumer reads; equal grids have equal identities."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "m1"),
        helper.make_node("MatMul", ["x", "w"], ["b"], "m2"),
        helper.make_node("MatMul", ["x", "w"], ["c"], "m3"),
        helper.make_node("Sum", ["a", "b", "c"], ["y"], "sum"),
    ]
    proto = _model(nodes, {"w": np.eye(4)}, [2, 4])
    grids = quantized(proto, "int8", {"m1": "uint8", "m2": "uint8", "m3": "uint4"}).grids
    assert grids.at("x", "m1") is grids.at("x", "m2")
    assert grids.at("x", "m3").qmax == 15
    assert grids.at("x", "sum") is None
    assert identity(grids.at("x", "m1")) == identity(grids.at("x", "m2"))
    assert identity(grids.at("x", "m1")) != identity(grids.at("x", "m3"))


def test_a_shared_grid_covers_all_its_tensors(quantized: Quantize) -> None:
    """A Concat of a small and a large kernel output."""
    constants = {"w": np.eye(4).reshape(4, 4, 1, 1), "v": 9 * np.eye(4).reshape(4, 4, 1, 1),
                 "u": np.ones((2, 8, 1, 1))}  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "c1"),
        helper.make_node("Conv", ["x", "v"], ["b"], "c2"),
        helper.make_node("Concat", ["a", "b"], ["c"], "join", axis=1),
        helper.make_node("Conv", ["c", "u"], ["y"], "c3"),
    ]
    made = quantized(_model(nodes, constants, [1, 4, 3, 3]), "int8", "uint8:minmax")
    largest = max(9 * np.abs(feeds["x"]).max() for feeds in made.feeds[:2])
    grid = made.grids.at("c", "c3")
    assert max(-grid.lo, grid.hi) == pytest.approx(largest, rel=0.02)


def test_biases_fit_in_half_of_int32() -> None:
    """Scales grow where they have to, and only there."""
    grid = QParams(np.float32([0.1, 1e-9, 1.0]), np.zeros(3, np.int32), -127, 127, 0)
    bias = np.array([1.0, 5.0, 0.0])
    wider = make_room_for_bias(grid, bias, 0.01)
    np.testing.assert_array_equal(wider.scale[[0, 2]], grid.scale[[0, 2]])
    assert wider.scale[1] == pytest.approx(5.0 / (0.01 * BIAS_LIMIT), rel=1e-6)
    codes = quantize_bias(bias, np.float32(0.01) * wider.scale)
    assert np.abs(codes).max() <= BIAS_LIMIT * 1.001
    restored = codes * (np.float64(0.01) * wider.scale)
    np.testing.assert_allclose(restored, bias, rtol=1e-6, atol=1e-9)
    single = QParams(np.float32(1e-9), np.int32(0), -127, 127)
    assert make_room_for_bias(single, bias, 0.01).scale == wider.scale[1]


def test_what_an_add_adds_to_a_product_is_a_bias_too(quantized: Quantize) -> None:
    """Onnxruntime makes the two one kernel with an int32 bias, so it needs room."""
    weight = np.eye(4)
    weight[:, 2] = 0.0
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "m1"),
        helper.make_node("Add", ["a", "b"], ["c"], "add"),
        helper.make_node("MatMul", ["c", "v"], ["y"], "m2"),
    ]
    weight[1, 2] = 1e-14
    constants = {"w": weight, "b": np.array([0.0, 1.0, 9.0, 2.0]), "v": np.eye(4)}
    made = quantized(_model(nodes, constants, [2, 3, 4]), "int8", "uint8:minmax")
    scale = made.grids.weights["m1"].scale
    assert scale[2] > 1e-14 / 127 * 2
    for a, b in zip(made.predicted(), made.measured(optimize=True), strict=True):
        np.testing.assert_allclose(b["y"], a["y"], atol=0.1)
        assert np.abs(b["y"][..., 2] - 9.0).max() < 0.1


def test_weights_are_chosen_as_the_arithmetic_says(quantized: Quantize) -> None:
    """Each layer's grid is that of its weight alone."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((4, 5)).astype(np.float32)
    proto = _model([helper.make_node("MatMul", ["x", "w"], ["y"], "m1")], {"w": values}, [2, 4])
    for text in ("int4", "uint6:asym", "int8:tensor:mse", "int3:block2"):
        found = quantized(proto, text, "uint8").grids.weights["m1"]
        spec = QuantSpec.parse(text).filled("weights")
        expected = weight_qparams(values, spec, 1)
        assert identity(found) == identity(expected)


def test_a_tensor_that_was_not_measured_is_named(quantized: Quantize) -> None:
    """Statistics that lack one are of no use."""
    made = quantized(
        _model([helper.make_node("MatMul", ["x", "w"], ["y"], "m1")], {"w": np.eye(4)}, [2, 4])
    )
    with pytest.raises(DataError, match="'x'"):
        choose_grids(made.placement.graph, made.plan, made.model.constant, {})


def test_nan_in_a_weight_is_named(quantized: Quantize) -> None:
    """Before anything is written."""
    weight = np.eye(4)
    weight[0, 0] = np.nan
    proto = _model([helper.make_node("MatMul", ["x", "w"], ["y"], "m1")], {"w": weight}, [2, 4])
    with pytest.raises(DataError, match="'w' holds 1 NaN"):
        quantized(proto, "int8", "float")


@pytest.mark.parametrize("function", ["LeakyRelu", "HardSwish", "Sigmoid", "Tanh", "Elu"])
def test_a_range_judged_behind_a_function_is_no_worse_there(
    quantized: Quantize, function: str
) -> None:
    """Against the range that is best for the tensor itself, measured in onnxruntime."""
    rng = np.random.default_rng(5)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "c1"),
        helper.make_node(function, ["a"], ["y"], "f"),
    ]
    constants = {"w": rng.standard_normal((8, 4, 1, 1)) * 3}
    proto = _model(nodes, constants, [1, 4, 24, 24])
    errors = {}
    for method in ("mse", "minmax"):
        exact = quantized(proto, "int16", "int16:minmax", samples=2).predicted()
        made = quantized(proto, "int8", f"uint5:{method}", samples=2).predicted()
        errors[method] = sum(
            float(np.square(a["y"] - b["y"]).sum()) for a, b in zip(exact, made, strict=True)
        )
    assert errors["mse"] <= errors["minmax"] * 1.02
