"""Activation functions behind kernels, against the onnx reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from inspector.graph.activations import activation_behind
from inspector.graph.model import Graph
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import model_of


def _model(nodes: list[Any], outputs: list[str]) -> Any:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", 1, [401])],
        [helper.make_tensor_value_info(name, 1, None) for name in outputs],
    )
    imports = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def _graph(nodes: list[Any], outputs: list[str]) -> Graph:
    return extract_graph(model_of(_model(nodes, outputs)))


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("LeakyRelu", {}), ("LeakyRelu", {"alpha": 0.3}), ("Elu", {}), ("Elu", {"alpha": 0.5}),
        ("Sigmoid", {}), ("Tanh", {}), ("HardSigmoid", {}), ("HardSwish", {}),
        ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.4}),
    ],
)  # fmt: skip
def test_functions_are_those_of_the_specification(op: str, attributes: dict[str, float]) -> None:
    """Over values on both sides of every bend."""
    nodes = [helper.make_node(op, ["x"], ["y"], "f", **attributes)]
    found = activation_behind(_graph(nodes, ["y"]), "x")
    assert found is not None
    assert found.output == "y"
    values = np.linspace(-10, 10, 401).astype(np.float32)
    (expected,) = ReferenceEvaluator(_model(nodes, ["y"])).run(None, {"x": values})
    np.testing.assert_allclose(found.function(values.astype(float)), expected, atol=1e-5)


@pytest.mark.parametrize("gate", ["Sigmoid", "HardSigmoid"])
@pytest.mark.parametrize("order", [["x", "g"], ["g", "x"]])
def test_a_gate_times_its_input_is_one_function(gate: str, order: list[str]) -> None:
    """SiLU and hard swish, as exporters write them."""
    nodes = [
        helper.make_node(gate, ["x"], ["g"], "gate"),
        helper.make_node("Mul", order, ["y"], "product"),
    ]
    found = activation_behind(_graph(nodes, ["y"]), "x")
    assert found is not None
    assert found.output == "y"
    values = np.linspace(-8, 8, 401).astype(np.float32)
    (expected,) = ReferenceEvaluator(_model(nodes, ["y"])).run(None, {"x": values})
    np.testing.assert_allclose(found.function(values.astype(float)), expected, atol=1e-5)


def test_none_where_something_else_reads_the_tensor_or_the_gate() -> None:
    """What is read elsewhere has to be good there as well."""
    leaky = helper.make_node("LeakyRelu", ["x"], ["a"], "leaky")
    gate = helper.make_node("Sigmoid", ["x"], ["g"], "gate")
    product = helper.make_node("Mul", ["x", "g"], ["y"], "product")
    other = helper.make_node("Exp", ["x"], ["e"], "other")
    square = helper.make_node("Mul", ["x", "x"], ["s"], "square")
    for nodes, outputs in (
        ([leaky, other], ["a", "e"]),
        ([leaky], ["a", "x"]),
        ([other], ["e"]),
        ([square], ["s"]),
        ([gate, product], ["y", "g"]),
        ([gate, product, other], ["y", "e"]),
        ([gate, leaky], ["g", "a"]),
    ):
        assert activation_behind(_graph(nodes, outputs), "x") is None
