"""`compare`: how near one model is to another, and what it takes."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.cli.options import PATH, Data, as_json, data_options, debug
from inspector.cli.output import data_text, facts, print_json, table
from inspector.cli.work import run_work
from inspector.report.units import decibel_text

if TYPE_CHECKING:
    from inspector.session.comparison import Comparison

_WORST = 5
"""Layers that a person is told of; --json has all."""
_EPILOG = """\b
Examples:
  quant-inspector compare model.onnx small.onnx --calibration data.npz
  quant-inspector compare model.onnx small.onnx --random-data 8 --json
  quant-inspector compare a.onnx b.onnx --calibration data.npz --report both.html
"""


@click.command("compare", epilog=_EPILOG)
@click.argument("model_a", type=PATH)
@click.argument("model_b", type=PATH)
@data_options("The data to run both models on")
@click.option(
    "--report",
    type=PATH,
    metavar="FILE",
    help="Write all that was found as .html, .md or .json too.",
)
@as_json
@debug
def command(model_a: Path, model_b: Path, data: Data, report: Path | None, as_json: bool) -> None:
    """Run MODEL_A, the reference, and MODEL_B on the same samples and compare them.

    Nodes and tensors are matched by name, else by structure. Both run in onnxruntime as they are;
    times are taken in turn. With labelled data the accuracy of both is told.
    """
    data.require()
    from inspector.files import check_not_read
    from inspector.report.comparison import (
        ComparisonReport,
        check_comparison_report,
        write_comparison,
    )
    from inspector.session.comparison import compare_models

    if report is not None:
        check_comparison_report(report)
        check_not_read(report, (model_a, model_b))
    request = data.request()
    found = run_work(
        lambda progress, cancel: compare_models(
            model_a, model_b, request, progress=progress, cancel=cancel
        )
    )
    if report is not None:
        again = shlex.join(["quant-inspector", *sys.argv[1:]])
        write_comparison(ComparisonReport(found, again), report)
    if as_json:
        print_json(found.to_json())
    else:
        click.echo(text_of(found))


def text_of(found: Comparison) -> str:
    """What a person reads of a comparison."""
    from inspector.report.comparison import nearness_rows, speed_lines, summary_rows, worst_first

    rows = [(row.name.lower(), row.first, row.second) for row in summary_rows(found)]
    lines = list(nearness_rows(found))
    if found.layers:
        floor = decibel_text(found.to_json()["parted_below_db"])
        parted = found.parted_at
        text = f"{parted}, the first below {floor}" if parted else f"nowhere below {floor}"
        lines += [("they part at", text), ("layers compared", str(len(found.layers)))]
        worst = worst_first(found.layers)[:_WORST]
        lines += [(f"  {one.node}", decibel_text(one.sqnr_db)) for one in worst]
    else:
        lines.append(("layers", found.layers_note))
    data = {"source": found.source, "samples": found.fidelity.samples, "random": found.random}
    lines.append(("data", data_text(data)))
    lines += [("note", note) for note in (*found.notes, *found.data_notes)]
    names = [side.path.name for side in (found.a, found.b)]
    parts = [table(rows, ("", *names)), "", facts(lines)]
    if told := speed_lines(found):
        parts += ["", *told]
    return "\n".join(parts)
