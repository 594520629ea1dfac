"""`compare`: how near the outputs of one model are to another's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from inspector.cli.options import PATH, Data, as_json, data_options, debug
from inspector.cli.output import data_text, facts, print_json, table
from inspector.cli.work import run_work
from inspector.report.units import bytes_text, cosine_text, decibel_text, percent_text

_EPILOG = """\b
Examples:
  quant-inspector compare model.onnx small.onnx --calibration data.npz
  quant-inspector compare model.onnx small.onnx --random-data 8 --json
"""


@click.command("compare", epilog=_EPILOG)
@click.argument("model_a", type=PATH)
@click.argument("model_b", type=PATH)
@data_options("The data to run both models on")
@as_json
@debug
def command(model_a: Path, model_b: Path, data: Data, as_json: bool) -> None:
    """Run MODEL_A, the reference, and MODEL_B on the same samples and compare their outputs.

    Both run in onnxruntime as they are. With labelled data the accuracy of both is told.
    """
    data.require()
    from inspector.session.comparison import compare_models

    request = data.request()
    result = run_work(
        lambda progress, cancel: compare_models(
            model_a, model_b, request, progress=progress, cancel=cancel
        )
    ).to_json()
    if as_json:
        print_json(result)
    else:
        click.echo(text_of(result))


def text_of(result: Mapping[str, Any]) -> str:
    """What a person reads of a comparison; `result` is what `--json` prints."""
    sides = [result["a"], result["b"]]
    rows = [
        ("size", *(bytes_text(side["file_bytes"]) for side in sides)),
        ("time of a run", *(f"{side['milliseconds']:.2f} ms" for side in sides)),
    ]
    if any(side["accuracy"] is not None for side in sides):
        rows.append(("accuracy", *(percent_text(side["accuracy"]) for side in sides)))
    lines = [
        ("SQNR", decibel_text(result["sqnr_db"])),
        ("cosine", cosine_text(result["cosine"])),
        ("top-1 agreement", percent_text(result["top1_agreement"])),
    ]
    outputs = result["per_output"]
    if len(outputs) > 1:
        lines += [(f"  {name}", decibel_text(found["sqnr_db"])) for name, found in outputs.items()]
    lines.append(("data", data_text(result["data"])))
    names = [Path(side["model"]).name for side in sides]
    return "\n".join([table(rows, ("", *names), right=(1, 2)), "", facts(lines)])
