"""Grids around Concat: one where that costs nothing, several where one would be too coarse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.evaluate.calibrate import calibrate
from inspector.evaluate.random_data import random_data
from inspector.graph.grids import Grids, choose_grids
from inspector.session.chosen import measured_tensors, resolve
from inspector.session.job import save_quantized
from inspector.session.opening import OpenModel, open_model
from inspector.session.recipe import Recipe

CHANNELS = 8


def _model(path: Path, *, size: float, readers: int) -> Path:
    """Two convolutions that are joined, the second `size` times as large.

    The first has `readers` more convolutions behind it, the join has one.
    """
    rng = np.random.default_rng(0)
    nodes, weights = [], []

    def conv(name: str, source: str, inner: int, scale: float = 1.0) -> str:
        values = rng.normal(size=(CHANNELS, inner, 1, 1)).astype(np.float32) * scale
        weights.append(numpy_helper.from_array(values, f"{name}.weight"))
        nodes.append(helper.make_node("Conv", [source, f"{name}.weight"], [name], f"/{name}"))
        return name

    conv("first", "input", 3)
    conv("second", "input", 3, size)
    nodes.append(helper.make_node("Concat", ["first", "second"], ["joined"], "/join", axis=1))
    outputs = [conv("behind", "joined", 2 * CHANNELS)]
    outputs += [conv(f"reader{i}", "first", CHANNELS) for i in range(readers)]
    graph = helper.make_graph(
        nodes,
        "join",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 6, 6])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 8, 6, 6]) for n in outputs],
        weights,
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def _grids(opened: OpenModel) -> Grids:
    plan = opened.placement.plan(resolve(opened, Recipe()))
    data = random_data(opened.graph, samples=8)
    calibration = calibrate(opened.prepared, measured_tensors(plan), data)
    return choose_grids(opened.graph, plan, opened.prepared.constant, calibration.tensors)


@pytest.mark.parametrize(
    ("size", "readers", "shared"),
    [(10.0, 0, True), (10.0, 1, False), (10.0, 3, False), (1.0, 1, True), (1.0, 3, True)],
)
def test_an_input_shares_the_grid_of_a_join_where_that_costs_less(
    tmp_path: Path, size: float, readers: int, shared: bool
) -> None:
    """An input shares the grid of a join where that costs less than rounding twice."""
    grids = _grids(open_model(_model(tmp_path / "model.onnx", size=size, readers=readers)))
    first, second = (grids.at(name, "/join") for name in ("first", "second"))
    joined = grids.at("joined", "/behind")
    assert first is not None
    assert joined is not None
    assert second == joined
    assert (first == joined) == shared
    for number in range(readers):
        assert grids.at("first", f"/reader{number}") == first
    if not shared:
        assert float(first.scale) < 0.3 * float(joined.scale)


@pytest.mark.parametrize(("size", "readers"), [(10.0, 0), (10.0, 2)])
def test_joins_run_as_integer_kernels_and_as_predicted(
    tmp_path: Path, size: float, readers: int
) -> None:
    """Joins run as integer kernels, and as predicted."""
    opened = open_model(_model(tmp_path / "model.onnx", size=size, readers=readers))
    plan = opened.placement.plan(resolve(opened, Recipe()))
    data = random_data(opened.graph, samples=8)
    calibration = calibrate(opened.prepared, measured_tensors(plan), data)
    saved = tmp_path / "quantized.onnx"
    result = save_quantized(opened, Recipe(), calibration, data, saved)
    assert result.verification is not None
    predicted, measured = result.verification.predicted, result.verification.measured
    assert predicted.sqnr_db == pytest.approx(measured.sqnr_db, abs=0.01)
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(saved, options, ["CPUExecutionProvider"])
    kernels = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert "QLinearConcat" in kernels or "Concat" in kernels
    assert kernels.count("QLinearConv") == 3 + readers
    assert kernels.count("QuantizeLinear") == 1
