"""The commands do what they say, in both forms of output."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from inspector.session.recipe import load_recipe


def test_quantize_prints_the_contract(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """One object with at least the promised keys, and a file that onnxruntime runs."""
    out = tmp_path / "small.onnx"
    ran = cli("quantize", model, "-o", out, "--calibration", data, "--samples", 32, "--json")
    assert (ran.code, ran.err) == (0, "")
    result = ran.json
    assert (result["output"], result["format"]) == (str(out), "qdq")
    assert isinstance(result["opset"], int)
    assert len(result["layers"]) == 10
    for layer in result["layers"]:
        assert {"name", "op_type", "weights", "activations", "weight_sqnr_db"} <= layer.keys()
        assert layer["weights"] == "int8:channel:minmax:sym"
        assert layer["weight_sqnr_db"] > 30
    assert result["size"]["float_bytes"] == model.stat().st_size
    assert result["size"]["quantized_bytes"] == out.stat().st_size
    kinds = Counter(node.op_type for node in onnx.load(out).graph.node)
    found = result["conversions"]
    assert found["conversions"] == found["quantize"] + found["dequantize"]
    assert found["integer_operators"] >= len(result["layers"])
    assert 0 < found["quantize"] + found["quantize_inputs"] <= kinds["QuantizeLinear"]
    for figures in (result["predicted"], result["measured"]):
        assert {"sqnr_db", "cosine", "top1_agreement"} <= figures.keys()
    assert abs(result["predicted"]["sqnr_db"] - result["measured"]["sqnr_db"]) <= 0.5
    assert {"load", "calibrate", "quantize", "save", "verify"} <= result["seconds"].keys()
    session = ort.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    assert session.run(None, {"image": np.zeros((1, 1, 8, 8), np.float32)})[0].shape == (1, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]


def test_quantize_for_people(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """Sizes, SQNR predicted and measured, times, and the path; units everywhere."""
    out = tmp_path / "small.onnx"
    ran = cli("quantize", model, "-o", out, "--calibration", data, "--samples", 16)
    assert (ran.code, ran.err) == (0, "")
    for part in (str(out), "kB ->", "x smaller", "dB", "cosine", "top-1", "calibrate", "predicted"):
        assert part in ran.out
    assert "random" not in ran.out


def test_options_become_rules_and_defaults(cli, model: Path, tmp_path: Path) -> None:
    """Rules of the command line come after those of the recipe and win."""
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        'version = 1\n[default]\nactivations = "float"\n'
        '[[rule]]\nlayers = "*conv1*"\nweights = "int4"\n'
    )
    ran = cli(
        *("quantize", model, "-o", tmp_path / "o.onnx", "--recipe", recipe, "--json"),
        *("--weights", "int6:tensor", "--layer", "op:Gemm=weights:int8:channel@0"),
        *("--layer", "/block1/conv1*=weights:float"),
    )
    assert (ran.code, ran.err) == (0, "")
    found = {layer["name"]: layer["weights"] for layer in ran.json["layers"]}
    assert found["/stem/conv/Conv"] == "int6:tensor:minmax:sym"
    assert found["/block1/conv1/conv/Conv"] == "float"
    assert found["/block2/conv1/conv/Conv"] == "int4:channel:minmax:sym"
    assert found["/head/Gemm"] == "int8:channel@0:minmax:sym"
    assert {layer["activations"] for layer in ran.json["layers"]} == {"float"}


def test_random_data_is_said_everywhere(cli, model: Path, tmp_path: Path) -> None:
    """In the summary and in the object."""
    out = tmp_path / "o.onnx"
    ran = cli("quantize", model, "-o", out, "--random-data", 4)
    assert ran.code == 0
    assert "random inputs" in ran.out
    ran = cli("quantize", model, "-o", out, "--random-data", 4, "--seed", 7, "--json")
    assert ran.json["calibration"]["random"] is True
    assert "seed 7" in ran.json["calibration"]["source"]


def test_statistics_stand_for_the_data(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """The same ranges, so the same figures, whatever the recipe; for their own model only."""
    stats = tmp_path / "stats.npz"
    ran = cli("calibrate", model, "--calibration", data, "-o", stats, "--samples", 3, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["output"] == str(stats)
    assert ran.json["calibration"]["samples"] == 3
    ran = cli("calibrate", model, "--calibration", data, "-o", tmp_path / "b.npz", "--samples", 3)
    assert "tensors" in ran.out
    assert "3 samples" in ran.out
    for number, more in enumerate((["--no-verify"], ["--activations", "int16:minmax"])):
        files = [tmp_path / f"{kind}{number}.onnx" for kind in ("data", "stats")]
        for path, source in zip(files, (data, stats), strict=True):
            ran = cli(
                *("quantize", model, "-o", path, "--calibration", source, "--samples", 3),
                *("--json", "--no-verify", *more),
            )
            assert (ran.code, ran.err) == (0, "")
            assert ran.json["measured"] is None
        near = cli("compare", *files, "--calibration", data, "--samples", 4, "--json").json
        # Not to the bit: which outputs a session has decides what onnxruntime fuses.
        assert near["sqnr_db"] is None or near["sqnr_db"] > 40
    other = model.with_name("digits_mobile.onnx")
    ran = cli("quantize", other, "-o", tmp_path / "x.onnx", "--calibration", stats)
    assert ran.code == 1
    assert "another model" in ran.err


def test_a_report_is_the_object(cli, model: Path, tmp_path: Path) -> None:
    """In a file, beside the summary on the terminal."""
    report = tmp_path / "report.json"
    ran = cli("quantize", model, "-o", tmp_path / "o.onnx", "--random-data", 2, "--report", report)
    assert ran.code == 0
    assert json.loads(report.read_text())["output"] == str(tmp_path / "o.onnx")


def test_the_source_is_replaced_only_by_force(cli, model: Path, tmp_path: Path) -> None:
    """Under any name that leads to it."""
    copy = tmp_path / "m.onnx"
    shutil.copy(model, copy)
    (tmp_path / "link.onnx").symlink_to(copy)
    before = copy.read_bytes()
    for name in ("m.onnx", "./m.onnx", "link.onnx"):
        ran = cli("quantize", copy, "-o", f"{tmp_path}/{name}", "--random-data", 2)
        assert ran.code == 1
        assert "--force" in ran.err
        assert copy.read_bytes() == before
    ran = cli("quantize", copy, "-o", copy, "--random-data", 2, "--force")
    assert ran.code == 0
    assert copy.read_bytes() != before


def test_compare_tells_how_near(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """A model is exactly itself; with labels there is accuracy."""
    ran = cli("compare", model, model, "--calibration", data, "--samples", 8, "--json")
    assert (ran.code, ran.err) == (0, "")
    result = ran.json
    assert result["sqnr_db"] is None
    assert (result["cosine"], result["top1_agreement"]) == (pytest.approx(1.0), 1.0)
    out = tmp_path / "o.onnx"
    assert cli("quantize", model, "-o", out, "--calibration", data, "--samples", 32).code == 0
    evaluation = data.with_name("digits_evaluation.npz")
    ran = cli("compare", model, out, "--calibration", evaluation, "--samples", 100)
    assert ran.code == 0
    for part in ("digits_cnn.onnx", "o.onnx", "accuracy", "dB", "ms", "100 samples"):
        assert part in ran.out
    ran = cli("compare", model, out, "--random-data", 2)
    assert "random inputs" in ran.out


def test_info_of_the_samples(cli, sample_models: Path) -> None:
    """File, opset, inputs, outputs, sizes, layers; what the passes fold."""
    for path in sorted(sample_models.glob("*.onnx")):
        ran = cli("info", path, "--json")
        assert (ran.code, ran.err) == (0, "")
        info = ran.json
        assert info["inputs"] == [{"name": "image", "dtype": "float32", "shape": ["N", 1, 8, 8]}]
        assert info["size"]["float_bytes"] == path.stat().st_size
        assert info["quantizable"]
        assert info["parameters"] > 1000
        assert all(layer["parameters"] for layer in info["layers"] if layer["weight_shape"])
    ran = cli("info", sample_models / "digits_cnn.onnx")
    for part in (
        "opset",
        "image  float32 N x 1 x 8 x 8",
        "9 BatchNormalization",
        "Fold BatchNormalization: 9 (fold_batch_norm)",
    ):
        assert part in ran.out
    assert "/head/Gemm" not in ran.out
    assert "/head/Gemm" in cli("info", sample_models / "digits_cnn.onnx", "--layers").out


def test_info_of_a_quantized_model(cli, model: Path, tmp_path: Path) -> None:
    """Its recipe can be read back."""
    out = tmp_path / "o.onnx"
    assert cli("quantize", model, "-o", out, "--random-data", 2, "--weights", "int5").code == 0
    text = cli("info", out, "--json").json["recipe"]
    (tmp_path / "r.toml").write_text(text)
    assert str(load_recipe(tmp_path / "r.toml").default.weights) == "int5"
    assert "recipe of Quant Inspector" in cli("info", out).out


def test_info_of_odd_models(cli, shared_models: Path) -> None:
    """One object, or one clear error; never a traceback."""
    for path in sorted((shared_models / "odd").glob("*.onnx")):
        ran = cli("info", path, "--json")
        if ran.code == 0:
            assert ran.json["model"] == str(path)
        else:
            assert ran.code == 1
            assert ran.out == ""
            assert path.name in ran.err
            assert "fault of the program" not in ran.err


def test_pictures_are_fed_as_the_model_says(cli, colours: Path, tmp_path: Path) -> None:
    """A model that takes its mean out itself gets 0 to 255, and is right; fed otherwise it is not.

    The pictures are blue, green and red, and their classes are the channels in the order BGR.
    """
    out = tmp_path / "q.onnx"
    line = ("quantize", colours / "model.onnx", "-o", out, "--calibration", colours / "pictures")
    ran = cli(*line, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["accuracy"] == {"float": 1.0, "predicted": 1.0, "measured": 1.0, "labelled": 2}
    assert "BGR 8x8" in ran.json["calibration"]["notes"][0]
    other = cli(*line, "--images", "channels=RGB", "--json").json
    assert other["accuracy"]["float"] < 1.0
    people = cli(*line).out
    assert "accuracy (100 % in float)" in people
    assert "subtracts 104, 117, 123" in people


def test_without_labels_no_accuracy_is_claimed(cli, model: Path, tmp_path: Path) -> None:
    """Random inputs have no right answer."""
    ran = cli("quantize", model, "-o", tmp_path / "q.onnx", "--random-data", 4, "--json")
    assert ran.json["accuracy"] is None


def test_compare_says_where_models_part(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """Layer by layer, with times of both taken in turn."""
    out = tmp_path / "small.onnx"
    cli(
        *("quantize", model, "-o", out, "--calibration", data, "--samples", 16),
        *("--layer", "*conv2*=weights:int2", "--no-verify"),
    )
    ran = cli("compare", model, out, "--calibration", data, "--samples", 4, "--json")
    result = ran.json
    assert result["parted_at"]
    by_name = {one["name"]: one["sqnr_db"] for one in result["layers"]}
    assert by_name[result["parted_at"]] < result["parted_below_db"]
    assert result["b"]["latency"]["operators"]
    low, high = result["a"]["latency"]["quartiles_ms"]
    assert low <= result["a"]["latency"]["median_ms"] <= high
    shown = cli("compare", model, out, "--calibration", data, "--samples", 4).out
    assert f"{result['parted_at']}, the first below 30.0 dB" in shown


def test_passes_are_listed_and_can_be_left_out(cli, sample_models: Path, tmp_path: Path) -> None:
    """By the names under which `info` lists them; others are refused with all there are."""
    model = sample_models / "digits_cnn.onnx"
    listed = cli("info", model, "--skip", "fold_batch_norm", "--json").json["passes"]
    assert [one["name"] for one in listed if one["skipped"]] == ["fold_batch_norm"]
    assert not any(one["changed"] for one in listed)
    shown = cli("info", model, "--skip", "fold_batch_norm").out
    assert "Fold BatchNormalization: left out (fold_batch_norm)" in shown
    wrong = cli("info", model, "--skip", "fold_norm")
    assert wrong.code == 1
    assert "fold_batch_norm" in wrong.err
    out, statistics = tmp_path / "o.onnx", tmp_path / "s.npz"
    left_out = ("--skip", "fold_batch_norm")
    assert cli("calibrate", model, "-o", statistics, "--random-data", 2, *left_out).code == 0
    ran = cli("quantize", model, "-o", out, "--calibration", statistics, "--json", *left_out)
    assert [one["name"] for one in ran.json["passes"] if one["skipped"]] == ["fold_batch_norm"]
    assert cli("quantize", model, "-o", out, "--calibration", statistics).code == 1
