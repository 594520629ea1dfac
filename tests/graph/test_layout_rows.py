"""The order within ranks and the places that follow from it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inspector import offload
from inspector.graph.coordinates import Layered, assign_x
from inspector.graph.layout import layout
from inspector.graph.layout_order import SIMPLEX_NODES, ordered

Ints = NDArray[np.int64]


@st.composite
def layered(draw: st.DrawFn) -> Layered:
    """Random ranks with links from each to the next."""
    sizes = draw(st.lists(st.integers(1, 7), min_size=1, max_size=8))
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    count = int(starts[-1])
    widths = draw(st.lists(st.integers(10, 300).map(float), min_size=count, max_size=count))
    virtual = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    links = set()
    for rank in range(len(sizes) - 1):
        upper = st.integers(int(starts[rank]), int(starts[rank + 1]) - 1)
        lower = st.integers(int(starts[rank + 1]), int(starts[rank + 2]) - 1)
        links |= draw(st.sets(st.tuples(upper, lower), max_size=10))
    pairs = np.array(sorted(links), dtype=np.int64).reshape(-1, 2)
    return Layered(starts, pairs, np.array(widths), np.array(virtual))


def crossings(starts: Ints, links: Ints, order: Ints) -> int:
    """How many pairs of links cross."""
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    rank = np.repeat(np.arange(len(starts) - 1), np.diff(starts))[links[:, 0]]
    ends = place[links]
    first, second = np.triu_indices(len(links), 1)
    turned = np.prod(ends[first] - ends[second], axis=1) < 0
    return int((turned & (rank[first] == rank[second])).sum())


@settings(deadline=None, max_examples=150)
@given(layered())
def test_neighbours_keep_their_distance(graph: Layered) -> None:
    """In each rank, from left to right, in the order given."""
    x = assign_x(graph)
    assert (x - graph.widths / 2).min() == pytest.approx(0)
    for first, last in zip(graph.starts[:-1], graph.starts[1:], strict=True):
        room = (graph.widths[first : last - 1] + graph.widths[first + 1 : last]) / 2
        assert (np.diff(x[first:last]) >= room - 1e-6).all()


@pytest.mark.parametrize("swiftly", [False, True])
@settings(deadline=None, max_examples=60)
@given(graph=layered())
def test_an_order_has_every_node_once_in_its_rank(swiftly: bool, graph: Layered) -> None:
    """Whoever finds it."""
    if swiftly or len(graph.links):
        order = ordered(graph.starts, graph.links, swiftly=swiftly)
        for first, last in zip(graph.starts[:-1], graph.starts[1:], strict=True):
            assert sorted(order[first:last].tolist()) == list(range(first, last))


@pytest.mark.parametrize("swiftly", [False, True])
def test_parallel_chains_do_not_cross(swiftly: bool) -> None:
    """Also in a graph that is large, and has nodes below its top that nothing leads to."""
    width, depth = 8, SIMPLEX_NODES // 4
    starts = np.concatenate([[0, 1], 1 + width * np.arange(1, depth + 1)])
    names = np.random.default_rng(1).permuted(starts[1:-1, None] + np.arange(width), axis=1)
    links = [(0, int(name)) for name in names[0, :-2]]
    for above, below in pairwise(names):
        links += list(zip(above.tolist(), below.tolist(), strict=True))
    loose = names[:100, -1].tolist()  # the last chain begins further down
    links = [link for link in links if link[0] not in loose]
    pairs = np.array(sorted(links))
    assert crossings(starts, pairs, np.arange(starts[-1])) > 1000
    assert crossings(starts, pairs, ordered(starts, pairs, swiftly=swiftly)) < 20


def test_a_long_edge_is_straight() -> None:
    """The virtual nodes of one edge share a line, beside what it passes."""
    widths = np.array([60.0, 200.0, 16.0, 80.0, 16.0, 200.0, 16.0, 60.0])
    virtual = widths == 16.0
    links = np.array([[0, 1], [0, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 7], [6, 7]])
    x = assign_x(Layered(np.array([0, 1, 3, 5, 7, 8]), links, widths, virtual))
    assert len(set(x[[2, 4, 6]].tolist())) == 1
    assert len(set(x[[1, 3, 5]].tolist())) == 1
    assert x[1] < x[0] < x[2]


def test_short_edges_give_way_to_long_ones() -> None:
    """Where one crosses a long edge, the long one stays straight."""
    widths = np.array([16.0, 60.0, 60.0, 16.0, 60.0, 16.0])
    links = np.array([[0, 3], [1, 2], [3, 5], [2, 4]])
    x = assign_x(Layered(np.array([0, 2, 4, 6]), links, widths, widths == 16.0))
    assert len(set(x[[0, 3, 5]].tolist())) == 1


@pytest.fixture
def child() -> Iterator[None]:
    """A process for long computations."""
    offload.start()
    yield
    offload.stop()


@pytest.mark.usefixtures("child")
def test_a_large_graph_is_drawn_the_same_in_another_process() -> None:
    """Nothing in the drawing depends on the process that makes it."""
    count = 2 * offload.SMALL
    edges = [(i, i + 1 + (i * i) % 4) for i in range(count - 5)]
    sizes = [(60.0 + i % 50, 30.0) for i in range(count)]
    there = layout(sizes, edges)
    offload.stop()
    here = layout(sizes, edges)
    np.testing.assert_array_equal(there.positions, here.positions)
    np.testing.assert_array_equal(there.corners, here.corners)
