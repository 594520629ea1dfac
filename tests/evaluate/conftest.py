"""Small models to run, and graphs that only have inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from inspector.graph.model import Dim, Graph, Tensor
from inspector.onnxio.loading import Model, model_of

ModelOf = Callable[..., Model]
GraphOf = Callable[..., Graph]


def _model(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Sequence[Dim]],
    outputs: Sequence[str],
    constants: Mapping[str, Any] | None = None,
    *,
    types: Mapping[str, int] | None = None,
) -> Model:
    infos = [
        helper.make_tensor_value_info(name, (types or {}).get(name, TensorProto.FLOAT), list(shape))
        for name, shape in inputs.items()
    ]
    graph = helper.make_graph(
        list(nodes),
        "test",
        infos,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in (constants or {}).items()],
    )
    imports = [helper.make_opsetid("", 17)]
    return model_of(helper.make_model(graph, opset_imports=imports, ir_version=8))


def _graph(**inputs: tuple[str, Sequence[Dim]]) -> Graph:
    tensors = {n: Tensor(n, dtype, tuple(shape)) for n, (dtype, shape) in inputs.items()}
    return Graph("test", (), tensors, tuple(inputs), (), (), 17, {"": 17})


@pytest.fixture(scope="session")
def model_from() -> ModelOf:
    """Make a model of nodes, inputs with shapes, outputs and constants."""
    return _model


@pytest.fixture(scope="session")
def graph_of() -> GraphOf:
    """Make a graph that has only inputs: ``graph_of(x=("float32", ["N", 3]))``."""
    return _graph


@pytest.fixture(scope="session")
def small_model() -> Model:
    """From x (N, 3, 8, 8) -> Conv -> c -> Relu -> r -> Mul 1000 -> y."""
    weights = np.random.default_rng(5).standard_normal((4, 3, 3, 3)).astype(np.float32)
    return _model(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
            helper.make_node("Relu", ["c"], ["r"], name="relu"),
            helper.make_node("Mul", ["r", "k"], ["y"], name="mul"),
            helper.make_node("Shape", ["r"], ["s"], name="shape"),
        ],
        {"x": ["N", 3, 8, 8]},
        ["y"],
        {"w": weights, "k": np.float32(1000)},
    )
