"""Factors, biases and pads of nodes beside a layer go into it, and only where that is the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.onnxio.loading import model_of
from inspector.onnxio.passes.fold_pad import fold_pad
from tests.onnxio.passes_support import (
    examples,
    floats,
    in_a_branch,
    listed_as_inputs,
    node,
    op_types,
    prepared,
    to_half,
)

IMAGE = {"x": np.random.default_rng(1).normal(size=(2, 3, 6, 7)).astype(np.float32)}
SHAPES = st.sampled_from(
    [(), (1,), (4, 1, 1), (1, 4, 1, 1), (1, 1, 1, 1), (7,), (6, 1), (4, 6, 7), (2, 4, 1, 1)]
)


@given(
    seed=st.integers(0, 2**32 - 1),
    chain=st.lists(
        st.tuples(st.sampled_from(["Mul", "Div", "Add", "Sub"]), SHAPES, st.booleans()),
        min_size=1,
        max_size=3,
    ),
    transposed=st.booleans(),
    bias=st.booleans(),
    opset=st.sampled_from([9, 13, 17, 21]),
)
@examples
def test_constants_behind_a_convolution(build, run, seed, chain, transposed, bias, opset) -> None:
    """Whatever is behind it: the outputs stay, and one number a channel goes into the weights."""
    rng = np.random.default_rng(seed)
    constants = {"w": floats(rng, 3, 4, 1, 1) if transposed else floats(rng, 4, 3, 1, 1)}
    inputs = ["x", "w", "b"] if bias else ["x", "w"]
    constants |= {"b": floats(rng, 4)} if bias else {}
    nodes = [node("ConvTranspose" if transposed else "Conv", inputs, ["t0"], "conv")]
    folds = True
    for number, (op_type, shape, first) in enumerate(chain):
        constants[f"c{number}"] = floats(rng, *shape) + np.float32(3)
        operands = [f"t{number}", f"c{number}"]
        swapped = first and op_type in {"Mul", "Add"}
        nodes.append(node(op_type, operands[::-1] if swapped else operands, [f"t{number + 1}"]))
        folds &= shape in {(), (1,), (4, 1, 1), (1, 4, 1, 1), (1, 1, 1, 1)}
    before = build(nodes, {"x": ("N", 3, 6, 7)}, [f"t{len(chain)}"], constants, opset=opset)
    after, _ = prepared(run, before, IMAGE)
    if folds:
        assert len(after.graph.node) == 1
    assert after.graph.node[0].name == "conv"


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from([(), (1,), (5,), (1, 5), (1, 1, 5), (1, 1, 1, 5), (4, 1), (4, 5)]),
    kind=st.sampled_from(["MatMul", "Gemm", "MatMulAdd"]),
    divide=st.booleans(),
    rank=st.sampled_from([2, 3]),
)
@examples
def test_factors_behind_a_product(build, run, seed, shape, kind, divide, rank) -> None:
    """One number a column, or one for all; more axes than the product has would add axes."""
    rng = np.random.default_rng(seed)
    rank = 2 if kind == "Gemm" else rank
    size = (2, 4, 3)[3 - rank :]
    constants = {"w": floats(rng, 3, 5), "b": floats(rng, 5), "c": floats(rng, *shape) + 3}
    nodes = [node("Gemm" if kind == "Gemm" else "MatMul", ["x", "w"], ["p"], "fc")]
    if kind == "MatMulAdd":
        nodes.append(node("Add", ["p", "b"], ["q"], "bias"))
    last = nodes[-1].output[0]
    nodes.append(node("Div" if divide else "Mul", [last, "c"], ["y"], "scale"))
    before = build(nodes, {"x": size}, ["y"], constants)
    after, reports = prepared(run, before, {"x": floats(rng, *size)})
    folds = shape[-1:] in {(), (1,), (5,)} and np.prod(shape) in {1, 5} and len(shape) <= rank
    assert reports["fold_scale"].changed == folds
    assert ("Mul" in op_types(after) or "Div" in op_types(after)) != folds


def test_a_single_channel_that_is_broadcast_stays(build, run) -> None:
    """Five factors for one channel make five channels."""
    constants = {"w": np.ones((1, 3, 1, 1), np.float32), "c": np.arange(1, 6, dtype=np.float32)}
    constants["c"] = constants["c"].reshape(1, 5, 1, 1)
    nodes = [node("Conv", ["x", "w"], ["t"], "conv"), node("Mul", ["t", "c"], ["y"], "scale")]
    after, _ = prepared(run, build(nodes, {"x": (2, 3, 6, 7)}, ["y"], constants), IMAGE)
    assert op_types(after) == ["Conv", "Mul"]


@pytest.mark.parametrize("how", ["output", "twice", "subgraph", "zero"])
@pytest.mark.parametrize("op_type", ["Mul", "Add"])
def test_what_is_read_elsewhere_stays(build, run, op_type, how) -> None:
    """As a graph output, by another node, or by a subgraph; and factors of zero."""
    rng = np.random.default_rng(0)
    factor = np.zeros(1, np.float32) if how == "zero" else floats(rng, 4, 1, 1)
    constants = {"w": floats(rng, 4, 3, 1, 1), "c": factor}
    nodes = [node("Conv", ["x", "w"], ["t"], "conv"), node(op_type, ["t", "c"], ["y"], "it")]
    outputs = ["y"]
    if how == "twice":
        nodes.append(node("Relu", ["t"], ["z"], "relu"))
        outputs.append("z")
    elif how == "output":
        outputs.append("t")
    elif how == "subgraph":
        nodes += in_a_branch([node("Neg", ["t"], ["inner"])], "z")
        outputs.append("z")
    after, _ = prepared(run, build(nodes, {"x": (2, 3, 6, 7)}, outputs, constants), IMAGE)
    stays = how != "zero" or op_type == "Mul"
    assert (op_type in op_types(after)) == stays


@pytest.mark.parametrize("opset", [9, 10, 11, 13, 18, 21, 23])
@pytest.mark.parametrize("auto", [None, "NOTSET", "VALID", "SAME_UPPER"])
def test_a_pad_of_zeros_goes_into_the_convolutions(build, run, opset, auto) -> None:
    """As attributes, as inputs, with axes; two readers of which each pads by itself already."""
    rng = np.random.default_rng(opset)
    constants = {"w": floats(rng, 4, 3, 3, 3), "v": floats(rng, 2, 3, 1, 1)}
    pads = [0, 0, 1, 2, 0, 0, 3, 0]
    if opset < 11:
        pad = node("Pad", ["x"], ["p"], "pad", pads=pads)
    elif opset < 18:
        constants |= {"pads": np.array(pads), "zero": np.array(0, np.float32)}
        pad = node("Pad", ["x", "pads", "zero"], ["p"], "pad")
    else:
        constants |= {"pads": np.array([2, 1, 0, 3]), "axes": np.array([-1, 2])}
        pad = node("Pad", ["x", "pads", "", "axes"], ["p"], "pad")
    own = {} if auto is None else {"auto_pad": auto}
    own |= {"pads": [1, 0, 0, 1]} if auto in {None, "NOTSET"} else {}
    nodes = [
        pad,
        node("Conv", ["p", "w"], ["y"], "one", strides=[2, 1], **own),
        node("Conv", ["p", "v"], ["z"], "two"),
    ]
    before = build(nodes, {"x": ("N", 3, 6, 7)}, ["y", "z"], constants, opset=opset, ir_version=9)
    after, reports = prepared(run, before, IMAGE)
    folds = auto != "SAME_UPPER"
    assert reports["fold_pad"].changed == folds
    assert reports["fold_pad"].gone == ({"pad": "one"} if folds else {})
    assert ("Pad" in op_types(after)) != folds


@pytest.mark.parametrize(
    ("pads", "attributes", "value"),
    [
        ([0, 1, 0, 0, 0, 0, 0, 0], {}, 0),
        ([0, 0, 1, 1, 0, 0, 1, 1], {}, 1),
        ([0, 0, 1, 1, 0, 0, 1, 1], {"mode": "reflect"}, 0),
        ([0, 0, -1, 0, 0, 0, 1, 1], {}, 0),
    ],
    ids=["channels", "ones", "reflect", "cuts"],
)
def test_other_pads_stay(build, run, pads, attributes, value) -> None:
    """What a convolution cannot do."""
    rng = np.random.default_rng(0)
    constants = {"w": floats(rng, 4, 3 + pads[1], 3, 3), "pads": np.array(pads)}
    constants["value"] = np.array(value, np.float32)
    nodes = [
        node("Pad", ["x", "pads", "value"], ["p"], "pad", **attributes),
        node("Conv", ["p", "w"], ["y"], "conv"),
    ]
    before = build(nodes, {"x": (2, 3, 6, 7)}, ["y"], constants)
    after, _ = prepared(run, before, IMAGE)
    assert op_types(after) == ["Pad", "Conv"]


@pytest.mark.parametrize("pads", [[1], [0, 0, 1, 1], [0] * 7, []])
def test_pads_of_another_length_are_left_to_the_runtime(build, pads) -> None:
    """A file that is wrong stays as it is; nothing is raised."""
    constants = {"w": np.zeros((4, 3, 3, 3), np.float32), "pads": np.array(pads, np.int64)}
    nodes = [
        node("Pad", ["x", "pads"], ["p"], "pad"),
        node("Conv", ["p", "w"], ["y"], "conv", pads=[1, 1]),
    ]
    model = model_of(build(nodes, {"x": (2, 3, 6, 7)}, ["y"], constants))
    assert fold_pad(model)[0] is model


@pytest.mark.parametrize("change", [to_half, listed_as_inputs], ids=["float16", "IR 3"])
def test_in_other_types_and_forms(build, run, change) -> None:
    """float16 weights, and initializers that are inputs as well."""
    rng = np.random.default_rng(0)
    constants = {"w": floats(rng, 4, 3, 3, 3), "c": floats(rng, 4, 1, 1), "b": floats(rng, 1)}
    nodes = [
        node("Pad", ["x"], ["p"], "pad", pads=[0, 0, 1, 1, 0, 0, 1, 1]),
        node("Conv", ["p", "w"], ["t"], "conv"),
        node("Mul", ["t", "c"], ["s"], "scale"),
        node("Sub", ["s", "b"], ["y"], "shift"),
    ]
    before = change(build(nodes, {"x": (2, 3, 6, 7)}, ["y"], constants, opset=9))
    feeds = {"x": IMAGE["x"].astype(np.float16 if change is to_half else np.float32)}
    after, _ = prepared(run, before, feeds)
    assert op_types(after) == ["Conv"]


def test_weights_that_would_overflow_stay(build) -> None:
    """float16 ends at 65504."""
    constants = {"w": np.full((4, 3, 1, 1), 300, np.float32), "c": np.full(1, 300, np.float32)}
    nodes = [node("Conv", ["x", "w"], ["t"], "conv"), node("Mul", ["t", "c"], ["y"], "scale")]
    before = to_half(build(nodes, {"x": (2, 3, 6, 7)}, ["y"], constants))
    from inspector.onnxio.passes.fold_scale import fold_scale

    assert fold_scale(model_of(before))[1].changed == 0
