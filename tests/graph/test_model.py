"""Frozen values of the graph."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.graph.model import Graph, Layer, Node, Tensor, as_numpy_dtype


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
    ("shape", "size", "static"),
    [((2, 3), 6, True), ((), 1, True), (("N", 3), None, False), ((None,), None, False)],
)
def test_sizes_of_tensors(shape, size, static) -> None:
    """Sizes of tensors."""
    tensor = Tensor("t", "float32", shape)
    assert (tensor.size, tensor.is_static) == (size, static)
    assert Tensor("t").size is None


def test_numpy_types() -> None:
    """Names that numpy knows, and those it does not."""
    assert as_numpy_dtype("float32") == np.float32
    assert as_numpy_dtype("bool") == np.bool_
    for name in ("", "string", "sequence", "bfloat16-ish"):
        assert as_numpy_dtype(name) is None
