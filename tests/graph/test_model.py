"""Frozen values of the graph."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.graph.model import Graph, Layer, Node, Tensor


def test_nodes_compare_by_what_identifies_them() -> None:
    """Attributes may hold arrays, which do not compare."""
    one = Node("n", "Conv", inputs=("x",), outputs=("y",), attributes={"a": np.zeros(3)})
    two = Node("n", "Conv", inputs=("x",), outputs=("y",), attributes={"a": np.ones(3)})
    assert one == two
    assert len({one, two}) == 1


def test_graphs_compare_by_identity() -> None:
    """Graphs compare by identity, so that they can key a cache."""
    one, two = (Graph("g", (), {}, (), ()) for _ in range(2))
    assert one != two
    assert len({one, two}) == 2


def test_names_that_are_not_there() -> None:
    """Names that are not there raise KeyError."""
    graph = Graph("g", (Node("n", "Relu", outputs=("y",)),), {"y": Tensor("y")}, (), ("y",))
    assert graph.node("n").op_type == "Relu"
    for look in (graph.node, graph.layer, graph.tensor):
        with pytest.raises(KeyError):
            look("ghost")


def test_layers_are_found_by_name() -> None:
    """Layers are found by name."""
    layer = Layer("n", "MatMul", None, None, ("a", "b"), "y", None, None)
    graph = Graph("g", (), {}, (), (), (layer,))
    assert graph.layer("n") is layer


@pytest.mark.parametrize(
    ("shape", "size"), [((2, 3), 6), ((), 1), (("N", 3), None), ((None,), None)]
)
def test_sizes_of_tensors(shape, size) -> None:
    """Sizes of tensors."""
    tensor = Tensor("t", "float32", shape)
    assert tensor.size == size
    assert Tensor("t").size is None
