"""Which cards, pills and links a graph has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.graph.groups import find_groups
from inspector.graph.order import stable_order
from inspector.graph.scene import Folding, build_scene
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import load_model

Make = Callable[..., Any]


def test_a_chain_with_weights(graph_of: Make, links_of: Make, check_scene: Make) -> None:
    """Constants are written in cards, everything else is linked."""
    graph = graph_of(["c Conv: x w b -> h", "r Relu: h -> y"], constants="w b")
    scene = build_scene(graph)
    check_scene(scene)
    assert [(item.kind, item.title) for item in scene.items] == [
        ("input", "x"), ("node", "Conv"), ("node", "Relu"), ("output", "y"),
    ]  # fmt: skip
    assert links_of(scene) == [("x", "c", "x"), ("c", "r", "h"), ("r", "y", "y")]
    assert scene.constants == {"c": ((1, "w"), (2, "b"))}


def test_a_tensor_read_twice_by_one_node_is_one_link(graph_of: Make, links_of: Make) -> None:
    """A tensor read twice by one node is one link."""
    assert links_of(build_scene(graph_of(["m Mul: x x -> y"]))) == [
        ("x", "m", "x"),
        ("m", "y", "y"),
    ]


def test_an_input_that_is_an_output_is_linked(graph_of: Make, links_of: Make) -> None:
    """Nodes are not needed: what comes in may go out."""
    scene = build_scene(graph_of([], outputs="x"))
    assert links_of(scene) == [("x", "x", "x")]
    assert [item.kind for item in scene.items] == ["input", "output"]


def test_a_constant_that_is_an_output_has_a_pill_without_a_link(graph_of: Make) -> None:
    """A constant that is an output has a pill without a link."""
    scene = build_scene(graph_of([], inputs="", outputs="w", constants="w"))
    assert [item.kind for item in scene.items] == ["output"]
    assert scene.links.shape == (0, 2)


def test_constant_nodes_are_written_in_the_cards_that_read_them(
    graph_of: Make, check_scene: Make
) -> None:
    """All readers write it; the first of them stands for the node."""
    scene = build_scene(graph_of(["k Constant: -> v", "a Add: x v -> h", "m Mul: h v -> y"]))
    check_scene(scene)
    assert [item.name for item in scene.items] == ["x", "a", "m", "y"]
    assert scene.items[1].members == ("a", "k")
    assert scene.place["k"] == 1
    assert scene.constants == {"a": ((1, "v"),), "m": ((1, "v"),)}


def test_constant_nodes_that_are_written_nowhere_are_seen(
    graph_of: Make, links_of: Make, check_scene: Make
) -> None:
    """Outputs of the graph, what a subgraph reads, and what nobody reads."""
    lines = [
        "out Constant: -> y", "sub Constant: -> s", "dead Constant: -> d", "i If: x s -> z | s",
    ]  # fmt: skip
    scene = build_scene(graph_of(lines, outputs="y z"))
    check_scene(scene)
    assert [item.name for item in scene.items if item.kind == "node"] == ["out", "sub", "dead", "i"]
    assert links_of(scene) == [
        ("x", "i", "x"), ("sub", "i", "s"), ("out", "y", "y"), ("i", "z", "z"),
    ]  # fmt: skip
    assert scene.constants == {}


def test_constant_nodes_that_read_are_seen(graph_of: Make, check_scene: Make) -> None:
    """No such thing exists, but a damaged file may have it."""
    scene = build_scene(graph_of(["a Constant: -> v", "b Constant: v -> w", "c Relu: w -> y"]))
    check_scene(scene)
    assert [item.name for item in scene.items if item.kind == "node"] == ["b", "c"]


def test_what_subgraphs_read_is_linked(graph_of: Make, links_of: Make) -> None:
    """A node depends on what its branches read."""
    graph = graph_of(["r Relu: x -> h", "i If: x -> y | h"])
    assert ("r", "i", "h") in links_of(build_scene(graph))


def test_outer_tensors_of_a_subgraph_have_pills(graph_of: Make, links_of: Make) -> None:
    """Also where the body only passes them on; outer constants are written in cards."""
    scene = build_scene(graph_of(["a Add: far w -> y"], "", "y beyond", "w"))
    assert [(item.kind, item.name) for item in scene.items] == [
        ("outer", "far"), ("outer", "beyond"), ("node", "a"), ("output", "y"), ("output", "beyond"),
    ]  # fmt: skip
    assert links_of(scene) == [
        ("far", "a", "far"), ("a", "y", "y"), ("beyond", "beyond", "beyond"),
    ]  # fmt: skip
    assert scene.constants == {"a": ((1, "w"),)}


def test_left_out_inputs_and_outputs_are_no_tensors(graph_of: Make, links_of: Make) -> None:
    """An empty name links nothing, even where something is computed into it."""
    graph = graph_of(["d Dropout: x _ -> h _", "c Clip: h _ _ -> y"])
    assert links_of(build_scene(graph)) == [("x", "d", "x"), ("d", "c", "h"), ("c", "y", "y")]


def test_the_empty_graph(graph_of: Make) -> None:
    """The empty graph."""
    scene = build_scene(graph_of([], "", ""))
    assert scene.items == ()
    assert scene.links.shape == (0, 2)
    assert build_scene(graph_of([], "", ""), Folding(closed=frozenset({"a/"}))).items == ()


def test_a_closed_group_is_one_card(graph_of: Make, links_of: Make, check_scene: Make) -> None:
    """Links inside vanish, links across are merged by tensor, and the outermost group wins."""
    lines = [
        "k Constant: -> v", "in Relu: x -> a", "s/t/p Add: a v -> b", "s/t/q Mul: b a -> c",
        "s/r Relu: c -> d", "s/e Relu: c -> e", "out Sum: d e c -> y",
    ]  # fmt: skip
    graph = graph_of(lines)
    scene = build_scene(graph, Folding(closed=frozenset({"s/", "s/t/", "no such"})))
    check_scene(scene)
    assert [(item.kind, item.title, item.name) for item in scene.items[1:-1]] == [
        ("node", "Relu", "in"), ("group", "s", "s/"), ("node", "Sum", "out"),
    ]  # fmt: skip
    assert links_of(scene) == [
        ("x", "in", "x"), ("in", "s/", "a"), ("s/", "out", "d"), ("s/", "out", "e"),
        ("s/", "out", "c"), ("out", "y", "y"),
    ]  # fmt: skip
    assert scene.items[2].members == ("s/t/p", "k", "s/t/q", "s/r", "s/e")
    inner = build_scene(graph, Folding(closed=frozenset({"s/t/"})))
    assert [item.name for item in inner.items[1:-1]] == ["in", "s/t/", "s/r", "s/e", "out"]


def test_a_group_comes_after_what_it_reads(graph_of: Make, links_of: Make) -> None:
    """Its first node stands early; what the last one reads comes between."""
    lines = ["s/a Relu: x -> a", "m Neg: x -> b", "s/c Add: a b -> c", "o Neg: c -> y"]
    scene = build_scene(graph_of(lines), Folding(closed=frozenset({"s/"})))
    assert [item.name for item in scene.items] == ["x", "m", "s/", "o", "y"]
    assert (scene.links[:, 0] < scene.links[:, 1]).all()


def test_a_group_around_others_makes_a_link_back(graph_of: Make, check_scene: Make) -> None:
    """What goes out of a group and comes in again is shown so."""
    lines = ["s/a Relu: x -> a", "m Neg: a -> b", "s/c Add: a b -> c", "o Neg: c -> y"]
    scene = build_scene(graph_of(lines), Folding(closed=frozenset({"s/"})))
    check_scene(scene)
    assert [item.name for item in scene.items] == ["x", "s/", "m", "o", "y"]
    assert (scene.links[:, 0] > scene.links[:, 1]).sum() == 1


def test_names_of_nodes_and_groups_do_not_mix(graph_of: Make, check_scene: Make) -> None:
    """A node may be called as a group is."""
    lines = ["s/ Relu: x -> a", "s/b Relu: a -> b", "s/c Relu: b -> c", "t Relu: c -> y"]
    graph = graph_of(lines)
    scene = build_scene(graph, Folding(closed=frozenset(find_groups(graph))))
    check_scene(scene)


@st.composite
def scoped_lines(draw: st.DrawFn) -> list[str]:
    """Nodes in scopes, each reading a few tensors before it."""
    scopes = draw(
        st.lists(st.sampled_from(["", "a/", "a/b/", "a/c/", "d/", "d/e/f/"]), max_size=14)
    )
    lines, tensors = [], ["x"]
    for number, scope in enumerate(scopes):
        reads = draw(st.lists(st.sampled_from(tensors), min_size=1, max_size=3))
        lines.append(f"{scope}n{number} Op: {' '.join(reads)} -> t{number}")
        tensors.append(f"t{number}")
    return lines


@given(lines=scoped_lines(), data=st.data())
def test_closing_groups_only_merges(
    graph_of: Make, links_of: Make, check_scene: Make, lines: list[str], data: st.DataObject
) -> None:
    """The links of a folded scene are those of the whole one, seen from further away."""
    graph = graph_of(lines, outputs=f"t{len(lines) - 1}" if lines else "x")
    groups = find_groups(graph)
    paths = sorted(groups)
    closed = data.draw(st.frozensets(st.sampled_from(paths))) if paths else frozenset[str]()
    whole, folded = build_scene(graph), build_scene(graph, Folding(closed=closed))
    check_scene(folded)

    def seen(name: str) -> str:
        return folded.items[folded.place[name]].name if name in folded.place else name

    across = [
        (a, b, tensor)
        for a, b, tensor in links_of(whole)
        if a not in folded.place or folded.place[a] != folded.place.get(b)
    ]
    expected = {(seen(a), seen(b), tensor) for a, b, tensor in across}
    assert set(links_of(folded)) == expected
    for name, number in folded.place.items():
        around = [group.path for group in groups.groups_of(name) if group.path in closed]
        item = folded.items[number]
        assert (item.kind, item.name) == (("group", around[-1]) if around else ("node", name))


@given(
    count=st.integers(0, 12),
    pairs=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=30),
)
def test_a_stable_order(count: int, pairs: list[tuple[int, int]]) -> None:
    """Edges that run forwards change nothing; without cycles all run forwards; none is lost."""
    edges = [(a, b) for a, b in pairs if a < count and b < count]
    forwards = [(min(edge), max(edge)) for edge in edges]
    assert stable_order(count, forwards) == list(range(count))
    backwards = [(b, a) for a, b in forwards if a != b]
    place = {number: at for at, number in enumerate(stable_order(count, backwards))}
    assert all(place[a] < place[b] for a, b in backwards)
    assert sorted(stable_order(count, edges)) == list(range(count))


@pytest.mark.parametrize("folder", ["float", "quantized", "odd"])
@pytest.mark.parametrize("raw", [False, True])
def test_real_models_lose_nothing(
    shared_models: Path, check_scene: Make, folder: str, raw: bool
) -> None:
    """Every node has its place, and links run forwards."""
    paths = sorted((shared_models / folder).glob("*.onnx"))
    assert paths
    for path in paths:
        if path.name.startswith("corrupt"):
            continue
        graph = extract_graph(load_model(path))
        scene = build_scene(graph, Folding(raw=raw))
        check_scene(scene)
        assert (scene.links[:, 0] < scene.links[:, 1]).all()
        check_scene(build_scene(graph, Folding(raw, frozenset(find_groups(graph)))))
