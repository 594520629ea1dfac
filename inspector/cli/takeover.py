"""`import`: the ranges and types that another tool chose, as a recipe."""

from __future__ import annotations

from pathlib import Path

import click

from inspector.cli.options import PATH, as_json, debug, target_of
from inspector.cli.output import facts, print_json
from inspector.files import check_not_read, check_target

_EPILOG = """\b
Examples:
  quant-inspector import model.onnx model.encodings -o recipe.toml
  quant-inspector import model.onnx trt.cache -o recipe.toml --target tensorrt
  quant-inspector quantize model.onnx -o small.onnx --recipe recipe.toml --calibration data.npz
"""


@click.command("import", epilog=_EPILOG)
@click.argument("model", type=PATH)
@click.argument("file", type=PATH)
@click.option(
    "-o", "--output", type=PATH, required=True, metavar="RECIPE", help="The file to write (TOML)."
)
@click.option("--target", metavar="NAME", default="generic", help="The hardware of the recipe.")
@as_json
@debug
def command(model: Path, file: Path, output: Path, target: str, as_json: bool) -> None:
    """Make the recipe that gives MODEL what FILE says.

    FILE holds AIMET or QNN encodings (JSON), a TensorRT calibration cache or an ncnn table. Layers
    that it does not speak of stay in float.
    """
    check_target(output)
    check_not_read(output, (model, file))
    from inspector.session.opening import open_model
    from inspector.session.takeover import take_over_file

    found = take_over_file(open_model(model), file, output, target_of(target))
    if as_json:
        print_json({"output": str(output), **found.to_json()})
        return
    lines = [("saved", str(output)), ("from", f"{file} ({found.kind})")]
    lines += [("layers", str(found.taken)), *(("note", note) for note in found.notes)]
    click.echo(facts(lines))
