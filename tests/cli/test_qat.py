"""`qat`: a script and the model that it starts from, or one clear error and neither."""

from __future__ import annotations

from pathlib import Path


def test_a_script_is_written(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """With the choices of the options."""
    out = tmp_path / "train.py"
    ran = cli(
        *("qat", model, "-o", out, "--calibration", data, "--samples", 8),
        *("--weights", "int4", "--json"),
    )
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["script"] == str(out)
    assert ran.json["start"] == str(tmp_path / "train_start.onnx")
    assert ran.json["calibration"]["samples"] == 8
    assert "int4:channel:minmax:sym" in out.read_text()
    said = cli("qat", model, "-o", out, "--calibration", data, "--samples", 8)
    assert said.code == 0
    assert f"python {out} --data" in said.out


def test_one_error_and_no_file(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """A form that is not Q/DQ, no data, and a name that is no script's."""
    for arguments, word in (
        (("-o", tmp_path / "a.py", "--calibration", data, "--format", "dynamic"), "qdq"),
        (("-o", tmp_path / "a.py"), "no data to calibrate"),
        (("-o", tmp_path / "a.txt", "--calibration", data), "ends in .py"),
    ):
        ran = cli("qat", model, *arguments)
        assert ran.code == 1
        assert word in ran.err
        assert len(ran.err.splitlines()) <= 2
    assert list(tmp_path.iterdir()) == []
