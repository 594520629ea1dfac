"""Small ONNX models, and onnxruntime to compare with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Feeds = Mapping[str, np.ndarray]
Build = Callable[..., ModelProto]
Run = Callable[..., list[np.ndarray]]

# onnxruntime warns about what some of these models do on purpose.
ort.set_default_logger_severity(3)


def _build(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str],
    constants: Mapping[str, Any] | None = None,
    *,
    opset: int = 17,
    ir_version: int = 8,
) -> ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in (constants or {}).items()],
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version)


def _run(
    data: bytes,
    feeds: Feeds,
    arrays: Feeds | None = None,
    *,
    optimize: bool = False,
) -> list[np.ndarray]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    values = [ort.OrtValue.ortvalue_from_numpy(array) for array in (arrays or {}).values()]
    if values:
        options.add_external_initializers(list(arrays or {}), values)
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    wanted = {value.name for value in session.get_inputs()}
    return session.run(None, {name: value for name, value in feeds.items() if name in wanted})


@pytest.fixture(scope="session")
def build() -> Build:
    """Makes a float model: nodes, inputs with shapes, outputs, constants."""
    return _build


@pytest.fixture(scope="session")
def run() -> Run:
    """Runs serialized models in onnxruntime, its optimizations off."""
    return _run
