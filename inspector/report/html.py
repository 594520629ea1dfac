"""A report as one HTML file: no network, light and dark, sortable tables, good in print."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape

from inspector.report.charts import PAGE, histogram, layer_bars
from inspector.report.content import (
    ISLANDS,
    Table,
    advice_lines,
    conversion_table,
    effect_lines,
    ends_table,
    fidelity_table,
    latency_table,
    layer_table,
    origin_rows,
    recovery_table,
    study_lines,
    violation_lines,
    worst_layers,
)
from inspector.report.data import ReportData
from inspector.report.snippet import cpp_snippet, python_snippet

_STYLE = """
:root { color-scheme: light dark; --text: #1c2430; --soft: #5a6675; --line: #d9dfe6;
  --back: #ffffff; --card: #f5f7fa; --bar: #5b8fb9; --mark: #c2571a; --warn: #8a4b00;
  --warn-back: #fff3e0; }
@media (prefers-color-scheme: dark) { :root { --text: #e6ebf1; --soft: #9aa7b5; --line: #333c47;
  --back: #14181d; --card: #1c2228; --bar: #6fa8d6; --mark: #f0955a; --warn: #ffcf8f;
  --warn-back: #3a2a12; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem; max-width: 76rem; background: var(--back);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.4rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
p { margin: .6rem 0; max-width: 54rem; overflow-wrap: anywhere; }
.lead { font-size: 1.1rem; }
.soft { color: var(--soft); }
.warn { background: var(--warn-back); color: var(--warn); padding: .6rem .9rem;
  border-radius: 6px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .7rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td:first-child { overflow-wrap: anywhere; min-width: 9rem; }
.sortable { font-size: .85rem; }
.sortable th, .sortable td { padding: .3rem .5rem; }
th { color: var(--soft); font-weight: 600; }
th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid var(--bar); }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
td.number, th.number { text-align: right; }
td.number { white-space: nowrap; }
.graph { max-height: 34rem; overflow: auto; border: 1px solid var(--line); border-radius: 6px; }
.layer { background: var(--card); border-radius: 6px; padding: .9rem 1rem; margin: .8rem 0;
  break-inside: avoid; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; }
.plots svg { max-width: 100%; height: auto; }
.advice { color: var(--mark); }
pre { background: var(--card); padding: .9rem; border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: .85rem; }
@media print { body { max-width: none; padding: 0; font-size: 11px; } tr { break-inside: avoid; }
  .graph { max-height: none; border: 0; } .graph svg { max-width: 100%; max-height: 24cm; }
  .wide { overflow: visible; } }
"""

_SCRIPT = """
for (const head of document.querySelectorAll('table.sortable th')) {
  head.firstChild.addEventListener('click', () => {
    const table = head.closest('table'), body = table.tBodies[0];
    const column = [...head.parentNode.children].indexOf(head);
    const rises = head.getAttribute('aria-sort') !== 'ascending';
    const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent;
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)], [m, n] = [parseFloat(x), parseFloat(y)];
      if (head.className !== 'number') return x.localeCompare(y);
      return isNaN(m) ? 1 : isNaN(n) ? -1 : rises ? m - n : n - m;
    };
    const rows = [...body.rows].sort(compare);
    if (head.className !== 'number' && !rises) rows.reverse();
    body.append(...rows);
    for (const other of head.parentNode.children) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', rises ? 'ascending' : 'descending');
  });
}
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
        f'<p class="lead">{escape(data.verdict)}</p>',
        *_whole(data),
        *_graph(data),
        *_layers(data),
        *_worst(data),
        *_violations(data),
        *_origin(data),
    ]
    return page(f"{result.model.name}: quantization report", sections)


def page(title: str, sections: Iterable[str]) -> str:
    """A whole page of sections that are markup already."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title>"
        f"<style>{_STYLE}</style></head><body>\n"
        + "\n".join(sections)
        + f"\n<script>{_SCRIPT}</script></body></html>\n"
    )


def _whole(data: ReportData) -> Iterator[str]:
    found = data.result.verification
    for title, table, note in (
        (
            "The whole model, against float",
            fidelity_table(data),
            f"Samples from {found.source}." if found is not None else "",
        ),
        ("Integer inputs and outputs", ends_table(data), "real = scale × (integer − zero point)"),
        ("What was done so that quantizing costs less", recovery_table(data), ""),
        ("Between floats and integers", conversion_table(data), ISLANDS),
        ("Time for one sample", latency_table(data), data.latency_note),
    ):
        if table is not None:
            yield f"<h2>{title}</h2>{html_table(table)}"
            if note:
                yield f'<p class="soft">{escape(note)}</p>'


def _graph(data: ReportData) -> Iterator[str]:
    if data.graph:
        yield f'<h2>The graph</h2><div class="graph">{data.graph}</div>'


def _layers(data: ReportData) -> Iterator[str]:
    yield "<h2>Layers</h2>"
    yield layer_bars([layer.weight_sqnr_db for layer in data.result.layers], PAGE)
    yield html_table(layer_table(data), sortable=True)


def _worst(data: ReportData) -> Iterator[str]:
    worst = worst_layers(data)
    if not worst:
        return
    yield "<h2>What loses most</h2>"
    yield (
        '<p class="soft">Dashed: the ends of the grid. The counts are on a logarithmic scale. '
        "Figures of activations are estimates from the statistics of the calibration.</p>"
    )
    for study in worst:
        plots = [] if study.weight is None else [histogram(study.weight, "Weight", PAGE)]
        plots += [histogram(one, "Activation", PAGE) for one in study.activations]
        said = (*effect_lines(data, study.name), *study_lines(study))
        lines = "".join(f"<p>{escape(line)}</p>" for line in said)
        advice = "".join(
            f'<p class="advice">{escape(line)}</p>' for line in advice_lines(data, study)
        )
        yield (
            f'<div class="layer"><h3>{escape(study.name)}</h3><div class="plots">'
            f"{''.join(plots)}</div>{lines}{advice}</div>"
        )


def _violations(data: ReportData) -> Iterator[str]:
    if lines := violation_lines(data):
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        yield f"<h2>What the target does not take</h2><ul>{items}</ul>"


def _origin(data: ReportData) -> Iterator[str]:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>"
        for name, text in origin_rows(data)
    )
    yield f"<h2>Where this comes from</h2><table><tbody>{rows}</tbody></table>"
    yield f"<h2>Do it again</h2><pre>{escape(data.command)}</pre>"
    yield f"<h2>Recipe</h2><pre>{escape(data.result.recipe.to_toml())}</pre>"
    if data.interface.inputs:
        yield f"<h2>Run it: Python</h2><pre>{escape(python_snippet(data.interface))}</pre>"
        yield f"<h2>Run it: C++</h2><pre>{escape(cpp_snippet(data.interface))}</pre>"


def html_table(table: Table, *, sortable: bool = False) -> str:
    """A table as markup; one that is sortable has buttons in its head."""
    heads = [
        f"<th{_class(column.number)}>"
        + (f"<button>{escape(column.title)}</button>" if sortable else escape(column.title))
        + "</th>"
        for column in table.columns
    ]
    keys: Iterable[tuple[float | None, ...]] = table.keys or [() for _ in table.rows]
    lines = []
    for row, numbers in zip(table.rows, keys, strict=True):
        cells = []
        for index, cell in enumerate(row):
            key = numbers[index] if numbers else None
            data = f' data-key="{key!r}"' if key is not None else ""
            number = table.columns[index].number
            text = escape(cell) if number else _breaking(escape(cell))
            cells.append(f"<td{_class(number)}{data}>{text}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    kind = ' class="sortable"' if sortable else ""
    return (
        f'<div class="wide"><table{kind}><thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _breaking(text: str) -> str:
    """Names and specs may go on in the next line behind a stroke or a colon."""
    return re.sub(r"([/:])(?=\S)", r"\1<wbr>", text)


def _class(number: bool) -> str:
    return ' class="number"' if number else ""
