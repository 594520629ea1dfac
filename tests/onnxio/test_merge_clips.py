"""Clippings in a row become one, with the same ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.onnxio.passes_support import examples, node, op_types, prepared, to_half

X = {"x": np.linspace(-6, 6, 24, dtype=np.float32).reshape(2, 3, 4)}
ENDS = st.sampled_from([-4.5, -1.0, 0.0, 0.5, 2.0, 6.0])


@given(
    chain=st.lists(
        st.tuples(st.sampled_from(["Relu", "Clip", "Low", "High", "Max", "Min"]), ENDS, ENDS),
        min_size=1,
        max_size=4,
    ),
    opset=st.sampled_from([9, 10, 11, 13, 17, 23]),
    ndim=st.sampled_from([0, 1, 3]),
    tapped=st.booleans(),
)
@examples
def test_random_chains_keep_their_outputs(build, run, chain, opset, ndim, tapped) -> None:
    """With ends as attributes and as inputs, and constants of any number of axes."""
    nodes, constants = [], {}
    for number, (kind, first, second) in enumerate(chain):
        read, write = f"t{number}" if number else "x", f"t{number + 1}"
        low, high = min(first, second), max(first, second)
        constants[f"a{number}"] = np.float32(low)
        constants[f"b{number}"] = np.float32(high)
        constants[f"m{number}"] = np.full((1,) * ndim, first, np.float32)
        if kind in {"Max", "Min"}:
            nodes.append(node(kind, [f"m{number}", read], [write], f"n{number}"))
        elif kind == "Relu":
            nodes.append(node("Relu", [read], [write], f"n{number}"))
        elif opset < 11:
            ends = {"min": low, "max": high}
            ends = {
                k: v for k, v in ends.items() if (kind, k) not in {("Low", "max"), ("High", "min")}
            }
            nodes.append(node("Clip", [read], [write], f"n{number}", **ends))
        else:
            low_name = "" if kind == "High" else f"a{number}"
            high_name = [] if kind == "Low" else [f"b{number}"]
            nodes.append(node("Clip", [read, low_name, *high_name], [write], f"n{number}"))
    outputs = [f"t{len(chain)}"] + (["t1"] if tapped and len(chain) > 1 else [])
    before = build(nodes, {"x": ("N", 3, 4)}, outputs, constants, opset=opset, ir_version=9)
    after, _ = prepared(run, before, X)
    widths = [abs(a - b) for _, a, b in chain]
    if min(widths) > 0 and not tapped:
        assert not {"Max", "Min"} & set(op_types(after))


@pytest.mark.parametrize("opset", [9, 13])
def test_relu_and_a_ceiling_are_one_clip(build, run, opset) -> None:
    """ReLU6, as some exporters write it."""
    constants = {"zero": np.float32(0), "six": np.float32(6)}
    nodes = [
        node("Max", ["x", "zero"], ["a"], "floor"),
        node("Min", ["a", "six"], ["y"], "ceiling"),
    ]
    after, reports = prepared(run, build(nodes, {"x": (2, 3, 4)}, ["y"], constants, opset=opset), X)
    assert op_types(after) == ["Clip"]
    assert reports["merge_clips"].gone == {"floor": "ceiling"}
    assert reports["merge_clips"].made == ("ceiling",)


@pytest.mark.parametrize(
    ("constant", "half"),
    [
        (np.float32([[[[0.0]]]]), False),
        (np.float32([0.0, 1.0, 2.0, 3.0]), False),
        (np.float32(np.inf), False),
        (np.float32(0.0), True),
    ],
    ids=["more axes", "a vector", "infinity", "float16"],
)
def test_what_is_no_clipping_stays(build, run, constant, half) -> None:
    """A constant that adds axes, one for each column, one that clips nothing, another type."""
    before = build([node("Max", ["x", "c"], ["y"], "m")], {"x": (2, 3, 4)}, ["y"], {"c": constant})
    feeds = {"x": X["x"].astype(np.float16)} if half else X
    after, _ = prepared(run, to_half(before) if half else before, feeds)
    assert op_types(after) == ["Max"]
