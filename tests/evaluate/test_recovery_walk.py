"""Layers visited one by one against the whole model run at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from inspector.errors import CancelledError
from inspector.evaluate.preview import Preview
from inspector.evaluate.recovery.bias import correct_biases, corrected
from inspector.evaluate.recovery.reconstruct import ROUNDINGS, reconstruct
from inspector.evaluate.recovery.shelf import Shelf, shelf
from inspector.evaluate.recovery.walk import Walk, per_channel
from inspector.onnxio.passes.own_bias import bias_tensor, own_bias, replace_constants

Quantize = Callable[..., Any]
SPECS = [("int8", "uint8"), ("int4", "float"), ("int8", "int16"), ("uint3:tensor", "uint4")]


def convs(*, bias: bool = True, seed: int = 0) -> onnx.ModelProto:
    """Convolutions with a branch, an addition and a Gemm: x -> y, and a middle output."""
    rng = np.random.default_rng(seed)
    values: Mapping[str, Any] = {
        "w1": rng.standard_normal((6, 3, 3, 3)) / 3,
        "w2": rng.standard_normal((6, 1, 3, 3)) / 2,
        "w3": rng.standard_normal((6, 6, 1, 1)) / 2,
        "w4": rng.standard_normal((5, 6)) / 2,
        "b1": rng.standard_normal(6),
        "b4": rng.standard_normal(5),
    }
    first = ["x", "w1", "b1"] if bias else ["x", "w1"]
    nodes = [
        helper.make_node("Conv", first, ["c1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], "conv2", group=6, pads=[1, 1, 1, 1]),
        helper.make_node("LeakyRelu", ["c2"], ["r2"], "leaky"),
        helper.make_node("Conv", ["r1", "w3"], ["c3"], "conv3"),
        helper.make_node("Add", ["r2", "c3"], ["s"], "add"),
        helper.make_node("GlobalAveragePool", ["s"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["y"], "gemm", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "convs",
        [helper.make_tensor_value_info("x", 1, [1, 3, 8, 7])],
        [helper.make_tensor_value_info(n, 1, None) for n in ("y", "c3")],
        [
            numpy_helper.from_array(v.astype(np.float32), n)
            for n, v in values.items()
            if bias or n != "b1"
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("weights", "activations"), SPECS)
def test_a_walk_computes_what_the_whole_simulation_does(
    quantized: Quantize, tmp_path: Path, weights: str, activations: str
) -> None:
    """The last layer of a walk writes the outputs of the whole simulation."""
    case = quantized(convs(), weights, activations)
    preview = Preview(case.model, case.placement, threads=1)
    found: dict[str, Any] = {}
    walk = Walk(preview, case.grids, case.feeds, Shelf(tmp_path))
    for stop in walk:
        found[stop.layer.name] = list(stop.outputs())
    assert list(found) == ["conv1", "conv2", "conv3", "gemm"]
    for number, outputs in enumerate(case.predicted()):
        np.testing.assert_allclose(found["gemm"][number][1], outputs["y"], rtol=1e-5, atol=1e-6)


def test_the_float_stream_is_the_float_model(quantized: Quantize, tmp_path: Path) -> None:
    """Beside it runs the float model."""
    case = quantized(convs(), "int4", "uint4")
    from inspector.evaluate.runtime import open_session
    from inspector.onnxio.runnable import runnable

    session = open_session(runnable(case.model, outputs=["c1", "c2", "y"]), threads=1)
    expected = [session.run(feeds) for feeds in case.feeds]
    preview = Preview(case.model, case.placement, threads=1)
    for stop in Walk(preview, case.grids, case.feeds, Shelf(tmp_path)):
        for number, (values, _) in enumerate(stop.outputs()):
            if stop.layer.output in expected[number]:
                np.testing.assert_allclose(
                    values, expected[number][stop.layer.output], rtol=1e-4, atol=1e-5
                )


def test_inputs_are_in_real_units_and_on_their_grid(quantized: Quantize, tmp_path: Path) -> None:
    """What a layer reads is seen behind its quantizer, in real units."""
    case = quantized(convs(), "int8", "uint8")
    preview = Preview(case.model, case.placement, threads=1)
    for stop in Walk(preview, case.grids, case.feeds, Shelf(tmp_path)):
        grid = case.grids.at(stop.layer.activations[0], stop.layer.name)
        for expected, computed in stop.inputs():
            step = float(grid.scale)
            np.testing.assert_allclose(np.rint(computed / step) * step, computed, atol=1e-4 * step)
            assert np.abs(computed - expected).max() < 40 * step


def test_a_small_budget_changes_nothing_and_leaves_nothing(quantized: Quantize) -> None:
    """Tensors past the budget go through files, bit for bit."""
    case = quantized(convs(), "int8", "uint8")
    preview = Preview(case.model, case.placement, threads=1)
    results = []
    for budget in (1 << 30, 2000):
        with shelf(budget) as held:
            walk = Walk(preview, case.grids, case.feeds, held)
            results.append(correct_biases(walk, {"conv1", "conv2", "conv3", "gemm"}))
            assert held.used_bytes <= budget
            assert held.used_bytes == 0 or budget > 2000
    for name, shift in results[0].items():
        np.testing.assert_array_equal(shift, results[1][name])


def test_a_cancelled_walk_stops(quantized: Quantize, tmp_path: Path) -> None:
    """A walk asks whether to stop."""
    case = quantized(convs(), "int8", "uint8")
    preview = Preview(case.model, case.placement, threads=1)
    walk = Walk(preview, case.grids, case.feeds, Shelf(tmp_path), cancel=lambda: True)
    with pytest.raises(CancelledError):
        correct_biases(walk, {"conv1"})


@pytest.mark.parametrize(("weights", "activations"), SPECS)
@pytest.mark.parametrize("bias", [True, False])
def test_corrected_biases_leave_no_mean_error(
    quantized: Quantize, weights: str, activations: str, bias: bool
) -> None:
    """Nagel et al. 2019, equation 15 and after: E[y] of the corrected layer is that in float."""
    case = quantized(convs(bias=bias), weights, activations)
    graph, names = case.placement.graph, {"conv1", "conv2", "conv3", "gemm"}
    preview = Preview(case.model, case.placement, threads=1)
    with shelf() as held:
        shifts = correct_biases(Walk(preview, case.grids, case.feeds, held), names)
    assert shifts.keys() == names
    with shelf() as held:
        for stop in Walk(preview, case.grids, case.feeds, held):
            pairs = list(stop.outputs())
            means = [
                np.mean([per_channel(pair[i], stop.layer).mean(axis=1) for pair in pairs], axis=0)
                for i in (0, 1)
            ]
            # As it was measured: on layers before it that are corrected already.
            np.testing.assert_allclose(means[0] - means[1], shifts[stop.layer.name], atol=1e-4)
            stop.shift(shifts[stop.layer.name])
            corrected = [per_channel(pair[1], stop.layer).mean(axis=1) for pair in stop.outputs()]
            np.testing.assert_allclose(np.mean(corrected, axis=0), means[0], atol=1e-4)
    assert graph.layers


def test_the_corrected_model_has_no_mean_error_but_for_rounding(quantized: Quantize) -> None:
    """The int32 bias can miss the mean by half a step of its own."""
    case = quantized(convs(), "int8", "uint8")
    graph, model = case.placement.graph, case.model
    names = {"conv1", "gemm"}
    model, report = own_bias(model, graph, names)
    assert not report.left
    preview = Preview(model, case.placement, threads=1)
    with shelf() as held:
        shifts = correct_biases(Walk(preview, case.grids, case.feeds, held), names)
    changed = {}
    for name, shift in shifts.items():
        tensor = bias_tensor(graph, graph.layer(name))
        assert tensor is not None
        scale = case.grids.bias_scales.get(name)
        changed[tensor] = corrected(model.constant(tensor), shift, scale)
    after = Preview(replace_constants(model, changed), case.placement, threads=1)
    chosen = after.numbers(case.grids)
    with shelf() as held:
        walk = Walk(preview, case.grids, case.feeds, held, chosen=chosen)
        again = correct_biases(walk, {"conv1"})
    half = case.grids.bias_scales["conv1"] / 2
    assert np.all(np.abs(again["conv1"]) <= half + 1e-5)


@pytest.mark.parametrize("rank", [2, 3])
def test_a_bias_added_behind_a_product_is_found(quantized: Quantize, rank: int) -> None:
    """A constant added behind a MatMul is its bias; without one there is none."""
    rng = np.random.default_rng(3)
    shape = [2, 4] if rank == 2 else [1, 2, 4]
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["m"], "product"),
            helper.make_node("Add", ["b", "m"], ["a"], "add"),
            helper.make_node("MatMul", ["a", "v"], ["y"], "bare"),
        ],
        "products",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info("y", 1, None)],
        [
            numpy_helper.from_array(rng.standard_normal(s).astype(np.float32), n)
            for n, s in (("w", (4, 3)), ("v", (3, 3)), ("b", (3,)))
        ],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    case = quantized(proto, "int8", "uint8")
    model, report = own_bias(case.model, case.placement.graph, {"product", "bare"})
    found = {la.name: bias_tensor(case.placement.graph, la) for la in case.placement.graph.layers}
    assert found == {"product": "b", "bare": None}
    assert [reason.split(":")[0] for reason in report.left] == ["bare"]
    assert model is case.model


@pytest.mark.parametrize("method", sorted(ROUNDINGS))
@pytest.mark.parametrize("activations", ["uint8", "uint4", "float"])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_layer_ends_worse_than_rounded_to_nearest(
    quantized: Quantize, method: str, activations: str, seed: int
) -> None:
    """On the inputs that the layer has in the quantized model, against its float outputs."""
    case = quantized(convs(seed=seed), "int4", activations)
    preview = Preview(case.model, case.placement, threads=1)
    graph, constant = case.placement.graph, case.model.constant
    errors = {}
    for layer in graph.layers:
        for methods in ({}, {layer.name: method}):
            with shelf() as held:
                walk = Walk(preview, case.grids, case.feeds, held)
                found = reconstruct(walk, graph, case.grids, constant, methods, (), len(case.feeds))
            assert not found.left
            assert found.weights.keys() == methods.keys()
            weights = {graph.layer(n).weight or "": values for n, values in found.weights.items()}
            chosen = Preview(replace_constants(case.model, weights), case.placement, threads=1)
            with shelf() as held:
                walk = Walk(
                    preview, case.grids, case.feeds, held, chosen=chosen.numbers(case.grids)
                )
                for stop in walk:
                    if stop.layer is layer:
                        pairs = [(a - b) ** 2 for a, b in stop.outputs()]
                        errors[bool(methods)] = float(np.mean(pairs))
        assert errors[True] <= errors[False] * (1 + 1e-5)
