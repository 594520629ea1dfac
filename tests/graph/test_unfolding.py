"""Layers as products of rows and columns, against onnxruntime's own kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

from inspector.evaluate.runtime import open_session
from inspector.graph.unfolding import columns, from_rows, to_rows, unfolds
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import model_of
from inspector.onnxio.runnable import runnable

CASES: list[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ("Conv", (2, 4, 7, 6), (6, 4, 3, 3), {}),
    ("Conv", (2, 4, 7, 6), (6, 2, 3, 2), {"group": 2, "strides": [2, 1], "pads": [1, 0, 2, 1]}),
    ("Conv", (1, 4, 9, 9), (4, 1, 3, 3), {"group": 4, "dilations": [2, 3], "pads": [2, 2, 2, 2]}),
    ("Conv", (1, 3, 8, 7), (5, 3, 3, 2), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ("Conv", (1, 3, 8, 7), (5, 3, 3, 2), {"auto_pad": "SAME_LOWER", "strides": [3, 2]}),
    ("Conv", (2, 3, 11), (4, 3, 5), {"auto_pad": "VALID"}),
    ("Conv", (1, 2, 4, 5, 6), (3, 2, 2, 3, 1), {"pads": [1, 1, 0, 0, 1, 0]}),
    ("Gemm", (5, 4), (4, 3), {}),
    ("Gemm", (5, 4), (3, 4), {"transB": 1}),
    ("Gemm", (4, 5), (4, 3), {"transA": 1}),
    ("MatMul", (2, 5, 4), (4, 3), {}),
]


@pytest.mark.parametrize(("op_type", "shape", "weight_shape", "attributes"), CASES)
def test_rows_times_columns_is_what_the_layer_computes(
    op_type: str, shape: tuple[int, ...], weight_shape: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    """Position by position, in the order of the output."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal(weight_shape).astype(np.float32)
    x = rng.standard_normal(shape).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node(op_type, ["x", "w"], ["y"], "layer", **attributes)],
        "one",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    imports = [helper.make_opsetid("", 17)]
    model = model_of(helper.make_model(graph, opset_imports=imports, ir_version=8))
    known = extract_graph(model)
    layer = known.layers[0]
    assert unfolds(layer)
    expected = open_session(runnable(model), threads=1).run({"x": x})["y"]
    found = columns(layer, known.nodes[0], x, 10**6, rng)
    rows = to_rows(layer, weight)
    product = found @ rows.swapaxes(1, 2)  # (groups, positions, rows)
    axis = 1 if op_type == "Conv" else expected.ndim - 1
    flat = np.moveaxis(expected, axis, -1).reshape(-1, expected.shape[axis])
    np.testing.assert_allclose(
        np.moveaxis(product, 0, 1).reshape(flat.shape), flat, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(from_rows(layer, rows), weight)
    few = columns(layer, known.nodes[0], x, 3, rng)
    assert few.shape == (found.shape[0], 3, found.shape[2])
