"""What is said of one node. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from inspector.graph.model import AttributeValue, Graph, Node
from inspector.graph.operators import category
from inspector.gui.properties.page import Block, Page, Pair, Prose, Row, Section, Target
from inspector.gui.properties.prose import blocks, one_line
from inspector.gui.properties.words import (
    LONG,
    SHORT,
    domain_text,
    type_text,
    value_text,
)
from inspector.onnxio.loading import Model
from inspector.onnxio.schemas import (
    OWN_DOMAINS,
    AttributeDoc,
    OperatorDoc,
    ParameterDoc,
    function_doc,
    operator_doc,
)
from inspector.onnxio.tensors import type_of_attribute
from inspector.report.units import count_text

_MOST_PORTS = 200
_MOST_ATTRIBUTES = 300
_MOST_READERS = 3
_FOLD_PORTS, _FOLD_ATTRIBUTES = 45, 40
_NO_VALUES: Mapping[str, str] = MappingProxyType({})


def node_page(
    graph: Graph, name: str, model: Model, values: Mapping[str, str] = _NO_VALUES
) -> Page:
    """What is said of a node. Cost O(its attributes and tensors), at most some hundreds of rows.

    Args:
        graph: that holds the node.
        name: the node's.
        model: whose opsets and functions count.
        values: of small constants that it reads, as text, by tensor name.
    """
    node = graph.node(name)
    function = function_doc(model, node.op_type, node.domain)
    doc = function or operator_doc(node.op_type, node.domain, graph.opsets.get(node.domain, 0))
    head = [Pair("Name", one_line(node.name), long=node.name)]
    if function is not None:
        body = Target("body", node.name)
        head.append(Pair("Function", "Open body", "link", body))
    attributes = _attributes(node, doc)
    note = count_text(len(node.attributes)) if attributes else ""
    inputs = _inputs(graph, node, doc, values)
    return Page(
        one_line(node.op_type, 200) or "(no operator)",
        _subtitle(node, doc),
        (
            Section("", (*head, *_documentation(node, graph, doc))),
            Section("Attributes", tuple(attributes), note, _FOLD_ATTRIBUTES),
            Section("Inputs", tuple(inputs), count_text(len(node.inputs)), _FOLD_PORTS),
            Section(
                "Outputs",
                tuple(_outputs(graph, node, doc)),
                count_text(len(node.outputs)),
                _FOLD_PORTS,
            ),
            Section("Read inside", tuple(_outer(graph, node)), fold=_FOLD_PORTS),
        ),
        category(node.op_type),
        f"node {name}",
    )


def _subtitle(node: Node, doc: OperatorDoc | None) -> str:
    domain = domain_text(node.domain)
    if doc is None:
        return domain
    if not doc.since:
        return f"{domain} · function of this model"
    return f"{domain} · since version {doc.since}" + (", deprecated" if doc.deprecated else "")


def _documentation(node: Node, graph: Graph, doc: OperatorDoc | None) -> list[Row]:
    if doc is not None:
        found = blocks(doc.summary)
        return [Prose(found)] if found else []
    if node.domain not in OWN_DOMAINS:
        reason = f"No documentation: {one_line(node.domain, 80)} is not ONNX's own."
    else:
        version = graph.opsets.get(node.domain, 0)
        name, domain = one_line(node.op_type, 80), domain_text(node.domain)
        reason = f"No documentation: {domain} {version or ''} has no operator {name}."
    return [Prose(blocks(reason), tone="muted")]


def _attributes(node: Node, doc: OperatorDoc | None) -> list[Row]:
    """Those that are set, in the file's order, then those that could be, greyed."""
    rows: list[Row] = []
    for key, value in list(node.attributes.items())[:_MOST_ATTRIBUTES]:
        rows += _set(node, key, value, doc.attribute(key) if doc else None)
    if len(node.attributes) > _MOST_ATTRIBUTES:
        rows.append(_more(len(node.attributes) - _MOST_ATTRIBUTES))
    for known in doc.attributes if doc else ():
        if known.name not in node.attributes:
            rows.append(_unset(known))
    return rows


def _set(node: Node, key: str, value: AttributeValue, known: AttributeDoc | None) -> Iterator[Pair]:
    name, doc = one_line(key), blocks(known.doc) if known else ()
    if isinstance(value, Graph):
        text = f"Open body, {value_text(value)}"
        yield Pair(name, text, "link", Target("body", node.name, key), doc)
        return
    kind = type_of_attribute(node.domain, key, value)
    shown = f"{kind} ({value_text(value)})" if kind else value_text(value)
    yield Pair(name, shown, doc=doc, long=shown if kind else value_text(value, LONG))


def _unset(known: AttributeDoc) -> Pair:
    doc = blocks(known.doc)
    if known.required:
        return Pair(known.name, "required, but not set", "warning", None, doc)
    value = "not set" if known.default is None else value_text(known.default)
    return Pair(known.name, value, "muted", None, doc)


def _inputs(
    graph: Graph, node: Node, doc: OperatorDoc | None, values: Mapping[str, str]
) -> Iterator[Row]:
    for position, tensor in enumerate(node.inputs[:_MOST_PORTS]):
        formal = doc.input_at(position) if doc else None
        name = _formal_name(formal, position, doc.inputs if doc else ())
        if not tensor:
            yield Pair(name, "left out", "muted", None, _doc(formal))
            continue
        yield _tensor(name, tensor, formal)
        known = graph.tensors.get(tensor)
        yield _small(type_text(known))
        if tensor in values:
            text = f"= {values[tensor]}"
            yield Pair("", text[:SHORT], "muted", long=text, small=True)
        elif known is not None and known.constant:
            yield _small("constant")
        elif known is not None and known.producer is not None:
            yield _link("from", known.producer)
    if len(node.inputs) > _MOST_PORTS:
        yield _more(len(node.inputs) - _MOST_PORTS)
    for formal in (doc.inputs if doc else ())[len(node.inputs) :]:
        if formal.use == "optional":
            yield Pair(formal.name, "left out", "muted", None, _doc(formal))


def _outputs(graph: Graph, node: Node, doc: OperatorDoc | None) -> Iterator[Row]:
    for position, tensor in enumerate(node.outputs[:_MOST_PORTS]):
        formal = doc.output_at(position) if doc else None
        name = _formal_name(formal, position, doc.outputs if doc else ())
        if not tensor:
            yield Pair(name, "left out", "muted", None, _doc(formal))
            continue
        yield _tensor(name, tensor, formal)
        known = graph.tensors.get(tensor)
        yield _small(type_text(known))
        readers = known.consumers if known is not None else ()
        for reader in readers[:_MOST_READERS]:
            yield _link("to", reader)
        if len(readers) > _MOST_READERS:
            yield _more(len(readers) - _MOST_READERS)
        if tensor in graph.outputs:
            yield _small("output of the graph")
    if len(node.outputs) > _MOST_PORTS:
        yield _more(len(node.outputs) - _MOST_PORTS)


def _outer(graph: Graph, node: Node) -> Iterator[Row]:
    """Tensors of this graph that the node's bodies read."""
    for tensor in node.outer_inputs[:_MOST_PORTS]:
        yield Pair("", one_line(tensor), "link", Target("tensor", tensor), flush=True)
        text = type_text(graph.tensors.get(tensor))
        yield Pair("", text, "muted", flush=True, small=True)


def _formal_name(
    formal: ParameterDoc | None, position: int, all_of_them: Sequence[ParameterDoc]
) -> str:
    if formal is None:
        return str(position)
    if formal.use != "variadic":
        return one_line(formal.name, 80)
    return f"{one_line(formal.name, 80)}[{position - len(all_of_them) + 1}]"


def _tensor(name: str, tensor: str, formal: ParameterDoc | None) -> Pair:
    target = Target("tensor", tensor)
    return Pair(name, one_line(tensor, SHORT), "link", target, _doc(formal), long=one_line(tensor))


def _doc(formal: ParameterDoc | None) -> tuple[Block, ...]:
    return blocks(formal.doc) if formal else ()


def _link(word: str, node: str) -> Pair:
    text = f"{word} {one_line(node, SHORT)}"
    return Pair("", text, "link", Target("node", node), long=text, small=True)


def _more(count: int) -> Pair:
    return _small(f"… and {count_text(count)} more")


def _small(text: str) -> Pair:
    return Pair("", text, "muted", small=True)


def small_constants(graph: Graph, node: Node, most: int = 16) -> Iterable[str]:
    """Constants that a node reads and that are short enough to be written out."""
    for name in dict.fromkeys(node.inputs):
        tensor = graph.tensors.get(name)
        if tensor is not None and tensor.constant and (tensor.size or most + 1) <= most:
            yield name
