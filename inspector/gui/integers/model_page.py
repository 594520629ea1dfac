"""Where the whole model changes between floats and grids, in rows. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from inspector.graph.conversions import Conversions, Island, Meeting
from inspector.graph.model import Graph
from inspector.graph.operators import category
from inspector.gui.integers.pages import whole
from inspector.gui.properties.page import Block, Page, Pair, Section, Target
from inspector.report.conversion_text import conversion_rows, headline, operator_rows
from inspector.report.units import plural, value_text

_FOLD = 6
_MOST = 200
"""Rows of one kind; more would be read by nobody."""


def model_page(found: Conversions, graph: Graph, of_layer: str = "") -> Page:
    """Where the model changes between floats and grids.

    Args:
        found: all of it.
        graph: the graph.
        of_layer: what reads the output of this layer comes first.
    """
    figures = found.counts.to_json()
    meetings = sorted(found.meetings, key=lambda one: not one.rescaled)
    sections = (
        _behind(found, graph, of_layer),
        Section("Conversions", _rows(conversion_rows(figures))),
        Section("Operators", _rows(operator_rows(figures))),
        Section("Float islands", tuple(_island(one, graph) for one in found.islands[:_MOST]),
                _more(len(found.islands)) or "conversions", _FOLD),
        Section("Where scales meet", tuple(_meeting(one) for one in meetings[:_MOST]),
                _more(len(found.meetings)) or "input ÷ output", _FOLD),
    )  # fmt: skip
    return Page("The whole model", headline(figures), sections, key="conversions")


def _more(count: int) -> str:
    return f"the first {_MOST} of {count}" if count > _MOST else ""


def _rows(figures: Sequence[tuple[str, int]]) -> tuple[Pair, ...]:
    return tuple(Pair(name, whole(count), number=True) for name, count in figures)


def _island(island: Island, graph: Graph) -> Pair:
    first = next(
        (name for name in island.nodes if graph.node(name).op_type == island.operators[0]),
        island.nodes[0],
    )
    doc = [
        Block(f"{plural(len(island.nodes), 'operator')}: {', '.join(island.operators[:12])}"),
        Block(f"{island.quantizes} quantized, {island.dequantizes} dequantized"),
    ]
    if island.in_kernels:
        doc.append(Block(f"{island.in_kernels} written as floats by the kernel before"))
    if island.is_table:
        doc.append(Block("onnxruntime computes it from codes, with a table."))
    count = len(island.nodes)
    size = f" for {plural(count, 'operator')}" if count > 1 else ""
    return Pair(
        island.operators[0],
        f"{island.cost}{size}",
        "link",
        Target("node", first),
        tuple(doc),
        colour=category(island.operators[0]),
    )


def _meeting(one: Meeting) -> Pair:
    ratios = ", ".join(f"× {value_text(ratio)}" for ratio in one.ratios[:4])
    more = "…" if len(one.ratios) > 4 else ""
    same = not one.rescaled
    return Pair(
        one.op_type,
        "same scale" if same else ratios + more,
        "link",
        Target("node", one.node),
        (Block(one.node), Block(_why(one))),
        colour=category(one.op_type),
    )


def _why(one: Meeting) -> str:
    """What happens to codes there, and why."""
    if one.op_type == "Concat":
        if not one.rescaled:
            return "All inputs are on the output's grid: their codes are joined as they are."
        return (
            f"{plural(len(one.rescaled), 'input')} put on the output's grid before they are "
            "joined: codes of one tensor have one scale. They keep their own, finer grid for "
            "the others that read them."
        )
    if one.op_type == "Mul":
        return (
            "The product of two scales is no scale of the output: the product of steps is "
            "multiplied by s₁ × s₂ / s of the output and rounded."
        )
    if one.op_type == "Add":
        return (
            "Steps of different size cannot be added: each input is multiplied by its scale over "
            "the output's (the figures here), the sum is rounded once."
        )
    return (
        "The mean of codes is no code: it is multiplied by the input's scale over the output's "
        "and rounded."
    )


def _behind(found: Conversions, graph: Graph, layer: str) -> Section:
    """What reads a layer's output."""
    known = {one.name for one in graph.layers}
    if layer not in known:
        return Section("", ())
    meetings = {one.node: one for one in found.meetings}
    islands = {name: one for one in found.islands for name in one.nodes}
    rows: list[Pair] = []
    for reader in _readers(found, graph, layer):
        kind = found.kinds.get(reader)
        if reader in meetings:
            rows.append(_meeting(meetings[reader]))
        elif kind == "float" and reader in islands:
            rows.append(_float_reader(graph, reader))
        elif kind in ("integer", "moves"):
            what = "reads the codes" if kind == "integer" else "moves the codes"
            node = graph.node(reader)
            target = Target("node", reader)
            rows.append(Pair(node.op_type, what, "link", target, colour=category(node.op_type)))
    return Section("Behind this layer", tuple(rows[:_MOST]), fold=_FOLD)


def _float_reader(graph: Graph, reader: str) -> Pair:
    op_type = graph.node(reader).op_type
    return Pair(
        op_type, "computes in float", "link", Target("node", reader), colour=category(op_type)
    )


def _readers(found: Conversions, graph: Graph, layer: str) -> list[str]:
    """What reads a layer's output, behind the activations that fold into it."""
    tensor = graph.layer(layer).output
    while True:
        readers = graph.tensors[tensor].consumers
        if len(readers) != 1 or found.kinds.get(readers[0]) != "folded":
            return list(readers)
        tensor = graph.node(readers[0]).outputs[0]
