"""`import`: what another tool chose, or made, as a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from inspector.cli.options import PATH, as_json, debug, target_of
from inspector.cli.output import facts, print_json
from inspector.files import check_not_read, check_target

_EPILOG = """\b
Examples:
  quant-inspector import model.onnx model.encodings -o recipe.toml
  quant-inspector import model.onnx trt.cache -o recipe.toml --target tensorrt
  quant-inspector import quantized.onnx -o recipe.toml --float float.onnx
  quant-inspector import model.onnx quantized.onnx -o recipe.toml
  quant-inspector quantize model.onnx -o small.onnx --recipe recipe.toml --calibration data.npz
"""


@click.command("import", epilog=_EPILOG)
@click.argument("model", type=PATH)
@click.argument("file", type=PATH, required=False)
@click.option(
    "-o", "--output", type=PATH, required=True, metavar="RECIPE", help="The file to write (TOML)."
)
@click.option(
    "--float",
    "float_output",
    type=PATH,
    metavar="OUT",
    help="Also write the float model that a quantized MODEL stands for.",
)
@click.option("--target", metavar="NAME", default="generic", help="The hardware of the recipe.")
@click.option(
    "--verify/--no-verify",
    default=True,
    help="Run a quantized model beside what is saved of it again.",
)
@as_json
@debug
def command(
    model: Path,
    file: Path | None,
    output: Path,
    float_output: Path | None,
    target: str,
    verify: bool,
    as_json: bool,
) -> None:
    """Make the recipe that gives MODEL what FILE says.

    FILE holds AIMET or QNN encodings (JSON), a TensorRT calibration cache, an ncnn table, or is a
    quantized ONNX model that was made from MODEL. Without FILE, MODEL itself is quantized (QDQ,
    QLinear and integer operators, MatMulNBits): its scales and zero points become the recipe.
    Layers that are not spoken of stay in float.
    """
    read = [model] if file is None else [model, file]
    for path in (output, float_output):
        if path is not None:
            check_target(path)
            check_not_read(path, read)
    if float_output is not None and (file is not None or float_output == output):
        raise click.UsageError("--float OUT goes with a quantized MODEL alone, and another name.")
    name = target_of(target)
    quantized = model if file is None else file
    if file is not None and file.suffix.lower() != ".onnx":
        data, lines = _sidecar(model, file, output, name)
    else:
        original = None if file is None else model
        data, lines = _quantized(quantized, original, output, float_output, name, verify=verify)
    if as_json:
        print_json({"output": str(output), **data})
        return
    click.echo(facts([("saved", str(output)), *lines]))


Found = tuple[dict[str, Any], list[tuple[str, str]]]


def _sidecar(model: Path, file: Path, output: Path, target: str) -> Found:
    from inspector.session.opening import open_model
    from inspector.session.takeover import take_over_file

    found = take_over_file(open_model(model), file, output, target)
    lines = [("from", f"{file} ({found.kind})"), ("layers", str(found.taken))]
    return found.to_json(), [*lines, *(("note", note) for note in found.notes)]


def _quantized(
    path: Path,
    original: Path | None,
    output: Path,
    float_output: Path | None,
    target: str,
    *,
    verify: bool,
) -> Found:
    """Reads a quantized model back; for another model if `original` names one."""
    from inspector.session.import_file import import_file

    found = import_file(
        path, output, original=original, float_output=float_output, target=target, verify=verify
    )
    lines = [("from", f"{path} ({found.kind})"), ("layers", found.layers_text)]
    lines += [] if float_output is None else [("float model", str(float_output))]
    lines += [("saved again", found.again)] if found.again else []
    return found.to_json(), [*lines, *(("note", note) for note in found.notes)]
