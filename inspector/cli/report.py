"""`report`: what quantizing a model does to it, as a document."""

from __future__ import annotations

import shlex
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.cli.choices import Choices, choice_options
from inspector.cli.options import PATH, Data, as_json, data_options, debug
from inspector.cli.output import print_json, printable
from inspector.cli.render import choose_platform
from inspector.cli.work import run_work
from inspector.errors import InspectorError
from inspector.files import check_not_read, write_atomically

if TYPE_CHECKING:
    from inspector.report.data import ReportData
    from inspector.session.result import QuantizeResult

_EPILOG = """\b
Examples:
  quant-inspector report model.onnx -o report.html --calibration data.npz
  quant-inspector report model.onnx -o report.pdf --calibration data.npz --recipe choices.toml
  quant-inspector report model.onnx -o report.html --calibration data.npz --sensitivity
  quant-inspector report model.onnx -o layers.csv --random-data 4
"""


@click.command("report", epilog=_EPILOG)
@click.argument("model", type=PATH)
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    metavar="FILE",
    help="The file to write: .html, .pdf, .json, .csv or .md.",
)
@data_options("The data to calibrate with")
@choice_options
@click.option(
    "--sensitivity",
    is_flag=True,
    help="Also quantize each layer alone, and say which ones call for training.",
)
@as_json
@debug
def command(
    model: Path,
    output: Path,
    data: Data,
    choices: Choices,
    sensitivity: bool,
    as_json: bool,
) -> None:
    """Quantize MODEL as `quantize` would, and say as FILE what that does to it.

    The quantized model itself is not kept: it is run beside the float model, measured and timed.
    """
    data.check()
    from inspector.report.data import to_json
    from inspector.report.write import check_report

    check_report(output, more=(".pdf",))
    check_not_read(output, (model, data.calibration, choices.recipe))
    from inspector.session.job import quantize_model

    with tempfile.TemporaryDirectory(prefix="quant-inspector-") as folder:
        written = Path(folder) / f"{model.stem}_quantized.onnx"
        request = choices.request(model, written, data, study=True, sensitivity=sensitivity)
        result = run_work(
            lambda progress, cancel: quantize_model(request, progress=progress, cancel=cancel)
        )
        found = _with_pictures(result, output.suffix.lower())
    write(found, output)
    if as_json:
        print_json({**to_json(found), "report": str(output)})
        return
    for warning in found.warnings:
        click.echo(f"quant-inspector: {printable(warning)}", err=True)
    click.echo(printable(f"The report is {output}."))
    click.echo(found.verdict)


def _with_pictures(result: QuantizeResult, suffix: str) -> ReportData:
    """The report, with the graph drawn where the format shows it and the system can draw."""
    from inspector.report.data import report_data

    graph = ""
    if suffix in (".html", ".pdf"):
        choose_platform()
        try:
            from inspector.gui.rendering import start_qt
            from inspector.gui.report_graph import report_graph
        except ImportError as error:
            if suffix == ".pdf":
                raise _no_qt(error) from error
        else:
            application = start_qt()
            graph = report_graph(result)
            del application
    shown = replace(result, output=Path(result.output.name))
    command = shlex.join(["quant-inspector", *sys.argv[1:]])
    return report_data(shown, command, graph=graph, written=result.output)


def write(data: ReportData, path: Path) -> None:
    """Write a report in any format that there is; Qt is started for PDF alone.

    Raises:
        InspectorError: it cannot be written, or Qt cannot be started.
    """
    if path.suffix.lower() != ".pdf":
        from inspector.report.write import write_report

        write_report(data, path)
        return
    choose_platform()
    try:
        from inspector.gui.rendering import start_qt
        from inspector.gui.report_pdf import to_pdf
    except ImportError as error:
        raise _no_qt(error) from error
    application = start_qt()
    write_atomically(path, to_pdf(data))
    del application


def _no_qt(error: ImportError) -> InspectorError:
    return InspectorError(
        f"No PDF can be made: {error}.",
        "Install the system's graphics libraries (on Debian: apt install libgl1 libegl1 "
        "libxkbcommon0 libdbus-1-3), or write an .html report.",
    )
