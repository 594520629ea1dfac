"""A report as one HTML file: no network, no script, light and dark, good in print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from inspector.evaluate.fidelity import Fidelity
from inspector.report.conversion_text import conversion_rows, headline, operator_rows
from inspector.report.data import ReportData
from inspector.report.units import bytes_text, cosine_text, decibel_text, percent_text, plural
from inspector.session.result import LayerResult

_STYLE = """
:root { color-scheme: light dark; --text: #1c2430; --soft: #5a6675; --line: #d9dfe6;
  --back: #ffffff; --card: #f5f7fa; --bar: #2f6f9f; --warn: #8a4b00; --warn-back: #fff3e0; }
@media (prefers-color-scheme: dark) { :root { --text: #e6ebf1; --soft: #9aa7b5; --line: #333c47;
  --back: #14181d; --card: #1c2228; --bar: #6fb3e0; --warn: #ffcf8f; --warn-back: #3a2a12; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem; max-width: 68rem; background: var(--back);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
p { margin: .6rem 0; max-width: 48rem; }
.soft { color: var(--soft); }
.warn { background: var(--warn-back); color: var(--warn); padding: .6rem .9rem;
  border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .7rem; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.bar { width: 22%; min-width: 6rem; }
td.bar div { background: var(--bar); height: .8rem; border-radius: 3px; margin-top: .3rem; }
pre { background: var(--card); padding: .9rem; border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: .85rem; }
@media print { body { max-width: none; padding: 0; } tr { break-inside: avoid; } }
"""


def to_html(data: ReportData) -> str:
    """The report. Everything that comes from a file is escaped."""
    result = data.result
    sections = [
        f"<h1>{escape(result.model.name)}</h1>",
        f'<p class="soft">Quantized to {escape(result.output.name)} '
        f"({escape(result.recipe.format)}, opset {result.opset}, "
        f"target {escape(result.recipe.target)})</p>",
        *(f'<p class="warn">{escape(warning)}</p>' for warning in data.warnings),
        f"<p>{escape(data.verdict)}</p>",
        *_fidelity(data),
        *_layers(result.layers),
        *_conversions(data),
        *_origin(data),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(result.model.name)}: quantization report</title>"
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(sections) + "\n</body></html>\n"
    )


def _fidelity(data: ReportData) -> Iterable[str]:
    verification = data.result.verification
    if verification is None:
        return
    yield "<h2>The whole model, against float</h2>"
    rows = [
        _fidelity_row("Predicted", verification.predicted),
        _fidelity_row("Measured in onnxruntime", verification.measured),
    ]
    yield _table(["", "SQNR#", "Cosine#", "Top-1 agreement#", "Samples#"], rows)
    yield f'<p class="soft">Samples from {escape(verification.source)}.</p>'


def _fidelity_row(title: str, found: Fidelity) -> list[str]:
    agreement = found.top1_agreement
    return [
        title,
        decibel_text(found.sqnr_db),
        cosine_text(found.cosine),
        "not applicable" if agreement is None else percent_text(agreement),
        str(found.samples),
    ]


def _layers(layers: Sequence[LayerResult]) -> Iterable[str]:
    yield "<h2>Layers</h2>"
    known = [layer.weight_sqnr_db for layer in layers if layer.weight_sqnr_db is not None]
    top = max((value for value in known if value < 1e9), default=1.0)
    head = ["Layer", "Operator", "Weights", "Activations", "Kernel", "Weight SQNR#", ""]
    rows = []
    for layer in layers:
        value = layer.weight_sqnr_db
        share = 0.0 if value is None else 100 * min(max(value / top, 0.0), 1.0)
        rows.append(
            [
                layer.name,
                layer.op_type,
                layer.weights or "–",
                layer.activations,
                "integer" if layer.integer else "float",
                decibel_text(value),
                share,
            ]
        )
    yield _table(head, rows)


def _conversions(data: ReportData) -> Iterable[str]:
    counts = data.result.conversions
    if counts is None:
        return
    figures = counts.to_json()
    yield f"<h2>Between floats and integers</h2><p>{escape(headline(figures))}.</p>"
    rows = (*conversion_rows(figures), *operator_rows(figures))
    yield _table(["", "Number#"], [[name, str(count)] for name, count in rows])
    yield (
        '<p class="soft">A float island is a group of operators that hand floats to one another. '
        "Each tensor that enters one from integers is dequantized, each that leaves it for "
        "integers is quantized.</p>"
    )


def _origin(data: ReportData) -> Iterable[str]:
    result = data.result
    yield "<h2>Where this comes from</h2>"
    rows = [
        ["Float model", f"{result.model} ({bytes_text(result.float_bytes)})"],
        ["Quantized model", f"{result.output} ({bytes_text(result.quantized_bytes)})"],
        ["Calibration", _calibration(data)],
        ["Foldings", _foldings(data) or "none"],
        ["Seconds", ", ".join(f"{k} {v:.2f}" for k, v in result.seconds.items())],
        ["Versions", ", ".join(f"{k} {v}" for k, v in data.versions.items())],
        ["Machine", data.machine],
    ]
    yield _table([], rows)
    yield f"<h2>Do it again</h2><pre>{escape(data.command)}</pre>"
    yield f"<h2>Recipe</h2><pre>{escape(result.recipe.to_toml())}</pre>"


def _calibration(data: ReportData) -> str:
    result = data.result
    if not result.calibration_source:
        return "no calibration data was needed"
    return f"{result.calibration_source}, {plural(result.calibration_samples, 'sample')}"


def _foldings(data: ReportData) -> str:
    return ", ".join(f"{p.name} {p.changed}" for p in data.result.passes if p.changed)


def _table(head: Sequence[str], rows: Iterable[Sequence[str | float]]) -> str:
    """A table; a head that ends with # is of numbers, a cell that is a float is a bar in %."""
    numbers = {index for index, title in enumerate(head) if title.endswith("#")}
    titles = "".join(
        f"<th{_class(index in numbers)}>{escape(title.rstrip('#'))}</th>"
        for index, title in enumerate(head)
    )
    lines = []
    for row in rows:
        cells = []
        for index, cell in enumerate(row):
            if isinstance(cell, float):
                cells.append(f'<td class="bar"><div style="width:{cell:.0f}%"></div></td>')
            else:
                cells.append(f"<td{_class(index in numbers)}>{escape(cell)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    header = f"<thead><tr>{titles}</tr></thead>" if head else ""
    return f"<table>{header}<tbody>{''.join(lines)}</tbody></table>"


def _class(number: bool) -> str:
    return ' class="number"' if number else ""
