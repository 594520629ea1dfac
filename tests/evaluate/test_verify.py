"""Verification: agreement, and the reason where there is none."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper

from inspector.errors import CancelledError, RunError
from inspector.evaluate import verify as module
from inspector.evaluate.fidelity import Fidelity
from inspector.evaluate.random_data import random_data
from inspector.evaluate.verify import Verification, verify
from inspector.onnxio.saving import save_model

Quantize = Callable[..., Any]


def _proto(outputs: tuple[str, ...] = ("y",)) -> ModelProto:
    rng = np.random.default_rng(0)
    constants = {"w": rng.standard_normal((6, 3, 3, 3)), "v": rng.standard_normal((5, 6))}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "conv"),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["g"], "pool"),
        helper.make_node("Flatten", ["g"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "v"], ["y"], "gemm", transB=1),
        helper.make_node("ArgMax", ["y"], ["k"], "argmax", axis=1),
    ]
    graph = helper.make_graph(
        nodes if "k" in outputs else nodes[:-1],
        "test",
        [helper.make_tensor_value_info("x", 1, [1, 3, 8, 8])],
        [helper.make_tensor_value_info(n, 7 if n == "k" else 1, None) for n in outputs],
        [numpy_helper.from_array(v.astype(np.float32), n) for n, v in constants.items()],
    )
    imports = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def _verify(made: Any, saved: Path, **more: Any) -> Verification:
    data = random_data(made.placement.graph, samples=5)
    return verify(made.model, made.model, made.placement, made.grids, saved, data, **more)


def _fidelity(sqnr: float) -> Fidelity:
    return Fidelity(sqnr, 1.0, None, {}, 1)


def test_a_file_that_keeps_its_promise(quantized: Quantize, tmp_path: Path) -> None:
    """Prediction and measurement are the same; the source of the samples is told."""
    made = quantized(_proto(), "int8", "uint8")
    save_model(made.written, tmp_path / "q.onnx")
    calls: list[tuple[int, int]] = []
    found = _verify(made, tmp_path / "q.onnx", progress=lambda *at: calls.append(at))
    assert found.agrees
    assert found.cause == ""
    assert found.random
    assert "random" in found.source
    assert found.predicted.sqnr_db == pytest.approx(found.measured.sqnr_db, abs=0.01)
    assert found.measured.top1_agreement is not None
    assert calls == [(n, 5) for n in range(1, 6)]


def test_a_file_that_does_something_else_is_found_out(quantized: Quantize, tmp_path: Path) -> None:
    """Another choice than was written: they differ, and no known cause explains it."""
    made, other = quantized(_proto(), "int8", "uint8"), quantized(_proto(), "int4", "uint4")
    save_model(other.written, tmp_path / "q.onnx")
    found = _verify(made, tmp_path / "q.onnx")
    assert not found.agrees
    assert found.predicted.sqnr_db > found.measured.sqnr_db + 3
    assert "not known" in found.cause


@pytest.mark.parametrize(
    ("option", "words"), [("precise", "saturate"), ("optimize", "graph optimizations")]
)
def test_the_cause_is_told_where_it_is_known(
    quantized: Quantize,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    words: str,
) -> None:
    """The way to run the file in which it keeps its promise names the cause."""
    made, other = quantized(_proto(), "int8", "uint8"), quantized(_proto(), "int4", "uint4")
    good, bad = tmp_path / "good.onnx", tmp_path / "bad.onnx"
    save_model(made.written, good)
    save_model(other.written, bad)
    opened = module.open_session

    def open_session(model: Any, **more: Any) -> Any:
        cured = more.get("precise") if option == "precise" else more.get("optimize") is False
        return opened(good if cured and model == bad else model, **more)

    monkeypatch.setattr(module, "open_session", open_session)
    found = _verify(made, bad)
    assert not found.agrees
    assert words in found.cause


def test_several_outputs_and_integers(quantized: Quantize, tmp_path: Path) -> None:
    """Each float output has its own figure; classes cannot be told of two."""
    made = quantized(_proto(("r", "y", "k")), "int8", "uint8")
    save_model(made.written, tmp_path / "q.onnx")
    found = _verify(made, tmp_path / "q.onnx")
    assert set(found.measured.per_output) == {"r", "y"}
    assert found.measured.top1_agreement is None
    chosen = quantized(_proto(("k",)), "int8", "uint8")
    save_model(chosen.written, tmp_path / "k.onnx")
    only = _verify(chosen, tmp_path / "k.onnx")
    assert math.isnan(only.measured.sqnr_db)
    assert only.measured.top1_agreement is not None
    assert only.agrees


@pytest.mark.parametrize(
    ("predicted", "measured", "agree"),
    [
        (30.0, 30.4, True), (30.0, 30.6, False), (math.inf, math.inf, True),
        (math.inf, 90.0, False), (-math.inf, -math.inf, True), (math.nan, math.nan, True),
        (math.nan, 30.0, False), (math.inf, 104.0, True), (101.0, 140.0, True),
        (99.0, 140.0, False),
    ],
)  # fmt: skip
def test_agreement_at_its_edges(predicted: float, measured: float, agree: bool) -> None:
    """Infinite figures agree with their like only."""
    found = Verification("x", False, _fidelity(predicted), _fidelity(measured))
    assert found.agrees == agree


def test_it_can_be_cancelled(quantized: Quantize, tmp_path: Path) -> None:
    """Between runs."""
    made = quantized(_proto())
    save_model(made.written, tmp_path / "q.onnx")
    with pytest.raises(CancelledError):
        _verify(made, tmp_path / "q.onnx", cancel=lambda: True)


def test_a_file_that_does_not_run_is_called_what_it_will_be(
    quantized: Quantize, tmp_path: Path
) -> None:
    """The error names the file of the user, not the one that is tried out."""
    made = quantized(_proto())
    (tmp_path / "tried.onnx").write_bytes(b"no model")
    with pytest.raises(RunError, match=r"wanted\.onnx"):
        _verify(made, tmp_path / "tried.onnx", name="wanted.onnx")
