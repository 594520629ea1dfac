"""What nodes and tensors of two models are to one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

from inspector.graph.kernels import find_kernels
from inspector.graph.model import Graph, Node
from inspector.graph.partners import match
from inspector.graph.quantized import NOT_QUANTIZED, find_quantized
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import model_of
from inspector.session.pairing import known_of, layer_types

_RNG = np.random.default_rng(5)


def model(nodes: list[Any], output: str, **constants: Any) -> Any:
    """A model that reads x of (1, 2, 4, 4)."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", 1, (1, 2, 4, 4))],
        [helper.make_tensor_value_info(output, 1, None)],
        [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def graph_of(proto: Any) -> Graph:
    """Its graph with shapes."""
    return extract_graph(model_of(proto))


def normalized() -> Any:
    """Conv, BatchNormalization, Relu."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"], "norm"),
        helper.make_node("Relu", ["n"], ["y"], "relu"),
    ]
    ones = dict.fromkeys("sbmv", np.ones(2))
    return model(nodes, "y", w=_RNG.standard_normal((2, 2, 1, 1)), **ones)


def test_a_folded_normalization_is_its_layer() -> None:
    """The layer kept its name, but what it writes is what the normalization wrote."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
        helper.make_node("Relu", ["c"], ["y"], "relu"),
    ]
    folded = model(nodes, "y", w=np.ones((2, 2, 1, 1)))
    found = match(graph_of(normalized()), graph_of(folded))
    assert {pair.node: pair.second.tensor for pair in found.pairs} == {"norm": "c", "relu": "y"}
    assert found.there == {"conv": ("conv",), "norm": ("conv",), "relu": ("relu",)}
    assert found.back["conv"] == ("conv", "norm")


def test_what_has_no_partner_has_none() -> None:
    """An operator more, of another name and kind, is matched with nothing."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("Tanh", ["r"], ["t"], "more"),
    ]
    first = model(nodes[:2], "r", w=np.ones((2, 2, 1, 1)))
    second = model(nodes, "t", w=np.ones((2, 2, 1, 1)))
    found = match(graph_of(first), graph_of(second))
    assert "more" not in found.back
    assert set(found.there) == {"conv", "relu"}


def test_other_names_are_followed_along_the_edges() -> None:
    """A branch more does not keep the rest from being found."""
    ours = [
        helper.make_node("Conv", ["x", "w"], ["a"], "one"),
        helper.make_node("Relu", ["a"], ["b"], "two"),
        helper.make_node("Conv", ["b", "w"], ["c"], "three"),
    ]
    theirs = [
        helper.make_node("Conv", ["x", "w"], ["1"], "1"),
        helper.make_node("Relu", ["1"], ["2"], "2"),
        helper.make_node("Conv", ["2", "w"], ["3"], "3"),
        helper.make_node("Conv", ["x", "w"], ["4"], "4"),
        helper.make_node("Add", ["3", "4"], ["5"], "5"),
    ]
    weight = _RNG.standard_normal((2, 2, 1, 1))
    found = match(graph_of(model(ours, "c", w=weight)), graph_of(model(theirs, "5", w=weight)))
    assert found.there == {"one": ("1",), "two": ("2",), "three": ("3",)}
    assert found.by_structure == 3
    assert [(pair.first.tensor, pair.second.tensor) for pair in found.pairs] == [
        ("a", "1"),
        ("b", "2"),
        ("c", "3"),
    ]


@pytest.mark.parametrize("activations", ["uint8", "float"])
def test_quantizers_have_no_partners(quantized: Callable[..., Any], activations: str) -> None:
    """They are part of an operator; every operator has one, both ways."""
    proto = normalized()
    made = quantized(proto, "int8", activations)
    first, second = graph_of(proto), extract_graph(made.written)
    known = find_quantized(second)
    found = match(first, second)
    assert set(found.there) == {node.name for node in first.nodes}
    assert set(found.back) == {n.name for n in second.nodes} - set(known.hidden)
    back = match(second, first)
    assert set(back.there) == set(found.back)
    types = layer_types(known_of(made.written, second, "quantized"), second.node("conv"))
    assert (
        types
        == {"uint8": "uint8:channel / uint8:tensor", "float": "int8:channel / float"}[activations]
    )


def test_kernels_are_found_by_the_names_that_the_runtime_gives() -> None:
    """The layer's own, one with a number, that of its output, or that of what was fused in."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "plain"),
        helper.make_node("Conv", ["a", "w"], ["b"], "again"),
        helper.make_node("Conv", ["b", "w"], ["c"], "blocked"),
        helper.make_node("Relu", ["c"], ["d"], "relu"),
        helper.make_node("Conv", ["d", "w"], ["e"], "gone"),
    ]
    graph = graph_of(model(nodes, "e", w=np.ones((2, 2, 1, 1))))
    run = (
        Node("plain", "QLinearConv", outputs=("p",)),
        Node("again_token_3", "ConvInteger", outputs=("q",)),
        Node("d_nchwc", "Conv", outputs=("r",)),
        Node("", "DequantizeLinear", outputs=("s",)),
    )
    found = find_kernels(graph, NOT_QUANTIZED, run)
    assert found.layers == {
        "plain": "QLinearConv",
        "again": "ConvInteger",
        "blocked": "Conv",
        "gone": "",
    }
    assert found.in_integers() == ("plain", "again")
    assert [found.how(name) for name in found.layers] == ["integer", "integer", "float", "part"]
    assert found.conversions() == 1
