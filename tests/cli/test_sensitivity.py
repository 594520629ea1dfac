"""The command that ranks layers: its figures, its file, and what it says of bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

BOTH = ("--ways", "both")


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A network whose output is a picture of any size, and data for it."""
    folder = tmp_path_factory.mktemp("pixels")
    weight = np.random.default_rng(0).standard_normal((3, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="one", pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "w"], ["y"], name="two", pads=[1] * 4),
    ]
    graph = helper.make_graph(
        nodes,
        "pixels",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "h", "w_"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "pixels.onnx")
    values = np.random.default_rng(1).standard_normal((6, 3, 10, 8)).astype(np.float32)
    np.savez(folder / "data.npz", x=values)
    return folder / "pixels.onnx", folder / "data.npz"


def test_one_object(cli, model: Path, sample_models: Path) -> None:
    """Each layer, width and way once; ranked; with accuracy, for the data has labels."""
    data = sample_models / "digits_evaluation.npz"
    ran = cli("sensitivity", model, "--calibration", data, "--samples", 24, "--runs", 4, "--json")
    assert (ran.code, ran.err) == (0, "")
    result = ran.json
    cases = {(row["layer"], row["bits"], row["way"]) for row in result["layers"]}
    assert len(cases) == len(result["layers"]) == 10 * 2 * 4
    assert result["has_classes"] is True
    assert 0.9 <= result["float_accuracy"] <= 1.0
    assert result["data"]["samples"] == 4
    assert result["data"]["calibrated"] == 20
    for row in result["layers"]:
        assert row["sqnr_db"] > 0
        assert 0.0 <= row["accuracy"] <= 1.0
        assert (row["estimated_sqnr_db"] is None) == (row["way"] == "rest")
    alone = {r["layer"]: r for r in result["layers"] if (r["bits"], r["way"]) == (4, "both")}
    ranked = [alone[name]["sqnr_db"] for name in result["ranking"]["4"]]
    assert ranked == sorted(ranked)
    wide = {r["layer"]: r for r in result["layers"] if (r["bits"], r["way"]) == (8, "both")}
    assert all(wide[name]["sqnr_db"] > alone[name]["sqnr_db"] for name in alone)
    assert -1.0 <= result["estimate"]["spearman"]["4"] <= 1.0


def test_for_people(cli, model: Path, data: Path) -> None:
    """A table for each width, the worst first, and what the estimate is worth."""
    ran = cli("sensitivity", model, "--calibration", data, "--samples", 12, "--runs", 2, *BOTH)
    assert (ran.code, ran.err) == (0, "")
    for part in ("layer at 4 bits", "layer at 8 bits", "dB", "≈", "top-1", "Spearman", "2 samples"):
        assert part in ran.out


def test_no_classes(cli, pixels: tuple[Path, Path]) -> None:
    """Pictures are not classes: not applicable, and null, never 0."""
    model, data = pixels
    arguments = ("sensitivity", model, "--calibration", data, "--bits", "4", "--runs", "2")
    ran = cli(*arguments)
    assert ran.code == 0
    assert "not applicable" in ran.out
    found = cli(*arguments, "--json").json
    assert found["has_classes"] is False
    assert {row["top1_agreement"] for row in found["layers"]} == {None}
    assert {row["accuracy"] for row in found["layers"]} == {None}


def test_a_file_goes_on_where_it_was_stopped(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """What it holds is not run again and comes out the same; of another recipe it is."""
    kept = tmp_path / "kept.json"
    arguments = ("sensitivity", model, "--calibration", data, "--samples", 12, "--runs", 2)
    first = cli(*arguments, "--bits", "4", "-o", kept, *BOTH, "--json").json
    assert first["reused"] == 0
    assert json.loads(kept.read_text())["layers"] == first["layers"]
    more = cli(*arguments, "--bits", "4,6", "-o", kept, *BOTH, "--json").json
    assert more["reused"] == 10
    assert [row for row in more["layers"] if row["bits"] == 4] == first["layers"]
    recipe = tmp_path / "other.toml"
    recipe.write_text('version = 1\n[default]\nactivations = "float"\n')
    other = cli(*arguments, "--bits", "4", "-o", kept, "--recipe", recipe, *BOTH, "--json").json
    assert other["reused"] == 0
    assert other["layers"] != first["layers"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"found": 3}', '{"found": {"key": null}}'])
def test_a_file_of_something_else_is_replaced(
    cli, model: Path, data: Path, tmp_path: Path, content: str
) -> None:
    """As every output is; the work is done as if it were not there."""
    kept = tmp_path / "kept.json"
    kept.write_text(content)
    arguments = ("--samples", 8, "--runs", 2, "--bits", "8", *BOTH, "-o", kept)
    ran = cli("sensitivity", model, "--calibration", data, *arguments)
    assert (ran.code, ran.err) == (0, "")
    assert len(json.loads(kept.read_text())["layers"]) == 10


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 2, "--calibration"),
        (("--random-data", 4, "--bits", "four"), 2, "whole numbers"),
        (("--random-data", 4, "--bits", ""), 2, "whole numbers"),
        (("--random-data", 4, "--ways", "left"), 2, "'left'"),
        (("--random-data", 4, "--bits", "1"), 1, "1 bits"),
        (("--random-data", 4, "--bits", "32"), 1, "32 bits"),
        (("--random-data", 4, "--bits", "3", "--target", "ncnn"), 1, "ncnn"),
        (("--random-data", 4, "-o", "/nowhere/at/all.json"), 1, "no folder"),
    ],
)
def test_bad_options(cli, model: Path, options: tuple[object, ...], code: int, said: str) -> None:
    """One clear error each."""
    ran = cli("sensitivity", model, *options)
    assert ran.code == code
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_the_model_is_not_written_over(cli, model: Path, tmp_path: Path) -> None:
    """Whatever name it has."""
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(model.read_bytes())
    ran = cli("sensitivity", copy, "--random-data", 2, "-o", copy)
    assert ran.code == 1
    assert copy.read_bytes() == model.read_bytes()
