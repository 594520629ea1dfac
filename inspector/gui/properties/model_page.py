"""What is said of a model and its graph, and of several nodes together. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from inspector.graph.model import Graph, Node
from inspector.graph.operators import category
from inspector.gui.properties.page import Block, Page, Pair, Prose, Row, Section, Target
from inspector.gui.properties.prose import one_line, plain
from inspector.gui.properties.words import (
    LONG,
    SHORT,
    UNKNOWN,
    operator_text,
    opset_text,
    tensor_bytes,
    type_text,
)
from inspector.onnxio.loading import Model
from inspector.report.units import bytes_text, count_text, plural
from inspector.session.recipe import RECIPE_KEY

_MOST_PORTS = 200
_MOST_ENTRIES = 200
_FOLD = 12


def model_page(model: Model, graph: Graph) -> Page:
    """What is said of a model. Cost O(nodes and their inputs).

    Args:
        model: the model as it is in the file.
        graph: the graph in view: its own, or one inside it.
    """
    proto = model.proto
    name = model.path.name if model.path else one_line(proto.graph.name) or "model"
    nodes, operators = graph.nodes, _operators(graph.nodes)
    subtitle = f"{plural(len(nodes), 'node')}, {plural(len(operators), 'operator')}"
    return Page(
        name,
        subtitle,
        (
            Section("", (*_file(model), *_producer(model))),
            Section("Description", _prose(proto.doc_string)),
            Section("Opset imports", tuple(Pair(d, v) for d, v in opset_text(graph.opsets))),
            Section("Graph", _graph(graph, proto.graph.doc_string)),
            Section("Inputs", ports(graph, graph.inputs), count_text(len(graph.inputs)), 24),
            Section("Outputs", ports(graph, graph.outputs), count_text(len(graph.outputs)), 24),
            Section("Operators", operators, count_text(len(nodes)), _FOLD),
            Section("Metadata", tuple(_entries(model)), fold=_FOLD),
        ),
        key=f"model {name} {graph.name}",
    )


def nodes_page(graph: Graph, names: Sequence[str]) -> Page:
    """What is said of several nodes. Cost O(nodes and their inputs)."""
    nodes = [graph.node(name) for name in names]
    operators = _operators(nodes)
    rows = (
        Pair("Nodes", count_text(len(nodes)), number=True),
        *_sums(graph, nodes),
    )
    return Page(
        plural(len(nodes), "node"),
        plural(len(operators), "operator"),
        (Section("", rows), Section("Operators", operators, fold=2 * _FOLD)),
        key=f"nodes {hash(tuple(names))}",
    )


def ports(graph: Graph, names: Sequence[str]) -> tuple[Row, ...]:
    """Inputs or outputs of a graph: each a link, with its type below."""
    found: list[Row] = []
    for name in names[:_MOST_PORTS]:
        shown = one_line(name) or "(no name)"
        found.append(Pair("", shown, "link", Target("tensor", name), flush=True))
        text = type_text(graph.tensors.get(name))
        found.append(Pair("", text, "muted", flush=True, small=True))
    if len(names) > _MOST_PORTS:
        found.append(
            Pair("", f"… and {count_text(len(names) - _MOST_PORTS)} more", "muted", flush=True)
        )
    return tuple(found)


def _file(model: Model) -> list[Pair]:
    path = model.path
    if path is None:
        return []
    rows = [Pair("File", str(path), long=str(path)), Pair("Size", _file_size(model))]
    for number, data in enumerate(sorted(model.external_files)[:8]):
        rows.append(Pair("" if number else "Data files", _named(data, path.parent)))
    return rows


def _named(data: Path, folder: Path) -> str:
    return data.name if data.parent == folder.resolve() else str(data)


def _file_size(model: Model) -> str:
    try:
        return bytes_text(model.file_bytes)
    except OSError:
        return "the file is gone"


def _producer(model: Model) -> Iterable[Pair]:
    proto = model.proto
    producer = f"{proto.producer_name} {proto.producer_version}".strip()
    facts = (
        ("Format", f"ONNX, IR version {proto.ir_version}"),
        ("Producer", producer),
        ("Domain", proto.domain),
        ("Version", str(proto.model_version) if proto.model_version else ""),
    )
    return [Pair(name, one_line(text, SHORT)) for name, text in facts if text]


def _prose(text: str) -> tuple[Row, ...]:
    found = plain(text)
    return (Prose(found),) if found else ()


def _graph(graph: Graph, doc: str) -> tuple[Row, ...]:
    rows: list[Row] = [
        Pair("Name", one_line(graph.name, SHORT) or UNKNOWN),
        Pair("Nodes", count_text(len(graph.nodes)), number=True),
        *_sums(graph, graph.nodes),
    ]
    return (*rows, *_prose(doc))


def _sums(graph: Graph, nodes: Iterable[Node]) -> list[Pair]:
    """Parameters and bytes of the constants that nodes read, each counted once."""
    read = {tensor for node in nodes for tensor in (*node.inputs, *node.outer_inputs)}
    parameters = size = 0
    for name in read:
        tensor = graph.tensors.get(name)
        if tensor is not None and tensor.constant:
            parameters += tensor.size or 0
            size += tensor_bytes(tensor) or 0
    return [
        Pair("Parameters", count_text(parameters), number=True),
        Pair("Weights", bytes_text(size), number=True),
    ]


def _operators(nodes: Iterable[Node]) -> tuple[Pair, ...]:
    """How many of each operator, the most frequent first."""
    counts = Counter((node.op_type, node.domain) for node in nodes)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        Pair(operator_text(*kind), count_text(count), number=True, colour=category(kind[0]))
        for kind, count in ordered
    )


def _entries(model: Model) -> Iterable[Row]:
    """The metadata; the program's own entry is a text of lines, shown as such."""
    entries = model.proto.metadata_props
    for entry in entries[:_MOST_ENTRIES]:
        name, value = one_line(entry.key, SHORT), entry.value
        if entry.key == RECIPE_KEY:
            yield Pair("Recipe", "")
            yield Prose((Block(value[:LONG].strip() or UNKNOWN, "code"),), lines=8)
        elif len(value) > 80 or "\n" in value:
            yield Pair(name, "")
            yield Prose(plain(value), tone="muted")
        else:
            yield Pair(name, one_line(value, SHORT))
    if len(entries) > _MOST_ENTRIES:
        yield Pair("", f"… and {count_text(len(entries) - _MOST_ENTRIES)} more", "muted")
