"""`sensitivity`: how much each layer matters, at some widths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
from inspector.cli.output import data_text, facts, print_json, table
from inspector.cli.work import run_on
from inspector.report.json_text import json_text
from inspector.report.units import cosine_text, decibel_text, percent_text, plural

_EPILOG = """\b
Examples:
  quant-inspector sensitivity model.onnx --calibration data.npz
  quant-inspector sensitivity model.onnx --calibration data.npz --bits 3,4,8 -o layers.json
  quant-inspector sensitivity model.onnx --calibration data.npz --ways both --json

FILE grows while the work goes on. Run the same command again to go on where it was stopped.
"""
_WAYS = ("both", "weights", "activations", "rest")


@click.command("sensitivity", epilog=_EPILOG)
@click.argument("model", type=PATH)
@data_options("The data to calibrate with, and to run the model on")
@click.option(
    "--bits", default="4,8", show_default=True, metavar="N,N...", help="The widths to try."
)
@click.option(
    "--ways",
    default=",".join(_WAYS),
    metavar="WAY,WAY...",
    help="What is quantized: both (a layer's weights and activations), weights, activations, and "
    "rest (all layers but this one).  [default: all four]",
)
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    metavar="N",
    help="Run each case on N samples, which are kept from calibration if there are enough.",
)
@click.option("--recipe", type=PATH, metavar="FILE", help="How layers are quantized otherwise.")
@click.option("--target", metavar="NAME", help="The hardware, or a file that describes it.")
@click.option("-o", "--output", type=PATH, metavar="FILE", help="Keep the figures in FILE (JSON).")
@scheduler_option
@as_json
@debug
def command(
    model: Path,
    data: Data,
    bits: str,
    ways: str,
    runs: int,
    recipe: Path | None,
    target: str | None,
    output: Path | None,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Quantize the layers of MODEL one at a time and tell what each does to the outputs.

    For each layer and width: SQNR, cosine and top-1 agreement of the model's outputs with this
    layer quantized and all others in float, and the other way round. With labelled data, accuracy.
    """
    data.require()
    widths, chosen = numbers_of("--bits", bits), _ways(ways)
    from inspector.files import check_not_read, check_target, write_atomically
    from inspector.session.sensitivity import SensitivityRequest, analyse

    if output is not None:
        check_target(output)
        check_not_read(output, (model, data.calibration, recipe))
    request = SensitivityRequest(
        model=model,
        data=data.request(),
        recipe=recipe_of(recipe, None, None, (), None, target),
        bits=widths,
        ways=chosen,
        runs=runs,
        output=output,
    )
    found = run_on(
        scheduler,
        lambda executor, progress, cancel: analyse(
            request, executor=executor, progress=progress, cancel=cancel
        ),
    )
    result = found.to_json()
    if output is not None:
        write_atomically(output, json_text({**result, **found.found}).encode())
    if as_json:
        print_json(result)
    else:
        click.echo(text_of(result))


def numbers_of(option: str, text: str) -> tuple[int, ...]:
    """Whole numbers between commas, each once, in ascending order.

    Raises:
        UsageError: something else stands there.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not all(word.isdecimal() and len(word) < 4 for word in words):
        raise click.UsageError(f"{option} {text!r}: write whole numbers, as in {option} 4,8.")
    return tuple(sorted({int(word) for word in words}))


def _ways(text: str) -> Any:
    words = dict.fromkeys(word.strip() for word in text.split(",") if word.strip())
    wrong = [word for word in words if word not in _WAYS]
    if wrong or not words:
        said = f"there is no way {wrong[0]!r}" if wrong else "name one or more"
        raise click.UsageError(f"--ways: {said}; the ways are {', '.join(_WAYS)}.")
    return tuple(way for way in _WAYS if way in words)


def text_of(result: Mapping[str, Any]) -> str:
    """What a person reads of an analysis; `result` is what `--json` prints."""
    way = result["ways"][0]
    blocks = [_table(result, bits, way) for bits in result["bits"]]
    data = result["data"]
    known = data_text({"source": data["source"], "random": data["random"]})
    lines = [
        ("shown", f"{_TITLES[way]}; the one that hurts most first"),
        ("also found", ", ".join(_TITLES[other] for other in result["ways"][1:])),
        ("top-1", "" if result["has_classes"] else "not applicable: the outputs are not classes"),
        (
            "float accuracy",
            percent_text(result["float_accuracy"]) if result["float_accuracy"] is not None else "",
        ),
        ("estimate", _agreement(result["estimate"]["spearman"])),
        ("data", known),
        ("samples", _samples(data)),
        ("reused", plural(result["reused"], "case") if result["reused"] else ""),
        ("time", f"{result['seconds']['measure']:.2f} s"),
    ]
    return "\n\n".join([*blocks, facts(lines)])


_TITLES = {
    "both": "a layer alone",
    "weights": "its weights alone",
    "activations": "its activations alone",
    "rest": "all layers but one",
}


def _samples(data: Mapping[str, Any]) -> str:
    own = ", which calibration did not see" if data["held_back"] else ", calibrated with them too"
    return f"run on {plural(data['samples'], 'sample')}{own}"


def _agreement(spearman: Mapping[str, float | None]) -> str:
    """What the first-order estimate is worth here."""
    parts = [
        f"{value:.2f} at {bits} bits".replace("-", "−")
        for bits, value in spearman.items()
        if value is not None
    ]
    return f"orders the layers as measured: Spearman {', '.join(parts)}" if parts else ""


def _table(result: Mapping[str, Any], bits: int, way: str) -> str:
    rows = [r for r in result["layers"] if r["bits"] == bits and r["way"] == way]
    order = {name: number for number, name in enumerate(result["ranking"][str(bits)])}
    rows.sort(key=lambda row: order.get(row["layer"], len(order)))
    header = [f"layer at {bits} bits", "weights", "activations", "SQNR", "estimate", "cosine"]
    extra = ("top1_agreement", "accuracy")
    shown = [key for key in extra if any(row[key] is not None for row in rows)]
    header += [{"top1_agreement": "top-1", "accuracy": "accuracy"}[key] for key in shown]
    cells = [[*_cells(row), *(percent_text(row[key]) for key in shown)] for row in rows]
    refused = result["refused"][str(bits)]
    text = table(cells, header, right=range(3, len(header)))
    more = f"\n{plural(len(refused), 'layer')} left out: the target does not take this width."
    return text + (more if refused else "")


def _cells(row: Mapping[str, Any]) -> Sequence[str]:
    estimate = row["estimated_sqnr_db"]
    return (
        row["layer"],
        row["weights"] or "–",
        row["activations"],
        decibel_text(row["sqnr_db"]),
        "–" if estimate is None else f"≈{decibel_text(estimate)}",
        cosine_text(row["cosine"]),
    )
