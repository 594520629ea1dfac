"""`calibrate`: gather the statistics of activations once, to use them many times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from inspector.cli.options import (
    PATH,
    Data,
    as_json,
    data_options,
    debug,
    scheduler_option,
    skip_option,
    skipped,
)
from inspector.cli.output import data_text, facts, print_json
from inspector.cli.work import run_on
from inspector.report.units import bytes_text

_EPILOG = """\b
Examples:
  quant-inspector calibrate model.onnx --calibration data.npz -o statistics.npz
  quant-inspector quantize model.onnx -o small.onnx --calibration statistics.npz
"""


@click.command("calibrate", epilog=_EPILOG)
@click.argument("model", type=PATH)
@click.option(
    "-o", "--output", type=PATH, required=True, metavar="STATS", help="The file to write (.npz)."
)
@data_options("The data to run the model on")
@scheduler_option
@skip_option
@as_json
@debug
def command(
    model: Path,
    output: Path,
    data: Data,
    scheduler: str | None,
    skip: Sequence[str],
    as_json: bool,
) -> None:
    """Run MODEL over data and save the statistics of all its activations as STATS.

    STATS can be given as --calibration from then on; it fits this model only.
    """
    data.require()
    from inspector.session.gather import calibrate_model

    request, left_out = data.request(), skipped(skip)
    result = run_on(
        scheduler,
        lambda executor, progress, cancel: calibrate_model(
            model,
            output,
            request,
            executor=executor,
            skip=left_out,
            progress=progress,
            cancel=cancel,
        ),
    ).to_json()
    if as_json:
        print_json(result)
        return
    lines = [
        ("saved", f"{output} ({bytes_text(output.stat().st_size)})"),
        ("tensors", str(result["tensors"])),
        ("data", data_text(result["calibration"])),
        ("time", f"{result['seconds']['calibrate']:.2f} s"),
    ]
    click.echo(facts(lines))
