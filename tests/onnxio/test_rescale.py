"""Factors and shifts moved between weights leave the float function as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from inspector.evaluate.data import Dataset
from inspector.evaluate.recovery.moving import MOVING, move
from inspector.evaluate.runtime import open_session
from inspector.graph.channels import input_extent, output_extent
from inspector.graph.links import find_links
from inspector.graph.model import Graph
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import Model, model_of
from inspector.onnxio.passes import prepare
from inspector.onnxio.passes.own_bias import own_bias
from inspector.onnxio.runnable import runnable
from inspector.quant.spec import LayerSpecs, QuantSpec

Node = tuple[str, Sequence[str], Mapping[str, Any]]
CHANNELS = 6


def chain(rng: np.random.Generator, steps: Sequence[str], top: float) -> onnx.ModelProto:
    """A chain of operators from x (2, 6, 8, 8), or of products from x (2, 5, 6)."""
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, Any] = {"low": np.float32(0), "top": np.float32(top)}
    tensor, size = "x", CHANNELS

    def constant(name: str, *shape: int) -> str:
        values = rng.standard_normal(shape) * np.exp(
            rng.standard_normal(shape[:1] + (1,) * (len(shape) - 1))
        )
        constants[name] = values.astype(np.float32)
        return name

    for number, step in enumerate(steps):
        out, w, b = f"t{number}", f"w{number}", f"b{number}"
        name = f"n{number}"
        match step:
            case "conv":
                inputs = [tensor, constant(w, size, size, 3, 3), constant(b, size)]
                nodes.append(helper.make_node("Conv", inputs, [out], name, pads=[1, 1, 1, 1]))
            case "point":
                inputs = [tensor, constant(w, size, size, 1, 1), constant(b, size)]
                nodes.append(helper.make_node("Conv", inputs, [out], name))
            case "depthwise":
                inputs = [tensor, constant(w, size, 1, 3, 3)]
                nodes.append(helper.make_node("Conv", inputs, [out], name, group=size))
            case "grouped":
                inputs = [tensor, constant(w, size, size // 2, 1, 1), constant(b, size)]
                nodes.append(helper.make_node("Conv", inputs, [out], name, group=2))
            case "transposed":
                inputs = [tensor, constant(w, size, size // 2, 2, 2), constant(b, size)]
                nodes.append(helper.make_node("ConvTranspose", inputs, [out], name, group=2))
            case "clip":
                nodes.append(helper.make_node("Clip", [tensor, "low", "top"], [out], name))
            case "prelu":
                inputs = [tensor, constant(w, size, 1, 1)]
                nodes.append(helper.make_node("PRelu", inputs, [out], name))
            case "pool":
                nodes.append(
                    helper.make_node("MaxPool", [tensor], [out], name, kernel_shape=[2, 2])
                )
            case "gemm":
                inputs = [tensor, constant(w, size, size), constant(b, size)]
                nodes.append(helper.make_node("Gemm", inputs, [out], name, transB=number % 2))
            case "matmul":
                nodes.append(
                    helper.make_node("MatMul", [tensor, constant(w, size, size)], [out], name)
                )
            case "added":
                nodes.append(
                    helper.make_node(
                        "MatMul", [tensor, constant(w, size, size)], [f"m{number}"], name
                    )
                )
                inputs = [f"m{number}", constant(b, size)]
                nodes.append(helper.make_node("Add", inputs, [out], f"{name}_add"))
            case "norm":
                inputs = [tensor, constant(w, size), constant(b, size)]
                nodes.append(helper.make_node("LayerNormalization", inputs, [out], name, axis=-1))
            case _:
                nodes.append(helper.make_node(step, [tensor], [out], name))
        tensor = out
    spatial = steps[0] in {"conv", "point", "depthwise", "grouped", "transposed"}
    shape = [2, CHANNELS, 8, 8] if spatial else [2, 5, CHANNELS]
    if "gemm" in steps and not spatial:
        shape = [2, CHANNELS]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info(tensor, 1, None)],
        [numpy_helper.from_array(np.asarray(v, np.float32), n) for n, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


SPATIAL = ("conv", "point", "depthwise", "grouped", "transposed")
BETWEEN = ("Relu", "LeakyRelu", "prelu", "pool", "clip", "Identity")


@st.composite
def chains(draw: st.DrawFn) -> list[str]:
    """Layers with what treats channels by themselves between."""
    if draw(st.booleans()):
        steps = [draw(st.sampled_from(("norm", "added", "matmul")))]
        for _ in range(draw(st.integers(1, 3))):
            steps += draw(st.lists(st.sampled_from(("Relu", "LeakyRelu")), max_size=1))
            steps.append(draw(st.sampled_from(("matmul", "added", "norm"))))
        return steps
    steps = [draw(st.sampled_from(SPATIAL))]
    for _ in range(draw(st.integers(1, 3))):
        steps += draw(st.lists(st.sampled_from(BETWEEN), max_size=2))
        steps.append(draw(st.sampled_from(SPATIAL)))
    if draw(st.booleans()):
        steps += ["Relu", "GlobalAveragePool", "Flatten", "gemm"]
    return steps


def opened(proto: onnx.ModelProto) -> tuple[Model, Graph]:
    """A model, prepared, with biases, and its graph."""
    model = prepare(model_of(proto))[0]
    graph = extract_graph(model)
    model = own_bias(model, graph, {layer.name for layer in graph.layers})[0]
    return model, extract_graph(model)


def data(rng: np.random.Generator, shape: Sequence[int], count: int = 3) -> Dataset:
    """Random samples."""
    from inspector.evaluate.random_data import random_data
    from inspector.graph.model import Tensor

    graph = Graph("", (), {"x": Tensor("x", "float32", tuple(shape))}, ("x",), ())
    return random_data(graph, samples=count, seed=int(rng.integers(1000)))


def outputs(model: Model, samples: Dataset) -> list[np.ndarray]:
    """What a model computes of samples."""
    session = open_session(runnable(model), threads=1)
    return [next(iter(session.run(feeds).values())) for feeds in samples.samples()]


@pytest.mark.parametrize("method", MOVING)
@settings(max_examples=10, deadline=None, derandomize=True)
@given(steps=chains(), seed=st.integers(0, 99), top=st.sampled_from([0.5, 2.0, 6.0]))
def test_the_float_function_stays(method: str, steps: list[str], seed: int, top: float) -> None:
    """Within 1e-4 of the largest output, on samples that the method saw."""
    rng = np.random.default_rng(seed)
    model, graph = opened(chain(rng, steps, top))
    shape = [d for d in graph.tensors["x"].shape or () if isinstance(d, int)]
    samples = data(rng, shape)
    specs = {
        la.name: LayerSpecs(
            QuantSpec.parse("int8:tensor").filled("weights"),
            QuantSpec.parse("float" if method == "awq" else "uint8").filled("activations"),
        )
        for la in graph.layers
    }
    moved = move(method, model, graph, specs, {la.name for la in graph.layers}, samples)
    for before, after in zip(outputs(model, samples), outputs(moved.model, samples), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-4 * np.abs(before).max(), rtol=0)


def test_equalized_ranges_are_equal() -> None:
    """Nagel et al. 2019, equation 10: both sides of every channel have the same range."""
    rng = np.random.default_rng(1)
    model, graph = opened(chain(rng, ["conv", "Relu", "depthwise", "LeakyRelu", "point"], 6.0))
    specs = {
        la.name: LayerSpecs(QuantSpec.parse("int8"), QuantSpec.parse("uint8"))
        for la in graph.layers
    }
    samples = data(rng, [2, CHANNELS, 8, 8])
    moved = move("equalize", model, graph, specs, {la.name for la in graph.layers}, samples)
    assert len(moved.layers) == 3
    for link in find_links(graph, model.constant):
        source, reader = graph.layer(link.source), graph.layer(link.readers[0])
        made = output_extent(source, moved.model.constant(source.weight or ""))
        read = input_extent(reader, moved.model.constant(reader.weight or ""))
        np.testing.assert_allclose(made, read, rtol=5e-3)


def test_a_layer_that_is_switched_off_is_not_changed() -> None:
    """A link is left alone unless all its layers are switched on."""
    rng = np.random.default_rng(2)
    model, graph = opened(chain(rng, ["conv", "Relu", "point", "Relu", "point"], 6.0))
    specs = {
        la.name: LayerSpecs(QuantSpec.parse("int8"), QuantSpec.parse("uint8"))
        for la in graph.layers
    }
    samples = data(rng, [2, CHANNELS, 8, 8])
    moved = move("equalize", model, graph, specs, {"n0", "n2"}, samples)
    assert moved.layers == ("n0", "n2")
    assert np.array_equal(moved.model.constant("w4"), model.constant("w4"))


@pytest.mark.parametrize(
    ("steps", "count"),
    [
        (["conv", "Relu", "point"], 1),
        (["conv", "Sigmoid", "point"], 0),
        (["conv", "clip", "clip", "point"], 0),
        (["norm", "matmul"], 1),
        (["norm", "Softmax", "matmul"], 0),
        (["conv", "Relu", "Flatten", "Identity"], 0),
    ],
)
def test_links_are_found_where_a_factor_passes(steps: list[str], count: int) -> None:
    """Only through what is positively homogeneous and channel by channel."""
    model = model_of(chain(np.random.default_rng(0), steps, 6.0))
    graph = extract_graph(model)
    assert len(find_links(graph, model.constant)) == count


def test_a_tensor_that_others_read_too_is_no_link() -> None:
    """An output, or an operator beside the layers, would see the factor."""
    proto = chain(np.random.default_rng(0), ["conv", "Relu", "point"], 6.0)
    proto.graph.output.append(helper.make_tensor_value_info("t1", 1, None))
    model = model_of(proto)
    assert find_links(extract_graph(model), model.constant) == ()
