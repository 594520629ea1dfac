"""What a comparison of two models says, as tables and sentences, and as a file."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from inspector import __version__
from inspector.evaluate.beside import PARTED_DB, LayerDifference
from inspector.evaluate.runtime import runtime_version
from inspector.files import write_atomically
from inspector.report.charts import PAGE, layer_bars
from inspector.report.content import Column, Table
from inspector.report.html import html_table, page
from inspector.report.json_text import json_text
from inspector.report.speed_text import fused_text, speed_reasons, speed_text
from inspector.report.tables import escaped, markdown_table
from inspector.report.units import (
    bytes_text,
    cosine_text,
    decibel_text,
    percent_text,
    plural,
    value_text,
)
from inspector.report.write import check_kind
from inspector.session.comparison import Comparison, Side

NOT_APPLICABLE = "not applicable"
_UNKNOWN = "–"
_MOST_TYPES, _MOST_OPERATORS = 4, 8
_RANDOM = "The samples are random numbers: the figures say little about real data."


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """A figure of both models.

    Attributes:
        name: what it is.
        first: of the first model.
        second: of the second.
        explanation: what it means, where that is not plain.
    """

    name: str
    first: str
    second: str
    explanation: str = ""


def summary_rows(found: Comparison) -> tuple[SummaryRow, ...]:
    """What both models are and take, side by side."""
    return tuple(_summary(found.a, found.b, found))


def _summary(a: Side, b: Side, found: Comparison) -> Iterator[SummaryRow]:
    yield SummaryRow("File", bytes_text(a.file_bytes), bytes_text(b.file_bytes))
    yield SummaryRow("Constants", _weights(a), _weights(b), "Bytes of all constants, by type")
    yield SummaryRow(
        "Layers",
        _types(a),
        _types(b),
        "How the weights / activations of Conv, ConvTranspose, Gemm and MatMul are stored",
    )
    yield SummaryRow("Opset", str(a.stock.opset or _UNKNOWN), str(b.stock.opset or _UNKNOWN))
    yield SummaryRow(
        "Nodes",
        f"{a.stock.nodes} ({len(a.lone)} without partner)",
        f"{b.stock.nodes} ({len(b.lone)} without partner)",
        "Quantizers belong to an operator and have no partners of their own",
    )
    if a.accuracy is not None or b.accuracy is not None:
        yield SummaryRow("Accuracy", percent_text(a.accuracy), percent_text(b.accuracy))
    if found.latencies is None:
        return
    one, two = found.latencies.first, found.latencies.second
    threads = plural(found.latencies.threads, "thread")
    yield SummaryRow(
        "Time of a run",
        f"{one.median_ms:.2f} ms",
        f"{two.median_ms:.2f} ms",
        f"Median of {found.latencies.runs} runs of each in turn, {threads}",
    )
    yield SummaryRow(
        "Middle half",
        f"{one.low_ms:.2f} to {one.high_ms:.2f} ms",
        f"{two.low_ms:.2f} to {two.high_ms:.2f} ms",
        "From the first to the third quartile of the runs",
    )
    yield SummaryRow(
        "Memory",
        _memory(one.memory_bytes),
        _memory(two.memory_bytes),
        "The most that loading and running it needs, beside onnxruntime itself",
    )
    yield SummaryRow(
        "Operators run",
        str(sum(one.operators.values())),
        str(sum(two.operators.values())),
        "What is left once onnxruntime has fused what it can",
    )


def _weights(side: Side) -> str:
    shown = [f"{bytes_text(size)} {dtype}" for dtype, size in side.stock.weights[:_MOST_TYPES]]
    return ", ".join(shown) or "none"


def _types(side: Side) -> str:
    specs = side.stock.specs
    shown = [f"{count} {spec}" for spec, count in specs[:_MOST_TYPES]]
    rest = sum(count for _, count in specs[_MOST_TYPES:])
    return ", ".join([*shown, *([f"{rest} others"] if rest else [])]) or "none"


def _memory(count: int | None) -> str:
    return "not known here" if count is None else bytes_text(count)


def nearness_rows(found: Comparison) -> tuple[tuple[str, str], ...]:
    """How near the outputs are: what it is, and the figure."""
    near = found.fidelity
    if not near.samples:
        return ()
    none = NOT_APPLICABLE
    rows = [
        ("SQNR", none if math.isnan(near.sqnr_db) else decibel_text(near.sqnr_db)),
        ("cosine", none if math.isnan(near.cosine) else cosine_text(near.cosine)),
        (
            "top-1 agreement",
            none if near.top1_agreement is None else percent_text(near.top1_agreement),
        ),
    ]
    if len(found.outputs) > 1 or any(one.note or one.sqnr_db is None for one in found.outputs):
        for one in found.outputs:
            text = decibel_text(one.sqnr_db)
            if one.equal is not None:
                text = f"{percent_text(one.equal)} of its values are equal"
            rows.append((f"  {one.name}", one.note or text))
    return tuple(rows)


def parting_text(found: Comparison) -> str:
    """Where the models part, in a sentence."""
    if not found.layers:
        return found.layers_note or "No tensor was compared."
    floor = decibel_text(PARTED_DB)
    if found.parted_at is None:
        return f"They part nowhere: no tensor is below {floor}."
    layer = next(one for one in found.layers if one.node == found.parted_at)
    return f"They part at {layer.node}: {decibel_text(layer.sqnr_db)}, the first below {floor}."


def worst_first(layers: Sequence[LayerDifference]) -> list[LayerDifference]:
    """Those that have lost most before the others; of those that are equal, in order."""
    return sorted(layers, key=lambda one: math.inf if math.isnan(one.sqnr_db) else one.sqnr_db)


def layers_table(found: Comparison) -> Table:
    """Every tensor that both compute, in the order of the first model."""
    columns = (
        *(Column("Node"), Column("Operator"), Column("In the second"), Column("Types")),
        *(Column("SQNR", number=True), Column("Largest error", number=True)),
    )
    rows, keys = [], []
    for one in found.layers:
        mine, yours = found.types_of(one)
        types = mine if mine == yours else f"{mine} → {yours}"
        other = "the same" if one.other == one.node else one.other
        numbers = (decibel_text(one.sqnr_db), value_text(one.max_abs))
        rows.append((one.node, one.op_type, other, types, *numbers))
        finite = one.sqnr_db if math.isfinite(one.sqnr_db) else math.copysign(1e9, one.sqnr_db)
        keys.append((None, None, None, None, finite, one.max_abs))
    return Table(columns, tuple(rows), tuple(keys))


def operators_table(found: Comparison) -> Table | None:
    """What onnxruntime runs of both; None where that was not looked at."""
    times = found.latencies
    if times is None:
        return None
    one, two = times.first.operators, times.second.operators
    names = sorted({*one, *two}, key=lambda op: (-max(one.get(op, 0), two.get(op, 0)), op))
    rows = tuple((name, str(one.get(name, 0)), str(two.get(name, 0))) for name in names)
    columns = Column("Operator"), Column("First", number=True), Column("Second", number=True)
    return Table(columns, rows)


def speed_lines(found: Comparison) -> tuple[str, ...]:
    """What there is to say of the time that both take; nothing where it was not measured."""
    times = found.latencies
    if times is None:
        return ()
    lines = [f"The second is {speed_text(times)}", fused_text(times.second)]
    return tuple(line for line in (*lines, *speed_reasons(times)) if line)


def warnings(found: Comparison) -> tuple[str, ...]:
    """What a reader must not overlook."""
    random = (_RANDOM,) if found.random else ()
    return (*random, *([found.layers_note] if found.layers_note else []), *found.notes)


# As a file


@dataclass(frozen=True, slots=True)
class ComparisonReport:
    """A comparison, and where it was made.

    Attributes:
        comparison: what was found.
        command: the command line that does the same again.
    """

    comparison: Comparison
    command: str = ""

    @property
    def title(self) -> str:
        """Which models."""
        return f"{self.comparison.a.path.name} and {self.comparison.b.path.name}"

    def origin(self) -> tuple[tuple[str, str], ...]:
        """From what data, with what, where."""
        found = self.comparison
        return (
            ("First model", str(found.a.path)),
            ("Second model", str(found.b.path)),
            ("Data", f"{found.source}, {plural(found.fidelity.samples, 'sample')}"),
            *(("", note) for note in found.data_notes),
            ("Versions", f"Quant Inspector {__version__}, onnxruntime {runtime_version()}"),
            ("Machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data: the comparison's own form, and where it comes from."""
        return {
            **self.comparison.to_json(),
            "reasons": list(speed_lines(self.comparison)),
            "origin": {name: text for name, text in self.origin() if name},
            "command": self.command,
        }


def to_html(report: ComparisonReport) -> str:
    """The report as one page. Everything that comes from a file is escaped."""
    return page(f"Comparison of {report.title}", _sections(report))


def _sections(report: ComparisonReport) -> Iterator[str]:
    found = report.comparison
    yield f"<h1>{escape(found.a.path.name)}</h1>"
    yield f'<p class="soft">Compared with {escape(found.b.path.name)}</p>'
    yield from (f'<p class="warn">{escape(text)}</p>' for text in warnings(found))
    yield f'<p class="lead">{escape(parting_text(found))}</p>'
    yield f"<h2>Both models</h2>{html_table(_summary_table(found))}"
    yield f"<h2>Outputs of the second, against the first</h2>{html_table(_nearness_table(found))}"
    lines = speed_lines(found)
    if lines:
        yield "<h2>Time, and what was fused</h2>"
        yield from (f"<p>{escape(line)}</p>" for line in lines)
        table = operators_table(found)
        yield html_table(table) if table is not None else ""
    if found.layers:
        yield "<h2>Tensor by tensor</h2>"
        yield layer_bars([one.sqnr_db for one in found.layers], PAGE)
        yield html_table(layers_table(found), sortable=True)
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in report.origin()
    )
    yield f"<h2>Where this comes from</h2><table><tbody>{rows}</tbody></table>"
    if report.command:
        yield f"<h2>Do it again</h2><pre>{escape(report.command)}</pre>"


def to_markdown(report: ComparisonReport) -> str:
    """The report as Markdown."""
    return "\n".join(_markdown(report)) + "\n"


def _markdown(report: ComparisonReport) -> Iterator[str]:
    found = report.comparison
    yield f"# {escaped(report.title)}"
    yield from (f"\n> **Warning:** {escaped(text)}" for text in warnings(found))
    yield f"\n{escaped(parting_text(found))}"
    parts = [
        ("Both models", _summary_table(found)),
        ("Outputs of the second, against the first", _nearness_table(found)),
    ]
    lines, table = speed_lines(found), operators_table(found)
    for title, part in parts:
        yield f"\n## {title}\n"
        yield from markdown_table(part)
    if lines and table is not None:
        yield "\n## Time, and what was fused\n"
        yield from (f"- {escaped(line)}" for line in lines)
        yield ""
        yield from markdown_table(table)
    if found.layers:
        yield "\n## Tensor by tensor\n"
        yield from markdown_table(layers_table(found))
    yield "\n## Where this comes from\n"
    for name, text in report.origin():
        yield f"- {name}: {escaped(text)}" if name else f"  - {escaped(text)}"


def _summary_table(found: Comparison) -> Table:
    columns = Column(""), Column(found.a.path.name), Column(found.b.path.name)
    rows = tuple((row.name, row.first, row.second) for row in summary_rows(found))
    return Table(columns, rows)


def _nearness_table(found: Comparison) -> Table:
    return Table((Column("Output"), Column("", number=True)), nearness_rows(found))


_WRITERS = {
    ".html": to_html,
    ".json": lambda report: json_text(report.to_json()) + "\n",
    ".md": to_markdown,
}
FORMATS = tuple(_WRITERS)
"""The suffixes that the report of a comparison may have."""


def check_comparison_report(path: Path) -> None:
    """Refuses, before any work, a report that could not be written.

    Raises:
        UnsupportedError: its suffix names no format that there is.
        SaveError: its folder is missing or cannot be written.
    """
    check_kind(path, "comparisons", FORMATS)


def write_comparison(report: ComparisonReport, path: Path) -> None:
    """Writes the report of a comparison in the format that the file's name asks for.

    Raises:
        UnsupportedError: the suffix names no format that there is.
        SaveError: it cannot be written.
    """
    check_comparison_report(path)
    text = _WRITERS[path.suffix.lower()](report)
    write_atomically(path, text.encode("utf-8", "backslashreplace"))
