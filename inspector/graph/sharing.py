"""Which grids become one where tensors are joined (Concat)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from inspector.graph.model import Graph
from inspector.graph.planning import REST, Plan, Site
from inspector.graph.roles import is_pass_through
from inspector.quant.qparams import QParams


def share_grids(graph: Graph, plan: Plan, grids: Sequence[QParams]) -> tuple[QParams, ...]:
    """Lets the inputs of joins have the output's grid where that costs less than rounding again.

    Joining needs values on the output's grid, of scale S. An input on a grid of its own, of scale
    s, is rounded twice on its way there: errors of s^2 / 12 and S^2 / 12 add up, while its k other
    readers see the first alone. On the shared grid all see S^2 / 12. So sharing is better where
    k S^2 <= (k + 1) s^2: always for a tensor that is only joined, and not for one that many layers
    read and that is joined to a tensor of far larger values.

    Args:
        graph: the graph of the plan.
        plan: what is quantized.
        grids: the grid of each of its points, chosen for its own values.

    Returns:
        The grid of each point.
    """
    readers = _readers(graph, plan)
    into = list(range(len(grids)))

    def root(point: int) -> int:
        while into[point] != point:
            point = into[point]
        return point

    for source, target in plan.joins:
        own, joined = root(source), root(target)
        if own == joined:
            readers[own] -= 1
            continue
        others = readers[own] - 1
        own_scale, scale = float(grids[own].scale), float(grids[joined].scale)
        if others * scale**2 <= (others + 1) * own_scale**2:
            into[own] = joined
            readers[joined] += others
    return tuple(grids[root(point)] for point in range(len(grids)))


def _readers(graph: Graph, plan: Plan) -> Counter[int]:
    """How many nodes compute with the values of each point, joins among them."""
    readers: Counter[int] = Counter()
    for site, point in plan.sites.items():
        if not _moves_on(graph, site):
            readers[point] += 1
    for source, _ in plan.joins:
        readers[source] += 1
    return readers


def _moves_on(graph: Graph, site: Site) -> bool:
    return site.consumer != REST and is_pass_through(graph.node(site.consumer))
