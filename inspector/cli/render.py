"""`render`: the graph of a model as a picture, drawn without a display."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.cli.options import PATH, debug
from inspector.cli.output import printable
from inspector.cli.work import run_work
from inspector.errors import InspectorError, SaveError
from inspector.files import check_not_read, check_target

if TYPE_CHECKING:
    from inspector.graph.layout import Direction
    from inspector.gui.rendering import ThemeName

_EPILOG = """\b
Examples:
  quant-inspector render model.onnx -o graph.svg
  quant-inspector render model.onnx -o graph.pdf --direction right
  quant-inspector render model.onnx -o graph.png --scale 2 --theme dark
  quant-inspector render quantized.onnx -o graph.svg --raw --attributes
"""


def _number(context: click.Context, option: click.Parameter, value: float) -> float:
    """Refuse what is within every range, because it compares with nothing."""
    if math.isnan(value):
        raise click.BadParameter("nan is not a number.", context, option)
    return value


@click.command("render", epilog=_EPILOG)
@click.argument("model", type=PATH)
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    metavar="FILE",
    help="The file to write: .svg, .png or .pdf.",
)
@click.option(
    "--theme",
    type=click.Choice(["light", "dark"]),
    default="light",
    help="Colours.  [default: light]",
)
@click.option(
    "--direction",
    type=click.Choice(["down", "right"]),
    default="down",
    help="Where edges lead.  [default: down]",
)
@click.option("--raw", is_flag=True, help="Show QuantizeLinear and its like as nodes.")
@click.option("--attributes", is_flag=True, help="Show the attributes of nodes.")
@click.option(
    "--scale",
    type=click.FloatRange(0.01, 16),
    callback=_number,
    default=1.0,
    metavar="N",
    help="Times as large; 2 or 3 for a sharp PNG.  [default: 1]",
)
@click.option("--force", is_flag=True, help="Allow to replace FILE.")
@debug
def command(
    model: Path,
    output: Path,
    theme: ThemeName,
    direction: Direction,
    raw: bool,
    attributes: bool,
    scale: float,
    force: bool,
) -> None:
    """Draw the graph of MODEL into FILE: SVG, PNG or PDF, by its ending.

    Quantizers are folded into the operators that they belong to, which say what they are, unless
    --raw is given. No display is needed.
    """
    _check(output, model, force=force)
    choose_platform()
    try:
        from inspector.gui.export import format_of
        from inspector.gui.rendering import RenderRequest, has_fonts, render_model, start_qt
    except ImportError as error:
        raise InspectorError(
            f"Nothing can be drawn: {error}.",
            "Install the system's graphics libraries (on Debian: apt install libgl1 libegl1 "
            "libxkbcommon0 libdbus-1-3).",
        ) from error
    format_of(output)
    request = RenderRequest(model, output, theme, direction, raw, attributes, scale)
    application = start_qt()
    done = run_work(lambda progress, cancel: render_model(request, progress, cancel))
    if not has_fonts():
        click.echo(
            "quant-inspector: no font was found: in place of text there are empty boxes.\n"
            "  Install one (on Debian: apt install fontconfig fonts-dejavu-core).",
            err=True,
        )
    del application
    click.echo(printable(f"Saved {done.text}"))


def _check(output: Path, model: Path, *, force: bool) -> None:
    """Refuse, before any work, a file that must not be written.

    Raises:
        SaveError: it cannot be written, or it exists and `force` is not given.
    """
    check_target(output)
    check_not_read(output, (model,))
    if output.exists() and not force:
        raise SaveError(
            f"{output} exists already.", "Give another name with -o, or --force to replace it."
        )


def choose_platform() -> None:
    """Have Qt draw without a display, before it is imported.

    What the user chose comes first and stays in force where it works: Qt tries one after another
    of those that it is given, and ends the process where none works.
    """
    chosen = os.environ.get("QT_QPA_PLATFORM", "")
    if not chosen and sys.platform != "win32":  # there a display is never missing
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    elif chosen and "offscreen" not in chosen:
        os.environ["QT_QPA_PLATFORM"] = f"{chosen};offscreen"
