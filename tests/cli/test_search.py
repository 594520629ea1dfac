"""The command that looks for a mixed recipe: its recipe, its figures, its refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.session.recipe import load_recipe

FEW = ("--samples", 16, "--runs", 3)


def test_a_recipe_that_quantize_takes(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """Within the budget, and the file is what was promised."""
    recipe, out = tmp_path / "mixed.toml", tmp_path / "mixed.onnx"
    ran = cli(
        *("search", model, "--calibration", data, *FEW, "--mean-bits", 6, "-o", recipe, "--json")
    )
    assert (ran.code, ran.err) == (0, "")
    result = ran.json
    assert result["met"] is True
    assert result["chosen"]["mean_bits"] <= 6
    assert len(result["front"]) > 4
    assert [p["size_bytes"] for p in result["front"]] == sorted(
        p["size_bytes"] for p in result["front"]
    )
    widths = {one["weights"].partition(":")[0] for one in result["chosen"]["layers"].values()}
    assert widths == {"int4", "int8"}
    load_recipe(recipe)
    made = cli("quantize", model, "-o", out, "--calibration", data, "--recipe", recipe, "--json")
    assert made.code == 0
    assert out.stat().st_size == pytest.approx(result["chosen"]["size_bytes"], rel=0.03)


def test_for_people(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """The front with the choice marked, units everywhere."""
    recipe = tmp_path / "mixed.toml"
    ran = cli("search", model, "--calibration", data, *FEW, "--min-sqnr", 25, "-o", recipe)
    assert (ran.code, ran.err) == (0, "")
    for part in ("kB", "dB", "bits", "top-1", str(recipe), "3 samples", "int4 x uint8"):
        assert part in ran.out
    assert ran.out.count("\n>") == 1


def test_a_floor_out_of_reach(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """The nearest is written, told as such, and the exit code is 1."""
    recipe = tmp_path / "mixed.toml"
    ran = cli("search", model, "--calibration", data, *FEW, "--min-sqnr", 95, "-o", recipe)
    assert ran.code == 1
    assert "no choice of these widths reaches 95 dB" in ran.err
    assert "nearest" in ran.err
    assert recipe.exists()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 2, "one limit"),
        (("--max-size", 1, "--mean-bits", 4), 2, "one limit"),
        (("--mean-bits", 3), 1, "nearest that can be is 4.000 bits"),
        (("--max-size", 0.001), 1, "MB"),
        (("--max-size", -1), 1, "above 0"),
        (("--max-size", "nan"), 1, "above 0"),
        (("--min-top1", 130), 1, "more than all"),
        (("--min-accuracy", 90), 1, "no labels"),
        (("--mean-bits", 6, "--bits", "99"), 1, "99 bits"),
        (("--mean-bits", 6, "--bits", "x"), 2, "whole numbers"),
    ],
)
def test_bad_limits(
    cli, model: Path, tmp_path: Path, options: tuple[object, ...], code: int, said: str
) -> None:
    """One clear error each, and no recipe."""
    recipe = tmp_path / "mixed.toml"
    ran = cli("search", model, "--random-data", 4, "-o", recipe, *options)
    assert ran.code == code
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert not recipe.exists()
