"""`search`: a mixed-precision recipe within a budget, or above a floor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from inspector.cli.options import (
    PATH,
    Data,
    as_json,
    data_options,
    debug,
    recipe_of,
    scheduler_option,
)
from inspector.cli.output import count, data_text, facts, print_json, table
from inspector.cli.sensitivity import numbers_of
from inspector.cli.work import run_on
from inspector.report.units import bytes_text, decibel_text, percent_text, plural

if TYPE_CHECKING:
    from inspector.session.mixing import Kind

_EPILOG = """\b
Examples:
  quant-inspector search model.onnx --calibration data.npz --max-size 1.2 -o mix.toml
  quant-inspector search model.onnx --calibration data.npz --min-sqnr 25 --bits 3,4,8 -o mix.toml
  quant-inspector quantize model.onnx -o small.onnx --calibration data.npz --recipe mix.toml

Give one limit. If no choice meets it, the nearest that can be is told, and the exit code is 1.
"""
_FEWEST, _MOST = 1e-9, 1e9
_LIMITS = {
    "max_size": ("--max-size", "MB", "The largest file, in MB (10^6 bytes)."),
    "mean_bits": ("--mean-bits", "N", "The most bits of a weight, on average."),
    "bit_operations": (
        "--max-bitops",
        "G",
        "The most bit operations of a run, in units of 10^9: multiply-accumulates times the widths "
        "of both operands. Widths of activations are chosen as well.",
    ),
    "sqnr_db": ("--min-sqnr", "DB", "The least SQNR of the outputs, in dB."),
    "top1_agreement": ("--min-top1", "%", "The least share of the float model's classes, in %."),
    "accuracy": ("--min-accuracy", "%", "The least accuracy, in %; the data needs labels."),
}


def _limits(function: Any) -> Any:
    for kind, (option, unit, help_text) in reversed(_LIMITS.items()):
        function = click.option(option, kind, type=float, metavar=unit, help=help_text)(function)
    return function


@click.command("search", epilog=_EPILOG)
@click.argument("model", type=PATH)
@data_options("The data to calibrate with, and to judge choices by")
@_limits
@click.option(
    "--bits", default="4,8", show_default=True, metavar="N,N...", help="The widths to choose from."
)
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    metavar="N",
    help="Judge choices by N samples, which are kept from calibration if there are enough.",
)
@click.option("--recipe", type=PATH, metavar="FILE", help="How layers are quantized otherwise.")
@click.option("--activations", metavar="SPEC", help="How activations are quantized.")
@click.option("--target", metavar="NAME", help="The hardware, or a file that describes it.")
@click.option(
    "-o", "--output", type=PATH, required=True, metavar="RECIPE", help="The recipe to write."
)
@scheduler_option
@as_json
@debug
def command(
    model: Path,
    data: Data,
    bits: str,
    runs: int,
    recipe: Path | None,
    activations: str | None,
    target: str | None,
    output: Path,
    scheduler: str | None,
    as_json: bool,
    **limits: float | None,
) -> int:
    """Find out which width each layer of MODEL should have, and write that as RECIPE.

    What each layer does alone makes an integer program, whose answers, and those of greedy
    flipping, are run for real; the best of what was run is taken. The whole front is printed.
    """
    data.require()
    given = {kind: value for kind, value in limits.items() if value is not None}
    if len(given) != 1:
        options = ", ".join(option for option, _, _ in _LIMITS.values())
        raise click.UsageError(f"Give one limit: one of {options}.")
    widths = numbers_of("--bits", bits)
    from inspector.files import check_not_read, check_target
    from inspector.session.recipe import save_recipe
    from inspector.session.search import Budget, SearchRequest, search

    check_target(output)
    check_not_read(output, (model, data.calibration))
    ((kind, value),) = given.items()
    share = kind in {"top1_agreement", "accuracy"}
    request = SearchRequest(
        model=model,
        data=data.request(),
        budget=Budget(cast("Kind", kind), value / 100 if share else value),
        recipe=recipe_of(recipe, None, activations, (), None, target),
        bits=widths,
        runs=runs,
    )
    found = run_on(
        scheduler,
        lambda executor, progress, cancel: search(
            request, executor=executor, progress=progress, cancel=cancel
        ),
    )
    save_recipe(found.recipe, output)
    result = {**found.to_json(), "recipe": str(output)}
    if as_json:
        print_json(result)
    else:
        click.echo(text_of(result))
    if found.met:
        return 0
    chosen = result["chosen"]
    reached = {
        "sqnr_db": decibel_text(chosen["sqnr_db"]),
        "top1_agreement": percent_text(chosen["top1_agreement"]),
        "accuracy": percent_text(chosen["accuracy"]),
    }.get(kind, bytes_text(chosen["size_bytes"]))
    click.echo(
        f"quant-inspector: error: no choice of these widths reaches {_limit_text(kind, value)}.\n"
        f"  The nearest, {reached}, is in {output}. Allow more with --bits or --activations.",
        err=True,
    )
    return 1


def _limit_text(kind: str, value: float) -> str:
    unit = {"sqnr_db": "dB", "top1_agreement": "%", "accuracy": "%", "max_size": "MB"}
    return f"{value:g} {unit.get(kind, '')}".rstrip()


def text_of(result: Mapping[str, Any]) -> str:
    """What a person reads of a search; `result` is what `--json` prints."""
    chosen = result["chosen"]
    others = [point for point in result["front"] if point["layers"] != chosen["layers"]]
    points = sorted([*others, chosen], key=lambda point: (point["size_bytes"], point["sqnr_db"]))
    header = ["", "size", "bits", "bit ops", "SQNR", "top-1", "accuracy"]
    rows = [_cells(point, chosen=point is chosen) for point in points]
    shown = [n for n in range(len(header)) if n < 5 or any(row[n] != "–" for row in rows)]
    front = table(
        [[row[n] for n in shown] for row in rows],
        [header[n] for n in shown],
        right=range(1, len(shown)),
    )
    data = result["data"]
    accuracy = result["float_accuracy"]
    lines = [
        ("recipe", result["recipe"]),
        ("layers", _spread_text(chosen["layers"])),
        ("float accuracy", "" if accuracy is None else percent_text(accuracy)),
        ("data", data_text({"source": data["source"], "random": data["random"]})),
        ("judged by", plural(data["samples"], "sample")),
        ("run", plural(result["asked"], "choice")),
        ("time", f"{result['seconds']['search']:.2f} s"),
    ]
    return f"{front}\n\n{facts(lines)}"


def _cells(point: Mapping[str, Any], *, chosen: bool) -> list[str]:
    operations = point["bit_operations"]
    return [
        ">" if chosen else "",
        bytes_text(point["size_bytes"]),
        f"{point['mean_bits']:.2f}",
        count(operations) if operations else "–",
        decibel_text(point["sqnr_db"]),
        percent_text(point["top1_agreement"]),
        percent_text(point["accuracy"]),
    ]


def _spread_text(layers: Mapping[str, Any]) -> str:
    """How many layers have which types."""
    counts: dict[str, int] = {}
    for specs in layers.values():
        weights = (specs["weights"] or "").partition(":")[0]
        activations = specs["activations"].partition(":")[0]
        text = f"{weights} x {activations}" if weights else f"{activations} products"
        counts[text] = counts.get(text, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{number} {text}" for text, number in ordered)
