"""The prediction against the written file, in onnxruntime and in the onnx reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import ModelProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from inspector.errors import RunError, UnsupportedError
from inspector.evaluate.runtime import open_session
from inspector.onnxio.draft import whole_proto
from inspector.onnxio.loading import model_of
from inspector.onnxio.runnable import runnable
from inspector.onnxio.writers.qoperator import to_qoperator
from inspector.session.importing import open_as_recipe
from inspector.session.round_trip import written_again
from tests.evaluate.random_graphs import RandomGraph, sqnr

Quantize = Callable[..., Any]

_WEIGHTS = ("int8", "int8", "uint8", "int6", "int4", "uint4", "int3", "int2", "int16", "float")
_ACTIVATIONS = ("uint8", "uint8", "int8", "uint6", "int4", "uint3", "uint2", "int16", "float")
_WEIGHT_PARTS = ("", "", ":tensor", ":block2", ":asym", ":sym", ":mse")
_ACTIVATION_PARTS = ("", ":sym", ":minmax", ":minmax:asym")


def assert_agree(
    predicted: Sequence[Mapping[str, np.ndarray]],
    measured: Sequence[Mapping[str, np.ndarray]],
    least: float = 60.0,
) -> None:
    """All samples but one agree: a value halfway between two codes may fall to either side."""
    found = [sqnr(a, b) for a, b in zip(predicted, measured, strict=True)]
    assert sorted(found)[1] >= least, found


@st.composite
def specs(draw: st.DrawFn, kinds: Sequence[str], parts: Sequence[str]) -> str:
    """The text of a spec."""
    kind = draw(st.sampled_from(kinds))
    return kind if kind == "float" else kind + draw(st.sampled_from(parts))


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(
    seed=st.integers(0, 2**32),
    size=st.integers(1, 10),
    opset=st.sampled_from([17, 17, 17, 21, 22]),
    weights=st.lists(specs(_WEIGHTS, _WEIGHT_PARTS), min_size=1, max_size=4),
    activations=st.lists(specs(_ACTIVATIONS, _ACTIVATION_PARTS), min_size=1, max_size=4),
)
def test_files_do_what_was_predicted(
    quantized: Quantize,
    seed: int,
    size: int,
    opset: int,
    weights: list[str],
    activations: list[str],
) -> None:
    """Any graph with any choices: the file passes the checker and runs as the simulation says."""
    graph = RandomGraph(seed, size, opset)
    onnx.checker.check_model(graph.proto, full_check=True)
    names = [node.name for node in graph.nodes]
    by_layer = {n: weights[i % len(weights)] for i, n in enumerate(names)}
    made = quantized(
        graph.proto,
        by_layer,
        {n: activations[i % len(activations)] for i, n in enumerate(names)},
        samples=4,
        seed=seed,
    )
    onnx.checker.check_model(made.proto, full_check=True)
    assert [value.name for value in made.proto.graph.output] == graph.outputs
    predicted = made.predicted()
    assert_agree(predicted, made.measured(optimize=False))
    # Of products with 4-bit weights alone onnxruntime makes MatMulNBits, which rounds on its own.
    assert_agree(predicted, made.measured(optimize=True), 40.0)


_TABLES = ("fp8e4m3", "fp8e5m2", "log2", "log3", "log4", "log6", "log8", "binary", "ternary")


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    size=st.integers(1, 8),
    weights=st.lists(specs((*_TABLES, "int8"), ("", ":tensor")), min_size=1, max_size=4),
    activations=st.lists(
        specs((*_ACTIVATIONS, "fp8e4m3", "fp8e5m2", "fp8e4m3"), ("",)), min_size=1, max_size=4
    ),
)
def test_files_with_tables_of_levels_do_what_was_predicted(
    quantized: Quantize, seed: int, size: int, weights: list[str], activations: list[str]
) -> None:
    """The same for types whose levels are not evenly spaced."""
    graph = RandomGraph(seed, size)
    names = [node.name for node in graph.nodes]
    made = quantized(
        graph.proto,
        {n: weights[i % len(weights)] for i, n in enumerate(names)},
        {n: activations[i % len(activations)] for i, n in enumerate(names)},
        samples=4,
        seed=seed,
    )
    onnx.checker.check_model(made.proto, full_check=True)
    for optimize in (False, True):
        assert_agree(made.predicted(), made.measured(optimize=optimize))


@pytest.mark.parametrize("weights", ["int8", "uint8:asym", "int4", "int16", "int8:tensor"])
@pytest.mark.parametrize("activations", ["uint8", "int8:sym", "uint16", "float"])
def test_the_onnx_reference_agrees(quantized: Quantize, weights: str, activations: str) -> None:
    """The file means the same to an evaluator that knows no fusion at all."""
    proto = _small_network()
    made = quantized(proto, weights, activations)
    reference = ReferenceEvaluator(made.proto)
    names = [value.name for value in made.proto.graph.output]
    expected = [dict(zip(names, reference.run(None, feeds), strict=True)) for feeds in made.feeds]
    assert_agree(expected, made.predicted())


def _small_network() -> ModelProto:
    rng = np.random.default_rng(3)
    constants = {
        "w1": rng.standard_normal((6, 3, 3, 3)) / 5,
        "b1": rng.standard_normal(6),
        "w2": rng.standard_normal((6, 1, 3, 3)) / 3,
        "w3": rng.standard_normal((4, 6)),
        "b3": rng.standard_normal(4),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], name="first", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "w2"], ["d"], name="depthwise", group=6, pads=[1] * 4),
        helper.make_node("Add", ["d", "r"], ["s"], name="residual"),
        helper.make_node("GlobalAveragePool", ["s"], ["g"], name="pool"),
        helper.make_node("Flatten", ["g"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], name="classify", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", 1, (1, 3, 6, 6))],
        [helper.make_tensor_value_info("y", 1, (1, 4))],
        [numpy_helper.from_array(v.astype(np.float32), n) for n, v in constants.items()],
    )
    imports = [helper.make_opsetid("", 21)]  # the reference has no earlier DequantizeLinear
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    size=st.integers(1, 8),
    weights=st.lists(specs(_WEIGHTS, ("", ":tensor", ":asym")), min_size=1, max_size=4),
    activations=st.lists(
        specs((*_ACTIVATIONS, "uint16"), _ACTIVATION_PARTS), min_size=1, max_size=4
    ),
    integers=st.booleans(),
)
def test_files_that_are_opened_and_saved_again_are_what_they_were(
    quantized: Quantize,
    seed: int,
    size: int,
    weights: list[str],
    activations: list[str],
    integers: bool,
) -> None:
    """Any graph with any choices: read back as a recipe it gives the same numbers, bit for bit."""
    graph = RandomGraph(seed, size)
    names = [node.name for node in graph.nodes]
    made = quantized(
        graph.proto,
        {n: weights[i % len(weights)] for i, n in enumerate(names)},
        {n: activations[i % len(activations)] for i, n in enumerate(names)},
        seed=seed,
    )
    source = model_of(whole_proto(to_qoperator(made.written) if integers else made.written))
    try:
        found = open_as_recipe(source)
    except UnsupportedError:  # nothing was quantized
        return
    again = written_again(found)
    for optimize in (False, True):
        try:
            first = open_session(runnable(source), threads=1, optimize=optimize)
        except RunError:  # onnxruntime refuses a few of its own rewritings
            return
        second = open_session(runnable(again), threads=1, optimize=optimize)
        for feeds in made.feeds:
            expected, measured = first.run(feeds), second.run(feeds)
            for name, values in expected.items():
                assert values.tobytes() == measured[name].tobytes(), found.notes
