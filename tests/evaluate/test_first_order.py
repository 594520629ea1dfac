"""The estimate, where it can be held against noise that was really added."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, helper, numpy_helper

from inspector.evaluate.first_order import gains
from inspector.evaluate.runtime import open_session
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import Model, model_of
from inspector.onnxio.runnable import runnable

RNG = np.random.default_rng(1)


def model(nodes: list[NodeProto], output: str, shape: tuple[int, ...], **weights: Any) -> Model:
    """A model from x to one output."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info(output, 1, None)],
        [numpy_helper.from_array(v.astype(np.float32), n) for n, v in weights.items()],
    )
    imports = [helper.make_opsetid("", 17)]
    return model_of(helper.make_model(graph, opset_imports=imports, ir_version=8))


def power(values: np.ndarray) -> float:
    """Mean square."""
    return float(np.square(values.astype(np.float64)).mean())


LAYERS = {
    "conv": ("Conv", (1, 6, 40, 40), (8, 6, 3, 3), {}),
    "depthwise": ("Conv", (1, 6, 40, 40), (12, 1, 3, 3), {"group": 6}),
    "grouped": ("Conv", (1, 6, 40, 40), (4, 3, 3, 3), {"group": 2}),
    "transposed": ("ConvTranspose", (1, 6, 40, 40), (6, 5, 4, 4), {"strides": [2, 2]}),
    "product": ("MatMul", (200, 12), (12, 7), {}),
    "transB": ("Gemm", (200, 12), (7, 12), {"transB": 1}),
}


@pytest.mark.parametrize("shaped", [False, True])
@pytest.mark.parametrize("name", list(LAYERS))
def test_a_layer_lets_noise_through_as_estimated(name: str, shaped: bool) -> None:
    """Noise of equal power in all channels, or of the signal's in each, is really added."""
    operator, shape, weight, attributes = LAYERS[name]
    node = helper.make_node(operator, ["x", "w"], ["y"], name="layer", **attributes)
    made = model([node], "y", shape, w=RNG.standard_normal(weight))
    graph = extract_graph(made)
    axis = 1 if len(shape) == 4 else len(shape) - 1
    sizes = np.exp(RNG.normal(0, 1, shape[axis])).reshape([-1, 1, 1] if len(shape) == 4 else [-1])
    x = (RNG.standard_normal(shape) * sizes + sizes).astype(np.float32)
    noise = RNG.standard_normal(shape) * (np.abs(x).mean(axis=None) if not shaped else 1.0)
    if shaped:
        others = tuple(n for n in range(len(shape)) if n != axis)
        noise *= np.sqrt(np.square(x).mean(axis=others, keepdims=True))
    noise = (1e-3 * noise).astype(np.float32)
    session = open_session(runnable(made), threads=1)
    clean, noisy = (session.run({"x": values})["y"] for values in (x, x + noise))
    measured = power(noisy - clean) / power(clean) / (power(noise) / power(x))
    found = gains(made, graph, {"x": x}).layers["layer"]
    assert (found.shaped if shaped else found.white) == pytest.approx(measured, rel=0.15)


def test_where_tensors_meet_each_brings_its_share() -> None:
    """Of a sum by power; of a Concat by power and size; what goes nowhere brings nothing."""
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"], name="one"),
        helper.make_node("MatMul", ["x", "w2"], ["b"], name="two"),
        helper.make_node("MatMul", ["x", "w2"], ["unread"], name="three"),
        helper.make_node("Concat", ["a", "b"], ["j"], name="join", axis=1),
        helper.make_node("Tanh", ["j"], ["y"], name="bend"),
    ]
    x = RNG.standard_normal((50, 6)).astype(np.float32)
    weights = {"w1": RNG.standard_normal((6, 4)), "w2": 3 * RNG.standard_normal((6, 8))}
    made = model(nodes, "y", x.shape, **weights)
    found = gains(made, extract_graph(made), {"x": x}).tensors
    totals = [float(np.square(x @ weights[name]).sum()) for name in ("w1", "w2")]
    assert found["a"] == pytest.approx(totals[0] / sum(totals), rel=1e-4)
    assert found["b"] == pytest.approx(totals[1] / sum(totals), rel=1e-4)
    assert "unread" not in found


def test_noise_of_earlier_layers_is_halfway_between_white_and_signal() -> None:
    """In dB: that is the square root of the gain."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="one"),
        helper.make_node("MatMul", ["a", "w"], ["y"], name="two"),
    ]
    x = RNG.standard_normal((50, 6)).astype(np.float32)
    made = model(nodes, "y", x.shape, w=np.abs(RNG.standard_normal((6, 6))))
    found = gains(made, extract_graph(made), {"x": x})
    assert found.tensors["a"] == pytest.approx(math.sqrt(found.layers["two"].shaped))
