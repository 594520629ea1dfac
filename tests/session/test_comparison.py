"""Two models compared: every pair gets figures, or one clear message."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from inspector.errors import DataError, InspectorError, ModelError
from inspector.report.comparison import (
    ComparisonReport,
    nearness_rows,
    speed_lines,
    summary_rows,
    to_html,
    to_markdown,
    write_comparison,
)
from inspector.session.comparison import Comparison, compare_models, compare_pair, measure_pair
from inspector.session.pairing import ModelPair, open_pair
from inspector.session.samples import SampleRequest

RANDOM = SampleRequest(random_samples=2)
FLOAT, INT64, UINT8 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.UINT8


def written(
    folder: Path,
    name: str,
    nodes: list[Any],
    inputs: list[tuple[str, int, Any]],
    outputs: list[tuple[str, int, Any]],
    **constants: Any,
) -> Path:
    """A model file."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [
            one if not isinstance(one, tuple) else helper.make_tensor_value_info(*one)
            for one in outputs
        ],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    path = folder / f"{name}.onnx"
    opsets = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


WEIGHT = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32)


def product(folder: Path, name: str = "a", read: str = "x", width: int = 4) -> Path:
    """X times a matrix."""
    node = helper.make_node("MatMul", [read, "w"], ["y"], "product")
    return written(
        folder, name, [node], [(read, FLOAT, ["N", width])], [("y", FLOAT, ["N", 3])],
        w=np.resize(WEIGHT, (width, 3)),
    )  # fmt: skip


def compared(pair: ModelPair, request: SampleRequest = RANDOM) -> Comparison:
    """Run both."""
    samples = request.open(pair.first.model, pair.require_joint().graph)
    return compare_pair(pair, samples)


def test_integers_by_others_are_fed_what_the_floats_are(tmp_path: Path) -> None:
    """Scale and zero point stand in the quantizers beside the ends; either way round."""
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "sx", "zx"], ["xf"], "in"),
        helper.make_node("MatMul", ["xf", "w"], ["yf"], "product"),
        helper.make_node("QuantizeLinear", ["yf", "sy", "zy"], ["y"], "out"),
    ]
    scales = {"sx": np.float32(0.05), "zx": np.uint8(128), "sy": np.float32(0.1)}
    other = written(
        tmp_path, "b", nodes, [("x", UINT8, ["N", 4])], [("y", UINT8, ["N", 3])],
        w=WEIGHT, zy=np.uint8(128), **scales,
    )  # fmt: skip
    floats = product(tmp_path)
    for pair in (open_pair(floats, other), open_pair(other, floats)):
        found = compared(pair)
        assert 20 < found.fidelity.sqnr_db < 60
        assert found.notes == ()


def test_inputs_of_other_names_are_matched_in_order_and_told(tmp_path: Path) -> None:
    """The same network under another name of its input."""
    pair = open_pair(product(tmp_path), product(tmp_path, "b", "pixels"))
    found = compared(pair)
    assert found.fidelity.sqnr_db == math.inf
    assert any("'x' with 'pixels'" in note for note in found.notes)


@pytest.mark.parametrize("case", ["type", "shape", "count", "outputs"])
def test_models_that_cannot_be_compared_say_why(tmp_path: Path, case: str) -> None:
    """One message that names both."""
    first = product(tmp_path)
    if case == "type":
        cast = [helper.make_node("Cast", ["x"], ["y"], to=FLOAT)]
        second = written(tmp_path, "b", cast, [("x", INT64, ["N", 4])], [("y", FLOAT, ["N", 4])])
    elif case == "shape":
        second = product(tmp_path, "b", width=6)
    elif case == "count":
        add = [helper.make_node("Add", ["x", "z"], ["y"])]
        ends = [("x", FLOAT, ["N", 4]), ("z", FLOAT, ["N", 4])]
        second = written(tmp_path, "b", add, ends, [("y", FLOAT, ["N", 4])])
    else:
        shape = [helper.make_node("Shape", ["x"], ["y"])]
        second = written(tmp_path, "b", shape, [("x", FLOAT, ["N", 4])], [("y", INT64, [2])])
    pair = open_pair(first, second)
    with pytest.raises(ModelError) as caught:
        pair.require_joint()
    assert "a.onnx" in str(caught.value)
    assert "b.onnx" in str(caught.value)
    with pytest.raises(ModelError):
        compare_models(first, second, RANDOM)


def test_outputs_of_every_kind_get_a_figure_or_a_reason(tmp_path: Path) -> None:
    """Floats, integers, a sequence, and one that only one of them has."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"], "product"),
        helper.make_node("ArgMax", ["y"], ["k"], "choose", axis=1),
        helper.make_node("SequenceConstruct", ["y"], ["s"], "list"),
    ]
    sequence = helper.make_tensor_sequence_value_info("s", FLOAT, ["N", 3])
    ends: list[Any] = [("y", FLOAT, ["N", 3]), ("k", INT64, ["N", 1]), sequence]
    first = written(tmp_path, "a", nodes, [("x", FLOAT, ["N", 4])], ends, w=WEIGHT)
    second = written(tmp_path, "b", nodes, [("x", FLOAT, ["N", 4])], ends[:3], w=WEIGHT)
    found = compared(open_pair(first, second))
    by_name = {one.name: one for one in found.outputs}
    assert by_name["y"].sqnr_db == math.inf
    assert by_name["k"].equal == 1.0
    assert "no tensor" in by_name["s"].note
    rows = dict(nearness_rows(found))
    assert rows["  k"].startswith("100 %")
    fewer = written(tmp_path, "c", nodes[:1], [("x", FLOAT, ["N", 4])], ends[:1], w=WEIGHT)
    found = compared(open_pair(first, fewer))
    assert any("not compared: k, s" in note for note in found.notes)


def test_only_integers_have_no_sqnr(tmp_path: Path) -> None:
    """Not 0, and not infinity: not applicable."""
    nodes = [helper.make_node("NonZero", ["x"], ["y"], "where")]
    ends = [("x", FLOAT, ["N", 4])], [("y", INT64, [2, "M"])]
    path = written(tmp_path, "a", nodes, *ends)
    found = compared(open_pair(path, path))
    rows = dict(nearness_rows(found))
    assert rows["SQNR"] == rows["cosine"] == "not applicable"
    assert found.to_json()["per_output"]["y"]["equal"] == 1.0


def test_no_samples_and_labels_that_do_not_fit(tmp_path: Path) -> None:
    """Each is told."""
    path = product(tmp_path)
    pair = open_pair(path, path)
    samples = RANDOM.open(pair.first.model, pair.require_joint().graph)
    with pytest.raises(DataError, match="no samples"):
        compare_pair(pair, samples.subset(slice(0, 0)))
    odd = replace(samples, labels=np.zeros((2, 5), np.int64))
    found = compare_pair(pair, odd)
    assert found.a.accuracy is None
    assert any("labels" in note for note in found.notes)
    data = tmp_path / "data.npz"
    np.savez(data, x=np.ones((3, 4), np.float32), label=np.zeros(2, np.int64))
    with pytest.raises(InspectorError, match="label"):
        compared(pair, SampleRequest(data))


def test_a_report_in_every_format_says_the_same(
    sample_models: Path, quantized: Callable[..., Any], tmp_path: Path
) -> None:
    """With times, memory, what was fused, and names from files escaped."""
    float_file = sample_models / "digits_cnn.onnx"
    data = SampleRequest(sample_models / "digits_calibration.npz", limit=4)
    pair = open_pair(float_file, float_file)
    told: list[Comparison] = []
    samples = data.open(pair.first.model, pair.require_joint().graph)
    found = compare_pair(pair, samples, tell=told.append)
    assert [one.fidelity.samples for one in told] == [1, 2, 3, 4]
    found = found.with_latencies(measure_pair(pair, samples))
    assert found.latencies is not None
    assert found.latencies.threads == 1
    memory = [side.latency.memory_bytes for side in (found.a, found.b) if side.latency]
    assert all(one is None or one > 0 for one in memory)
    assert found.a.latency is not None
    assert set(found.a.latency.kernels.layers) >= {"/head/Gemm"}
    assert len(speed_lines(found)) >= 2
    report = ComparisonReport(found, "quant-inspector compare <a> b")
    page, text = to_html(report), to_markdown(report)
    for row in summary_rows(found):
        assert row.name in page
        assert row.name in text
    assert "compare &lt;a&gt; b" in page
    for suffix in (".html", ".md", ".json"):
        write_comparison(report, tmp_path / f"r{suffix}")
    with pytest.raises(InspectorError, match=r"\.html"):
        write_comparison(report, tmp_path / "r.doc")


def test_constants_that_are_listed_as_inputs_need_not_be_fed(tmp_path: Path) -> None:
    """Nor those that nobody reads: old exporters list them all."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"], "product")
    ends: list[Any] = [("x", FLOAT, ["N", 4]), ("w", FLOAT, [4, 3]), ("count", INT64, [])]
    path = written(
        tmp_path, "old", [node], ends, [("y", FLOAT, ["N", 3])],
        w=WEIGHT, count=np.int64(7),
    )  # fmt: skip
    found = compared(open_pair(path, path))
    assert found.layers_note == ""
    assert [layer.node for layer in found.layers] == ["product"]


def test_other_networks_are_told_to_be_so(sample_models: Path) -> None:
    """Few partners: a warning, and figures all the same."""
    pair = open_pair(sample_models / "digits_cnn.onnx", sample_models / "digits_mobile.onnx")
    found = compared(pair)
    assert found.fidelity.samples == 2
    assert len(found.a.lone) == 25
    assert any("other networks" in note for note in found.notes)


def test_nodes_may_stand_in_any_order(tmp_path: Path) -> None:
    """Files of some tools are not sorted, and onnxruntime takes them."""
    nodes = [
        helper.make_node("Relu", ["p"], ["y"], "last"),
        helper.make_node("MatMul", ["x", "w"], ["p"], "first"),
    ]
    ends = [("x", FLOAT, ["N", 4])], [("y", FLOAT, ["N", 3])]
    path = written(tmp_path, "unsorted", nodes, *ends, w=WEIGHT)
    found = compared(open_pair(path, path))
    assert found.layers_note == ""
    assert {layer.node for layer in found.layers} == {"first", "last"}
