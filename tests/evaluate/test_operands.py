"""The factors of an output element, against what onnxruntime computes from the same tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from inspector.errors import UnsupportedError
from inspector.evaluate.operands import operands
from inspector.evaluate.runtime import open_session
from inspector.graph.model import Node
from inspector.onnxio.extract import extract_graph
from inspector.onnxio.runnable import runnable

_FEW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
Shape = tuple[int, ...]


def check(model_from: Callable[..., Any], node: Any, left: Shape, right: Shape, data: Any) -> int:
    """Adds up the products of one element and looks what the kernel says; gives how many padded."""
    rng = np.random.default_rng(3)
    feeds = {
        name: rng.integers(-9, 10, shape).astype(np.float32)
        for name, shape in (("a", left), ("b", right))
    }
    model = model_from([node], {"a": left}, ["y"], {"b": feeds["b"]})
    output = open_session(runnable(model), threads=1).run({"a": feeds["a"]})["y"]
    known = extract_graph(model)
    index = tuple(data.draw(st.integers(0, size - 1)) for size in output.shape)
    group = known.layers[0].group
    first, second, padded = operands(known.nodes[0], left, right, index, group)
    assert len(first) == len(second)
    total = (feeds["a"].reshape(-1)[first] * feeds["b"].reshape(-1)[second]).sum()
    assert total == output[index]
    if node.op_type == "Conv":
        assert len(first) + padded == int(np.prod(right[1:]))
    else:
        assert padded == 0
    return padded


@_FEW
@given(st.data())
def test_convolutions_of_any_form(model_from: Callable[..., Any], data: st.DataObject) -> None:
    """One to three dimensions, groups, and every way to say how much border there is."""
    draw = data.draw
    rank, group = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    small = st.integers(1, 3)
    kernel = [draw(small) for _ in range(rank)]
    strides, dilations = ([draw(st.integers(1, 2)) for _ in range(rank)] for _ in range(2))
    image = [draw(st.integers(6, 8)) for _ in range(rank)]
    attributes: dict[str, Any] = {"strides": strides, "group": group}
    how = draw(st.sampled_from(["pads", "VALID", "SAME_UPPER", "SAME_LOWER", "none"]))
    if how in ("pads", "none"):
        attributes["dilations"] = dilations  # onnxruntime takes them with pads alone
    if how == "pads":
        attributes["pads"] = [draw(st.integers(0, 2)) for _ in range(2 * rank)]
    elif how != "none":
        attributes["auto_pad"] = how
    node = helper.make_node("Conv", ["a", "b"], ["y"], name="conv", **attributes)
    channels = draw(st.integers(1, 2))
    left = (draw(st.integers(1, 2)), channels * group, *image)
    padded = check(model_from, node, left, (2 * group, channels, *kernel), data)
    assert how in ("pads", "SAME_UPPER", "SAME_LOWER") or padded == 0


@_FEW
@given(st.booleans(), st.booleans(), st.data())
def test_products_of_matrices_turned_and_not(
    model_from: Callable[..., Any], first: bool, second: bool, data: st.DataObject
) -> None:
    """Gemm's transA and transB."""
    node = helper.make_node("Gemm", ["a", "b"], ["y"], name="gemm", transA=first, transB=second)
    left, right = ((4, 2) if first else (2, 4)), ((3, 4) if second else (4, 3))
    check(model_from, node, left, right, data)


@_FEW
@given(
    st.sampled_from(
        [
            ((2, 4), (4, 3)),
            ((5, 2, 4), (4, 3)),
            ((2, 4), (5, 4, 3)),
            ((5, 2, 4), (5, 4, 3)),
            ((2, 1, 3, 4), (5, 4, 2)),
            ((4,), (4, 3)),
            ((4,), (5, 4, 3)),
            ((2, 3, 4), (4,)),
            ((4,), (4,)),
        ]
    ),
    st.data(),
)
def test_products_of_stacks(
    model_from: Callable[..., Any], shapes: tuple[Shape, Shape], data: st.DataObject
) -> None:
    """MatMul's repeated stacks, and vectors on either side."""
    node = helper.make_node("MatMul", ["a", "b"], ["y"], name="product")
    check(model_from, node, *shapes, data)


@pytest.mark.parametrize(
    ("op_type", "attributes", "left", "right", "index"),
    [
        ("Relu", {}, (1, 2), (2, 1), (0, 0)),
        ("Conv", {"strides": (1,)}, (1, 1, 4, 4), (1, 1, 3, 3), (0, 0, 0, 0)),
        ("Conv", {}, (1, 1, 4, 4), (1, 2, 3, 3), (0, 0, 0, 0)),
        ("Gemm", {}, (2, 3), (3, 2), (0, 9)),
        ("MatMul", {}, (2, 3), (3, 2), ()),
    ],
)
def test_what_does_not_fit_is_an_error(
    op_type: str, attributes: dict[str, Any], left: Shape, right: Shape, index: Shape
) -> None:
    """Never an exception of numpy's."""
    node = Node("n", op_type, "", ("a", "b"), ("y",), attributes)
    with pytest.raises(UnsupportedError):
        operands(node, left, right, index)
