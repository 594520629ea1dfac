"""The drawing keeps its promises on random graphs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inspector.graph import layout as layout_module
from inspector.graph.layout import Layout, layout

Size = tuple[float, float]
Edge = tuple[int, int]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Size], list[Edge]]:
    """Random DAGs: card sizes, and edges that lead to higher numbers."""
    count = draw(st.integers(0, 25))
    size = st.tuples(st.integers(20, 300).map(float), st.integers(20, 120).map(float))
    sizes = draw(st.lists(size, min_size=count, max_size=count))
    if count < 2:
        return sizes, []
    node = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(node, node).filter(lambda e: e[0] < e[1]), max_size=45))
    return sizes, pairs


def routes(drawing: Layout) -> list[NDArray[np.float64]]:
    """The corner points of each edge."""
    return [drawing.route(edge) for edge in range(len(drawing.starts) - 1)]


def overlaps(drawing: Layout, sizes: list[Size]) -> int:
    """How many ordered pairs of cards overlap."""
    low = drawing.positions
    high = low + np.array(sizes).reshape(-1, 2)
    meet = np.all((low[:, None] < high[None]) & (low[None] < high[:, None]), axis=2)
    return int(meet.sum()) - len(sizes)


@settings(deadline=None, max_examples=60)
@given(graphs())
def test_cards_stand_apart_and_edges_run_down(graph: tuple[list[Size], list[Edge]]) -> None:
    """No card covers another, and every edge leads from its source down to its target."""
    sizes, edges = graph
    drawing = layout(sizes, edges)
    assert overlaps(drawing, sizes) == 0
    assert np.all(drawing.positions >= -1e-9)
    for (source, target), route in zip(edges, routes(drawing), strict=True):
        assert np.all(np.diff(route[:, 1]) >= 0)
        bottom = drawing.positions[source] + np.array([sizes[source][0] / 2, sizes[source][1]])
        top = drawing.positions[target] + np.array([sizes[target][0] / 2, 0])
        np.testing.assert_allclose(route[0], bottom)
        np.testing.assert_allclose(route[-1], top)
        assert top[1] >= bottom[1] + layout_module.RANK_GAP - 1e-6


@settings(deadline=None, max_examples=30)
@given(graphs())
def test_the_same_graph_is_drawn_the_same(graph: tuple[list[Size], list[Edge]]) -> None:
    """Nothing but the arguments decides."""
    first, second = layout(*graph), layout(*graph)
    np.testing.assert_array_equal(first.positions, second.positions)
    np.testing.assert_array_equal(first.corners, second.corners)
    np.testing.assert_array_equal(first.starts, second.starts)


@settings(deadline=None, max_examples=40)
@given(graphs())
def test_edges_pass_between_the_cards_of_other_ranks(
    graph: tuple[list[Size], list[Edge]],
) -> None:
    """The straight piece of a long edge never runs through a card."""
    sizes, edges = graph
    drawing = layout(sizes, edges)
    for (source, target), route in zip(edges, routes(drawing), strict=True):
        for start, end in pairwise(route):
            if start[0] != end[0]:  # slanted pieces stay in the gaps between ranks
                continue
            for node, size in enumerate(sizes):
                if node in (source, target):
                    continue
                low = drawing.positions[node]
                inside = low[0] < start[0] < low[0] + size[0]
                assert not (inside and start[1] < low[1] + size[1] and end[1] > low[1])


def test_empty_and_single() -> None:
    """The smallest graphs have a drawing too."""
    empty = layout([], [])
    assert empty.positions.shape == (0, 2)
    assert (empty.width, empty.height) == (0.0, 0.0)
    one = layout([(80.0, 30.0)], [])
    assert one.positions.shape == (1, 2)
    assert one.height == 30.0


def test_a_chain_is_straight() -> None:
    """Cards of different widths in a chain share one centre line."""
    sizes = [(60.0 + 20 * (i % 3), 30.0) for i in range(30)]
    drawing = layout(sizes, [(i, i + 1) for i in range(29)])
    centres = drawing.positions[:, 0] + np.array(sizes)[:, 0] / 2
    np.testing.assert_allclose(centres, centres[0])


def test_disconnected_parts_stand_side_by_side() -> None:
    """Parts without a link do not cover one another."""
    sizes = [(60.0, 30.0)] * 6
    drawing = layout(sizes, [(0, 1), (2, 3), (4, 5)])
    assert overlaps(drawing, sizes) == 0
    assert len(set(drawing.positions[::2, 0])) + len(set(drawing.positions[::2, 1])) > 2


def test_loops_and_backward_edges_of_a_broken_graph_are_drawn() -> None:
    """A cycle costs one upward edge, a loop is left out."""
    drawing = layout([(50.0, 20.0)] * 3, [(0, 1), (1, 2), (2, 0), (1, 1)])
    assert np.all(np.diff(drawing.route(2)[:, 1]) <= 0)
    assert len(drawing.route(3)) == 0


def test_a_deep_chain_does_not_overflow_the_stack() -> None:
    """Depth is no danger."""
    count = 10_000
    drawing = layout([(50.0, 20.0)] * count, [(i, i + 1) for i in range(count - 1)])
    assert drawing.positions[-1, 1] > drawing.positions[0, 1]


def test_one_tensor_that_feeds_every_layer_does_not_drown_the_drawing() -> None:
    """Only long edges are cut, and only when they are many."""
    count = 1500
    edges = [(i, i + 1) for i in range(count - 1)] + [(0, i) for i in range(2, count)]
    drawing = layout([(50.0, 20.0)] * count, edges)
    cut = [edge for edge, route in zip(edges, routes(drawing), strict=True) if len(route) == 0]
    assert cut
    assert all(target - source > layout_module.LONG_SPAN for source, target in cut)
