"""`quantize`: from a float model to a saved quantized one, and what it cost."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from inspector.cli.choices import Choices, choice_options
from inspector.cli.options import (
    PATH,
    Data,
    as_json,
    data_options,
    debug,
    scheduler_option,
)
from inspector.cli.output import data_text, facts, print_json, table
from inspector.cli.work import run_on
from inspector.files import check_not_read, check_target
from inspector.report.conversion_text import conversions_line
from inspector.report.units import bytes_text, cosine_text, decibel_text, percent_text, plural

_MOST_REASONS = 4

_EPILOG = """\b
Examples:
  quant-inspector quantize model.onnx -o small.onnx --calibration data.npz
  quant-inspector quantize model.onnx -o small.onnx --calibration photos/ --images 'mean=0 std=1'
  quant-inspector quantize model.onnx -o small.onnx --calibration data.npz --recipe mine.toml
  quant-inspector quantize model.onnx -o small.onnx --calibration data.npz \\
          --weights int4:block32 --layer '/head/*=weights:int8' --layer 'op:Gemm=activations:float'
  quant-inspector quantize model.onnx -o small.onnx --format weight-only --weights int4:block32
  quant-inspector quantize model.onnx -o small.onnx --calibration data.npz --target tensorrt
"""


@click.command("quantize", epilog=_EPILOG)
@click.argument("model", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, metavar="OUT", help="The file to write.")
@data_options("What to calibrate with (or statistics that `calibrate` saved)")
@choice_options
@click.option(
    "--report",
    type=PATH,
    metavar="FILE",
    help="Also write a report: .html, .pdf, .json, .csv or .md.",
)
@click.option("--verify/--no-verify", default=True, help="Run the saved file and measure it.")
@click.option("--force", is_flag=True, help="Allow OUT to be MODEL itself.")
@scheduler_option
@as_json
@debug
def command(
    model: Path,
    output: Path,
    data: Data,
    choices: Choices,
    report: Path | None,
    verify: bool,
    force: bool,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Quantize MODEL, save it as OUT, and run the saved file beside the float model.

    Without a recipe: what suits the target, or weights int8 per channel and activations uint8.
    What the target does not take is an error, unless --fit is given. Where activations are
    quantized, data to calibrate them with is needed; some of it is held back to measure the result.
    """
    data.check()
    check_target(output)
    check_not_read(output, (data.calibration, choices.recipe))
    _check_report(report, output, (model, data.calibration, choices.recipe))
    from inspector.cli.report import write
    from inspector.report.data import report_data
    from inspector.session.job import quantize_model

    request = choices.request(
        model, output, data, force=force, verify=verify, study=report is not None
    )
    done = run_on(
        scheduler,
        lambda executor, progress, cancel: quantize_model(
            request, executor=executor, progress=progress, cancel=cancel
        ),
    )
    result = done.to_json()
    if report is not None:
        write(report_data(done, shlex.join(["quant-inspector", *sys.argv[1:]])), report)
    if as_json:
        print_json(result)
    else:
        click.echo(summary(result))
        if report is not None:
            click.echo(f"The report is {report}.")


def _check_report(report: Path | None, output: Path, inputs: Iterable[Path | None]) -> None:
    """Refuse, before any work, a report that cannot be made.

    Raises:
        UnsupportedError: its suffix names no kind of report.
        UsageError: it would overwrite the model.
        SaveError: it cannot be written there, or is one of the inputs.
    """
    if report is None:
        return
    if report.absolute() == output.absolute():
        raise click.UsageError("--report and -o name the same file.")
    from inspector.report.write import check_report

    check_report(report, more=(".pdf",))
    check_not_read(report, inputs)


def summary(result: Mapping[str, Any]) -> str:
    """What a person wants to know of a quantization; `result` is what `--json` prints."""
    size = result["size"]
    ratio = size["float_bytes"] / max(size["quantized_bytes"], 1)
    calibration = result.get("calibration") or {}
    parts = [
        facts(
            [
                ("saved", f"{result['output']} ({result['format']}, opset {result['opset']})"),
                (
                    "size",
                    f"{bytes_text(size['float_bytes'])} -> {bytes_text(size['quantized_bytes'])}"
                    f" ({ratio:.2f}x smaller)",
                ),
                ("layers", _layer_counts(result["layers"])),
                *_ends(result["integer_io"]),
                *_fitted(result),
                *_converted(result),
                ("calibrated on", data_text(calibration)),
                *(("note", note) for note in calibration.get("notes") or ()),
                *(("note", note) for note in result.get("format_notes") or ()),
                ("seconds", _seconds(result["seconds"])),
            ]
        )
    ]
    if result.get("recovery"):
        parts += ["", _recovered(result["recovery"])]
    if result.get("measured"):
        parts += ["", _measured(result)]
    return "\n".join(parts)


def _ends(ends: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the integers that a model takes and gives stand for."""
    return [
        (
            side[:-1],
            f"{name}: {end['dtype']}, scale {end['scale']:.9g}, zero point {end['zero_point']}",
        )
        for side in ("inputs", "outputs")
        for name, end in ends[side].items()
    ]


def _fitted(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    names = result.get("fitted") or []
    if not names:
        return []
    shown = ", ".join(name[:60] for name in names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return [(f"fitted to {result['target']}", f"{plural(len(names), 'layer')}: {shown}{more}")]


def _converted(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    figures = result.get("conversions")
    return [("conversions", conversions_line(figures))] if figures else []


def _layer_counts(layers: Sequence[Mapping[str, Any]]) -> str:
    kinds: dict[str, int] = {}
    for layer in layers:
        weights = str(layer["weights"]).split(":")[0] if layer["weights"] else "no weights"
        key = f"{weights} / {str(layer['activations']).split(':')[0]}"
        kinds[key] = kinds.get(key, 0) + 1
    counts = ", ".join(f"{count} x {key}" for key, count in kinds.items())
    return f"{len(layers)} (weights / activations: {counts})" if counts else "0"


def _seconds(seconds: Mapping[str, float]) -> str:
    return ", ".join(f"{stage} {spent:.2f}" for stage, spent in seconds.items())


def _recovered(recovery: Mapping[str, Any]) -> str:
    """What each method did to the outputs, one row each, in the order in which they were done."""
    rows = [
        (
            f"+ {step['method']}" if step["method"] else "nothing recovered",
            str(len(step["layers"])) if step["method"] else "",
            decibel_text(step["sqnr_db"]),
            cosine_text(step["cosine"]),
            "" if step["top1_agreement"] is None else percent_text(step["top1_agreement"]),
        )
        for step in recovery["steps"]
    ]
    heads = ("recovery", "layers", "SQNR", "cosine", "top-1 agreement")
    left = [reason for step in recovery["steps"] for reason in step["left"]]
    lines = [table(rows, heads, right=(1, 2, 3, 4))]
    lines += [f"left alone: {reason}" for reason in left[:_MOST_REASONS]]
    if len(left) > _MOST_REASONS:
        lines.append(f"and {len(left) - _MOST_REASONS} more (all with --json)")
    return "\n".join(lines)


def _measured(result: Mapping[str, Any]) -> str:
    predicted, measured = result["predicted"] or {}, result["measured"]
    rows = [
        ("SQNR", decibel_text(predicted.get("sqnr_db")), decibel_text(measured["sqnr_db"])),
        ("cosine", cosine_text(predicted.get("cosine")), cosine_text(measured["cosine"])),
    ]
    if measured.get("top1_agreement") is not None:
        rows.append(
            (
                "top-1 agreement",
                percent_text(predicted.get("top1_agreement")),
                percent_text(measured["top1_agreement"]),
            )
        )
    if result.get("accuracy"):
        found = result["accuracy"]
        name = f"accuracy ({percent_text(found['float'])} in float)"
        rows.append((name, percent_text(found["predicted"]), percent_text(found["measured"])))
    lines = [table(rows, ("output", "predicted", "measured"), right=(1, 2))]
    samples = {"samples": measured.get("samples")}
    where = data_text({**(result.get("verified_on") or {}), **samples})
    if where:
        lines.append(f"against the float model on {where}")
    if result.get("difference"):
        lines.append(str(result["difference"]))
    return "\n".join(lines)
