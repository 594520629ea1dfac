"""What a report says, section by section, as plain tables and paragraphs for every format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from inspector.evaluate.fidelity import Fidelity
from inspector.graph.preparations import title_of
from inspector.onnxio.passes.report import PassReport
from inspector.report.conversion_text import conversion_rows, headline, operator_rows
from inspector.report.data import ReportData
from inspector.report.units import (
    bytes_text,
    cosine_text,
    decibel_text,
    percent_text,
    plural,
    value_text,
)
from inspector.session.advice import Advice
from inspector.session.effects import Effect, worst_first
from inspector.session.study import LayerStudy, TensorStudy

ISLANDS = (
    "A float island is a group of operators that hand floats to one another. Each tensor that "
    "enters one from integers is dequantized, each that leaves it for integers is quantized."
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: its head, with the unit.
        number: its cells are numbers, aligned to the right.
    """

    title: str
    number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table, with what its cells are sorted by.

    Attributes:
        columns: the columns.
        rows: the cells as text.
        keys: for each cell of a number column the number; None elsewhere.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    keys: tuple[tuple[float | None, ...], ...] = ()


def fidelity_table(data: ReportData) -> Table | None:
    """Predicted and measured figures of the whole model; None where the file was not run."""
    found = data.result.verification
    if found is None:
        return None
    columns = ("SQNR", "Cosine", "Top-1 agreement", "Samples")
    rows = (
        ("Predicted", *_figures(found.predicted)),
        ("Measured in onnxruntime", *_figures(found.measured)),
    )
    return Table((Column(""), *(Column(title, number=True) for title in columns)), rows)


def _figures(found: Fidelity) -> tuple[str, ...]:
    agreement = found.top1_agreement
    return (
        decibel_text(found.sqnr_db),
        cosine_text(found.cosine),
        "not applicable" if agreement is None else percent_text(agreement),
        str(found.samples),
    )


def recovery_table(data: ReportData) -> Table | None:
    """What each method of recovery brought; None where there was none."""
    found = data.result.recovery
    if found is None:
        return None
    rows = tuple(
        (
            step.method or "none of them",
            decibel_text(step.fidelity.sqnr_db),
            cosine_text(step.fidelity.cosine),
            str(len(step.layers)) if step.method else "–",
        )
        for step in found.steps
    )
    columns = (Column("With"), Column("SQNR", number=True), Column("Cosine", number=True))
    return Table((*columns, Column("Layers changed", number=True)), rows)


def conversion_table(data: ReportData) -> Table | None:
    """How often values change between floats and integers; None where it was not counted."""
    counts = data.result.conversions
    if counts is None:
        return None
    figures = counts.to_json()
    rows = (*conversion_rows(figures), *operator_rows(figures))
    return Table(
        (Column(headline(figures)), Column("Number", number=True)),
        tuple((name, str(count)) for name, count in rows),
    )


def ends_table(data: ReportData) -> Table | None:
    """What the integers that the file takes and gives stand for; None where it has floats."""
    ends = data.result.ends
    if not ends:
        return None
    columns = (
        Column("Tensor"),
        Column(""),
        Column("Type"),
        Column("Scale", number=True),
        Column("Zero point", number=True),
    )
    rows = tuple(
        (
            end.name,
            "input" if end.is_input else "output",
            end.dtype,
            f"{end.scale:.9g}",
            str(end.zero_point),
        )
        for end in ends
    )
    return Table(columns, rows)


def latency_table(data: ReportData) -> Table | None:
    """Times of both models; None where they were not taken."""
    found = data.result.latency
    if found is None:
        return None
    rows = tuple(
        (
            name,
            f"{one.median_ms:.2f} ms",
            f"{one.low_ms:.2f} to {one.high_ms:.2f} ms",
            "–" if one.memory_bytes is None else bytes_text(one.memory_bytes),
            str(sum(one.operators.values())),
            ", ".join(f"{count} {op}" for op, count in _commonest(one.operators)),
        )
        for name, one in (("Float", found.first), ("Quantized", found.second))
    )
    columns = (
        Column(""),
        Column("Median", number=True),
        Column("Middle half", number=True),
        Column("Memory", number=True),
        Column("Operators run", number=True),
        Column("Most of them"),
    )
    return Table(columns, rows)


def _commonest(counts: Mapping[str, int], most: int = 6) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:most]


def layer_table(data: ReportData) -> Table:
    """Every layer with its specs and figures."""
    studies = {one.name: one for one in data.result.studies}
    columns = [Column("Layer"), Column("Operator"), Column("Weights"), Column("Activations")]
    columns += [Column("Kernel"), Column("SQNR weights", number=True)]
    effects = {one.layer: one for one in data.result.effects}
    if studies:
        columns += [
            Column("SQNR activ.", number=True),
            Column("Clipped", number=True),
            Column("To zero", number=True),
        ]
    if effects:
        columns += [Column("Outputs, alone", number=True), Column("Share", number=True)]
    rows, keys = [], []
    for layer in data.result.layers:
        cells: list[tuple[str, float | None]] = [
            (layer.name, None),
            (layer.op_type, None),
            (layer.weights or "–", None),
            (layer.activations, None),
            ("integer" if layer.integer else "float", None),
            (decibel_text(layer.weight_sqnr_db), layer.weight_sqnr_db),
        ]
        if studies:
            cells += _study_cells(studies[layer.name])
        if effects:
            cells += _effect_cells(effects.get(layer.name))
        rows.append(tuple(text for text, _ in cells))
        keys.append(tuple(key for _, key in cells))
    return Table(tuple(columns), tuple(rows), tuple(keys))


def _study_cells(study: LayerStudy) -> list[tuple[str, float | None]]:
    reads = min((one.sqnr_db for one in study.activations), default=None)
    weight = study.weight
    shares = (None, None) if weight is None else (weight.clipped, weight.zeroed)
    mark = "" if reads is None else "≈ "
    return [
        (f"{mark}{decibel_text(reads)}", reads),
        *((percent_text(share), share) for share in shares),
    ]


def _effect_cells(effect: Effect | None) -> list[tuple[str, float | None]]:
    if effect is None:
        return [("–", None), ("–", None)]
    sqnr = effect.fidelity.sqnr_db
    return [(decibel_text(sqnr), sqnr), (percent_text(effect.share), effect.share)]


def effect_of(data: ReportData, layer: str) -> Effect | None:
    """What a layer does to the outputs alone; None where that was not asked."""
    return next((one for one in data.result.effects if one.layer == layer), None)


def effect_lines(data: ReportData, layer: str) -> tuple[str, ...]:
    """What a layer does to the outputs alone, as a sentence."""
    found = effect_of(data, layer)
    if found is None:
        return ()
    top1 = found.fidelity.top1_agreement
    agreement = "" if top1 is None else f", the same class for {percent_text(top1)}"
    return (
        f"Quantized alone it leaves the outputs with {decibel_text(found.fidelity.sqnr_db)}"
        f"{agreement}: {percent_text(found.share)} of the noise that layers make alone.",
    )


def advice_lines(data: ReportData, study: LayerStudy) -> tuple[str, ...]:
    """What would do better for a layer, a line each."""
    effect = effect_of(data, study.name)
    training = () if effect is None or not effect.training else (effect.training,)
    return (*(_advice_text(one) for one in study.advice), *training)


def worst_layers(data: ReportData, most: int = 8) -> tuple[LayerStudy, ...]:
    """The layers that hurt the outputs most; where that was not asked, whose tensors lose most."""
    found = [one for one in data.result.studies if one.weight is not None or one.activations]
    if data.result.effects:
        studies = {one.name: one for one in found}
        worst = [one.layer for one in worst_first(data.result.effects) if one.layer in studies]
        return tuple(studies[name] for name in worst[:most])
    return tuple(sorted(found, key=lambda one: one.worst_db)[:most])


def study_lines(study: LayerStudy) -> Iterator[str]:
    """What a layer's tensors lose, a sentence each."""
    for what, one in _tensors(study):
        about = "" if one.exact else "about "
        yield (
            f"{what} {one.name} ({one.spec}): {about}{decibel_text(one.sqnr_db)}, values "
            f"{value_text(one.lo)} to {value_text(one.hi)}, grid {value_text(one.grid_lo)} to "
            f"{value_text(one.grid_hi)}, {about}{percent_text(one.clipped)} clipped, "
            f"{about}{percent_text(one.zeroed)} to zero."
        )


def _tensors(study: LayerStudy) -> Iterator[tuple[str, TensorStudy]]:
    if study.weight is not None:
        yield "Weight", study.weight
    for one in study.activations:
        yield "Activation", one


def _advice_text(advice: Advice) -> str:
    """A piece of advice as a sentence or two."""
    gain = decibel_text(advice.gain_db)
    return f"{advice.why} {advice.role.capitalize()} {advice.spec}: +{gain}."


def violation_lines(data: ReportData) -> tuple[str, ...]:
    """What the target does not take, by layer."""
    return tuple(
        f"{study.name}: {reason}" for study in data.result.studies for reason in study.violations
    )


def origin_rows(data: ReportData) -> Sequence[tuple[str, str]]:
    """What was asked, from what data, with what, where."""
    result = data.result
    rows = [
        ("Float model", f"{result.model} ({bytes_text(result.float_bytes)})"),
        ("SHA-256", data.model_hash),
        ("Quantized model", f"{result.output} ({bytes_text(result.quantized_bytes)})"),
        ("Format", f"{result.recipe.format}, opset {result.opset}, target {result.recipe.target}"),
        ("Calibration", _calibration(data)),
        ("Foldings", _foldings(result.passes)),
        ("Seconds", ", ".join(f"{k} {v:.2f}" for k, v in result.seconds.items())),
        ("Versions", ", ".join(f"{k} {v}" for k, v in data.versions.items())),
        ("Machine", data.machine),
    ]
    return [(name, text) for name, text in rows if text]


def _foldings(passes: Iterable[PassReport]) -> str:
    """What was changed before quantization, and what was left out."""
    return ", ".join(
        f"{title_of(p.name)}: {'left out' if p.skipped else p.changed}"
        for p in passes
        if p.changed or p.skipped
    )


def _calibration(data: ReportData) -> str:
    result = data.result
    if not result.calibration_source:
        return "no calibration data was needed"
    notes = "".join(f". {note}" for note in result.notes)
    return f"{result.calibration_source}, {plural(result.calibration_samples, 'sample')}{notes}"
