"""Whatever is wrong: the promised exit code, one clear message, nothing on stdout, no file left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

QUANTIZE = ("quantize", "{model}", "-o", "{tmp}/o.onnx")
GIVEN = (*QUANTIZE, "--random-data", "2")


def _fill(arguments: tuple[str, ...], model: Path, data: Path, tmp: Path) -> list[str]:
    return [text.format(model=model, data=data, tmp=tmp) for text in arguments]


def _check(ran, code: int, message: str) -> None:
    assert ran.code == code
    assert ran.out == ""
    assert message in " ".join(ran.err.split())
    assert "Traceback" not in ran.err
    assert "fault of the program" not in ran.err
    if code == 1:
        lines = ran.err.splitlines()
        assert lines[0].startswith("quant-inspector: error: ")
        assert len(lines) <= 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        # no such command, no such option, missing arguments
        (("quantise", "x"), "Did you mean 'quantize'?"),
        (("frobnicate",), "The commands are info, quantize, calibrate, compare"),
        (("benchmark", "{model}"), "neither a command nor a model file"),
        (("{model}", "--weights", "int8"), "No such option"),
        (("{model}", "{model}"), "unexpected extra argument"),
        (("--frob",), "No such option"),
        (("info",), "Missing argument 'MODEL'"),
        (("info", "a", "b"), "unexpected extra argument"),
        (("quantize", "{model}"), "Missing option '-o'"),
        ((*QUANTIZE, "--format", "tflite"), "'tflite' is not one of"),
        ((*QUANTIZE, "--random-data", "0"), "0 is not in the range x>=1"),
        ((*QUANTIZE, "--random-data", "many"), "not a valid integer"),
        ((*GIVEN, "--seed", "-1"), "-1 is not in the range"),
        ((*QUANTIZE, "--samples", "1.5"), "not a valid integer"),
        ((*GIVEN, "--calibration", "{data}"), "not both"),
        ((*GIVEN, "--report", "{tmp}/o.onnx.json", "--frob"), "No such option"),
        (("calibrate", "{model}", "-o", "{tmp}/s.npz"), "Give --calibration PATH"),
        (("compare", "{model}", "{model}"), "Give --calibration PATH"),
        (("compare", "{model}", "--random-data", "1"), "Missing argument 'MODEL_B'"),
    ],
)
def test_wrong_usage(
    cli, model: Path, data: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    """Exit code 2, and the usage."""
    ran = cli(*_fill(arguments, model, data, tmp_path))
    _check(ran, 2, message)
    assert "Usage: quant-inspector" in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        # specs
        ((*GIVEN, "--weights", "int88"), "--weights: In the spec 'int88'"),
        ((*GIVEN, "--weights", ""), "--weights: In the spec ''"),
        ((*GIVEN, "--activations", "uint8:percentil99"), "--activations"),
        ((*GIVEN, "--activations", "uint8:range[1,0]"), "ends before it starts"),
        ((*GIVEN, "--weights", "float:channel"), "float"),
        ((*GIVEN, "--weights", "int8:tensor:channel"), "second time"),
        ((*GIVEN, "--activations", "uint8:channel"), "activations cannot be quantized per channel"),
        ((*GIVEN, "--weights", "int8:channel@9"), "channel@9"),
        # parsed, but it means nothing
        ((*GIVEN, "--weights", "fp8e4m3:kl"), "Write 'fp8e4m3:channel:mse:sym'"),
        ((*GIVEN, "--activations", "log4"), "Activations cannot be log4"),
        ((*GIVEN, "--layer", "op:Gemm=weights:binary:block32"), "Write 'binary:channel:mse:sym'"),
        ((*GIVEN, "--format", "qoperator", "--weights", "int3"), "takes weights as int8"),
        # forms of the file
        ((*GIVEN, "--format", "weight-only", "--activations", "uint8"), "takes activations as f"),
        # layers
        ((*GIVEN, "--layer", "/hed/Gemm=weights:int4"), "The nearest are '/head/Gemm'"),
        ((*GIVEN, "--layer", "op:gemm=weights:int4"), "'op:Gemm'"),
        ((*GIVEN, "--layer", "*[0]*=weights:int4"), "matches no layer"),
        ((*GIVEN, "--layer", "=weights:int4"), "is not understood"),
        ((*GIVEN, "--layer", "op:Gemm"), "GLOB=weights:SPEC"),
        ((*GIVEN, "--layer", "op:Gemm=int4"), "GLOB=weights:SPEC"),
        ((*GIVEN, "--layer", "op:Gemm=weight:int4"), "GLOB=weights:SPEC"),
        ((*GIVEN, "--layer", "op:Gemm=weights:int4x"), "int4x"),
        ((*GIVEN, "--layer", "op:=weights:int4"), "names no operator"),
        # targets, reports, recipes
        ((*GIVEN, "--target", "ort"), "no target 'ort'"),
        ((*GIVEN, "--report", "{tmp}/r.docx"), "of the kind .docx cannot be written"),
        ((*GIVEN, "--report", "{tmp}/report"), "without a suffix cannot be written"),
        ((*GIVEN, "--report", "{tmp}/no/r.json"), "no folder"),
        ((*GIVEN, "--recipe", "{tmp}/no.toml"), "no.toml does not exist"),
        ((*GIVEN, "--recipe", "{tmp}"), "is a folder"),
        ((*GIVEN, "--recipe", "{model}"), "holds no recipe"),
        ((*GIVEN, "--recipe", "{data}"), "not UTF-8"),
        # models
        (("info", "{tmp}/no.onnx"), "no.onnx"),
        (("info", "{tmp}"), "is a folder"),
        (("info", "{data}"), "digits_calibration.npz"),
        (("info", "/dev/null"), "/dev/null is not a regular file"),
        (("{tmp}/no.onnx",), "There is no file"),
        (("{model}", "--recipe", "{tmp}/no.toml"), "no.toml"),
        (("{model}", "--calibration", "{tmp}/" + 300 * "x"), "There is no file"),
        (("info", "{tmp}/" + 300 * "x"), "too long"),
        # data
        (QUANTIZE, "--calibration PATH, or --random-data N"),
        ((*QUANTIZE, "--calibration", "{tmp}/no.npz"), "no.npz does not exist"),
        ((*QUANTIZE, "--calibration", "{tmp}"), "is empty"),
        ((*QUANTIZE, "--calibration", "{model}"), "of no kind that data comes in"),
        ((*QUANTIZE, "--calibration", "{data}", "--images", "size=big"), "size='big' is wrong"),
        ((*QUANTIZE, "--calibration", "{data}", "--images", "frob=1"), "is not understood"),
        (("compare", "{model}", "{tmp}/no.onnx", "--random-data", "1"), "no.onnx"),
        (("compare", "{model}", "{data}", "--random-data", "1"), "digits_calibration.npz"),
        # outputs
        (("quantize", "{model}", "-o", "{tmp}", "--random-data", "2"), "is a folder"),
        (("quantize", "{model}", "-o", "{tmp}/no/o.onnx", "--random-data", "2"), "no folder"),
        (("quantize", "{model}", "-o", "/dev/full", "--random-data", "2"), "regular file"),
        (("quantize", "{model}", "-o", "{model}", "--random-data", "2"), "--force"),
        (("quantize", "{model}", "-o", "{tmp}/" + 300 * "x", "--random-data", "2"), "too long"),
        (("calibrate", "{model}", "-o", "{tmp}/" + 300 * "x", "--random-data", "2"), "too long"),
        (("calibrate", "{model}", "-o", "{tmp}/no/s.npz", "--random-data", "2"), "no folder"),
        (("calibrate", "{model}", "-o", "{tmp}", "--random-data", "2"), "is a folder"),
    ],
)
def test_wrong_input(
    cli, model: Path, data: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    """Exit code 1, and what is wrong in one or two lines."""
    before = model.read_bytes()
    _check(cli(*_fill(arguments, model, data, tmp_path)), 1, message)
    assert list(tmp_path.iterdir()) == []
    assert model.read_bytes() == before


def _cut(path: Path, model: Path) -> None:
    path.write_bytes(model.read_bytes()[:-5000])


def _text(path: Path, _: Path) -> None:
    path.write_text("this is no model")


def _empty(path: Path, _: Path) -> None:
    path.touch()


def _html(path: Path, _: Path) -> None:
    path.write_text("<!DOCTYPE html><html>404</html>")


@pytest.mark.parametrize("make", [_cut, _text, _empty, _html])
def test_files_that_are_no_model(
    cli, model: Path, tmp_path: Path, make: Callable[[Path, Path], None]
) -> None:
    """The error names the file, for every command."""
    bad = tmp_path / "bad.onnx"
    make(bad, model)
    for arguments in (
        ("info", bad),
        ("quantize", bad, "-o", tmp_path / "o.onnx", "--random-data", 2),
        ("calibrate", bad, "-o", tmp_path / "s.npz", "--random-data", 2),
        ("compare", model, bad, "--random-data", 2),
    ):
        _check(cli(*arguments), 1, "bad.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.onnx"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image": np.zeros((2, 1, 9, 9), np.float32)}, "9"),
        ({"picture": np.zeros((2, 1, 8, 8), np.float32), "b": np.zeros(2)}, "image"),
        ({"image": np.array(["a", "b"])}, "image"),
        ({"image": np.zeros((0, 1, 8, 8), np.float32)}, "image"),
        ({"image": np.full((2, 1, 8, 8), np.nan, np.float32)}, "NaN"),
        ({"image": np.full((2, 1, 8, 8), np.inf, np.float32)}, "inf"),
        ({}, "d.npz"),
    ],
)
def test_data_that_does_not_fit(
    cli, model: Path, tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    """Before or while the model runs on it; nothing is written."""
    np.savez(tmp_path / "d.npz", **arrays)
    for command in ("quantize", "calibrate"):
        out = tmp_path / "out"
        ran = cli(command, model, "-o", out, "--calibration", tmp_path / "d.npz")
        _check(ran, 1, message)
        assert not out.exists()


def test_what_is_read_is_not_written(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """Neither the model, nor the data, nor the recipe, under any name."""
    files = {"m.onnx": model.read_bytes(), "d.npz": data.read_bytes(), "r.toml": b"version = 1"}
    files["m.json"] = files["m.onnx"]
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    own, given, recipe, named = (tmp_path / n for n in ("m.onnx", "d.npz", "r.toml", "m.json"))
    (tmp_path / "link").symlink_to(given)
    (tmp_path / "hard").hardlink_to(own)
    present = sorted(tmp_path.iterdir())
    quantize = ("quantize", own, "--calibration", given, "--recipe", recipe, "-o")
    for arguments in (
        (*quantize, given),
        (*quantize, tmp_path / "link"),
        (*quantize, recipe),
        ("quantize", named, "--random-data", 2, "-o", tmp_path / "o", "--report", named),
        ("calibrate", own, "--calibration", given, "-o", own),
        ("calibrate", own, "--calibration", given, "-o", tmp_path / "hard"),
        ("calibrate", own, "--calibration", given, "-o", given),
        ("calibrate", own, "--calibration", given, "-o", tmp_path / "link"),
    ):
        _check(cli(*arguments), 1, "which is read")
    assert sorted(tmp_path.iterdir()) == present
    assert {name: (tmp_path / name).read_bytes() for name in files} == files


def test_messages_have_an_end(cli, model: Path, tmp_path: Path) -> None:
    """However long what they quote."""
    ran = cli("quantize", model, "-o", tmp_path / "o", "--weights", "a" * 100_000)
    _check(ran, 1, "is not a data type")
    assert len(ran.err) < 2000


def test_data_that_never_ends(cli, model: Path, tmp_path: Path) -> None:
    """A pipe without a writer, and a device."""
    os.mkfifo(tmp_path / "pipe.npz")
    for path in (tmp_path / "pipe.npz", Path("/dev/zero")):
        _check(
            cli("quantize", model, "-o", tmp_path / "o", "--calibration", path), 1, "regular file"
        )
        _check(cli("compare", model, model, "--calibration", path), 1, "regular file")


def test_a_recipe_from_windows(cli, model: Path, tmp_path: Path) -> None:
    """With a byte order mark and its line ends."""
    recipe = tmp_path / "r.toml"
    recipe.write_bytes(b"\xef\xbb\xbfversion = 1\r\n[default]\r\nactivations = 'float'\r\n")
    assert cli("quantize", model, "-o", tmp_path / "o", "--recipe", recipe).code == 0


def test_statistics_are_no_samples(cli, model: Path, tmp_path: Path) -> None:
    """They cannot be run on."""
    stats = tmp_path / "s.npz"
    assert cli("calibrate", model, "-o", stats, "--random-data", 1).code == 0
    for arguments in (
        ("compare", model, model, "--calibration", stats),
        ("calibrate", model, "-o", tmp_path / "t.npz", "--calibration", stats),
    ):
        _check(cli(*arguments), 1, "the samples themselves are needed")


def test_models_that_do_not_belong_together(cli, model: Path, shared_models: Path) -> None:
    """Other inputs than the reference."""
    other = shared_models / "float" / "charlm.onnx"
    _check(cli("compare", model, other, "--random-data", 1), 1, "do not have the same inputs")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(cli, model: Path, tmp_path: Path) -> None:
    """Told before work starts."""
    tmp_path.chmod(0o500)
    ran = cli("quantize", model, "-o", tmp_path / "o.onnx", "--random-data", 2)
    tmp_path.chmod(0o700)
    _check(ran, 1, "read-only")


def test_a_full_disk(cli, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there before stays, and nothing else is left."""
    out = tmp_path / "o.onnx"
    shutil.copy(model, out)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    _check(cli("quantize", model, "-o", out, "--random-data", 2), 1, "disk is full")
    assert out.read_bytes() == model.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["o.onnx"]


def test_json_goes_alone_to_stdout(cli, tmp_path: Path) -> None:
    """An error leaves stdout empty even then."""
    _check(cli("info", tmp_path / "no.onnx", "--json"), 1, "no.onnx")
