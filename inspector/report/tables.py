"""Reports without pictures: CSV of the layers, Markdown of all that is words and numbers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from inspector.report.content import (
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
from inspector.report.snippet import python_snippet


def to_csv(data: ReportData) -> str:
    """One line a layer; numbers in full, without units (they stand in the head)."""
    studies = {one.name: one for one in data.result.studies}
    head = ["layer", "operator", "weights", "activations", "integer_kernel", "weight_sqnr_db"]
    if studies:
        head += ["activation_sqnr_db", "weight_clipped", "weight_zeroed", "weight_lo", "weight_hi"]
    effects = {one.layer: one for one in data.result.effects}
    if effects:
        head += ["alone_sqnr_db", "alone_top1_agreement", "noise_share"]
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(head)
    for layer in data.result.layers:
        row: list[object] = [layer.name, layer.op_type, layer.weights or "", layer.activations]
        row += [layer.integer, layer.weight_sqnr_db]
        if studies:
            study = studies[layer.name]
            row.append(min((one.sqnr_db for one in study.activations), default=None))
            weight = study.weight
            row += (
                [None] * 4
                if weight is None
                else [weight.clipped, weight.zeroed, weight.lo, weight.hi]
            )
        if effects:
            own = effects.get(layer.name)
            row += (
                [None] * 3
                if own is None
                else [own.fidelity.sqnr_db, own.fidelity.top1_agreement, own.share]
            )
        lines.writerow(["" if cell is None else _safe(cell) for cell in row])
    return text.getvalue()


def _safe(cell: object) -> object:
    """A name that a spreadsheet would take for a formula is kept from that."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@") else cell


def to_markdown(data: ReportData) -> str:
    """The report as Markdown."""
    return "\n".join(_markdown(data)) + "\n"


def _markdown(data: ReportData) -> Iterator[str]:
    yield f"# {escaped(data.result.model.name)}"
    for warning in data.warnings:
        yield f"\n> **Warning:** {escaped(warning)}"
    yield f"\n{escaped(data.verdict)}"
    for title, table in (
        ("The whole model, against float", fidelity_table(data)),
        ("Integer inputs and outputs", ends_table(data)),
        ("What was done so that quantizing costs less", recovery_table(data)),
        ("Between floats and integers", conversion_table(data)),
        ("Time for one sample", latency_table(data)),
        ("Layers", layer_table(data)),
    ):
        if table is not None:
            yield f"\n## {title}\n"
            yield from markdown_table(table)
    worst = worst_layers(data)
    if worst:
        yield "\n## What loses most\n"
    for study in worst:
        yield f"- **{escaped(study.name)}**"
        yield from (f"  - {escaped(line)}" for line in effect_lines(data, study.name))
        yield from (f"  - {escaped(line)}" for line in study_lines(study))
        yield from (f"  - *{escaped(line)}*" for line in advice_lines(data, study))
    if wrong := violation_lines(data):
        yield "\n## What the target does not take\n"
        yield from (f"- {escaped(line)}" for line in wrong)
    yield "\n## Where this comes from\n"
    yield from (f"- {name}: {escaped(text)}" for name, text in origin_rows(data))
    yield f"\n## Do it again\n\n{fenced(data.command)}"
    yield f"\n## Recipe\n\n{fenced(data.result.recipe.to_toml(), 'toml')}"
    if data.interface.inputs:
        yield f"\n## Run it\n\n{fenced(python_snippet(data.interface), 'python')}"


def fenced(text: str, kind: str = "") -> str:
    """A block of code, whatever is in it: the fence is longer than any run of its sign."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{kind}\n{text.rstrip()}\n{fence}"


def markdown_table(table: Table) -> Iterator[str]:
    """A table, line by line."""
    yield "| " + " | ".join(column.title for column in table.columns) + " |"
    yield "|" + "|".join("---:" if column.number else "---" for column in table.columns) + "|"
    for row in table.rows:
        yield "| " + " | ".join(escaped(cell) for cell in row) + " |"


def escaped(text: str) -> str:
    """Text from a file, so that none of it becomes markup."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in plain)
