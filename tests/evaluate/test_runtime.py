"""Sessions: what they tell, how they fail, and how they stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from inspector.errors import CancelledError, RunError
from inspector.evaluate.runtime import clean_message, open_session, optimized_op_counts
from inspector.onnxio.loading import Model, model_of
from inspector.onnxio.runnable import Runnable, runnable


def test_tells_inputs_and_outputs(small_model: Model) -> None:
    """Tells inputs and outputs."""
    session = open_session(runnable(small_model))
    (value,) = session.inputs
    assert (value.name, value.dtype, value.shape) == ("x", "float32", ("N", 3, 8, 8))
    assert [v.name for v in session.outputs] == ["y"]


def test_runs_what_is_asked_for(small_model: Model) -> None:
    """Runs what is asked for."""
    session = open_session(runnable(small_model, outputs=["c", "r"]), threads=1)
    found = session.run({"x": np.ones((2, 3, 8, 8), np.float32)}, ["r"])
    assert list(found) == ["r"]
    assert found["r"].shape == (2, 4, 6, 6)


def test_optimizations_and_precision_do_not_change_floats(small_model: Model) -> None:
    """Optimizations and precision do not change floats."""
    feeds = {"x": np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)}
    r = runnable(small_model)
    plain = open_session(r, optimize=False).run(feeds)["y"]
    for session in (
        open_session(r, precise=True),
        open_session(r, spinning=False, memory_pattern=False),
    ):
        np.testing.assert_allclose(session.run(feeds)["y"], plain, rtol=1e-4, atol=1e-3)


def test_weights_handed_over_beside_the_model_stay_alive(small_model: Model) -> None:
    """Weights handed over beside the model stay alive."""
    weights = np.full((64, 64), 0.5, np.float32)
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=weights.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "w"), ("offset", "0"), ("length", str(weights.nbytes))):
        tensor.external_data.add(key=key, value=value)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64])],
        [tensor],
    )
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = open_session(Runnable(data.SerializeToString(), {"w": weights.copy()}))
    del weights
    for _ in range(3):
        found = session.run({"x": np.ones((1, 64), np.float32)})
        np.testing.assert_array_equal(found["y"], np.full((1, 64), 32, np.float32))


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ({}, ["x", "missing"]),
        ({"x": np.zeros((1, 3, 8), np.float32)}, ["x", "rank"]),
        ({"x": np.zeros((1, 4, 8, 8), np.float32)}, ["x", "dimensions"]),
        ({"x": np.zeros((1, 3, 8, 8))}, ["double", "float"]),
        ({"x": np.zeros((1, 3, 8, 8), np.float32), "z": np.zeros(1)}, ["z"]),
    ],
)
def test_wrong_feeds_are_told_in_plain_words(
    small_model: Model, feeds: dict[str, np.ndarray], words: list[str], capfd: pytest.CaptureFixture
) -> None:
    """Wrong feeds are told in plain words."""
    session = open_session(runnable(small_model), title="small.onnx")
    with pytest.raises(RunError) as caught:
        session.run(feeds)
    assert caught.value.message.startswith("onnxruntime could not run small.onnx: ")
    assert all(word in caught.value.message for word in words)
    assert "ONNXRuntimeError" not in caught.value.message
    assert caught.value.hint
    assert capfd.readouterr().err == ""


def test_files_that_are_no_models(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    """Files that are no models."""
    bad = tmp_path / "bad.onnx"
    bad.write_text("hello")
    for path, words in ((bad, "not an ONNX model"), (tmp_path / "gone.onnx", "no such")):
        with pytest.raises(RunError, match=words) as caught:
            open_session(path)
        assert str(path) in caught.value.message
    assert capfd.readouterr().err == ""


def test_unknown_operators_are_told(model_from: Callable[..., Model]) -> None:
    """Unknown operators are told."""
    odd = model_from([helper.make_node("Frob", ["x"], ["y"], name="f")], {"x": [1]}, ["y"])
    with pytest.raises(RunError, match="Frob") as caught:
        open_session(runnable(odd))
    assert "operator" in caught.value.hint


def test_failing_inside_a_node_names_the_node(model_from: Callable[..., Model]) -> None:
    """Failing inside a node names the node."""
    model = model_from(
        [helper.make_node("Gather", ["table", "i"], ["y"], name="pick")],
        {"i": ["N"]},
        ["y"],
        {"table": np.zeros((4, 2), np.float32)},
        types={"i": TensorProto.INT64},
    )
    session = open_session(runnable(model))
    with pytest.raises(RunError, match="pick") as caught:
        session.run({"i": np.array([9])})
    assert "idx=9" in caught.value.message


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (
            "[ONNXRuntimeError] : 1 : FAIL : Load model from a/b.onnx failed:"
            "/onnxruntime_src/onnxruntime/core/graph/model.cc:180 onnxruntime::Model::Model("
            "onnx::ModelProto&&, const PathString&) Unsupported model IR version: 99",
            "Unsupported model IR version: 99",
        ),
        (
            "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while "
            "running Reshape node. Name:'r' Status Message: /src/reshape_helper.h:45 "
            "onnxruntime::ReshapeHelper::ReshapeHelper(const TensorShape&, TensorShapeVector&, "
            "bool) input_shape_size == size was false. The input tensor cannot be reshaped",
            "failed in Reshape node. Name:'r' The input tensor cannot be reshaped",
        ),
        ("", "no reason was given"),
    ],
)
def test_messages_lose_their_noise(text: str, clean: str) -> None:
    """Messages lose their noise."""
    assert clean_message(text) == clean


def _slow_model() -> Model:
    """From x through a Loop of 10^9 turns to y."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Sin", ["v"], ["w"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [8]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [8]),
        ],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["turns", "yes", "x"], ["y"], name="loop", body=body)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [8])],
        [
            helper.make_tensor("turns", TensorProto.INT64, [], [10**9]),
            helper.make_tensor("yes", TensorProto.BOOL, [], [True]),
        ],
    )
    imports = [helper.make_opsetid("", 17)]
    return model_of(helper.make_model(graph, opset_imports=imports, ir_version=8))


def test_cancel_stops_a_run() -> None:
    """Cancel stops a run."""
    session = open_session(runnable(_slow_model()))
    feeds = {"x": np.ones(8, np.float32)}
    stop = threading.Event()
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    start = time.monotonic()
    with pytest.raises(CancelledError):
        session.run(feeds, cancel=stop.is_set)
    assert time.monotonic() - start < 60
    timer.join()
    with pytest.raises(CancelledError):
        session.run(feeds, cancel=lambda: True)
    assert not any(t.name == "cancel-watcher" for t in threading.enumerate())


def test_a_run_that_is_not_cancelled_ends(small_model: Model) -> None:
    """A run that is not cancelled ends."""
    session = open_session(runnable(small_model))
    found = session.run({"x": np.zeros((1, 3, 8, 8), np.float32)}, cancel=lambda: False)
    assert found["y"].shape == (1, 4, 6, 6)


def test_counts_what_the_runtime_makes_of_a_model(small_model: Model, tmp_path: Path) -> None:
    """Counts what the runtime makes of a model."""
    counts = optimized_op_counts(runnable(small_model))
    assert counts.get("Relu", 0) == 0  # fused into the convolution
    path = tmp_path / "m.onnx"
    onnx.save(small_model.proto, path)
    assert optimized_op_counts(path) == counts
