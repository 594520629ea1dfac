"""Each unit of a graph as one card: its operators belong to the card of the last one."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from inspector.graph.formulas import TITLES
from inspector.graph.model import Graph
from inspector.graph.quantized import Quantized


def with_units(quantized: Quantized, graph: Graph) -> Quantized:
    """What is hidden in a graph, with the operators of its units.

    Args:
        quantized: what its quantizers say; a unit with a quantizer inside keeps its cards.
        graph: the graph.

    Cost: linear in the number of nodes in units.
    """
    if not graph.units:
        return quantized
    hidden, title = dict(quantized.hidden), dict(quantized.title)
    sources, names = dict(quantized.sources), dict(quantized.names)
    operands = dict(quantized.operands)
    for unit in graph.units:
        if any(name in hidden for name in unit.nodes):
            continue
        *inner, last = unit.nodes
        source = sources.get(unit.source, unit.source)
        for name in inner:
            hidden[name] = last
            for tensor in graph.node(name).outputs:
                sources[tensor], names[tensor] = source, names.get(unit.source, unit.source)
        title[last] = TITLES.get(unit.kind, unit.kind)
        operands[last] = ((0, unit.source),)
    return replace(
        quantized,
        hidden=MappingProxyType(hidden),
        title=MappingProxyType(title),
        sources=MappingProxyType(sources),
        names=MappingProxyType(names),
        operands=MappingProxyType(operands),
    )
