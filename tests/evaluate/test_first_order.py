"""The estimate, where it can be held against noise that was really added."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, numpy_helper

from inspector.evaluate.first_order import gains
from inspector.evaluate.runtime import open_session
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import Model, model_of
from inspector.onnxio.runnable import runnable


def network() -> Model:
    """Everything that has a rule of its own: a convolution, a sum, a Concat, a mean."""
    rng = np.random.default_rng(1)
    shapes = {"w1": (8, 4, 3, 3), "w2": (8, 8, 1, 1)}
    weights = {n: (rng.standard_normal(s) / 3).astype(np.float32) for n, s in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="first"),
        helper.make_node("Conv", ["a", "w2"], ["b"], name="second"),
        helper.make_node("Add", ["a", "b"], ["s"], name="add"),
        helper.make_node("Concat", ["s", "b"], ["j"], name="join", axis=1),
        helper.make_node("AveragePool", ["j"], ["p"], name="pool", kernel_shape=[3, 3]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", 1, (1, 4, 30, 30))],
        [helper.make_tensor_value_info("p", 1, None)],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    imports = [helper.make_opsetid("", 17)]
    return model_of(helper.make_model(graph, opset_imports=imports, ir_version=8))


def power(values: np.ndarray) -> float:
    """Mean square."""
    return float(np.square(values.astype(np.float64)).mean())


def test_white_noise_comes_out_as_was_estimated() -> None:
    """Noise added to a layer's input reaches the output with the power that the gains say."""
    model = network()
    graph = extract_graph(model)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 4, 30, 30)).astype(np.float32)
    found = gains(model, graph, {"x": x})
    noise = (0.01 * rng.standard_normal(x.shape)).astype(np.float32)
    session = open_session(runnable(model), threads=1)
    clean, noisy = (session.run({"x": values})["p"] for values in (x, x + noise))
    measured = power(noisy - clean) / power(clean) / (power(noise) / power(x))
    # Within 2 dB: behind the first convolution the noise is no longer white, and paths that meet
    # again are not independent.
    assert abs(10 * np.log10(found.tensors["x"] / measured)) < 2
    assert found.of_layer(graph.layer("first")) == pytest.approx(found.tensors["x"])


def test_signals_that_add_up_hide_noise() -> None:
    """A constant picture goes through a mean as it is, and noise is averaged away: 1 in 9."""
    node = helper.make_node("AveragePool", ["c"], ["y"], name="pool", kernel_shape=[3, 3])
    conv = helper.make_node("Conv", ["x", "w"], ["c"], name="conv")
    graph = helper.make_graph(
        [conv, node],
        "mean",
        [helper.make_tensor_value_info("x", 1, (1, 1, 9, 9))],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(np.full((1, 1, 1, 1), 2, np.float32), "w")],
    )
    imports = [helper.make_opsetid("", 17)]
    model = model_of(helper.make_model(graph, opset_imports=imports, ir_version=8))
    found = gains(model, extract_graph(model), {"x": np.ones((1, 1, 9, 9), np.float32)})
    assert found.tensors["c"] == pytest.approx(1 / 9)
