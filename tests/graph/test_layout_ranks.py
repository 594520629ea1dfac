"""Ranks lead downwards and keep edges short."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inspector.graph.layout_ranks import LONG_SPAN, components, rank_nodes

Edge = tuple[int, int]


@st.composite
def dags(draw: st.DrawFn) -> tuple[int, NDArray[np.int64]]:
    """A number of nodes, and different sorted edges to higher numbers."""
    count = draw(st.integers(1, 30))
    node = st.integers(0, count - 1)
    pairs = draw(st.sets(st.tuples(node, node).filter(lambda e: e[0] < e[1]), max_size=60))
    return count, as_edges(sorted(pairs))


def as_edges(pairs: list[Edge]) -> NDArray[np.int64]:
    """Pairs as an array, also where there are none."""
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def everything(edges: NDArray[np.int64]) -> NDArray[np.bool_]:
    """A wish to draw all edges."""
    return np.ones(len(edges), dtype=np.bool_)


@settings(deadline=None)
@given(dags(), st.lists(st.booleans(), min_size=60, max_size=60))
def test_edges_lead_down_and_parts_fill_ranks_of_their_own(
    dag: tuple[int, NDArray[np.int64]], wishes: list[bool]
) -> None:
    """Whatever is drawn; an edge that is not drawn leads down where its ends are in one part."""
    count, edges = dag
    wanted = np.array(wishes[: len(edges)], dtype=np.bool_)
    ranked = rank_nodes(count, edges, wanted)
    source, target = edges[:, 0], edges[:, 1]
    assert not (ranked.drawn & ~wanted).any()
    part = ranked.parts[ranked.rows]
    together = part[source] == part[target]
    assert together[ranked.drawn].all()
    assert (ranked.rows[source] < ranked.rows[target])[together].all()
    assert sorted(set(ranked.rows.tolist())) == list(range(len(ranked.parts)))
    assert (np.diff(ranked.parts) >= 0).all()
    whole = components(count, source[ranked.drawn], target[ranked.drawn])
    assert len(set(zip(part.tolist(), whole.tolist(), strict=True))) == len(set(whole.tolist()))


@settings(deadline=None)
@given(dags())
def test_edges_are_no_longer_than_by_the_longest_path(dag: tuple[int, NDArray[np.int64]]) -> None:
    """Moving nodes only ever makes the edges shorter in sum."""
    count, edges = dag
    highest = [0] * count
    for source, target in edges.tolist():
        highest[target] = max(highest[target], highest[source] + 1)
    ranked = rank_nodes(count, edges, everything(edges))
    length = sum(highest[b] - highest[a] for a, b in edges.tolist())
    assert np.diff(ranked.rows[edges], axis=1).sum() <= length


@settings(deadline=None)
@given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39))))
def test_components_are_what_is_connected(count: int, pairs: list[Edge]) -> None:
    """As a plain search finds them."""
    links = as_edges([(a % count, b % count) for a, b in pairs])
    label = list(range(count))
    for _ in range(count):
        for first, second in links.tolist():
            label[first] = label[second] = min(label[first], label[second])
    found = components(count, links[:, 0], links[:, 1])
    assert found.tolist() == label


def test_a_long_edge_is_cut_and_what_hangs_on_it_comes_near() -> None:
    """An input that is read twice, far apart, stands at its first reader."""
    trunk = list(range(1, 102))
    pairs = sorted([*pairwise(trunk), (0, 50), (0, 100)])
    ranked = rank_nodes(102, as_edges(pairs), everything(as_edges(pairs)))
    cut = [pair for pair, drawn in zip(pairs, ranked.drawn, strict=True) if not drawn]
    assert cut == [(0, 100)]
    assert ranked.rows[0] == ranked.rows[50] - 1
    near = sorted([*pairwise(trunk), (0, 50), (0, 50 + LONG_SPAN - 1)])
    assert rank_nodes(102, as_edges(near), everything(as_edges(near))).drawn.all()


def test_a_node_moves_to_where_it_has_more_edges() -> None:
    """One that reads one node and is read by two stands by its readers."""
    edges = as_edges(sorted([*pairwise([*range(8), 9, 10]), (0, 8), (8, 9), (8, 10)]))
    ranked = rank_nodes(11, edges, everything(edges))
    assert ranked.rows[8] == ranked.rows[7]
