"""What a node depends on, and what depends on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inspector.graph.paths import between, downstream, upstream

Make = Callable[..., Any]

FORK = [
    "a Relu: x -> t", "b Relu: t -> u", "c Relu: t -> v", "d Add: u v -> w", "e If: w -> y | t",
    "f Relu: z -> q",
]  # fmt: skip


def test_both_ways(graph_of: Make) -> None:
    """Branches meet; what subgraphs read counts; what has nothing to do with it does not."""
    graph = graph_of(FORK, inputs="x z")
    assert upstream(graph, ["d"]) == {"a", "b", "c", "d"}
    assert downstream(graph, ["b"]) == {"b", "d", "e"}
    assert upstream(graph, ["e", "f"]) == {"a", "b", "c", "d", "e", "f"}
    assert downstream(graph, ["a"]) == {"a", "b", "c", "d", "e"}


def test_what_subgraphs_read(graph_of: Make) -> None:
    """Such a read alone is a dependency."""
    graph = graph_of(["a Relu: x -> t", "e If: x -> y | t"])
    assert upstream(graph, ["e"]) == {"a", "e"}
    assert downstream(graph, ["a"]) == {"a", "e"}


def test_between(graph_of: Make) -> None:
    """All ways, in either direction; nothing where there is none."""
    graph = graph_of(FORK, inputs="x z")
    assert between(graph, "a", "d") == {"a", "b", "c", "d"}
    assert between(graph, "d", "a") == {"a", "b", "c", "d"}
    assert between(graph, "b", "c") == frozenset()
    assert between(graph, "b", "b") == {"b"}


def test_unknown_names_count_for_nothing(graph_of: Make) -> None:
    """A selection may be older than the graph."""
    graph = graph_of(FORK, inputs="x z")
    assert upstream(graph, ["gone"]) == downstream(graph, []) == frozenset()
    assert between(graph, "gone", "a") == frozenset()
    assert upstream(graph, ["gone", "a"]) == {"a"}


def test_left_out_tensors_connect_nothing(graph_of: Make) -> None:
    """The empty name is no tensor."""
    graph = graph_of(["a Dropout: x -> h _", "b Clip: x _ -> y"])
    assert downstream(graph, ["a"]) == {"a"}


def test_long_chains(graph_of: Make) -> None:
    """Depth is no problem."""
    lines = [f"n{i} Relu: t{i} -> t{i + 1}" for i in range(5000)]
    graph = graph_of(lines, inputs="t0", outputs="t5000")
    assert len(upstream(graph, ["n4999"])) == 5000
    assert len(between(graph, "n10", "n20")) == 11


@given(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=10))
def test_one_way_is_the_other_turned_round(graph_of: Make, reads: list[list[int]]) -> None:
    """A node is upstream of another exactly if that is downstream of it."""
    lines = [
        f"n{i} Op: {' '.join(f't{r % (i + 1)}' for r in read)} -> t{i + 1}"
        for i, read in enumerate(reads)
    ]
    graph = graph_of(lines, inputs="t0", outputs="")
    names = [node.name for node in graph.nodes]
    for a in names:
        assert a in upstream(graph, [a])
        for b in names:
            assert (a in upstream(graph, [b])) == (b in downstream(graph, [a]))
