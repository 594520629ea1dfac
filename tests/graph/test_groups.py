"""Groups by the names of nodes, and by their structure where names say nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.graph.groups import Groups, find_groups
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.loading import load_model

Make = Callable[..., Any]


def shown(groups: Groups) -> dict[str, tuple[str, str, int]]:
    """Of each path: title, parent and number of nodes."""
    return {path: (group.title, group.parent, len(group.nodes)) for path, group in groups.items()}


def chain(names: list[str], op_type: str = "Relu") -> list[str]:
    """Lines of nodes that read one another."""
    return [f"{name} {op_type}: t{at} -> t{at + 1}" for at, name in enumerate(names)]


def make_chain(graph_of: Make, names: list[str]) -> Groups:
    """The groups of a chain of nodes with those names."""
    return find_groups(graph_of(chain(names), inputs="t0", outputs=f"t{len(names)}"))


def test_scopes_nest(graph_of: Make) -> None:
    """Scopes nest, single nodes are no group, and a scope with only one in it is that."""
    groups = make_chain(
        graph_of,
        [
            "/start/Conv", "/layer1/layer1.0/conv1/Conv", "/layer1/layer1.0/relu/Relu",
            "/layer1/layer1.1/conv1/Conv", "/layer1/layer1.1/relu/Relu", "/layer1/Add",
            "/head/fc/Gemm", "/head/fc/Add",
        ],
    )  # fmt: skip
    assert shown(groups) == {
        "/layer1/": ("layer1", "", 5),
        "/layer1/layer1.0/": ("layer1.0", "/layer1/", 2),
        "/layer1/layer1.1/": ("layer1.1", "/layer1/", 2),
        "/head/fc/": ("fc", "", 2),
    }
    inner = groups.groups_of("/layer1/layer1.0/relu/Relu")
    assert [group.path for group in inner] == ["/layer1/layer1.0/", "/layer1/"]
    assert groups.groups_of("/start/Conv") == groups.groups_of("unknown") == ()
    assert groups["/layer1/layer1.0/"].like == groups["/head/fc/"].like == 3
    assert groups["/layer1/"].like == 1


def test_tensorflow_scopes(graph_of: Make) -> None:
    """No slash in front; of names put together the first counts."""
    groups = make_chain(
        graph_of, ["net/a/MatMul;net/b/Add", "net/a/Add", "net/b/MatMul", "net/b/Add", "out"]
    )
    assert shown(groups) == {
        "net/": ("net", "", 4), "net/a/": ("a", "net/", 2), "net/b/": ("b", "net/", 2),
    }  # fmt: skip


def test_a_scope_around_everything_is_none(graph_of: Make) -> None:
    """It would be one card that says nothing."""
    groups = make_chain(graph_of, ["m/a/x", "m/a/y", "m/b/x", "m/b/y"])
    assert set(groups) == {"m/a/", "m/b/"}


def test_dotted_names(graph_of: Make) -> None:
    """Dots are scopes where they clearly mean them."""
    groups = make_chain(
        graph_of, ["enc.0.fc1", "enc.0.fc2", "enc.1.fc1", "enc.1.fc2", "head.fc1", "head.fc2"]
    )
    assert shown(groups) == {
        "enc/": ("enc", "", 4), "enc.0/": ("enc.0", "enc/", 2), "enc.1/": ("enc.1", "enc/", 2),
        "head/": ("head", "", 2),
    }  # fmt: skip


def test_dots_that_number_operators_are_no_scopes(graph_of: Make) -> None:
    """Names such as p2o.Conv.3 say which operator it is, not where."""
    names = [f"p2o.{op}.{at}" for at in range(6) for op in ("Conv", "Relu", "Pool")]
    assert all(path.startswith("block") for path in make_chain(graph_of, names))


def test_made_up_names_tell_by_the_output(graph_of: Make) -> None:
    """Nodes without a name are called after their operator and output."""
    lines = [
        "Conv_/a/Conv_output_0 Conv: x -> /a/Conv_output_0",
        "Relu_/a/Relu_output_0 Relu: /a/Conv_output_0 -> /a/Relu_output_0",
        "Relu_y Relu: /a/Relu_output_0 -> y",
    ]
    assert list(find_groups(graph_of(lines))) == ["/a/"]


def test_constants_and_quantizers_do_not_count(graph_of: Make) -> None:
    """A group of one operator and its constants would hide nothing."""
    lines = [
        "a/k Constant: -> k", "a/add Add: x k -> h", "b/q QuantizeLinear: h s -> i",
        "b/d DequantizeLinear: i s -> j", "b/r Relu: j -> l", "c/r Relu: l -> m",
        "c/k Constant: -> k2", "c/s Mul: m k2 -> y",
    ]  # fmt: skip
    groups = find_groups(graph_of(lines, constants="s"))
    assert shown(groups) == {"c/": ("c", "", 3)}


def residual(count: int, start: str = "x", read: str = "") -> list[str]:
    """Unnamed residual blocks: Conv, Relu, Conv, Add, Relu."""
    lines, before = [], start
    for at in range(count):
        name = f"{at}"
        lines += [
            f"Conv_{name}a Conv: {before} w -> a{name}",
            f"Relu_{name}b Relu: a{name} -> b{name}",
            f"Conv_{name}c Conv: b{name} w{read} -> c{name}",
            f"Add_{name}d Add: c{name} {before} -> d{name}",
            f"Relu_{name}e Relu: d{name} -> e{name}",
        ]
        before = f"e{name}"
    return lines


def test_repeated_blocks_are_found_without_names(graph_of: Make) -> None:
    """They begin where one tensor enters; what is around them belongs to none."""
    lines = [
        "Conv_in Conv: x w -> stem", "Pool_in MaxPool: stem -> e", *residual(4, "e"),
        "Gemm_out Gemm: e3 w -> y",
    ]  # fmt: skip
    groups = find_groups(graph_of(lines, constants="w"))
    assert shown(groups) == {f"block {n}/": (f"block {n}", "", 5) for n in range(1, 5)}
    assert {group.like for group in groups.values()} == {4}
    assert groups["block 1/"].nodes == ("Conv_0a", "Relu_0b", "Conv_0c", "Add_0d", "Relu_0e")
    assert groups.groups_of("Conv_in") == ()


def test_a_tensor_that_all_blocks_read_does_not_matter(graph_of: Make) -> None:
    """An attention mask feeds every layer."""
    lines = ["Not_m Not: mask -> m", *residual(6, "x", " m")]
    groups = find_groups(graph_of(lines, inputs="x mask", outputs="e5", constants="w"))
    assert [len(group.nodes) for group in groups.values()] == [5] * 6


def test_blocks_of_other_attributes_are_others(graph_of: Make) -> None:
    """Two blocks with a stride are not like three without."""
    lines = residual(5)
    attributes = {f"Conv_{at}a": {"strides": (2, 2) if at < 2 else (1, 1)} for at in range(5)}
    groups = find_groups(graph_of(lines, outputs="e4", constants="w", attributes=attributes))
    assert [group.like for group in groups.values()] == [2, 2, 3, 3, 3]


def test_what_does_not_repeat_is_no_block(graph_of: Make) -> None:
    """Different operators, one after the other."""
    names = [f"n{at}" for at in range(12)]
    lines = [f"{name} Op{at}: t{at} -> t{at + 1}" for at, name in enumerate(names)]
    assert len(find_groups(graph_of(lines, inputs="t0", outputs="t12"))) == 0


def test_wiring_tells_blocks_apart(graph_of: Make) -> None:
    """The same operators in a row are no repetition if they read something else."""
    lines = [
        "a1 MatMul: x w -> p", "b1 Relu: p -> q", "c1 Add: q p -> r",
        "a2 MatMul: r w -> s", "b2 Relu: s -> t", "c2 Add: t r -> y",
    ]  # fmt: skip
    assert len(find_groups(graph_of(lines, constants="w"))) == 0


@pytest.mark.parametrize(
    "name", ["a\nb/" * 3, "/" * 300, "a/" * 5000, "层/一/" * 2, "<script>/x", ".", "..", "a..b/./c"]
)
def test_hostile_names(graph_of: Make, name: str) -> None:
    """Whatever a name is, groups are found, and each of their nodes exists."""
    graph = graph_of(chain(["p", "q", "r", "s", "t"]), inputs="t0", outputs="t5")
    nodes = tuple(
        type(node)(f"{name}{at}", node.op_type, inputs=node.inputs, outputs=node.outputs)
        for at, node in enumerate(graph.nodes)
    )
    hostile = type(graph)("g", nodes, graph.tensors, graph.inputs, graph.outputs)
    groups = find_groups(hostile)
    assert all(node in {n.name for n in nodes} for group in groups.values() for node in group.nodes)


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "b", "c.d", "a.0", ""]), max_size=5).map("/".join),
        max_size=12,
    )
)
def test_groups_are_a_tree(graph_of: Make, names: list[str]) -> None:
    """Each has two nodes or more, lies in its parent, and differs from it."""
    unique = [f"{name}/{at}" if at % 2 else f"{name}{at}" for at, name in enumerate(names)]
    groups = make_chain(graph_of, unique)
    seen: set[str] = set()
    for path, group in groups.items():
        assert path == group.path
        assert path.endswith("/")
        assert group.title
        assert len(group.nodes) >= 2
        assert group.like >= 1
        if group.parent:
            assert group.parent in seen
            assert set(group.nodes) < set(groups[group.parent].nodes)
        seen.add(path)
        for name in group.nodes:
            assert group in groups.groups_of(name)
    for name in unique:
        chain_of = groups.groups_of(name)
        assert all(name in group.nodes for group in chain_of)
        assert [group.parent for group in chain_of][:-1] == [group.path for group in chain_of][1:]


def test_real_models(shared_models: Path) -> None:
    """Layers of a transformer are found by their names, and fire modules by theirs."""
    squeeze = extract_graph(load_model(shared_models / "float" / "squeezenet1.1_imagenet.onnx"))
    assert {group.title for group in find_groups(squeeze).values()} >= {"fire2", "fire9"}
    bert = extract_graph(load_model(shared_models / "odd" / "ort_bert_toy_optimized.onnx"))
    assert [group.like for group in find_groups(bert).values()] == [5] * 5
