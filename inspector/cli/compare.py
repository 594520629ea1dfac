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

_WORST = 5
"""Layers that a person is told of; --json has all."""
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
        ("time of a run", *(_time(side) for side in sides)),
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
    lines += _layer_lines(result)
    lines.append(("data", data_text(result["data"])))
    names = [Path(side["model"]).name for side in sides]
    return "\n".join([table(rows, ("", *names), right=(1, 2)), "", facts(lines)])


def _time(side: Mapping[str, Any]) -> str:
    low, high = side["latency"]["quartiles_ms"]
    return f"{side['latency']['median_ms']:.2f} ms ({low:.2f} to {high:.2f})"


def _layer_lines(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where the models part, and the layers that have lost most by then."""
    layers = result["layers"]
    if not layers:
        return [("layers", result["layers_note"])]
    floor = decibel_text(result["parted_below_db"])
    parted = result["parted_at"]
    first = f"{parted}, the first below {floor}" if parted else f"nowhere below {floor}"
    known = [one for one in layers if one["sqnr_db"] is not None]
    worst = sorted(known, key=lambda one: float(one["sqnr_db"]))[:_WORST]
    found = [(f"  {one['name']}", decibel_text(one["sqnr_db"])) for one in worst]
    return [("they part at", first), ("layers compared", str(len(layers))), *found]
