"""`encodings`: the numbers of a quantization, in a file for another toolchain."""

from __future__ import annotations

from pathlib import Path

import click

from inspector.cli.choices import Choices, choice_options
from inspector.cli.options import PATH, Data, as_json, data_options, debug
from inspector.cli.output import data_text, facts, print_json
from inspector.cli.work import run_work

_EPILOG = """\b
Examples:
  quant-inspector encodings model.onnx --to aimet -o model.encodings --calibration data.npz
  quant-inspector encodings model.onnx --to ncnn -o model.table --calibration images/
  quant-inspector encodings model.onnx --to cmsis-nn -o model.h --calibration data.npz
"""


@click.command("encodings", epilog=_EPILOG)
@click.argument("model", type=PATH)
@click.option(
    "--to",
    required=True,
    metavar="NAME",
    help="aimet, qnn, tensorrt, ncnn, amct, tidl, rknn, cmsis-nn or ort-overrides.",
)
@click.option("-o", "--output", type=PATH, required=True, metavar="FILE", help="The file to write.")
@click.option("--version", metavar="V", help="Version of the format, such as 2.0.0 for aimet.")
@click.option(
    "--float-model",
    type=PATH,
    metavar="OUT",
    help="Also write the float model whose tensors the file names: foldings change some.",
)
@data_options("The data to calibrate with")
@choice_options
@as_json
@debug
def command(
    model: Path,
    to: str,
    output: Path,
    version: str | None,
    float_model: Path | None,
    data: Data,
    choices: Choices,
    as_json: bool,
) -> None:
    """Write the scales and zero points that MODEL would be quantized with as FILE.

    The choices are made as for `quantize`. What the format cannot express is an error that names
    the layer; what it leaves to the toolchain is told.
    """
    data.check()
    from inspector.onnxio.encodings import format_of
    from inspector.session.handover import HandoverRequest, hand_over

    form = format_of(to)
    form.version(version)
    job = choices.request(model, output, data, target=form.target)
    request = HandoverRequest(job, to, version, float_model)
    result = run_work(
        lambda progress, cancel: hand_over(request, progress=progress, cancel=cancel)
    ).to_json()
    if as_json:
        print_json(result)
        return
    what = f"{form.title} {result['version']}".strip()
    lines = [
        ("saved", f"{output} ({what}, {result['entries']} entries)"),
        ("float model", str(float_model or "")),
        ("calibrated on", data_text(result["calibration"])),
        *(("note", note) for note in result["notes"]),
    ]
    click.echo(facts(lines))
