"""`qat`: a PyTorch script that trains a model with its quantization."""

from __future__ import annotations

from pathlib import Path

import click

from inspector.cli.choices import Choices, choice_options
from inspector.cli.options import PATH, Data, as_json, data_options, debug
from inspector.cli.output import data_text, facts, print_json
from inspector.cli.work import run_work
from inspector.report.units import plural

_EPILOG = """\b
Examples:
  quant-inspector qat model.onnx -o train.py --calibration data.npz --weights int4
  quant-inspector qat model.onnx -o train.py --calibration data.npz --recipe mixed.toml
  python train.py --data train.npz --validation test.npz       # needs torch, onnx and numpy
"""


@click.command("qat", epilog=_EPILOG)
@click.argument("model", type=PATH)
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    metavar="FILE.py",
    help="The script to write. The model that it starts from is written beside it.",
)
@data_options("The data to choose scales from")
@choice_options
@as_json
@debug
def command(model: Path, output: Path, data: Data, choices: Choices, as_json: bool) -> None:
    """Write a PyTorch script that trains MODEL with fake quantization, starting from a recipe.

    The choices are made as for `quantize`. The script needs nothing of this program: it trains on
    your data and writes a Q/DQ model, which can be opened here. Operators that it cannot do are an
    error that names them.
    """
    data.check()
    from inspector.session.training import write_training

    job = choices.request(model, output, data)
    result = run_work(
        lambda progress, cancel: write_training(job, progress=progress, cancel=cancel)
    ).to_json()
    if as_json:
        print_json(result)
        return
    lines = [
        ("saved", f"{output} and {result['start']}"),
        ("quantized", plural(result["layers"], "layer")),
        ("calibrated on", data_text(result["calibration"])),
        ("next", f"python {output} --data train.npz --validation test.npz"),
        ("writes", result["trained"]),
    ]
    click.echo(facts(lines))
