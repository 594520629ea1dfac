"""Reports say what the result says, and nothing in a file becomes markup."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from inspector.errors import InspectorError
from inspector.graph.conversions import Counts
from inspector.report.conversion_text import conversions_line, headline
from inspector.report.data import report_data
from inspector.report.html import to_html
from inspector.report.tables import to_markdown
from inspector.report.write import write_report
from inspector.session.job import QuantizeRequest, quantize_model
from inspector.session.result import QuantizeResult


@pytest.fixture(scope="module")
def result(sample_models: Path, tmp_path_factory: pytest.TempPathFactory) -> QuantizeResult:
    """A real quantization of a sample."""
    folder = tmp_path_factory.mktemp("report")
    return quantize_model(
        QuantizeRequest(
            sample_models / "digits_cnn.onnx",
            folder / "small.onnx",
            calibration=sample_models / "digits_calibration.npz",
            samples=24,
            study=True,
        )
    )


def test_the_html_report_holds_every_layer_and_the_measured_figure(
    result: QuantizeResult, tmp_path: Path
) -> None:
    """One file, with the figures of the result."""
    path = tmp_path / "report.html"
    write_report(report_data(result, "quant-inspector quantize ..."), path)
    text = path.read_text("utf-8").replace("<wbr>", "")
    assert result.verification is not None
    assert f"{result.verification.measured.sqnr_db:.1f} dB" in text
    for layer in result.layers:
        assert layer.name in text
    assert "http" not in text, "a report loads nothing"
    assert result.conversions is not None
    assert headline(result.conversions.to_json()) in text


def test_the_json_report_is_the_result_and_where_it_comes_from(
    result: QuantizeResult, tmp_path: Path
) -> None:
    """The same keys and figures as the command line prints."""
    path = tmp_path / "report.json"
    write_report(report_data(result, "again"), path)
    found = json.loads(path.read_text("utf-8"))
    assert found["layers"] == result.to_json()["layers"]
    assert found["command"] == "again"
    assert found["versions"]["onnxruntime"]
    assert not found["warnings"]


def test_names_from_a_file_are_escaped(result: QuantizeResult) -> None:
    """A layer called like a script stays text."""
    evil = "<script>alert(1)</script>"
    layers = (replace(result.layers[0], name=evil), *result.layers[1:])
    studies = (replace(result.studies[0], name=evil), *result.studies[1:])
    data = report_data(replace(result, layers=layers, studies=studies), f"quantize {evil}")
    text = to_html(data)
    assert text.count("<script") == 1, "the one that sorts tables"
    assert "&lt;script&gt;" in text
    assert "\\<script\\>" in to_markdown(data)
    words = to_markdown(replace(data, command="quantize ```` <b>")).split("## Do it again")
    assert "<script" not in words[0].replace("\\<script", "")
    assert words[1].startswith("\n\n`````\nquantize ```` <b>\n`````\n")


def test_random_calibration_is_told(result: QuantizeResult) -> None:
    """Whoever reads the report sees that the figures mean nothing for real data."""
    data = report_data(replace(result, random_data=True), "")
    assert any("random" in warning for warning in data.warnings)
    assert data.warnings[0].split(":")[0] in to_html(data)


@pytest.mark.parametrize("name", ["report.docx", "report", "missing/report.html"])
def test_a_report_that_cannot_be_written_is_refused(
    result: QuantizeResult, tmp_path: Path, name: str
) -> None:
    """With one clear error and no file."""
    with pytest.raises(InspectorError):
        write_report(report_data(result, ""), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_conversions_in_words() -> None:
    """Ones and manys, and what does not occur is left out."""
    none = Counts(*[0] * 13).to_json()
    assert headline(none) == "Everything is computed in float"
    codes = none | {"integer_operators": 3}
    assert conversions_line(codes) == "No float island: integers all the way"
    some = codes | {"float_islands": 12, "conversions": 24, "quantize": 14, "dequantize": 10}
    assert headline(some) == "12 float islands cost 24 conversions"
    assert conversions_line(some | {"dequantize_in_kernels": 8}) == (
        "12 float islands cost 24 conversions (14 quantize, 10 dequantize, 8 of them in kernels)"
    )
    one = codes | {"float_islands": 1, "conversions": 1, "quantize": 0, "dequantize": 1}
    assert headline(one) == "1 float island costs 1 conversion"
