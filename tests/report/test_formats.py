"""The figures of a report are the same in every format, and those of the result."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from inspector.errors import UnsupportedError
from inspector.graph.grids import operator_axis
from inspector.quant.kernels import fake_quantize
from inspector.quant.qparams import QParams, weight_qparams
from inspector.quant.spec import QuantSpec
from inspector.report.charts import PAPER, histogram, layer_bars
from inspector.report.content import layer_table, worst_layers
from inspector.report.data import ReportData, report_data
from inspector.report.html import to_html
from inspector.report.snippet import Interface, cpp_snippet, python_snippet
from inspector.report.tables import to_csv, to_markdown
from inspector.report.units import decibel_text
from inspector.report.write import check_report
from inspector.session.job import QuantizeRequest, quantize_model
from inspector.session.opening import OpenModel, open_model
from inspector.session.recipe import DEFAULT_RECIPE


@pytest.fixture(scope="module")
def data(sample_models: Path, tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    """Of per-tensor weights, which the sample suffers from."""
    folder = tmp_path_factory.mktemp("report")
    request = QuantizeRequest(
        sample_models / "digits_mobile.onnx",
        folder / "small.onnx",
        recipe=DEFAULT_RECIPE.with_default(QuantSpec.parse("int6:tensor:minmax"), None),
        calibration=sample_models / "digits_calibration.npz",
        samples=24,
        study=True,
    )
    return report_data(quantize_model(request), "again")


@pytest.fixture(scope="module")
def opened(data: ReportData) -> OpenModel:
    """What was quantized."""
    return open_model(data.result.model)


def sqnr(values: NDArray[np.float32], rounded: NDArray[np.float32]) -> float:
    """By its definition."""
    exact = values.astype(np.float64)
    return float(10 * np.log10(np.square(exact).sum() / np.square(exact - rounded).sum()))


def test_the_study_of_a_weight_is_what_quantizing_it_does(
    data: ReportData, opened: OpenModel
) -> None:
    """SQNR, clipped share and zeros, by quantizing the values themselves."""
    for study in data.result.studies:
        one = study.weight
        assert one is not None
        values = np.asarray(opened.prepared.constant(one.name), np.float32)
        scale = np.asarray(one.scale[0], np.float32)
        grid = QParams(scale, np.zeros((), np.int32), -31, 31)
        rounded = fake_quantize(values, grid)
        assert one.sqnr_db == pytest.approx(sqnr(values, rounded), abs=1e-3)
        assert one.zeroed == pytest.approx(((rounded == 0) & (values != 0)).mean())
        assert (one.lo, one.hi) == (values.min(), values.max())
        assert one.counts.sum() == values.size


def test_advice_is_true(data: ReportData, opened: OpenModel) -> None:
    """A scale for each channel helps here, and by as much as is said."""
    found = [
        (study, one)
        for study in worst_layers(data)
        for one in study.advice
        if one.role == "weights" and study.weight is not None
    ]
    assert any("channel" in one.spec for _, one in found)
    for study, one in found:
        assert study.weight is not None
        axis = operator_axis(opened.graph.layer(study.name))
        values = np.asarray(opened.prepared.constant(study.weight.name), np.float32)
        grid = weight_qparams(values, QuantSpec.parse(one.spec), axis)
        better = sqnr(values, fake_quantize(values, grid))
        assert better - study.weight.sqnr_db == pytest.approx(one.gain_db, abs=1e-3)
        assert one.gain_db >= 1


def test_every_format_has_the_same_figures(data: ReportData) -> None:
    """Those of the result; times are there, and what they are of."""
    rows = list(csv.DictReader(io.StringIO(to_csv(data))))
    page, text = to_html(data), to_markdown(data)
    assert data.result.latency is not None
    assert data.result.latency.second.operators
    assert f"{data.result.latency.second.median_ms:.2f} ms" in page
    for row, layer, cells in zip(rows, data.result.layers, layer_table(data).rows, strict=True):
        assert row["layer"] == layer.name == cells[0]
        assert float(row["weight_sqnr_db"]) == layer.weight_sqnr_db
        shown = decibel_text(layer.weight_sqnr_db)
        assert shown == cells[5]
        assert f">{shown}</td>" in page
        assert f"| {shown} |" in text
        study = next(one for one in data.result.studies if one.name == layer.name)
        assert study.weight is not None
        assert float(row["weight_zeroed"]) == study.weight.zeroed


def test_plots_are_well_formed(data: ReportData) -> None:
    """One bar for each bin that is not empty, within the picture."""
    for study in data.result.studies:
        for one in (study.weight, *study.activations):
            assert one is not None
            root = ElementTree.fromstring(histogram(one, "a < b", PAPER))
            bars = root.findall("path")[0].get("d", "")
            assert bars.count("z") == int((one.counts > 0).sum())
    bars = layer_bars([10.0, None, float("inf"), 30.0], PAPER)
    assert ElementTree.fromstring(bars).findall("path")[-1].get("d", "").count("z") == 3
    assert layer_bars([None], PAPER) == ""


def test_the_python_snippet_runs(data: ReportData, tmp_path: Path) -> None:
    """Beside the saved file, as anybody would run it."""
    (tmp_path / "run.py").write_text(python_snippet(data.interface))
    shutil.copy(data.result.output, tmp_path / data.interface.file)
    ran = subprocess.run(
        [sys.executable, "run.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    output = data.interface.outputs[0]
    assert ran.stdout.split()[:2] == [output.name, output.dtype]


def test_snippets_survive_any_name(data: ReportData) -> None:
    """Quotes and line breaks in names stay inside strings."""
    evil = replace(data.interface.inputs[0], name='a"\n\\b', shape=("N\n", 3))
    interface = Interface("m.onnx", (evil,), data.interface.outputs)
    compile(python_snippet(interface), "snippet", "exec")
    assert '"a\\"\\n\\\\b"' in cpp_snippet(interface)


def test_names_of_formulas_stay_text(data: ReportData) -> None:
    """A spreadsheet must not run what a layer is called."""
    layers = (replace(data.result.layers[0], name="=1+1"), *data.result.layers[1:])
    result = replace(data.result, layers=layers, studies=())
    assert to_csv(replace(data, result=result)).splitlines()[1].startswith("'=1+1,")


def test_a_report_is_self_contained_and_small(data: ReportData) -> None:
    """No address of anything, and bytes for thousands of layers to come."""
    page = to_html(data)
    assert "http" not in page
    assert "src=" not in page
    assert len(page) < 500_000
    assert json.loads(json.dumps(data.result.studies[0].to_json()))["weight"]["spec"]


def test_formats_are_refused_early(tmp_path: Path) -> None:
    """PDF where somebody can make it only."""
    with pytest.raises(UnsupportedError, match="pdf"):
        check_report(tmp_path / "a.pdf")
    check_report(tmp_path / "a.pdf", more=(".pdf",))
