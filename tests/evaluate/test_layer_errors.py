"""The error at each layer's output, against runs of the float model and of the written file."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

from inspector.errors import CancelledError
from inspector.evaluate.layer_errors import LayerErrors, LayerRequest
from inspector.evaluate.preview import Preview
from inspector.evaluate.runtime import open_session
from inspector.onnxio.runnable import runnable

Quantize = Callable[..., Any]


def network() -> Any:
    """Convolutions with and without what folds into them, a product and an output in between."""
    rng = np.random.default_rng(2)
    constants = {
        "w1": rng.standard_normal((6, 3, 3, 3)) / 5,
        "b1": rng.standard_normal(6),
        "w2": rng.standard_normal((6, 1, 3, 3)) / 3,
        "w3": rng.standard_normal((4, 6)),
        "b3": rng.standard_normal(4),
        "w4": rng.standard_normal((4, 5)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], name="first", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "w2"], ["d"], name="depthwise", group=6, pads=[1] * 4),
        helper.make_node("Sigmoid", ["d"], ["g"], name="sigmoid"),
        helper.make_node("Mul", ["g", "d"], ["s"], name="gate"),
        helper.make_node("GlobalAveragePool", ["s"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["h"], name="hidden", transB=1),
        helper.make_node("MatMul", ["h", "w4"], ["y"], name="last"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", 1, (1, 3, 6, 6))],
        [helper.make_tensor_value_info(name, 1, None) for name in ("y", "d")],
        [numpy_helper.from_array(v.astype(np.float32), n) for n, v in constants.items()],
    )
    imports = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def float_outputs(made: Any) -> list[dict[str, np.ndarray]]:
    """What plain onnxruntime computes for each layer of the float model."""
    names = [layer.output for layer in made.placement.graph.layers]
    session = open_session(runnable(made.model, outputs=names), threads=1, optimize=False)
    return [session.run(feeds) for feeds in made.feeds]


@pytest.mark.parametrize("weights", ["int8", "int4", "int8:tensor"])
@pytest.mark.parametrize("activations", ["uint8", "int4", "uint16", "float"])
def test_errors_are_those_of_the_simulation_against_the_float_model(
    quantized: Quantize, weights: str, activations: str
) -> None:
    """The reference is the float model itself; the other side has a layer's real values."""
    made = quantized(network(), weights, activations)
    preview = Preview(made.model, made.placement, threads=1)
    errors = LayerErrors(preview, threads=1)
    request = LayerRequest.of(preview, made.grids)
    found = errors.run(request, made.feeds)
    layers = made.placement.graph.layers
    assert (
        set(found) == {layer.name for layer in layers} == {"first", "depthwise", "hidden", "last"}
    )
    reference = float_outputs(made)
    last = [one["y"] for one in made.predicted()]
    signal = sum(float(np.square(one["y"], dtype=np.float64).sum()) for one in reference)
    error = sum(
        float(np.square(one["y"].astype(np.float64) - other).sum())
        for one, other in zip(reference, last, strict=True)
    )
    assert found["last"] == pytest.approx(10 * math.log10(signal / error), abs=1e-3)


def test_the_first_layer_is_computed_by_hand(quantized: Quantize) -> None:
    """Its output is the convolution of the rounded input with the rounded weights."""
    made = quantized(network(), "int4", "int5")
    preview = Preview(made.model, made.placement, threads=1)
    found = LayerErrors(preview, threads=1).run(LayerRequest.of(preview, made.grids), made.feeds)
    from inspector.quant.kernels import fake_quantize

    layer = made.placement.graph.layer("first")
    weight, bias = made.model.constant(layer.weight), made.model.constant(layer.bias)
    grid = made.grids.at("x", "first")
    signal = error = 0.0
    for feeds in made.feeds:
        exact = convolve(feeds["x"], weight, bias)
        rounded = fake_quantize(feeds["x"], grid)
        other = convolve(rounded, fake_quantize(weight, made.grids.weights["first"]), bias)
        signal += float(np.square(exact).sum())
        error += float(np.square(exact - other).sum())
    assert found["first"] == pytest.approx(10 * math.log10(signal / error), abs=0.01)


def convolve(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A 3x3 convolution with a border of zeros, in float64."""
    padded = np.pad(x[0].astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    out = np.einsum("chwij,ocij->ohw", windows, w.astype(np.float64))
    return np.asarray(out + b.reshape(-1, 1, 1))


def test_nothing_is_lost_in_float(quantized: Quantize) -> None:
    """The same session with everything in float on both sides finds no error."""
    made = quantized(network(), "float", "float")
    preview = Preview(made.model, made.placement, threads=1)
    found = LayerErrors(preview, threads=1).run(LayerRequest.of(preview, made.grids), made.feeds)
    assert all(value == math.inf for value in found.values())


def test_little_memory_gives_the_same_figures(quantized: Quantize) -> None:
    """Layers are taken one at a time where there is room for no more."""
    made = quantized(network(), "int6", "uint8")
    preview = Preview(made.model, made.placement, threads=1)
    errors, request = LayerErrors(preview, threads=1), LayerRequest.of(preview, made.grids)
    told: list[tuple[int, int]] = []
    whole = errors.run(request, made.feeds, progress=lambda *done: told.append(done))
    assert errors.run(request, made.feeds, budget=1) == pytest.approx(whole)
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_it_stops_when_asked(quantized: Quantize) -> None:
    """Before anything is run."""
    made = quantized(network())
    preview = Preview(made.model, made.placement, threads=1)
    errors, request = LayerErrors(preview, threads=1), LayerRequest.of(preview, made.grids)
    with pytest.raises(CancelledError):
        errors.run(request, made.feeds, cancel=lambda: True)
