"""`report`: a document in any format, and no model left behind."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.parametrize("suffix", ["html", "pdf", "json", "csv", "md"])
def test_every_format(cli, model: Path, data: Path, tmp_path: Path, suffix: str) -> None:
    """Complete, with the picture of the graph where that can be shown."""
    out = tmp_path / f"report.{suffix}"
    ran = cli("report", model, "-o", out, "--calibration", data, "--samples", 16)
    assert (ran.code, ran.err) == (0, "")
    assert str(out) in ran.out
    assert "layers are quantized" in ran.out
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    content = out.read_bytes()
    if suffix == "pdf":
        assert content.startswith(b"%PDF")
        assert b"%%EOF" in content[-32:]
        assert len(content) < 5_000_000
    if suffix == "html":
        assert b'class="graph"><svg' in content
        assert b"int8:channel" in content


def test_json_holds_what_the_file_does(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """And what a report adds to it."""
    out = tmp_path / "report.md"
    ran = cli("report", model, "-o", out, "--calibration", data, "--samples", 16, "--json")
    assert ran.json["report"] == str(out)
    assert len(ran.json["studies"]) == len(ran.json["layers"])
    assert len(ran.json["model_sha256"]) == 64
    assert ran.json["latency"]["ratio"] > 0


def test_random_data_is_told(cli, model: Path, tmp_path: Path) -> None:
    """On stderr and in the report."""
    out = tmp_path / "report.md"
    ran = cli("report", model, "-o", out, "--random-data", 2)
    assert ran.code == 0
    assert "random" in ran.err
    assert "random" in out.read_text()


@pytest.mark.parametrize("name", ["report.docx", "report", "none/report.html"])
def test_what_cannot_be_written_is_told_first(
    cli, model: Path, data: Path, tmp_path: Path, name: str
) -> None:
    """One error, nothing left."""
    ran = cli("report", model, "-o", tmp_path / name, "--calibration", data)
    assert ran.code == 1
    assert list(tmp_path.iterdir()) == []


def test_quantize_writes_one_as_well(cli, model: Path, data: Path, tmp_path: Path) -> None:
    """The same, of the file that is kept."""
    out, report = tmp_path / "small.onnx", tmp_path / "report.pdf"
    ran = cli(
        *("quantize", model, "-o", out, "--calibration", data, "--samples", 16),
        *("--report", report),
    )
    assert (ran.code, ran.err) == (0, "")
    assert report.read_bytes().startswith(b"%PDF")
    assert out.is_file()
