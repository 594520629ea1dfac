"""The drawing keeps its promises on random graphs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inspector.graph import layout_rows
from inspector.graph.layout import LONG_SPAN, MANY, RANK_GAPS, Direction, Layout, layout

Size = tuple[float, float]
Edge = tuple[int, int]
Case = tuple[list[Size], list[Edge], list[int]]

DIRECTIONS: tuple[Direction, ...] = ("down", "right")


@st.composite
def graphs(draw: st.DrawFn) -> Case:
    """Random DAGs: card sizes, edges that lead to higher numbers, and the edges' tensors."""
    count = draw(st.integers(0, 40))
    size = st.tuples(st.integers(20, 320).map(float), st.integers(20, 120).map(float))
    sizes = draw(st.lists(size, min_size=count, max_size=count))
    if count < 2:
        return sizes, [], []
    node = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(node, node).filter(lambda e: e[0] < e[1]), max_size=70))
    if draw(st.booleans()):  # like a model: most edges are short
        pairs = [(a, min(b, a + 1 + b % 3)) for a, b in pairs] + [
            (i, i + 1) for i in range(count - 1)
        ]
    return sizes, pairs, [source for source, _ in pairs]


def routes(drawing: Layout) -> list[NDArray[np.float64]]:
    """The corner points of each edge."""
    return [drawing.route(edge) for edge in range(len(drawing.starts) - 1)]


def overlaps(drawing: Layout, sizes: list[Size]) -> int:
    """How many ordered pairs of cards overlap."""
    low = drawing.positions
    high = low + np.array(sizes).reshape(-1, 2)
    meet = np.all((low[:, None] < high[None]) & (low[None] < high[:, None]), axis=2)
    return int(meet.sum()) - len(sizes)


def check(drawing: Layout, sizes: list[Size], edges: list[Edge], direction: Direction) -> None:
    """No card covers another, all is within the drawing, edges lead from card to card, forward."""
    along = 1 if direction == "down" else 0
    size = np.array(sizes).reshape(-1, 2)
    assert overlaps(drawing, sizes) == 0
    assert np.isfinite(drawing.positions).all()
    assert np.isfinite(drawing.corners).all()
    whole = np.array([drawing.width, drawing.height]) + 1e-6
    assert (drawing.positions >= -1e-6).all()
    assert (drawing.positions + size <= whole).all()
    assert ((drawing.corners >= -1e-6) & (drawing.corners <= whole)).all()
    for (source, target), route in zip(edges, routes(drawing), strict=True):
        if len(route) == 0:
            continue
        assert (np.diff(route[:, along]) >= 0).all()
        leaves = drawing.positions[source] + size[source] / 2
        leaves[along] += size[source][along] / 2
        enters = drawing.positions[target] + size[target] / 2
        enters[along] -= size[target][along] / 2
        np.testing.assert_allclose(route[0], leaves)
        np.testing.assert_allclose(route[-1], enters)
        assert enters[along] >= leaves[along] + RANK_GAPS[direction] - 1e-6


@pytest.mark.parametrize("direction", DIRECTIONS)
@settings(deadline=None, max_examples=80)
@given(case=graphs())
def test_cards_stand_apart_and_edges_run_forward(direction: Direction, case: Case) -> None:
    """Both with and without knowing which edges are one tensor."""
    sizes, edges, tensors = case
    check(layout(sizes, edges, direction=direction), sizes, edges, direction)
    known = layout(sizes, edges, tensors=tensors, direction=direction)
    check(known, sizes, edges, direction)


@settings(deadline=None, max_examples=60)
@given(case=graphs())
def test_the_swift_order_keeps_the_promises_too(case: Case) -> None:
    """What is done for graphs that would take the library too long."""
    sizes, edges, _ = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout_rows, "LIBRARY_EFFORT", 0)
        drawing = layout(sizes, edges)
    check(drawing, sizes, edges, "down")


@settings(deadline=None, max_examples=30)
@given(case=graphs())
def test_the_same_graph_is_drawn_the_same(case: Case) -> None:
    """Nothing but the arguments decides."""
    sizes, edges, tensors = case
    first, second = (layout(sizes, edges, tensors=tensors) for _ in range(2))
    np.testing.assert_array_equal(first.positions, second.positions)
    np.testing.assert_array_equal(first.corners, second.corners)
    np.testing.assert_array_equal(first.starts, second.starts)


@settings(deadline=None, max_examples=60)
@given(case=graphs())
def test_edges_pass_between_the_cards_of_other_ranks(case: Case) -> None:
    """The straight piece of a long edge never runs through a card."""
    sizes, edges, _ = case
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


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(1, 12),
    pairs=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=40),
)
def test_any_edges_have_a_drawing(count: int, pairs: list[Edge]) -> None:
    """Cycles, loops and repeats: forward edges run down, backward ones up, loops not at all."""
    edges = [(a % count, b % count) for a, b in pairs]
    sizes = [(50.0, 20.0)] * count
    drawing = layout(sizes, edges)
    assert overlaps(drawing, sizes) == 0
    for (source, target), route in zip(edges, routes(drawing), strict=True):
        assert (len(route) == 0) == (source == target)
        steps = np.diff(route[:, 1])
        assert (steps >= 0).all() if source < target else (steps <= 0).all()
        for point, node, end in ((0, source, source < target), (-1, target, source > target)):
            if len(route):
                edge = drawing.positions[node, 1] + (20.0 if end else 0.0)
                assert route[point, 1] == pytest.approx(edge)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_empty_and_single(direction: Direction) -> None:
    """The smallest graphs have a drawing too."""
    empty = layout([], [], direction=direction)
    assert empty.positions.shape == (0, 2)
    assert (empty.width, empty.height) == (0.0, 0.0)
    one = layout([(80.0, 30.0)], [(0, 0)], direction=direction)
    np.testing.assert_array_equal(one.positions, [[0.0, 0.0]])
    assert (one.width, one.height) == (80.0, 30.0)
    assert one.cut.tolist() == [True]


def test_a_chain_is_straight() -> None:
    """Cards of different widths in a chain share one centre line."""
    sizes = [(60.0 + 20 * (i % 3), 30.0) for i in range(30)]
    drawing = layout(sizes, [(i, i + 1) for i in range(29)])
    centres = drawing.positions[:, 0] + np.array(sizes)[:, 0] / 2
    np.testing.assert_allclose(centres, centres[0])
    assert all(len(route) == 2 for route in routes(drawing))


def test_the_trunk_of_a_residual_network_is_straight_and_its_blocks_look_alike() -> None:
    """Whatever hangs beside them, nodes that everything passes stand on one line."""
    edges: list[Edge] = []
    for start in range(0, 400, 4):  # sum, convolution, activation, convolution, sum ...
        edges += [(start, start + 1), (start + 1, start + 2), (start + 2, start + 3)]
        edges += [(start + 3, start + 4), (start, start + 4)]
    sizes = [(200.0 if i % 4 in (1, 3) else 60.0, 40.0) for i in range(401)]
    drawing = layout(sizes, edges)
    centres = drawing.positions[:, 0] + np.array(sizes)[:, 0] / 2
    np.testing.assert_allclose(centres[::4], centres[0])
    np.testing.assert_allclose(centres[:4], centres[200:204])
    assert not drawing.cut.any()


def test_the_trunk_stays_straight_beside_lopsided_branches() -> None:
    """Branches to one side, alike in all blocks, do not make the drawing drift aside."""
    edges: list[Edge] = []
    for start in range(0, 240, 6):
        edges += [(start, start + 1), (start + 1, start + 2), (start, start + 3)]
        edges += [(start, start + 4), (start + 4, start + 5), (start + 5, start + 6)]
        edges += [(start + 2, start + 6)]
    sizes = [(300.0 if i % 6 == 4 else 60.0, 40.0) for i in range(241)]
    drawing = layout(sizes, edges)
    centres = drawing.positions[:, 0] + np.array(sizes)[:, 0] / 2
    np.testing.assert_allclose(centres[::6], centres[0])
    assert drawing.width < 800


def test_what_everything_passes_is_above_the_middle_of_what_it_leads_to() -> None:
    """Two branches stand left and right of where they leave and meet."""
    drawing = layout([(60.0, 40.0)] * 6, [(0, 1), (1, 2), (1, 3), (2, 4), (3, 4), (4, 5)])
    left = drawing.positions[:, 0]
    np.testing.assert_allclose(left[[0, 4, 5]], left[1])
    assert left[2] + left[3] == pytest.approx(2 * left[1])


def test_a_route_has_a_corner_only_where_it_turns() -> None:
    """Past a chain of ranks it is one straight piece between two slanted ones."""
    drawing = layout([(60.0, 40.0)] * 12, [*pairwise(range(12)), (0, 11)])
    route = drawing.route(11)
    assert len(route) == 4
    assert route[1, 0] == route[2, 0]
    assert route[1, 1] == drawing.positions[1, 1]
    assert route[2, 1] == drawing.positions[10, 1] + 40.0


def test_cards_of_a_rank_share_their_middle_or_their_left_edge() -> None:
    """Downwards the middle; rightwards the edge where all arrows end."""
    sizes = [(60.0, 20.0), (60.0, 80.0), (200.0, 20.0), (60.0, 20.0)]
    edges = [(0, 1), (0, 2), (1, 3), (2, 3)]
    down = layout(sizes, edges).positions
    assert down[1, 1] + 40.0 == down[2, 1] + 10.0
    right = layout(sizes, edges, direction="right").positions
    assert right[1, 0] == right[2, 0]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_inputs_stand_before_their_readers_and_outputs_behind_their_producers(
    direction: Direction,
) -> None:
    """An input that is read late is drawn late, with the operators that prepare it."""
    trunk = list(range(2, 42))
    edges = [*pairwise(trunk), (0, 1), (1, 30), (20, 42)]
    drawing = layout([(50.0, 20.0)] * 43, edges, direction=direction)
    along = drawing.positions[:, 1 if direction == "down" else 0]
    assert along[1] == along[29]
    assert along[0] == along[28]
    assert along[42] == along[21]


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
    assert drawing.cut.tolist() == [False, False, False, True]


def test_a_deep_chain_does_not_overflow_the_stack() -> None:
    """Depth is no danger: neither where it is plain nor where it needs ordering."""
    count = 30_000
    drawing = layout([(50.0, 20.0)] * count, [(i, i + 1) for i in range(count - 1)])
    assert drawing.height == pytest.approx(count * 20.0 + (count - 1) * RANK_GAPS["down"])
    ladder = [(i, i + 2) for i in range(9_998)] + [(i, i + 3) for i in range(0, 9_996, 2)]
    both = layout([(50.0, 20.0)] * 10_000, ladder)
    assert not both.cut.any()


def test_a_tensor_that_very_many_read_is_cut_out() -> None:
    """Its readers form a compact block, not one rank of thousands; others are still drawn."""
    readers = 2000
    edges = [(0, i) for i in range(1, readers + 1)] + [
        (i, i + readers) for i in range(1, readers + 1)
    ]
    tensors = [0] * readers + list(range(1, readers + 1))
    drawing = layout([(100.0, 30.0)] * (2 * readers + 1), edges, tensors=tensors)
    assert drawing.cut.tolist() == [True] * readers + [False] * readers
    assert 0.5 < drawing.width / drawing.height < 5
    apart = layout([(100.0, 30.0)] * (MANY + 1), edges[:MANY], tensors=[0] * MANY)
    assert not apart.cut.any()


def test_cut_edges_lead_downwards_all_the_same() -> None:
    """Where both ends are in one part, what is read stands above who reads it."""
    heads = range(2, 2 + MANY + 5)
    last = heads[-1] + 1
    edges = [(0, 1), (0, last)] + [(1, head) for head in heads] + [(head, last) for head in heads]
    tensors = [0, 0] + [1] * len(heads) + list(heads)
    edges += [(1, last)]
    drawing = layout([(50.0, 20.0)] * (last + 1), edges, tensors=[*tensors, 99])
    assert (drawing.positions[list(heads), 1] > drawing.positions[1, 1]).all()


def test_only_long_edges_are_cut_from_a_model() -> None:
    """A tensor that feeds every layer is cut where it is far, though nothing else is."""
    count = 1500
    edges = [(i, i + 1) for i in range(count - 1)] + [(0, i) for i in range(2, count)]
    drawing = layout([(50.0, 20.0)] * count, edges)
    spans = np.diff(np.array(edges), axis=1)[:, 0]
    np.testing.assert_array_equal(drawing.cut, spans > LONG_SPAN)


def test_routing_never_drowns_the_drawing() -> None:
    """Where every node is linked with every other, the longest edges are cut."""
    count = 200
    edges = [(i, j) for i in range(count) for j in range(i + 1, count)]
    drawing = layout([(50.0, 20.0)] * count, edges)
    spans = np.diff(np.array(edges), axis=1)[:, 0]
    assert spans[drawing.cut].min() >= spans[~drawing.cut].max()
    assert not drawing.cut[spans == 1].any()
    assert len(drawing.corners) < 20 * count + 10_000


@pytest.mark.parametrize(
    ("count", "edges"),
    [
        (3001, [(0, i) for i in range(1, 3001)]),
        (3001, [(i, 3000) for i in range(3000)]),
        (5000, []),
        (4000, [(i, 2000 + (i * k + k) % 2000) for i in range(2000) for k in (1, 7, 13)]),
    ],
    ids=["one to many", "many to one", "no edges", "all to all"],
)
def test_wide_graphs_have_a_drawing(count: int, edges: list[Edge]) -> None:
    """Ranks of thousands take neither the library's time nor its crossings."""
    drawing = layout([(50.0, 20.0)] * count, edges)
    assert not drawing.cut.any()
    corner = np.round(drawing.positions, 3)
    assert len(np.unique(corner, axis=0)) == count
    rows = corner[np.lexsort((corner[:, 0], corner[:, 1]))]
    same = rows[1:, 1] == rows[:-1, 1]
    assert (np.diff(rows[:, 0])[same] >= 50.0).all()
