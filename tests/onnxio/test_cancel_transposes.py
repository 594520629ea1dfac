"""Transposes that undo one another go, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.onnxio.passes_support import (
    examples,
    floats,
    in_a_branch,
    node,
    op_types,
    prepared,
    to_half,
)

AXES = [(0, 2, 3, 1), (0, 3, 1, 2), (0, 1, 2, 3), (3, 0, 1, 2), (2, 1, 0, 3)]
X = {"x": np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)}
BACK, FORTH = (0, 2, 3, 1), (0, 3, 1, 2)


@given(
    seed=st.integers(0, 2**32 - 1),
    chain=st.lists(
        st.sampled_from([*AXES, "Relu", "Sigmoid", "Add", "Mul", "Softmax"]), min_size=2, max_size=7
    ),
    tapped=st.integers(0, 12),
)
@examples
def test_random_chains_keep_their_outputs(build, run, seed, chain, tapped) -> None:
    """Transposes and operators in any order; one inner tensor may be an output as well."""
    rng = np.random.default_rng(seed)
    shape, nodes, constants = [2, 3, 4, 5], [], {}
    for number, step in enumerate(chain):
        read, write = f"t{number}" if number else "x", f"t{number + 1}"
        if isinstance(step, tuple):
            shape = [shape[axis] for axis in step]
            nodes.append(node("Transpose", [read], [write], f"n{number}", perm=step))
        elif step in {"Add", "Mul"}:
            own = shape[rng.integers(0, 4) :]
            constants[f"c{number}"] = floats(rng, *[d if rng.random() < 0.7 else 1 for d in own])
            nodes.append(node(step, [f"c{number}", read], [write], f"n{number}"))
        else:
            nodes.append(node(step, [read], [write], f"n{number}"))
    outputs = [f"t{len(chain)}"] + ([f"t{tapped}"] if 0 < tapped < len(chain) else [])
    before = build(nodes, {"x": ("N", 3, 4, 5)}, outputs, constants)
    after, reports = prepared(run, before, X)
    count = op_types(before).count("Transpose") - op_types(after).count("Transpose")
    assert reports["cancel_transposes"].changed == count


def test_two_that_undo_one_another_go_also_around_operators(build, run) -> None:
    """The shape that exporters from channels-last frameworks leave behind."""
    rng = np.random.default_rng(0)
    constants = {"w": floats(rng, 3, 3, 1, 1), "c": floats(rng, 3), "s": floats(rng, 3, 1, 1)}
    constants["d"] = floats(rng, 4, 1, 3)
    nodes = [
        node("Conv", ["x", "w"], ["a"], "conv"),
        node("Transpose", ["a"], ["b"], "t1", perm=BACK),
        node("Mul", ["b", "c"], ["d1"], "mul"),
        node("PRelu", ["d1", "d"], ["d2"], "prelu"),
        node("Transpose", ["x"], ["e"], "t2", perm=BACK),
        node("Add", ["d2", "e"], ["f"], "add"),
        node("Concat", ["f", "e"], ["g"], "concat", axis=-1),
        node("Transpose", ["g"], ["y"], "t3", perm=FORTH),
        node("Transpose", ["f"], ["z"], "t4", perm=FORTH),
    ]
    before = build(nodes, {"x": ("N", 3, 4, 5)}, ["y", "z"], constants)
    after, reports = prepared(run, before, X)
    assert "Transpose" not in op_types(after)
    report = reports["cancel_transposes"]
    assert report.changed == 4
    assert dict(report.gone) == {"t1": "mul", "t2": "add", "t3": "concat", "t4": "add"}


@pytest.mark.parametrize("perm", [None, (3, 2, 1, 0)])
def test_reversed_axes_are_the_default(build, run, perm) -> None:
    """A Transpose without axes reverses them."""
    given_axes = {} if perm is None else {"perm": perm}
    nodes = [
        node("Transpose", ["x"], ["a"], "t1", **given_axes),
        node("Transpose", ["a"], ["b"], "t2"),
        node("Relu", ["b"], ["y"], "relu"),
    ]
    after, _ = prepared(run, build(nodes, {"x": (2, 3, 4, 5)}, ["y"]), X)
    assert op_types(after) == ["Relu"]


@pytest.mark.parametrize("how", ["output", "reader", "subgraph", "another"])
def test_an_operator_that_is_read_as_it_is_stays_transposed(build, run, how) -> None:
    """Readers, outputs and subgraphs see the tensor in the order of axes that they know."""
    nodes = [
        node("Transpose", ["x"], ["a"], "t1", perm=BACK),
        node("Relu", ["a"], ["b"], "relu"),
        node("Transpose", ["b"], ["y"], "t2", perm=FORTH),
    ]
    outputs, inputs = ["y"], {"x": (2, 3, 4, 5)}
    feeds = dict(X)
    if how == "output":
        outputs.append("b")
    elif how == "reader":
        nodes.append(node("ReduceSum", ["b"], ["z"], "sum"))
        outputs.append("z")
    elif how == "subgraph":
        nodes += in_a_branch([node("Neg", ["b"], ["inner"])], "z")
        outputs.append("z")
    else:
        nodes[1] = node("Add", ["a", "other"], ["b"], "add")
        inputs["other"] = (4, 5, 3)
        feeds["other"] = np.ones((4, 5, 3), np.float32)
    after, _ = prepared(run, build(nodes, inputs, outputs), feeds)
    assert op_types(after).count("Transpose") == 2


def test_what_the_file_says_of_inner_shapes_is_forgotten(build, run) -> None:
    """The tensors between have other shapes now, which the file must not deny."""
    nodes = [
        node("Transpose", ["x"], ["a"], "t1", perm=BACK),
        node("Relu", ["a"], ["b"], "relu"),
        node("Transpose", ["b"], ["c"], "t2", perm=FORTH),
        node("Sigmoid", ["c"], ["y"], "sigmoid"),
    ]
    before = build(nodes, {"x": (2, 3, 4, 5)}, ["y"])
    from onnx import shape_inference

    after, _ = prepared(run, shape_inference.infer_shapes(before), X)
    assert op_types(after) == ["Relu", "Sigmoid"]
    assert "b" not in {value.name for value in after.graph.value_info}


def test_in_float16_with_old_and_new_opsets(build, run) -> None:
    """Nothing depends on the type."""
    for opset in (9, 23):
        nodes = [
            node("Transpose", ["x"], ["a"], "t1", perm=BACK),
            node("Mul", ["a", "c"], ["b"], "mul"),
            node("Transpose", ["b"], ["y"], "t2", perm=FORTH),
        ]
        constants = {"c": np.arange(1, 4, dtype=np.float32)}
        before = build(nodes, {"x": (2, 3, 4, 5)}, ["y"], constants, opset=opset, ir_version=9)
        after, _ = prepared(run, to_half(before), {"x": X["x"].astype(np.float16)})
        assert op_types(after) == ["Mul"]
