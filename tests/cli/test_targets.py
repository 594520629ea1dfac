"""Quantizing for some hardware from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from inspector.session.targets import FOLDER_VARIABLE

from .conftest import Cli

PROFILE = """
title = "My NPU"
description = "Of my board."
[default]
weights = "int8:tensor"
activations = "int8:sym"
source = "Data sheet, 2"
[[operator]]
names = ["Conv"]
source = "Data sheet, 3"
[[weights]]
dtypes = ["int8"]
granularities = ["tensor"]
source = "Data sheet, 4"
"""


@pytest.fixture
def quantize(cli: Cli, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Quantizes the small model with some options, on random data."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "profiles"))
    monkeypatch.setattr("inspector.session.targets._added", {})
    output = tmp_path / "out.onnx"

    def run(*arguments: object) -> Any:
        return cli("quantize", model, "-o", output, "--random-data", 2, *arguments)

    return run


def _zero_points(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    proto = onnx.load(path)
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    return {
        node.name: values[node.input[2]]
        for node in proto.graph.node
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"} and len(node.input) > 2
    }


def test_without_choices_the_target_decides(quantize: Any, tmp_path: Path) -> None:
    """Signed codes and zero points of zero for TensorRT, in the file itself."""
    ran = quantize("--target", "tensorrt", "--json", "--no-verify")
    assert ran.code == 0, ran.err
    assert ran.json["target"] == "tensorrt"
    assert ran.json["fitted"] == []
    assert {layer["activations"] for layer in ran.json["layers"]} == {"int8:tensor:mse:sym"}
    zeros = _zero_points(tmp_path / "out.onnx")
    assert zeros
    for zero in zeros.values():
        assert zero.dtype in (np.int8, np.int32)
        assert not zero.any()


def test_defaults_follow_the_target_into_each_layer(quantize: Any) -> None:
    """And it is said which layers got something else."""
    ran = quantize("--target", "amct", "--no-verify")
    assert ran.code == 0, ran.err
    assert "fitted to amct" in ran.out
    assert "1 layer: /head/Gemm" in ran.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--activations", "uint8"), "Layer '/stem/conv/Conv' does not fit the target 'tensorrt'"),
        (("--weights", "int4"), "TensorRT takes weights as int8, not as int4."),
        (("--layer", "op:Gemm=weights:int8:asym"), "Layer '/head/Gemm' does not fit"),
        (("--weights", "int8", "--activations", "float"), "no int8 weights with float activations"),
    ],
)
def test_what_was_chosen_is_not_changed_unasked(
    quantize: Any, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    """One error that names the layer, the reason and the remedy; and no file."""
    ran = quantize("--target", "tensorrt", *options)
    assert ran.code == 1
    assert message in ran.err
    assert "--fit" in ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "out.onnx").exists()


def test_it_is_changed_when_asked_for(quantize: Any) -> None:
    """With as many bits as before."""
    ran = quantize("--target", "tensorrt", "--activations", "uint8:kl", "--fit", "--json")
    assert ran.code == 0, ran.err
    assert {layer["activations"] for layer in ran.json["layers"]} == {"int8:tensor:kl:sym"}
    assert len(ran.json["fitted"]) == len(ran.json["layers"])


def test_a_profile_of_ones_own(quantize: Any, tmp_path: Path) -> None:
    """By its path; what it does not quantize stays float, and the recipe names it."""
    path = tmp_path / "my-npu.toml"
    path.write_text(PROFILE, "utf-8")
    ran = quantize("--target", path, "--json", "--no-verify")
    assert ran.code == 0, ran.err
    found = {layer["op_type"]: layer["weights"] for layer in ran.json["layers"]}
    assert found == {"Conv": "int8:tensor:minmax:sym", "Gemm": "float"}
    assert 'target = "my-npu"' in onnx.load(tmp_path / "out.onnx").metadata_props[-1].value


def test_a_profile_among_the_settings(quantize: Any, tmp_path: Path) -> None:
    """By its name."""
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "my-npu.toml").write_text(PROFILE, "utf-8")
    ran = quantize("--target", "my-npu", "--no-verify")
    assert ran.code == 0, ran.err
    assert "fitted to my-npu" in ran.out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PROFILE.replace("int8", "int8x"), "has 'int8x', which is not a type"),
        (PROFILE.replace("names", "name"), "Did you mean 'names'?"),
        ("\0", "not valid TOML"),
        (None, "does not exist"),
    ],
)
def test_a_bad_profile_is_told(
    quantize: Any, tmp_path: Path, content: str | None, message: str
) -> None:
    """Before any work, on one line and a hint."""
    path = tmp_path / "bad.toml"
    if content is not None:
        path.write_text(content, "utf-8")
    ran = quantize("--target", path)
    assert ran.code == 1
    assert message in ran.err
    assert len(ran.err.strip().split("\n")) <= 2
