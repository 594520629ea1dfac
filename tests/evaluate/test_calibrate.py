"""Calibration gathers what a plain loop over the samples would, within its budget."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from inspector.errors import CancelledError, DataError, ModelError
from inspector.evaluate import calibrate as module
from inspector.evaluate.calibrate import calibrate
from inspector.evaluate.data import Dataset, load_data
from inspector.evaluate.random_data import random_data
from inspector.evaluate.runtime import open_session
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import Model, load_model
from inspector.onnxio.passes import prepare
from inspector.onnxio.runnable import runnable
from inspector.quant.distribution import Histogram

ModelFrom = Callable[..., Model]


@pytest.fixture
def data(small_model: Model) -> Dataset:
    """Six random samples for the small model."""
    return random_data(extract_graph(small_model), samples=6)


def direct(model: Model, name: str, data: Dataset) -> Histogram:
    """Gather one tensor the plain way."""
    merged = Histogram.empty()
    session = None if name in data.feeds(0) else open_session(runnable(model, outputs=[name]))
    for index, feeds in enumerate(data.samples()):
        values = session.run(feeds)[name] if session else feeds[name]
        merged = merged.merge(Histogram.of(values, batch=index))
    return merged


def test_gathers_all_tensors_at_once(small_model: Model, data: Dataset) -> None:
    """Inputs, outputs and what is between them, each as if it were the only one."""
    found = calibrate(small_model, ["x", "c", "r", "y"], data)
    assert (found.samples, found.random, found.seed) == (6, True, 0)
    assert found.model_key == small_model.key
    assert found.source == data.source
    assert list(found.tensors) == ["x", "c", "r", "y"]
    for name in ("x", "c"):
        assert found.tensors[name] == direct(small_model, name, data)
    assert found.tensors["r"].lo[0] == 0
    assert found.tensors["y"].batches[:, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_inputs_alone_need_no_run(small_model: Model, data: Dataset) -> None:
    """Nothing is run for a tensor that is fed."""
    found = calibrate(small_model, ["x"], data)
    assert found.tensors["x"] == direct(small_model, "x", data)


@pytest.mark.parametrize("cores", [1, 2, 16])
@pytest.mark.parametrize("budget", [1, 1500, 4000, 1 << 30])
def test_neither_budget_nor_cores_change_the_result(
    small_model: Model, data: Dataset, budget: int, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Splitting the tensors over runs, or samples over threads, gives the same counts."""
    monkeypatch.setattr(module, "_cores", lambda: cores)
    names = ["c", "x", "y"]
    wanted = {name: direct(small_model, name, data) for name in names}
    steps: list[tuple[int, int]] = []
    found = calibrate(
        small_model, names, data, budget_bytes=budget, progress=lambda *s: steps.append(s)
    )
    assert dict(found.tensors) == wanted
    total = steps[0][1]
    assert steps == [(i + 1, total) for i in range(total)]
    # c and y are 576 bytes each.
    assert total == (12 if budget < 1700 else 6)


def test_sizes_are_found_where_shapes_are_not_known(model_from: ModelFrom) -> None:
    """A probing run tells the sizes that shape inference does not."""
    model = model_from(
        [
            helper.make_node("NonZero", ["x"], ["where"], name="n"),
            helper.make_node("Cast", ["where"], ["f"], name="cast", to=TensorProto.FLOAT),
            helper.make_node("ReduceSum", ["f"], ["total"], name="sum", keepdims=0),
        ],
        {"x": ["N", 40]},
        ["f"],
    )
    data = random_data(extract_graph(model), samples=2)
    session = open_session(runnable(model, outputs=["f", "total"]))
    sizes = module._tensor_bytes(model, session, data.feeds(0))
    assert sizes == {"f": 2 * 40 * 4, "total": 4}
    found = calibrate(model, ["f", "total"], data, budget_bytes=10)
    assert found.tensors["f"] == direct(model, "f", data)


def test_halves_and_doubles_are_counted(model_from: ModelFrom) -> None:
    """Activations of float16 and float64 are floats too."""
    model = model_from(
        [
            helper.make_node("Cast", ["x"], ["half"], name="h", to=TensorProto.FLOAT16),
            helper.make_node("Cast", ["x"], ["double"], name="d", to=TensorProto.DOUBLE),
            helper.make_node("Relu", ["x"], ["y"], name="r"),
        ],
        {"x": ["N", 4]},
        ["y"],
    )
    found = calibrate(model, ["half", "double"], random_data(extract_graph(model), samples=3))
    assert all(h.total == 12 for h in found.tensors.values())


def test_tensors_that_cannot_be_calibrated(small_model: Model, data: Dataset) -> None:
    """Integers, unknown names and empty data are told."""
    with pytest.raises(DataError, match=r"'s' \(int64\)"):
        calibrate(small_model, ["c", "s"], data)
    with pytest.raises(ModelError, match="nowhere"):
        calibrate(small_model, ["c", "nowhere"], data)
    with pytest.raises(DataError, match="no samples"):
        calibrate(small_model, ["c"], data.subset([]))


def test_not_finite_activations_name_tensor_and_sample(
    model_from: ModelFrom, tmp_path: Path
) -> None:
    """The error says where the first NaN or infinity was seen."""
    model = model_from(
        [helper.make_node("Log", ["x"], ["log"], name="l")], {"x": ["N", 2]}, ["log"]
    )
    values = np.ones((40, 2), np.float32)
    values[17, 1] = 0
    np.save(tmp_path / "a.npy", values)
    data = load_data(tmp_path / "a.npy", extract_graph(model))
    with pytest.raises(DataError, match=r"Sample 17 of .*a\.npy.*'log'.*1 infinite") as caught:
        calibrate(model, ["log"], data)
    assert caught.value.hint


def test_samples_that_cannot_be_read_stop_the_run(small_model: Model, tmp_path: Path) -> None:
    """An error in a sample reaches the caller."""
    values = np.zeros((9, 3, 8, 8), np.float32)
    values[6, 0, 0, 0] = np.nan
    np.save(tmp_path / "a.npy", values)
    data = load_data(tmp_path / "a.npy", extract_graph(small_model))
    with pytest.raises(DataError, match=r"a\.npy, sample 6 holds NaN"):
        calibrate(small_model, ["c"], data)


def test_cancel_stops_soon_and_leaves_no_threads(small_model: Model) -> None:
    """Cancelling is answered within a few samples."""
    data = random_data(extract_graph(small_model), samples=100_000)
    seen: list[int] = []
    with pytest.raises(CancelledError):
        calibrate(
            small_model,
            ["c"],
            data,
            progress=lambda done, _: seen.append(done),
            cancel=lambda: len(seen) >= 5,
        )
    assert len(seen) == 5
    assert not [t for t in threading.enumerate() if t.name.startswith("calibrate")]


def test_a_failing_listener_stops_the_run(small_model: Model, data: Dataset) -> None:
    """An exception from progress ends the threads, and is passed on."""

    def fail(done: int, total: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        calibrate(small_model, ["c"], data, progress=fail)
    assert not [t for t in threading.enumerate() if t.name.startswith("calibrate")]


def test_real_models(shared_models: Path) -> None:
    """Real models with real and random data; values agree with the plain way."""
    model, _ = prepare(load_model(shared_models / "float" / "digits_cnn.onnx"))
    graph = extract_graph(model)
    data = load_data(shared_models / "inputs" / "digits_calib.npz", graph, limit=20)
    names = [layer.output for layer in graph.layers]
    found = calibrate(model, names, data)
    for name in (names[0], names[-1]):
        wanted = direct(model, name, data)
        np.testing.assert_allclose(found.tensors[name].batches, wanted.batches, rtol=1e-4)
    for other in ("gtcrn_simple", "ppocr_mobile_v2_cls", "magika_standard_v3_3"):
        model, _ = prepare(load_model(shared_models / "float" / f"{other}.onnx"))
        graph = extract_graph(model)
        names = [layer.output for layer in graph.layers]
        found = calibrate(model, names, random_data(graph, samples=1))
        assert all(h.total > 0 for h in found.tensors.values())
