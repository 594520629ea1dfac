"""What the whole job refuses, and that nothing is left behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.errors import (
    CancelledError,
    DataError,
    InspectorError,
    ModelError,
    RecipeError,
    RunError,
    SaveError,
    UnsupportedError,
)
from inspector.evaluate.calibrate import Calibration, calibrate
from inspector.evaluate.random_data import random_data
from inspector.evaluate.runtime import optimized_op_counts
from inspector.evaluate.statistics import save_calibration
from inspector.quant.spec import QuantSpec
from inspector.session import job
from inspector.session.chosen import measured_tensors, resolve
from inspector.session.job import QuantizeRequest, quantize_model
from inspector.session.opening import open_model
from inspector.session.recipe import Recipe, Rule


def _recipe(weights: str, activations: str, *rules: Rule) -> Recipe:
    recipe = Recipe().with_default(QuantSpec.parse(weights), QuantSpec.parse(activations))
    for rule in rules:
        recipe = recipe.with_rule(rule)
    return recipe


@pytest.fixture
def model(sample_models: Path, tmp_path: Path) -> Path:
    """A copy of a sample model that may be overwritten."""
    return Path(shutil.copy(sample_models / "digits_cnn.onnx", tmp_path / "model.onnx"))


def _request(model: Path, output: Path, **more: Any) -> QuantizeRequest:
    return QuantizeRequest(model, output, **({"random_samples": 4} | more))


# The source and the target -------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["itself", "relative", "symlink", "hard link"])
def test_the_source_is_never_overwritten_without_force(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    """However it is spelled."""
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    output = {
        "itself": model,
        "relative": Path("..") / model.name,
        "symlink": tmp_path / "link.onnx",
        "hard link": tmp_path / "hard.onnx",
    }[spelling]
    if spelling == "symlink":
        output.symlink_to(model)
    elif spelling == "hard link":
        output.hardlink_to(model)
    before = model.read_bytes()
    with pytest.raises(SaveError, match="is the model itself"):
        quantize_model(_request(model, output))
    assert model.read_bytes() == before


def test_force_replaces_the_source_by_a_file_that_proved_itself(model: Path) -> None:
    """The float reference is read before."""
    result = quantize_model(_request(model, model, force=True))
    assert result.verification is not None
    assert result.verification.agrees
    assert "QLinearConv" in optimized_op_counts(model)


def test_external_weights_are_not_overwritten(model: Path, tmp_path: Path) -> None:
    """Not even with force: the source would be lost."""
    proto = onnx.load(model)
    source = tmp_path / "external.onnx"
    onnx.save(proto, source, save_as_external_data=True, location="w.onnx", size_threshold=0)
    before = (tmp_path / "w.onnx").read_bytes()
    with pytest.raises(SaveError, match=r"holds the weights"):
        quantize_model(_request(source, tmp_path / "w.onnx", force=True))
    assert (tmp_path / "w.onnx").read_bytes() == before


@pytest.mark.parametrize("stage", ["calibrate", "verify"])
def test_cancelled_work_leaves_nothing(model: Path, tmp_path: Path, stage: str) -> None:
    """Neither a file nor a folder, and what was there before stays."""
    output = tmp_path / "out.onnx"
    output.write_bytes(b"what was there")
    reached: list[str] = []
    with pytest.raises(CancelledError):
        quantize_model(
            _request(model, output, force=True),
            progress=lambda at, _done, _total: reached.append(at),
            cancel=lambda: stage in reached,
        )
    assert output.read_bytes() == b"what was there"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.onnx", "out.onnx"]


def test_a_file_that_does_not_run_is_not_left(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that did not prove itself never appears."""

    def refuse(*_arguments: Any, **_more: Any) -> None:
        raise RunError("onnxruntime cannot load the model.")

    monkeypatch.setattr(job, "verify", refuse)
    with pytest.raises(RunError):
        quantize_model(_request(model, tmp_path / "out.onnx"))
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_a_full_disk_leaves_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message speaks of the target and not of where it was prepared."""

    def full(_model: Any, path: Path) -> None:
        raise SaveError(f"The disk is full: {path} was not written.", "Free some space.")

    monkeypatch.setattr(job, "save_model", full)
    output = tmp_path / "out.onnx"
    with pytest.raises(SaveError) as caught:
        quantize_model(_request(model, output))
    assert caught.value.message == f"The disk is full: {output} was not written."
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_the_mode_of_a_replaced_file_stays(model: Path, tmp_path: Path) -> None:
    """As an editor would do it."""
    output = tmp_path / "out.onnx"
    output.write_bytes(b"old")
    output.chmod(0o640)
    quantize_model(_request(model, output, force=True, verify=False))
    assert output.stat().st_mode & 0o777 == 0o640


# Bad requests --------------------------------------------------------------------------------


def _save(path: Path, proto: onnx.ModelProto) -> Path:
    onnx.save(proto, path)
    return path


def _network(
    weight: np.ndarray, opset: int = 17, dtype: int = TensorProto.FLOAT, extra: str = ""
) -> onnx.ModelProto:
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"], "conv")]
    nodes.append(helper.make_node(extra or "Relu", ["a"], ["y"], "last"))
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", dtype, [1, 2, 5, 5])],
        [helper.make_tensor_value_info("y", dtype, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def _spec_request(weights: str, activations: str = "uint8") -> Callable[[Path, Path], Any]:
    return lambda model, out: _request(model, out, recipe=_recipe(weights, activations))


def _source_request(proto: onnx.ModelProto, **more: Any) -> Callable[[Path, Path], Any]:
    return lambda model, out: _request(_save(model.with_name("other.onnx"), proto), out, **more)


_FINE = np.ones((2, 2, 3, 3), np.float32)
_NAN = np.full((2, 2, 3, 3), np.nan, np.float32)
BAD: dict[str, tuple[Callable[[Path, Path], Any], type[InspectorError], str]] = {
    "no model": (lambda m, o: _request(m.with_name("no.onnx"), o), ModelError, "no.onnx"),
    "a folder as model": (lambda m, o: _request(m.parent, o), ModelError, "folder"),
    "a folder as output": (lambda m, o: _request(m, m.parent), SaveError, "is a folder"),
    "no such folder": (lambda m, o: _request(m, o / "b.onnx"), SaveError, "no folder"),
    "no data": (
        lambda m, o: QuantizeRequest(m, o), DataError, "no data to calibrate",
    ),
    "missing data": (
        lambda m, o: QuantizeRequest(m, o, calibration=m.with_name("no.npz")), DataError, "no.npz",
    ),
    "activations per channel": (
        _spec_request("int8", "uint8:channel"), RecipeError, "activations cannot be quantized per",
    ),
    "KL over float8": (_spec_request("fp8e4m3:kl"), UnsupportedError, "evenly spaced"),
    "logarithmic": (_spec_request("int8", "log4"), UnsupportedError, "Activations cannot be log4"),
    "no such axis": (_spec_request("int8:channel@7"), RecipeError, "no axis 7"),
    "a rule for nothing": (
        lambda m, o: _request(m, o, recipe=_recipe("int8", "uint8", Rule("no/*", None,
                              QuantSpec.parse("int8")))),
        RecipeError, "'no/\\*' matches no layer",
    ),
    "an unknown target": (
        lambda m, o: _request(m, o, recipe=Recipe(target="toaster")), RecipeError, "toaster",
    ),
    "NaN in a weight": (_source_request(_network(_NAN)), DataError, "'w' holds 36 NaN"),
    "NaN in a weight, no activations": (
        _source_request(_network(_NAN), recipe=_recipe("int8", "float")), DataError, "'w' holds 36",
    ),
    "float16": (
        _source_request(_network(_FINE.astype(np.float16), dtype=TensorProto.FLOAT16)),
        UnsupportedError, "float16",
    ),
    "an opset that cannot be raised": (
        _source_request(_network(_FINE, 8, extra="Crop")), UnsupportedError, "Crop",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_requests_are_told_and_leave_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """One clear error with a next step, before calibration, and no file."""

    def too_late(*_arguments: Any, **_more: Any) -> Calibration:
        raise AssertionError("calibration began")

    monkeypatch.setattr(job, "calibrate", too_late)
    make, kind, message = BAD[what]
    request = make(model, tmp_path / "out.onnx")
    before = sorted(file.name for file in tmp_path.iterdir())
    with pytest.raises(kind, match=message) as caught:
        quantize_model(request)
    assert caught.value.hint
    assert sorted(file.name for file in tmp_path.iterdir()) == before


def test_a_quantized_model_has_nothing_left_to_quantize(model: Path, tmp_path: Path) -> None:
    """It says that it is quantized already."""
    once, twice = tmp_path / "once.onnx", tmp_path / "twice.onnx"
    quantize_model(_request(model, once, verify=False))
    with pytest.raises(UnsupportedError, match="nothing to quantize") as caught:
        quantize_model(_request(once, twice))
    assert "already" in caught.value.hint
    assert not twice.exists()


def test_layers_in_subgraphs_are_told(tmp_path: Path) -> None:
    """They stay in float, so a model of nothing else cannot be quantized."""
    body = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["t"])],
        "body",
        [],
        [helper.make_tensor_value_info("t", TensorProto.FLOAT, None)],
    )
    node = helper.make_node("If", ["c"], ["y"], "if", then_branch=body, else_branch=body)
    graph = helper.make_graph(
        [node],
        "test",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2]),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.eye(2, dtype=np.float32), "w")],
    )
    imports = [helper.make_opsetid("", 17)]
    source = _save(tmp_path / "if.onnx", helper.make_model(graph, opset_imports=imports))
    with pytest.raises(UnsupportedError, match="only in the subgraphs"):
        quantize_model(_request(source, tmp_path / "out.onnx"))


def test_statistics_of_another_model_are_refused(
    sample_models: Path, model: Path, tmp_path: Path
) -> None:
    """Those of this one serve instead of data."""
    opened = open_model(model)
    plan = opened.placement.plan(resolve(opened, Recipe()))
    data = random_data(opened.graph, samples=2)
    statistics = tmp_path / "statistics.npz"
    save_calibration(calibrate(opened.prepared, measured_tensors(plan), data), statistics)
    done = quantize_model(QuantizeRequest(model, tmp_path / "out.onnx", calibration=statistics))
    assert done.calibration_samples == 2
    other = sample_models / "digits_mobile.onnx"
    with pytest.raises(DataError, match="gathered from another model"):
        quantize_model(QuantizeRequest(other, tmp_path / "other.onnx", calibration=statistics))
    assert not (tmp_path / "other.onnx").exists()
