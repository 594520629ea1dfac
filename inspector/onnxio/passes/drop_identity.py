"""Take out Identity and the Dropout that does nothing at inference."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from onnx import GraphProto, NodeProto

from inspector.graph.operators import is_onnx_domain
from inspector.onnxio.draft import Draft, rename_reads, subgraphs
from inspector.onnxio.loading import Model
from inspector.onnxio.passes.report import PassReport

_NAME = "drop_identity"


def drop_identity(model: Model) -> tuple[Model, PassReport]:
    """Remove Identity and inference-time Dropout nodes of the main graph.

    Graph outputs keep their names: where an Identity gives one, what feeds it takes over the name.
    An Identity between a graph input or constant and a graph output stays, as does a Dropout that
    trains or whose mask is read.
    """
    return drop_identities(model)


def drop_identities(model: Model, names: Collection[str] | None = None) -> tuple[Model, PassReport]:
    """The same, of these nodes alone where names are given."""
    return _Drop(Draft(model), names).run(model)


class _Drop:
    """The state of one run over a graph."""

    def __init__(self, draft: Draft, names: Collection[str] | None) -> None:
        """Index the draft's graph."""
        graph = draft.graph
        self._names = names
        self._draft = draft
        self._outputs = {value.name for value in graph.output}
        self._inner = set(_inner_names(graph.node))
        self._uses = draft.uses()
        self._producers = {name: node for node in graph.node for name in node.output if name}
        self._renamed: dict[str, str] = {}
        self._left: list[str] = []

    def run(self, model: Model) -> tuple[Model, PassReport]:
        """Remove what can be removed."""
        gone = [node for node in self._draft.graph.node if self._drop(node)]
        if not gone:
            return model, PassReport(_NAME, 0, tuple(self._left))
        self._draft.remove_nodes(gone)
        mapping = {old: self._resolve(old) for old in self._renamed}
        for node in self._draft.graph.node:
            rename_reads(node, mapping)
        self._draft.sweep()
        return self._draft.finish(), PassReport(_NAME, len(gone), tuple(self._left))

    def _resolve(self, name: str) -> str:
        while name in self._renamed:
            name = self._renamed[name]
        return name

    def _drop(self, node: NodeProto) -> bool:
        if not is_onnx_domain(node.domain) or node.op_type not in {"Identity", "Dropout"}:
            return False
        if self._names is not None and node.name not in self._names:
            return False
        reason = self._passes_nothing_else(node) if node.op_type == "Dropout" else ""
        if not reason:
            reason = self._rename(self._resolve(node.input[0]), node.output[0])
        if reason:
            self._left.append(f"{node.name}: {reason}")
        return not reason

    def _passes_nothing_else(self, node: NodeProto) -> str:
        """Why a Dropout must stay; "" if it only copies."""
        if len(node.output) > 1 and node.output[1] and self._uses[node.output[1]]:
            return "its mask is used."
        if len(node.input) > 2 and node.input[2]:
            mode = self._resolve(node.input[2])
            if not self._draft.is_constant(mode):
                return "whether it trains is decided at run time."
            if self._draft.constant(mode).any():
                return "it is in training mode."
        return ""

    def _rename(self, source: str, target: str) -> str:
        """Let readers of `target` read `source`; the reason if that cannot be."""
        if target not in self._outputs:
            if source in self._inner:
                return "a subgraph has a tensor of the same name as its input."
            self._renamed[target] = source
            return ""
        if source not in self._producers:
            return "it joins an input or constant of the graph to an output."
        if source in self._outputs:
            return "it joins two outputs of the graph."
        if target in self._inner:
            return "a subgraph has a tensor of the same name as its output."
        producer = self._producers.pop(source)
        producer.output[list(producer.output).index(source)] = target
        self._producers[target] = producer
        self._renamed[source] = target
        return ""


def _inner_names(nodes: Sequence[NodeProto]) -> Iterator[str]:
    """Tensors that subgraphs define themselves."""
    for node in nodes:
        for graph in subgraphs(node):
            yield from _defined(graph)


def _defined(graph: GraphProto) -> Iterator[str]:
    yield from (value.name for value in graph.input)
    yield from (tensor.name for tensor in graph.initializer)
    for node in graph.node:
        yield from node.output
    yield from _inner_names(graph.node)
