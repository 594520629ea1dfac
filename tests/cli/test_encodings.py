"""`encodings`: a file for another toolchain, or one clear error and no file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from onnx import load

from inspector.onnxio.encodings import FORMATS


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_is_written(cli, model: Path, data: Path, tmp_path: Path, name: str) -> None:
    """With the choices that suit its target."""
    out = tmp_path / "file"
    ran = cli(
        *("encodings", model, "--to", name, "-o", out, "--calibration", data),
        *("--samples", 8, "--json"),
    )
    assert (ran.code, ran.err) == (0, "")
    result = ran.json
    assert (result["output"], result["to"]) == (str(out), name)
    assert result["calibration"]["samples"] == 8
    assert result["entries"] > 0
    assert out.read_text().endswith("\n")


def test_the_float_model_has_the_tensors_of_the_file(
    cli, model: Path, data: Path, tmp_path: Path
) -> None:
    """Whatever foldings have made of the model."""
    out, floats = tmp_path / "net.encodings", tmp_path / "net.onnx"
    ran = cli(
        *("encodings", model, "--to", "aimet", "--version", "2.0.0", "-o", out),
        *("--calibration", data, "--samples", 8, "--float-model", floats),
    )
    assert (ran.code, ran.err) == (0, "")
    assert "AIMET encodings 2.0.0" in ran.out
    graph = load(floats).graph
    known = {one.name for one in (*graph.input, *graph.initializer)}
    known |= {name for node in graph.node for name in node.output}
    named = {entry["name"] for entry in json.loads(out.read_text())["encodings"]}
    assert named <= known


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--to", "aimmet"), "aimet"),
        (("--to", "aimet", "--version", "7"), "0.6.1"),
        (("--to", "tensorrt", "--version", "8.6"), "digits"),
        (("--to", "ncnn", "--target", "ort-cpu"), "symmetric"),
        (("--to", "cmsis-nn", "--weights", "int5", "--target", "generic"), "int5"),
        (("--to", "aimet", "--recipe", "missing.toml"), "missing.toml"),
    ],
)
def test_what_cannot_be_is_one_error(
    cli, model: Path, data: Path, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    """Exit code 1, the reason, and no file."""
    out = tmp_path / "file"
    ran = cli("encodings", model, "-o", out, "--calibration", data, "--samples", 4, *options)
    assert ran.code == 1
    assert words in ran.err
    assert "Traceback" not in ran.err
    assert list(tmp_path.iterdir()) == []


def test_nothing_that_is_read_is_written_over(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """Neither model nor data, nor one file for two things."""
    both = tmp_path / "x"
    for out, floats in ((model, both), (data, both), (both, both), (both, model)):
        before = model.read_bytes(), data.read_bytes()
        ran = cli(
            *("encodings", model, "--to", "aimet", "-o", out, "--float-model", floats),
            *("--calibration", data),
        )
        assert ran.code == 1
        assert (model.read_bytes(), data.read_bytes()) == before
        assert not both.exists()


def test_what_was_exported_can_be_taken_over(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """As a recipe that `quantize` takes."""
    out, recipe = tmp_path / "net.encodings", tmp_path / "recipe.toml"
    cli("encodings", model, "--to", "aimet", "-o", out, "--calibration", data, "--samples", 16)
    ran = cli("import", model, out, "-o", recipe)
    assert (ran.code, ran.err) == (0, "")
    assert "AIMET" in ran.out
    again = cli(
        *("quantize", model, "-o", tmp_path / "small.onnx", "--recipe", recipe, "--json"),
        *("--calibration", data, "--samples", 16),
    )
    assert again.json["measured"]["sqnr_db"] > 25
    assert all("range[" in layer["activations"] for layer in again.json["layers"])
    bad = cli("import", model, data, "-o", tmp_path / "bad.toml")
    assert bad.code == 1
    assert data.name in bad.err
    assert not (tmp_path / "bad.toml").exists()
